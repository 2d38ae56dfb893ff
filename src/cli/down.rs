//! `netlab down`

use super::{Exit, Globals};
use crate::apply::{Event, down, ground, preflight, running};
use crate::error::{Error, Result, plural};
use crate::report;

/// Take a lab down: nothing of it stays
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The lab; may be left out when only one is up
    #[arg(add = super::complete_running())]
    lab: Option<String>,
    /// All labs
    #[arg(long, conflicts_with = "lab")]
    all: bool,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    preflight::rights()?;
    // A `down` may have died when its lab was gone, and the ground for all labs was not: then there is no name to go by.
    ground::sweep()?;
    let labs = if args.all { ground::labs() } else { vec![chosen(args)?] };
    super::mind_signals(super::DOWN);
    let mut say = |event: Event<'_>| {
        if let Event::Note(text) = event {
            report::talk(&text);
        }
    };
    let mut gone = Vec::new();
    let mut failed: Option<Error> = None;
    for lab in &labs {
        let begun = std::time::Instant::now();
        match down::down(lab, &mut say) {
            Ok(Some(one)) => {
                if !globals.json {
                    let (n, ms) = (one.nodes, begun.elapsed().as_secs_f64() * 1000.0);
                    let what = if one.stale {
                        "was gone since the machine was restarted".into()
                    } else {
                        format!("is down: {n} {} removed in {ms:.0} ms", plural(n, "node"))
                    };
                    report::answer(&format!("{lab} {what}"));
                }
                gone.push(one);
            }
            Ok(None) if !globals.json => report::answer(&format!("{lab} is not up; nothing to do")),
            Ok(None) => {}
            // One lab that cannot go does not keep the others.
            Err(error) => {
                if let Some(earlier) = failed.replace(error) {
                    report::talk(&report::diagnostic::error(&earlier));
                }
            }
        }
    }
    if labs.is_empty() && !globals.json {
        report::answer("no lab is up; nothing to do");
    }
    if globals.json {
        report::json(&gone);
    }
    failed.map_or(Ok(0), Err)
}

/// The lab that is meant. One that exists but is not up is fine: down is what the user wants it to be.
fn chosen(args: &Args) -> Result<String> {
    match (running::pick(args.lab.as_deref()), &args.lab) {
        (Ok(lab), _) => Ok(lab),
        (Err(error), Some(named)) => match running::load_with(named, &[]) {
            Ok((_, topology, _)) => Ok(topology.name.to_string()),
            Err(_) => Err(error),
        },
        (Err(error), None) => Err(error),
    }
}
