//! What can be built but is hardly meant: warnings about the whole lab, and errors between nodes.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Node, Topology};
use crate::error::Problems;
use crate::ip::route::gateways;
use crate::link::Kind;
use crate::name::{IfName, NodeName};
use crate::span::Span;

pub(super) fn look(topology: &Topology, problems: &mut Problems) {
    netns_names(topology, problems);
    bridge_loops(topology, problems);
    for (name, node) in &topology.nodes {
        isolated(name, node, problems);
        forwarding(name, node, problems);
        gateways_exist(topology, name, node, problems);
    }
    segments(topology, problems);
    unproven(topology, problems);
}

fn netns_names(topology: &Topology, problems: &mut Problems) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for (name, node) in &topology.nodes {
        if let Some(first) = seen.insert(&node.netns, node.span) {
            problems
                .error(node.span, format!("`{name}` and another node would share the namespace `{}`", node.netns))
                .also(first, "the other");
        }
    }
}

fn isolated(name: &NodeName, node: &Node, problems: &mut Problems) {
    if node.interfaces.len() == 1 {
        problems.warn(node.span, format!("`{name}` is not connected to anything"));
    }
}

fn forwarding(name: &NodeName, node: &Node, problems: &mut Problems) {
    let with_address = node
        .interfaces
        .values()
        .filter(|i| !matches!(i.kind, Kind::Loopback) && i.addresses.iter().any(|a| a.ip().is_ipv4()));
    let forwards = node.sysctls.iter().any(|s| s.path.ends_with("/forwarding") || s.path.ends_with("/ip_forward"));
    if with_address.count() > 1 && !forwards {
        problems
            .warn(node.span, format!("`{name}` has several networks, but forwarding is off: packets will not pass"))
            .help("add `sysctls: {net.ipv4.ip_forward: 1}`, or 0 to say that it is meant so");
    }
}

fn gateways_exist(topology: &Topology, name: &NodeName, node: &Node, problems: &mut Problems) {
    for route in &node.routes {
        for via in gateways(route) {
            let proxied = route.value.hops.iter().any(|h| h.onlink)
                || via.to_string().starts_with("169.254.")
                || via.to_string().starts_with("fe80:");
            if topology.owner(via).is_none() && !proxied {
                let span = route.span.narrow(&problems.source.text, &via.to_string());
                problems.warn(span, format!("gateway {via} of `{name}`: no node has this address"));
            }
        }
    }
}

/// Which interfaces hear each other: the two ends of a cable, and all ports of a bridge.
struct Segments<'t> {
    group: HashMap<(&'t NodeName, &'t IfName), usize>,
}

impl<'t> Segments<'t> {
    fn of(topology: &'t Topology) -> Self {
        let mut group = HashMap::new();
        let all = topology.nodes.iter().flat_map(|(n, node)| node.interfaces.keys().map(move |i| (n, i)));
        for (i, key) in all.enumerate() {
            group.insert(key, i);
        }
        let mut segments = Segments { group };
        for link in &topology.links {
            let [a, b] = &link.ends;
            segments.join((&a.0, &a.1), (&b.0, &b.1));
        }
        for (name, node) in &topology.nodes {
            for (port, interface) in &node.interfaces {
                if let Some(master) = &interface.master {
                    segments.join((name, port), (name, &master.value));
                }
            }
        }
        segments
    }

    /// Joins two groups; `false` when they were one already.
    fn join(&mut self, a: (&'t NodeName, &'t IfName), b: (&'t NodeName, &'t IfName)) -> bool {
        let (Some(&ga), Some(&gb)) = (self.group.get(&a), self.group.get(&b)) else {
            return true;
        };
        if ga == gb {
            return false;
        }
        self.group.values_mut().filter(|g| **g == gb).for_each(|g| *g = ga);
        true
    }
}

/// Two bridges with two cables between them, no spanning tree: the first broadcast never ends.
fn bridge_loops(topology: &Topology, problems: &mut Problems) {
    let mut forest: HashMap<(&NodeName, &IfName), (&NodeName, &IfName)> = HashMap::new();
    fn root<'t>(
        forest: &HashMap<(&'t NodeName, &'t IfName), (&'t NodeName, &'t IfName)>,
        mut at: (&'t NodeName, &'t IfName),
    ) -> (&'t NodeName, &'t IfName) {
        while let Some(up) = forest.get(&at) {
            at = *up;
        }
        at
    }
    for link in &topology.links {
        let bridge_of = |(node, interface): &'_ (NodeName, IfName)| {
            let (name, found) = topology.nodes.get_key_value(node)?;
            let master = found.interfaces.get(interface)?.master.as_ref()?;
            let (bridge, settings) = found.interfaces.get_key_value(&master.value)?;
            matches!(&settings.kind, Kind::Bridge(b) if !b.stp).then_some((name, bridge))
        };
        let (Some(a), Some(b)) = (bridge_of(&link.ends[0]), bridge_of(&link.ends[1])) else {
            continue;
        };
        let (a, b) = (root(&forest, a), root(&forest, b));
        if a == b {
            problems
                .error(link.span, "this link closes a loop of bridges without spanning tree: a broadcast storm")
                .help("leave the link out, or give the bridges `stp: on` (ports then forward after twice the forward delay)");
        } else {
            forest.insert(b, a);
        }
    }
}

/// Addresses on one segment: the same one twice, or no network in common on a plain cable.
fn segments(topology: &Topology, problems: &mut Problems) {
    if topology.nodes.len() > 300 {
        return; // quadratic joins are for labs that people write by hand
    }
    let segments = Segments::of(topology);
    let mut seen: HashMap<(usize, IpAddr), (&NodeName, Span)> = HashMap::new();
    for (name, node) in &topology.nodes {
        for (dev, interface) in &node.interfaces {
            if matches!(interface.kind, Kind::Loopback) {
                continue;
            }
            let Some(&group) = segments.group.get(&(name, dev)) else {
                continue;
            };
            for address in &interface.addresses {
                if let Some((other, first)) = seen.insert((group, address.ip()), (name, address.span)) {
                    problems
                        .warn(
                            address.span,
                            format!("`{name}` and `{other}` share a wire and both have {}", address.ip()),
                        )
                        .also(first, "the other");
                }
            }
        }
    }
    for link in &topology.links {
        cable(topology, link, problems);
    }
}

fn cable(topology: &Topology, link: &super::Link, problems: &mut Problems) {
    let side = |(node, dev): &(NodeName, IfName)| {
        let interface = topology.nodes.get(node)?.interfaces.get(dev)?;
        interface.master.is_none().then_some(interface)
    };
    let (Some(a), Some(b)) = (side(&link.ends[0]), side(&link.ends[1])) else {
        return;
    };
    let (Some(x), Some(y)) = (a.addresses.first(), b.addresses.first()) else {
        return;
    };
    let shares =
        a.addresses.iter().any(|m| b.addresses.iter().any(|n| m.net.contains(&n.ip()) || n.net.contains(&m.ip())));
    let host = |n: &ipnet::IpNet| n.prefix_len() == n.max_prefix_len();
    if !shares && !host(&x.net) && !host(&y.net) {
        let ((one, _), (two, _)) = (&link.ends[0], &link.ends[1]);
        problems
            .warn(y.span, format!("`{one}` {} and `{two}` {} share a cable but no network", x.net, y.net))
            .also(x.span, "the other end");
    }
    if a.mtu != b.mtu {
        problems.warn(b.span, "the two ends of this cable have different MTUs: large packets get lost");
    }
}

/// A check that expects silence holds on an empty lab too. It needs somebody who gets through.
fn unproven(topology: &Topology, problems: &mut Problems) {
    let reached: Vec<_> = topology.checks.iter().filter_map(|c| c.kind.reached_target()).map(|t| t.key).collect();
    for check in &topology.checks {
        let Some(target) = check.kind.blocked_target() else {
            continue;
        };
        let owned = target.ip.is_some_and(|ip| topology.owner(ip).is_some());
        if !reached.contains(&target.key) && !owned {
            problems
                .warn(
                    check.span,
                    format!("`{}` proves nothing: no node has the address, and no check reaches it", check.name),
                )
                .help("add a check that gets through to the same target from somewhere");
        }
    }
}
