//! `netlab act`

use super::{Exit, Globals};
use crate::apply::{act, ground, preflight, running};
use crate::report::{self, progress::Progress};

/// Do one of a lab's actions, or take it back; without an action, list them
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The lab; may be left out when only one is up
    #[arg(add = super::complete_running())]
    lab: Option<String>,
    /// The action
    action: Option<String>,
    /// Take it back
    #[arg(long)]
    undo: bool,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    preflight::rights()?;
    let (lab, action) = match (&args.lab, &args.action) {
        // `netlab act add-peer`, when only one lab is up.
        (Some(word), None) if !is_lab(word) => (None, Some(word)),
        (lab, action) => (lab.as_deref(), action.as_ref()),
    };
    let running = running::pick_running(lab)?;
    let Some(action) = action else {
        let list = act::list(&running)?;
        if globals.json {
            report::json(&list);
        } else {
            report::answer(&report::act::list(&running.name, &list));
        }
        return Ok(0);
    };
    super::mind_signals(super::UP);
    let mut progress = Progress::new(globals.json);
    let result = act::act(&running.name, action, args.undo, &mut |event| progress.show(&event));
    drop(progress);
    let acted = result?;
    if globals.json {
        report::json(&acted);
    } else {
        report::answer(&report::act::acted(&acted));
    }
    Ok(u8::from(!acted.left.is_empty()))
}

fn is_lab(word: &str) -> bool {
    word.contains('/')
        || word.ends_with(".yaml")
        || word.ends_with(".yml")
        || ground::labs().iter().any(|lab| lab == word)
}
