//! What an endpoint reads off a packet, and the two checksums that it has to do with.

use std::net::Ipv4Addr;

const DONT_FRAGMENT: u8 = 0x40;
/// The ECN bits of the TOS byte: congestion was met.
pub const CONGESTED: u8 = 3;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What of an IPv4 header counts here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub length: usize,
    pub ecn: u8,
    pub ttl: u8,
    pub protocol: u8,
    pub df: bool,
    pub is_later_piece: bool,
    pub from: Ipv4Addr,
    pub to: Ipv4Addr,
}

impl Header {
    pub fn of(packet: &[u8]) -> Option<Header> {
        let fixed: &[u8; 20] = packet.first_chunk()?;
        let length = usize::from(fixed[0] & 0xf) * 4;
        if fixed[0] >> 4 != 4 || length < 20 || length > packet.len() {
            return None;
        }
        let address = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        Some(Header {
            length,
            ecn: fixed[1] & 3,
            ttl: fixed[8],
            protocol: fixed[9],
            df: fixed[6] & DONT_FRAGMENT != 0,
            is_later_piece: fixed[6] & 0x1f != 0 || fixed[7] != 0,
            from: address(12),
            to: address(16),
        })
    }

    /// What stands in a checksum field that somebody else is to complete: the sum of addresses, protocol and length.
    fn pseudo_sum(&self, length: usize) -> [u8; 2] {
        let mut pseudo = [0; 12];
        pseudo[..4].copy_from_slice(&self.from.octets());
        pseudo[4..8].copy_from_slice(&self.to.octets());
        pseudo[9] = self.protocol;
        pseudo[10..].copy_from_slice(&(length as u16).to_be_bytes());
        (!checksum(&pseudo)).to_be_bytes()
    }
}

/// Sets the ECN bits and mends the header's checksum (RFC 1624).
pub fn mark_congested(packet: &mut [u8]) {
    let word = |p: &[u8], at: usize| u16::from_be_bytes([p[at], p[at + 1]]);
    let old = word(packet, 0);
    packet[1] |= CONGESTED;
    let new = word(packet, 0);
    let mut sum = u32::from(!word(packet, 10)) + u32::from(!old) + u32::from(new);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !(sum as u16);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The Internet checksum of a message whose own field is zero.
pub fn checksum(message: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in message.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The header that Linux wants in front of a packet on a TUN device with IFF_VNET_HDR (`struct virtio_net_hdr`).
pub const OFFLOAD: usize = 10;
const NEEDS_CHECKSUM: u8 = 1;
const CUT_TCP: u8 = 1;
const CUT_ECN: u8 = 0x80;

/// What the kernel still has to do with an inner packet. Between namespaces of one machine the kernel leaves checksums
/// undone, and the segments of a TCP stream in one piece, for the network card to see to; a raw socket gets such a packet
/// as it is. Its checksum field then holds nothing but the sum of the pseudo header. `mtu` is asked for what is too large.
pub fn offload(packet: &[u8], mtu: impl FnOnce() -> usize) -> [u8; OFFLOAD] {
    let mut out = [0; OFFLOAD];
    let Some((header, payload)) = Header::of(packet).and_then(|h| Some((h, packet.get(h.length..)?))) else {
        return out;
    };
    let (field, least) = match header.protocol {
        TCP => (16, 20),
        UDP => (6, 8),
        _ => return out,
    };
    if header.is_later_piece || payload.len() < least || payload[field..field + 2] != header.pseudo_sum(payload.len()) {
        return out;
    }
    out[0] = NEEDS_CHECKSUM;
    out[6..8].copy_from_slice(&(header.length as u16).to_ne_bytes());
    out[8..10].copy_from_slice(&(field as u16).to_ne_bytes());
    if header.protocol == TCP && packet.len() > 576 {
        let headers = header.length + usize::from(payload[12] >> 4) * 4;
        let mtu = mtu();
        if packet.len() > mtu && mtu > headers {
            out[1] = if payload[13] & 0x80 == 0 { CUT_TCP } else { CUT_TCP | CUT_ECN };
            out[2..4].copy_from_slice(&(headers as u16).to_ne_bytes());
            out[4..6].copy_from_slice(&((mtu - headers) as u16).to_ne_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TCP packet whose checksum field says what is given.
    fn tcp(size: usize, field: [u8; 2]) -> Vec<u8> {
        let total = (40 + size) as u16;
        let mut packet = vec![0x45, 0, (total >> 8) as u8, total as u8, 0, 0, 0x40, 0, 64, 6, 0, 0];
        packet.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([0, 80, 0, 99, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, field[0], field[1], 0, 0]);
        packet.resize(40 + size, 7);
        packet
    }

    fn undone(size: usize) -> Vec<u8> {
        let header = Header::of(&tcp(size, [0, 0])).unwrap();
        tcp(size, header.pseudo_sum(20 + size))
    }

    #[test]
    fn a_packet_that_is_whole_is_passed_on_as_it_is() {
        assert_eq!(offload(&tcp(100, [1, 2]), || 1480), [0; OFFLOAD]);
        assert_eq!(offload(b"not a packet", || 1480), [0; OFFLOAD]);
    }

    #[test]
    fn a_checksum_that_was_left_undone_is_for_the_kernel_to_do() {
        let [flags, kind, ..] = offload(&undone(100), || 1480);
        assert_eq!((flags, kind), (NEEDS_CHECKSUM, 0));
        assert_eq!(offload(&undone(100), || 1480)[6..], [20_u16.to_ne_bytes(), 16_u16.to_ne_bytes()].concat());
    }

    #[test]
    fn segments_in_one_piece_are_for_the_kernel_to_cut() {
        let out = offload(&undone(20_000), || 1480);
        assert_eq!(out[..2], [NEEDS_CHECKSUM, CUT_TCP]);
        assert_eq!(out[2..6], [40_u16.to_ne_bytes(), 1440_u16.to_ne_bytes()].concat());
    }

    #[test]
    fn a_header_says_whether_it_may_be_cut() {
        let header = |flags| {
            let mut packet = tcp(0, [0, 0]);
            (packet[1], packet[6]) = (1, flags);
            Header::of(&packet).unwrap()
        };
        assert!(header(0x40).df && !header(0).df);
        assert!(header(0x01).is_later_piece && !header(0x20).is_later_piece);
        assert_eq!((header(0).from, header(0).to, header(0).ecn), ([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 1));
    }
}
