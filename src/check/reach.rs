//! `reach: all`, or a list of nodes: every one of them reaches every other one, asked with one ICMP echo per pair.
//!
//! Thousands of pairs at once are asked over netlab's own sockets, one per node; for a single pair `ping` is the check
//! that teaches more.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{CheckKind, Probe, Seen, Verdict};
use crate::error::{Problems, did_you_mean};
use crate::ip::Family;
use crate::name::NodeName;
use crate::spec::{self, Text};

/// A matrix of pings.
#[derive(Debug, Clone)]
pub struct Reach {
    /// None of them: every node that has an address.
    written: Vec<Text>,
    blocked: Vec<(Text, String, String)>,
    /// The nodes, and the address that the others ask for.
    pub nodes: Vec<(NodeName, IpAddr)>,
    /// Which addresses; IPv4 where there are any, if not said.
    family: Option<Family>,
}

/// What came back from a matrix: pairs that were silent, by the numbers of their nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    /// Asked, and no answer.
    pub silent: Vec<(usize, usize)>,
    /// The kernel's table of neighbours was full.
    pub table_full: bool,
}

impl CheckKind for Reach {
    const WORD: &'static str = "reach";
    const OPTIONS: &'static [&'static str] = &["blocked", "family"];

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let names = &written.reach.0;
        let all = names.len() == 1 && names[0].value == "all";
        if !all && names.len() < 2 {
            let span = names.first().map(|n| n.span).unwrap_or_default();
            problems
                .error(span, "`reach` takes `all`, or two nodes and more")
                .help("as in `reach: [red, blue, green]`");
            return None;
        }
        if let Some(expect) = &written.expect {
            problems
                .error(expect.span, "a reach check expects that every pair gets through")
                .help("pairs that must not stand in `blocked`, as in `blocked: [red > blue]`");
            return None;
        }
        let family = match &written.family {
            None => None,
            Some(text) => match text.as_str() {
                "ipv4" => Some(Family::V4),
                "ipv6" => Some(Family::V6),
                other => {
                    let help = did_you_mean(other, ["ipv4", "ipv6"]).unwrap_or("write `ipv4` or `ipv6`".into());
                    problems.error(text.span, format!("there is no address family `{other}`")).help(help);
                    return None;
                }
            },
        };
        let mut blocked = Vec::new();
        for pair in &written.blocked {
            match pair.value.split_once('>') {
                Some((from, to)) => blocked.push((pair.clone(), from.trim().to_string(), to.trim().to_string())),
                None => {
                    problems.error(pair.span, format!("`{pair}` is not a pair")).help("write it as `red > blue`");
                    return None;
                }
            }
        }
        Some(Reach { written: if all { Vec::new() } else { names.clone() }, blocked, nodes: Vec::new(), family })
    }

    fn probe(&self) -> Probe {
        Probe::Matrix { nodes: self.nodes.iter().map(|(name, ip)| (name.to_string(), *ip)).collect() }
    }

    fn by_hand(&self) -> String {
        let all: Vec<String> = self.nodes.iter().take(20).map(|(_, ip)| ip.to_string()).collect();
        format!("sh -c 'for to in {}; do ping -n -q -c 1 -W 1 $to; done'", all.join(" "))
    }

    fn expected(&self) -> String {
        let n = self.nodes.len();
        let open = n * n.saturating_sub(1) - self.blocked.len();
        match self.blocked.len() {
            0 => format!("all {open} pairs of {n} nodes get through"),
            b => format!("{open} pairs of {n} nodes get through, {b} do not"),
        }
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let Seen::Pairs(matrix) = seen else { return Verdict::of(false, "nothing") };
        let number = |name: &str| self.nodes.iter().position(|(n, _)| n.as_str() == name);
        let blocked: Vec<(usize, usize)> =
            self.blocked.iter().filter_map(|(_, a, b)| Some((number(a)?, number(b)?))).collect();
        let silent = |pair: &(usize, usize)| matrix.silent.contains(pair);
        let failed: Vec<(usize, usize)> = matrix.silent.iter().filter(|p| !blocked.contains(p)).copied().collect();
        let open: Vec<(usize, usize)> = blocked.iter().filter(|p| !silent(p)).copied().collect();
        // Silence proves something only when somebody else gets through to the same node.
        let answers = |to: usize| (0..self.nodes.len()).any(|from| from != to && !silent(&(from, to)));
        let unproven: Vec<(usize, usize)> = blocked.iter().filter(|(_, to)| !answers(*to)).copied().collect();
        let mut words = Vec::new();
        let pairs = self.nodes.len() * self.nodes.len().saturating_sub(1);
        for (list, what) in [
            (&failed, "do not get through"),
            (&open, "get through and must not"),
            (&unproven, "are silent, but nobody else gets through there either"),
        ] {
            if !list.is_empty() {
                words.push(format!("{} of {pairs} pairs {what}:\n{}", list.len(), self.compact(list)));
            }
        }
        let meaning = if matrix.table_full {
            "the kernel's table of neighbours was full (one for all namespaces together): raise net.ipv4.neigh.default.gc_thresh3 on \
             the machine itself"
        } else if !open.is_empty() {
            "something lets packets through that should not"
        } else {
            "a node that nobody reaches is down or has lost its route back; one that reaches nobody has none out"
        };
        if words.is_empty() {
            return Verdict::of(true, format!("all {pairs} pairs are as they should be"));
        }
        Verdict::of(false, words.join("\n")).meaning(Some(meaning))
    }
}

impl Reach {
    /// The addresses that are asked for.
    pub fn family(&self) -> Family {
        self.family.unwrap_or(Family::V4)
    }

    /// Finds the nodes among those of the lab, each with its addresses, `lo`'s first.
    pub fn settle(&mut self, all: &[(NodeName, Vec<IpAddr>)], problems: &mut Problems) {
        // An address that holds on one wire only is none that others could ask for.
        let far = |ip: &IpAddr| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let of =
            |family: Family, ips: &Vec<IpAddr>| ips.iter().copied().find(|ip| Family::of(*ip) == family && far(ip));
        let have = |family: Family| all.iter().filter(|(_, ips)| of(family, ips).is_some()).count();
        let family =
            self.family.unwrap_or(if have(Family::V4) < 2 && have(Family::V6) >= 2 { Family::V6 } else { Family::V4 });
        self.family = Some(family);
        if self.written.is_empty() {
            self.nodes = all.iter().filter_map(|(name, ips)| Some((name.clone(), of(family, ips)?))).collect();
        }
        for text in &self.written {
            let Some((name, ips)) = all.iter().find(|(name, _)| *name.as_str() == text.value) else {
                let help = did_you_mean(text, all.iter().map(|(name, _)| name.as_str()));
                let help = help.unwrap_or_else(|| "add it to `nodes`, or leave it out".into());
                problems.error(text.span, format!("there is no node `{text}`")).help(help);
                continue;
            };
            match of(family, ips) {
                Some(ip) => self.nodes.push((name.clone(), ip)),
                None => {
                    let message = format!("`{text}` has no {} address that others could ask for", family.name());
                    problems.error(text.span, message).help("give it one, or leave it out");
                }
            }
        }
        for (text, from, to) in &self.blocked {
            for name in [from, to] {
                if !self.nodes.iter().any(|(n, _)| n.as_str() == name) {
                    let help = did_you_mean(name, self.nodes.iter().map(|(n, _)| n.as_str()));
                    let help = help.unwrap_or_else(|| "name nodes that the check asks".into());
                    problems.error(text.span, format!("`{name}` is none of the nodes of this check")).help(help);
                }
            }
        }
    }

    /// `r1 → r3, r4`; whole rows and columns in a word.
    fn compact(&self, pairs: &[(usize, usize)]) -> String {
        const MOST: usize = 12;
        let name = |n: usize| self.nodes[n].0.as_str();
        let others = self.nodes.len().saturating_sub(1);
        let mut to: BTreeMap<usize, usize> = BTreeMap::new();
        pairs.iter().for_each(|(_, b)| *to.entry(*b).or_default() += 1);
        let unreached = |b: usize| others > 1 && to.get(&b) == Some(&others);
        let mut lines: Vec<String> =
            to.keys().filter(|b| unreached(**b)).map(|b| format!("everybody → {}", name(*b))).collect();
        let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        pairs.iter().filter(|(_, b)| !unreached(*b)).for_each(|(a, b)| rows.entry(*a).or_default().push(*b));
        for (from, row) in rows {
            let few: Vec<&str> = row.iter().take(MOST).map(|b| name(*b)).collect();
            let more = if row.len() > MOST { format!(" and {} more", row.len() - MOST) } else { String::new() };
            let words = if row.len() == others && others > 1 { "everybody".into() } else { few.join(", ") + &more };
            lines.push(format!("{} → {words}", name(from)));
        }
        if lines.len() > MOST {
            let more = lines.len() - MOST;
            lines.truncate(MOST);
            lines.push(format!("and {more} more nodes"));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(blocked: &[(&str, &str)]) -> Reach {
        let node = |n: u8| (NodeName::new(&format!("r{n}")).unwrap(), IpAddr::from([10, 0, 0, n]));
        let blocked = blocked.iter().map(|(a, b)| (Text::default(), a.to_string(), b.to_string()));
        Reach { written: Vec::new(), blocked: blocked.collect(), nodes: (1..=4).map(node).collect(), family: None }
    }

    fn judged(reach: &Reach, silent: &[(usize, usize)]) -> Verdict {
        reach.judge(&Seen::Pairs(Matrix { silent: silent.to_vec(), table_full: false }))
    }

    #[test]
    fn failing_pairs_are_shown_in_few_words() {
        assert!(judged(&reach(&[]), &[]).holds);
        let one = judged(&reach(&[]), &[(0, 2), (0, 3)]);
        assert!(!one.holds && one.seen.contains("2 of 12 pairs") && one.seen.contains("r1 → r3, r4"), "{one:?}");
        let column = judged(&reach(&[]), &[(0, 2), (1, 2), (3, 2)]);
        assert!(column.seen.contains("everybody → r3"), "{column:?}");
        let row = judged(&reach(&[]), &[(1, 0), (1, 2), (1, 3)]);
        assert!(row.seen.contains("r2 → everybody"), "{row:?}");
    }

    #[test]
    fn a_blocked_pair_needs_somebody_who_gets_through() {
        let blocked = reach(&[("r1", "r3")]);
        assert!(judged(&blocked, &[(0, 2)]).holds);
        assert!(!judged(&blocked, &[]).holds);
        assert!(judged(&blocked, &[(0, 2), (1, 2), (3, 2)]).seen.contains("nobody else"));
    }
}
