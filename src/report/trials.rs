//! What trials of labs came to, in four forms.

use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::checks::{self, Format, Line};
use super::escape::printable;
use super::json_text;
use crate::apply::checks::Outcome;
use crate::apply::trial::{Trial, Verdict};
use crate::error::plural;

/// All of them. As text only the last line: each one has been drawn as it ended.
pub fn draw(trials: &[Trial], format: Format, seconds: f64) -> String {
    match format {
        Format::Text => summary(trials, seconds),
        Format::Json => json_text(&json!({ "labs": trials, "seconds": seconds })),
        Format::Junit => junit(trials, seconds),
        Format::Tap => tap(trials),
    }
}

/// One of them, as text.
pub fn one(trial: &Trial) -> String {
    let dim = Style::new().dimmed();
    let (style, word) = match trial.verdict {
        Verdict::Passed => (AnsiColor::Green.on_default(), "ok    "),
        Verdict::Failed => (AnsiColor::Red.on_default().bold(), "FAIL  "),
        Verdict::Unable => (AnsiColor::Yellow.on_default().bold(), "UNABLE"),
    };
    let mut out = format!("  {style}{word}{style:#}  {}", printable(&trial.lab));
    if trial.verdict != Verdict::Unable {
        let (n, up, down) = (trial.checks.len(), trial.up * 1000.0, trial.down * 1000.0);
        let checked = trial.checks.iter().map(|c| c.seconds).fold(0.0, f64::max);
        out.push_str(&format!(
            " {dim}(up {up:.0} ms, {n} {} {checked:.2} s, down {down:.0} ms){dim:#}",
            plural(n, "check")
        ));
    }
    out.push('\n');
    for line in reasons(trial) {
        out.push_str(&format!("          {line}\n"));
    }
    for check in trial.checks.iter().filter(|c| !c.passed) {
        out.push_str(&checks::line(check));
    }
    out
}

/// What went wrong besides the checks.
fn reasons(trial: &Trial) -> Vec<String> {
    // The whole of it is `netlab up`'s to say.
    let most = if trial.verdict == Verdict::Unable { 1 } else { usize::MAX };
    let error = trial.error.iter().flat_map(|e| e.lines().filter(|l| !l.trim().is_empty()).take(most)).map(printable);
    let left = trial.left.iter().map(|l| format!("left behind: {}", printable(l)));
    let drift = trial.drift.iter().map(|d| format!("differs from the plan: {}", printable(d)));
    error.chain(left).chain(drift).collect()
}

fn summary(trials: &[Trial], seconds: f64) -> String {
    let count = |verdict| trials.iter().filter(|t| t.verdict == verdict).count();
    let (passed, failed, unable) = (count(Verdict::Passed), count(Verdict::Failed), count(Verdict::Unable));
    let held: usize = trials.iter().flat_map(|t| &t.checks).filter(|c| c.passed).count();
    let all: usize = trials.iter().map(|t| t.checks.len()).sum();
    let mut words = vec![format!("{passed} of {} {} passed", trials.len(), plural(trials.len(), "lab"))];
    if failed > 0 {
        words.push(format!("{failed} failed"));
    }
    if unable > 0 {
        words.push(format!("{unable} cannot be made on this machine"));
    }
    let next = if unable > 0 { "`netlab doctor` says what this machine lacks, and what to do\n" } else { "" };
    format!("\n{}; {held} of {all} checks hold ({seconds:.2} s)\n{next}", words.join(", "))
}

/// What a lab's life shows besides its checks, as one more test: it comes up, and nothing of it stays.
fn life(trial: &Trial) -> (String, bool) {
    let lived = trial.error.is_none() && trial.left.is_empty();
    (format!("{} comes up, and goes without a trace", trial.lab), lived)
}

fn tap(trials: &[Trial]) -> String {
    let tests: usize = trials.iter().map(|t| t.checks.len() + 1).sum();
    let mut out = format!("TAP version 14\n1..{tests}\n");
    let mut n = 0;
    for trial in trials {
        n += 1;
        let (name, lived) = life(trial);
        let name = checks::tap_name(&name);
        match trial.verdict {
            Verdict::Unable => out.push_str(&format!("ok {n} - {name} # SKIP this machine cannot make it\n")),
            _ if lived => out.push_str(&format!("ok {n} - {name}\n")),
            _ => out.push_str(&format!("not ok {n} - {name}\n")),
        }
        if !reasons(trial).is_empty() {
            out.push_str(&checks::tap_lines(&[("why", reasons(trial).join("\n"))]));
        }
        for check in &trial.checks {
            n += 1;
            out.push_str(&checks::tap_one(
                n,
                &Outcome { name: format!("{}: {}", trial.lab, check.name), ..check.clone() },
            ));
        }
    }
    out
}

fn junit(trials: &[Trial], seconds: f64) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(&format!("<testsuites time=\"{seconds:.3}\">\n"));
    for trial in trials {
        let (name, lived) = life(trial);
        let lines: Vec<Line> = reasons(trial).into_iter().map(|line| ("why", line)).collect();
        let unable = trial.verdict == Verdict::Unable;
        let more =
            checks::Case { node: None, name, time: trial.up + trial.down, passed: lived, skipped: unable, lines };
        out.push_str(&checks::suite(&trial.lab, trial.seconds(), &trial.checks, Some(more)));
    }
    out.push_str("</testsuites>\n");
    out
}
