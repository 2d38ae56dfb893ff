//! What tunnels stand on: whether there is a way to the other end, and room for their headers.

use std::net::{IpAddr, Ipv4Addr};

use super::{Interface, Node, Topology};
use crate::error::Problems;
use crate::link::Kind;
use crate::name::{IfName, NodeName};

/// The MTU of a cable that the lab gives none.
const USUAL_MTU: u32 = 1500;

pub(super) fn look(topology: &Topology, problems: &mut Problems) {
    for (name, node) in &topology.nodes {
        for (dev, interface) in &node.interfaces {
            if let Some((remote, headers)) = other_end(&interface.kind) {
                no_way(name, dev, interface, node, remote, problems);
                too_wide(dev, interface, node, remote, headers, problems);
            }
        }
    }
}

/// The address of the other end, where one is said, and the bytes that the tunnel adds to a packet.
fn other_end(kind: &Kind) -> Option<(Option<Ipv4Addr>, u32)> {
    match kind {
        Kind::Ipip(tunnel) => Some((tunnel.outer.remote, 20)),
        Kind::Sit(tunnel) => Some((tunnel.outer.remote, 20)),
        Kind::Gre(tunnel) => Some((tunnel.outer.remote, if tunnel.key.is_some() { 28 } else { 24 })),
        Kind::Vxlan(tunnel) => Some((tunnel.outer.remote, 50)),
        Kind::Geneve(tunnel) => Some((Some(tunnel.remote), 50)),
        _ => None,
    }
}

/// Nothing in the file leads to the other end. Where a program may bring routes, nobody knows.
fn no_way(
    name: &NodeName,
    dev: &IfName,
    interface: &Interface,
    node: &Node,
    remote: Option<Ipv4Addr>,
    problems: &mut Problems,
) {
    let Some(remote) = remote.filter(|ip| !ip.is_multicast()).map(IpAddr::V4) else { return };
    let programs = node.services.values().any(|s| matches!(s.program, super::Program::Run(_)));
    let near = |i: &Interface| i.addresses.iter().any(|a| a.net.contains(&remote) || a.peer == Some(remote));
    let routed = node.routes.iter().any(|r| r.to.contains(&remote));
    if programs || routed || node.interfaces.values().any(near) {
        return;
    }
    problems
        .warn(interface.span, format!("`{dev}` of `{name}` goes to {remote}, and nothing leads there"))
        .help(format!("add a route to {remote}, or take an address on one of its networks: {}", node.networks()));
}

/// A packet that just fits the tunnel does not fit the cable below it any more.
fn too_wide(
    dev: &IfName,
    interface: &Interface,
    node: &Node,
    remote: Option<Ipv4Addr>,
    headers: u32,
    problems: &mut Problems,
) {
    let Some(own) = interface.mtu else { return };
    let has = |i: &Interface| interface.kind.local().is_some_and(|ip| i.addresses.iter().any(|a| a.ip() == ip));
    let by_dev = interface.kind.parent().and_then(|parent| node.interfaces.get_key_value(parent));
    let by_address = || node.interfaces.iter().find(|(_, i)| has(i) && !matches!(i.kind, Kind::Loopback));
    let by_remote = || node.interface_towards(IpAddr::V4(remote?)).and_then(|name| node.interfaces.get_key_value(name));
    let Some((below, cable)) = by_dev.or_else(by_address).or_else(by_remote) else { return };
    let wide = cable.mtu.unwrap_or(USUAL_MTU);
    if matches!(cable.kind, Kind::Veth) && own + headers > wide {
        let fits = wide.saturating_sub(headers);
        problems
            .warn(
                interface.span,
                format!("`{dev}` has an MTU of {own}, and {headers} bytes of headers: `{below}` below it takes {wide}"),
            )
            .also(cable.span, "below")
            .help(format!("write `mtu: {fits}`"));
    }
}
