//! Cables: each end must be on a node that exists, under a name that is free there.

use indexmap::IndexMap;

use super::{Interface, Link, Node};
use crate::error::{Problems, did_you_mean};
use crate::ip::Mac;
use crate::link::{Kind, is_fallback};
use crate::name::{IfName, NodeName};
use crate::span::{Sp, Span};
use crate::spec;

pub(super) fn resolve(
    lab: &spec::Lab,
    lab_name: &str,
    nodes: &mut IndexMap<NodeName, Node>,
    problems: &mut Problems,
) -> Vec<Link> {
    lab.links.iter().filter_map(|link| resolve_one(link, lab, lab_name, nodes, problems)).collect()
}

fn resolve_one(
    link: &spec::Link,
    lab: &spec::Lab,
    lab_name: &str,
    nodes: &mut IndexMap<NodeName, Node>,
    problems: &mut Problems,
) -> Option<Link> {
    let span = link.endpoints.first().map(|e| e.span).unwrap_or_default();
    if link.endpoints.len() != 2 {
        problems
            .error(span, format!("a link has two ends; this one has {}", link.endpoints.len()))
            .help("as in `endpoints: [red:eth0, blue:eth0]`; to connect more nodes, use a bridge");
        return None;
    }
    let mut ends = Vec::new();
    for text in &link.endpoints {
        ends.push(end(text, nodes, problems));
    }
    let mtu = link.mtu.as_ref().or(lab.defaults.mtu.as_ref());
    if let Some(mtu) = mtu.filter(|m| !(68..=65_535).contains(&m.value)) {
        problems.error(mtu.span, format!("mtu {mtu} is not from 68 to 65535"));
    }
    if !link.mac.is_empty() && link.mac.len() != 2 {
        problems.error(link.mac[0].span, "`mac` takes two addresses, one for each end");
    }
    let macs: Vec<Option<Mac>> = link.mac.iter().map(|m| mac(m, problems)).collect();
    let (b, a) = (ends.pop()??, ends.pop()??);
    if a == b {
        problems.error(link.endpoints[1].span, "both ends of the link are the same interface");
        return None;
    }
    for (i, (node, interface)) in [&a, &b].into_iter().enumerate() {
        let at = link.endpoints[i].span;
        let given = macs.get(i).copied().flatten();
        let mac = given.unwrap_or_else(|| Mac::derived(lab_name, node, interface));
        let made = Interface {
            kind: Kind::Veth,
            addresses: Vec::new(),
            mac: Some(mac),
            mtu: mtu.map(|m| m.value).filter(|m| *m != 1500),
            up: true,
            master: None,
            span: at,
        };
        insert(nodes, node, interface, made, at, problems)?;
    }
    Some(Link { ends: [a, b], span })
}

/// Adds an interface to a node, unless the name is taken there.
pub(super) fn insert(
    nodes: &mut IndexMap<NodeName, Node>,
    node: &NodeName,
    name: &IfName,
    interface: Interface,
    at: Span,
    problems: &mut Problems,
) -> Option<()> {
    let interfaces = &mut nodes.get_mut(node)?.interfaces;
    if name == "lo" || is_fallback(name) {
        problems.error(at, format!("`{name}` is reserved: the kernel makes it by itself")).help("choose another name");
        return None;
    }
    if let Some(first) = interfaces.get(name) {
        problems
            .error(at, format!("`{node}` already has an interface `{name}`"))
            .label("again here")
            .also(first.span, "first here");
        return None;
    }
    interfaces.insert(name.clone(), interface);
    Some(())
}

pub(super) fn mac(text: &Sp<String>, problems: &mut Problems) -> Option<Mac> {
    match text.parse() {
        Ok(mac) => Some(mac),
        Err(message) => {
            problems.error(text.span, message).help("02:00:00:00:00:01 is one that anybody may use");
            None
        }
    }
}

fn end(text: &Sp<String>, nodes: &IndexMap<NodeName, Node>, problems: &mut Problems) -> Option<(NodeName, IfName)> {
    let Some((node, interface)) = text.split_once(':') else {
        problems
            .error(text.span, format!("`{text}` is not a link end"))
            .help("write `node:interface`, as in `red:eth0`");
        return None;
    };
    let source = problems.source.text.clone();
    let name = IfName::new(interface);
    if let Err(message) = &name {
        problems
            .error(text.span.narrow(&source, interface), format!("`{interface}`: {message}"))
            .help("an interface name is at most 15 letters, digits, `.`, `_` and `-`");
    }
    match nodes.get_key_value(node) {
        Some((node, _)) => Some((node.clone(), name.ok()?)),
        None => {
            let known = nodes.keys().map(NodeName::as_str);
            let help =
                did_you_mean(node, known).unwrap_or_else(|| format!("add it under `nodes`, as in `{node}: {{}}`"));
            problems
                .error(text.span.narrow(&source, node), format!("link end `{text}`: there is no node `{node}`"))
                .help(help);
            None
        }
    }
}
