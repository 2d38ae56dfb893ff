//! What checks came to, in four forms.

use anstyle::{AnsiColor, Style};

use super::escape::printable;
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
        Format::Json => serde_json::to_string_pretty(outcomes).unwrap_or_default(),
        Format::Junit => junit(outcomes),
        Format::Tap => tap(outcomes),
    }
}

/// The lines of a failure, each with its word.
fn reasons(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("command", outcome.command.clone()),
        ("expected", outcome.expected.clone()),
        ("seen", outcome.seen.clone()),
    ];
    lines.extend(outcome.meaning.clone().map(|m| ("meaning", m)));
    lines.extend(outcome.hint.clone().map(|h| ("hint", h)));
    lines.push(("check", outcome.at.clone()));
    lines.into_iter().map(|(word, line)| (word, printable(&line))).collect()
}

fn text(outcomes: &Outcomes) -> String {
    let (good, bad) = (AnsiColor::Green.on_default(), AnsiColor::Red.on_default().bold());
    let dim = Style::new().dimmed();
    let mut out = String::new();
    for check in &outcomes.checks {
        let (style, word) = if check.passed { (good, "ok  ") } else { (bad, "FAIL") };
        let tries = if check.tries > 1 && check.passed { format!(", {} tries", check.tries) } else { String::new() };
        let time = format!("({:.0} ms{tries})", check.seconds * 1000.0);
        out.push_str(&format!("  {style}{word}{style:#}  {} {dim}{time}{dim:#}\n", printable(&check.name)));
        if !check.passed {
            for (word, line) in reasons(check) {
                out.push_str(&format!(
                    "        {dim}{word:<8}{dim:#}  {}\n",
                    line.replace('\n', "\n                  ")
                ));
            }
            out.push('\n');
        }
    }
    if !outcomes.drift.is_empty() {
        out.push_str("\nWhat differs from the plan right now:\n");
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
    let words = if all == 0 { "this lab has no checks".to_string() } else { words };
    out.push_str(&format!("\n{}: {words} ({:.2} s)\n", outcomes.lab, outcomes.seconds));
    out
}

fn tap(outcomes: &Outcomes) -> String {
    let mut out = format!("TAP version 14\n1..{}\n", outcomes.checks.len());
    for (i, check) in outcomes.checks.iter().enumerate() {
        let verdict = if check.passed { "ok" } else { "not ok" };
        out.push_str(&format!("{verdict} {} - {}\n", i + 1, printable(&check.name).replace('#', "\\#")));
        if !check.passed {
            out.push_str("  ---\n");
            for (word, line) in reasons(check) {
                out.push_str(&format!("  {word}: {}\n", serde_json::to_string(&line).unwrap_or_default()));
            }
            out.push_str("  ...\n");
        }
    }
    out
}

fn junit(outcomes: &Outcomes) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (lab, all, failed) = (xml(&outcomes.lab), outcomes.checks.len(), outcomes.failed());
    out.push_str(&format!(
        "<testsuites>\n  <testsuite name=\"{lab}\" tests=\"{all}\" failures=\"{failed}\" time=\"{:.3}\">\n",
        outcomes.seconds
    ));
    for check in &outcomes.checks {
        let (name, node) = (xml(&check.name), xml(&check.node));
        out.push_str(&format!(
            "    <testcase classname=\"{lab}.{node}\" name=\"{name}\" time=\"{:.3}\"",
            check.seconds
        ));
        if check.passed {
            out.push_str("/>\n");
            continue;
        }
        let lines: Vec<String> = reasons(check).iter().map(|(word, line)| format!("{word}: {line}")).collect();
        out.push_str(&format!(
            ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
            xml(&check.seen),
            xml(&lines.join("\n"))
        ));
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
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
            kind: "ping",
            passed,
            expected: "an answer".into(),
            seen: "silence \u{1b}[2J".into(),
            meaning: None,
            command: "ip netns exec red ping 1.2.3.4".into(),
            hint: None,
            seconds: 0.01,
            tries: 1,
            at: "x.yaml:3".into(),
        };
        Outcomes { lab: "x".into(), checks: vec![check(true), check(false)], drift: vec![], seconds: 0.1 }
    }

    #[test]
    fn no_form_lets_markup_or_escape_codes_through() {
        let all = [Format::Text, Format::Junit, Format::Tap].map(|f| draw(&outcomes(), f));
        assert!(all.iter().all(|text| !text.contains("\u{1b}[2J")));
        assert!(all[1].contains("a &lt;b&gt; &amp; &quot;c&quot;"));
        assert!(all[2].contains("not ok 2 - a <b> & \"c\" \\#1"));
    }
}
