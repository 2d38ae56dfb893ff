//! `netlab test`

use super::{Exit, Globals};
use crate::apply::trial::{self, Verdict};
use crate::apply::{preflight, running};
use crate::error::{Error, Result};
use crate::kernel::apart;
use crate::labs;
use crate::report::{self, checks::Format, diagnostic, trials};
use crate::{spec, topology};

/// Try labs from up to down: each on a throw-away machine of its own, several at a time
///
/// Each lab comes up, its checks run, and it goes down; a lab passes when all checks hold and nothing is left. The
/// machines are namespaces that end with the command: what is up on this machine is not touched. Exit code 1 when a lab
/// failed, 3 when this machine lacks what one takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Labs of `netlab list`, or files
    #[arg(add = super::complete_labs(), required_unless_present = "all")]
    labs: Vec<String>,
    /// All labs that are built in
    #[arg(long, conflicts_with_all = ["labs", "set"])]
    all: bool,
    #[command(flatten)]
    parameters: super::set::Set,
    /// How many at a time [default: as many as there are processors]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// A lab that this machine cannot make is no failure
    #[arg(long)]
    allow_unable: bool,
    /// Agree to the commands that the lab files name; remembered until they change
    #[arg(long)]
    trust: bool,
    /// How far into the machine of its own this process is
    #[arg(long, hide = true)]
    stage: Option<Stage>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Stage {
    Outside,
    Inside,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    match (args.stage, args.labs.first()) {
        (Some(Stage::Outside), Some(lab)) => {
            let ended = apart::inside(&stage("inside", args).chain([lab.clone()]).collect::<Vec<_>>());
            let ended = ended.map_err(|e| Error::machine("cannot start the test's first process").cause(e))?;
            return Ok(u8::from(!ended.success()));
        }
        (Some(Stage::Inside), Some(lab)) => {
            report::json(&trial::live(lab, &args.parameters.set, &|error| {
                anstream::adapter::strip_str(&diagnostic::error(error)).to_string()
            }));
            return Ok(0);
        }
        _ => {}
    }
    preflight::rights()?;
    let labs = chosen(args, globals)?;
    let format = if globals.json { Format::Json } else { args.format };
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let jobs = args.jobs.map_or(processors, usize::from);
    let begun = std::time::Instant::now();
    let done = |trial: &trial::Trial| {
        if format == Format::Text {
            report::answer(&trials::one(trial));
        }
    };
    let words: Vec<String> = stage("outside", args).collect();
    let trials = trial::side_by_side(&labs, jobs, &words, done)?;
    report::answer(&trials::draw(&trials, format, begun.elapsed().as_secs_f64()));
    let any = |verdict| trials.iter().any(|t| t.verdict == verdict);
    Ok(match (any(Verdict::Failed), any(Verdict::Unable) && !args.allow_unable) {
        (true, _) => 1,
        (false, true) => 3,
        (false, false) => 0,
    })
}

/// What a machine of a test's own is told, but for the lab.
fn stage<'a>(stage: &str, args: &'a Args) -> impl Iterator<Item = String> + 'a {
    ["test".to_string(), "--stage".into(), stage.into()].into_iter().chain(args.parameters.words())
}

/// The labs that are meant. A name that nothing stands behind is said before anything is begun, be it a lab's or a
/// parameter's.
fn chosen(args: &Args, globals: &Globals) -> Result<Vec<String>> {
    if args.all {
        return Ok(labs::ALL.iter().map(|lab| lab.name.to_string()).collect());
    }
    for lab in &args.labs {
        let found = running::find_with(lab, &args.parameters.set)?;
        spec::check_set(&found.source)?;
        // A lab with mistakes is a failed test; nothing of it runs.
        if let Ok((topology, _)) = topology::load(found.source.clone()) {
            super::trust::consent(&found, &topology, args.trust, globals)?;
        }
    }
    Ok(args.labs.clone())
}
