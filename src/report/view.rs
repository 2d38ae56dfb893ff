//! `netlab show`: the nodes side by side.

use super::text::table;
use crate::apply::view::NodeView;

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
