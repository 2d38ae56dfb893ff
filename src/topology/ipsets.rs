//! Sets of addresses of a node, and the firewall lines that speak of them.

use super::Node;
use super::interfaces::{place_in, word};
use super::names::about;
use crate::error::{Problems, did_you_mean};
use crate::ip::Family;
use crate::ip::ipset::{IpSet, Name, Type};
use crate::ip::iptables::Line;
use crate::span::Sp;
use crate::spec::{self, Holes, Text};

pub(super) fn resolve(written: &spec::Node, node: &mut Node, holes: &Holes, problems: &mut Problems) {
    for (key, set) in &written.ipsets {
        if let Some(set) = one(key, set, holes, problems) {
            node.ipsets.push(Sp::new(set, key.span));
        }
    }
}

fn one(key: &Text, written: &spec::IpSet, holes: &Holes, problems: &mut Problems) -> Option<IpSet> {
    let wrong = |message: String, problems: &mut Problems| {
        problems
            .error(key.span, about(key, &message))
            .help("a name is at most 31 letters, digits, `:`, `.`, `_` and `-`, and starts with a letter or digit");
    };
    let name = Name::new(key).map_err(|message| wrong(message, problems)).ok();
    let kind = match &written.kind {
        Some(text) => word(text, text.parse::<Type>(), problems).map(|t| t.value),
        None => {
            if !holes.any(key.span, &["type"]) {
                problems
                    .error(key.span, format!("ipset `{key}` does not say what an entry is"))
                    .help("add `type: hash:net` (networks) or `type: hash:ip` (addresses)");
            }
            None
        }
    };
    let family = match written.family.as_ref().map(|f| (f.as_str(), f.span)) {
        None | Some(("inet", _)) => Family::V4,
        Some(("inet6", _)) => Family::V6,
        Some((other, span)) => {
            problems
                .error(span, format!("there is no family `{other}`"))
                .help(did_you_mean(other, ["inet", "inet6"]).unwrap_or("families are `inet` and `inet6`".into()));
            return None;
        }
    };
    if let (Some(kind), Some(said)) = (&kind, &written.family)
        && !kind.has_family()
    {
        problems.error(said.span, format!("a {kind} set has no family")).help("delete it");
    }
    let mut set = IpSet { name: name?, kind: kind?, family, members: Default::default() };
    let mut seen: Vec<Sp<String>> = Vec::new();
    for text in &written.members {
        let Some(member) = word(text, set.member(text), problems) else { continue };
        if let Some(first) = seen.iter().find(|s| s.value == member.value) {
            problems
                .error(text.span, format!("`{text}` is listed twice"))
                .also(first.span, "here")
                .help("delete one of the two");
        }
        seen.push(member);
    }
    set.members = seen.into_iter().map(|m| m.value).collect();
    Some(set)
}

/// The sets that a firewall line names are there, and fit.
pub(super) fn named(line: &Sp<Line>, family: Family, written: &spec::Node, node: &Node, problems: &mut Problems) {
    for (i, flag) in line.rest.iter().enumerate() {
        if !matches!(flag.as_str(), "--match-set" | "--add-set" | "--del-set") {
            continue;
        }
        let (Some(name), directions) = (line.rest.get(i + 1), line.rest.get(i + 2)) else {
            problems
                .error(line.span, format!("`{flag}` needs an ipset and a direction"))
                .help(format!("as in `{flag} NAME src`"));
            continue;
        };
        set(name, directions.map(String::as_str), (flag, line), family, written, node, problems);
    }
}

fn set(
    name: &str,
    directions: Option<&str>,
    (flag, line): (&str, &Sp<Line>),
    family: Family,
    written: &spec::Node,
    node: &Node,
    problems: &mut Problems,
) {
    let place = place_in(line.span, name, problems);
    let Some(set) = node.ipsets.iter().find(|s| s.name.as_str() == name) else {
        if !written.ipsets.keys().any(|k| k.value == name) {
            let known: Vec<&str> = written.ipsets.keys().map(|k| k.as_str()).collect();
            let help = match known.as_slice() {
                [] => format!("add `ipsets: {{{name}: {{type: hash:net, members: [10.0.0.1]}}}}` to the node"),
                known => did_you_mean(name, known.iter().copied()).unwrap_or(format!("it has {}", known.join(", "))),
            };
            problems.error(place, format!("this node has no ipset `{name}`")).help(help);
        }
        return;
    };
    if set.kind.has_family() && set.family != family {
        let (key, other) = if family == Family::V4 { ("ip6tables", "IPv6") } else { ("iptables", "IPv4") };
        problems
            .error(place, format!("ipset `{name}` holds {other} addresses"))
            .also(set.span, "defined here")
            .help(format!("lines that match it stand under `{key}`"));
    }
    let wanted = set.kind.parts().count();
    let given: Vec<&str> = directions.map(|d| d.split(',').collect()).unwrap_or_default();
    if given.len() != wanted || !given.iter().all(|d| matches!(*d, "src" | "dst")) {
        let example = vec!["src"; wanted].join(",");
        problems
            .error(
                place,
                format!("`{flag} {name}` needs {wanted} {}: `src` or `dst`", crate::error::plural(wanted, "direction")),
            )
            .also(set.span, format!("an entry of {} has {wanted} {}", set.kind, crate::error::plural(wanted, "part")))
            .help(format!("as in `{flag} {name} {example}`"));
    }
}
