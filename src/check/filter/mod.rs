//! Which packets a `sees` check is about: headers from the outside in, each with what it must say.
//!
//! ```text
//! ip 10.0.0.11 > 10.0.0.12 proto 4 / ip 192.168.87.198 > * / icmp echo request
//! ip / udp * > 4789 / vxlan vni 4096 / ip 10.244.1.2 > 10.244.2.2
//! vlan 10 / arp
//! ip / tcp * > 80 / plaintext "GET /"
//! ```
//!
//! A slash is a header inside the one before. The first one written is the outermost of the packet, so `ip 10.244.1.2 > *`
//! is a packet that travels bare, and not one inside a tunnel's. Only Ethernet headers may be left out: they are always
//! there. What stands behind the last header does not matter. What a report prints can be written here.

mod read;

use std::fmt;

use ipnet::IpNet;

use super::packet::{End, Frame, Header, Note, Packet};

/// Which packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    headers: Vec<Wanted>,
    text: Option<String>,
}

/// What a header must say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    word: &'static str,
    ends: Option<[EndWanted; 2]>,
    notes: Vec<Note>,
}

/// What an end must be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum EndWanted {
    Any,
    Mac([u8; 6]),
    /// An address, or a network that it is in.
    Net(IpNet),
    Port(u16),
}

impl Filter {
    /// Whether a packet is one of these.
    pub fn matches(&self, frame: &Frame, packet: &Packet) -> bool {
        let Some(behind) = self.walk(packet) else { return false };
        let rest = frame.bytes.get(behind..).unwrap_or_default();
        self.text.as_ref().is_none_or(|text| rest.windows(text.len()).any(|w| w == text.as_bytes()))
    }

    /// Follows the headers, and says where the last one ends.
    fn walk(&self, packet: &Packet) -> Option<usize> {
        let mut headers = packet.headers.iter();
        let mut behind = 0;
        for wanted in &self.headers {
            let header = headers.find(|h| h.word != "eth" || wanted.word == "eth")?;
            if !wanted.fits(header) {
                return None;
            }
            behind = header.behind;
        }
        Some(behind)
    }

    /// Where the packet that comes nearest is different, header by header from the outside.
    pub fn difference<'p>(&self, packets: impl Iterator<Item = &'p Packet>) -> Option<String> {
        let nearest = packets.map(|packet| (self.depth(packet), packet)).collect::<Vec<_>>();
        // Of several the first one: it is the request, and the others are mostly answers.
        let nearest = nearest.into_iter().rev().max_by_key(|((depth, score), _)| (*depth, *score));
        let ((depth, _), packet) = nearest?;
        let Some(wanted) = self.headers.get(depth) else {
            return self.text.as_ref().map(|text| format!("the headers are right, but `{text}` is not behind them"));
        };
        let header = packet.headers.iter().filter(|h| h.word != "eth" || wanted.word == "eth").nth(depth);
        let place = if depth == 0 { "outermost header" } else { "header" };
        Some(match header {
            None => match depth.checked_sub(1).and_then(|outer| self.headers.get(outer)) {
                Some(outer) => format!("nothing is inside `{outer}`, where `{wanted}` should be"),
                None => format!("there is no header that can be read, where `{wanted}` should be"),
            },
            Some(header) => {
                let line = header.words(|note| !matches!(note.word, "ttl" | "df" | "proto") || self.says(note.word));
                format!("the {place} is `{line}`, not `{wanted}`")
            }
        })
    }

    /// How many headers fit, and how much of the next one does.
    fn depth(&self, packet: &Packet) -> (usize, usize) {
        let mut headers = packet.headers.iter();
        for (depth, wanted) in self.headers.iter().enumerate() {
            match headers.find(|h| h.word != "eth" || wanted.word == "eth") {
                Some(header) if wanted.fits(header) => {}
                Some(header) => return (depth, wanted.likeness(header)),
                None => return (depth, 0),
            }
        }
        (self.headers.len(), 0)
    }

    /// Whether the filter says this word: then the report shows it. Ethernet headers inside are always shown.
    pub fn says(&self, word: &str) -> bool {
        if word == "eth" {
            return self.headers.first().is_some_and(|h| h.word == word);
        }
        self.headers.iter().any(|h| h.word == word || h.notes.iter().any(|n| n.word == word))
    }

    /// The text that it looks for, when it does.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The addresses that it names.
    pub fn addresses(&self) -> impl Iterator<Item = IpNet> {
        self.headers.iter().flat_map(|h| h.ends.iter().flatten()).filter_map(|e| match e {
            EndWanted::Net(net) => Some(*net),
            EndWanted::Any | EndWanted::Mac(_) | EndWanted::Port(_) => None,
        })
    }

    /// The same for tcpdump, as far as it can: it does not look inside a tunnel's packets.
    pub fn tcpdump(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for (i, header) in self.headers.iter().enumerate() {
            // Behind these tcpdump stops looking.
            let inner = i > 0 && matches!(self.headers[i - 1].word, "vxlan" | "geneve" | "gre" | "ip" | "ip6" | "icmp");
            if inner && !matches!(header.word, "udp" | "tcp" | "icmp" | "icmp6" | "gre") {
                break;
            }
            words.extend(header.tcpdump());
        }
        words.join(" and ")
    }
}

impl Wanted {
    /// How much of it a header that does not fit has all the same.
    fn likeness(&self, header: &Header) -> usize {
        let ends = self.ends.iter().flatten().zip(header.ends.iter().flatten()).filter(|(w, e)| w.fits(e)).count();
        let notes = self.notes.iter().filter(|note| header.notes.contains(note)).count();
        if header.word == self.word { 1 + ends + notes } else { 0 }
    }

    fn fits(&self, header: &Header) -> bool {
        let ends = match (&self.ends, &header.ends) {
            (None, _) => true,
            (Some(wanted), Some(ends)) => wanted.iter().zip(ends).all(|(w, e)| w.fits(e)),
            (Some(_), None) => false,
        };
        header.word == self.word && ends && self.notes.iter().all(|note| header.notes.contains(note))
    }

    fn tcpdump(&self) -> Vec<String> {
        let mut words = vec![self.word.to_string()];
        for (side, end) in ["src", "dst"].into_iter().zip(self.ends.iter().flatten()) {
            words.extend(match end {
                EndWanted::Any => None,
                EndWanted::Mac(_) => Some(format!("ether {side} {end}")),
                EndWanted::Net(net) if net.prefix_len() == net.max_prefix_len() => Some(format!("{side} host {end}")),
                EndWanted::Net(_) => Some(format!("{side} net {end}")),
                EndWanted::Port(port) => Some(format!("{side} port {port}")),
            });
        }
        for note in &self.notes {
            match (self.word, note.word, note.value) {
                ("vlan", "", Some(id)) => words[0] = format!("vlan {id}"),
                ("ip" | "ip6", "proto", Some(n)) => words.push(format!("{} proto {n}", self.word)),
                ("ip", "ttl", Some(n)) => words.push(format!("ip[8] = {n}")),
                ("tcp", flag, None) => words.push(format!("tcp[tcpflags] & tcp-{flag} != 0")),
                _ => {}
            }
        }
        match self.word {
            "eth" => words.remove(0),
            "vxlan" | "geneve" => return Vec::new(),
            "gre" => return vec!["proto 47".into()],
            _ => return words,
        };
        words
    }
}

impl EndWanted {
    fn fits(&self, end: &End) -> bool {
        match (self, end) {
            (EndWanted::Any, _) => true,
            (EndWanted::Mac(mac), End::Mac(other)) => mac == other,
            (EndWanted::Net(net), End::Ip(ip)) => net.contains(ip),
            (EndWanted::Port(port), End::Port(other)) => port == other,
            _ => false,
        }
    }
}

impl fmt::Display for EndWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndWanted::Any => f.write_str("*"),
            EndWanted::Mac(mac) => End::Mac(*mac).fmt(f),
            EndWanted::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().fmt(f),
            EndWanted::Net(net) => net.fmt(f),
            EndWanted::Port(port) => port.fmt(f),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = vec![self.word.to_string()];
        words.extend(self.ends.as_ref().map(|[from, to]| format!("{from} > {to}")));
        words.extend(self.notes.iter().map(ToString::to_string));
        f.write_str(&words.join(" "))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(ToString::to_string);
        let text = self.text.as_ref().map(|text| format!("plaintext \"{text}\""));
        f.write_str(&headers.chain(text).collect::<Vec<_>>().join(" / "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcpdump_gets_what_it_can_say_itself() {
        for (text, expression) in [
            (
                "ip 10.0.0.1 > 10.0.0.2 proto 4 / ip 10.1.0.1 > * / icmp",
                "ip and src host 10.0.0.1 and dst host 10.0.0.2 and ip proto 4",
            ),
            (
                "ip 10.0.0.0/8 > * / udp * > 4789 / vxlan vni 7 / ip",
                "ip and src net 10.0.0.0/8 and udp and dst port 4789",
            ),
            ("vlan 10 / arp", "vlan 10 and arp"),
            ("ip / gre key 7 / ip", "ip and proto 47"),
            ("plaintext \"token\"", ""),
        ] {
            assert_eq!(text.parse::<Filter>().unwrap().tcpdump(), expression, "{text}");
        }
    }
}
