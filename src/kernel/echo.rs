//! ICMP echo between many nodes at once, over one raw socket per node.
//!
//! A socket belongs for ever to the namespace of the thread that opened it: so a few plain threads open them all, and then
//! one loop asks and listens for everybody.

use std::collections::HashSet;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::linux::on_threads;
use super::{Netlink, Refusal};
use crate::ip::Family;

/// Who asks, and what others ask for.
pub struct Station {
    /// Its namespace; none for the machine itself.
    pub netns: Option<File>,
    /// Its address.
    pub address: IpAddr,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Answers {
    /// Pairs without an answer.
    pub silent: Vec<(usize, usize)>,
    /// The kernel's table of neighbours was full.
    pub table_full: bool,
}

/// How long an answer may take before it is asked for once more, and then given up.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long nothing may come before the next are asked.
const PAUSE: Duration = Duration::from_millis(100);
/// Pairs that are asked before their neighbours are forgotten. Each pair on one wire puts up to one entry into the table of
/// neighbours, which is one for the whole kernel and by default full at 1,024 (`gc_thresh3`).
const AT_ONCE: usize = 400;

/// Asks everybody about everybody else.
pub fn matrix(stations: &[Station]) -> Result<Answers, Refusal> {
    let n = stations.len();
    let family = stations.first().map_or(Family::V4, |station| Family::of(station.address));
    let many = n * n.saturating_sub(1) > AT_ONCE;
    let opened = on_threads(stations, |station| Asker::open(station, many));
    let mut askers: Vec<Asker> = opened.into_iter().collect::<Result<_, Refusal>>()?;
    let addresses: HashSet<IpAddr> = stations.iter().map(|s| s.address).collect();
    let mut answered = vec![false; n * n];
    let mut table_full = false;
    // Who has been in a pair already, and in one that was answered: nobody waits long for a node that is dead.
    let (mut met, mut alive) = (vec![false; n], vec![false; n]);
    for again in [false, true] {
        let missing: Vec<(usize, usize)> = pairs(n).filter(|(from, to)| !answered[from * n + to]).collect();
        for some in missing.chunks(AT_ONCE) {
            for &(from, to) in some {
                let address = SocketAddr::new(stations[to].address, 0).into();
                table_full |= askers[from].ask(&request(family, from, to), &address, again);
                askers[from].listen(from, n, &mut answered);
            }
            let hopeful = |node: &usize| alive[*node] || !met[*node];
            let likely: Vec<(usize, usize)> = some.iter().filter(|(a, b)| hopeful(a) && hopeful(b)).copied().collect();
            wait(&askers, n, &mut answered, &likely, PAUSE);
            for &(a, b) in some {
                (met[a], met[b]) = (true, true);
                alive[a] |= answered[a * n + b];
                alive[b] |= answered[a * n + b];
            }
            askers.iter_mut().for_each(|asker| asker.forget(&addresses));
        }
        wait(&askers, n, &mut answered, &missing, PATIENCE);
    }
    let silent = pairs(n).filter(|(from, to)| !answered[from * n + to]);
    let mut silent: Vec<(usize, usize)> = silent.collect();
    silent.sort_unstable();
    Ok(Answers { silent, table_full })
}

/// All ordered pairs; neighbours in this order ask different targets, and both ways follow each other, because they use the
/// same entries.
fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let half = (1..=n / 2).flat_map(move |distance| {
        let each = if distance * 2 == n { n / 2 } else { n };
        (0..each).map(move |from| (from, (from + distance) % n))
    });
    half.flat_map(|(a, b)| [(a, b), (b, a)])
}

/// A node's sockets.
struct Asker {
    socket: Socket,
    /// For many pairs, and only in namespaces of the lab's own.
    neighbors: Option<Netlink>,
}

impl Asker {
    fn open(station: &Station, many: bool) -> Result<Asker, Refusal> {
        let socket = open(station)?;
        let own = many && station.netns.is_some();
        Ok(Asker { socket, neighbors: own.then(Netlink::open).transpose()? })
    }

    /// Whether the table of neighbours was full. The kernel says so only where errors are asked for, and then says others
    /// too, of earlier packets: so it is asked only of those who were silent.
    fn ask(&self, request: &[u8], to: &SockAddr, why: bool) -> bool {
        let tell = |on: bool| match to.is_ipv4() {
            true => setsockopt(&self.socket, sockopt::Ipv4RecvErr, &on),
            false => setsockopt(&self.socket, sockopt::Ipv6RecvErr, &on),
        };
        if why {
            let _ = tell(true);
        }
        let sent = self.socket.send_to(request, to);
        if why {
            let _ = tell(false);
        }
        sent.is_err_and(|error| error.raw_os_error() == Some(libc::ENOBUFS))
    }

    /// Takes whatever has come.
    fn listen(&self, from: usize, n: usize, answered: &mut [bool]) {
        use std::io::Read;
        let mut buffer = [0_u8; 128];
        let mut reader = &self.socket;
        while let Ok(length) = reader.read(&mut buffer) {
            if let Some((asked_by, to)) = reply(&buffer[..length])
                && asked_by == from
                && to < n
            {
                answered[from * n + to] = true;
            }
        }
    }

    /// Takes what this matrix has taught the kernel out of the table again. An entry that waits for its answer stays: a packet
    /// hangs on it.
    fn forget(&mut self, addresses: &HashSet<IpAddr>) {
        let Some(netlink) = &mut self.neighbors else { return };
        let mut all = NeighbourMessage::default();
        all.header.family =
            if addresses.iter().any(IpAddr::is_ipv6) { AddressFamily::Inet6 } else { AddressFamily::Inet };
        // What cannot be forgotten stays in the table, and a full table is reported.
        let learned = netlink.dump(Message::GetNeighbour(all)).unwrap_or_default().into_iter().filter_map(|message| {
            let Message::NewNeighbour(mut entry) = message else { return None };
            let state = entry.header.state;
            let known =
                [NeighbourState::Reachable, NeighbourState::Stale, NeighbourState::Delay, NeighbourState::Probe];
            entry.attributes.retain(|a| matches!(a, NeighbourAttribute::Destination(_)));
            let ours = entry.attributes.iter().any(|a| match a {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => addresses.contains(&IpAddr::V4(*ip)),
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => addresses.contains(&IpAddr::V6(*ip)),
                _ => false,
            });
            (ours && known.contains(&state)).then_some((Message::DelNeighbour(entry), 0))
        });
        let learned: Vec<_> = learned.collect();
        netlink.request(learned);
    }
}

fn open(station: &Station) -> Result<Socket, Refusal> {
    if let Some(netns) = &station.netns {
        setns(netns.as_fd(), CloneFlags::CLONE_NEWNET)?;
    }
    let socket = match Family::of(station.address) {
        Family::V4 => Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?,
        Family::V6 => Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?,
    };
    socket.set_nonblocking(true)?;
    only_replies(&socket, Family::of(station.address))?;
    // Answers of many nodes come at once.
    let _ = socket.set_recv_buffer_size(1 << 20);
    Ok(socket)
}

/// A raw socket hears every ICMP packet of its node, the requests of all the others too: the kernel is told to keep them.
/// A bit for each type, set for those that it keeps: 32 of them for ICMP, 256 for ICMPv6.
fn only_replies(socket: &Socket, family: Family) -> Result<(), Refusal> {
    const ICMP_FILTER: libc::c_int = 1;
    const ICMP6_FILTER: libc::c_int = 1;
    let mut kept = [u32::MAX; 8];
    let reply = usize::from(reply_type(family));
    kept[reply / 32] &= !(1 << (reply % 32));
    let (level, name, length) = match family {
        Family::V4 => (libc::SOL_RAW, ICMP_FILTER, 4),
        Family::V6 => (libc::IPPROTO_ICMPV6, ICMP6_FILTER, 32),
    };
    // SAFETY: the options take 4 and 32 bytes, and `kept` has 32; the descriptor is open for the length of the call.
    let code = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, kept.as_ptr().cast(), length) };
    if code == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}

fn request_type(family: Family) -> u8 {
    match family {
        Family::V4 => 8,
        Family::V6 => 128,
    }
}

fn reply_type(family: Family) -> u8 {
    match family {
        Family::V4 => 0,
        Family::V6 => 129,
    }
}

/// Echo request; who asks whom stands in its data, with a mark that tells ours from a learner's `ping`.
fn request(family: Family, from: usize, to: usize) -> [u8; 24] {
    let mut packet = [0_u8; 24];
    packet[0] = request_type(family);
    packet[4..6].copy_from_slice(&(from as u16).to_be_bytes());
    packet[6..8].copy_from_slice(&(to as u16).to_be_bytes());
    packet[8..16].copy_from_slice(MARK);
    packet[16..20].copy_from_slice(&(from as u32).to_be_bytes());
    packet[20..24].copy_from_slice(&(to as u32).to_be_bytes());
    // The kernel writes the one of ICMPv6 itself: addresses are a part of it.
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

const MARK: &[u8; 8] = b"netlab\0\x01";

fn checksum(packet: &[u8]) -> u16 {
    let mut sum: u32 =
        packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn reply(packet: &[u8]) -> Option<(usize, usize)> {
    // Raw sockets show IPv4's header, and not IPv6's.
    let header = if packet.first()? >> 4 == 4 { usize::from(packet.first()? & 0x0f) * 4 } else { 0 };
    let icmp = packet.get(header..)?;
    if icmp.get(8..16)? != MARK {
        return None;
    }
    let number = |at: usize| Some(u32::from_be_bytes(icmp.get(at..at + 4)?.try_into().ok()?) as usize);
    Some((number(16)?, number(20)?))
}

/// Listens until all of these have answered, or nothing has come for a while.
fn wait(askers: &[Asker], n: usize, answered: &mut [bool], pairs: &[(usize, usize)], patience: Duration) {
    let missing = |answered: &[bool]| pairs.iter().filter(|(from, to)| !answered[from * n + to]).count();
    let (mut until, mut left) = (Instant::now() + patience, missing(answered));
    while left > 0 && Instant::now() < until {
        let mut polled: Vec<libc::pollfd> = askers
            .iter()
            .map(|a| libc::pollfd { fd: a.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 })
            .collect();
        // SAFETY: the pollfds live in `polled`, whose length is given, for the length of the call.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 20) };
        for (from, _) in polled.iter().enumerate().filter(|(_, p)| p.revents != 0) {
            askers[from].listen(from, n, answered);
        }
        let now = missing(answered);
        if now < left {
            (until, left) = (Instant::now() + patience, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ordered_pair_is_asked_once() {
        for n in 0..12 {
            let mut all: Vec<_> = pairs(n).collect();
            assert!(all.iter().all(|(a, b)| a != b));
            all.sort_unstable();
            all.dedup();
            assert_eq!((all.len(), pairs(n).count()), (n * n.saturating_sub(1), n * n.saturating_sub(1)), "{n}");
        }
    }
}
