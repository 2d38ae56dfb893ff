//! Ends a program right before one of its system calls: where a failpoint would have to be everywhere.
//!
//! Its threads are traced, the programs that it starts are not. What only reads, waits, or is about its own memory changes
//! nothing that others could see, and is not counted: so every state that the machine can be left in is met once.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How a traced program ended.
#[derive(Debug)]
pub struct Ended {
    /// By itself or by SIGKILL.
    pub status: ExitStatus,
    /// The system call that it was ended at.
    pub at: Option<String>,
    /// How many it has made, of those that count.
    pub calls: usize,
    /// What it printed and said.
    pub said: Vec<u8>,
}

/// Runs a program, and ends it right before its `call`-th system call that counts. What it says is kept in a file.
pub fn killed_at(mut command: Command, call: usize, said: &str) -> Ended {
    let file = File::create(said).unwrap();
    command.stdin(std::process::Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
    // SAFETY: one system call, between fork and exec.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let mut child = command.spawn().unwrap();
    let leader = Pid::from_raw(child.id() as i32);
    // This thread's children only: other tests have theirs. It has stopped at its first instruction.
    let any = || waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD));
    let (mut at, mut counted, mut status) = (None, 0, None);
    loop {
        let (pid, signal) = match any() {
            Ok(WaitStatus::Stopped(pid, Signal::SIGTRAP | Signal::SIGSTOP)) => {
                if pid == leader {
                    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE;
                    ptrace::setoptions(pid, options | Options::PTRACE_O_EXITKILL).unwrap();
                }
                (pid, None)
            }
            Ok(WaitStatus::Stopped(pid, signal)) => (pid, Some(signal)),
            Ok(WaitStatus::PtraceSyscall(pid)) => {
                if let Some(name) = begins(pid).filter(|_| at.is_none()) {
                    counted += 1;
                    if counted > call {
                        at = Some(name);
                        kill(leader, Signal::SIGKILL).unwrap();
                    }
                }
                (pid, None)
            }
            Ok(WaitStatus::PtraceEvent(pid, ..)) => (pid, None),
            Ok(WaitStatus::Exited(pid, code)) if pid == leader => {
                status = Some(ExitStatus::from_raw(code << 8));
                continue;
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == leader => {
                status = Some(ExitStatus::from_raw(signal as i32));
                continue;
            }
            Ok(_) => continue,
            Err(Errno::ECHILD) => break,
            Err(e) => panic!("waitpid: {e}"),
        };
        // One that is being killed meanwhile is not there any more.
        let _ = ptrace::syscall(pid, signal);
    }
    // It has been waited for above; this says so to whoever would wait for it again.
    let _ = child.try_wait();
    Ended { status: status.unwrap(), at, calls: counted, said: std::fs::read(said).unwrap() }
}

/// The system call that a thread is about to make, if it counts.
fn begins(pid: Pid) -> Option<String> {
    let info = ptrace::syscall_info(pid).ok()?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    // SAFETY: `op` says which member of the union is there.
    let entry = unsafe { info.u.entry };
    let (number, args) = (entry.nr as i64, entry.args);
    let opens_to_read = number == libc::SYS_openat && args[2] as i32 & (libc::O_CREAT | libc::O_TRUNC) == 0;
    let unblocks = number == libc::SYS_ioctl && args[1] == libc::FIONBIO;
    let counts = !QUIET.contains(&number) && !opens_to_read && !unblocks;
    counts.then(|| format!("system call {number} ({:#x}, {:#x}, {:#x})", args[0], args[1], args[2]))
}

/// What nobody else can see.
const QUIET: &[i64] = &[
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_brk,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_connect,
    libc::SYS_dup,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_eventfd2,
    libc::SYS_exit,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_futex,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getsid,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_newfstatat,
    libc::SYS_pidfd_open,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_prlimit64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setns,
    libc::SYS_setsockopt,
    libc::SYS_sigaltstack,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
];
