#!/bin/sh
# pod-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add pod-lab-sw
ip netns add pod-lab-gw
ip netns add pod-lab-node1
ip netns add pod-lab-node2
ip netns add pod-lab-frontend
ip netns add pod-lab-backend
ip netns add pod-lab-db

# kernel settings
ip netns exec pod-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec pod-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec pod-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec pod-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec pod-lab-gw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec pod-lab-gw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec pod-lab-gw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec pod-lab-gw sysctl -qw net/ipv4/ip_forward=0
ip netns exec pod-lab-node1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec pod-lab-node1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec pod-lab-node1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec pod-lab-node2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec pod-lab-node2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec pod-lab-node2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec pod-lab-node2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec pod-lab-frontend sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec pod-lab-frontend sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec pod-lab-frontend sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec pod-lab-frontend sysctl -qw net/ipv4/ip_forward=0
ip netns exec pod-lab-backend sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec pod-lab-backend sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec pod-lab-backend sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec pod-lab-backend sysctl -qw net/ipv4/ip_forward=0
ip netns exec pod-lab-db sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec pod-lab-db sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec pod-lab-db sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec pod-lab-db sysctl -qw net/ipv4/ip_forward=0

# links
ip -n pod-lab-sw link add name br0 address 02:27:57:18:15:76 type bridge stp_state 0
ip link add name ens160 address 02:9a:9a:d9:58:93 netns pod-lab-gw type veth peer name p-gw address 02:83:44:86:c2:5a netns pod-lab-sw
ip link add name ens160 address 02:d0:f9:28:7e:de netns pod-lab-node1 type veth peer name p-node1 address 02:6d:8e:75:89:3a netns pod-lab-sw
ip link add name ens160 address 02:5e:99:ea:48:76 netns pod-lab-node2 type veth peer name p-node2 address 02:4b:4a:48:32:b5 netns pod-lab-sw
ip link add name eth0 address 02:9c:62:e4:99:4f netns pod-lab-frontend type veth peer name cali43cf359eec9 address ee:ee:ee:ee:ee:ee netns pod-lab-node1
ip link add name eth0 address 02:69:da:47:3c:58 netns pod-lab-backend type veth peer name cali20e4cd64304 address ee:ee:ee:ee:ee:ee netns pod-lab-node1
ip link add name eth0 address 02:8d:d0:87:c0:4e netns pod-lab-db type veth peer name cali9f490de0c45 address ee:ee:ee:ee:ee:ee netns pod-lab-node2
ip -n pod-lab-sw link set p-gw master br0
ip -n pod-lab-sw link set p-node1 master br0
ip -n pod-lab-sw link set p-node2 master br0

# kernel settings
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/conf/cali43cf359eec9/proxy_arp=1
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/conf/cali43cf359eec9/forwarding=1
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/conf/cali43cf359eec9/route_localnet=1
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/conf/cali43cf359eec9/rp_filter=1
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/neigh/cali43cf359eec9/proxy_delay=0
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/conf/cali20e4cd64304/proxy_arp=1
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/conf/cali20e4cd64304/forwarding=1
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/conf/cali20e4cd64304/route_localnet=1
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/conf/cali20e4cd64304/rp_filter=1
ip netns exec pod-lab-node1 sysctl -qw net/ipv4/neigh/cali20e4cd64304/proxy_delay=0
ip netns exec pod-lab-node2 sysctl -qw net/ipv4/conf/cali9f490de0c45/proxy_arp=1
ip netns exec pod-lab-node2 sysctl -qw net/ipv4/conf/cali9f490de0c45/forwarding=1
ip netns exec pod-lab-node2 sysctl -qw net/ipv4/conf/cali9f490de0c45/route_localnet=1
ip netns exec pod-lab-node2 sysctl -qw net/ipv4/conf/cali9f490de0c45/rp_filter=1
ip netns exec pod-lab-node2 sysctl -qw net/ipv4/neigh/cali9f490de0c45/proxy_delay=0

# addresses
ip -n pod-lab-sw link set lo up
ip -n pod-lab-sw link set p-gw up
ip -n pod-lab-sw link set p-node1 up
ip -n pod-lab-sw link set p-node2 up
ip -n pod-lab-sw link set br0 up
ip -n pod-lab-gw addr add 10.0.0.1/16 dev ens160
ip -n pod-lab-gw link set lo up
ip -n pod-lab-gw link set ens160 up
ip -n pod-lab-node1 addr add 10.0.138.141/16 dev ens160
ip -n pod-lab-node1 link set lo up
ip -n pod-lab-node1 link set ens160 up
ip -n pod-lab-node1 link set cali43cf359eec9 up
ip -n pod-lab-node1 link set cali20e4cd64304 up
ip -n pod-lab-node2 addr add 10.0.165.129/16 dev ens160
ip -n pod-lab-node2 link set lo up
ip -n pod-lab-node2 link set ens160 up
ip -n pod-lab-node2 link set cali9f490de0c45 up
ip -n pod-lab-frontend addr add 10.129.102.142/32 dev eth0
ip -n pod-lab-frontend link set lo up
ip -n pod-lab-frontend link set eth0 up
ip -n pod-lab-backend addr add 10.129.102.143/32 dev eth0
ip -n pod-lab-backend link set lo up
ip -n pod-lab-backend link set eth0 up
ip -n pod-lab-db addr add 10.129.63.19/32 dev eth0
ip -n pod-lab-db link set lo up
ip -n pod-lab-db link set eth0 up

# routing
ip -n pod-lab-node1 route add blackhole 10.129.102.128/26 proto bird
ip -n pod-lab-node1 route add 10.129.102.142 dev cali43cf359eec9 scope link
ip -n pod-lab-node1 route add 10.129.102.143 dev cali20e4cd64304 scope link
ip -n pod-lab-node1 route add default via 10.0.0.1 dev ens160
ip -n pod-lab-node1 route add 10.129.63.0/26 via 10.0.165.129 dev ens160 proto bird
ip -n pod-lab-node2 route add blackhole 10.129.63.0/26 proto bird
ip -n pod-lab-node2 route add 10.129.63.19 dev cali9f490de0c45 scope link
ip -n pod-lab-node2 route add default via 10.0.0.1 dev ens160
ip -n pod-lab-node2 route add 10.129.102.128/26 via 10.0.138.141 dev ens160 proto bird
ip -n pod-lab-frontend route add 169.254.1.1 dev eth0 scope link
ip -n pod-lab-frontend route add default via 169.254.1.1 dev eth0
ip -n pod-lab-backend route add 169.254.1.1 dev eth0 scope link
ip -n pod-lab-backend route add default via 169.254.1.1 dev eth0
ip -n pod-lab-db route add 169.254.1.1 dev eth0 scope link
ip -n pod-lab-db route add default via 169.254.1.1 dev eth0

# services
ip netns exec pod-lab-backend netlab responder http 0.0.0.0:80 backend </dev/null >/dev/null 2>&1 &
ip netns exec pod-lab-db netlab responder http 0.0.0.0:80 db </dev/null >/dev/null 2>&1 &
