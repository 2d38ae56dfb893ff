//! Programs that speak for the kernel, run to their end: `iptables-restore`, `ipset`, a service's own test.
//!
//! Each is a process group of its own, so that Ctrl-C on the terminal is netlab's alone: `iptables` killed in the middle of a
//! roll-back would leave something. Each has a time after which it is ended, with whatever it has started.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::{Refusal, machine, patience, process};

/// How long a program that was killed may take to be gone.
const GONE: Duration = Duration::from_secs(1);

/// A program of this machine with nothing of the caller's environment, to be run where the calling thread is.
pub fn of(name: &str, words: &[&str]) -> Command {
    // A full path lets std start it without copying netlab's page tables (posix_spawn).
    let found = machine::find_program(name);
    let mut command = process::clean(found.as_deref().and_then(Path::to_str).unwrap_or(name));
    command.args(words);
    command
}

/// Runs a program to its end.
pub fn run(command: Command, input: &str) -> Result<Output, Refusal> {
    run_within(command, input, patience::patience())
}

/// The same with a time of its own.
pub fn run_within(command: Command, input: &str, within: Duration) -> Result<Output, Refusal> {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let (mut command, within) = match patience::hangs() {
        Some(within) => (of("sleep", &["infinity"]), within),
        None => (command, within),
    };
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    // In a namespace of the lab's whoever cleans up finds it; on the machine it would go on behind the back of that one.
    if on_the_machine() {
        let parent = std::process::id();
        // SAFETY: between fork and exec two system calls, on numbers.
        unsafe { command.pre_exec(move || process::bound_to(parent)) };
    }
    let mut child = command.spawn().map_err(|e| Refusal::from(e).about(&name))?;
    let mut group = process::Group::of(child.id());
    match talk(&mut child, input.as_bytes(), Instant::now() + within) {
        Ok(Some(output)) => {
            group.ended();
            Ok(output)
        }
        Ok(None) => {
            drop(group);
            see_out(&mut child);
            Err(patience::expired(&format!("`{name}` has not ended"), within))
        }
        Err(refusal) => {
            drop(group);
            see_out(&mut child);
            Err(refusal)
        }
    }
}

/// Whether the calling thread is in the namespace that netlab was started in.
fn on_the_machine() -> bool {
    let namespace = |of: &str| std::fs::metadata(format!("/proc/{of}/ns/net")).map(|m| m.ino()).ok();
    namespace("thread-self") == namespace("self")
}

/// Gives a program its input and takes its output until it has ended; none when the time is up.
fn talk(child: &mut Child, input: &[u8], until: Instant) -> Result<Option<Output>, Refusal> {
    let (mut stdin, mut stdout, mut stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Who reads nothing must not keep netlab from reading, or from looking at the clock.
    stdin.iter().try_for_each(|pipe| unblock(pipe.as_fd()))?;
    stdout.iter().try_for_each(|pipe| unblock(pipe.as_fd()))?;
    stderr.iter().try_for_each(|pipe| unblock(pipe.as_fd()))?;
    let (mut given, mut out, mut err) = (0, Vec::new(), Vec::new());
    loop {
        if let Some(pipe) = &mut stdin
            && give(pipe, input, &mut given)
        {
            stdin = None;
        }
        if stdout.as_mut().is_some_and(|pipe| take(pipe, &mut out)) {
            stdout = None;
        }
        if stderr.as_mut().is_some_and(|pipe| take(pipe, &mut err)) {
            stderr = None;
        }
        // What it has started may hold the pipes open, and has nothing to say to us. A look at the process last: by then
        // the pipes have been read to their end.
        if let Some(status) = ended(child)? {
            stdout.as_mut().map(|pipe| take(pipe, &mut out));
            stderr.as_mut().map(|pipe| take(pipe, &mut err));
            return Ok(Some(Output { status, stdout: out, stderr: err }));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        if patience::is_over() {
            return Err(patience::interrupted());
        }
        let mut polled = Vec::with_capacity(3);
        polled.extend(stdin.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        polled.extend(stdout.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        polled.extend(stderr.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        // With both closed it is about to end.
        let most = if stdout.is_none() && stderr.is_none() { Duration::from_micros(100) } else { left };
        patience::wait(&mut polled, most.min(left))?;
    }
}

fn unblock(pipe: std::os::fd::BorrowedFd<'_>) -> Result<(), Refusal> {
    Ok(rustix::io::ioctl_fionbio(pipe, true).map_err(std::io::Error::from)?)
}

/// Writes what fits; `true` when there is no more to write, or nobody to read it. A program that dies early closes its end:
/// what it has to say comes with its output.
fn give(pipe: &mut impl Write, input: &[u8], given: &mut usize) -> bool {
    while let Some(rest) = input.get(*given..).filter(|rest| !rest.is_empty()) {
        match pipe.write(rest) {
            Ok(n) => *given += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return false,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
    true
}

/// Reads what is there; `true` at its end.
fn take(pipe: &mut impl Read, into: &mut Vec<u8>) -> bool {
    match pipe.read_to_end(into) {
        Err(e) => e.kind() != ErrorKind::WouldBlock,
        Ok(_) => true,
    }
}

fn ended(child: &mut Child) -> Result<Option<ExitStatus>, Refusal> {
    Ok(child.try_wait()?)
}

/// Waits for a program that was killed. One that the kernel itself holds is left to it.
fn see_out(child: &mut Child) {
    let until = Instant::now() + GONE;
    while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(1));
    }
}
