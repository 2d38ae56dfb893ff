//! Actions: named changes of a lab that is up, each on record before it begins.
//!
//! Doing one is carrying out its steps, as `up` does. Taking one back is repairing the lab towards what it would be
//! without it; only then is that put on record, so a `kill -9` in the middle leaves an action that is done, and a lab that
//! differs from that: taking it back again, or `repair`, settles it.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::journal::{self, Entry, Journal, Present};
use super::repair::{Mender, Repaired};
use super::running::{self, Running};
use super::{Event, failpoint, ground, lock, refused, repair, stop};
use crate::error::{Error, Result, did_you_mean};
use crate::kernel::{Kernel, Linux, Refusal, patience};
use crate::plan::{self, Mode, Op, Outcome, Plan, Step};
use crate::topology::Topology;

/// An action and whether it is done.
#[derive(Debug, Clone, Serialize)]
pub struct State {
    /// Its name.
    pub action: String,
    /// What it does.
    pub title: String,
    /// What comes first.
    pub after: Vec<String>,
    /// It is done.
    pub done: bool,
    /// It was begun, and interrupted.
    pub interrupted: bool,
}

/// What an action came to.
#[derive(Debug, Clone, Serialize)]
pub struct Acted {
    /// The lab.
    pub lab: String,
    /// The action.
    pub action: String,
    /// What it does.
    pub title: String,
    /// It was taken back.
    pub undone: bool,
    /// How long it took.
    #[serde(skip)]
    pub took: Duration,
    /// Checks that speak of it.
    pub checks: usize,
    /// What differs, because somebody changed it by hand.
    pub left: Vec<String>,
}

/// A move through a lab's states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Do an action.
    Act(String),
    /// The lab is in a state worth checking.
    Check,
    /// Take an action back.
    Undo(String),
}

/// Every action of a lab, one after the other: what comes before it, the action, a look, and all of it back. After the
/// last one the lab is as it was.
pub fn walk(topology: &Topology) -> Vec<Move> {
    let mut moves = vec![Move::Check];
    for action in topology.actions.keys() {
        let chain = topology.chain(action);
        moves.extend(chain.iter().cloned().map(Move::Act));
        moves.push(Move::Check);
        moves.extend(chain.into_iter().rev().map(Move::Undo));
    }
    if !topology.actions.is_empty() {
        moves.push(Move::Check);
    }
    moves
}

/// The actions of a lab that is up.
pub fn list(running: &Running) -> Result<Vec<State>> {
    let topology = running.topology()?;
    let state = |(name, action): (&String, &crate::topology::Action)| State {
        action: name.clone(),
        title: action.title.clone(),
        after: action.after.clone(),
        done: running.entry.acted(name),
        interrupted: running.entry.interrupted().is_some_and(|act| act.action == *name),
    };
    Ok(topology.actions.iter().map(state).collect())
}

/// Does an action, or takes it back.
pub fn act(lab: &str, action: &str, undo: bool, say: &mut dyn FnMut(Event<'_>)) -> Result<Acted> {
    let Some(lock) = lock::take(lab, false, |text| say(Event::Note(text)))? else {
        return Err(Error::usage(format!("lab `{lab}` is not up")));
    };
    // Only now nobody else changes it.
    let running = running::pick_running(Some(lab))?;
    let topology = running.topology()?;
    if !topology.actions.contains_key(action) {
        return Err(unknown(lab, action, &topology));
    }
    possible(&running.entry, &topology, lab, action, undo)?;
    let begun = Instant::now();
    let mut journal = Journal::append_to(&lock.folder)?;
    let left = if undo {
        take_back(&running.entry, action, &mut journal, say)
            .map_err(|error| repair::again(error, &format!("netlab act {lab} {action} --undo")))?
    } else {
        carry_out(&running, &topology, action, &mut journal, say)?
    };
    let speaks = |c: &&crate::check::Check| c.after.iter().chain(&c.before).any(|name| name == action);
    let title = topology.actions[action].title.clone();
    let (lab, action) = (lab.to_string(), action.to_string());
    let checks = topology.checks.iter().filter(speaks).count();
    Ok(Acted { lab, action, title, undone: undo, took: begun.elapsed(), checks, left: left.left })
}

/// An action that the lab does not have.
pub fn unknown(lab: &str, action: &str, topology: &Topology) -> Error {
    let error = Error::usage(format!("lab `{lab}` has no action `{action}`"));
    let known: Vec<&str> = topology.actions.keys().map(String::as_str).collect();
    error.help(match (did_you_mean(action, known.iter().copied()), known.as_slice()) {
        (Some(near), _) => near,
        (None, []) => "it has none at all".into(),
        (None, known) => format!("it has {}", known.join(", ")),
    })
}

/// Whether the lab is in a state in which this can be done.
fn possible(entry: &Entry, topology: &Topology, lab: &str, action: &str, undo: bool) -> Result<()> {
    let interrupted = entry.interrupted().map(|act| act.action.as_str());
    if let Some(other) = interrupted.filter(|other| !undo || *other != action) {
        return Err(Error::conflict(format!("action `{other}` was interrupted")).help(format!(
            "`netlab repair {lab}` brings it to its end, `netlab act {lab} {other} --undo` takes it back"
        )));
    }
    if undo {
        if !entry.acted(action) {
            return Err(Error::conflict(format!("action `{action}` is not done"))
                .help(format!("`netlab act {lab}` shows what is")));
        }
        let needs = |act: &&journal::Act| {
            topology.actions.get(&act.action).is_some_and(|a| a.after.iter().any(|n| n == action))
        };
        if let Some(later) = entry.acts.iter().find(needs) {
            let later = &later.action;
            return Err(Error::conflict(format!("action `{later}` builds on `{action}`"))
                .help(format!("`netlab act {lab} {later} --undo` first")));
        }
        return Ok(());
    }
    if entry.acted(action) {
        return Err(Error::conflict(format!("action `{action}` is done already"))
            .help(format!("`netlab act {lab} {action} --undo` takes it back")));
    }
    let first: Vec<String> = topology.actions[action].after.iter().filter(|name| !entry.acted(name)).cloned().collect();
    match first.first() {
        Some(name) => Err(Error::conflict(format!("action `{action}` comes after `{}`", first.join("`, `")))
            .help(format!("`netlab act {lab} {name}` first"))),
        None => Ok(()),
    }
}

fn carry_out(
    running: &Running,
    topology: &Topology,
    action: &str,
    journal: &mut Journal,
    say: &mut dyn FnMut(Event<'_>),
) -> Result<Repaired> {
    let entry = &running.entry;
    let mode = if entry.on_host() { Mode::OnHost } else { Mode::Isolated };
    let (Some(added), Some(whole)) = (plan::action(topology, mode, action), &entry.plan) else {
        return Err(Error::conflict("the lab is not whole"));
    };
    let mut kernel = machine(entry, whole)?;
    journal.act(action, &added.steps)?;
    let result = steps(&mut kernel, whole, &added.steps, journal, topology, say);
    let Err(error) = result.map_err(stop::or) else {
        kernel.forget_ways(&whole.nodes).map_err(|r| Error::machine("cannot flush the routing caches").cause(r))?;
        let left = now(&running.name)?.map(|mut now| look(&mut kernel, &mut now)).transpose()?;
        journal.acted(action).map_err(lost)?;
        return Ok(left.unwrap_or_default());
    };
    let _steadfast = patience::steadfast();
    say(Event::Note("taking back what was done".into()));
    // What the journal says now, with the steps that were begun.
    let entry = journal::read(&ground::lab_folder(&running.name))?.unwrap_or_else(|| entry.clone());
    match take_back(&entry, action, journal, say) {
        Ok(_) => Err(error.note("everything was taken back; the lab is as it was")),
        Err(other) => Err(error.note(format!("taking it back failed too: {other}"))),
    }
}

fn machine(entry: &Entry, whole: &Plan) -> Result<Linux> {
    let logs = ground::lab_folder(&whole.lab).join("log");
    Linux::knowing(&logs, whole, &entry.outcomes).map_err(|r| Error::machine(r.to_string()))
}

fn lost(e: std::io::Error) -> Error {
    Error::machine("cannot write the journal").cause(e)
}

fn steps(
    kernel: &mut Linux,
    whole: &Plan,
    steps: &[Step],
    journal: &mut Journal,
    topology: &Topology,
    say: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    let first = whole.steps.len();
    for (n, step) in steps.iter().enumerate() {
        if stop::requested() {
            return Err(stop::interrupted());
        }
        say(Event::Step { n, of: steps.len(), op: &step.op });
        let refused = |refusal: Refusal| refused(step, &topology.source, &refusal);
        // Taking back what was begun would take it from whoever has it.
        if step.op.at().netns.is_none() && kernel.is_there(&step.op).map_err(refused)? {
            return Err(refused(Refusal::errno(libc::EEXIST, Some("this machine has it already".into()))));
        }
        let before = kernel.before(&step.op).map_err(refused)?;
        journal.begin(first + n, before).map_err(lost)?;
        let done = failpoint::at("act", n).and_then(|()| patience::step(n, || kernel.perform(whole, &step.op)));
        let done = done.map_err(refused)?;
        failpoint::at("acted", n).map_err(refused)?;
        journal.done(first + n, done).map_err(lost)?;
    }
    Ok(())
}

/// What should be there now, from the journal as it is.
fn now(lab: &str) -> Result<Option<Present>> {
    Ok(journal::read(&ground::lab_folder(lab))?.and_then(|entry| entry.present(None)))
}

/// What differs although the action is done: nothing, unless somebody changed it by hand.
fn look(kernel: &mut Linux, now: &mut Present) -> Result<Repaired> {
    let expected = super::up::expected(&now.plan, &now.outcomes);
    let actual = kernel.observe(&now.plan, &expected);
    let actual = actual.map_err(|r| Error::machine("cannot read the lab's state").cause(r))?;
    let drift = crate::state::diff(&expected, &actual);
    Ok(Repaired { mended: Vec::new(), left: drift.iter().map(|d| format!("{}: {d}", d.node)).collect() })
}

fn take_back(entry: &Entry, action: &str, journal: &mut Journal, say: &mut dyn FnMut(Event<'_>)) -> Result<Repaired> {
    let (Some(whole), Some(mut now)) = (&entry.plan, entry.present(Some(action))) else {
        return Err(Error::conflict("the lab is not whole"));
    };
    let mut kernel = machine(entry, whole)?;
    let own = entry.acts.iter().filter(|act| act.action == action).flat_map(|act| act.steps.clone());
    let begun = own.filter(|n| !matches!(entry.outcomes.get(*n), None | Some(Outcome::Untouched)));
    // A file that both states agree on needs no reload; a file that differs is written again, and that reloads.
    let counts = |(step, _): &(Step, Outcome)| !matches!(step.op, Op::ReloadService { .. });
    let over = begun.filter_map(|n| Some((whole.steps.get(n)?.clone(), entry.outcomes.get(n)?.clone())));
    let over: Vec<(Step, Outcome)> = over.filter(counts).collect();
    let over: Vec<(Step, Outcome)> = over.into_iter().rev().collect();
    let mut mender = Mender { kernel: &mut kernel, now: &mut now, journal, source: &entry.header.source };
    let repaired = mender.mend(&over, &[], say)?;
    failpoint::at("undone", 0).map_err(|r| Error::machine(r.to_string()))?;
    journal.undone(action).map_err(lost)?;
    Ok(repaired)
}
