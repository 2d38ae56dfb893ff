//! Entering namespaces, and coming back.
//!
//! `setns` is per thread, and a socket belongs for ever to the namespace of the thread that opened it. So a thread that
//! carries a runtime must never move: its next task would run in the wrong place. The thread that builds and removes labs
//! carries none, and may: two system calls there cost a tenth of waking another thread up.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, setns};

use super::Refusal;

/// Knows the way home.
pub struct Diver {
    home: File,
}

/// Goes home when it is dropped, also when the work panics.
struct Return<'h>(&'h File);

impl Drop for Return<'_> {
    fn drop(&mut self) {
        if setns(self.0, CloneFlags::CLONE_NEWNET).is_err() {
            // Nothing that this process did from here on would happen where it should.
            std::process::abort();
        }
    }
}

impl Diver {
    /// The calling thread's namespace is home.
    pub fn new() -> std::io::Result<Diver> {
        Ok(Diver { home: File::open("/proc/thread-self/ns/net")? })
    }

    /// Runs `work` inside a namespace (at home when none is named).
    pub fn within<T: Send>(&self, netns: Option<&File>, work: impl FnOnce() -> T + Send) -> Result<T, Refusal> {
        let Some(netns) = netns else { return Ok(work()) };
        if tokio::runtime::Handle::try_current().is_ok() {
            let elsewhere = || self.enter(netns, work);
            return std::thread::scope(|scope| match scope.spawn(elsewhere).join() {
                Ok(answer) => answer,
                Err(panic) => std::panic::resume_unwind(panic),
            });
        }
        self.enter(netns, work)
    }

    fn enter<T>(&self, netns: &File, work: impl FnOnce() -> T) -> Result<T, Refusal> {
        setns(netns.as_fd(), CloneFlags::CLONE_NEWNET)
            .map_err(|errno| Refusal::from(errno).about("cannot enter the namespace"))?;
        let _return = Return(&self.home);
        Ok(work())
    }
}

/// Runs `work` inside a namespace on a thread of its own, and hands the result to `answer` there: for callers that carry a
/// runtime.
pub fn apart<T: Send + 'static>(
    netns: Option<OwnedFd>,
    work: impl FnOnce() -> T + Send + 'static,
    answer: impl FnOnce(Result<T, Refusal>) + Send + 'static,
) -> std::io::Result<()> {
    let dive = move || {
        let entered = netns.map_or(Ok(()), |file| setns(file, CloneFlags::CLONE_NEWNET));
        answer(entered.map(|()| work()).map_err(|errno| Refusal::from(errno).about("cannot enter the namespace")));
    };
    std::thread::Builder::new().name("diver".into()).spawn(dive).map(|_| ())
}
