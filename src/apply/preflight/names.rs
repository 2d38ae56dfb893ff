//! Names that the lab needs, and that are somebody else's already.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use super::super::{ground, journal, running};
use crate::error::{Error, Result};
use crate::kernel::{machine, netns};
use crate::name::NodeName;
use crate::plan::{ETC, NODES, Op, Plan};

/// Of a long list only so many are shown.
const SHOWN: usize = 10;

/// The names that are taken, each lab that has some of them, and labs that only speak of them.
pub(super) fn look(plan: &Plan) -> Vec<Error> {
    let paths = taken(plan);
    let owners = if paths.is_empty() { BTreeMap::new() } else { owners(plan, &paths) };
    let claims = claims(plan).filter(|(lab, _)| !owners.values().any(|owner| owner == lab)).map(|(_, error)| error);
    told(plan, &paths, &owners).into_iter().chain(claims).collect()
}

/// What is there already, by name.
fn taken(plan: &Plan) -> BTreeMap<&str, Vec<String>> {
    let written = |op: &Op| matches!(op, Op::WriteFile { .. }).then(|| op.at().node.clone());
    let writes: HashSet<NodeName> = plan.steps.iter().filter_map(|s| written(&s.op)).collect();
    let mut paths: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for at in &plan.nodes {
        let Some(name) = at.netns.as_deref() else { continue };
        let folders = [ETC, NODES].map(|top| Path::new(top).join(name)).into_iter();
        let folders = folders.filter(|folder| writes.contains(&at.node) && folder.exists());
        let there = netns::exists(name).then(|| netns::path(name)).into_iter().chain(folders);
        let there: Vec<String> = there.map(|path| path.display().to_string()).collect();
        if !there.is_empty() {
            paths.insert(name, there);
        }
    }
    paths
}

/// The labs that have those names.
fn owners<'p>(plan: &Plan, paths: &BTreeMap<&'p str, Vec<String>>) -> BTreeMap<&'p str, String> {
    let mut owners = BTreeMap::new();
    for other in running::all().into_iter().filter(|other| other.name != *plan.lab && !other.entry.is_stale()) {
        let its: HashSet<&str> =
            other.entry.plan.iter().flat_map(|p| &p.nodes).filter_map(|at| at.netns.as_deref()).collect();
        owners.extend(paths.keys().filter(|name| its.contains(**name)).map(|name| (*name, other.name.clone())));
    }
    owners
}

fn told(plan: &Plan, paths: &BTreeMap<&str, Vec<String>>, owners: &BTreeMap<&str, String>) -> Option<Error> {
    if paths.is_empty() {
        return None;
    }
    let are = if paths.len() == 1 { "is" } else { "are" };
    let mut error = Error::conflict(format!("{} of the names that `{}` needs {are} taken", paths.len(), plan.lab));
    let all = || paths.iter().flat_map(|(name, paths)| paths.iter().map(|path| (*name, path)));
    for (name, path) in all().take(SHOWN) {
        error = error.note(match owners.get(name) {
            Some(lab) => format!("{path} is lab `{lab}`'s"),
            None => format!("{path} exists and was not made by netlab; not touching it"),
        });
    }
    if let Some(more @ 1..) = all().count().checked_sub(SHOWN) {
        error = error.note(format!("and {more} more"));
    }
    for lab in owners.values().collect::<BTreeSet<_>>() {
        error = error.help(format!("`netlab down {lab}`, if nobody needs it"));
    }
    let remove = |path: &String| match Path::new(path).strip_prefix(netns::FOLDER) {
        Ok(name) => format!("`ip netns del {}`", name.display()),
        Err(_) => format!("`rm -r {path}`"),
    };
    let nobodys: Vec<String> =
        all().filter(|(name, _)| !owners.contains_key(name)).take(SHOWN).map(|(_, path)| remove(path)).collect();
    if nobodys.is_empty() {
        return Some(error);
    }
    let them = if nobodys.len() == 1 { "it" } else { "them" };
    Some(error.help(format!("if nobody needs {them}: {}", nobodys.join(", "))))
}

/// Labs that are not whole right now and have one of the names.
fn claims(plan: &Plan) -> impl Iterator<Item = (String, Error)> {
    let boot = machine::boot_id();
    let needed: HashSet<&str> = plan.nodes.iter().filter_map(|at| at.netns.as_deref()).collect();
    ground::labs().into_iter().filter(|lab| *lab != *plan.lab).filter_map(move |lab| {
        let header = journal::head(&ground::lab_folder(&lab)).filter(|h| h.boot_id == boot)?;
        let name = header.plan.namespaces().find(|name| needed.contains(name))?;
        let error = Error::conflict(format!("lab `{lab}`, which is not whole right now, has the name `{name}` too"))
            .help(format!("`netlab down {lab}`, or wait until it is up or gone"));
        Some((lab, error))
    })
}

/// Names that another lab's journal speaks of, though nothing is there under them: it is being brought up right now, or its
/// `up` was killed. Its `down` would take an empty namespace of that name for its own.
pub fn claimed(plan: &Plan) -> Result<()> {
    claims(plan).next().map_or(Ok(()), |(_, error)| Err(error))
}
