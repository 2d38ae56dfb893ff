#!/bin/sh
# geneve-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add geneve-lab-left
ip netns add geneve-lab-router
ip netns add geneve-lab-right

# kernel settings
ip netns exec geneve-lab-left sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec geneve-lab-left sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec geneve-lab-left sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec geneve-lab-left sysctl -qw net/ipv4/ip_forward=0
ip netns exec geneve-lab-router sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec geneve-lab-router sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec geneve-lab-router sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec geneve-lab-router sysctl -qw net/ipv4/ip_forward=1
ip netns exec geneve-lab-right sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec geneve-lab-right sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec geneve-lab-right sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec geneve-lab-right sysctl -qw net/ipv4/ip_forward=0

# links
ip -n geneve-lab-left link add name gnv0 address 02:a7:02:c6:a5:95 mtu 1450 type geneve id 7 remote 10.2.0.2 dstport 6081
ip -n geneve-lab-right link add name gnv0 address 02:95:ab:65:27:64 mtu 1450 type geneve id 7 remote 10.1.0.2 dstport 6081
ip link add name eth0 address 02:fc:62:5c:21:7a netns geneve-lab-left type veth peer name eth0 address 02:85:73:e4:72:79 netns geneve-lab-router
ip link add name eth0 address 02:26:12:8f:5c:6e netns geneve-lab-right type veth peer name eth1 address 02:e8:a9:7b:cd:93 netns geneve-lab-router

# addresses
ip -n geneve-lab-left addr add 10.1.0.2/24 dev eth0
ip -n geneve-lab-left addr add 10.7.0.1/24 dev gnv0
ip -n geneve-lab-left link set lo up
ip -n geneve-lab-left link set eth0 up
ip -n geneve-lab-left link set gnv0 up
ip -n geneve-lab-router addr add 10.1.0.1/24 dev eth0
ip -n geneve-lab-router addr add 10.2.0.1/24 dev eth1
ip -n geneve-lab-router link set lo up
ip -n geneve-lab-router link set eth0 up
ip -n geneve-lab-router link set eth1 up
ip -n geneve-lab-right addr add 10.2.0.2/24 dev eth0
ip -n geneve-lab-right addr add 10.7.0.2/24 dev gnv0
ip -n geneve-lab-right link set lo up
ip -n geneve-lab-right link set eth0 up
ip -n geneve-lab-right link set gnv0 up

# routing
ip -n geneve-lab-left route add default via 10.1.0.1 dev eth0
ip -n geneve-lab-right route add default via 10.2.0.1 dev eth0
