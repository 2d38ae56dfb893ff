//! `netlab plan`

use super::{Exit, Globals};
use crate::apply::running;
use crate::plan::{Mode, build, script};
use crate::report::{self, diagnostic, text};

/// Print what `up` would do: as text, as a shell script that does the same with ip and iptables, or as data
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A lab of `netlab list`, or a file
    #[arg(add = super::complete_labs())]
    lab: String,
    /// Form of the plan
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// As with `up --on-host`
    #[arg(long)]
    on_host: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// A script for `sh -e`
    Shell,
    /// The steps as data
    Json,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    let (_, topology, warnings) = running::load(&args.lab)?;
    if !warnings.is_empty() && !globals.json {
        report::talk(diagnostic::problems(&warnings).trim_end());
    }
    let plan = build(&topology, if args.on_host { Mode::OnHost } else { Mode::Isolated });
    match if globals.json { Format::Json } else { args.format } {
        Format::Text => report::answer(&text::plan(&plan)),
        Format::Shell => report::answer(&script(&plan)),
        Format::Json => report::json(&plan),
    }
    Ok(0)
}
