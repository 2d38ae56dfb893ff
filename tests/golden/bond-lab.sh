#!/bin/sh
# bond-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add bond-lab-switch
ip netns add bond-lab-server
ip netns add bond-lab-single
ip netns add bond-lab-client

# kernel settings
ip netns exec bond-lab-switch sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bond-lab-switch sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bond-lab-switch sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bond-lab-switch sysctl -qw net/ipv4/ip_forward=0
ip netns exec bond-lab-server sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bond-lab-server sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bond-lab-server sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bond-lab-server sysctl -qw net/ipv4/ip_forward=0
ip netns exec bond-lab-single sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bond-lab-single sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bond-lab-single sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bond-lab-single sysctl -qw net/ipv4/ip_forward=0
ip netns exec bond-lab-client sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bond-lab-client sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bond-lab-client sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bond-lab-client sysctl -qw net/ipv4/ip_forward=0

# links
ip -n bond-lab-switch link add name br0 address 02:11:1b:01:d8:03 type bridge stp_state 0
ip link add name eth0 address 02:68:ab:16:ac:97 netns bond-lab-server type veth peer name to-server0 address 02:f2:07:2f:c4:1b netns bond-lab-switch
ip link add name eth1 address 02:18:73:29:f0:67 netns bond-lab-server type veth peer name to-server1 address 02:b1:ce:0a:72:b5 netns bond-lab-switch
ip link add name eth0 address 02:1a:38:5e:13:9f netns bond-lab-single type veth peer name to-single address 02:49:3b:c4:26:f4 netns bond-lab-switch
ip link add name eth0 address 02:f6:3a:58:84:c9 netns bond-lab-client type veth peer name to-client address 02:8d:92:ad:d5:07 netns bond-lab-switch
ip -n bond-lab-server link add name bond0 address 02:ac:82:c9:a9:d6 type bond mode active-backup miimon 100 primary eth0
ip -n bond-lab-switch link set to-server0 master br0
ip -n bond-lab-switch link set to-server1 master br0
ip -n bond-lab-switch link set to-single master br0
ip -n bond-lab-switch link set to-client master br0
ip -n bond-lab-server link set eth0 master bond0
ip -n bond-lab-server link set eth1 master bond0

# addresses
ip -n bond-lab-switch link set lo up
ip -n bond-lab-switch link set to-server1 up
ip -n bond-lab-switch link set to-client up
ip -n bond-lab-switch link set br0 up
ip -n bond-lab-server addr add 10.0.0.10/24 dev bond0
ip -n bond-lab-server link set lo up
ip -n bond-lab-server link set eth0 up
ip -n bond-lab-server link set eth1 up
ip -n bond-lab-server link set bond0 up
ip -n bond-lab-single addr add 10.0.0.20/24 dev eth0
ip -n bond-lab-single link set lo up
ip -n bond-lab-single link set eth0 up
ip -n bond-lab-client addr add 10.0.0.1/24 dev eth0
ip -n bond-lab-client link set lo up
ip -n bond-lab-client link set eth0 up

# services
ip netns exec bond-lab-server netlab responder http 0.0.0.0:80 server </dev/null >/dev/null 2>&1 &
ip netns exec bond-lab-single netlab responder http 0.0.0.0:80 single </dev/null >/dev/null 2>&1 &
