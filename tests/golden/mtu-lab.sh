#!/bin/sh
# mtu-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add mtu-lab-h1
ip netns add mtu-lab-h2
ip netns add mtu-lab-r1
ip netns add mtu-lab-r2
ip netns add mtu-lab-good
ip netns add mtu-lab-hole
ip netns add mtu-lab-clamped

# kernel settings
ip netns exec mtu-lab-h1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec mtu-lab-h1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec mtu-lab-h1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec mtu-lab-h1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec mtu-lab-h2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec mtu-lab-h2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec mtu-lab-h2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec mtu-lab-h2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec mtu-lab-r1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec mtu-lab-r1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec mtu-lab-r1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec mtu-lab-r1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec mtu-lab-r1 sysctl -qw net/ipv4/icmp_ratelimit=0
ip netns exec mtu-lab-r2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec mtu-lab-r2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec mtu-lab-r2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec mtu-lab-r2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec mtu-lab-r2 sysctl -qw net/ipv4/icmp_ratelimit=0
ip netns exec mtu-lab-good sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec mtu-lab-good sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec mtu-lab-good sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec mtu-lab-good sysctl -qw net/ipv4/ip_forward=0
ip netns exec mtu-lab-hole sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec mtu-lab-hole sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec mtu-lab-hole sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec mtu-lab-hole sysctl -qw net/ipv4/ip_forward=0
ip netns exec mtu-lab-clamped sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec mtu-lab-clamped sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec mtu-lab-clamped sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec mtu-lab-clamped sysctl -qw net/ipv4/ip_forward=0

# links
ip link add name eth0 address 02:30:00:76:cd:b3 netns mtu-lab-h1 type veth peer name lan0 address 02:fb:9f:77:f7:80 netns mtu-lab-r1
ip link add name eth0 address 02:2e:05:c1:48:7a netns mtu-lab-h2 type veth peer name lan1 address 02:57:71:98:5c:35 netns mtu-lab-r1
ip link add name wan0 address 02:58:c1:66:8d:8a mtu 1400 netns mtu-lab-r1 type veth peer name wan0 address 02:9d:0b:84:56:bd mtu 1400 netns mtu-lab-r2
ip link add name lan1 address 02:d6:d8:e0:9f:b8 netns mtu-lab-r2 type veth peer name eth0 address 02:55:e5:8d:22:d7 netns mtu-lab-good
ip link add name lan2 address 02:0b:20:5d:eb:92 netns mtu-lab-r2 type veth peer name eth0 address 02:5e:5b:e8:42:78 netns mtu-lab-hole
ip link add name lan3 address 02:4e:b6:c3:5b:25 netns mtu-lab-r2 type veth peer name eth0 address 02:e8:60:d2:8b:d8 netns mtu-lab-clamped

# addresses
ip -n mtu-lab-h1 addr add 10.1.1.10/24 dev eth0
ip -n mtu-lab-h1 link set lo up
ip -n mtu-lab-h1 link set eth0 up
ip -n mtu-lab-h2 addr add 10.1.2.10/24 dev eth0
ip -n mtu-lab-h2 link set lo up
ip -n mtu-lab-h2 link set eth0 up
ip -n mtu-lab-r1 addr add 10.1.1.1/24 dev lan0
ip -n mtu-lab-r1 addr add 10.1.2.1/24 dev lan1
ip -n mtu-lab-r1 addr add 10.0.12.1/30 dev wan0
ip -n mtu-lab-r1 link set lo up
ip -n mtu-lab-r1 link set lan0 up
ip -n mtu-lab-r1 link set lan1 up
ip -n mtu-lab-r1 link set wan0 up
ip -n mtu-lab-r2 addr add 10.0.12.2/30 dev wan0
ip -n mtu-lab-r2 addr add 10.2.2.1/24 dev lan1
ip -n mtu-lab-r2 addr add 10.2.3.1/24 dev lan2
ip -n mtu-lab-r2 addr add 10.2.4.1/24 dev lan3
ip -n mtu-lab-r2 link set lo up
ip -n mtu-lab-r2 link set wan0 up
ip -n mtu-lab-r2 link set lan1 up
ip -n mtu-lab-r2 link set lan2 up
ip -n mtu-lab-r2 link set lan3 up
ip -n mtu-lab-good addr add 10.2.2.20/24 dev eth0
ip -n mtu-lab-good link set lo up
ip -n mtu-lab-good link set eth0 up
ip -n mtu-lab-hole addr add 10.2.3.20/24 dev eth0
ip -n mtu-lab-hole link set lo up
ip -n mtu-lab-hole link set eth0 up
ip -n mtu-lab-clamped addr add 10.2.4.20/24 dev eth0
ip -n mtu-lab-clamped link set lo up
ip -n mtu-lab-clamped link set eth0 up

# routing
ip -n mtu-lab-h1 route add default via 10.1.1.1 dev eth0
ip -n mtu-lab-h2 route add default via 10.1.2.1 dev eth0
ip -n mtu-lab-r1 route add 10.2.0.0/16 via 10.0.12.2 dev wan0
ip -n mtu-lab-r2 route add 10.1.0.0/16 via 10.0.12.1 dev wan0
ip -n mtu-lab-good route add default via 10.2.2.1 dev eth0
ip -n mtu-lab-hole route add default via 10.2.3.1 dev eth0
ip -n mtu-lab-clamped route add default via 10.2.4.1 dev eth0

# firewall
ip netns exec mtu-lab-r2 iptables -A OUTPUT -d 10.2.3.20/32 -p icmp -m icmp --icmp-type fragmentation-needed -j DROP
ip netns exec mtu-lab-r2 iptables -A OUTPUT -d 10.2.4.20/32 -p icmp -m icmp --icmp-type fragmentation-needed -j DROP
ip netns exec mtu-lab-r2 iptables -t mangle -A FORWARD -d 10.2.4.20/32 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1360

# services
ip netns exec mtu-lab-good netlab responder http 0.0.0.0:80 good </dev/null >/dev/null 2>&1 &
ip netns exec mtu-lab-hole netlab responder http 0.0.0.0:80 hole </dev/null >/dev/null 2>&1 &
ip netns exec mtu-lab-clamped netlab responder http 0.0.0.0:80 clamped </dev/null >/dev/null 2>&1 &
