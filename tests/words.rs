//! The words of `ip` and `iptables` survive printing and reading: whatever can be said is read back as the same.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use netlab::check::filter::Filter;
use netlab::check::packet::{Frame, Packet};
use netlab::ip::iptables::{Line, TABLES};
use netlab::ip::{Address, Mac, Neighbor, Route, Rule, WordError};
use proptest::prelude::*;
use proptest::sample::select;

/// Prints and reads back; the second printing is the same text.
fn survives<T>(line: &str) -> Result<(), TestCaseError>
where
    T: FromStr<Err = WordError> + PartialEq + std::fmt::Debug + std::fmt::Display,
{
    let first = line.parse::<T>().map_err(|e| TestCaseError::fail(format!("`{line}`: {}", e.message)))?;
    let printed = first.to_string();
    let again =
        printed.parse::<T>().map_err(|e| TestCaseError::fail(format!("`{line}` as `{printed}`: {}", e.message)))?;
    prop_assert_eq!(&first, &again, "`{}` as `{}`", line, &printed);
    prop_assert_eq!(printed, again.to_string());
    Ok(())
}

fn v4() -> impl Strategy<Value = IpAddr> {
    (1..=223u8, any::<[u8; 3]>())
        .prop_filter("loopback", |(a, _)| *a != 127)
        .prop_map(|(a, [b, c, d])| IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
}

fn v6() -> impl Strategy<Value = IpAddr> {
    any::<[u16; 7]>().prop_map(|[b, c, d, e, f, g, h]| IpAddr::V6(Ipv6Addr::new(0xfd00, b, c, d, e, f, g, h)))
}

fn ip(six: bool) -> BoxedStrategy<IpAddr> {
    if six { v6().boxed() } else { v4().boxed() }
}

/// A network: no bits behind its prefix length.
fn network(six: bool) -> impl Strategy<Value = IpNet> {
    (ip(six), 1..=(if six { 128u8 } else { 32 })).prop_map(|(ip, length)| IpNet::new(ip, length).unwrap().trunc())
}

fn interface() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9._-]{0,14}".prop_filter("reserved", |name| !matches!(name.as_str(), "all" | "default"))
}

/// Nothing, or these words.
fn perhaps(words: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::option::of(words).prop_map(|words| words.map_or(String::new(), |w| format!(" {w}")))
}

fn number(word: &'static str, from: u32) -> impl Strategy<Value = String> {
    (from..=u32::MAX).prop_map(move |n| format!("{word} {n}"))
}

fn destination(six: bool) -> impl Strategy<Value = String> {
    prop_oneof![1 => Just("default".to_string()), 2 => network(six).prop_map(|n| n.to_string()), 1 => ip(six).prop_map(|i| i.to_string())]
}

fn table() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..=u32::MAX).prop_map(|n| format!("table {n}")),
        select(vec!["main", "local", "default"]).prop_map(|t| format!("table {t}")),
    ]
}

fn proto() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["kernel", "boot", "static", "bird", "dhcp", "bgp"]).prop_map(|p| format!("proto {p}")),
        any::<u8>().prop_map(|p| format!("proto {p}")),
    ]
}

/// What may stand behind the ways of a route, in any order that `ip` takes.
fn attributes(six: bool) -> impl Strategy<Value = String> {
    let scope = select(vec!["global", "site", "link", "host", "nowhere"]).prop_map(|s| format!("scope {s}"));
    (
        perhaps(proto()),
        perhaps(scope),
        perhaps(ip(six).prop_map(|i| format!("src {i}"))),
        perhaps(number("metric", 0)),
        perhaps(table()),
        perhaps(number("mtu", 1)),
    )
        .prop_map(|(a, b, c, d, e, f)| vec![a, b, c, d, e, f])
        .prop_shuffle()
        .prop_map(|words| words.concat())
}

/// `via …`, `dev …`, or both. A default route takes its family from its gateway or source.
fn way(six: bool) -> impl Strategy<Value = String> {
    let via = move || ip(six).prop_map(|i| format!("via {i}"));
    let dev = || interface().prop_map(|d| format!("dev {d}"));
    prop_oneof![
        (via(), perhaps(dev())).prop_map(|(a, b)| a + &b),
        (via(), dev()).prop_map(|(a, b)| format!("{a} {b} onlink")),
        dev(),
    ]
}

fn route(six: bool) -> impl Strategy<Value = String> {
    let single = (destination(six), way(six), attributes(six)).prop_map(|(to, way, rest)| format!("{to} {way}{rest}"));
    let hop = (way(six), 1..=256u16).prop_map(|(way, weight)| match way.strip_suffix(" onlink") {
        Some(plain) => format!(" nexthop {plain} weight {weight} onlink"),
        None => format!(" nexthop {way} weight {weight}"),
    });
    let many = (destination(six), attributes(six), prop::collection::vec(hop, 2..4))
        .prop_map(|(to, rest, hops)| format!("{to}{rest}{}", hops.concat()));
    let dead = (select(vec!["blackhole", "unreachable", "prohibit", "throw"]), destination(six), attributes(six))
        .prop_map(|(action, to, rest)| format!("{action} {to}{rest}"));
    prop_oneof![3 => single, 1 => many, 1 => dead]
}

fn rule(six: bool) -> impl Strategy<Value = String> {
    let selector = |word: &'static str| {
        prop_oneof![
            Just("all".to_string()),
            network(six).prop_map(|n| n.to_string()),
            ip(six).prop_map(|i| i.to_string())
        ]
        .prop_map(move |to| format!("{word} {to}"))
    };
    let mark = (any::<u32>(), prop::option::of(any::<u32>())).prop_map(|(value, mask)| match mask {
        Some(mask) => format!("fwmark {value:#x}/{mask:#x}"),
        None => format!("fwmark {value}"),
    });
    (
        select(vec!["", "not "]),
        selector("from"),
        perhaps(selector("to")),
        perhaps(mark),
        perhaps(interface().prop_map(|d| format!("iif {d}"))),
        perhaps(interface().prop_map(|d| format!("oif {d}"))),
        table(),
        number("priority", 0),
    )
        .prop_map(|(not, from, to, mark, iif, oif, table, priority)| {
            format!("{not}{from}{to}{mark}{iif}{oif} {table} {priority}")
        })
}

fn address(six: bool) -> impl Strategy<Value = String> {
    let length = if six { 1..=128u8 } else { 31..=32 };
    let scope = select(vec!["global", "site", "link", "host", "nowhere"]).prop_map(|s| format!("scope {s}"));
    // An odd address is never that of the network itself.
    let host = ip(six).prop_map(|ip| match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) | 1)),
    });
    (host, length, perhaps(ip(six).prop_map(|i| format!("peer {i}"))), perhaps(scope))
        .prop_map(|(ip, length, peer, scope)| format!("{ip}/{length}{peer}{scope}"))
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(|mut bytes| {
        bytes[0] = bytes[0] & 0xfe | 0x02;
        Mac(bytes)
    })
}

fn neighbor(six: bool) -> impl Strategy<Value = String> {
    let entry = (ip(six), mac(), interface(), select(vec!["", " permanent", " nud permanent"]))
        .prop_map(|(ip, mac, dev, state)| format!("{ip} lladdr {mac} dev {dev}{state}"));
    let proxy = (ip(six), interface()).prop_map(|(ip, dev)| format!("proxy {ip} dev {dev}"));
    prop_oneof![3 => entry, 1 => proxy]
}

/// A firewall line from its parts: words may hold blanks, quotes and backslashes.
fn firewall() -> impl Strategy<Value = Line> {
    let word = prop_oneof![
        3 => "[!-~]{1,12}".prop_filter("needs a protocol", |w| !w.contains("port")),
        1 => "[ -~]{0,12}".prop_filter("needs a protocol", |w| !w.contains("port")),
    ];
    let table = select(TABLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    (table, "[A-Z][A-Za-z0-9-]{0,27}", prop::collection::vec(word, 0..6)).prop_map(|(table, chain, rest)| {
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        Line::append(table, &chain, &rest)
    })
}

/// Headers as a `sees` check asks for them, each inside one that can hold it.
fn filter() -> impl Strategy<Value = String> {
    let ends = |side: BoxedStrategy<String>| {
        let side = prop_oneof![1 => Just("*".to_string()), 3 => side];
        perhaps((side.clone(), side).prop_map(|(from, to)| format!("{from} > {to}")))
    };
    let ports = move || ends((1..=u16::MAX).prop_map(|p| p.to_string()).boxed());
    let address =
        |six| prop_oneof![ip(six).prop_map(|i| i.to_string()), network(six).prop_map(|n| n.to_string())].boxed();
    let byte = |word: &'static str| perhaps((0..=255u8).prop_map(move |n| format!("{word} {n}")));
    let internet = move || {
        any::<bool>().prop_flat_map(move |six| {
            let word = if six { "ip6" } else { "ip" };
            (ends(address(six)), byte("ttl"), byte("proto")).prop_map(move |(e, t, p)| format!("{word}{e}{t}{p}"))
        })
    };
    let vni = |word: &'static str| {
        perhaps((0..0x100_0000u32).prop_map(|n| format!("vni {n}"))).prop_map(move |v| format!("udp / {word}{v}"))
    };
    let tunnel = prop_oneof![
        perhaps(number("key", 0)).prop_map(|key| format!(" / gre{key}")),
        vni("vxlan").prop_map(|v| format!(" / {v}")),
        vni("geneve").prop_map(|v| format!(" / {v} / eth")),
        Just(String::new()),
    ];
    let last = prop_oneof![
        Just(String::new()),
        ports().prop_map(|p| format!(" / udp{p}")),
        (ports(), select(vec!["", " syn", " syn ack", " rst"])).prop_map(|(p, f)| format!(" / tcp{p}{f}")),
        select(vec![" / icmp echo request", " / icmp unreachable port", " / icmp6 neighbor"]).prop_map(str::to_string),
        "[ -~&&[^\"]]{3,12}".prop_map(|text| format!(" / plaintext \"{text}\"")),
    ];
    let tag = prop_oneof![2 => Just(String::new()), 1 => (1..=4094u16).prop_map(|id| format!("vlan {id} / "))];
    (tag, internet(), tunnel, internet(), last)
        .prop_map(|(tag, outer, tunnel, inner, last)| format!("{tag}{outer}{tunnel} / {inner}{last}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What `ip` would fill in is printed, so two routes are the same when they are without it.
    #[test]
    fn routes(line in any::<bool>().prop_flat_map(route)) {
        let read: Route = line.parse().map_err(|e: WordError| TestCaseError::fail(format!("`{line}`: {}", e.message)))?;
        let printed = read.to_string();
        let again = printed.parse::<Route>().map_err(|e| TestCaseError::fail(format!("`{printed}`: {}", e.message)))?;
        prop_assert_eq!(read.canonical(), again.clone().canonical(), "`{}` as `{}`", line, &printed);
        prop_assert_eq!(again.to_string(), printed);
    }

    /// What the kernel fills in is left out once, and not again.
    #[test]
    fn canonical_routes(line in any::<bool>().prop_flat_map(route)) {
        let once = line.parse::<Route>().unwrap().canonical();
        prop_assert_eq!(&once.clone().canonical(), &once);
        let again = once.to_string().parse::<Route>().unwrap().canonical();
        prop_assert_eq!(again, once);
    }

    #[test]
    fn rules(line in any::<bool>().prop_flat_map(rule)) {
        survives::<Rule>(&line)?;
    }

    #[test]
    fn addresses(line in any::<bool>().prop_flat_map(address)) {
        survives::<Address>(&line)?;
    }

    #[test]
    fn neighbours(line in any::<bool>().prop_flat_map(neighbor)) {
        survives::<Neighbor>(&line)?;
    }

    #[test]
    fn firewall_lines(line in firewall()) {
        let printed = line.to_string();
        let read = printed.parse::<Line>().map_err(|e| TestCaseError::fail(format!("`{printed}`: {}", e.message)))?;
        prop_assert_eq!(&read, &line, "`{}`", printed);
    }

    #[test]
    fn filters(line in filter()) {
        survives::<Filter>(&line)?;
    }

    /// A packet is whatever its sender put on the wire.
    #[test]
    fn any_bytes_are_a_packet(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        start in select(vec![None, Some(0x0800), Some(0x86dd), Some(0x0806), Some(0x8100)]),
        wrapped in any::<bool>(),
    ) {
        // Half of them at least begin as IPv4 with a protocol that nests.
        let mut bytes = bytes;
        if wrapped && bytes.len() > 20 {
            bytes[0] = 0x45;
            bytes[9] = [4, 17, 41, 47, 1, 6][usize::from(bytes[9]) % 6];
        }
        let frame = Frame { bytes, bare: start, tag: None };
        let packet = Packet::read(&frame);
        prop_assert!(packet.words(|_| true).len() < 4000);
        prop_assert!(!"ip / ip / ip / ip / ip / ip / ip / ip / ip / ip / ip".parse::<Filter>().unwrap().matches(&frame, &packet));
    }

    /// Whatever stands there, the answer is a value or a message that names a word; nothing else.
    #[test]
    fn any_text_is_answered(line in "[^\\pC\"'\\\\]{0,20}|[ \ta-z:/.0-9-]{0,40}") {
        let errors = [
            line.parse::<Route>().err(),
            line.parse::<Rule>().err(),
            line.parse::<Address>().err(),
            line.parse::<Neighbor>().err(),
            line.parse::<Line>().err(),
            line.parse::<Filter>().err(),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert!(!error.message.is_empty());
            prop_assert!(line.contains(&error.word) || error.word == "nexthop" || error.word == "iptables", "{error:?}");
        }
    }
}
