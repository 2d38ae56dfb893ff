//! Up, down, status, repair, checks: plans carried out, written down and taken back.
//!
//! The journal is written before the first change ([`journal`]), the lock is held from then on ([`lock`]), and whatever
//! happens in between, [`down`] needs nothing but the journal. [`up`] is where to start reading.

pub mod act;
mod capture;
pub mod checks;
pub mod doctor;
pub mod down;
pub mod failpoint;
mod find;
pub mod gc;
pub mod ground;
pub mod here;
pub mod journal;
mod limits;
pub mod lock;
pub mod preflight;
pub mod repair;
pub mod running;
pub mod status;
pub mod stop;
pub mod trial;
pub mod trust;
pub mod up;
pub mod view;
pub mod why;

use crate::error::Error;
use crate::kernel::Refusal;
use crate::plan::{Op, Step, command};
use crate::span::Source;

/// What is going on, for whoever shows it.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// Step `n` of `of` begins.
    Step {
        /// Its number.
        n: usize,
        /// How many there are.
        of: usize,
        /// What it does.
        op: &'a Op,
    },
    /// Something worth a line.
    Note(String),
}

/// Who runs netlab: the user behind `sudo`.
fn user() -> String {
    let user = std::env::var("SUDO_USER").ok().filter(|u| !u.is_empty());
    let own = || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|u| u.name);
    user.or_else(own).unwrap_or_else(|| "root".into())
}

/// A step that was refused, as the user sees it: lab line, kernel's words, command.
pub(crate) fn refused(step: &Step, source: &Source, refusal: &Refusal) -> Error {
    let mut error = Error::machine(format!("cannot {}", step.op.title()));
    let (mut command, mut label) = (command(&step.op), String::new());
    if let (Op::LoadRules { lines, .. }, Some(n)) = (&step.op, refusal.line) {
        if let Some(line) = lines.get(n) {
            label = "in this node's firewall lines".into();
            error = error.note(format!("the line: {line}"));
        }
        command = command.split("; ").nth(n).unwrap_or(&command).to_string();
    }
    if let Some(help) = advice(&step.op, refusal) {
        error = error.help(help);
    }
    error.place(source, step.from, label).cause(anyhow::anyhow!("{refusal}")).command(command)
}

/// Root was told EACCES: file modes do not stop it, nor do missing capabilities (EPERM).
pub(crate) const FORBIDDEN: &str = "SELinux or AppArmor may forbid it: `ausearch -m avc -ts recent`, or `dmesg | grep -i denied`, shows what was denied";

/// What to do about what the kernel said.
fn advice(op: &Op, refusal: &Refusal) -> Option<String> {
    let unknown = refusal.words.contains("Unknown device type") || refusal.errno == libc::EOPNOTSUPP;
    match op {
        Op::AddLink { link, .. } if unknown => Some(format!(
            "this kernel has no `{}`: load its module (`modprobe {}`), or use a machine that has it",
            link.kind.word(),
            link.kind.module()
        )),
        Op::AddVeth { .. } if unknown => Some("this kernel has no `veth`: load its module (`modprobe veth`)".into()),
        Op::SetMaster { .. } if refusal.errno == libc::EXFULL => Some("one bridge takes 1,023 ports".into()),
        _ if refusal.errno == libc::ETIMEDOUT => {
            Some("what does it wait for? Run the command by hand; with --keep, what was done before it stays".into())
        }
        // A program that cannot be run, a setting that can only be read: these say EACCES to everybody.
        Op::StartService { .. } if refusal.errno == libc::EACCES => None,
        Op::SetSysctl { .. } if refusal.errno == libc::EACCES => Some(
            "it can only be read, or AppArmor forbids it (in a container: `--security-opt apparmor=unconfined`)".into(),
        ),
        _ if refusal.errno == libc::EACCES => Some(FORBIDDEN.into()),
        _ if refusal.errno == libc::EPERM => Some("run netlab as root, as in `sudo netlab …`".into()),
        _ => None,
    }
}
