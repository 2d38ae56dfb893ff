//! What netlab says about a machine, and how it finds what was left on one.

use crate::support::Host;

#[test]
fn the_doctor_changes_nothing_and_names_what_is_in_the_way() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    host.sh("iptables -P FORWARD DROP; ip netns add red").success();
    let before = host.snapshot();
    let said = host.netlab(["doctor"]);
    host.assert_as(&before, "after the doctor");
    let said = said.says("drops what it would forward").says("somebody else's: red").says("this kernel makes bridge");
    // What this kernel lacks is a problem, or something that netlab does itself.
    let lacking = said.stdout.contains("PROBLEM");
    assert_eq!(said.code, Some(if lacking { 3 } else { 0 }), "{said}");
    let json = host.netlab(["doctor", "--json"]).json();
    let findings = json.as_array().unwrap();
    assert!(findings.iter().any(|f| f["level"] == "note" && f["todo"].is_string()), "{json}");
}

#[test]
fn the_doctor_knows_the_kinds_that_this_kernel_lacks() {
    let Some(host) = Host::new() else { return };
    let said = host.netlab(["doctor"]).stdout;
    for (kind, words) in [
        ("dummy", "p type dummy"),
        ("gre", "p type gre remote 10.0.0.1 local 10.0.0.2"),
        ("geneve", "p type geneve id 5 remote 10.0.0.1"),
        ("vrf", "p type vrf table 10"),
        ("vxlan", "p type vxlan id 5 dstport 7"),
        ("wireguard", "p type wireguard"),
    ] {
        let unknown = host.sh(&format!("ip link add {words} && ip link del p")).stderr.contains("Unknown device type");
        assert_eq!(said.contains(&format!("no {kind} in this kernel")), unknown, "{kind}\n{said}");
    }
    let asked =
        host.sh("ip link add p type veth peer name q && tc qdisc add dev p root netem delay 1ms && ip link del p");
    let unknown = asked.stderr.contains("qdisc kind is unknown");
    assert_eq!(said.contains("no netem in this kernel: impaired-lab"), unknown, "{}\n{said}", asked.stderr);
}

#[test]
fn the_doctor_names_missing_programs_with_their_packages_and_what_rights_are_missing() {
    let Some(host) = Host::new() else { return };
    host.write("none", "");
    host.sh("mount --bind /media/tmp/none $(readlink -f $(command -v curl))").success();
    host.netlab(["doctor"]).exits(3).says("`curl` is not installed").says("apt install curl").says("nat-lab");
    let visitor = "setpriv --reuid 65534 --regid 65534 --clear-groups netlab";
    host.sh(&format!("{visitor} doctor")).exits(3).says("netlab doctor`").says("without rights no lab comes up");
    // The very command, to be copied.
    host.sh(&format!("{visitor} exec blue -- echo 'a b'"))
        .exits(3)
        .says("`sudo ")
        .says("netlab exec blue -- echo 'a b'`");
}

#[test]
fn gc_removes_what_interrupted_runs_left_and_nothing_that_is_up() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    host.netlab(["up", "bridge-lab"]).success();
    let with_one = host.snapshot();
    host.netlab(["gc", "--dry-run"]).success().says("nothing was left");
    host.netlab_failing("done:20=kill", ["up", "vxlan-lab"]).killed();
    host.netlab(["gc", "--dry-run"]).exits(1).says("vxlan-lab: interrupted in the middle");
    host.netlab(["doctor"]).says("vxlan-lab (interrupted in the middle)").says("netlab gc");
    host.netlab(["gc"]).success().says("vxlan-lab: interrupted in the middle; removed");
    host.assert_as(&with_one, "after gc");
    host.netlab(["status", "bridge-lab"]).success();
    host.netlab(["down", "bridge-lab"]).success();
    // Nothing but the ground.
    let before = host.snapshot();
    host.sh("mkdir -m 700 /run/netlab; mkdir -m 700 /run/netlab/veth-lab").success();
    host.netlab(["gc"]).success().says("veth-lab: ended before it had begun; removed");
    host.assert_as(&before, "after gc of an empty folder");
}

#[test]
fn gc_leaves_a_lab_alone_that_a_netlab_is_at() {
    let Some(host) = Host::new() else { return };
    host.netlab_failing("done:20=kill", ["up", "nat-lab"]).killed();
    let mut held = host.start("flock", ["/run/netlab/nat-lab", "sleep", "60"]);
    host.wait_for("pidof sleep");
    host.netlab(["gc"]).success().says("nothing was left");
    host.sh("test -e /run/netns/red; kill $(pidof sleep)").success();
    held.wait().unwrap();
    host.netlab(["gc"]).success().says("removed");
    host.sh("test ! -e /run/netlab").success();
}
