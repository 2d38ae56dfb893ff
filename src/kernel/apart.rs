//! A machine of its own for one command: mount, network and process namespaces, with its own /run, /proc, /sys and /etc.
//!
//! It ends with its first process, however that ends, and the kernel takes everything else of it along: there is nothing
//! to clean up. Programs in two steps, because `unshare(CLONE_NEWPID)` is for children only: [`outside`] starts a copy of
//! netlab whose children have a process namespace of their own, and [`inside`] starts the first of them.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::RouteNetlinkMessage;

use super::{Netlink, Refusal, netns, observe, process, sysctl};
use crate::link::is_fallback;

/// Starts `netlab WORDS` with namespaces of its own; what it prints comes through a pipe.
pub fn outside<W: AsRef<OsStr>>(words: &[W]) -> std::io::Result<Child> {
    let mut command = own(words)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let parent = std::process::id();
    let work = move || {
        process::bound_to(parent)?;
        // Ctrl-C is for the command that started this one, and reaches this one by that one's end.
        nix::unistd::setsid()?;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID)?;
        Ok(())
    };
    // SAFETY: between fork and exec only system calls, on numbers.
    unsafe { command.pre_exec(work) };
    command.spawn()
}

/// Starts `netlab WORDS` as the first process of the machine, and waits for its end.
pub fn inside<W: AsRef<OsStr>>(words: &[W]) -> std::io::Result<ExitStatus> {
    let mut command = own(words)?;
    let work = || nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from);
    // SAFETY: between fork and exec one system call, on a number.
    unsafe { command.pre_exec(work) };
    command.status()
}

fn own<W: AsRef<OsStr>>(words: &[W]) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words);
    Ok(command)
}

/// Furnishes the machine; for its first process. `lo` is up, nothing is forwarded, /run is empty, and what is written to
/// /etc stays here.
pub fn furnish() -> Result<(), Refusal> {
    let none = None::<&str>;
    let tmpfs = |at: &str| mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some("mode=755"));
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none)?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none)?;
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none)?;
    // Under the new /run the old folder of namespaces would still be in the list of mounts.
    while umount2(netns::FOLDER, MntFlags::MNT_DETACH).is_ok() {}
    tmpfs("/run")?;
    let place = Path::new("/run/.etc");
    for folder in ["changed", "work"] {
        std::fs::create_dir_all(place.join(folder))?;
    }
    let layers = "lowerdir=/etc,upperdir=/run/.etc/changed,workdir=/run/.etc/work";
    mount(Some("overlay"), "/etc", Some("overlay"), MsFlags::empty(), Some(layers))
        .map_err(|e| Refusal::from(e).about("an overlay on /etc"))?;
    // The real machine may have files for namespaces of its own.
    match std::fs::remove_dir_all(netns::ETC) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
        _ => {}
    }
    // Inherited from the real machine, which may have Docker on it.
    sysctl::write("net/ipv4/ip_forward", "0")?;
    const LO: u32 = 1;
    Netlink::open()?.one(RouteNetlinkMessage::SetLink(LinkUnspec::new_with_index(LO).up().build()), 0)
}

/// What is on the machine besides what [`furnish`] put there: names of namespaces, links, folders, programs.
pub fn leftovers() -> Result<Vec<String>, Refusal> {
    let mut left = Vec::new();
    for folder in ["/run", netns::ETC] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        left.extend(entries.filter(|e| e.file_name() != ".etc").map(|e| format!("file {}", e.path().display())));
    }
    let links = observe::links(&mut Netlink::open()?)?.into_iter().map(|link| link.name);
    left.extend(links.filter(|name| name != "lo" && !is_fallback(name)).map(|name| format!("link {name}")));
    left.extend(process::others().into_iter().map(|pid| format!("process {pid}: {}", process::title(pid))));
    Ok(left)
}
