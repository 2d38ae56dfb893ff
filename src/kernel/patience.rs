//! How long netlab waits, and for whom.
//!
//! Whatever is waited for has an end: an answer of the kernel's, a program that speaks for it, a service that is to become
//! ready. Ctrl-C ends the waiting at once, except while something is being taken back: that is finished.
//!
//! What cannot be given up is a system call that the kernel itself does not return from: then nothing could be taken back
//! either.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rtnetlink::sys::Socket;
use rustix::event::{PollFd, PollFlags, poll};

use super::Refusal;

/// Loading the largest firewall takes two seconds; an answer of netlink's is there when the request has been sent.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long Ctrl-C may go unheard.
pub(super) const TICK: Duration = Duration::from_millis(20);

static STOP: AtomicBool = AtomicBool::new(false);
static STEADFAST: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The step under way on this thread never gets its answer: `NETLAB_FAILPOINT=hang:N=SECONDS`.
    static HANGS: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Whoever waits gives up now.
pub fn stop() {
    STOP.store(true, Ordering::Relaxed);
}

/// Whether to give up waiting.
pub fn is_over() -> bool {
    STOP.load(Ordering::Relaxed) && STEADFAST.load(Ordering::Relaxed) == 0
}

/// While it lives, nobody gives up waiting because of Ctrl-C: something is being taken back.
pub struct Steadfast(());

/// From here on what is begun is finished.
pub fn steadfast() -> Steadfast {
    STEADFAST.fetch_add(1, Ordering::Relaxed);
    Steadfast(())
}

impl Drop for Steadfast {
    fn drop(&mut self) {
        STEADFAST.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long to wait for an answer. `NETLAB_FAILPOINT=patience=SECONDS` is for tests.
pub(super) fn patience() -> Duration {
    match std::env::var("NETLAB_FAILPOINT") {
        Ok(set) => set.strip_prefix("patience=").and_then(seconds).unwrap_or(PATIENCE),
        Err(_) => PATIENCE,
    }
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

/// For the tests: how long step `n`, which never gets an answer, is waited for.
pub(super) fn hang(n: usize) -> Option<Duration> {
    static POINT: OnceLock<Option<(usize, Duration)>> = OnceLock::new();
    let point = POINT.get_or_init(|| {
        let set = std::env::var("NETLAB_FAILPOINT").ok()?;
        let (place, within) = set.strip_prefix("hang:")?.split_once('=')?;
        Some((place.parse().ok()?, seconds(within)?))
    });
    point.filter(|(place, _)| *place == n).map(|(_, within)| within)
}

/// Carries out step `n`. When it is the one that hangs, whoever it asks first does not answer; and when it asks nobody that
/// could keep it waiting, it is done and nobody hears of it.
pub fn step<T>(n: usize, work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let Some(within) = hang(n) else { return work() };
    HANGS.set(Some(within));
    let done = work();
    match HANGS.take() {
        Some(within) => {
            let until = Instant::now() + within;
            while Instant::now() < until && !is_over() {
                std::thread::sleep(TICK.min(within));
            }
            Err(if is_over() { interrupted() } else { expired("the kernel has not answered", within) })
        }
        None => done,
    }
}

/// Whether who is asked now never answers; then, how long it is waited for.
pub(super) fn hangs() -> Option<Duration> {
    HANGS.take()
}

/// The time is up.
pub(super) fn expired(what: &str, within: Duration) -> Refusal {
    let words = format!("{what} after {} s", within.as_secs_f32());
    Refusal { errno: libc::ETIMEDOUT, words, line: None }
}

/// The user does not want to wait any longer.
pub(super) fn interrupted() -> Refusal {
    Refusal { errno: libc::EINTR, words: "interrupted".into(), line: None }
}

/// The next datagram of a netlink socket.
pub(super) fn receive(socket: &Socket) -> Result<Vec<u8>, Refusal> {
    readable(socket, patience())?;
    Ok(socket.recv_from_full()?.0)
}

/// Waits until a netlink socket has something to read. The kernel answers while the request is being sent, so this waits for
/// nothing but a kernel that is in trouble.
pub(super) fn readable(socket: &Socket, within: Duration) -> Result<(), Refusal> {
    let until = Instant::now() + within;
    // SAFETY: the socket is open for as long as it is borrowed, which is longer than this call.
    let fd = unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) };
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(expired("the kernel has not answered", within));
        }
        if wait(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], left)? {
            return Ok(());
        }
        if is_over() {
            return Err(interrupted());
        }
    }
}

/// Waits for any of these, at most a tick; `false` when nothing has happened.
pub(super) fn wait(polled: &mut [PollFd<'_>], most: Duration) -> io::Result<bool> {
    let most = most.min(TICK);
    let time = rustix::event::Timespec { tv_sec: 0, tv_nsec: i64::from(most.subsec_nanos()) };
    match poll(polled, Some(&time)) {
        Ok(n) => Ok(n > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}
