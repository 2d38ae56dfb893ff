//! Repair: what drifted is put back.
//!
//! The steps of the plan whose effect is missing are done again, in their order; what was added by hand inside the lab's
//! own namespaces is taken away, except interfaces and programs, which may be somebody's work. On the machine itself
//! only what is missing or changed is touched.

use std::collections::{BTreeSet, HashSet};

use super::journal::{Journal, Present};
use super::running::{self, Running};
use super::{Event, failpoint, lock, refused, stop, up};
use crate::error::{Error, Kind, Result};
use crate::ip::Family;
use crate::ip::iptables::{Line, Verb};
use crate::kernel::{Kernel, Linux, Refusal, patience};
use crate::link;
use crate::name::IfName;
use crate::plan::{At, Done, Op, Outcome, Plan, Step, Undo, other_ends, pending, policies, stopped};
use crate::span::Source;
use crate::state::{Change, Drift, Item, State, VLANS, diff};

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
    // Only now nobody else changes it.
    let entry = &running::pick_running(Some(&running.name))?.entry;
    let (Some(whole), Some(mut now)) = (&entry.plan, entry.present(None)) else {
        return Ok(Repaired::default());
    };
    let logs = lock.folder.join("log");
    let mut kernel = Linux::knowing(&logs, whole, &entry.outcomes).map_err(|r| Error::machine(r.to_string()))?;
    let mut journal = Journal::append_to(&lock.folder)?;
    let mut mender = Mender { kernel: &mut kernel, now: &mut now, journal: &mut journal, source: &entry.header.source };
    // Nobody knows whether the programs have read the files of an action that was interrupted.
    let begun: Vec<_> = entry.interrupted().into_iter().flat_map(|act| act.steps.clone()).collect();
    let mended = mender.mend(&[], &begun, say);
    let mut repaired = mended.map_err(|error| again(error, &format!("netlab repair {}", running.name)))?;
    if let Some(act) = entry.interrupted().filter(|_| repaired.left.is_empty()) {
        journal.acted(&act.action).map_err(|e| Error::machine("cannot write the journal").cause(e))?;
        repaired.mended.push(format!("action {} is done", act.action));
    }
    Ok(repaired)
}

/// An error of what can simply be done again.
pub(super) fn again(error: Error, command: &str) -> Error {
    match stop::or(error) {
        error if error.kind() == Kind::Interrupted => error.help(format!("`{command}` goes on where this stopped")),
        error => error,
    }
}

/// Brings what is to what should be. Ctrl-C stops it between two steps, unless somebody is steadfast.
pub(super) struct Mender<'a> {
    pub(super) kernel: &'a mut Linux,
    pub(super) now: &'a mut Present,
    pub(super) journal: &'a mut Journal,
    pub(super) source: &'a Source,
}

impl Mender<'_> {
    /// `over` are steps that no longer count, and how far they came; `reload` the numbers of steps whose programs read their files anew.
    pub(super) fn mend(
        &mut self,
        over: &[(Step, Outcome)],
        reload: &[usize],
        say: &mut dyn FnMut(Event<'_>),
    ) -> Result<Repaired> {
        let expected = self.expected();
        let mut actual = self.observe(&expected)?;
        let found = diff(&expected, &actual);
        let lost = self.lost(&found);
        let unread = self.unread();
        if found.is_empty() && [lost.len(), unread.len(), over.len(), reload.len()] == [0; 4] {
            return Ok(Repaired::default());
        }
        self.no_strangers()?;
        // What stands under the name of a lost namespace is not looked into: it may be a stranger's.
        for drift in found.iter().filter(|drift| !lost.iter().any(|(_, at)| *at.node == *drift.node)) {
            undo_by_hand(self.kernel, &self.now.plan, drift)
                .map_err(|r| Error::machine(format!("{}: cannot mend: {drift}", drift.node)).cause(r))?;
        }
        for (n, at) in lost {
            self.make_namespace(n, at)?;
        }
        for (step, outcome) in over {
            self.forget(step, outcome, &expected).map_err(|refusal| refused(step, self.source, &refusal))?;
        }
        let mut done = BTreeSet::from_iter(unread);
        // A link that comes back brings an empty place with it: look again, and do what is missing now, until all is
        // done.
        for _ in 0..4 {
            let expected = self.expected();
            actual = self.observe(&expected)?;
            let todo = pending(&self.now.plan, &expected, &actual);
            if todo.is_empty() {
                break;
            }
            for n in todo {
                if patience::is_over() {
                    return Err(stop::interrupted());
                }
                let step = self.now.plan.steps[n].clone();
                say(Event::Step { n, of: self.now.plan.steps.len(), op: &step.op });
                self.again(n).map_err(|refusal| refused(&step, self.source, &refusal))?;
                done.insert(n);
            }
        }
        // Rules spoke of these until now.
        for drift in found.iter().filter(|d| d.change == Change::Extra && matches!(d.item, Item::Set(_))) {
            if let Some(at) = self.now.plan.nodes.iter().find(|at| *at.node == *drift.node) {
                self.kernel
                    .remove_extra(at, &drift.item)
                    .map_err(|r| Error::machine(format!("{}: cannot mend: {drift}", drift.node)).cause(r))?;
            }
        }
        self.reload(&done, reload)?;
        // Only now: whoever finds a file that is not on record has its program read it again.
        for n in done.iter().filter(|n| is_file(&self.now.plan.steps[**n].op)) {
            let lost = |e| Error::machine("cannot write the journal").cause(e);
            self.journal.done(self.now.numbers[*n], Done::Plain).map_err(lost)?;
        }
        let plan = &self.now.plan;
        self.kernel.settle(plan).map_err(|(i, refusal)| refused(&plan.steps[i], self.source, &refusal))?;
        if patience::is_over() {
            return Err(stop::interrupted());
        }
        self.kernel.forget_ways(&plan.nodes).map_err(|r| Error::machine("cannot flush the routing caches").cause(r))?;
        let expected = self.expected();
        actual = self.observe(&expected)?;
        let still = diff(&expected, &actual);
        let words = |d: &Drift| format!("{}: {d}", d.node);
        let mended = found.iter().filter(|d| !still.contains(d)).map(words).collect();
        Ok(Repaired { mended, left: still.iter().map(words).collect() })
    }

    fn expected(&self) -> State {
        up::expected(&self.now.plan, &self.now.outcomes)
    }

    fn observe(&mut self, expected: &State) -> Result<State> {
        let seen = self.kernel.observe(&self.now.plan, expected);
        seen.map_err(|r| Error::machine("cannot read the lab's state").cause(r))
    }

    /// The namespaces that are to be made again, by their steps: those that are gone, and those that an interrupted repair
    /// was making.
    fn lost(&self, found: &[Drift]) -> Vec<(usize, At)> {
        let gone =
            |at: &At| found.iter().any(|d| d.node == *at.node && d.item == Item::Netns && d.change == Change::Missing);
        let steps = self.now.plan.steps.iter().zip(&self.now.outcomes).enumerate();
        steps
            .filter_map(|(n, (step, outcome))| match &step.op {
                Op::AddNetns { at } if gone(at) || outcome.done().is_none() => Some((n, at.clone())),
                _ => None,
            })
            .collect()
    }

    /// The files that an interrupted repair wrote again: nobody knows whether their programs have read them.
    fn unread(&self) -> Vec<usize> {
        let steps = self.now.plan.steps.iter().zip(&self.now.outcomes).enumerate();
        let begun = steps.filter(|(_, (step, outcome))| is_file(&step.op) && matches!(outcome, Outcome::Begun(_)));
        begun.map(|(n, _)| n).collect()
    }

    /// On the machine a name is not enough: whoever made a link there under one of ours keeps it.
    fn no_strangers(&mut self) -> Result<()> {
        let strangers = self.kernel.strangers(&self.now.plan);
        let strangers = strangers.map_err(|r| Error::machine("cannot read this machine's interfaces").cause(r))?;
        let Some(first) = strangers.first() else { return Ok(()) };
        let list = strangers.join("`, `");
        Err(Error::conflict(format!("`{list}` of this machine is not the lab's; not touching it")).help(format!(
            "rename it (`ip link set {first} name NEW`) or delete it, then `netlab repair {}`",
            self.now.plan.lab
        )))
    }

    /// The namespace itself, before anything in it.
    fn make_namespace(&mut self, n: usize, at: At) -> Result<()> {
        let netns = at.netns.unwrap_or_default();
        let identity = self.kernel.identities.remove(&netns);
        // Programs may hold the old namespace, and nobody would find them there later. Under the name there may be an empty
        // file, or an empty namespace of an interrupted repair; a namespace of somebody else's stays, and is named.
        let _ = self.kernel.take_back(&Undo::EndProcesses { netns: netns.clone(), identity });
        let dropped = self.kernel.take_back(&Undo::DropNetns { netns: netns.clone(), identity });
        dropped.map_err(|refusal| {
            Error::conflict(format!("the namespace of `{}` is gone, and its name is taken", at.node))
                .cause(refusal)
                .help(format!("`ip netns del {netns}` if nobody needs it, then `netlab repair {}`", self.now.plan.lab))
        })?;
        self.again(n).map_err(|refusal| refused(&self.now.plan.steps[n], self.source, &refusal))
    }

    /// What of a step that no longer counts cannot be seen as a difference: routes in a routing daemon's name, and
    /// firewall lines, which are compared as they were shown right after they were loaded.
    fn forget(&mut self, step: &Step, outcome: &Outcome, expected: &State) -> Result<(), Refusal> {
        match &step.op {
            Op::AddRoute { at, route } => {
                let text = route.clone().canonical().to_string();
                let wanted = expected.nodes.get(at.node.as_str()).is_some_and(|n| n.routes.contains(&text));
                match self.kernel.remove_extra(at, &Item::Route(text)) {
                    _ if wanted => Ok(()),
                    Err(refusal) if refusal.errno != libc::ESRCH => Err(refusal),
                    _ => Ok(()),
                }
            }
            Op::LoadRules { at, family, lines } => {
                if at.netns.is_none() {
                    if let Some(policies) = policies(&step.op, outcome) {
                        self.kernel.take_back(&policies)?;
                    }
                    // Chains of its own go, when nothing speaks of them any more; the node's stay, and are emptied by the loading.
                    let of_node = self.lines_of(at, *family).filter(|line| line.verb != Verb::NewChain);
                    let mut lines: Vec<Line> = of_node.chain(lines).cloned().collect();
                    lines.sort_by_key(|line| line.verb == Verb::NewChain);
                    self.kernel.take_back(&Undo::DeleteRules { family: *family, lines, chains_before: None })?;
                }
                self.kernel.flush_firewall(at, *family)?;
                let steps = self.now.plan.steps.iter().enumerate();
                let again: Vec<usize> = steps.filter(|(_, s)| loads(&s.op, at, *family)).map(|(n, _)| n).collect();
                again.into_iter().try_for_each(|n| self.again(n))
            }
            _ => Ok(()),
        }
    }

    fn lines_of<'a>(&'a self, at: &'a At, family: Family) -> impl Iterator<Item = &'a Line> {
        let own = self.now.plan.steps.iter().filter(move |s| loads(&s.op, at, family));
        own.flat_map(|s| if let Op::LoadRules { lines, .. } = &s.op { lines.as_slice() } else { &[] })
    }

    /// Programs whose files were written again read them again, unless they have only just started.
    fn reload(&mut self, done: &BTreeSet<usize>, more: &[usize]) -> Result<()> {
        let plan = self.now.plan.clone();
        let written = |node: &str, path: &String| {
            done.iter().any(
                |n| matches!(&plan.steps[*n].op, Op::WriteFile { at, path: p, .. } if *at.node == *node && p == path),
            )
        };
        let mut reloaded = HashSet::new();
        for (n, step) in plan.steps.iter().enumerate() {
            let (at, name, service) = match &step.op {
                Op::StartService { at, name, service } if service.files.iter().any(|f| written(&at.node, f)) => {
                    (at, name, service)
                }
                Op::ReloadService { at, name, service } if more.contains(&self.now.numbers[n]) => (at, name, service),
                _ => continue,
            };
            let started = |n: &usize| matches!(&plan.steps[*n].op, Op::StartService { at: a, name: s, .. } if a == at && s == name);
            if done.iter().any(started) || stopped(&plan, at, name) || !reloaded.insert((at, name)) {
                continue;
            }
            let op = Op::ReloadService { at: at.clone(), name: name.clone(), service: service.clone() };
            let step = Step { op, from: step.from };
            self.kernel.perform(&plan, &step.op).map_err(|refusal| refused(&step, self.source, &refusal))?;
        }
        Ok(())
    }

    /// Does a step again, on record.
    fn again(&mut self, n: usize) -> Result<(), Refusal> {
        let op = self.now.plan.steps[n].op.clone();
        self.make_room(n, &op)?;
        let before = self.kernel.before(&op)?;
        let number = self.now.numbers[n];
        self.journal.begin(number, before)?;
        failpoint::at("repair", n)?;
        let done = patience::step(n, || self.kernel.perform(&self.now.plan, &op))?;
        failpoint::at("repaired", n)?;
        if !is_file(&op) {
            self.journal.done(number, done.clone())?;
        }
        if let Op::LoadRules { at, .. } = &op {
            self.kernel.forget_connections(at)?;
        }
        self.now.outcomes[n] = Outcome::Done(None, done);
        Ok(())
    }

    /// What stands in the way of doing a step again: half a cable, half a firewall, a route of another kind.
    fn make_room(&mut self, n: usize, op: &Op) -> Result<(), Refusal> {
        for (at, dev) in other_ends(op) {
            self.kernel.delete_link(&at.netns, dev)?;
        }
        match op {
            Op::AddLink { at, link } => self.kernel.delete_link(&at.netns, &link.name),
            // What was added by hand goes with what is there.
            Op::SetVlans { at, dev, .. } => {
                self.kernel.remove_extra(at, &Item::Property(dev.to_string(), VLANS.into()))
            }
            // A bond takes a member only while it is down.
            Op::SetMaster { at, dev, master } if lends(&self.now.plan, at, master) => {
                self.kernel.remove_extra(at, &Item::Property(dev.to_string(), "state".into()))
            }
            // An action's lines come on top of the node's own.
            Op::LoadRules { at, family, .. } if !self.now.plan.steps[..n].iter().any(|s| loads(&s.op, at, *family)) => {
                // On the machine those that are still there, which would be there twice. Chains are emptied by the loading.
                if at.netns.is_none() {
                    let mut lines: Vec<Line> = self.lines_of(at, *family).cloned().collect();
                    lines.retain(|line| line.verb != Verb::NewChain);
                    self.kernel.take_back(&Undo::DeleteRules { family: *family, lines, chains_before: None })?;
                }
                self.kernel.flush_firewall(at, *family)
            }
            Op::StartEndpoint { at, dev, .. } => self.kernel.end_endpoint(at, dev),
            // To the same network, by another way: the kernel has one of each.
            Op::AddRoute { at, route } if at.netns.is_some() => self.kernel.clear_route(at, route),
            // A daemon's children may outlive it, and go on with its port.
            Op::StartService { at, name, .. } => self.kernel.end_service(at, name),
            _ => Ok(()),
        }
    }
}

fn is_file(op: &Op) -> bool {
    matches!(op, Op::WriteFile { .. })
}

fn loads(op: &Op, at: &At, family: Family) -> bool {
    matches!(op, Op::LoadRules { at: a, family: f, .. } if a == at && *f == family)
}

/// Whether members of that link are brought up by it.
fn lends(plan: &Plan, at: &At, master: &IfName) -> bool {
    let makes = |op: &Op| matches!(op, Op::AddLink { at: a, link } if a == at && link.name == *master && link::lends(link.kind.word()));
    plan.steps.iter().any(|s| makes(&s.op))
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
            "master" | "qdisc" | "vlans" if expected == "none" => kernel.remove_extra(at, &drift.item),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Whether the plan gives a node firewall lines of its own: those are then loaded anew as a whole.
fn loads_rules(plan: &Plan, at: &At, family: Family) -> bool {
    plan.steps.iter().any(|s| loads(&s.op, at, family))
}
