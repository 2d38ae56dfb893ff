//! After checks have failed: why, as far as the lab's nodes can tell.

use std::path::Path;

use super::checks::Outcome;
use super::journal::Entry;
use super::up;
use crate::check::{Check, Kind};
use crate::kernel::Linux;
use crate::kernel::clues::Clues;
use crate::state::why::{Flow, Lab, why};
use crate::topology::{Program, Topology};

/// Gives each failed check that nobody answered its reason, where one is found; `again` tries a check once more. What cannot be looked at is passed over: the
/// check has failed either way.
pub fn explain(
    entry: &Entry,
    folder: &Path,
    topology: &Topology,
    (checks, outcomes): (&[Check], &mut [Outcome]),
    again: impl Fn(&Check),
) {
    let (Some(whole), Some(now)) = (&entry.plan, entry.present(None)) else { return };
    let Ok(mut kernel) = Linux::knowing(&folder.join("log"), whole, &entry.outcomes) else { return };
    let wanted = up::expected(&now.plan, &now.outcomes);
    let Ok(actual) = kernel.observe(&now.plan, &wanted) else { return };
    let end =
        |(node, interface): &(crate::name::NodeName, crate::name::IfName)| (node.to_string(), interface.to_string());
    let cables: Vec<_> = topology.links.iter().map(|l| [end(&l.ends[0]), end(&l.ends[1])]).collect();
    let lab = Lab { wanted: &wanted, actual: &actual, cables: &cables, routers: &routers(topology) };
    for (check, outcome) in checks.iter().zip(outcomes) {
        if outcome.passed || outcome.answered {
            continue;
        }
        if let Some(flow) = flow(check) {
            outcome.why = why(&lab, &mut Clues::new(&mut kernel, &whole.nodes, &mut || again(check)), &flow);
        }
    }
}

/// Programs that tell routes to the kernels of other nodes, as a lab may run them.
const ROUTING: &[&str] =
    &["bird", "bird6", "zebra", "bgpd", "ospfd", "ospf6d", "ripd", "isisd", "babeld", "gobgpd", "exabgp"];

/// The services that are such programs.
fn routers(topology: &Topology) -> Vec<(String, String)> {
    let is_router = |program: &Program| match program {
        Program::Run(argv) => {
            argv.first().and_then(|p| Path::new(p).file_name()?.to_str()).is_some_and(|name| ROUTING.contains(&name))
        }
        Program::Responder { .. } => false,
    };
    let of = |(name, node): (&crate::name::NodeName, &crate::topology::Node)| {
        let services = node.services.iter().filter(|(_, s)| is_router(&s.program));
        services.map(|(service, _)| (name.to_string(), service.clone())).collect::<Vec<_>>()
    };
    topology.nodes.iter().flat_map(of).collect()
}

/// What a check sends, when it wants an answer.
fn flow(check: &Check) -> Option<Flow> {
    let (node, target) = match &check.kind {
        Kind::Sees(sees) => {
            let traffic = sees.traffic.as_ref()?;
            (&traffic.node, traffic.kind.reached_target()?)
        }
        kind => (&check.node, kind.reached_target()?),
    };
    let (proto, rest) = target.key.split_once(' ')?;
    let (proto, port) = match proto {
        "icmp" => ("icmp", None),
        "dns" => ("udp", Some(53)),
        proto => (proto, rest.rsplit_once(':').and_then(|(_, port)| port.parse().ok())),
    };
    Some(Flow { from: node.to_string(), to: target.ip?, proto: proto.to_string(), port })
}
