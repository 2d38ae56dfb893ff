//! More than one netlab at a time, and more than one lab.

use crate::support::{Host, Ran, labs};

#[test]
fn eight_ups_of_one_lab_at_once_make_it_once() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let children: Vec<_> = (0..8).map(|_| host.command("netlab").args(["up", "nat-lab"]).spawn().unwrap()).collect();
    let ran: Vec<Ran> = children.into_iter().map(|c| Ran::ended("netlab up nat-lab", c).success()).collect();
    let made = ran.iter().filter(|r| !r.stdout.contains("up already")).count();
    assert_eq!(made, 1, "{ran:?}");
    host.netlab(["status"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "eight at once");
}

#[test]
fn ups_and_downs_of_one_lab_at_once_end_with_a_whole_lab_or_none() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let children: Vec<_> = (0..12)
        .map(|n| host.command("netlab").args([if n % 2 == 0 { "up" } else { "down" }, "veth-lab"]).spawn().unwrap())
        .collect();
    for child in children {
        Ran::ended("netlab up or down veth-lab", child).success();
    }
    host.netlab(["status"]).success();
    host.netlab(["down", "veth-lab"]).success();
    host.assert_as(&before, "six ups and six downs at once");
}

#[test]
fn two_labs_do_not_disturb_each_other() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let other = host.write("other.yaml", labs::OTHER);
    for last in ["nat-lab", "other-lab"] {
        let first = if last == "nat-lab" { "other-lab" } else { "nat-lab" };
        host.netlab(["up", "nat-lab"]).success();
        host.netlab(["up", &other]).success();
        host.netlab(["check", "other-lab"]).success();
        host.netlab(["status"]).success();
        host.netlab(["down"]).exits(2).says("several labs are up");
        host.netlab(["down", first]).success();
        host.netlab(["status", last]).success();
        let check = if last == "nat-lab" { "blue reaches the outside" } else { "left reaches right" };
        host.netlab(["check", last, "--only", check]).success();
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("{last} down last"));
    }
}

#[test]
fn two_labs_that_come_and_go_at_once_leave_nothing() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let other = host.write("other.yaml", labs::OTHER);
    for _ in 0..5 {
        for command in ["up", "down"] {
            let labs = ["veth-lab", &other];
            let children: Vec<_> =
                labs.iter().map(|lab| host.command("netlab").args([command, lab]).spawn().unwrap()).collect();
            for child in children {
                Ran::ended(&format!("netlab {command}"), child).success();
            }
        }
        host.assert_as(&before, "two labs at once");
    }
}

#[test]
fn a_lab_that_needs_a_name_of_another_lab_is_refused_and_told_who_has_it() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).success();
    let during = host.snapshot();
    host.netlab(["up", "bridge-lab"]).exits(4).says("netlab down veth-lab");
    host.assert_as(&during, "a refused second lab");
    host.netlab(["down", "--all"]).success();
    host.assert_as(&before, "down --all");
}

#[test]
fn down_all_takes_every_lab_down() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let other = host.write("other.yaml", labs::OTHER);
    host.netlab(["up", "veth-lab"]).success();
    host.netlab(["up", &other]).success();
    host.netlab(["down", "--all"]).success();
    host.netlab(["down", "--all"]).success().says("no lab is up");
    host.assert_as(&before, "down --all");
}

#[test]
fn a_namespace_that_somebody_holds_open_keeps_no_links_of_the_lab() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "bridge-lab"]).success();
    let mut holder = host.start("sh", ["-c", "exec 9</run/netns/host; exec sleep 60"]);
    let inside = "nsenter --net=/proc/$(pgrep -x sleep)/fd/9 ip -o link show";
    host.wait_for(&format!("{inside} | grep v-net-0"));
    host.netlab(["down"]).success();
    let links = host.sh(inside).success().stdout;
    assert!(!links.contains("v-net-0"), "{links}");
    host.sh("kill $(pgrep -x sleep)").success();
    holder.wait().unwrap();
    host.assert_as(&before, "down of a lab whose namespace was held open");
}
