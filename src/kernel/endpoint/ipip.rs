//! IPv4 in IPv4 in user space: a TUN device and raw sockets of protocol 4. The bytes on the wire are the kernel's.
//!
//! What of the outer header follows the inner one is as in the kernel's `ip_tunnel_xmit`: TTL inherited unless the tunnel
//! has one, no TOS but the ECN bits (RFC 6040), DF always between two named ends and as the inner packet has it on
//! `tunl0`. What cannot be sent is told to the sender by ICMP.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery};
use socket2::{Domain, Protocol, Socket, Type};

use super::icmp::{Icmp, Unreachable};
use super::next::NextHops;
use super::packet::{CONGESTED, Header, mark_congested};
use super::{BATCH, LARGEST, Tun, index, is_gone};
use crate::link::endpoint::Ends;
use crate::link::tunnel::Outer;
use crate::name::IfName;

const IPIP: i32 = 4;
/// What the outer header takes.
const OVERHEAD: u32 = 20;

/// Carries packets until it is ended, or its device is gone.
pub fn run(dev: &IfName, outer: &Outer, except: &[Ends]) -> std::io::Result<()> {
    let wire = raw(IPIP)?;
    let mut sender = Sender {
        whole: Outgoing::new(outer, Ipv4PathMtuDiscovery::DO)?,
        pieces: Outgoing::new(outer, Ipv4PathMtuDiscovery::DONT)?,
        icmp: Icmp::open()?,
        next: NextHops::of(index(dev)?)?,
        outer: outer.clone(),
    };
    // Last, because its carrier says that the tunnel works.
    let tun = Tun::open(dev)?;
    let mut buffer = vec![0; LARGEST + 1];
    loop {
        let mut ready = [PollFd::new(&tun, PollFlags::IN), PollFd::new(&wire, PollFlags::IN)];
        match poll(&mut ready, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let (inside, outside) = (ready[0].revents(), ready[1].revents());
        if !inside.is_empty() {
            sender.next.refresh();
            for _ in 0..BATCH {
                match tun.receive(&mut buffer) {
                    Ok(packet) => sender.send(packet),
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(e) if is_gone(&e) => return Ok(()),
                    Err(e) => return Err(e),
                }
            }
        }
        if !outside.is_empty() {
            for _ in 0..BATCH {
                match rustix::net::recv(&wire, &mut buffer[..], rustix::net::RecvFlags::DONTWAIT) {
                    Ok((_, n)) => {
                        if let Some(inner) = unwrap(&mut buffer[..n], outer, except) {
                            tun.deliver(inner);
                        }
                    }
                    // Nothing more, or an error of a packet sent earlier.
                    Err(_) => break,
                }
            }
        }
    }
}

fn raw(protocol: i32) -> std::io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(protocol)))
}

/// A socket for packets with the same DF bit: TTL and TOS are the socket's and change seldom.
struct Outgoing {
    socket: Socket,
    ttl: u8,
    tos: u8,
}

impl Outgoing {
    fn new(outer: &Outer, df: Ipv4PathMtuDiscovery) -> std::io::Result<Outgoing> {
        let socket = raw(IPIP)?;
        sockopt::set_ip_mtu_discover(&socket, df)?;
        if let Some(dev) = &outer.dev {
            socket.bind_device(Some(dev.as_str().as_bytes()))?;
        }
        if let Some(local) = outer.local {
            // The address may come later than the tunnel.
            socket.set_freebind_v4(true)?;
            socket.bind(&SocketAddr::from((local, 0)).into())?;
        }
        // Only what others send is of interest, and on another socket.
        socket.shutdown(std::net::Shutdown::Read).or_else(|_| socket.set_recv_buffer_size(0))?;
        Ok(Outgoing { socket, ttl: 0, tos: 0 })
    }

    fn send(&mut self, packet: &[u8], to: Ipv4Addr, ttl: u8, tos: u8) -> rustix::io::Result<()> {
        if ttl != self.ttl && self.socket.set_ttl_v4(u32::from(ttl)).is_ok() {
            self.ttl = ttl;
        }
        if tos != self.tos && self.socket.set_tos_v4(u32::from(tos)).is_ok() {
            self.tos = tos;
        }
        rustix::net::sendto(&self.socket, packet, rustix::net::SendFlags::DONTWAIT, &SocketAddrV4::new(to, 0))
            .map(|_| ())
    }
}

/// From the device to the wire.
struct Sender {
    whole: Outgoing,
    pieces: Outgoing,
    icmp: Icmp,
    next: NextHops,
    outer: Outer,
}

impl Sender {
    fn send(&mut self, inner: &[u8]) {
        let Some(header) = Header::of(inner) else { return };
        let Some(to) = self.next.outer(header.to, self.outer.remote) else { return };
        let ttl = self.outer.ttl.filter(|t| *t > 0).unwrap_or(header.ttl);
        // RFC 6040: congestion met inside is not repeated outside.
        let tos = if header.ecn == CONGESTED { 2 } else { header.ecn };
        let socket = if self.outer.remote.is_some() || header.df { &mut self.whole } else { &mut self.pieces };
        match socket.send(inner, to, ttl, tos) {
            Err(rustix::io::Errno::MSGSIZE) if header.df => {
                let mtu = path_mtu(to).saturating_sub(OVERHEAD).max(68);
                self.icmp.tell(inner, Unreachable::TooLarge(mtu as u16));
            }
            Err(rustix::io::Errno::NETUNREACH | rustix::io::Errno::HOSTUNREACH) => {
                self.icmp.tell(inner, Unreachable::Host);
            }
            // A firewall's no, a full queue: the packet is lost, as on any wire.
            _ => {}
        }
    }
}

/// The MTU of the way to an address, as the kernel knows it by now.
fn path_mtu(to: Ipv4Addr) -> u32 {
    let ask = || -> std::io::Result<u32> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        socket.connect(&SocketAddr::from((to, 9)).into())?;
        Ok(sockopt::ip_mtu(socket.as_fd())?)
    };
    ask().unwrap_or(576)
}

/// The inner packet of one from the wire, if it is this tunnel's and whole.
fn unwrap<'p>(packet: &'p mut [u8], outer: &Outer, except: &[Ends]) -> Option<&'p [u8]> {
    let header = Header::of(packet)?;
    let mine = outer.remote.is_none_or(|r| r == header.from) && outer.local.is_none_or(|l| l == header.to);
    let theirs = |e: &Ends| e.from == header.from && e.to.is_none_or(|to| to == header.to);
    if !mine || except.iter().any(theirs) {
        return None;
    }
    let inner = &mut packet[header.length..];
    let found = Header::of(inner)?;
    if header.ecn == CONGESTED && found.ecn != CONGESTED {
        if found.ecn == 0 {
            // Its sender does not know congestion marks: a loss is all that it understands.
            return None;
        }
        mark_congested(inner);
    }
    Some(inner)
}

#[cfg(test)]
mod tests {
    use super::super::packet::checksum;
    use super::*;

    fn packet(tos: u8, flags: u8, protocol: u8, from: [u8; 4], to: [u8; 4], rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, tos, 0, (20 + rest.len()) as u8, 0, 0, flags, 0, 64, protocol, 0, 0];
        packet.extend(from);
        packet.extend(to);
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(rest);
        packet
    }

    fn wrapped(tos: u8, inner: &[u8]) -> Vec<u8> {
        packet(tos, 0, 4, [10, 0, 0, 11], [10, 0, 0, 12], inner)
    }

    #[test]
    fn what_arrives_is_the_inner_packet() {
        let inner = packet(0, 0, 17, [192, 168, 87, 198], [192, 168, 158, 2], b"hello");
        assert_eq!(unwrap(&mut wrapped(0, &inner), &Outer::default(), &[]), Some(&inner[..]));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let inner = packet(0, 0, 17, [192, 168, 87, 198], [192, 168, 158, 2], b"hello");
        let theirs = |text: &str| text.parse::<Ends>().unwrap();
        let from = |ip: [u8; 4]| Outer { remote: Some(ip.into()), ..Outer::default() };
        assert!(unwrap(&mut wrapped(0, &inner), &from([10, 0, 0, 11]), &[]).is_some());
        assert!(unwrap(&mut wrapped(0, &inner), &from([10, 0, 0, 13]), &[]).is_none());
        assert!(unwrap(&mut wrapped(0, &inner), &Outer::default(), &[theirs("10.0.0.11")]).is_none());
        assert!(unwrap(&mut wrapped(0, &inner), &Outer::default(), &[theirs("10.0.0.11,10.0.0.12")]).is_none());
        assert!(unwrap(&mut wrapped(0, &inner), &Outer::default(), &[theirs("10.0.0.11,10.0.0.13")]).is_some());
        assert!(unwrap(&mut wrapped(0, b"no packet at all......"), &Outer::default(), &[]).is_none());
        assert!(unwrap(&mut wrapped(0, &inner)[..25], &Outer::default(), &[]).is_none());
        assert!(unwrap(&mut [], &Outer::default(), &[]).is_none());
    }

    #[test]
    fn congestion_outside_is_told_inside() {
        let knows = packet(2, 0, 17, [192, 168, 87, 198], [192, 168, 158, 2], b"hello");
        let told = packet(3, 0, 17, [192, 168, 87, 198], [192, 168, 158, 2], b"hello");
        assert_eq!(unwrap(&mut wrapped(3, &knows), &Outer::default(), &[]), Some(&told[..]));
        let ignorant = packet(0, 0, 17, [192, 168, 87, 198], [192, 168, 158, 2], b"hello");
        assert_eq!(unwrap(&mut wrapped(3, &ignorant), &Outer::default(), &[]), None);
    }
}
