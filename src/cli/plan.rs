//! `netlab plan`

use super::{Exit, Globals};
use crate::apply::{act, here, running};
use crate::plan::{Mode, Plan, action, build, script};
use crate::report::{self, diagnostic, text};
use crate::topology::Topology;

/// Print what `up` would do: as text, as a shell script that does the same with ip and iptables, or as data
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A lab of `netlab list`, or a file
    #[arg(add = super::complete_labs())]
    lab: String,
    #[command(flatten)]
    parameters: super::set::Set,
    /// Form of the plan
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// As with `up --on-host`
    #[arg(long)]
    on_host: bool,
    /// For a kernel that has every kind of link; else for this one
    #[arg(long)]
    kernel_only: bool,
    /// What this action of the lab would do
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
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
    let (_, topology, warnings) = running::load_with(&args.lab, &args.parameters.set)?;
    if !warnings.is_empty() && !globals.json {
        report::talk(diagnostic::problems(&warnings).trim_end());
    }
    let mode = if args.on_host { Mode::OnHost } else { Mode::Isolated };
    let plan = match &args.action {
        Some(name) => action(&topology, mode, name).ok_or_else(|| act::unknown(&topology.name, name, &topology))?,
        None => of(&topology, mode, args.kernel_only, globals),
    };
    match if globals.json { Format::Json } else { args.format } {
        Format::Text => report::answer(&text::plan(&plan)),
        Format::Shell => report::answer(&script(&plan)),
        Format::Json => report::json(&plan),
    }
    Ok(0)
}

/// The plan for this machine, or for one that has every kind of link.
pub(super) fn of(topology: &Topology, mode: Mode, kernel_only: bool, globals: &Globals) -> Plan {
    if kernel_only {
        return build(topology, mode);
    }
    here::plan(topology, mode).unwrap_or_else(|| {
        if !globals.json {
            report::talk(
                "without root netlab cannot ask this kernel what it lacks: this is the plan for one that has all",
            );
        }
        build(topology, mode)
    })
}

/// One line about the links that netlab carries itself because the kernel cannot.
pub(super) fn tell_who_carries(plan: &Plan) {
    let carried = || plan.in_user_space().filter(|(_, link)| link.kind.user_space().is_none());
    let Some((at, link)) = carried().next() else { return };
    let mut kinds: Vec<&str> = carried().map(|(_, link)| link.kind.word()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let more = carried().count() - 1;
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    report::talk(&format!(
        "this kernel has no {}: netlab carries it itself, in user space ({} of {}{more})",
        kinds.join(" and no "),
        link.name,
        at.node
    ));
}
