//! With `--on-host`: what of the machine would be in the way.

use std::collections::HashSet;

use ipnet::IpNet;

use super::super::running;
use crate::error::Error;
use crate::ip::Family;
use crate::kernel::{Linux, MachineView, forwarding, ipset, machine, sysctl};
use crate::link::Kind;
use crate::name::NodeName;
use crate::plan::Plan;
use crate::topology::{Interface, Node, Topology};

pub(super) fn look(topology: &Topology, plan: &Plan, kernel: &mut Linux) -> Vec<Error> {
    let other = |r: &running::Running| r.name != *plan.lab && r.entry.on_host() && !r.entry.is_stale();
    if let Some(other) = running::all().into_iter().find(other) {
        // Whatever else is in the way may be that lab's, and go with it.
        let error = Error::conflict(format!("lab `{}` is up with --on-host; one at a time", other.name));
        return vec![error.help(format!("`netlab down {}` first", other.name))];
    }
    let machine = match kernel.observe_machine() {
        Ok(machine) => machine,
        Err(refusal) => return vec![Error::machine("cannot read this machine's network").cause(refusal)],
    };
    let mut found = Vec::new();
    for (name, node) in topology.nodes.iter().filter(|(_, node)| node.host) {
        found.extend(interfaces(topology, node, &machine));
        found.extend(sets(topology, node));
        found.extend(lo(topology, node, &machine));
        found.extend(routes(topology, node, &machine));
        found.extend(rules(topology, node, &machine));
        found.extend(settings(topology, node));
        found.extend(files(topology, name, node));
    }
    found.extend(forward_policy(topology));
    found
}

fn interfaces(topology: &Topology, node: &Node, machine: &MachineView) -> Vec<Error> {
    let mut found = Vec::new();
    let mut told: HashSet<IpNet> = HashSet::new();
    for (dev, interface) in node.interfaces.iter().filter(|(_, i)| !matches!(i.kind, Kind::Loopback)) {
        if machine.links.contains_key(dev.as_str()) {
            let what = format!("this machine already has an interface `{dev}`; not touching it");
            let error = Error::conflict(what).place(&topology.source, interface.span, "");
            found.push(error.help("rename the lab's interface, or leave out --on-host"));
        }
        for address in &interface.addresses {
            let net = address.net.trunc();
            let Some(route) = overlapping(&machine.connected, &net).filter(|_| told.insert(net)) else { continue };
            let error = Error::conflict(format!("{net} overlaps this machine's own network: {route}"))
                .place(&topology.source, address.span, "")
                .help("give the lab another network, or leave out --on-host");
            found.push(error);
        }
    }
    found
}

/// Any network may be on `lo` twice; no address may.
fn lo(topology: &Topology, node: &Node, machine: &MachineView) -> Vec<Error> {
    let wanted = node.interfaces.get("lo").into_iter().flat_map(|lo| &lo.addresses);
    let there = machine.links.get("lo").map(|lo| &lo.addresses);
    let taken = wanted.filter(|address| there.is_some_and(|there| there.contains(&address.value.to_string())));
    let told = taken.map(|address| {
        Error::conflict(format!("`lo` of this machine already has the address {}", address.value))
            .place(&topology.source, address.span, "")
            .help("give the lab another address, or leave out --on-host")
    });
    told.collect()
}

fn sets(topology: &Topology, node: &Node) -> Vec<Error> {
    // A program that is missing has been named.
    if node.ipsets.is_empty() || machine::find_program("ipset").is_none() {
        return Vec::new();
    }
    let there = match ipset::shown() {
        Ok(there) => there,
        Err(refusal) => return vec![Error::machine("cannot read this machine's ipsets").cause(refusal)],
    };
    let taken = node.ipsets.iter().filter(|set| there.contains_key(set.name.as_str()));
    let told = taken.map(|set| {
        Error::conflict(format!("this machine already has an ipset `{}`; not touching it", set.name))
            .place(&topology.source, set.span, "")
            .help("rename the lab's set, or leave out --on-host")
    });
    told.collect()
}

fn routes(topology: &Topology, node: &Node, machine: &MachineView) -> Vec<Error> {
    let taken = node.routes.iter().filter(|route| machine.has_route(&route.value));
    let told = taken.map(|route| {
        let to = if route.is_default() { "everywhere (default)".into() } else { route.to.to_string() };
        Error::conflict(format!("this machine already has a route to {to}"))
            .place(&topology.source, route.span, "")
            .help("name the one network that the lab needs instead, or leave out --on-host")
    });
    told.collect()
}

/// A machine whose IPv6 is switched off loses its IPv6 addresses, and nobody could give them back.
fn settings(topology: &Topology, node: &Node) -> Vec<Error> {
    let all = "net/ipv6/conf/all/disable_ipv6";
    let wanted = node.sysctls.iter().filter(|s| s.path == all && s.value.value == "1");
    let told = wanted.filter(|_| sysctl::read(all).is_some_and(|now| now != "1")).map(|sysctl| {
        Error::conflict("this machine would lose its IPv6 addresses for good")
            .place(&topology.source, sysctl.span, "")
            .help("leave it out of the host node, or leave out --on-host")
    });
    told.collect()
}

fn rules(topology: &Topology, node: &Node, machine: &MachineView) -> Vec<Error> {
    let taken = node.rules.iter().filter(|rule| machine.rules.contains(&rule.value.to_string()));
    let told = taken.map(|rule| {
        Error::conflict(format!("this machine already has the rule `{}`", rule.value))
            .place(&topology.source, rule.span, "")
            .help("leave it out of the host node, or leave out --on-host")
    });
    told.collect()
}

fn files(topology: &Topology, name: &NodeName, node: &Node) -> Vec<Error> {
    let files = node.files.iter().map(|(path, file)| {
        Error::usage(format!("`{path}` of `{name}` would be a file of this machine"))
            .place(&topology.source, file.span, "")
            .help("leave it out of the host node, or leave out --on-host")
    });
    let hosts = node.hosts.iter().map(|h| (h.span, "hosts"));
    let names = hosts.chain(node.resolv_conf.iter().map(|r| (r.span, "dns"))).map(|(span, what)| {
        Error::usage(format!("`{what}` of `{name}` would change /etc of this machine"))
            .place(&topology.source, span, "")
            .help("leave it out of the host node, or leave out --on-host")
    });
    files.chain(names).collect()
}

fn overlapping(networks: &[(IpNet, String)], net: &IpNet) -> Option<String> {
    let both = |other: &IpNet| other.contains(&net.network()) || net.contains(&other.network());
    networks.iter().find(|(other, _)| both(other)).map(|(other, dev)| format!("{other} on {dev}"))
}

/// Docker sets the FORWARD policy to DROP and firewalld rejects what is in no zone; an accept elsewhere does not override it.
fn forward_policy(topology: &Topology) -> Vec<Error> {
    let mut found = Vec::new();
    for node in topology.nodes.values().filter(|n| n.host) {
        for (family, path) in [(Family::V4, "net/ipv4/ip_forward"), (Family::V6, "net/ipv6/conf/all/forwarding")] {
            if !node.sysctls.iter().any(|s| s.path == path && s.value.value == "1") {
                continue;
            }
            let rules = forwarding::Rules::read(family);
            let meets = |i: &Interface| i.addresses.iter().any(|a| Family::of(a.net.addr()) == family);
            let routed = node.interfaces.iter().filter(|(_, i)| !matches!(i.kind, Kind::Loopback) && meets(i));
            let thrown = routed.filter_map(|(dev, _)| Some((dev.as_str(), rules.throw_away(dev)?)));
            let (devs, reasons): (Vec<&str>, Vec<_>) = thrown.unzip();
            let Some(first) = reasons.into_iter().next() else { continue };
            let sets = first.owner.name().map(|name| format!("; {name} sets that")).unwrap_or_default();
            let beside = first.owner.name().unwrap_or("it");
            let error = Error::conflict(format!(
                "this machine's firewall drops forwarded packets that come in by {} ({}{sets})",
                devs.join(", "),
                first.by
            ))
            .help(format!("bring the lab up without --on-host: inside its own namespaces {beside} is not in the way"));
            let ways: Vec<String> = devs.iter().filter_map(|dev| first.owner.let_through(dev)).collect();
            found.push(if ways.is_empty() {
                error
            } else {
                error.help(format!("or let them through, until you take it back: {}", ways.join("; ")))
            });
        }
    }
    found
}
