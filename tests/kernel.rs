//! Tests on the real kernel: each on a throw-away machine of its own, each ending with the proof that nothing is left.
//!
//! They need root. Without it they are skipped, loudly; with `NETLAB_REQUIRE=all` they fail instead. `support/host.rs`
//! says how a machine is made; to look at one by hand:
//! `unshare --mount --net --pid --fork --mount-proc sh -c 'mount -t tmpfs tmpfs /run; exec sh'`.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// The figures of `scripts/torture`.
#![allow(clippy::print_stdout)]
// Programs are started in src/kernel/ only, and in tests that look at what it did.
#![allow(clippy::disallowed_methods)]

mod support;

#[path = "kernel/actions.rs"]
mod actions;
#[path = "kernel/all_labs.rs"]
mod all_labs;
#[path = "kernel/anywhere.rs"]
mod anywhere;
#[path = "kernel/at_once.rs"]
mod at_once;
#[path = "kernel/bench.rs"]
mod bench;
#[path = "kernel/beside.rs"]
mod beside;
#[path = "kernel/broken.rs"]
mod broken;
#[path = "kernel/checks.rs"]
mod checks;
#[path = "kernel/clusters.rs"]
mod clusters;
#[path = "kernel/daemons.rs"]
mod daemons;
#[path = "kernel/doctor.rs"]
mod doctor;
#[path = "kernel/endpoints.rs"]
mod endpoints;
#[path = "kernel/exec.rs"]
mod exec;
#[path = "kernel/harness.rs"]
mod harness;
#[path = "kernel/hostile.rs"]
mod hostile;
#[path = "kernel/hung.rs"]
mod hung;
#[path = "kernel/interrupted.rs"]
mod interrupted;
#[path = "kernel/life.rs"]
mod life;
#[path = "kernel/limits.rs"]
mod limits;
#[path = "kernel/machine.rs"]
mod machine;
#[path = "kernel/mistyped.rs"]
mod mistyped;
#[path = "kernel/monkey.rs"]
mod monkey;
#[path = "kernel/oracle.rs"]
mod oracle;
#[path = "kernel/preflight.rs"]
mod preflight;
#[path = "kernel/refused.rs"]
mod refused;
#[path = "kernel/scarce.rs"]
mod scarce;
#[path = "kernel/sees.rs"]
mod sees;
#[path = "kernel/set.rs"]
mod set;
#[path = "kernel/several.rs"]
mod several;
#[path = "kernel/show.rs"]
mod show;
#[path = "kernel/signals.rs"]
mod signals;
#[path = "kernel/state.rs"]
mod state;
#[path = "kernel/surroundings.rs"]
mod surroundings;
#[path = "kernel/trial.rs"]
mod trial;
#[path = "kernel/trust.rs"]
mod trust;
#[path = "kernel/why.rs"]
mod why;
