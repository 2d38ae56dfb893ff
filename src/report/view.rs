//! `netlab show`: the nodes side by side.

use super::escape::printable;
use super::text::table;
use crate::apply::view::{NodeFlows, NodeView};
use crate::ip::conntrack::Flow;

/// One row per node and subject: what `ip` shows in each.
pub fn draw(views: &[NodeView]) -> String {
    let mut out = String::new();
    for node in views {
        let place = node.netns.as_ref().map_or("this machine".to_string(), |n| format!("namespace {n}"));
        let bold = anstyle::Style::new().bold();
        out.push_str(&format!("{bold}{}{bold:#} ({place})\n", node.node));
        let Some(view) = &node.view else {
            out.push_str("  its namespace is gone; `netlab repair` makes it anew\n\n");
            continue;
        };
        let subjects = [
            ("links", &view.links),
            ("routes", &view.routes),
            ("rules", &view.rules),
            ("neighbours", &view.neighbors),
            ("ipsets", &view.ipsets),
            ("firewall", &view.firewall),
            ("programs", &view.programs),
        ];
        let rows = subjects.into_iter().filter(|(_, lines)| !lines.is_empty());
        let rows: Vec<Vec<String>> = rows.map(|(subject, lines)| vec![subject.to_string(), lines.join("\n")]).collect();
        let text = table(&["", ""], rows);
        out.push_str(text.split_once('\n').map_or("", |(_, rest)| rest));
        out.push('\n');
    }
    out
}

/// The connections of nodes, those without any left out.
pub fn flows(nodes: &[NodeFlows]) -> String {
    let bold = anstyle::Style::new().bold();
    let row = |flow: &Flow| {
        let state = match (&flow.state, flow.unreplied) {
            (_, true) => "no answer".to_string(),
            (Some(state), false) => state.clone(),
            (None, false) => String::new(),
        };
        let mark = flow.mark.map(|m| format!("marked {m:#x}"));
        let translated = Some(flow.translated()).filter(|t| !t.is_empty());
        let made = translated.into_iter().chain(mark).collect::<Vec<_>>().join(", ");
        vec![flow.protocol.clone(), flow.from.clone(), flow.to.clone(), made, state, format!("{} s", flow.expires)]
    };
    let mut out = String::new();
    for node in nodes {
        match &node.flows {
            None => out.push_str(&format!("{bold}{}{bold:#}\n  its namespace is gone\n\n", printable(&node.node))),
            Some(flows) if flows.is_empty() => {}
            Some(flows) => {
                let head = ["PROTOCOL", "FROM", "TO", "TRANSLATED", "STATE", "FORGOTTEN IN"];
                let rows = table(&head, flows.iter().map(row).collect());
                out.push_str(&format!("{bold}{}{bold:#}\n{rows}\n", printable(&node.node)));
            }
        }
    }
    if out.is_empty() {
        out.push_str(
            "no node tracks a connection: a kernel does so only where a firewall line asks for it (NAT, conntrack)\n",
        );
    }
    out
}
