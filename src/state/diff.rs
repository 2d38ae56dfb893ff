//! How what is differs from what should be.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{LinkState, NodeState, QDISC, State, VLANS};
use crate::ip::Family;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The node.
    pub node: String,
    /// The thing that differs.
    #[serde(flatten)]
    pub item: Item,
    /// How it differs.
    #[serde(flatten)]
    pub change: Change,
}

/// A thing that can differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "item", content = "of")]
pub enum Item {
    /// The node's namespace.
    Netns,
    /// An interface.
    Link(String),
    /// A property of an interface: interface, property.
    Property(String, String),
    /// An address: interface, address.
    Address(String, String),
    /// A route.
    Route(String),
    /// A policy rule.
    Rule(String),
    /// A permanent neighbour.
    Neighbor(String),
    /// A forwarding entry of a tunnel.
    Fdb(String),
    /// A kernel setting.
    Sysctl(String),
    /// A set of addresses.
    Set(String),
    /// An entry of a set: set, entry.
    Member(String, String),
    /// A firewall line of one family.
    Firewall(Family, String),
    /// A file of the node alone.
    File(String),
    /// A service.
    Service(String),
}

/// How a thing differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// It should be there and is not.
    Missing,
    /// It is there and nobody planned it.
    Extra,
    /// It is there with another value.
    Changed {
        /// What it should be.
        expected: String,
        /// What it is.
        actual: String,
    },
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thing = match &self.item {
            Item::Netns => "network namespace".to_string(),
            Item::Link(name) => format!("interface {name}"),
            Item::Property(link, property) => format!("{link}: {property}"),
            Item::Address(link, address) => format!("address {address} on {link}"),
            Item::Route(route) => format!("route `{route}`"),
            Item::Rule(rule) => format!("rule `{rule}`"),
            Item::Neighbor(neighbor) => format!("neighbour `{neighbor}`"),
            Item::Fdb(fdb) => format!("forwarding entry `{fdb}`"),
            Item::Sysctl(path) => path.replace('/', "."),
            Item::Set(name) => format!("ipset {name}"),
            Item::Member(set, member) => format!("{member} in ipset {set}"),
            Item::Firewall(Family::V4, line) => format!("iptables `{line}`"),
            Item::Firewall(Family::V6, line) => format!("ip6tables `{line}`"),
            Item::File(path) => format!("file {path}"),
            Item::Service(name) => format!("service {name}"),
        };
        match &self.change {
            Change::Missing if matches!(self.item, Item::Service(_)) => {
                write!(f, "{thing} does not run")
            }
            Change::Missing => write!(f, "{thing} is missing"),
            Change::Extra => write!(f, "{thing} was added by hand"),
            Change::Changed { .. } if matches!(self.item, Item::File(_)) => write!(f, "{thing} was changed by hand"),
            Change::Changed { expected, actual } => {
                write!(f, "{thing} is {actual}, should be {expected}")
            }
        }
    }
}

/// Every difference, in a fixed order. On the machine itself only what is missing or changed counts.
pub fn diff(expected: &State, actual: &State) -> Vec<Drift> {
    let mut drift = Vec::new();
    for (name, want) in &expected.nodes {
        let mut found = Differences { node: name, machine: want.machine, list: &mut drift };
        match actual.nodes.get(name) {
            None => found.push(Item::Netns, Change::Missing),
            Some(have) => found.node(want, have),
        }
    }
    drift
}

struct Differences<'a> {
    node: &'a str,
    machine: bool,
    list: &'a mut Vec<Drift>,
}

impl Differences<'_> {
    fn push(&mut self, item: Item, change: Change) {
        // What is in the lab's own set is its business there too.
        if self.machine && change == Change::Extra && !matches!(item, Item::Member(..)) {
            return;
        }
        self.list.push(Drift { node: self.node.to_string(), item, change });
    }

    fn value(&mut self, item: Item, expected: &str, actual: &str) {
        if expected != actual {
            self.push(item, Change::Changed { expected: expected.into(), actual: actual.into() });
        }
    }

    fn set(&mut self, want: &BTreeSet<String>, have: &BTreeSet<String>, item: impl Fn(String) -> Item) {
        for missing in want.difference(have) {
            self.push(item(missing.clone()), Change::Missing);
        }
        for extra in have.difference(want) {
            self.push(item(extra.clone()), Change::Extra);
        }
    }

    fn node(&mut self, want: &NodeState, have: &NodeState) {
        for (name, link) in &want.links {
            match have.links.get(name) {
                None => self.push(Item::Link(name.clone()), Change::Missing),
                Some(actual) => self.link(name, link, actual),
            }
        }
        for name in have.links.keys().filter(|n| !want.links.contains_key(*n)) {
            self.push(Item::Link(name.clone()), Change::Extra);
        }
        self.set(&want.routes, &have.routes, Item::Route);
        self.set(&want.rules, &have.rules, Item::Rule);
        self.set(&want.neighbors, &have.neighbors, Item::Neighbor);
        self.set(&want.fdb, &have.fdb, Item::Fdb);
        for (key, value) in &want.sysctls {
            match have.sysctls.get(key) {
                None => self.push(Item::Sysctl(key.clone()), Change::Missing),
                Some(actual) => self.value(Item::Sysctl(key.clone()), value, actual),
            }
        }
        self.ipsets(want, have);
        for family in [Family::V4, Family::V6] {
            let none = Vec::new();
            let want = want.firewall.get(&family).unwrap_or(&none);
            let have = have.firewall.get(&family).unwrap_or(&none);
            self.firewall(family, want, have);
        }
        for (path, content) in &want.files {
            match have.files.get(path) {
                None => self.push(Item::File(path.clone()), Change::Missing),
                Some(actual) => self.value(Item::File(path.clone()), content, actual),
            }
        }
        for (name, runs) in &want.services {
            match (runs, have.services.get(name).unwrap_or(&false)) {
                (true, false) => self.push(Item::Service(name.clone()), Change::Missing),
                (false, true) => self.value(Item::Service(name.clone()), "stopped", "running"),
                (true, true) | (false, false) => {}
            }
        }
    }

    fn ipsets(&mut self, want: &NodeState, have: &NodeState) {
        for (name, set) in &want.ipsets {
            let Some(actual) = have.ipsets.get(name) else {
                self.push(Item::Set(name.clone()), Change::Missing);
                continue;
            };
            self.value(Item::Set(name.clone()), &set.kind, &actual.kind);
            self.set(&set.members, &actual.members, |m| Item::Member(name.clone(), m));
        }
        for name in have.ipsets.keys().filter(|n| !want.ipsets.contains_key(*n)) {
            self.push(Item::Set(name.clone()), Change::Extra);
        }
    }

    fn link(&mut self, name: &str, want: &LinkState, have: &LinkState) {
        let property = |p: &str| Item::Property(name.to_string(), p.to_string());
        self.value(property("kind"), &want.kind, &have.kind);
        let updown = |up: bool| if up { "up" } else { "down" };
        self.value(property("state"), updown(want.up), updown(have.up));
        if let Some(mac) = &want.mac {
            self.value(property("address"), mac, have.mac.as_deref().unwrap_or("none"));
        }
        if let Some(mtu) = want.mtu {
            self.value(property("mtu"), &mtu.to_string(), &have.mtu.map_or("none".into(), |m| m.to_string()));
        }
        let none = |m: &Option<String>| m.clone().unwrap_or_else(|| "none".into());
        self.value(property("master"), &none(&want.master), &none(&have.master));
        for (key, value) in &want.properties {
            let actual = have.properties.get(key).map_or("none", String::as_str);
            self.value(property(key), value, actual);
        }
        // What nobody gave it, and somebody has put there.
        for extra in [QDISC, VLANS] {
            if let (None, Some(actual)) = (want.properties.get(extra), have.properties.get(extra)) {
                self.value(property(extra), "none", actual);
            }
        }
        // The kernel gives every interface with IPv6 a link-local address by itself.
        let made_by_kernel = |a: &&String| a.starts_with("fe80:") && !want.addresses.contains(*a);
        let have: BTreeSet<String> = have.addresses.iter().filter(|a| !made_by_kernel(a)).cloned().collect();
        self.set(&want.addresses, &have, |a| Item::Address(name.to_string(), a));
    }

    /// Rules have an order: the same lines in another order are another firewall.
    fn firewall(&mut self, family: Family, want: &[String], have: &[String]) {
        let before = self.list.len();
        let item = |line: &String| Item::Firewall(family, line.clone());
        for line in want.iter().filter(|l| !have.contains(l)) {
            self.push(item(line), Change::Missing);
        }
        for line in have.iter().filter(|l| !want.contains(l)) {
            self.push(item(line), Change::Extra);
        }
        if self.list.len() == before
            && !self.machine
            && want != have
            && let Some((expected, actual)) = want.iter().zip(have).find(|(w, h)| w != h)
        {
            self.push(
                item(expected),
                Change::Changed { expected: "here".into(), actual: format!("behind `{actual}`") },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(routes: &[&str], firewall: &[&str]) -> State {
        let node = NodeState {
            routes: routes.iter().map(ToString::to_string).collect(),
            firewall: [(Family::V4, firewall.iter().map(ToString::to_string).collect())].into(),
            ..NodeState::default()
        };
        State { nodes: [("red".to_string(), node)].into() }
    }

    fn words(expected: &State, actual: &State) -> Vec<String> {
        diff(expected, actual).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn equal_pictures_do_not_differ() {
        assert!(diff(&state(&["a"], &["x"]), &state(&["a"], &["x"])).is_empty());
    }

    #[test]
    fn a_namespace_that_is_gone_is_one_difference() {
        assert_eq!(words(&state(&["a"], &["x"]), &State::default()), ["network namespace is missing"]);
    }

    #[test]
    fn routes_are_missing_or_added_by_hand() {
        assert_eq!(
            words(&state(&["a"], &[]), &state(&["b"], &[])),
            ["route `a` is missing", "route `b` was added by hand"]
        );
    }

    #[test]
    fn firewall_order_counts() {
        assert_eq!(
            words(&state(&[], &["x", "y"]), &state(&[], &["y", "x"])),
            ["iptables `x` is behind `y`, should be here"]
        );
    }

    #[test]
    fn what_else_is_on_the_machine_is_none_of_our_business() {
        let mut expected = state(&["a"], &[]);
        expected.nodes.get_mut("red").unwrap().machine = true;
        assert_eq!(words(&expected, &state(&["a", "b"], &["z"])), Vec::<String>::new());
    }
}
