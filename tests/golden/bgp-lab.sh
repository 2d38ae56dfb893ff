#!/bin/sh
# bgp-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add bgp-lab-sw
ip netns add bgp-lab-inet
ip netns add bgp-lab-bastion
ip netns add bgp-lab-control1
ip netns add bgp-lab-worker1
ip netns add bgp-lab-worker2
ip netns add bgp-lab-default1
ip netns add bgp-lab-default2
ip netns add bgp-lab-nginx
ip netns add bgp-lab-extcli

# kernel settings
ip netns exec bgp-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec bgp-lab-inet sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-lab-inet sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-lab-inet sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-lab-inet sysctl -qw net/ipv4/ip_forward=0
ip netns exec bgp-lab-bastion sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-lab-bastion sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-lab-bastion sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-lab-bastion sysctl -qw net/ipv4/ip_forward=0
ip netns exec bgp-lab-control1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-lab-control1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-lab-control1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-lab-control1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec bgp-lab-worker1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-lab-worker1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-lab-worker1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-lab-worker1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-lab-worker2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec bgp-lab-default1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-lab-default1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-lab-default1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-lab-default1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec bgp-lab-default2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-lab-default2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-lab-default2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-lab-default2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec bgp-lab-nginx sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-lab-nginx sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-lab-nginx sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-lab-nginx sysctl -qw net/ipv4/ip_forward=0
ip netns exec bgp-lab-extcli sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-lab-extcli sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-lab-extcli sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-lab-extcli sysctl -qw net/ipv4/ip_forward=0

# links
ip -n bgp-lab-sw link add name br0 address 02:51:9d:f4:15:47 type bridge stp_state 0
ip link add name ens5 address 02:6b:74:bf:fc:7f netns bgp-lab-inet type veth peer name p-inet address 02:84:7e:eb:d4:ad netns bgp-lab-sw
ip link add name ens5 address 02:4f:b9:5a:56:86 netns bgp-lab-bastion type veth peer name p-bastion address 02:ca:c5:36:82:f0 netns bgp-lab-sw
ip link add name ens5 address 02:30:0a:c9:69:4a netns bgp-lab-control1 type veth peer name p-control1 address 02:61:4a:e1:98:7b netns bgp-lab-sw
ip link add name ens5 address 02:1f:cd:54:7d:c3 netns bgp-lab-worker1 type veth peer name p-worker1 address 02:73:c8:17:51:74 netns bgp-lab-sw
ip link add name ens5 address 02:14:63:c2:bb:2b netns bgp-lab-worker2 type veth peer name p-worker2 address 02:72:9c:cb:ed:a1 netns bgp-lab-sw
ip link add name eth0 address 02:3a:cf:cb:0a:ac netns bgp-lab-default1 type veth peer name calif70bcb3cc4d address ee:ee:ee:ee:ee:ee netns bgp-lab-worker1
ip link add name eth0 address 02:ab:6c:33:e2:43 netns bgp-lab-default2 type veth peer name calidbef9cf909f address ee:ee:ee:ee:ee:ee netns bgp-lab-worker2
ip link add name eth0 address 02:af:fd:b0:f4:19 netns bgp-lab-nginx type veth peer name cali133fbf80347 address ee:ee:ee:ee:ee:ee netns bgp-lab-worker2
ip link add name eth0 address 02:13:7c:21:cb:c9 netns bgp-lab-extcli type veth peer name cali66ed7085c02 address ee:ee:ee:ee:ee:ee netns bgp-lab-worker2
ip -n bgp-lab-sw link set p-inet master br0
ip -n bgp-lab-sw link set p-bastion master br0
ip -n bgp-lab-sw link set p-control1 master br0
ip -n bgp-lab-sw link set p-worker1 master br0
ip -n bgp-lab-sw link set p-worker2 master br0

# kernel settings
ip netns exec bgp-lab-worker1 sysctl -qw net/ipv4/conf/calif70bcb3cc4d/proxy_arp=1
ip netns exec bgp-lab-worker1 sysctl -qw net/ipv4/conf/calif70bcb3cc4d/forwarding=1
ip netns exec bgp-lab-worker1 sysctl -qw net/ipv4/conf/calif70bcb3cc4d/route_localnet=1
ip netns exec bgp-lab-worker1 sysctl -qw net/ipv4/conf/calif70bcb3cc4d/rp_filter=1
ip netns exec bgp-lab-worker1 sysctl -qw net/ipv4/neigh/calif70bcb3cc4d/proxy_delay=0
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/calidbef9cf909f/proxy_arp=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/calidbef9cf909f/forwarding=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/calidbef9cf909f/route_localnet=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/calidbef9cf909f/rp_filter=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/neigh/calidbef9cf909f/proxy_delay=0
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/cali133fbf80347/proxy_arp=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/cali133fbf80347/forwarding=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/cali133fbf80347/route_localnet=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/cali133fbf80347/rp_filter=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/neigh/cali133fbf80347/proxy_delay=0
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/cali66ed7085c02/proxy_arp=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/cali66ed7085c02/forwarding=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/cali66ed7085c02/route_localnet=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/conf/cali66ed7085c02/rp_filter=1
ip netns exec bgp-lab-worker2 sysctl -qw net/ipv4/neigh/cali66ed7085c02/proxy_delay=0

# addresses
ip -n bgp-lab-sw link set lo up
ip -n bgp-lab-sw link set p-inet up
ip -n bgp-lab-sw link set p-bastion up
ip -n bgp-lab-sw link set p-control1 up
ip -n bgp-lab-sw link set p-worker1 up
ip -n bgp-lab-sw link set p-worker2 up
ip -n bgp-lab-sw link set br0 up
ip -n bgp-lab-inet addr add 8.8.8.8/32 dev lo
ip -n bgp-lab-inet addr add 10.0.1.1/24 dev ens5
ip -n bgp-lab-inet link set lo up
ip -n bgp-lab-inet link set ens5 up
ip -n bgp-lab-bastion addr add 10.0.1.10/24 dev ens5
ip -n bgp-lab-bastion link set lo up
ip -n bgp-lab-bastion link set ens5 up
ip -n bgp-lab-control1 addr add 10.0.1.20/24 dev ens5
ip -n bgp-lab-control1 link set lo up
ip -n bgp-lab-control1 link set ens5 up
ip -n bgp-lab-worker1 addr add 10.0.1.30/24 dev ens5
ip -n bgp-lab-worker1 link set lo up
ip -n bgp-lab-worker1 link set ens5 up
ip -n bgp-lab-worker1 link set calif70bcb3cc4d up
ip -n bgp-lab-worker2 addr add 10.0.1.31/24 dev ens5
ip -n bgp-lab-worker2 link set lo up
ip -n bgp-lab-worker2 link set ens5 up
ip -n bgp-lab-worker2 link set calidbef9cf909f up
ip -n bgp-lab-worker2 link set cali133fbf80347 up
ip -n bgp-lab-worker2 link set cali66ed7085c02 up
ip -n bgp-lab-default1 addr add 10.48.0.66/32 dev eth0
ip -n bgp-lab-default1 link set lo up
ip -n bgp-lab-default1 link set eth0 up
ip -n bgp-lab-default2 addr add 10.48.0.130/32 dev eth0
ip -n bgp-lab-default2 link set lo up
ip -n bgp-lab-default2 link set eth0 up
ip -n bgp-lab-nginx addr add 10.48.2.216/32 dev eth0
ip -n bgp-lab-nginx link set lo up
ip -n bgp-lab-nginx link set eth0 up
ip -n bgp-lab-extcli addr add 10.48.2.217/32 dev eth0
ip -n bgp-lab-extcli link set lo up
ip -n bgp-lab-extcli link set eth0 up

# routing
ip -n bgp-lab-bastion route add default via 10.0.1.1 dev ens5
ip -n bgp-lab-control1 route add default via 10.0.1.1 dev ens5
ip -n bgp-lab-worker1 route add 10.48.0.66 dev calif70bcb3cc4d scope link
ip -n bgp-lab-worker1 route add default via 10.0.1.1 dev ens5
ip -n bgp-lab-worker2 route add 10.48.0.130 dev calidbef9cf909f scope link
ip -n bgp-lab-worker2 route add 10.48.2.216 dev cali133fbf80347 scope link
ip -n bgp-lab-worker2 route add 10.48.2.217 dev cali66ed7085c02 scope link
ip -n bgp-lab-worker2 route add default via 10.0.1.1 dev ens5
ip -n bgp-lab-default1 route add 169.254.1.1 dev eth0 scope link
ip -n bgp-lab-default1 route add default via 169.254.1.1 dev eth0
ip -n bgp-lab-default2 route add 169.254.1.1 dev eth0 scope link
ip -n bgp-lab-default2 route add default via 169.254.1.1 dev eth0
ip -n bgp-lab-nginx route add 169.254.1.1 dev eth0 scope link
ip -n bgp-lab-nginx route add default via 169.254.1.1 dev eth0
ip -n bgp-lab-extcli route add 169.254.1.1 dev eth0 scope link
ip -n bgp-lab-extcli route add default via 169.254.1.1 dev eth0

# firewall
ip netns exec bgp-lab-control1 ipset create cali40all-ipam-pools hash:net family inet
ip netns exec bgp-lab-control1 ipset add cali40all-ipam-pools 10.48.0.0/24
ip netns exec bgp-lab-control1 ipset add cali40all-ipam-pools 10.48.2.0/24
ip netns exec bgp-lab-control1 ipset create cali40masq-ipam-pools hash:net family inet
ip netns exec bgp-lab-control1 ipset add cali40masq-ipam-pools 10.48.2.0/24
ip netns exec bgp-lab-worker1 ipset create cali40all-ipam-pools hash:net family inet
ip netns exec bgp-lab-worker1 ipset add cali40all-ipam-pools 10.48.0.0/24
ip netns exec bgp-lab-worker1 ipset add cali40all-ipam-pools 10.48.2.0/24
ip netns exec bgp-lab-worker1 ipset create cali40masq-ipam-pools hash:net family inet
ip netns exec bgp-lab-worker1 ipset add cali40masq-ipam-pools 10.48.2.0/24
ip netns exec bgp-lab-worker2 ipset create cali40all-ipam-pools hash:net family inet
ip netns exec bgp-lab-worker2 ipset add cali40all-ipam-pools 10.48.0.0/24
ip netns exec bgp-lab-worker2 ipset add cali40all-ipam-pools 10.48.2.0/24
ip netns exec bgp-lab-worker2 ipset create cali40masq-ipam-pools hash:net family inet
ip netns exec bgp-lab-worker2 ipset add cali40masq-ipam-pools 10.48.2.0/24
ip netns exec bgp-lab-worker2 iptables -A FORWARD -o cali133fbf80347 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
ip netns exec bgp-lab-worker2 iptables -A FORWARD -o cali133fbf80347 -p tcp -m tcp --dport 80 -j ACCEPT
ip netns exec bgp-lab-worker2 iptables -A FORWARD -o cali133fbf80347 -j DROP
ip netns exec bgp-lab-worker2 iptables -A FORWARD -i cali133fbf80347 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
ip netns exec bgp-lab-worker2 iptables -A FORWARD -i cali133fbf80347 -j DROP

# services
mkdir -p /run/netlab/.nodes/bgp-lab-bastion/run/bird
mkdir -p /etc/netns/bgp-lab-bastion/bird
printf '%s\n' 'log stderr all;
router id 10.0.1.10;
protocol device { scan time 2; }
protocol direct { ipv4; }
protocol kernel { metric 0; ipv4 { import none; export where source = RTS_BGP; }; }
# The network outside does not carry the default pool.
filter only_external {
  if net ~ [10.48.2.0/24+] then accept;
  reject;
}
template bgp node {
  local 10.0.1.10 as 64512;
  multihop; passive on;
  error wait time 1, 2; hold time 30; startup hold time 30;
  ipv4 { gateway recursive; import filter only_external; export none; add paths on; };
}
protocol bgp Node_10_0_1_20 from node { neighbor 10.0.1.20 as 64512; }
protocol bgp Node_10_0_1_30 from node { neighbor 10.0.1.30 as 64512; }
protocol bgp Node_10_0_1_31 from node { neighbor 10.0.1.31 as 64512; }' > /etc/netns/bgp-lab-bastion/bird/bird.conf
mkdir -p /run/netlab/.nodes/bgp-lab-control1/run/bird
mkdir -p /etc/netns/bgp-lab-control1/bird
printf '%s\n' 'router id 10.0.1.20;
include "/etc/bird/calico.conf";
protocol static own_block { ipv4; route 10.48.0.0/26 blackhole; }
include "/etc/bird/mesh.conf";
include "/etc/bird/external.conf";
include "/etc/bird/peers.conf";' > /etc/netns/bgp-lab-control1/bird/bird.conf
mkdir -p /etc/netns/bgp-lab-control1/bird
printf '%s\n' '# What Calico gives to the bird of every node, with short times: a lesson should not wait.
log stderr all;
protocol device { scan time 2; }
# The networks of the node itself: a next hop is looked up there. Not those of the pods.
protocol direct { ipv4; interface -"cali*", "*"; }
# BGP routes and black holes go to the kernel; metric 0 as the node'\''s own routes have it.
protocol kernel {
  metric 0; merge paths on;
  ipv4 { import none; export where source ~ [RTS_BGP, RTS_STATIC]; };
}
# Peers hear of the node'\''s own blocks only, never of its pods or of what others said.
template bgp calico {
  local as 64512;
  multihop;
  connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 30; startup hold time 30;
  ipv4 { gateway recursive; import all; export where source = RTS_STATIC; add paths on; };
}' > /etc/netns/bgp-lab-control1/bird/calico.conf
mkdir -p /etc/netns/bgp-lab-control1/bird
printf '%s\n' 'protocol bgp Mesh_10_0_1_30 from calico { neighbor 10.0.1.30 as 64512; passive on; }
protocol bgp Mesh_10_0_1_31 from calico { neighbor 10.0.1.31 as 64512; passive on; }' > /etc/netns/bgp-lab-control1/bird/mesh.conf
mkdir -p /etc/netns/bgp-lab-control1/bird
printf '%s\n' '# no block of the external pool' > /etc/netns/bgp-lab-control1/bird/external.conf
mkdir -p /etc/netns/bgp-lab-control1/bird
printf '%s\n' '# no peer outside of the mesh' > /etc/netns/bgp-lab-control1/bird/peers.conf
mkdir -p /run/netlab/.nodes/bgp-lab-worker1/run/bird
mkdir -p /etc/netns/bgp-lab-worker1/bird
printf '%s\n' 'router id 10.0.1.30;
include "/etc/bird/calico.conf";
protocol static own_block { ipv4; route 10.48.0.64/26 blackhole; }
include "/etc/bird/mesh.conf";
include "/etc/bird/external.conf";
include "/etc/bird/peers.conf";' > /etc/netns/bgp-lab-worker1/bird/bird.conf
mkdir -p /etc/netns/bgp-lab-worker1/bird
printf '%s\n' '# What Calico gives to the bird of every node, with short times: a lesson should not wait.
log stderr all;
protocol device { scan time 2; }
# The networks of the node itself: a next hop is looked up there. Not those of the pods.
protocol direct { ipv4; interface -"cali*", "*"; }
# BGP routes and black holes go to the kernel; metric 0 as the node'\''s own routes have it.
protocol kernel {
  metric 0; merge paths on;
  ipv4 { import none; export where source ~ [RTS_BGP, RTS_STATIC]; };
}
# Peers hear of the node'\''s own blocks only, never of its pods or of what others said.
template bgp calico {
  local as 64512;
  multihop;
  connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 30; startup hold time 30;
  ipv4 { gateway recursive; import all; export where source = RTS_STATIC; add paths on; };
}' > /etc/netns/bgp-lab-worker1/bird/calico.conf
mkdir -p /etc/netns/bgp-lab-worker1/bird
printf '%s\n' 'protocol bgp Mesh_10_0_1_20 from calico { neighbor 10.0.1.20 as 64512; }
protocol bgp Mesh_10_0_1_31 from calico { neighbor 10.0.1.31 as 64512; passive on; }' > /etc/netns/bgp-lab-worker1/bird/mesh.conf
mkdir -p /etc/netns/bgp-lab-worker1/bird
printf '%s\n' '# no block of the external pool' > /etc/netns/bgp-lab-worker1/bird/external.conf
mkdir -p /etc/netns/bgp-lab-worker1/bird
printf '%s\n' '# no peer outside of the mesh' > /etc/netns/bgp-lab-worker1/bird/peers.conf
mkdir -p /run/netlab/.nodes/bgp-lab-worker2/run/bird
mkdir -p /etc/netns/bgp-lab-worker2/bird
printf '%s\n' 'router id 10.0.1.31;
include "/etc/bird/calico.conf";
protocol static own_block { ipv4; route 10.48.0.128/26 blackhole; }
include "/etc/bird/mesh.conf";
include "/etc/bird/external.conf";
include "/etc/bird/peers.conf";' > /etc/netns/bgp-lab-worker2/bird/bird.conf
mkdir -p /etc/netns/bgp-lab-worker2/bird
printf '%s\n' '# What Calico gives to the bird of every node, with short times: a lesson should not wait.
log stderr all;
protocol device { scan time 2; }
# The networks of the node itself: a next hop is looked up there. Not those of the pods.
protocol direct { ipv4; interface -"cali*", "*"; }
# BGP routes and black holes go to the kernel; metric 0 as the node'\''s own routes have it.
protocol kernel {
  metric 0; merge paths on;
  ipv4 { import none; export where source ~ [RTS_BGP, RTS_STATIC]; };
}
# Peers hear of the node'\''s own blocks only, never of its pods or of what others said.
template bgp calico {
  local as 64512;
  multihop;
  connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 30; startup hold time 30;
  ipv4 { gateway recursive; import all; export where source = RTS_STATIC; add paths on; };
}' > /etc/netns/bgp-lab-worker2/bird/calico.conf
mkdir -p /etc/netns/bgp-lab-worker2/bird
printf '%s\n' 'protocol bgp Mesh_10_0_1_20 from calico { neighbor 10.0.1.20 as 64512; }
protocol bgp Mesh_10_0_1_30 from calico { neighbor 10.0.1.30 as 64512; }' > /etc/netns/bgp-lab-worker2/bird/mesh.conf
mkdir -p /etc/netns/bgp-lab-worker2/bird
printf '%s\n' '# no block of the external pool' > /etc/netns/bgp-lab-worker2/bird/external.conf
mkdir -p /etc/netns/bgp-lab-worker2/bird
printf '%s\n' '# no peer outside of the mesh' > /etc/netns/bgp-lab-worker2/bird/peers.conf
mkdir -p /run/netlab/.nodes/bgp-lab-nginx/run/nginx
mkdir -p /etc/netns/bgp-lab-nginx/nginx
printf '%s\n' 'pid /run/nginx/pid;
error_log stderr;
worker_processes 1;
events {}
http {
  access_log /run/nginx/access.log;
  client_body_temp_path /run/nginx/body; proxy_temp_path /run/nginx/proxy;
  fastcgi_temp_path /run/nginx/fastcgi; uwsgi_temp_path /run/nginx/uwsgi; scgi_temp_path /run/nginx/scgi;
  types { text/html html; }
  server { listen 80; listen 8080; root /etc/nginx/html; }
}' > /etc/netns/bgp-lab-nginx/nginx/nginx.conf
mkdir -p /etc/netns/bgp-lab-nginx/nginx/html
printf '%s\n' '<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body><h1>Welcome to nginx!</h1></body>
</html>' > /etc/netns/bgp-lab-nginx/nginx/html/index.html
ip netns exec bgp-lab-inet netlab responder http 0.0.0.0:80 inet </dev/null >/dev/null 2>&1 &
ip netns exec bgp-lab-bastion netlab responder http 0.0.0.0:8000 bastion </dev/null >/dev/null 2>&1 &
ip netns exec bgp-lab-bastion unshare --mount sh -ec 'mount --bind /run/netlab/.nodes/bgp-lab-bastion/run /run; exec "$@"' sh bird -f </dev/null >/dev/null 2>&1 &
ip netns exec bgp-lab-control1 unshare --mount sh -ec 'mount --bind /run/netlab/.nodes/bgp-lab-control1/run /run; exec "$@"' sh bird -f </dev/null >/dev/null 2>&1 &
ip netns exec bgp-lab-worker1 unshare --mount sh -ec 'mount --bind /run/netlab/.nodes/bgp-lab-worker1/run /run; exec "$@"' sh bird -f </dev/null >/dev/null 2>&1 &
ip netns exec bgp-lab-worker2 unshare --mount sh -ec 'mount --bind /run/netlab/.nodes/bgp-lab-worker2/run /run; exec "$@"' sh bird -f </dev/null >/dev/null 2>&1 &
ip netns exec bgp-lab-default1 netlab responder http 0.0.0.0:80 default1 </dev/null >/dev/null 2>&1 &
ip netns exec bgp-lab-default2 netlab responder http 0.0.0.0:80 default2 </dev/null >/dev/null 2>&1 &
ip netns exec bgp-lab-nginx unshare --mount sh -ec 'mount --bind /run/netlab/.nodes/bgp-lab-nginx/run /run; exec "$@"' sh nginx -e stderr -g 'daemon off;' </dev/null >/dev/null 2>&1 &
