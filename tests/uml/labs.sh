#!/bin/bash
# Runs inside User Mode Linux (see scripts/uml): each lab up, checked, down; then built once more by its printed script;
# the two must come to the same, and nothing may stay. One line per lab on standard output: `LAB ok` or `LAB FAILED: why`.
#
#   labs.sh NETLAB LAB…
#
# With NETLAB_TORTURE each lab is also stopped at steps all over its plan, refused and killed in turn.
netlab=$1; shift
export PATH="$(dirname "$netlab"):$PATH"

# What a stranger sees of the machine.
host() {
    ip netns list; ip -br link; ip route show table all; ip rule; ls -A /run /etc/netns 2>/dev/null | grep -v xtables.lock # legacy iptables leaves its lock file for everybody
    awk '{print $5, $9}' /proc/self/mountinfo | sort
}

# What the namespaces have, without numbers that count up.
state() {
    for ns in $(ip netns list | awk '{print $1}' | sort); do
        echo "== $ns"
        ip -n "$ns" -d -o link | sed -E 's/^[0-9]+: //; s/@[^:]*:/:/; s/link-netns(id)? [^ ]+//; s/ (qdisc|numtxqueues|group) .*//; s/NO-CARRIER,|,LOWER_UP//g' | sort
        ip -n "$ns" -o addr | sed -E 's/^[0-9]+: //' | sort
        ip -n "$ns" route show table all | sort
        ip -n "$ns" rule
        ip -n "$ns" neigh show nud permanent | sort
        bridge -n "$ns" vlan show 2>/dev/null | grep -v '^port'
        tc -n "$ns" qdisc show 2>/dev/null | grep -E 'netem|tbf' | sed -E 's/ [0-9a-f]+: / /; s/seed [0-9]+//' | sort
        bridge -n "$ns" fdb show 2>/dev/null | grep dst | sort
        ip netns exec "$ns" iptables-save 2>/dev/null | grep '^-A'
        ip netns exec "$ns" sh -c 'cd /proc/sys/net; grep . ipv4/ip_forward ipv4/conf/*/proxy_arp ipv4/conf/*/rp_filter ipv6/conf/all/disable_ipv6'
    done
}

differ() {
    echo "$1" >/run/a; echo "$2" >/run/b; diff /run/a /run/b | sed 's/^/    /'; rm -f /run/a /run/b
}

# Refused or killed at this many steps of a lab.
points=2
moments=0
stopped() {
    local steps way point
    steps=$("$netlab" plan "$lab" --kernel-only --json | grep -c '^      "op": ')
    [ "$steps" -gt "$points" ] || { echo "$lab FAILED: a plan of $steps steps"; return 1; }
    for k in $(seq 1 $points); do
        way=done:$((steps * k / points - 1))=kill
        [ $((k % 2)) = 0 ] || way=up:$((steps * k / points - 1))=error
        if NETLAB_FAILPOINT=$way "$netlab" up "$lab" >/run/said 2>&1; then echo "$lab FAILED: $way did not stop it"; return 1; fi
        if ! "$netlab" down "$lab" >/run/said 2>&1; then echo "$lab FAILED: down after $way"; cat /run/said; return 1; fi
        rm -f /run/said
        after=$(host)
        if [ "$before" != "$after" ]; then echo "$lab FAILED: something stayed after $way"; differ "$before" "$after"; return 1; fi
        moments=$((moments + 1))
    done
}

for lab in "$@"; do
    before=$(host)
    if ! out=$("$netlab" up "$lab" --check 2>&1); then echo "$lab FAILED: up --check"; echo "$out" | sed 's/^/    /'; "$netlab" down "$lab" >/dev/null 2>&1; continue; fi
    if ! out=$("$netlab" status "$lab" 2>&1); then echo "$lab FAILED: status"; echo "$out" | sed 's/^/    /'; fi
    by_netlab=$(state)
    if ! out=$("$netlab" down "$lab" 2>&1); then echo "$lab FAILED: down"; echo "$out" | sed 's/^/    /'; continue; fi
    after=$(host)
    if [ "$before" != "$after" ]; then echo "$lab FAILED: something stayed"; differ "$before" "$after"; continue; fi
    "$netlab" plan "$lab" --format shell >/run/plan.sh
    if ! out=$(sh -e /run/plan.sh 2>&1); then echo "$lab FAILED: its printed script"; echo "$out" | sed 's/^/    /'; fi
    # Programs behind their devices start in the background.
    for ns in $(ip netns list | awk '{print $1}'); do
        for try in 1 2 3 4 5 6 7 8 9 10; do ip -n "$ns" link show type tun | grep -q NO-CARRIER || break; sleep 0.5; done
    done
    # What daemons bring about comes a moment after they were started.
    until=$((SECONDS + 20))
    while by_script=$(state); [ "$by_netlab" != "$by_script" ] && [ $SECONDS -lt $until ]; do sleep 1; done
    for ns in $(ip netns list | awk '{print $1}'); do
        pids=$(ip netns pids "$ns"); [ -z "$pids" ] || kill $pids
        ip netns del "$ns"
    done
    # A script is not taken down: what it has made for programs goes by hand.
    rm -rf /run/plan.sh /run/netlab /etc/netns
    umount /run/netns 2>/dev/null; rmdir /run/netns 2>/dev/null
    if [ "$by_netlab" != "$by_script" ]; then
        echo "$lab FAILED: the printed script builds something else"
        differ "$by_netlab" "$by_script"
        continue
    fi
    [ -z "${NETLAB_TORTURE:-}" ] || stopped || continue
    echo "$lab ok"
done
[ -z "${NETLAB_TORTURE:-}" ] || echo "FIGURE: $moments moments at which $# more labs were refused or killed on a full kernel (User Mode Linux)"
