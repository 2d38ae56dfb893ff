//! The ground that labs stand on: /run/netlab, the folder of namespaces, /etc/netns.
//!
//! What of it was not there before the first lab goes again with the last one. The note that says so lies in
//! /run/netlab; the folder itself is locked while it is read or written.

#![allow(clippy::disallowed_methods, reason = "the journal's folder and what lies in it")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::kernel::netns;

/// Where netlab keeps what it knows about running labs.
pub const FOLDER: &str = "/run/netlab";

/// How long another netlab may be at the ground.
const PATIENCE: Duration = Duration::from_secs(30);

/// What netlab made on this machine for all labs together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Made {
    netns_folder: bool,
    netns_mount: bool,
    etc_netns: bool,
}

fn note() -> PathBuf {
    Path::new(FOLDER).join(".ground")
}

/// The folder of a lab.
pub fn lab_folder(lab: &str) -> PathBuf {
    Path::new(FOLDER).join(lab)
}

/// The labs that have a folder, running or interrupted.
pub fn labs() -> Vec<String> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    let mut names: Vec<String> = folders.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.retain(|n| crate::name::LabName::new(n).is_ok());
    names.sort();
    names
}

/// What the note says; none when there is none, or when it was torn before anything was made.
fn made() -> Option<Made> {
    serde_json::from_str(&std::fs::read_to_string(note()).ok()?).ok()
}

/// Makes the folder, remembers what was there, and makes the lab's own folder in it. All or nothing.
pub fn prepare(lab: &str) -> Result<PathBuf> {
    // The last `down` may take the folder away between two of these lines: then once more.
    for _ in 0..100 {
        let Some(lock) = lock_folder(true).map_err(|error| error.note("nothing was changed"))? else { continue };
        let folder = lab_folder(lab);
        let result = remember().and_then(|()| private_folder(&folder));
        if let Err(error) = result {
            sweep_locked();
            return Err(error.note("nothing was changed"));
        }
        drop(lock);
        return Ok(folder);
    }
    Err(Error::machine(format!("{FOLDER} comes and goes; something else removes it")))
}

fn remember() -> Result<()> {
    if made().is_some() {
        return Ok(());
    }
    let made = Made {
        netns_folder: !Path::new(netns::FOLDER).exists(),
        netns_mount: !netns::folder_is_mounted(),
        etc_netns: !Path::new(netns::ETC).exists(),
    };
    let text = serde_json::to_string(&made).unwrap_or_default();
    // Whole or not at all: a torn note would forget what has to go again.
    let draft = note().with_extension("new");
    let write = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, note()));
    write.map_err(|e| cannot("write", &note(), e))
}

/// Does something while no other netlab writes a first journal or clears a last one.
pub fn alone<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let _lock = lock_folder(false)?;
    work()
}

/// Removes a lab's folder, and with the last lab everything that netlab made for them all.
pub fn clear(lab: &str) -> Result<()> {
    let Some(_lock) = lock_folder(false)? else { return Ok(()) };
    let folder = lab_folder(lab);
    match std::fs::remove_dir_all(&folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(cannot("remove", &folder, e)),
        _ => {}
    }
    sweep_locked();
    Ok(())
}

/// Removes what netlab made for all labs, when there is none: an `up` or a `down` may have died in between.
pub fn sweep() -> Result<()> {
    if let Some(_lock) = lock_folder(false)? {
        sweep_locked();
    }
    Ok(())
}

fn sweep_locked() {
    if !labs().is_empty() {
        return;
    }
    let made = made().unwrap_or_default();
    netns::remove_folder(made.netns_mount, made.netns_folder);
    if made.etc_netns {
        let _ = std::fs::remove_dir(netns::ETC);
    }
    let _ = std::fs::remove_file(note().with_extension("new"));
    let _ = std::fs::remove_file(note());
    // Not empty when somebody has put something there: then it stays.
    let _ = std::fs::remove_dir(FOLDER);
}

/// Puts a file into a lab's own folder: it goes with the lab.
pub fn keep(lab: &str, name: &str, text: &str) -> Result<PathBuf> {
    let path = lab_folder(lab).join(name);
    std::fs::write(&path, text).map_err(|e| cannot("write", &path, e))?;
    Ok(path)
}

fn private_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return Ok(()),
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(cannot("make", folder, e));
        }
        Err(_) => {}
    }
    let meta = folder.symlink_metadata().map_err(|e| cannot("read", folder, e))?;
    if !meta.is_dir() || meta.uid() != nix::unistd::geteuid().as_raw() {
        return Err(Error::conflict(format!("{} is not netlab's folder; not touching it", folder.display())));
    }
    Ok(())
}

/// Locks the folder; `None` when it vanished meanwhile or is not there.
fn lock_folder(make: bool) -> Result<Option<Flock<File>>> {
    let folder = Path::new(FOLDER);
    if make {
        private_folder(folder)?;
    }
    let file = match File::open(folder) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(cannot("open", folder, e)),
    };
    let (begun, mut file) = (Instant::now(), file);
    loop {
        // It is held for a few milliseconds at a time, unless somebody has stopped whoever holds it (Ctrl-Z).
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(super::lock::same_file(&lock, folder).then_some(lock)),
            Err((same, nix::errno::Errno::EWOULDBLOCK)) if begun.elapsed() < PATIENCE => file = same,
            Err((_, e)) => return Err(cannot("lock", folder, e.into())),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(super) fn cannot(what: &str, path: &Path, e: std::io::Error) -> Error {
    let error = Error::machine(format!("cannot {what} {}", path.display()));
    let error = match e.raw_os_error() {
        Some(libc::EACCES) if nix::unistd::geteuid().is_root() => error.help(super::FORBIDDEN),
        Some(libc::EACCES | libc::EPERM) => error.help("run netlab as root, as in `sudo netlab …`"),
        _ => error,
    };
    error.cause(anyhow::Error::new(e))
}
