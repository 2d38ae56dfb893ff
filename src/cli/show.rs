//! `netlab show`

use super::{Exit, Globals, exec};
use crate::apply::{preflight, running, view};
use crate::error::Result;
use crate::plan::At;
use crate::report;

/// Show what the nodes have: links, addresses, routes, neighbours, firewall
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    subject: Option<Subject>,
    #[command(flatten)]
    nodes: Nodes,
}

/// Whose.
#[derive(Debug, clap::Args)]
struct Nodes {
    /// One node; all if left out
    node: Option<String>,
    /// The lab, when several are up
    #[arg(long, add = super::complete_running())]
    lab: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    /// The nat table, followed from where a packet meets it to the address that it gets
    Nat {
        #[command(flatten)]
        nodes: Nodes,
        /// Only ways on which this address, port, chain or comment is met
        #[arg(long, value_name = "TEXT")]
        to: Option<String>,
    },
    /// The BGP sessions of the nodes that have a BIRD, as `calicoctl node status` prints them
    Bgp {
        #[command(flatten)]
        nodes: Nodes,
    },
    /// Pools and blocks of pod addresses, as `calicoctl ipam show --show-blocks` prints them
    Ipam {
        /// The lab, when several are up
        #[arg(long, add = super::complete_running())]
        lab: Option<String>,
    },
    /// The connections that the nodes track, and what was translated
    Conntrack {
        #[command(flatten)]
        nodes: Nodes,
    },
}

impl Nodes {
    fn find(&self) -> Result<Vec<At>> {
        Ok(match &self.node {
            Some(node) => vec![exec::find_node(node, self.lab.as_deref())?.1],
            None => running::pick_running(self.lab.as_deref())?.entry.plan.map(|p| p.nodes).unwrap_or_default(),
        })
    }
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    preflight::rights()?;
    match &args.subject {
        None => answer(globals, &view::view(&args.nodes.find()?)?, report::view::draw),
        Some(Subject::Nat { nodes, to }) => {
            let to = to.as_deref().unwrap_or_default();
            answer(globals, &view::nat(&nodes.find()?)?, |nodes| report::nat::draw(nodes, to));
        }
        Some(Subject::Bgp { nodes }) => answer(globals, &view::bgp(&nodes.find()?)?, report::calico::bgp),
        Some(Subject::Ipam { lab }) => {
            let nodes = running::pick_running(lab.as_deref())?.entry.plan.map(|p| p.nodes).unwrap_or_default();
            let ipam = view::ipam(&nodes)?;
            if globals.json { report::json(&ipam) } else { report::answer(&report::calico::ipam(&ipam)) }
        }
        Some(Subject::Conntrack { nodes }) => {
            answer(globals, &view::flows(&nodes.find()?)?, report::view::flows);
        }
    }
    Ok(0)
}

fn answer<T: serde::Serialize>(globals: &Globals, value: &[T], draw: impl FnOnce(&[T]) -> String) {
    if globals.json { report::json(&value) } else { report::answer(&draw(value)) }
}
