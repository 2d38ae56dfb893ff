//! netlab is ended with SIGKILL right before its system calls that change anything: between any two of them there is a state
//! of the machine that no failpoint may know. `down` afterwards finds everything and leaves nothing, and what was interrupted
//! can be done again.
//!
//! In an ordinary run a few calls of each command are tried, with `NETLAB_TORTURE` one in eight, with `NETLAB_CALLS=1` each.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Host, crowd};
use crate::{actions, machine};

/// How many calls of a command are tried in an ordinary run.
const SOME: usize = 2;
/// A machine has only so long to live.
const OF_ONE_MACHINE: usize = 40;

/// A command that is killed.
struct Killed {
    /// What comes before it, one a line: `act-lab` is the lab of the actions, `mixed-lab` the one on the machine.
    first: &'static str,
    by_hand: &'static str,
    command: &'static str,
    /// What goes on with it.
    again: &'static str,
}

const fn killed(first: &'static str, by_hand: &'static str, command: &'static str, again: &'static str) -> Killed {
    Killed { first, by_hand, command, again }
}

const BROKEN: &str = "ip netns del red; ip -n host link del uplink; ip netns exec host iptables -t nat -F
    ip -n blue addr flush dev veth-blue; ip -n blue route add 10.77.0.0/24 dev lo";
const BROKEN_ON_HOST: &str = "ip netns del red; ip link del uplink; iptables -t nat -D POSTROUTING 1
    sysctl -qw net.ipv4.ip_forward=0; kill -9 $(ip netns pids blue)";
const BROKEN_SERVICES: &str = "kill -9 $(pgrep nginx); ip netns del act-lab-left
    echo '# mine' >> /etc/netns/act-lab-right/nginx/page.conf
    ip netns exec act-lab-right ipset add closed 10.3.0.0/24
    ip netns exec act-lab-right sysctl -qw net.ipv4.icmp_echo_ignore_all=1";
const HALF_UP: &str = "NETLAB_FAILPOINT=up:30=kill netlab up nat-lab || true";

const BROKEN_RULES: &str = "iptables -D FORWARD -i mixed1 -m comment --comment netlab:mixed-lab -j MIXED
    iptables -P FORWARD ACCEPT; ip link set mixed-br address 02:11:22:33:44:55; ip rule del priority 100";

const ALL: &[Killed] = &[
    killed("", "", "up mixed-lab --on-host", "up mixed-lab --on-host"),
    killed("up mixed-lab --on-host", "", "down mixed-lab", "down --all"),
    killed("up mixed-lab --on-host", BROKEN_RULES, "repair mixed-lab", "repair mixed-lab"),
    killed("up mixed-lab --on-host", "", "act mixed-lab by-way", "repair mixed-lab"),
    killed("up mixed-lab --on-host\nact mixed-lab by-way", "", "act mixed-lab by-way --undo", "repair mixed-lab"),
    killed("", "", "up nat-lab", "up nat-lab"),
    killed("", "", "up nat-lab --on-host", "up nat-lab --on-host"),
    killed("", "", "up act-lab", "up act-lab"),
    killed("up nat-lab", "", "down nat-lab", "down nat-lab"),
    killed("up nat-lab --on-host", "", "down nat-lab", "down nat-lab"),
    killed("up act-lab", "", "down act-lab", "down --all"),
    killed("", HALF_UP, "down nat-lab", "down nat-lab"),
    killed("", HALF_UP, "gc", "gc"),
    killed("up nat-lab", BROKEN, "repair nat-lab", "repair nat-lab"),
    killed("up nat-lab --on-host", BROKEN_ON_HOST, "repair nat-lab", "repair nat-lab"),
    killed("up act-lab", BROKEN_SERVICES, "repair act-lab", "repair act-lab"),
    killed("up act-lab", "", "act act-lab block-it", "repair act-lab"),
    killed("up act-lab", "", "act act-lab close", "repair act-lab"),
    killed("up act-lab", "", "act act-lab open-81", "repair act-lab"),
    killed("up act-lab", "", "act act-lab new-page", "repair act-lab"),
    killed("up act-lab", "", "act act-lab no-web", "repair act-lab"),
    killed("up act-lab\nact act-lab block-it", "", "act act-lab block-it --undo", "repair act-lab"),
    killed("up act-lab\nact act-lab close", "", "act act-lab close --undo", "repair act-lab"),
    killed("up act-lab\nact act-lab open-81", "", "act act-lab open-81 --undo", "repair act-lab"),
    killed("up act-lab\nact act-lab new-page", "", "act act-lab new-page --undo", "repair act-lab"),
    killed("up act-lab\nact act-lab no-web", "", "act act-lab no-web --undo", "repair act-lab"),
    killed("", "", "test veth-lab", "test veth-lab"),
];

impl Killed {
    fn ready(&self, host: &Host) {
        self.first.lines().for_each(|command| drop(host.netlab(words(command, host)).success()));
        host.sh(self.by_hand).success();
    }

    /// How many of its system calls count.
    fn calls(&self) -> usize {
        let Some(host) = Host::new() else { return 0 };
        host.furnish();
        self.ready(&host);
        let (ran, _, calls) = host.netlab_killed_at(usize::MAX, words(self.command, &host));
        ran.success();
        calls
    }

    /// Kills it at some of its calls; says how many those were.
    fn at_some_calls(&self) -> usize {
        let calls = self.calls();
        let wish = std::env::var("NETLAB_CALLS").ok().and_then(|n| n.parse().ok());
        let torture = std::env::var_os("NETLAB_TORTURE").map(|_| 8);
        let stride: usize = wish.or(torture).unwrap_or(calls / SOME + 1);
        // Which ones, that depends on the command.
        let first = self.command.bytes().map(usize::from).sum::<usize>() % stride;
        let points: Vec<usize> = (first..calls).step_by(stride).collect();
        for some in points.chunks(OF_ONE_MACHINE) {
            let Some(host) = Host::new() else { return 0 };
            host.furnish();
            let before = host.snapshot();
            for call in some {
                self.ready(&host);
                let (ran, at, _) = host.netlab_killed_at(*call, words(self.command, &host));
                let goes_on = (call / stride).is_multiple_of(2);
                let then = if goes_on { self.again } else { "down --all" };
                let when = format!("{:?}, {:?}, {ran}, at {at:?}, then {then}", self.first, self.by_hand);
                // Threads take turns: it may have one call less this time, and have ended.
                assert!(at.is_none() || ran.code.is_none(), "not killed: {when}");
                // What a test had on a machine of its own goes with its first process, a moment later.
                host.wait_for("! pgrep -f 'netlab (trial|test)'");
                let done = host.netlab(words(then, &host));
                assert_eq!(done.code, Some(0), "{when}: {done}");
                if goes_on {
                    let status = host.netlab(["status"]);
                    assert_eq!(status.code, Some(0), "{when}: {status}");
                }
                let down = host.netlab(["down", "--all"]);
                assert_eq!(down.code, Some(0), "{when}: {down}");
                host.assert_as(&before, when);
            }
        }
        points.len()
    }
}

/// A command's words; what is brought up may be a file.
fn words(command: &str, host: &Host) -> Vec<String> {
    let is_up = command.starts_with("up");
    let file = |word: &str| match word {
        "act-lab" if is_up => host.write("act-lab.yaml", actions::LAB),
        "mixed-lab" if is_up => host.write("mixed-lab.yaml", machine::LAB),
        _ => word.into(),
    };
    command.split_whitespace().map(file).collect()
}

#[test]
fn killed_before_any_system_call_nothing_is_lost_or_left() {
    let tried = AtomicUsize::new(0);
    crowd::for_each(ALL, |killed| {
        tried.fetch_add(killed.at_some_calls(), Ordering::Relaxed);
    });
    let tried = tried.into_inner();
    println!(
        "FIGURE: {tried} system calls of `up`, `down`, `gc`, `repair`, `act` and `test` right before which netlab was killed"
    );
}
