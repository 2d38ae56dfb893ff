//! `spread: URL`: many requests at once, and who answered how many of them: how a load balancer shares out.
//!
//! The servers must say who they are, as netlab's own responder does: `NODE saw CLIENT`.
//!
//! Lots are drawn, so there is no number that a fair share always has. What is expected of each is the largest number that
//! a fair spread misses less than once in a million runs (a sum over the binomial distribution); a share that is missed
//! because one gets nothing, or a small part of its due, is far below it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::seen::SILENCE;
use super::{CheckKind, Output, Probe, Seen, Target, Verdict, http_url, shell_words, strings};
use crate::error::Problems;
use crate::spec::{self, Expect};

/// Requests, if the lab file does not say how many.
const REQUESTS: u32 = 90;
/// More than this is no lesson.
const MOST_REQUESTS: u32 = 1000;
/// How seldom a fair spread may fail.
const SELDOM: f64 = 1e-6;
/// What stands for an endpoint that refuses, and for one that does not answer.
pub const NO_SERVER: &[&str] = &["refused", "timeout"];

/// Many requests.
#[derive(Debug, Clone)]
pub struct Spread {
    url: String,
    options: Vec<String>,
    requests: u32,
    names: Vec<String>,
}

impl CheckKind for Spread {
    const WORD: &'static str = "spread";
    const OPTIONS: &'static [&'static str] = &["requests", "host", "source"];

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let url = written.spread.as_ref()?;
        let good = http_url(url, &["http://"], "http://10.96.0.10/", problems);
        let requests = match &written.requests {
            Some(said) if !(2..=MOST_REQUESTS).contains(&said.value) => {
                problems
                    .error(said.span, format!("{said} requests; a spread takes 2 to {MOST_REQUESTS}"))
                    .help(format!("{REQUESTS} if you leave it out"));
                None
            }
            Some(said) => Some(said.value),
            None => Some(REQUESTS),
        };
        let names = names(written, problems)?;
        let requests = requests?;
        if fair(requests, names.len()) == 0 {
            let span = written.requests.as_ref().map_or(url.span, |r| r.span);
            let enough = (requests..=MOST_REQUESTS).find(|n| fair(*n, names.len()) > 0);
            problems
                .error(span, format!("of {requests} requests one of {} may get none, if lots are drawn", names.len()))
                .help(enough.map_or("list fewer names".into(), |n| format!("write `requests: {n}` or more")));
            return None;
        }
        let mut options = Vec::new();
        if let Some(source) = &written.source {
            options.extend(["--interface".to_string(), source.value.clone()]);
        }
        if let Some(host) = &written.host {
            options.extend(["--header".to_string(), format!("Host: {host}")]);
        }
        good.then(|| Spread { url: url.value.clone(), options, requests, names })
    }

    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        vec![("curl".into(), Some("curl"))]
    }

    fn probe(&self) -> Probe {
        // The exit code and the status of each request, among what is said about them.
        let talk =
            ["-q", "--noproxy", "*", "--parallel-immediate", "--write-out", "%{stderr}exit %{exitcode} %{http_code}\n"];
        Probe::Commands { argv: vec![self.argv(&talk)], timeout: Duration::from_secs(8) }
    }

    fn by_hand(&self) -> String {
        format!("{} | cut -d' ' -f1 | sort | uniq -c", shell_words(&self.argv(&[])))
    }

    fn expected(&self) -> String {
        let least = fair(self.requests, self.names.len());
        match self.names.as_slice() {
            [one] => format!("all {} requests: {one}", self.requests),
            names => format!("each of {} at least {least} of {} times", names.join(", "), self.requests),
        }
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let counted = count(&seen.first(), self.requests);
        let least = fair(self.requests, self.names.len());
        let share = |name: &String| counted.get(name).copied().unwrap_or(0);
        let starved: Vec<&String> = self.names.iter().filter(|name| share(name) < least).collect();
        let strangers: Vec<&String> = counted.keys().filter(|name| !self.names.contains(name)).collect();
        let mut shown: Vec<String> = self.names.iter().map(|name| format!("{name} {}", share(name))).collect();
        shown.extend(strangers.iter().map(|name| format!("{name} {}", share(name))));
        let meaning = if strangers.iter().any(|name| name.starts_with("status ")) {
            "a server or a proxy answers with an error"
        } else if counted.keys().all(|name| name == "refused") {
            "the address answers, but nothing takes what is sent to it"
        } else if counted.keys().all(|name| name == "timeout") {
            SILENCE
        } else if strangers.iter().any(|name| NO_SERVER.contains(&name.as_str())) {
            "some lots fall on an endpoint that does not answer, or its answers do not find back"
        } else if !strangers.is_empty() {
            "somebody answers who is no endpoint of this"
        } else if starved.iter().any(|name| share(name) == 0) {
            "an endpoint is not in the list any more, or what was drawn for it does not lead there"
        } else {
            "the shares are not equal: look at the probabilities, and at the order of the lines"
        };
        Verdict::of(starved.is_empty() && strangers.is_empty(), shown.join(", ")).meaning(Some(meaning))
    }

    fn reached_target(&self) -> Option<Target> {
        Some(Target::of_url(&self.url))
    }
}

impl Spread {
    fn argv(&self, talk: &[&str]) -> Vec<String> {
        let mut argv = strings(&["curl", "-sS", "--no-progress-meter"]);
        argv.extend(strings(talk));
        // A connection each: a kept one would stay with its server. Not all at once: the servers' queues are short.
        let patience = if self.names.iter().any(|n| n == "timeout") { "1" } else { "3" };
        argv.extend(strings(&["--parallel", "--parallel-max", "64", "--http1.0", "--max-time", patience]));
        argv.extend(strings(&["--header", "Connection: close"]));
        argv.extend(self.options.iter().cloned());
        let slash = if self.url["http://".len()..].contains('/') { "" } else { "/" };
        let sign = if self.url.contains('?') { '&' } else { '?' };
        argv.push(format!("{}{slash}{sign}[1-{}]", self.url, self.requests));
        argv
    }
}

fn names(written: &spec::Check, problems: &mut Problems) -> Option<Vec<String>> {
    let help = "as in `expect: [a, b, c]`: the nodes that answer (or `refused`, `timeout` for one that does not)";
    let list = match written.expect.as_ref().map(|e| (&e.value, e.span)) {
        Some((Expect::List(list), span)) if list.is_empty() => {
            problems.error(span, "a spread over nobody").help(help);
            return None;
        }
        Some((Expect::List(list), _)) => list,
        Some((Expect::Word(_) | Expect::Properties(_), span)) => {
            problems.error(span, "a spread expects the list of those who answer").help(help);
            return None;
        }
        None => {
            let span = written.spread.as_ref().map(|t| t.span).unwrap_or_default();
            problems.error(span, "a spread needs the list of those who answer").help(help);
            return None;
        }
    };
    for (i, name) in list.iter().enumerate() {
        if let Some(first) = list[..i].iter().find(|other| other.value == name.value) {
            problems
                .error(name.span, format!("`{name}` is listed twice"))
                .also(first.span, "here")
                .help("delete one of the two");
            return None;
        }
    }
    Some(list.iter().map(|name| name.value.clone()).collect())
}

/// Who answered how often; what became of the other requests.
fn count(output: &Output, requests: u32) -> BTreeMap<String, u32> {
    let mut counted = BTreeMap::new();
    let mut add = |name: &str, n: u32| *counted.entry(name.to_string()).or_insert(0) += n;
    let (mut ended, mut answered, mut named) = (0, 0, 0);
    let ends = output.stderr.lines().filter_map(|l| l.strip_prefix("exit ")?.split_once(' '));
    for (code, status) in ends {
        ended += 1;
        match (code, status.parse::<u16>()) {
            ("0", Ok(400..)) => add(&format!("status {status}"), 1),
            ("0", _) => answered += 1,
            // "Could not connect": here that is a no, for whatever has no answer is 28.
            ("7", _) => add("refused", 1),
            _ => add("timeout", 1),
        }
    }
    for (name, _) in output.stdout.lines().filter_map(|l| l.split_once(" saw ")) {
        named += 1;
        add(name, 1);
    }
    if answered > named {
        add("somebody else", answered - named);
    }
    if requests > ended {
        add("timeout", requests - ended);
    }
    counted
}

/// The largest number that each of `n` has at least, but for one run in a million, when `requests` are dealt out by lot.
fn fair(requests: u32, n: usize) -> u32 {
    if n <= 1 {
        return requests;
    }
    let p = 1.0 / n as f64;
    // The chance of exactly k, and of at most k, for one of them; all of them together: at most n times that.
    let mut exactly = (1.0 - p).powi(requests as i32);
    let mut at_most = exactly;
    let mut k = 0;
    while at_most * (n as f64) < SELDOM && k < requests {
        k += 1;
        exactly *= f64::from(requests - k + 1) / f64::from(k) * p / (1.0 - p);
        at_most += exactly;
    }
    k
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(names: &[&str]) -> Spread {
        Spread { url: "http://10.96.0.1".into(), options: vec![], requests: 90, names: strings(names) }
    }

    fn seen(counts: &[(&str, usize)], refused: usize) -> Seen {
        let stdout = counts.iter().map(|(name, n)| format!("{name} saw 10.0.0.1 host=x\n").repeat(*n)).collect();
        let answered: usize = counts.iter().map(|(_, n)| n).sum();
        let stderr = "exit 0 200\n".repeat(answered) + &"curl: (7)\nexit 7 000\n".repeat(refused);
        Seen::Outputs(vec![Output { code: Some(0), stdout, stderr }])
    }

    #[test]
    fn the_bound_is_the_binomials() {
        // By exact arithmetic: 3 P(Bin(90, 1/3) <= 9) = 7.5e-7 and 3 P(Bin(90, 1/3) <= 10) = 3.1e-6.
        assert_eq!(fair(90, 3), 10);
        assert_eq!(fair(90, 2), 22);
        assert_eq!(fair(90, 1), 90);
        assert_eq!(fair(21, 2), 1);
        assert_eq!(fair(20, 2), 0);
        let tail = |n: u32, p: f64, k: u32| -> f64 {
            let choose = |k: u32| (1..=k).fold(1.0, |c, i| c * f64::from(n - k + i) / f64::from(i));
            (0..=k).map(|k| choose(k) * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32)).sum()
        };
        for names in 2..6 {
            let (least, p) = (fair(90, names), 1.0 / names as f64);
            assert!(tail(90, p, least - 1) * (names as f64) < SELDOM, "{names}");
            assert!(tail(90, p, least) * (names as f64) >= SELDOM, "{names}");
        }
    }

    #[test]
    fn a_fair_spread_holds_and_a_starved_one_does_not() {
        assert!(spread(&["a", "b", "c"]).judge(&seen(&[("a", 35), ("b", 22), ("c", 33)], 0)).holds);
        let starved = spread(&["a", "b", "c"]).judge(&seen(&[("a", 47), ("b", 43)], 0));
        assert!(!starved.holds);
        assert_eq!(starved.seen, "a 47, b 43, c 0");
        assert!(!spread(&["a", "b", "c"]).judge(&seen(&[("a", 44), ("b", 42), ("c", 4)], 0)).holds);
    }

    #[test]
    fn a_stranger_is_one_too_many() {
        let verdict = spread(&["a", "b"]).judge(&seen(&[("a", 45), ("b", 44), ("z", 1)], 0));
        assert!(!verdict.holds);
        assert_eq!(verdict.seen, "a 45, b 44, z 1");
    }

    #[test]
    fn a_proxy_that_says_no_is_shown_as_such() {
        let stderr = "exit 0 502\n".repeat(60) + &"exit 0 200\n".repeat(30);
        let stdout = "a saw 10.0.0.1\n".repeat(28) + &"<html>\n<body>\n".repeat(62);
        let verdict = spread(&["a"]).judge(&Seen::Outputs(vec![Output { code: Some(0), stdout, stderr }]));
        assert_eq!(verdict.seen, "a 28, somebody else 2, status 502 60");
        assert!(!verdict.holds);
    }

    #[test]
    fn requests_without_an_answer_are_counted_too() {
        let some = seen(&[("a", 40)], 20);
        assert_eq!(spread(&["a"]).judge(&some).seen, "a 40, refused 20, timeout 30");
        assert!(!spread(&["a", "refused"]).judge(&some).holds);
        assert!(spread(&["a", "refused"]).judge(&seen(&[("a", 40)], 50)).holds);
        assert!(spread(&["a", "timeout"]).judge(&seen(&[("a", 40)], 0)).holds);
    }
}
