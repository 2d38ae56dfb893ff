//! `bgp: PEER` (or a list): sessions of the node's BIRD, as `birdc show protocols all` shows them.

use std::net::IpAddr;
use std::time::Duration;

use super::{CheckKind, Probe, Seen, Verdict, ip, unexpected};
use crate::error::Problems;
use crate::ip::bird::{self, Session};
use crate::spec::{self, Expect};

/// Sessions with peers.
#[derive(Debug, Clone)]
pub struct Bgp {
    peers: Vec<IpAddr>,
    established: bool,
    imported: Option<usize>,
    exported: Option<usize>,
}

impl CheckKind for Bgp {
    const WORD: &'static str = "bgp";
    const EXPECTS: &'static [&'static str] = &["imported", "exported"];

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let names = &written.bgp.0;
        let peers: Vec<IpAddr> = names.iter().filter_map(|peer| ip(peer, problems)).collect();
        let mut check = Bgp { peers, established: true, imported: None, exported: None };
        match written.expect.as_ref().map(|e| &e.value) {
            None => {}
            Some(Expect::Word(word)) if word == "established" => {}
            Some(Expect::Word(word)) if word == "down" => check.established = false,
            Some(Expect::Properties(p)) => {
                let number = |n: &Option<crate::span::Sp<u32>>| n.as_ref().map(|n| n.value as usize);
                (check.imported, check.exported) = (number(&p.imported), number(&p.exported));
            }
            Some(Expect::Word(_) | Expect::List(_)) => {
                let words = ["established", "down"];
                let help = "expect `established` (the default), `down`, or `{imported: 2, exported: 1}`";
                unexpected(written.expect.as_ref()?, &words, help, problems);
                return None;
            }
        }
        (check.peers.len() == names.len()).then_some(check)
    }

    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        vec![("birdc".into(), Some("bird2"))]
    }

    fn probe(&self) -> Probe {
        let argv = ["birdc", "show", "protocols", "all"].map(String::from).to_vec();
        Probe::Commands { argv: vec![argv], timeout: Duration::from_secs(3) }
    }

    fn by_hand(&self) -> String {
        "birdc show protocols".into()
    }

    fn expected(&self) -> String {
        let peers: Vec<String> = self.peers.iter().map(ToString::to_string).collect();
        let state = if self.established { "Established" } else { "not Established" };
        let mut words = format!("{}: {state}", peers.join(", "));
        for (number, what) in [(self.imported, "imported"), (self.exported, "exported")] {
            if let Some(number) = number {
                words.push_str(&format!(", {number} {} {what}", crate::error::plural(number, "route")));
            }
        }
        words
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let output = seen.first();
        if output.code != Some(0) {
            let said = super::first_line(&format!("{}{}", output.stderr, output.stdout));
            return Verdict::of(false, format!("bird is not running: {said}"))
                .meaning(Some("without its daemon the node hears of no route, and its peers forget the node's own"));
        }
        let sessions = bird::sessions(&output.stdout);
        let of = |peer: &IpAddr| sessions.iter().find(|s| s.neighbor == *peer);
        let shown: Vec<String> = self.peers.iter().map(|peer| shown(peer, of(peer))).collect();
        let right = |peer: &IpAddr| match of(peer) {
            Some(s) => {
                s.is_established() == self.established
                    && self.imported.is_none_or(|n| n == s.imported)
                    && self.exported.is_none_or(|n| n == s.exported)
            }
            None => !self.established,
        };
        let wrong = self.peers.iter().find(|peer| !right(peer));
        let meaning = wrong.map(|peer| meaning(of(peer), self.established));
        Verdict::of(wrong.is_none(), shown.join("; ")).meaning(meaning)
    }
}

fn shown(peer: &IpAddr, session: Option<&Session>) -> String {
    match session {
        Some(s) if s.is_established() => {
            format!("{peer}: Established, {} in, {} out", s.imported, s.exported)
        }
        Some(s) => format!("{peer}: {} {}", s.state, s.info),
        None => format!("{peer}: no such peer"),
    }
}

fn meaning(session: Option<&Session>, wanted: bool) -> &'static str {
    match session {
        None => "the configuration has no such neighbour, or bird has not read it",
        Some(_) if !wanted => "the session stands: nothing is in its way",
        Some(s) if s.is_established() => "the session stands, but what is told over it differs: look at the filters",
        Some(s) if s.info.contains("Bad peer AS") => "one of the two takes the other for another autonomous system",
        Some(s) if s.state == "down" => "it is disabled, here or in the configuration",
        Some(s) if s.info.starts_with("Passive") => "this side waits to be called: is the other one configured for it?",
        Some(_) => "the other side does not answer on TCP port 179: is its bird running, is there a way?",
    }
}
