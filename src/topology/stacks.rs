//! What stands on what in a node: links on other links' wires, ports, members. What the kernel refuses of it (EBUSY,
//! ELOOP, EINVAL, all without a word) is refused here, with its place.

use std::collections::HashMap;

use super::{Interface, Node};
use crate::error::Problems;
use crate::link::{self, Kind};
use crate::name::IfName;
use crate::span::Span;

/// The MTU of a cable or dummy that the lab gives none.
const USUAL_MTU: u32 = 1500;

pub(super) fn check(node: &Node, problems: &mut Problems) {
    let found = problems.mark();
    for (name, interface) in &node.interfaces {
        circle(name, interface, node, problems);
    }
    if problems.mark() > found {
        return;
    }
    for (name, interface) in &node.interfaces {
        if let Some((parent, below)) = on_wire(interface, node) {
            wire(name, interface, parent, below, problems);
        }
    }
    one_taker(node, problems);
    one_mode(node, problems);
}

/// The interface whose wire a vlan, macvlan or ipvlan uses.
fn on_wire<'n>(interface: &Interface, node: &'n Node) -> Option<(&'n IfName, &'n Interface)> {
    let uses = matches!(interface.kind, Kind::Vlan(_) | Kind::Macvlan(_) | Kind::Ipvlan(_));
    interface.kind.parent().filter(|_| uses).and_then(|parent| node.interfaces.get_key_value(parent))
}

fn wire(name: &IfName, interface: &Interface, parent: &IfName, below: &Interface, problems: &mut Problems) {
    let word = interface.kind.word();
    if matches!(below.kind, Kind::Loopback | Kind::Ipip(_) | Kind::Gre(_) | Kind::Sit(_) | Kind::Wireguard(_)) {
        problems
            .error(interface.span, format!("`{parent}` carries no Ethernet frames: no {word} stands on it"))
            .help("take the end of a link, a bond or a bridge");
    }
    let mtu = below.mtu.or(matches!(below.kind, Kind::Veth | Kind::Dummy(_)).then_some(USUAL_MTU));
    if let (Kind::Vlan(_) | Kind::Macvlan(_), Some(own), Some(mtu)) = (&interface.kind, interface.mtu, mtu)
        && own > mtu
    {
        problems
            .error(interface.span, format!("`{name}` has an MTU of {own}, but `{parent}` below it has {mtu}"))
            .also(below.span, "below")
            .help(format!("{mtu} at most, or raise the MTU below"));
    }
}

/// What stands on itself, by however many steps.
fn circle(name: &IfName, interface: &Interface, node: &Node, problems: &mut Problems) {
    let mut way = vec![name];
    if !leads_back(name, name, interface, node, &mut way) {
        return;
    }
    // The first of the circle tells it, in the order of the file.
    if way.iter().all(|other| node.interfaces.get_index_of(*other) >= node.interfaces.get_index_of(name)) {
        let shown: Vec<String> = way.iter().chain([&name]).map(|n| format!("`{n}`")).collect();
        problems
            .error(interface.span, format!("`{name}` stands on itself: {}", shown.join(" on ")))
            .help("one of them must stand on something else");
    }
}

fn leads_back<'n>(
    goal: &IfName,
    at: &IfName,
    interface: &'n Interface,
    node: &'n Node,
    way: &mut Vec<&'n IfName>,
) -> bool {
    let members = node.interfaces.iter().filter(|(_, i)| i.master.as_ref().is_some_and(|m| m.value == *at));
    let parent = interface.kind.parent().filter(|_| !link::lends(interface.kind.word()));
    let below = parent.and_then(|p| node.interfaces.get_key_value(p)).into_iter().chain(members);
    for (name, next) in below {
        if name == goal {
            return true;
        }
        if !way.contains(&name) {
            way.push(name);
            if leads_back(goal, name, next, node, way) {
                return true;
            }
            way.pop();
        }
    }
    false
}

/// Frames that come in by an interface have one taker: its bridge or bond, its macvlans, or its ipvlans (EBUSY).
fn one_taker(node: &Node, problems: &mut Problems) {
    let mut takers: HashMap<&IfName, (String, Span)> = HashMap::new();
    for (name, interface) in &node.interfaces {
        let master = interface.master.as_ref().filter(|m| {
            node.interfaces.get(&m.value).is_some_and(|i| matches!(i.kind, Kind::Bridge(_) | Kind::Bond(_)))
        });
        if let Some(master) = master {
            takers.insert(name, (format!("`{}`", master.value), master.span));
        }
    }
    for (name, interface) in &node.interfaces {
        let Some(parent) = lowest(interface, node) else { continue };
        let word = interface.kind.word();
        let (taker, first) = takers.entry(parent).or_insert((format!("{word}s"), interface.span));
        if *taker != format!("{word}s") {
            problems
                .error(
                    interface.span,
                    format!("{word} `{name}` cannot stand on `{parent}`, whose frames go to {taker}"),
                )
                .also(*first, "here")
                .help("one interface serves a bridge, a bond, macvlans or ipvlans: take the end of another link");
        }
    }
}

/// The kernel keeps the mode of ipvlans with the interface below: a second one changes the first (EBUSY for `l3s`).
fn one_mode(node: &Node, problems: &mut Problems) {
    let mut modes: HashMap<&IfName, (&str, Span)> = HashMap::new();
    for (name, interface) in &node.interfaces {
        let Kind::Ipvlan(ipvlan) = &interface.kind else { continue };
        let Some(parent) = lowest(interface, node) else { continue };
        let (mode, first) = *modes.entry(parent).or_insert((&ipvlan.mode, interface.span));
        if mode != ipvlan.mode {
            problems
                .error(
                    interface.span,
                    format!("`{name}` has mode {}, but all ipvlans of `{parent}` have {mode}", ipvlan.mode),
                )
                .also(first, "the first is here")
                .help("give them one mode, or stand them on different interfaces");
        }
    }
}

/// What a macvlan or ipvlan stands on in the end: one on another of its kind stands beside it.
fn lowest<'n>(interface: &Interface, node: &'n Node) -> Option<&'n IfName> {
    let (mut name, mut below) = match interface.kind {
        Kind::Macvlan(_) | Kind::Ipvlan(_) => on_wire(interface, node)?,
        _ => return None,
    };
    while below.kind.word() == interface.kind.word() {
        (name, below) = on_wire(below, node)?;
    }
    Some(name)
}
