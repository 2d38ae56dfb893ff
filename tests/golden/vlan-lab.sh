#!/bin/sh
# vlan-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add vlan-lab-left
ip netns add vlan-lab-right

# kernel settings
ip netns exec vlan-lab-left sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vlan-lab-left sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vlan-lab-left sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vlan-lab-left sysctl -qw net/ipv4/ip_forward=0
ip netns exec vlan-lab-right sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec vlan-lab-right sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec vlan-lab-right sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec vlan-lab-right sysctl -qw net/ipv4/ip_forward=0

# links
ip link add name eth0 address 02:99:6e:51:84:c5 netns vlan-lab-left type veth peer name eth0 address 02:70:63:21:65:7a netns vlan-lab-right
ip -n vlan-lab-left link add name eth0.10 link eth0 address 02:78:75:1c:52:c9 type vlan id 10
ip -n vlan-lab-left link add name eth0.20 link eth0 address 02:c0:be:9d:af:a5 type vlan id 20
ip -n vlan-lab-left link add name eth0.30 link eth0 address 02:bd:0b:c5:29:ec type vlan id 30
ip -n vlan-lab-right link add name eth0.10 link eth0 address 02:28:27:be:52:ff type vlan id 10
ip -n vlan-lab-right link add name eth0.20 link eth0 address 02:2d:8f:53:55:30 type vlan id 20
ip -n vlan-lab-right link add name eth0.31 link eth0 address 02:eb:62:d6:c8:87 type vlan id 31

# addresses
ip -n vlan-lab-left addr add 10.0.10.1/24 dev eth0.10
ip -n vlan-lab-left addr add 10.0.20.1/24 dev eth0.20
ip -n vlan-lab-left addr add 10.0.30.1/24 dev eth0.30
ip -n vlan-lab-left link set lo up
ip -n vlan-lab-left link set eth0 up
ip -n vlan-lab-left link set eth0.10 up
ip -n vlan-lab-left link set eth0.20 up
ip -n vlan-lab-left link set eth0.30 up
ip -n vlan-lab-right addr add 10.0.10.2/24 dev eth0.10
ip -n vlan-lab-right addr add 10.0.20.2/24 dev eth0.20
ip -n vlan-lab-right addr add 10.0.30.2/24 dev eth0.31
ip -n vlan-lab-right link set lo up
ip -n vlan-lab-right link set eth0 up
ip -n vlan-lab-right link set eth0.10 up
ip -n vlan-lab-right link set eth0.20 up
ip -n vlan-lab-right link set eth0.31 up
