//! From what was written to what it means, with every problem on the way.

use indexmap::IndexMap;

use super::{Topology, firewall, interfaces, ipsets, links, lint, names, nodes, routing, services, sysctls};
use crate::check::{self, Check};
use crate::error::{Problems, Result, did_you_mean};
use crate::ip::parse_ip;
use crate::name::{IfName, NodeName};
use crate::span::{Source, Sp};
use crate::spec;
use std::time::Duration;

/// How long a check may take when it does not say.
const WITHIN: Duration = Duration::from_secs(5);

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
    let checks = checks(lab, &list, problems);
    let text = |t: &Option<spec::Text>| t.as_ref().map(|t| t.value.trim().to_string()).unwrap_or_default();
    let topology = Topology {
        name: name?,
        title: text(&lab.title),
        description: text(&lab.description),
        source,
        nodes: list,
        links: cables,
        checks,
    };
    lint::look(&topology, problems);
    Some(topology)
}

fn checks(lab: &spec::Lab, nodes: &IndexMap<NodeName, super::Node>, problems: &mut Problems) -> Vec<Check> {
    lab.checks
        .iter()
        .filter_map(|written| {
            let kind = check::read(written, &lab.holes, problems);
            let within = written.within.as_ref().and_then(|w| check::duration(w, problems)).unwrap_or(WITHIN);
            let node = check_node(written, lab, nodes, problems)?;
            source_exists(written, &nodes[&node], problems);
            let kind = kind?;
            let made = || format!("{node}: {}", kind.by_hand());
            let name = written.name.as_ref().map_or_else(made, |n| n.value.trim().to_string());
            let hint = written.hint.as_ref().map(|h| h.value.trim().to_string());
            Some(Check { name, node, kind, within, hint, span: check::place(written) })
        })
        .collect()
}

fn check_node(
    written: &Sp<spec::Check>,
    lab: &spec::Lab,
    nodes: &IndexMap<NodeName, super::Node>,
    problems: &mut Problems,
) -> Option<NodeName> {
    let node: &Sp<String> = match (&written.from, &written.on) {
        (Some(from), Some(on)) => {
            problems
                .error(on.span, "a check has `from` or `on`, not both")
                .also(from.span, "`from` is here")
                .help("delete one of the two");
            return None;
        }
        (Some(node), None) | (None, Some(node)) => node,
        (None, None) => {
            if check::has_kind(written) && !lab.holes.any(written.span, &["from", "on"]) {
                let span = check::place(written);
                problems.error(span, "this check does not say where it runs").help("add `from: NODE`");
            }
            return None;
        }
    };
    if let Some((name, _)) = nodes.get_key_value(node.value.as_str()) {
        return Some(name.clone());
    }
    if !lab.holes.top("nodes") && !lab.nodes.contains_key(node.value.as_str()) {
        let known: Vec<&str> = nodes.keys().map(NodeName::as_str).take_while(|_| names::few(problems)).collect();
        let list = (1..=12).contains(&known.len()).then(|| format!("the nodes are {}", known.join(", ")));
        let help = did_you_mean(node, known).or(list);
        problems.error(node.span, format!("there is no node `{node}`")).maybe_help(help);
    }
    None
}

/// `source` is an address or an interface of the node that the check runs in.
fn source_exists(written: &spec::Check, node: &super::Node, problems: &mut Problems) {
    let Some(source) = written.source.as_ref().filter(|s| parse_ip(s).is_err()) else {
        return;
    };
    if !node.interfaces.contains_key(source.value.as_str()) {
        let known: Vec<&str> = node.interfaces.keys().map(IfName::as_str).collect();
        problems
            .error(source.span, format!("`{source}` is neither an address nor an interface of this node"))
            .help(did_you_mean(source, known.iter().copied()).unwrap_or(format!("it has {}", known.join(", "))));
    }
}
