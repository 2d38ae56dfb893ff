#!/bin/sh
# macvlan-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add macvlan-lab-switch
ip netns add macvlan-lab-peer
ip netns add macvlan-lab-left
ip netns add macvlan-lab-right

# kernel settings
ip netns exec macvlan-lab-switch sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec macvlan-lab-switch sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec macvlan-lab-switch sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec macvlan-lab-switch sysctl -qw net/ipv4/ip_forward=0
ip netns exec macvlan-lab-peer sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec macvlan-lab-peer sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec macvlan-lab-peer sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec macvlan-lab-peer sysctl -qw net/ipv4/ip_forward=0
ip netns exec macvlan-lab-left sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec macvlan-lab-left sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec macvlan-lab-left sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec macvlan-lab-left sysctl -qw net/ipv4/ip_forward=0
ip netns exec macvlan-lab-right sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec macvlan-lab-right sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec macvlan-lab-right sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec macvlan-lab-right sysctl -qw net/ipv4/ip_forward=0

# links
ip -n macvlan-lab-switch link add name br0 address 02:a1:5c:75:f4:4e type bridge stp_state 0
ip -n macvlan-lab-left link add name container address 02:29:2c:b5:c1:7f type vrf table 10
ip -n macvlan-lab-right link add name container address 02:75:79:e2:58:7a type vrf table 10
ip link add name eth0 address 02:1f:cf:2b:3b:5a netns macvlan-lab-peer type veth peer name to-peer address 02:f4:f0:e3:b4:ab netns macvlan-lab-switch
ip link add name eth0 address 02:00:00:00:00:10 netns macvlan-lab-left type veth peer name to-left address 02:2f:b3:96:83:b1 netns macvlan-lab-switch
ip link add name eth0 address 02:00:00:00:00:20 netns macvlan-lab-right type veth peer name to-right address 02:dd:2e:bc:1d:50 netns macvlan-lab-switch
ip -n macvlan-lab-left link add name mv0 link eth0 address 02:00:00:00:00:11 type macvlan mode bridge
ip -n macvlan-lab-right link add name ipvl0 link eth0 type ipvlan mode l2
ip -n macvlan-lab-switch link set to-peer master br0
ip -n macvlan-lab-switch link set to-left master br0
ip -n macvlan-lab-switch link set to-right master br0
ip -n macvlan-lab-left link set mv0 master container
ip -n macvlan-lab-right link set ipvl0 master container

# addresses
ip -n macvlan-lab-switch link set lo up
ip -n macvlan-lab-switch link set to-peer up
ip -n macvlan-lab-switch link set to-left up
ip -n macvlan-lab-switch link set to-right up
ip -n macvlan-lab-switch link set br0 up
ip -n macvlan-lab-peer addr add 10.0.0.1/24 dev eth0
ip -n macvlan-lab-peer link set lo up
ip -n macvlan-lab-peer link set eth0 up
ip -n macvlan-lab-left addr add 10.0.0.10/24 dev eth0
ip -n macvlan-lab-left addr add 10.0.0.11/24 dev mv0
ip -n macvlan-lab-left link set lo up
ip -n macvlan-lab-left link set eth0 up
ip -n macvlan-lab-left link set container up
ip -n macvlan-lab-left link set mv0 up
ip -n macvlan-lab-right addr add 10.0.0.20/24 dev eth0
ip -n macvlan-lab-right addr add 10.0.0.21/24 dev ipvl0
ip -n macvlan-lab-right link set lo up
ip -n macvlan-lab-right link set eth0 up
ip -n macvlan-lab-right link set container up
ip -n macvlan-lab-right link set ipvl0 up
