//! Failures on demand, in the shipped binary, for the tests that sweep them.
//!
//! `NETLAB_FAILPOINT=up:7=error` makes step 7 fail, `up:7=kill` ends netlab with SIGKILL right before it, and
//! `done:7=kill` right after it, before the journal hears of it. `down:N=…` is the same on the way down, `repair:N=…`
//! and `repaired:N=…` before and after a step that is done again. `journal=kill` stops after the plan has been written and
//! nothing done. `half:N=kill` ends netlab in the middle of a batch, with every
//! step before N done and none of the batch on record. `hang:N=SECONDS` and `patience=SECONDS` are `kernel::patience`'s.

use crate::kernel::Refusal;

/// The step of a place that the variable names: a batch is cut there, so that the failure strikes between two steps.
pub fn step(places: &[&str]) -> Option<usize> {
    let wanted = std::env::var("NETLAB_FAILPOINT").ok()?;
    let (place, n) = wanted.split_once('=')?.0.split_once(':')?;
    if places.contains(&place) { n.parse().ok() } else { None }
}

/// Does what the variable says about this place.
pub fn at(place: &str, n: usize) -> Result<(), Refusal> {
    let Ok(wanted) = std::env::var("NETLAB_FAILPOINT") else {
        return Ok(());
    };
    let Some((point, action)) = wanted.split_once('=') else {
        return Ok(());
    };
    if point != format!("{place}:{n}") && point != place {
        return Ok(());
    }
    match action {
        "kill" => {
            let own = nix::unistd::Pid::this();
            let _ = nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL);
            Ok(())
        }
        "interrupt" => {
            super::stop::request();
            Ok(())
        }
        _ => Err(Refusal::new(format!("failpoint {point}"))),
    }
}
