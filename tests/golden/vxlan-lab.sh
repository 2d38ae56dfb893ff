#!/bin/sh
# vxlan-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add vxlan-lab-sw
ip netns add vxlan-lab-gw
ip netns add vxlan-lab-node1
ip netns add vxlan-lab-node2
ip netns add vxlan-lab-node3
ip netns add vxlan-lab-pod1
ip netns add vxlan-lab-pod2
ip netns add vxlan-lab-pod3

# kernel settings
ip netns exec vxlan-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vxlan-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vxlan-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vxlan-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec vxlan-lab-gw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vxlan-lab-gw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vxlan-lab-gw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vxlan-lab-gw sysctl -qw net/ipv4/ip_forward=0
ip netns exec vxlan-lab-node1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vxlan-lab-node1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vxlan-lab-node1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vxlan-lab-node1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec vxlan-lab-node2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vxlan-lab-node2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vxlan-lab-node2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vxlan-lab-node2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec vxlan-lab-node3 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vxlan-lab-node3 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vxlan-lab-node3 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vxlan-lab-node3 sysctl -qw net/ipv4/ip_forward=1
ip netns exec vxlan-lab-pod1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vxlan-lab-pod1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vxlan-lab-pod1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vxlan-lab-pod1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec vxlan-lab-pod2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vxlan-lab-pod2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vxlan-lab-pod2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vxlan-lab-pod2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec vxlan-lab-pod3 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vxlan-lab-pod3 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vxlan-lab-pod3 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vxlan-lab-pod3 sysctl -qw net/ipv4/ip_forward=0

# links
ip -n vxlan-lab-sw link add name br0 address 02:ef:cc:a3:00:ba type bridge stp_state 0
ip link add name eth0 address 02:8f:1f:b6:aa:09 netns vxlan-lab-gw type veth peer name p-gw address 02:8c:a2:f6:ba:a8 netns vxlan-lab-sw
ip link add name eth0 address 02:fd:51:7f:01:93 netns vxlan-lab-node1 type veth peer name p-node1 address 02:73:9a:3c:08:d0 netns vxlan-lab-sw
ip link add name eth0 address 02:2c:17:e0:35:47 netns vxlan-lab-node2 type veth peer name p-node2 address 02:fc:ea:cb:61:0b netns vxlan-lab-sw
ip link add name eth0 address 02:67:15:56:33:fa netns vxlan-lab-node3 type veth peer name p-node3 address 02:18:13:33:f9:41 netns vxlan-lab-sw
ip link add name eth0 address 02:d1:a3:b9:8b:87 mtu 1450 netns vxlan-lab-pod1 type veth peer name calice0906292e2 address ee:ee:ee:ee:ee:ee mtu 1450 netns vxlan-lab-node1
ip link add name eth0 address 02:60:94:95:f7:de mtu 1450 netns vxlan-lab-pod2 type veth peer name calibd2348b4f67 address ee:ee:ee:ee:ee:ee mtu 1450 netns vxlan-lab-node2
ip link add name eth0 address 02:9c:78:2c:dd:cf mtu 1450 netns vxlan-lab-pod3 type veth peer name cali49778cadcf1 address ee:ee:ee:ee:ee:ee mtu 1450 netns vxlan-lab-node3
ip -n vxlan-lab-node1 link add name vxlan.calico address 66:00:00:00:00:11 mtu 1450 type vxlan id 4096 local 10.0.0.11 dev eth0 dstport 4789 nolearning
ip -n vxlan-lab-node2 link add name vxlan.calico address 66:00:00:00:00:12 mtu 1450 type vxlan id 4096 local 10.0.0.12 dev eth0 dstport 4789 nolearning
ip -n vxlan-lab-node3 link add name vxlan.calico address 66:00:00:00:00:13 mtu 1450 type vxlan id 4096 local 10.0.0.13 dev eth0 dstport 4789 nolearning
ip -n vxlan-lab-sw link set p-gw master br0
ip -n vxlan-lab-sw link set p-node1 master br0
ip -n vxlan-lab-sw link set p-node2 master br0
ip -n vxlan-lab-sw link set p-node3 master br0

# kernel settings
ip netns exec vxlan-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/proxy_arp=1
ip netns exec vxlan-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/forwarding=1
ip netns exec vxlan-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/route_localnet=1
ip netns exec vxlan-lab-node1 sysctl -qw net/ipv4/conf/calice0906292e2/rp_filter=1
ip netns exec vxlan-lab-node1 sysctl -qw net/ipv4/neigh/calice0906292e2/proxy_delay=0
ip netns exec vxlan-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/proxy_arp=1
ip netns exec vxlan-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/forwarding=1
ip netns exec vxlan-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/route_localnet=1
ip netns exec vxlan-lab-node2 sysctl -qw net/ipv4/conf/calibd2348b4f67/rp_filter=1
ip netns exec vxlan-lab-node2 sysctl -qw net/ipv4/neigh/calibd2348b4f67/proxy_delay=0
ip netns exec vxlan-lab-node3 sysctl -qw net/ipv4/conf/cali49778cadcf1/proxy_arp=1
ip netns exec vxlan-lab-node3 sysctl -qw net/ipv4/conf/cali49778cadcf1/forwarding=1
ip netns exec vxlan-lab-node3 sysctl -qw net/ipv4/conf/cali49778cadcf1/route_localnet=1
ip netns exec vxlan-lab-node3 sysctl -qw net/ipv4/conf/cali49778cadcf1/rp_filter=1
ip netns exec vxlan-lab-node3 sysctl -qw net/ipv4/neigh/cali49778cadcf1/proxy_delay=0

# addresses
ip -n vxlan-lab-sw link set lo up
ip -n vxlan-lab-sw link set p-gw up
ip -n vxlan-lab-sw link set p-node1 up
ip -n vxlan-lab-sw link set p-node2 up
ip -n vxlan-lab-sw link set p-node3 up
ip -n vxlan-lab-sw link set br0 up
ip -n vxlan-lab-gw addr add 10.0.0.1/24 dev eth0
ip -n vxlan-lab-gw link set lo up
ip -n vxlan-lab-gw link set eth0 up
ip -n vxlan-lab-node1 addr add 10.0.0.11/24 dev eth0
ip -n vxlan-lab-node1 addr add 10.244.1.0/32 dev vxlan.calico
ip -n vxlan-lab-node1 link set lo up
ip -n vxlan-lab-node1 link set eth0 up
ip -n vxlan-lab-node1 link set calice0906292e2 up
ip -n vxlan-lab-node1 link set vxlan.calico up
ip -n vxlan-lab-node2 addr add 10.0.0.12/24 dev eth0
ip -n vxlan-lab-node2 addr add 10.244.2.0/32 dev vxlan.calico
ip -n vxlan-lab-node2 link set lo up
ip -n vxlan-lab-node2 link set eth0 up
ip -n vxlan-lab-node2 link set calibd2348b4f67 up
ip -n vxlan-lab-node2 link set vxlan.calico up
ip -n vxlan-lab-node3 addr add 10.0.0.13/24 dev eth0
ip -n vxlan-lab-node3 addr add 10.244.3.0/32 dev vxlan.calico
ip -n vxlan-lab-node3 link set lo up
ip -n vxlan-lab-node3 link set eth0 up
ip -n vxlan-lab-node3 link set cali49778cadcf1 up
ip -n vxlan-lab-node3 link set vxlan.calico up
ip -n vxlan-lab-pod1 addr add 10.244.1.2/32 dev eth0
ip -n vxlan-lab-pod1 link set lo up
ip -n vxlan-lab-pod1 link set eth0 up
ip -n vxlan-lab-pod2 addr add 10.244.2.2/32 dev eth0
ip -n vxlan-lab-pod2 link set lo up
ip -n vxlan-lab-pod2 link set eth0 up
ip -n vxlan-lab-pod3 addr add 10.244.3.2/32 dev eth0
ip -n vxlan-lab-pod3 link set lo up
ip -n vxlan-lab-pod3 link set eth0 up

# routing
ip -n vxlan-lab-node1 route add blackhole 10.244.1.0/26 proto bird
ip -n vxlan-lab-node1 route add 10.244.1.2 dev calice0906292e2 scope link
ip -n vxlan-lab-node1 route add default via 10.0.0.1 dev eth0
ip -n vxlan-lab-node1 route add 10.244.2.0/26 via 10.244.2.0 dev vxlan.calico onlink
ip -n vxlan-lab-node1 route add 10.244.3.0/26 via 10.244.3.0 dev vxlan.calico onlink
ip -n vxlan-lab-node1 neigh add 10.244.2.0 dev vxlan.calico lladdr 66:00:00:00:00:12 nud permanent
ip -n vxlan-lab-node1 neigh add 10.244.3.0 dev vxlan.calico lladdr 66:00:00:00:00:13 nud permanent
bridge -n vxlan-lab-node1 fdb add 66:00:00:00:00:12 dev vxlan.calico dst 10.0.0.12 self permanent
bridge -n vxlan-lab-node1 fdb add 66:00:00:00:00:13 dev vxlan.calico dst 10.0.0.13 self permanent
ip -n vxlan-lab-node2 route add blackhole 10.244.2.0/26 proto bird
ip -n vxlan-lab-node2 route add 10.244.2.2 dev calibd2348b4f67 scope link
ip -n vxlan-lab-node2 route add default via 10.0.0.1 dev eth0
ip -n vxlan-lab-node2 route add 10.244.1.0/26 via 10.244.1.0 dev vxlan.calico onlink
ip -n vxlan-lab-node2 route add 10.244.3.0/26 via 10.244.3.0 dev vxlan.calico onlink
ip -n vxlan-lab-node2 neigh add 10.244.1.0 dev vxlan.calico lladdr 66:00:00:00:00:11 nud permanent
ip -n vxlan-lab-node2 neigh add 10.244.3.0 dev vxlan.calico lladdr 66:00:00:00:00:13 nud permanent
bridge -n vxlan-lab-node2 fdb add 66:00:00:00:00:11 dev vxlan.calico dst 10.0.0.11 self permanent
bridge -n vxlan-lab-node2 fdb add 66:00:00:00:00:13 dev vxlan.calico dst 10.0.0.13 self permanent
ip -n vxlan-lab-node3 route add blackhole 10.244.3.0/26 proto bird
ip -n vxlan-lab-node3 route add 10.244.3.2 dev cali49778cadcf1 scope link
ip -n vxlan-lab-node3 route add default via 10.0.0.1 dev eth0
ip -n vxlan-lab-node3 route add 10.244.1.0/26 via 10.244.1.0 dev vxlan.calico onlink
ip -n vxlan-lab-node3 route add 10.244.2.0/26 via 10.244.2.0 dev vxlan.calico onlink
ip -n vxlan-lab-node3 neigh add 10.244.1.0 dev vxlan.calico lladdr 66:00:00:00:00:11 nud permanent
ip -n vxlan-lab-node3 neigh add 10.244.2.0 dev vxlan.calico lladdr 66:00:00:00:00:12 nud permanent
bridge -n vxlan-lab-node3 fdb add 66:00:00:00:00:11 dev vxlan.calico dst 10.0.0.11 self permanent
bridge -n vxlan-lab-node3 fdb add 66:00:00:00:00:12 dev vxlan.calico dst 10.0.0.12 self permanent
ip -n vxlan-lab-pod1 route add 169.254.1.1 dev eth0 scope link
ip -n vxlan-lab-pod1 route add default via 169.254.1.1 dev eth0
ip -n vxlan-lab-pod2 route add 169.254.1.1 dev eth0 scope link
ip -n vxlan-lab-pod2 route add default via 169.254.1.1 dev eth0
ip -n vxlan-lab-pod3 route add 169.254.1.1 dev eth0 scope link
ip -n vxlan-lab-pod3 route add default via 169.254.1.1 dev eth0

# services
ip netns exec vxlan-lab-pod1 netlab responder http 0.0.0.0:80 pod1 </dev/null >/dev/null 2>&1 &
ip netns exec vxlan-lab-pod2 netlab responder http 0.0.0.0:80 pod2 </dev/null >/dev/null 2>&1 &
ip netns exec vxlan-lab-pod3 netlab responder http 0.0.0.0:80 pod3 </dev/null >/dev/null 2>&1 &
