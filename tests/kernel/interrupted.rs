//! netlab is ended in the worst moments. `down` afterwards finds everything, and leaves nothing.
//!
//! The moments: right before each step, right after it while the journal has not heard of it, in the middle of a batch of
//! which the journal knows only that it was begun, between the plan and its
//! first step, between any two things that `down` takes back, and anywhere at all.

use std::time::Duration;

use crate::support::{Host, Snapshot};

/// A lab as `up` takes it, and which steps are tried: every `stride`-th.
struct Sweep {
    host: Host,
    before: Snapshot,
    words: &'static [&'static str],
    stride: usize,
}

impl Sweep {
    fn of(words: &'static [&'static str], stride: usize) -> Option<Sweep> {
        let host = Host::new()?;
        host.furnish();
        let before = host.snapshot();
        Some(Sweep { host, before, words, stride })
    }

    fn up(&self) -> Vec<&'static str> {
        ["up"].iter().chain(self.words).copied().collect()
    }

    fn down(&self) -> [&'static str; 2] {
        ["down", self.words[0]]
    }

    fn at_each_step(&self, place: &str, action: &str, then: impl Fn(&str)) {
        for n in (0..self.host.steps(self.words)).step_by(self.stride) {
            then(&format!("{place}:{n}={action}"));
        }
    }

    #[track_caller]
    fn nothing_left(&self, when: &str) {
        self.host.assert_as(&self.before, format!("{when} {:?}", self.words));
    }

    fn killed_on_the_way_up(&self, place: &str) {
        self.at_each_step(place, "kill", |point| {
            self.host.netlab_failing(point, self.up()).killed();
            self.host.netlab(self.down()).success();
            self.nothing_left(point);
        });
    }

    fn failed_on_the_way_up(&self) {
        self.at_each_step("up", "error", |point| {
            let failed = self.host.netlab_failing(point, self.up()).exits(3);
            failed.says("failpoint").says("nothing is left");
            self.nothing_left(point);
        });
    }

    fn killed_on_the_way_down(&self) {
        for n in 0.. {
            self.host.netlab(self.up()).success();
            let point = format!("down:{n}=kill");
            let down = self.host.netlab_failing(&point, self.down());
            if down.code == Some(0) {
                assert!(n > 3, "{down}");
                self.nothing_left(&point);
                return;
            }
            down.killed();
            self.host.netlab(self.down()).success();
            self.nothing_left(&point);
        }
    }
}

macro_rules! sweeps {
    ($($name:ident: $words:expr, every $stride:expr;)*) => {$(
        mod $name {
            use super::Sweep;

            #[test]
            fn killed_before_a_step_down_leaves_nothing() {
                let Some(sweep) = Sweep::of(&$words, $stride) else { return };
                sweep.killed_on_the_way_up("up");
            }

            #[test]
            fn killed_after_a_step_that_is_not_on_record_down_leaves_nothing() {
                let Some(sweep) = Sweep::of(&$words, $stride) else { return };
                sweep.killed_on_the_way_up("done");
            }

            #[test]
            fn killed_in_the_middle_of_a_batch_down_leaves_nothing() {
                let Some(sweep) = Sweep::of(&$words, $stride) else { return };
                sweep.killed_on_the_way_up("half");
            }

            #[test]
            fn refused_at_a_step_up_itself_leaves_nothing() {
                let Some(sweep) = Sweep::of(&$words, $stride) else { return };
                sweep.failed_on_the_way_up();
            }

            #[test]
            fn killed_on_the_way_down_a_second_down_leaves_nothing() {
                let Some(sweep) = Sweep::of(&$words, $stride) else { return };
                sweep.killed_on_the_way_down();
            }
        }
    )*};
}

sweeps! {
    nat_lab: ["nat-lab"], every 1;
    nat_lab_on_host: ["nat-lab", "--on-host"], every 1;
    bridge_lab_on_host: ["bridge-lab", "--on-host"], every 4;
    veth_lab: ["veth-lab"], every 4;
    policy_lab: ["policy-lab"], every 12;
    ingress_lab: ["ingress-lab"], every 12;
}

#[test]
fn killed_around_the_journal_down_leaves_nothing() {
    let Some(sweep) = Sweep::of(&["nat-lab"], 1) else { return };
    sweep.host.netlab_failing("journal=kill", sweep.up()).killed();
    sweep.host.netlab(sweep.down()).success();
    sweep.nothing_left("killed when the plan was written");
    sweep.host.netlab(sweep.up()).success();
    sweep.host.netlab_failing("cleared=kill", sweep.down()).killed();
    sweep.host.netlab(sweep.down()).success();
    sweep.nothing_left("killed when all was gone but the journal");
}

/// No failpoint lies between these lines of code, but SIGKILL does: what it leaves is laid out by hand.
#[test]
fn killed_while_the_ground_is_made_down_leaves_nothing() {
    let Some(sweep) = Sweep::of(&["nat-lab"], 1) else { return };
    let ground = ["mkdir -m 700 /run/netlab", "mkdir -m 700 /run/netlab; touch /run/netlab/.ground"];
    for half in ground {
        sweep.host.sh(half).success();
        sweep.host.netlab(sweep.down()).success();
        sweep.nothing_left(&format!("`{half}`, then down"));
    }
    for half in ground {
        sweep.host.sh(half).success();
        sweep.host.netlab(sweep.up()).success();
        sweep.host.netlab(sweep.down()).success();
        sweep.nothing_left(&format!("`{half}`, then up and down"));
    }
}

#[test]
fn killed_while_the_ground_is_cleared_a_second_down_leaves_nothing() {
    let Some(sweep) = Sweep::of(&["nat-lab"], 1) else { return };
    sweep.host.netlab(sweep.up()).success();
    sweep.host.netlab_failing("cleared=kill", sweep.down()).killed();
    sweep.host.sh("rm -r /run/netlab/nat-lab; cp -a /run/netlab /media/tmp/ground").success();
    sweep.host.netlab(sweep.down()).success();
    sweep.nothing_left("killed when the lab's folder was gone and the ground was not");
    // Nobody knows any more which lab it was.
    for words in [&["down"][..], &["down", "some-lab"], &["down", "--all"], &["gc"]] {
        sweep.host.sh("cp -a /media/tmp/ground /run/netlab; mkdir /run/netns").success();
        sweep.host.netlab(words);
        sweep.nothing_left(&format!("{words:?} with nothing but the ground"));
    }
}

/// nginx writes its title over its environment, and so over the lab's mark; on the machine itself it lives in no namespace of
/// the lab's.
#[test]
fn a_program_on_the_machine_that_has_no_mark_and_is_on_no_record_is_found() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = "name: web-on-host
nodes:
  host:
    kind: host
    interfaces: {web0: {addresses: [10.99.0.1/24]}}
    services:
      web: {run: [nginx, -e, stderr, -c, /run/web.conf, -g, daemon off;], ready: {tcp: 8099}}
  other: {interfaces: {eth0: {addresses: [10.99.0.2/24]}}}
links: [{endpoints: [host:web0, other:eth0]}]
";
    let conf = "pid /run/web.pid; error_log stderr; events {} http { access_log off; server { listen 8099; } }";
    let lab = host.write("web.yaml", lab);
    let start = host.steps(&[&lab, "--on-host"]) - 1;
    for point in ["up", "done"].map(|place| format!("{place}:{start}=kill")) {
        host.sh(&format!("echo '{conf}' > /run/web.conf")).success();
        host.netlab_failing(&point, ["up", &lab, "--on-host"]).killed();
        if point.starts_with("done") {
            host.wait_for("ss -Hltn sport = :8099 | grep -q . && pgrep -f 'worker process'");
        }
        host.netlab(["down"]).success();
        host.sh("rm -f /run/web.conf /run/web.pid").success();
        host.assert_as(&before, &point);
    }
}

#[test]
fn something_that_cannot_be_taken_back_is_named_and_a_second_down_takes_it() {
    let Some(sweep) = Sweep::of(&["nat-lab", "--on-host"], 1) else { return };
    for n in 0.. {
        sweep.host.netlab(sweep.up()).success();
        let point = format!("down:{n}=error");
        let down = sweep.host.netlab_failing(&point, sweep.down());
        if down.code == Some(0) {
            assert!(n > 3, "{down}");
            break;
        }
        down.exits(5).says("failpoint").says("netlab down nat-lab");
        sweep.host.netlab(sweep.down()).success();
        sweep.nothing_left(&point);
    }
    sweep.nothing_left("down without a failpoint left");
}

#[test]
fn killed_at_any_moment_down_leaves_nothing() {
    let Some(sweep) = Sweep::of(&["nat-lab"], 1) else { return };
    killed_at_any_moment(&sweep);
}

#[test]
fn killed_at_any_moment_on_the_machine_down_leaves_nothing() {
    let Some(sweep) = Sweep::of(&["nat-lab", "--on-host"], 1) else { return };
    killed_at_any_moment(&sweep);
}

#[test]
fn repair_killed_at_any_moment_down_leaves_nothing() {
    let Some(sweep) = Sweep::of(&["nat-lab"], 1) else { return };
    for (n, moment) in moments(4).enumerate() {
        sweep.host.netlab(sweep.up()).success();
        sweep.host.sh("ip netns del red; ip -n host link del uplink; ip netns exec host iptables -t nat -F").success();
        kill_after(&sweep, &["repair"], moment);
        // Whoever goes on has a whole lab, whoever stops has none.
        if n % 2 == 0 {
            sweep.host.netlab(["repair"]).success();
            sweep.host.netlab(["status"]).success();
        }
        sweep.host.netlab(sweep.down()).success();
        sweep.nothing_left(&format!("a repair killed after {moment:?} (number {n})"));
    }
}

/// Moments within a command's life, the same ones in every run: a part of thirty, or of `NETLAB_SOAK`.
fn moments(part: u32) -> impl Iterator<Item = Duration> {
    let times: u32 = std::env::var("NETLAB_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(30);
    let mut seed: u32 = 77_777;
    (0..times / part).map(move |_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Duration::from_micros(u64::from(seed >> 8) % 60_000)
    })
}

fn kill_after(sweep: &Sweep, words: &[&str], moment: Duration) {
    let (words, seconds) = (words.join(" "), moment.as_secs_f64());
    sweep.host.sh(&format!("netlab {words} & p=$!; sleep {seconds}; kill -9 $p; wait $p || true"));
}

fn killed_at_any_moment(sweep: &Sweep) {
    let mut times = 0;
    for (n, moment) in moments(1).enumerate() {
        kill_after(sweep, &sweep.up(), moment);
        // The `down` that finds the remains is killed too, and a second one finds what it has left.
        if n % 3 == 2 {
            kill_after(sweep, &sweep.down(), moment);
        }
        sweep.host.netlab(sweep.down()).success();
        sweep.nothing_left(&format!("killed after {moment:?} (number {n})"));
        times += 1;
    }
    println!("FIGURE: {times} random moments at which `{}` was killed, or its `down`", sweep.up().join(" "));
}

#[test]
fn up_after_an_interrupted_up_cleans_up_first_and_succeeds() {
    for words in [&["nat-lab"][..], &["nat-lab", "--on-host"]] {
        let Some(sweep) = Sweep::of(words, 5) else { return };
        sweep.at_each_step("done", "kill", |point| {
            sweep.host.netlab_failing(point, sweep.up()).killed();
            sweep.host.netlab(["status", words[0]]).exits(1).says("half up");
            sweep.host.netlab(sweep.up()).success().says("interrupted").says("is up");
            sweep.host.netlab(["status", words[0]]).success().says("as it should be");
            sweep.host.netlab(sweep.down()).success();
            sweep.nothing_left(point);
        });
    }
}

#[test]
fn up_after_an_interrupted_down_succeeds() {
    let Some(sweep) = Sweep::of(&["nat-lab"], 1) else { return };
    for n in [0, 3, 6] {
        sweep.host.netlab(sweep.up()).success();
        sweep.host.netlab_failing(&format!("down:{n}=kill"), sweep.down()).killed();
        sweep.host.netlab(sweep.up()).success().says("interrupted").says("is up");
        sweep.host.netlab(["check", "nat-lab", "--only", "blue reaches the outside"]).success();
        sweep.host.netlab(sweep.down()).success();
        sweep.nothing_left("a second up after half a down");
    }
}

#[test]
fn ctrl_c_takes_everything_back() {
    for words in [&["nat-lab"][..], &["nat-lab", "--on-host"]] {
        let Some(sweep) = Sweep::of(words, 7) else { return };
        sweep.at_each_step("up", "interrupt", |point| {
            sweep.host.netlab_failing(point, sweep.up()).exits(130).says("interrupted").says("nothing is left");
            sweep.nothing_left(point);
        });
    }
}

#[test]
fn a_real_ctrl_c_at_any_moment_leaves_all_or_nothing() {
    let Some(sweep) = Sweep::of(&["nat-lab"], 1) else { return };
    for moment in [5, 10, 15, 20, 25, 30, 35, 40] {
        // A shell says 128 + 15 of a program that a TERM has ended before it could listen: then nothing was begun.
        let up = format!("netlab up nat-lab & p=$!; sleep 0.0{moment:02}; kill $p 2>/dev/null || true; wait $p");
        let ended = sweep.host.sh(&up);
        match ended.code {
            Some(0) => drop(sweep.host.netlab(["down"]).success()),
            Some(130 | 143) => {}
            _ => panic!("stopped after {moment} ms: {ended}"),
        }
        sweep.nothing_left(&format!("stopped after {moment} ms: {ended}"));
    }
}

#[test]
fn keep_leaves_what_was_done_and_down_takes_it() {
    let Some(sweep) = Sweep::of(&["nat-lab", "--keep"], 1) else { return };
    sweep.host.netlab_failing("up:30=error", sweep.up()).exits(3).says("kept");
    sweep.host.sh("test -e /run/netns/red").success();
    sweep.host.netlab(sweep.down()).success();
    sweep.nothing_left("--keep");
}

/// The journal of an `up` that was killed, cut short. A record of what begins is written before it happens, so where one is
/// torn that has not happened; the record of what was done may be torn, and its steps have happened. The plan is synced
/// before anything begins.
#[test]
fn killed_and_its_journal_cut_short_down_leaves_nothing() {
    let torture = std::env::var_os("NETLAB_TORTURE").is_some();
    let mut cuts = 0;
    for (words, stride) in [(&["veth-lab"][..], 3), (&["nat-lab", "--on-host"], 9)] {
        let Some(sweep) = Sweep::of(words, if torture { 1 } else { stride }) else { return };
        let journal = format!("/run/netlab/{}/journal", words[0]);
        // Room is kept behind its end, and is no part of it.
        let read = || sweep.host.sh(&format!("tr -d '\\000' < {journal}")).success().stdout;
        let mut try_cut = |point: &str, at: usize| {
            sweep.host.netlab_failing(point, sweep.up()).killed();
            sweep.host.sh(&format!("truncate -s {at} {journal}")).success();
            sweep.host.netlab(sweep.down()).success();
            sweep.nothing_left(&format!("{point}, journal cut at {at}"));
            cuts += 1;
        };
        sweep.host.netlab_failing("journal=kill", sweep.up()).killed();
        let plan = read();
        sweep.host.netlab(sweep.down()).success();
        let ends: Vec<usize> = plan.match_indices('\n').map(|(at, _)| at + 1).collect();
        let some = ends.iter().step_by(if torture { 1 } else { ends.len() / 4 + 1 });
        for at in some.flat_map(|end| [end - 1, *end, end + 1]).chain((0..plan.len()).step_by(plan.len() / 6)) {
            try_cut("journal=kill", at);
        }
        for n in (0..sweep.host.steps(words)).step_by(sweep.stride) {
            let point = format!("up:{n}=kill");
            sweep.host.netlab_failing(&point, sweep.up()).killed();
            let text = read();
            sweep.host.netlab(sweep.down()).success();
            // The last two records: that something was done, unless it is the first, and that the next thing begins.
            let behind = &text[plan.len().min(text.len())..];
            let last = behind.lines().rev().take(2).map(|line| line.len() + 1).sum::<usize>();
            let begin = behind.lines().last().map_or(0, |line| line.len() + 1);
            let (from, middle, end) = (text.len() - last, text.len() - begin, text.len());
            let all =
                [from, from + 1, (from + middle) / 2, middle - 1, middle, middle + 1, (middle + end) / 2, end - 1];
            // Other ones at each step.
            all.iter().skip(n % 4).step_by(if torture { 1 } else { 4 }).for_each(|at| try_cut(&point, *at));
        }
    }
    println!("FIGURE: {cuts} journals cut short on the real kernel");
    assert!(cuts > 40, "only {cuts} cuts");
}
