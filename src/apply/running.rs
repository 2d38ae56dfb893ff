//! Which lab is meant, and what is known of it.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::{ground, journal};
use crate::error::{Error, Kind, Problems, Result, did_you_mean, nearest};
use crate::labs;
use crate::span::Source;
use crate::spec;
use crate::topology::{self, Topology};

/// A lab file, found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its text.
    pub source: Source,
    /// Its full path; none for a lab inside the binary.
    pub file: Option<PathBuf>,
}

/// Whether this names a file, and not a lab.
pub fn is_path(named: &str) -> bool {
    named.contains('/') || named.ends_with(".yaml") || named.ends_with(".yml")
}

/// Finds a lab by a path, a name in the binary, or `NAME.yaml` here or below `labs/`; to be read with other values for
/// its parameters.
pub fn find_with(named: &str, set: &[(String, String)]) -> Result<Found> {
    if is_path(named) {
        return read_with(Path::new(named), set);
    }
    if let Some(built_in) = labs::find(named) {
        let mut source = built_in.source();
        source.set.extend(set.iter().cloned());
        return Ok(Found { source, file: None });
    }
    for path in [format!("{named}.yaml"), format!("{named}.yml"), format!("labs/{named}.yaml")] {
        if Path::new(&path).is_file() {
            return read_with(Path::new(&path), set);
        }
    }
    let known: Vec<&str> = labs::ALL.iter().map(|l| l.name).collect();
    let help = did_you_mean(named, known.iter().copied())
        .unwrap_or_else(|| format!("labs in netlab: {}; or name a file, as in ./{named}.yaml", known.join(", ")));
    Err(Error::usage(format!("there is no lab `{named}`")).help(help))
}

/// Reads a lab file from disk: an ordinary file of a sane size, UTF-8.
pub fn read_file(path: &Path) -> Result<Found> {
    read_with(path, &[])
}

fn read_with(path: &Path, set: &[(String, String)]) -> Result<Found> {
    let shown = path.display();
    let cannot = |e: std::io::Error| Error::usage(format!("cannot read {shown}")).cause(e);
    let meta = std::fs::metadata(path).map_err(|e| {
        let error = cannot(e);
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let names: Vec<String> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .collect();
        let wanted = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        match nearest(wanted, names.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean `{}`?", folder.join(near).display())),
            None => error,
        }
    })?;
    if !meta.is_file() {
        return Err(Error::usage(format!("{shown} is not an ordinary file")));
    }
    if let Some(error) = spec::too_large(meta.len()) {
        return Err(error);
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    let text = String::from_utf8(bytes).map_err(|e| {
        Error::usage(format!("{shown} is not UTF-8 text (byte {})", e.utf8_error().valid_up_to()))
            .help("save it as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
    let file = path.canonicalize().ok();
    let mut source = Source::new(shown.to_string(), text);
    // Which files it names may depend on its parameters.
    source.set.extend(set.iter().cloned());
    source.beside = beside(&source, file.as_deref());
    Ok(Found { source, file })
}

/// The files beside a lab file that it names with `from`.
fn beside(source: &Source, file: Option<&Path>) -> BTreeMap<String, Result<String, String>> {
    let mut found = BTreeMap::new();
    // A second reading, for the few labs that can have such files.
    let (true, Some(folder)) = (source.text.contains("files:"), file.and_then(Path::parent)) else {
        return found;
    };
    let Some(lab) = spec::load(source, &mut Problems::new(source.clone())) else {
        return found;
    };
    for path in lab.files_beside() {
        found.insert(path.value.clone(), read_beside(folder, path));
    }
    found
}

/// An ordinary file of a sane size, UTF-8, below the lab file's folder, whatever symbolic links say.
fn read_beside(folder: &Path, path: &str) -> Result<String, String> {
    let plain = |c| matches!(c, Component::Normal(_) | Component::CurDir);
    if path.is_empty() || !Path::new(path).components().all(plain) {
        return Err("it is not a path below the lab file's folder".into());
    }
    let full = folder.join(path).canonicalize().map_err(|e| e.to_string())?;
    if !full.starts_with(folder) {
        return Err("it leads out of the lab file's folder".into());
    }
    let meta = full.metadata().map_err(|e| e.to_string())?;
    if !meta.is_file() {
        return Err("it is not an ordinary file".into());
    }
    if meta.len() > spec::MOST_BYTES_BESIDE {
        return Err(format!("it has {} bytes; at most {} are read", meta.len(), spec::MOST_BYTES_BESIDE));
    }
    std::fs::read_to_string(full).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".into(),
        _ => e.to_string(),
    })
}

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
