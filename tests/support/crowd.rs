//! The same work for many, some at a time: a test's machine has only so long to live, and if all were there at once on a slow
//! computer none of them would be ready in time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most of the work waits: for a check's silence, a daemon's first word. So there may be more at a time than cores.
const AT_A_TIME: usize = 8;

/// Does the work for each; the first failure is the test's, when all the others have ended.
#[track_caller]
pub fn for_each<T: Sync>(all: &[T], work: impl Fn(&T) + Sync) {
    let failed = failing(all, work);
    assert!(failed.is_empty(), "{} of {} failed: see above", failed.len(), all.len());
}

/// Does the work for each: those for which it panicked, in their order.
pub fn failing<T: Sync>(all: &[T], work: impl Fn(&T) + Sync) -> Vec<&T> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let one_after_the_other = || {
        while let Some((n, item)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, all.get(n)?))) {
            if catch_unwind(AssertUnwindSafe(|| work(item))).is_err() {
                failed.lock().unwrap().push(n);
            }
        }
    };
    std::thread::scope(|scope| (0..AT_A_TIME).for_each(|_| drop(scope.spawn(one_after_the_other))));
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    failed.into_iter().map(|n| &all[n]).collect()
}
