//! Addresses, routes, rules and neighbours as netlink messages, and back.

use std::net::IpAddr;

use ipnet::IpNet;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope,
};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop, RouteNextHopFlags,
    RouteProtocol, RouteScope, RouteType, RouteVia,
};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};

use crate::ip::route::{Action, MAIN_TABLE, NextHop, Proto, Scope};
use crate::ip::{Address, Family, Fdb, Mac, Neighbor, Route, Rule};
use crate::name::IfName;

fn family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

fn route_address(ip: IpAddr) -> RouteAddress {
    match ip {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    }
}

fn from_route_address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

/// `ip addr add`. IPv6 addresses skip duplicate address detection: they would be unusable for seconds.
pub(super) fn address(address: &Address, index: u32) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(Family::of(address.ip()));
    message.header.prefix_len = address.net.prefix_len();
    message.header.index = index;
    message.header.scope = AddressScope::from(scope_number(address.scope.unwrap_or(Scope::Global)));
    message.attributes.push(AddressAttribute::Local(address.ip()));
    message.attributes.push(AddressAttribute::Address(address.peer.unwrap_or(address.ip())));
    if address.ip().is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    message
}

/// What `ip addr` shows.
pub(super) fn from_address(message: &AddressMessage) -> Option<(u32, Address)> {
    let (mut local, mut far) = (None, None);
    for attribute in &message.attributes {
        if let AddressAttribute::Local(ip) = attribute {
            local = Some(*ip);
        } else if let AddressAttribute::Address(ip) = attribute {
            far = Some(*ip);
        }
    }
    let ip = local.or(far)?;
    let net = IpNet::new(ip, message.header.prefix_len).ok()?;
    let scope = scope_of(u8::from(message.header.scope)).filter(|s| *s != Scope::Global);
    Some((message.header.index, Address { net, peer: far.filter(|f| *f != ip), scope }))
}

fn scope_number(scope: Scope) -> u8 {
    match scope {
        Scope::Global => 0,
        Scope::Site => 200,
        Scope::Link => 253,
        Scope::Host => 254,
        Scope::Nowhere => 255,
    }
}

fn scope_of(number: u8) -> Option<Scope> {
    [Scope::Global, Scope::Site, Scope::Link, Scope::Host, Scope::Nowhere]
        .into_iter()
        .find(|s| scope_number(*s) == number)
}

const ACTIONS: &[(Action, u8)] = &[
    (Action::Unicast, 1),
    (Action::Local, 2),
    (Action::Broadcast, 3),
    (Action::Multicast, 5),
    (Action::Blackhole, 6),
    (Action::Unreachable, 7),
    (Action::Prohibit, 8),
    (Action::Throw, 9),
];

/// `ip route add`; `index` gives an interface's number.
pub(super) fn route(route: &Route, index: impl Fn(&IfName) -> Option<u32>) -> Result<RouteMessage, IfName> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(route.family());
    message.header.destination_prefix_length = route.to.prefix_len();
    message.header.protocol = RouteProtocol::from(route.proto.0);
    message.header.scope = RouteScope::from(scope_number(route.effective_scope()));
    let kind = ACTIONS.iter().find(|(a, _)| *a == route.action).map_or(1, |(_, n)| *n);
    message.header.kind = RouteType::from(kind);
    // A table's number may not fit the header's byte: the attribute counts.
    message.header.table = u8::try_from(route.table).unwrap_or(0);
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(route.table));
    if !route.is_default() {
        attributes.push(RouteAttribute::Destination(route_address(route.to.addr())));
    }
    if let Some(src) = route.src {
        attributes.push(RouteAttribute::PrefSource(route_address(src)));
    }
    if let Some(metric) = route.metric {
        attributes.push(RouteAttribute::Priority(metric));
    }
    if let Some(mtu) = route.mtu {
        attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
    }
    let number = |hop: &NextHop| match &hop.dev {
        Some(dev) => index(dev).map(Some).ok_or_else(|| dev.clone()),
        None => Ok(None),
    };
    if let [hop] = route.hops.as_slice() {
        if hop.onlink {
            message.header.flags = RouteFlags::Onlink;
        }
        let attributes = &mut message.attributes;
        attributes.extend(hop.via.map(|via| gateway(via, route.family())));
        attributes.extend(number(hop)?.map(RouteAttribute::Oif));
    } else if !route.hops.is_empty() {
        let mut hops = Vec::new();
        for hop in &route.hops {
            let mut next = RouteNextHop::default();
            next.hops = u8::try_from(hop.weight - 1).unwrap_or(u8::MAX);
            next.interface_index = number(hop)?.unwrap_or(0);
            if hop.onlink {
                next.flags = RouteNextHopFlags::Onlink;
            }
            next.attributes.extend(hop.via.map(|via| gateway(via, route.family())));
            hops.push(next);
        }
        message.attributes.push(RouteAttribute::MultiPath(hops));
    }
    Ok(message)
}

fn gateway(via: IpAddr, family: Family) -> RouteAttribute {
    match (via, family) {
        (IpAddr::V6(ip), Family::V4) => RouteAttribute::Via(RouteVia::Inet6(ip)),
        _ => RouteAttribute::Gateway(route_address(via)),
    }
}

/// What `ip route` shows; `name` gives an interface's name.
pub(super) fn from_route(message: &RouteMessage, name: impl Fn(u32) -> Option<IfName>) -> Option<Route> {
    let header = &message.header;
    let any: IpAddr = match header.address_family {
        AddressFamily::Inet => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        AddressFamily::Inet6 => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let kind = u8::from(header.kind);
    let action = ACTIONS.iter().find(|(_, n)| *n == kind).map(|(a, _)| *a)?;
    let mut route = Route {
        to: IpNet::new(any, 0).ok()?,
        action,
        hops: Vec::new(),
        proto: Proto(u8::from(header.protocol)),
        scope: scope_of(u8::from(header.scope)),
        src: None,
        metric: None,
        table: u32::from(header.table),
        mtu: None,
    };
    let mut hop = NextHop { onlink: header.flags.contains(RouteFlags::Onlink), ..NextHop::default() };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => {
                route.to = IpNet::new(from_route_address(to)?, header.destination_prefix_length).ok()?;
            }
            RouteAttribute::PrefSource(src) => route.src = from_route_address(src),
            RouteAttribute::Priority(metric) => route.metric = Some(*metric),
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::Oif(index) => hop.dev = name(*index),
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => hop.via = via(attribute),
            RouteAttribute::Metrics(metrics) => {
                route.mtu = metrics.iter().find_map(|m| if let RouteMetric::Mtu(mtu) = m { Some(*mtu) } else { None });
            }
            RouteAttribute::MultiPath(hops) => {
                for next in hops {
                    route.hops.push(NextHop {
                        via: next.attributes.iter().find_map(via),
                        dev: name(next.interface_index),
                        onlink: next.flags.contains(RouteNextHopFlags::Onlink),
                        weight: u16::from(next.hops) + 1,
                    });
                }
            }
            _ => {}
        }
    }
    if hop.via.is_some() || hop.dev.is_some() {
        route.hops.push(hop);
    }
    Some(route.canonical())
}

fn via(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(address) => from_route_address(address),
        RouteAttribute::Via(RouteVia::Inet(ip)) => Some((*ip).into()),
        RouteAttribute::Via(RouteVia::Inet6(ip)) => Some((*ip).into()),
        _ => None,
    }
}

/// `ip rule add`.
pub(super) fn rule(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(rule.family);
    message.header.action = RuleAction::ToTable;
    message.header.table = u8::try_from(rule.table).unwrap_or(0);
    if rule.not {
        message.header.flags = RuleFlags::Invert;
    }
    let attributes = &mut message.attributes;
    attributes.push(RuleAttribute::Table(rule.table));
    attributes.push(RuleAttribute::Priority(rule.priority));
    if let Some(from) = rule.from {
        message.header.src_len = from.prefix_len();
        message.attributes.push(RuleAttribute::Source(from.addr()));
    }
    if let Some(to) = rule.to {
        message.header.dst_len = to.prefix_len();
        message.attributes.push(RuleAttribute::Destination(to.addr()));
    }
    let attributes = &mut message.attributes;
    attributes.extend(rule.iif.as_ref().map(|i| RuleAttribute::Iifname(i.to_string())));
    attributes.extend(rule.oif.as_ref().map(|i| RuleAttribute::Oifname(i.to_string())));
    if let Some((value, mask)) = rule.fwmark {
        attributes.push(RuleAttribute::FwMark(value));
        attributes.push(RuleAttribute::FwMask(mask));
    }
    message
}

/// What `ip rule` shows; nothing for the rule that the first VRF of a namespace brings with it.
pub(super) fn from_rule(message: &RuleMessage) -> Option<Rule> {
    if message.attributes.iter().any(|a| matches!(a, RuleAttribute::L3MDev(true))) {
        return None;
    }
    let header = &message.header;
    let fam = match header.family {
        AddressFamily::Inet => Family::V4,
        AddressFamily::Inet6 => Family::V6,
        _ => return None,
    };
    let mut rule = Rule {
        family: fam,
        priority: 0,
        not: header.flags.contains(RuleFlags::Invert),
        from: None,
        to: None,
        iif: None,
        oif: None,
        fwmark: None,
        table: u32::from(header.table),
    };
    let (mut mark, mut mask) = (None, u32::MAX);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(p) => rule.priority = *p,
            RuleAttribute::Table(t) => rule.table = *t,
            RuleAttribute::Source(ip) => rule.from = IpNet::new(*ip, header.src_len).ok(),
            RuleAttribute::Destination(ip) => rule.to = IpNet::new(*ip, header.dst_len).ok(),
            RuleAttribute::Iifname(name) => rule.iif = IfName::new(name).ok(),
            RuleAttribute::Oifname(name) => rule.oif = IfName::new(name).ok(),
            RuleAttribute::FwMark(m) => mark = Some(*m),
            RuleAttribute::FwMask(m) => mask = *m,
            _ => {}
        }
    }
    rule.fwmark = mark.map(|m| (m, mask));
    Some(rule)
}

/// `ip neigh add`.
pub(super) fn neighbor(neighbor: &Neighbor, index: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(neighbor.family());
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.header.kind = RouteType::Unicast;
    if neighbor.proxy {
        message.header.flags = NeighbourFlags::Proxy;
    }
    let address = match neighbor.ip {
        IpAddr::V4(ip) => NeighbourAddress::Inet(ip),
        IpAddr::V6(ip) => NeighbourAddress::Inet6(ip),
    };
    message.attributes.push(NeighbourAttribute::Destination(address));
    message.attributes.extend(neighbor.lladdr.map(|mac| NeighbourAttribute::LinkLayerAddress(mac.0.to_vec())));
    message
}

/// What `ip neigh show nud permanent` shows.
pub(super) fn from_neighbor(message: &NeighbourMessage, name: impl Fn(u32) -> Option<IfName>) -> Option<Neighbor> {
    if message.header.state != NeighbourState::Permanent {
        return None;
    }
    let (mut ip, mut lladdr) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(a)) => ip = Some(IpAddr::V4(*a)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(a)) => ip = Some(IpAddr::V6(*a)),
            NeighbourAttribute::LinkLayerAddress(bytes) => lladdr = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac),
            _ => {}
        }
    }
    let dev = name(message.header.ifindex)?;
    Some(Neighbor { ip: ip?, lladdr, dev, proxy: message.header.flags.contains(NeighbourFlags::Proxy) })
}

/// `bridge fdb add … dst … self permanent`.
pub(super) fn fdb(fdb: &Fdb, index: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.header.flags = NeighbourFlags::Own;
    let address = match fdb.dst {
        IpAddr::V4(ip) => NeighbourAddress::Inet(ip),
        IpAddr::V6(ip) => NeighbourAddress::Inet6(ip),
    };
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(fdb.mac.to_vec()));
    message.attributes.push(NeighbourAttribute::Destination(address));
    message
}

/// What `bridge fdb show` shows of entries with another end.
pub(super) fn from_fdb(message: &NeighbourMessage, name: impl Fn(u32) -> Option<IfName>) -> Option<Fdb> {
    if message.header.state != NeighbourState::Permanent {
        return None;
    }
    let (mut mac, mut dst) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            NeighbourAttribute::Destination(NeighbourAddress::Inet(a)) => dst = Some(IpAddr::V4(*a)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(a)) => dst = Some(IpAddr::V6(*a)),
            NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => dst = address_of(bytes),
            _ => {}
        }
    }
    Some(Fdb { mac: mac?, dev: name(message.header.ifindex)?, dst: dst? })
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4().or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

/// Routes that are nobody's decision: the kernel's own, and those of the local table.
pub(super) fn is_kernels_own(message: &RouteMessage) -> bool {
    let cloned = message.header.flags.contains(RouteFlags::Cloned);
    let local =
        message.attributes.iter().any(|a| matches!(a, RouteAttribute::Table(255))) || message.header.table == 255;
    let proto = u8::from(message.header.protocol);
    cloned || local || proto == Proto::KERNEL.0 || proto == 9
}

/// Protocols of routes that a person or a lab writes; a routing daemon's come and go by themselves.
pub(super) fn is_by_hand(route: &Route) -> bool {
    route.table == MAIN_TABLE && (route.proto == Proto::BOOT || route.proto == Proto::STATIC)
}

/// What `ip neigh` shows of a neighbour in any state; nothing for the kernel's own multicast entries.
pub(super) fn neighbor_line(message: &NeighbourMessage, name: impl Fn(u32) -> Option<IfName>) -> Option<String> {
    let mut permanent = message.clone();
    permanent.header.state = NeighbourState::Permanent;
    let neighbor = from_neighbor(&permanent, name)?;
    let state = message.header.state;
    if neighbor.ip.is_multicast() || state == NeighbourState::Noarp {
        return None;
    }
    let mac = neighbor.lladdr.map(|m| format!(" lladdr {m}")).unwrap_or_default();
    Some(format!("{} dev {}{mac} {}", neighbor.ip, neighbor.dev, format!("{state:?}").to_uppercase()))
}
