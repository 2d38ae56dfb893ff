//! Ctrl-C, `kill`, a closed terminal, an output that nobody reads: real signals on real terminals, at moments that are held
//! until they have come.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Host, Ran};

/// A command on a terminal of its own (`script` is the terminal), what it has shown so far, and a keyboard.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn of(host: &Host, point: &str, words: &str) -> Terminal {
        let mut command = host.command("script");
        command.args(["-qec", &format!("trap : INT; netlab {words}; echo code=$?"), "/dev/null"]);
        command.env("NETLAB_FAILPOINT", point).env("TERM", "xterm").env("SHELL", "/bin/sh").stdin(Stdio::piped());
        let mut script = command.spawn().unwrap();
        let (keys, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let shown = Arc::new(Mutex::new(String::new()));
        let keep = shown.clone();
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(n @ 1..) = screen.read(&mut some) {
                keep.lock().unwrap().push_str(&String::from_utf8_lossy(&some[..n]));
            }
        });
        Terminal { script, keys, shown }
    }

    fn ctrl_c(&mut self) {
        self.keys.write_all(b"\x03").unwrap();
        self.keys.flush().unwrap();
    }

    #[track_caller]
    fn shows(&self, words: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.shown.lock().unwrap().contains(words) {
            assert!(Instant::now() < until, "no `{words}` in\n{}", self.shown.lock().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The window is closed: whoever is on the terminal gets a SIGHUP, and can write to it no more.
    fn close(mut self, host: &Host) {
        host.sh("kill -9 $(pgrep -x script)").success();
        self.script.wait().unwrap();
    }

    fn ended(mut self) {
        self.script.wait().unwrap();
    }
}

/// Starts `netlab WORDS`, to be ended by a signal.
fn begin(host: &Host, point: &str, words: &[&str]) -> Child {
    let mut command = host.command("netlab");
    command.args(words).env("NETLAB_FAILPOINT", point);
    command.spawn().unwrap()
}

/// The command itself: the programs of a lab that are netlab too have another parent.
fn signal(host: &Host, name: &str) {
    host.sh(&format!("kill -{name} $(pgrep -ox netlab)")).success();
}

/// Puts a program before the real one of its name that waits while /media/tmp/hold is there.
fn held_back(host: &Host, program: &str) {
    host.sh(&format!(
        "real=$(command -v {program})
         mount -t tmpfs -o mode=755 tmpfs /usr/local/sbin
         printf '#!/bin/sh\\nwhile test -e /media/tmp/hold; do sleep 0.02; done\\nexec %s \"$@\"\\n' $real \
            > /usr/local/sbin/{program}
         chmod +x /usr/local/sbin/{program}
         touch /media/tmp/hold"
    ))
    .success();
}

const WAITS: &str = "pgrep -f '^/bin/sh /usr/local/sbin/'";
const GO_ON: &str = "rm /media/tmp/hold";
const AS_IT_WAS: &str = "umount /usr/local/sbin";

#[test]
fn ctrl_c_on_a_terminal_takes_everything_back_wherever_up_is() {
    for words in ["nat-lab", "nat-lab --on-host"] {
        let Some(host) = Host::new() else { return };
        host.furnish();
        let before = host.snapshot();
        let steps = host.steps(&words.split(' ').collect::<Vec<_>>());
        for n in (3..steps).step_by(7) {
            // The step is never answered: without Ctrl-C this would go on for two minutes.
            let mut terminal = Terminal::of(&host, &format!("hang:{n}=120"), &format!("up {words}"));
            host.wait_for("test -e /run/netlab/nat-lab/journal");
            terminal.ctrl_c();
            terminal.shows("interrupted; finishing cleanly");
            terminal.shows("everything was taken back; nothing is left");
            terminal.shows("code=130");
            terminal.ended();
            host.assert_as(&before, format!("Ctrl-C at step {n} of {words}"));
        }
    }
}

#[test]
fn a_second_ctrl_c_hears_that_netlab_is_still_cleaning_and_stops_nothing() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    let last = host.steps(&["nat-lab", "--on-host"]) - 1;
    held_back(&host, "iptables");
    let mut terminal = Terminal::of(&host, &format!("hang:{last}=120"), "up nat-lab --on-host");
    host.wait_for("iptables-save | grep -q netlab");
    terminal.ctrl_c();
    terminal.shows("taking back what was done");
    // In the middle of the roll-back, on the same terminal as the program that does it.
    host.wait_for(WAITS);
    for _ in 0..3 {
        terminal.ctrl_c();
    }
    terminal.shows("still cleaning up");
    host.sh(GO_ON).success();
    terminal.shows("nothing is left");
    terminal.shows("code=130");
    terminal.ended();
    host.sh(AS_IT_WAS).success();
    host.assert_as(&before, "Ctrl-C four times");
}

#[test]
fn a_closed_terminal_takes_everything_back() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    for words in ["nat-lab", "nat-lab --on-host"] {
        let n = host.steps(&words.split(' ').collect::<Vec<_>>()) - 2;
        let terminal = Terminal::of(&host, &format!("hang:{n}=120"), &format!("up {words}"));
        host.wait_for("test -e /run/netns/blue");
        terminal.close(&host);
        host.wait_for("! pgrep -x netlab");
        host.assert_as(&before, format!("{words} and a closed terminal"));
    }
}

#[test]
fn a_netlab_that_was_told_to_ignore_hang_ups_ignores_them() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let mut command = host.command("sh");
    command.args(["-c", "trap '' HUP; exec netlab up veth-lab"]).env("NETLAB_FAILPOINT", "hang:9=2");
    let up = command.spawn().unwrap();
    host.wait_for("test -e /run/netlab/veth-lab/journal");
    signal(&host, "HUP");
    // It went on until the step was given up.
    Ran::ended("up under nohup", up).exits(3).says("after 2 s");
    host.assert_as(&before, "a hang-up that was ignored");
}

#[test]
fn an_output_that_is_closed_or_that_nobody_reads_to_its_end_stops_nothing() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    for output in [">&-", "2>&-", "<&- >&- 2>&-", "| head -c 1", "2>&1 | head -c 1", "2>&1 | true", ">/dev/full 2>&1"] {
        let code = "c=$?; echo $c > /media/tmp/code";
        let run = |words: &str| {
            host.sh(&format!("{{ {words}; {code}; }} {output}")).success();
            host.sh("cat /media/tmp/code; rm /media/tmp/code").success().stdout.trim().to_string()
        };
        assert_eq!(run("set +e; NETLAB_FAILPOINT=up:30=error netlab up nat-lab --explain"), "3", "{output}");
        host.assert_as(&before, format!("a refused up {output}"));
        assert_eq!(run("set +e; netlab up nat-lab --explain"), "0", "{output}");
        assert_eq!(run("set +e; netlab status; netlab down"), "0", "{output}");
        host.assert_as(&before, format!("up and down {output}"));
    }
}

/// A stopped terminal (Ctrl-S), a pager that waits: who writes waits, for ever.
#[test]
fn a_full_pipe_that_nobody_reads_stops_no_roll_back_and_no_down() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.sh("mkfifo /media/tmp/pipe").success();
    let into_a_full_pipe = |point: &str, words: &str| {
        // Somebody holds the reading end, and does not read.
        let script = format!(
            "sleep 8888 < /media/tmp/pipe > /dev/null 2>&1 & exec 3> /media/tmp/pipe
             head -c 65536 /dev/zero >&3
             exec netlab {words} >&3 2>&1 3>&-"
        );
        let mut command = host.command("sh");
        command.args(["-c", &script]);
        command.env("NETLAB_FAILPOINT", point);
        command.spawn().unwrap()
    };
    // Refused: everything is taken back before netlab waits for somebody who listens.
    let up = into_a_full_pipe("hang:30=1", "up nat-lab");
    host.wait_for("test -e /run/netns/blue");
    host.wait_for("test ! -e /run/netlab && pgrep -x netlab");
    // It has nothing more to do, and ends when it is asked to.
    signal(&host, "TERM");
    assert_eq!(Ran::ended("up into a full pipe", up).code, Some(3));
    host.sh("kill $(pgrep -x sleep)").success();
    host.assert_as(&before, "a refused up into a full pipe");
    // Interrupted.
    let up = into_a_full_pipe("hang:30=120", "up nat-lab");
    host.wait_for("test -e /run/netns/blue");
    signal(&host, "INT");
    assert_eq!(Ran::ended("up into a full pipe", up).code, Some(130));
    host.sh("kill $(pgrep -x sleep)").success();
    host.assert_as(&before, "Ctrl-C and a full pipe");
    // All labs go, although nobody hears of the first.
    host.netlab(["up", "veth-lab"]).success();
    let other = host.write("other.yaml", crate::support::labs::OTHER);
    host.netlab(["up", &other]).success();
    let down = into_a_full_pipe("", "down --all");
    host.wait_for("test ! -e /run/netlab && pgrep -x netlab");
    signal(&host, "TERM");
    assert_eq!(Ran::ended("down into a full pipe", down).code, Some(0));
    host.sh("kill $(pgrep -x sleep)").success();
    host.assert_as(&before, "down into a full pipe");
}

/// It is ready when /media/tmp/go is there, which takes a person.
const WAITING: &str = "\
name: wait-lab
nodes:
  left:
    interfaces: {eth0: {addresses: [10.0.0.1/24]}}
    services:
      web: {run: [sleep, 3333], ready: {run: [test, -e, /media/tmp/go], within: 60s}}
  right:
    interfaces: {eth0: {addresses: [10.0.0.2/24]}}
links:
  - endpoints: [left:eth0, right:eth0]
checks:
  - {name: asks, from: left, run: [sh, -c, sleep 4444 & sleep 5555]}
";

#[test]
fn waiting_for_a_service_hears_a_signal_at_once() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = host.write("wait-lab.yaml", WAITING);
    for name in ["INT", "TERM", "HUP"] {
        let up = begin(&host, "", &["up", &lab]);
        host.wait_for("pgrep -f '^sleep 3333'");
        signal(&host, name);
        Ran::ended(name, up).exits(130).says("interrupted").says("nothing is left");
        host.assert_as(&before, name);
    }
    // The same for repair, which can be gone on with.
    host.sh("touch /media/tmp/go").success();
    host.netlab(["up", &lab]).success();
    host.sh("rm /media/tmp/go; kill -9 $(pgrep -f '^sleep 3333')").success();
    host.wait_for("! pgrep -f '^sleep 3333'");
    let repair = begin(&host, "", &["repair"]);
    host.wait_for("pgrep -f '^sleep 3333'");
    signal(&host, "INT");
    Ran::ended("repair", repair).exits(130).says("`netlab repair wait-lab` goes on where this stopped");
    host.sh("touch /media/tmp/go").success();
    host.netlab(["repair"]).success();
    host.netlab(["status"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "repair that was interrupted");
}

#[test]
fn checks_that_are_interrupted_end_with_all_that_they_have_started() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.sh("touch /media/tmp/go").success();
    let lab = host.write("wait-lab.yaml", WAITING);
    host.netlab(["up", &lab]).success();
    let during = host.snapshot();
    for name in ["INT", "TERM", "HUP"] {
        let check = begin(&host, "", &["check"]);
        host.wait_for("pgrep -f '^sleep 4444' && pgrep -f '^sleep 5555'");
        signal(&host, name);
        Ran::ended("check", check).exits(130).says("interrupted").says("the lab is as it was");
        host.wait_for("! pgrep -f '^sleep [45]'");
        host.assert_as(&during, format!("checks that {name} has ended"));
    }
    host.netlab(["down"]).success();
    host.assert_as(&before, "checks that were interrupted");
}

#[test]
fn an_action_that_is_interrupted_is_taken_back() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = host.write("act-lab.yaml", super::actions::LAB);
    host.netlab(["up", &lab]).success();
    let during = host.snapshot();
    held_back(&host, "ipset");
    let act = begin(&host, "", &["act", "act-lab", "close"]);
    host.wait_for(WAITS);
    signal(&host, "INT");
    // Taking it back takes the same program: it is waited for now.
    host.wait_for("test $(pgrep -fc '^/bin/sh /usr/local/sbin/ipset save') -gt 0");
    signal(&host, "INT");
    host.sh(GO_ON).success();
    Ran::ended("act", act).exits(130).says("interrupted").says("the lab is as it was");
    host.sh(AS_IT_WAS).success();
    host.netlab(["status"]).success();
    let after = host.snapshot();
    for section in ["links", "routing", "firewall", "settings"] {
        assert_eq!(during.lines(section), after.lines(section), "{section}");
    }
    host.netlab(["act", "act-lab", "close"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "an action that was interrupted, and done");
}

#[test]
fn down_goes_on_to_its_end_whatever_comes_and_says_so() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    host.netlab(["up", "nat-lab", "--on-host"]).success();
    held_back(&host, "iptables");
    let down = begin(&host, "", &["down"]);
    host.wait_for(WAITS);
    ["INT", "TERM", "HUP"].iter().for_each(|name| signal(&host, name));
    host.sh(GO_ON).success();
    let down = Ran::ended("down", down).success();
    down.says("this goes on to its end").says("nat-lab is down");
    host.sh(AS_IT_WAS).success();
    host.assert_as(&before, "a down that nobody could stop");
}

#[test]
fn a_test_of_a_lab_that_is_interrupted_leaves_nothing() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    for name in ["INT", "TERM", "HUP"] {
        let test = begin(&host, "hang:9=120", &["test", "veth-lab"]);
        host.wait_for("test $(pgrep -xc netlab) -ge 2 && pgrep -f 'stage insid[e]'");
        signal(&host, name);
        let ended = Ran::ended("test", test);
        assert_ne!(ended.code, Some(0), "{ended}");
        host.wait_for("! pgrep -f 'netlab tes[t]'");
        host.assert_as(&before, format!("a test that {name} has ended"));
    }
}
