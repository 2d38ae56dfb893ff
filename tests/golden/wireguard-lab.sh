#!/bin/sh
# wireguard-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add wireguard-lab-sw
ip netns add wireguard-lab-gw
ip netns add wireguard-lab-node1
ip netns add wireguard-lab-node2
ip netns add wireguard-lab-pod1
ip netns add wireguard-lab-pod2

# kernel settings
ip netns exec wireguard-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec wireguard-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec wireguard-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec wireguard-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec wireguard-lab-gw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec wireguard-lab-gw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec wireguard-lab-gw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec wireguard-lab-gw sysctl -qw net/ipv4/ip_forward=0
ip netns exec wireguard-lab-node1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec wireguard-lab-node1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec wireguard-lab-node1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec wireguard-lab-node1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec wireguard-lab-node2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec wireguard-lab-node2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec wireguard-lab-node2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec wireguard-lab-node2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec wireguard-lab-pod1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec wireguard-lab-pod1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec wireguard-lab-pod1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec wireguard-lab-pod1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec wireguard-lab-pod2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec wireguard-lab-pod2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec wireguard-lab-pod2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec wireguard-lab-pod2 sysctl -qw net/ipv4/ip_forward=0

# links
ip -n wireguard-lab-sw link add name br0 address 02:ac:26:64:52:4a type bridge stp_state 0
ip -n wireguard-lab-node1 link add name wg-node1 mtu 1440 type wireguard
printf '%s\n' '[Interface]' 'PrivateKey = wOZDCwh+df61hCKmp1eRRF9TWPJjSNKpSJLU2QlORXs=' 'ListenPort = 51820' 'FwMark = 0x100000' '[Peer]' 'PublicKey = oViZUlDSP8lm3hz4M/nrKw3NFg5zOqFT6bDGyKrIa18=' 'AllowedIPs = 10.244.2.0/26' 'Endpoint = 10.0.0.12:51820' | ip netns exec wireguard-lab-node1 wg setconf wg-node1 /dev/stdin
ip -n wireguard-lab-node2 link add name wg-node2 mtu 1440 type wireguard
printf '%s\n' '[Interface]' 'PrivateKey = 4Dx8sI2eOmNB99BfB0uwEU3UbEc3sDF621NfyE58QFI=' 'ListenPort = 51820' 'FwMark = 0x100000' '[Peer]' 'PublicKey = s+Fe6soWuvuJn/fNZQssf2phM+qRd/8kSiNwvGSEdCg=' 'AllowedIPs = 10.244.1.0/26' 'Endpoint = 10.0.0.11:51820' | ip netns exec wireguard-lab-node2 wg setconf wg-node2 /dev/stdin
ip link add name eth0 address 02:f3:fb:3f:09:37 netns wireguard-lab-gw type veth peer name p-gw address 02:aa:36:ec:12:5d netns wireguard-lab-sw
ip link add name eth0 address 02:53:f9:27:87:df netns wireguard-lab-node1 type veth peer name p-node1 address 02:ac:b8:10:69:bd netns wireguard-lab-sw
ip link add name eth0 address 02:08:c6:c5:f1:8d netns wireguard-lab-node2 type veth peer name p-node2 address 02:fa:76:2d:59:56 netns wireguard-lab-sw
ip link add name eth0 address 02:74:63:99:4a:bf mtu 1440 netns wireguard-lab-pod1 type veth peer name calice0906292e2 address ee:ee:ee:ee:ee:ee mtu 1440 netns wireguard-lab-node1
ip link add name eth0 address 02:e4:03:74:46:c1 mtu 1440 netns wireguard-lab-pod2 type veth peer name calibd2348b4f67 address ee:ee:ee:ee:ee:ee mtu 1440 netns wireguard-lab-node2
ip -n wireguard-lab-sw link set p-gw master br0
ip -n wireguard-lab-sw link set p-node1 master br0
ip -n wireguard-lab-sw link set p-node2 master br0

# kernel settings
ip netns exec wireguard-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/proxy_arp=1
ip netns exec wireguard-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/forwarding=1
ip netns exec wireguard-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/route_localnet=1
ip netns exec wireguard-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/rp_filter=1
ip netns exec wireguard-lab-node1 sysctl -qw net/ipv4/neigh/calice0906292e2/proxy_delay=0
ip netns exec wireguard-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/proxy_arp=1
ip netns exec wireguard-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/forwarding=1
ip netns exec wireguard-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/route_localnet=1
ip netns exec wireguard-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/rp_filter=1
ip netns exec wireguard-lab-node2 sysctl -qw net/ipv4/neigh/calibd2348b4f67/proxy_delay=0

# addresses
ip -n wireguard-lab-sw link set lo up
ip -n wireguard-lab-sw link set p-gw up
ip -n wireguard-lab-sw link set p-node1 up
ip -n wireguard-lab-sw link set p-node2 up
ip -n wireguard-lab-sw link set br0 up
ip -n wireguard-lab-gw addr add 10.0.0.1/24 dev eth0
ip -n wireguard-lab-gw link set lo up
ip -n wireguard-lab-gw link set eth0 up
ip -n wireguard-lab-node1 addr add 10.0.0.11/24 dev eth0
ip -n wireguard-lab-node1 addr add 10.244.1.0/32 dev wg-node1
ip -n wireguard-lab-node1 link set lo up
ip -n wireguard-lab-node1 link set eth0 up
ip -n wireguard-lab-node1 link set calice0906292e2 up
ip -n wireguard-lab-node1 link set wg-node1 up
ip -n wireguard-lab-node2 addr add 10.0.0.12/24 dev eth0
ip -n wireguard-lab-node2 addr add 10.244.2.0/32 dev wg-node2
ip -n wireguard-lab-node2 link set lo up
ip -n wireguard-lab-node2 link set eth0 up
ip -n wireguard-lab-node2 link set calibd2348b4f67 up
ip -n wireguard-lab-node2 link set wg-node2 up
ip -n wireguard-lab-pod1 addr add 10.244.1.2/32 dev eth0
ip -n wireguard-lab-pod1 link set lo up
ip -n wireguard-lab-pod1 link set eth0 up
ip -n wireguard-lab-pod2 addr add 10.244.2.2/32 dev eth0
ip -n wireguard-lab-pod2 link set lo up
ip -n wireguard-lab-pod2 link set eth0 up

# routing
ip -n wireguard-lab-node1 route add blackhole 10.244.1.0/26 proto bird
ip -n wireguard-lab-node1 route add 10.244.1.2 dev calice0906292e2 scope link
ip -n wireguard-lab-node1 route add 10.244.2.0/26 dev wg-node1 table 1 scope link
ip -n wireguard-lab-node1 route add default via 10.0.0.1 dev eth0
ip -n wireguard-lab-node1 route add 10.244.2.0/26 via 10.0.0.12 dev eth0 proto bird
ip -n wireguard-lab-node1 rule add not from all fwmark 0x100000/0x100000 lookup 1 priority 99
ip -n wireguard-lab-node2 route add blackhole 10.244.2.0/26 proto bird
ip -n wireguard-lab-node2 route add 10.244.2.2 dev calibd2348b4f67 scope link
ip -n wireguard-lab-node2 route add 10.244.1.0/26 dev wg-node2 table 1 scope link
ip -n wireguard-lab-node2 route add default via 10.0.0.1 dev eth0
ip -n wireguard-lab-node2 route add 10.244.1.0/26 via 10.0.0.11 dev eth0 proto bird
ip -n wireguard-lab-node2 rule add not from all fwmark 0x100000/0x100000 lookup 1 priority 99
ip -n wireguard-lab-pod1 route add 169.254.1.1 dev eth0 scope link
ip -n wireguard-lab-pod1 route add default via 169.254.1.1 dev eth0
ip -n wireguard-lab-pod2 route add 169.254.1.1 dev eth0 scope link
ip -n wireguard-lab-pod2 route add default via 169.254.1.1 dev eth0

# services
ip netns exec wireguard-lab-pod1 netlab responder http 0.0.0.0:80 pod1 </dev/null >/dev/null 2>&1 &
ip netns exec wireguard-lab-pod2 netlab responder http 0.0.0.0:80 pod2 </dev/null >/dev/null 2>&1 &
