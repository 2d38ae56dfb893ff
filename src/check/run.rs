//! `run: [ARGV]`: any command in the node, judged by its exit code and what it prints.

use std::time::Duration;

use super::{CheckKind, Probe, Seen, Verdict, first_line, shell_words, unexpected};
use crate::error::Problems;
use crate::spec::{self, Expect};

/// A command.
#[derive(Debug, Clone)]
pub struct Run {
    argv: Vec<String>,
    exit: u8,
    stdout: Option<String>,
}

impl CheckKind for Run {
    const WORD: &'static str = "run";
    const EXPECTS: &'static [&'static str] = &["exit", "stdout"];

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let argv: Vec<String> = written.run.as_ref()?.iter().map(|w| w.value.clone()).collect();
        if argv.first().is_none_or(String::is_empty) {
            let span = written.run.iter().flatten().next().or(written.from.as_ref()).or(written.on.as_ref());
            problems
                .error(span.map(|t| t.span).unwrap_or_default(), "`run` has no program")
                .help("as in `run: [ip, route]`");
            return None;
        }
        let (exit, stdout) = match written.expect.as_ref().map(|e| (&e.value, e.span)) {
            None => (0, None),
            Some((Expect::Properties(p), _)) => {
                (p.exit.as_ref().map_or(0, |e| e.value), p.stdout.as_ref().map(|s| s.value.clone()))
            }
            Some((Expect::Word(_) | Expect::List(_), _)) => {
                unexpected(written.expect.as_ref()?, &[], "expect `{exit: 0, stdout: TEXT}`", problems);
                return None;
            }
        };
        Some(Run { argv, exit, stdout })
    }

    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        vec![(self.argv[0].clone(), None)]
    }

    fn probe(&self) -> Probe {
        Probe::Commands { argv: vec![self.argv.clone()], timeout: Duration::from_secs(10) }
    }

    fn by_hand(&self) -> String {
        shell_words(&self.argv)
    }

    fn expected(&self) -> String {
        let mut words = format!("exit code {}", self.exit);
        if let Some(text) = &self.stdout {
            words.push_str(&format!(" and output with `{text}`"));
        }
        words
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let output = seen.first();
        let code = output.code.map_or("no exit code".into(), |c| format!("exit code {c}"));
        let said = first_line(&format!("{}{}", output.stdout, output.stderr));
        let words = if said.is_empty() { code } else { format!("{code}, `{said}`") };
        let right =
            output.code == Some(i32::from(self.exit)) && self.stdout.as_ref().is_none_or(|t| output.stdout.contains(t));
        Verdict::of(right, words)
    }
}
