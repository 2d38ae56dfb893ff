#!/bin/sh
# bridge-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add host
ip netns add red
ip netns add blue

# kernel settings
ip netns exec host sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec host sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec host sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec host sysctl -qw net/ipv4/ip_forward=0
ip netns exec red sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec red sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec red sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec red sysctl -qw net/ipv4/ip_forward=0
ip netns exec blue sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec blue sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec blue sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec blue sysctl -qw net/ipv4/ip_forward=0

# links
ip -n host link add name v-net-0 address 02:8c:39:6f:98:be type bridge stp_state 0
ip link add name veth-red address 02:4f:1b:4d:3e:06 netns red type veth peer name veth-red-br address 02:0d:6e:38:07:87 netns host
ip link add name veth-blue address 02:91:fe:0e:df:9e netns blue type veth peer name veth-blue-br address 02:f0:f3:8b:25:0f netns host
ip -n host link set veth-red-br master v-net-0
ip -n host link set veth-blue-br master v-net-0

# addresses
ip -n host addr add 192.168.15.5/24 dev v-net-0
ip -n host link set lo up
ip -n host link set veth-red-br up
ip -n host link set veth-blue-br up
ip -n host link set v-net-0 up
ip -n red addr add 192.168.15.1/24 dev veth-red
ip -n red link set lo up
ip -n red link set veth-red up
ip -n blue addr add 192.168.15.2/24 dev veth-blue
ip -n blue link set lo up
ip -n blue link set veth-blue up

# routing
ip -n red route add default via 192.168.15.5 dev veth-red
ip -n blue route add default via 192.168.15.5 dev veth-blue
