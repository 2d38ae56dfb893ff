#!/bin/sh
# vrf-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add vrf-lab-router
ip netns add vrf-lab-red1
ip netns add vrf-lab-red2
ip netns add vrf-lab-blue1
ip netns add vrf-lab-blue2

# kernel settings
ip netns exec vrf-lab-router sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vrf-lab-router sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vrf-lab-router sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vrf-lab-router sysctl -qw net/ipv4/ip_forward=1
ip netns exec vrf-lab-red1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vrf-lab-red1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vrf-lab-red1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vrf-lab-red1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec vrf-lab-red2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vrf-lab-red2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vrf-lab-red2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vrf-lab-red2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec vrf-lab-blue1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vrf-lab-blue1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vrf-lab-blue1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vrf-lab-blue1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec vrf-lab-blue2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vrf-lab-blue2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vrf-lab-blue2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vrf-lab-blue2 sysctl -qw net/ipv4/ip_forward=0

# links
ip -n vrf-lab-router link add name red address 02:a9:81:68:91:f4 type vrf table 10
ip -n vrf-lab-router link add name blue address 02:ed:4e:76:ac:4e type vrf table 20
ip link add name eth0 address 02:47:6e:69:d7:07 netns vrf-lab-red1 type veth peer name to-red1 address 02:a5:df:18:4a:19 netns vrf-lab-router
ip link add name eth0 address 02:21:26:f7:dc:8e netns vrf-lab-red2 type veth peer name to-red2 address 02:a8:35:8d:33:a0 netns vrf-lab-router
ip link add name eth0 address 02:1e:f2:bc:3c:43 netns vrf-lab-blue1 type veth peer name to-blue1 address 02:52:61:07:02:1c netns vrf-lab-router
ip link add name eth0 address 02:39:df:39:8c:18 netns vrf-lab-blue2 type veth peer name to-blue2 address 02:f3:46:cc:db:b2 netns vrf-lab-router
ip -n vrf-lab-router link set to-red1 master red
ip -n vrf-lab-router link set to-red2 master red
ip -n vrf-lab-router link set to-blue1 master blue
ip -n vrf-lab-router link set to-blue2 master blue

# addresses
ip -n vrf-lab-router addr add 10.0.1.1/24 dev to-red1
ip -n vrf-lab-router addr add 10.0.2.1/24 dev to-red2
ip -n vrf-lab-router addr add 10.0.1.1/24 dev to-blue1
ip -n vrf-lab-router addr add 10.0.2.1/24 dev to-blue2
ip -n vrf-lab-router link set lo up
ip -n vrf-lab-router link set to-red1 up
ip -n vrf-lab-router link set to-red2 up
ip -n vrf-lab-router link set to-blue1 up
ip -n vrf-lab-router link set to-blue2 up
ip -n vrf-lab-router link set red up
ip -n vrf-lab-router link set blue up
ip -n vrf-lab-red1 addr add 10.0.1.2/24 dev eth0
ip -n vrf-lab-red1 link set lo up
ip -n vrf-lab-red1 link set eth0 up
ip -n vrf-lab-red2 addr add 10.0.2.2/24 dev eth0
ip -n vrf-lab-red2 link set lo up
ip -n vrf-lab-red2 link set eth0 up
ip -n vrf-lab-blue1 addr add 10.0.1.2/24 dev eth0
ip -n vrf-lab-blue1 link set lo up
ip -n vrf-lab-blue1 link set eth0 up
ip -n vrf-lab-blue2 addr add 10.0.2.2/24 dev eth0
ip -n vrf-lab-blue2 link set lo up
ip -n vrf-lab-blue2 link set eth0 up

# routing
ip -n vrf-lab-red1 route add default via 10.0.1.1 dev eth0
ip -n vrf-lab-red2 route add default via 10.0.2.1 dev eth0
ip -n vrf-lab-blue1 route add default via 10.0.1.1 dev eth0
ip -n vrf-lab-blue2 route add default via 10.0.2.1 dev eth0

# services
ip netns exec vrf-lab-red2 netlab responder http 0.0.0.0:80 red2 </dev/null >/dev/null 2>&1 &
ip netns exec vrf-lab-blue2 netlab responder http 0.0.0.0:80 blue2 </dev/null >/dev/null 2>&1 &
