//! Bridges, settings of link ends, addresses.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::links::{insert, mac};
use super::{Interface, Node};
use crate::error::{Problems, did_you_mean};
use crate::ip::{Address, Mac, WordError};
use crate::link::{Kind, bridge};
use crate::name::{IfName, NodeName};
use crate::span::Sp;
use crate::spec;

pub(super) fn resolve(lab: &spec::Lab, lab_name: &str, nodes: &mut IndexMap<NodeName, Node>, problems: &mut Problems) {
    for (key, written) in &lab.nodes {
        let Some((name, _)) = nodes.get_key_value(key.value.as_str()) else {
            continue;
        };
        let name = name.clone();
        for (bridge_key, bridge) in &written.bridges {
            add_bridge(lab_name, &name, bridge_key, bridge, nodes, problems);
        }
        let Some(node) = nodes.get_mut(&name) else {
            continue;
        };
        for (bridge_key, bridge) in &written.bridges {
            plug_ports(&name, bridge_key, bridge, node, problems);
        }
        for (interface_key, settings) in &written.interfaces {
            set(&name, interface_key, settings, node, problems);
        }
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
    let name = match IfName::new(key) {
        Ok(name) => name,
        Err(message) => {
            problems.error(key.span, format!("`{key}`: {message}"));
            return;
        }
    };
    let given = written.mac.as_ref().and_then(|m| mac(m, problems));
    let interface = Interface {
        kind: Kind::Bridge(written.resolve(problems)),
        addresses: addresses(&written.addresses, problems),
        mac: Some(given.unwrap_or_else(|| Mac::derived(lab_name, node, &name))),
        mtu: mtu(written.mtu.as_ref(), problems),
        up: written.up.as_ref().is_none_or(|u| u.value),
        master: None,
        span: key.span,
    };
    insert(nodes, node, &name, interface, key.span, problems);
    match written.ports.len() {
        0 => {
            problems.warn(key.span, format!("bridge `{key}` has no ports: nothing is plugged into it"));
        }
        n if n > bridge::MOST_PORTS => {
            let message =
                format!("bridge `{key}` has {n} ports; the kernel takes {} on one bridge", bridge::MOST_PORTS);
            problems.error(key.span, message).help("spread them over several bridges");
        }
        _ => {}
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
        let known: Vec<String> = node.interfaces.keys().map(ToString::to_string).collect();
        let Some(interface) = node.interfaces.get_mut(port.value.as_str()) else {
            let known = known.iter().map(String::as_str);
            problems
                .error(port.span, format!("`{node_name}` has no interface `{port}` to plug into `{key}`"))
                .help(did_you_mean(port, known).unwrap_or(format!("a port is the `{node_name}` end of a link")));
            continue;
        };
        if matches!(interface.kind, Kind::Bridge(_)) {
            problems
                .error(port.span, "a bridge cannot be a port of a bridge")
                .help("connect the two with a link: one end in each");
            continue;
        }
        if matches!(interface.kind, Kind::Loopback) {
            problems.error(port.span, "`lo` cannot be plugged into a bridge");
            continue;
        }
        if let Some(first) = &interface.master {
            problems
                .error(port.span, format!("`{port}` is plugged into `{}` already", first.value))
                .also(first.span, "here");
            continue;
        }
        interface.master = Some(Sp::new(bridge.clone(), port.span));
    }
}

fn set(node_name: &NodeName, key: &Sp<String>, settings: &spec::Interface, node: &mut Node, problems: &mut Problems) {
    let known: Vec<String> = node.interfaces.keys().map(ToString::to_string).collect();
    let addresses = addresses(&settings.addresses, problems);
    let new_mac = settings.mac.as_ref().and_then(|m| mac(m, problems));
    let new_mtu = mtu(settings.mtu.as_ref(), problems);
    let Some(interface) = node.interfaces.get_mut(key.value.as_str()) else {
        let help = did_you_mean(key, known.iter().map(String::as_str)).unwrap_or_else(|| {
            format!("no link ends at `{node_name}:{key}`; interfaces of `{node_name}`: {}", known.join(", "))
        });
        problems.error(key.span, format!("`{node_name}` has no interface `{key}`")).help(help);
        return;
    };
    if matches!(interface.kind, Kind::Bridge(_)) {
        problems.error(key.span, format!("`{key}` is a bridge")).help("write its settings under `bridges`");
        return;
    }
    if matches!(interface.kind, Kind::Loopback)
        && let Some(mac) = &settings.mac
    {
        problems.error(mac.span, "`lo` has no Ethernet address");
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

fn mtu(written: Option<&Sp<u32>>, problems: &mut Problems) -> Option<u32> {
    let mtu = written?;
    if !(68..=65_535).contains(&mtu.value) {
        problems.error(mtu.span, format!("mtu {mtu} is not from 68 to 65535"));
        return None;
    }
    Some(mtu.value)
}

fn addresses(written: &[Sp<String>], problems: &mut Problems) -> Vec<Sp<Address>> {
    written.iter().filter_map(|text| word(text, text.parse::<Address>(), problems)).collect()
}

/// A parsed word with its place, or the problem at exactly that word.
pub(super) fn word<T>(text: &Sp<String>, parsed: Result<T, WordError>, problems: &mut Problems) -> Option<Sp<T>> {
    match parsed {
        Ok(value) => Some(Sp::new(value, text.span)),
        Err(e) => {
            let span = text.span.narrow(&problems.source.text, &e.word);
            problems.error(span, e.message).maybe_help(e.help);
            None
        }
    }
}

fn duplicates(node: &Node, problems: &mut Problems) {
    let mut seen = HashMap::new();
    for (name, interface) in &node.interfaces {
        for address in &interface.addresses {
            if matches!(interface.kind, Kind::Loopback) {
            } else if address.ip().is_loopback() {
                problems
                    .error(address.span, format!("`{}` is a loopback address", address.ip()))
                    .help("put it on `lo`");
            }
            if !address.ip().is_ipv4() && interface.mtu.is_some_and(|m| m < 1280) {
                problems.error(
                    address.span,
                    format!("IPv6 needs an MTU of 1280; `{name}` has {}", interface.mtu.unwrap_or(0)),
                );
            }
            if let Some((first, on)) = seen.insert(address.ip(), (address.span, name)) {
                let same = if on == name { "listed twice".to_string() } else { format!("on `{on}` already") };
                problems.error(address.span, format!("`{}` is {same}", address.ip())).also(first, "first here");
            }
        }
    }
}
