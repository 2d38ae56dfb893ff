//! `netlab doctor`

use super::{Exit, Globals};
use crate::apply::doctor::{self, Level};
use crate::report;

/// Look at this machine: what labs need and lack, what gets in their way, what was left. Changes nothing
///
/// Exit code 3 when something keeps built-in labs from coming up.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args, globals: &Globals) -> Exit {
    let findings = doctor::examine();
    if globals.json {
        report::json(&findings);
    } else {
        report::answer(&report::text::findings(&findings));
    }
    let problem = findings.iter().any(|f| f.level == Level::Problem);
    Ok(if problem { 3 } else { 0 })
}
