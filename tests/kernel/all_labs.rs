//! Every built-in lab is stopped in the worst moments: killed before a step, after it, in the middle of a batch and on the
//! way down, refused, or never answered. Afterwards nothing is left.
//!
//! In an ordinary run a few steps of each lab, which ones by the lab's name: together all kinds of operations in all ways.
//! With `NETLAB_TORTURE` every single step of every lab is refused once, and killed once before the journal hears of it, and
//! one in four in every other way: never answered, killed before it or in the middle of its batch, killed on the way down.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Host, crowd};

const WAYS: [&str; 6] = ["up:N=error", "done:N=kill", "hang:N=0.02", "half:N=kill", "up:N=kill", "down:N=kill"];

/// Where a lab is stopped, and how.
fn points(host: &Host, lab: &[&str], torture: bool) -> Vec<String> {
    let plan = host.netlab(["plan", "--json"].iter().chain(lab)).success().json();
    let steps = plan["steps"].as_array().unwrap();
    let point = |n: usize, way: &str| way.replace('N', &n.to_string());
    if torture {
        let every = if lab.len() == 1 { 1 } else { 8 };
        let ways = |n: usize| WAYS.iter().enumerate().filter(move |(w, _)| *w < 2 || n % (4 * every) == w % 4 * every);
        let all = (0..steps.len()).step_by(every);
        return all.flat_map(|n| ways(n).map(move |(_, way)| point(n, way))).collect();
    }
    let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (n, step) in steps.iter().enumerate() {
        let kind = step["op"].as_object().unwrap().keys().next().unwrap().clone();
        kinds.entry(kind).or_default().push(n);
    }
    let seed: usize = lab[0].bytes().map(usize::from).sum();
    // One kind in three, which ones by the name: all labs together try every kind.
    let some = kinds.values().enumerate().filter(|(k, _)| (k + seed).is_multiple_of(3));
    let mut chosen: Vec<usize> = some.map(|(_, of)| of[seed % of.len()]).collect();
    chosen.push(steps.len() - 1);
    chosen.dedup();
    chosen.iter().enumerate().map(|(k, n)| point(*n, WAYS[(k + n) % WAYS.len()])).collect()
}

fn stopped(lab: &[&str], torture: bool) -> usize {
    let Some(host) = Host::new() else { return 0 };
    let mut tried = 0;
    let all = points(&host, lab, torture);
    drop(host);
    // A machine has only so long to live.
    for some in all.chunks(12) {
        let Some(host) = Host::new() else { return 0 };
        host.furnish();
        let before = host.snapshot();
        for point in some {
            let up: Vec<&str> = ["up"].iter().chain(lab).copied().collect();
            if point.starts_with("down") {
                if host.netlab(&up).code != Some(0) {
                    // Not every lab may play this machine.
                    assert!(lab.len() > 1, "{lab:?} does not come up");
                    continue;
                }
                host.netlab_failing(point, ["down", lab[0]]);
            } else {
                let failed = host.netlab_failing(point, &up);
                assert_ne!(failed.code, Some(0), "{point}: {failed}");
                if !point.ends_with("kill") {
                    // It has taken everything back by itself.
                    host.assert_as(&before, format!("{lab:?} {point}"));
                }
            }
            host.netlab(["down", lab[0]]).success();
            host.assert_as(&before, format!("{lab:?} {point}"));
            tried += 1;
        }
    }
    tried
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
    let tried = AtomicUsize::new(0);
    crowd::for_each(&both, |(lab, on_host)| {
        let words: &[&str] = if *on_host { &[lab.as_str(), "--on-host"] } else { &[lab.as_str()] };
        tried.fetch_add(stopped(words, torture), Ordering::Relaxed);
    });
    println!(
        "FIGURE: {} moments at which {} labs were refused or killed on the real kernel",
        tried.into_inner(),
        labs.len()
    );
}
