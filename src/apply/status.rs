//! Status: what is up, and how it differs from what should be.

use std::path::Path;

use serde::Serialize;

use super::journal::Entry;
use super::running::{self, Running};
use super::{ground, up};
use crate::error::{Error, Result};
use crate::kernel::Linux;
use crate::plan::Plan;
use crate::state::{Drift, diff};

/// How a lab is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Up, and as it should be.
    Up,
    /// Up, but something differs.
    Drifted,
    /// Being started or removed, or interrupted while it was.
    HalfUp,
    /// From before the machine was restarted.
    Stale,
}

/// A lab's status.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The lab.
    pub lab: String,
    /// How it is.
    pub condition: Condition,
    /// The file it came from.
    pub from: String,
    /// Who brought it up.
    pub by: String,
    /// When, in seconds since 1970.
    pub since: u64,
    /// On the machine itself.
    pub on_host: bool,
    /// Nodes and their namespaces.
    pub nodes: Vec<NodeStatus>,
    /// Tunnels that netlab carries itself.
    pub in_user_space: Vec<InUserSpace>,
    /// Actions that are done, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
    /// An action that was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
    /// What differs.
    pub drift: Vec<Described>,
}

/// A node and where it is.
#[derive(Debug, Clone, Serialize)]
pub struct NodeStatus {
    /// The node.
    pub node: String,
    /// Its namespace; none for the machine itself.
    pub netns: Option<String>,
}

/// A tunnel that netlab carries itself, in user space.
#[derive(Debug, Clone, Serialize)]
pub struct InUserSpace {
    /// The node.
    pub node: String,
    /// The interface.
    pub link: String,
    /// The kind that the kernel does not have.
    pub kind: &'static str,
}

/// A difference, for machines and for people.
#[derive(Debug, Clone, Serialize)]
pub struct Described {
    /// The difference.
    #[serde(flatten)]
    pub drift: Drift,
    /// In words.
    pub words: String,
}

impl From<Drift> for Described {
    fn from(drift: Drift) -> Self {
        let words = drift.to_string();
        Described { drift, words }
    }
}

/// What differs, right now.
pub fn drift(entry: &Entry, folder: &Path) -> Result<Vec<Drift>> {
    let (Some(whole), Some(now)) = (&entry.plan, entry.present(None)) else {
        return Ok(Vec::new());
    };
    let logs = folder.join("log");
    let mut kernel = Linux::knowing(&logs, whole, &entry.outcomes).map_err(|r| Error::machine(r.to_string()))?;
    let expected = up::expected(&now.plan, &now.outcomes);
    let actual = kernel.observe(&now.plan, &expected);
    let actual = actual.map_err(|r| Error::machine("cannot read the lab's state").cause(r))?;
    Ok(diff(&expected, &actual))
}

/// One lab's status.
pub fn of(running: &Running) -> Result<Status> {
    let entry = &running.entry;
    let drift = if entry.is_running() && !entry.is_stale() {
        drift(entry, &ground::lab_folder(&running.name))?
    } else {
        Vec::new()
    };
    let condition = match (entry.is_stale(), entry.is_running(), drift.is_empty() && entry.interrupted().is_none()) {
        (true, ..) => Condition::Stale,
        (_, false, _) => Condition::HalfUp,
        (_, _, true) => Condition::Up,
        (_, _, false) => Condition::Drifted,
    };
    let nodes = entry.plan.iter().flat_map(|p| &p.nodes);
    let carried = entry.plan.iter().flat_map(Plan::in_user_space).map(|(at, link)| InUserSpace {
        node: at.node.to_string(),
        link: link.name.to_string(),
        kind: link.kind.word(),
    });
    Ok(Status {
        lab: running.name.clone(),
        condition,
        from: entry.header.source.name.clone(),
        by: entry.header.user.clone(),
        since: entry.header.at,
        on_host: entry.on_host(),
        nodes: nodes.map(|at| NodeStatus { node: at.node.to_string(), netns: at.netns.clone() }).collect(),
        in_user_space: carried.collect(),
        actions: entry.acts.iter().map(|act| act.action.clone()).collect(),
        interrupted: entry.interrupted().map(|act| act.action.clone()),
        drift: drift.into_iter().map(Described::from).collect(),
    })
}

/// The status of one lab, or of all.
pub fn status(named: Option<&str>) -> Result<Vec<Status>> {
    let wanted = match named {
        Some(_) => Some(running::pick(named)?),
        None => None,
    };
    let all = running::all().into_iter().filter(|r| wanted.as_ref().is_none_or(|w| *w == r.name));
    all.map(|r| of(&r)).collect()
}
