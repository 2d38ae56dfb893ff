#!/bin/sh
# nat-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add host
ip netns add red
ip netns add blue
ip netns add internet

# kernel settings
ip netns exec host sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec host sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec host sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec host sysctl -qw net/ipv4/ip_forward=1
ip netns exec red sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec red sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec red sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec red sysctl -qw net/ipv4/ip_forward=0
ip netns exec blue sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec blue sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec blue sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec blue sysctl -qw net/ipv4/ip_forward=0
ip netns exec internet sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec internet sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec internet sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec internet sysctl -qw net/ipv4/ip_forward=0

# links
ip -n host link add name v-net-0 address 02:7d:3d:8a:fb:a3 type bridge stp_state 0
ip link add name veth-red address 02:fe:74:c3:81:68 netns red type veth peer name veth-red-br address 02:01:63:b8:86:f7 netns host
ip link add name veth-blue address 02:17:9c:c8:bb:13 netns blue type veth peer name veth-blue-br address 02:00:db:5f:40:a1 netns host
ip link add name uplink address 02:0d:d6:35:65:88 netns host type veth peer name eth0 address 02:2d:c6:52:9a:70 netns internet
ip -n host link set veth-red-br master v-net-0
ip -n host link set veth-blue-br master v-net-0

# addresses
ip -n host addr add 203.0.113.2/24 dev uplink
ip -n host addr add 192.168.15.5/24 dev v-net-0
ip -n host link set lo up
ip -n host link set veth-red-br up
ip -n host link set veth-blue-br up
ip -n host link set uplink up
ip -n host link set v-net-0 up
ip -n red addr add 192.168.15.1/24 dev veth-red
ip -n red link set lo up
ip -n red link set veth-red up
ip -n blue addr add 192.168.15.2/24 dev veth-blue
ip -n blue link set lo up
ip -n blue link set veth-blue up
ip -n internet addr add 8.8.8.8/32 dev lo
ip -n internet addr add 203.0.113.1/24 dev eth0
ip -n internet link set lo up
ip -n internet link set eth0 up

# routing
ip -n host route add 8.8.8.8 via 203.0.113.1 dev uplink
ip -n red route add default via 192.168.15.5 dev veth-red
ip -n blue route add default via 192.168.15.5 dev veth-blue

# firewall
ip netns exec host iptables -t nat -A POSTROUTING -s 192.168.15.0/24 -o uplink -j MASQUERADE
ip netns exec host iptables -t nat -A PREROUTING -i uplink -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.15.2:80

# services
ip netns exec blue netlab responder http 0.0.0.0:80 blue </dev/null >/dev/null 2>&1 &
ip netns exec internet netlab responder http 0.0.0.0:80 internet </dev/null >/dev/null 2>&1 &
