//! What can be built but is hardly meant: warnings about the whole lab, and errors between nodes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::interfaces::place_in;
use super::{Node, Topology, checks, tunnels};
use crate::error::Problems;
use crate::ip::route::gateways;
use crate::ip::{Mac, Route};
use crate::link::Kind;
use crate::name::{IfName, NodeName};
use crate::span::{Sp, Span};

pub(super) fn look(topology: &Topology, problems: &mut Problems) {
    netns_names(topology, problems);
    bridge_loops(topology, problems);
    let segments = Segments::of(topology);
    if let Some(segments) = &segments {
        same_mac(topology, segments, problems);
    }
    // What is wrong would make half of these warnings: they wait until it is mended.
    if problems.any_errors() {
        return;
    }
    let owners = owners(topology);
    for (name, node) in &topology.nodes {
        isolated(name, node, problems);
        without_ports(node, problems);
        forwarding(name, node, problems);
        same_network(name, node, problems);
        rp_filter(node, problems);
        gateways_exist(&owners, name, node, problems);
    }
    route_loops(topology, &owners, problems);
    tunnels::look(topology, problems);
    if let Some(segments) = &segments {
        same_address(topology, segments, problems);
        topology.links.iter().for_each(|link| cable(topology, link, problems));
    }
    checks::unproven(topology, problems);
}

fn netns_names(topology: &Topology, problems: &mut Problems) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for (name, node) in &topology.nodes {
        if let Some(first) = seen.insert(&node.netns, node.span) {
            problems
                .error(node.span, format!("`{name}` and another node would share the namespace `{}`", node.netns))
                .also(first, "the other")
                .help("put `{node}` into `netns` with something between it and the rest, or rename one of the two");
        }
    }
}

fn isolated(name: &NodeName, node: &Node, problems: &mut Problems) {
    if node.interfaces.len() == 1 {
        problems
            .warn(node.span, format!("`{name}` is not connected to anything"))
            .help(format!("add a link, as in `endpoints: [{name}:eth0, OTHER:eth0]`"));
    }
}

fn without_ports(node: &Node, problems: &mut Problems) {
    let used = |name: &IfName| node.interfaces.values().any(|i| i.master.as_ref().is_some_and(|m| m.value == *name));
    for (name, interface) in &node.interfaces {
        if matches!(interface.kind, Kind::Bridge(_)) && !used(name) {
            problems
                .warn(interface.span, format!("bridge `{name}` has no ports: nothing is plugged into it"))
                .help("add `ports: [INTERFACE]`");
        }
    }
}

/// The kernel answers for either address on either interface, and sends by the first route only.
fn same_network(name: &NodeName, node: &Node, problems: &mut Problems) {
    let mut seen: HashMap<_, (&IfName, Span)> = HashMap::new();
    let mut wider = Vec::new();
    for (dev, interface) in node.interfaces.iter().filter(|(_, i)| !matches!(i.kind, Kind::Loopback)) {
        for address in interface.addresses.iter().filter(|a| a.net.prefix_len() < a.net.max_prefix_len()) {
            // In another VRF it is another network.
            let domain = interface.master.as_ref().map(|m| &m.value);
            wider.push((domain, address.net.trunc(), dev, address.span));
            let first = *seen.entry((domain, address.net.trunc())).or_insert((dev, address.span));
            if first.0 != dev {
                problems
                    .warn(address.span, format!("`{name}` has {} on `{}` and on `{dev}`", address.net.trunc(), first.0))
                    .also(first.1, "the first is here")
                    .help("packets for it leave by one of the two only; give them different networks, or plug both into a bridge");
            }
        }
    }
    // Quadratic, for nodes that people write by hand.
    if wider.len() <= 64 {
        network_in_network(name, &wider, problems);
    }
}

/// A network inside of another one on another interface: whoever is in the wider one cannot be reached there.
fn network_in_network(name: &NodeName, found: &[(Option<&IfName>, IpNet, &IfName, Span)], problems: &mut Problems) {
    for (domain, net, dev, span) in found {
        let around = found.iter().find(|(d, n, other, _)| d == domain && other != dev && n != net && n.contains(net));
        if let Some((_, wide, other, first)) = around {
            problems
                .warn(*span, format!("`{name}` has {net} on `{dev}`, which is a part of {wide} on `{other}`"))
                .also(*first, "the wider one")
                .help("who has such an address behind the wider one is not found there: give them different networks");
        }
    }
}

/// The kernel takes the larger of `all` and the interface's own.
fn rp_filter(node: &Node, problems: &mut Problems) {
    let value = |s: &super::Sysctl| s.value.parse::<u8>().ok();
    let all = node.sysctls.iter().find(|s| s.path == "net/ipv4/conf/all/rp_filter").and_then(|s| value(s));
    for sysctl in node.sysctls.iter().filter(|s| s.interface.is_some() && s.path.ends_with("/rp_filter")) {
        if let (Some(all), Some(own)) = (all, value(sysctl))
            && all > own
        {
            problems
                .warn(
                    sysctl.span,
                    format!("{own} has no effect here: the kernel takes the larger value, and `all` has {all}"),
                )
                .help("set `net.ipv4.conf.all.rp_filter` to 0 as well");
        }
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

/// Who has each address; the first of the file where several do.
type Owners<'t> = HashMap<IpAddr, &'t NodeName>;

fn owners(topology: &Topology) -> Owners<'_> {
    let mut owners = Owners::new();
    for (name, node) in &topology.nodes {
        for address in node.interfaces.values().flat_map(|i| &i.addresses) {
            owners.entry(address.ip()).or_insert(name);
        }
    }
    owners
}

fn gateways_exist(owners: &Owners<'_>, name: &NodeName, node: &Node, problems: &mut Problems) {
    for route in &node.routes {
        for via in gateways(route).into_iter().filter(|via| !owners.contains_key(via)) {
            let proxied = route.value.hops.iter().any(|h| h.onlink)
                || via.to_string().starts_with("169.254.")
                || via.to_string().starts_with("fe80:");
            if !proxied {
                let span = place_in(route.span, &via.to_string(), problems);
                problems
                    .warn(span, format!("gateway {via} of `{name}`: no node has this address"))
                    .help("give it to the interface of a neighbour, or name another gateway");
            }
        }
    }
}

/// Two neighbours that send the same network to each other.
fn route_loops(topology: &Topology, owners: &Owners<'_>, problems: &mut Problems) {
    let ways: HashMap<&NodeName, Ways<'_>> = topology.nodes.iter().map(|(n, node)| (n, Ways::of(node))).collect();
    for (name, node) in &topology.nodes {
        for route in node.routes.iter().filter(|r| !r.is_default()) {
            let next = gateways(route).into_iter().find_map(|via| owners.get(&via));
            let way_back = |other: &&NodeName| ways.get(*other)?.back(owners, name, route);
            let Some((other, back)) = next.and_then(|other| Some((*other, way_back(other)?))) else { continue };
            if (name, route.span) < (other, back) {
                problems
                    .warn(route.span, format!("`{name}` and `{other}` send {} to each other", route.to))
                    .also(back, "and back")
                    .help("one of the two needs another gateway for it");
            }
        }
    }
}

/// A node's routes and own networks, found by what they lead to.
struct Ways<'t> {
    routes: HashMap<(u32, IpNet), &'t Sp<Route>>,
    own: HashSet<IpNet>,
    /// Of the routes and networks that there are.
    lengths: BTreeSet<u8>,
}

impl<'t> Ways<'t> {
    fn of(node: &'t Node) -> Ways<'t> {
        let routes: HashMap<_, _> = node.routes.iter().map(|r| ((r.table, r.to.trunc()), r)).collect();
        let own: HashSet<_> =
            node.interfaces.values().flat_map(|i| &i.addresses).map(|address| address.net.trunc()).collect();
        let lengths = routes.keys().map(|(_, net)| net.prefix_len()).chain(own.iter().map(IpNet::prefix_len)).collect();
        Ways { routes, own, lengths }
    }

    /// The route by which this node would send the destination of a route of `to` back to it.
    fn back(&self, owners: &Owners<'_>, to: &NodeName, route: &Route) -> Option<Span> {
        let length = route.to.prefix_len();
        let around = |length: &u8| IpNet::new(route.to.addr(), *length).ok().map(|net| net.trunc());
        let covering = || self.lengths.range(..=length).rev().filter_map(around);
        // Networks inside of the destination are looked through only where there can be any.
        let narrower = self.lengths.range(length + 1..).next().is_some();
        if covering().any(|net| self.own.contains(&net)) || (narrower && self.own.iter().any(|n| route.to.contains(n)))
        {
            return None;
        }
        let best = covering().find_map(|net| self.routes.get(&(route.table, net))).filter(|r| !r.is_default())?;
        gateways(best).into_iter().any(|via| owners.get(&via) == Some(&to)).then_some(best.span)
    }
}

/// Which interfaces hear each other: the two ends of a cable, and all ports of a bridge.
struct Segments<'t> {
    group: HashMap<(&'t NodeName, &'t IfName), usize>,
}

impl<'t> Segments<'t> {
    /// None of a large lab: quadratic joins are for labs that people write by hand.
    fn of(topology: &'t Topology) -> Option<Self> {
        if topology.nodes.len() > 300 || topology.links.len() > 2000 {
            return None;
        }
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
                // A VRF has members too, but they share no wire.
                let is_wire = |k: &Kind| matches!(k, Kind::Bridge(_) | Kind::Bond(_));
                let is_bridge = |m: &IfName| node.interfaces.get(m).is_some_and(|i| is_wire(&i.kind));
                if let Some(master) = interface.master.as_ref().filter(|m| is_bridge(&m.value)) {
                    segments.join((name, port), (name, &master.value));
                }
            }
        }
        Some(segments)
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

/// A switch that sees one Ethernet address at two ports sends to one of them only.
fn same_mac(topology: &Topology, segments: &Segments<'_>, problems: &mut Problems) {
    let mut seen: HashMap<(usize, Mac), (&NodeName, &IfName, Span)> = HashMap::new();
    for (name, node) in &topology.nodes {
        for (dev, interface) in &node.interfaces {
            let (Some(&group), Some(mac)) = (segments.group.get(&(name, dev)), interface.mac) else {
                continue;
            };
            if let Some((other, its, first)) = seen.insert((group, mac), (name, dev, interface.span)) {
                problems
                    .error(
                        interface.span,
                        format!(
                            "`{name}:{dev}` and `{other}:{its}` share a wire and both have the Ethernet address {mac}"
                        ),
                    )
                    .also(first, "the other")
                    .help("give one of the two another `mac`, or leave it out");
            }
        }
    }
}

/// One address twice on one wire: who answers is chance.
fn same_address(topology: &Topology, segments: &Segments<'_>, problems: &mut Problems) {
    let mut seen: HashMap<(usize, IpAddr), (&NodeName, Span)> = HashMap::new();
    for (name, node) in &topology.nodes {
        for (dev, interface) in node.interfaces.iter().filter(|(_, i)| !matches!(i.kind, Kind::Loopback)) {
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
                        .also(first, "the other")
                        .help("give one of the two another address");
                }
            }
        }
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
            .also(x.span, "the other end")
            .help("give both ends addresses of one network");
    }
    if a.mtu != b.mtu {
        problems
            .warn(b.span, "the two ends of this cable have different MTUs: large packets get lost")
            .also(a.span, "the other end")
            .help("write `mtu` once, with the link");
    }
}
