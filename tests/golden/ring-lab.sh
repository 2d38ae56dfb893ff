#!/bin/sh
# ring-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add ring-lab-r1
ip netns add ring-lab-r2
ip netns add ring-lab-r3
ip netns add ring-lab-r4
ip netns add ring-lab-r5
ip netns add ring-lab-r6

# kernel settings
ip netns exec ring-lab-r1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ring-lab-r1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ring-lab-r1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ring-lab-r1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ring-lab-r2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ring-lab-r2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ring-lab-r2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ring-lab-r2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ring-lab-r3 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ring-lab-r3 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ring-lab-r3 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ring-lab-r3 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ring-lab-r4 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ring-lab-r4 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ring-lab-r4 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ring-lab-r4 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ring-lab-r5 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ring-lab-r5 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ring-lab-r5 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ring-lab-r5 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ring-lab-r6 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ring-lab-r6 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ring-lab-r6 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ring-lab-r6 sysctl -qw net/ipv4/ip_forward=1

# links
ip link add name next address 02:2a:0b:86:1d:d3 netns ring-lab-r1 type veth peer name prev address 02:63:62:ed:5f:4d netns ring-lab-r2
ip link add name next address 02:ed:e0:c9:73:50 netns ring-lab-r2 type veth peer name prev address 02:5c:4c:86:b7:2f netns ring-lab-r3
ip link add name next address 02:18:4e:31:3e:ba netns ring-lab-r3 type veth peer name prev address 02:14:23:9e:ca:d6 netns ring-lab-r4
ip link add name next address 02:62:d6:99:22:46 netns ring-lab-r4 type veth peer name prev address 02:0d:e5:1f:24:fa netns ring-lab-r5
ip link add name next address 02:cc:37:aa:a6:ec netns ring-lab-r5 type veth peer name prev address 02:63:a5:0f:cb:8f netns ring-lab-r6
ip link add name next address 02:6c:31:7e:f5:8b netns ring-lab-r6 type veth peer name prev address 02:4a:06:50:c4:4b netns ring-lab-r1

# addresses
ip -n ring-lab-r1 addr add 10.0.0.1/32 dev lo
ip -n ring-lab-r1 addr add 10.128.0.2/31 dev next
ip -n ring-lab-r1 addr add 10.128.0.13/31 dev prev
ip -n ring-lab-r1 link set lo up
ip -n ring-lab-r1 link set next up
ip -n ring-lab-r1 link set prev up
ip -n ring-lab-r2 addr add 10.0.0.2/32 dev lo
ip -n ring-lab-r2 addr add 10.128.0.3/31 dev prev
ip -n ring-lab-r2 addr add 10.128.0.4/31 dev next
ip -n ring-lab-r2 link set lo up
ip -n ring-lab-r2 link set prev up
ip -n ring-lab-r2 link set next up
ip -n ring-lab-r3 addr add 10.0.0.3/32 dev lo
ip -n ring-lab-r3 addr add 10.128.0.5/31 dev prev
ip -n ring-lab-r3 addr add 10.128.0.6/31 dev next
ip -n ring-lab-r3 link set lo up
ip -n ring-lab-r3 link set prev up
ip -n ring-lab-r3 link set next up
ip -n ring-lab-r4 addr add 10.0.0.4/32 dev lo
ip -n ring-lab-r4 addr add 10.128.0.7/31 dev prev
ip -n ring-lab-r4 addr add 10.128.0.8/31 dev next
ip -n ring-lab-r4 link set lo up
ip -n ring-lab-r4 link set prev up
ip -n ring-lab-r4 link set next up
ip -n ring-lab-r5 addr add 10.0.0.5/32 dev lo
ip -n ring-lab-r5 addr add 10.128.0.9/31 dev prev
ip -n ring-lab-r5 addr add 10.128.0.10/31 dev next
ip -n ring-lab-r5 link set lo up
ip -n ring-lab-r5 link set prev up
ip -n ring-lab-r5 link set next up
ip -n ring-lab-r6 addr add 10.0.0.6/32 dev lo
ip -n ring-lab-r6 addr add 10.128.0.11/31 dev prev
ip -n ring-lab-r6 addr add 10.128.0.12/31 dev next
ip -n ring-lab-r6 link set lo up
ip -n ring-lab-r6 link set prev up
ip -n ring-lab-r6 link set next up

# routing
ip -n ring-lab-r1 route add 10.0.0.2 via 10.128.0.3 dev next src 10.0.0.1
ip -n ring-lab-r1 route add 10.0.0.3 via 10.128.0.3 dev next src 10.0.0.1
ip -n ring-lab-r1 route add 10.0.0.4 src 10.0.0.1 nexthop via 10.128.0.3 dev next weight 1 nexthop via 10.128.0.12 dev prev weight 1
ip -n ring-lab-r1 route add 10.0.0.5 via 10.128.0.12 dev prev src 10.0.0.1
ip -n ring-lab-r1 route add 10.0.0.6 via 10.128.0.12 dev prev src 10.0.0.1
ip -n ring-lab-r2 route add 10.0.0.1 via 10.128.0.2 dev prev src 10.0.0.2
ip -n ring-lab-r2 route add 10.0.0.3 via 10.128.0.5 dev next src 10.0.0.2
ip -n ring-lab-r2 route add 10.0.0.4 via 10.128.0.5 dev next src 10.0.0.2
ip -n ring-lab-r2 route add 10.0.0.5 src 10.0.0.2 nexthop via 10.128.0.2 dev prev weight 1 nexthop via 10.128.0.5 dev next weight 1
ip -n ring-lab-r2 route add 10.0.0.6 via 10.128.0.2 dev prev src 10.0.0.2
ip -n ring-lab-r3 route add 10.0.0.1 via 10.128.0.4 dev prev src 10.0.0.3
ip -n ring-lab-r3 route add 10.0.0.2 via 10.128.0.4 dev prev src 10.0.0.3
ip -n ring-lab-r3 route add 10.0.0.4 via 10.128.0.7 dev next src 10.0.0.3
ip -n ring-lab-r3 route add 10.0.0.5 via 10.128.0.7 dev next src 10.0.0.3
ip -n ring-lab-r3 route add 10.0.0.6 src 10.0.0.3 nexthop via 10.128.0.4 dev prev weight 1 nexthop via 10.128.0.7 dev next weight 1
ip -n ring-lab-r4 route add 10.0.0.1 src 10.0.0.4 nexthop via 10.128.0.6 dev prev weight 1 nexthop via 10.128.0.9 dev next weight 1
ip -n ring-lab-r4 route add 10.0.0.2 via 10.128.0.6 dev prev src 10.0.0.4
ip -n ring-lab-r4 route add 10.0.0.3 via 10.128.0.6 dev prev src 10.0.0.4
ip -n ring-lab-r4 route add 10.0.0.5 via 10.128.0.9 dev next src 10.0.0.4
ip -n ring-lab-r4 route add 10.0.0.6 via 10.128.0.9 dev next src 10.0.0.4
ip -n ring-lab-r5 route add 10.0.0.1 via 10.128.0.11 dev next src 10.0.0.5
ip -n ring-lab-r5 route add 10.0.0.2 src 10.0.0.5 nexthop via 10.128.0.8 dev prev weight 1 nexthop via 10.128.0.11 dev next weight 1
ip -n ring-lab-r5 route add 10.0.0.3 via 10.128.0.8 dev prev src 10.0.0.5
ip -n ring-lab-r5 route add 10.0.0.4 via 10.128.0.8 dev prev src 10.0.0.5
ip -n ring-lab-r5 route add 10.0.0.6 via 10.128.0.11 dev next src 10.0.0.5
ip -n ring-lab-r6 route add 10.0.0.1 via 10.128.0.13 dev next src 10.0.0.6
ip -n ring-lab-r6 route add 10.0.0.2 via 10.128.0.13 dev next src 10.0.0.6
ip -n ring-lab-r6 route add 10.0.0.3 src 10.0.0.6 nexthop via 10.128.0.10 dev prev weight 1 nexthop via 10.128.0.13 dev next weight 1
ip -n ring-lab-r6 route add 10.0.0.4 via 10.128.0.10 dev prev src 10.0.0.6
ip -n ring-lab-r6 route add 10.0.0.5 via 10.128.0.10 dev prev src 10.0.0.6
