//! Routes, policy rules and permanent neighbours.

use std::collections::HashMap;
use std::net::IpAddr;

use super::interfaces::{place_in, word};
use super::{Interface, Node};
use crate::error::{Problems, did_you_mean};
use crate::ip::route::{Action, MAIN_TABLE, NextHop, Scope};
use crate::ip::{Address, Fdb, Neighbor, Route, Rule};
use crate::link::Kind;
use crate::name::IfName;
use crate::span::{Sp, Span};
use crate::spec;

pub(super) fn resolve(name: &str, written: &spec::Node, node: &mut Node, problems: &mut Problems) {
    if !sane_numbers(name, written, node, problems) {
        return;
    }
    let parsed: Vec<Sp<Route>> =
        written.routes.iter().filter_map(|text| word(text, text.parse::<Route>(), problems)).collect();
    node.routes = parsed.iter().filter_map(|route| resolve_route(name, route, &parsed, node, problems)).collect();
    let mut seen: HashMap<_, Span> = HashMap::new();
    for route in &node.routes {
        if let Some(first) = seen.insert(route.key(), route.span) {
            problems
                .error(route.span, format!("`{name}` has two routes to {} with the same metric", destination(route)))
                .also(first, "the first is here")
                .help("the kernel takes one; give the other a `metric`, or write one route with several `nexthop`s");
        }
    }
    for route in &node.routes {
        connected(name, route, node, problems);
    }
    node.rules = written.rules.iter().filter_map(|text| word(text, text.parse::<Rule>(), problems)).collect();
    for rule in &node.rules {
        for dev in [&rule.iif, &rule.oif].into_iter().flatten() {
            device(name, dev, rule.span, node, problems);
        }
    }
    let mut seen: HashMap<_, Span> = HashMap::new();
    for rule in &node.rules {
        if let Some(first) = seen.insert(rule.value.clone(), rule.span) {
            problems
                .error(rule.span, "this rule is listed twice")
                .also(first, "the first is here")
                .help("delete one of the two: the kernel takes each rule once");
        }
    }
    node.neighbors =
        written.neighbors.iter().filter_map(|text| word(text, text.parse::<Neighbor>(), problems)).collect();
    for neighbor in &node.neighbors {
        device(name, &neighbor.dev, neighbor.span, node, problems);
        if neighbor.dev.as_str() == "lo" {
            problems
                .error(place_in(neighbor.span, "lo", problems), "`lo` has no neighbours")
                .help("name the interface that the neighbour is behind");
        }
    }
    let mut seen: HashMap<_, Span> = HashMap::new();
    for neighbor in &node.neighbors {
        if let Some(first) = seen.insert((neighbor.ip, neighbor.dev.clone(), neighbor.proxy), neighbor.span) {
            problems
                .error(neighbor.span, format!("{} is listed twice on `{}`", neighbor.ip, neighbor.dev))
                .also(first, "the first is here")
                .help("delete one of the two: the kernel takes each neighbour once");
        }
    }
    node.fdb = written.fdb.iter().filter_map(|text| word(text, text.parse::<Fdb>(), problems)).collect();
    for entry in &node.fdb {
        device(name, &entry.dev, entry.span, node, problems);
    }
}

/// Each route is held against the node's addresses and other routes: more than these would take minutes.
const MOST_ROUTES: usize = 10_000;
const MOST_ADDRESSES: usize = 4_000;

fn sane_numbers(name: &str, written: &spec::Node, node: &Node, problems: &mut Problems) -> bool {
    let addresses: usize = node.interfaces.values().map(|i| i.addresses.len()).sum();
    let (many, what, most) = if written.routes.len() > MOST_ROUTES {
        (written.routes.len(), "routes", MOST_ROUTES)
    } else if addresses > MOST_ADDRESSES {
        (addresses, "addresses", MOST_ADDRESSES)
    } else {
        return true;
    };
    problems
        .error(node.span, format!("`{name}` has {many} {what}; the limit is {most}"))
        .help("spread them over several nodes");
    false
}

/// The kernel has a route to the network of each IPv4 address, with metric 0: a second one is refused (EEXIST).
fn connected(name: &str, route: &Sp<Route>, node: &Node, problems: &mut Problems) {
    if route.table != MAIN_TABLE || route.metric.unwrap_or(0) != 0 || !route.to.addr().is_ipv4() {
        return;
    }
    let in_vrf = |i: &Interface| {
        let master = i.master.as_ref().and_then(|m| node.interfaces.get(&m.value));
        master.is_some_and(|m| matches!(m.kind, Kind::Vrf(_)))
    };
    for (dev, interface) in node.interfaces.iter().filter(|(_, i)| i.up && !in_vrf(i)) {
        let brings = |a: &&Sp<Address>| a.peer.is_none() && a.net.prefix_len() < 32 && a.net.trunc() == route.to;
        if let Some(address) = interface.addresses.iter().find(brings) {
            problems
                .error(route.span, format!("`{name}` has a route to {} already", route.to))
                .also(address.span, format!("{} on `{dev}` brings it", address.net))
                .help("delete this one, or give it a `metric`");
            return;
        }
    }
}

fn destination(route: &Route) -> String {
    if route.is_default() { "default".into() } else { route.to.to_string() }
}

/// Whether the node has the interface; says so if not.
fn device(node_name: &str, dev: &IfName, span: Span, node: &Node, problems: &mut Problems) -> bool {
    if node.interfaces.contains_key(dev) {
        return true;
    }
    let span = place_in(span, dev, problems);
    let known: Vec<&str> = node.interfaces.keys().map(IfName::as_str).collect();
    problems
        .error(span, format!("`{node_name}` has no interface `{dev}`"))
        .help(did_you_mean(dev, known.iter().copied()).unwrap_or(format!("it has {}", known.join(", "))));
    false
}

pub(super) fn resolve_route(
    name: &str,
    written: &Sp<Route>,
    all: &[Sp<Route>],
    node: &Node,
    problems: &mut Problems,
) -> Option<Sp<Route>> {
    let mut route = written.clone();
    let mut good = true;
    for hop in &mut route.value.hops {
        good &= next_hop(name, written, hop, all, node, problems);
    }
    if let Some(src) = route.src
        && !node.interfaces.values().any(|i| i.addresses.iter().any(|a| a.ip() == src))
    {
        let span = place_in(written.span, &src.to_string(), problems);
        problems
            .error(span, format!("source {src} is not an address of `{name}`"))
            .help(format!("`{name}`: {}", node.networks()));
        good = false;
    }
    good.then(|| route.map(Route::canonical))
}

fn next_hop(
    name: &str,
    route: &Sp<Route>,
    hop: &mut NextHop,
    all: &[Sp<Route>],
    node: &Node,
    problems: &mut Problems,
) -> bool {
    let text = route;
    if let Some(dev) = &hop.dev
        && !device(name, dev, text.span, node, problems)
    {
        return false;
    }
    if let Some(dev) = &hop.dev
        && let Some(interface) = node.interfaces.get(dev)
        && !interface.up
        && route.action == Action::Unicast
    {
        problems
            .error(text.span, format!("`{dev}` is down: the kernel takes no route through it"))
            .help("leave out `up: off`, or the route");
        return false;
    }
    let Some(via) = hop.via else { return true };
    if let Some((what, help)) = no_gateway(via, hop, route, node) {
        let span = place_in(text.span, &via.to_string(), problems);
        problems.error(span, what).help(help);
        return false;
    }
    if hop.onlink {
        if hop.dev.is_none() {
            problems
                .error(text.span, "`onlink` needs `dev INTERFACE`")
                .help("name the interface that the gateway is behind");
        }
        return hop.dev.is_some();
    }
    let own = node.interfaces.values().any(|i| i.addresses.iter().any(|a| a.ip() == via));
    let place = |problems: &Problems| place_in(text.span, &via.to_string(), problems);
    if own {
        let span = place(problems);
        problems.error(span, format!("gateway {via} is `{name}` itself")).help("a gateway is another node's address");
        return false;
    }
    if let Some(dev) = node.interface_towards(via).filter(|dev| hop.dev.as_ref().is_none_or(|d| d == *dev)) {
        hop.dev = Some(dev.clone());
        return true;
    }
    let towards = ways(via, all, node);
    match (towards.first(), &hop.dev) {
        (Some(dev), None) => hop.dev = Some(dev.clone()),
        (Some(other), Some(dev)) if !towards.contains(dev) => {
            let span = place(problems);
            problems
                .error(span, format!("gateway {via} is behind `{other}`, not behind `{dev}`"))
                .help(format!("write `dev {other}`, or leave `dev` out"));
            return false;
        }
        (Some(_), Some(_)) => {}
        (None, Some(_)) if via.to_string().starts_with("fe80:") => {}
        (None, _) => {
            let addressed = node.interfaces.values().any(|i| !i.addresses.is_empty());
            let help = if addressed {
                "use a gateway on one of these networks, or add `onlink` and `dev INTERFACE`"
            } else {
                "give it an address first, under `interfaces`"
            };
            let span = place(problems);
            problems
                .error(span, format!("gateway {via} is not on any network of `{name}`"))
                .label(node.networks())
                .help(help);
            return false;
        }
    }
    true
}

/// Why an address cannot be a gateway, and what to do.
fn no_gateway(via: IpAddr, hop: &NextHop, route: &Route, node: &Node) -> Option<(String, String)> {
    let no =
        |why: &str| Some((format!("gateway {via} is {why}"), "a gateway is a neighbour's own address".to_string()));
    if via.is_multicast() {
        return no("a multicast address");
    }
    if via.is_loopback() {
        return no("a loopback address");
    }
    if via.is_unspecified() {
        return Some((
            format!("gateway {via} is nobody"),
            "for a route without a gateway write `dev INTERFACE` alone".into(),
        ));
    }
    let IpAddr::V4(ip) = via else { return None };
    if ip.octets()[0] >= 240 || ip.octets()[0] == 0 {
        return no("an address that nobody can have");
    }
    let networks = node.interfaces.values().flat_map(|i| &i.addresses).map(|a| a.net);
    for net in networks.filter(|n| n.prefix_len() < 31) {
        if net.broadcast() == via {
            return no(&format!("the broadcast address of {}", net.trunc()));
        }
        if net.network() == via {
            return no(&format!("the address of the network {} itself", net.trunc()));
        }
    }
    // The kernel looks for the gateway in a narrower scope than the route's, and none is narrower than a link that has one.
    let narrow = !hop.onlink && route.scope.is_some_and(|s| matches!(s, Scope::Link | Scope::Host | Scope::Nowhere));
    narrow.then(|| {
        let scope = route.scope.map(|s| s.to_string()).unwrap_or_default();
        (format!("a route of scope {scope} has no gateway"), format!("leave out `scope {scope}`, or `via {via}`"))
    })
}

/// The interfaces that a gateway is behind, the best one first. It may also be reached by a plain device route, as
/// Calico's 169.254.1.1 is.
fn ways(via: IpAddr, all: &[Sp<Route>], node: &Node) -> Vec<IfName> {
    let device = |r: &Sp<Route>| r.hops.iter().find(|h| h.via.is_none()).and_then(|h| h.dev.clone());
    let by_route = all.iter().filter(|r| r.to.contains(&via) && !r.is_default()).filter_map(device);
    let near = |i: &Interface| i.addresses.iter().any(|a| a.net.contains(&via) || a.peer == Some(via));
    let by_address = node.interfaces.iter().filter(|(_, i)| near(i)).map(|(name, _)| name.clone());
    node.interface_towards(via).cloned().into_iter().chain(by_address).chain(by_route).collect()
}
