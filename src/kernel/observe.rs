//! What a namespace has, read back from the kernel.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::packet_route::neighbour::NeighbourMessage;
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::packet_route::rule::RuleMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage as Message};

use super::{Netlink, Refusal, messages, qdisc, vlans};
use crate::ip::Mac;
use crate::link;
use crate::name::IfName;
use crate::state::{LinkState, NodeState, QDISC, VLANS};

/// A link, with what the executor and `down` need to know beside its picture.
pub(super) struct FoundLink {
    pub index: u32,
    pub name: String,
    pub group: u32,
    pub mac: Option<Mac>,
    pub kind: String,
    pub carrier: bool,
}

/// All links of a namespace.
pub(super) fn links(netlink: &mut Netlink) -> Result<Vec<FoundLink>, Refusal> {
    let dumped = netlink.dump(Message::GetLink(LinkMessage::default()))?;
    let found = dumped.iter().filter_map(|m| if let Message::NewLink(link) = m { Some(found(link)) } else { None });
    Ok(found.collect())
}

fn found(message: &LinkMessage) -> FoundLink {
    let mut link = FoundLink {
        index: message.header.index,
        name: String::new(),
        group: 0,
        mac: None,
        kind: String::new(),
        carrier: false,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Group(group) => link.group = *group,
            LinkAttribute::Carrier(on) => link.carrier = *on != 0,
            LinkAttribute::Address(bytes) => link.mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac),
            LinkAttribute::LinkInfo(info) => link.kind = kind(info),
            _ => {}
        }
    }
    link
}

fn kind(info: &[LinkInfo]) -> String {
    info.iter()
        .find_map(|i| if let LinkInfo::Kind(kind) = i { Some(kind.to_string()) } else { None })
        .unwrap_or_default()
}

/// The network part of a node's picture. `wanted` is the picture that should be: what a routing daemon or the kernel
/// puts beside it by itself is no drift.
pub(super) fn node(netlink: &mut Netlink, wanted: &NodeState) -> Result<NodeState, Refusal> {
    let mut state = NodeState { machine: wanted.machine, ..NodeState::default() };
    let mut names: HashMap<u32, IfName> = HashMap::new();
    let mut masters: Vec<(String, u32)> = Vec::new();
    for message in netlink.dump(Message::GetLink(LinkMessage::default()))? {
        let Message::NewLink(message) = message else {
            continue;
        };
        let (name, link, master) = link_state(&message);
        if let Ok(name) = IfName::new(&name) {
            names.insert(message.header.index, name);
        }
        if link::is_fallback(&name) && !wanted.links.contains_key(&name) {
            continue;
        }
        masters.extend(master.map(|m| (name.clone(), m)));
        state.links.insert(name, link);
    }
    for (link, master) in masters {
        if let Some(link) = state.links.get_mut(&link) {
            link.master = Some(names.get(&master).map_or_else(|| format!("#{master}"), ToString::to_string));
        }
    }
    for property in state.links.values_mut().flat_map(|l| l.properties.values_mut()) {
        let number = property.strip_prefix('#').and_then(|n| n.parse().ok());
        if let Some(name) = number.and_then(|n: u32| names.get(&n)) {
            *property = name.to_string();
        }
    }
    let name = |index: u32| names.get(&index).cloned();
    if state.links.values().any(|link| link.properties.contains_key("vlan_filtering")) {
        for message in netlink.dump(Message::GetLink(vlans::ask()))? {
            let Message::NewLink(message) = message else { continue };
            let Some(vlans) = vlans::from_message(&message) else { continue };
            if let Some(link) = name(message.header.index).and_then(|n| state.links.get_mut(n.as_str())) {
                link.properties.insert(VLANS.into(), vlans);
            }
        }
    }
    if state.links.values().any(|link| link.properties.contains_key(QDISC)) {
        for message in netlink.dump(Message::GetQueueDiscipline(qdisc::message(None, 0)))? {
            let Message::NewQueueDiscipline(message) = message else { continue };
            let Some((index, qdisc)) = qdisc::from_message(&message) else { continue };
            if let Some(link) = name(index).and_then(|n| state.links.get_mut(n.as_str())) {
                link.properties.insert(QDISC.into(), qdisc.to_string());
            }
        }
    }
    for message in netlink.dump(Message::GetAddress(AddressMessage::default()))? {
        let Message::NewAddress(message) = message else {
            continue;
        };
        let Some((index, address)) = messages::from_address(&message) else {
            continue;
        };
        let Some(link) = name(index).and_then(|n| state.links.get_mut(n.as_str())) else {
            continue;
        };
        let text = address.to_string();
        let by_itself = link.kind == "loopback" && address.ip().is_loopback();
        // 127.0.0.1 comes with `lo`; the kernel gives it host scope.
        if !by_itself {
            link.addresses.insert(text);
        }
    }
    for message in netlink.dump(Message::GetRoute(RouteMessage::default()))? {
        let Message::NewRoute(message) = message else {
            continue;
        };
        if messages::is_kernels_own(&message) {
            continue;
        }
        let Some(route) = messages::from_route(&message, name) else {
            continue;
        };
        let text = route.to_string();
        if messages::is_by_hand(&route) || wanted.routes.contains(&text) {
            state.routes.insert(text);
        }
    }
    for message in netlink.dump(Message::GetRule(RuleMessage::default()))? {
        let Message::NewRule(message) = message else {
            continue;
        };
        let Some(rule) = messages::from_rule(&message) else {
            continue;
        };
        if !matches!((rule.priority, rule.table), (0, 255) | (32_766, 254) | (32_767, 253)) {
            state.rules.insert(rule.to_string());
        }
    }
    for message in netlink.dump(Message::GetNeighbour(NeighbourMessage::default()))? {
        let Message::NewNeighbour(message) = message else {
            continue;
        };
        if let Some(neighbor) = messages::from_neighbor(&message, name) {
            state.neighbors.insert(neighbor.to_string());
        }
    }
    for message in netlink.dump(Message::GetNeighbour(bridge_neighbours()))? {
        let Message::NewNeighbour(message) = message else { continue };
        let Some(fdb) = messages::from_fdb(&message, name) else { continue };
        // A tunnel with a `remote` has that as its own first entry for the unknown.
        let link = state.links.get(fdb.dev.as_str());
        let own = link.and_then(|l| l.properties.get("remote")) == Some(&fdb.dst.to_string());
        if !(fdb.is_flood() && own) {
            state.fdb.insert(fdb.to_string());
        }
    }
    Ok(state)
}

fn bridge_neighbours() -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message
}

fn link_state(message: &LinkMessage) -> (String, LinkState, Option<u32>) {
    let loopback = message.header.flags.contains(LinkFlags::Loopback);
    let mut name = String::new();
    let (mut master, mut carrier, mut qdisc) = (None, false, None);
    let mut link = LinkState { up: message.header.flags.contains(LinkFlags::Up), ..LinkState::default() };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(n) => name.clone_from(n),
            LinkAttribute::Mtu(mtu) => link.mtu = Some(*mtu),
            LinkAttribute::Controller(index) => master = Some(*index),
            LinkAttribute::Carrier(on) => carrier = *on != 0,
            LinkAttribute::Address(bytes) if !loopback => {
                link.mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(|m| Mac(m).to_string());
            }
            // Its own words are asked for later, of those that have any.
            LinkAttribute::Qdisc(word) if ["netem", "tbf"].contains(&word.as_str()) => qdisc = Some(word.clone()),
            LinkAttribute::LinkInfo(info) => {
                link.kind = kind(info);
                link.properties = link::observed(info);
            }
            _ => {}
        }
    }
    if loopback {
        link.kind = "loopback".into();
    }
    if link.kind == link::endpoint::DEVICE {
        link.properties = link::endpoint::properties(carrier);
    }
    link.properties.extend(qdisc.map(|word| (QDISC.into(), word)));
    (name, link, master)
}

/// Sorted values of the kernel settings that a picture speaks of, read in the calling thread's namespace.
pub(super) fn sysctls<'p>(wanted: impl Iterator<Item = &'p String>) -> BTreeMap<String, String> {
    wanted.filter_map(|path| Some((path.clone(), super::sysctl::read(path)?))).collect()
}

/// What of the machine's own network a lab could collide with.
#[derive(Debug, Clone, Default)]
pub struct MachineView {
    /// Interfaces.
    pub links: BTreeMap<String, LinkState>,
    /// Policy rules beside the usual three.
    pub rules: BTreeSet<String>,
    /// Networks with their interfaces.
    pub connected: Vec<(ipnet::IpNet, String)>,
    routes: Vec<crate::ip::Route>,
}

impl MachineView {
    /// Whether a route of that destination, table and metric is there.
    pub fn has_route(&self, route: &crate::ip::Route) -> bool {
        self.routes.iter().any(|r| r.key() == route.key())
    }
}

/// The machine's interfaces, networks and routes.
pub(super) fn machine(netlink: &mut Netlink) -> Result<MachineView, Refusal> {
    let state = node(netlink, &NodeState::default())?;
    let mut view = MachineView { links: state.links, rules: state.rules, ..MachineView::default() };
    let names: HashMap<u32, IfName> =
        links(netlink)?.into_iter().filter_map(|l| Some((l.index, IfName::new(&l.name).ok()?))).collect();
    let name = |index: u32| names.get(&index).cloned();
    for message in netlink.dump(Message::GetRoute(RouteMessage::default()))? {
        let Message::NewRoute(message) = message else {
            continue;
        };
        let Some(route) = messages::from_route(&message, name) else {
            continue;
        };
        if route.table == 255 || route.to.addr().is_multicast() {
            continue;
        }
        let link_local = route.to.to_string().starts_with("fe80:");
        if !route.is_default() && !link_local {
            let dev = route.hops.first().and_then(|h| h.dev.as_ref()).map(ToString::to_string).unwrap_or_default();
            view.connected.push((route.to, dev));
        }
        view.routes.push(route);
    }
    Ok(view)
}

/// What a node has, in lines as `ip` prints them.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct View {
    /// Interfaces with state, kind and addresses.
    pub links: Vec<String>,
    /// Routes of every table but the local one.
    pub routes: Vec<String>,
    /// Policy rules beside the usual three.
    pub rules: Vec<String>,
    /// Neighbours that the kernel knows.
    pub neighbors: Vec<String>,
    /// Sets of addresses, with what is in them.
    pub ipsets: Vec<String>,
    /// Firewall lines.
    pub firewall: Vec<String>,
    /// Programs inside.
    pub programs: Vec<String>,
}

/// Everything of a namespace that a learner looks at.
pub(super) fn view(netlink: &mut Netlink) -> Result<View, Refusal> {
    let state = node(netlink, &NodeState::default())?;
    let mut view = View { rules: state.rules.into_iter().collect(), ..View::default() };
    for (name, link) in &state.links {
        let updown = if link.up { "up" } else { "down" };
        let master = link.master.as_ref().map(|m| format!(" in {m}")).unwrap_or_default();
        let addresses: Vec<&str> = link.addresses.iter().map(String::as_str).collect();
        let line = format!("{name:<15} {updown:<4} {:<8}{master} {}", link.kind, addresses.join(", "));
        view.links.push(line.trim_end().to_string());
    }
    let names: HashMap<u32, IfName> =
        links(netlink)?.into_iter().filter_map(|l| Some((l.index, IfName::new(&l.name).ok()?))).collect();
    let name = |index: u32| names.get(&index).cloned();
    for message in netlink.dump(Message::GetRoute(RouteMessage::default()))? {
        let Message::NewRoute(message) = message else {
            continue;
        };
        let Some(route) = messages::from_route(&message, name) else {
            continue;
        };
        if route.table != 255 && !route.to.addr().is_multicast() {
            view.routes.push(route.to_string());
        }
    }
    for message in netlink.dump(Message::GetNeighbour(NeighbourMessage::default()))? {
        let Message::NewNeighbour(message) = message else {
            continue;
        };
        view.neighbors.extend(messages::neighbor_line(&message, name));
    }
    view.routes.sort();
    view.neighbors.sort();
    Ok(view)
}
