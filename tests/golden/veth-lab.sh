#!/bin/sh
# veth-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add red
ip netns add blue

# kernel settings
ip netns exec red sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec red sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec red sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec red sysctl -qw net/ipv4/ip_forward=0
ip netns exec blue sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec blue sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec blue sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec blue sysctl -qw net/ipv4/ip_forward=0

# links
ip link add name veth-red address 02:9c:33:78:59:a7 netns red type veth peer name veth-blue address 02:7f:9c:d0:94:03 netns blue

# addresses
ip -n red addr add 192.168.15.1/24 dev veth-red
ip -n red link set lo up
ip -n red link set veth-red up
ip -n blue addr add 192.168.15.2/24 dev veth-blue
ip -n blue link set lo up
ip -n blue link set veth-blue up
