//! WireGuard in user space: a TUN device, a UDP socket, and boringtun's state machine for each peer.
//!
//! boringtun's `device` feature brings its own threads, its own TUN code and panics on what a socket may say; its `Tunn`
//! alone is the protocol, and the loop around it is the same as ipip's.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Packet, Tunn, TunnResult, handshake::parse_handshake_anon};
use boringtun::x25519::{PublicKey, StaticSecret};
use ipnet::IpNet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::icmp::{Icmp, Unreachable};
use super::uapi::Uapi;
use super::{BATCH, LARGEST, Tun, is_gone};
use crate::link::wireguard::{Key, Peer, Wireguard};
use crate::name::IfName;

/// How often the protocol's clocks are looked at; boringtun's own device does it as often.
const TICK: Duration = Duration::from_millis(250);
/// Handshakes in a second before cookies are asked for.
const HANDSHAKES: u64 = 100;
/// What sealing adds, and the least that boringtun wants.
const ROOM: usize = 256;

/// Carries packets until it is ended, or its device is gone.
pub fn run(dev: &IfName, wireguard: &Wireguard) -> std::io::Result<()> {
    let mut device = Device::open(wireguard)?;
    let uapi = Uapi::open(dev);
    // Last, because its carrier says that the tunnel works.
    let tun = Tun::open(dev)?;
    let mut buffer = vec![0; LARGEST + 1];
    let mut ticked = Instant::now();
    loop {
        let ready = wait(&tun, &device.sockets, uapi.as_ref(), TICK.saturating_sub(ticked.elapsed()))?;
        if ready.tun {
            for _ in 0..BATCH {
                match tun.receive(&mut buffer) {
                    Ok(packet) => device.send(packet),
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(e) if is_gone(&e) => return Ok(()),
                    Err(e) => return Err(e),
                }
            }
        }
        for n in ready.sockets {
            device.receive(n, &tun, &mut buffer);
        }
        if ready.uapi
            && let Some(uapi) = &uapi
        {
            uapi.answer(&mut device);
        }
        if ticked.elapsed() >= TICK {
            device.tick();
            ticked = Instant::now();
        }
    }
}

struct Ready {
    tun: bool,
    sockets: Vec<usize>,
    uapi: bool,
}

fn wait(tun: &Tun, sockets: &[Socket], uapi: Option<&Uapi>, patience: Duration) -> std::io::Result<Ready> {
    let mut polled = vec![PollFd::new(tun, PollFlags::IN)];
    polled.extend(sockets.iter().map(|s| PollFd::new(s, PollFlags::IN)));
    polled.extend(uapi.map(|u| PollFd::new(u, PollFlags::IN)));
    let patience = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
    match poll(&mut polled, Some(&patience)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(e) => return Err(e.into()),
    }
    let has = |n: usize| polled.get(n).is_some_and(|p| !p.revents().is_empty());
    Ok(Ready {
        tun: has(0),
        sockets: (0..sockets.len()).filter(|n| has(n + 1)).collect(),
        uapi: has(sockets.len() + 1),
    })
}

/// A peer at work.
pub struct Talk {
    /// What it is.
    pub peer: Peer,
    tunnel: Tunn,
}

impl Talk {
    /// When the last handshake was, and what went out and in.
    pub fn seen(&self) -> (Option<SystemTime>, usize, usize) {
        let (since, sent, received, ..) = self.tunnel.stats();
        (since.and_then(|since| SystemTime::now().checked_sub(since)), sent, received)
    }
}

/// The interface at work.
pub struct Device {
    key: Key,
    port: u16,
    mark: Option<u32>,
    /// IPv4, and IPv6 where the node has it.
    sockets: Vec<Socket>,
    icmp: Icmp,
    limiter: Arc<RateLimiter>,
    talks: HashMap<u32, Talk>,
    next: u32,
    /// Whom a network belongs to, the nearest first.
    table: Vec<(IpNet, u32)>,
    sealed: Vec<u8>,
    limited: Instant,
}

impl Device {
    fn open(wireguard: &Wireguard) -> std::io::Result<Device> {
        let first = udp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, wireguard.port.unwrap_or(0))))?;
        let port = first.local_addr()?.as_socket().map_or(0, |a| a.port());
        let mut sockets = vec![first];
        sockets.extend(udp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))));
        let public = PublicKey::from(&StaticSecret::from(wireguard.key.0));
        let mut device = Device {
            key: wireguard.key,
            port,
            mark: None,
            sockets,
            icmp: Icmp::open()?,
            limiter: Arc::new(RateLimiter::new(&public, HANDSHAKES)),
            talks: HashMap::new(),
            next: 1,
            table: Vec::new(),
            sealed: vec![0; LARGEST + ROOM],
            limited: Instant::now(),
        };
        device.set_mark(wireguard.mark)?;
        wireguard.peers.iter().for_each(|peer| device.set_peer(peer.clone()));
        Ok(device)
    }

    /// What it is, as it is by now.
    pub fn as_it_is(&self) -> Wireguard {
        let peers = self.talks().map(|talk| talk.peer.clone()).collect();
        Wireguard { key: self.key, port: Some(self.port), mark: self.mark, peers, user_space: None }
    }

    /// The peers, oldest first.
    pub fn talks(&self) -> impl Iterator<Item = &Talk> {
        let mut numbers: Vec<&u32> = self.talks.keys().collect();
        numbers.sort();
        numbers.into_iter().filter_map(|n| self.talks.get(n))
    }

    /// Sets the firewall mark of outer packets.
    pub fn set_mark(&mut self, mark: Option<u32>) -> std::io::Result<()> {
        self.sockets.iter().try_for_each(|socket| socket.set_mark(mark.unwrap_or(0)))?;
        self.mark = mark;
        Ok(())
    }

    /// Sets the private key: everybody has to shake hands again.
    pub fn set_key(&mut self, key: Key) {
        self.key = key;
        self.limiter = Arc::new(RateLimiter::new(&PublicKey::from(&StaticSecret::from(key.0)), HANDSHAKES));
        let peers: Vec<Peer> = self.talks().map(|talk| talk.peer.clone()).collect();
        self.talks.clear();
        peers.into_iter().for_each(|peer| self.set_peer(peer));
    }

    /// Takes a peer away.
    pub fn remove_peer(&mut self, public: &Key) {
        self.talks.retain(|_, talk| talk.peer.public != *public);
        self.map();
    }

    /// Adds a peer, or changes it. A network that another one had is this one's from now on.
    pub fn set_peer(&mut self, peer: Peer) {
        for talk in self.talks.values_mut().filter(|talk| talk.peer.public != peer.public) {
            talk.peer.allowed.retain(|net| !peer.allowed.contains(net));
        }
        let known = self.talks.values_mut().find(|talk| talk.peer.public == peer.public);
        match known.filter(|talk| talk.peer.shared == peer.shared && talk.peer.keepalive == peer.keepalive) {
            Some(talk) => talk.peer = peer,
            None => {
                self.talks.retain(|_, talk| talk.peer.public != peer.public);
                let tunnel = Tunn::new(
                    StaticSecret::from(self.key.0),
                    PublicKey::from(peer.public.0),
                    peer.shared.map(|k| k.0),
                    peer.keepalive,
                    self.next,
                    Some(self.limiter.clone()),
                );
                self.talks.insert(self.next, Talk { peer, tunnel });
                // The protocol has 24 bits for it, in front of the session's eight.
                self.next = (self.next + 1) & 0xff_ffff;
            }
        }
        self.map();
    }

    fn map(&mut self) {
        let all = self.talks.iter().flat_map(|(n, talk)| talk.peer.allowed.iter().map(|net| (*net, *n)));
        self.table = all.collect();
        self.table.sort_by_key(|(net, n)| (std::cmp::Reverse(net.prefix_len()), *n));
    }

    fn whose(&self, ip: IpAddr) -> Option<u32> {
        self.table.iter().find(|(net, _)| net.contains(&ip)).map(|(_, n)| *n)
    }

    /// From the device to the wire.
    fn send(&mut self, packet: &[u8]) {
        let Some(to) = Tunn::dst_address(packet) else { return };
        let Some(talk) = self.whose(to).and_then(|n| self.talks.get_mut(&n)) else {
            self.icmp.tell(packet, Unreachable::Host);
            return;
        };
        let Some(endpoint) = talk.peer.endpoint else {
            self.icmp.tell(packet, Unreachable::Host);
            return;
        };
        if let TunnResult::WriteToNetwork(sealed) = talk.tunnel.encapsulate(packet, &mut self.sealed) {
            transmit(&self.sockets, sealed, endpoint);
        }
    }

    /// From the wire to the device.
    fn receive(&mut self, socket: usize, tun: &Tun, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            let Some(socket) = self.sockets.get(socket) else { return };
            let Ok((_, n, from)) = rustix::net::recvfrom(socket, &mut *buffer, RecvFlags::DONTWAIT) else { return };
            let Some(from) = from.and_then(|from| SocketAddr::try_from(from).ok()) else { continue };
            self.open_sealed(&buffer[..n], from, tun);
        }
    }

    fn open_sealed(&mut self, packet: &[u8], from: SocketAddr, tun: &Tun) {
        let Ok(parsed) = Tunn::parse_incoming_packet(packet) else { return };
        let number = match &parsed {
            Packet::HandshakeInit(init) => {
                let secret = StaticSecret::from(self.key.0);
                let Ok(half) = parse_handshake_anon(&secret, &PublicKey::from(&secret), init) else { return };
                let who = |(n, talk): (&u32, &Talk)| (talk.peer.public.0 == half.peer_static_public).then_some(*n);
                self.talks.iter().find_map(who)
            }
            Packet::HandshakeResponse(p) => Some(p.receiver_idx >> 8),
            Packet::PacketCookieReply(p) => Some(p.receiver_idx >> 8),
            Packet::PacketData(p) => Some(p.receiver_idx >> 8),
        };
        let Some((number, talk)) = number.and_then(|n| Some((n, self.talks.get_mut(&n)?))) else { return };
        let (inner, source) = match talk.tunnel.decapsulate(Some(from.ip()), packet, &mut self.sealed) {
            TunnResult::Err(_) => return,
            TunnResult::Done => {
                talk.peer.endpoint = Some(from);
                return;
            }
            TunnResult::WriteToNetwork(answer) => {
                talk.peer.endpoint = Some(from);
                transmit(&self.sockets, answer, from);
                // The session stands: what waited for it goes.
                while let TunnResult::WriteToNetwork(waiting) = talk.tunnel.decapsulate(None, &[], &mut self.sealed) {
                    transmit(&self.sockets, waiting, from);
                }
                return;
            }
            TunnResult::WriteToTunnelV4(inner, source) => (inner, IpAddr::V4(source)),
            TunnResult::WriteToTunnelV6(inner, source) => (inner, IpAddr::V6(source)),
        };
        talk.peer.endpoint = Some(from);
        let owner = self.table.iter().find(|(net, _)| net.contains(&source)).map(|(_, n)| *n);
        if owner == Some(number) {
            tun.deliver(inner);
        }
    }

    /// The protocol's clocks: handshakes again, keepalives, keys that are too old.
    fn tick(&mut self) {
        for talk in self.talks.values_mut() {
            if let (TunnResult::WriteToNetwork(packet), Some(to)) =
                (talk.tunnel.update_timers(&mut self.sealed), talk.peer.endpoint)
            {
                transmit(&self.sockets, packet, to);
            }
        }
        if self.limited.elapsed() >= Duration::from_secs(1) {
            self.limiter.reset_count();
            self.limited = Instant::now();
        }
    }
}

/// A socket whose packets may be cut on the way, as the kernel's.
fn udp(at: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    } else {
        sockopt::set_ip_mtu_discover(socket.as_fd(), sockopt::Ipv4PathMtuDiscovery::DONT)?;
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

/// What cannot be sent is lost, as on any wire.
fn transmit(sockets: &[Socket], packet: &[u8], to: SocketAddr) {
    if let Some(socket) = sockets.get(usize::from(to.is_ipv6())) {
        let _ = rustix::net::sendto(socket, packet, SendFlags::DONTWAIT, &to);
    }
}
