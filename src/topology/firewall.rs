//! Address translation and firewall lines of a node.

use std::net::IpAddr;

use super::Node;
use super::interfaces::word;
use crate::error::{Problems, did_you_mean};
use crate::ip::iptables::Line;
use crate::ip::{Family, parse_ip, parse_net};
use crate::name::IfName;
use crate::span::{Sp, Span};
use crate::spec::{self, Text};

pub(super) fn resolve(written: &spec::Node, node: &mut Node, problems: &mut Problems) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for nat in &written.nat {
        if let Some((family, line)) = translation(nat, node, problems) {
            if family == Family::V4 { v4.push(line) } else { v6.push(line) }
        }
    }
    v4.extend(lines(&written.iptables, Family::V4, node, problems));
    v6.extend(lines(&written.ip6tables, Family::V6, node, problems));
    (node.iptables, node.ip6tables) = (v4, v6);
}

fn lines(written: &[Text], family: Family, node: &Node, problems: &mut Problems) -> Vec<Sp<Line>> {
    let lines: Vec<Sp<Line>> = written.iter().filter_map(|text| word(text, text.parse::<Line>(), problems)).collect();
    for line in &lines {
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
                let span = line.span.narrow(&problems.source.text, value);
                problems.error(span, format!("`{value}` is not {}", family.name()));
            }
        }
    }
    lines
}

fn interface(name: &str, span: Span, pattern: bool, node: &Node, problems: &mut Problems) -> Option<()> {
    let found = node.interfaces.keys().any(|k| if pattern { k.starts_with(name) } else { k == name });
    if found {
        return Some(());
    }
    let span = span.narrow(&problems.source.text, name);
    let known: Vec<&str> = node.interfaces.keys().map(IfName::as_str).collect();
    problems
        .error(span, format!("this node has no interface `{name}`"))
        .help(did_you_mean(name, known.iter().copied()).unwrap_or(format!("it has {}", known.join(", "))));
    None
}

fn translation(nat: &spec::Nat, node: &Node, problems: &mut Problems) -> Option<(Family, Sp<Line>)> {
    match (&nat.masquerade, &nat.dnat, &nat.snat) {
        (Some(m), None, None) => masquerade(m, node, problems),
        (None, Some(d), None) => dnat(d, node, problems),
        (None, None, Some(s)) => snat(s, node, problems),
        _ => {
            problems
                .error(nat_span(nat), "each entry of `nat` is one of `masquerade`, `dnat` or `snat`")
                .help("as in `- masquerade: {from: 192.168.15.0/24, out: uplink}`");
            None
        }
    }
}

fn nat_span(nat: &spec::Nat) -> Span {
    let m = nat.masquerade.as_ref().and_then(|m| m.from.as_ref().or(m.out.as_ref()));
    let d = || nat.dnat.as_ref().and_then(|d| d.input.as_ref().or(d.to.as_ref()));
    let s = || nat.snat.as_ref().and_then(|s| s.from.as_ref().or(s.out.as_ref()));
    m.or_else(d).or_else(s).map(|t| t.span).unwrap_or_default()
}

fn line(chain: &str, words: &[String], span: Span) -> Sp<Line> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Sp::new(Line::append("nat", chain, &words), span)
}

fn need<'a>(
    value: &'a Option<Text>,
    span: Span,
    message: &str,
    help: &str,
    problems: &mut Problems,
) -> Option<&'a Text> {
    if value.is_none() {
        problems.error(span, message).help(help);
    }
    value.as_ref()
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

fn masquerade(written: &spec::Masquerade, node: &Node, problems: &mut Problems) -> Option<(Family, Sp<Line>)> {
    let span = written.from.as_ref().or(written.out.as_ref()).map(|t| t.span).unwrap_or_default();
    let out = need(
        &written.out,
        span,
        "masquerade needs `out: INTERFACE`",
        "without it the rule would also rewrite loopback traffic",
        problems,
    );
    let from = need(&written.from, span, "masquerade needs `from: NETWORK`", "as in `from: 192.168.15.0/24`", problems);
    let from = from.and_then(|f| network(f, problems));
    let out = out?;
    interface(out, out.span, false, node, problems)?;
    let from = from?;
    let words = ["-s".into(), from.to_string(), "-o".into(), out.value.clone(), "-j".into(), "MASQUERADE".into()];
    Some((Family::of(from.addr()), line("POSTROUTING", &words, span)))
}

fn snat(written: &spec::Snat, node: &Node, problems: &mut Problems) -> Option<(Family, Sp<Line>)> {
    let span =
        written.from.as_ref().or(written.out.as_ref()).or(written.to.as_ref()).map(|t| t.span).unwrap_or_default();
    let to = need(&written.to, span, "snat needs `to: ADDRESS`", "the new source address", problems);
    let out =
        need(&written.out, span, "snat needs `out: INTERFACE`", "the interface that the packets leave by", problems);
    let from = need(&written.from, span, "snat needs `from: NETWORK`", "as in `from: 192.168.15.0/24`", problems);
    let from = from.and_then(|f| network(f, problems));
    let to = to.and_then(|t| word(t, parse_ip(t), problems));
    let out = out?;
    interface(out, out.span, false, node, problems)?;
    let (from, to) = (from?, to?);
    same_family(&to, from.addr(), problems)?;
    let words = ["-s", &from.to_string(), "-o", out, "-j", "SNAT", "--to-source", &to.to_string()].map(str::to_string);
    Some((Family::of(from.addr()), line("POSTROUTING", &words, span)))
}

fn same_family(one: &Sp<IpAddr>, other: IpAddr, problems: &mut Problems) -> Option<()> {
    if Family::of(one.value) == Family::of(other) {
        return Some(());
    }
    problems.error(one.span, format!("{one} and {other} are of different families"));
    None
}

fn dnat(written: &spec::Dnat, node: &Node, problems: &mut Problems) -> Option<(Family, Sp<Line>)> {
    let place = [&written.input, &written.to, &written.port];
    let span = place.into_iter().flatten().next().map(|t| t.span).unwrap_or_default();
    let to = need(&written.to, span, "dnat needs `to: ADDRESS:PORT`", "where the packets go instead", problems);
    let target = to.and_then(|t| target(t, problems));
    let mut words = Vec::new();
    let mut good = true;
    if let Some(input) = &written.input {
        good &= interface(input, input.span, false, node, problems).is_some();
        words.extend(["-i".to_string(), input.value.clone()]);
    }
    if let Some(address) = &written.address {
        let ip = word(address, parse_ip(address), problems)?;
        let net = ipnet::IpNet::from(ip.value);
        words.splice(0..0, ["-d".to_string(), net.to_string()]);
    }
    if written.input.is_none() && written.address.is_none() {
        problems
            .error(span, "dnat needs `in: INTERFACE` or `address: ADDRESS`")
            .help("without one it would also catch what passes through");
        good = false;
    }
    match (&written.proto, &written.port) {
        (Some(proto), port) => {
            if !matches!(proto.as_str(), "tcp" | "udp") {
                problems.error(proto.span, format!("`{proto}` is not tcp or udp"));
                good = false;
            }
            words.extend(["-p".to_string(), proto.value.clone()]);
            if let Some(port) = port {
                let range = ports(port, problems);
                good &= range.is_some();
                words.extend(["-m".into(), proto.value.clone(), "--dport".into(), range.unwrap_or_default()]);
            }
        }
        (None, Some(port)) => {
            problems.error(port.span, "a port needs `proto: tcp` or `proto: udp`");
            good = false;
        }
        (None, None) => {
            if target.as_ref().is_some_and(|(_, port)| port.is_some()) {
                problems.error(span, "a target port needs `proto: tcp` or `proto: udp`");
                good = false;
            }
        }
    }
    let (ip, port) = target?;
    let shown = match (ip, port) {
        (ip, None) => ip.to_string(),
        (ip, Some(port)) => std::net::SocketAddr::new(ip, port).to_string(),
    };
    words.extend(["-j".into(), "DNAT".into(), "--to-destination".into(), shown]);
    good.then(|| (Family::of(ip), line("PREROUTING", &words, span)))
}

/// `ADDRESS` or `ADDRESS:PORT`.
fn target(text: &Text, problems: &mut Problems) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some((ip, None));
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>()
        && socket.port() > 0
    {
        return Some((socket.ip(), Some(socket.port())));
    }
    problems
        .error(text.span, format!("`{text}` is not ADDRESS or ADDRESS:PORT"))
        .help("iptables takes addresses, not names; a port is 1 to 65535");
    None
}

/// `80` or `8000-8010`, in iptables' words.
fn ports(text: &Text, problems: &mut Problems) -> Option<String> {
    let number = |word: &str| word.parse::<u16>().ok().filter(|n| *n > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (number(first), number(last)) {
        (Some(a), Some(b)) if a == b => Some(a.to_string()),
        (Some(a), Some(b)) if a < b => Some(format!("{a}:{b}")),
        _ => {
            problems
                .error(text.span, format!("`{text}` is not a port from 1 to 65535"))
                .help("as in `80` or `8000-8010`");
            None
        }
    }
}
