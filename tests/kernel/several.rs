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

/// What a killed `up` was about to make is nobody else's: its `down` would take an empty namespace of that name for its own.
#[test]
fn a_name_that_a_killed_up_has_written_down_is_taken_though_nothing_is_there() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab_failing("journal=kill", ["up", "veth-lab"]).killed();
    host.netlab(["up", "bridge-lab"]).exits(4).says("lab `veth-lab`, which is not whole").says("netlab down veth-lab");
    host.netlab(["down", "veth-lab"]).success();
    host.netlab(["up", "bridge-lab"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "a name of a killed lab");
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

/// Seconds of `NETLAB_STORM`, or as many as the run has time for.
fn storm() -> std::time::Duration {
    let torture = std::env::var_os("NETLAB_TORTURE").is_some();
    let seconds = std::env::var("NETLAB_STORM").ok().and_then(|n| n.parse().ok());
    std::time::Duration::from_secs(seconds.unwrap_or(if torture { 60 } else { 4 }))
}

#[test]
fn a_storm_of_ups_downs_and_kills_ends_clean() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    let other = host.write("other.yaml", labs::OTHER);
    let (begun, commands) = (std::time::Instant::now(), std::sync::atomic::AtomicUsize::new(0));
    let storm = storm();
    let rage = |mut seed: u32| {
        while begun.elapsed() < storm {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (lab, file) = [("nat-lab", "nat-lab"), ("veth-lab", "veth-lab"), ("other-lab", other.as_str())]
                [(seed >> 8) as usize % 3];
            let words = match (seed >> 16) % 8 {
                0..3 => format!("netlab up {file}"),
                3..5 => format!("netlab down {lab}"),
                5 => format!("netlab repair {lab}"),
                6 => format!("netlab status {lab}"),
                _ => format!("timeout -s KILL 0.0{}5 netlab up {file}", (seed >> 20) % 10),
            };
            let ran = host.sh(&words);
            commands.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            // Fine, differs, not up, or in another's way (a lab of the same names, one that is being changed).
            assert!(matches!(ran.code, Some(0 | 1 | 2 | 4 | 137)) || ran.code.is_none(), "{ran}");
            assert!(!ran.stderr.contains("panicked"), "{ran}");
        }
    };
    std::thread::scope(|scope| (1..5).for_each(|seed| drop(scope.spawn(move || rage(seed * 77_777)))));
    host.netlab(["down", "--all"]).success();
    host.assert_as(&before, "a storm");
    println!("FIGURE: {} commands at once in a storm of {} s", commands.into_inner(), storm.as_secs());
}

#[test]
fn no_program_of_a_lab_holds_its_lock() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    for lab in host.built_in_labs().iter().filter(|lab| ["nat-lab", "bgp-lab", "ipip-lab"].contains(&lab.as_str())) {
        host.netlab(["up", lab]).success();
        host.sh(&format!("flock --nonblock /run/netlab/{lab} true && flock --nonblock /run/netlab true")).success();
        // Nor any other file of netlab's, but its log.
        host.sh("! ls -l /proc/[0-9]*/fd 2>/dev/null | grep '/run/netlab/' | grep -v '/log/'").success();
        host.netlab(["down"]).success();
    }
    host.assert_as(&before, "labs with programs");
}
