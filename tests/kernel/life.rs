//! The life of a lab: up, green, down, and as if nothing had been.

use crate::support::{Host, crowd};

/// Every lab in every mode, each on its own machine at the same time: the checks mostly wait.
fn every_lab_in_every_mode(test: impl Fn(&Host, &[&str]) + Sync) {
    let Some(first) = Host::new() else { return };
    let mut modes = Vec::new();
    for lab in first.built_in_labs() {
        if first.can_be_on_host(&lab) {
            modes.push((lab.clone(), true));
        }
        modes.push((lab, false));
    }
    crowd::for_each(&modes, |(lab, on_host)| {
        let Some(host) = Host::new() else { return };
        host.furnish();
        let words = [lab.as_str(), "--on-host"];
        test(&host, if *on_host { &words } else { &words[..1] });
    });
}

#[test]
fn every_lab_comes_up_is_green_and_leaves_nothing() {
    every_lab_in_every_mode(|host, words| {
        let lab = words[0];
        let before = host.snapshot();
        host.netlab(["up"].iter().chain(words)).success().says("is up");
        host.netlab(["status", lab]).success().says("as it should be");
        host.netlab(["check", lab]).success().says("hold");
        // The checks themselves change nothing that counts.
        host.netlab(["status", lab]).success().says("as it should be");
        host.netlab(["down", lab]).success().says("is down");
        host.assert_as(&before, format!("{words:?}"));
    });
}

#[test]
fn up_twice_is_up_once_and_down_twice_is_down_once() {
    every_lab_in_every_mode(|host, words| {
        let up: Vec<&str> = ["up"].iter().chain(words).copied().collect();
        let before = host.snapshot();
        host.netlab(&up).success().says("is up");
        // A bridge learns of its ports' carrier a moment after they have it, and gets its link-local address then.
        host.wait_for("! ip -o link show | grep -q NO-CARRIER && ! ip addr show tentative | grep -q .");
        let once = host.snapshot();
        host.netlab(&up).success().says("up already");
        host.assert_as(&once, format!("a second up of {words:?}"));
        host.netlab(["down", words[0]]).success().says("is down");
        host.netlab(["down", words[0]]).success().says("nothing to do");
        host.assert_as(&before, format!("{words:?}"));
    });
}

#[test]
fn isolated_a_lab_changes_nothing_on_the_machine_but_names() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    host.netlab(["up", "nat-lab"]).success();
    let during = host.snapshot();
    for section in ["links", "routing", "firewall", "settings"] {
        assert_eq!(before.lines(section), during.lines(section), "{section}");
    }
    host.netlab(["down", "nat-lab"]).success();
    host.assert_as(&before, "nat-lab");
}

#[test]
fn the_folders_of_iproute2_stay_when_they_were_there_before_the_lab() {
    let Some(host) = Host::new() else { return };
    host.sh("ip netns add mine; mkdir -p /etc/netns/mine; echo nameserver 192.0.2.1 > /etc/netns/mine/resolv.conf")
        .success();
    let before = host.snapshot();
    host.netlab(["up", "nat-lab"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "beside a namespace of somebody else's");
}

#[test]
fn on_the_machine_forwarding_goes_on_and_off_again() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    for (at_first, meanwhile) in [("0", "1"), ("1", "1")] {
        host.sh(&format!("echo {at_first} > /proc/sys/net/ipv4/ip_forward")).success();
        let before = host.snapshot();
        host.netlab(["up", "nat-lab", "--on-host"]).success();
        assert_eq!(host.sh("cat /proc/sys/net/ipv4/ip_forward").stdout.trim(), meanwhile);
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("ip_forward was {at_first}"));
    }
}

#[test]
fn on_the_machine_a_setting_that_somebody_changed_since_stays_theirs() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "nat-lab", "--on-host"]).success();
    host.sh("echo 0 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/lo/forwarding").success();
    host.netlab(["down"]).success();
    assert_eq!(host.sh("cat /proc/sys/net/ipv4/conf/lo/forwarding").stdout.trim(), "1");
    host.sh("echo 0 > /proc/sys/net/ipv4/conf/lo/forwarding").success();
    host.assert_as(&before, "but for that setting");
}

#[test]
fn on_the_machine_other_firewall_rules_stay_in_their_place() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    // In the same chains as the lab's rules, one of them equal to the lab's own but for its mark.
    host.sh("iptables -t nat -A POSTROUTING -s 192.168.15.0/24 -o uplink -j MASQUERADE
             iptables -t nat -A POSTROUTING -s 10.0.0.0/8 -j RETURN
             iptables -A FORWARD -i eth0 -j ACCEPT")
        .success();
    let before = host.snapshot();
    host.netlab(["up", "nat-lab", "--on-host"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "beside rules of somebody else's");
}

#[test]
fn after_a_restart_of_the_machine_a_lab_is_forgotten_or_brought_up_again() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    // What a restart leaves, where /run is on disk: the journal and nothing that it speaks of.
    let restart = "cp -a /run/netlab /media/tmp/journal
                   netlab down nat-lab
                   mv /media/tmp/journal /run/netlab
                   echo another > /media/tmp/boot_id
                   mount --bind /media/tmp/boot_id /proc/sys/kernel/random/boot_id";
    for then in ["up", "down"] {
        host.netlab(["up", "nat-lab"]).success();
        host.sh(restart).success();
        host.netlab(["status"]).exits(1).says("before this machine was restarted");
        host.netlab(["check"]).exits(1).says("before this machine was restarted");
        host.netlab([then, "nat-lab"]).success().says("restarted");
        if then == "up" {
            host.netlab(["status"]).success();
            host.netlab(["check", "--only", "blue reaches the outside"]).success();
        }
        host.netlab(["down", "nat-lab"]).success();
        host.sh("umount /proc/sys/kernel/random/boot_id").success();
        host.assert_as(&before, format!("{then} after a restart"));
    }
}

/// The kernel makes the parts of a dump as large as the reader's buffer: such a route fits no small one.
#[test]
fn a_route_with_hundreds_of_next_hops_is_made_and_seen() {
    let Some(host) = Host::new() else { return };
    let hops: Vec<String> = (1..=400).map(|i| format!("nexthop via 10.0.{}.{}", 1 + i / 250, 1 + i % 250)).collect();
    let lab = format!(
        "name: fan\nnodes:\n  a:\n    interfaces: {{eth0: {{addresses: [10.0.0.1/16]}}}}\n    routes: [10.9.0.0/24 {}]\n  \
         b: {{}}\nlinks:\n  - endpoints: [a:eth0, b:eth0]\n",
        hops.join(" ")
    );
    let file = host.write("fan.yaml", &lab);
    host.netlab(["up", &file]).success();
    host.netlab(["status", "fan"]).success().says("as it should be");
    host.sh("ip -n fan-a route del 10.9.0.0/24").success();
    host.netlab(["status", "fan"]).exits(1).says("10.9.0.0/24");
    host.netlab(["repair", "fan"]).success();
    host.netlab(["status", "fan"]).success();
}
