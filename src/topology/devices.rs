//! Links that a node makes for itself beside bridges: tunnels, vlans, macvlans, vrfs, dummies.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::interfaces::{addresses, mtu};
use super::links::{insert, mac};
use super::names::interface_name;
use super::{Interface, Node};
use crate::error::{Problems, did_you_mean};
use crate::ip::Mac;
use crate::link::device::{HasSettings, Settings};
use crate::link::dummy::Dummy;
use crate::link::wireguard::{Keys, Place};
use crate::link::{Kind, is_fallback};
use crate::name::{IfName, NodeName};
use crate::span::{Sp, Span};
use crate::spec;

/// The private keys of a lab's wireguard interfaces: a peer may be named before it is read.
pub(super) fn keys(lab: &spec::Lab, lab_name: &str) -> Keys {
    let mut keys = Keys::default();
    for (node, written) in &lab.nodes {
        for (name, tunnel) in &written.tunnels {
            keys.add(lab_name, node, name, tunnel);
        }
    }
    keys
}

/// Adds them all to their node.
pub(super) fn add(
    lab_name: &str,
    node: &NodeName,
    written: &spec::Node,
    keys: &Keys,
    nodes: &mut IndexMap<NodeName, Node>,
    problems: &mut Problems,
) {
    let mut found: Vec<(&Sp<String>, Option<Kind>, Settings)> = Vec::new();
    for (key, section) in &written.dummies {
        found.push((key, Some(Kind::Dummy(Dummy {})), section.settings()));
    }
    for (key, section) in &written.vrfs {
        found.push((key, section.resolve(key.span, problems).map(Kind::Vrf), section.settings()));
    }
    for (key, section) in &written.tunnels {
        let name = format!("{node}:{key}");
        let place = Place { name: &name, keys };
        found.push((key, section.resolve(key.span, &place, problems), section.settings()));
    }
    for (key, section) in &written.vlans {
        found.push((key, section.resolve(key.span, problems).map(Kind::Vlan), section.settings()));
    }
    for (key, section) in &written.macvlans {
        found.push((key, section.resolve(key.span, problems).map(Kind::Macvlan), section.settings()));
    }
    for (key, kind, settings) in found {
        let (Some(name), Some(kind)) = (interface_name(key, key.span, problems), kind) else { continue };
        let interface = interface(lab_name, node, &name, kind, &settings, key.span, problems);
        place(node, name, interface, key.span, nodes, problems);
    }
}

fn interface(
    lab_name: &str,
    node: &NodeName,
    name: &IfName,
    kind: Kind,
    settings: &Settings,
    span: Span,
    problems: &mut Problems,
) -> Interface {
    let given = settings.mac.as_ref().and_then(|m| mac(m, problems));
    if let (Some(text), false) = (&settings.mac, kind.has_mac()) {
        problems.error(text.span, format!("a {} link has no Ethernet address", kind.word())).help("delete `mac`");
    }
    Interface {
        mac: kind.has_mac().then(|| given.unwrap_or_else(|| Mac::derived(lab_name, node, name))),
        addresses: addresses(&settings.addresses, problems),
        mtu: mtu(settings.mtu.as_ref(), problems),
        up: settings.up.as_ref().is_none_or(|u| u.value),
        master: None,
        qdisc: None,
        kind,
        span,
    }
}

/// `tunl0` with neither end said is the module's own device: the one reserved name that a lab may write.
fn place(
    node: &NodeName,
    name: IfName,
    interface: Interface,
    at: Span,
    nodes: &mut IndexMap<NodeName, Node>,
    problems: &mut Problems,
) {
    let modules_own = name.as_str() == "tunl0" && matches!(&interface.kind, Kind::Ipip(i) if i.outer.remote.is_none());
    match nodes.get_mut(node) {
        Some(found) if is_fallback(&name) && modules_own => {
            found.interfaces.insert(name, interface);
        }
        _ => {
            insert(nodes, node, &name, interface, at, problems);
        }
    }
}

/// What can only be said once every interface and address of the node is known.
pub(super) fn check(written: &spec::Node, node: &mut Node, problems: &mut Problems) {
    members(written, node, problems);
    let mut seen: HashMap<String, Span> = HashMap::new();
    let names: Vec<&str> = node.interfaces.keys().map(IfName::as_str).collect();
    for (name, interface) in &node.interfaces {
        if let Some(parent) = interface.kind.parent()
            && !node.interfaces.contains_key(parent)
        {
            problems
                .error(interface.span, format!("`{name}` stands on `{parent}`, which this node does not have"))
                .help(did_you_mean(parent, names.iter().copied()).unwrap_or(format!("it has {}", names.join(", "))));
        }
        if let Some(local) = interface.kind.local()
            && !node.interfaces.values().any(|i| i.addresses.iter().any(|a| a.ip() == local))
        {
            problems
                .error(interface.span, format!("local {local} of `{name}` is not an address of this node"))
                .help(format!("use one of its own: {}", node.networks()));
        }
        if let Some(first) = interface.kind.unique().and_then(|u| seen.insert(u, interface.span)) {
            problems
                .error(
                    interface.span,
                    format!("another {} link of this node has the same numbers", interface.kind.word()),
                )
                .also(first, "the other")
                .help("the kernel takes one of them (EEXIST): give the other another id, port, key or remote");
        }
    }
}

/// The interfaces of a vrf belong to it as ports belong to a bridge.
fn members(written: &spec::Node, node: &mut Node, problems: &mut Problems) {
    for (key, section) in &written.vrfs {
        let Ok(vrf) = IfName::new(key) else { continue };
        for member in &section.interfaces {
            let known: Vec<String> = node.interfaces.keys().map(ToString::to_string).collect();
            match node.interfaces.get_mut(member.value.as_str()) {
                Some(interface) if interface.master.is_none() => {
                    interface.master = Some(Sp::new(vrf.clone(), member.span));
                }
                Some(_) => {
                    problems
                        .error(member.span, format!("`{member}` belongs to another device already"))
                        .help("an interface is in one bridge or one vrf: delete one of the two");
                }
                None => {
                    problems
                        .error(member.span, format!("this node has no interface `{member}`"))
                        .maybe_help(did_you_mean(member, known.iter().map(String::as_str)));
                }
            }
        }
    }
}
