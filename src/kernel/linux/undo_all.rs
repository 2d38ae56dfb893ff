//! Taking a whole lab back at once: one look at all processes instead of one per node, and all names dropped together, so
//! that the kernel, which waits for its readers each time, waits once.

use std::collections::HashSet;
use std::mem::discriminant;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use nix::sched::{CloneFlags, setns};

use super::Linux;
use super::lanes::spread;
use super::undo::{is_ours, is_placeholder, still_running};
use crate::kernel::limits::room_for_files;
use crate::kernel::{Refusal, netns, process};
use crate::plan::{Identity, Undo};

/// Taking a name away waits for the kernel's readers, many of which can be waited for together.
const WAITING: usize = 16;

type Answer = Result<(), Refusal>;

impl Linux {
    /// Takes several things back: an answer for each.
    pub(super) fn undo_all(&mut self, undos: &[Undo]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(undos.len());
        for same in undos.chunk_by(|a, b| discriminant(a) == discriminant(b)) {
            answers.extend(match same.first() {
                Some(Undo::EndProcesses { .. }) => self.end_all_processes(same),
                Some(Undo::DeleteLinksIn { .. }) => self.delete_held_links(same),
                Some(Undo::DropNetns { .. }) => self.drop_all(same),
                _ => same.iter().map(|undo| self.undo(undo)).collect(),
            });
        }
        answers
    }

    fn end_all_processes(&mut self, undos: &[Undo]) -> Vec<Answer> {
        let inhabited = process::inhabited();
        let lived_in = |undo: &Undo| -> Result<Option<u64>, Refusal> {
            let Some((name, identity)) = namespace(undo) else { return Ok(None) };
            // The name may be gone while programs still hold the namespace: the inode finds them.
            let inode = match open(name)? {
                Some(file) => Some(file.metadata()?.ino()),
                None => identity.map(|i| i.inode),
            };
            Ok(inode.filter(|i| inhabited.contains(i)))
        };
        let found: Vec<Result<Option<u64>, Refusal>> = undos.iter().map(lived_in).collect();
        // Whoever lives in a namespace that is still ours by its name is told at once; the rest is looked at one by one.
        let mut ours = HashSet::new();
        for (undo, inode) in undos.iter().zip(&found) {
            if let (Ok(Some(inode)), Some((name, identity))) = (inode, namespace(undo))
                && matches!(self.ours(name, identity), Ok(Some(_)))
            {
                ours.insert(*inode);
            }
        }
        if !ours.is_empty() {
            let _ = process::end(|| process::inside(&ours)).map_err(|left| still_running(&left));
            self.reap();
        }
        let one = |(undo, inode): (&Undo, Result<Option<u64>, Refusal>)| match inode {
            Ok(None) => Ok(()),
            Ok(Some(_)) => self.undo(undo),
            Err(refusal) => Err(refusal),
        };
        undos.iter().zip(found).map(one).collect()
    }

    /// A namespace goes with its last name, and its links go with it. Only where a process holds it open, its links would
    /// live on unseen: those are deleted.
    fn delete_held_links(&mut self, undos: &[Undo]) -> Vec<Answer> {
        let inode = |undo: &Undo| {
            let (name, _) = namespace(undo)?;
            open(name).ok().flatten()?.metadata().ok().map(|m| m.ino())
        };
        let inodes: Vec<Option<u64>> = undos.iter().map(inode).collect();
        let held = process::held_open(&inodes.iter().copied().flatten().collect());
        let is_held = |inode: Option<u64>| inode.is_some_and(|i| held.contains(&i));
        undos.iter().zip(inodes).map(|(undo, inode)| if is_held(inode) { self.undo(undo) } else { Ok(()) }).collect()
    }

    fn drop_all(&mut self, undos: &[Undo]) -> Vec<Answer> {
        self.namespaces.clear();
        self.insides.clear();
        let inhabited = process::inhabited();
        // A namespace, a socket, and a look at processes.
        let waiting = (room_for_files((WAITING * 4) as u64) / 4).clamp(1, WAITING);
        spread(waiting, undos, |undo| match namespace(undo) {
            Some((name, identity)) => drop_one(name, identity, &inhabited),
            None => Ok(()),
        })
    }
}

fn namespace(undo: &Undo) -> Option<(&str, Option<&Identity>)> {
    match undo {
        Undo::EndProcesses { netns, identity }
        | Undo::DeleteLinksIn { netns, identity, .. }
        | Undo::DropNetns { netns, identity } => Some((netns, identity.as_ref())),
        _ => None,
    }
}

fn open(name: &str) -> Result<Option<std::fs::File>, Refusal> {
    netns::open(name)
}

/// On a thread that may go anywhere.
fn drop_one(name: &str, identity: Option<&Identity>, inhabited: &HashSet<u64>) -> Answer {
    match open(name)? {
        Some(file) => {
            setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?;
            is_ours(name, identity, |inode| inhabited.contains(&inode))?;
        }
        None if is_placeholder(name) => {}
        None => return Ok(()),
    }
    netns::remove(name)
}
