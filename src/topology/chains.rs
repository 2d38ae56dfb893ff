//! Firewall lines of a node taken together: chains that are not there, targets that nobody knows, circles; and what
//! iptables refuses of one line, with its word. iptables still has the last word on matches and targets.

use std::collections::{BTreeMap, HashMap};

use super::interfaces::place_in;
use crate::error::{Problems, did_you_mean};
use crate::ip::iptables::{Line, TABLES, Verb};
use crate::ip::{Family, parse_ip};
use crate::span::Sp;

/// Targets of iptables and of the extensions that distributions ship.
const TARGETS: &[&str] = &[
    "ACCEPT",
    "DROP",
    "RETURN",
    "QUEUE",
    "REJECT",
    "LOG",
    "MASQUERADE",
    "SNAT",
    "DNAT",
    "REDIRECT",
    "NETMAP",
    "MARK",
    "CONNMARK",
    "NFQUEUE",
    "NFLOG",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TPROXY",
    "NOTRACK",
    "CT",
    "TOS",
    "DSCP",
    "ECN",
    "TTL",
    "HL",
    "SET",
    "CLASSIFY",
    "TRACE",
    "TEE",
    "AUDIT",
    "CHECKSUM",
    "CLUSTERIP",
    "CONNSECMARK",
    "SECMARK",
    "HMARK",
    "IDLETIMER",
    "LED",
    "RATEEST",
    "SYNPROXY",
    "ULOG",
    "DNPT",
    "SNPT",
    "TARPIT",
    "CHAOS",
    "DELUDE",
    "DHCPMAC",
    "DNETMAP",
    "ECHO",
    "IPMARK",
    "LOGMARK",
    "PROTO",
    "SYSRQ",
    "ACCOUNT",
    "RAWSNAT",
    "RAWDNAT",
];

/// Targets that rewrite addresses, and the chains of table `nat` that they work in.
const REWRITERS: &[(&str, &[&str])] = &[
    ("MASQUERADE", &["POSTROUTING"]),
    ("SNAT", &["POSTROUTING", "INPUT"]),
    ("DNAT", &["PREROUTING", "OUTPUT"]),
    ("REDIRECT", &["PREROUTING", "OUTPUT"]),
];

/// The names of `/etc/protocols` that a lab may need, and those that iptables adds.
const PROTOCOLS: &[&str] = &[
    "all",
    "ip",
    "icmp",
    "igmp",
    "ipencap",
    "ipip",
    "tcp",
    "egp",
    "udp",
    "dccp",
    "ipv6",
    "ipv6-route",
    "ipv6-frag",
    "rsvp",
    "gre",
    "esp",
    "ah",
    "icmpv6",
    "ipv6-icmp",
    "ipv6-nonxt",
    "ipv6-opts",
    "eigrp",
    "ospf",
    "etherip",
    "encap",
    "pim",
    "ipcomp",
    "vrrp",
    "l2tp",
    "isis",
    "sctp",
    "mh",
    "ipv6-mh",
    "mobility-header",
    "udplite",
    "mptcp",
    "ethernet",
];

/// States of a connection, for `--ctstate` and `--state`.
const STATES: &[&str] = &["NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"];

/// Flags that mean nothing without a word after them.
const WANT_A_WORD: &[&str] = &[
    "-j",
    "--jump",
    "-g",
    "--goto",
    "-p",
    "--protocol",
    "-s",
    "--source",
    "-d",
    "--destination",
    "-i",
    "--in-interface",
    "-o",
    "--out-interface",
    "-m",
    "--match",
    "--dport",
    "--sport",
    "--dports",
    "--sports",
    "--ctstate",
    "--state",
    "--to-destination",
    "--to-source",
    "--to-ports",
    "--comment",
    "--set-mark",
    "--match-set",
];

/// What iptables would refuse of one line.
pub(super) fn line(line: &Sp<Line>, family: Family, problems: &mut Problems) {
    let mut wrong = |word: &str, what: String, help: String| {
        let span = place_in(line.span, word, problems);
        problems.error(span, what).help(help);
    };
    if let Some(last) = line.rest.last().filter(|w| WANT_A_WORD.contains(&w.as_str())) {
        return wrong(last, format!("`{last}` needs a value after it"), "add it, or leave the word out".into());
    }
    for pair in line.rest.windows(2) {
        let (flag, value) = (pair[0].as_str(), pair[1].as_str());
        let said = match flag {
            "-s" | "--source" | "-d" | "--destination" => value.split(',').find_map(|a| address(a, family)),
            "-p" | "--protocol" => protocol(value),
            "--dport" | "--sport" | "--destination-port" | "--source-port" | "--dports" | "--sports" | "--ports" => {
                value.split(',').find_map(ports)
            }
            "--ctstate" | "--state" => value.split(',').find_map(state),
            _ => None,
        };
        if let Some((word, what, help)) = said {
            wrong(&word, what, help);
        }
    }
    let has = |flags: [&str; 2]| line.rest.iter().find(|w| flags.contains(&w.as_str()));
    match (line.chain.as_str(), has(["-i", "--in-interface"]), has(["-o", "--out-interface"])) {
        ("INPUT" | "PREROUTING", _, Some(flag)) => {
            let what = format!("`{flag}` means nothing in {}: the way out is not known there", line.chain);
            wrong(flag, what, "write `-i`, or take FORWARD, OUTPUT or POSTROUTING".into());
        }
        ("OUTPUT" | "POSTROUTING", Some(flag), _) => {
            let what = format!("`{flag}` means nothing in {}: the way in is not known there", line.chain);
            wrong(flag, what, "write `-o`, or take FORWARD, INPUT or PREROUTING".into());
        }
        _ => {}
    }
    if let Some((target, chains)) = target(line).and_then(|t| REWRITERS.iter().find(|(name, _)| *name == t)) {
        let built_in =
            TABLES.iter().any(|(table, chains)| *table == line.table && chains.contains(&line.chain.as_str()));
        let fits = line.table == "nat" && (!built_in || chains.contains(&line.chain.as_str()));
        if !fits {
            let list = chains.iter().map(|c| format!("`-t nat -A {c}`")).collect::<Vec<_>>().join(" or ");
            let what = format!("{target} does not work in {} of table {}", line.chain, line.table);
            wrong(target, what, format!("write it with {list}"));
        }
    }
}

type Said = Option<(String, String, String)>;

fn address(text: &str, family: Family) -> Said {
    let (ip, mask) = text.split_once('/').map_or((text, None), |(ip, mask)| (ip, Some(mask)));
    if let Err(e) = parse_ip(ip) {
        return Some((ip.into(), e.message, e.help.unwrap_or_else(|| "as in `10.0.0.0/8`".into())));
    }
    let most = if family == Family::V4 { 32 } else { 128 };
    let good = |mask: &str| mask.parse::<u8>().is_ok_and(|n| n <= most) || mask.parse::<std::net::IpAddr>().is_ok();
    let mask = mask.filter(|mask| !good(mask))?;
    let help = if most == 32 { "as in `10.0.0.0/8`" } else { "as in `fd00::/64`" };
    Some((text.into(), format!("`/{mask}` is not a prefix length from 0 to {most}"), help.into()))
}

fn protocol(text: &str) -> Said {
    let small = text.to_lowercase();
    if PROTOCOLS.contains(&small.as_str()) || text.parse::<u8>().is_ok() {
        return None;
    }
    let help = did_you_mean(&small, PROTOCOLS.iter().copied()).unwrap_or("as in `-p tcp`; a number will do".into());
    Some((text.into(), format!("there is no protocol `{text}`"), help))
}

/// `80`, `8000:8010`; names of services are looked up by iptables.
fn ports(text: &str) -> Said {
    let ends: Vec<&str> = text.split(':').collect();
    let digits = |end: &&str| !end.is_empty() && end.bytes().all(|b| b.is_ascii_digit());
    for end in ends.iter().filter(|e| digits(e)) {
        if end.parse::<u16>().is_err() || end.len() > 1 && end.starts_with('0') {
            return Some(((*end).into(), format!("`{end}` is not a port from 0 to 65535"), "as in `80`".into()));
        }
    }
    let number = |end: Option<&&str>| end.and_then(|e| e.parse::<u16>().ok());
    let (first, last) = (number(ends.first())?, number(ends.get(1))?);
    (first > last).then(|| (text.into(), format!("`{text}` runs backwards"), format!("did you mean `{last}:{first}`?")))
}

fn state(text: &str) -> Said {
    if STATES.contains(&text.to_uppercase().as_str()) {
        return None;
    }
    let list = format!("there are {}", STATES.join(", "));
    let help = did_you_mean(text, STATES.iter().copied()).unwrap_or(list);
    Some((text.into(), format!("a connection has no state `{text}`"), help))
}

/// Where a rule sends its packets.
fn target(line: &Line) -> Option<&str> {
    line.value_of(&["-j", "--jump", "-g", "--goto"])
}

/// What is wrong with `lines` beside those that are there `before` them.
pub(super) fn check(lines: &[Sp<Line>], before: &[Sp<Line>], problems: &mut Problems) {
    let mut chains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in before.iter().chain(lines).filter(|l| l.verb == Verb::NewChain) {
        chains.entry(&line.table).or_default().push(&line.chain);
    }
    let built_in = |table: &str| TABLES.iter().find(|(name, _)| *name == table).map_or(&[][..], |(_, chains)| *chains);
    for line in lines.iter().filter(|l| matches!(l.verb, Verb::Append | Verb::Insert)) {
        let own = chains.get(line.table.as_str()).map_or(&[][..], Vec::as_slice);
        let there = built_in(&line.table);
        if !own.contains(&line.chain.as_str()) && !there.contains(&line.chain.as_str()) {
            let near = did_you_mean(&line.chain, own.iter().chain(there).copied());
            let make = format!("-t {} -N {}", line.table, line.chain).replace("-t filter ", "");
            problems
                .error(
                    place_in(line.span, &line.chain, problems),
                    format!("table {} has no chain `{}`", line.table, line.chain),
                )
                .help(near.unwrap_or_else(|| format!("add the line `{make}` before it")));
        }
        let Some(target) = target(line) else { continue };
        if own.contains(&target) || TARGETS.contains(&target) {
            continue;
        }
        let span = place_in(line.span, target, problems);
        if there.contains(&target) {
            problems
                .error(span, format!("`{target}` is built in: the kernel goes there, rules cannot"))
                .help("send it to a chain of your own (`-N NAME`), or to ACCEPT or DROP");
        } else if let Some((table, _)) = chains.iter().find(|(_, names)| names.contains(&target)) {
            problems
                .error(span, format!("`{target}` is a chain of table {table}, and this line of table {}", line.table))
                .help("a rule goes to chains of its own table");
        } else {
            let near = did_you_mean(target, own.iter().chain(TARGETS).copied());
            problems
                .error(span, format!("there is no chain and no target `{target}`"))
                .help(near.unwrap_or_else(|| format!("add the line `-N {target}`, or take ACCEPT, DROP or RETURN")));
        }
    }
    circles(lines, before, problems);
}

/// A chain that leads back to itself (the kernel: ELOOP, "Too many links").
fn circles(lines: &[Sp<Line>], before: &[Sp<Line>], problems: &mut Problems) {
    let mut ways: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
    let all = before.iter().map(|l| (l, false)).chain(lines.iter().map(|l| (l, true)));
    for (line, new) in all.filter(|(l, _)| matches!(l.verb, Verb::Append | Verb::Insert)) {
        let (table, chain) = (line.table.as_str(), line.chain.as_str());
        let Some(target) = target(line).filter(|t| !TARGETS.contains(t)) else { continue };
        let mut seen = vec![target];
        let mut next = 0;
        while next < seen.len() && !seen.contains(&chain) {
            let further = ways.get(&(table, seen[next])).into_iter().flatten();
            let new: Vec<&str> = further.filter(|t| !seen.contains(t)).copied().collect();
            seen.extend(new);
            next += 1;
        }
        if seen.contains(&chain) {
            // Of one that was there before it has been told.
            if !new {
                continue;
            }
            problems
                .error(line.span, format!("`{chain}` leads back to itself over `{target}`"))
                .help("the kernel takes no circle of chains: leave one of the jumps out");
        } else {
            ways.entry((table, chain)).or_default().push(target);
        }
    }
}
