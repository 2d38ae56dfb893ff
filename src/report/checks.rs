//! What checks came to, in four forms.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};

use super::escape::printable;
use super::json_text;
use crate::apply::checks::{Outcome, Outcomes};
use crate::error::plural;

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For CI servers.
    Junit,
    /// Test Anything Protocol, version 14.
    Tap,
}

/// Draws them.
pub fn draw(outcomes: &Outcomes, format: Format) -> String {
    match format {
        Format::Text => text(outcomes),
        Format::Json => json_text(outcomes),
        Format::Junit => junit(outcomes),
        Format::Tap => tap(outcomes),
    }
}

/// A line of a failure, with its word.
pub(super) type Line = (&'static str, String);

/// The lines of a failure.
fn reasons(outcome: &Outcome) -> Vec<Line> {
    let mut lines = vec![
        ("command", outcome.command.clone()),
        ("expected", outcome.expected.clone()),
        ("seen", outcome.seen.clone()),
    ];
    lines.extend(outcome.why.clone().map(|w| ("why", w)));
    // What silence usually means is of no interest where it is known what it means here.
    let silent = outcome.why.is_some() && outcome.kind != "sees";
    lines.extend(outcome.meaning.clone().filter(|_| !silent).map(|m| ("meaning", m)));
    lines.extend(outcome.hint.clone().map(|h| ("hint", h)));
    lines.push(("check", outcome.at.clone()));
    lines.into_iter().map(|(word, line)| (word, printable(&line))).collect()
}

/// Lines of what passed a wire that are shown when all is well.
const SHOWN: usize = 2;

/// One check as text: a line, and when it failed what there is to say.
pub(super) fn line(check: &Outcome) -> String {
    let (good, bad) = (AnsiColor::Green.on_default(), AnsiColor::Red.on_default().bold());
    let dim = Style::new().dimmed();
    let (style, word) = if check.passed { (good, "ok  ") } else { (bad, "FAIL") };
    let tries = if check.tries > 1 && check.passed { format!(", {} tries", check.tries) } else { String::new() };
    let time = format!("({:.0} ms{tries})", check.seconds * 1000.0);
    let mut out = format!("  {style}{word}{style:#}  {} {dim}{time}{dim:#}\n", printable(&check.name));
    // What passed a wire is worth looking at when it is right, too.
    if check.passed && check.kind == "sees" {
        let lines: Vec<&str> = check.seen.lines().collect();
        let more = if lines.len() > SHOWN { " …" } else { "" };
        out.push_str(&format!(
            "        {dim}{}{more}{dim:#}\n",
            printable(&lines[..lines.len().min(SHOWN)].join("\n        "))
        ));
    }
    if !check.passed {
        for (word, line) in reasons(check) {
            out.push_str(&format!("        {dim}{word:<8}{dim:#}  {}\n", line.replace('\n', "\n                  ")));
        }
        out.push('\n');
    }
    out
}

/// One blank line, also after a failed check, which ends with its own.
fn gap(before: &str) -> &'static str {
    if before.ends_with("\n\n") { "" } else { "\n" }
}

fn text(outcomes: &Outcomes) -> String {
    let (good, bad) = (AnsiColor::Green.on_default(), AnsiColor::Red.on_default().bold());
    let mut out: String = outcomes.checks.iter().map(line).collect();
    if !outcomes.drift.is_empty() {
        out.push_str(gap(&out));
        out.push_str("What differs from the plan right now:\n");
        for drift in &outcomes.drift {
            out.push_str(&format!("  {}: {}\n", drift.drift.node, printable(&drift.words)));
        }
        out.push_str("`netlab repair` puts it back.\n");
    }
    let (failed, all) = (outcomes.failed(), outcomes.checks.len());
    let words = if failed == 0 {
        let hold = if all == 1 { "the check holds".to_string() } else { format!("all {all} checks hold") };
        format!("{good}{hold}{good:#}")
    } else {
        format!("{bad}{failed} of {all} {} failed{bad:#}", plural(all, "check"))
    };
    let words = match (all, outcomes.waiting.is_empty()) {
        (0, true) => "this lab has no checks".to_string(),
        (0, false) => "no check applies now".to_string(),
        _ => words,
    };
    let how = in_user_space(outcomes).map(|kinds| format!(", {kinds}")).unwrap_or_default();
    out.push_str(gap(&out));
    out.push_str(&format!("{}: {words} ({:.2} s{how})\n", outcomes.lab, outcomes.seconds));
    out.push_str(&waiting(outcomes));
    out
}

/// What was not the kernel's work.
fn in_user_space(outcomes: &Outcomes) -> Option<String> {
    let kinds = &outcomes.in_user_space;
    (!kinds.is_empty()).then(|| format!("{} in user space", kinds.join(" and ")))
}

/// How many checks wait for which action.
fn waiting(outcomes: &Outcomes) -> String {
    let mut for_what: BTreeMap<String, usize> = BTreeMap::new();
    for check in &outcomes.waiting {
        let after = check.after.first().map(ToString::to_string);
        let before = || check.before.first().map(|name| format!("{name} --undo"));
        *for_what.entry(after.or_else(before).unwrap_or_default()).or_default() += 1;
    }
    let lab = &outcomes.lab;
    match for_what.iter().collect::<Vec<_>>().as_slice() {
        [] => String::new(),
        [(action, 1)] => format!("1 more check waits for `netlab act {lab} {action}`\n"),
        [(action, n)] => format!("{n} more checks wait for `netlab act {lab} {action}`\n"),
        several => {
            let actions: Vec<String> = several.iter().map(|(action, n)| format!("{action} ({n})")).collect();
            let all = outcomes.waiting.len();
            format!("{all} more checks wait for `netlab act {lab} ACTION`: {}\n", actions.join(", "))
        }
    }
}

fn tap(outcomes: &Outcomes) -> String {
    let mut out = format!("TAP version 14\n1..{}\n", outcomes.checks.len());
    out.extend(in_user_space(outcomes).map(|kinds| format!("# {kinds}\n")));
    for (i, check) in outcomes.checks.iter().enumerate() {
        out.push_str(&tap_one(i + 1, check));
    }
    out
}

/// One check as TAP.
pub(super) fn tap_one(n: usize, check: &Outcome) -> String {
    let verdict = if check.passed { "ok" } else { "not ok" };
    let mut out = format!("{verdict} {n} - {}\n", tap_name(&check.name));
    if !check.passed {
        out.push_str(&tap_lines(&reasons(check)));
    }
    out
}

/// A name, with what TAP would read as a directive written out.
pub(super) fn tap_name(name: &str) -> String {
    printable(name).replace('#', "\\#")
}

/// What there is to say, as TAP's YAML block.
pub(super) fn tap_lines(lines: &[Line]) -> String {
    let line = |(word, line): &Line| format!("  {word}: {}\n", serde_json::to_string(line).unwrap_or_default());
    format!("  ---\n{}  ...\n", lines.iter().map(line).collect::<String>())
}

fn junit(outcomes: &Outcomes) -> String {
    let suite = suite(&outcomes.lab, outcomes.seconds, &outcomes.checks, None);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{suite}</testsuites>\n")
}

/// A test case of JUnit that is no check.
pub(super) struct Case {
    /// The node it is about, for a check.
    pub node: Option<String>,
    pub name: String,
    pub time: f64,
    pub passed: bool,
    pub skipped: bool,
    pub lines: Vec<Line>,
}

/// A lab's checks as a JUnit suite, with one more case when there is one.
pub(super) fn suite(lab: &str, seconds: f64, checks: &[Outcome], more: Option<Case>) -> String {
    let cases: Vec<Case> = more.into_iter().chain(checks.iter().map(case)).collect();
    let failed = cases.iter().filter(|c| !c.passed && !c.skipped).count();
    let skipped = cases.iter().filter(|c| c.skipped).count();
    let (all, name) = (cases.len(), xml(lab));
    let mut out = format!(
        "  <testsuite name=\"{name}\" tests=\"{all}\" failures=\"{failed}\" skipped=\"{skipped}\" time=\"{seconds:.3}\">\n"
    );
    for case in &cases {
        let lines: Vec<String> = case.lines.iter().map(|(word, line)| format!("{word}: {line}")).collect();
        let text = xml(&lines.join("\n"));
        let inside = match (case.passed, case.skipped) {
            (_, true) => format!("<skipped message=\"this machine cannot make it\">{text}</skipped>"),
            (true, _) => String::new(),
            (false, _) => format!("<failure message=\"{}\">{text}</failure>", xml(&case.seen())),
        };
        let class = case.node.as_ref().map_or_else(|| name.clone(), |node| format!("{name}.{}", xml(node)));
        out.push_str(&format!(
            "    <testcase classname=\"{class}\" name=\"{}\" time=\"{:.3}\">{inside}</testcase>\n",
            xml(&case.name),
            case.time
        ));
    }
    out.push_str("  </testsuite>\n");
    out
}

fn case(check: &Outcome) -> Case {
    let lines = if check.passed { Vec::new() } else { reasons(check) };
    let (node, name) = (Some(check.node.clone()), check.name.clone());
    Case { node, name, time: check.seconds, passed: check.passed, skipped: false, lines }
}

impl Case {
    /// The line that says most.
    fn seen(&self) -> String {
        let seen = self.lines.iter().find(|(word, _)| *word == "seen").or(self.lines.first());
        seen.map(|(_, line)| line.clone()).unwrap_or_default()
    }
}

fn xml(text: &str) -> String {
    let text = printable(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes() -> Outcomes {
        let check = |passed| Outcome {
            name: "a <b> & \"c\" #1".into(),
            node: "red".into(),
            kind: "ping".into(),
            passed,
            expected: "an answer".into(),
            seen: "silence \u{1b}[2J".into(),
            why: None,
            meaning: None,
            answered: false,
            command: "ip netns exec red ping 1.2.3.4".into(),
            hint: None,
            seconds: 0.01,
            tries: 1,
            at: "x.yaml:3".into(),
        };
        Outcomes {
            lab: "x".into(),
            checks: vec![check(true), check(false)],
            waiting: vec![],
            drift: vec![],
            in_user_space: vec![],
            seconds: 0.1,
        }
    }

    #[test]
    fn no_form_lets_markup_or_escape_codes_through() {
        let all = [Format::Text, Format::Junit, Format::Tap].map(|f| draw(&outcomes(), f));
        assert!(all.iter().all(|text| !text.contains("\u{1b}[2J")));
        assert!(all[1].contains("a &lt;b&gt; &amp; &quot;c&quot;"));
        assert!(all[2].contains("not ok 2 - a <b> & \"c\" \\#1"));
    }
}
