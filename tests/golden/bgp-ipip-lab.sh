#!/bin/sh
# bgp-ipip-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add bgp-ipip-lab-sw
ip netns add bgp-ipip-lab-gw
ip netns add bgp-ipip-lab-worker1
ip netns add bgp-ipip-lab-worker2
ip netns add bgp-ipip-lab-p-worker1
ip netns add bgp-ipip-lab-p-worker2
ip netns add bgp-ipip-lab-ext

# kernel settings
ip netns exec bgp-ipip-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-ipip-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-ipip-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-ipip-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec bgp-ipip-lab-gw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-ipip-lab-gw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-ipip-lab-gw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-ipip-lab-gw sysctl -qw net/ipv4/ip_forward=0
ip netns exec bgp-ipip-lab-worker1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-ipip-lab-worker1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-ipip-lab-worker1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-ipip-lab-worker1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec bgp-ipip-lab-p-worker1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-ipip-lab-p-worker1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-ipip-lab-p-worker1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-ipip-lab-p-worker1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec bgp-ipip-lab-p-worker2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-ipip-lab-p-worker2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-ipip-lab-p-worker2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-ipip-lab-p-worker2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec bgp-ipip-lab-ext sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec bgp-ipip-lab-ext sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec bgp-ipip-lab-ext sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec bgp-ipip-lab-ext sysctl -qw net/ipv4/ip_forward=0

# links
ip -n bgp-ipip-lab-sw link add name br0 address 02:fc:3d:5b:49:e5 type bridge stp_state 0
ip -n bgp-ipip-lab-worker1 link show tunl0 >/dev/null 2>&1 || ip -n bgp-ipip-lab-worker1 link add name tunl0 mtu 1480 type ipip
ip -n bgp-ipip-lab-worker1 link set tunl0 mtu 1480
ip -n bgp-ipip-lab-worker2 link show tunl0 >/dev/null 2>&1 || ip -n bgp-ipip-lab-worker2 link add name tunl0 mtu 1480 type ipip
ip -n bgp-ipip-lab-worker2 link set tunl0 mtu 1480
ip link add name ens5 address 02:2e:f9:65:41:e3 netns bgp-ipip-lab-gw type veth peer name p-gw address 02:fb:3b:78:93:3d netns bgp-ipip-lab-sw
ip link add name ens5 address 02:6f:45:92:ac:42 netns bgp-ipip-lab-worker1 type veth peer name p-worker1 address 02:9c:4c:9a:6c:18 netns bgp-ipip-lab-sw
ip link add name ens5 address 02:6d:0a:ce:e3:26 netns bgp-ipip-lab-worker2 type veth peer name p-worker2 address 02:d3:95:74:f1:a3 netns bgp-ipip-lab-sw
ip link add name eth0 address 02:d5:ee:12:c5:17 netns bgp-ipip-lab-p-worker1 type veth peer name cali4caeb8f82d8 address ee:ee:ee:ee:ee:ee netns bgp-ipip-lab-worker1
ip link add name eth0 address 02:aa:df:3c:57:50 netns bgp-ipip-lab-p-worker2 type veth peer name cali2557a028650 address ee:ee:ee:ee:ee:ee netns bgp-ipip-lab-worker2
ip link add name eth0 address 02:c7:77:24:dc:7e netns bgp-ipip-lab-ext type veth peer name calid42cf9a652b address ee:ee:ee:ee:ee:ee netns bgp-ipip-lab-worker2
ip -n bgp-ipip-lab-sw link set p-gw master br0
ip -n bgp-ipip-lab-sw link set p-worker1 master br0
ip -n bgp-ipip-lab-sw link set p-worker2 master br0

# kernel settings
ip netns exec bgp-ipip-lab-worker1 sysctl -qw net/ipv4/conf/cali4caeb8f82d8/proxy_arp=1
ip netns exec bgp-ipip-lab-worker1 sysctl -qw net/ipv4/conf/cali4caeb8f82d8/forwarding=1
ip netns exec bgp-ipip-lab-worker1 sysctl -qw net/ipv4/conf/cali4caeb8f82d8/route_localnet=1
ip netns exec bgp-ipip-lab-worker1 sysctl -qw net/ipv4/conf/cali4caeb8f82d8/rp_filter=1
ip netns exec bgp-ipip-lab-worker1 sysctl -qw net/ipv4/neigh/cali4caeb8f82d8/proxy_delay=0
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/conf/cali2557a028650/proxy_arp=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/conf/cali2557a028650/forwarding=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/conf/cali2557a028650/route_localnet=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/conf/cali2557a028650/rp_filter=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/neigh/cali2557a028650/proxy_delay=0
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/conf/calid42cf9a652b/proxy_arp=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/conf/calid42cf9a652b/forwarding=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/conf/calid42cf9a652b/route_localnet=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/conf/calid42cf9a652b/rp_filter=1
ip netns exec bgp-ipip-lab-worker2 sysctl -qw net/ipv4/neigh/calid42cf9a652b/proxy_delay=0

# addresses
ip -n bgp-ipip-lab-sw link set lo up
ip -n bgp-ipip-lab-sw link set p-gw up
ip -n bgp-ipip-lab-sw link set p-worker1 up
ip -n bgp-ipip-lab-sw link set p-worker2 up
ip -n bgp-ipip-lab-sw link set br0 up
ip -n bgp-ipip-lab-gw addr add 10.0.1.1/24 dev ens5
ip -n bgp-ipip-lab-gw link set lo up
ip -n bgp-ipip-lab-gw link set ens5 up
ip -n bgp-ipip-lab-worker1 addr add 10.0.1.30/24 dev ens5
ip -n bgp-ipip-lab-worker1 addr add 10.48.0.64/32 dev tunl0
ip -n bgp-ipip-lab-worker1 link set lo up
ip -n bgp-ipip-lab-worker1 link set ens5 up
ip -n bgp-ipip-lab-worker1 link set cali4caeb8f82d8 up
ip -n bgp-ipip-lab-worker1 link set tunl0 up
ip -n bgp-ipip-lab-worker2 addr add 10.0.1.31/24 dev ens5
ip -n bgp-ipip-lab-worker2 addr add 10.48.0.128/32 dev tunl0
ip -n bgp-ipip-lab-worker2 link set lo up
ip -n bgp-ipip-lab-worker2 link set ens5 up
ip -n bgp-ipip-lab-worker2 link set cali2557a028650 up
ip -n bgp-ipip-lab-worker2 link set calid42cf9a652b up
ip -n bgp-ipip-lab-worker2 link set tunl0 up
ip -n bgp-ipip-lab-p-worker1 addr add 10.48.0.66/32 dev eth0
ip -n bgp-ipip-lab-p-worker1 link set lo up
ip -n bgp-ipip-lab-p-worker1 link set eth0 up
ip -n bgp-ipip-lab-p-worker2 addr add 10.48.0.130/32 dev eth0
ip -n bgp-ipip-lab-p-worker2 link set lo up
ip -n bgp-ipip-lab-p-worker2 link set eth0 up
ip -n bgp-ipip-lab-ext addr add 10.48.2.217/32 dev eth0
ip -n bgp-ipip-lab-ext link set lo up
ip -n bgp-ipip-lab-ext link set eth0 up

# routing
ip -n bgp-ipip-lab-worker1 route add 10.48.0.66 dev cali4caeb8f82d8 scope link
ip -n bgp-ipip-lab-worker1 route add default via 10.0.1.1 dev ens5
ip -n bgp-ipip-lab-worker1 route add 10.48.0.128/26 via 10.0.1.31 dev tunl0 proto 80 onlink
ip -n bgp-ipip-lab-worker2 route add 10.48.0.130 dev cali2557a028650 scope link
ip -n bgp-ipip-lab-worker2 route add 10.48.2.217 dev calid42cf9a652b scope link
ip -n bgp-ipip-lab-worker2 route add default via 10.0.1.1 dev ens5
ip -n bgp-ipip-lab-worker2 route add 10.48.0.64/26 via 10.0.1.30 dev tunl0 proto 80 onlink
ip -n bgp-ipip-lab-p-worker1 route add 169.254.1.1 dev eth0 scope link
ip -n bgp-ipip-lab-p-worker1 route add default via 169.254.1.1 dev eth0
ip -n bgp-ipip-lab-p-worker2 route add 169.254.1.1 dev eth0 scope link
ip -n bgp-ipip-lab-p-worker2 route add default via 169.254.1.1 dev eth0
ip -n bgp-ipip-lab-ext route add 169.254.1.1 dev eth0 scope link
ip -n bgp-ipip-lab-ext route add default via 169.254.1.1 dev eth0

# services
mkdir -p /run/netlab/.nodes/bgp-ipip-lab-worker1/run/bird
mkdir -p /etc/netns/bgp-ipip-lab-worker1/bird
printf '%s\n' 'router id 10.0.1.30;
include "/etc/bird/calico.conf";
protocol static own_block { ipv4; route 10.48.0.64/26 blackhole; }
protocol bgp Mesh_10_0_1_31 from calico { neighbor 10.0.1.31 as 64512; passive on; }
include "/etc/bird/external.conf";' > /etc/netns/bgp-ipip-lab-worker1/bird/bird.conf
mkdir -p /etc/netns/bgp-ipip-lab-worker1/bird
printf '%s\n' 'log stderr all;
protocol device { scan time 2; }
protocol direct { ipv4; interface -"cali*", -"tunl*", "*"; }
# The default pool is Felix'\''s to route: through the tunnel.
protocol kernel {
  metric 0;
  ipv4 { import none; export where source = RTS_STATIC || (source = RTS_BGP && net !~ [10.48.0.0/24+]); };
}
template bgp calico {
  local as 64512;
  multihop;
  connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 30; startup hold time 30;
  ipv4 { gateway recursive; import all; export where source = RTS_STATIC; };
}' > /etc/netns/bgp-ipip-lab-worker1/bird/calico.conf
mkdir -p /etc/netns/bgp-ipip-lab-worker1/bird
printf '%s' '# no block of the external pool' > /etc/netns/bgp-ipip-lab-worker1/bird/external.conf
mkdir -p /run/netlab/.nodes/bgp-ipip-lab-worker2/run/bird
mkdir -p /etc/netns/bgp-ipip-lab-worker2/bird
printf '%s\n' 'router id 10.0.1.31;
include "/etc/bird/calico.conf";
protocol static own_block { ipv4; route 10.48.0.128/26 blackhole; }
protocol bgp Mesh_10_0_1_30 from calico { neighbor 10.0.1.30 as 64512; }
include "/etc/bird/external.conf";' > /etc/netns/bgp-ipip-lab-worker2/bird/bird.conf
mkdir -p /etc/netns/bgp-ipip-lab-worker2/bird
printf '%s\n' 'log stderr all;
protocol device { scan time 2; }
protocol direct { ipv4; interface -"cali*", -"tunl*", "*"; }
# The default pool is Felix'\''s to route: through the tunnel.
protocol kernel {
  metric 0;
  ipv4 { import none; export where source = RTS_STATIC || (source = RTS_BGP && net !~ [10.48.0.0/24+]); };
}
template bgp calico {
  local as 64512;
  multihop;
  connect delay time 1; connect retry time 1; error wait time 1, 2; hold time 30; startup hold time 30;
  ipv4 { gateway recursive; import all; export where source = RTS_STATIC; };
}' > /etc/netns/bgp-ipip-lab-worker2/bird/calico.conf
mkdir -p /etc/netns/bgp-ipip-lab-worker2/bird
printf '%s' 'protocol static external_block { ipv4; route 10.48.2.216/29 blackhole; }' > /etc/netns/bgp-ipip-lab-worker2/bird/external.conf
ip netns exec bgp-ipip-lab-worker1 unshare --mount sh -ec 'mount --bind /run/netlab/.nodes/bgp-ipip-lab-worker1/run /run; exec "$@"' sh bird -f </dev/null >/dev/null 2>&1 &
ip netns exec bgp-ipip-lab-worker2 unshare --mount sh -ec 'mount --bind /run/netlab/.nodes/bgp-ipip-lab-worker2/run /run; exec "$@"' sh bird -f </dev/null >/dev/null 2>&1 &
ip netns exec bgp-ipip-lab-p-worker2 netlab responder http 0.0.0.0:80 p-worker2 </dev/null >/dev/null 2>&1 &
ip netns exec bgp-ipip-lab-ext netlab responder http 0.0.0.0:80 ext </dev/null >/dev/null 2>&1 &
