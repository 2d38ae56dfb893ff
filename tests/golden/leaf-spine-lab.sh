#!/bin/sh
# leaf-spine-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add leaf-spine-lab-spine1
ip netns add leaf-spine-lab-spine2
ip netns add leaf-spine-lab-leaf1
ip netns add leaf-spine-lab-leaf2
ip netns add leaf-spine-lab-leaf3
ip netns add leaf-spine-lab-leaf4

# kernel settings
ip netns exec leaf-spine-lab-spine1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec leaf-spine-lab-spine1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec leaf-spine-lab-spine1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec leaf-spine-lab-spine1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec leaf-spine-lab-spine2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec leaf-spine-lab-spine2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec leaf-spine-lab-spine2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec leaf-spine-lab-spine2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec leaf-spine-lab-leaf1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec leaf-spine-lab-leaf1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec leaf-spine-lab-leaf1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec leaf-spine-lab-leaf1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec leaf-spine-lab-leaf2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec leaf-spine-lab-leaf2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec leaf-spine-lab-leaf2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec leaf-spine-lab-leaf2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec leaf-spine-lab-leaf3 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec leaf-spine-lab-leaf3 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec leaf-spine-lab-leaf3 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec leaf-spine-lab-leaf3 sysctl -qw net/ipv4/ip_forward=1
ip netns exec leaf-spine-lab-leaf4 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec leaf-spine-lab-leaf4 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec leaf-spine-lab-leaf4 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec leaf-spine-lab-leaf4 sysctl -qw net/ipv4/ip_forward=1

# links
ip link add name to-spine1 address 02:0c:a4:79:c9:b9 netns leaf-spine-lab-leaf1 type veth peer name to-leaf1 address 02:c1:9f:ee:f2:6a netns leaf-spine-lab-spine1
ip link add name to-spine2 address 02:0e:ee:f2:0b:9d netns leaf-spine-lab-leaf1 type veth peer name to-leaf1 address 02:f3:fa:cf:20:92 netns leaf-spine-lab-spine2
ip link add name to-spine1 address 02:40:a8:80:19:96 netns leaf-spine-lab-leaf2 type veth peer name to-leaf2 address 02:df:28:98:7b:1c netns leaf-spine-lab-spine1
ip link add name to-spine2 address 02:7e:c6:fa:cb:d8 netns leaf-spine-lab-leaf2 type veth peer name to-leaf2 address 02:95:58:08:d9:2f netns leaf-spine-lab-spine2
ip link add name to-spine1 address 02:d9:69:88:58:b5 netns leaf-spine-lab-leaf3 type veth peer name to-leaf3 address 02:b2:3c:75:25:17 netns leaf-spine-lab-spine1
ip link add name to-spine2 address 02:9c:13:33:46:e7 netns leaf-spine-lab-leaf3 type veth peer name to-leaf3 address 02:e0:ef:ee:bb:dc netns leaf-spine-lab-spine2
ip link add name to-spine1 address 02:74:a8:5e:5f:0f netns leaf-spine-lab-leaf4 type veth peer name to-leaf4 address 02:07:3f:58:cc:cd netns leaf-spine-lab-spine1
ip link add name to-spine2 address 02:bf:c6:00:ad:18 netns leaf-spine-lab-leaf4 type veth peer name to-leaf4 address 02:49:2b:16:6e:22 netns leaf-spine-lab-spine2

# addresses
ip -n leaf-spine-lab-spine1 addr add 10.0.0.1/32 dev lo
ip -n leaf-spine-lab-spine1 addr add 10.128.0.7/31 dev to-leaf1
ip -n leaf-spine-lab-spine1 addr add 10.128.0.11/31 dev to-leaf2
ip -n leaf-spine-lab-spine1 addr add 10.128.0.15/31 dev to-leaf3
ip -n leaf-spine-lab-spine1 addr add 10.128.0.19/31 dev to-leaf4
ip -n leaf-spine-lab-spine1 link set lo up
ip -n leaf-spine-lab-spine1 link set to-leaf1 up
ip -n leaf-spine-lab-spine1 link set to-leaf2 up
ip -n leaf-spine-lab-spine1 link set to-leaf3 up
ip -n leaf-spine-lab-spine1 link set to-leaf4 up
ip -n leaf-spine-lab-spine2 addr add 10.0.0.2/32 dev lo
ip -n leaf-spine-lab-spine2 addr add 10.128.0.9/31 dev to-leaf1
ip -n leaf-spine-lab-spine2 addr add 10.128.0.13/31 dev to-leaf2
ip -n leaf-spine-lab-spine2 addr add 10.128.0.17/31 dev to-leaf3
ip -n leaf-spine-lab-spine2 addr add 10.128.0.21/31 dev to-leaf4
ip -n leaf-spine-lab-spine2 link set lo up
ip -n leaf-spine-lab-spine2 link set to-leaf1 up
ip -n leaf-spine-lab-spine2 link set to-leaf2 up
ip -n leaf-spine-lab-spine2 link set to-leaf3 up
ip -n leaf-spine-lab-spine2 link set to-leaf4 up
ip -n leaf-spine-lab-leaf1 addr add 10.0.1.1/32 dev lo
ip -n leaf-spine-lab-leaf1 addr add 10.128.0.6/31 dev to-spine1
ip -n leaf-spine-lab-leaf1 addr add 10.128.0.8/31 dev to-spine2
ip -n leaf-spine-lab-leaf1 link set lo up
ip -n leaf-spine-lab-leaf1 link set to-spine1 up
ip -n leaf-spine-lab-leaf1 link set to-spine2 up
ip -n leaf-spine-lab-leaf2 addr add 10.0.1.2/32 dev lo
ip -n leaf-spine-lab-leaf2 addr add 10.128.0.10/31 dev to-spine1
ip -n leaf-spine-lab-leaf2 addr add 10.128.0.12/31 dev to-spine2
ip -n leaf-spine-lab-leaf2 link set lo up
ip -n leaf-spine-lab-leaf2 link set to-spine1 up
ip -n leaf-spine-lab-leaf2 link set to-spine2 up
ip -n leaf-spine-lab-leaf3 addr add 10.0.1.3/32 dev lo
ip -n leaf-spine-lab-leaf3 addr add 10.128.0.14/31 dev to-spine1
ip -n leaf-spine-lab-leaf3 addr add 10.128.0.16/31 dev to-spine2
ip -n leaf-spine-lab-leaf3 link set lo up
ip -n leaf-spine-lab-leaf3 link set to-spine1 up
ip -n leaf-spine-lab-leaf3 link set to-spine2 up
ip -n leaf-spine-lab-leaf4 addr add 10.0.1.4/32 dev lo
ip -n leaf-spine-lab-leaf4 addr add 10.128.0.18/31 dev to-spine1
ip -n leaf-spine-lab-leaf4 addr add 10.128.0.20/31 dev to-spine2
ip -n leaf-spine-lab-leaf4 link set lo up
ip -n leaf-spine-lab-leaf4 link set to-spine1 up
ip -n leaf-spine-lab-leaf4 link set to-spine2 up

# routing
ip -n leaf-spine-lab-spine1 route add 10.0.0.2 src 10.0.0.1 nexthop via 10.128.0.6 dev to-leaf1 weight 1 nexthop via 10.128.0.10 dev to-leaf2 weight 1 nexthop via 10.128.0.14 dev to-leaf3 weight 1 nexthop via 10.128.0.18 dev to-leaf4 weight 1
ip -n leaf-spine-lab-spine1 route add 10.0.1.1 via 10.128.0.6 dev to-leaf1 src 10.0.0.1
ip -n leaf-spine-lab-spine1 route add 10.0.1.2 via 10.128.0.10 dev to-leaf2 src 10.0.0.1
ip -n leaf-spine-lab-spine1 route add 10.0.1.3 via 10.128.0.14 dev to-leaf3 src 10.0.0.1
ip -n leaf-spine-lab-spine1 route add 10.0.1.4 via 10.128.0.18 dev to-leaf4 src 10.0.0.1
ip -n leaf-spine-lab-spine2 route add 10.0.0.1 src 10.0.0.2 nexthop via 10.128.0.8 dev to-leaf1 weight 1 nexthop via 10.128.0.12 dev to-leaf2 weight 1 nexthop via 10.128.0.16 dev to-leaf3 weight 1 nexthop via 10.128.0.20 dev to-leaf4 weight 1
ip -n leaf-spine-lab-spine2 route add 10.0.1.1 via 10.128.0.8 dev to-leaf1 src 10.0.0.2
ip -n leaf-spine-lab-spine2 route add 10.0.1.2 via 10.128.0.12 dev to-leaf2 src 10.0.0.2
ip -n leaf-spine-lab-spine2 route add 10.0.1.3 via 10.128.0.16 dev to-leaf3 src 10.0.0.2
ip -n leaf-spine-lab-spine2 route add 10.0.1.4 via 10.128.0.20 dev to-leaf4 src 10.0.0.2
ip -n leaf-spine-lab-leaf1 route add 10.0.0.1 via 10.128.0.7 dev to-spine1 src 10.0.1.1
ip -n leaf-spine-lab-leaf1 route add 10.0.0.2 via 10.128.0.9 dev to-spine2 src 10.0.1.1
ip -n leaf-spine-lab-leaf1 route add 10.0.1.2 src 10.0.1.1 nexthop via 10.128.0.7 dev to-spine1 weight 1 nexthop via 10.128.0.9 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf1 route add 10.0.1.3 src 10.0.1.1 nexthop via 10.128.0.7 dev to-spine1 weight 1 nexthop via 10.128.0.9 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf1 route add 10.0.1.4 src 10.0.1.1 nexthop via 10.128.0.7 dev to-spine1 weight 1 nexthop via 10.128.0.9 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf2 route add 10.0.0.1 via 10.128.0.11 dev to-spine1 src 10.0.1.2
ip -n leaf-spine-lab-leaf2 route add 10.0.0.2 via 10.128.0.13 dev to-spine2 src 10.0.1.2
ip -n leaf-spine-lab-leaf2 route add 10.0.1.1 src 10.0.1.2 nexthop via 10.128.0.11 dev to-spine1 weight 1 nexthop via 10.128.0.13 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf2 route add 10.0.1.3 src 10.0.1.2 nexthop via 10.128.0.11 dev to-spine1 weight 1 nexthop via 10.128.0.13 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf2 route add 10.0.1.4 src 10.0.1.2 nexthop via 10.128.0.11 dev to-spine1 weight 1 nexthop via 10.128.0.13 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf3 route add 10.0.0.1 via 10.128.0.15 dev to-spine1 src 10.0.1.3
ip -n leaf-spine-lab-leaf3 route add 10.0.0.2 via 10.128.0.17 dev to-spine2 src 10.0.1.3
ip -n leaf-spine-lab-leaf3 route add 10.0.1.1 src 10.0.1.3 nexthop via 10.128.0.15 dev to-spine1 weight 1 nexthop via 10.128.0.17 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf3 route add 10.0.1.2 src 10.0.1.3 nexthop via 10.128.0.15 dev to-spine1 weight 1 nexthop via 10.128.0.17 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf3 route add 10.0.1.4 src 10.0.1.3 nexthop via 10.128.0.15 dev to-spine1 weight 1 nexthop via 10.128.0.17 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf4 route add 10.0.0.1 via 10.128.0.19 dev to-spine1 src 10.0.1.4
ip -n leaf-spine-lab-leaf4 route add 10.0.0.2 via 10.128.0.21 dev to-spine2 src 10.0.1.4
ip -n leaf-spine-lab-leaf4 route add 10.0.1.1 src 10.0.1.4 nexthop via 10.128.0.19 dev to-spine1 weight 1 nexthop via 10.128.0.21 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf4 route add 10.0.1.2 src 10.0.1.4 nexthop via 10.128.0.19 dev to-spine1 weight 1 nexthop via 10.128.0.21 dev to-spine2 weight 1
ip -n leaf-spine-lab-leaf4 route add 10.0.1.3 src 10.0.1.4 nexthop via 10.128.0.19 dev to-spine1 weight 1 nexthop via 10.128.0.21 dev to-spine2 weight 1
