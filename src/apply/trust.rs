//! Consent: a lab file that is not netlab's own may name programs, and they would run as root.
//!
//! They are listed, and somebody has to agree. What was agreed to is remembered in a file of root's: the hash of the
//! list, or a folder whose labs are one's own. A list that changes is a list that nobody has agreed to.

#![allow(clippy::disallowed_methods, reason = "the list of what was agreed to is the journal's kind of file")]

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::running::Found;
use crate::check::{Kind, shell_words};
use crate::error::{Error, Result};
use crate::labs;
use crate::topology::{Program, Ready, Reload, Service, Topology};

/// Something in a lab file that makes programs run as the file's author wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wish {
    /// The node.
    pub node: String,
    /// What it is for: `service web`, `check …`, `file`.
    pub what: String,
    /// The command, or the path of the file.
    pub words: String,
    /// `file:line`.
    pub at: String,
    /// What decides but is too long to be shown: the content of a file.
    #[serde(skip)]
    content: String,
}

/// Everything in a lab that takes consent: commands, environments of programs, and files that programs read, because a
/// file in the right place is as good as a command.
pub fn wishes(topology: &Topology) -> Vec<Wish> {
    let mut wishes = Vec::new();
    let mut wish = |node: &str, what: String, words: String, span, content: &str| {
        let at = topology.source.at(span);
        wishes.push(Wish { node: node.into(), what, words, at, content: content.into() });
    };
    for (node, settings) in &topology.nodes {
        for (name, service) in &settings.services {
            for (what, words) in commands(service) {
                wish(node.as_str(), format!("{what} {name}"), words, service.span, "");
            }
        }
        for (path, content) in &settings.files {
            wish(node.as_str(), "file".into(), path.clone(), content.span, &content.value);
        }
    }
    for (name, action) in &topology.actions {
        for (node, edit) in &action.nodes {
            for (path, content) in &edit.files {
                wish(node.as_str(), format!("file of action {name}"), path.clone(), content.span, &content.value);
            }
        }
    }
    for check in &topology.checks {
        let traffic = match &check.kind {
            Kind::Sees(sees) => sees.traffic.as_ref().map(|t| (t.node.as_str(), &*t.kind)),
            _ => None,
        };
        let both = [Some((check.node.as_str(), &check.kind)), traffic];
        for (node, kind) in both.into_iter().flatten().filter(|(_, kind)| matches!(kind, Kind::Run(_))) {
            wish(node, format!("check `{}`", check.name), kind.by_hand(), check.span, "");
        }
    }
    wishes
}

fn commands(service: &Service) -> Vec<(&'static str, String)> {
    let env: String = service
        .env
        .iter()
        .map(|(name, value)| format!("{name}={} ", shell_words(std::slice::from_ref(value))))
        .collect();
    let user = service.user.iter().map(|user| format!("(as {user}) ")).collect::<String>();
    let said = |argv: &[String]| format!("{user}{env}{}", shell_words(argv));
    let mut commands = Vec::new();
    match &service.program {
        Program::Run(argv) => commands.push(("service", said(argv))),
        Program::Responder { .. } if env.is_empty() => {}
        // The loader of programs obeys some variables.
        Program::Responder { proto, .. } => {
            commands.push(("service", said(&["netlab".into(), "responder".into(), proto.word().into()])));
        }
    }
    if !service.test.is_empty() {
        commands.push(("test of service", said(&service.test)));
    }
    if let Some(Ready::Run(argv)) = &service.ready {
        commands.push(("readiness of service", said(argv)));
    }
    if let Some(Reload::Run(argv)) = &service.reload {
        commands.push(("reload of service", said(argv)));
    }
    commands
}

/// One line of the file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Agreed {
    /// The hash of a list of wishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// Or a folder: labs in it and below it are one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
    /// The lab it was about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    lab: String,
    /// Who agreed.
    #[serde(default)]
    by: String,
}

impl Agreed {
    /// What was agreed to, in words.
    pub fn words(&self) -> String {
        match (&self.folder, &self.hash) {
            (Some(folder), _) => format!("every lab below {} (by {})", folder.display(), self.by),
            (None, Some(hash)) => format!("the commands of {} (by {}; {:.12})", self.lab, self.by, hash),
            (None, None) => "nothing".into(),
        }
    }
}

/// Where it is remembered; `NETLAB_STATE` names another folder.
fn file() -> PathBuf {
    std::env::var_os("NETLAB_STATE").map_or_else(|| PathBuf::from("/var/lib/netlab"), PathBuf::from).join("trusted")
}

/// What was agreed to so far. A file that somebody else could have written is not believed.
pub fn agreed() -> Result<Vec<Agreed>> {
    let path = file();
    let meta = match path.symlink_metadata() {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(super::ground::cannot("read", &path, e)),
    };
    if !meta.is_file() || meta.uid() != nix::unistd::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
        return Err(Error::conflict(format!("{} could have been written by somebody else", path.display()))
            .help(format!("look at it, then: rm {}", path.display())));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| super::ground::cannot("read", &path, e))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn hash(wishes: &[Wish]) -> String {
    let mut digest = Sha256::new();
    // Each part with its length: two different lists are never the same bytes.
    for part in wishes.iter().flat_map(|w| [&w.node, &w.what, &w.words, &w.content]) {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What of a lab nobody has agreed to yet: all of its wishes, or none.
pub fn missing(found: &Found, topology: &Topology) -> Result<Vec<Wish>> {
    let built_in = found.file.is_none() || labs::ALL.iter().any(|lab| lab.text == found.source.text);
    let wishes = wishes(topology);
    // A built-in lab that reads files beside it would read those beside a copy.
    if wishes.is_empty() || built_in && found.source.beside.is_empty() {
        return Ok(Vec::new());
    }
    let hash = hash(&wishes);
    let file = found.file.as_deref();
    let covers = |a: &Agreed| {
        let by_folder = || a.folder.as_ref().zip(file).is_some_and(|(folder, file)| file.starts_with(folder));
        a.hash.as_ref() == Some(&hash) || by_folder()
    };
    Ok(if agreed()?.iter().any(covers) { Vec::new() } else { wishes })
}

/// Remembers that somebody agreed to a lab.
pub fn agree(topology: &Topology) -> Result<()> {
    let hash = Some(hash(&wishes(topology)));
    add(Agreed { hash, lab: topology.source.name.clone(), by: super::user(), ..Agreed::default() })
}

/// Remembers that the labs below a folder are one's own.
pub fn agree_folder(folder: &Path) -> Result<PathBuf> {
    let full = folder.canonicalize().map_err(|e| super::ground::cannot("read", folder, e))?;
    add(Agreed { folder: Some(full.clone()), by: super::user(), ..Agreed::default() })?;
    Ok(full)
}

/// One netlab at a time changes the file; the lock ends with this value. None where there is no folder yet.
fn alone() -> Result<Option<Flock<std::fs::File>>> {
    let path = file();
    let folder = path.parent().unwrap_or(&path);
    let cannot = |e| super::ground::cannot("lock", folder, e);
    match std::fs::File::open(folder) {
        // Held for as long as it takes to write a few lines.
        Ok(open) => Flock::lock(open, FlockArg::LockExclusive).map(Some).map_err(|(_, e)| cannot(e.into())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(cannot(e)),
    }
}

/// Where the file lies, made where it is not there.
fn prepare() -> Result<()> {
    let path = file();
    let Some(folder) = path.parent() else { return Ok(()) };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
    made.map_err(|e| super::ground::cannot("write", &path, e))
}

fn add(new: Agreed) -> Result<()> {
    prepare()?;
    let _alone = alone()?;
    let mut all = agreed()?;
    all.retain(|a| (&a.hash, &a.folder) != (&new.hash, &new.folder));
    all.push(new);
    write(&all)
}

/// Forgets what was agreed to about a lab, or a folder; how much that was.
pub fn forget(topology: Option<&Topology>, folder: Option<&Path>) -> Result<usize> {
    let _alone = alone()?;
    let mut all = agreed()?;
    let before = all.len();
    let hash = topology.map(|t| hash(&wishes(t)));
    let folder = folder.map(|f| f.canonicalize().unwrap_or_else(|_| f.to_path_buf()));
    all.retain(|a| {
        let same_hash = hash.is_some() && a.hash == hash;
        let same_folder = folder.is_some() && a.folder == folder;
        !(same_hash || same_folder)
    });
    write(&all)?;
    Ok(before - all.len())
}

fn write(all: &[Agreed]) -> Result<()> {
    let path = file();
    let draft = path.with_extension("new");
    let cannot = |e| super::ground::cannot("write", &path, e);
    if all.is_empty() {
        return match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(cannot(e)),
            _ => Ok(()),
        };
    }
    let lines: String = all.iter().filter_map(|a| Some(serde_json::to_string(a).ok()? + "\n")).collect();
    // Of an interrupted attempt.
    let _ = std::fs::remove_file(&draft);
    let whole = || {
        let mut new = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&draft)?;
        new.write_all(lines.as_bytes())?;
        std::fs::rename(&draft, &path)
    };
    whole().map_err(cannot)
}
