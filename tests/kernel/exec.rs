//! `netlab exec`: a command in a node, as if typed on that machine.

use crate::support::Host;

#[test]
fn exec_runs_inside_the_node() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).success();
    let shown = host.netlab(["exec", "red", "--", "ip", "-br", "addr"]).success();
    shown.says("veth-red").says("192.168.15.1/24");
    // /sys shows the network of whoever mounted it.
    let interfaces = host.netlab(["exec", "red", "--", "ls", "/sys/class/net"]).success();
    assert_eq!(interfaces.stdout.split_whitespace().collect::<Vec<_>>(), ["lo", "veth-red"]);
    host.netlab(["down"]).success();
    host.assert_as(&before, "exec");
}

#[test]
fn exec_ends_as_its_command_ends() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).success();
    host.netlab(["exec", "red", "--", "sh", "-c", "exit 7"]).exits(7);
    host.netlab(["exec", "red", "--", "sh", "-c", "kill -9 $$"]).killed();
    host.netlab(["exec", "red", "--", "no-such-program"]).exits(3).says("no-such-program");
    host.netlab(["down"]).success();
    host.assert_as(&before, "exec");
}

#[test]
fn exec_suggests_the_node_that_was_meant() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["exec", "red", "--", "true"]).exits(2).says("no lab is up");
    host.netlab(["up", "veth-lab"]).success();
    host.netlab(["exec", "rad", "--", "true"]).exits(2).says("did you mean `red`?");
    host.netlab(["exec", "zebra", "--", "true"]).exits(2).says("red, blue");
    host.netlab(["down"]).success();
    host.assert_as(&before, "exec");
}

#[test]
fn exec_shows_the_files_of_etc_netns_in_etc() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).success();
    host.sh("mkdir -p /etc/netns/red; echo 192.0.2.7 somewhere > /etc/netns/red/hosts").success();
    host.netlab(["exec", "red", "--", "cat", "/etc/hosts"]).success().says("192.0.2.7 somewhere");
    host.sh("rm -r /etc/netns").success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "exec");
}
