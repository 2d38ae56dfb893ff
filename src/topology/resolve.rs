//! From what was written to what it means, with every problem on the way.

use super::{
    Topology, actions, checks, firewall, interfaces, ipsets, links, lint, names, nodes, qdiscs, routing, services,
    sysctls,
};
use crate::error::{Problems, Result};
use crate::span::Source;
use crate::spec;

/// Reads a lab file: the topology and the warnings, or everything that is wrong with it.
pub fn load(source: Source) -> Result<(Topology, Problems)> {
    let mut problems = Problems::new(source.clone());
    let topology = match spec::load(&source, &mut problems) {
        Some(lab) => resolve(&lab, source, &mut problems),
        None => None,
    };
    problems.into_result(topology)
}

/// Gives meaning to what was written. Goes on after a problem, so that all of them are found.
pub fn resolve(lab: &spec::Lab, source: Source, problems: &mut Problems) -> Option<Topology> {
    let name = names::lab(lab, problems);
    if lab.nodes.is_empty() && !lab.holes.top("nodes") {
        problems
            .error(lab.name.as_ref().map(|n| n.span).unwrap_or_default(), "this lab has no nodes")
            .help("add `nodes: {red: {}, blue: {}}`");
    }
    if lab.nodes.len() > names::MOST_NODES {
        let span = lab.nodes.keys().next().map(|k| k.span).unwrap_or_default();
        problems
            .error(span, format!("{} nodes; the limit is {}", lab.nodes.len(), names::MOST_NODES))
            .help("make it several labs");
        return None;
    }
    let lab_name = name.clone().map_or_else(|| "lab".to_string(), |n| n.to_string());
    let mut list = nodes::resolve(lab, &lab_name, problems);
    let cables = links::resolve(lab, &lab_name, &mut list, problems);
    interfaces::resolve(lab, &lab_name, &mut list, problems);
    qdiscs::resolve(lab, &mut list, problems);
    for (node_name, written) in &lab.nodes {
        let Some(node) = list.get_mut(node_name.value.as_str()) else {
            continue;
        };
        routing::resolve(node_name, written, node, problems);
        sysctls::resolve(written, node, problems);
        ipsets::resolve(written, node, &lab.holes, problems);
        firewall::resolve(written, node, &lab.holes, problems);
        services::resolve(written, node, &lab.holes, problems);
    }
    nodes::ipv6(lab, &mut list, problems);
    let actions = actions::resolve(lab, &list, problems);
    let checks = checks::resolve(lab, &list, problems);
    let text = |t: &Option<spec::Text>| t.as_ref().map(|t| t.value.trim().to_string()).unwrap_or_default();
    let topology = Topology {
        name: name?,
        title: text(&lab.title).split_whitespace().collect::<Vec<_>>().join(" "),
        description: text(&lab.description),
        source,
        nodes: list,
        links: cables,
        actions,
        checks,
    };
    lint::look(&topology, problems);
    Some(topology)
}
