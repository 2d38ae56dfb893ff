//! Bridges, settings of link ends, addresses.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::links::{cable_end, insert, mac};
use super::names::interface_name;
use super::{Interface, Node};
use crate::error::{Problems, did_you_mean};
use crate::ip::{Address, Mac, WordError};
use crate::link::{Kind, bridge};
use crate::name::{IfName, NodeName};
use crate::span::{Sp, Span};
use crate::spec;

pub(super) fn resolve(lab: &spec::Lab, lab_name: &str, nodes: &mut IndexMap<NodeName, Node>, problems: &mut Problems) {
    let keys = super::devices::keys(lab, lab_name);
    for (key, written) in &lab.nodes {
        let Some((name, _)) = nodes.get_key_value(key.value.as_str()) else {
            continue;
        };
        let name = name.clone();
        for (bridge_key, bridge) in &written.bridges {
            add_bridge(lab_name, &name, bridge_key, bridge, nodes, problems);
        }
        super::devices::add(lab_name, &name, written, &keys, &lab.holes, nodes, problems);
        let Some(node) = nodes.get_mut(&name) else {
            continue;
        };
        for (bridge_key, bridge) in &written.bridges {
            plug_ports(&name, bridge_key, bridge, node, problems);
        }
        let known: Vec<String> = node.interfaces.keys().map(ToString::to_string).collect();
        for (interface_key, settings) in &written.interfaces {
            set(&name, interface_key, settings, &known, node, problems);
        }
        super::devices::check(written, node, problems);
        duplicates(node, problems);
    }
}

fn add_bridge(
    lab_name: &str,
    node: &NodeName,
    key: &Sp<String>,
    written: &bridge::Written,
    nodes: &mut IndexMap<NodeName, Node>,
    problems: &mut Problems,
) {
    let Some(name) = interface_name(key, key.span, problems) else {
        return;
    };
    let given = written.mac.as_ref().and_then(|m| mac(m, problems));
    let interface = Interface {
        kind: Kind::Bridge(written.resolve(problems)),
        addresses: addresses(&written.addresses, problems),
        mac: Some(given.unwrap_or_else(|| Mac::derived(lab_name, node, &name))),
        mtu: mtu(written.mtu.as_ref(), problems),
        up: written.up.as_ref().is_none_or(|u| u.value),
        master: None,
        qdisc: None,
        vlans: None,
        span: key.span,
    };
    insert(nodes, node, &name, interface, key.span, problems);
    let ports = written.ports.len();
    if ports > bridge::MOST_PORTS {
        problems
            .error(
                key.span,
                format!("bridge `{key}` has {ports} ports; the kernel takes {} on one bridge", bridge::MOST_PORTS),
            )
            .help("spread them over several bridges");
    }
}

fn plug_ports(
    node_name: &NodeName,
    key: &Sp<String>,
    written: &bridge::Written,
    node: &mut Node,
    problems: &mut Problems,
) {
    let Ok(bridge) = IfName::new(key) else { return };
    for port in &written.ports {
        if !node.interfaces.contains_key(port.value.as_str()) {
            let known = node.interfaces.keys().map(IfName::as_str);
            problems
                .error(port.span, format!("`{node_name}` has no interface `{port}` to plug into `{key}`"))
                .help(did_you_mean(port, known).unwrap_or(format!("a port is the `{node_name}` end of a link")));
            continue;
        }
        let Some(interface) = node.interfaces.get_mut(port.value.as_str()) else {
            continue;
        };
        if matches!(interface.kind, Kind::Bridge(_)) {
            problems
                .error(port.span, "a bridge cannot be a port of a bridge")
                .help("connect the two with a link: one end in each");
            continue;
        }
        if let Some(what) = no_port(&interface.kind) {
            problems
                .error(port.span, format!("{what} cannot be a port of a bridge: it carries no Ethernet frames"))
                .help("vxlan and geneve tunnels can be ports, and ends of links");
            continue;
        }
        if matches!(interface.kind, Kind::Loopback) {
            problems
                .error(port.span, "`lo` cannot be plugged into a bridge")
                .help(format!("a port is the `{node_name}` end of a link"));
            continue;
        }
        if let Some(first) = &interface.master {
            problems
                .error(port.span, format!("`{port}` is plugged into `{}` already", first.value))
                .also(first.span, "here")
                .help("an interface is a port of one bridge: delete one of the two");
            continue;
        }
        interface.master = Some(Sp::new(bridge.clone(), port.span));
    }
    port_vlans(key, written, node, problems);
}

/// The kinds that have no Ethernet, and so cannot be plugged into a bridge.
fn no_port(kind: &Kind) -> Option<String> {
    let ip_only = matches!(kind, Kind::Ipip(_) | Kind::Gre(_) | Kind::Sit(_) | Kind::Wireguard(_));
    match kind {
        Kind::Vrf(_) => Some("a vrf".into()),
        kind if ip_only => Some(format!("a tunnel of mode {}", kind.word())),
        _ => None,
    }
}

/// What the ports of a bridge carry that looks at tags.
fn port_vlans(key: &Sp<String>, written: &bridge::Written, node: &mut Node, problems: &mut Problems) {
    let filters = written.vlan_filtering.as_ref().is_some_and(|v| v.value);
    for (port, vlans) in &written.port_vlans {
        let resolved = vlans.resolve(port.span, problems);
        if !filters {
            problems
                .error(port.span, format!("`{key}` does not look at tags"))
                .help("add `vlan-filtering: on` to the bridge");
            return;
        }
        if !written.ports.iter().any(|p| p.value == port.value) {
            let known = written.ports.iter().map(|p| p.as_str());
            problems
                .error(port.span, format!("`{port}` is no port of `{key}`"))
                .help(did_you_mean(port, known).unwrap_or("add it to `ports`".into()));
            continue;
        }
        if let (Some(interface), Some(resolved)) = (node.interfaces.get_mut(port.value.as_str()), resolved) {
            interface.vlans = Some(Sp::new(resolved, port.span));
        }
    }
    for port in written.ports.iter().filter(|p| filters && !written.port_vlans.contains_key(p.as_str())) {
        problems
            .warn(port.span, format!("`{port}` carries no network: `{key}` drops every frame of it"))
            .help(format!("add `port-vlans: {{{port}: {{pvid: 10}}}}` to the bridge"));
    }
}

fn set(
    node_name: &NodeName,
    key: &Sp<String>,
    settings: &spec::Interface,
    known: &[String],
    node: &mut Node,
    problems: &mut Problems,
) {
    let addresses = addresses(&settings.addresses, problems);
    let new_mac = settings.mac.as_ref().and_then(|m| mac(m, problems));
    let new_mtu = mtu(settings.mtu.as_ref(), problems);
    let Some(interface) = node.interfaces.get_mut(key.value.as_str()) else {
        if interface_name(key, key.span, problems).is_none() {
            return;
        }
        let help = did_you_mean(key, known.iter().map(String::as_str)).unwrap_or_else(|| {
            format!("no link ends at `{node_name}:{key}`; interfaces of `{node_name}`: {}", known.join(", "))
        });
        problems.error(key.span, format!("`{node_name}` has no interface `{key}`")).help(help);
        // The rest of the file may speak of it.
        if let Ok(name) = IfName::new(key) {
            node.interfaces.insert(name, Interface { addresses, ..cable_end(key.span) });
        }
        return;
    };
    if matches!(interface.kind, Kind::Bridge(_)) {
        problems.error(key.span, format!("`{key}` is a bridge")).help("write its settings under `bridges`");
        return;
    }
    if matches!(interface.kind, Kind::Loopback)
        && let Some(mac) = &settings.mac
    {
        problems.error(mac.span, "`lo` has no Ethernet address").help("delete `mac` here");
    }
    if let Some(master) = &interface.master
        && let Some(address) = addresses.first()
    {
        problems
            .error(address.span, format!("`{key}` is a port of `{}`: an address on it does not work", master.value))
            .also(master.span, "plugged in here")
            .help(format!("put the address on `{}`", master.value));
    }
    interface.addresses.extend(addresses);
    interface.mac = new_mac.or(interface.mac);
    interface.mtu = new_mtu.or(interface.mtu);
    interface.up = settings.up.as_ref().map_or(interface.up, |u| u.value);
}

pub(super) fn mtu(written: Option<&Sp<u32>>, problems: &mut Problems) -> Option<u32> {
    let mtu = written?;
    if !(68..=65_535).contains(&mtu.value) {
        problems.error(mtu.span, format!("mtu {mtu} is not from 68 to 65535")).help("the usual one is 1500");
        return None;
    }
    Some(mtu.value)
}

pub(super) fn addresses(written: &[Sp<String>], problems: &mut Problems) -> Vec<Sp<Address>> {
    written.iter().filter_map(|text| word(text, text.parse::<Address>(), problems)).collect()
}

/// A parsed word with its place, or the problem at exactly that word.
pub(super) fn word<T>(text: &Sp<String>, parsed: Result<T, WordError>, problems: &mut Problems) -> Option<Sp<T>> {
    match parsed {
        Ok(value) => Some(Sp::new(value, text.span)),
        Err(e) => {
            let span = place(text, &e.word, problems);
            // What an alias stands for is read once for every use, and wrong once.
            if !problems.errors().take(100).any(|p| p.span == span && p.message == e.message) {
                problems.error(span, e.message).maybe_help(e.help);
            }
            None
        }
    }
}

/// Where a word stands in a text: as a word by itself if it does, else anywhere.
pub(super) fn place(text: &Sp<String>, word: &str, problems: &Problems) -> Span {
    place_in(text.span, word, problems)
}

/// Where a word stands in a part of the lab file.
pub(super) fn place_in(span: Span, word: &str, problems: &Problems) -> Span {
    let source = &problems.source.text;
    let apart = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "\"':,[]{}/+".contains(c));
    let text = source.get(span.range()).unwrap_or_default();
    let alone = |at: &usize| apart(text[..*at].chars().next_back()) && apart(text[at + word.len()..].chars().next());
    match text.match_indices(word).map(|(at, _)| at).find(alone) {
        Some(at) if !word.is_empty() => {
            let start = span.start + at as u32;
            Span { start, end: start + word.len() as u32 }
        }
        _ => span.narrow(source, word),
    }
}

fn duplicates(node: &Node, problems: &mut Problems) {
    let mut seen = HashMap::new();
    for (name, interface) in &node.interfaces {
        for address in &interface.addresses {
            if address.ip().is_loopback() && !matches!(interface.kind, Kind::Loopback) {
                problems
                    .error(address.span, format!("`{}` is a loopback address", address.ip()))
                    .help("put it on `lo`");
                continue;
            }
            if !address.ip().is_ipv4()
                && let Some(mtu) = interface.mtu.filter(|m| *m < 1280)
            {
                problems
                    .error(address.span, format!("IPv6 needs an MTU of 1280; `{name}` has {mtu}"))
                    .help("raise the MTU, or leave the address out");
            }
            // Interfaces of different VRFs may have the same addresses: that is what VRFs are for.
            let domain = interface.master.as_ref().map(|m| m.value.clone());
            if let Some((first, on)) = seen.insert((domain, address.ip()), (address.span, name)) {
                let same = if on == name { "listed twice".to_string() } else { format!("on `{on}` already") };
                problems
                    .error(address.span, format!("`{}` is {same}", address.ip()))
                    .also(first, "first here")
                    .help("delete one of the two");
            }
        }
    }
}
