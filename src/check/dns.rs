//! `dns: NAME`: what a program in the node finds under a name.
//!
//! Without `server` or `type` it is `getent ahosts`, which reads the node's own hosts file and resolv.conf (search list,
//! ndots) as every program does; with them it is `dig`. A name that is not there and a server that is not there look the
//! same to `getent`, so where that matters `dig +showsearch` is asked as well.

use std::time::Duration;

use super::{CheckKind, Output, Probe, Seen, Target, Verdict, shell_words, strings, unexpected};
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
    Timeout,
    Refused,
}

/// What `dig` was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Something, perhaps with nothing in it.
    Answer,
    NxDomain,
    /// The server is there, and could not or would not say.
    Failure(&'static str),
    /// Nobody said anything.
    Silence,
    /// The machine is there, the server is not.
    NoServer,
    /// No way to it.
    NoWay,
    /// It did not run.
    Nothing,
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
        const HELP: &str = "expect addresses, `nxdomain`, `timeout` or `refused`";
        let expect = match written.expect.as_ref().map(|e| &e.value) {
            None => Expected::Answers(Vec::new()),
            Some(Expect::List(list)) => Expected::Answers(list.iter().map(|t| t.value.clone()).collect()),
            Some(Expect::Word(word)) => match word.as_str() {
                "ok" => Expected::Answers(Vec::new()),
                "nxdomain" => Expected::NxDomain,
                "timeout" => Expected::Timeout,
                "refused" => Expected::Refused,
                _ => Expected::Answers(vec![word.clone()]),
            },
            Some(Expect::Properties(_)) => {
                unexpected(written.expect.as_ref()?, &[], HELP, problems);
                return None;
            }
        };
        let text = |t: &Option<spec::Text>| t.as_ref().map(|t| t.value.clone());
        Some(Dns { name: name.value.clone(), server: text(&written.server), record: text(&written.r#type), expect })
    }

    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        let package = |program: &str| if program == "dig" { "bind9-dnsutils" } else { "libc-bin" };
        self.argv().into_iter().map(|argv| (argv[0].clone(), Some(package(&argv[0])))).collect()
    }

    fn probe(&self) -> Probe {
        Probe::Commands { argv: self.argv(), timeout: Duration::from_secs(4) }
    }

    fn by_hand(&self) -> String {
        self.argv().last().map(|argv| shell_words(argv)).unwrap_or_default()
    }

    fn expected(&self) -> String {
        match &self.expect {
            Expected::Answers(list) if list.is_empty() => "an answer".into(),
            Expected::Answers(list) => list.join(", "),
            Expected::NxDomain => "an answer that there is no such name (NXDOMAIN)".into(),
            Expected::Timeout => "no answer from the server".into(),
            Expected::Refused => "refused at once: no server there".into(),
        }
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let Seen::Outputs(outputs) = seen else { return Verdict::of(false, "nothing") };
        let (mut found, mut told) = (Vec::new(), None);
        for (argv, output) in self.argv().iter().zip(outputs) {
            if argv[0] == "dig" {
                found.extend(answers(output));
                told = Some(Told::of(output));
            } else {
                let addresses = output.stdout.lines().filter_map(|l| l.split_whitespace().next());
                found.extend(addresses.map(str::to_string));
            }
        }
        found.sort();
        found.dedup();
        let words = match (found.is_empty(), told) {
            (false, _) => found.join(", "),
            (true, Some(told)) => told.words().to_string(),
            (true, None) => "nothing".into(),
        };
        let same = |want: &String| found.iter().any(|f| f.trim_end_matches('.') == want.trim_end_matches('.'));
        let holds = match &self.expect {
            Expected::Answers(list) => !found.is_empty() && list.iter().all(same),
            Expected::NxDomain => found.is_empty() && told == Some(Told::NxDomain),
            Expected::Timeout => found.is_empty() && told == Some(Told::Silence),
            Expected::Refused => found.is_empty() && told == Some(Told::NoServer),
        };
        Verdict::of(holds, words).meaning(Some(match told {
            _ if !found.is_empty() => "the name leads elsewhere than expected",
            Some(Told::NxDomain) => "the server answers: is the name spelt right, is the search list?",
            Some(Told::Silence) => {
                "no way to the name server or back, a firewall that drops port 53, or the wrong address"
            }
            Some(Told::NoServer) => "the address answers, but no name server listens there",
            Some(Told::NoWay) => "there is no route to the name server",
            Some(Told::Failure(_)) => "the server is there, but the one that it would ask is not, or it may not ask",
            Some(Told::Answer) => "the name is there, but not with a record of that type",
            Some(Told::Nothing) | None => {
                "no such name, or no server: `dig +showsearch NAME` in the node tells which, /etc/resolv.conf whom it asks"
            }
        }))
    }

    fn blocked_target(&self) -> Option<Target> {
        (self.expect == Expected::Timeout).then(|| self.target()).flatten()
    }

    fn reached_target(&self) -> Option<Target> {
        matches!(self.expect, Expected::Answers(_) | Expected::NxDomain).then(|| self.target()).flatten()
    }

    fn as_witness(&self) -> Option<Self> {
        Some(Dns { expect: Expected::Answers(Vec::new()), ..self.clone() })
    }
}

impl Dns {
    fn argv(&self) -> Vec<Vec<String>> {
        let mut dig = strings(&["dig", "+noall", "+comments", "+answer", "+time=1", "+tries=1"]);
        if self.server.is_none() && self.record.is_none() {
            let getent = strings(&["getent", "ahosts", &self.name]);
            if matches!(self.expect, Expected::Answers(_)) {
                return vec![getent];
            }
            dig.extend(["+showsearch".to_string(), self.name.clone()]);
            return vec![getent, dig];
        }
        dig.extend(self.server.as_ref().map(|s| format!("@{s}")));
        dig.push(self.name.clone());
        dig.extend(self.record.clone());
        vec![dig]
    }

    /// The server, when the check names one.
    fn target(&self) -> Option<Target> {
        let server = self.server.as_ref()?;
        Some(Target { ip: server.parse().ok(), key: format!("dns {server}") })
    }
}

/// The data of the answers: `NAME TTL IN TYPE DATA`.
fn answers(output: &Output) -> impl Iterator<Item = String> {
    let lines = output.stdout.lines().filter(|l| !l.starts_with(';') && !l.trim().is_empty());
    lines.map(|l| l.split_whitespace().skip(4).collect::<Vec<_>>().join(" "))
}

impl Told {
    fn of(output: &Output) -> Told {
        let text = format!("{}{}", output.stdout, output.stderr);
        let has = |words: &str| text.contains(words);
        match output.code {
            Some(0) if has("status: NXDOMAIN") => Told::NxDomain,
            Some(0) if has("status: SERVFAIL") => Told::Failure("SERVFAIL: the server could not find out"),
            Some(0) if has("status: REFUSED") => Told::Failure("REFUSED: the server would not say"),
            Some(0) if has("status: ") => Told::Answer,
            Some(9) if has("connection refused") => Told::NoServer,
            Some(9) if has("timed out") => Told::Silence,
            Some(9) => Told::NoWay,
            _ => Told::Nothing,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Told::Answer => "the name is there, but has no such record",
            Told::NxDomain => "no such name (NXDOMAIN)",
            Told::Failure(words) => words,
            Told::Silence => "no answer from the server",
            Told::NoServer => "refused: no name server at that address",
            Told::NoWay => "no way to the server",
            Told::Nothing => "dig did not end in time",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dns(expect: Expected) -> Dns {
        Dns { name: "web".into(), server: None, record: None, expect }
    }

    fn outputs(getent: (i32, &str), dig: (i32, &str)) -> Seen {
        let output =
            |(code, stdout): (i32, &str)| Output { code: Some(code), stdout: stdout.into(), stderr: "".into() };
        Seen::Outputs(vec![output(getent), output(dig)])
    }

    const NXDOMAIN: &str = ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 1\n";
    const TIMED_OUT: &str = ";; communications error to 10.9.0.1#53: timed out\n;; no servers could be reached\n";
    const REFUSED: &str =
        ";; communications error to 10.9.0.1#53: connection refused\n;; no servers could be reached\n";

    #[test]
    fn a_name_that_is_not_there_and_a_server_that_is_not_are_told_apart() {
        let all =
            [(Expected::NxDomain, 0, NXDOMAIN), (Expected::Timeout, 9, TIMED_OUT), (Expected::Refused, 9, REFUSED)];
        for (expect, ..) in &all {
            for (other, code, said) in &all {
                let verdict = dns(expect.clone()).judge(&outputs((2, ""), (*code, said)));
                assert_eq!(verdict.holds, expect == other, "{expect:?} when {said}: {verdict:?}");
            }
            // A name in the hosts file is there, whatever the server says.
            assert!(!dns(expect.clone()).judge(&outputs((0, "10.0.0.1 STREAM web\n"), (0, NXDOMAIN))).holds);
        }
    }
}
