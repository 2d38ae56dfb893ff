//! `netlab gc`

use serde_json::json;

use super::{Exit, Globals};
use crate::apply::{Event, gc, ground, preflight};
use crate::error::Error;
use crate::report;

/// Remove what interrupted runs left: labs that are neither up nor being worked on
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only say what there is; exit code 1 when there is something
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    preflight::rights()?;
    let found = gc::find()?;
    if args.dry_run {
        if globals.json {
            report::json(&found);
        } else {
            found.iter().for_each(|one| report::answer(&format!("{}: {}", one.lab, one.why.words())));
            if found.is_empty() {
                report::answer("nothing was left");
            }
        }
        return Ok(u8::from(!found.is_empty()));
    }
    super::mind_signals(super::DOWN);
    let mut say = |event: Event<'_>| {
        if let Event::Note(text) = event {
            report::talk(&report::printable(&text));
        }
    };
    let (mut gone, mut failed) = (Vec::new(), None::<Error>);
    for one in &found {
        match gc::collect(&one.lab, &mut say) {
            Ok(true) => {
                if !globals.json {
                    report::answer(&format!("{}: {}; removed", one.lab, one.why.words()));
                }
                gone.push(one);
            }
            Ok(false) => {}
            // One that cannot go does not keep the others.
            Err(error) => {
                if let Some(earlier) = failed.replace(error) {
                    report::talk(&report::diagnostic::error(&earlier));
                }
            }
        }
    }
    // An `up` may have died with nothing but the common ground made.
    ground::sweep()?;
    if globals.json {
        report::json(&json!({ "removed": gone }));
    } else if found.is_empty() {
        report::answer("nothing was left");
    }
    failed.map_or(Ok(0), Err)
}
