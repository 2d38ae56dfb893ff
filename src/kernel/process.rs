//! Programs in a namespace: started as `ip netns exec` starts them, found by the namespace they are in, ended for good.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::Refusal;
use super::view::View;
use crate::plan::Process;

/// The search path of programs: the caller's own may hold anything.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The variable that marks a lab's programs on the machine itself.
pub const MARK: &str = "NETLAB_MARK";

/// How a program meets the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// Its own session: a service.
    Own,
    /// Its own process group: Ctrl-C is for netlab, which ends it.
    Group,
    /// The caller's: a shell.
    Shared,
}

/// A user that a program runs as: without root's rights.
#[derive(Debug, Clone)]
pub struct User {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    /// Programs of this user's cannot gain rights either, as `sudo` and `ping` do.
    for_good: bool,
}

impl User {
    /// A user of this machine, with its groups.
    pub fn named(name: &str) -> Result<User, Refusal> {
        let found = nix::unistd::User::from_name(name)?;
        let found = found.ok_or_else(|| Refusal::new(format!("there is no user `{name}` on this machine")))?;
        let c_name = CString::new(name).map_err(|_| Refusal::new("a user's name has no zero in it"))?;
        let groups = nix::unistd::getgrouplist(&c_name, found.gid).unwrap_or_else(|_| vec![found.gid]);
        Ok(User { uid: found.uid, gid: found.gid, groups, for_good: false })
    }

    /// Whoever runs netlab: the user behind `sudo`, else `nobody`. For what takes no rights; none where netlab itself
    /// could not become another user (a container that has only root).
    pub fn caller() -> Option<User> {
        let number = |name: &str| std::env::var(name).ok()?.parse().ok().filter(|n| *n != 0);
        let uid = number("SUDO_UID").unwrap_or(NOBODY);
        let gid = number("SUDO_GID").unwrap_or(NOBODY);
        let user = User { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid), groups: Vec::new(), for_good: true };
        (mapped("uid_map", uid) && mapped("gid_map", gid)).then_some(user)
    }

    /// Becomes the user, in a child right after the fork, or in a process that has only one thread.
    pub fn become_it(&self) -> nix::Result<()> {
        nix::unistd::setgroups(&self.groups)?;
        nix::unistd::setresgid(self.gid, self.gid, self.gid)?;
        // The capabilities go with the last user number that is root's.
        nix::unistd::setresuid(self.uid, self.uid, self.uid)?;
        if self.for_good {
            nix::sys::prctl::set_no_new_privs()?;
        }
        Ok(())
    }
}

/// Root's own groups, its first one in front: whoever became root by `sudo` or `su` may have brought others.
fn roots_groups() -> &'static [Gid] {
    static GROUPS: std::sync::OnceLock<Vec<Gid>> = std::sync::OnceLock::new();
    GROUPS.get_or_init(|| {
        let gid = Gid::from_raw(0);
        let root = nix::unistd::User::from_uid(Uid::from_raw(0)).ok().flatten();
        let name = root.and_then(|root| CString::new(root.name).ok());
        name.and_then(|name| nix::unistd::getgrouplist(&name, gid).ok()).unwrap_or_else(|| vec![gid])
    })
}

/// Only those groups. Where nobody may change groups (a container without CAP_SETGID, or with `setgroups` denied) they
/// stay as they are.
fn keep_only(groups: &[Gid]) -> nix::Result<()> {
    let first = groups.first().copied().unwrap_or(Gid::from_raw(0));
    match nix::unistd::setgroups(groups).and_then(|()| nix::unistd::setresgid(first, first, first)) {
        Err(nix::errno::Errno::EPERM) => Ok(()),
        answer => answer,
    }
}

const NOBODY: u32 = 65534;

/// Whether a number means anybody in this user namespace.
fn mapped(map: &str, id: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/self/{map}")).unwrap_or_default();
    text.lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        matches!(numbers.as_slice(), [first, _, n] if (*first..first + n).contains(&u64::from(id)))
    })
}

/// Prepares a command to run in a namespace as `ip netns exec NAME` would: its own /sys, the files of /etc/netns/NAME in
/// place of those in /etc; and beside that what else the node has for its programs alone.
///
/// It has 0, 1 and 2 open and nothing else and only root's own groups, unless it is a person's; and it runs as `user`, if
/// that is said.
pub fn enter(
    command: &mut Command,
    netns: Option<(&str, &File)>,
    session: Session,
    user: Option<User>,
) -> std::io::Result<()> {
    let place = match netns {
        Some((name, file)) => Some((file.as_fd().try_clone_to_owned()?, View::of(name)?)),
        None => None,
    };
    let parent = std::process::id();
    let as_root = user.is_none() && session != Session::Shared && nix::unistd::geteuid().is_root();
    let groups = as_root.then(roots_groups);
    let work = move || child(place.as_ref(), session, user.as_ref(), groups, parent);
    // SAFETY: between fork and exec only system calls on data that was made before the fork; nothing is allocated (nix
    // keeps the few short paths that are not C strings yet on the stack).
    unsafe { command.pre_exec(work) };
    Ok(())
}

/// Runs in the child, right before the program.
fn child(
    place: Option<&(OwnedFd, View)>,
    session: Session,
    user: Option<&User>,
    groups: Option<&[Gid]>,
    parent: u32,
) -> std::io::Result<()> {
    // First: whoever changes groups is no longer bound to its parent.
    if let Some(groups) = groups {
        keep_only(groups)?;
    }
    // What netlab waits for ends with it. So does a service until it is the program that it is to be, and where it is to be:
    // before that nobody would find it.
    if session != Session::Shared {
        bound_to(parent)?;
    }
    match session {
        Session::Own => {
            nix::unistd::setsid()?;
        }
        Session::Group => nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0))?,
        Session::Shared => {}
    }
    if session != Session::Shared {
        // Whoever started netlab may have left files open in it; std's own pipe must stay until exec.
        // SAFETY: numbers only. An old kernel without the call (< 5.11) leaves them open, as everywhere.
        unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    }
    if let Some((namespace, view)) = place {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)?;
        // /sys shows the network of whoever mounted it. In a container it may not be ours to mount: then it stays.
        if umount2("/sys", MntFlags::MNT_DETACH).is_ok() {
            let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), None::<&str>);
        }
        // Half a view would be worse than none: a daemon with the machine's own configuration.
        view.enter()?;
    }
    // Last: all of the above takes root. (std's own `uid` would come first.)
    if let Some(user) = user {
        user.become_it()?;
    }
    match session {
        Session::Own => nix::sys::prctl::set_pdeathsig(None)?,
        // Whoever becomes another user is bound no more.
        Session::Group => bound_to(parent)?,
        Session::Shared => {}
    }
    Ok(())
}

/// From now on this process ends when the thread that has started it does. A parent that has ended already is somebody else's
/// number.
pub fn bound_to(parent: u32) -> std::io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    if nix::unistd::getppid().as_raw() as u32 != parent {
        return Err(std::io::ErrorKind::BrokenPipe.into());
    }
    Ok(())
}

/// A command with the caller's own environment: for people.
pub fn plain(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

/// A command with nothing of the caller's environment in it.
pub fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").env("HOME", "/").current_dir("/");
    command
}

/// When a process started; `None` when it is gone (or a zombie, which runs no more).
pub fn started(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = &stat[stat.rfind(')')? + 2..];
    let fields: Vec<&str> = after.split(' ').collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// Whether the same process still runs.
pub fn alive(process: Process) -> bool {
    started(process.pid) == Some(process.started)
}

/// The command line of a process, for messages.
pub fn title(pid: i32) -> String {
    let raw = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> =
        raw.split(|b| *b == 0).filter(|w| !w.is_empty()).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
    words.join(" ")
}

fn pids() -> impl Iterator<Item = i32> {
    let own = std::process::id() as i32;
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(move |pid| *pid != own)
}

/// Every other process that this one can see and that still runs.
pub fn others() -> Vec<i32> {
    pids().filter(|pid| started(*pid).is_some()).collect()
}

/// Every process inside one of these namespaces, whoever started it.
pub fn inside(namespaces: &HashSet<u64>) -> Vec<i32> {
    let lives_there =
        |pid: &i32| std::fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|m| namespaces.contains(&m.ino()));
    pids().filter(lives_there).collect()
}

/// Every process of the session that a process leads or has led, inside a namespace: its number is not given to another one
/// while any of them lives, and one that has it now is somebody else.
pub fn of_session(leader: Process, namespace: u64) -> Vec<i32> {
    if started(leader.pid).is_some_and(|started| started != leader.started) {
        return Vec::new();
    }
    let mut found = inside(&HashSet::from([namespace]));
    found.retain(|pid| {
        let id = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(*pid)));
        id.is_ok_and(|id| id.as_raw() == leader.pid) && started(*pid).is_some()
    });
    found
}

/// The namespaces that any process is in.
pub fn inhabited() -> HashSet<u64> {
    pids().filter_map(|pid| Some(std::fs::metadata(format!("/proc/{pid}/ns/net")).ok()?.ino())).collect()
}

/// Which of these namespaces another process has open as a file: they outlive their names.
pub fn held_open(namespaces: &HashSet<u64>) -> HashSet<u64> {
    let Ok(own) = std::fs::metadata("/proc/self/ns/net") else { return HashSet::new() };
    let files = pids().flat_map(|pid| std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten());
    let held = files.filter_map(|file| std::fs::metadata(file.path()).ok()).filter(|m| m.dev() == own.dev());
    held.map(|m| m.ino()).filter(|inode| namespaces.contains(inode)).collect()
}

/// Every process with the lab's mark in its environment.
pub fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}").into_bytes();
    let has = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|env| env.split(|b| *b == 0).any(|v| v == wanted))
    };
    pids().filter(has).collect()
}

/// Every process that says what it says to a file, or to one below a folder: a program may have written over its own
/// environment (nginx does, for the sake of its title), and its start may be on nobody's record.
pub fn talking_to(log: &Path) -> Vec<i32> {
    let talks = |pid: &i32| {
        let said_to = |fd: i32| std::fs::read_link(format!("/proc/{pid}/fd/{fd}"));
        [1, 2].into_iter().any(|fd| said_to(fd).is_ok_and(|file| file.starts_with(log)))
    };
    pids().filter(talks).collect()
}

/// Every program of any lab on the machine itself.
pub fn marked_any() -> Vec<i32> {
    let prefix = format!("{MARK}=").into_bytes();
    let own = std::fs::metadata("/proc/self/ns/net").map(|m| m.ino()).unwrap_or(0);
    let has = |pid: &i32| {
        let here = std::fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|m| m.ino() == own);
        let env = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        here && env.split(|b| *b == 0).any(|v| v.starts_with(&prefix))
    };
    pids().filter(has).collect()
}

/// Sends a signal by its name, as in `HUP`, to that very process.
pub fn signal(process: Process, name: &str) -> Result<(), Refusal> {
    use std::str::FromStr;
    let number = nix::sys::signal::Signal::from_str(&format!("SIG{name}"))?;
    let gone = || Refusal::errno(libc::ESRCH, None);
    let pidfd = handle(process.pid).ok_or_else(gone)?;
    // The handle is on the right process if that one still runs now.
    if !alive(process) {
        return Err(gone());
    }
    let number = Signal::from_named_raw(number as i32).ok_or_else(|| Refusal::new(format!("no signal {name}")))?;
    pidfd_send_signal(&pidfd, number).map_err(|e| Refusal::errno(e.raw_os_error(), None))
}

/// Ends processes: TERM, a moment, KILL. `find` is asked again until it finds none, because they may have children.
pub fn end(find: impl Fn() -> Vec<i32>) -> Result<(), Vec<i32>> {
    let begun = Instant::now();
    let mut polite = true;
    loop {
        let found = find();
        if found.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(5) {
            return Err(found);
        }
        let signal = if polite { Signal::TERM } else { Signal::KILL };
        let patience = if polite { Duration::from_millis(200) } else { Duration::from_secs(1) };
        // A handle on the process: its number may be somebody else's by the time of the signal.
        let handles: Vec<(i32, OwnedFd)> = found.into_iter().filter_map(|pid| Some((pid, handle(pid)?))).collect();
        let still = find();
        for (_, pidfd) in handles.iter().filter(|(pid, _)| still.contains(pid)) {
            let _ = pidfd_send_signal(pidfd, signal);
        }
        wait(&handles.into_iter().map(|(_, fd)| fd).collect::<Vec<_>>(), patience);
        polite = false;
    }
}

/// A process group that is ended with this value, whatever has become of its first process, unless that has ended by itself.
pub struct Group(Option<nix::unistd::Pid>);

impl Group {
    /// The group of a child that was entered with [`Session::Group`], and that nobody has waited for yet.
    pub fn of(child: u32) -> Group {
        Group(i32::try_from(child).ok().map(nix::unistd::Pid::from_raw))
    }

    /// Its first process has ended, and its number may be somebody else's.
    pub fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

fn handle(pid: i32) -> Option<OwnedFd> {
    pidfd_open(rustix::process::Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

/// Waits until all have ended, or patience has.
fn wait(handles: &[OwnedFd], patience: Duration) {
    let until = Instant::now() + patience;
    for handle in handles {
        let left = until.saturating_duration_since(Instant::now());
        let mut polled = [libc::pollfd { fd: handle.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one pollfd, which lives on this stack for the length of the call.
        unsafe { libc::poll(polled.as_mut_ptr(), 1, millis) };
    }
}
