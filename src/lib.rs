//! netlab turns a lab file into a plan, writes the plan down, carries it out on the kernel, proves it with checks, and
//! undoes it from what was written down.
//!
//! The rooms, in the order in which they may use each other: [`error`], [`name`], [`span`] · [`ip`] (the words of `ip`
//! and `iptables`) · [`link`] (kinds of links) · [`state`] (pictures of a network) · [`spec`] (what was written) ·
//! [`check`] · [`topology`] (what it means) · [`plan`] (what will be done) · [`kernel`] (the only door to Linux) ·
//! [`apply`] (up, down, journal) · [`report`] (what the user sees) · [`cli`] (one file per command).
//! `ARCHITECTURE.md` is the map with the reasons.

pub mod apply;
pub mod check;
pub mod cli;
pub mod error;
pub mod ip;
pub mod kernel;
pub mod labs;
pub mod link;
pub mod name;
pub mod plan;
pub mod report;
pub mod span;
pub mod spec;
pub mod state;
pub mod topology;
