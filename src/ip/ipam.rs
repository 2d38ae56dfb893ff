//! Pools of pod addresses, their blocks and what is in use, read from what nodes have.
//!
//! Nobody keeps a list: a node has a black hole for each block of its own, an address has a namespace that it stands in,
//! and the set that Calico keeps for natOutgoing names the pools.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Serialize;

/// The set in which Calico keeps the pools.
const POOLS: &str = "cali40all-ipam-pools";

/// What one node tells.
#[derive(Debug, Clone, Default)]
pub struct Held {
    node: String,
    blocks: BTreeSet<Ipv4Net>,
    pools: BTreeSet<Ipv4Net>,
    /// Single addresses of its own: pods have one, tunnels too.
    own: BTreeSet<Ipv4Addr>,
    /// Single addresses that it has a cable to.
    near: BTreeSet<Ipv4Addr>,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ipam {
    /// The pools.
    pub pools: Vec<Range>,
    /// The blocks.
    pub blocks: Vec<Block>,
    /// Addresses of one node's block that a pod of another node has.
    pub borrowed: Vec<Borrowed>,
}

/// A range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The range.
    pub cidr: Ipv4Net,
    /// How many of its addresses are in use.
    pub used: usize,
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Its range.
    #[serde(flatten)]
    pub range: Range,
    /// The node that it belongs to.
    pub node: String,
}

/// An address away from its block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Borrowed {
    /// The address.
    pub ip: Ipv4Addr,
    /// Its block.
    pub block: Ipv4Net,
    /// The node whose block it is.
    pub from: String,
    /// The node whose pod has it.
    pub by: String,
}

impl Range {
    /// How many addresses it has.
    pub fn total(&self) -> usize {
        1_usize << (32 - u32::from(self.cidr.prefix_len()))
    }
}

/// What a node tells, from its routes, links with addresses and ipsets, in lines as netlab shows them.
pub fn of_node(node: &str, routes: &[String], links: &[String], sets: &[String]) -> Held {
    let mut held = Held { node: node.to_string(), ..Held::default() };
    for route in routes {
        let words: Vec<&str> = route.split(' ').collect();
        match words.as_slice() {
            ["blackhole", net, ..] => held.blocks.extend(net.parse::<Ipv4Net>().ok().filter(|n| n.prefix_len() < 32)),
            [ip, "dev", ..] => held.near.extend(ip.trim_end_matches("/32").parse::<Ipv4Addr>()),
            _ => {}
        }
    }
    let single = |word: &str| word.trim_end_matches(',').strip_suffix("/32").and_then(|ip| ip.parse::<Ipv4Addr>().ok());
    held.own.extend(links.iter().flat_map(|line| line.split(' ')).filter_map(single));
    for set in sets.iter().filter(|line| line.contains(POOLS)) {
        held.pools.extend(set.split([' ', ',']).filter_map(|word| word.parse::<Ipv4Net>().ok()));
    }
    held
}

/// Counts what nodes told.
pub fn count(held: &[Held]) -> Ipam {
    let pools: BTreeSet<Ipv4Net> = held.iter().flat_map(|h| h.pools.iter().copied()).collect();
    let mut blocks: Vec<(Ipv4Net, &str)> =
        held.iter().flat_map(|h| h.blocks.iter().map(|b| (*b, h.node.as_str()))).collect();
    blocks.sort();
    let used: BTreeSet<Ipv4Addr> = held.iter().flat_map(|h| h.own.iter().copied()).collect();
    let range = |cidr: Ipv4Net| Range { cidr, used: used.iter().filter(|ip| cidr.contains(*ip)).count() };
    let mut borrowed = Vec::new();
    for other in held {
        for ip in &other.near {
            let block = blocks.iter().find(|(block, node)| block.contains(ip) && *node != other.node);
            let own = blocks.iter().any(|(block, node)| block.contains(ip) && *node == other.node);
            if let (Some((block, from)), false) = (block, own) {
                borrowed.push(Borrowed { ip: *ip, block: *block, from: from.to_string(), by: other.node.clone() });
            }
        }
    }
    Ipam {
        pools: pools.into_iter().map(range).collect(),
        blocks: blocks.into_iter().map(|(cidr, node)| Block { range: range(cidr), node: node.to_string() }).collect(),
        borrowed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn blocks_belong_to_nodes_and_a_borrowed_address_is_seen() {
        let worker1 = of_node(
            "worker1",
            &lines(&[
                "blackhole 10.48.0.64/26 proto bird",
                "10.48.0.66 dev cali1 scope link",
                "default via 10.0.1.1 dev ens5",
            ]),
            &lines(&["ens5 up veth 10.0.1.30/24"]),
            &lines(&["cali40all-ipam-pools hash:net family inet: 10.48.0.0/24, 10.48.2.0/24"]),
        );
        let worker2 = of_node("worker2", &lines(&["10.48.0.67 dev cali2 scope link"]), &[], &[]);
        let pods = [
            of_node("a", &[], &lines(&["eth0 up veth 10.48.0.66/32"]), &[]),
            of_node("b", &[], &lines(&["eth0 up veth 10.48.0.67/32"]), &[]),
        ];
        let ipam = count(&[worker1, worker2, pods[0].clone(), pods[1].clone()]);
        assert_eq!(ipam.pools.iter().map(|p| (p.total(), p.used)).collect::<Vec<_>>(), [(256, 2), (256, 0)]);
        assert_eq!((ipam.blocks[0].node.as_str(), ipam.blocks[0].range.used), ("worker1", 2));
        assert_eq!((ipam.borrowed[0].by.as_str(), ipam.borrowed[0].from.as_str()), ("worker2", "worker1"));
    }
}
