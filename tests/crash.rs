//! Every lab, both modes, every stop point, on the machine in memory: what the journal says is enough to leave the
//! machine as it was. Needs no rights and takes a moment; `tests/kernel.rs` does the same for real.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
// The figures of `scripts/torture`.
#![allow(clippy::print_stdout)]

#[path = "crash/topologies.rs"]
mod topologies;

use netlab::apply::journal::{self, FORMAT, Header, Journal, PlanHead};
use netlab::apply::{down, up};
use netlab::kernel::fake::{Fails, Fake};
use netlab::labs;
use netlab::plan::{Mode, Op, Outcome, Plan, build, build_for};
use netlab::topology::{self, Topology};

fn all() -> Vec<(Topology, Plan)> {
    let load = |lab: &labs::BuiltIn| topology::load(lab.source()).unwrap().0;
    let modes = [Mode::Isolated, Mode::OnHost];
    let both = |t: Topology| modes.map(|mode| (t.clone(), build(&t, mode)));
    // And on a kernel that has none of the kinds that netlab can do without.
    let kinds =
        |t: &Topology| t.nodes.values().flat_map(|n| n.interfaces.values()).map(|i| i.kind.word().into()).collect();
    let bare = |t: Topology| modes.map(|mode| (t.clone(), build_for(&t, mode, &kinds(&t))));
    let in_user_space = |(_, plan): &(Topology, Plan)| plan.in_user_space().next().is_some();
    let bare = labs::ALL.iter().map(load).flat_map(bare).filter(in_user_space);
    let mut all: Vec<(Topology, Plan)> = labs::ALL.iter().map(load).flat_map(both).chain(bare).collect();
    // A lab without a host node is the same in both modes.
    all.dedup_by(|b, a| a.1 == b.1);
    all
}

/// A lab on the machine in memory, stopped somewhere; then taken down from what its journal says.
fn stopped(topology: &Topology, plan: &Plan, fails: Fails) -> (Fake, Vec<String>) {
    let folder = tempfolder();
    let mut journal = Journal::create(&folder, &header(topology, plan), plan).unwrap();
    let mut machine = Fake::failing(fails);
    let mut outcomes = vec![Outcome::Untouched; plan.steps.len()];
    let run = || up::carry_out(&mut machine, plan, &mut journal, &mut outcomes, topology, &mut |_| {}).is_ok();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    match fails {
        Fails::Never => assert!(result.unwrap()),
        Fails::Killed(_) => assert!(result.is_err()),
        Fails::Before(_) | Fails::After(_) => assert!(!result.unwrap()),
    }
    // What netlab knew is gone with it: only the file is left.
    let entry = journal::read(&folder).unwrap().unwrap();
    let left = down::take_back(&mut machine, entry.plan.as_ref().unwrap(), &entry.outcomes);
    std::fs::remove_dir_all(&folder).unwrap();
    (machine, left.iter().map(|(_, refusal)| refusal.to_string()).collect())
}

fn header(topology: &Topology, plan: &Plan) -> Header {
    Header {
        format: FORMAT,
        boot_id: String::new(),
        at: 0,
        user: "root".into(),
        file: None,
        source: topology.source.clone(),
        on_host: plan.machine().is_some(),
        plan: PlanHead::of(plan),
    }
}

fn tempfolder() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    // In memory where there is such a place: what syncing takes is not what these tests are about.
    let shm = std::path::PathBuf::from("/dev/shm");
    let base = if shm.is_dir() { shm } else { std::env::temp_dir() };
    let folder = base.join(format!("netlab-crash-{}-{n}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn stopped_anywhere_nothing_is_left() {
    let points = |(topology, plan): &(Topology, Plan)| {
        // Of a large lab a sample: what it has more of is more of the same.
        let torture = std::env::var_os("NETLAB_TORTURE").is_some();
        let stride = if torture { 1 } else { plan.steps.len() / 60 + 1 };
        for n in (0..plan.steps.len()).step_by(stride) {
            for fails in [Fails::Before(n), Fails::After(n), Fails::Killed(n)] {
                let (machine, left) = stopped(topology, plan, fails);
                assert_eq!(left, Vec::<String>::new(), "{} {fails:?}", plan.lab);
                assert_eq!(machine.picture(), Fake::default().picture(), "{} {fails:?}", plan.lab);
            }
        }
        3 * plan.steps.len()
    };
    let all = all();
    let points: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = all.iter().map(|lab| scope.spawn(move || points(lab))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("FIGURE: {points} moments at which labs were stopped on a machine in memory");
    assert!(points > 300, "only {points} stop points");
}

#[test]
fn a_whole_lab_leaves_nothing() {
    for (topology, plan) in all() {
        let (machine, left) = stopped(&topology, &plan, Fails::Never);
        assert!(left.is_empty());
        assert_eq!(machine.picture(), Fake::default().picture(), "{}", plan.lab);
    }
}

#[test]
fn a_namespace_that_somebody_else_made_in_place_of_ours_stays() {
    let (topology, plan) = all().remove(0);
    let mut machine = Fake::default();
    let mut outcomes = vec![Outcome::Untouched; plan.steps.len()];
    let folder = tempfolder();
    let mut journal = Journal::create(&folder, &header(&topology, &plan), &plan).unwrap();
    up::carry_out(&mut machine, &plan, &mut journal, &mut outcomes, &topology, &mut |_| {}).unwrap();
    machine.replace_namespace("red");
    let left = down::take_back(&mut machine, &plan, &outcomes);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(machine.picture().0, ["red"]);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_plan_is_the_same_every_time() {
    for (a, b) in all().into_iter().zip(all()) {
        assert_eq!(a.1, b.1);
        assert!(a.1.steps.iter().all(|s| a.1.nodes.contains(s.op.at())));
        assert!(a.1.steps.iter().filter(|s| matches!(s.op, Op::AddNetns { .. })).count() >= 2);
    }
}

/// A journal is a file, and a file can end anywhere: what is not whole at its end has not happened, or has happened and is
/// taken back from the line before it. Every byte of the first lab's journals, and of the others' the ends of lines and
/// some of the bytes between; with `NETLAB_TORTURE` many more.
#[test]
fn a_journal_cut_at_any_byte_is_enough_to_leave_nothing() {
    let torture = std::env::var_os("NETLAB_TORTURE").is_some();
    let mut cuts = 0;
    for (n, (topology, plan)) in all().iter().enumerate() {
        let (text, begins) = recorded(topology, plan);
        let stride = match (n < 2, torture) {
            (true, _) => 1,
            (false, true) => text.len() / 500 + 1,
            (false, false) => text.len() / 10 + 1,
        };
        let ends = text.match_indices('\n').map(|(at, _)| at).filter(|at| *at + 1 >= begins);
        let ends = ends.step_by(if torture { 1 } else { plan.steps.len() / 100 + 1 });
        let mut chosen: Vec<usize> = ends.flat_map(|at| [at, at + 1]).chain((0..=text.len()).step_by(stride)).collect();
        chosen.sort_unstable();
        let mut known = None;
        for cut in chosen {
            let cut = (0..=cut).rev().find(|c| text.is_char_boundary(*c)).unwrap();
            let entry = journal::parse(&text[..cut]).unwrap();
            cuts += 1;
            let Some((plan, outcomes)) = entry.as_ref().and_then(|e| Some((e.plan.as_ref()?, &e.outcomes))) else {
                // Then nothing had been begun when that was all there was.
                assert!(cut < begins, "{}: no plan in {cut} bytes", topology.name);
                continue;
            };
            assert_eq!(outcomes.len(), plan.steps.len());
            if known.as_ref() == Some(outcomes) {
                continue;
            }
            let mut then = machine(topology, plan, outcomes);
            let left = down::take_back(&mut then, plan, outcomes);
            assert!(left.is_empty(), "{} cut at {cut}: {left:?}", topology.name);
            assert_eq!(then.picture(), Fake::default().picture(), "{} cut at {cut}", topology.name);
            known = Some(outcomes.clone());
        }
    }
    println!("FIGURE: {cuts} journals cut short on a machine in memory");
    assert!(cuts > 3_000, "only {cuts} cuts");
}

/// A lab's journal when it has come up, and where its first step begins.
fn recorded(topology: &Topology, plan: &Plan) -> (String, usize) {
    let folder = tempfolder();
    let mut journal = Journal::create(&folder, &header(topology, plan), plan).unwrap();
    let read = || std::fs::read_to_string(folder.join("journal")).unwrap().trim_end_matches('\0').to_string();
    let begins = read().len();
    let mut outcomes = vec![Outcome::Untouched; plan.steps.len()];
    up::carry_out(&mut Fake::default(), plan, &mut journal, &mut outcomes, topology, &mut |_| {}).unwrap();
    let text = read();
    std::fs::remove_dir_all(&folder).unwrap();
    (text, begins)
}

/// The machine with all that the steps begun so far may have done.
fn machine(topology: &Topology, plan: &Plan, outcomes: &[Outcome]) -> Fake {
    let begun = outcomes.iter().rposition(|o| !matches!(o, Outcome::Untouched)).map_or(0, |n| n + 1);
    let mut machine = if begun < plan.steps.len() { Fake::failing(Fails::Before(begun)) } else { Fake::default() };
    let folder = tempfolder();
    let mut journal = Journal::create(&folder, &header(topology, plan), plan).unwrap();
    let mut again = vec![Outcome::Untouched; plan.steps.len()];
    let _ = up::carry_out(&mut machine, plan, &mut journal, &mut again, topology, &mut |_| {});
    std::fs::remove_dir_all(&folder).unwrap();
    machine
}
