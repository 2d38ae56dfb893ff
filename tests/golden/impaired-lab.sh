#!/bin/sh
# impaired-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add impaired-lab-client
ip netns add impaired-lab-next-door
ip netns add impaired-lab-overseas
ip netns add impaired-lab-in-the-woods
ip netns add impaired-lab-by-modem

# kernel settings
ip netns exec impaired-lab-client sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec impaired-lab-client sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec impaired-lab-client sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec impaired-lab-client sysctl -qw net/ipv4/ip_forward=0
ip netns exec impaired-lab-next-door sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec impaired-lab-next-door sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec impaired-lab-next-door sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec impaired-lab-next-door sysctl -qw net/ipv4/ip_forward=0
ip netns exec impaired-lab-overseas sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec impaired-lab-overseas sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec impaired-lab-overseas sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec impaired-lab-overseas sysctl -qw net/ipv4/ip_forward=0
ip netns exec impaired-lab-in-the-woods sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec impaired-lab-in-the-woods sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec impaired-lab-in-the-woods sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec impaired-lab-in-the-woods sysctl -qw net/ipv4/ip_forward=0
ip netns exec impaired-lab-by-modem sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec impaired-lab-by-modem sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec impaired-lab-by-modem sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec impaired-lab-by-modem sysctl -qw net/ipv4/ip_forward=0

# links
ip link add name good address 02:6f:c5:1f:fe:4b netns impaired-lab-client type veth peer name eth0 address 02:4a:4b:b1:52:1a netns impaired-lab-next-door
ip link add name long address 02:18:05:54:b5:3c netns impaired-lab-client type veth peer name eth0 address 02:3e:53:24:22:09 netns impaired-lab-overseas
ip link add name lossy address 02:0d:63:fe:59:45 netns impaired-lab-client type veth peer name eth0 address 02:ce:b2:9f:a5:f2 netns impaired-lab-in-the-woods
ip link add name slow address 02:d6:07:ac:c8:9d netns impaired-lab-client type veth peer name eth0 address 02:c4:9d:f8:32:6c netns impaired-lab-by-modem
tc -n impaired-lab-client qdisc replace dev long root netem delay 50ms
tc -n impaired-lab-client qdisc replace dev lossy root netem loss 10%
tc -n impaired-lab-client qdisc replace dev slow root netem delay 1ms rate 256kbit
tc -n impaired-lab-overseas qdisc replace dev eth0 root netem delay 50ms
tc -n impaired-lab-in-the-woods qdisc replace dev eth0 root netem loss 10%
tc -n impaired-lab-by-modem qdisc replace dev eth0 root netem delay 1ms rate 256kbit

# addresses
ip -n impaired-lab-client addr add 10.0.1.1/24 dev good
ip -n impaired-lab-client addr add 10.0.2.1/24 dev long
ip -n impaired-lab-client addr add 10.0.3.1/24 dev lossy
ip -n impaired-lab-client addr add 10.0.4.1/24 dev slow
ip -n impaired-lab-client link set lo up
ip -n impaired-lab-client link set good up
ip -n impaired-lab-client link set long up
ip -n impaired-lab-client link set lossy up
ip -n impaired-lab-client link set slow up
ip -n impaired-lab-next-door addr add 10.0.1.2/24 dev eth0
ip -n impaired-lab-next-door link set lo up
ip -n impaired-lab-next-door link set eth0 up
ip -n impaired-lab-overseas addr add 10.0.2.2/24 dev eth0
ip -n impaired-lab-overseas link set lo up
ip -n impaired-lab-overseas link set eth0 up
ip -n impaired-lab-in-the-woods addr add 10.0.3.2/24 dev eth0
ip -n impaired-lab-in-the-woods link set lo up
ip -n impaired-lab-in-the-woods link set eth0 up
ip -n impaired-lab-by-modem addr add 10.0.4.2/24 dev eth0
ip -n impaired-lab-by-modem link set lo up
ip -n impaired-lab-by-modem link set eth0 up

# services
ip netns exec impaired-lab-next-door netlab responder http 0.0.0.0:80 next-door </dev/null >/dev/null 2>&1 &
ip netns exec impaired-lab-overseas netlab responder http 0.0.0.0:80 overseas </dev/null >/dev/null 2>&1 &
ip netns exec impaired-lab-in-the-woods netlab responder http 0.0.0.0:80 in-the-woods </dev/null >/dev/null 2>&1 &
ip netns exec impaired-lab-by-modem netlab responder http 0.0.0.0:80 by-modem </dev/null >/dev/null 2>&1 &
