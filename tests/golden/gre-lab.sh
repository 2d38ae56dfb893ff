#!/bin/sh
# gre-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add gre-lab-pc1
ip netns add gre-lab-east
ip netns add gre-lab-provider
ip netns add gre-lab-west
ip netns add gre-lab-pc2

# kernel settings
ip netns exec gre-lab-pc1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec gre-lab-pc1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec gre-lab-pc1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec gre-lab-pc1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec gre-lab-east sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec gre-lab-east sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec gre-lab-east sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec gre-lab-east sysctl -qw net/ipv4/ip_forward=1
ip netns exec gre-lab-provider sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec gre-lab-provider sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec gre-lab-provider sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec gre-lab-provider sysctl -qw net/ipv4/ip_forward=1
ip netns exec gre-lab-west sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec gre-lab-west sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec gre-lab-west sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec gre-lab-west sysctl -qw net/ipv4/ip_forward=1
ip netns exec gre-lab-pc2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec gre-lab-pc2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec gre-lab-pc2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec gre-lab-pc2 sysctl -qw net/ipv4/ip_forward=0

# links
ip link add name eth0 address 02:52:1c:f4:06:5e netns gre-lab-pc1 type veth peer name lan address 02:97:7d:30:d2:46 netns gre-lab-east
ip link add name wan address 02:47:b9:ba:a8:35 netns gre-lab-east type veth peer name p1 address 02:5e:81:52:3b:f5 netns gre-lab-provider
ip link add name wan address 02:4f:57:0e:c0:f3 netns gre-lab-west type veth peer name p2 address 02:db:54:1c:80:d7 netns gre-lab-provider
ip link add name eth0 address 02:80:9d:3c:1d:5b netns gre-lab-pc2 type veth peer name lan address 02:df:f9:e5:ec:67 netns gre-lab-west
ip -n gre-lab-east link add name gre1 type gre local 203.0.113.1 remote 203.0.113.6 ttl 64 key 7
ip -n gre-lab-west link add name gre1 type gre local 203.0.113.6 remote 203.0.113.1 ttl 64 key 7

# addresses
ip -n gre-lab-pc1 addr add 172.16.1.2/24 dev eth0
ip -n gre-lab-pc1 link set lo up
ip -n gre-lab-pc1 link set eth0 up
ip -n gre-lab-east addr add 172.16.1.1/24 dev lan
ip -n gre-lab-east addr add 203.0.113.1/30 dev wan
ip -n gre-lab-east addr add 10.0.0.1/30 dev gre1
ip -n gre-lab-east link set lo up
ip -n gre-lab-east link set lan up
ip -n gre-lab-east link set wan up
ip -n gre-lab-east link set gre1 up
ip -n gre-lab-provider addr add 203.0.113.2/30 dev p1
ip -n gre-lab-provider addr add 203.0.113.5/30 dev p2
ip -n gre-lab-provider link set lo up
ip -n gre-lab-provider link set p1 up
ip -n gre-lab-provider link set p2 up
ip -n gre-lab-west addr add 203.0.113.6/30 dev wan
ip -n gre-lab-west addr add 172.16.2.1/24 dev lan
ip -n gre-lab-west addr add 10.0.0.2/30 dev gre1
ip -n gre-lab-west link set lo up
ip -n gre-lab-west link set wan up
ip -n gre-lab-west link set lan up
ip -n gre-lab-west link set gre1 up
ip -n gre-lab-pc2 addr add 172.16.2.2/24 dev eth0
ip -n gre-lab-pc2 link set lo up
ip -n gre-lab-pc2 link set eth0 up

# routing
ip -n gre-lab-pc1 route add default via 172.16.1.1 dev eth0
ip -n gre-lab-east route add 172.16.2.0/24 dev gre1 scope link
ip -n gre-lab-east route add default via 203.0.113.2 dev wan
ip -n gre-lab-west route add 172.16.1.0/24 dev gre1 scope link
ip -n gre-lab-west route add default via 203.0.113.5 dev wan
ip -n gre-lab-pc2 route add default via 172.16.2.1 dev eth0

# services
ip netns exec gre-lab-pc2 netlab responder http 0.0.0.0:80 pc2 </dev/null >/dev/null 2>&1 &
