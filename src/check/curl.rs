//! `curl: URL`: an HTTP request, by the real `curl`.

use std::time::Duration;

use super::{
    CheckKind, NO_ROUTE, Output, Probe, Reach, SILENCE, Seen, Target, Verdict, first_line, http_url, shell_words,
    unexpected,
};
use crate::error::Problems;
use crate::ip::parse_port;
use crate::spec::{self, Expect};

/// A request.
#[derive(Debug, Clone)]
pub struct Curl {
    url: String,
    options: Vec<String>,
    expect: Expected,
}

#[derive(Debug, Clone, PartialEq)]
enum Expected {
    Reach(Reach),
    Timeout,
    Answer(Wanted),
}

/// What an answer must be like; any, where nothing is said.
#[derive(Debug, Clone, PartialEq, Default)]
struct Wanted {
    status: Option<u16>,
    body: Option<String>,
    saw: Option<String>,
    forwarded: Option<String>,
}

fn expected(written: &spec::Check, problems: &mut Problems) -> Option<Expected> {
    let Some(expect) = &written.expect else {
        return Some(Expected::Answer(Wanted::default()));
    };
    match &expect.value {
        Expect::Word(word) => match word.as_str() {
            "ok" => {
                return Some(Expected::Answer(Wanted::default()));
            }
            "blocked" => return Some(Expected::Reach(Reach::Blocked)),
            "refused" => return Some(Expected::Reach(Reach::Refused)),
            "timeout" => return Some(Expected::Timeout),
            _ => {}
        },
        Expect::Properties(p) => {
            let text = |t: &Option<spec::Text>| t.as_ref().map(|t| t.value.clone());
            let wanted = Wanted {
                status: p.status.as_ref().map(|s| s.value),
                body: text(&p.body),
                saw: text(&p.server_saw),
                forwarded: text(&p.x_forwarded_for),
            };
            if let Some(wrong) = p.status.as_ref().filter(|s| !(100..=599).contains(&s.value)) {
                problems.error(wrong.span, format!("status {wrong} is not from 100 to 599")).help("as in `200`");
                return None;
            }
            if wanted != Wanted::default() {
                return Some(Expected::Answer(wanted));
            }
        }
        Expect::List(_) => {}
    }
    let help = "expect `ok`, `blocked`, `refused`, `timeout`, or `{status: 200, body: TEXT, server-saw: ADDRESS}`";
    unexpected(expect, &["ok", "blocked", "refused", "timeout"], help, problems);
    None
}

fn known_method(text: &spec::Text, problems: &mut Problems) -> bool {
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase());
    if !good {
        let upper = text.to_uppercase();
        let help = if upper.bytes().all(|b| b.is_ascii_uppercase()) { upper } else { "GET".into() };
        problems.error(text.span, format!("`{text}` is not an HTTP method")).help(format!("as in `{help}`"));
    }
    good
}

/// curl would take `@FILE` for a file full of headers, to be sent to whoever is asked.
fn is_header(text: &spec::Text, problems: &mut Problems) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = text.split_once(':').map_or("", |(name, _)| name);
    let good = !name.is_empty() && name.chars().all(token) && !text.contains(['\n', '\r']);
    if !good {
        problems.error(text.span, format!("`{text}` is not a header")).help("as in `\"X-Version: 2\"`");
    }
    good
}

fn is_host(text: &spec::Text, problems: &mut Problems) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']');
    let good = !text.is_empty() && text.chars().all(part);
    if !good {
        problems.error(text.span, format!("`{text}` is not the name of a host")).help("as in `blue.example`");
    }
    good
}

/// `HOST:PORT:ADDRESS`
fn is_resolve(text: &spec::Text, problems: &mut Problems) -> bool {
    let mut parts = text.splitn(3, ':');
    let (host, port, address) = (parts.next(), parts.next(), parts.next());
    let address = address.map(|a| a.trim_start_matches('[').trim_end_matches(']'));
    let good = host.is_some_and(|h| !h.is_empty())
        && port.is_some_and(|p| parse_port(p).is_ok())
        && address.is_some_and(|a| a.parse::<std::net::IpAddr>().is_ok());
    if !good {
        problems
            .error(text.span, format!("`{text}` is not HOST:PORT:ADDRESS"))
            .help("as in `blue.example:80:10.0.0.2`");
    }
    good
}

impl CheckKind for Curl {
    const WORD: &'static str = "curl";
    const OPTIONS: &'static [&'static str] = &["method", "host", "header", "source", "resolve"];
    const EXPECTS: &'static [&'static str] = &["status", "body", "server-saw", "x-forwarded-for"];

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let url = written.curl.as_ref()?;
        let good = http_url(url, &["http://", "https://"], "http://192.168.15.2/", problems);
        let method = written.method.as_ref().is_none_or(|m| known_method(m, problems));
        let headers = written.header.iter().filter(|h| !is_header(h, problems)).count() == 0;
        let host = written.host.as_ref().is_none_or(|h| is_host(h, problems));
        let resolve = written.resolve.as_ref().is_none_or(|r| is_resolve(r, problems));
        if !(good && method && headers && host && resolve) {
            return None;
        }
        let mut options = Vec::new();
        let mut option = |flag: &str, value: &Option<spec::Text>| {
            if let Some(value) = value {
                options.extend([flag.to_string(), value.value.clone()]);
            }
        };
        option("--request", &written.method);
        option("--interface", &written.source);
        option("--resolve", &written.resolve);
        if let Some(host) = &written.host {
            options.extend(["--header".into(), format!("Host: {host}")]);
        }
        for header in &written.header {
            options.extend(["--header".into(), header.value.clone()]);
        }
        Some(Curl { url: url.value.clone(), options, expect: expected(written, problems)? })
    }

    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        vec![("curl".into(), Some("curl"))]
    }

    /// `-v` says why a connection failed; `-q` keeps a `.curlrc` out.
    fn probe(&self) -> Probe {
        Probe::Commands { argv: vec![self.argv(&["-q", "-sSv", "--noproxy", "*"])], timeout: Duration::from_secs(4) }
    }

    fn by_hand(&self) -> String {
        shell_words(&self.argv(&["-sS"]))
    }

    fn expected(&self) -> String {
        match &self.expect {
            Expected::Reach(reach) => reach.expected("an answer"),
            Expected::Timeout => "a timeout".into(),
            Expected::Answer(Wanted { status, body, saw, forwarded }) => {
                let mut words = vec![format!("status {}", status.map_or("below 400".into(), |s| s.to_string()))];
                words.extend(body.as_ref().map(|b| format!("a body with `{b}`")));
                words.extend(saw.as_ref().map(|s| format!("a server that saw {s}")));
                words.extend(forwarded.as_ref().map(|f| format!("and was told of {f}")));
                words.join(", ")
            }
        }
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let output = seen.first();
        let answer = Answer::of(&output);
        match &self.expect {
            Expected::Reach(Reach::Open) => Verdict::of(answer.status.is_some(), answer.words(&output)),
            Expected::Reach(Reach::Refused) => {
                Verdict::of(answer.refused, answer.words(&output)).meaning(Some("an active refusal looks different"))
            }
            Expected::Reach(Reach::Blocked) => Verdict::of(answer.silent || answer.no_way, answer.words(&output))
                .meaning(Some("something answers, if only with a refusal")),
            Expected::Timeout => Verdict::of(answer.silent, answer.words(&output)).meaning(Some("something answers")),
            Expected::Answer(wanted) => judge_answer(&output, &answer, wanted),
        }
    }

    fn blocked_target(&self) -> Option<Target> {
        matches!(self.expect, Expected::Reach(Reach::Blocked) | Expected::Timeout).then(|| self.target())
    }

    fn reached_target(&self) -> Option<Target> {
        matches!(self.expect, Expected::Answer(_)).then(|| self.target())
    }

    fn as_witness(&self) -> Option<Self> {
        Some(Curl { expect: Expected::Reach(Reach::Open), ..self.clone() })
    }
}

impl Curl {
    fn seconds(&self) -> &'static str {
        match self.expect {
            Expected::Reach(Reach::Blocked) | Expected::Timeout => "1",
            Expected::Reach(_) | Expected::Answer(_) => "2",
        }
    }

    fn argv(&self, talk: &[&str]) -> Vec<String> {
        let mut argv = vec!["curl".to_string()];
        argv.extend(talk.iter().map(ToString::to_string));
        argv.extend(["--max-time".into(), self.seconds().into()]);
        argv.extend(self.options.iter().cloned());
        argv.push(self.url.clone());
        argv
    }

    fn target(&self) -> Target {
        Target::of_url(&self.url)
    }
}

fn judge_answer(output: &Output, answer: &Answer, wanted: &Wanted) -> Verdict {
    let Some(got) = answer.status else {
        let meaning = match answer {
            Answer { refused: true, .. } => Some("the address answers, but nothing listens on that port"),
            Answer { no_way: true, .. } => Some(NO_ROUTE),
            Answer { silent: true, .. } => Some(SILENCE),
            _ => None,
        };
        return Verdict::of(false, answer.words(output)).meaning(meaning);
    };
    let right_status = wanted.status.map_or(got < 400, |s| s == got);
    let right_body = wanted.body.as_ref().is_none_or(|b| output.stdout.contains(b));
    let right_saw = wanted.saw.as_ref().is_none_or(|s| said(&output.stdout, " saw ") == Some(s.as_str()));
    let told = said(&output.stdout, " x-forwarded-for=");
    let right_told = wanted.forwarded.as_ref().is_none_or(|f| told == Some(f.as_str()));
    let meaning = if !right_status {
        match got {
            404 => Some("the server answers, but knows nothing under this name or path"),
            502 => Some("a proxy answers, but the servers behind it refuse"),
            503 => Some("a proxy answers, but has no server behind it"),
            504 => Some("a proxy answers, but the server behind it did not, in time"),
            _ => None,
        }
    } else if !right_saw {
        Some("the address was translated on the way where it should not be, or not where it should")
    } else if !right_told {
        Some("the proxy does not say for whom it asks, or what comes to it was translated before")
    } else if !right_body {
        Some("another server answered than the one expected")
    } else {
        None
    };
    Verdict::of(right_status && right_body && right_saw && right_told, answer.words(output)).meaning(meaning)
}

/// What curl's exit code and talk come to.
struct Answer {
    status: Option<u16>,
    refused: bool,
    silent: bool,
    no_way: bool,
}

impl Answer {
    fn of(output: &Output) -> Answer {
        let status = output.stderr.lines().rev().find_map(|line| line.strip_prefix("< HTTP/"));
        let failed = output.code == Some(7);
        Answer {
            status: status.and_then(|s| s.split(' ').nth(1)?.parse().ok()).filter(|_| output.code == Some(0)),
            refused: failed && output.stderr.contains("Connection refused"),
            silent: output.code == Some(28),
            no_way: failed
                && ["Network is unreachable", "No route to host", "Network unreachable"]
                    .iter()
                    .any(|w| output.stderr.contains(w)),
        }
    }

    fn words(&self, output: &Output) -> String {
        if let Some(status) = self.status {
            let body = first_line(&output.stdout);
            return if body.is_empty() { format!("status {status}") } else { format!("status {status}, `{body}`") };
        }
        let reason =
            output.stderr.lines().rev().find_map(|l| l.strip_prefix("curl: ")).unwrap_or("curl did not end in time");
        match (self.refused, self.no_way) {
            (true, _) => format!("curl: {reason} (connection refused)"),
            (_, true) => format!("curl: {reason} (no route)"),
            _ => format!("curl: {reason}"),
        }
    }
}

/// `blue saw 203.0.113.1 … x-forwarded-for=198.51.100.1`: the word that follows.
fn said<'b>(body: &'b str, after: &str) -> Option<&'b str> {
    body.split(after).nth(1)?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curl(expect: Expected) -> Curl {
        Curl { url: "http://203.0.113.2/".into(), options: vec![], expect }
    }

    fn output(code: i32, stdout: &str, stderr: &str) -> Seen {
        Seen::Outputs(vec![Output { code: Some(code), stdout: stdout.into(), stderr: stderr.into() }])
    }

    #[test]
    fn the_server_says_whom_it_saw() {
        let saw =
            |a: &str| curl(Expected::Answer(Wanted { status: Some(200), saw: Some(a.into()), ..Wanted::default() }));
        let seen = output(0, "blue saw 203.0.113.1 host=x path=/\n", "< HTTP/1.1 200 OK\n");
        assert!(saw("203.0.113.1").judge(&seen).holds);
        assert!(!saw("203.0.113.10").judge(&seen).holds);
    }

    #[test]
    fn the_server_says_what_a_proxy_told_it() {
        let told = |a: &str| curl(Expected::Answer(Wanted { forwarded: Some(a.into()), ..Wanted::default() }));
        let seen = output(0, "shop1 saw 10.0.0.9 host=x path=/ x-forwarded-for=198.51.100.1\n", "< HTTP/1.1 200 OK\n");
        assert!(told("198.51.100.1").judge(&seen).holds);
        assert!(!told("10.0.0.9").judge(&seen).holds);
    }

    #[test]
    fn refused_and_silent_are_told_apart() {
        let refused =
            output(7, "", "* connect to 203.0.113.2 port 80 failed: Connection refused\ncurl: (7) Failed to connect\n");
        let silent = output(28, "", "curl: (28) Connection timed out\n");
        assert!(curl(Expected::Reach(Reach::Refused)).judge(&refused).holds);
        assert!(!curl(Expected::Reach(Reach::Blocked)).judge(&refused).holds);
        assert!(curl(Expected::Reach(Reach::Blocked)).judge(&silent).holds);
        assert!(!curl(Expected::Reach(Reach::Refused)).judge(&silent).holds);
    }
}
