//! `path: ADDRESS`: the hops on the way, found as traceroute finds them: with packets that live for one hop, two, three.

use std::net::IpAddr;
use std::time::Duration;

use super::{CheckKind, Probe, Seen, Verdict, ip, strings};
use crate::error::Problems;
use crate::spec::{self, Expect};

/// A way to follow.
#[derive(Debug, Clone)]
pub struct Path {
    to: IpAddr,
    hops: Vec<IpAddr>,
}

impl CheckKind for Path {
    const WORD: &'static str = "path";

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let to = ip(written.path.as_ref()?, problems);
        let hops = match written.expect.as_ref().map(|e| (&e.value, e.span)) {
            Some((Expect::List(list), _)) => {
                let hops: Vec<Option<IpAddr>> = list.iter().map(|t| ip(t, problems)).collect();
                hops.into_iter().collect::<Option<Vec<IpAddr>>>()?
            }
            Some((Expect::Word(_) | Expect::Properties(_), span)) => {
                problems
                    .error(span, "a path check expects the list of hops")
                    .help("as in `[192.168.15.5, 8.8.8.8]`, the target last");
                return None;
            }
            None => {
                let span = written.path.as_ref().map(|t| t.span).unwrap_or_default();
                problems
                    .error(span, "a path check needs the hops to expect")
                    .help("add `expect: [192.168.15.5, 8.8.8.8]`, the target last");
                return None;
            }
        };
        if !(1..=30).contains(&hops.len()) {
            let span = written.expect.as_ref().map(|e| e.span).unwrap_or_default();
            problems
                .error(span, format!("a path of {} hops", hops.len()))
                .help("write 1 to 30 addresses, the target last");
            return None;
        }
        Some(Path { to: to?, hops })
    }

    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        vec![("ping".into(), Some("iputils-ping"))]
    }

    fn probe(&self) -> Probe {
        Probe::Commands { argv: self.argv(), timeout: Duration::from_secs(4) }
    }

    fn by_hand(&self) -> String {
        format!(
            "sh -c 'for ttl in $(seq {}); do ping -n -c 1 -W 1 -t $ttl {} | sed -n 2p; done'",
            self.hops.len(),
            self.to
        )
    }

    fn expected(&self) -> String {
        self.hops.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → ")
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let Seen::Outputs(outputs) = seen else {
            return Verdict::of(false, "nothing");
        };
        let hops: Vec<Option<IpAddr>> = outputs.iter().map(|o| hop(&o.stdout)).collect();
        let words = hops.iter().map(|h| h.map_or("*".into(), |h| h.to_string())).collect::<Vec<_>>().join(" → ");
        let right = hops.len() == self.hops.len() && hops.iter().zip(&self.hops).all(|(h, w)| h.as_ref() == Some(w));
        Verdict::of(right, words)
            .meaning(Some("`*` is a hop that did not answer: routers limit how often they say `time exceeded`"))
    }
}

impl Path {
    fn argv(&self) -> Vec<Vec<String>> {
        (1..=self.hops.len())
            .map(|ttl| strings(&["ping", "-n", "-c", "1", "-W", "1", "-t", &ttl.to_string(), &self.to.to_string()]))
            .collect()
    }
}

/// `From 10.0.0.1 icmp_seq=1 Time to live exceeded` or `64 bytes from 10.0.0.2: …`.
fn hop(text: &str) -> Option<IpAddr> {
    text.lines().find_map(|line| {
        let lower = line.to_lowercase();
        let after = &line[lower.find("from ")? + 5..];
        after.split([' ', '(', ')']).find_map(|w| w.trim_end_matches(':').parse().ok())
    })
}
