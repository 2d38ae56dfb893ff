#!/bin/sh
# services-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add services-lab-sw
ip netns add services-lab-gw
ip netns add services-lab-ext
ip netns add services-lab-node1
ip netns add services-lab-node2
ip netns add services-lab-a
ip netns add services-lab-cli
ip netns add services-lab-b
ip netns add services-lab-c

# kernel settings
ip netns exec services-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec services-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec services-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec services-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec services-lab-gw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec services-lab-gw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec services-lab-gw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec services-lab-gw sysctl -qw net/ipv4/ip_forward=0
ip netns exec services-lab-ext sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec services-lab-ext sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec services-lab-ext sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec services-lab-ext sysctl -qw net/ipv4/ip_forward=0
ip netns exec services-lab-node1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec services-lab-node1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec services-lab-node1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec services-lab-node1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec services-lab-node1 sysctl -qw net/ipv4/icmp_ratelimit=0
ip netns exec services-lab-node2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec services-lab-node2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec services-lab-node2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec services-lab-node2 sysctl -qw net/ipv4/ip_forward=1
ip netns exec services-lab-node2 sysctl -qw net/ipv4/icmp_ratelimit=0
ip netns exec services-lab-a sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec services-lab-a sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec services-lab-a sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec services-lab-a sysctl -qw net/ipv4/ip_forward=0
ip netns exec services-lab-cli sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec services-lab-cli sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec services-lab-cli sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec services-lab-cli sysctl -qw net/ipv4/ip_forward=0
ip netns exec services-lab-b sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec services-lab-b sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec services-lab-b sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec services-lab-b sysctl -qw net/ipv4/ip_forward=0
ip netns exec services-lab-c sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec services-lab-c sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec services-lab-c sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec services-lab-c sysctl -qw net/ipv4/ip_forward=0

# links
ip -n services-lab-sw link add name br0 address 02:01:94:09:69:09 type bridge stp_state 0
ip link add name eth0 address 02:d7:e1:ad:e3:1b netns services-lab-gw type veth peer name p-gw address 02:03:ae:98:44:8c netns services-lab-sw
ip link add name eth0 address 02:e1:79:23:2d:c7 netns services-lab-ext type veth peer name p-ext address 02:95:6b:90:e6:96 netns services-lab-sw
ip link add name eth0 address 02:b4:24:b1:29:16 netns services-lab-node1 type veth peer name p-node1 address 02:e9:d5:e0:44:37 netns services-lab-sw
ip link add name eth0 address 02:81:95:7a:56:26 netns services-lab-node2 type veth peer name p-node2 address 02:89:0d:32:e4:70 netns services-lab-sw
ip link add name eth0 address 02:b9:d4:b7:3b:3a netns services-lab-a type veth peer name caliacd53aa4120 address ee:ee:ee:ee:ee:ee netns services-lab-node1
ip link add name eth0 address 02:31:08:c8:3c:92 netns services-lab-cli type veth peer name calic7b9dd60592 address ee:ee:ee:ee:ee:ee netns services-lab-node1
ip link add name eth0 address 02:d0:fc:b8:0a:0b netns services-lab-b type veth peer name califf6fc35a693 address ee:ee:ee:ee:ee:ee netns services-lab-node2
ip link add name eth0 address 02:1e:07:21:ff:8f netns services-lab-c type veth peer name calidbc51878acf address ee:ee:ee:ee:ee:ee netns services-lab-node2
ip -n services-lab-sw link set p-gw master br0
ip -n services-lab-sw link set p-ext master br0
ip -n services-lab-sw link set p-node1 master br0
ip -n services-lab-sw link set p-node2 master br0

# kernel settings
ip netns exec services-lab-node1 sysctl -qw net/ipv4/conf/caliacd53aa4120/proxy_arp=1
ip netns exec services-lab-node1 sysctl -qw net/ipv4/conf/caliacd53aa4120/route_localnet=1
ip netns exec services-lab-node1 sysctl -qw net/ipv4/conf/caliacd53aa4120/rp_filter=1
ip netns exec services-lab-node1 sysctl -qw net/ipv4/neigh/caliacd53aa4120/proxy_delay=0
ip netns exec services-lab-node1 sysctl -qw net/ipv4/conf/calic7b9dd60592/proxy_arp=1
ip netns exec services-lab-node1 sysctl -qw net/ipv4/conf/calic7b9dd60592/route_localnet=1
ip netns exec services-lab-node1 sysctl -qw net/ipv4/conf/calic7b9dd60592/rp_filter=1
ip netns exec services-lab-node1 sysctl -qw net/ipv4/neigh/calic7b9dd60592/proxy_delay=0
ip netns exec services-lab-node2 sysctl -qw net/ipv4/conf/califf6fc35a693/proxy_arp=1
ip netns exec services-lab-node2 sysctl -qw net/ipv4/conf/califf6fc35a693/route_localnet=1
ip netns exec services-lab-node2 sysctl -qw net/ipv4/conf/califf6fc35a693/rp_filter=1
ip netns exec services-lab-node2 sysctl -qw net/ipv4/neigh/califf6fc35a693/proxy_delay=0
ip netns exec services-lab-node2 sysctl -qw net/ipv4/conf/calidbc51878acf/proxy_arp=1
ip netns exec services-lab-node2 sysctl -qw net/ipv4/conf/calidbc51878acf/route_localnet=1
ip netns exec services-lab-node2 sysctl -qw net/ipv4/conf/calidbc51878acf/rp_filter=1
ip netns exec services-lab-node2 sysctl -qw net/ipv4/neigh/calidbc51878acf/proxy_delay=0

# addresses
ip -n services-lab-sw link set lo up
ip -n services-lab-sw link set p-gw up
ip -n services-lab-sw link set p-ext up
ip -n services-lab-sw link set p-node1 up
ip -n services-lab-sw link set p-node2 up
ip -n services-lab-sw link set br0 up
ip -n services-lab-gw addr add 192.168.178.1/24 dev eth0
ip -n services-lab-gw link set lo up
ip -n services-lab-gw link set eth0 up
ip -n services-lab-ext addr add 192.168.178.100/24 dev eth0
ip -n services-lab-ext link set lo up
ip -n services-lab-ext link set eth0 up
ip -n services-lab-node1 addr add 192.168.178.240/32 scope host dev lo
ip -n services-lab-node1 addr add 192.168.178.2/24 dev eth0
ip -n services-lab-node1 link set lo up
ip -n services-lab-node1 link set eth0 up
ip -n services-lab-node1 link set caliacd53aa4120 up
ip -n services-lab-node1 link set calic7b9dd60592 up
ip -n services-lab-node2 addr add 192.168.178.3/24 dev eth0
ip -n services-lab-node2 link set lo up
ip -n services-lab-node2 link set eth0 up
ip -n services-lab-node2 link set califf6fc35a693 up
ip -n services-lab-node2 link set calidbc51878acf up
ip -n services-lab-a addr add 10.244.1.2/32 dev eth0
ip -n services-lab-a link set lo up
ip -n services-lab-a link set eth0 up
ip -n services-lab-cli addr add 10.244.1.9/32 dev eth0
ip -n services-lab-cli link set lo up
ip -n services-lab-cli link set eth0 up
ip -n services-lab-b addr add 10.244.2.2/32 dev eth0
ip -n services-lab-b link set lo up
ip -n services-lab-b link set eth0 up
ip -n services-lab-c addr add 10.244.2.3/32 dev eth0
ip -n services-lab-c link set lo up
ip -n services-lab-c link set eth0 up

# routing
ip -n services-lab-node1 route add blackhole 10.244.1.0/26 proto bird
ip -n services-lab-node1 route add 10.244.1.2 dev caliacd53aa4120 scope link
ip -n services-lab-node1 route add 10.244.1.9 dev calic7b9dd60592 scope link
ip -n services-lab-node1 route add default via 192.168.178.1 dev eth0
ip -n services-lab-node1 route add 10.244.2.0/26 via 192.168.178.3 dev eth0 proto bird
ip -n services-lab-node2 route add blackhole 10.244.2.0/26 proto bird
ip -n services-lab-node2 route add 10.244.2.2 dev califf6fc35a693 scope link
ip -n services-lab-node2 route add 10.244.2.3 dev calidbc51878acf scope link
ip -n services-lab-node2 route add default via 192.168.178.1 dev eth0
ip -n services-lab-node2 route add 10.244.1.0/26 via 192.168.178.2 dev eth0 proto bird
ip -n services-lab-a route add 169.254.1.1 dev eth0 scope link
ip -n services-lab-a route add default via 169.254.1.1 dev eth0
ip -n services-lab-cli route add 169.254.1.1 dev eth0 scope link
ip -n services-lab-cli route add default via 169.254.1.1 dev eth0
ip -n services-lab-b route add 169.254.1.1 dev eth0 scope link
ip -n services-lab-b route add default via 169.254.1.1 dev eth0
ip -n services-lab-c route add 169.254.1.1 dev eth0 scope link
ip -n services-lab-c route add default via 169.254.1.1 dev eth0

# firewall
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SERVICES
ip netns exec services-lab-node1 iptables -t nat -N KUBE-NODEPORTS
ip netns exec services-lab-node1 iptables -t nat -N KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -N KUBE-POSTROUTING
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SVC-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node1 iptables -t nat -N KUBE-EXT-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SEP-QAQNTFGX2KWTQYWG
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SEP-NAMQS3RHPBFSVRGI
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SEP-NBKKGN66ENTWQFTN
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SVC-JFNTRELHUOEHEX5F
ip netns exec services-lab-node1 iptables -t nat -N KUBE-EXT-JFNTRELHUOEHEX5F
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SVL-JFNTRELHUOEHEX5F
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SEP-BI22TBG573XAKBEZ
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SEP-ADLTP6FS6RN44MHM
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SEP-344ZN72RXLGF4WMG
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SVC-XX4CXE4DITGLYVJ6
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SEP-LJABPBADHGPKF3KF
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SVC-EGSFLRXLTEUS5SCT
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SEP-LGQ5IZNNPRF56VGL
ip netns exec services-lab-node1 iptables -t nat -N KUBE-SEP-GF2I5QSTDXML6OKE
ip netns exec services-lab-node1 iptables -t nat -A PREROUTING -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
ip netns exec services-lab-node1 iptables -t nat -A OUTPUT -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
ip netns exec services-lab-node1 iptables -t nat -A POSTROUTING -m comment --comment 'kubernetes postrouting rules' -j KUBE-POSTROUTING
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SERVICES -d 10.96.100.10/32 -p tcp -m comment --comment 'default/cluster-ip-svc:http cluster IP' -m tcp --dport 80 -j KUBE-SVC-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SERVICES -d 192.168.178.240/32 -p tcp -m comment --comment 'default/cluster-ip-svc:http loadbalancer IP' -m tcp --dport 80 -j KUBE-EXT-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SERVICES -d 10.96.100.20/32 -p tcp -m comment --comment 'default/local-svc:http cluster IP' -m tcp --dport 80 -j KUBE-SVC-JFNTRELHUOEHEX5F
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SERVICES -d 10.96.100.30/32 -p tcp -m comment --comment 'default/hairpin-svc:http cluster IP' -m tcp --dport 80 -j KUBE-SVC-XX4CXE4DITGLYVJ6
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SERVICES -d 10.96.100.40/32 -p tcp -m comment --comment 'default/stale-svc:http cluster IP' -m tcp --dport 80 -j KUBE-SVC-EGSFLRXLTEUS5SCT
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SERVICES -m comment --comment 'kubernetes service nodeports; NOTE: this must be the last rule in this chain' -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
ip netns exec services-lab-node1 iptables -t nat -A KUBE-NODEPORTS -p tcp -m comment --comment default/cluster-ip-svc:http -m tcp --dport 32061 -j KUBE-EXT-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node1 iptables -t nat -A KUBE-NODEPORTS -p tcp -m comment --comment default/local-svc:http -m tcp --dport 32062 -j KUBE-EXT-JFNTRELHUOEHEX5F
ip netns exec services-lab-node1 iptables -t nat -A KUBE-EXT-2FNB6B3UXMXY5MXV -m comment --comment 'masquerade traffic for default/cluster-ip-svc:http external destinations' -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-EXT-2FNB6B3UXMXY5MXV -j KUBE-SVC-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node1 iptables -t nat -A KUBE-EXT-JFNTRELHUOEHEX5F -s 10.244.0.0/16 -m comment --comment 'pod traffic for default/local-svc:http external destinations' -j KUBE-SVC-JFNTRELHUOEHEX5F
ip netns exec services-lab-node1 iptables -t nat -A KUBE-EXT-JFNTRELHUOEHEX5F -m comment --comment 'masquerade LOCAL traffic for default/local-svc:http external destinations' -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-EXT-JFNTRELHUOEHEX5F -m comment --comment 'route LOCAL traffic for default/local-svc:http external destinations' -m addrtype --src-type LOCAL -j KUBE-SVC-JFNTRELHUOEHEX5F
ip netns exec services-lab-node1 iptables -t nat -A KUBE-EXT-JFNTRELHUOEHEX5F -j KUBE-SVL-JFNTRELHUOEHEX5F
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVL-JFNTRELHUOEHEX5F -m comment --comment 'default/local-svc:http -> 10.244.1.2:80' -j KUBE-SEP-BI22TBG573XAKBEZ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-2FNB6B3UXMXY5MXV '!' -s 10.244.0.0/16 -d 10.96.100.10/32 -p tcp -m comment --comment 'default/cluster-ip-svc:http cluster IP' -m tcp --dport 80 -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-2FNB6B3UXMXY5MXV -m comment --comment 'default/cluster-ip-svc:http -> 10.244.1.2:80' -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-QAQNTFGX2KWTQYWG
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-2FNB6B3UXMXY5MXV -m comment --comment 'default/cluster-ip-svc:http -> 10.244.2.2:80' -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-NAMQS3RHPBFSVRGI
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-2FNB6B3UXMXY5MXV -m comment --comment 'default/cluster-ip-svc:http -> 10.244.2.3:80' -j KUBE-SEP-NBKKGN66ENTWQFTN
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-JFNTRELHUOEHEX5F '!' -s 10.244.0.0/16 -d 10.96.100.20/32 -p tcp -m comment --comment 'default/local-svc:http cluster IP' -m tcp --dport 80 -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-JFNTRELHUOEHEX5F -m comment --comment 'default/local-svc:http -> 10.244.1.2:80' -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-BI22TBG573XAKBEZ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-JFNTRELHUOEHEX5F -m comment --comment 'default/local-svc:http -> 10.244.2.2:80' -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-ADLTP6FS6RN44MHM
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-JFNTRELHUOEHEX5F -m comment --comment 'default/local-svc:http -> 10.244.2.3:80' -j KUBE-SEP-344ZN72RXLGF4WMG
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-XX4CXE4DITGLYVJ6 '!' -s 10.244.0.0/16 -d 10.96.100.30/32 -p tcp -m comment --comment 'default/hairpin-svc:http cluster IP' -m tcp --dport 80 -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-XX4CXE4DITGLYVJ6 -m comment --comment 'default/hairpin-svc:http -> 10.244.1.2:80' -j KUBE-SEP-LJABPBADHGPKF3KF
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-EGSFLRXLTEUS5SCT '!' -s 10.244.0.0/16 -d 10.96.100.40/32 -p tcp -m comment --comment 'default/stale-svc:http cluster IP' -m tcp --dport 80 -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-EGSFLRXLTEUS5SCT -m comment --comment 'default/stale-svc:http -> 10.244.1.2:80' -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-LGQ5IZNNPRF56VGL
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SVC-EGSFLRXLTEUS5SCT -m comment --comment 'default/stale-svc:http -> 10.244.2.9:80' -j KUBE-SEP-GF2I5QSTDXML6OKE
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-QAQNTFGX2KWTQYWG -s 10.244.1.2/32 -m comment --comment default/cluster-ip-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-QAQNTFGX2KWTQYWG -p tcp -m comment --comment default/cluster-ip-svc:http -m tcp -j DNAT --to-destination 10.244.1.2:80
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-NAMQS3RHPBFSVRGI -s 10.244.2.2/32 -m comment --comment default/cluster-ip-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-NAMQS3RHPBFSVRGI -p tcp -m comment --comment default/cluster-ip-svc:http -m tcp -j DNAT --to-destination 10.244.2.2:80
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-NBKKGN66ENTWQFTN -s 10.244.2.3/32 -m comment --comment default/cluster-ip-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-NBKKGN66ENTWQFTN -p tcp -m comment --comment default/cluster-ip-svc:http -m tcp -j DNAT --to-destination 10.244.2.3:80
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-BI22TBG573XAKBEZ -s 10.244.1.2/32 -m comment --comment default/local-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-BI22TBG573XAKBEZ -p tcp -m comment --comment default/local-svc:http -m tcp -j DNAT --to-destination 10.244.1.2:80
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-ADLTP6FS6RN44MHM -s 10.244.2.2/32 -m comment --comment default/local-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-ADLTP6FS6RN44MHM -p tcp -m comment --comment default/local-svc:http -m tcp -j DNAT --to-destination 10.244.2.2:80
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-344ZN72RXLGF4WMG -s 10.244.2.3/32 -m comment --comment default/local-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-344ZN72RXLGF4WMG -p tcp -m comment --comment default/local-svc:http -m tcp -j DNAT --to-destination 10.244.2.3:80
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-LJABPBADHGPKF3KF -s 10.244.1.2/32 -m comment --comment default/hairpin-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-LJABPBADHGPKF3KF -p tcp -m comment --comment default/hairpin-svc:http -m tcp -j DNAT --to-destination 10.244.1.2:80
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-LGQ5IZNNPRF56VGL -s 10.244.1.2/32 -m comment --comment default/stale-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-LGQ5IZNNPRF56VGL -p tcp -m comment --comment default/stale-svc:http -m tcp -j DNAT --to-destination 10.244.1.2:80
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-GF2I5QSTDXML6OKE -s 10.244.2.9/32 -m comment --comment default/stale-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node1 iptables -t nat -A KUBE-SEP-GF2I5QSTDXML6OKE -p tcp -m comment --comment default/stale-svc:http -m tcp -j DNAT --to-destination 10.244.2.9:80
ip netns exec services-lab-node1 iptables -t nat -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
ip netns exec services-lab-node1 iptables -t nat -A KUBE-POSTROUTING -m mark '!' --mark 0x4000/0x4000 -j RETURN
ip netns exec services-lab-node1 iptables -t nat -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
ip netns exec services-lab-node1 iptables -t nat -A KUBE-POSTROUTING -m comment --comment 'kubernetes service traffic requiring SNAT' -j MASQUERADE --random-fully
ip netns exec services-lab-node1 iptables -N KUBE-SERVICES
ip netns exec services-lab-node1 iptables -N KUBE-EXTERNAL-SERVICES
ip netns exec services-lab-node1 iptables -A INPUT -m conntrack --ctstate NEW -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
ip netns exec services-lab-node1 iptables -A INPUT -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES
ip netns exec services-lab-node1 iptables -A FORWARD -m conntrack --ctstate NEW -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
ip netns exec services-lab-node1 iptables -A FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES
ip netns exec services-lab-node1 iptables -A OUTPUT -m conntrack --ctstate NEW -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
ip netns exec services-lab-node1 iptables -A KUBE-SERVICES -d 10.96.100.50/32 -p tcp -m comment --comment 'default/empty-svc:http has no endpoints' -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
ip netns exec services-lab-node1 iptables -A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment 'default/empty-svc:http has no endpoints' -m addrtype --dst-type LOCAL -m tcp --dport 32065 -j REJECT --reject-with icmp-port-unreachable
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SERVICES
ip netns exec services-lab-node2 iptables -t nat -N KUBE-NODEPORTS
ip netns exec services-lab-node2 iptables -t nat -N KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -N KUBE-POSTROUTING
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SVC-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node2 iptables -t nat -N KUBE-EXT-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SEP-QAQNTFGX2KWTQYWG
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SEP-NAMQS3RHPBFSVRGI
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SEP-NBKKGN66ENTWQFTN
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SVC-JFNTRELHUOEHEX5F
ip netns exec services-lab-node2 iptables -t nat -N KUBE-EXT-JFNTRELHUOEHEX5F
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SVL-JFNTRELHUOEHEX5F
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SEP-BI22TBG573XAKBEZ
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SEP-ADLTP6FS6RN44MHM
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SEP-344ZN72RXLGF4WMG
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SVC-XX4CXE4DITGLYVJ6
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SEP-LJABPBADHGPKF3KF
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SVC-EGSFLRXLTEUS5SCT
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SEP-LGQ5IZNNPRF56VGL
ip netns exec services-lab-node2 iptables -t nat -N KUBE-SEP-GF2I5QSTDXML6OKE
ip netns exec services-lab-node2 iptables -t nat -A PREROUTING -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
ip netns exec services-lab-node2 iptables -t nat -A OUTPUT -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
ip netns exec services-lab-node2 iptables -t nat -A POSTROUTING -m comment --comment 'kubernetes postrouting rules' -j KUBE-POSTROUTING
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SERVICES -d 10.96.100.10/32 -p tcp -m comment --comment 'default/cluster-ip-svc:http cluster IP' -m tcp --dport 80 -j KUBE-SVC-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SERVICES -d 192.168.178.240/32 -p tcp -m comment --comment 'default/cluster-ip-svc:http loadbalancer IP' -m tcp --dport 80 -j KUBE-EXT-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SERVICES -d 10.96.100.20/32 -p tcp -m comment --comment 'default/local-svc:http cluster IP' -m tcp --dport 80 -j KUBE-SVC-JFNTRELHUOEHEX5F
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SERVICES -d 10.96.100.30/32 -p tcp -m comment --comment 'default/hairpin-svc:http cluster IP' -m tcp --dport 80 -j KUBE-SVC-XX4CXE4DITGLYVJ6
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SERVICES -d 10.96.100.40/32 -p tcp -m comment --comment 'default/stale-svc:http cluster IP' -m tcp --dport 80 -j KUBE-SVC-EGSFLRXLTEUS5SCT
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SERVICES -m comment --comment 'kubernetes service nodeports; NOTE: this must be the last rule in this chain' -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
ip netns exec services-lab-node2 iptables -t nat -A KUBE-NODEPORTS -p tcp -m comment --comment default/cluster-ip-svc:http -m tcp --dport 32061 -j KUBE-EXT-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node2 iptables -t nat -A KUBE-NODEPORTS -p tcp -m comment --comment default/local-svc:http -m tcp --dport 32062 -j KUBE-EXT-JFNTRELHUOEHEX5F
ip netns exec services-lab-node2 iptables -t nat -A KUBE-EXT-2FNB6B3UXMXY5MXV -m comment --comment 'masquerade traffic for default/cluster-ip-svc:http external destinations' -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-EXT-2FNB6B3UXMXY5MXV -j KUBE-SVC-2FNB6B3UXMXY5MXV
ip netns exec services-lab-node2 iptables -t nat -A KUBE-EXT-JFNTRELHUOEHEX5F -s 10.244.0.0/16 -m comment --comment 'pod traffic for default/local-svc:http external destinations' -j KUBE-SVC-JFNTRELHUOEHEX5F
ip netns exec services-lab-node2 iptables -t nat -A KUBE-EXT-JFNTRELHUOEHEX5F -m comment --comment 'masquerade LOCAL traffic for default/local-svc:http external destinations' -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-EXT-JFNTRELHUOEHEX5F -m comment --comment 'route LOCAL traffic for default/local-svc:http external destinations' -m addrtype --src-type LOCAL -j KUBE-SVC-JFNTRELHUOEHEX5F
ip netns exec services-lab-node2 iptables -t nat -A KUBE-EXT-JFNTRELHUOEHEX5F -j KUBE-SVL-JFNTRELHUOEHEX5F
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVL-JFNTRELHUOEHEX5F -m comment --comment 'default/local-svc:http -> 10.244.2.2:80' -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-ADLTP6FS6RN44MHM
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVL-JFNTRELHUOEHEX5F -m comment --comment 'default/local-svc:http -> 10.244.2.3:80' -j KUBE-SEP-344ZN72RXLGF4WMG
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-2FNB6B3UXMXY5MXV '!' -s 10.244.0.0/16 -d 10.96.100.10/32 -p tcp -m comment --comment 'default/cluster-ip-svc:http cluster IP' -m tcp --dport 80 -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-2FNB6B3UXMXY5MXV -m comment --comment 'default/cluster-ip-svc:http -> 10.244.1.2:80' -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-QAQNTFGX2KWTQYWG
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-2FNB6B3UXMXY5MXV -m comment --comment 'default/cluster-ip-svc:http -> 10.244.2.2:80' -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-NAMQS3RHPBFSVRGI
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-2FNB6B3UXMXY5MXV -m comment --comment 'default/cluster-ip-svc:http -> 10.244.2.3:80' -j KUBE-SEP-NBKKGN66ENTWQFTN
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-JFNTRELHUOEHEX5F '!' -s 10.244.0.0/16 -d 10.96.100.20/32 -p tcp -m comment --comment 'default/local-svc:http cluster IP' -m tcp --dport 80 -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-JFNTRELHUOEHEX5F -m comment --comment 'default/local-svc:http -> 10.244.1.2:80' -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-BI22TBG573XAKBEZ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-JFNTRELHUOEHEX5F -m comment --comment 'default/local-svc:http -> 10.244.2.2:80' -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-ADLTP6FS6RN44MHM
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-JFNTRELHUOEHEX5F -m comment --comment 'default/local-svc:http -> 10.244.2.3:80' -j KUBE-SEP-344ZN72RXLGF4WMG
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-XX4CXE4DITGLYVJ6 '!' -s 10.244.0.0/16 -d 10.96.100.30/32 -p tcp -m comment --comment 'default/hairpin-svc:http cluster IP' -m tcp --dport 80 -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-XX4CXE4DITGLYVJ6 -m comment --comment 'default/hairpin-svc:http -> 10.244.1.2:80' -j KUBE-SEP-LJABPBADHGPKF3KF
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-EGSFLRXLTEUS5SCT '!' -s 10.244.0.0/16 -d 10.96.100.40/32 -p tcp -m comment --comment 'default/stale-svc:http cluster IP' -m tcp --dport 80 -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-EGSFLRXLTEUS5SCT -m comment --comment 'default/stale-svc:http -> 10.244.1.2:80' -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-LGQ5IZNNPRF56VGL
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SVC-EGSFLRXLTEUS5SCT -m comment --comment 'default/stale-svc:http -> 10.244.2.9:80' -j KUBE-SEP-GF2I5QSTDXML6OKE
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-QAQNTFGX2KWTQYWG -s 10.244.1.2/32 -m comment --comment default/cluster-ip-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-QAQNTFGX2KWTQYWG -p tcp -m comment --comment default/cluster-ip-svc:http -m tcp -j DNAT --to-destination 10.244.1.2:80
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-NAMQS3RHPBFSVRGI -s 10.244.2.2/32 -m comment --comment default/cluster-ip-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-NAMQS3RHPBFSVRGI -p tcp -m comment --comment default/cluster-ip-svc:http -m tcp -j DNAT --to-destination 10.244.2.2:80
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-NBKKGN66ENTWQFTN -s 10.244.2.3/32 -m comment --comment default/cluster-ip-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-NBKKGN66ENTWQFTN -p tcp -m comment --comment default/cluster-ip-svc:http -m tcp -j DNAT --to-destination 10.244.2.3:80
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-BI22TBG573XAKBEZ -s 10.244.1.2/32 -m comment --comment default/local-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-BI22TBG573XAKBEZ -p tcp -m comment --comment default/local-svc:http -m tcp -j DNAT --to-destination 10.244.1.2:80
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-ADLTP6FS6RN44MHM -s 10.244.2.2/32 -m comment --comment default/local-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-ADLTP6FS6RN44MHM -p tcp -m comment --comment default/local-svc:http -m tcp -j DNAT --to-destination 10.244.2.2:80
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-344ZN72RXLGF4WMG -s 10.244.2.3/32 -m comment --comment default/local-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-344ZN72RXLGF4WMG -p tcp -m comment --comment default/local-svc:http -m tcp -j DNAT --to-destination 10.244.2.3:80
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-LJABPBADHGPKF3KF -s 10.244.1.2/32 -m comment --comment default/hairpin-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-LJABPBADHGPKF3KF -p tcp -m comment --comment default/hairpin-svc:http -m tcp -j DNAT --to-destination 10.244.1.2:80
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-LGQ5IZNNPRF56VGL -s 10.244.1.2/32 -m comment --comment default/stale-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-LGQ5IZNNPRF56VGL -p tcp -m comment --comment default/stale-svc:http -m tcp -j DNAT --to-destination 10.244.1.2:80
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-GF2I5QSTDXML6OKE -s 10.244.2.9/32 -m comment --comment default/stale-svc:http -j KUBE-MARK-MASQ
ip netns exec services-lab-node2 iptables -t nat -A KUBE-SEP-GF2I5QSTDXML6OKE -p tcp -m comment --comment default/stale-svc:http -m tcp -j DNAT --to-destination 10.244.2.9:80
ip netns exec services-lab-node2 iptables -t nat -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
ip netns exec services-lab-node2 iptables -t nat -A KUBE-POSTROUTING -m mark '!' --mark 0x4000/0x4000 -j RETURN
ip netns exec services-lab-node2 iptables -t nat -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
ip netns exec services-lab-node2 iptables -t nat -A KUBE-POSTROUTING -m comment --comment 'kubernetes service traffic requiring SNAT' -j MASQUERADE --random-fully
ip netns exec services-lab-node2 iptables -N KUBE-SERVICES
ip netns exec services-lab-node2 iptables -N KUBE-EXTERNAL-SERVICES
ip netns exec services-lab-node2 iptables -A INPUT -m conntrack --ctstate NEW -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
ip netns exec services-lab-node2 iptables -A INPUT -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES
ip netns exec services-lab-node2 iptables -A FORWARD -m conntrack --ctstate NEW -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
ip netns exec services-lab-node2 iptables -A FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES
ip netns exec services-lab-node2 iptables -A OUTPUT -m conntrack --ctstate NEW -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
ip netns exec services-lab-node2 iptables -A KUBE-SERVICES -d 10.96.100.50/32 -p tcp -m comment --comment 'default/empty-svc:http has no endpoints' -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
ip netns exec services-lab-node2 iptables -A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment 'default/empty-svc:http has no endpoints' -m addrtype --dst-type LOCAL -m tcp --dport 32065 -j REJECT --reject-with icmp-port-unreachable

# services
ip netns exec services-lab-a netlab responder http 0.0.0.0:80 a </dev/null >/dev/null 2>&1 &
ip netns exec services-lab-b netlab responder http 0.0.0.0:80 b </dev/null >/dev/null 2>&1 &
ip netns exec services-lab-c netlab responder http 0.0.0.0:80 c </dev/null >/dev/null 2>&1 &
