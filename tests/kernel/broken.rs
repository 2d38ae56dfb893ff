//! A learner breaks a lab by hand: `status` and `check` say what differs, `repair` mends it, `down` takes it down all the
//! same.

use crate::support::{Host, crowd};

/// How something was broken.
struct Break {
    by_hand: &'static str,
    /// What `status` says about it.
    named: &'static [&'static str],
    /// A check that no longer holds.
    check: &'static str,
}

/// ```text
/// red ── veth-red-br ┐
///                    v-net-0 (host) ── uplink ── eth0 (internet)
/// blue ─ veth-blue-br ┘
/// ```
const NAT_LAB: &[Break] = &[
    Break {
        by_hand: "ip -n red link del veth-red",
        named: &["red: interface veth-red is missing", "host: interface veth-red-br is missing"],
        check: "red reaches blue",
    },
    Break {
        by_hand: "ip -n blue route del default",
        named: &["blue: route `default via 192.168.15.5", "is missing"],
        check: "blue reaches the outside",
    },
    Break {
        by_hand: "ip netns exec host iptables -t nat -F",
        named: &["host: iptables", "MASQUERADE` is missing", "DNAT"],
        check: "the host forwards and translates",
    },
    Break { by_hand: "ip netns del red", named: &["red: network namespace is missing"], check: "red reaches blue" },
    Break {
        by_hand: "ip -n red addr del 192.168.15.1/24 dev veth-red",
        named: &["red: address 192.168.15.1/24 on veth-red is missing"],
        check: "red reaches blue",
    },
    Break {
        by_hand: "ip -n host link set veth-red-br down",
        named: &["host: veth-red-br: state is down, should be up"],
        check: "red reaches blue",
    },
    Break {
        by_hand: "ip -n host link set veth-red-br nomaster",
        named: &["host: veth-red-br: master is none, should be v-net-0"],
        check: "red reaches blue",
    },
    Break {
        by_hand: "ip netns exec host sysctl -qw net.ipv4.ip_forward=0",
        named: &["host: net.ipv4.ip_forward is 0, should be 1"],
        check: "blue reaches the outside",
    },
    Break {
        by_hand: "kill -9 $(ip netns pids blue)",
        named: &["blue: service web does not run"],
        check: "inside, nothing is translated",
    },
    Break {
        by_hand: "ip -n red link set veth-red down; ip -n red link set veth-red name oops",
        named: &["red: interface veth-red is missing", "red: interface oops was added by hand"],
        check: "red reaches blue",
    },
    Break {
        by_hand: "ip -n red link set veth-red netns 1",
        named: &["red: interface veth-red is missing"],
        check: "red reaches blue",
    },
    Break {
        by_hand: "ip -n red route add blackhole 192.168.15.2",
        named: &["red: route `blackhole 192.168.15.2` was added by hand"],
        check: "red reaches blue",
    },
    Break {
        // Its name is left, an empty file.
        by_hand: "umount /run/netns/red",
        named: &["red: network namespace is missing"],
        check: "red reaches blue",
    },
    Break {
        by_hand: "ip -n host link del v-net-0",
        named: &["host: interface v-net-0 is missing"],
        check: "blue reaches the outside",
    },
    Break {
        by_hand: "ip netns exec host iptables -A FORWARD -p icmp -j DROP",
        named: &["host: iptables `-t filter -A FORWARD -p icmp -j DROP` was added by hand"],
        check: "blue reaches the outside",
    },
    Break {
        // In a node whose firewall the lab says nothing about.
        by_hand: "ip netns exec blue iptables -A INPUT -p icmp -j DROP",
        named: &["blue: iptables `-t filter -A INPUT -p icmp -j DROP` was added by hand"],
        check: "red reaches blue",
    },
];

const ON_HOST: &[Break] = &[
    Break {
        by_hand: "iptables -t nat -F POSTROUTING",
        named: &["host: iptables", "MASQUERADE` is missing"],
        check: "the host forwards and translates",
    },
    Break { by_hand: "ip link del v-net-0", named: &["host: interface v-net-0 is missing"], check: "red reaches blue" },
    Break {
        by_hand: "sysctl -qw net.ipv4.ip_forward=0",
        named: &["host: net.ipv4.ip_forward is 0, should be 1"],
        check: "blue reaches the outside",
    },
    Break {
        by_hand: "ip route del 8.8.8.8",
        named: &["host: route `8.8.8.8 via 203.0.113.1", "is missing"],
        check: "blue reaches the outside",
    },
];

fn labs() -> impl Iterator<Item = (&'static [&'static str], &'static Break)> {
    let isolated = NAT_LAB.iter().map(|b| (&["up", "nat-lab"][..], b));
    isolated.chain(ON_HOST.iter().map(|b| (&["up", "nat-lab", "--on-host"][..], b)))
}

/// Each on a machine of its own, all at once: a check that fails takes five seconds of waiting.
#[test]
fn what_was_broken_is_named_by_status_and_check_and_mended_by_repair() {
    if Host::new().is_none() {
        return;
    }
    let test = |up: &[&str], broken: &Break| {
        let Some(host) = Host::new() else { return };
        host.furnish();
        let before = host.snapshot();
        host.netlab(up).success();
        host.sh(broken.by_hand).success();
        mend(&host, broken);
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("{up:?}, broken by `{}` and mended", broken.by_hand));
    };
    let all: Vec<_> = labs().collect();
    let failed = crowd::failing(&all, |(up, broken)| test(up, broken));
    let failed: Vec<String> = failed.iter().map(|(up, broken)| format!("{up:?}: {}", broken.by_hand)).collect();
    assert!(failed.is_empty(), "not as it should be after\n{}", failed.join("\n"));
}

#[track_caller]
fn mend(host: &Host, broken: &Break) {
    let says_all = |ran: crate::support::Ran| {
        broken.named.iter().fold(ran, |ran, words| ran.says(words));
    };
    says_all(host.netlab(["status"]).exits(1));
    says_all(host.netlab(["check", "--only", broken.check]).exits(1));
    host.netlab(["up", "nat-lab"]).exits(4);
    host.netlab(["repair"]).success().says("as it should be again");
    host.netlab(["check", "--only", broken.check]).success();
    host.netlab(["status"]).success();
}

#[test]
fn a_rate_that_was_changed_removed_or_added_is_named_and_mended() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = host.write(
        "slow.yaml",
        "name: slow
nodes:
  a: {interfaces: {eth0: {addresses: [10.0.0.1/24]}}, qdiscs: {eth0: {rate: 256kbit}}}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24]}}}
links: [{endpoints: [a:eth0, b:eth0]}]
",
    );
    host.netlab(["up", &lab]).success();
    host.sh("tc -n slow-a qdisc show dev eth0").success().says("tbf").says("rate 256Kbit burst 4Kb lat 50ms");
    let should_be = "tbf rate 256kbit burst 4096b limit 5696b";
    for (by_hand, named) in [
        ("tc -n slow-a qdisc del dev eth0 root", format!("a: eth0: qdisc is none, should be {should_be}")),
        (
            "tc -n slow-a qdisc change dev eth0 root tbf rate 1mbit burst 4kb limit 8kb",
            format!("a: eth0: qdisc is tbf rate 1mbit burst 4096b limit 8192b, should be {should_be}"),
        ),
        (
            "tc -n slow-b qdisc add dev eth0 root tbf rate 1mbit burst 4kb limit 8kb",
            "b: eth0: qdisc is tbf rate 1mbit burst 4096b limit 8192b, should be none".to_string(),
        ),
    ] {
        host.sh(by_hand).success();
        host.netlab(["status"]).exits(1).says(&named);
        host.netlab(["repair"]).success().says("as it should be again");
        host.netlab(["status"]).success();
    }
    host.sh("tc -n slow-a qdisc show dev eth0").success().says("rate 256Kbit burst 4Kb lat 50ms");
    assert!(!host.sh("tc -n slow-b qdisc show dev eth0").success().stdout.contains("tbf"));
    host.netlab(["down"]).success();
    host.assert_as(&before, "a slow line");
}

#[test]
fn repair_of_a_whole_lab_changes_nothing() {
    let Some(host) = Host::new() else { return };
    host.netlab(["up", "nat-lab"]).success();
    let during = host.snapshot();
    host.netlab(["repair"]).success().says("nothing to mend");
    host.assert_as(&during, "a repair of nothing");
}

#[test]
fn repair_mends_everything_at_once() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "nat-lab"]).success();
    host.sh("ip netns del red
             ip -n host link del uplink
             ip -n host addr add 10.1.1.1/24 dev v-net-0
             ip netns exec host iptables -A FORWARD -j DROP
             ip netns exec host iptables -t nat -F PREROUTING
             ip -n internet link set lo down
             kill -9 $(ip netns pids internet)")
        .success();
    host.netlab(["status"]).exits(1);
    host.netlab(["repair"]).success();
    host.netlab(["check"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "broken everywhere and mended");
}

#[test]
fn a_repair_that_is_killed_can_be_repeated_or_taken_down() {
    let by_hand = "ip netns del red; ip -n host link del uplink; kill -9 $(ip netns pids blue)";
    killed_repairs(&["up", "nat-lab"], by_hand, "repair");
    killed_repairs(&["up", "nat-lab"], by_hand, "repaired");
}

#[test]
fn on_the_machine_a_repair_that_is_killed_can_be_repeated_or_taken_down() {
    let by_hand = "ip netns del red; ip link del uplink; iptables -t nat -F; kill -9 $(ip netns pids blue)";
    killed_repairs(&["up", "nat-lab", "--on-host"], by_hand, "repair");
    killed_repairs(&["up", "nat-lab", "--on-host"], by_hand, "repaired");
}

/// `place` is right before a step, or right after it while the journal has not heard of it.
fn killed_repairs(up: &[&str], by_hand: &str, place: &str) {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    let (mut killed, mut whole) = (0, false);
    for n in 0..host.steps(&up[1..]) {
        if !whole {
            host.netlab(up).success();
        }
        host.sh(by_hand).success();
        let repair = host.netlab_failing(&format!("{place}:{n}=kill"), ["repair"]);
        // Or it was a step that this repair had no need of. The lab is whole, and stays for the next one.
        whole = repair.code == Some(0);
        if whole {
            continue;
        }
        repair.killed();
        killed += 1;
        if killed % 2 == 0 {
            host.netlab(["repair"]).success();
            host.netlab(["status"]).success();
        }
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("{up:?}, a repair killed at {place}:{n}"));
    }
    assert!(killed > 8, "only {killed} of the steps were repaired");
    if whole {
        host.netlab(["down", up[1]]).success();
    }
    host.assert_as(&before, format!("{up:?}, a repair"));
}

/// A name that a repair was giving, and the new namespace behind it, which nobody has on record yet.
#[test]
fn a_namespace_that_was_being_made_again_is_made_again_or_taken_down() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let under_the_name = ["true", "umount /run/netns/red", "umount /run/netns/red; rm /run/netns/red"];
    for (found, then) in under_the_name.iter().flat_map(|found| [(found, "repair"), (found, "down")]) {
        host.netlab(["up", "veth-lab"]).success();
        host.sh("ip netns del red").success();
        let first = (0..2).find(|n| {
            host.netlab_failing(&format!("repaired:{n}=kill"), ["repair"]).code != Some(0) || {
                host.sh("ip netns del red").success();
                false
            }
        });
        assert!(first.is_some(), "a namespace is made by one of the first two steps");
        host.sh(found).success();
        host.netlab(["status"]).exits(1);
        host.netlab([then]).success();
        if then == "repair" {
            host.netlab(["check"]).success();
            host.netlab(["down"]).success();
        }
        host.assert_as(&before, format!("`{found}` and {then} after a killed repair"));
    }
    // Somebody has moved in.
    host.netlab(["up", "veth-lab"]).success();
    host.sh("ip netns del red").success();
    host.netlab_failing("repaired:0=kill", ["repair"]).killed();
    host.sh("ip -n red link add theirs type bridge").success();
    host.netlab(["repair"]).exits(4).says("/run/netns/red is in use by somebody else");
    host.netlab(["down"]).exits(5).says("/run/netns/red is in use by somebody else");
    host.sh("ip -n red link show theirs; ip netns del red").success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "somebody had moved in");
}

#[test]
fn whatever_was_broken_down_leaves_nothing() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    for (up, broken) in labs() {
        host.netlab(up).success();
        host.sh(broken.by_hand).success();
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("{up:?}, broken by `{}`", broken.by_hand));
    }
}

#[test]
fn down_ends_a_program_that_a_learner_left_in_a_namespace() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    for break_too in ["true", "ip netns del red", "umount /run/netns/red", "ip -n red link del veth-red"] {
        host.netlab(["up", "veth-lab"]).success();
        let mut left = host.start("ip", ["netns", "exec", "red", "sleep", "1000"]);
        host.wait_for("pidof sleep");
        host.sh(break_too).success();
        host.netlab(["down"]).success();
        left.wait().unwrap();
        host.assert_as(&before, format!("a sleeping program and `{break_too}`"));
    }
}

#[test]
fn down_ends_a_program_that_ignores_a_polite_request() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).success();
    let stubborn = "trap '' TERM HUP INT; while :; do sleep 1000; done";
    let mut left = host.start("ip", ["netns", "exec", "red", "sh", "-c", stubborn]);
    host.wait_for("pidof sleep");
    host.netlab(["down"]).success();
    left.wait().unwrap();
    host.assert_as(&before, "a stubborn program");
}
