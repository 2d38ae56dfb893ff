//! Which lab is meant, and what is known of it.

use std::path::Path;

pub use super::find::{Found, find_with, is_path, read_file};
use super::{ground, journal};
use crate::error::{Error, Kind, Problems, Result, did_you_mean};
use crate::spec;
use crate::topology::{self, Topology};

/// Reads and resolves a lab with other values for its parameters.
pub fn load_with(named: &str, set: &[(String, String)]) -> Result<(Found, Topology, Problems)> {
    let found = find_with(named, set)?;
    let (topology, warnings) = topology::load(found.source.clone())?;
    Ok((found, topology, warnings))
}

/// A lab that is (or was) up.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// Its journal.
    pub entry: journal::Entry,
}

impl Running {
    /// The topology as it was when the lab came up.
    pub fn topology(&self) -> Result<Topology> {
        topology::load(self.entry.header.source.clone()).map(|(topology, _)| topology)
    }
}

/// The name of a lab that a user means: by its name, or by its file.
fn name_of(named: &str) -> String {
    if !is_path(named) {
        return named.to_string();
    }
    // Whatever else is wrong with it by now.
    let loaded = read_file(Path::new(named)).map(|found| {
        let lab = spec::load(&found.source, &mut Problems::new(found.source.clone()));
        lab.and_then(|lab| lab.name).map(|name| name.value)
    });
    let stem = || Path::new(named).file_stem().and_then(|s| s.to_str()).unwrap_or(named).to_string();
    loaded.ok().flatten().unwrap_or_else(stem)
}

/// The labs that have a journal.
pub fn all() -> Vec<Running> {
    let read = |name: String| {
        let entry = journal::read(&ground::lab_folder(&name)).ok()??;
        Some(Running { name, entry })
    };
    ground::labs().into_iter().filter_map(read).collect()
}

/// The lab that a command is about: the one named, or the only one.
pub fn pick(named: Option<&str>) -> Result<String> {
    let labs = ground::labs();
    match (named, labs.as_slice()) {
        (Some(named), _) => {
            let name = name_of(named);
            if labs.contains(&name) {
                return Ok(name);
            }
            let list = if labs.is_empty() { "no lab is up".into() } else { format!("up: {}", labs.join(", ")) };
            let near = did_you_mean(&name, labs.iter().map(String::as_str));
            Err(Error::usage(format!("lab `{name}` is not up")).help(near.unwrap_or(list)))
        }
        (None, [only]) => Ok(only.clone()),
        (None, []) => {
            Err(Error::usage("no lab is up").help("`netlab list` shows the labs; `netlab up bridge-lab` brings one up"))
        }
        (None, several) => {
            Err(Error::usage("several labs are up; say which one").help(format!("up: {}", several.join(", "))))
        }
    }
}

/// A lab that is up and whole.
pub fn pick_running(named: Option<&str>) -> Result<Running> {
    let name = pick(named)?;
    let entry = journal::read(&ground::lab_folder(&name))?;
    let Some(entry) = entry else {
        return Err(Error::conflict(format!("lab `{name}` is being started, or was interrupted before it began"))
            .help(format!("`netlab down {name}` cleans up")));
    };
    if entry.is_stale() {
        return Err(Error::new(Kind::Failed, format!("lab `{name}` was up before this machine was restarted"))
            .help(format!("`netlab up {name}` brings it up again, `netlab down {name}` forgets it")));
    }
    if !entry.is_running() {
        return Err(Error::conflict(format!(
            "lab `{name}` is half up: it is being started or removed, or was interrupted"
        ))
        .help(format!("`netlab down {name}` cleans up")));
    }
    Ok(Running { name, entry })
}
