//! Answers as text.

use comfy_table::{ContentArrangement, Table};

use super::escape::printable;
use crate::apply::doctor::{Finding, Level};
use crate::apply::repair::Repaired;
use crate::apply::status::{Condition, InUserSpace, Status};
use crate::error::plural;
use crate::plan::{Plan, explain};
use crate::topology::Topology;

/// A table without lines: two blanks between columns.
pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)).collect::<Vec<_>>());
    }
    let text = table.to_string();
    text.lines().map(|l| format!(" {}\n", l.trim_end())).collect()
}

/// More nodes than this are not listed one by one.
const MOST_ROWS: usize = 24;
/// More addresses of a node than this are not listed in its row.
const MOST_ADDRESSES: usize = 8;

/// The nodes of a lab with their addresses.
pub fn nodes(topology: &Topology, plan: &Plan) -> String {
    let rows = plan.nodes.iter().take(MOST_ROWS).map(|at| {
        let mut addresses: Vec<String> = topology
            .nodes
            .get(at.node.as_str())
            .into_iter()
            .flat_map(|n| &n.interfaces)
            .flat_map(|(dev, i)| i.addresses.iter().map(move |a| format!("{} {dev}", a.value)))
            .collect();
        if addresses.len() > MOST_ADDRESSES {
            let more = addresses.split_off(MOST_ADDRESSES - 1).len();
            addresses.push(format!("and {more} more"));
        }
        let place = at.netns.clone().unwrap_or_else(|| "this machine".into());
        vec![at.node.to_string(), place, addresses.join(", ")]
    });
    let mut text = table(&["NODE", "NAMESPACE", "ADDRESSES"], rows.collect());
    if plan.nodes.len() > MOST_ROWS {
        text.push_str(&format!("  … and {} more (netlab show)\n", plan.nodes.len() - MOST_ROWS));
    }
    text
}

/// A plan, phase by phase, as the commands that do the same.
pub fn plan(plan: &Plan) -> String {
    let bold = anstyle::Style::new().bold();
    let mut out = format!("{}: {} {}\n", plan.lab, plan.steps.len(), plural(plan.steps.len(), "step"));
    for (phase, lines) in explain(plan) {
        out.push_str(&format!("\n{bold}{}{bold:#}\n", phase.title()));
        lines.iter().for_each(|line| out.push_str(&format!("  {}\n", printable(line))));
    }
    out
}

/// Labs that are up, and how they are.
pub fn status(list: &[Status]) -> String {
    if list.is_empty() {
        return "no lab is up\n".into();
    }
    let mut out = String::new();
    for status in list {
        let condition = match status.condition {
            Condition::Up => "up, as it should be".to_string(),
            Condition::Drifted if status.drift.is_empty() => "up, in the middle of an action".to_string(),
            Condition::Drifted => {
                format!(
                    "up, {} {} from the plan",
                    status.drift.len(),
                    if status.drift.len() == 1 { "thing differs" } else { "things differ" }
                )
            }
            Condition::HalfUp => "half up: being started or removed, or interrupted (`netlab down` cleans up)".into(),
            Condition::Stale => "was up before this machine was restarted (`netlab up` or `netlab down`)".into(),
        };
        let host = if status.on_host { ", on this machine (--on-host)" } else { "" };
        out.push_str(&format!("{}: {condition}\n", status.lab));
        out.push_str(&format!("  from {}, by {}, {}{host}\n", status.from, status.by, ago(status.since)));
        let nodes: Vec<String> = status
            .nodes
            .iter()
            .map(|n| match &n.netns {
                Some(netns) if *netns == n.node => n.node.clone(),
                Some(netns) => format!("{} ({netns})", n.node),
                None => format!("{} (this machine)", n.node),
            })
            .collect();
        out.push_str(&format!("  nodes: {}\n", nodes.join(", ")));
        if !status.in_user_space.is_empty() {
            let one = |l: &InUserSpace| format!("{} of {} ({})", l.link, l.node, l.kind);
            let links: Vec<String> = status.in_user_space.iter().map(one).collect();
            out.push_str(&format!("  in user space: {}\n", links.join(", ")));
        }
        if !status.actions.is_empty() {
            out.push_str(&format!("  actions: {}\n", status.actions.join(", ")));
        }
        if let Some(action) = &status.interrupted {
            let lab = &status.lab;
            out.push_str(&format!(
                "  action {action} was interrupted: `netlab act {lab} {action} --undo` takes it back\n"
            ));
        }
        for drift in &status.drift {
            out.push_str(&format!("  {}: {}\n", drift.drift.node, printable(&drift.words)));
        }
        if status.condition == Condition::Drifted {
            out.push_str(&format!("  `netlab repair {}` puts it back\n", status.lab));
        }
    }
    out
}

fn ago(since: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    match now.saturating_sub(since) {
        s @ 0..=119 => format!("{s} s ago"),
        s @ 120..=7199 => format!("{} minutes ago", s / 60),
        s @ 7200..=172_799 => format!("{} hours ago", s / 3600),
        s => format!("{} days ago", s / 86_400),
    }
}

/// What `repair` did.
pub fn repaired(lab: &str, repaired: &Repaired) -> String {
    let mut out = String::new();
    for line in &repaired.mended {
        out.push_str(&format!("  mended  {}\n", printable(line)));
    }
    for line in &repaired.left {
        out.push_str(&format!("  left    {}\n", printable(line)));
    }
    let words = match (repaired.mended.is_empty(), repaired.left.is_empty()) {
        (true, true) => "is as it should be; nothing to mend",
        (false, true) => "is as it should be again",
        (_, false) => "still differs from the plan: what was added by hand may be somebody's work and stays",
    };
    out.push_str(&format!("{lab} {words}\n"));
    out
}

/// What there is to say about a machine.
pub fn findings(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let word = match finding.level {
            Level::Ok => "ok     ",
            Level::Note => "note   ",
            Level::Problem => "PROBLEM",
        };
        out.push_str(&format!("  {word}  {}: {}\n", finding.about, printable(&finding.found)));
        if let Some(todo) = &finding.todo {
            out.push_str(&format!("           {}\n", printable(todo)));
        }
    }
    let problems = findings.iter().filter(|f| f.level == Level::Problem).count();
    let no_rights = findings.iter().any(|f| f.level == Level::Problem && f.about == "rights");
    out.push_str(&match problems {
        0 => "\nthis machine can make every built-in lab\n".into(),
        n if no_rights => format!("\n{n} {} to see to; without rights no lab comes up\n", plural(n, "problem")),
        n => format!("\n{n} {} to see to; labs that are not named above can come up\n", plural(n, "problem")),
    });
    out
}
