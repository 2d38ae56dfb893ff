//! ICMP echo between many nodes at once, over one raw socket per node.
//!
//! A socket belongs for ever to the namespace of the thread that opened it: so a few plain threads open them all, and then
//! one loop asks and listens for everybody.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use nix::sched::{CloneFlags, setns};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use socket2::{Domain, Protocol, Socket, Type};

use super::limits::{neighbours, room_for_files};
use super::on_threads;
use super::{Netlink, Refusal, netns};
use crate::ip::Family;

/// Who asks, and what others ask for.
pub struct Station {
    /// Its namespace; none for the machine itself.
    pub netns: Option<String>,
    /// Its address.
    pub address: IpAddr,
    /// The networks that it is connected to: who is in one of them becomes a neighbour.
    pub wires: Vec<IpNet>,
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
/// And when that has been waited for in vain many times.
const IMPATIENCE: Duration = Duration::from_millis(50);
/// How much waiting in vain is many times.
const MOST_PATIENCE: Duration = Duration::from_secs(5);
/// Files that are open for other things than sockets.
const OTHER_FILES: usize = 16;

/// Asks everybody about everybody else: in one go where there is room for it, else group by group.
pub fn matrix(stations: &[Station]) -> Result<Answers, Refusal> {
    let n = stations.len();
    let family = stations.first().map_or(Family::V4, |station| Family::of(station.address));
    let table = neighbours(family).unwrap_or_default();
    let files = room_for_files((n + OTHER_FILES) as u64).saturating_sub(OTHER_FILES);
    // Everybody may come to know everybody on the same wire, and there is one table for all namespaces together. Some of
    // its room is for others.
    let room = (table.most.saturating_sub(table.used) / 4 * 3) as usize;
    let meetings = meetings(stations, room);
    let known = if meetings > room { Some(everybody(stations)?) } else { None };
    let size = group_size(n, files, known.as_ref().map(|_| room));
    let groups: Vec<Vec<usize>> = (0..n).collect::<Vec<usize>>().chunks(size).map(<[usize]>::to_vec).collect();
    let mut asked = Asked { n, family, answered: vec![false; n * n], waited: Duration::ZERO };
    for (at, group) in groups.iter().enumerate() {
        for other in &groups[at..] {
            let rounds = rounds(group, other);
            let mut members = group.clone();
            members.extend(other.iter().filter(|m| !group.contains(m)));
            asked.ask(stations, &members, &rounds)?;
            if let Some(known) = &known {
                forget(stations, &members, known)?;
            }
        }
    }
    let Asked { answered, .. } = asked;
    let silent = |pair: &(usize, usize)| pair.0 != pair.1 && !answered[pair.0 * n + pair.1];
    let pairs = (0..n).flat_map(|from| (0..n).map(move |to| (from, to)));
    let table_full = neighbours(family).unwrap_or_default().refused > table.refused;
    Ok(Answers { silent: pairs.filter(silent).collect(), table_full })
}

/// How many entries the table of neighbours gets, counted no further than it matters.
fn meetings(stations: &[Station], most: usize) -> usize {
    let mut found = 0;
    for (at, station) in stations.iter().enumerate() {
        let near = |other: &Station| station.wires.iter().any(|wire| wire.contains(&other.address));
        found += stations.iter().enumerate().filter(|(other, station)| *other != at && near(station)).count();
        if found > most {
            break;
        }
    }
    found
}

/// How many nodes stand in a group: two groups have their sockets open at the same time, and when all pairs of theirs become
/// neighbours, they have `neighbours` entries.
fn group_size(n: usize, files: usize, neighbours: Option<usize>) -> usize {
    let by_files = if n <= files { n } else { files / 2 };
    let by_neighbours = neighbours.map_or(n, |room| (room / 2).isqrt());
    by_files.min(by_neighbours).max(1)
}

/// Who asks whom: in each round one target per node, so that nobody is asked by all at once.
fn rounds(group: &[usize], other: &[usize]) -> Vec<Vec<(usize, usize)>> {
    let turned = |from: &[usize], to: &[usize], by: usize| -> Vec<(usize, usize)> {
        from.iter().enumerate().map(|(at, from)| (*from, to[(at + by) % to.len()])).collect()
    };
    if group == other {
        return (1..group.len()).map(|by| turned(group, group, by)).collect();
    }
    let mut rounds: Vec<_> = (0..other.len()).map(|by| turned(group, other, by)).collect();
    rounds.extend((0..group.len()).map(|by| turned(other, group, by)));
    rounds
}

/// What has been asked so far.
struct Asked {
    n: usize,
    family: Family,
    answered: Vec<bool>,
    /// Waited in vain.
    waited: Duration,
}

impl Asked {
    fn ask(&mut self, stations: &[Station], members: &[usize], rounds: &[Vec<(usize, usize)>]) -> Result<(), Refusal> {
        let n = self.n;
        let opened = on_threads(members, |member| open(&stations[*member]));
        let mut sockets = Vec::with_capacity(members.len());
        for (member, socket) in members.iter().zip(opened) {
            sockets.push((*member, socket?));
        }
        let places: HashMap<usize, usize> = members.iter().enumerate().map(|(at, member)| (*member, at)).collect();
        for _ in 0..2 {
            for round in rounds {
                for (from, to) in round.iter().filter(|(from, to)| !self.answered[from * n + to]) {
                    let address = SocketAddr::new(stations[*to].address, 0).into();
                    if let Some(at) = places.get(from) {
                        // Whatever is wrong shows by its silence.
                        let _ = sockets[*at].1.send_to(&request(self.family, *from, *to), &address);
                    }
                }
                sockets.iter().for_each(|(from, socket)| listen(socket, *from, n, &mut self.answered));
            }
            let patience = if self.waited < MOST_PATIENCE { PATIENCE } else { IMPATIENCE };
            let begun = Instant::now();
            self.wait(&sockets, rounds, begun + patience);
            if self.missing(rounds) {
                self.waited += begun.elapsed();
            }
        }
        Ok(())
    }

    fn missing(&self, rounds: &[Vec<(usize, usize)>]) -> bool {
        rounds.iter().flatten().any(|(from, to)| !self.answered[from * self.n + to])
    }

    /// Listens until everybody has answered, or the time is up.
    fn wait(&mut self, sockets: &[(usize, Socket)], rounds: &[Vec<(usize, usize)>], until: Instant) {
        let polled = |(_, s): &(usize, Socket)| libc::pollfd { fd: s.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        while self.missing(rounds) && Instant::now() < until {
            let mut polled: Vec<libc::pollfd> = sockets.iter().map(polled).collect();
            // SAFETY: the pollfds live in `polled`, whose length is given, for the length of the call.
            unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 20) };
            for (at, _) in polled.iter().enumerate().filter(|(_, p)| p.revents != 0) {
                let (from, socket) = &sockets[at];
                listen(socket, *from, self.n, &mut self.answered);
            }
        }
    }
}

/// Moves the calling thread to a station.
fn go(station: &Station) -> Result<(), Refusal> {
    let home = || File::open("/proc/self/ns/net").map_err(Refusal::from);
    let namespace = match &station.netns {
        // The thread may have been elsewhere; the process's first one is at home.
        None => home()?,
        Some(name) => {
            let gone = || Refusal::new(format!("the namespace `{name}` is gone"));
            netns::open(name)?.ok_or_else(gone)?
        }
    };
    Ok(setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?)
}

fn open(station: &Station) -> Result<Socket, Refusal> {
    go(station)?;
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

/// A neighbour of a station: by the number of its interface, and its address.
type Known = HashSet<(usize, u32, IpAddr)>;

/// The neighbours of a station that come and go by themselves.
fn met(netlink: &mut Netlink) -> Result<Vec<(u32, IpAddr, NeighbourMessage)>, Refusal> {
    let mut met = Vec::new();
    for answer in netlink.dump(RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()))? {
        let RouteNetlinkMessage::NewNeighbour(mut message) = answer else { continue };
        let lasting = matches!(message.header.state, NeighbourState::Permanent | NeighbourState::Noarp);
        let address = message.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
            _ => None,
        });
        if let (Some(ip), false) = (address, lasting) {
            message.attributes.retain(|attribute| matches!(attribute, NeighbourAttribute::Destination(_)));
            met.push((message.header.ifindex, ip, message));
        }
    }
    Ok(met)
}

/// Whom the stations know before they are asked to meet others.
fn everybody(stations: &[Station]) -> Result<Known, Refusal> {
    let all: Vec<usize> = (0..stations.len()).collect();
    let look = |station: &usize| -> Result<Vec<(usize, u32, IpAddr)>, Refusal> {
        go(&stations[*station])?;
        let met = met(&mut Netlink::open()?)?;
        Ok(met.into_iter().map(|(dev, ip, _)| (*station, dev, ip)).collect())
    };
    let found: Vec<Vec<_>> = on_threads(&all, look).into_iter().collect::<Result<_, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Makes room in the table for the next ones: forgets whom the stations have met on the way, and nobody else.
fn forget(stations: &[Station], members: &[usize], known: &Known) -> Result<(), Refusal> {
    let addresses: HashSet<IpAddr> = stations.iter().map(|station| station.address).collect();
    let visit = |member: &usize| -> Result<(), Refusal> {
        go(&stations[*member])?;
        let mut netlink = Netlink::open()?;
        let mut requests = Vec::new();
        for (dev, ip, message) in met(&mut netlink)? {
            if addresses.contains(&ip) && !known.contains(&(*member, dev, ip)) {
                requests.push((RouteNetlinkMessage::DelNeighbour(message), 0));
            }
        }
        // One that has gone by itself is gone as well.
        netlink.request(requests);
        Ok(())
    };
    on_threads(members, visit).into_iter().collect()
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

/// Takes whatever has come.
fn listen(socket: &Socket, from: usize, n: usize, answered: &mut [bool]) {
    use std::io::Read;
    let mut buffer = [0_u8; 128];
    let mut reader = socket;
    while let Ok(length) = reader.read(&mut buffer) {
        if let Some((asked_by, to)) = reply(&buffer[..length])
            && asked_by == from
            && to < n
        {
            answered[from * n + to] = true;
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_asked_once_whatever_the_groups() {
        for (n, size) in [(1, 1), (2, 1), (5, 5), (7, 3), (9, 3), (10, 4)] {
            let all: Vec<usize> = (0..n).collect();
            let groups: Vec<&[usize]> = all.chunks(size).collect();
            let mut asked = Vec::new();
            for (at, group) in groups.iter().enumerate() {
                groups[at..].iter().for_each(|other| asked.extend(rounds(group, other).into_iter().flatten()));
            }
            asked.sort_unstable();
            let wanted: Vec<_> = (0..n).flat_map(|a| (0..n).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
            assert_eq!(asked, wanted, "{n} in groups of {size}");
        }
    }

    #[test]
    fn groups_are_as_large_as_files_and_neighbours_allow() {
        assert_eq!(group_size(1000, 20_000, None), 1000);
        assert_eq!(group_size(1000, 40, None), 20);
        // Two groups of 19 make 722 entries.
        assert_eq!(group_size(100, 20_000, Some(768)), 19);
        assert_eq!(group_size(100, 0, Some(0)), 1);
    }
}
