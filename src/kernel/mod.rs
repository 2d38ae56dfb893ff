//! The only door to Linux: netlink, namespaces, iptables, kernel settings, processes.
//!
//! Everything above speaks to the [`Kernel`] trait. [`Linux`] is the real one; [`fake::Fake`] is a small machine in
//! memory on which every interruption of every lab can be tried in a moment. `linux.rs` is where to start reading.

#![allow(clippy::disallowed_methods, reason = "this is the door")]

pub mod apart;
pub mod capture;
pub mod clues;
mod conntrack;

pub mod diver;
pub mod echo;
pub mod endpoint;
pub mod fake;
pub mod firewall;
pub mod forwarding;
pub mod ipset;
pub mod limits;
mod linux;
pub mod machine;
mod messages;
mod netlink;
pub mod netns;
mod observe;
pub mod patience;
mod probe;
pub mod process;
pub mod program;
mod qdisc;
pub mod responder;
pub mod sysctl;
mod view;
mod vlans;
mod wireguard;

use std::fmt;

pub use linux::Linux;
pub(crate) use linux::on_threads;
pub use netlink::Netlink;
pub use observe::{MachineView, View};
pub use probe::{lacking, lacking_qdiscs, refused_settings};

use crate::plan::{Batch, Before, Done, Op, Plan, Undo};

/// A machine on which plans are carried out.
pub trait Kernel {
    /// What a step would overwrite, to be written down before [`Kernel::perform`].
    fn before(&mut self, op: &Op) -> Result<Option<Before>, Refusal>;
    /// Carries out one step.
    fn perform(&mut self, plan: &Plan, op: &Op) -> Result<Done, Refusal>;
    /// Takes one thing back; absent is success. Says what it left alone, and why.
    fn take_back(&mut self, undo: &Undo) -> Result<(), Refusal>;

    /// Carries out a batch of steps: an answer for each, none for those that were not tried. It goes on no further after
    /// a refusal, or when `halt` says so; what is under way by then is finished.
    fn perform_batch(&mut self, plan: &Plan, batch: &Batch, halt: Halt<'_>) -> Vec<Option<Result<Done, Refusal>>> {
        let mut answers = Vec::new();
        for step in &plan.steps[batch.steps.clone()] {
            if halt() {
                break;
            }
            let answer = self.perform(plan, &step.op);
            let refused = answer.is_err();
            answers.push(Some(answer));
            if refused {
                break;
            }
        }
        answers.resize(batch.steps.len(), None);
        answers
    }

    /// Takes several things back, in their order where it matters: an answer for each.
    fn take_all_back(&mut self, undos: &[Undo]) -> Vec<Result<(), Refusal>> {
        undos.iter().map(|undo| self.take_back(undo)).collect()
    }
}

/// Whether somebody wants netlab to stop.
pub type Halt<'h> = &'h (dyn Fn() -> bool + Sync);

/// The kernel (or a program that speaks for it) said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error number, 0 when it was a program.
    pub errno: i32,
    /// What it said.
    pub words: String,
    /// For firewall lines: which one.
    pub line: Option<usize>,
}

impl Refusal {
    /// A refusal in words.
    pub fn new(words: impl Into<String>) -> Self {
        Refusal { errno: 0, words: words.into(), line: None }
    }

    /// A refusal by number, with the kernel's own explanation when it gave one.
    pub fn errno(errno: i32, explained: Option<String>) -> Self {
        let name = nix::errno::Errno::from_raw(errno);
        let words = match explained {
            Some(explained) => format!("{} ({name:?}): {explained}", name.desc()),
            None => format!("{} ({name:?})", name.desc()),
        };
        Refusal { errno, words, line: None }
    }

    /// The same with what it was about in front.
    pub fn about(mut self, what: impl fmt::Display) -> Self {
        self.words = format!("{what}: {}", self.words);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Refusal {}

impl From<std::io::Error> for Refusal {
    fn from(e: std::io::Error) -> Self {
        match e.raw_os_error() {
            Some(errno) => Refusal::errno(errno, None),
            None => Refusal::new(e.to_string()),
        }
    }
}

impl From<nix::errno::Errno> for Refusal {
    fn from(e: nix::errno::Errno) -> Self {
        Refusal::errno(e as i32, None)
    }
}
