#!/bin/sh
# ippool-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add ippool-lab-sw
ip netns add ippool-lab-gw
ip netns add ippool-lab-control1
ip netns add ippool-lab-worker1
ip netns add ippool-lab-worker2
ip netns add ippool-lab-default1
ip netns add ippool-lab-default3
ip netns add ippool-lab-default2
ip netns add ippool-lab-nginx
ip netns add ippool-lab-extcli
ip netns add ippool-lab-borrower

# kernel settings
ip netns exec ippool-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec ippool-lab-gw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-gw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-gw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-gw sysctl -qw net/ipv4/ip_forward=0
ip netns exec ippool-lab-control1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-control1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-control1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-control1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-worker1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-worker2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ippool-lab-default1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-default1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-default1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-default1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec ippool-lab-default3 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-default3 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-default3 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-default3 sysctl -qw net/ipv4/ip_forward=0
ip netns exec ippool-lab-default2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-default2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-default2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-default2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec ippool-lab-nginx sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-nginx sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-nginx sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-nginx sysctl -qw net/ipv4/ip_forward=0
ip netns exec ippool-lab-extcli sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-extcli sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-extcli sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-extcli sysctl -qw net/ipv4/ip_forward=0
ip netns exec ippool-lab-borrower sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ippool-lab-borrower sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ippool-lab-borrower sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ippool-lab-borrower sysctl -qw net/ipv4/ip_forward=0

# links
ip -n ippool-lab-sw link add name br0 address 02:6d:1e:63:36:94 type bridge stp_state 0
ip link add name ens5 address 02:e6:38:d7:16:e5 netns ippool-lab-gw type veth peer name p-gw address 02:34:7d:46:8a:16 netns ippool-lab-sw
ip link add name ens5 address 02:e4:8b:4a:a2:37 netns ippool-lab-control1 type veth peer name p-control1 address 02:0a:4d:e4:73:1f netns ippool-lab-sw
ip link add name ens5 address 02:34:f0:99:4f:5d netns ippool-lab-worker1 type veth peer name p-worker1 address 02:bc:67:03:67:ef netns ippool-lab-sw
ip link add name ens5 address 02:63:c0:65:66:56 netns ippool-lab-worker2 type veth peer name p-worker2 address 02:ee:6e:3d:8f:8c netns ippool-lab-sw
ip link add name eth0 address 02:b5:77:3b:38:69 netns ippool-lab-default1 type veth peer name calif70bcb3cc4d address ee:ee:ee:ee:ee:ee netns ippool-lab-worker1
ip link add name eth0 address 02:f2:87:e0:e6:bf netns ippool-lab-default3 type veth peer name calief0cb53f815 address ee:ee:ee:ee:ee:ee netns ippool-lab-worker1
ip link add name eth0 address 02:f8:95:fa:af:d4 netns ippool-lab-default2 type veth peer name calidbef9cf909f address ee:ee:ee:ee:ee:ee netns ippool-lab-worker2
ip link add name eth0 address 02:d6:1f:97:ea:14 netns ippool-lab-nginx type veth peer name cali133fbf80347 address ee:ee:ee:ee:ee:ee netns ippool-lab-worker2
ip link add name eth0 address 02:e9:e3:e0:fc:00 netns ippool-lab-extcli type veth peer name cali66ed7085c02 address ee:ee:ee:ee:ee:ee netns ippool-lab-worker2
ip link add name eth0 address 02:6a:8e:85:ab:50 netns ippool-lab-borrower type veth peer name cali78f8bf1c0b4 address ee:ee:ee:ee:ee:ee netns ippool-lab-worker2
ip -n ippool-lab-sw link set p-gw master br0
ip -n ippool-lab-sw link set p-control1 master br0
ip -n ippool-lab-sw link set p-worker1 master br0
ip -n ippool-lab-sw link set p-worker2 master br0

# kernel settings
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/conf/calif70bcb3cc4d/proxy_arp=1
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/conf/calif70bcb3cc4d/forwarding=1
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/conf/calif70bcb3cc4d/route_localnet=1
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/conf/calif70bcb3cc4d/rp_filter=1
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/neigh/calif70bcb3cc4d/proxy_delay=0
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/conf/calief0cb53f815/proxy_arp=1
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/conf/calief0cb53f815/forwarding=1
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/conf/calief0cb53f815/route_localnet=1
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/conf/calief0cb53f815/rp_filter=1
ip netns exec ippool-lab-worker1 sysctl -qw net/ipv4/neigh/calief0cb53f815/proxy_delay=0
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/calidbef9cf909f/proxy_arp=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/calidbef9cf909f/forwarding=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/calidbef9cf909f/route_localnet=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/calidbef9cf909f/rp_filter=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/neigh/calidbef9cf909f/proxy_delay=0
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali133fbf80347/proxy_arp=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali133fbf80347/forwarding=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali133fbf80347/route_localnet=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali133fbf80347/rp_filter=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/neigh/cali133fbf80347/proxy_delay=0
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali66ed7085c02/proxy_arp=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali66ed7085c02/forwarding=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali66ed7085c02/route_localnet=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali66ed7085c02/rp_filter=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/neigh/cali66ed7085c02/proxy_delay=0
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali78f8bf1c0b4/proxy_arp=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali78f8bf1c0b4/forwarding=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali78f8bf1c0b4/route_localnet=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/conf/cali78f8bf1c0b4/rp_filter=1
ip netns exec ippool-lab-worker2 sysctl -qw net/ipv4/neigh/cali78f8bf1c0b4/proxy_delay=0

# addresses
ip -n ippool-lab-sw link set lo up
ip -n ippool-lab-sw link set p-gw up
ip -n ippool-lab-sw link set p-control1 up
ip -n ippool-lab-sw link set p-worker1 up
ip -n ippool-lab-sw link set p-worker2 up
ip -n ippool-lab-sw link set br0 up
ip -n ippool-lab-gw addr add 10.0.1.1/24 dev ens5
ip -n ippool-lab-gw link set lo up
ip -n ippool-lab-gw link set ens5 up
ip -n ippool-lab-control1 addr add 10.0.1.20/24 dev ens5
ip -n ippool-lab-control1 link set lo up
ip -n ippool-lab-control1 link set ens5 up
ip -n ippool-lab-worker1 addr add 10.0.1.30/24 dev ens5
ip -n ippool-lab-worker1 link set lo up
ip -n ippool-lab-worker1 link set ens5 up
ip -n ippool-lab-worker1 link set calif70bcb3cc4d up
ip -n ippool-lab-worker1 link set calief0cb53f815 up
ip -n ippool-lab-worker2 addr add 10.0.1.31/24 dev ens5
ip -n ippool-lab-worker2 link set lo up
ip -n ippool-lab-worker2 link set ens5 up
ip -n ippool-lab-worker2 link set calidbef9cf909f up
ip -n ippool-lab-worker2 link set cali133fbf80347 up
ip -n ippool-lab-worker2 link set cali66ed7085c02 up
ip -n ippool-lab-worker2 link set cali78f8bf1c0b4 up
ip -n ippool-lab-default1 addr add 10.48.0.66/32 dev eth0
ip -n ippool-lab-default1 link set lo up
ip -n ippool-lab-default1 link set eth0 up
ip -n ippool-lab-default3 addr add 10.48.0.67/32 dev eth0
ip -n ippool-lab-default3 link set lo up
ip -n ippool-lab-default3 link set eth0 up
ip -n ippool-lab-default2 addr add 10.48.0.130/32 dev eth0
ip -n ippool-lab-default2 link set lo up
ip -n ippool-lab-default2 link set eth0 up
ip -n ippool-lab-nginx addr add 10.48.2.216/32 dev eth0
ip -n ippool-lab-nginx link set lo up
ip -n ippool-lab-nginx link set eth0 up
ip -n ippool-lab-extcli addr add 10.48.2.217/32 dev eth0
ip -n ippool-lab-extcli link set lo up
ip -n ippool-lab-extcli link set eth0 up
ip -n ippool-lab-borrower addr add 10.48.0.68/32 dev eth0
ip -n ippool-lab-borrower link set lo up
ip -n ippool-lab-borrower link set eth0 up

# routing
ip -n ippool-lab-control1 route add blackhole 10.48.0.0/26 proto bird
ip -n ippool-lab-control1 route add default via 10.0.1.1 dev ens5
ip -n ippool-lab-control1 route add 10.48.0.64/26 via 10.0.1.30 dev ens5 proto bird
ip -n ippool-lab-control1 route add 10.48.0.128/26 via 10.0.1.31 dev ens5 proto bird
ip -n ippool-lab-control1 route add 10.48.2.216/29 via 10.0.1.31 dev ens5 proto bird
ip -n ippool-lab-control1 route add 10.48.0.68 via 10.0.1.31 dev ens5 proto bird
ip -n ippool-lab-worker1 route add blackhole 10.48.0.64/26 proto bird
ip -n ippool-lab-worker1 route add 10.48.0.66 dev calif70bcb3cc4d scope link
ip -n ippool-lab-worker1 route add 10.48.0.67 dev calief0cb53f815 scope link
ip -n ippool-lab-worker1 route add default via 10.0.1.1 dev ens5
ip -n ippool-lab-worker1 route add 10.48.0.0/26 via 10.0.1.20 dev ens5 proto bird
ip -n ippool-lab-worker1 route add 10.48.0.128/26 via 10.0.1.31 dev ens5 proto bird
ip -n ippool-lab-worker1 route add 10.48.2.216/29 via 10.0.1.31 dev ens5 proto bird
ip -n ippool-lab-worker1 route add 10.48.0.68 via 10.0.1.31 dev ens5 proto bird
ip -n ippool-lab-worker2 route add blackhole 10.48.0.128/26 proto bird
ip -n ippool-lab-worker2 route add blackhole 10.48.2.216/29 proto bird
ip -n ippool-lab-worker2 route add 10.48.0.130 dev calidbef9cf909f scope link
ip -n ippool-lab-worker2 route add 10.48.2.216 dev cali133fbf80347 scope link
ip -n ippool-lab-worker2 route add 10.48.2.217 dev cali66ed7085c02 scope link
ip -n ippool-lab-worker2 route add 10.48.0.68 dev cali78f8bf1c0b4 scope link
ip -n ippool-lab-worker2 route add default via 10.0.1.1 dev ens5
ip -n ippool-lab-worker2 route add 10.48.0.0/26 via 10.0.1.20 dev ens5 proto bird
ip -n ippool-lab-worker2 route add 10.48.0.64/26 via 10.0.1.30 dev ens5 proto bird
ip -n ippool-lab-default1 route add 169.254.1.1 dev eth0 scope link
ip -n ippool-lab-default1 route add default via 169.254.1.1 dev eth0
ip -n ippool-lab-default3 route add 169.254.1.1 dev eth0 scope link
ip -n ippool-lab-default3 route add default via 169.254.1.1 dev eth0
ip -n ippool-lab-default2 route add 169.254.1.1 dev eth0 scope link
ip -n ippool-lab-default2 route add default via 169.254.1.1 dev eth0
ip -n ippool-lab-nginx route add 169.254.1.1 dev eth0 scope link
ip -n ippool-lab-nginx route add default via 169.254.1.1 dev eth0
ip -n ippool-lab-extcli route add 169.254.1.1 dev eth0 scope link
ip -n ippool-lab-extcli route add default via 169.254.1.1 dev eth0
ip -n ippool-lab-borrower route add 169.254.1.1 dev eth0 scope link
ip -n ippool-lab-borrower route add default via 169.254.1.1 dev eth0

# firewall
ip netns exec ippool-lab-control1 ipset create cali40all-ipam-pools hash:net family inet
ip netns exec ippool-lab-control1 ipset add cali40all-ipam-pools 10.48.0.0/24
ip netns exec ippool-lab-control1 ipset add cali40all-ipam-pools 10.48.2.0/24
ip netns exec ippool-lab-worker1 ipset create cali40all-ipam-pools hash:net family inet
ip netns exec ippool-lab-worker1 ipset add cali40all-ipam-pools 10.48.0.0/24
ip netns exec ippool-lab-worker1 ipset add cali40all-ipam-pools 10.48.2.0/24
ip netns exec ippool-lab-worker2 ipset create cali40all-ipam-pools hash:net family inet
ip netns exec ippool-lab-worker2 ipset add cali40all-ipam-pools 10.48.0.0/24
ip netns exec ippool-lab-worker2 ipset add cali40all-ipam-pools 10.48.2.0/24

# services
ip netns exec ippool-lab-default1 netlab responder http 0.0.0.0:80 default1 </dev/null >/dev/null 2>&1 &
ip netns exec ippool-lab-default2 netlab responder http 0.0.0.0:80 default2 </dev/null >/dev/null 2>&1 &
ip netns exec ippool-lab-nginx netlab responder http 0.0.0.0:80 nginx </dev/null >/dev/null 2>&1 &
ip netns exec ippool-lab-borrower netlab responder http 0.0.0.0:80 borrower </dev/null >/dev/null 2>&1 &
