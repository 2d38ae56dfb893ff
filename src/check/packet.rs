//! A packet as a person reads it: its headers from the outside in, each inside the one before.
//!
//! `ip 10.0.0.11 > 10.0.0.12 proto 4 / ip 192.168.87.198 > 192.168.158.2 / icmp echo request`. What is printed here is
//! what a filter can ask for (`filter`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use etherparse::{EtherType, IpNumber, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice, TransportSlice};

/// A packet as it was captured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// From its first header on.
    pub bytes: Vec<u8>,
    /// What it begins with when that is not an Ethernet header: an EtherType.
    pub bare: Option<u16>,
    /// The 802.1Q tag: the kernel takes it out of the frame and hands it over beside it.
    pub tag: Option<u16>,
}

/// The headers of a packet, the outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub(super) headers: Vec<Header>,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `ip`, `udp`, …
    pub(super) word: &'static str,
    /// From where, to where.
    pub(super) ends: Option<[End; 2]>,
    /// What else it says, each with its word: `ttl 62`, `echo`.
    pub(super) notes: Vec<Note>,
    /// What stands behind it: the rest of the frame from this byte on.
    pub(super) behind: usize,
}

/// What a header says beside its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// Its word; none for a number that speaks for itself (`vlan 10`).
    pub(super) word: &'static str,
    /// Its value; a flag has none.
    pub(super) value: Option<Value>,
}

/// One end of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// An Ethernet address; any, the broadcast one too.
    Mac([u8; 6]),
    /// An IP address.
    Ip(IpAddr),
    /// A port.
    Port(u16),
}

/// The value of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u32),
    /// An IP address.
    Ip(IpAddr),
    /// An Ethernet address.
    Mac([u8; 6]),
}

/// Deeper than any lab nests; a forged packet goes deeper.
const DEEPEST: usize = 8;
const VXLAN: [u16; 2] = [4789, 8472];
const GENEVE: u16 = 6081;
const TRANSPARENT_ETHERNET: u16 = 0x6558;

impl Packet {
    /// Reads the headers as far as they can be read.
    pub fn read(frame: &Frame) -> Packet {
        let mut reader = Reader { bytes: &frame.bytes, headers: Vec::new() };
        match frame.bare {
            None => reader.ethernet(&frame.bytes, frame.tag, 0),
            Some(protocol) => reader.ether_type(protocol, &frame.bytes, 0),
        }
        Packet { headers: reader.headers }
    }

    /// Whether it only serves to find neighbours: it is on every wire, whatever the lab does.
    pub fn is_housekeeping(&self) -> bool {
        let finds = ["router", "neighbor", "multicast"];
        self.headers
            .iter()
            .any(|h| h.word == "arp" || h.word == "icmp6" && h.notes.iter().any(|n| finds.contains(&n.word)))
            || self.headers.iter().all(|h| h.word == "eth")
    }

    /// The line for a person. Time to live, fragment flags and the outermost Ethernet header are left out unless somebody
    /// asked for them: they make every line long. So is a protocol number that the next header says by its name.
    pub fn words(&self, asked: impl Fn(&str) -> bool) -> String {
        let mut parts = Vec::new();
        for (i, header) in self.headers.iter().enumerate() {
            if i == 0 && header.word == "eth" && self.headers.len() > 1 && !asked("eth") {
                continue;
            }
            let next = self.headers.get(i + 1).map(|h| h.word);
            let told = matches!(next, Some("udp" | "tcp" | "icmp" | "icmp6"));
            let shown = |note: &Note| match note.word {
                "ttl" | "df" => asked(note.word),
                "proto" => !told,
                _ => true,
            };
            parts.push(header.words(shown));
        }
        parts.join(" / ")
    }
}

impl Header {
    /// Its line, with those of its notes that are wanted.
    pub(super) fn words(&self, shown: impl Fn(&Note) -> bool) -> String {
        let ends = self.ends.map(|[from, to]| format!("{from} > {to}"));
        let notes = self.notes.iter().filter(|note| shown(note)).map(ToString::to_string);
        [self.word.to_string()].into_iter().chain(ends).chain(notes).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.word, self.value) {
            ("", Some(value)) => write!(f, "{value}"),
            (word, Some(value)) => write!(f, "{word} {value}"),
            (word, None) => f.write_str(word),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(n) => write!(f, "{n}"),
            Value::Ip(ip) => write!(f, "{ip}"),
            Value::Mac(mac) => mac_words(mac, f),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Mac(mac) => mac_words(mac, f),
            End::Ip(ip) => write!(f, "{ip}"),
            End::Port(port) => write!(f, "{port}"),
        }
    }
}

fn mac_words(mac: &[u8; 6], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [a, b, c, d, e, g] = mac;
    write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
}

/// Walks into a frame.
struct Reader<'f> {
    bytes: &'f [u8],
    headers: Vec<Header>,
}

impl<'f> Reader<'f> {
    fn push(&mut self, word: &'static str, ends: Option<[End; 2]>, notes: Vec<Note>, behind: &[u8]) {
        // Every part is a part of the one frame.
        let start = (behind.as_ptr() as usize).saturating_sub(self.bytes.as_ptr() as usize);
        self.headers.push(Header { word, ends, notes, behind: start.min(self.bytes.len()) });
    }

    fn ethernet(&mut self, bytes: &'f [u8], tag: Option<u16>, depth: usize) {
        let Ok(sliced) = LaxSlicedPacket::from_ethernet(bytes) else { return };
        if let Some(LinkSlice::Ethernet2(eth)) = &sliced.link {
            let ends = [End::Mac(eth.source()), End::Mac(eth.destination())];
            self.push("eth", Some(ends), Vec::new(), eth.payload_slice());
            if let Some(tag) = tag {
                self.push("vlan", None, vec![number("", u32::from(tag & 0xfff))], eth.payload_slice());
            }
        }
        self.inside(&sliced, depth);
    }

    fn ether_type(&mut self, protocol: u16, bytes: &'f [u8], depth: usize) {
        self.inside(&LaxSlicedPacket::from_ether_type(EtherType(protocol), bytes), depth);
    }

    fn inside(&mut self, sliced: &LaxSlicedPacket<'f>, depth: usize) {
        for tag in &sliced.link_exts {
            if let LaxLinkExtSlice::Vlan(tag) = tag {
                let id = u32::from(tag.vlan_identifier().value());
                self.push("vlan", None, vec![number("", id)], tag.payload_slice());
            }
        }
        match &sliced.net {
            Some(LaxNetSlice::Arp(arp)) => self.arp(&arp.to_packet()),
            Some(net) => self.net(net, sliced.transport.as_ref(), depth),
            None => {}
        }
    }

    fn arp(&mut self, arp: &etherparse::ArpPacket) {
        let ip = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(|b| Value::Ip(Ipv4Addr::from(b).into()));
        let (sender, target) = (ip(arp.sender_protocol_addr()), ip(arp.target_protocol_addr()));
        let notes = match (arp.operation, sender, target) {
            (etherparse::ArpOperation::REQUEST, Some(sender), Some(target)) => {
                vec![Note { word: "who-has", value: Some(target) }, Note { word: "tell", value: Some(sender) }]
            }
            (etherparse::ArpOperation::REPLY, Some(sender), _) => {
                let mac = <[u8; 6]>::try_from(arp.sender_hw_addr()).ok().map(Value::Mac);
                let is_at = mac.map(|mac| Note { word: "is-at", value: Some(mac) });
                [Note { word: "reply", value: Some(sender) }].into_iter().chain(is_at).collect()
            }
            _ => Vec::new(),
        };
        self.push("arp", None, notes, &[]);
    }

    fn net(&mut self, net: &LaxNetSlice<'f>, transport: Option<&TransportSlice<'f>>, depth: usize) {
        let (word, ends, mut notes, payload) = match net {
            LaxNetSlice::Ipv4(ip) => {
                let header = ip.header();
                let mut notes = vec![number("ttl", u32::from(header.ttl()))];
                notes.extend(header.dont_fragment().then(|| flag("df")));
                notes.extend(header.is_fragmenting_payload().then(|| flag("frag")));
                ("ip", [header.source_addr().into(), header.destination_addr().into()], notes, ip.payload())
            }
            LaxNetSlice::Ipv6(ip) => {
                let header = ip.header();
                let mut notes = vec![number("ttl", u32::from(header.hop_limit()))];
                notes.extend(ip.is_payload_fragmented().then(|| flag("frag")));
                ("ip6", [header.source_addr().into(), header.destination_addr().into()], notes, ip.payload())
            }
            LaxNetSlice::Arp(_) => return,
        };
        let protocol = payload.ip_number;
        notes.push(number("proto", u32::from(protocol.0)));
        self.push(word, Some(ends.map(End::Ip)), notes, payload.payload);
        if depth >= DEEPEST {
            return;
        }
        match transport {
            Some(transport) => self.transport(transport, depth + 1),
            None if payload.fragmented => {}
            None => match protocol {
                IpNumber::IPV4 => self.ether_type(EtherType::IPV4.0, payload.payload, depth + 1),
                IpNumber::IPV6 => self.ether_type(EtherType::IPV6.0, payload.payload, depth + 1),
                IpNumber::GRE => self.gre(payload.payload, depth + 1),
                _ => {}
            },
        }
    }

    fn transport(&mut self, transport: &TransportSlice<'f>, depth: usize) {
        match transport {
            TransportSlice::Udp(udp) => {
                let (from, to) = (udp.source_port(), udp.destination_port());
                self.push("udp", Some([End::Port(from), End::Port(to)]), Vec::new(), udp.payload());
                if VXLAN.contains(&to) {
                    self.vxlan(udp.payload(), depth);
                } else if to == GENEVE {
                    self.geneve(udp.payload(), depth);
                }
            }
            TransportSlice::Tcp(tcp) => {
                let flags = [("syn", tcp.syn()), ("fin", tcp.fin()), ("rst", tcp.rst()), ("ack", tcp.ack())];
                let notes = flags.into_iter().filter(|(_, set)| *set).map(|(word, _)| flag(word)).collect();
                let ends = [End::Port(tcp.source_port()), End::Port(tcp.destination_port())];
                self.push("tcp", Some(ends), notes, tcp.payload());
            }
            TransportSlice::Icmpv4(icmp) => {
                let (kind, code, [.., high, low]) = (icmp.type_u8(), icmp.code_u8(), icmp.bytes5to8());
                let mut notes: Vec<Note> = icmp_words(kind, code).iter().map(|word| flag(word)).collect();
                if (kind, code) == (3, 4) {
                    notes.push(number("mtu", u32::from(u16::from_be_bytes([high, low]))));
                }
                self.push("icmp", None, notes, icmp.payload());
                // An error carries the packet that it is about.
                if matches!(kind, 3 | 4 | 5 | 11 | 12) {
                    self.ether_type(EtherType::IPV4.0, icmp.payload(), depth);
                }
            }
            TransportSlice::Icmpv6(icmp) => {
                let (kind, code) = (icmp.type_u8(), icmp.code_u8());
                let mut notes: Vec<Note> = icmp6_words(kind, code).iter().map(|word| flag(word)).collect();
                if kind == 2 {
                    notes.push(number("mtu", u32::from_be_bytes(icmp.bytes5to8())));
                }
                self.push("icmp6", None, notes, icmp.payload());
                if kind < 128 {
                    self.ether_type(EtherType::IPV6.0, icmp.payload(), depth);
                }
            }
            TransportSlice::Igmp(_) => {}
        }
    }

    /// Flags, the type of what is inside, and up to three optional words: checksum, key, sequence number.
    fn gre(&mut self, bytes: &'f [u8], depth: usize) {
        let [flags, version, a, b, rest @ ..] = bytes else { return };
        if version & 7 != 0 {
            return;
        }
        let word = |bit: u8| usize::from(flags & bit != 0) * 4;
        let (checksum, key, sequence) = (word(0x80), word(0x20), word(0x10));
        let value = rest.get(checksum..checksum + 4).and_then(|k| <[u8; 4]>::try_from(k).ok()).map(u32::from_be_bytes);
        let notes = value.filter(|_| key > 0).map(|key| number("key", key)).into_iter().collect();
        let Some(inside) = rest.get(checksum + key + sequence..) else { return };
        self.push("gre", None, notes, inside);
        match u16::from_be_bytes([*a, *b]) {
            TRANSPARENT_ETHERNET => self.ethernet(inside, None, depth),
            protocol => self.ether_type(protocol, inside, depth),
        }
    }

    fn vxlan(&mut self, bytes: &'f [u8], depth: usize) {
        let [flags, _, _, _, a, b, c, _, inside @ ..] = bytes else { return };
        if flags & 0x08 == 0 {
            return;
        }
        self.push("vxlan", None, vec![number("vni", u32::from_be_bytes([0, *a, *b, *c]))], inside);
        self.ethernet(inside, None, depth);
    }

    fn geneve(&mut self, bytes: &'f [u8], depth: usize) {
        let [lengths, _, p, q, a, b, c, _, rest @ ..] = bytes else { return };
        let Some(inside) = rest.get(usize::from(lengths & 0x3f) * 4..) else { return };
        self.push("geneve", None, vec![number("vni", u32::from_be_bytes([0, *a, *b, *c]))], inside);
        match u16::from_be_bytes([*p, *q]) {
            TRANSPARENT_ETHERNET => self.ethernet(inside, None, depth),
            protocol => self.ether_type(protocol, inside, depth),
        }
    }
}

fn flag(word: &'static str) -> Note {
    Note { word, value: None }
}

fn number(word: &'static str, value: u32) -> Note {
    Note { word, value: Some(Value::Number(value)) }
}

fn icmp_words(kind: u8, code: u8) -> &'static [&'static str] {
    match (kind, code) {
        (0, _) => &["echo", "reply"],
        (3, 0) => &["unreachable", "net"],
        (3, 1) => &["unreachable", "host"],
        (3, 2) => &["unreachable", "protocol"],
        (3, 3) => &["unreachable", "port"],
        (3, 4) => &["unreachable", "frag-needed"],
        (3, 9 | 10 | 13) => &["unreachable", "filtered"],
        (3, _) => &["unreachable"],
        (5, _) => &["redirect"],
        (8, _) => &["echo", "request"],
        (11, _) => &["time-exceeded"],
        _ => &[],
    }
}

fn icmp6_words(kind: u8, code: u8) -> &'static [&'static str] {
    match (kind, code) {
        (1, 0) => &["unreachable", "net"],
        (1, 1) => &["unreachable", "filtered"],
        (1, 3) => &["unreachable", "host"],
        (1, 4) => &["unreachable", "port"],
        (1, _) => &["unreachable"],
        (2, _) => &["too-big"],
        (3, _) => &["time-exceeded"],
        (128, _) => &["echo", "request"],
        (129, _) => &["echo", "reply"],
        (130..=132 | 143, _) => &["multicast"],
        (133 | 134, _) => &["router"],
        (135, _) => &["neighbor", "solicitation"],
        (136, _) => &["neighbor", "advertisement"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::filter::Filter;
    use etherparse::PacketBuilder;

    fn ping(from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(from, to, 63).icmpv4_echo_request(1, 1).write(&mut bytes, b"a secret token").unwrap();
        bytes
    }

    fn ethernet(protocol: u16, inside: &[u8]) -> Vec<u8> {
        [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &protocol.to_be_bytes(), inside].concat()
    }

    fn ip(protocol: u8, inside: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = PacketBuilder::ipv4([10, 0, 0, 11], [10, 0, 0, 12], 64);
        header.write(&mut bytes, IpNumber(protocol), inside).unwrap();
        bytes
    }

    fn udp(port: u16, inside: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 11], [10, 0, 0, 12], 64).udp(5000, port).write(&mut bytes, inside).unwrap();
        bytes
    }

    fn inner() -> Vec<u8> {
        ping([192, 168, 87, 198], [192, 168, 158, 2])
    }

    /// Frames and the lines that they are shown as.
    fn known() -> Vec<(Frame, &'static str)> {
        let frame = |bytes| Frame { bytes, bare: None, tag: None };
        let ipv4 = |inside: &[u8]| frame(ethernet(0x0800, inside));
        let vni = |inside: &[u8]| [&[8, 0, 0, 0, 0, 16, 0, 0][..], inside].concat();
        let geneve = |inside: &[u8]| [&[1, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 4][..], inside].concat();
        let icmp_error = [&[3, 4, 0, 0, 0, 0, 5, 120][..], &inner()[..28]].concat();
        let arp = [&[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1][..], &[0; 6], &[10, 0, 0, 2]].concat();
        vec![
            (ipv4(&inner()), "ip 192.168.87.198 > 192.168.158.2 / icmp echo request"),
            (
                Frame { bytes: inner(), bare: Some(0x0800), tag: None },
                "ip 192.168.87.198 > 192.168.158.2 / icmp echo request",
            ),
            (
                ipv4(&ip(4, &inner())),
                "ip 10.0.0.11 > 10.0.0.12 proto 4 / ip 192.168.87.198 > 192.168.158.2 / icmp echo request",
            ),
            (
                ipv4(&udp(4789, &vni(&ethernet(0x0800, &inner())))),
                "ip 10.0.0.11 > 10.0.0.12 / udp 5000 > 4789 / vxlan vni 4096 / eth 02:00:00:00:00:01 > 02:00:00:00:00:02 / \
                 ip 192.168.87.198 > 192.168.158.2 / icmp echo request",
            ),
            (
                ipv4(&udp(6081, &geneve(&ethernet(0x0806, &arp)))),
                "ip 10.0.0.11 > 10.0.0.12 / udp 5000 > 6081 / geneve vni 42 / eth 02:00:00:00:00:01 > 02:00:00:00:00:02 / \
                 arp who-has 10.0.0.2 tell 10.0.0.1",
            ),
            (
                ipv4(&ip(47, &[&[0x20, 0, 8, 0, 0, 0, 0, 7][..], &inner()].concat())),
                "ip 10.0.0.11 > 10.0.0.12 proto 47 / gre key 7 / ip 192.168.87.198 > 192.168.158.2 / icmp echo request",
            ),
            (
                Frame { tag: Some(0x6000 | 10), ..frame(ethernet(0x0806, &arp)) },
                "vlan 10 / arp who-has 10.0.0.2 tell 10.0.0.1",
            ),
            (
                frame(ethernet(0x8100, &[&[0, 10, 8, 6][..], &arp].concat())),
                "vlan 10 / arp who-has 10.0.0.2 tell 10.0.0.1",
            ),
            (
                ipv4(&ip(1, &icmp_error)),
                "ip 10.0.0.11 > 10.0.0.12 / icmp unreachable frag-needed mtu 1400 / ip 192.168.87.198 > 192.168.158.2 / \
                 icmp echo request",
            ),
            (frame(ethernet(0x88cc, b"whatever")), "eth 02:00:00:00:00:01 > 02:00:00:00:00:02"),
        ]
    }

    #[test]
    fn headers_are_read_from_the_outside_in() {
        for (frame, line) in known() {
            assert_eq!(Packet::read(&frame).words(|_| false), line);
        }
    }

    #[test]
    fn what_is_shown_can_be_asked_for() {
        for (i, (frame, line)) in known().iter().enumerate() {
            let filter: Filter =
                line.parse().unwrap_or_else(|e: crate::ip::WordError| panic!("`{line}`: {}", e.message));
            assert_eq!(filter.to_string(), *line);
            assert!(filter.matches(frame, &Packet::read(frame)), "{line}");
            // All of them are in Ethernet frames of the same two.
            for (other, _) in known().iter().take(i).filter(|(_, l)| l != line && !line.starts_with("eth")) {
                assert!(!filter.matches(other, &Packet::read(other)), "`{line}` matches another packet");
            }
        }
    }

    #[test]
    fn a_filter_begins_at_the_outermost_header() {
        let tunnelled = &known()[2].0;
        let matches = |text: &str| text.parse::<Filter>().unwrap().matches(tunnelled, &Packet::read(tunnelled));
        assert!(matches("ip"));
        assert!(matches("ip / ip 192.168.87.198 > *"));
        assert!(matches("ip / ip 192.168.87.0/24 > * ttl 63"));
        assert!(matches("eth 02:00:00:00:00:01 > * / ip 10.0.0.11 > *"));
        assert!(!matches("ip 192.168.87.198 > *"));
        assert!(!matches("ip / ip * > * ttl 64"));
        assert!(!matches("ip / icmp"));
        assert!(!matches("vlan 10 / ip"));
    }

    #[test]
    fn a_text_is_looked_for_behind_the_last_header() {
        let tunnelled = &known()[2].0;
        let matches = |text: &str| text.parse::<Filter>().unwrap().matches(tunnelled, &Packet::read(tunnelled));
        assert!(matches("plaintext \"secret token\""));
        assert!(matches("ip / ip / icmp / plaintext \"secret\""));
        assert!(!matches("plaintext \"other\""));
        assert!(!matches("ip / udp / plaintext \"secret\""));
    }

    #[test]
    fn the_difference_of_the_nearest_packet_is_named() {
        let packets: Vec<Packet> = known().iter().map(|(frame, _)| Packet::read(frame)).collect();
        let difference = |text: &str| text.parse::<Filter>().unwrap().difference(packets[..4].iter()).unwrap();
        assert_eq!(
            difference("ip 192.168.87.199 > 192.168.158.2 / icmp"),
            "the outermost header is `ip 192.168.87.198 > 192.168.158.2`, not `ip 192.168.87.199 > 192.168.158.2`"
        );
        assert_eq!(
            difference("ip / udp * > 4789 / vxlan vni 4097"),
            "the header is `vxlan vni 4096`, not `vxlan vni 4097`"
        );
    }
}
