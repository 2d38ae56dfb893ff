//! ICMP echo between many nodes at once, over one raw socket per node.
//!
//! A socket belongs for ever to the namespace of the thread that opened it: so a few plain threads open them all, and then
//! one loop asks and listens for everybody.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};

use super::Refusal;
use super::linux::on_threads;
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

/// Asks everybody about everybody else.
pub fn matrix(stations: &[Station]) -> Result<Answers, Refusal> {
    let opened = on_threads(stations, open);
    let sockets: Vec<Socket> = opened.into_iter().collect::<Result<_, Refusal>>()?;
    let n = stations.len();
    let family = stations.first().map_or(Family::V4, |station| Family::of(station.address));
    let mut answered = vec![false; n * n];
    let mut table_full = false;
    for _ in 0..2 {
        // Each round asks one target per node: nobody is asked by all at once.
        for distance in 1..n {
            for (from, socket) in sockets.iter().enumerate() {
                let to = (from + distance) % n;
                if answered[from * n + to] {
                    continue;
                }
                let address = SocketAddr::new(stations[to].address, 0).into();
                if let Err(error) = socket.send_to(&request(family, from, to), &address) {
                    table_full |= error.raw_os_error() == Some(libc::ENOBUFS);
                }
            }
            sockets.iter().enumerate().for_each(|(from, socket)| listen(socket, from, n, &mut answered));
        }
        wait(&sockets, n, &mut answered);
    }
    let silent = |pair: &(usize, usize)| pair.0 != pair.1 && !answered[pair.0 * n + pair.1];
    let pairs = (0..n).flat_map(|from| (0..n).map(move |to| (from, to)));
    Ok(Answers { silent: pairs.filter(silent).collect(), table_full })
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

/// Listens until everybody has answered, or nothing has come for a while.
fn wait(sockets: &[Socket], n: usize, answered: &mut [bool]) {
    let until = Instant::now() + PATIENCE;
    let missing = |answered: &[bool]| answered.iter().filter(|a| !**a).count() > n;
    while missing(answered) && Instant::now() < until {
        let mut polled: Vec<libc::pollfd> =
            sockets.iter().map(|s| libc::pollfd { fd: s.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
        // SAFETY: the pollfds live in `polled`, whose length is given, for the length of the call.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 20) };
        for (from, polled) in polled.iter().enumerate().filter(|(_, p)| p.revents != 0) {
            debug_assert_eq!(polled.fd, sockets[from].as_raw_fd());
            listen(&sockets[from], from, n, answered);
        }
    }
}
