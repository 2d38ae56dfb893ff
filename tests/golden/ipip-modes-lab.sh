#!/bin/sh
# ipip-modes-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add ipip-modes-lab-swa
ip netns add ipip-modes-lab-swb
ip netns add ipip-modes-lab-r
ip netns add ipip-modes-lab-node1
ip netns add ipip-modes-lab-node2
ip netns add ipip-modes-lab-node3
ip netns add ipip-modes-lab-pod1
ip netns add ipip-modes-lab-pod2
ip netns add ipip-modes-lab-pod3

# kernel settings
ip netns exec ipip-modes-lab-swa sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-modes-lab-swa sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-modes-lab-swa sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-modes-lab-swa sysctl -qw net/ipv4/ip_forward=0
ip netns exec ipip-modes-lab-swb sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-modes-lab-swb sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-modes-lab-swb sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-modes-lab-swb sysctl -qw net/ipv4/ip_forward=0
ip netns exec ipip-modes-lab-r sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-modes-lab-r sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-modes-lab-r sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-modes-lab-r sysctl -qw net/ipv4/ip_forward=1
ip netns exec ipip-modes-lab-node1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-modes-lab-node1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-modes-lab-node1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-modes-lab-node1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ipip-modes-lab-node2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-modes-lab-node2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-modes-lab-node2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-modes-lab-node2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ipip-modes-lab-node3 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-modes-lab-node3 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-modes-lab-node3 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-modes-lab-node3 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ipip-modes-lab-pod1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-modes-lab-pod1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-modes-lab-pod1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-modes-lab-pod1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec ipip-modes-lab-pod2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-modes-lab-pod2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-modes-lab-pod2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-modes-lab-pod2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec ipip-modes-lab-pod3 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-modes-lab-pod3 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-modes-lab-pod3 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-modes-lab-pod3 sysctl -qw net/ipv4/ip_forward=0

# links
ip -n ipip-modes-lab-swa link add name br0 address 02:ba:dc:fe:d9:3f type bridge stp_state 0
ip -n ipip-modes-lab-swb link add name br0 address 02:39:e2:23:99:9d type bridge stp_state 0
ip -n ipip-modes-lab-node1 link show tunl0 >/dev/null 2>&1 || ip -n ipip-modes-lab-node1 link add name tunl0 mtu 1480 type ipip
ip -n ipip-modes-lab-node1 link set tunl0 mtu 1480
ip -n ipip-modes-lab-node2 link show tunl0 >/dev/null 2>&1 || ip -n ipip-modes-lab-node2 link add name tunl0 mtu 1480 type ipip
ip -n ipip-modes-lab-node2 link set tunl0 mtu 1480
ip -n ipip-modes-lab-node3 link show tunl0 >/dev/null 2>&1 || ip -n ipip-modes-lab-node3 link add name tunl0 mtu 1480 type ipip
ip -n ipip-modes-lab-node3 link set tunl0 mtu 1480
ip link add name etha address 02:e7:c0:1f:19:8a netns ipip-modes-lab-r type veth peer name p-r address 02:67:4e:2c:e7:7e netns ipip-modes-lab-swa
ip link add name eth0 address 02:58:e6:4a:1d:89 netns ipip-modes-lab-node1 type veth peer name p-node1 address 02:ce:67:6d:6f:3a netns ipip-modes-lab-swa
ip link add name eth0 address 02:c4:4e:34:b7:79 netns ipip-modes-lab-node2 type veth peer name p-node2 address 02:7a:de:7f:7e:9d netns ipip-modes-lab-swa
ip link add name ethb address 02:b7:b3:1f:60:ba netns ipip-modes-lab-r type veth peer name p-r address 02:60:a9:83:f7:1e netns ipip-modes-lab-swb
ip link add name eth0 address 02:17:d4:85:07:86 netns ipip-modes-lab-node3 type veth peer name p-node3 address 02:8d:43:0c:57:e2 netns ipip-modes-lab-swb
ip link add name eth0 address 02:54:0d:ba:8a:1d netns ipip-modes-lab-pod1 type veth peer name calice0906292e2 address ee:ee:ee:ee:ee:ee netns ipip-modes-lab-node1
ip link add name eth0 address 02:66:2c:6b:2f:69 netns ipip-modes-lab-pod2 type veth peer name calibd2348b4f67 address ee:ee:ee:ee:ee:ee netns ipip-modes-lab-node2
ip link add name eth0 address 02:d3:97:8e:9b:87 netns ipip-modes-lab-pod3 type veth peer name cali49778cadcf1 address ee:ee:ee:ee:ee:ee netns ipip-modes-lab-node3
ip -n ipip-modes-lab-swa link set p-r master br0
ip -n ipip-modes-lab-swa link set p-node1 master br0
ip -n ipip-modes-lab-swa link set p-node2 master br0
ip -n ipip-modes-lab-swb link set p-r master br0
ip -n ipip-modes-lab-swb link set p-node3 master br0

# kernel settings
ip netns exec ipip-modes-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/proxy_arp=1
ip netns exec ipip-modes-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/rp_filter=1
ip netns exec ipip-modes-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/route_localnet=1
ip netns exec ipip-modes-lab-node1 sysctl -qw net/ipv4/neigh/calice0906292e2/proxy_delay=0
ip netns exec ipip-modes-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/proxy_arp=1
ip netns exec ipip-modes-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/rp_filter=1
ip netns exec ipip-modes-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/route_localnet=1
ip netns exec ipip-modes-lab-node2 sysctl -qw net/ipv4/neigh/calibd2348b4f67/proxy_delay=0
ip netns exec ipip-modes-lab-node3 sysctl -qw net/ipv4/conf/cali49778cadcf1/proxy_arp=1
ip netns exec ipip-modes-lab-node3 sysctl -qw net/ipv4/conf/cali49778cadcf1/rp_filter=1
ip netns exec ipip-modes-lab-node3 sysctl -qw net/ipv4/conf/cali49778cadcf1/route_localnet=1
ip netns exec ipip-modes-lab-node3 sysctl -qw net/ipv4/neigh/cali49778cadcf1/proxy_delay=0

# addresses
ip -n ipip-modes-lab-swa link set lo up
ip -n ipip-modes-lab-swa link set p-r up
ip -n ipip-modes-lab-swa link set p-node1 up
ip -n ipip-modes-lab-swa link set p-node2 up
ip -n ipip-modes-lab-swa link set br0 up
ip -n ipip-modes-lab-swb link set lo up
ip -n ipip-modes-lab-swb link set p-r up
ip -n ipip-modes-lab-swb link set p-node3 up
ip -n ipip-modes-lab-swb link set br0 up
ip -n ipip-modes-lab-r addr add 10.0.1.1/24 dev etha
ip -n ipip-modes-lab-r addr add 10.0.2.1/24 dev ethb
ip -n ipip-modes-lab-r link set lo up
ip -n ipip-modes-lab-r link set etha up
ip -n ipip-modes-lab-r link set ethb up
ip -n ipip-modes-lab-node1 addr add 10.0.1.11/24 dev eth0
ip -n ipip-modes-lab-node1 addr add 10.244.1.0/32 dev tunl0
ip -n ipip-modes-lab-node1 link set lo up
ip -n ipip-modes-lab-node1 link set eth0 up
ip -n ipip-modes-lab-node1 link set calice0906292e2 up
ip -n ipip-modes-lab-node1 link set tunl0 up
ip -n ipip-modes-lab-node2 addr add 10.0.1.12/24 dev eth0
ip -n ipip-modes-lab-node2 addr add 10.244.2.0/32 dev tunl0
ip -n ipip-modes-lab-node2 link set lo up
ip -n ipip-modes-lab-node2 link set eth0 up
ip -n ipip-modes-lab-node2 link set calibd2348b4f67 up
ip -n ipip-modes-lab-node2 link set tunl0 up
ip -n ipip-modes-lab-node3 addr add 10.0.2.13/24 dev eth0
ip -n ipip-modes-lab-node3 addr add 10.244.3.0/32 dev tunl0
ip -n ipip-modes-lab-node3 link set lo up
ip -n ipip-modes-lab-node3 link set eth0 up
ip -n ipip-modes-lab-node3 link set cali49778cadcf1 up
ip -n ipip-modes-lab-node3 link set tunl0 up
ip -n ipip-modes-lab-pod1 addr add 10.244.1.2/32 dev eth0
ip -n ipip-modes-lab-pod1 link set lo up
ip -n ipip-modes-lab-pod1 link set eth0 up
ip -n ipip-modes-lab-pod2 addr add 10.244.2.2/32 dev eth0
ip -n ipip-modes-lab-pod2 link set lo up
ip -n ipip-modes-lab-pod2 link set eth0 up
ip -n ipip-modes-lab-pod3 addr add 10.244.3.2/32 dev eth0
ip -n ipip-modes-lab-pod3 link set lo up
ip -n ipip-modes-lab-pod3 link set eth0 up

# routing
ip -n ipip-modes-lab-node1 route add blackhole 10.244.1.0/26 proto bird
ip -n ipip-modes-lab-node1 route add 10.244.1.2 dev calice0906292e2 scope link
ip -n ipip-modes-lab-node1 route add default via 10.0.1.1 dev eth0
ip -n ipip-modes-lab-node1 route add 10.244.2.0/26 via 10.0.1.12 dev eth0 proto bird
ip -n ipip-modes-lab-node1 route add 10.244.3.0/26 via 10.0.2.13 dev tunl0 proto bird onlink
ip -n ipip-modes-lab-node2 route add blackhole 10.244.2.0/26 proto bird
ip -n ipip-modes-lab-node2 route add 10.244.2.2 dev calibd2348b4f67 scope link
ip -n ipip-modes-lab-node2 route add default via 10.0.1.1 dev eth0
ip -n ipip-modes-lab-node2 route add 10.244.1.0/26 via 10.0.1.11 dev eth0 proto bird
ip -n ipip-modes-lab-node2 route add 10.244.3.0/26 via 10.0.2.13 dev tunl0 proto bird onlink
ip -n ipip-modes-lab-node3 route add blackhole 10.244.3.0/26 proto bird
ip -n ipip-modes-lab-node3 route add 10.244.3.2 dev cali49778cadcf1 scope link
ip -n ipip-modes-lab-node3 route add default via 10.0.2.1 dev eth0
ip -n ipip-modes-lab-node3 route add 10.244.1.0/26 via 10.0.1.11 dev tunl0 proto bird onlink
ip -n ipip-modes-lab-node3 route add 10.244.2.0/26 via 10.0.1.12 dev tunl0 proto bird onlink
ip -n ipip-modes-lab-pod1 route add 169.254.1.1 dev eth0 scope link
ip -n ipip-modes-lab-pod1 route add default via 169.254.1.1 dev eth0
ip -n ipip-modes-lab-pod2 route add 169.254.1.1 dev eth0 scope link
ip -n ipip-modes-lab-pod2 route add default via 169.254.1.1 dev eth0
ip -n ipip-modes-lab-pod3 route add 169.254.1.1 dev eth0 scope link
ip -n ipip-modes-lab-pod3 route add default via 169.254.1.1 dev eth0

# services
ip netns exec ipip-modes-lab-pod2 netlab responder http 0.0.0.0:80 pod2 </dev/null >/dev/null 2>&1 &
ip netns exec ipip-modes-lab-pod3 netlab responder http 0.0.0.0:80 pod3 </dev/null >/dev/null 2>&1 &
