//! BGP sessions and address pools, drawn as `calicoctl` draws them: that is what learners meet elsewhere.

use super::escape::printable;
use crate::apply::view::NodeBgp;
use crate::ip::bird::Session;
use crate::ip::ipam::{Ipam, Range};

/// `calicoctl node status`, node by node.
pub fn bgp(nodes: &[NodeBgp]) -> String {
    if nodes.is_empty() {
        return "no node has a BIRD\n".into();
    }
    let bold = anstyle::Style::new().bold();
    let mut out = String::new();
    for node in nodes {
        out.push_str(&format!("{bold}{}{bold:#}\n", printable(&node.node)));
        let Some(sessions) = &node.sessions else {
            let error = node.error.as_deref().unwrap_or_default();
            out.push_str(&format!("bird is not running ({})\n\n", printable(error).replace('\n', " ")));
            continue;
        };
        for (family, v4) in [("IPv4", true), ("IPv6", false)] {
            let of_family: Vec<&Session> = sessions.iter().filter(|s| s.neighbor.is_ipv4() == v4).collect();
            match (of_family.is_empty(), v4) {
                (true, true) => out.push_str(&format!("No {family} peers found.\n")),
                (true, false) => {}
                (false, _) => {
                    let head = ["PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO"];
                    out.push_str(&boxed(&head, &of_family.into_iter().map(row).collect::<Vec<_>>()));
                }
            }
        }
        out.push('\n');
    }
    out
}

fn row(session: &Session) -> Vec<String> {
    let since = session.since.split('.').next().unwrap_or_default().to_string();
    vec![session.neighbor.to_string(), session.peer_type().into(), session.state.clone(), since, session.info.clone()]
}

/// `calicoctl ipam show --show-blocks --show-borrowed`.
pub fn ipam(ipam: &Ipam) -> String {
    if ipam.pools.is_empty() && ipam.blocks.is_empty() {
        return "no node has a block of addresses (a black hole) or an ipset of pools\n".into();
    }
    let line = |what: &str, range: &Range, node: &str| {
        let (total, used) = (range.total(), range.used);
        let share = |n: usize| format!("{n} ({}%)", n * 100 / total.max(1));
        vec![
            what.into(),
            range.cidr.to_string(),
            total.to_string(),
            share(used),
            share(total.saturating_sub(used)),
            node.into(),
        ]
    };
    let mut rows = Vec::new();
    for pool in &ipam.pools {
        rows.push(line("IP Pool", pool, ""));
        rows.extend(
            ipam.blocks.iter().filter(|b| pool.cidr.contains(&b.range.cidr)).map(|b| line("Block", &b.range, &b.node)),
        );
    }
    let alone = |b: &&crate::ip::ipam::Block| !ipam.pools.iter().any(|pool| pool.cidr.contains(&b.range.cidr));
    rows.extend(ipam.blocks.iter().filter(alone).map(|b| line("Block", &b.range, &b.node)));
    let mut out = boxed(&["GROUPING", "CIDR", "IPS TOTAL", "IPS IN USE", "IPS FREE", "NODE"], &rows);
    if !ipam.borrowed.is_empty() {
        let row =
            |b: &crate::ip::ipam::Borrowed| vec![b.ip.to_string(), b.by.clone(), b.block.to_string(), b.from.clone()];
        out.push('\n');
        out.push_str(&boxed(
            &["IP", "BORROWING-NODE", "BLOCK", "BLOCK OWNER"],
            &ipam.borrowed.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    out
}

fn boxed(head: &[&str], rows: &[Vec<String>]) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let width = |i: usize| {
        let cells = cells.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count());
        cells.chain([head[i].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let rule: String = widths.iter().map(|w| format!("+{}", "-".repeat(w + 2))).collect::<String>() + "+\n";
    let line = |cells: Vec<String>| format!("|{}|\n", cells.join("|"));
    let mut out = rule.clone();
    out.push_str(&line(head.iter().zip(&widths).map(|(cell, w)| format!(" {cell:^w$} ")).collect()));
    out.push_str(&rule);
    for row in &cells {
        out.push_str(&line(row.iter().zip(&widths).map(|(cell, w)| format!(" {cell:<w$} ")).collect()));
    }
    out.push_str(&rule);
    out
}
