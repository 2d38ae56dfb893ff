//! Repair: what drifted is put back.
//!
//! The steps of the plan whose effect is missing are done again, in their order; what was added by hand inside the lab's
//! own namespaces is taken away, except interfaces and programs, which may be somebody's work. On the machine itself
//! only what is missing or changed is touched.

use super::journal::Journal;
use super::running::Running;
use super::{Event, failpoint, lock, refused, up};
use crate::error::{Error, Result};
use crate::ip::Family;
use crate::kernel::{Kernel, Linux, Refusal};
use crate::plan::{At, Op, Plan, Undo, other_ends, pending};
use crate::state::{Change, Drift, Item, diff};

/// What `repair` came to.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Repaired {
    /// What was mended.
    pub mended: Vec<String>,
    /// What still differs, and stays.
    pub left: Vec<String>,
}

/// Mends a lab that is up.
pub fn repair(running: &Running, say: &mut dyn FnMut(Event<'_>)) -> Result<Repaired> {
    let Some(lock) = lock::take(&running.name, false, |text| say(Event::Note(text)))? else {
        return Err(Error::usage(format!("lab `{}` is not up", running.name)));
    };
    let (entry, source) = (&running.entry, &running.entry.header.source);
    let Some(plan) = &entry.plan else {
        return Ok(Repaired::default());
    };
    let logs = lock.folder.join("log");
    let mut kernel = Linux::knowing(&logs, plan, &entry.outcomes).map_err(|r| Error::machine(r.to_string()))?;
    let expected = up::expected(plan, &entry.outcomes);
    let cannot_read = |r: Refusal| Error::machine("cannot read the lab's state").cause(r);
    let mut actual = kernel.observe(plan).map_err(cannot_read)?;
    let found = diff(&expected, &actual);
    if found.is_empty() {
        return Ok(Repaired::default());
    }
    let mut journal = Journal::append_to(&lock.folder)?;
    for drift in &found {
        undo_by_hand(&mut kernel, plan, drift)
            .map_err(|r| Error::machine(format!("{}: cannot mend: {drift}", drift.node)).cause(r))?;
    }
    for at in plan.nodes.iter().filter(|at| missing_netns(&found, at)) {
        make_namespace(&mut kernel, plan, at, &mut journal)?;
    }
    // A link that comes back brings an empty place with it: look again, and do what is missing now, until all is done.
    for _ in 0..4 {
        actual = kernel.observe(plan).map_err(cannot_read)?;
        let todo = pending(plan, &expected, &actual);
        if todo.is_empty() {
            break;
        }
        for n in todo {
            let step = &plan.steps[n];
            say(Event::Step { n, of: plan.steps.len(), op: &step.op });
            again(&mut kernel, plan, n, &mut journal).map_err(|refusal| refused(step, source, &refusal))?;
        }
    }
    for drift in found.iter().filter(|d| d.change == Change::Extra && matches!(d.item, Item::Set(_))) {
        if let Some(at) = plan.nodes.iter().find(|at| *at.node == *drift.node) {
            kernel
                .remove_extra(at, &drift.item)
                .map_err(|r| Error::machine(format!("{}: cannot mend: {drift}", drift.node)).cause(r))?;
        }
    }
    kernel.settle(plan).map_err(|(i, refusal)| refused(&plan.steps[i], source, &refusal))?;
    actual = kernel.observe(plan).map_err(cannot_read)?;
    let still = diff(&expected, &actual);
    let words = |d: &Drift| format!("{}: {d}", d.node);
    let mended = found.iter().filter(|d| !still.contains(d)).map(words).collect();
    Ok(Repaired { mended, left: still.iter().map(words).collect() })
}

fn missing_netns(found: &[Drift], at: &At) -> bool {
    found.iter().any(|d| d.node == *at.node && d.item == Item::Netns && d.change == Change::Missing)
}

/// The namespace itself, before anything in it.
fn make_namespace(kernel: &mut Linux, plan: &Plan, at: &At, journal: &mut Journal) -> Result<()> {
    for (n, step) in plan.steps.iter().enumerate() {
        if matches!(&step.op, Op::AddNetns { at: a } if a == at) {
            // Programs may hold the old namespace, and nobody would find them there later.
            let netns = at.netns.clone().unwrap_or_default();
            let identity = kernel.identities.get(&netns).copied();
            let _ = kernel.take_back(&Undo::EndProcesses { netns, identity });
            again(kernel, plan, n, journal)
                .map_err(|r| Error::machine(format!("cannot {}", step.op.title())).cause(r))?;
        }
    }
    Ok(())
}

/// Does a step again, on record.
fn again(kernel: &mut Linux, plan: &Plan, n: usize, journal: &mut Journal) -> Result<(), Refusal> {
    let op = &plan.steps[n].op;
    make_room(kernel, op)?;
    let before = kernel.before(op)?;
    journal.begin(n, before)?;
    failpoint::at("repair", n)?;
    let done = kernel.perform(plan, op)?;
    journal.done(n, done)?;
    if let Op::LoadRules { at, .. } = op {
        kernel.forget_connections(at)?;
    }
    Ok(())
}

/// What stands in the way of doing a step again: half a cable, half a firewall, a route of another kind.
fn make_room(kernel: &mut Linux, op: &Op) -> Result<(), Refusal> {
    for (at, dev) in other_ends(op) {
        kernel.delete_link(&at.netns, dev)?;
    }
    match op {
        Op::AddLink { at, link } => kernel.delete_link(&at.netns, &link.name),
        Op::LoadRules { at, family, .. } => kernel.flush_firewall(at, *family),
        // A daemon's children may outlive it, and go on with its port.
        Op::StartService { at, name, .. } => kernel.end_service(at, name),
        _ => Ok(()),
    }
}

/// Takes away what was added, and turns back what was changed in place.
fn undo_by_hand(kernel: &mut Linux, plan: &Plan, drift: &Drift) -> Result<(), Refusal> {
    let Some(at) = plan.nodes.iter().find(|at| *at.node == *drift.node) else {
        return Ok(());
    };
    match (&drift.change, &drift.item) {
        (Change::Extra, Item::Firewall(family, _)) if !loads_rules(plan, at, *family) => {
            kernel.flush_firewall(at, *family)
        }
        // Rules that were added by hand may still speak of it.
        (Change::Extra, Item::Set(_)) => Ok(()),
        (Change::Changed { .. }, Item::Set(_)) => {
            // A set that rules speak of cannot be made anew: they are loaded again after it.
            kernel.flush_firewall(at, Family::V4)?;
            kernel.flush_firewall(at, Family::V6)?;
            kernel.remove_extra(at, &drift.item)
        }
        (Change::Extra, item) => kernel.remove_extra(at, item),
        (Change::Changed { expected, .. }, Item::Property(dev, property)) => match property.as_str() {
            "address" => kernel.reset_link(at, dev, expected.parse().ok(), None),
            "mtu" => kernel.reset_link(at, dev, None, expected.parse().ok()),
            "state" if expected == "down" => kernel.remove_extra(at, &drift.item),
            "master" if expected == "none" => kernel.remove_extra(at, &drift.item),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Whether the plan gives a node firewall lines of its own: those are then loaded anew as a whole.
fn loads_rules(plan: &Plan, at: &At, family: Family) -> bool {
    plan.steps.iter().any(|s| matches!(&s.op, Op::LoadRules { at: a, family: f, .. } if a == at && *f == family))
}
