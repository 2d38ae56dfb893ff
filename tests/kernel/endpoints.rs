//! Tunnels that netlab carries itself, in user space: `user-space: on`, so that this is tested on every kernel.

use crate::support::{Host, lacking_kinds};

/// Two named ends, one of them on the host.
///
/// ```text
/// host 10.9.0.1 ──── 10.9.0.2 far
///   tun9 172.29.0.1 ═ 172.29.0.2 tun9
/// ```
const NAMED_ENDS: &str = "\
name: named-ends
nodes:
  host:
    interfaces: {wire0: {addresses: [10.9.0.1/24]}}
    tunnels:
      tun9: {mode: ipip, local: 10.9.0.1, remote: 10.9.0.2, user-space: on, addresses: [172.29.0.1/30]}
  far:
    interfaces: {wire0: {addresses: [10.9.0.2/24]}}
    tunnels:
      tun9: {mode: ipip, local: 10.9.0.2, remote: 10.9.0.1, user-space: on, addresses: [172.29.0.2/30]}
links:
  - endpoints: [host:wire0, far:wire0]
checks:
  - {name: there, from: host, ping: 172.29.0.2, expect: {ttl: 64}}
  - {name: and back, from: far, ping: 172.29.0.1}
  - {name: what fits, from: far, ping: 172.29.0.1, size: 1452, df: on}
  - {name: what does not fit, from: far, ping: 172.29.0.1, size: 1453, df: on, expect: {mtu: 1480}}
";

/// One device for all ends: the routes say where each packet goes, as with Calico's `tunl0`.
///
/// ```text
///        one 10.9.0.1, pods 172.29.1.0/24
/// sw ──  two 10.9.0.2, pods 172.29.2.0/24
///        three 10.9.0.3, pods 172.29.3.0/24
/// ```
const BY_ROUTE: &str = "\
name: by-route
x-node: &settings {net.ipv4.ip_forward: 1}
nodes:
  sw:
    bridges: {br0: {ports: [p1, p2, p3]}}
  one:
    interfaces: {eth0: {addresses: [10.9.0.1/24]}}
    tunnels: {tun9: {mode: ipip, user-space: on, addresses: [172.29.1.0/32]}}
    routes: [172.29.2.0/24 via 10.9.0.2 dev tun9 onlink, 172.29.3.0/24 via 10.9.0.3 dev tun9 onlink]
  two:
    interfaces: {eth0: {addresses: [10.9.0.2/24]}}
    tunnels: {tun9: {mode: ipip, user-space: on, addresses: [172.29.2.0/32]}}
    routes: [172.29.1.0/24 via 10.9.0.1 dev tun9 onlink, 172.29.3.0/24 via 10.9.0.3 dev tun9 onlink]
    sysctls: *settings
    services: {web: {http: 80}}
  three:
    interfaces: {eth0: {addresses: [10.9.0.3/24]}}
    tunnels: {tun9: {mode: ipip, user-space: on, addresses: [172.29.3.0/32]}}
    routes: [172.29.1.0/24 via 10.9.0.1 dev tun9 onlink, 172.29.2.0/24 via 10.9.0.2 dev tun9 onlink]
    sysctls: *settings
links:
  - endpoints: [one:eth0, sw:p1]
  - endpoints: [two:eth0, sw:p2]
  - endpoints: [three:eth0, sw:p3]
checks:
  - {name: one reaches two, from: one, ping: 172.29.2.0}
  - {name: one reaches three, from: one, ping: 172.29.3.0}
  - {name: two is seen with its own address, from: one, curl: \"http://172.29.2.0/\", expect: {server-saw: 172.29.1.0}}
";

#[test]
fn a_tunnel_in_user_space_works_and_goes_without_a_trace() {
    for options in [&[][..], &["--on-host"]] {
        let Some(host) = Host::new() else { return };
        host.furnish();
        let before = host.snapshot();
        let lab = host.write("named-ends.yaml", NAMED_ENDS);
        host.netlab(["up", &lab, "--check"].iter().chain(options)).success();
        host.netlab(["status"]).success().says("in user space: tun9 of host (ipip), tun9 of far (ipip)");
        host.netlab(["check"]).success().says("ipip in user space");
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("named-ends {options:?}"));
    }
}

#[test]
fn an_endpoint_that_is_gone_is_named_and_comes_back() {
    for options in [&[][..], &["--on-host"]] {
        let Some(host) = Host::new() else { return };
        host.furnish();
        let before = host.snapshot();
        let lab = host.write("named-ends.yaml", NAMED_ENDS);
        host.netlab(["up", &lab].iter().chain(options)).success();
        for broken in ["kill -9 $(pidof netlab)", "ip -n named-ends-far link del tun9"] {
            host.sh(broken).success();
            host.wait_for("! netlab status");
            host.netlab(["check"]).exits(1).says("far: ").says("tun9");
            host.netlab(["repair"]).success();
            host.netlab(["check"]).success();
        }
        host.sh("kill -9 $(pidof netlab)").success();
        host.wait_for("! netlab status");
        host.netlab(["status"]).exits(1).says("far: tun9: endpoint is gone, should be running");
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("named-ends {options:?}"));
    }
}

#[test]
fn killed_at_any_step_a_tunnel_in_user_space_leaves_nothing() {
    for options in [&[][..], &["--on-host"]] {
        let Some(host) = Host::new() else { return };
        host.furnish();
        let before = host.snapshot();
        let lab = host.write("named-ends.yaml", NAMED_ENDS);
        let up: Vec<&str> = [lab.as_str()].iter().chain(options).copied().collect();
        for n in 0..host.steps(&up) {
            for place in ["up", "done"] {
                let point = format!("{place}:{n}=kill");
                host.netlab_failing(&point, ["up"].iter().chain(&up)).killed();
                host.netlab(["down", "named-ends"]).success();
                host.assert_as(&before, format!("named-ends {options:?} {point}"));
            }
        }
    }
}

#[test]
fn a_route_that_is_changed_by_hand_counts_from_the_next_packet_on() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = host.write("by-route.yaml", BY_ROUTE);
    host.netlab(["up", &lab, "--check"]).success();
    let ttl = |change: &str, ttl: u8| {
        host.sh(&format!("{change}; ip netns exec by-route-one ping -c 1 -W 2 172.29.2.0 | grep ttl={ttl}")).success();
    };
    let passed_three = || -> u32 {
        let count = host.sh("ip netns exec by-route-three cat /sys/class/net/tun9/statistics/rx_packets").success();
        count.stdout.trim().parse().unwrap()
    };
    for _ in 0..5 {
        // `three` takes it out of its tunnel and sends it on through the next.
        let passed = passed_three();
        ttl("ip -n by-route-one route replace 172.29.2.0/24 via 10.9.0.3 dev tun9 onlink", 64);
        assert_eq!(passed_three(), passed + 1);
        ttl("ip -n by-route-one route replace 172.29.2.0/24 via 10.9.0.2 dev tun9 onlink", 64);
        // Bare, as Calico's CrossSubnet does within a subnet: no tunnel at all.
        ttl("ip -n by-route-one route replace 172.29.2.0/24 via 10.9.0.2 dev eth0", 64);
        // Nobody is there.
        host.sh("ip -n by-route-one route replace 172.29.2.0/24 via 10.9.0.9 dev tun9 onlink
                 if ip netns exec by-route-one ping -c 1 -W 1 172.29.2.0; then exit 1; fi")
            .success();
        ttl("ip -n by-route-one route replace 172.29.2.0/24 via 10.9.0.2 dev tun9 onlink", 64);
    }
    host.netlab(["down"]).success();
    host.assert_as(&before, "by-route");
}

/// What the kernel calls a dead loop must not eat the machine.
#[test]
fn a_tunnel_whose_outer_packets_would_go_into_itself_carries_nothing() {
    let Some(host) = Host::new() else { return };
    let lab = host.write("by-route.yaml", BY_ROUTE);
    host.netlab(["up", &lab]).success();
    host.sh("ip -n by-route-one route replace 10.9.0.2/32 dev tun9
             if ip netns exec by-route-one ping -c 3 -i 0.2 -W 1 172.29.2.0; then exit 1; fi
             ip -n by-route-one route del 10.9.0.2/32 dev tun9
             ip netns exec by-route-one ping -c 1 -W 2 172.29.2.0")
        .success();
    let sent = host.sh("ip netns exec by-route-one cat /sys/class/net/tun9/statistics/tx_packets").success().stdout;
    assert!(sent.trim().parse::<u32>().unwrap() < 100, "{sent}");
}

#[test]
fn a_large_packet_without_df_is_cut_and_a_large_file_arrives() {
    let Some(host) = Host::new() else { return };
    let lab = host.write("by-route.yaml", BY_ROUTE);
    host.netlab(["up", &lab]).success();
    host.sh("ip netns exec by-route-one ping -c 1 -W 2 -M dont -s 5000 172.29.2.0
             # The device too large for the wire: what may be cut is cut outside, what may not is refused, by the node.
             for node in one two; do ip -n by-route-$node link set tun9 mtu 1500; done
             ip netns exec by-route-one ping -c 1 -W 2 -M dont -s 1472 172.29.2.0
             ip netns exec by-route-one ping -c 2 -i 0.3 -W 1 -M do -s 1472 172.29.2.0 | grep 'mtu = 1480'")
        .success();
}

#[test]
fn kernel_only_refuses_what_the_kernel_lacks_and_changes_nothing() {
    if lacking_kinds("ipip-lab", &["--kernel-only"]).is_empty() {
        // This kernel has ipip: there is nothing to refuse.
        return;
    }
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let refused = host.netlab(["up", "ipip-lab", "--kernel-only"]).exits(3);
    refused.says("this kernel cannot make links of kind ipip").says("modprobe").says("without --kernel-only");
    let lab = host.write("kernel.yaml", &NAMED_ENDS.replace("user-space: on", "user-space: off"));
    host.netlab(["up", &lab]).exits(3).says("this kernel cannot make links of kind ipip");
    let lab = host.write("named-ends.yaml", NAMED_ENDS);
    host.netlab(["up", &lab, "--kernel-only"]).exits(2).says("`tun9` of `host` says `user-space: on`");
    host.assert_as(&before, "refused");
    host.netlab(["up", "ipip-lab"]).success().says("this kernel has no ipip: netlab carries it itself");
}

/// Two nodes that know each other's keys by name.
const SEALED: &str = "\
name: sealed
nodes:
  a:
    interfaces: {eth0: {addresses: [10.9.0.1/24]}}
    tunnels:
      wg-a:
        mode: wireguard
        port: 51820
        user-space: on
        addresses: [172.29.0.1/30]
        peers: [{keys: {public: \"b:wg-b\"}, endpoint: \"10.9.0.2:51820\", allowed-ips: [172.29.0.2/32]}]
  b:
    interfaces: {eth0: {addresses: [10.9.0.2/24]}}
    tunnels:
      wg-b:
        mode: wireguard
        port: 51820
        user-space: on
        addresses: [172.29.0.2/30]
        peers: [{keys: {public: \"a:wg-a\"}, allowed-ips: [172.29.0.1/32]}]
links:
  - endpoints: [a:eth0, b:eth0]
checks:
  - {name: there, from: a, ping: 172.29.0.2, expect: {ttl: 64}}
  - {name: and back, from: b, ping: 172.29.0.1}
";

#[test]
fn wireguard_in_user_space_is_spoken_to_with_wg_and_mended() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = host.write("sealed.yaml", SEALED);
    host.netlab(["up", &lab, "--check"]).success();
    host.netlab(["exec", "a", "--", "wg", "show"]).success().says("latest handshake").says("endpoint: 10.9.0.2:51820");
    // Nobody told `b` where `a` is: it heard it.
    host.netlab(["exec", "b", "--", "wg", "show"]).success().says("endpoint: 10.9.0.1:51820");
    let peer = host.netlab(["exec", "a", "--", "wg", "show", "wg-a", "peers"]).success().stdout.trim().to_string();
    let set = |words: &str| host.sh(&format!("netlab exec a -- wg set wg-a peer '{peer}' {words}")).success();
    for (broken, named) in [
        ("remove", format!("a: wg-a: peer {peer} is none")),
        ("allowed-ips 10.1.0.0/16", format!("a: wg-a: peer {peer} is allowed ips 10.1.0.0/16, should be")),
    ] {
        set(broken);
        host.netlab(["status"]).exits(1).says(&named);
        host.netlab(["check", "--only", "there"]).exits(1).says(&named);
        host.netlab(["repair"]).success();
        host.netlab(["check"]).success();
    }
    host.netlab(["down"]).success();
    host.assert_as(&before, "sealed");
}

#[test]
fn nothing_can_be_read_on_the_wire_and_no_private_key_on_the_screen() {
    let Some(host) = Host::new() else { return };
    let lab = host.write("sealed.yaml", SEALED);
    let script = host.netlab(["plan", &lab, "--format", "shell"]).success().stdout;
    let keys: Vec<&str> = script.split("PrivateKey = ").skip(1).map(|rest| &rest[..44]).collect();
    assert_eq!(keys.len(), 2, "{script}");
    let shown = [host.netlab(["plan", &lab]).success(), host.netlab(["up", &lab, "--explain"]).success()];
    for shown in shown {
        assert!(shown.stdout.contains("PrivateKey = (hidden)"), "{shown}");
        assert!(keys.iter().all(|key| !shown.stdout.contains(key)), "{shown}");
    }
    for words in [&["status"][..], &["show"], &["check"]] {
        let ran = host.netlab(words).success();
        assert!(keys.iter().all(|key| !ran.stdout.contains(key) && !ran.stderr.contains(key)), "{ran}");
    }
    let ps = host.sh("ps ax").stdout;
    assert!(keys.iter().all(|key| !ps.contains(key)), "{ps}");
}
