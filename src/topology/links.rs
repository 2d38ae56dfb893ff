//! Cables: each end must be on a node that exists, under a name that is free there.

use indexmap::IndexMap;

use super::interfaces::{mtu, place};
use super::names::{few, interface_name};
use super::{Interface, Link, Node};
use crate::error::{Problems, did_you_mean, nearest};
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
    mtu(lab.defaults.mtu.as_ref(), problems);
    lab.links.iter().filter_map(|link| resolve_one(link, lab, lab_name, nodes, problems)).collect()
}

fn resolve_one(
    link: &Sp<spec::Link>,
    lab: &spec::Lab,
    lab_name: &str,
    nodes: &mut IndexMap<NodeName, Node>,
    problems: &mut Problems,
) -> Option<Link> {
    let whole = !lab.holes.any(link.span, &["endpoints"]);
    if link.endpoints.len() != 2 && whole {
        problems
            .error(link.span, format!("a link has two ends; this one has {}", link.endpoints.len()))
            .help("as in `endpoints: [red:eth0, blue:eth0]`; to connect more nodes, use a bridge");
    }
    let mtu = mtu(link.mtu.as_ref(), problems).or(lab.defaults.mtu.as_ref().map(|m| m.value));
    if !link.mac.is_empty() && link.mac.len() != 2 && !lab.holes.any(link.span, &["mac"]) {
        problems
            .error(
                link.mac[0].span,
                format!("`mac` takes two addresses, one for each end; this has {}", link.mac.len()),
            )
            .help("to set one end only, write `mac` under the interface of its node");
    }
    let macs: Vec<Option<Mac>> = link.mac.iter().map(|m| mac(m, problems)).collect();
    let ends: Vec<_> = link.endpoints.iter().map(|text| end(text, lab, nodes, problems)).collect();
    if let [Some(a), Some(b)] = ends.as_slice()
        && a == b
    {
        problems
            .error(link.endpoints[1].span, "both ends of the link are the same interface")
            .help("connect two interfaces, as in `[red:eth0, blue:eth0]`");
    }
    // An end that is right is there for the rest of the file, whatever is wrong with the other.
    let mut made = Vec::new();
    for (i, (end, text)) in ends.iter().zip(&link.endpoints).enumerate() {
        let Some((node, interface)) = end else { continue };
        if ends[..i].contains(&ends[i]) {
            continue;
        }
        let mac = macs.get(i).copied().flatten().unwrap_or_else(|| Mac::derived(lab_name, node, interface));
        let plug = Interface { mac: Some(mac), mtu: mtu.filter(|m| *m != 1500), ..cable_end(text.span) };
        if insert(nodes, node, interface, plug, text.span, problems).is_some() {
            made.push((node.clone(), interface.clone()));
        }
    }
    let (b, a) = (made.pop()?, made.pop()?);
    Some(Link { ends: [a, b], span: link.span })
}

/// An end of a cable with nothing said about it.
pub(super) fn cable_end(span: Span) -> Interface {
    Interface {
        kind: Kind::Veth,
        addresses: Vec::new(),
        mac: None,
        mtu: None,
        up: true,
        master: None,
        qdisc: None,
        vlans: None,
        span,
    }
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
    if let Some(other) = interfaces.get(name) {
        let (first, again) = (at.min(other.span), at.max(other.span));
        problems
            .error(again, format!("`{node}` already has an interface `{name}`"))
            .label("again here")
            .also(first, "first here")
            .help("give one of the two another name");
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

/// What a link end names. One that is nearly right is taken as meant, so that one slip is one message.
fn end(
    text: &Sp<String>,
    lab: &spec::Lab,
    nodes: &IndexMap<NodeName, Node>,
    problems: &mut Problems,
) -> Option<(NodeName, IfName)> {
    let Some((node, interface)) = text.split_once(':') else {
        problems
            .error(text.span, format!("`{text}` is not a link end"))
            .help("write `node:interface`, as in `red:eth0`");
        return None;
    };
    let name = interface_name(interface, place(text, interface, problems), problems);
    if let Some((found, _)) = nodes.get_key_value(node) {
        return Some((found.clone(), name?));
    }
    // A node that is there under a name it cannot have was reported there.
    if lab.holes.top("nodes") || lab.nodes.contains_key(node) {
        return None;
    }
    let meant = nearest(node, nodes.keys().map(NodeName::as_str).take_while(|_| few(problems)));
    let help = did_you_mean(node, meant).unwrap_or_else(|| format!("add it under `nodes`, as in `{node}: {{}}`"));
    let span = place(text, node, problems);
    problems.error(span, format!("link end `{text}`: there is no node `{node}`")).help(help);
    let (meant, _) = nodes.get_key_value(meant?)?;
    let name = name?;
    (!nodes[meant].interfaces.contains_key(&name)).then(|| (meant.clone(), name))
}
