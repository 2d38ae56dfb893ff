//! Nodes: their names, kinds, namespaces, and whether they speak IPv6.

use indexmap::IndexMap;

use super::{Interface, Node, links, names};
use crate::error::{Problems, did_you_mean};
use crate::ip::Family;
use crate::link::Kind;
use crate::name::{IfName, NodeName};
use crate::span::{Sp, Span};
use crate::spec;

pub(super) fn resolve(lab: &spec::Lab, lab_name: &str, problems: &mut Problems) -> IndexMap<NodeName, Node> {
    let pattern = names::netns_pattern(lab, problems);
    let mut nodes = IndexMap::new();
    let mut host: Option<Span> = None;
    for (key, written) in &lab.nodes {
        let name = match NodeName::new(key) {
            Ok(name) => name,
            Err(message) => {
                problems
                    .error(key.span, names::about(key, &message))
                    .help("a node name is letters, digits, `.`, `_` and `-`, and starts with a letter or digit");
                continue;
            }
        };
        let is_host = kind(written.kind.as_ref(), problems);
        if is_host {
            match host {
                Some(first) => {
                    problems
                        .error(key.span, format!("`{key}` is a second host; a lab has at most one"))
                        .also(first, "the first is here")
                        .help("leave out `kind: host` in one of the two");
                }
                None => host = Some(key.span),
            }
        }
        let netns = names::netns(&pattern, lab_name, key, problems);
        nodes.insert(name, empty(is_host, netns, key.span));
    }
    nodes
}

fn kind(written: Option<&Sp<String>>, problems: &mut Problems) -> bool {
    let Some(kind) = written else { return false };
    match kind.as_str() {
        "node" => false,
        "host" => true,
        other => {
            problems
                .error(kind.span, format!("there is no kind of node `{other}`"))
                .help(did_you_mean(other, ["node", "host"]).unwrap_or("kinds are `node` and `host`".into()));
            false
        }
    }
}

/// A node with nothing but its `lo`, which is down in a new namespace: a node that cannot ping itself.
fn empty(host: bool, netns: String, span: Span) -> Node {
    let lo = Interface { kind: Kind::Loopback, ..links::cable_end(span) };
    Node {
        host,
        netns,
        ipv6: false,
        interfaces: IfName::new("lo").map(|name| (name, lo)).into_iter().collect(),
        routes: Vec::new(),
        rules: Vec::new(),
        neighbors: Vec::new(),
        fdb: Vec::new(),
        sysctls: Vec::new(),
        ipsets: Vec::new(),
        iptables: Vec::new(),
        ip6tables: Vec::new(),
        services: IndexMap::new(),
        files: IndexMap::new(),
        resolv_conf: None,
        hosts: None,
        span,
    }
}

/// IPv6 is on where it is said, else wherever the lab uses it at all: with it, every interface that comes up floods
/// neighbour discovery, and a new address cannot be used for seconds (duplicate address detection).
pub(super) fn ipv6(lab: &spec::Lab, nodes: &mut IndexMap<NodeName, Node>, problems: &mut Problems) {
    let used = nodes.values().any(|n| first_use(n).is_some());
    let usual = lab.defaults.ipv6.as_ref().map_or(used, |d| d.value);
    for (key, written) in &lab.nodes {
        let Some(node) = nodes.get_mut(key.value.as_str()) else {
            continue;
        };
        node.ipv6 = written.ipv6.as_ref().map_or(usual, |v| v.value);
        if !node.ipv6
            && let Some(span) = first_use(node)
        {
            let off = written.ipv6.as_ref().or(lab.defaults.ipv6.as_ref());
            let problem = problems.error(span, format!("`{key}` has IPv6 switched off, but this needs it"));
            problem.help("write `ipv6: on` for the node, or leave this out");
            if let Some(off) = off {
                problem.also(off.span, "switched off here");
            }
        }
    }
}

fn first_use(node: &Node) -> Option<Span> {
    let addresses = node.interfaces.values().flat_map(|i| &i.addresses);
    let address = addresses.filter(|a| !a.ip().is_ipv4()).map(|a| a.span).next();
    let route = || node.routes.iter().find(|r| r.family() == Family::V6).map(|r| r.span);
    let rule = || node.rules.iter().find(|r| r.family == Family::V6).map(|r| r.span);
    address.or_else(route).or_else(rule).or_else(|| node.ip6tables.first().map(|l| l.span))
}
