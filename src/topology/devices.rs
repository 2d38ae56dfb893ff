//! Links that a node makes for itself beside bridges: tunnels, vlans, macvlans, ipvlans, bonds, vrfs, dummies.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::interfaces::{addresses, mtu};
use super::links::{insert, mac};
use super::names::interface_name;
use super::{Interface, Node, stacks};
use crate::error::{Problems, did_you_mean};
use crate::ip::Mac;
use crate::link::device::{HasSettings, Settings};
use crate::link::dummy::Dummy;
use crate::link::wireguard::{Keys, Place};
use crate::link::{self, Kind, is_fallback};
use crate::name::{IfName, NodeName};
use crate::span::{Sp, Span};
use crate::spec::{self, Holes};

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
    holes: &Holes,
    nodes: &mut IndexMap<NodeName, Node>,
    problems: &mut Problems,
) {
    let mark = problems.mark();
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
    for (key, section) in &written.ipvlans {
        found.push((key, section.resolve(key.span, problems).map(Kind::Ipvlan), section.settings()));
    }
    for (key, section) in &written.bonds {
        found.push((key, section.resolve(key.span, problems).map(Kind::Bond), section.settings()));
    }
    // What a device or a peer seems to lack was written, but could not be read: that has been told.
    problems.forgive(mark, |problem| holes.inside(problem.span));
    for (key, kind, settings) in found {
        let Some(name) = interface_name(key, key.span, problems) else { continue };
        // The rest of the file may speak of one that has a mistake.
        let kind = kind.unwrap_or(Kind::Dummy(Dummy {}));
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
        problems
            .error(text.span, format!("links of kind {} have no Ethernet address of their own", kind.word()))
            .help("delete `mac`");
    }
    Interface {
        mac: kind.has_mac().then(|| given.unwrap_or_else(|| Mac::derived(lab_name, node, name))),
        addresses: addresses(&settings.addresses, problems),
        mtu: mtu(settings.mtu.as_ref(), problems),
        up: settings.up.as_ref().is_none_or(|u| u.value),
        master: None,
        qdisc: None,
        vlans: None,
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
    stacks::check(node, problems);
    let mut seen: HashMap<String, Span> = HashMap::new();
    let names: Vec<&str> = node.interfaces.keys().map(IfName::as_str).collect();
    for (name, interface) in &node.interfaces {
        // What a bond names is one of its members, which have been looked at.
        if let Some(parent) = interface.kind.parent().filter(|_| !link::lends(interface.kind.word()))
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

/// The interfaces of a vrf or a bond belong to it as ports belong to a bridge.
fn members(written: &spec::Node, node: &mut Node, problems: &mut Problems) {
    let bonds = written.bonds.iter().map(|(key, section)| (key, &section.interfaces));
    let vrfs = written.vrfs.iter().map(|(key, section)| (key, &section.interfaces));
    // What is bonded is bonded before the bond goes anywhere else.
    for (key, interfaces) in bonds.chain(vrfs) {
        let Ok(master) = IfName::new(key) else { continue };
        for member in interfaces {
            join(&master, member, node, problems);
        }
    }
}

fn join(master: &IfName, member: &Sp<String>, node: &mut Node, problems: &mut Problems) {
    let lends = node.interfaces.get(master).is_some_and(|m| link::lends(m.kind.word()));
    let known: Vec<String> = node.interfaces.keys().map(ToString::to_string).collect();
    let Some(interface) = node.interfaces.get_mut(member.value.as_str()) else {
        problems
            .error(member.span, format!("this node has no interface `{member}`"))
            .maybe_help(did_you_mean(member, known.iter().map(String::as_str)));
        return;
    };
    if member.value == master.as_str() {
        problems.error(member.span, format!("`{member}` cannot be its own member")).help("delete it");
        return;
    }
    if let Some(first) = &interface.master {
        problems
            .error(member.span, format!("`{member}` belongs to `{}` already", first.value))
            .also(first.span, "here")
            .help("an interface is in one bridge, bond or vrf: delete one of the two");
        return;
    }
    if lends && matches!(interface.kind, Kind::Loopback | Kind::Bond(_)) {
        problems
            .error(member.span, format!("`{member}` cannot be a member of a bond"))
            .help("a member is the end of a link");
        return;
    }
    if lends && let Some(address) = interface.addresses.first() {
        problems
            .error(address.span, format!("`{member}` is a member of `{master}`: an address on it does not work"))
            .also(member.span, "here")
            .help(format!("put the address on `{master}`"));
    }
    interface.master = Some(Sp::new(master.clone(), member.span));
}
