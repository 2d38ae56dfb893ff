//! Nobody answers: not the kernel, not a program that speaks for it, not a service. Each is waited for only so long, then it is
//! named, and everything is taken back.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::actions;
use crate::support::{Host, Ran, crowd};

/// Each step in turn never gets its answer.
fn at_each_step(words: &[&str], stride: usize) -> usize {
    let Some(host) = Host::new() else { return 0 };
    host.furnish();
    let before = host.snapshot();
    let steps = host.steps(words);
    for n in (0..steps).step_by(stride) {
        let point = format!("hang:{n}=0.02");
        let up = host.netlab_failing(&point, ["up"].iter().chain(words)).exits(3);
        up.says("after 0.02 s").says("everything was taken back; nothing is left");
        host.assert_as(&before, format!("{words:?} {point}"));
    }
    steps.div_ceil(stride)
}

#[test]
fn a_step_that_is_never_answered_is_given_up_and_everything_taken_back() {
    let labs: [(&[&str], usize); 5] = [
        (&["nat-lab"], 1),
        (&["nat-lab", "--on-host"], 2),
        (&["policy-lab"], 12),
        (&["ippool-lab"], 9),
        (&["bgp-lab"], 12),
    ];
    let hung = AtomicUsize::new(0);
    crowd::for_each(&labs, |(words, stride)| {
        hung.fetch_add(at_each_step(words, *stride), Ordering::Relaxed);
    });
    let hung = hung.into_inner();
    println!("FIGURE: {hung} steps that were never answered");
}

/// A step that is done again is never answered: it ends in time, and the same command goes on with it.
#[test]
fn a_repair_that_is_never_answered_ends_and_can_be_done_again() {
    let stride = if std::env::var_os("NETLAB_TORTURE").is_some() { 1 } else { 4 };
    let hung_at_all = AtomicUsize::new(0);
    crowd::for_each(&[&["nat-lab"][..], &["nat-lab", "--on-host"]], |words| {
        let Some(host) = Host::new() else { return };
        host.furnish();
        let before = host.snapshot();
        let by_hand = match words.len() {
            1 => "ip netns del red; ip -n host link del uplink; ip netns exec host iptables -t nat -F",
            _ => "ip netns del red; ip link del uplink; iptables -t nat -F; kill -9 $(ip netns pids blue)",
        };
        let (mut hung, mut whole) = (0, false);
        for n in (0..host.steps(words)).step_by(stride) {
            if !whole {
                host.netlab(["up"].iter().chain(*words)).success();
            }
            host.sh(by_hand).success();
            let point = format!("hang:{n}=0.02");
            let repair = host.netlab_failing(&point, ["repair"]);
            // A step that had no need of it.
            whole = repair.code == Some(0);
            if whole {
                continue;
            }
            repair.exits(3).says("after 0.02 s");
            hung += 1;
            if hung % 2 == 0 {
                host.netlab(["repair"]).success();
                host.netlab(["status"]).success();
            }
            host.netlab(["down"]).success();
            host.assert_as(&before, format!("{words:?} {point}"));
        }
        assert!(hung > 1, "only {hung} of the steps were repaired");
        host.netlab(["down", "nat-lab"]).success();
        host.assert_as(&before, format!("{words:?}, a repair that was never answered"));
        hung_at_all.fetch_add(hung, Ordering::Relaxed);
    });
    println!("FIGURE: {} steps of a repair that were never answered", hung_at_all.into_inner());
}

#[test]
fn an_action_that_is_never_answered_is_taken_back_and_one_that_is_taken_back_goes_on() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = host.write("act-lab.yaml", actions::LAB);
    let plan = host.netlab(["plan", "--json", &lab]).success().json();
    let kinds: Vec<&str> = plan["steps"].as_array().unwrap().iter().map(|s| kind(&s["op"])).collect();
    host.netlab(["up", &lab]).success();
    // An action, and the kind of a step that taking it back does again.
    for (action, again) in
        [("block-it", "add-route"), ("open-81", "load-rules"), ("new-page", "write-file"), ("no-web", "start-service")]
    {
        let mut done = false;
        for n in 0..3 {
            let ran = host.netlab_failing(&format!("hang:{n}=0.02"), ["act", action]);
            done = ran.code == Some(0);
            if done {
                // It has no such step.
                break;
            }
            ran.exits(3).says("after 0.02 s").says("the lab is as it was");
            host.netlab(["status"]).success();
            host.netlab(["check"]).success();
        }
        if !done {
            host.netlab(["act", action]).success();
        }
        let mut hung = 0;
        for n in (0..kinds.len()).filter(|n| kinds[*n] == again) {
            let undo = host.netlab_failing(&format!("hang:{n}=0.02"), ["act", action, "--undo"]);
            if undo.code == Some(3) {
                undo.says("after 0.02 s");
                host.netlab(["status"]).says(action);
                host.netlab(["act", action, "--undo"]).success();
                hung += 1;
            }
            host.netlab(["status"]).success();
            host.netlab(["check"]).success();
            host.netlab(["act", action]).success();
        }
        assert!(hung > 0, "{action}: no step was done again");
        host.netlab(["act", action, "--undo"]).success();
    }
    host.netlab(["down"]).success();
    host.assert_as(&before, "actions that were never answered");
}

fn kind(op: &serde_json::Value) -> &str {
    op.as_object().unwrap().keys().next().unwrap()
}

/// Puts a program before the real one of its name: one that never ends, and that has a child which never ends either.
fn stands_in(host: &Host, program: &str) {
    host.sh(&format!(
        "mountpoint -q /usr/local/sbin || mount -t tmpfs -o mode=755 tmpfs /usr/local/sbin
         printf '#!/bin/sh\\nsleep 1111 & sleep 2222\\n' > /usr/local/sbin/{program}
         chmod +x /usr/local/sbin/{program}"
    ))
    .success();
}

fn impatient(host: &Host, words: &[&str]) -> Ran {
    host.netlab_failing("patience=0.5", words)
}

#[test]
fn an_iptables_that_never_ends_is_named_and_ended_and_everything_taken_back() {
    for (program, words) in [
        ("iptables-restore", &["up", "nat-lab"][..]),
        ("iptables-save", &["up", "nat-lab"]),
        ("iptables-restore", &["up", "nat-lab", "--on-host"]),
        ("ipset", &["up", "ippool-lab"]),
    ] {
        let Some(host) = Host::new() else { return };
        if program == "ipset" && !host.built_in_labs().iter().any(|lab| lab == "ippool-lab") {
            continue;
        }
        let before = host.snapshot();
        stands_in(&host, program);
        let up = impatient(&host, words).exits(3);
        up.says(&format!("`{program}` has not ended after 0.5 s")).says("nothing is left");
        host.sh("! pgrep -x sleep; umount /usr/local/sbin").success();
        host.assert_as(&before, format!("{words:?} with a {program} that never ends"));
    }
}

#[test]
fn an_iptables_that_never_ends_on_the_way_down_is_named_and_a_later_down_takes_the_rest() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "nat-lab", "--on-host"]).success();
    stands_in(&host, "iptables");
    let down = impatient(&host, &["down"]).exits(5);
    down.says("firewall rules on this machine")
        .says("`iptables` has not ended after 0.5 s")
        .says("netlab down nat-lab");
    host.sh("! pgrep -x sleep; umount /usr/local/sbin").success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "down once more");
}

/// Not hung, but as good as: it is happy, and has not done all.
#[test]
fn an_iptables_that_loads_less_than_it_was_given_is_found_out() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.sh("mount -t tmpfs -o mode=755 tmpfs /usr/local/sbin
             real=$(command -v iptables-restore)
             printf '#!/bin/sh\\ngrep -v -- \"-A POSTROUTING\" | %s \"$@\"\\n' \"$real\" > /usr/local/sbin/iptables-restore
             chmod +x /usr/local/sbin/iptables-restore")
        .success();
    let up = host.netlab(["up", "nat-lab"]).exits(3).says("the kernel does not show what was made");
    up.says("host: iptables `-t nat -A POSTROUTING").says("` is missing").says("nothing is left");
    host.sh("umount /usr/local/sbin").success();
    host.assert_as(&before, "an iptables that drops a line");
}

const SLOW: &str = "\
name: slow-lab
nodes:
  left:
    interfaces: {eth0: {addresses: [10.0.0.1/24]}}
    services:
      web: {run: [sleep, 3333], SERVICE}
  right:
    interfaces: {eth0: {addresses: [10.0.0.2/24]}}
links:
  - endpoints: [left:eth0, right:eth0]
checks:
  - {name: asks, from: left, run: [sleep, 4444]}
";

#[test]
fn a_service_that_is_never_ready_is_named_and_everything_taken_back() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    for (service, words) in [
        ("ready: {tcp: 80, within: 300ms}", "port 80 does not accept connections after 0.3 s"),
        ("ready: {socket: /run/x, within: 300ms}", "/run/x does not accept connections after 0.3 s"),
        // The question itself never ends.
        ("ready: {run: [sleep, 5555], within: 300ms}", "`sleep 5555` does not exit with 0 after 0.3 s"),
        ("test: [sleep, 6666]", "`sleep` has not ended after 0.5 s"),
    ] {
        let lab = host.write("slow-lab.yaml", &SLOW.replace("SERVICE", service));
        impatient(&host, &["up", &lab]).exits(3).says(words).says("nothing is left");
        host.assert_as(&before, service);
    }
}

/// A Unix socket whose queue is full makes whoever connects wait, for ever.
#[test]
fn a_socket_that_nobody_accepts_on_does_not_hold_up_netlab() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let deaf = "import socket, time\n\
                s = socket.socket(socket.AF_UNIX); s.bind('/run/deaf'); s.listen(0)\n\
                full = [socket.socket(socket.AF_UNIX) for _ in range(4)]\n\
                [(c.setblocking(False), c.connect_ex('/run/deaf')) for c in full]\n\
                time.sleep(7777)\n";
    host.write("deaf.py", deaf);
    let service = "ready: {socket: /run/deaf, within: 1s}";
    let text = SLOW.replace("[sleep, 3333]", "[python3, /media/tmp/deaf.py]").replace("SERVICE", service);
    let lab = host.write("slow-lab.yaml", &text.replace("  left:\n", "  left:\n    files: {/run/note: x}\n"));
    host.netlab(["up", &lab]).exits(3).says("does not accept connections after 1 s").says("nothing is left");
    host.assert_as(&before, "a socket that nobody accepts on");
}

#[test]
fn a_ping_that_never_ends_fails_its_check_and_is_ended() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).success();
    stands_in(&host, "ping");
    host.netlab(["check", "veth-lab", "--only", "red reaches blue"]).exits(1);
    host.wait_for("! pgrep -f 'sleep [12]'");
    host.sh("umount /usr/local/sbin").success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "a ping that never ends");
}
