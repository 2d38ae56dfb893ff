//! `route: ADDRESS`: which way the kernel would send a packet, by `ip route get`.

use std::net::IpAddr;
use std::time::Duration;

use super::{CheckKind, Probe, Seen, Verdict, first_line, ip, shell_words, strings};
use crate::error::Problems;
use crate::spec::{self, Expect};

/// A question to the routing table.
#[derive(Debug, Clone)]
pub struct Route {
    to: IpAddr,
    source: Option<String>,
    mark: Option<String>,
    expect: String,
}

fn is_mark(text: &str) -> bool {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).is_ok(),
        None => text.parse::<u32>().is_ok(),
    }
}

impl CheckKind for Route {
    const WORD: &'static str = "route";
    const OPTIONS: &'static [&'static str] = &["source", "mark"];

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let to = ip(written.route.as_ref()?, problems);
        let expect = match written.expect.as_ref() {
            Some(expect) => match &expect.value {
                Expect::Word(words) => words.split_whitespace().collect::<Vec<_>>().join(" "),
                Expect::List(_) | Expect::Properties(_) => {
                    problems
                        .error(expect.span, "a route check expects words of `ip route get`")
                        .help("as in `via 10.0.0.12 dev eth0`, or `unreachable`");
                    return None;
                }
            },
            None => String::new(),
        };
        if let Some(mark) = written.mark.as_ref().filter(|m| !is_mark(m)) {
            problems.error(mark.span, format!("`{mark}` is not a firewall mark")).help("as in `1` or `0x1`");
            return None;
        }
        let text = |t: &Option<spec::Text>| t.as_ref().map(|t| t.value.clone());
        Some(Route { to: to?, source: text(&written.source), mark: text(&written.mark), expect })
    }

    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        vec![("ip".into(), Some("iproute2"))]
    }

    fn probe(&self) -> Probe {
        Probe::Commands { argv: vec![self.argv()], timeout: Duration::from_secs(2) }
    }

    fn by_hand(&self) -> String {
        shell_words(&self.argv())
    }

    fn expected(&self) -> String {
        if self.expect.is_empty() { "a route".into() } else { format!("`{}`", self.expect) }
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let output = seen.first();
        // The second line is what the routing cache knows: an MTU that was learnt, and for how long.
        let whole = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        let whole = whole.strip_suffix(" cache").unwrap_or(&whole).to_string();
        let answer = if output.code == Some(0) { whole } else { first_line(&output.stderr) };
        let words: Vec<&str> = answer.split_whitespace().collect();
        let want: Vec<&str> = self.expect.split(' ').filter(|w| !w.is_empty()).collect();
        let holds = match self.expect.as_str() {
            "" => output.code == Some(0),
            "unreachable" => {
                output.code != Some(0) && (answer.contains("unreachable") || answer.contains("No route to host"))
            }
            "blackhole" => output.code != Some(0) && answer.contains("Invalid argument"),
            "prohibit" => output.code != Some(0) && answer.contains("Permission denied"),
            _ => output.code == Some(0) && words.windows(want.len()).any(|w| w == want.as_slice()),
        };
        Verdict::of(holds, answer).meaning(Some("the routing table says otherwise: look at `ip route` in the node"))
    }
}

impl Route {
    fn argv(&self) -> Vec<String> {
        let mut argv = strings(&["ip", "route", "get", &self.to.to_string()]);
        for (word, value) in [("from", &self.source), ("mark", &self.mark)] {
            if let Some(value) = value {
                argv.extend([word.to_string(), value.clone()]);
            }
        }
        argv
    }
}
