//! What will be done, as plain data: an ordered list of reversible operations.
//!
//! [`build`] makes it from a topology, in a fixed order of phases and without looking at the machine. Everything else
//! reads it: [`explain`] prints it, the journal keeps it, the executor carries it out, [`expect`] says what must then be
//! there, [`batches`] which steps go together, [`pending`] which steps are not (or no longer) in effect.

mod action;
mod batch;
mod build;
mod expect;
mod explain;
mod op;
mod pending;
mod undo;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use action::action;
pub use batch::{Batch, Way, batches, cut, lanes};
pub use build::{Lacking, Mode, build, build_for};
pub use expect::{expect, paint};
pub use explain::{command, explain, script};
pub use op::{At, ETC, NODES, Op, Phase, VethEnd, kept};
pub use pending::{other_ends, pending, stopped};
pub use undo::{Before, Done, Identity, Outcome, Process, Undo, links_on_machine, macs, policies, undo};

use crate::link::{By, NewLink};
use crate::name::{LabName, NodeName};
use crate::span::Span;

/// An ordered list of operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The lab.
    pub lab: LabName,
    /// The group number that every link of the lab carries: it survives renames and moves.
    pub group: u32,
    /// Where each node lives, in the order of the file.
    pub nodes: Vec<At>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One operation and the place in the lab file that asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// Where it comes from.
    pub from: Span,
}

impl Plan {
    /// Where a node lives.
    pub fn at(&self, node: &NodeName) -> Option<&At> {
        self.nodes.iter().find(|at| at.node == *node)
    }

    /// The node that is the machine itself, with `--on-host`.
    pub fn machine(&self) -> Option<&At> {
        self.nodes.iter().find(|at| at.netns.is_none())
    }

    /// The links whose packets netlab carries itself: where, the link.
    pub fn in_user_space(&self) -> impl Iterator<Item = (&At, &NewLink)> {
        self.steps.iter().filter_map(|step| match &step.op {
            Op::AddLink { at, link } if link.by == By::UserSpace => Some((at, link)),
            _ => None,
        })
    }

    /// The kinds of these links, each once.
    pub fn kinds_in_user_space(&self) -> Vec<&'static str> {
        let kinds: BTreeSet<&str> = self.in_user_space().map(|(_, link)| link.kind.word()).collect();
        kinds.into_iter().collect()
    }

    /// The comment that marks the lab's rules on the machine.
    pub fn mark(&self) -> String {
        format!("netlab:{}", self.lab)
    }
}
