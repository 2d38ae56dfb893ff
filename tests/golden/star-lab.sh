#!/bin/sh
# star-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add star-lab-hub
ip netns add star-lab-n1
ip netns add star-lab-n2
ip netns add star-lab-n3
ip netns add star-lab-n4
ip netns add star-lab-n5
ip netns add star-lab-n6
ip netns add star-lab-n7
ip netns add star-lab-n8

# kernel settings
ip netns exec star-lab-hub sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec star-lab-hub sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec star-lab-hub sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec star-lab-hub sysctl -qw net/ipv4/ip_forward=0
ip netns exec star-lab-n1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec star-lab-n1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec star-lab-n1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec star-lab-n1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec star-lab-n2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec star-lab-n2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec star-lab-n2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec star-lab-n2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec star-lab-n3 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec star-lab-n3 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec star-lab-n3 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec star-lab-n3 sysctl -qw net/ipv4/ip_forward=0
ip netns exec star-lab-n4 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec star-lab-n4 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec star-lab-n4 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec star-lab-n4 sysctl -qw net/ipv4/ip_forward=0
ip netns exec star-lab-n5 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec star-lab-n5 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec star-lab-n5 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec star-lab-n5 sysctl -qw net/ipv4/ip_forward=0
ip netns exec star-lab-n6 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec star-lab-n6 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec star-lab-n6 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec star-lab-n6 sysctl -qw net/ipv4/ip_forward=0
ip netns exec star-lab-n7 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec star-lab-n7 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec star-lab-n7 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec star-lab-n7 sysctl -qw net/ipv4/ip_forward=0
ip netns exec star-lab-n8 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec star-lab-n8 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec star-lab-n8 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec star-lab-n8 sysctl -qw net/ipv4/ip_forward=0

# links
ip -n star-lab-hub link add name br0 address 02:1d:9c:bb:fe:00 type bridge stp_state 0
ip link add name eth0 address 02:aa:4f:f8:95:b4 netns star-lab-n1 type veth peer name p1 address 02:f7:b8:04:93:00 netns star-lab-hub
ip link add name eth0 address 02:8e:f5:df:3f:d5 netns star-lab-n2 type veth peer name p2 address 02:15:64:99:b5:c1 netns star-lab-hub
ip link add name eth0 address 02:20:6f:7e:49:7f netns star-lab-n3 type veth peer name p3 address 02:f6:cf:6a:97:2c netns star-lab-hub
ip link add name eth0 address 02:84:25:c9:eb:c0 netns star-lab-n4 type veth peer name p4 address 02:9b:02:86:62:ef netns star-lab-hub
ip link add name eth0 address 02:0d:b6:51:c2:c6 netns star-lab-n5 type veth peer name p5 address 02:9b:35:ed:e4:bc netns star-lab-hub
ip link add name eth0 address 02:00:0a:fb:08:08 netns star-lab-n6 type veth peer name p6 address 02:6c:e0:62:8e:90 netns star-lab-hub
ip link add name eth0 address 02:1d:d4:9a:93:dd netns star-lab-n7 type veth peer name p7 address 02:d2:ab:d0:9a:65 netns star-lab-hub
ip link add name eth0 address 02:4d:e2:ae:8d:a6 netns star-lab-n8 type veth peer name p8 address 02:d7:02:ee:d8:9a netns star-lab-hub
ip -n star-lab-hub link set p1 master br0
ip -n star-lab-hub link set p2 master br0
ip -n star-lab-hub link set p3 master br0
ip -n star-lab-hub link set p4 master br0
ip -n star-lab-hub link set p5 master br0
ip -n star-lab-hub link set p6 master br0
ip -n star-lab-hub link set p7 master br0
ip -n star-lab-hub link set p8 master br0

# addresses
ip -n star-lab-hub addr add 10.0.0.1/16 dev br0
ip -n star-lab-hub link set lo up
ip -n star-lab-hub link set p1 up
ip -n star-lab-hub link set p2 up
ip -n star-lab-hub link set p3 up
ip -n star-lab-hub link set p4 up
ip -n star-lab-hub link set p5 up
ip -n star-lab-hub link set p6 up
ip -n star-lab-hub link set p7 up
ip -n star-lab-hub link set p8 up
ip -n star-lab-hub link set br0 up
ip -n star-lab-n1 addr add 10.0.0.2/16 dev eth0
ip -n star-lab-n1 link set lo up
ip -n star-lab-n1 link set eth0 up
ip -n star-lab-n2 addr add 10.0.0.3/16 dev eth0
ip -n star-lab-n2 link set lo up
ip -n star-lab-n2 link set eth0 up
ip -n star-lab-n3 addr add 10.0.0.4/16 dev eth0
ip -n star-lab-n3 link set lo up
ip -n star-lab-n3 link set eth0 up
ip -n star-lab-n4 addr add 10.0.0.5/16 dev eth0
ip -n star-lab-n4 link set lo up
ip -n star-lab-n4 link set eth0 up
ip -n star-lab-n5 addr add 10.0.0.6/16 dev eth0
ip -n star-lab-n5 link set lo up
ip -n star-lab-n5 link set eth0 up
ip -n star-lab-n6 addr add 10.0.0.7/16 dev eth0
ip -n star-lab-n6 link set lo up
ip -n star-lab-n6 link set eth0 up
ip -n star-lab-n7 addr add 10.0.0.8/16 dev eth0
ip -n star-lab-n7 link set lo up
ip -n star-lab-n7 link set eth0 up
ip -n star-lab-n8 addr add 10.0.0.9/16 dev eth0
ip -n star-lab-n8 link set lo up
ip -n star-lab-n8 link set eth0 up

# routing
ip -n star-lab-n1 route add default via 10.0.0.1 dev eth0
ip -n star-lab-n2 route add default via 10.0.0.1 dev eth0
ip -n star-lab-n3 route add default via 10.0.0.1 dev eth0
ip -n star-lab-n4 route add default via 10.0.0.1 dev eth0
ip -n star-lab-n5 route add default via 10.0.0.1 dev eth0
ip -n star-lab-n6 route add default via 10.0.0.1 dev eth0
ip -n star-lab-n7 route add default via 10.0.0.1 dev eth0
ip -n star-lab-n8 route add default via 10.0.0.1 dev eth0
