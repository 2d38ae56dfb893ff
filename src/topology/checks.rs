//! Checks: the node that each runs in, and the traffic that a `sees` waits for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;
use ipnet::IpNet;

use super::{Node, Topology, actions, names};
use crate::check::reach::Reach;
use crate::check::sees::{Sees, Traffic};
use crate::check::spread::NO_SERVER;
use crate::check::{self, Check, CheckKind, Kind};
use crate::error::{Problems, did_you_mean};
use crate::ip::parse_ip;
use crate::name::{IfName, NodeName};
use crate::span::{Sp, Span};
use crate::spec;

/// How long a check may take when it does not say.
const WITHIN: Duration = Duration::from_secs(5);

type Nodes = IndexMap<NodeName, Node>;

pub(super) fn resolve(lab: &spec::Lab, nodes: &Nodes, problems: &mut Problems) -> Vec<Check> {
    // A check that is not whole keeps its place: its name is known all the same.
    same_names(lab, problems);
    let mut all: Vec<Option<Check>> = lab.checks.iter().map(|written| check(written, lab, nodes, problems)).collect();
    for (i, written) in lab.checks.iter().enumerate() {
        if !matches!(&all[i], Some(Check { kind: Kind::Sees(_), .. })) {
            continue;
        }
        let traffic = traffic(written, lab, nodes, &all, problems);
        if let (Some(Check { kind: Kind::Sees(sees), .. }), Some(traffic)) = (&mut all[i], traffic) {
            sees.traffic = Some(traffic);
        } else {
            all[i] = None;
        }
    }
    all.into_iter().flatten().collect()
}

/// Reports, `--only` and `during` know a check by its name.
fn same_names(lab: &spec::Lab, problems: &mut Problems) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for name in lab.checks.iter().filter_map(|check| check.name.as_ref()) {
        if let Some(first) = seen.insert(name.trim(), name.span) {
            problems
                .warn(name.span, format!("two checks are called `{}`", name.trim()))
                .also(first, "the first is here")
                .help("give each a name of its own");
        }
    }
}

fn check(written: &Sp<spec::Check>, lab: &spec::Lab, nodes: &Nodes, problems: &mut Problems) -> Option<Check> {
    let kind = check::read(written, &lab.holes, problems);
    let within = written.within.as_ref().and_then(|w| check::duration(w, problems)).unwrap_or(WITHIN);
    let (node, kind) = match kind {
        Some(Kind::Reach(reach)) => everybody(written, reach, lab, nodes, problems)?,
        // What is wrong with it has been said.
        None if !written.reach.0.is_empty() => return None,
        kind => (node(written, lab, nodes, problems)?, kind),
    };
    source_exists(written, &nodes[&node], problems);
    servers_exist(written, lab, nodes, problems);
    if written.sees.is_some() && !wire_exists(written, &node, &nodes[&node], problems) {
        return None;
    }
    let kind = kind?;
    let made = || format!("{node}: {}", kind.by_hand());
    // One line of a report is one check.
    let said = written.name.as_ref().map(|n| n.split_whitespace().collect::<Vec<_>>().join(" "));
    let name = said.filter(|name| !name.is_empty()).unwrap_or_else(made);
    let hint = written.hint.as_ref().map(|h| h.value.trim().to_string());
    let (after, before) =
        (actions::named(&written.after, lab, problems), actions::named(&written.before, lab, problems));
    Some(Check { name, node, kind, within, after, before, hint, span: check::place(written) })
}

/// A matrix of pings has no node of its own: it counts as its first one's.
fn everybody(
    written: &Sp<spec::Check>,
    mut reach: Reach,
    lab: &spec::Lab,
    nodes: &Nodes,
    problems: &mut Problems,
) -> Option<(NodeName, Option<Kind>)> {
    if let Some(from) = written.from.as_ref().or(written.on.as_ref()) {
        problems
            .error(from.span, "a reach check runs in all its nodes")
            .help("delete this line; for one pair write a `ping` check");
        return None;
    }
    let of = |node: &Node| {
        let lo = node.interfaces.iter().filter(|(name, _)| name.as_str() == "lo");
        let rest = node.interfaces.iter().filter(|(name, _)| name.as_str() != "lo");
        lo.chain(rest).flat_map(|(_, i)| i.addresses.iter().map(|a| a.ip())).collect()
    };
    let all: Vec<(NodeName, Vec<IpAddr>)> = nodes.iter().map(|(name, node)| (name.clone(), of(node))).collect();
    // Where something is wrong already, nodes may be missing for that reason.
    reach.settle(&all, problems);
    if reach.nodes.len() < 2 && !problems.any_errors() && !lab.holes.top("nodes") {
        problems
            .error(check::place(written), format!("fewer than two nodes have an {} address", reach.family().name()))
            .help("give the nodes addresses, or name those that have one");
    }
    let (first, _) = reach.nodes.first()?;
    Some((first.clone(), Some(Kind::Reach(reach))))
}

fn traffic(
    written: &spec::Check,
    lab: &spec::Lab,
    nodes: &Nodes,
    all: &[Option<Check>],
    problems: &mut Problems,
) -> Option<Traffic> {
    let during = written.during.as_ref()?;
    match &during.value {
        spec::During::Name(name) => {
            let named = |c: &&Sp<spec::Check>| c.name.as_ref().is_some_and(|n| n.trim() == name.trim());
            let Some(at) = lab.checks.iter().position(|c| named(&c)) else {
                let names = lab.checks.iter().filter_map(|c| c.name.as_ref()).map(|n| n.value.as_str());
                let help = did_you_mean(name, names);
                problems
                    .error(during.span, format!("there is no check called `{name}`"))
                    .help(help.unwrap_or("write the traffic here, as in `{from: red, ping: 10.0.0.2}`".into()));
                return None;
            };
            // Not whole: that has been said.
            let other = all[at].as_ref()?;
            if matches!(other.kind, Kind::Sees(_)) {
                problems
                    .error(during.span, format!("`{name}` only looks: it makes no packets"))
                    .help("name a check that sends something, such as a `ping`");
                return None;
            }
            Some(Traffic { node: other.node.clone(), kind: Box::new(other.kind.clone()) })
        }
        spec::During::Check(inner) => {
            let inner = Sp::new((**inner).clone(), during.span);
            for (word, span) in inner.written() {
                if matches!(word.as_str(), "name" | "within" | "hint" | "after" | "before" | "sees" | "during") {
                    problems
                        .error(span, format!("`{word}` means nothing inside `during`"))
                        .help("say only what is sent, as in `{from: red, ping: 10.0.0.2}`");
                    return None;
                }
            }
            let kind = check::read(&inner, &lab.holes, problems);
            let node = node(&inner, lab, nodes, problems)?;
            source_exists(&inner, &nodes[&node], problems);
            Some(Traffic { node, kind: Box::new(kind?) })
        }
    }
}

/// Those who answer a `spread` say their node's name.
fn servers_exist(written: &spec::Check, lab: &spec::Lab, nodes: &Nodes, problems: &mut Problems) {
    let Some(spec::Expect::List(list)) = written.expect.as_ref().map(|e| &e.value).filter(|_| written.spread.is_some())
    else {
        return;
    };
    for name in list.iter().filter(|n| !NO_SERVER.contains(&n.as_str()) && !nodes.contains_key(n.value.as_str())) {
        if lab.holes.top("nodes") || lab.nodes.contains_key(name.value.as_str()) {
            continue;
        }
        let known = nodes.keys().map(NodeName::as_str).take_while(|_| names::few(problems)).collect::<Vec<_>>();
        let help = did_you_mean(name, known.into_iter().chain(NO_SERVER.iter().copied()));
        problems
            .error(name.span, format!("there is no node `{name}` to answer"))
            .help(help.unwrap_or("list nodes with an `http` service, or `refused` and `timeout`".into()));
    }
}

/// Whether the wire that a `sees` looks at is there.
fn wire_exists(written: &spec::Check, name: &NodeName, node: &Node, problems: &mut Problems) -> bool {
    let Some(on) = &written.on else { return false };
    let known: Vec<&str> = node.interfaces.keys().map(IfName::as_str).collect();
    let Some((_, wire)) = on.split_once(':') else {
        let example = known.iter().find(|i| **i != "lo").unwrap_or(&"eth0");
        problems
            .error(on.span, "`sees` looks at an interface, and this names only the node")
            .help(format!("as in `on: {name}:{example}`"));
        return false;
    };
    if !node.interfaces.contains_key(wire) {
        let help = did_you_mean(wire, known.iter().copied()).unwrap_or(format!("it has {}", known.join(", ")));
        problems
            .error(on.span.narrow(&problems.source.text, wire), format!("`{name}` has no interface `{wire}`"))
            .help(help);
        return false;
    }
    true
}

fn node(written: &Sp<spec::Check>, lab: &spec::Lab, nodes: &Nodes, problems: &mut Problems) -> Option<NodeName> {
    let node: &Sp<String> = match (&written.from, &written.on) {
        (Some(from), Some(on)) => {
            problems
                .error(on.span, "a check has `from` or `on`, not both")
                .also(from.span, "`from` is here")
                .help("delete one of the two");
            return None;
        }
        (Some(node), None) | (None, Some(node)) => node,
        (None, None) => {
            if check::has_kind(written) && !lab.holes.any(written.span, &["from", "on"]) {
                let (span, sees) = (check::place(written), written.sees.is_some());
                let help = if sees { "add `on: NODE:INTERFACE`" } else { "add `from: NODE`" };
                problems.error(span, "this check does not say where it runs").help(help);
            }
            return None;
        }
    };
    let wire = written.sees.is_some().then(|| node.split_once(':')).flatten();
    let wanted = wire.map_or(node.as_str(), |(node, _)| node);
    if let Some((name, _)) = nodes.get_key_value(wanted) {
        return Some(name.clone());
    }
    if !lab.holes.top("nodes") && !lab.nodes.contains_key(wanted) {
        let known: Vec<&str> = nodes.keys().map(NodeName::as_str).take_while(|_| names::few(problems)).collect();
        let list = (1..=12).contains(&known.len()).then(|| format!("the nodes are {}", known.join(", ")));
        let help = did_you_mean(wanted, known).or(list);
        let span = node.span.narrow(&problems.source.text, wanted);
        problems.error(span, format!("there is no node `{wanted}`")).maybe_help(help);
    }
    None
}

fn source_exists(written: &spec::Check, node: &Node, problems: &mut Problems) {
    let Some(source) = written.source.as_ref().filter(|s| parse_ip(s).is_err()) else {
        return;
    };
    if !node.interfaces.contains_key(source.value.as_str()) {
        let known: Vec<&str> = node.interfaces.keys().map(IfName::as_str).collect();
        problems
            .error(source.span, format!("`{source}` is neither an address nor an interface of this node"))
            .help(did_you_mean(source, known.iter().copied()).unwrap_or(format!("it has {}", known.join(", "))));
    }
}

/// A check that expects silence holds on an empty lab too. It needs somebody who gets through.
pub(super) fn unproven(topology: &Topology, problems: &mut Problems) {
    let reached: Vec<_> = topology.checks.iter().filter_map(|c| c.kind.reached_target()).map(|t| t.key).collect();
    for check in &topology.checks {
        if let Kind::Sees(sees) = &check.kind {
            unseen(topology, check, sees, &reached, problems);
            continue;
        }
        let Some(target) = check.kind.blocked_target() else {
            continue;
        };
        let owned = target.ip.is_some_and(|ip| topology.owner(ip).is_some());
        if !reached.contains(&target.key) && !owned {
            problems
                .warn(
                    check.span,
                    format!("`{}` proves nothing: no node has the address, and no check reaches it", check.name),
                )
                .help("add a check that gets through to the same target from somewhere");
        }
    }
}

/// What is misspelt is not seen either.
fn unseen(topology: &Topology, check: &Check, sees: &Sees, reached: &[String], problems: &mut Problems) {
    if sees.reached_target().is_some() || reached.contains(&sees.target().key) {
        return;
    }
    if let Some(text) = sees.filter().text() {
        problems
            .warn(check.span, format!("`{}` proves nothing: no check sees `{text}` anywhere", check.name))
            .help("add a check with the same `sees` where it can be read, before it is hidden");
        return;
    }
    let known = |net: &IpNet| {
        let mut all = topology.nodes.values().flat_map(|n| n.interfaces.values()).flat_map(|i| &i.addresses);
        all.any(|address| net.contains(&address.ip()))
    };
    if let Some(net) = sees.filter().addresses().find(|net| !known(net)) {
        let net = if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() };
        problems
            .warn(check.span, format!("`{}` proves nothing: nobody has the address {net}", check.name))
            .help("is it spelt right? else add a check with the same `sees` on a wire where it is seen");
    }
}
