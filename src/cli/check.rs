//! `netlab check`

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::{Exit, Globals, set::Set};
use crate::apply::checks::{self, Outcomes};
use crate::apply::preflight;
use crate::apply::running::{self, Running};
use crate::apply::stop;
use crate::error::{Error, Result};
use crate::plan::{Mode, Plan, build, build_for};
use crate::report::{self, checks::Format};
use crate::topology::Topology;

/// Run a lab's checks: what must work, and what must not
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The lab; may be left out when only one is up
    #[arg(add = super::complete_running())]
    lab: Option<String>,
    #[command(flatten)]
    parameters: Set,
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
        Args {
            lab: Some(lab.into()),
            parameters: Set::default(),
            only: Vec::new(),
            watch: false,
            trust: false,
            format: Format::Text,
        }
    }
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    preflight::rights()?;
    super::mind_signals(super::LOOK);
    let format = if globals.json { Format::Json } else { args.format };
    if args.watch && std::io::stdout().is_terminal() {
        loop {
            let text = report::checks::draw(&once(args, globals)?, format);
            // Home, then clear below: the old picture stays until the new one is there.
            report::answer(&format!("\u{1b}[H\u{1b}[2J{text}"));
            report::finish();
            let until = Instant::now() + Duration::from_secs(1);
            while Instant::now() < until && !stop::requested() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
    let outcomes = once(args, globals)?;
    report::answer(&report::checks::draw(&outcomes, format));
    Ok(u8::from(outcomes.failed() > 0))
}

fn once(args: &Args, globals: &Globals) -> Result<Outcomes> {
    let running = running::pick_running(args.lab.as_deref())?;
    let topology = match read_again(args, &running) {
        Some(file) => edited(&file, args, &running, globals)?,
        None => running.topology()?,
    };
    checks::run(&running, &topology, &args.only)
}

/// The lab file that is to be read once more: a trainer who edits the checks of a lab that is up wants the new ones.
fn read_again(args: &Args, running: &Running) -> Option<String> {
    if let Some(file) = args.lab.as_ref().filter(|lab| running::is_path(lab)) {
        return Some(file.clone());
    }
    let from = || match &running.entry.header.file {
        Some(file) => file.display().to_string(),
        None => running.name.clone(),
    };
    (!args.parameters.set.is_empty()).then(from)
}

fn edited(file: &str, args: &Args, running: &Running, globals: &Globals) -> Result<Topology> {
    // What `up` was told holds until something else is said.
    let at_up = &running.entry.header.source.set;
    let told = at_up.iter().map(|(name, value)| (name.clone(), value.clone()));
    let set: Vec<(String, String)> = told.chain(args.parameters.set.iter().cloned()).collect();
    let (found, topology, _) = running::load_with(file, &set)?;
    super::trust::consent(&found, &topology, args.trust, globals)?;
    let mode = if running.entry.on_host() { Mode::OnHost } else { Mode::Isolated };
    let same = |a: &Plan| {
        let lacking = a.in_user_space().map(|(_, link)| link.kind.word().to_string()).collect();
        let same = |b: &Plan| a.steps.iter().map(|s| &s.op).eq(b.steps.iter().map(|s| &s.op));
        same(&build(&topology, mode)) || same(&build_for(&topology, mode, &lacking))
    };
    if running.entry.own_plan().as_ref().is_some_and(same) {
        return Ok(topology);
    }
    let words: String = found.source.set.iter().map(|(name, value)| format!(" --set {name}={value}")).collect();
    let error = if found.source.set == *at_up {
        let name = &running.name;
        Error::conflict(format!("{file} has changed since `{name}` came up, in more than its checks"))
    } else {
        let as_up = running.entry.header.source.parameters();
        Error::conflict(format!("`{}` came up with {as_up}, not with {}", running.name, found.source.parameters()))
    };
    Err(error.help(format!("netlab up {file}{words} --replace")))
}
