#!/bin/sh
# trunk-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add trunk-lab-switch
ip netns add trunk-lab-red1
ip netns add trunk-lab-red2
ip netns add trunk-lab-blue1
ip netns add trunk-lab-stray
ip netns add trunk-lab-router

# kernel settings
ip netns exec trunk-lab-switch sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec trunk-lab-switch sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec trunk-lab-switch sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec trunk-lab-switch sysctl -qw net/ipv4/ip_forward=0
ip netns exec trunk-lab-red1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec trunk-lab-red1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec trunk-lab-red1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec trunk-lab-red1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec trunk-lab-red2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec trunk-lab-red2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec trunk-lab-red2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec trunk-lab-red2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec trunk-lab-blue1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec trunk-lab-blue1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec trunk-lab-blue1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec trunk-lab-blue1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec trunk-lab-stray sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec trunk-lab-stray sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec trunk-lab-stray sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec trunk-lab-stray sysctl -qw net/ipv4/ip_forward=0
ip netns exec trunk-lab-router sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec trunk-lab-router sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec trunk-lab-router sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec trunk-lab-router sysctl -qw net/ipv4/ip_forward=1

# links
ip -n trunk-lab-switch link add name br0 address 02:c3:8f:b4:db:1f type bridge stp_state 0 vlan_filtering 1 vlan_default_pvid 0
ip link add name eth0 address 02:69:96:05:49:a8 netns trunk-lab-red1 type veth peer name to-red1 address 02:19:5e:ae:0b:40 netns trunk-lab-switch
ip link add name eth0 address 02:b4:f2:08:72:c9 netns trunk-lab-red2 type veth peer name to-red2 address 02:06:57:d0:55:7b netns trunk-lab-switch
ip link add name eth0 address 02:d7:0a:49:a4:11 netns trunk-lab-blue1 type veth peer name to-blue1 address 02:88:58:53:34:e1 netns trunk-lab-switch
ip link add name eth0 address 02:f3:18:9e:44:0b netns trunk-lab-stray type veth peer name to-stray address 02:20:b1:24:5a:c1 netns trunk-lab-switch
ip link add name eth0 address 02:57:92:65:a9:bf netns trunk-lab-router type veth peer name to-router address 02:e4:fb:94:51:bb netns trunk-lab-switch
ip -n trunk-lab-router link add name eth0.10 link eth0 address 02:75:5d:0d:99:40 type vlan id 10
ip -n trunk-lab-router link add name eth0.20 link eth0 address 02:18:fc:5d:fa:02 type vlan id 20
ip -n trunk-lab-switch link set to-red1 master br0
bridge -n trunk-lab-switch vlan add dev to-red1 vid 10 pvid untagged
ip -n trunk-lab-switch link set to-red2 master br0
bridge -n trunk-lab-switch vlan add dev to-red2 vid 10 pvid untagged
ip -n trunk-lab-switch link set to-blue1 master br0
bridge -n trunk-lab-switch vlan add dev to-blue1 vid 20 pvid untagged
ip -n trunk-lab-switch link set to-stray master br0
bridge -n trunk-lab-switch vlan add dev to-stray vid 20 pvid untagged
ip -n trunk-lab-switch link set to-router master br0
bridge -n trunk-lab-switch vlan add dev to-router vid 10
bridge -n trunk-lab-switch vlan add dev to-router vid 20

# addresses
ip -n trunk-lab-switch link set lo up
ip -n trunk-lab-switch link set to-red1 up
ip -n trunk-lab-switch link set to-red2 up
ip -n trunk-lab-switch link set to-blue1 up
ip -n trunk-lab-switch link set to-stray up
ip -n trunk-lab-switch link set to-router up
ip -n trunk-lab-switch link set br0 up
ip -n trunk-lab-red1 addr add 10.0.10.1/24 dev eth0
ip -n trunk-lab-red1 link set lo up
ip -n trunk-lab-red1 link set eth0 up
ip -n trunk-lab-red2 addr add 10.0.10.2/24 dev eth0
ip -n trunk-lab-red2 link set lo up
ip -n trunk-lab-red2 link set eth0 up
ip -n trunk-lab-blue1 addr add 10.0.20.1/24 dev eth0
ip -n trunk-lab-blue1 link set lo up
ip -n trunk-lab-blue1 link set eth0 up
ip -n trunk-lab-stray addr add 10.0.10.9/24 dev eth0
ip -n trunk-lab-stray link set lo up
ip -n trunk-lab-stray link set eth0 up
ip -n trunk-lab-router addr add 10.0.10.254/24 dev eth0.10
ip -n trunk-lab-router addr add 10.0.20.254/24 dev eth0.20
ip -n trunk-lab-router link set lo up
ip -n trunk-lab-router link set eth0 up
ip -n trunk-lab-router link set eth0.10 up
ip -n trunk-lab-router link set eth0.20 up

# routing
ip -n trunk-lab-red1 route add default via 10.0.10.254 dev eth0
ip -n trunk-lab-red2 route add default via 10.0.10.254 dev eth0
ip -n trunk-lab-blue1 route add default via 10.0.20.254 dev eth0

# services
ip netns exec trunk-lab-red2 netlab responder http 0.0.0.0:80 red2 </dev/null >/dev/null 2>&1 &
ip netns exec trunk-lab-blue1 netlab responder http 0.0.0.0:80 blue1 </dev/null >/dev/null 2>&1 &
