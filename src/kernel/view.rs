//! What a program in a node sees of the file system: the machine's own, but for the files of the node and its /run.
//!
//! Everything is worked out before the fork ([`View::of`]); the child then only mounts ([`View::enter`]), in a mount
//! namespace of its own, so nobody else sees anything of it and nothing has to be taken back.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;

use crate::plan::{ETC, NODES};

/// What of the machine's /run stays visible in a node's own: the names of namespaces, netlab itself, and whatever
/// /etc/resolv.conf may be a link to.
const STAYS: &[&str] = &["netns", "netlab", "systemd", "NetworkManager", "resolvconf"];

/// One system call of the child.
#[derive(Debug)]
enum Act {
    /// Shows what is at the first path at the second one, with everything mounted below it.
    Bind(CString, CString),
    /// Covers a folder with an empty one.
    Cover(CString),
    Folder(CString),
    /// An empty file: a place to show another one at.
    File(CString),
    Link(CString, CString),
    Leave(CString),
}

/// A program's view, as a list of what makes it.
#[derive(Debug, Default)]
pub struct View(Vec<Act>);

impl View {
    /// The view of the programs in a namespace.
    pub fn of(netns: &str) -> std::io::Result<View> {
        let mut view = View::default();
        let folder = Path::new(NODES).join(netns);
        let run = folder.join("run");
        if run.is_dir() {
            view.own_run(&run)?;
        }
        let mut files = Vec::new();
        below(&Path::new(ETC).join(netns), Path::new("/etc"), &mut files);
        below(&folder.join("files"), Path::new("/"), &mut files);
        view.files(&files, &folder.join("stage"))?;
        Ok(view)
    }

    fn own_run(&mut self, run: &Path) -> std::io::Result<()> {
        for name in STAYS {
            let machines = Path::new("/run").join(name);
            if machines.is_dir() {
                let place = run.join(name);
                std::fs::create_dir_all(&place)?;
                self.0.push(Act::Bind(c(&machines)?, c(&place)?));
            }
        }
        self.0.push(Act::Bind(c(run)?, c("/run")?));
        Ok(())
    }

    /// A file that the machine has too is covered by the node's. Where it has none, there is nothing to cover: then its
    /// folder becomes a copy of itself (an empty folder with everything shown in it again) that has room for one more.
    fn files(&mut self, files: &[(PathBuf, PathBuf)], stage: &Path) -> std::io::Result<()> {
        let mut copies: BTreeMap<PathBuf, Vec<(&Path, PathBuf)>> = BTreeMap::new();
        for (from, to) in files {
            if to.is_file() {
                self.0.push(Act::Bind(c(from)?, c(to)?));
                continue;
            }
            let folder = to.ancestors().skip(1).find_map(|f| Some((f, f.canonicalize().ok().filter(|f| f.is_dir())?)));
            if let Some((named, real)) = folder
                && let Ok(rest) = to.strip_prefix(named)
            {
                copies.entry(real).or_default().push((from, rest.to_path_buf()));
            }
        }
        if !copies.is_empty() {
            std::fs::create_dir_all(stage)?;
        }
        for (folder, added) in copies {
            self.copy(&folder, stage)?;
            let mut made = Vec::new();
            for (from, rest) in added {
                let to = folder.join(&rest);
                let mut between: Vec<&Path> = rest.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
                between.reverse();
                for part in between {
                    if !made.contains(&part.to_path_buf()) {
                        made.push(part.to_path_buf());
                        self.0.push(Act::Folder(c(folder.join(part))?));
                    }
                }
                self.0.push(Act::File(c(&to)?));
                self.0.push(Act::Bind(c(from)?, c(&to)?));
            }
        }
        Ok(())
    }

    fn copy(&mut self, folder: &Path, stage: &Path) -> std::io::Result<()> {
        self.0.push(Act::Bind(c(folder)?, c(stage)?));
        self.0.push(Act::Cover(c(folder)?));
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (from, to) = (stage.join(entry.file_name()), folder.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                self.0.push(Act::Link(c(std::fs::read_link(entry.path())?)?, c(to)?));
                continue;
            }
            self.0.push(if kind.is_dir() { Act::Folder(c(&to)?) } else { Act::File(c(&to)?) });
            self.0.push(Act::Bind(c(from)?, c(to)?));
        }
        self.0.push(Act::Leave(c(stage)?));
        Ok(())
    }

    /// Makes the view, in a child right after the fork: system calls on what is there already, and nothing else.
    pub fn enter(&self) -> nix::Result<()> {
        self.0.iter().try_for_each(Act::perform)
    }
}

impl Act {
    fn perform(&self) -> nix::Result<()> {
        let none = None::<&str>;
        match self {
            Act::Bind(from, to) => {
                mount(Some(from.as_c_str()), to.as_c_str(), none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
            }
            Act::Cover(folder) => {
                mount(Some("netlab"), folder.as_c_str(), Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=755"))
            }
            Act::Folder(path) => exists(nix::unistd::mkdir(path.as_c_str(), Mode::from_bits_truncate(0o755))),
            Act::File(path) => {
                let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
                nix::fcntl::open(path.as_c_str(), flags, Mode::from_bits_truncate(0o644)).map(drop)
            }
            Act::Link(to, path) => nix::unistd::symlinkat(to.as_c_str(), nix::fcntl::AT_FDCWD, path.as_c_str()),
            Act::Leave(path) => umount2(path.as_c_str(), MntFlags::MNT_DETACH),
        }
    }
}

fn exists(made: nix::Result<()>) -> nix::Result<()> {
    match made {
        Err(Errno::EEXIST) => Ok(()),
        other => other,
    }
}

/// The ordinary files below a folder, each with where it is to be seen.
fn below(folder: &Path, seen: &Path, found: &mut Vec<(PathBuf, PathBuf)>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut entries: Vec<_> = entries.map(|e| (e.path(), seen.join(e.file_name()))).collect();
    entries.sort();
    for (from, to) in entries {
        if from.is_dir() {
            below(&from, &to, found);
        } else {
            found.push((from, to));
        }
    }
}

fn c(path: impl AsRef<Path>) -> std::io::Result<CString> {
    Ok(CString::new(path.as_ref().as_os_str().as_bytes())?)
}
