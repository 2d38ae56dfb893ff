//! Routes, policy rules and permanent neighbours.

use std::collections::HashMap;

use super::Node;
use super::interfaces::word;
use crate::error::{Problems, did_you_mean};
use crate::ip::route::{Action, NextHop};
use crate::ip::{Neighbor, Route, Rule};
use crate::name::IfName;
use crate::span::{Sp, Span};
use crate::spec;

pub(super) fn resolve(name: &str, written: &spec::Node, node: &mut Node, problems: &mut Problems) {
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
    node.rules = written.rules.iter().filter_map(|text| word(text, text.parse::<Rule>(), problems)).collect();
    for rule in &node.rules {
        for dev in [&rule.iif, &rule.oif].into_iter().flatten() {
            device(name, dev, rule.span, node, problems);
        }
    }
    node.neighbors =
        written.neighbors.iter().filter_map(|text| word(text, text.parse::<Neighbor>(), problems)).collect();
    for neighbor in &node.neighbors {
        device(name, &neighbor.dev, neighbor.span, node, problems);
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
    let span = span.narrow(&problems.source.text, dev);
    let known: Vec<&str> = node.interfaces.keys().map(IfName::as_str).collect();
    problems
        .error(span, format!("`{node_name}` has no interface `{dev}`"))
        .help(did_you_mean(dev, known.iter().copied()).unwrap_or(format!("it has {}", known.join(", "))));
    false
}

fn resolve_route(
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
        let span = written.span.narrow(&problems.source.text, &src.to_string());
        problems.error(span, format!("source {src} is not an address of `{name}`")).help(node.networks());
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
    if hop.onlink {
        if hop.dev.is_none() {
            problems.error(text.span, "`onlink` needs `dev INTERFACE`");
        }
        return hop.dev.is_some();
    }
    // A gateway may also be reached by a plain device route, as Calico's 169.254.1.1 is.
    let by_route = || {
        let device = |r: &Sp<Route>| r.hops.iter().find(|h| h.via.is_none()).and_then(|h| h.dev.clone());
        all.iter().filter(|r| r.to.contains(&via) && !r.is_default()).find_map(device)
    };
    let link_local = via.to_string().starts_with("fe80:");
    let towards = node.interface_towards(via).cloned().or_else(by_route);
    let own = node.interfaces.values().any(|i| i.addresses.iter().any(|a| a.ip() == via));
    let span = text.span.narrow(&problems.source.text, &via.to_string());
    if own {
        problems.error(span, format!("gateway {via} is `{name}` itself")).help("a gateway is another node's address");
        return false;
    }
    match (towards, &hop.dev) {
        (Some(dev), None) => hop.dev = Some(dev),
        (_, Some(_)) if link_local => {}
        (Some(_), Some(_)) => {}
        (None, _) => {
            problems
                .error(span, format!("gateway {via} is not on any network of `{name}`"))
                .label(node.networks())
                .help("use a gateway on one of these networks, or add `onlink` and `dev INTERFACE`");
            return false;
        }
    }
    true
}
