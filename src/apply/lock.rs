//! One netlab at a time per lab.
//!
//! The lock is a `flock` on the lab's folder: the kernel lets go of it with the process, however that ends, and it is
//! close-on-exec, so that no program of the lab keeps it. The folder is removed with the lab; whoever waited for it then
//! holds a lock on something that is gone, notices, and starts again.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use super::ground;
use crate::error::{Error, Result};
use crate::kernel::process;

/// How long another netlab may take before this one gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lock on a lab; it ends with this value.
pub struct Lock {
    _file: Flock<File>,
    /// The lab's folder.
    pub folder: PathBuf,
}

/// Locks a lab. `make` makes its folder; without it, `None` means that there is none. `say` hears who is in the way.
pub fn take(lab: &str, make: bool, mut say: impl FnMut(String)) -> Result<Option<Lock>> {
    let begun = Instant::now();
    let mut said = false;
    loop {
        let folder = if make { ground::prepare(lab)? } else { ground::lab_folder(lab) };
        let file = match File::open(&folder) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && make => continue,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(ground::cannot("open", &folder, e)),
        };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) if same_file(&lock, &folder) => {
                return Ok(Some(Lock { _file: lock, folder }));
            }
            Ok(_) => continue,
            Err((file, nix::errno::Errno::EWOULDBLOCK)) => {
                let holder = holder(&file);
                if begun.elapsed() > PATIENCE {
                    return Err(Error::conflict(format!("lab `{lab}` is busy: {holder}"))
                        .help("wait for it to end, or end it; `netlab down` then cleans up"));
                }
                if !said {
                    say(format!("waiting for {holder}"));
                    said = true;
                }
                if super::stop::requested() {
                    return Err(Error::new(
                        crate::error::Kind::Interrupted,
                        "interrupted while waiting; nothing was changed",
                    ));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Err((_, e)) => return Err(ground::cannot("lock", &folder, e.into())),
        }
    }
}

/// Whether another netlab is at a lab right now.
pub fn busy(lab: &str) -> bool {
    let Ok(file) = File::open(ground::lab_folder(lab)) else { return false };
    Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
}

/// Whether an open folder still is what stands under its name.
pub(super) fn same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Who holds the lock, from /proc/locks: `1: FLOCK  ADVISORY  WRITE 1234 00:1b:567 0 EOF`.
fn holder(file: &File) -> String {
    let inode = file.metadata().map(|m| m.ino()).unwrap_or(0);
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let suffix = format!(":{inode}");
    let pid = locks
        .lines()
        .filter(|l| l.contains("FLOCK") && !l.contains("->"))
        .find(|l| l.split_whitespace().any(|w| w.ends_with(&suffix)))
        .and_then(|l| l.split_whitespace().nth(4)?.parse::<i32>().ok());
    match pid {
        Some(pid) => format!("process {pid} ({})", process::title(pid)),
        None => "another netlab".into(),
    }
}
