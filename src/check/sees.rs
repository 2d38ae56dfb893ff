//! `sees: FILTER`: packets on a wire while another check makes the traffic.

use super::packet::Packet;
use super::{CheckKind, Kind, Probe, Seen, Target, Verdict, expect_word};
use crate::error::Problems;
use crate::name::NodeName;
use crate::spec;

pub use super::filter::Filter;

/// Packets to look for.
#[derive(Debug, Clone)]
pub struct Sees {
    filter: Filter,
    seen: bool,
    /// The interface at which they pass.
    pub interface: String,
    /// What is tried meanwhile; `topology::resolve` fills it in, for it knows the nodes and the other checks.
    pub traffic: Option<Traffic>,
}

/// What makes the packets.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// The node it starts in.
    pub node: NodeName,
    /// What it does there.
    pub kind: Box<Kind>,
}

/// What passed a wire.
#[derive(Debug, Clone)]
pub struct Capture {
    /// The packets, in their order.
    pub frames: Vec<super::packet::Frame>,
    /// How many more there were that could not be kept.
    pub lost: usize,
    /// What the traffic came to.
    pub traffic: Verdict,
}

/// Lines that a report shows.
const MOST_LINES: usize = 6;

impl CheckKind for Sees {
    const WORD: &'static str = "sees";
    const OPTIONS: &'static [&'static str] = &["during"];

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let text = written.sees.as_ref()?;
        let expect = expect_word(written, &[("seen", true), ("unseen", false)], true, problems);
        if written.during.is_none() {
            problems
                .error(text.span, "nothing makes the packets that this check waits for")
                .help("add `during: {from: NODE, ping: ADDRESS}`, or the name of another check");
        }
        if let Some(from) = &written.from {
            problems
                .error(from.span, "`sees` looks at a wire: it has `on`, not `from`")
                .help("as in `on: router:eth0`; the traffic has a `from` of its own, in `during`");
            return None;
        }
        let filter = match text.parse::<Filter>() {
            Ok(filter) => Some(filter),
            Err(e) => {
                problems.error(text.span.narrow(&problems.source.text, &e.word), e.message).maybe_help(e.help);
                None
            }
        };
        let interface = written.on.as_ref().and_then(|on| on.split_once(':')).map(|(_, i)| i.to_string());
        written.during.as_ref()?;
        Some(Sees { filter: filter?, seen: expect?, interface: interface.unwrap_or_default(), traffic: None })
    }

    fn probe(&self) -> Probe {
        Probe::Capture { interface: self.interface.clone() }
    }

    fn by_hand(&self) -> String {
        let filter = self.filter.tcpdump();
        let filter = if filter.is_empty() { String::new() } else { format!(" '{filter}'") };
        let text = if self.filter.text().is_some() { " -A" } else { "" };
        format!("timeout 3 tcpdump --immediate-mode -n{text} -i {}{filter}", self.interface)
    }

    fn expected(&self) -> String {
        let some = if self.seen { "a packet" } else { "no packet" };
        format!("{some} `{}` on {}", self.filter, self.interface)
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        let Seen::Packets(capture) = seen else {
            return Verdict::of(false, "nothing");
        };
        let packets: Vec<(bool, Packet)> = capture
            .frames
            .iter()
            .map(|frame| {
                let packet = Packet::read(frame);
                (self.filter.matches(frame, &packet), packet)
            })
            .collect();
        let found = self.lines(packets.iter().filter(|(m, _)| *m).map(|(_, p)| p));
        let others = self.lines(packets.iter().filter(|(m, p)| !*m && !p.is_housekeeping()).map(|(_, p)| p));
        if !self.seen {
            return self.judge_unseen(&found, &others, capture);
        }
        let passed = packets.iter().map(|(_, p)| p).filter(|p| !p.is_housekeeping());
        self.judge_seen(&found, &others, self.filter.difference(passed), capture)
    }

    fn blocked_target(&self) -> Option<Target> {
        // Any other filter is proved by the packets that passed meanwhile; a text could simply be misspelt.
        (!self.seen && self.filter.text().is_some()).then(|| self.target())
    }

    fn reached_target(&self) -> Option<Target> {
        self.seen.then(|| self.target())
    }

    fn needs_witness(&self, seen: &Seen) -> Option<Target> {
        let Seen::Packets(capture) = seen else { return None };
        let idle = capture.frames.iter().all(|frame| Packet::read(frame).is_housekeeping());
        (!self.seen && (idle || self.filter.text().is_some())).then(|| self.target())
    }
}

impl Sees {
    /// What it looks for.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What is the same for checks that look for the same.
    pub fn target(&self) -> Target {
        Target { ip: None, key: format!("sees {}", self.filter) }
    }

    /// Each different packet once, in the order of their first ones.
    fn lines<'p>(&self, packets: impl Iterator<Item = &'p Packet>) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for packet in packets {
            let line = packet.words(|word| self.filter.says(word));
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }

    fn judge_seen(
        &self,
        found: &[String],
        others: &[String],
        difference: Option<String>,
        capture: &Capture,
    ) -> Verdict {
        if !found.is_empty() {
            return Verdict::of(true, shown(found));
        }
        let failed = (!capture.traffic.holds).then(|| format!("the traffic itself failed: {}", capture.traffic.seen));
        let lost_before = "nothing came by here: the traffic takes another way, or is lost before it gets here";
        let seen = if others.is_empty() { "no packet at all".to_string() } else { shown(others) };
        let meaning = difference.unwrap_or(lost_before.into());
        let seen = [Some(seen), failed, lost(capture)].into_iter().flatten().collect::<Vec<_>>().join("\n");
        Verdict::of(false, seen).meaning(Some(&meaning))
    }

    fn judge_unseen(&self, found: &[String], others: &[String], capture: &Capture) -> Verdict {
        if !found.is_empty() {
            let verdict = Verdict::of(false, shown(found)).meaning(Some("it travels here just so, and should not"));
            return Verdict { settled: true, ..verdict };
        }
        if !capture.traffic.holds {
            return Verdict::of(false, format!("the traffic itself failed: {}", capture.traffic.seen))
                .meaning(Some("what was never sent is not seen anywhere: this proves nothing"));
        }
        if let Some(words) = lost(capture) {
            return Verdict::of(false, words).meaning(Some("it may have been among those"));
        }
        let seen =
            if others.is_empty() { "no packet at all".to_string() } else { format!("instead: {}", shown(others)) };
        Verdict::of(true, seen)
    }
}

fn shown(lines: &[String]) -> String {
    let mut text = lines.iter().take(MOST_LINES).cloned().collect::<Vec<_>>().join("\n");
    if lines.len() > MOST_LINES {
        text.push_str(&format!("\n… and {} more kinds of packets", lines.len() - MOST_LINES));
    }
    text
}

fn lost(capture: &Capture) -> Option<String> {
    (capture.lost > 0).then(|| format!("{} packets more were lost while listening", capture.lost))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::packet::Frame;

    /// An echo request without its Ethernet header.
    fn ping(from: [u8; 4]) -> Frame {
        let mut bytes = Vec::new();
        let builder = etherparse::PacketBuilder::ipv4(from, [8, 8, 8, 8], 63).icmpv4_echo_request(1, 1);
        builder.write(&mut bytes, &[]).unwrap();
        Frame { bytes, bare: Some(0x0800), tag: None }
    }

    fn arp() -> Frame {
        let bytes = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &[2; 20]].concat();
        Frame { bytes, bare: Some(0x0806), tag: None }
    }

    fn sees(filter: &str, seen: bool) -> Sees {
        Sees { filter: filter.parse().unwrap(), seen, interface: "eth0".into(), traffic: None }
    }

    fn capture(frames: Vec<Frame>, lost: usize, flowed: bool) -> Seen {
        Seen::Packets(Capture { frames, lost, traffic: Verdict::of(flowed, "1 packets transmitted, 0 received") })
    }

    const BLUE: [u8; 4] = [192, 168, 15, 2];
    const HOST: [u8; 4] = [203, 0, 113, 2];

    #[test]
    fn a_packet_is_seen_or_the_nearest_one_says_what_is_different() {
        let check = sees("ip 203.0.113.2 > 8.8.8.8 / icmp echo request", true);
        assert!(check.judge(&capture(vec![arp(), ping(HOST)], 0, true)).holds);
        // What the request looks like can be seen although nobody answers it.
        assert!(check.judge(&capture(vec![ping(HOST)], 0, false)).holds);
        let verdict = check.judge(&capture(vec![arp(), ping(BLUE)], 0, false));
        assert!(!verdict.holds && verdict.seen.contains("ip 192.168.15.2 > 8.8.8.8 / icmp"), "{verdict:?}");
        assert!(verdict.seen.contains("the traffic itself failed"), "{verdict:?}");
        assert!(verdict.meaning.unwrap().contains("192.168.15.2 > 8.8.8.8`, not `ip 203.0.113.2"));
        let verdict = check.judge(&capture(vec![arp()], 0, true));
        assert!(!verdict.holds && verdict.seen == "no packet at all", "{verdict:?}");
    }

    #[test]
    fn a_packet_that_is_not_seen_proves_something_only_when_others_are() {
        let check = sees("ip 192.168.15.2 > *", false);
        let proved = capture(vec![arp(), ping(HOST)], 0, true);
        assert!(check.judge(&proved).holds && check.needs_witness(&proved).is_none());
        // Nothing at all: somebody must see it elsewhere.
        let idle = capture(vec![arp()], 0, true);
        assert!(check.judge(&idle).holds && check.needs_witness(&idle).is_some());
        // Nothing was sent; it may have been lost; it is there.
        assert!(!check.judge(&capture(vec![ping(HOST)], 0, false)).holds);
        assert!(!check.judge(&capture(vec![ping(HOST)], 3, true)).holds);
        let there = check.judge(&capture(vec![ping(HOST), ping(BLUE)], 0, true));
        assert!(!there.holds && there.settled && there.seen.contains("192.168.15.2"), "{there:?}");
    }

    #[test]
    fn a_text_that_is_not_seen_must_be_seen_elsewhere() {
        let check = sees("plaintext \"token\"", false);
        assert!(check.needs_witness(&capture(vec![ping(HOST)], 0, true)).is_some());
        assert_eq!(check.needs_witness(&capture(vec![], 0, true)), sees("plaintext \"token\"", true).reached_target());
    }
}
