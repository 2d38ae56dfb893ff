//! `netlab up`

use serde_json::json;

use super::{Exit, Globals, check, trust};
use crate::apply::{preflight, running, up};
use crate::error::{Error, plural};
use crate::plan::Mode;
use crate::report::{self, diagnostic, progress::Progress, text};

/// Bring a lab up
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A lab of `netlab list`, or a file
    #[arg(add = super::complete_labs())]
    lab: String,
    #[command(flatten)]
    parameters: super::set::Set,
    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,
    /// Print the commands that do the same, then do it
    #[arg(long)]
    explain: bool,
    /// Let this machine itself play the host node
    #[arg(long)]
    on_host: bool,
    /// Refuse when the kernel lacks a kind of link, even if netlab could carry its packets itself
    #[arg(long)]
    kernel_only: bool,
    /// Run the checks right away
    #[arg(long)]
    check: bool,
    /// Keep what is there when a step fails
    #[arg(long)]
    keep: bool,
    /// Take a lab of the same name down first
    #[arg(long)]
    replace: bool,
    /// Agree to the commands that the lab file names; remembered until they change
    #[arg(long)]
    trust: bool,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    let (found, topology, warnings) = running::load_with(&args.lab, &args.parameters.set)?;
    if !warnings.is_empty() && !globals.json {
        report::talk(diagnostic::problems(&warnings).trim_end());
    }
    let mode = if args.on_host { Mode::OnHost } else { Mode::Isolated };
    let plan = super::plan::of(&topology, mode, args.kernel_only, globals);
    if args.kernel_only
        && let Some((at, link)) = plan.in_user_space().next()
    {
        return Err(Error::usage(format!(
            "`--kernel-only`, but `{}` of `{}` says `user-space: on`",
            link.name, at.node
        ))
        .help("leave out one of the two"));
    }
    if args.dry_run {
        if globals.json {
            report::json(&plan)
        } else {
            report::answer(&text::plan(&plan))
        }
        return Ok(0);
    }
    if args.explain && !globals.json {
        report::answer(&text::plan(&plan));
    }
    preflight::rights()?;
    trust::consent(&found, &topology, args.trust, globals)?;
    super::mind_signals(super::UP);
    let options = up::Options { mode, keep: args.keep, replace: args.replace };
    let mut progress = Progress::new(globals.json);
    let result = up::up(&found, &topology, &plan, options, &mut |event| progress.show(&event));
    drop(progress);
    let up = result?;
    if !up.already && !globals.json {
        super::plan::tell_who_carries(&plan);
    }
    let lab = topology.name.as_str();
    if globals.json && !args.check {
        report::json(&json!({
            "lab": lab, "already": up.already, "steps": up.steps, "seconds": up.took.as_secs_f64(), "nodes": plan.nodes,
        }));
    } else if !globals.json {
        report::answer(&summary(args, &topology, &plan, &up));
    }
    if args.check {
        return check::run(&check::Args::of(lab), globals);
    }
    Ok(0)
}

fn summary(args: &Args, topology: &crate::topology::Topology, plan: &crate::plan::Plan, up: &up::Up) -> String {
    let lab = topology.name.as_str();
    if up.already {
        return format!("{lab} is up already, and as it should be; nothing to do\n");
    }
    let (nodes, cables) = (plan.nodes.len(), topology.links.len());
    let mut out = format!(
        "{lab} is up: {nodes} {}, {cables} {}, {} steps in {:.0} ms\n\n{}",
        plural(nodes, "node"),
        plural(cables, "link"),
        up.steps,
        up.took.as_secs_f64() * 1000.0,
        text::nodes(topology, plan)
    );
    if args.check {
        out.push('\n');
    } else {
        let first = plan.nodes.iter().find(|at| at.netns.is_some()).map_or("NODE", |at| at.node.as_str());
        out.push_str(&format!(
            "\nnext: netlab check · netlab exec {first} -- ip addr · netlab shell {first} · netlab down\n"
        ));
    }
    out
}
