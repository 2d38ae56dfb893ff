//! Down: whatever the journal says was begun is taken back.
//!
//! The lab file plays no part. Absent is success, one failure does not stop the rest, and nothing is removed by its name
//! alone. What could not be removed is named, and the journal stays, so that `down` can be tried again.

use super::{Event, failpoint, ground, journal, lock};
use crate::error::{Error, Kind, Result};
use crate::kernel::{Kernel, Linux, Refusal, patience};
use crate::plan::{NODES, Outcome, Plan, Undo, kept, undo};

/// What `down` came to.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Gone {
    /// The lab.
    pub lab: String,
    /// How many nodes it had.
    pub nodes: usize,
    /// It was from before the machine was restarted: there was nothing left to remove.
    pub stale: bool,
}

/// Takes a plan back on any machine; says what was left, and why.
pub fn take_back<K: Kernel>(kernel: &mut K, plan: &Plan, outcomes: &[Outcome]) -> Vec<(Undo, Refusal)> {
    let _steadfast = patience::steadfast();
    let untouched = Outcome::Untouched;
    let list = undo(plan, |i| outcomes.get(i).unwrap_or(&untouched));
    // All at once, or cut where a failure is wanted.
    let points = failpoint::step(&["down"]).filter(|n| *n < list.len());
    let mut left = Vec::new();
    let mut take = |undos: &[Undo]| {
        let answers = kernel.take_all_back(undos);
        let refused = |(undo, answer): (&Undo, Result<(), Refusal>)| Some((undo.clone(), answer.err()?));
        left.extend(undos.iter().zip(answers).filter_map(refused));
    };
    match points {
        None => take(&list),
        Some(n) => {
            take(&list[..n]);
            match failpoint::at("down", n) {
                Ok(()) => take(&list[n..]),
                Err(refusal) => {
                    take(&list[n + 1..]);
                    left.push((list[n].clone(), refusal));
                }
            }
        }
    }
    left
}

/// Takes a lab down, interrupted or not. `None` when there is none of that name.
pub fn down(lab: &str, say: &mut dyn FnMut(Event<'_>)) -> Result<Option<Gone>> {
    let Some(lock) = lock::take(lab, false, |text| say(Event::Note(text)))? else {
        ground::sweep()?;
        return Ok(None);
    };
    let gone = down_locked(lab, &lock)?;
    ground::clear(lab)?;
    Ok(Some(gone))
}

/// The same for a caller that holds the lock and goes on with it: the lab's folder stays, empty.
pub(super) fn down_locked(lab: &str, lock: &lock::Lock) -> Result<Gone> {
    let Some(entry) = journal::read(&lock.folder)? else {
        // Torn before the header was whole: nothing was begun.
        return Ok(Gone { lab: lab.into(), nodes: 0, stale: false });
    };
    let stale = entry.is_stale();
    let nodes = entry.plan.as_ref().map_or(0, |p| p.nodes.len());
    if let (Some(plan), false) = (&entry.plan, stale) {
        if let Ok(mut journal) = journal::Journal::append_to(&lock.folder) {
            journal.down();
        }
        let logs = lock.folder.join("log");
        let mut kernel = Linux::knowing(&logs, plan, &entry.outcomes).map_err(|r| Error::machine(r.to_string()))?;
        let left = take_back(&mut kernel, plan, &entry.outcomes);
        if !left.is_empty() {
            return Err(left_behind(lab, &left));
        }
        forget_views(plan);
    }
    failpoint::at("cleared", 0).map_err(|r| Error::machine(r.to_string()))?;
    journal::remove(&lock.folder)?;
    Ok(Gone { lab: lab.into(), nodes, stale })
}

/// Somebody's own files in /etc/netns, which programs and checks were shown, take an empty folder to mount on that no step
/// of the plan has made. Folders with anything in them stay.
fn forget_views(plan: &Plan) {
    for netns in plan.nodes.iter().filter_map(|at| at.netns.as_ref()) {
        let folder = format!("{NODES}/{netns}");
        let _ = std::fs::remove_dir(format!("{folder}/stage")).and_then(|()| std::fs::remove_dir(&folder));
    }
    let _ = std::fs::remove_dir(NODES);
}

pub(super) fn left_behind(lab: &str, left: &[(Undo, Refusal)]) -> Error {
    let mut error = Error::new(Kind::Left, format!("lab `{lab}`: something was left behind"));
    for (undo, refusal) in left {
        error = error.note(format!("{}: {refusal}", title(undo)));
    }
    error.help(format!("see to it, then run `netlab down {lab}` again"))
}

/// What taking something back is about, for a message.
fn title(undo: &Undo) -> String {
    match undo {
        Undo::EndProcesses { netns, .. } => format!("programs in namespace `{netns}`"),
        Undo::EndMarked { .. } => "programs on this machine".into(),
        Undo::DeleteRules { .. } => "firewall rules on this machine".into(),
        Undo::RestorePolicies { .. } => "firewall policies of this machine".into(),
        Undo::DestroySet { name } => format!("ipset `{name}` on this machine"),
        Undo::DeleteRoute { route } => format!("route `{route}` on this machine"),
        Undo::DeleteRule { rule } => format!("rule `{rule}` on this machine"),
        Undo::DeleteNeighbor { neighbor } => format!("neighbour `{neighbor}` on this machine"),
        Undo::DeleteAddress { dev, address } => {
            format!("address {address} on `{dev}` of this machine")
        }
        Undo::RestoreSysctls { path, .. } => format!("{} of this machine", path.replace('/', ".")),
        Undo::DeleteLinks { .. } => "links on this machine".into(),
        Undo::DeleteLinksIn { netns, .. } => format!("links in namespace `{netns}`"),
        Undo::DropNetns { netns, .. } => format!("namespace `{netns}`"),
        Undo::RemoveFile { netns, path } => kept(netns, path),
        Undo::RemoveRun { netns } => format!("{NODES}/{netns}"),
    }
}
