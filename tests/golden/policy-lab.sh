#!/bin/sh
# policy-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add policy-lab-sw
ip netns add policy-lab-gw
ip netns add policy-lab-node1
ip netns add policy-lab-node2
ip netns add policy-lab-nginx
ip netns add policy-lab-bbok
ip netns add policy-lab-bbno
ip netns add policy-lab-other
ip netns add policy-lab-vault
ip netns add policy-lab-bbok2
ip netns add policy-lab-bbno2

# kernel settings
ip netns exec policy-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec policy-lab-gw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-gw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-gw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-gw sysctl -qw net/ipv4/ip_forward=0
ip netns exec policy-lab-node1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-node1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec policy-lab-node2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-node2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-node2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-node2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec policy-lab-nginx sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-nginx sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-nginx sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-nginx sysctl -qw net/ipv4/ip_forward=0
ip netns exec policy-lab-bbok sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-bbok sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-bbok sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-bbok sysctl -qw net/ipv4/ip_forward=0
ip netns exec policy-lab-bbno sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-bbno sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-bbno sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-bbno sysctl -qw net/ipv4/ip_forward=0
ip netns exec policy-lab-other sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-other sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-other sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-other sysctl -qw net/ipv4/ip_forward=0
ip netns exec policy-lab-vault sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-vault sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-vault sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-vault sysctl -qw net/ipv4/ip_forward=0
ip netns exec policy-lab-bbok2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-bbok2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-bbok2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-bbok2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec policy-lab-bbno2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec policy-lab-bbno2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec policy-lab-bbno2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec policy-lab-bbno2 sysctl -qw net/ipv4/ip_forward=0

# links
ip -n policy-lab-sw link add name br0 address 02:85:6a:d7:4c:64 type bridge stp_state 0
ip link add name eth0 address 02:b4:7e:ef:fc:be netns policy-lab-gw type veth peer name p-gw address 02:f9:d1:53:55:d9 netns policy-lab-sw
ip link add name eth0 address 02:66:6a:6e:47:64 netns policy-lab-node1 type veth peer name p-node1 address 02:10:18:78:92:81 netns policy-lab-sw
ip link add name eth0 address 02:20:be:8a:02:0a netns policy-lab-node2 type veth peer name p-node2 address 02:fa:52:75:aa:cc netns policy-lab-sw
ip link add name eth0 address 02:f1:f3:58:a7:b9 netns policy-lab-nginx type veth peer name calic440f455693 address ee:ee:ee:ee:ee:ee netns policy-lab-node1
ip link add name eth0 address 02:8a:8d:b5:d9:95 netns policy-lab-bbok type veth peer name caliebc5e20e83f address ee:ee:ee:ee:ee:ee netns policy-lab-node1
ip link add name eth0 address 02:45:64:f1:11:22 netns policy-lab-bbno type veth peer name cali53c4f81af82 address ee:ee:ee:ee:ee:ee netns policy-lab-node1
ip link add name eth0 address 02:ab:f0:9c:35:b5 netns policy-lab-other type veth peer name calibaee662cd2c address ee:ee:ee:ee:ee:ee netns policy-lab-node1
ip link add name eth0 address 02:7b:a4:4f:b9:45 netns policy-lab-vault type veth peer name cali69ae394a180 address ee:ee:ee:ee:ee:ee netns policy-lab-node1
ip link add name eth0 address 02:44:1d:68:c1:4c netns policy-lab-bbok2 type veth peer name cali71589571b75 address ee:ee:ee:ee:ee:ee netns policy-lab-node2
ip link add name eth0 address 02:d6:8f:66:49:24 netns policy-lab-bbno2 type veth peer name cali87011516e4d address ee:ee:ee:ee:ee:ee netns policy-lab-node2
ip -n policy-lab-sw link set p-gw master br0
ip -n policy-lab-sw link set p-node1 master br0
ip -n policy-lab-sw link set p-node2 master br0

# kernel settings
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/calic440f455693/proxy_arp=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/calic440f455693/route_localnet=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/calic440f455693/rp_filter=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/neigh/calic440f455693/proxy_delay=0
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/caliebc5e20e83f/proxy_arp=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/caliebc5e20e83f/route_localnet=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/caliebc5e20e83f/rp_filter=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/neigh/caliebc5e20e83f/proxy_delay=0
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/cali53c4f81af82/proxy_arp=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/cali53c4f81af82/route_localnet=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/cali53c4f81af82/rp_filter=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/neigh/cali53c4f81af82/proxy_delay=0
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/calibaee662cd2c/proxy_arp=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/calibaee662cd2c/route_localnet=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/calibaee662cd2c/rp_filter=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/neigh/calibaee662cd2c/proxy_delay=0
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/cali69ae394a180/proxy_arp=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/cali69ae394a180/route_localnet=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/conf/cali69ae394a180/rp_filter=1
ip netns exec policy-lab-node1 sysctl -qw net/ipv4/neigh/cali69ae394a180/proxy_delay=0
ip netns exec policy-lab-node2 sysctl -qw net/ipv4/conf/cali71589571b75/proxy_arp=1
ip netns exec policy-lab-node2 sysctl -qw net/ipv4/conf/cali71589571b75/route_localnet=1
ip netns exec policy-lab-node2 sysctl -qw net/ipv4/conf/cali71589571b75/rp_filter=1
ip netns exec policy-lab-node2 sysctl -qw net/ipv4/neigh/cali71589571b75/proxy_delay=0
ip netns exec policy-lab-node2 sysctl -qw net/ipv4/conf/cali87011516e4d/proxy_arp=1
ip netns exec policy-lab-node2 sysctl -qw net/ipv4/conf/cali87011516e4d/route_localnet=1
ip netns exec policy-lab-node2 sysctl -qw net/ipv4/conf/cali87011516e4d/rp_filter=1
ip netns exec policy-lab-node2 sysctl -qw net/ipv4/neigh/cali87011516e4d/proxy_delay=0

# addresses
ip -n policy-lab-sw link set lo up
ip -n policy-lab-sw link set p-gw up
ip -n policy-lab-sw link set p-node1 up
ip -n policy-lab-sw link set p-node2 up
ip -n policy-lab-sw link set br0 up
ip -n policy-lab-gw addr add 10.0.0.1/24 dev eth0
ip -n policy-lab-gw link set lo up
ip -n policy-lab-gw link set eth0 up
ip -n policy-lab-node1 addr add 10.0.0.11/24 dev eth0
ip -n policy-lab-node1 link set lo up
ip -n policy-lab-node1 link set eth0 up
ip -n policy-lab-node1 link set calic440f455693 up
ip -n policy-lab-node1 link set caliebc5e20e83f up
ip -n policy-lab-node1 link set cali53c4f81af82 up
ip -n policy-lab-node1 link set calibaee662cd2c up
ip -n policy-lab-node1 link set cali69ae394a180 up
ip -n policy-lab-node2 addr add 10.0.0.12/24 dev eth0
ip -n policy-lab-node2 link set lo up
ip -n policy-lab-node2 link set eth0 up
ip -n policy-lab-node2 link set cali71589571b75 up
ip -n policy-lab-node2 link set cali87011516e4d up
ip -n policy-lab-nginx addr add 10.244.1.2/32 dev eth0
ip -n policy-lab-nginx link set lo up
ip -n policy-lab-nginx link set eth0 up
ip -n policy-lab-bbok addr add 10.244.1.3/32 dev eth0
ip -n policy-lab-bbok link set lo up
ip -n policy-lab-bbok link set eth0 up
ip -n policy-lab-bbno addr add 10.244.1.4/32 dev eth0
ip -n policy-lab-bbno link set lo up
ip -n policy-lab-bbno link set eth0 up
ip -n policy-lab-other addr add 10.244.1.5/32 dev eth0
ip -n policy-lab-other link set lo up
ip -n policy-lab-other link set eth0 up
ip -n policy-lab-vault addr add 10.244.1.6/32 dev eth0
ip -n policy-lab-vault link set lo up
ip -n policy-lab-vault link set eth0 up
ip -n policy-lab-bbok2 addr add 10.244.2.3/32 dev eth0
ip -n policy-lab-bbok2 link set lo up
ip -n policy-lab-bbok2 link set eth0 up
ip -n policy-lab-bbno2 addr add 10.244.2.4/32 dev eth0
ip -n policy-lab-bbno2 link set lo up
ip -n policy-lab-bbno2 link set eth0 up

# routing
ip -n policy-lab-gw route add 10.244.1.0/26 via 10.0.0.11 dev eth0
ip -n policy-lab-gw route add 10.244.2.0/26 via 10.0.0.12 dev eth0
ip -n policy-lab-node1 route add blackhole 10.244.1.0/26 proto bird
ip -n policy-lab-node1 route add 10.244.1.2 dev calic440f455693 scope link
ip -n policy-lab-node1 route add 10.244.1.3 dev caliebc5e20e83f scope link
ip -n policy-lab-node1 route add 10.244.1.4 dev cali53c4f81af82 scope link
ip -n policy-lab-node1 route add 10.244.1.5 dev calibaee662cd2c scope link
ip -n policy-lab-node1 route add 10.244.1.6 dev cali69ae394a180 scope link
ip -n policy-lab-node1 route add default via 10.0.0.1 dev eth0
ip -n policy-lab-node1 route add 10.244.2.0/26 via 10.0.0.12 dev eth0 proto bird
ip -n policy-lab-node2 route add blackhole 10.244.2.0/26 proto bird
ip -n policy-lab-node2 route add 10.244.2.3 dev cali71589571b75 scope link
ip -n policy-lab-node2 route add 10.244.2.4 dev cali87011516e4d scope link
ip -n policy-lab-node2 route add default via 10.0.0.1 dev eth0
ip -n policy-lab-node2 route add 10.244.1.0/26 via 10.0.0.11 dev eth0 proto bird
ip -n policy-lab-nginx route add 169.254.1.1 dev eth0 scope link
ip -n policy-lab-nginx route add default via 169.254.1.1 dev eth0
ip -n policy-lab-bbok route add 169.254.1.1 dev eth0 scope link
ip -n policy-lab-bbok route add default via 169.254.1.1 dev eth0
ip -n policy-lab-bbno route add 169.254.1.1 dev eth0 scope link
ip -n policy-lab-bbno route add default via 169.254.1.1 dev eth0
ip -n policy-lab-other route add 169.254.1.1 dev eth0 scope link
ip -n policy-lab-other route add default via 169.254.1.1 dev eth0
ip -n policy-lab-vault route add 169.254.1.1 dev eth0 scope link
ip -n policy-lab-vault route add default via 169.254.1.1 dev eth0
ip -n policy-lab-bbok2 route add 169.254.1.1 dev eth0 scope link
ip -n policy-lab-bbok2 route add default via 169.254.1.1 dev eth0
ip -n policy-lab-bbno2 route add 169.254.1.1 dev eth0 scope link
ip -n policy-lab-bbno2 route add default via 169.254.1.1 dev eth0

# firewall
ip netns exec policy-lab-node1 ipset create cali40s:access-true hash:net family inet
ip netns exec policy-lab-node1 ipset add cali40s:access-true 10.244.1.3
ip netns exec policy-lab-node1 ipset add cali40s:access-true 10.244.2.3
ip netns exec policy-lab-node1 iptables -N cali-FORWARD
ip netns exec policy-lab-node1 iptables -N cali-from-wl-dispatch
ip netns exec policy-lab-node1 iptables -N cali-to-wl-dispatch
ip netns exec policy-lab-node1 iptables -N cali-tw-calic440f455693
ip netns exec policy-lab-node1 iptables -N cali-fw-calic440f455693
ip netns exec policy-lab-node1 iptables -N cali-pi-ingress-policy
ip netns exec policy-lab-node1 iptables -N cali-tw-cali69ae394a180
ip netns exec policy-lab-node1 iptables -N cali-fw-cali69ae394a180
ip netns exec policy-lab-node1 iptables -A FORWARD -j cali-FORWARD
ip netns exec policy-lab-node1 iptables -A cali-FORWARD -i cali+ -j cali-from-wl-dispatch
ip netns exec policy-lab-node1 iptables -A cali-FORWARD -o cali+ -j cali-to-wl-dispatch
ip netns exec policy-lab-node1 iptables -A cali-from-wl-dispatch -i calic440f455693 -g cali-fw-calic440f455693
ip netns exec policy-lab-node1 iptables -A cali-from-wl-dispatch -i cali69ae394a180 -g cali-fw-cali69ae394a180
ip netns exec policy-lab-node1 iptables -A cali-to-wl-dispatch -o calic440f455693 -g cali-tw-calic440f455693
ip netns exec policy-lab-node1 iptables -A cali-to-wl-dispatch -o cali69ae394a180 -g cali-tw-cali69ae394a180
ip netns exec policy-lab-node1 iptables -A cali-fw-calic440f455693 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
ip netns exec policy-lab-node1 iptables -A cali-tw-calic440f455693 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
ip netns exec policy-lab-node1 iptables -A cali-tw-calic440f455693 -m conntrack --ctstate INVALID -j DROP
ip netns exec policy-lab-node1 iptables -A cali-tw-calic440f455693 -j MARK --set-xmark 0x0/0x10000
ip netns exec policy-lab-node1 iptables -A cali-tw-calic440f455693 -j cali-pi-ingress-policy
ip netns exec policy-lab-node1 iptables -A cali-tw-calic440f455693 -m mark --mark 0x10000/0x10000 -j RETURN
ip netns exec policy-lab-node1 iptables -A cali-tw-calic440f455693 -m comment --comment 'Drop if no policies passed packet' -j DROP
ip netns exec policy-lab-node1 iptables -A cali-pi-ingress-policy -p tcp -m set --match-set cali40s:access-true src -m multiport --dports 80 -j MARK --set-xmark 0x10000/0x10000
ip netns exec policy-lab-node1 iptables -A cali-fw-cali69ae394a180 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
ip netns exec policy-lab-node1 iptables -A cali-fw-cali69ae394a180 -m comment --comment 'Drop if no policies passed packet' -j DROP
ip netns exec policy-lab-node1 iptables -A cali-tw-cali69ae394a180 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
ip netns exec policy-lab-node1 iptables -A cali-tw-cali69ae394a180 -m comment --comment 'Drop if no policies passed packet' -j DROP

# services
ip netns exec policy-lab-gw netlab responder http 0.0.0.0:80 gw </dev/null >/dev/null 2>&1 &
ip netns exec policy-lab-nginx netlab responder http 0.0.0.0:80 nginx </dev/null >/dev/null 2>&1 &
ip netns exec policy-lab-nginx netlab responder http 0.0.0.0:8080 nginx </dev/null >/dev/null 2>&1 &
ip netns exec policy-lab-bbok netlab responder http 0.0.0.0:80 bbok </dev/null >/dev/null 2>&1 &
ip netns exec policy-lab-other netlab responder http 0.0.0.0:80 other </dev/null >/dev/null 2>&1 &
ip netns exec policy-lab-vault netlab responder http 0.0.0.0:80 vault </dev/null >/dev/null 2>&1 &
