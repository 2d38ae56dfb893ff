//! What the root-level tests stand on: throw-away machines, and pictures of them.
//!
//! [`host`] makes a machine of a test's own, [`snapshot`] says what is on it, [`labs`] are the lab files that only tests
//! need, [`crowd`] does the same work for many, [`tracer`] ends a program at one of its system calls. Nothing here knows what
//! a test is about.

pub mod crowd;
pub mod host;
pub mod labs;
pub mod snapshot;
pub mod tracer;

use std::path::PathBuf;

#[allow(unused_imports, reason = "each test program uses its part")]
pub use host::{Host, Ran, lacking_kinds, skip};
pub use snapshot::Snapshot;

/// The netlab under test.
pub fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_netlab"))
}
