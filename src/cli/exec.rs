//! `netlab exec`

use std::os::unix::process::CommandExt;

use super::Exit;
use crate::apply::preflight;
use crate::apply::running::{self, Running};
use crate::error::{Error, Result, did_you_mean};
use crate::kernel::netns;
use crate::kernel::process::{self, Session};
use crate::plan::At;

/// Run a command in a node, as `ip netns exec` does
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The node
    node: String,
    /// The lab, when several are up
    #[arg(long, add = super::complete_running())]
    lab: Option<String>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub(super) fn run(args: &Args) -> Exit {
    preflight::rights()?;
    let (_, at) = find_node(&args.node, args.lab.as_deref())?;
    let mut command = process::plain(&args.command[0]);
    command.args(&args.command[1..]);
    Err(replace(command, &at))
}

/// The node of a lab that is up; with several labs, the only one of that name.
pub(super) fn find_node(node: &str, lab: Option<&str>) -> Result<(Running, At)> {
    let candidates = match lab {
        Some(_) => vec![running::pick_running(lab)?],
        None => running::all().into_iter().filter(|r| r.entry.is_running() && !r.entry.is_stale()).collect(),
    };
    if candidates.is_empty() {
        running::pick_running(None)?;
    }
    let nodes = |r: &Running| r.entry.plan.iter().flat_map(|p| p.nodes.clone()).collect::<Vec<_>>();
    let mut found: Vec<(Running, At)> = candidates
        .iter()
        .flat_map(|r| nodes(r).into_iter().filter(|at| *at.node == *node).map(|at| (r.clone(), at)))
        .collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let names: Vec<String> = candidates.iter().flat_map(nodes).map(|at| at.node.to_string()).collect();
            let help = did_you_mean(node, names.iter().map(String::as_str));
            Err(Error::usage(format!("no lab that is up has a node `{node}`"))
                .help(help.unwrap_or(format!("nodes: {}", names.join(", ")))))
        }
        _ => {
            let labs: Vec<&str> = found.iter().map(|(r, _)| r.name.as_str()).collect();
            Err(Error::usage(format!("several labs have a node `{node}`"))
                .help(format!("add --lab {}", labs.join(" or --lab "))))
        }
    }
}

/// Becomes the command, inside the node. Only returns when that cannot be done.
pub(super) fn replace(mut command: std::process::Command, at: &At) -> Error {
    let program = command.get_program().to_string_lossy().into_owned();
    let file = match at.netns.as_deref().map(netns::open).transpose() {
        Ok(file) => file.flatten(),
        Err(refusal) => return Error::machine(refusal.to_string()),
    };
    if let (Some(name), None) = (&at.netns, &file) {
        return Error::machine(format!("the namespace `{name}` is gone")).help("`netlab repair` makes it anew");
    }
    if let Err(e) = process::enter(&mut command, at.netns.as_deref().zip(file.as_ref()), Session::Shared, None) {
        return Error::machine(format!("cannot enter `{}`", at.node)).cause(e);
    }
    crate::report::finish();
    let e = command.exec();
    let error = Error::machine(format!("cannot run `{program}` in `{}`", at.node));
    match (e.kind(), crate::kernel::machine::package(&program)) {
        (std::io::ErrorKind::NotFound, Some(package)) => error.cause(e).help(format!("apt install {package}")),
        _ => error.cause(e),
    }
}
