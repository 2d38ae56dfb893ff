//! Whoever prepares a machine for a class sees everything that is missing, and everything in the way, in one screen.

use crate::support::Host;
use crate::support::host::{SCRATCH, lacking_kinds};

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

/// A file that is no program stands where the program was.
fn without(host: &Host, program: &str) {
    host.write("none", "");
    host.sh(&format!("mount --bind {SCRATCH}/tmp/none $(readlink -f $(command -v {program}))")).success();
}

/// A program, a user, a setting, a name: whoever prepares a laptop for a class sees all of them at once.
#[test]
fn everything_that_is_in_the_way_is_told_at_once() {
    let Some(host) = Host::new() else { return };
    without(&host, "birdc");
    host.sh("ip netns add mine-blue; mkdir -p /etc/netns/mine-red").success();
    let before = host.snapshot();
    let services = "services: {a: {run: [no-such-daemon]}, b: {run: [sleep, 9], user: no-such-user}, \
                    c: {run: [birdc], user: of-the-package}}";
    let more = format!("{services}\n    files: {{/etc/mine: x}}\n    sysctls: {{net.core.rmem_max: 212992}}");
    let file = host.write("mine.yaml", &lab(&more));
    let refused = host.netlab(["up", &file, "--trust"]).exits(3);
    let order = [
        "error: not installed: `birdc`, `no-such-daemon`",
        "help: apt install bird2",
        "error: service `b` of `red`: there is no user `no-such-user`",
        "mine.yaml:5",
        "error: net/core/rmem_max is a setting of the whole machine",
        "mine.yaml:7",
        "error: 2 of the names that `mine` needs are taken",
        "note: /run/netns/mine-blue exists",
        "note: /etc/netns/mine-red exists",
        "help: if nobody needs them: `ip netns del mine-blue`, `rm -r /etc/netns/mine-red`",
        "error: 4 things are in the way of `mine`",
        "note: nothing was changed",
    ];
    let mut at = 0;
    for words in order {
        let found = refused.stderr[at..].find(words).unwrap_or_else(|| panic!("`{words}` is not there: {refused}"));
        at += found + words.len();
    }
    assert_eq!(refused.stderr.matches("error: ").count(), 5, "{refused}");
    assert_eq!(refused.stderr.matches("nothing was changed").count(), 1, "{refused}");
    // That user comes with the package.
    assert!(!refused.stderr.contains("no user `of-the-package`"), "{refused}");

    let said = host.netlab(["up", &file, "--trust", "--json"]).exits(3).json();
    let findings = said["error"]["findings"].as_array().unwrap();
    let codes: Vec<_> = findings.iter().map(|finding| finding["code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [3, 3, 3, 4]);
    assert_eq!(said["error"]["code"], 3);
    assert_eq!(said["error"]["notes"][0], "nothing was changed");
    assert_eq!(findings[2]["at"]["line"], 7);
    host.assert_as(&before, "with four things in the way");

    // One thing is told without a list around it.
    let other = lab("").replace("name: mine", "name: other\nnetns: \"mine-{node}\"");
    let other = host.write("other.yaml", &other);
    let alone = host.netlab(["up", &other]).exits(4);
    assert_eq!(alone.stderr.matches("error: ").count(), 1, "{alone}");
    alone.says("1 of the names that `other` needs is taken").says("nothing was changed");
}

/// What this kernel lacks, what is not installed and what is taken, in one screen.
#[test]
fn missing_kinds_of_links_are_told_beside_the_rest() {
    let Some(host) = Host::new() else { return };
    without(&host, "ping");
    for lab in ["sit-lab", "vlan-lab", "gre-lab"] {
        let kinds = lacking_kinds(lab, &[]);
        let plan = host.netlab(["plan", lab, "--json"]).success().json();
        let name = plan["nodes"][0]["netns"].as_str().unwrap();
        host.sh(&format!("ip netns add {name}")).success();
        let before = host.snapshot();
        let refused = host.netlab(["up", lab]).exits(3).says("`ping`").says("apt install iputils-ping");
        let refused = refused.says(&format!("/run/netns/{name} exists and was not made by netlab"));
        for kind in &kinds {
            assert!(refused.stderr.contains("this kernel cannot make links of kind") && refused.stderr.contains(kind));
        }
        let things = 2 + usize::from(!kinds.is_empty());
        refused.says(&format!("{things} things are in the way of `{lab}`"));
        host.assert_as(&before, lab);
        host.sh(&format!("ip netns del {name}")).success();
    }
}

/// What another lab has goes with that lab; a lab that is not whole is named as well.
#[test]
fn names_of_other_labs_are_told_with_the_lab_that_has_them() {
    let Some(host) = Host::new() else { return };
    host.netlab(["up", "nat-lab"]).success();
    let during = host.snapshot();
    let refused = host.netlab(["up", "bridge-lab"]).exits(4);
    let refused =
        refused.says("/run/netns/red is lab `nat-lab`'s").says("`netlab down nat-lab`").says("nothing was changed");
    assert_eq!(refused.stderr.matches("error: ").count(), 1, "{refused}");
    assert!(!refused.stderr.contains("ip netns del"), "{refused}");
    host.assert_as(&during, "beside nat-lab");
    host.netlab(["down"]).success();
    // Killed before its first namespace: nothing stands under the names.
    host.netlab_failing("up:0=kill", ["up", "nat-lab"]).killed();
    host.sh("test ! -e /run/netns/red").success();
    without(&host, "ping");
    let refused = host.netlab(["up", "bridge-lab"]).exits(3).says("`ping`");
    refused.says("lab `nat-lab`, which is not whole right now, has the name `").says("2 things are in the way");
}

/// On the machine itself: each interface, network, route and set that is there already, and what only the lab file can change.
#[test]
fn everything_of_the_machine_that_is_in_the_way_of_on_host_is_told_at_once() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    host.sh("ip link add v-net-0 type bridge; ip addr add 203.0.113.200/28 dev eth0; iptables -P FORWARD DROP")
        .success();
    let before = host.snapshot();
    let refused = host.netlab(["up", "nat-lab", "--on-host"]).exits(4);
    let refused = refused.says("already has an interface `v-net-0`").says("203.0.113.0/24 overlaps");
    refused.says("drops forwarded packets").says("3 things are in the way of `nat-lab`").says("nothing was changed");
    host.assert_as(&before, "three things of the machine");
    // What is a lab's goes with it: only that lab is named.
    host.sh("ip link del v-net-0; ip addr del 203.0.113.200/28 dev eth0; iptables -P FORWARD ACCEPT").success();
    host.netlab(["up", "nat-lab", "--on-host"]).success();
    let text = include_str!("../../labs/nat-lab.yaml").replace("name: nat-lab\n", "name: second\n");
    let second = host.write("second.yaml", &text.replace("\"{node}\"", "second-{node}"));
    let refused = host.netlab(["up", &second, "--on-host"]).exits(4);
    let refused = refused.says("lab `nat-lab` is up with --on-host; one at a time").says("nothing was changed");
    assert_eq!(refused.stderr.matches("error: ").count(), 1, "{refused}");
    host.netlab(["down"]).success();
}

/// `--replace` takes nothing down for a lab that this machine cannot bring up.
#[test]
fn a_lab_is_not_replaced_by_one_that_cannot_come_up() {
    let Some(host) = Host::new() else { return };
    let file = host.write("mine.yaml", &lab(""));
    host.netlab(["up", &file]).success();
    let during = host.snapshot();
    host.write("mine.yaml", &lab("services: {name-server: {run: [no-such-daemon]}}"));
    let refused = host.netlab(["up", &file, "--replace"]).exits(3);
    refused.says("`no-such-daemon`").says("nothing was changed");
    host.assert_as(&during, "not replaced");
    host.netlab(["down", "mine"]).success();
}
