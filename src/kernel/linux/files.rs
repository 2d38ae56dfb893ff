//! Files that exist for one node only, and its programs' own /run.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::kernel::Refusal;
use crate::plan::{At, ETC, NODES, kept};
use crate::state::digest;

/// Makes the node's own /run, with folders for its programs.
pub(super) fn add_run(at: &At, folders: &[String]) -> Result<(), Refusal> {
    let Some(netns) = &at.netns else { return Ok(()) };
    let run = PathBuf::from(kept(netns, "/run"));
    let make = |path: &Path| std::fs::create_dir_all(path).map_err(|e| Refusal::from(e).about(path.display()));
    make(&run)?;
    folders.iter().try_for_each(|folder| make(&run.join(folder)))
}

pub(super) fn write(at: &At, path: &str, content: &str) -> Result<(), Refusal> {
    let Some(netns) = &at.netns else {
        return Err(Refusal::new(format!("{path} of the machine itself is not netlab's to write")));
    };
    let place = PathBuf::from(kept(netns, path));
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // In place: whoever has the file mounted sees the new content, and would not see a new file of that name.
    std::fs::write(&place, content).map_err(|e| Refusal::from(e).about(place.display()))
}

/// The digest of a file as it is; none when it is gone.
pub(super) fn seen(netns: &str, path: &str) -> Option<String> {
    std::fs::read(kept(netns, path)).ok().map(|content| digest(&content))
}

pub(super) fn remove(netns: &str, path: &str) -> Result<(), Refusal> {
    let place = PathBuf::from(kept(netns, path));
    match std::fs::remove_file(&place) {
        Err(e) if !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(Refusal::from(e).about(place.display()));
        }
        _ => {}
    }
    // The folders up to the namespace's own, where nobody else has put anything.
    let tops = [ETC, NODES].map(|top| Path::new(top).join(netns));
    let mut folder = place.parent();
    while let Some(at) = folder.filter(|f| tops.iter().any(|top| f.starts_with(top))) {
        match std::fs::remove_dir(at) {
            // One that was killed in here has taken it away already.
            Err(e) if e.kind() != ErrorKind::NotFound => break,
            _ => folder = at.parent(),
        }
    }
    Ok(())
}

/// What programs left in their own /run goes with it: nobody else ever had it.
pub(super) fn remove_run(netns: &str) -> Result<(), Refusal> {
    let folder = Path::new(NODES).join(netns);
    match std::fs::remove_dir_all(&folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(Refusal::from(e).about(folder.display())),
        _ => {}
    }
    // With the last node's goes the folder for them all.
    let _ = std::fs::remove_dir(NODES);
    Ok(())
}
