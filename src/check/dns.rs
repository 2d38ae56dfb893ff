//! `dns: NAME`: what a program in the node finds under a name.
//!
//! Without `server` or `type` it is `getent ahosts`, which reads the node's own hosts file and resolv.conf (search list,
//! ndots) as every program does; with them it is `dig`.

use std::time::Duration;

use super::{CheckKind, Probe, Seen, Verdict, first_line, shell_words, strings, unexpected};
use crate::error::Problems;
use crate::spec::{self, Expect};

/// A look-up.
#[derive(Debug, Clone)]
pub struct Dns {
    name: String,
    server: Option<String>,
    record: Option<String>,
    expect: Expected,
}

#[derive(Debug, Clone, PartialEq)]
enum Expected {
    Answers(Vec<String>),
    NxDomain,
    NoServer,
}

/// A character of an address or a name.
fn host(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':')
}

impl CheckKind for Dns {
    const WORD: &'static str = "dns";
    const OPTIONS: &'static [&'static str] = &["server", "type"];

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let name = written.dns.as_ref()?;
        let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || name.starts_with('-') || !name.chars().all(sane) {
            problems
                .error(name.span, format!("`{name}` is not a name that can be looked up"))
                .help("as in `blue.example`: letters, digits, `.`, `-` and `_`");
            return None;
        }
        if let Some(server) =
            written.server.as_ref().filter(|s| s.is_empty() || s.starts_with('-') || !s.chars().all(host))
        {
            problems.error(server.span, format!("`{server}` is not a name server")).help("write its address");
            return None;
        }
        let expect = match written.expect.as_ref().map(|e| (&e.value, e.span)) {
            None => Expected::Answers(Vec::new()),
            Some((Expect::List(list), _)) => Expected::Answers(list.iter().map(|t| t.value.clone()).collect()),
            Some((Expect::Word(word), _)) if word == "nxdomain" => Expected::NxDomain,
            Some((Expect::Word(word), _)) if word == "timeout" => Expected::NoServer,
            Some((Expect::Word(word), _)) if word == "ok" => Expected::Answers(Vec::new()),
            Some((Expect::Word(word), _)) => Expected::Answers(vec![word.clone()]),
            Some((Expect::Properties(_), _)) => {
                unexpected(written.expect.as_ref()?, &[], "expect addresses, `nxdomain` or `timeout`", problems);
                return None;
            }
        };
        let text = |t: &Option<spec::Text>| t.as_ref().map(|t| t.value.clone());
        Some(Dns { name: name.value.clone(), server: text(&written.server), record: text(&written.r#type), expect })
    }

    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        if self.asks_server() {
            vec![("dig".into(), Some("bind9-dnsutils"))]
        } else {
            vec![("getent".into(), Some("libc-bin"))]
        }
    }

    fn probe(&self) -> Probe {
        Probe::Commands { argv: vec![self.argv()], timeout: Duration::from_secs(4) }
    }

    fn by_hand(&self) -> String {
        shell_words(&self.argv())
    }

    fn expected(&self) -> String {
        match &self.expect {
            Expected::Answers(list) if list.is_empty() => "an answer".into(),
            Expected::Answers(list) => list.join(", "),
            Expected::NxDomain => "no such name (NXDOMAIN)".into(),
            Expected::NoServer => "no answer from the server".into(),
        }
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let output = seen.first();
        let (found, nxdomain, silent) = if self.asks_server() {
            let answers = output.stdout.lines().filter(|l| !l.starts_with(';') && !l.trim().is_empty());
            let data = answers.map(|l| l.split_whitespace().skip(4).collect::<Vec<_>>().join(" "));
            let nxdomain = output.stdout.contains("status: NXDOMAIN");
            (data.collect::<Vec<_>>(), nxdomain, output.code == Some(9))
        } else {
            let mut list: Vec<String> =
                output.stdout.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_string).collect();
            list.dedup();
            list.sort();
            list.dedup();
            (list, output.code == Some(2), false)
        };
        let words = match (found.is_empty(), nxdomain, silent) {
            (false, ..) => found.join(", "),
            (_, true, _) => "no such name".into(),
            (_, _, true) => "no answer from the server".into(),
            _ => format!("nothing ({})", first_line(&format!("{}{}", output.stderr, output.stdout))),
        };
        let holds = match &self.expect {
            Expected::Answers(list) => {
                !found.is_empty()
                    && list
                        .iter()
                        .all(|want| found.iter().any(|f| f.trim_end_matches('.') == want.trim_end_matches('.')))
            }
            Expected::NxDomain => found.is_empty() && nxdomain,
            Expected::NoServer => found.is_empty() && (silent || !self.asks_server() && output.code == Some(2)),
        };
        Verdict::of(holds, words).meaning(Some(
            "look at /etc/resolv.conf and /etc/hosts inside the node (`netlab exec NODE -- cat /etc/resolv.conf`)",
        ))
    }
}

impl Dns {
    fn asks_server(&self) -> bool {
        self.server.is_some() || self.record.is_some()
    }

    fn argv(&self) -> Vec<String> {
        if !self.asks_server() {
            return strings(&["getent", "ahosts", &self.name]);
        }
        let mut argv = strings(&["dig", "+noall", "+comments", "+answer", "+time=1", "+tries=1"]);
        argv.extend(self.server.as_ref().map(|s| format!("@{s}")));
        argv.push(self.name.clone());
        argv.extend(self.record.clone());
        argv
    }
}
