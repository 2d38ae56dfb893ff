//! Ctrl-C, a closed terminal, `kill`: noticed between two steps and by whoever waits, then everything is rolled back.

use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{Error, Kind};
use crate::kernel::{machine, patience};

static REQUESTS: AtomicUsize = AtomicUsize::new(0);

/// Whether somebody wants netlab to stop.
pub fn requested() -> bool {
    REQUESTS.load(Ordering::Relaxed) > 0
}

/// Asks netlab to stop, as Ctrl-C does.
pub fn request() {
    REQUESTS.fetch_add(1, Ordering::Relaxed);
    patience::stop();
}

/// What came of it.
pub fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted")
}

/// The error, unless netlab was asked to stop: then that is what happened, whatever gave up because of it.
pub fn or(error: Error) -> Error {
    if requested() && error.kind() != Kind::Interrupted { interrupted() } else { error }
}

/// From now on signals are requests. `say` is called with the number of each one.
///
/// A signal that whoever started netlab has it ignore stays ignored: `nohup netlab …` goes on when the terminal closes.
pub fn listen(say: impl Fn(usize) + Send + 'static) {
    let ignored = machine::ignored_signals();
    let heard = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !ignored.contains(signal));
    let Ok(mut signals) = Signals::new(heard) else {
        return;
    };
    let work = move || {
        for _ in signals.forever() {
            let before = REQUESTS.fetch_add(1, Ordering::Relaxed);
            patience::stop();
            say(before + 1);
        }
    };
    // Without the thread, signals do what they always do, and the journal makes up for it.
    let _ = std::thread::Builder::new().name("signals".into()).spawn(work);
}
