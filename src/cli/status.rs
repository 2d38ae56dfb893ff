//! `netlab status`

use super::{Exit, Globals};
use crate::apply::preflight;
use crate::apply::status::{self, Condition};
use crate::report;

/// Show which labs are up, and how they differ from what they should be
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The lab; all if left out
    #[arg(add = super::complete_running())]
    lab: Option<String>,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    preflight::rights()?;
    let list = status::status(args.lab.as_deref())?;
    if globals.json {
        report::json(&list)
    } else {
        report::answer(&report::text::status(&list))
    }
    Ok(u8::from(list.iter().any(|s| s.condition != Condition::Up)))
}
