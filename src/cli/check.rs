//! `netlab check`

use std::io::IsTerminal;
use std::time::Duration;

use super::{Exit, Globals};
use crate::apply::checks::{self, Outcomes};
use crate::apply::{preflight, running};
use crate::error::{Error, Result};
use crate::plan::{Mode, Plan, build, build_for};
use crate::report::{self, checks::Format};

/// Run a lab's checks: what must work, and what must not
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The lab; may be left out when only one is up
    #[arg(add = super::complete_running())]
    lab: Option<String>,
    /// Only checks with this text in their name (may be given several times)
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Run them again and again
    #[arg(long)]
    watch: bool,
    /// Agree to the commands of a lab file whose checks have changed
    #[arg(long)]
    trust: bool,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Args {
    /// All checks of a lab.
    pub(super) fn of(lab: &str) -> Args {
        Args { lab: Some(lab.into()), only: Vec::new(), watch: false, trust: false, format: Format::Text }
    }
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    preflight::rights()?;
    let format = if globals.json { Format::Json } else { args.format };
    if args.watch && std::io::stdout().is_terminal() {
        loop {
            let text = report::checks::draw(&once(args, globals)?, format);
            // Home, then clear below: the old picture stays until the new one is there.
            report::answer(&format!("\u{1b}[H\u{1b}[2J{text}"));
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    let outcomes = once(args, globals)?;
    report::answer(&report::checks::draw(&outcomes, format));
    Ok(u8::from(outcomes.failed() > 0))
}

fn once(args: &Args, globals: &Globals) -> Result<Outcomes> {
    let running = running::pick_running(args.lab.as_deref())?;
    let named_file = args.lab.as_deref().filter(|l| l.contains('/') || l.ends_with(".yaml") || l.ends_with(".yml"));
    let topology = match named_file {
        // A trainer who edits the checks of a lab that is up wants the new ones.
        Some(file) => {
            let (found, topology, _) = running::load(file)?;
            super::trust::consent(&found, &topology, args.trust, globals)?;
            let mode = if running.entry.on_host() { Mode::OnHost } else { Mode::Isolated };
            let same = |a: &Plan| {
                let lacking = a.in_user_space().map(|(_, link)| link.kind.word().to_string()).collect();
                let same = |b: &Plan| a.steps.iter().map(|s| &s.op).eq(b.steps.iter().map(|s| &s.op));
                same(&build(&topology, mode)) || same(&build_for(&topology, mode, &lacking))
            };
            if !running.entry.own_plan().as_ref().is_some_and(same) {
                return Err(Error::conflict(format!(
                    "{file} has changed since `{}` came up, in more than its checks",
                    running.name
                ))
                .help(format!("netlab up {file} --replace")));
            }
            topology
        }
        None => running.topology()?,
    };
    checks::run(&running, &topology, &args.only)
}
