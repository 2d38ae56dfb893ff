//! `has: [LINES]`: lines that the node's own tools must (or, with `expect: absent`, must not) show.

use std::time::Duration;

use super::{CheckKind, Probe, Seen, Verdict, expect_word, shell_words, strings};
use crate::error::Problems;
use crate::spec;

/// Lines to look for.
#[derive(Debug, Clone)]
pub struct Has {
    lines: Vec<String>,
    present: bool,
}

const VIEWS: &[&[&str]] = &[
    &["ip", "-br", "addr"],
    &["ip", "route"],
    &["ip", "-6", "route"],
    &["ip", "rule"],
    &["ip", "neigh"],
    &["ip", "-o", "-d", "link"],
    &["bridge", "link"],
    &["bridge", "fdb"],
];

impl CheckKind for Has {
    const WORD: &'static str = "has";

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let lines = written.has.as_ref()?;
        let words = |line: &spec::Text| line.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(empty) = lines.iter().find(|l| l.trim().is_empty()) {
            problems.error(empty.span, "an empty line is always there").help("delete it");
        }
        if lines.is_empty() {
            let span = written.on.as_ref().or(written.from.as_ref()).map(|t| t.span).unwrap_or_default();
            problems.error(span, "`has` has no lines").help("as in `has: [default via 10.0.0.1]`");
        }
        let present = expect_word(written, &[("present", true), ("absent", false)], true, problems)?;
        Some(Has { lines: lines.iter().map(words).collect(), present })
    }

    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        self.argv()
            .into_iter()
            .map(|a| (a[0].clone(), Some(if a[0] == "iptables-save" { "iptables" } else { "iproute2" })))
            .collect()
    }

    fn probe(&self) -> Probe {
        Probe::Commands { argv: self.argv(), timeout: Duration::from_secs(4) }
    }

    fn by_hand(&self) -> String {
        let argv = self.argv();
        let commands: Vec<String> = argv.iter().map(|a| shell_words(a)).collect();
        if commands.len() == 1 { commands.join("") } else { format!("sh -c '{}'", commands.join("; ")) }
    }

    fn expected(&self) -> String {
        let there = if self.present { "present" } else { "absent" };
        match self.lines.as_slice() {
            [line] => format!("`{line}` {there}"),
            lines => format!("these {} lines {there}", lines.len()),
        }
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let Seen::Outputs(outputs) = seen else {
            return Verdict::of(false, "nothing");
        };
        let shown: Vec<String> = outputs
            .iter()
            .flat_map(|o| o.stdout.lines())
            .map(|l| format!(" {} ", unmarked(l).split_whitespace().collect::<Vec<_>>().join(" ")))
            .collect();
        let there = |line: &&String| shown.iter().any(|s| s.contains(&format!(" {line} ")));
        if shown.is_empty() {
            return Verdict::of(false, "the tools printed nothing at all");
        }
        let (found, lacking): (Vec<_>, Vec<_>) = self.lines.iter().partition(there);
        let (wrong, which) = if self.present { (lacking, "not there") } else { (found, "there") };
        let words = match (wrong.as_slice(), self.lines.as_slice()) {
            ([], _) => if self.present { "all there" } else { "none there" }.to_string(),
            ([_], [_]) => format!("it is {which}"),
            (wrong, _) => wrong.iter().map(|line| format!("{which}: `{line}`")).collect::<Vec<_>>().join("\n"),
        };
        Verdict::of(wrong.is_empty(), words)
    }
}

impl Has {
    /// Firewall lines start with a dash or a colon; everything else is `ip`'s and `bridge`'s.
    fn firewall(&self) -> bool {
        self.lines.iter().any(|l| l.starts_with(['-', ':', '*']))
    }

    fn argv(&self) -> Vec<Vec<String>> {
        let mut argv: Vec<Vec<String>> = Vec::new();
        if self.lines.iter().any(|l| !l.starts_with(['-', ':', '*'])) {
            argv.extend(VIEWS.iter().map(|v| strings(v)));
        }
        if self.firewall() {
            argv.push(strings(&["iptables-save"]));
        }
        argv
    }
}

/// The rule without the comment that says it is the lab's: on the machine itself every rule carries one.
fn unmarked(line: &str) -> String {
    let Some((before, rest)) = line.split_once(" -m comment --comment \"netlab:") else { return line.to_string() };
    format!("{before}{}", rest.split_once('"').map_or("", |(_, after)| after))
}

#[cfg(test)]
mod tests {
    use super::super::Output;
    use super::*;

    #[test]
    fn a_line_is_found_whatever_its_blanks_but_not_half_a_word() {
        let has = |line: &str| Has { lines: vec![line.into()], present: true };
        let output =
            Output { code: Some(0), stdout: "default via 10.0.0.1   dev eth0\n".into(), stderr: String::new() };
        let seen = Seen::Outputs(vec![output]);
        assert!(has("default via 10.0.0.1 dev eth0").judge(&seen).holds);
        assert!(has("via 10.0.0.1").judge(&seen).holds);
        assert!(!has("via 10.0.0").judge(&seen).holds);
    }
}
