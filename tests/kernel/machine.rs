//! `--on-host`: what on the machine is the lab's and what is somebody else's, when hands have been at both.

use crate::support::{Host, Snapshot};

/// The host node has something of each kind that `up` puts on the machine itself.
pub const LAB: &str = "\
name: mixed-lab
nodes:
  host:
    kind: host
    bridges: {mixed-br: {addresses: [10.98.0.1/24], ports: [mixed0]}}
    interfaces: {mixed1: {addresses: [10.99.0.1/24]}}
    sysctls: {net.ipv4.ip_forward: 1}
    rules: [fwmark 8 lookup 78 priority 100]
    iptables:
      - -N MIXED
      - -P FORWARD DROP
      - -A MIXED -s 10.0.0.0/8 -j ACCEPT
      - -A FORWARD -i mixed1 -j MIXED
      - -t nat -A POSTROUTING -s 10.99.0.0/24 -j MASQUERADE
  left: {interfaces: {eth0: {addresses: [10.98.0.2/24]}}}
  right: {interfaces: {eth0: {addresses: [10.99.0.2/24]}}}
links:
  - {endpoints: [host:mixed0, left:eth0]}
  - {endpoints: [host:mixed1, right:eth0]}
actions:
  by-way:
    nodes:
      host:
        routes: [10.97.0.0/24 via 10.99.0.2]
        iptables: [-P INPUT DROP, -N WAY, -A WAY -s 10.1.0.0/16 -j DROP, -A INPUT -j WAY]
";

struct OnHost {
    host: Host,
    before: Snapshot,
    lab: String,
}

impl OnHost {
    fn new() -> Option<OnHost> {
        let host = Host::new()?;
        host.furnish();
        let (before, lab) = (host.snapshot(), host.write("mixed-lab.yaml", LAB));
        Some(OnHost { host, before, lab })
    }

    fn up(&self) {
        self.host.netlab(["up", &self.lab, "--on-host"]).success();
    }

    #[track_caller]
    fn down(&self, when: &str) {
        self.host.netlab(["down", "mixed-lab"]).success();
        self.host.assert_as(&self.before, when);
    }
}

#[test]
fn an_interface_of_somebody_else_under_one_of_the_labs_names_is_kept_by_repair_and_down() {
    let Some(OnHost { host, before, lab }) = OnHost::new() else { return };
    for (name, theirs) in [("mixed-br", "type bridge"), ("mixed1", "type veth peer name theirs")] {
        host.netlab(["up", &lab, "--on-host"]).success();
        host.sh(&format!("ip link del {name}; ip link add {name} {theirs}; ip addr add 10.77.0.1/24 dev {name}"))
            .success();
        let seen = host.sh(&format!("ip addr show {name}")).success().stdout;
        host.netlab(["status"]).exits(1);
        let refused = host.netlab(["repair"]).exits(4);
        refused
            .says(&format!("`{name}` of this machine is not the lab's"))
            .says(&format!("ip link set {name} name NEW"));
        assert_eq!(host.sh(&format!("ip addr show {name}")).success().stdout, seen);
        host.netlab(["down"]).success();
        host.sh(&format!("ip addr show {name} | grep -q 10.77.0.1 && ip link del {name}")).success();
        host.assert_as(&before, format!("somebody else's {name}"));
        // Once it is out of the way the lab can be mended.
        host.netlab(["up", &lab, "--on-host"]).success();
        host.sh(&format!("ip link del {name}; ip link add {name} {theirs}; ip link set {name} name else0")).success();
        host.netlab(["repair"]).success();
        host.netlab(["status"]).success();
        host.netlab(["down"]).success();
        host.sh("ip link del else0").success();
        host.assert_as(&before, format!("{name} beside somebody else's"));
    }
}

#[test]
fn an_interface_of_the_lab_that_was_given_another_address_or_name_goes_with_it() {
    let Some(lab) = OnHost::new() else { return };
    for by_hand in [
        "ip link set mixed-br address 02:11:22:33:44:55",
        "ip link set mixed1 address 02:11:22:33:44:55",
        "ip link set mixed-br name other",
    ] {
        lab.up();
        lab.host.sh(by_hand).success();
        lab.down(by_hand);
    }
}

#[test]
fn firewall_lines_that_are_still_there_are_not_loaded_twice_by_repair() {
    let Some(lab) = OnHost::new() else { return };
    let rules = || {
        let rules = lab.host.sh("iptables-save | grep ^-A").success().stdout;
        let mut rules: Vec<String> = rules.lines().map(String::from).collect();
        rules.sort();
        rules
    };
    lab.up();
    lab.host.sh("iptables -A FORWARD -s 192.0.2.1 -j DROP; iptables -A MIXED -s 192.0.2.2 -j DROP").success();
    let whole = rules();
    for by_hand in
        ["iptables -t nat -F", "iptables -D FORWARD -i mixed1 -m comment --comment netlab:mixed-lab -j MIXED"]
    {
        lab.host.sh(by_hand).success();
        lab.host.netlab(["status"]).exits(1);
        lab.host.netlab(["repair"]).success();
        let theirs_in_ours = |rule: &&String| !rule.contains("192.0.2.2");
        assert_eq!(rules(), whole.iter().filter(theirs_in_ours).cloned().collect::<Vec<_>>(), "{by_hand}");
    }
    lab.host.sh("iptables -D FORWARD -s 192.0.2.1 -j DROP").success();
    lab.down("rules of somebody else's beside the lab's");
}

#[test]
fn settings_that_the_kernel_turns_along_with_the_labs_are_put_back_whoever_was_first() {
    let Some(lab) = OnHost::new() else { return };
    lab.host
        .sh("echo 0 > /proc/sys/net/ipv4/conf/all/accept_redirects; echo 1 > /proc/sys/net/ipv4/conf/eth0/forwarding")
        .success();
    let before = lab.host.snapshot();
    for (killed_at, by_hand) in
        [("down:8=kill", "true"), ("none", "sysctl -qw net.ipv4.ip_forward=0"), ("none", "true")]
    {
        lab.up();
        lab.host.sh(by_hand).success();
        lab.host.netlab_failing(killed_at, ["down", "mixed-lab"]);
        lab.host.netlab(["down", &lab.lab]).success();
        lab.host.assert_as(&before, format!("{killed_at}, {by_hand}"));
    }
    // Right before: then nothing of it was the lab's.
    lab.host.sh("sysctl -qw net.ipv4.ip_forward=1; echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding").success();
    lab.up();
    lab.host.sh("echo 1 > /proc/sys/net/ipv4/conf/eth0/forwarding").success();
    lab.host.netlab(["down"]).success();
    lab.host.sh("test $(cat /proc/sys/net/ipv4/conf/eth0/forwarding) = 1").success();
}

#[test]
fn a_policy_of_the_machines_firewall_is_put_back() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let lab = LAB.replace("      - -N MIXED\n", "      - -N MIXED\n      - -P OUTPUT ACCEPT\n");
    let lab = host.write("mixed-lab.yaml", &lab);
    let policies = |host: &Host| host.sh("iptables-save -t filter | grep ^: | cut -d' ' -f1,2").stdout;
    // On a machine without a firewall, and on one that has its own.
    for own in ["true", "iptables -A INPUT -s 192.0.2.1 -j DROP; iptables -P OUTPUT DROP"] {
        host.sh(own).success();
        let before = host.snapshot();
        host.netlab(["up", &lab, "--on-host"]).success();
        assert!(policies(&host).contains(":FORWARD DROP\n:OUTPUT ACCEPT"), "{}", policies(&host));
        host.netlab(["act", "by-way"]).success();
        assert!(policies(&host).contains(":INPUT DROP"), "{}", policies(&host));
        host.netlab(["act", "by-way", "--undo"]).success();
        assert!(policies(&host).contains(":INPUT ACCEPT\n:FORWARD DROP"), "{}", policies(&host));
        host.netlab(["act", "by-way"]).success();
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("{own}, policies"));
        // Somebody else has changed one of them since, and set another.
        host.netlab(["up", &lab, "--on-host"]).success();
        host.sh("iptables -P FORWARD ACCEPT; iptables -P INPUT DROP").success();
        host.netlab(["down"]).success();
        assert!(policies(&host).contains(":INPUT DROP\n:FORWARD ACCEPT"), "{own}: {}", policies(&host));
        host.sh("iptables -P INPUT ACCEPT; test \"$(iptables-save | grep -c ^-A)\" != 0 || nft delete table ip filter")
            .success();
        host.assert_as(&before, format!("{own}, policies of somebody else's"));
    }
}

#[test]
fn the_machine_keeps_its_ipv6() {
    let Some(OnHost { host, before, .. }) = OnHost::new() else { return };
    let lab = LAB.replace("{net.ipv4.ip_forward: 1}", "{net.ipv4.ip_forward: 1, net.ipv6.conf.all.disable_ipv6: 1}");
    let lab = host.write("mixed-lab.yaml", &lab);
    host.netlab(["up", &lab, "--on-host"]).exits(4).says("would lose its IPv6 addresses");
    host.assert_as(&before, "refused");
}

#[test]
fn a_program_of_a_check_on_the_machine_ends_with_netlab() {
    let Some(OnHost { host, before, .. }) = OnHost::new() else { return };
    let lab =
        host.write("mixed-lab.yaml", &format!("{LAB}checks:\n  - {{name: asks, from: host, run: [sleep, 4321]}}\n"));
    host.netlab(["up", &lab, "--on-host"]).success();
    let mut check = host.start("netlab", ["check"]);
    host.wait_for("pgrep -f 'sleep 432[1]'");
    host.sh("kill -9 $(pgrep -x netlab)").success();
    check.wait().unwrap();
    host.wait_for("! pgrep -f 'sleep 432[1]'");
    host.netlab(["down"]).success();
    host.assert_as(&before, "a check that was killed");
}

#[test]
fn what_the_machine_has_already_is_not_taken_for_the_labs() {
    let Some(OnHost { host, .. }) = OnHost::new() else { return };
    host.sh("ip addr add 10.9.9.9/32 dev lo; ip rule add fwmark 8 lookup 78 priority 100").success();
    let before = host.snapshot();
    let rule = host.write("mixed-lab.yaml", LAB);
    host.netlab(["up", &rule, "--on-host"]).exits(4).says("this machine already has the rule");
    host.assert_as(&before, "a rule of the machine");
    let lab = LAB.replace("    rules: [fwmark 8 lookup 78 priority 100]\n", "");
    let address = lab.replace(
        "mixed1: {addresses: [10.99.0.1/24]}",
        "mixed1: {addresses: [10.99.0.1/24]}, lo: {addresses: [10.9.9.9/32]}",
    );
    let address = host.write("mixed-lab.yaml", &address);
    host.netlab(["up", &address, "--on-host"])
        .exits(4)
        .says("`lo` of this machine already has the address 10.9.9.9/32");
    host.assert_as(&before, "an address of the machine");
    // It has come since.
    let lab = host.write("mixed-lab.yaml", &lab);
    host.netlab(["up", &lab, "--on-host"]).success();
    host.sh("ip route add 10.97.0.0/24 via 10.99.0.2").success();
    host.netlab(["act", "by-way"]).exits(3).says("this machine has it already");
    host.sh("ip route show 10.97.0.0/24 | grep -q via").success();
    host.sh("ip route del 10.97.0.0/24").success();
    host.netlab(["act", "by-way"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "a route of the machine");
}
