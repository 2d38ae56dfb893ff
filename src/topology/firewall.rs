//! Address translation and firewall lines of a node.

use std::net::IpAddr;

use super::interfaces::{place_in, word};
use super::{Node, chains, ipsets};
use crate::error::{Problems, did_you_mean};
use crate::ip::iptables::{Line, Verb};
use crate::ip::{Family, parse_ip, parse_net, parse_port, parse_socket};
use crate::name::IfName;
use crate::span::{Sp, Span};
use crate::spec::{self, Holes, Text};

pub(super) fn resolve(written: &spec::Node, node: &mut Node, holes: &Holes, problems: &mut Problems) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for nat in &written.nat {
        if let Some((family, line)) = translation(nat, node, holes, problems) {
            if family == Family::V4 { v4.push(line) } else { v6.push(line) }
        }
    }
    v4.extend(lines(&written.iptables, Family::V4, written, node, problems));
    v6.extend(lines(&written.ip6tables, Family::V6, written, node, problems));
    chains::check(&v4, &[], problems);
    chains::check(&v6, &[], problems);
    for line in v4.iter().chain(&v6).filter(|l| l.verb == Verb::Delete) {
        problems
            .error(line.span, "a node has lines, it deletes none: they are loaded into empty tables")
            .help("leave out the line that is meant; `-D` is for `actions`");
    }
    (node.iptables, node.ip6tables) = (v4, v6);
}

pub(super) fn lines(
    texts: &[Text],
    family: Family,
    written: &spec::Node,
    node: &Node,
    problems: &mut Problems,
) -> Vec<Sp<Line>> {
    let lines: Vec<Sp<Line>> = texts.iter().filter_map(|text| word(text, text.parse::<Line>(), problems)).collect();
    for line in &lines {
        let mark = problems.mark();
        ipsets::named(line, family, written, node, problems);
        for flags in [["-i", "--in-interface"], ["-o", "--out-interface"]] {
            if let Some(name) = line.value_of(&flags) {
                interface(name.trim_end_matches('+'), line.span, name.ends_with('+'), node, problems);
            }
        }
        for flags in [["-s", "--source"], ["-d", "--destination"]] {
            let Some(value) = line.value_of(&flags) else {
                continue;
            };
            let ip = value.split('/').next().and_then(|ip| ip.parse::<IpAddr>().ok());
            if ip.is_some_and(|ip| Family::of(ip) != family) {
                let (key, other) = if family == Family::V4 { ("ip6tables", "IPv6") } else { ("iptables", "IPv4") };
                problems
                    .error(place_in(line.span, value, problems), format!("`{value}` is not {}", family.name()))
                    .help(format!("lines with {other} addresses stand under `{key}`"));
            }
        }
        if problems.mark() == mark {
            chains::line(line, family, problems);
        }
    }
    lines
}

fn interface(name: &str, span: Span, pattern: bool, node: &Node, problems: &mut Problems) -> Option<()> {
    let found = node.interfaces.keys().any(|k| if pattern { k.starts_with(name) } else { k == name });
    if found {
        return Some(());
    }
    let span = place_in(span, name, problems);
    let known: Vec<&str> = node.interfaces.keys().map(IfName::as_str).collect();
    problems
        .error(span, format!("this node has no interface `{name}`"))
        .help(did_you_mean(name, known.iter().copied()).unwrap_or(format!("it has {}", known.join(", "))));
    None
}

fn translation(nat: &Sp<spec::Nat>, node: &Node, holes: &Holes, problems: &mut Problems) -> Option<(Family, Sp<Line>)> {
    match (&nat.masquerade, &nat.dnat, &nat.snat) {
        (Some(m), None, None) => masquerade(m, node, holes, problems),
        (None, Some(d), None) => dnat(d, node, holes, problems),
        (None, None, Some(s)) => snat(s, node, holes, problems),
        _ => {
            if !holes.any(nat.span, &["masquerade", "dnat", "snat"]) {
                problems
                    .error(nat.span, "each entry of `nat` is one of `masquerade`, `dnat` or `snat`")
                    .help("as in `- masquerade: {from: 192.168.15.0/24, out: uplink}`");
            }
            None
        }
    }
}

fn line(chain: &str, words: &[String], span: Span) -> Sp<Line> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Sp::new(Line::append("nat", chain, &words), span)
}

/// Reports the entries that a translation lacks, all in one message.
fn lacks(
    what: &str,
    span: Span,
    wanted: &[(&str, &Option<Text>)],
    example: &str,
    holes: &Holes,
    problems: &mut Problems,
) -> bool {
    let missing: Vec<&str> = wanted.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| *key).collect();
    if missing.is_empty() {
        return false;
    }
    if !holes.any(span, &missing) {
        let list: Vec<String> = missing.iter().map(|key| format!("`{key}`")).collect();
        let why = if missing == ["out"] { ": without it the rule would also rewrite loopback traffic" } else { "" };
        problems
            .error(span, format!("{what} needs {}{why}", list.join(" and ")))
            .help(format!("as in `{what}: {example}`"));
    }
    true
}

fn network(text: &Text, problems: &mut Problems) -> Option<ipnet::IpNet> {
    let net = word(text, parse_net(text), problems)?.value;
    if net.trunc() != net {
        problems
            .error(text.span, format!("`{text}` has bits set behind its prefix length"))
            .help(format!("did you mean `{}`?", net.trunc()));
        return None;
    }
    Some(net)
}

fn masquerade(
    written: &Sp<spec::Masquerade>,
    node: &Node,
    holes: &Holes,
    problems: &mut Problems,
) -> Option<(Family, Sp<Line>)> {
    let wanted = [("from", &written.from), ("out", &written.out)];
    lacks("masquerade", written.span, &wanted, "{from: 192.168.15.0/24, out: uplink}", holes, problems);
    let from = written.from.as_ref().and_then(|f| network(f, problems));
    let out = written.out.as_ref()?;
    interface(out, out.span, false, node, problems)?;
    let from = from?;
    let words = ["-s".into(), from.to_string(), "-o".into(), out.value.clone(), "-j".into(), "MASQUERADE".into()];
    Some((Family::of(from.addr()), line("POSTROUTING", &words, written.span)))
}

fn snat(written: &Sp<spec::Snat>, node: &Node, holes: &Holes, problems: &mut Problems) -> Option<(Family, Sp<Line>)> {
    let wanted = [("from", &written.from), ("out", &written.out), ("to", &written.to)];
    lacks("snat", written.span, &wanted, "{from: 192.168.15.0/24, out: uplink, to: 203.0.113.2}", holes, problems);
    let from = written.from.as_ref().and_then(|f| network(f, problems));
    let to = written.to.as_ref().and_then(|t| word(t, parse_ip(t), problems));
    let out = written.out.as_ref()?;
    interface(out, out.span, false, node, problems)?;
    let (from, to) = (from?, to?);
    same_family(&to, from.addr(), problems)?;
    let words = ["-s", &from.to_string(), "-o", out, "-j", "SNAT", "--to-source", &to.to_string()].map(str::to_string);
    Some((Family::of(from.addr()), line("POSTROUTING", &words, written.span)))
}

fn same_family(one: &Sp<IpAddr>, other: IpAddr, problems: &mut Problems) -> Option<()> {
    if Family::of(one.value) == Family::of(other) {
        return Some(());
    }
    problems
        .error(one.span, format!("{one} and {other} are of different families"))
        .help("both are IPv4 or both are IPv6");
    None
}

fn dnat(written: &Sp<spec::Dnat>, node: &Node, holes: &Holes, problems: &mut Problems) -> Option<(Family, Sp<Line>)> {
    let example = "{in: uplink, proto: tcp, port: 80, to: \"192.168.15.2:80\"}";
    let lacking = lacks("dnat", written.span, &[("to", &written.to)], example, holes, problems);
    let target = written.to.as_ref().and_then(|t| target(t, problems));
    let place = dnat_place(written, node, holes, problems);
    let ports = dnat_ports(written, target.is_some_and(|(_, port)| port.is_some()), holes, problems);
    if lacking {
        return None;
    }
    let (ip, port) = target?;
    let (mut words, address) = place?;
    if let Some(address) = address {
        same_family(&address, ip, problems)?;
    }
    words.extend(ports?);
    let shown = match (ip, port) {
        (ip, None) => ip.to_string(),
        (ip, Some(port)) => std::net::SocketAddr::new(ip, port).to_string(),
    };
    words.extend(["-j".into(), "DNAT".into(), "--to-destination".into(), shown]);
    Some((Family::of(ip), line("PREROUTING", &words, written.span)))
}

/// `-d ADDRESS -i INTERFACE`: what the packets are known by.
fn dnat_place(
    written: &Sp<spec::Dnat>,
    node: &Node,
    holes: &Holes,
    problems: &mut Problems,
) -> Option<(Vec<String>, Option<Sp<IpAddr>>)> {
    if written.input.is_none() && written.address.is_none() {
        if !holes.any(written.span, &["in", "address"]) {
            problems
                .error(
                    written.span,
                    "dnat needs `in` or `address`: without one it would also catch what passes through",
                )
                .help("add `in: INTERFACE` or `address: ADDRESS`");
        }
        return None;
    }
    let known = written.input.as_ref().map(|input| interface(input, input.span, false, node, problems));
    let address = written.address.as_ref().map(|a| word(a, parse_ip(a), problems));
    let mut words = Vec::new();
    if let Some(address) = &address {
        words.extend(["-d".to_string(), ipnet::IpNet::from(address.as_ref()?.value).to_string()]);
    }
    if let Some(input) = &written.input {
        known??;
        words.extend(["-i".to_string(), input.value.clone()]);
    }
    Some((words, address.flatten()))
}

/// `-p PROTO -m PROTO --dport PORT`.
fn dnat_ports(
    written: &Sp<spec::Dnat>,
    target_port: bool,
    holes: &Holes,
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let range = written.port.as_ref().map(|port| ports(port, problems));
    let Some(proto) = &written.proto else {
        let span = written.port.as_ref().or(written.to.as_ref()).map_or(written.span, |t| t.span);
        if (range.is_some() || target_port) && !holes.any(written.span, &["proto"]) {
            problems.error(span, "a port needs a protocol").help("add `proto: tcp` or `proto: udp`");
        }
        return (range.is_none() && !target_port).then(Vec::new);
    };
    if !matches!(proto.as_str(), "tcp" | "udp") {
        let small = proto.to_lowercase();
        let meant = matches!(small.as_str(), "tcp" | "udp");
        let help = if meant { format!("did you mean `{small}`?") } else { "only these two have ports".into() };
        problems.error(proto.span, format!("`{proto}` is not tcp or udp")).help(help);
        return None;
    }
    let mut words = vec!["-p".to_string(), proto.value.clone()];
    if let Some(range) = range {
        words.extend(["-m".into(), proto.value.clone(), "--dport".into(), range?]);
    }
    Some(words)
}

/// `ADDRESS` or `ADDRESS:PORT`.
fn target(text: &Text, problems: &mut Problems) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some((ip, None));
    }
    let socket = word(text, parse_socket(text), problems)?;
    Some((socket.ip(), Some(socket.port())))
}

/// `80` or `8000-8010`, in iptables' words.
fn ports(text: &Text, problems: &mut Problems) -> Option<String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let a = word(text, parse_port(first), problems)?.value;
    let b = word(text, parse_port(last), problems)?.value;
    if a > b {
        problems.error(text.span, format!("`{text}` runs backwards")).help(format!("did you mean `{b}-{a}`?"));
        return None;
    }
    Some(if a == b { a.to_string() } else { format!("{a}:{b}") })
}
