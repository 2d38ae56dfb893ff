//! A plain thread that enters namespaces.
//!
//! `setns` is per thread, and a socket belongs for ever to the namespace of the thread that opened it. The thread with
//! the runtime must therefore never move; this one moves, does one thing, and is told what to do next.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, setns};

use super::Refusal;

type Job = Box<dyn FnOnce() + Send>;

/// The thread. Dropping it ends it.
pub struct Diver {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    home: File,
}

impl Diver {
    /// Starts the thread in the machine's own namespace.
    pub fn new() -> std::io::Result<Diver> {
        let home = File::open("/proc/thread-self/ns/net")?;
        let (jobs, queue) = channel::<Job>();
        let thread = std::thread::Builder::new().name("diver".into()).spawn(move || {
            for job in queue {
                job();
            }
        })?;
        Ok(Diver { jobs: Some(jobs), thread: Some(thread), home })
    }

    /// Runs `work` inside a namespace (the machine's own when none is named) and waits for it.
    pub fn within<T: Send + 'static>(
        &self,
        netns: Option<&File>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let file = netns.unwrap_or(&self.home).as_fd().try_clone_to_owned()?;
        let (answer, result) = channel();
        let job: Job = Box::new(move || {
            let entered = setns(&file, CloneFlags::CLONE_NEWNET);
            let outcome = entered.map(|()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)));
            // The receiver waits below: it is there.
            let _ = answer.send(outcome);
        });
        let jobs = self.jobs.as_ref().ok_or_else(|| Refusal::new("the namespace thread has ended"))?;
        jobs.send(job).map_err(|_| Refusal::new("the namespace thread has ended"))?;
        match result.recv() {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(panic))) => std::panic::resume_unwind(panic),
            Ok(Err(errno)) => Err(Refusal::from(errno).about("cannot enter the namespace")),
            Err(_) => Err(Refusal::new("the namespace thread has ended")),
        }
    }
}

impl Drop for Diver {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
