//! Up: all or nothing.
//!
//! Look first (preflight), write the whole plan down, carry it out step by step, read the kernel back. At the first
//! refusal, and on Ctrl-C, everything that was begun is taken back.

use std::time::{Duration, Instant};

use super::journal::{Entry, FORMAT, Header, Journal, PlanHead};
use super::running::Found;
use super::{Event, down, failpoint, ground, journal, lock, preflight, refused, stop};
use crate::error::{Error, Kind, Result};
use crate::ip::iptables;
use crate::kernel::{Kernel, Linux, Refusal, machine};
use crate::plan::{Batch, Done, Mode, Op, Outcome, Plan, Step, Way, batches, cut, expect};
use crate::state::{State, diff};
use crate::topology::Topology;

/// How `up` is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Who plays the `host` node.
    pub mode: Mode,
    /// Leave everything in place when a step fails.
    pub keep: bool,
    /// Take a lab of the same name down first when its file has changed.
    pub replace: bool,
}

/// What `up` came to.
#[derive(Debug, Clone)]
pub struct Up {
    /// It was up already, unchanged and whole.
    pub already: bool,
    /// How long it took, without waiting for the lock.
    pub took: Duration,
    /// Steps carried out.
    pub steps: usize,
}

/// Brings a lab up.
pub fn up(
    found: &Found,
    topology: &Topology,
    plan: &Plan,
    options: Options,
    say: &mut dyn FnMut(Event<'_>),
) -> Result<Up> {
    preflight::rights()?;
    preflight::files(plan)?;
    let lab = topology.name.as_str();
    let Some(lock) = lock::take(lab, true, |text| say(Event::Note(text)))? else {
        return Err(Error::machine(format!("cannot lock lab `{lab}`")));
    };
    let begun = Instant::now();
    let present = journal::read(&lock.folder)?;
    let untouched = present.is_none();
    if let Some(entry) = present
        && settle_with_present(&entry, found, topology, plan, options, &lock, say)?
    {
        return Ok(Up { already: true, took: Duration::ZERO, steps: 0 });
    }
    let steps = fresh(found, topology, plan, options, &lock, untouched, say)?;
    if plan.nodes.iter().any(|at| at.netns.is_some()) && machine::has_mounts_of_its_own() {
        let words = "this shell has mounts of its own: other terminals do not see the lab's namespaces";
        say(Event::Note(format!("{words}, and the lab ends with the last program in here")));
    }
    Ok(Up { already: false, took: begun.elapsed(), steps })
}

/// What is there under that name already: the same lab and whole (then there is nothing to do), another one, or the
/// remains of an interrupted `up`.
fn settle_with_present(
    entry: &Entry,
    found: &Found,
    topology: &Topology,
    plan: &Plan,
    options: Options,
    lock: &lock::Lock,
    say: &mut dyn FnMut(Event<'_>),
) -> Result<bool> {
    let lab = topology.name.as_str();
    if entry.is_stale() {
        say(Event::Note(format!("`{lab}` was up before this machine was restarted; bringing it up again")));
        down::down_locked(lab, lock)?;
        return Ok(false);
    }
    if !entry.is_running() {
        say(Event::Note(format!("an earlier `up` or `down` of `{lab}` was interrupted; cleaning up first")));
        down::down_locked(lab, lock)?;
        return Ok(false);
    }
    let same = entry.own_plan().as_ref() == Some(plan);
    if same {
        let drift = drift(entry, lock)?;
        if drift.is_empty() {
            return Ok(true);
        }
        let n = drift.len();
        return Err(Error::conflict(format!(
            "lab `{lab}` is up, but {n} {} not as it should be",
            if n == 1 { "thing is" } else { "things are" }
        ))
        .help(format!("`netlab status {lab}` shows them, `netlab repair {lab}` mends them")));
    }
    if options.replace {
        preflight::able(topology, plan).map_err(|error| error.note("nothing was changed"))?;
        say(Event::Note(format!("taking down `{lab}` as it was")));
        down::down_locked(lab, lock)?;
        return Ok(false);
    }
    let other = entry.header.file != found.file;
    let what = if entry.on_host() != (plan.machine().is_some()) {
        "in the other mode (`--on-host`)".to_string()
    } else if other {
        format!("from {}", entry.header.source.name)
    } else if entry.header.source.set != found.source.set {
        format!("with {}", entry.header.source.parameters())
    } else {
        "from an earlier version of its file".to_string()
    };
    Err(Error::conflict(format!("lab `{lab}` is up already, {what} (by {})", entry.header.user))
        .help(format!("`netlab down {lab}` first, or `netlab up {lab} --replace`")))
}

fn drift(entry: &Entry, lock: &lock::Lock) -> Result<Vec<crate::state::Drift>> {
    super::status::drift(entry, &lock.folder)
}

fn header(found: &Found, topology: &Topology, plan: &Plan) -> Header {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    Header {
        format: FORMAT,
        boot_id: machine::boot_id(),
        at: now,
        user: super::user(),
        file: found.file.clone(),
        source: topology.source.clone(),
        on_host: plan.machine().is_some(),
        plan: PlanHead::of(plan),
    }
}

fn fresh(
    found: &Found,
    topology: &Topology,
    plan: &Plan,
    options: Options,
    lock: &lock::Lock,
    untouched: bool,
    say: &mut dyn FnMut(Event<'_>),
) -> Result<usize> {
    let lab = topology.name.as_str();
    let clear = |error: Error| -> Error {
        match ground::clear(lab) {
            Ok(()) => error,
            Err(other) => error.note(other.to_string()),
        }
    };
    let refused = |error: Error| clear(if untouched { error.note("nothing was changed") } else { error });
    let mut kernel = Linux::new(&lock.folder.join("log")).map_err(|r| clear(Error::machine(r.to_string())))?;
    preflight::look(topology, plan, &mut kernel).map_err(refused)?;
    // No two journals ever speak of one name.
    let written = ground::alone(|| {
        preflight::claimed(plan)?;
        Journal::create(&lock.folder, &header(found, topology, plan), plan)
    });
    let mut journal = written.map_err(clear)?;
    let mut outcomes = vec![Outcome::Untouched; plan.steps.len()];
    let injected = failpoint::at("journal", 0).map_err(|r| Error::machine(r.to_string()));
    let result = injected
        .and_then(|()| carry_out(&mut kernel, plan, &mut journal, &mut outcomes, topology, say))
        .and_then(|()| {
            kernel.settle(plan).map_err(|(i, refusal)| service_died(plan, i, topology, &refusal))?;
            prove(&mut kernel, plan, &mut outcomes, &mut journal)
        })
        .and_then(|()| journal.up().map_err(|e| Error::machine("cannot write the journal").cause(e)));
    let Err(error) = result.map_err(stop::or) else {
        return Ok(plan.steps.len());
    };
    if options.keep && error.kind() != Kind::Interrupted {
        return Err(error.help(format!("everything up to here was kept; `netlab down {lab}` removes it")));
    }
    say(Event::Note("taking back what was done".into()));
    let left = down::take_back(&mut kernel, plan, &outcomes);
    if left.is_empty() {
        return Err(clear(error.note("everything was taken back; nothing is left")));
    }
    let mut error = error;
    for note in &down::left_behind(lab, &left).detail().notes {
        error = error.note(format!("left behind: {note}"));
    }
    Err(error.help(format!("`netlab down {lab}` tries again")))
}

fn service_died(plan: &Plan, step: usize, topology: &Topology, refusal: &Refusal) -> Error {
    match plan.steps.get(step) {
        Some(step) => refused(step, &topology.source, refusal),
        None => Error::machine(refusal.to_string()),
    }
}

/// Carries out the steps on any machine, batch by batch. What was begun is in `outcomes`, whatever happens.
pub fn carry_out<K: Kernel>(
    kernel: &mut K,
    plan: &Plan,
    journal: &mut Journal,
    outcomes: &mut [Outcome],
    topology: &Topology,
    say: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    let of = plan.steps.len();
    let mut all = batches(plan);
    if let Some(n) = failpoint::step(&["up", "done"]) {
        all = cut(all, n);
    }
    for batch in all {
        if stop::requested() {
            return Err(stop::interrupted());
        }
        let n = batch.steps.start;
        say(Event::Step { n, of, op: &plan.steps[n].op });
        let refused = |n: usize, refusal: Refusal| refused(&plan.steps[n], &topology.source, &refusal);
        let lost = |e: std::io::Error| Error::machine("cannot write the journal").cause(e);
        let before = match batch.way {
            Way::Alone => kernel.before(&plan.steps[n].op).map_err(|r| refused(n, r))?,
            Way::Lanes | Way::Cables => None,
        };
        // Whatever of the batch has happened when netlab is killed: from here on all of it counts as begun.
        match batch.way {
            Way::Alone => journal.begin(n, before.clone()).map_err(lost)?,
            Way::Lanes | Way::Cables => journal.begin_all(batch.steps.clone()).map_err(lost)?,
        }
        outcomes[batch.steps.clone()].fill(Outcome::Begun(before.clone()));
        failpoint::at("up", n).map_err(|r| refused(n, r))?;
        half_killed(kernel, plan, &batch);
        let answers = kernel.perform_batch(plan, &batch, &stop::requested);
        let injected = failpoint::at("done", n);
        let (mut done, mut first_refusal) = (Vec::new(), None);
        for (n, answer) in batch.steps.clone().zip(answers) {
            match answer {
                Some(Ok(result)) => done.push((n, result)),
                Some(Err(refusal)) if first_refusal.is_none() => first_refusal = Some((n, refusal)),
                Some(Err(_)) | None => {}
            }
        }
        for (n, result) in &done {
            outcomes[*n] = Outcome::Done(before.clone(), result.clone());
        }
        injected.map_err(|r| refused(n, r))?;
        let whole = done.len() == batch.steps.len();
        journal.done_all(batch.steps.clone(), done).map_err(lost)?;
        if let Some((n, refusal)) = first_refusal {
            return Err(refused(n, refusal));
        }
        if !whole {
            return Err(stop::interrupted());
        }
    }
    if stop::requested() { Err(stop::interrupted()) } else { Ok(()) }
}

/// For the tests: the first steps of a batch happen, and netlab dies before the journal hears of any.
fn half_killed<K: Kernel>(kernel: &mut K, plan: &Plan, batch: &Batch) {
    let Some(n) = failpoint::step(&["half"]).filter(|n| batch.steps.contains(n)) else { return };
    let first = Batch { steps: batch.steps.start..n, way: batch.way };
    let _ = kernel.perform_batch(plan, &first, &|| false);
    let _ = failpoint::at("half", n);
}

/// What should be there: the plan's picture, with the firewall as the kernel showed it when the lab had just come up.
/// iptables writes rules in its own way, and only it knows which.
pub fn expected(plan: &Plan, outcomes: &[Outcome]) -> State {
    let mut state = expect(plan);
    as_shown(&mut state, plan, outcomes);
    state
}

fn as_shown(state: &mut State, plan: &Plan, outcomes: &[Outcome]) {
    for (step, outcome) in plan.steps.iter().zip(outcomes) {
        let Op::LoadRules { at, family, lines } = &step.op else { continue };
        let Some(node) = state.nodes.get_mut(at.node.as_str()) else { continue };
        match outcome.done() {
            Some(Done::Shown(shown)) => drop(node.firewall.insert(*family, shown.clone())),
            // Lines that were never loaded are missing, whatever they say.
            _ => node.firewall.entry(*family).or_default().extend(lines.iter().map(ToString::to_string)),
        }
    }
}

/// Reads the kernel back. A difference right after a clean run is netlab's own mistake, or somebody else's hand.
fn prove(kernel: &mut Linux, plan: &Plan, outcomes: &mut [Outcome], journal: &mut Journal) -> Result<()> {
    let mut wanted = expect(plan);
    let actual = kernel.observe(plan, &wanted);
    let actual = actual.map_err(|r| Error::machine("cannot read back what was made").cause(r))?;
    let shown = firewalls(plan, outcomes, &actual);
    for (n, done) in &shown {
        outcomes[*n] = Outcome::Done(None, done.clone());
    }
    journal.done_each(shown).map_err(|e| Error::machine("cannot write the journal").cause(e))?;
    as_shown(&mut wanted, plan, outcomes);
    let drift = diff(&wanted, &actual);
    if drift.is_empty() {
        return Ok(());
    }
    let mut error = Error::machine("the kernel does not show what was made");
    for drift in &drift {
        error = error.note(format!("{}: {drift}", drift.node));
    }
    Err(error.help("does something else on this machine change new interfaces (NetworkManager, udev, another netlab)?"))
}

/// How iptables shows the lines that were loaded, where every chain has a rule for each of its lines at least. Where one
/// has not, the lines stay as the plan has them, and are found missing.
fn firewalls(plan: &Plan, outcomes: &[Outcome], actual: &State) -> Vec<(usize, Done)> {
    let shown = |(n, step): (usize, &Step)| {
        let Op::LoadRules { at, family, lines } = &step.op else { return None };
        let shown = actual.nodes.get(at.node.as_str())?.firewall.get(family)?;
        let plain = matches!(outcomes[n], Outcome::Done(_, Done::Plain));
        (plain && iptables::has_all(lines, shown)).then(|| (n, Done::Shown(shown.clone())))
    };
    plan.steps.iter().enumerate().filter_map(shown).collect()
}
