//! Before anything changes: may netlab do this, has the machine what the lab uses, is anything in the way?
//!
//! Only what the lab uses is looked at: a lab without firewall lines needs no iptables. All findings come at once, but for
//! those that follow from another one. Without rights, or files to open, nothing can be looked at: that comes alone.

mod kernel;
mod names;
mod on_host;
mod programs;

use std::path::Path;

use super::limits::{self, OWN_FILES};
use crate::error::{Error, Result};
use crate::ip::shell_quote;
use crate::kernel::limits as kernel_limits;
use crate::kernel::{Linux, machine};
use crate::plan::Plan;
use crate::topology::Topology;

pub use kernel::lacking;
pub use names::claimed;
pub use programs::missing_programs;

/// The oldest kernel that netlab works on: before it nobody can be sure which process a signal goes to (`pidfd_open`).
pub const OLDEST: (u32, u32) = (5, 3);

/// Root, or the capabilities.
pub fn rights() -> Result<()> {
    if machine::is_setuid() {
        return Err(Error::machine("netlab must not be installed setuid: it would hand root to everybody")
            .help("run it with sudo"));
    }
    let missing = machine::missing_capabilities();
    if missing.is_empty() {
        return Ok(());
    }
    let error = Error::machine(format!("this needs more rights: {} missing", missing.join(", ")));
    Err(if nix::unistd::geteuid().is_root() {
        error.help("in a container, start it with `--cap-add NET_ADMIN --cap-add NET_RAW --cap-add SYS_ADMIN --security-opt apparmor=unconfined`, or `--privileged`")
    } else {
        error.help(format!("run it as root: {}", with_sudo()))
    })
}

/// Where `sudo` looks for programs by itself (`secure_path`): not in a user's own folders, wherever `cargo install` put it.
const SUDO_LOOKS: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// This very command, to be copied.
fn with_sudo() -> String {
    let program = match std::env::current_exe() {
        Ok(path) if !path.parent().is_some_and(|folder| SUDO_LOOKS.iter().any(|known| folder == Path::new(known))) => {
            path.to_string_lossy().into_owned()
        }
        _ => "netlab".into(),
    };
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> = std::iter::once(program).chain(words).map(|word| shell_quote(&word)).collect();
    format!("`sudo {}`", words.join(" "))
}

/// As many open files as the steps take, and taking them back: before the first folder is made.
pub fn files(plan: &Plan) -> Result<()> {
    let (open, room) = (kernel_limits::open_files(), kernel_limits::room_for_files(OWN_FILES) as u64);
    if room >= OWN_FILES {
        return Ok(());
    }
    let (wanted, allowed) = (open + OWN_FILES, open + room);
    Err(Error::machine(format!("`{}` needs {wanted} open files, and may have {allowed}", plan.lab))
        .note("nothing was changed")
        .help(format!("`ulimit -n {wanted}`, or more, before it")))
}

/// Everything else.
pub fn look(topology: &Topology, plan: &Plan, kernel: &mut Linux) -> Result<()> {
    let mut found = of_the_machine(topology, plan);
    found.extend(names::look(plan));
    if plan.machine().is_some() {
        found.extend(on_host::look(topology, plan, kernel));
    }
    judge(topology, found)
}

/// What does not depend on what is up or running right now.
pub fn able(topology: &Topology, plan: &Plan) -> Result<()> {
    judge(topology, of_the_machine(topology, plan))
}

fn judge(topology: &Topology, found: Vec<Error>) -> Result<()> {
    Error::all(found, |n| format!("{n} things are in the way of `{}`", topology.name)).map_or(Ok(()), Err)
}

fn of_the_machine(topology: &Topology, plan: &Plan) -> Vec<Error> {
    let (release, version) = machine::release();
    if version < OLDEST {
        // It lacks whatever else it lacks.
        let (major, minor) = OLDEST;
        return vec![
            Error::machine(format!("Linux {release} is too old")).help(format!("use Linux {major}.{minor} or newer")),
        ];
    }
    let mut found = programs::look(topology, plan);
    let limit = limits::look(topology, plan).err();
    match kernel::look(topology, plan) {
        Ok(lacking) => found.extend(lacking),
        // It is asked in a namespace, and there may be no room for one more.
        Err(_) if limit.is_some() => {}
        Err(refusal) => found.push(Error::machine("cannot ask the kernel what it has").cause(refusal)),
    }
    found.extend(limit);
    found.extend(names_of_namespaces());
    found
}

fn names_of_namespaces() -> Option<Error> {
    if machine::var_run_is_run() {
        return None;
    }
    let error = Error::machine("/var/run is not a link to /run, as nearly everywhere")
        .note("`ip netns` has the names of namespaces in /var/run/netns, and would not see those in /run/netns");
    let todo = if std::path::Path::new("/var/run").exists() {
        "`mv /var/run /var/run.old; ln -s /run /var/run`, once nothing runs that has files there"
    } else {
        "`ln -s /run /var/run`"
    };
    Some(error.help(todo))
}
