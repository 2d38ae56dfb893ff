//! Ctrl-C, a closed terminal, `kill`: noticed between two steps, then everything is rolled back.

use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static REQUESTS: AtomicUsize = AtomicUsize::new(0);

/// Whether somebody wants netlab to stop.
pub fn requested() -> bool {
    REQUESTS.load(Ordering::Relaxed) > 0
}

/// Asks netlab to stop, as Ctrl-C does.
pub fn request() {
    REQUESTS.fetch_add(1, Ordering::Relaxed);
}

/// From now on signals are requests. `say` is called with the number of each one.
pub fn listen(say: impl Fn(usize) + Send + 'static) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else {
        return;
    };
    let work = move || {
        for _ in signals.forever() {
            let before = REQUESTS.fetch_add(1, Ordering::Relaxed);
            say(before + 1);
        }
    };
    // Without the thread, signals do what they always do, and the journal makes up for it.
    let _ = std::thread::Builder::new().name("signals".into()).spawn(work);
}
