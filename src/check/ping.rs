//! `ping: ADDRESS`: an ICMP echo, by the real `ping`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::bound::Bound;
use super::{CheckKind, NO_ROUTE, Output, Probe, SILENCE, Seen, Target, Verdict, ip, shell_words, unexpected};
use crate::error::Problems;
use crate::ip::qdisc::parse_time;
use crate::span::Sp;
use crate::spec::{self, Expect};

/// A ping.
#[derive(Debug, Clone)]
pub struct Ping {
    to: IpAddr,
    size: Option<u32>,
    df: bool,
    count: u32,
    ttl: Option<u32>,
    source: Option<String>,
    expect: Expected,
}

#[derive(Debug, Clone, PartialEq)]
enum Expected {
    Ok,
    Blocked,
    Ttl(u32),
    Mtu(u32),
    Loss(Bound),
    /// Of the fastest packet, in milliseconds: what the line takes, without what waits in queues.
    Rtt(Bound),
}

fn expected(written: &spec::Check, problems: &mut Problems) -> Option<Expected> {
    let Some(expect) = &written.expect else {
        return Some(Expected::Ok);
    };
    match &expect.value {
        Expect::Word(word) => match word.as_str() {
            "ok" => return Some(Expected::Ok),
            "blocked" => return Some(Expected::Blocked),
            _ => {}
        },
        Expect::Properties(p) => {
            match [p.ttl.is_some(), p.mtu.is_some(), p.loss.is_some(), p.rtt.is_some()].iter().filter(|b| **b).count() {
                0 => {}
                1 => return property(p, problems),
                _ => {
                    problems.error(expect.span, "a ping looks at one thing").help("make it several checks");
                    return None;
                }
            }
        }
        Expect::List(_) => {}
    }
    let help = "expect `ok`, `blocked`, `{ttl: 62}`, `{mtu: 1480}`, `{loss: \"<50%\"}` or `{rtt: \">40ms\"}`";
    unexpected(expect, &["ok", "blocked"], help, problems);
    None
}

/// The one property that a ping looks at.
fn property(p: &spec::Properties, problems: &mut Problems) -> Option<Expected> {
    if let Some(ttl) = &p.ttl {
        return in_range("ttl", ttl, 1..=255, problems).then_some(Expected::Ttl(ttl.value));
    }
    if let Some(mtu) = &p.mtu {
        return in_range("mtu", mtu, 68..=65_535, problems).then_some(Expected::Mtu(mtu.value));
    }
    if let Some(rtt) = &p.rtt {
        let millis = |text: &str| parse_time(text).ok().map(|ns| ns as f64 / 1e6);
        let bound = Bound::parse(rtt, millis).filter(|_| rtt.contains(['<', '>']) || rtt.contains(".."));
        if bound.is_none() {
            problems
                .error(rtt.span, format!("`{rtt}` is not a bound of a time"))
                .help("as in `\">40ms\"`, `\"<20ms\"` or `40ms..60ms`");
        }
        return bound.map(Expected::Rtt);
    }
    let loss = p.loss.as_ref()?;
    let percent = |text: &str| text.strip_suffix('%')?.parse::<f64>().ok().filter(|n| (0.0..=100.0).contains(n));
    let bound = Bound::parse(loss, percent);
    if bound.is_none() {
        problems
            .error(loss.span, format!("`{loss}` is not a share of packets"))
            .help("as in `0%`, `\"<50%\"` or `5%..40%`");
    }
    bound.map(Expected::Loss)
}

fn in_range(what: &str, value: &Sp<u32>, range: RangeInclusive<u32>, problems: &mut Problems) -> bool {
    let good = range.contains(&value.value);
    if !good {
        let (first, last) = (range.start(), range.end());
        problems
            .error(value.span, format!("{what} {value} is not from {first} to {last}"))
            .help("write a number that fits");
    }
    good
}

impl CheckKind for Ping {
    const WORD: &'static str = "ping";
    const OPTIONS: &'static [&'static str] = &["size", "df", "count", "ttl", "source"];
    const EXPECTS: &'static [&'static str] = &["ttl", "mtu", "loss", "rtt"];

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let to = ip(written.ping.as_ref()?, problems);
        if let Some(size) = written.size.as_ref().filter(|s| s.value > 65_507) {
            problems
                .error(size.span, format!("size {size} is more than the 65507 bytes that fit a packet"))
                .help("as in `1472`, which just fits an MTU of 1500");
        }
        for (what, value, range) in [("count", &written.count, 1..=1000), ("ttl", &written.ttl, 1..=255)] {
            if let Some(value) = value {
                in_range(what, value, range, problems);
            }
        }
        let expect = expected(written, problems);
        let count = match &expect {
            Some(Expected::Loss(_)) => 20,
            Some(Expected::Rtt(_)) => 3,
            _ => 1,
        };
        Some(Ping {
            to: to?,
            size: written.size.as_ref().map(|s| s.value),
            df: written.df.as_ref().is_some_and(|d| d.value),
            count: written.count.as_ref().map_or(count, |c| c.value),
            ttl: written.ttl.as_ref().map(|t| t.value),
            source: written.source.as_ref().map(|s| s.value.clone()),
            expect: expect?,
        })
    }

    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        vec![("ping".into(), Some("iputils-ping"))]
    }

    fn probe(&self) -> Probe {
        let timeout = Duration::from_millis(4000 + u64::from(self.count) * 25);
        Probe::Commands { argv: vec![self.argv()], timeout }
    }

    fn by_hand(&self) -> String {
        shell_words(&self.argv())
    }

    fn expected(&self) -> String {
        match &self.expect {
            Expected::Ok => "an answer".into(),
            Expected::Blocked => "no answer".into(),
            Expected::Ttl(ttl) => format!("an answer with ttl={ttl}"),
            Expected::Mtu(mtu) => format!("`Frag needed`, mtu {mtu}"),
            Expected::Loss(bound) => format!("{bound} loss"),
            Expected::Rtt(bound) => format!("an answer after {bound}"),
        }
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let output = seen.first();
        let answered = output.code == Some(0);
        let text = format!("{}\n{}", output.stdout, output.stderr);
        let summary = summary(&output);
        match &self.expect {
            Expected::Ok => Verdict::of(answered, summary).meaning(meaning(&text)),
            Expected::Blocked => {
                // Exit code 2 is a ping that could not even be sent for a reason of its own, such as a bad option.
                let sane = answered || output.code == Some(1) || unsendable(&text);
                let verdict = Verdict::of(!answered && sane, summary);
                verdict.meaning(Some("something lets it through that should not"))
            }
            Expected::Ttl(ttl) => {
                let found = number_after(&text, "ttl=");
                let holds = answered && found == Some(*ttl);
                let words = if found.is_some() {
                    Some("the way has more or fewer routers than expected: each takes one off")
                } else {
                    meaning(&text)
                };
                Verdict::of(holds, summary).meaning(words)
            }
            Expected::Mtu(mtu) => {
                let found = number_after(&text, "mtu = ").or_else(|| number_after(&text, "mtu="));
                Verdict::of(found == Some(*mtu), summary)
                    .meaning(Some("no router (and not this node) reports that MTU"))
            }
            Expected::Loss(bound) => {
                let lost = loss(&output.stdout);
                let holds = lost.is_some_and(|l| bound.holds(l, 0.0));
                Verdict::of(holds, counted(&output).unwrap_or(summary)).meaning(match lost {
                    Some(lost) if lost < 100.0 => Some("the line loses another share of the packets than it should"),
                    _ => meaning(&text),
                })
            }
            Expected::Rtt(bound) => {
                let fastest = fastest(&output.stdout);
                let holds = fastest.is_some_and(|ms| bound.holds(ms, 0.0));
                let seen = fastest.map(|ms| format!("the fastest of {} answers took {ms} ms", self.count));
                Verdict::of(holds, seen.unwrap_or(summary)).meaning(match fastest {
                    Some(_) => Some("the line takes another time than it should: a delay, or a rate, that is not as planned (`tc qdisc`)"),
                    None => meaning(&text),
                })
            }
        }
    }

    fn blocked_target(&self) -> Option<Target> {
        // A ping that is too large is blocked by its size: the same address with a small one is the witness.
        (self.expect == Expected::Blocked).then(|| Target { key: format!("icmp {} 0", self.to), ..self.target() })
    }

    fn reached_target(&self) -> Option<Target> {
        matches!(self.expect, Expected::Ok | Expected::Ttl(_))
            .then(|| Target { key: format!("icmp {} 0", self.to), ..self.target() })
    }

    fn as_witness(&self) -> Option<Self> {
        Some(Ping { expect: Expected::Ok, size: None, df: false, ttl: None, source: None, count: 1, ..self.clone() })
    }
}

impl Ping {
    fn argv(&self) -> Vec<String> {
        let mut argv =
            vec!["ping".to_string(), "-n".into(), "-c".into(), self.count.to_string(), "-W".into(), "1".into()];
        if self.count > 1 {
            argv.extend(["-i".into(), "0.02".into()]);
        }
        if let Some(size) = self.size {
            argv.extend(["-s".into(), size.to_string()]);
        }
        if self.df {
            argv.extend(["-M".into(), "do".into()]);
        }
        if let Some(ttl) = self.ttl {
            argv.extend(["-t".into(), ttl.to_string()]);
        }
        if let Some(source) = &self.source {
            argv.extend(["-I".into(), source.clone()]);
        }
        argv.push(self.to.to_string());
        argv
    }

    fn target(&self) -> Target {
        Target { ip: Some(self.to), key: format!("icmp {} {}", self.to, self.size.unwrap_or(0)) }
    }
}

fn unsendable(text: &str) -> bool {
    [
        "Network is unreachable",
        "Invalid argument",
        "Permission denied",
        "No route to host",
        "message too long",
        "Message too long",
    ]
    .iter()
    .any(|words| text.contains(words))
}

fn meaning(text: &str) -> Option<&'static str> {
    const KNOWN: &[(&str, &str)] = &[
        ("Network is unreachable", NO_ROUTE),
        (
            "Destination Host Unreachable",
            "nobody on that link answers ARP for the address: is it up, plugged in, spelt right?",
        ),
        ("Destination Net Unreachable", "a router on the way has no route to it"),
        ("Time to live exceeded", "the packet went round in a loop, or the way is longer than its time to live"),
        ("Packet filtered", "a firewall on the way said no"),
        ("Frag needed", "the packet is larger than the MTU of a link on the way"),
        ("message too long", "the packet is larger than the MTU of this node's own interface"),
        ("Invalid argument", "the route to it is a blackhole"),
        ("Operation not permitted", "a firewall rule in this node's own OUTPUT chain drops it"),
        ("100% packet loss", SILENCE),
    ];
    KNOWN.iter().find(|(words, _)| text.contains(words)).map(|(_, meaning)| *meaning)
}

/// The line of ping's output that tells most.
fn summary(output: &Output) -> String {
    let lines = || output.stdout.lines().chain(output.stderr.lines()).map(str::trim);
    let telling = lines().find(|l| l.contains(" bytes from ") || l.starts_with("From ") || l.starts_with("ping: "));
    let telling = telling.or_else(|| lines().find(|l| l.contains("packet loss")));
    telling.or_else(|| lines().find(|l| !l.is_empty())).unwrap_or("ping did not end in time").to_string()
}

fn number_after(text: &str, words: &str) -> Option<u32> {
    let rest = &text[text.find(words)? + words.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The line that counts what was lost.
fn counted(output: &Output) -> Option<String> {
    output.stdout.lines().find(|l| l.contains("packet loss")).map(|l| l.trim().to_string())
}

/// Milliseconds of the fastest answer: `rtt min/avg/max/mdev = 0.013/…`.
fn fastest(text: &str) -> Option<f64> {
    text.split_once("min/avg/max/mdev = ")?.1.split('/').next()?.parse().ok()
}

fn loss(text: &str) -> Option<f64> {
    let upto = &text[..text.find("% packet loss")?];
    upto.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(expect: Expected) -> Ping {
        let to = "10.0.0.2".parse().unwrap();
        Ping { to, size: None, df: false, count: 1, ttl: None, source: None, expect }
    }

    fn seen(code: i32, stdout: &str) -> Seen {
        Seen::Outputs(vec![Output { code: Some(code), stdout: stdout.into(), stderr: String::new() }])
    }

    const ANSWER: &str =
        "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n64 bytes from 10.0.0.2: icmp_seq=1 ttl=63 time=0.02 ms\n";
    const LOST: &str = "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n\n--- 10.0.0.2 ping statistics ---\n1 packets transmitted, 0 received, 100% packet loss, time 0ms\n";

    #[test]
    fn an_answer_is_ok_and_its_ttl_can_be_asked_for() {
        assert!(ping(Expected::Ok).judge(&seen(0, ANSWER)).holds);
        assert!(ping(Expected::Ttl(63)).judge(&seen(0, ANSWER)).holds);
        assert!(!ping(Expected::Ttl(64)).judge(&seen(0, ANSWER)).holds);
        assert!(!ping(Expected::Blocked).judge(&seen(0, ANSWER)).holds);
    }

    #[test]
    fn silence_is_blocked_but_a_ping_that_did_not_run_is_not() {
        assert!(ping(Expected::Blocked).judge(&seen(1, LOST)).holds);
        assert!(!ping(Expected::Blocked).judge(&seen(2, "ping: invalid argument: 'x'")).holds);
        assert!(!ping(Expected::Blocked).judge(&Seen::Outputs(vec![])).holds);
    }
}
