//! Every built-in lab is stopped in the worst moments: killed before a step, after it, in the middle of a batch and on the
//! way down, or refused. Afterwards nothing is left.
//!
//! Which steps are tried follows from the lab's name: a few of each lab, of all kinds of operations; with
//! `NETLAB_TORTURE` one in every batch of five, so every step of the small labs' neighbourhoods, in every mode.

use std::collections::BTreeMap;

use crate::support::Host;

/// Numbers of steps to try: of each kind of operation one or more, at least the first and the last step.
fn chosen(host: &Host, lab: &[&str], torture: bool) -> Vec<usize> {
    let plan = host.netlab(["plan", "--json"].iter().chain(lab)).success().json();
    let steps = plan["steps"].as_array().unwrap();
    let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (n, step) in steps.iter().enumerate() {
        let kind = step["op"].as_object().unwrap().keys().next().unwrap().clone();
        kinds.entry(kind).or_default().push(n);
    }
    if torture {
        let stride = (steps.len() / 60).max(1);
        return (0..steps.len()).step_by(stride).collect();
    }
    let seed: usize = lab[0].bytes().map(usize::from).sum();
    // One kind in three, which ones by the name: all labs together try every kind.
    let mut chosen: Vec<usize> = kinds
        .values()
        .enumerate()
        .filter(|(k, _)| (k + seed).is_multiple_of(3))
        .map(|(_, of)| of[seed % of.len()])
        .collect();
    chosen.push(steps.len() - 1);
    chosen.dedup();
    chosen
}

fn stopped(lab: &[&str], torture: bool) -> usize {
    let Some(host) = Host::new() else { return 0 };
    let mut points = 0;
    let steps = chosen(&host, lab, torture);
    drop(host);
    let ways = ["up:N=kill", "done:N=kill", "half:N=kill", "up:N=error", "down:N=kill"];
    // A machine has only so long to live.
    for some in steps.chunks(8) {
        let Some(host) = Host::new() else { return 0 };
        host.furnish();
        let before = host.snapshot();
        for (k, n) in some.iter().enumerate() {
            let tried = if torture { &ways[..] } else { std::slice::from_ref(&ways[(k + n) % ways.len()]) };
            for way in tried {
                let point = way.replace('N', &n.to_string());
                let up: Vec<&str> = ["up"].iter().chain(lab).copied().collect();
                if point.starts_with("down") {
                    if host.netlab(&up).code != Some(0) {
                        // Not every lab may play this machine.
                        assert!(lab.len() > 1, "{lab:?} does not come up");
                        continue;
                    }
                    host.netlab_failing(&point, ["down", lab[0]]);
                } else {
                    let failed = host.netlab_failing(&point, &up);
                    assert_ne!(failed.code, Some(0), "{point}: {failed}");
                }
                host.netlab(["down", lab[0]]).success();
                host.assert_as(&before, format!("{lab:?} {point}"));
                points += 1;
            }
        }
    }
    points
}

#[test]
fn every_lab_stopped_anywhere_leaves_nothing() {
    let torture = std::env::var_os("NETLAB_TORTURE").is_some();
    let Some(host) = Host::new() else { return };
    let labs = host.built_in_labs();
    let both: Vec<(String, bool)> = labs
        .iter()
        .flat_map(|lab| [(lab.clone(), false), (lab.clone(), true)])
        .filter(|(lab, on_host)| !on_host || torture && host.can_be_on_host(lab))
        .collect();
    drop(host);
    let (next, points) = (std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::AtomicUsize::new(0));
    let work = || {
        while let Some((lab, on_host)) = both.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            let words: &[&str] = if *on_host { &[lab.as_str(), "--on-host"] } else { &[lab.as_str()] };
            points.fetch_add(stopped(words, torture), std::sync::atomic::Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    println!("FIGURE: {} points of {} labs swept", points.into_inner(), both.len());
}
