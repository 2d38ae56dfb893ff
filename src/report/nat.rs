//! `netlab show nat`: the ways through the nat table as a tree.

use std::collections::HashSet;

use anstyle::Style;

use super::escape::printable;
use crate::apply::view::NodeNat;
use crate::ip::nat::{Branch, Does, Ways};

/// The nodes that translate anything; of their ways those on which `to` is met.
pub fn draw(nodes: &[NodeNat], to: &str) -> String {
    let bold = Style::new().bold();
    let mut out = String::new();
    for node in nodes {
        let Some(ways) = &node.ways else {
            out.push_str(&format!(
                "{bold}{}{bold:#}\n  its namespace is gone; `netlab repair` makes it anew\n\n",
                node.node
            ));
            continue;
        };
        let mut drawing = Drawing::default();
        ways.iter().for_each(|ways| drawing.hook(ways, to));
        let drawn = drawing.out;
        if !drawn.is_empty() {
            out.push_str(&format!("{bold}{}{bold:#}\n{drawn}\n", printable(&node.node)));
        }
    }
    match (out.is_empty(), to) {
        (true, "") => "no node translates addresses\n".into(),
        (true, to) => format!("no way through a nat table meets `{}`\n", printable(to)),
        (false, _) => out,
    }
}

/// A branch with only the ways on which a text is met.
fn only(branch: &Branch, text: &str) -> Option<Branch> {
    let met = title(branch).contains(text)
        || branch.comment.as_deref().unwrap_or_default().contains(text)
        || is_for(&branch.when, text);
    // That the masquerade mark is for packets to an address is no way to it.
    let ways = branch.branches.iter().filter(|b| !b.only_marks());
    let branches: Vec<Branch> = ways.filter_map(|b| only(b, text)).collect();
    match (met, branches.is_empty()) {
        (true, _) => Some(branch.clone()),
        (false, true) => None,
        (false, false) => Some(Branch { branches, ..branch.clone() }),
    }
}

/// Whether `to 10.96.0.10 udp port 53` is what `10.96.0.10:53` means.
fn is_for(when: &str, text: &str) -> bool {
    let words: Vec<&str> = when.split(' ').collect();
    let has = |key: &str, value: &str| words.windows(2).any(|pair| pair == [key, value]);
    text.rsplit_once(':')
        .is_some_and(|(ip, port)| has("to", ip.trim_start_matches('[').trim_end_matches(']')) && has("port", port))
}

/// One node's ways, as far as they are drawn.
#[derive(Default)]
struct Drawing {
    out: String,
    /// Chains that stand above already: many ways lead to the same one.
    shown: HashSet<String>,
}

impl Drawing {
    fn hook(&mut self, ways: &Ways, to: &str) {
        let branches: Vec<Branch> = ways.branches.iter().filter_map(|b| only(b, to)).collect();
        if branches.is_empty() {
            return;
        }
        let when = match ways.hooks.as_slice() {
            ["PREROUTING"] => "what arrives (PREROUTING)",
            ["OUTPUT"] => "what the node itself sends (OUTPUT)",
            ["PREROUTING", "OUTPUT"] => "what arrives, and what the node itself sends (PREROUTING, OUTPUT)",
            ["POSTROUTING"] => "what leaves (POSTROUTING)",
            _ => "what is for the node itself (INPUT)",
        };
        self.out.push_str(&format!("  {when}\n"));
        self.branches(&branches, "    ", None);
    }

    fn branches(&mut self, branches: &[Branch], indent: &str, above: Option<&str>) {
        let dim = Style::new().dimmed();
        for (n, branch) in branches.iter().enumerate() {
            let last = n + 1 == branches.len();
            let (tick, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            // A chain that only leads to one address has said it; what it does besides is worth a line.
            let mut inner: Vec<Branch> = match branch.end() {
                Some(_) => branch.branches.iter().filter(|b| b.end().is_none()).cloned().collect(),
                None if branch.only_marks() => Vec::new(),
                None => branch.branches.clone(),
            };
            let mut tail = match branch.connections {
                0 => String::new(),
                1 => " (1 connection)".into(),
                n => format!(" ({n} connections)"),
            };
            if let (Does::GoTo(chain), false) = (&branch.does, inner.is_empty())
                && !self.shown.insert(chain.clone())
            {
                inner.clear();
                tail.push_str(", as above");
            }
            if branch.cut {
                // The chain itself may well stand above, where it was come to first.
                tail.push_str(if matches!(&branch.does, Does::GoTo(chain) if self.shown.contains(chain)) {
                    ", as above"
                } else {
                    ", not followed: too many ways"
                });
            }
            let comment = branch.comment.as_deref().filter(|c| Some(*c) != above);
            tail.extend(comment.map(|c| format!("  # {c}")));
            let (title, tail) = (printable(&title(branch)), printable(&tail));
            self.out.push_str(&format!("{indent}{tick}{title}{dim}{tail}{dim:#}\n"));
            self.branches(&inner, &format!("{indent}{below}"), branch.comment.as_deref().or(above));
        }
    }
}

fn title(branch: &Branch) -> String {
    let share = branch.share.map(part);
    let when = Some(branch.when.clone())
        .filter(|w| !w.is_empty() && !matches!((&branch.does, w.as_str()), (Does::Dnat(_), "tcp" | "udp")));
    let does = match (&branch.does, branch.end()) {
        (Does::Dnat(to), _) => format!("→ {to}"),
        (Does::GoTo(chain), Some(to)) => format!("→ {to} by {chain}"),
        (Does::GoTo(chain), None) => format!("→ {chain}"),
        (Does::Snat(from), _) => format!("→ from {from}"),
        (Does::Masquerade, _) => "→ from the address of the interface it leaves by (MASQUERADE)".into(),
        (Does::Mark(mark), _) => format!("mark {mark}"),
        (Does::Return, _) => "leaves this chain".into(),
        (Does::Other(target), _) => format!("→ {target}"),
    };
    share.into_iter().chain(when).chain([does]).collect::<Vec<_>>().join(" ")
}

/// `1/3`, where that is what it is; else in percent.
fn part(share: f64) -> String {
    let n = (1.0 / share).round();
    if (share - 1.0 / n).abs() < 1e-4 { format!("1/{n:.0}") } else { format!("{:.1} %", share * 100.0) }
}
