//! `netlab repair`

use super::{Exit, Globals};
use crate::apply::{preflight, repair, running};
use crate::report::{self, progress::Progress, text};

/// Put back what differs from what it should be
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The lab; may be left out when only one is up
    #[arg(add = super::complete_running())]
    lab: Option<String>,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    preflight::rights()?;
    let running = running::pick_running(args.lab.as_deref())?;
    super::mind_signals(super::UP);
    let mut progress = Progress::new(globals.json);
    let result = repair::repair(&running, &mut |event| progress.show(&event));
    drop(progress);
    let repaired = result?;
    if globals.json {
        report::json(&repaired)
    } else {
        report::answer(&text::repaired(&running.name, &repaired))
    }
    Ok(u8::from(!repaired.left.is_empty()))
}
