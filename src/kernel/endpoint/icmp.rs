//! What a node's tunnel tells those whose packets it cannot send.

use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::net::SendFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::packet::{Header, checksum};

/// "Destination unreachable".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// Nobody is there.
    Host,
    /// It is too large and may not be cut; this would fit.
    TooLarge(u16),
}

/// Tells senders, from the node.
pub struct Icmp(Socket);

impl Icmp {
    /// In the calling thread's namespace.
    pub fn open() -> std::io::Result<Icmp> {
        Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).map(Icmp)
    }

    /// Tells the sender of a packet. Errors are not answered with errors, nor is every piece of a packet.
    pub fn tell(&self, packet: &[u8], why: Unreachable) {
        let Some(header) = Header::of(packet) else { return };
        let is_error = header.protocol == 1 && !matches!(packet.get(header.length), Some(0 | 8));
        if is_error || header.from == Ipv4Addr::UNSPECIFIED || header.is_later_piece {
            return;
        }
        let quoted = &packet[..packet.len().min(header.length + 64)];
        let mut message = [0; 8 + 60 + 64];
        let (code, mtu) = match why {
            Unreachable::Host => (1, 0),
            Unreachable::TooLarge(mtu) => (4, mtu),
        };
        message[..2].copy_from_slice(&[3, code]);
        message[6..8].copy_from_slice(&mtu.to_be_bytes());
        message[8..8 + quoted.len()].copy_from_slice(quoted);
        let message = &mut message[..8 + quoted.len()];
        let sum = checksum(message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let _ = rustix::net::sendto(&self.0, message, SendFlags::DONTWAIT, &SocketAddrV4::new(header.from, 0));
    }
}
