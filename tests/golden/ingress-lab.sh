#!/bin/sh
# ingress-lab, as `netlab up` builds it. Needs root, iproute2 and iptables.
# To undo it: `ip netns del NAME` for each namespace.
set -e

# namespaces
ip netns add ingress-lab-sw
ip netns add ingress-lab-gw
ip netns add ingress-lab-ext
ip netns add ingress-lab-node1
ip netns add ingress-lab-shop1
ip netns add ingress-lab-shop2
ip netns add ingress-lab-blog
ip netns add ingress-lab-ing

# kernel settings
ip netns exec ingress-lab-sw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ingress-lab-sw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ingress-lab-sw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ingress-lab-sw sysctl -qw net/ipv4/ip_forward=0
ip netns exec ingress-lab-gw sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ingress-lab-gw sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ingress-lab-gw sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ingress-lab-gw sysctl -qw net/ipv4/ip_forward=0
ip netns exec ingress-lab-ext sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ingress-lab-ext sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ingress-lab-ext sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ingress-lab-ext sysctl -qw net/ipv4/ip_forward=0
ip netns exec ingress-lab-node1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ingress-lab-node1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/ip_forward=1
ip netns exec ingress-lab-shop1 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ingress-lab-shop1 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ingress-lab-shop1 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ingress-lab-shop1 sysctl -qw net/ipv4/ip_forward=0
ip netns exec ingress-lab-shop2 sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ingress-lab-shop2 sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ingress-lab-shop2 sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ingress-lab-shop2 sysctl -qw net/ipv4/ip_forward=0
ip netns exec ingress-lab-blog sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ingress-lab-blog sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ingress-lab-blog sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ingress-lab-blog sysctl -qw net/ipv4/ip_forward=0
ip netns exec ingress-lab-ing sysctl -qw net/ipv6/conf/all/disable_ipv6=1
ip netns exec ingress-lab-ing sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip netns exec ingress-lab-ing sysctl -qw 'net/ipv4/ping_group_range=0 2147483647'
ip netns exec ingress-lab-ing sysctl -qw net/ipv4/ip_forward=0

# links
ip -n ingress-lab-sw link add name br0 address 02:54:85:6d:ac:a3 type bridge stp_state 0
ip link add name eth0 address 02:9b:a3:4e:8b:0e netns ingress-lab-gw type veth peer name p-gw address 02:c8:77:00:eb:fe netns ingress-lab-sw
ip link add name eth0 address 02:0e:f6:cd:0d:aa netns ingress-lab-ext type veth peer name p-ext address 02:3b:e4:7a:7d:94 netns ingress-lab-sw
ip link add name eth0 address 02:59:66:99:0c:4f netns ingress-lab-node1 type veth peer name p-node1 address 02:19:03:86:32:5d netns ingress-lab-sw
ip link add name eth0 address 02:27:85:a3:e1:7f netns ingress-lab-shop1 type veth peer name cali2a3eaa1877d address ee:ee:ee:ee:ee:ee netns ingress-lab-node1
ip link add name eth0 address 02:ba:2d:26:60:a9 netns ingress-lab-shop2 type veth peer name cali3265947e161 address ee:ee:ee:ee:ee:ee netns ingress-lab-node1
ip link add name eth0 address 02:cc:5a:cf:ee:1d netns ingress-lab-blog type veth peer name caliac104186c4a address ee:ee:ee:ee:ee:ee netns ingress-lab-node1
ip link add name eth0 address 02:03:e1:91:bb:cd netns ingress-lab-ing type veth peer name cali57e2f094702 address ee:ee:ee:ee:ee:ee netns ingress-lab-node1
ip -n ingress-lab-sw link set p-gw master br0
ip -n ingress-lab-sw link set p-ext master br0
ip -n ingress-lab-sw link set p-node1 master br0

# kernel settings
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/cali2a3eaa1877d/proxy_arp=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/cali2a3eaa1877d/route_localnet=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/cali2a3eaa1877d/rp_filter=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/neigh/cali2a3eaa1877d/proxy_delay=0
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/cali3265947e161/proxy_arp=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/cali3265947e161/route_localnet=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/cali3265947e161/rp_filter=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/neigh/cali3265947e161/proxy_delay=0
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/caliac104186c4a/proxy_arp=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/caliac104186c4a/route_localnet=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/caliac104186c4a/rp_filter=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/neigh/caliac104186c4a/proxy_delay=0
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/cali57e2f094702/proxy_arp=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/cali57e2f094702/route_localnet=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/conf/cali57e2f094702/rp_filter=1
ip netns exec ingress-lab-node1 sysctl -qw net/ipv4/neigh/cali57e2f094702/proxy_delay=0

# addresses
ip -n ingress-lab-sw link set lo up
ip -n ingress-lab-sw link set p-gw up
ip -n ingress-lab-sw link set p-ext up
ip -n ingress-lab-sw link set p-node1 up
ip -n ingress-lab-sw link set br0 up
ip -n ingress-lab-gw addr add 192.168.178.1/24 dev eth0
ip -n ingress-lab-gw link set lo up
ip -n ingress-lab-gw link set eth0 up
ip -n ingress-lab-ext addr add 192.168.178.100/24 dev eth0
ip -n ingress-lab-ext link set lo up
ip -n ingress-lab-ext link set eth0 up
ip -n ingress-lab-node1 addr add 192.168.178.2/24 dev eth0
ip -n ingress-lab-node1 link set lo up
ip -n ingress-lab-node1 link set eth0 up
ip -n ingress-lab-node1 link set cali2a3eaa1877d up
ip -n ingress-lab-node1 link set cali3265947e161 up
ip -n ingress-lab-node1 link set caliac104186c4a up
ip -n ingress-lab-node1 link set cali57e2f094702 up
ip -n ingress-lab-shop1 addr add 10.244.1.2/32 dev eth0
ip -n ingress-lab-shop1 link set lo up
ip -n ingress-lab-shop1 link set eth0 up
ip -n ingress-lab-shop2 addr add 10.244.1.3/32 dev eth0
ip -n ingress-lab-shop2 link set lo up
ip -n ingress-lab-shop2 link set eth0 up
ip -n ingress-lab-blog addr add 10.244.1.4/32 dev eth0
ip -n ingress-lab-blog link set lo up
ip -n ingress-lab-blog link set eth0 up
ip -n ingress-lab-ing addr add 10.244.1.60/32 dev eth0
ip -n ingress-lab-ing link set lo up
ip -n ingress-lab-ing link set eth0 up

# routing
ip -n ingress-lab-node1 route add blackhole 10.244.1.0/26 proto bird
ip -n ingress-lab-node1 route add 10.244.1.2 dev cali2a3eaa1877d scope link
ip -n ingress-lab-node1 route add 10.244.1.3 dev cali3265947e161 scope link
ip -n ingress-lab-node1 route add 10.244.1.4 dev caliac104186c4a scope link
ip -n ingress-lab-node1 route add 10.244.1.60 dev cali57e2f094702 scope link
ip -n ingress-lab-node1 route add default via 192.168.178.1 dev eth0
ip -n ingress-lab-shop1 route add 169.254.1.1 dev eth0 scope link
ip -n ingress-lab-shop1 route add default via 169.254.1.1 dev eth0
ip -n ingress-lab-shop2 route add 169.254.1.1 dev eth0 scope link
ip -n ingress-lab-shop2 route add default via 169.254.1.1 dev eth0
ip -n ingress-lab-blog route add 169.254.1.1 dev eth0 scope link
ip -n ingress-lab-blog route add default via 169.254.1.1 dev eth0
ip -n ingress-lab-ing route add 169.254.1.1 dev eth0 scope link
ip -n ingress-lab-ing route add default via 169.254.1.1 dev eth0

# firewall
ip netns exec ingress-lab-node1 iptables -t nat -A PREROUTING -d 192.168.178.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.1.60:80

# services
mkdir -p /run/netlab/.nodes/ingress-lab-ing/run/nginx
mkdir -p /etc/netns/ingress-lab-ing/nginx
printf '%s\n' '# One worker, so that turns are turns.
worker_processes 1;
pid /run/nginx/pid;
error_log stderr;
events {}
http {
  log_format who '\''$remote_addr $host $request_uri -> $upstream_addr $status'\'';
  access_log /run/nginx/access.log who;
  client_body_temp_path /run/nginx/body; proxy_temp_path /run/nginx/proxy;
  fastcgi_temp_path /run/nginx/fastcgi; uwsgi_temp_path /run/nginx/uwsgi; scgi_temp_path /run/nginx/scgi;

  proxy_connect_timeout 1s;
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $remote_addr;

  # max_fails=0: one that has failed is asked again at its next turn, not put aside for ten seconds.
  upstream shop { server 10.244.1.2:80 max_fails=0; server 10.244.1.3:80 max_fails=0; }
  upstream blog { server 10.244.1.4:80; }
  # Nobody listens on port 81: these pods refuse.
  upstream half { server 10.244.1.2:81 max_fails=0; server 10.244.1.3:80 max_fails=0; }
  upstream down { server 10.244.1.2:81 max_fails=0; server 10.244.1.3:81 max_fails=0; }
  # No pod has this address: the node'\''s blackhole route takes what is sent there.
  upstream gone { server 10.244.1.50:80; }

  server { listen 80 default_server; return 404 "no rule for this host\n"; }
  server {
    listen 80;
    server_name shop.example;
    location / { proxy_pass http://shop; }
    # With a path in it, proxy_pass puts that in place of what `location` has matched.
    location /blog/ { proxy_pass http://blog/; }
  }
  server { listen 80; server_name blog.example; location / { proxy_pass http://blog; } }
  server { listen 80; server_name half.example; location / { proxy_pass http://half; } }
  server { listen 80; server_name down.example; location / { proxy_pass http://down; } }
  server { listen 80; server_name gone.example; location / { proxy_pass http://gone; } }
  include /run/nginx/more.conf;
}' > /etc/netns/ingress-lab-ing/nginx/nginx.conf
mkdir -p /run/netlab/.nodes/ingress-lab-ing/run/nginx
printf '%s' '# Nothing yet: see the action add-site.' > /run/netlab/.nodes/ingress-lab-ing/run/nginx/more.conf
ip netns exec ingress-lab-shop1 netlab responder http 0.0.0.0:80 shop1 </dev/null >/dev/null 2>&1 &
ip netns exec ingress-lab-shop2 netlab responder http 0.0.0.0:80 shop2 </dev/null >/dev/null 2>&1 &
ip netns exec ingress-lab-blog netlab responder http 0.0.0.0:80 blog </dev/null >/dev/null 2>&1 &
ip netns exec ingress-lab-ing unshare --mount sh -ec 'mount --bind /run/netlab/.nodes/ingress-lab-ing/run /run; exec "$@"' sh nginx -e stderr -g 'daemon off;' </dev/null >/dev/null 2>&1 &
