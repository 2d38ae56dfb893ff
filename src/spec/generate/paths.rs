//! `routes: shortest`: each node gets a route to every address that another node has on `lo`, over the fewest links;
//! ways of equal length share. Only nodes that forward are on the way.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::error::Problems;
use crate::name::IfName;
use crate::span::{Sp, Span};
use crate::spec::{Lab, Node, Text};

/// More routes than this are not made: the network of 3,600 routers that is one slip away would have thirteen million.
const MOST_ROUTES: usize = 500_000;

struct Cable {
    to: usize,
    /// The far end's address.
    via: IpAddr,
}

/// Adds the routes, each at the place of the line that asked for them.
pub fn add(lab: &mut Lab, from: Span, problems: &mut Problems) {
    let names: HashMap<&str, usize> = lab.nodes.keys().enumerate().map(|(n, name)| (name.value.as_str(), n)).collect();
    let nodes: Vec<&Node> = lab.nodes.values().collect();
    let own: Vec<Vec<IpNet>> = nodes.iter().map(|node| addresses(node, "lo")).collect();
    let targets = own.iter().filter(|addresses| !addresses.is_empty()).count();
    let most = nodes.len() * own.iter().map(Vec::len).sum::<usize>();
    if most > MOST_ROUTES {
        problems
            .error(from, format!("up to {most} routes: one from each of {} nodes to each of {targets}", nodes.len()))
            .help(format!("at most {MOST_ROUTES} are made: take fewer nodes, or let a routing daemon find the ways"));
        return;
    }
    let mut cables: Vec<Vec<Cable>> = nodes.iter().map(|_| Vec::new()).collect();
    for link in &lab.links {
        let [a, b] = link.endpoints.as_slice() else { continue };
        let end = |text: &Text| {
            let (node, dev) = text.value.split_once(':')?;
            IfName::new(dev).ok()?;
            let node = *names.get(node)?;
            Some((node, addresses(nodes[node], dev)))
        };
        let (Some((a, on_a)), Some((b, on_b))) = (end(a), end(b)) else { continue };
        // Only where both ends are in one network can one be the other's gateway.
        for near in &on_a {
            for far in on_b.iter().filter(|far| near.contains(&far.addr())) {
                cables[a].push(Cable { to: b, via: far.addr() });
                cables[b].push(Cable { to: a, via: near.addr() });
            }
        }
    }
    let forwards: Vec<bool> = nodes.iter().map(|node| forwards(node)).collect();
    let mut routes: Vec<Vec<Text>> = nodes.iter().map(|_| Vec::new()).collect();
    for target in (0..nodes.len()).filter(|n| !own[*n].is_empty()) {
        let far = distances(target, &cables, &forwards);
        for (n, list) in routes.iter_mut().enumerate().filter(|(n, _)| *n != target) {
            let Some(here) = far[n] else { continue };
            let next = |c: &&Cable| (c.to == target || forwards[c.to]) && far[c.to].is_some_and(|d| d + 1 == here);
            for to in &own[target] {
                let of_family = |a: &IpAddr| a.is_ipv4() == to.addr().is_ipv4();
                let hops: Vec<IpAddr> = cables[n].iter().filter(next).map(|c| c.via).filter(of_family).collect();
                let source = own[n].iter().map(IpNet::addr).find(of_family);
                if let Some(words) = words(to, source, &hops) {
                    list.push(Sp::new(words, from));
                }
            }
        }
    }
    for (node, routes) in lab.nodes.values_mut().zip(routes) {
        node.routes.extend(routes);
    }
}

fn words(to: &IpNet, source: Option<IpAddr>, hops: &[IpAddr]) -> Option<String> {
    let source = source.map(|s| format!(" src {s}")).unwrap_or_default();
    match hops {
        [] => None,
        [via] => Some(format!("{to} via {via}{source}")),
        several => {
            let several: Vec<String> = several.iter().map(|via| format!("nexthop via {via}")).collect();
            Some(format!("{to}{source} {}", several.join(" ")))
        }
    }
}

fn addresses(node: &Node, dev: &str) -> Vec<IpNet> {
    let interface = node.interfaces.get(dev);
    interface.iter().flat_map(|i| &i.addresses).filter_map(|a| a.value.parse().ok()).collect()
}

fn forwards(node: &Node) -> bool {
    let on = |key: &str| node.sysctls.get(key).is_some_and(|v| v.value == "1");
    on("net.ipv4.ip_forward") || on("net.ipv6.conf.all.forwarding")
}

/// How many links each node is away; through nodes that forward.
fn distances(target: usize, cables: &[Vec<Cable>], forwards: &[bool]) -> Vec<Option<u32>> {
    let mut far = vec![None; cables.len()];
    far[target] = Some(0);
    let mut queue = VecDeque::from([(target, 0)]);
    while let Some((node, distance)) = queue.pop_front() {
        if node != target && !forwards[node] {
            continue;
        }
        for cable in &cables[node] {
            if far[cable.to].is_none() {
                far[cable.to] = Some(distance + 1);
                queue.push_back((cable.to, distance + 1));
            }
        }
    }
    far
}
