//! `netlab show`

use super::{Exit, Globals, exec};
use crate::apply::{preflight, running, view};
use crate::report;

/// Show what the nodes have: links, addresses, routes, neighbours, firewall
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One node; all if left out
    node: Option<String>,
    /// The lab, when several are up
    #[arg(long, add = super::complete_running())]
    lab: Option<String>,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    preflight::rights()?;
    let nodes = match &args.node {
        Some(node) => vec![exec::find_node(node, args.lab.as_deref())?.1],
        None => running::pick_running(args.lab.as_deref())?.entry.plan.map(|p| p.nodes).unwrap_or_default(),
    };
    let views = view::view(&nodes)?;
    if globals.json {
        report::json(&views)
    } else {
        report::answer(&report::view::draw(&views))
    }
    Ok(0)
}
