#!/bin/sh
# dns-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add dns-lab-sw
ip netns add dns-lab-inet
ip netns add dns-lab-node1
ip netns add dns-lab-dns
ip netns add dns-lab-web
ip netns add dns-lab-web2
ip netns add dns-lab-cli
ip netns add dns-lab-cli2
ip netns add dns-lab-shut
ip netns add dns-lab-lost

# kernel settings
ip netns exec dns-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec dns-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec dns-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec dns-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec dns-lab-inet sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec dns-lab-inet sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec dns-lab-inet sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec dns-lab-inet sysctl -qw net/ipv4/ip_forward=0
ip netns exec dns-lab-node1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec dns-lab-node1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec dns-lab-dns sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec dns-lab-dns sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec dns-lab-dns sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec dns-lab-dns sysctl -qw net/ipv4/ip_forward=0
ip netns exec dns-lab-web sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec dns-lab-web sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec dns-lab-web sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec dns-lab-web sysctl -qw net/ipv4/ip_forward=0
ip netns exec dns-lab-web2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec dns-lab-web2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec dns-lab-web2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec dns-lab-web2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec dns-lab-cli sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec dns-lab-cli sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec dns-lab-cli sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec dns-lab-cli sysctl -qw net/ipv4/ip_forward=0
ip netns exec dns-lab-cli2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec dns-lab-cli2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec dns-lab-cli2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec dns-lab-cli2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec dns-lab-shut sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec dns-lab-shut sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec dns-lab-shut sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec dns-lab-shut sysctl -qw net/ipv4/ip_forward=0
ip netns exec dns-lab-lost sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec dns-lab-lost sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec dns-lab-lost sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec dns-lab-lost sysctl -qw net/ipv4/ip_forward=0

# links
ip -n dns-lab-sw link add name br0 address 02:81:ef:88:b7:f2 type bridge stp_state 0
ip link add name eth0 address 02:c7:3a:19:51:34 netns dns-lab-inet type veth peer name p-inet address 02:8a:c6:16:6e:1d netns dns-lab-sw
ip link add name eth0 address 02:3f:8f:2d:e4:de netns dns-lab-node1 type veth peer name p-node1 address 02:77:f0:4b:51:24 netns dns-lab-sw
ip link add name eth0 address 02:2d:eb:03:df:a1 netns dns-lab-dns type veth peer name cali8d2712636fb address ee:ee:ee:ee:ee:ee netns dns-lab-node1
ip link add name eth0 address 02:37:a1:cb:40:69 netns dns-lab-web type veth peer name cali68caf03a5f4 address ee:ee:ee:ee:ee:ee netns dns-lab-node1
ip link add name eth0 address 02:a5:c3:55:60:04 netns dns-lab-web2 type veth peer name cali4e54bcdb445 address ee:ee:ee:ee:ee:ee netns dns-lab-node1
ip link add name eth0 address 02:34:7e:78:aa:52 netns dns-lab-cli type veth peer name calic7b9dd60592 address ee:ee:ee:ee:ee:ee netns dns-lab-node1
ip link add name eth0 address 02:40:2f:51:3a:e6 netns dns-lab-cli2 type veth peer name calia1a51802a82 address ee:ee:ee:ee:ee:ee netns dns-lab-node1
ip link add name eth0 address 02:24:fb:c0:da:2b netns dns-lab-shut type veth peer name cali6b35ee18875 address ee:ee:ee:ee:ee:ee netns dns-lab-node1
ip link add name eth0 address 02:a2:84:df:f1:1e netns dns-lab-lost type veth peer name cali92ccc96fc76 address ee:ee:ee:ee:ee:ee netns dns-lab-node1
ip -n dns-lab-sw link set p-inet master br0
ip -n dns-lab-sw link set p-node1 master br0

# kernel settings
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali8d2712636fb/proxy_arp=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali8d2712636fb/route_localnet=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali8d2712636fb/rp_filter=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/neigh/cali8d2712636fb/proxy_delay=0
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali68caf03a5f4/proxy_arp=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali68caf03a5f4/route_localnet=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali68caf03a5f4/rp_filter=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/neigh/cali68caf03a5f4/proxy_delay=0
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali4e54bcdb445/proxy_arp=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali4e54bcdb445/route_localnet=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali4e54bcdb445/rp_filter=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/neigh/cali4e54bcdb445/proxy_delay=0
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/calic7b9dd60592/proxy_arp=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/calic7b9dd60592/route_localnet=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/calic7b9dd60592/rp_filter=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/neigh/calic7b9dd60592/proxy_delay=0
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/calia1a51802a82/proxy_arp=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/calia1a51802a82/route_localnet=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/calia1a51802a82/rp_filter=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/neigh/calia1a51802a82/proxy_delay=0
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali6b35ee18875/proxy_arp=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali6b35ee18875/route_localnet=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali6b35ee18875/rp_filter=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/neigh/cali6b35ee18875/proxy_delay=0
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali92ccc96fc76/proxy_arp=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali92ccc96fc76/route_localnet=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/conf/cali92ccc96fc76/rp_filter=1
ip netns exec dns-lab-node1 sysctl -qw net/ipv4/neigh/cali92ccc96fc76/proxy_delay=0

# addresses
ip -n dns-lab-sw link set lo up
ip -n dns-lab-sw link set p-inet up
ip -n dns-lab-sw link set p-node1 up
ip -n dns-lab-sw link set br0 up
ip -n dns-lab-inet addr add 8.8.8.8/32 dev lo
ip -n dns-lab-inet addr add 10.0.0.1/24 dev eth0
ip -n dns-lab-inet link set lo up
ip -n dns-lab-inet link set eth0 up
ip -n dns-lab-node1 addr add 10.0.0.11/24 dev eth0
ip -n dns-lab-node1 link set lo up
ip -n dns-lab-node1 link set eth0 up
ip -n dns-lab-node1 link set cali8d2712636fb up
ip -n dns-lab-node1 link set cali68caf03a5f4 up
ip -n dns-lab-node1 link set cali4e54bcdb445 up
ip -n dns-lab-node1 link set calic7b9dd60592 up
ip -n dns-lab-node1 link set calia1a51802a82 up
ip -n dns-lab-node1 link set cali6b35ee18875 up
ip -n dns-lab-node1 link set cali92ccc96fc76 up
ip -n dns-lab-dns addr add 10.244.1.53/32 dev eth0
ip -n dns-lab-dns link set lo up
ip -n dns-lab-dns link set eth0 up
ip -n dns-lab-web addr add 10.244.1.2/32 dev eth0
ip -n dns-lab-web link set lo up
ip -n dns-lab-web link set eth0 up
ip -n dns-lab-web2 addr add 10.244.1.3/32 dev eth0
ip -n dns-lab-web2 link set lo up
ip -n dns-lab-web2 link set eth0 up
ip -n dns-lab-cli addr add 10.244.1.9/32 dev eth0
ip -n dns-lab-cli link set lo up
ip -n dns-lab-cli link set eth0 up
ip -n dns-lab-cli2 addr add 10.244.1.10/32 dev eth0
ip -n dns-lab-cli2 link set lo up
ip -n dns-lab-cli2 link set eth0 up
ip -n dns-lab-shut addr add 10.244.1.11/32 dev eth0
ip -n dns-lab-shut link set lo up
ip -n dns-lab-shut link set eth0 up
ip -n dns-lab-lost addr add 10.244.1.12/32 dev eth0
ip -n dns-lab-lost link set lo up
ip -n dns-lab-lost link set eth0 up

# routing
ip -n dns-lab-inet route add 10.244.1.0/26 via 10.0.0.11 dev eth0
ip -n dns-lab-node1 route add blackhole 10.244.1.0/26 proto bird
ip -n dns-lab-node1 route add 10.244.1.53 dev cali8d2712636fb scope link
ip -n dns-lab-node1 route add 10.244.1.2 dev cali68caf03a5f4 scope link
ip -n dns-lab-node1 route add 10.244.1.3 dev cali4e54bcdb445 scope link
ip -n dns-lab-node1 route add 10.244.1.9 dev calic7b9dd60592 scope link
ip -n dns-lab-node1 route add 10.244.1.10 dev calia1a51802a82 scope link
ip -n dns-lab-node1 route add 10.244.1.11 dev cali6b35ee18875 scope link
ip -n dns-lab-node1 route add 10.244.1.12 dev cali92ccc96fc76 scope link
ip -n dns-lab-node1 route add default via 10.0.0.1 dev eth0
ip -n dns-lab-dns route add 169.254.1.1 dev eth0 scope link
ip -n dns-lab-dns route add default via 169.254.1.1 dev eth0
ip -n dns-lab-web route add 169.254.1.1 dev eth0 scope link
ip -n dns-lab-web route add default via 169.254.1.1 dev eth0
ip -n dns-lab-web2 route add 169.254.1.1 dev eth0 scope link
ip -n dns-lab-web2 route add default via 169.254.1.1 dev eth0
ip -n dns-lab-cli route add 169.254.1.1 dev eth0 scope link
ip -n dns-lab-cli route add default via 169.254.1.1 dev eth0
ip -n dns-lab-cli2 route add 169.254.1.1 dev eth0 scope link
ip -n dns-lab-cli2 route add default via 169.254.1.1 dev eth0
ip -n dns-lab-shut route add 169.254.1.1 dev eth0 scope link
ip -n dns-lab-shut route add default via 169.254.1.1 dev eth0
ip -n dns-lab-lost route add 169.254.1.1 dev eth0 scope link
ip -n dns-lab-lost route add default via 169.254.1.1 dev eth0

# firewall
ip netns exec dns-lab-node1 iptables -t nat -A PREROUTING -d 10.96.0.10/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.244.1.53:53
ip netns exec dns-lab-node1 iptables -t nat -A PREROUTING -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 10.244.1.53:53
ip netns exec dns-lab-node1 iptables -t nat -A PREROUTING -d 10.96.100.10/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.1.2:80
ip netns exec dns-lab-node1 iptables -t nat -A PREROUTING -d 10.96.200.20/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.1.3:80
ip netns exec dns-lab-node1 iptables -A FORWARD -i cali6b35ee18875 -p tcp -m tcp --dport 80 -j ACCEPT
ip netns exec dns-lab-node1 iptables -A FORWARD -i cali6b35ee18875 -j DROP

# services
mkdir -p /run/netlab/.nodes/dns-lab-inet/run/dnsmasq
mkdir -p /run/netlab/.nodes/dns-lab-inet/run/dnsmasq
printf '%s\n' 'no-resolv
no-hosts
user=root
pid-file=/run/dnsmasq/pid
listen-address=8.8.8.8
bind-interfaces
# A name in example.com; of the rest of it there is nothing.
local=/example.com/
host-record=www.example.com,203.0.113.80' > /run/netlab/.nodes/dns-lab-inet/run/dnsmasq/dnsmasq.conf
mkdir -p /run/netlab/.nodes/dns-lab-dns/run/dnsmasq
mkdir -p /run/netlab/.nodes/dns-lab-dns/run/dnsmasq
printf '%s\n' 'no-resolv
user=root
pid-file=/run/dnsmasq/pid
listen-address=10.244.1.53
bind-interfaces
# What is not known of cluster.local is not there; all else is passed on.
local=/cluster.local/
server=8.8.8.8
no-hosts
addn-hosts=/run/dnsmasq/services.hosts
srv-host=_http._tcp.web.default.svc.cluster.local,web.default.svc.cluster.local,80
cname=shop.default.svc.cluster.local,web.default.svc.cluster.local' > /run/netlab/.nodes/dns-lab-dns/run/dnsmasq/dnsmasq.conf
mkdir -p /run/netlab/.nodes/dns-lab-dns/run/dnsmasq
printf '%s\n' '10.96.0.10   kube-dns.kube-system.svc.cluster.local
10.96.100.10 web.default.svc.cluster.local
10.96.200.20 web.prod.svc.cluster.local
# A headless service: its pods.
10.244.1.2   pods.default.svc.cluster.local
10.244.1.3   pods.default.svc.cluster.local' > /run/netlab/.nodes/dns-lab-dns/run/dnsmasq/services.hosts
mkdir -p /etc/netns/dns-lab-cli
printf '%s\n' 'nameserver 10.96.0.10
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5 timeout:1 attempts:1' > /etc/netns/dns-lab-cli/resolv.conf
mkdir -p /etc/netns/dns-lab-cli2
printf '%s\n' 'nameserver 10.96.0.10
search prod.svc.cluster.local svc.cluster.local cluster.local
options ndots:5 timeout:1 attempts:1' > /etc/netns/dns-lab-cli2/resolv.conf
mkdir -p /etc/netns/dns-lab-shut
printf '%s\n' 'nameserver 10.96.0.10
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5 timeout:1 attempts:1' > /etc/netns/dns-lab-shut/resolv.conf
mkdir -p /etc/netns/dns-lab-lost
printf '%s\n' 'nameserver 10.96.0.10
search nowhere.svc.cluster.local svc.cluster.local cluster.local
options ndots:5 timeout:1 attempts:1' > /etc/netns/dns-lab-lost/resolv.conf
ip netns exec dns-lab-inet unshare --mount sh -ec 'mount --bind /run/netlab/.nodes/dns-lab-inet/run /run; exec "$@"' sh dnsmasq -k --conf-file=/run/dnsmasq/dnsmasq.conf </dev/null >/dev/null 2>&1 &
ip netns exec dns-lab-dns unshare --mount sh -ec 'mount --bind /run/netlab/.nodes/dns-lab-dns/run /run; exec "$@"' sh dnsmasq -k --conf-file=/run/dnsmasq/dnsmasq.conf </dev/null >/dev/null 2>&1 &
ip netns exec dns-lab-web netlab responder http 0.0.0.0:80 web </dev/null >/dev/null 2>&1 &
ip netns exec dns-lab-web2 netlab responder http 0.0.0.0:80 web2 </dev/null >/dev/null 2>&1 &
