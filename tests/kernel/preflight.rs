//! What this machine or the moment does not allow is said before the first change: what, where in the file, what to do.

use crate::support::Host;
use crate::support::host::SCRATCH;

fn lab(more: &str) -> String {
    format!(
        "name: mine
nodes:
  red:
    interfaces: {{eth0: {{addresses: [10.0.0.1/24]}}}}
    {more}
  blue: {{interfaces: {{eth0: {{addresses: [10.0.0.2/24]}}}}}}
links: [{{endpoints: [red:eth0, blue:eth0]}}]
"
    )
}

/// U2.
#[test]
fn a_setuid_netlab_is_refused() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let own = format!("{SCRATCH}/tmp/netlab-setuid");
    host.sh(&format!("cp $(command -v netlab) {own}; chown root {own}; chmod 4755 {own}")).success();
    for command in ["up veth-lab", "down veth-lab", "exec red -- id", "check veth-lab", "repair veth-lab"] {
        host.sh(&format!("setpriv --reuid 1234 --clear-groups {own} {command}")).exits(3).says("setuid").says("sudo");
    }
    host.sh(&format!("rm {own}")).success();
    host.assert_as(&before, "a setuid netlab");
}

/// C3, P3: a program that is missing is named with its package, and only by labs that use it.
#[test]
fn a_missing_program_is_named_with_its_package_and_its_place() {
    let Some(host) = Host::new() else { return };
    host.write("none", "");
    host.sh(&format!("mount --bind {SCRATCH}/tmp/none $(readlink -f $(command -v iptables-restore))")).success();
    let before = host.snapshot();
    let refused = host.netlab(["up", "nat-lab"]).exits(3);
    refused
        .says("not installed: ")
        .says("`iptables-restore`")
        .says("host (labs/nat-lab.yaml:")
        .says("apt install")
        .says("iptables");
    host.assert_as(&before, "without iptables");
    host.netlab(["up", "veth-lab"]).success();
    host.netlab(["down"]).success();
    let daemon = host.write("mine.yaml", &lab("services: {name-server: {run: [no-such-daemon, -k]}}"));
    let refused = host.netlab(["up", &daemon, "--trust"]).exits(3);
    refused.says("`no-such-daemon`").says("service name-server of red").says("mine.yaml:5");
    host.assert_as(&before, "without a daemon");
}

/// S1: a setting of the whole machine, one that is not there, a value that the kernel does not take.
#[test]
fn settings_that_a_node_cannot_have_are_refused_before_the_first_change() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    for (setting, words) in [
        ("net.core.rmem_max: 212992", "net/core/rmem_max"),
        ("net.ipv4.tcp_no_such_thing: 1", "a node has no setting net/ipv4/tcp_no_such_thing of its own"),
        ("net.ipv4.ip_local_port_range: 5 1", "the kernel does not take"),
    ] {
        let file = host.write("mine.yaml", &lab(&format!("sysctls: {{{setting}}}")));
        let refused = host.netlab(["up", &file]).exits(3);
        refused.says(words).says("mine.yaml:5").says("nothing was changed").says("help: ");
        host.assert_as(&before, setting);
    }
    // What a node can have beside the usual ones.
    let file = host.write("mine.yaml", &lab("sysctls: {net.core.somaxconn: 128, net.ipv4.tcp_mtu_probing: 1}"));
    host.netlab(["up", &file]).success();
    host.sh("ip netns exec mine-red sysctl -n net.core.somaxconn").success().says("128");
    host.netlab(["down"]).success();
    host.assert_as(&before, "settings of a node");
}

/// C5: a port that somebody in the node has already.
#[test]
fn a_service_whose_port_is_taken_is_named_with_its_last_words() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let file = host.write("mine.yaml", &lab("services: {one: {http: 80}, two: {http: 80}}"));
    let refused = host.netlab(["up", &file]);
    assert!(matches!(refused.code, Some(2 | 3)), "{refused}");
    refused.says("80").says("mine.yaml:5");
    host.assert_as(&before, "a port that is taken");
}

/// U12: whoever names a lab that was interrupted is told how to go on.
#[test]
fn a_lab_that_is_half_up_is_not_entered_checked_or_repaired() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab_failing("done:20=kill", ["up", "nat-lab"]).killed();
    for words in [&["check", "nat-lab"][..], &["exec", "--lab", "nat-lab", "red", "--", "true"], &["repair", "nat-lab"]]
    {
        host.netlab(words).exits(4).says("half up").says("netlab down nat-lab");
    }
    host.netlab(["down"]).success();
    host.assert_as(&before, "a lab that was half up");
}

/// U9: a lab at which another netlab is: who it is.
#[test]
fn a_lab_that_is_being_worked_on_is_left_alone_and_the_worker_named() {
    let Some(host) = Host::new() else { return };
    host.netlab(["up", "veth-lab"]).success();
    let during = host.snapshot();
    let mut held = host.start("flock", ["/run/netlab/veth-lab", "sleep", "600"]);
    host.wait_for("pidof sleep");
    let said = host.sh("timeout --signal=INT --kill-after=60 2 netlab down");
    assert!(said.stderr.contains("waiting for process "), "{said}");
    assert!(said.stderr.contains("flock") || said.stderr.contains("sleep"), "{said}");
    host.sh("kill $(pidof sleep)").success();
    held.wait().unwrap();
    host.assert_as(&during, "a lab that somebody else held");
    host.netlab(["down"]).success();
}

/// What `up` says of a lab file with mistakes is what `validate` says, with nothing changed.
#[test]
fn up_of_a_lab_file_with_mistakes_changes_nothing() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let file = host.write("mine.yaml", &lab("routes: [default via 10.0.0.255, 10.0.0.0/24 dev eth0]"));
    let validated = host.netlab(["validate", &file]).exits(2);
    for command in ["up", "plan"] {
        let ran = host.netlab([command, &file]).exits(2);
        assert_eq!(ran.stderr, validated.stderr, "{command}");
    }
    host.assert_as(&before, "mistakes");
}
