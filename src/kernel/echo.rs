//! ICMP echo between many nodes at once, over one raw socket per node.
//!
//! A socket belongs for ever to the namespace of the thread that opened it: so a few plain threads open them all, and then
//! one loop asks and listens for everybody.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};

use super::Refusal;
use super::linux::on_threads;

/// Who asks, and what others ask for.
pub struct Station {
    /// Its namespace; none for the machine itself.
    pub netns: Option<File>,
    /// Its address.
    pub address: Ipv4Addr,
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
    let opened = on_threads(stations, |station| open(station.netns.as_ref()));
    let sockets: Vec<Socket> = opened.into_iter().collect::<Result<_, Refusal>>()?;
    let n = stations.len();
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
                let address = SocketAddrV4::new(stations[to].address, 0).into();
                if let Err(error) = socket.send_to(&request(from, to), &address) {
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

fn open(netns: Option<&File>) -> Result<Socket, Refusal> {
    if let Some(netns) = netns {
        setns(netns.as_fd(), CloneFlags::CLONE_NEWNET)?;
    }
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.set_nonblocking(true)?;
    only_replies(&socket)?;
    // Answers of many nodes come at once.
    let _ = socket.set_recv_buffer_size(1 << 20);
    Ok(socket)
}

/// A raw socket hears every ICMP packet of its node, the requests of all the others too: the kernel is told to keep them.
fn only_replies(socket: &Socket) -> Result<(), Refusal> {
    const ICMP_FILTER: libc::c_int = 1;
    const ECHO_REPLY: u32 = 0;
    let dropped: u32 = !(1 << ECHO_REPLY);
    // SAFETY: the option takes four bytes, and `dropped` has four; the descriptor is open for the length of the call.
    let code = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_RAW,
            ICMP_FILTER,
            std::ptr::from_ref(&dropped).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    if code == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}

/// Echo request; who asks whom stands in its data, with a mark that tells ours from a learner's `ping`.
fn request(from: usize, to: usize) -> [u8; 24] {
    let mut packet = [0_u8; 24];
    packet[0] = 8;
    packet[4..6].copy_from_slice(&(from as u16).to_be_bytes());
    packet[6..8].copy_from_slice(&(to as u16).to_be_bytes());
    packet[8..16].copy_from_slice(MARK);
    packet[16..20].copy_from_slice(&(from as u32).to_be_bytes());
    packet[20..24].copy_from_slice(&(to as u32).to_be_bytes());
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
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let icmp = packet.get(header..)?;
    if icmp.first() != Some(&0) || icmp.get(8..16)? != MARK {
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
