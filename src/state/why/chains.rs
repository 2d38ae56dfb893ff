//! Firewall chains, followed as a packet would follow them: which lines it meets, for certain or perhaps.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::ip::iptables::{Line, Verb};

/// What a line may ask about the first packet of a flow. What is not known is `None`, and then the answer is "perhaps".
#[derive(Debug, Clone)]
pub(super) struct Packet<'p> {
    pub proto: &'p str,
    pub port: Option<u16>,
    pub to: Option<IpAddr>,
    pub source: Option<IpAddr>,
    pub came: Option<Came<'p>>,
    /// The interface that it leaves by.
    pub out: Option<&'p str>,
    /// The destination is an address of the node itself.
    pub local: Option<bool>,
}

/// Where a node has a packet from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came<'p> {
    /// One of its own programs.
    Here,
    /// An interface.
    By(&'p str),
}

/// A line that a packet meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Met<'l> {
    pub line: &'l Line,
    /// It meets it whatever chance and the rest of the firewall decide.
    pub certain: bool,
}

/// Options that are understood, with what they ask; a flag that is not among them makes its line a "perhaps".
const KNOWN: &[&str] = &[
    "-s",
    "-d",
    "-i",
    "-o",
    "-p",
    "-m",
    "-j",
    "-g",
    "--dport",
    "--ctstate",
    "--src-type",
    "--dst-type",
    "--comment",
    "--to-destination",
    "--to-source",
    "--set-xmark",
    "--random-fully",
    "--random",
    "--persistent",
    "--reject-with",
];
/// The kernel refuses loops; this holds for a lab's lines that it has not seen.
const DEEPEST: usize = 16;

/// The value of a flag, and whether a `!` stands before it.
pub(super) fn value<'l>(line: &'l Line, flags: &[&str]) -> Option<(&'l str, bool)> {
    let at = line.rest.iter().position(|w| flags.contains(&w.as_str()))?;
    let not = at > 0 && line.rest[at - 1] == "!";
    Some((line.rest.get(at + 1)?, not))
}

fn within(net: &str, ip: IpAddr) -> bool {
    net.parse::<IpNet>().is_ok_and(|n| n.contains(&ip)) || net.parse::<IpAddr>().is_ok_and(|i| i == ip)
}

impl Packet<'_> {
    /// Whether a line takes it; none where that cannot be told.
    pub fn taken_by(&self, line: &Line) -> Option<bool> {
        let mut all = Some(true);
        let mut ask = |flags: &[&str], holds: &dyn Fn(&str) -> Option<bool>| {
            if let Some((value, not)) = value(line, flags) {
                all = match (all, holds(value)) {
                    (Some(false), _) => Some(false),
                    (_, Some(held)) if held == not => Some(false),
                    (_, None) => None,
                    (all, Some(_)) => all,
                };
            }
        };
        ask(&["-p"], &|proto| Some(proto == self.proto));
        ask(&["-d"], &|net| Some(within(net, self.to?)));
        ask(&["-s"], &|net| Some(within(net, self.source?)));
        ask(&["-i"], &|dev| Some(self.came? == Came::By(dev)));
        ask(&["-o"], &|dev| Some(dev == self.out?));
        ask(&["--dport"], &|port| Some(port == self.port?.to_string()));
        ask(&["--ctstate"], &|states| Some(states.split(',').any(|s| s == "NEW")));
        ask(&["--dst-type"], &|kind| self.local.filter(|_| kind == "LOCAL"));
        ask(&["--src-type"], &|kind| Some(self.came.filter(|_| kind == "LOCAL")? == Came::Here));
        let understood = line.rest.iter().filter(|w| w.starts_with('-')).all(|w| KNOWN.contains(&w.as_str()));
        if understood || all == Some(false) { all } else { None }
    }

    /// The lines that it meets, from a built-in chain on.
    pub fn meets<'l>(&self, lines: &'l [Line], hook: &str) -> Vec<Met<'l>> {
        let mut met = Vec::new();
        self.follow(lines, hook, true, 0, &mut met);
        met
    }

    /// Whether it certainly goes no further than this chain.
    fn follow<'l>(&self, lines: &'l [Line], chain: &str, certain: bool, depth: usize, met: &mut Vec<Met<'l>>) -> bool {
        for line in lines.iter().filter(|l| l.verb == Verb::Append && l.chain == chain) {
            let taken = self.taken_by(line);
            if taken == Some(false) {
                continue;
            }
            let certain = certain && taken == Some(true);
            met.push(Met { line, certain });
            let ends = match value(line, &["-j", "-g"]).map(|(target, _)| target) {
                None | Some("MARK" | "CONNMARK" | "LOG" | "NFLOG" | "TRACE") => false,
                Some("RETURN") if taken == Some(true) => return false,
                Some("RETURN") => false,
                Some("DNAT" | "SNAT" | "MASQUERADE" | "REDIRECT" | "ACCEPT" | "DROP" | "REJECT" | "NETMAP") => true,
                Some(_) if depth == DEEPEST => false,
                Some(next) => self.follow(lines, next, certain, depth + 1, met),
            };
            if ends && taken == Some(true) {
                return true;
            }
        }
        false
    }
}

/// A line that leads to another address.
pub(super) fn destination(line: &Line) -> Option<(IpAddr, Option<u16>)> {
    let word = line.value_of(&["--to-destination"])?;
    if let Ok(ip) = word.parse() {
        return Some((ip, None));
    }
    let (ip, port) = word.rsplit_once(':')?;
    Some((ip.trim_matches(['[', ']']).parse().ok()?, Some(port.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Vec<Line> {
        text.iter().map(|l| format!("-t nat {l}").parse().unwrap()).collect()
    }

    const SERVICE: &[&str] = &[
        "-A PREROUTING -j SERVICES",
        "-A SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j SVC",
        "-A SERVICES -d 10.96.0.2/32 -p tcp -m tcp --dport 80 -j OTHER",
        "-A SERVICES -m addrtype --dst-type LOCAL -j NODEPORTS",
        "-A NODEPORTS -p tcp -m tcp --dport 32000 -j OTHER",
        "-A SVC ! -s 10.244.0.0/16 -j MASQ",
        "-A SVC -m statistic --mode random --probability 0.5 -j SEP-A",
        "-A SVC -j SEP-B",
        "-A SEP-A -p tcp -m tcp -j DNAT --to-destination 10.244.0.2:8080",
        "-A SEP-B -p tcp -m tcp -j DNAT --to-destination 10.244.0.3:8080",
        "-A OTHER -p tcp -m tcp -j DNAT --to-destination 10.244.0.9:80",
        "-A MASQ -j MARK --set-xmark 0x4000/0x4000",
    ];

    fn packet(to: &str, port: u16) -> Packet<'static> {
        Packet {
            proto: "tcp",
            port: Some(port),
            to: to.parse().ok(),
            source: "10.244.0.7".parse().ok(),
            came: Some(Came::By("eth0")),
            out: None,
            local: Some(false),
        }
    }

    fn ends(packet: &Packet<'_>) -> Vec<(String, bool)> {
        let lines = lines(SERVICE);
        let met = packet.meets(&lines, "PREROUTING");
        met.iter().filter_map(|m| Some((destination(m.line)?.0.to_string(), m.certain))).collect()
    }

    #[test]
    fn chance_makes_a_perhaps_and_the_rest_of_a_chain_may_still_be_met() {
        let both = [("10.244.0.2".to_string(), false), ("10.244.0.3".to_string(), true)];
        assert_eq!(ends(&packet("10.96.0.1", 80)), both);
        assert_eq!(ends(&packet("10.96.0.2", 80)), [("10.244.0.9".to_string(), true)]);
        assert_eq!(ends(&packet("10.96.0.1", 81)), []);
    }

    #[test]
    fn who_it_is_from_and_for_decides() {
        let own = Packet { local: Some(true), ..packet("192.168.1.1", 32000) };
        assert_eq!(ends(&own), [("10.244.0.9".to_string(), true)]);
        assert_eq!(ends(&packet("192.168.1.2", 32000)), []);
        let lines = lines(SERVICE);
        let marks = |p: &Packet<'_>| p.meets(&lines, "PREROUTING").iter().any(|m| m.line.chain == "MASQ");
        assert!(!marks(&packet("10.96.0.1", 80)));
        assert!(marks(&Packet { source: "192.168.1.9".parse().ok(), ..packet("10.96.0.1", 80) }));
        assert!(marks(&Packet { source: None, ..packet("10.96.0.1", 80) }), "perhaps");
    }
}
