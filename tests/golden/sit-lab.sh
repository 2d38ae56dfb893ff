#!/bin/sh
# sit-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add sit-lab-site-a
ip netns add sit-lab-provider
ip netns add sit-lab-site-b

# kernel settings
ip netns exec sit-lab-site-a sysctl -qw net/ipv6/conf/all/accept_dad=0
ip netns exec sit-lab-site-a sysctl -qw net/ipv6/conf/default/accept_dad=0
ip netns exec sit-lab-site-a sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec sit-lab-site-a sysctl -qw net/ipv4/ip_forward=0
ip netns exec sit-lab-provider sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec sit-lab-provider sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec sit-lab-provider sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec sit-lab-provider sysctl -qw net/ipv4/ip_forward=1
ip netns exec sit-lab-site-b sysctl -qw net/ipv6/conf/all/accept_dad=0
ip netns exec sit-lab-site-b sysctl -qw net/ipv6/conf/default/accept_dad=0
ip netns exec sit-lab-site-b sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec sit-lab-site-b sysctl -qw net/ipv4/ip_forward=0

# links
ip -n sit-lab-site-b link add name service address 02:ba:1d:21:f2:92 type dummy
ip link add name to-provider address 02:b4:25:31:90:33 netns sit-lab-site-a type veth peer name to-a address 02:85:fa:10:78:d9 netns sit-lab-provider
ip link add name to-provider address 02:54:4c:03:98:fe netns sit-lab-site-b type veth peer name to-b address 02:c8:b2:ee:03:85 netns sit-lab-provider
ip -n sit-lab-site-a link add name sit1 type sit local 198.51.100.2 remote 203.0.113.2
ip -n sit-lab-site-b link add name sit1 type sit local 203.0.113.2 remote 198.51.100.2

# addresses
ip -n sit-lab-site-a addr add 198.51.100.2/30 dev to-provider
ip -n sit-lab-site-a addr add 2001:db8:ab::1/64 dev sit1 nodad
ip -n sit-lab-site-a link set lo up
ip -n sit-lab-site-a link set to-provider up
ip -n sit-lab-site-a link set sit1 up
ip -n sit-lab-provider addr add 198.51.100.1/30 dev to-a
ip -n sit-lab-provider addr add 203.0.113.1/30 dev to-b
ip -n sit-lab-provider link set lo up
ip -n sit-lab-provider link set to-a up
ip -n sit-lab-provider link set to-b up
ip -n sit-lab-site-b addr add 203.0.113.2/30 dev to-provider
ip -n sit-lab-site-b addr add 2001:db8:b::80/128 dev service nodad
ip -n sit-lab-site-b addr add 2001:db8:ab::2/64 dev sit1 nodad
ip -n sit-lab-site-b link set lo up
ip -n sit-lab-site-b link set to-provider up
ip -n sit-lab-site-b link set service up
ip -n sit-lab-site-b link set sit1 up

# routing
ip -n sit-lab-site-a route add default via 198.51.100.1 dev to-provider
ip -n sit-lab-site-a route add 2001:db8:b::/48 via 2001:db8:ab::2 dev sit1
ip -n sit-lab-site-b route add default via 203.0.113.1 dev to-provider

# services
ip netns exec sit-lab-site-b netlab responder http '[2001:db8:b::80]:80' site-b </dev/null >/dev/null 2>&1 &
