#!/bin/sh
# ipip-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add ipip-lab-sw
ip netns add ipip-lab-gw
ip netns add ipip-lab-master-node
ip netns add ipip-lab-worker-node01
ip netns add ipip-lab-worker-node02
ip netns add ipip-lab-pod-master
ip netns add ipip-lab-rz8vs
ip netns add ipip-lab-db9tv

# kernel settings
ip netns exec ipip-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec ipip-lab-gw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-lab-gw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-lab-gw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-lab-gw sysctl -qw net/ipv4/ip_forward=0
ip netns exec ipip-lab-master-node sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-lab-master-node sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-lab-master-node sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-lab-master-node sysctl -qw net/ipv4/ip_forward=1
ip netns exec ipip-lab-worker-node01 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-lab-worker-node01 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-lab-worker-node01 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-lab-worker-node01 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ipip-lab-worker-node02 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-lab-worker-node02 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-lab-worker-node02 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-lab-worker-node02 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ipip-lab-pod-master sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-lab-pod-master sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-lab-pod-master sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-lab-pod-master sysctl -qw net/ipv4/ip_forward=0
ip netns exec ipip-lab-rz8vs sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-lab-rz8vs sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-lab-rz8vs sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-lab-rz8vs sysctl -qw net/ipv4/ip_forward=0
ip netns exec ipip-lab-db9tv sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ipip-lab-db9tv sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ipip-lab-db9tv sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ipip-lab-db9tv sysctl -qw net/ipv4/ip_forward=0

# links
ip -n ipip-lab-sw link add name br0 address 02:76:08:61:f9:52 type bridge stp_state 0
ip -n ipip-lab-master-node link show tunl0 >/dev/null 2>&1 || ip -n ipip-lab-master-node link add name tunl0 mtu 1480 type ipip
ip -n ipip-lab-master-node link set tunl0 mtu 1480
ip -n ipip-lab-worker-node01 link show tunl0 >/dev/null 2>&1 || ip -n ipip-lab-worker-node01 link add name tunl0 mtu 1480 type ipip
ip -n ipip-lab-worker-node01 link set tunl0 mtu 1480
ip -n ipip-lab-worker-node02 link show tunl0 >/dev/null 2>&1 || ip -n ipip-lab-worker-node02 link add name tunl0 mtu 1480 type ipip
ip -n ipip-lab-worker-node02 link set tunl0 mtu 1480
ip link add name eth1 address 02:70:49:50:ac:b4 netns ipip-lab-gw type veth peer name p-gw address 02:95:02:20:0e:61 netns ipip-lab-sw
ip link add name eth1 address 02:69:a5:13:07:57 netns ipip-lab-master-node type veth peer name p-master address 02:b2:04:b3:a7:82 netns ipip-lab-sw
ip link add name eth1 address 02:0e:5d:a0:fa:15 netns ipip-lab-worker-node01 type veth peer name p-worker1 address 02:3c:f1:70:dd:dc netns ipip-lab-sw
ip link add name eth1 address 02:b9:f0:9f:aa:c1 netns ipip-lab-worker-node02 type veth peer name p-worker2 address 02:85:1a:01:87:cc netns ipip-lab-sw
ip link add name eth0 address 02:12:91:3f:32:bb mtu 1480 netns ipip-lab-pod-master type veth peer name cali43d2ed10610 address ee:ee:ee:ee:ee:ee mtu 1480 netns ipip-lab-master-node
ip link add name eth0 address 02:93:1b:70:63:44 mtu 1480 netns ipip-lab-rz8vs type veth peer name cali6d8ff9bc555 address ee:ee:ee:ee:ee:ee mtu 1480 netns ipip-lab-worker-node01
ip link add name eth0 address 02:6c:3b:33:95:3d mtu 1480 netns ipip-lab-db9tv type veth peer name calie7c9946a046 address ee:ee:ee:ee:ee:ee mtu 1480 netns ipip-lab-worker-node02
ip -n ipip-lab-sw link set p-gw master br0
ip -n ipip-lab-sw link set p-master master br0
ip -n ipip-lab-sw link set p-worker1 master br0
ip -n ipip-lab-sw link set p-worker2 master br0

# kernel settings
ip netns exec ipip-lab-master-node sysctl -qw net/ipv4/conf/cali43d2ed10610/proxy_arp=1
ip netns exec ipip-lab-master-node sysctl -qw net/ipv4/conf/cali43d2ed10610/forwarding=1
ip netns exec ipip-lab-master-node sysctl -qw net/ipv4/conf/cali43d2ed10610/route_localnet=1
ip netns exec ipip-lab-master-node sysctl -qw net/ipv4/conf/cali43d2ed10610/rp_filter=1
ip netns exec ipip-lab-master-node sysctl -qw net/ipv4/neigh/cali43d2ed10610/proxy_delay=0
ip netns exec ipip-lab-worker-node01 sysctl -qw net/ipv4/conf/cali6d8ff9bc555/proxy_arp=1
ip netns exec ipip-lab-worker-node01 sysctl -qw net/ipv4/conf/cali6d8ff9bc555/forwarding=1
ip netns exec ipip-lab-worker-node01 sysctl -qw net/ipv4/conf/cali6d8ff9bc555/route_localnet=1
ip netns exec ipip-lab-worker-node01 sysctl -qw net/ipv4/conf/cali6d8ff9bc555/rp_filter=1
ip netns exec ipip-lab-worker-node01 sysctl -qw net/ipv4/neigh/cali6d8ff9bc555/proxy_delay=0
ip netns exec ipip-lab-worker-node02 sysctl -qw net/ipv4/conf/calie7c9946a046/proxy_arp=1
ip netns exec ipip-lab-worker-node02 sysctl -qw net/ipv4/conf/calie7c9946a046/forwarding=1
ip netns exec ipip-lab-worker-node02 sysctl -qw net/ipv4/conf/calie7c9946a046/route_localnet=1
ip netns exec ipip-lab-worker-node02 sysctl -qw net/ipv4/conf/calie7c9946a046/rp_filter=1
ip netns exec ipip-lab-worker-node02 sysctl -qw net/ipv4/neigh/calie7c9946a046/proxy_delay=0

# addresses
ip -n ipip-lab-sw link set lo up
ip -n ipip-lab-sw link set p-gw up
ip -n ipip-lab-sw link set p-master up
ip -n ipip-lab-sw link set p-worker1 up
ip -n ipip-lab-sw link set p-worker2 up
ip -n ipip-lab-sw link set br0 up
ip -n ipip-lab-gw addr add 10.0.0.1/24 dev eth1
ip -n ipip-lab-gw link set lo up
ip -n ipip-lab-gw link set eth1 up
ip -n ipip-lab-master-node addr add 10.0.0.10/24 dev eth1
ip -n ipip-lab-master-node addr add 192.168.77.128/32 dev tunl0
ip -n ipip-lab-master-node link set lo up
ip -n ipip-lab-master-node link set eth1 up
ip -n ipip-lab-master-node link set cali43d2ed10610 up
ip -n ipip-lab-master-node link set tunl0 up
ip -n ipip-lab-worker-node01 addr add 10.0.0.11/24 dev eth1
ip -n ipip-lab-worker-node01 addr add 192.168.87.192/32 dev tunl0
ip -n ipip-lab-worker-node01 link set lo up
ip -n ipip-lab-worker-node01 link set eth1 up
ip -n ipip-lab-worker-node01 link set cali6d8ff9bc555 up
ip -n ipip-lab-worker-node01 link set tunl0 up
ip -n ipip-lab-worker-node02 addr add 10.0.0.12/24 dev eth1
ip -n ipip-lab-worker-node02 addr add 192.168.158.0/32 dev tunl0
ip -n ipip-lab-worker-node02 link set lo up
ip -n ipip-lab-worker-node02 link set eth1 up
ip -n ipip-lab-worker-node02 link set calie7c9946a046 up
ip -n ipip-lab-worker-node02 link set tunl0 up
ip -n ipip-lab-pod-master addr add 192.168.77.144/32 dev eth0
ip -n ipip-lab-pod-master link set lo up
ip -n ipip-lab-pod-master link set eth0 up
ip -n ipip-lab-rz8vs addr add 192.168.87.198/32 dev eth0
ip -n ipip-lab-rz8vs link set lo up
ip -n ipip-lab-rz8vs link set eth0 up
ip -n ipip-lab-db9tv addr add 192.168.158.2/32 dev eth0
ip -n ipip-lab-db9tv link set lo up
ip -n ipip-lab-db9tv link set eth0 up

# routing
ip -n ipip-lab-master-node route add blackhole 192.168.77.128/26 proto bird
ip -n ipip-lab-master-node route add 192.168.77.144 dev cali43d2ed10610 scope link
ip -n ipip-lab-master-node route add default via 10.0.0.1 dev eth1
ip -n ipip-lab-master-node route add 192.168.87.192/26 via 10.0.0.11 dev tunl0 proto bird onlink
ip -n ipip-lab-master-node route add 192.168.158.0/26 via 10.0.0.12 dev tunl0 proto bird onlink
ip -n ipip-lab-worker-node01 route add blackhole 192.168.87.192/26 proto bird
ip -n ipip-lab-worker-node01 route add 192.168.87.198 dev cali6d8ff9bc555 scope link
ip -n ipip-lab-worker-node01 route add default via 10.0.0.1 dev eth1
ip -n ipip-lab-worker-node01 route add 192.168.77.128/26 via 10.0.0.10 dev tunl0 proto bird onlink
ip -n ipip-lab-worker-node01 route add 192.168.158.0/26 via 10.0.0.12 dev tunl0 proto bird onlink
ip -n ipip-lab-worker-node02 route add blackhole 192.168.158.0/26 proto bird
ip -n ipip-lab-worker-node02 route add 192.168.158.2 dev calie7c9946a046 scope link
ip -n ipip-lab-worker-node02 route add default via 10.0.0.1 dev eth1
ip -n ipip-lab-worker-node02 route add 192.168.77.128/26 via 10.0.0.10 dev tunl0 proto bird onlink
ip -n ipip-lab-worker-node02 route add 192.168.87.192/26 via 10.0.0.11 dev tunl0 proto bird onlink
ip -n ipip-lab-pod-master route add 169.254.1.1 dev eth0 scope link
ip -n ipip-lab-pod-master route add default via 169.254.1.1 dev eth0
ip -n ipip-lab-rz8vs route add 169.254.1.1 dev eth0 scope link
ip -n ipip-lab-rz8vs route add default via 169.254.1.1 dev eth0
ip -n ipip-lab-db9tv route add 169.254.1.1 dev eth0 scope link
ip -n ipip-lab-db9tv route add default via 169.254.1.1 dev eth0

# services
ip netns exec ipip-lab-pod-master netlab responder http 0.0.0.0:80 pod-master </dev/null >/dev/null 2>&1 &
ip netns exec ipip-lab-rz8vs netlab responder http 0.0.0.0:80 rz8vs </dev/null >/dev/null 2>&1 &
ip netns exec ipip-lab-db9tv netlab responder http 0.0.0.0:80 db9tv </dev/null >/dev/null 2>&1 &
