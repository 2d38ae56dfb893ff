//! What `wg` talks to: a socket below /run/wireguard, with lines of `key=value` (WireGuard's cross-platform interface).
//!
//! `netlab exec NODE -- wg show` finds it, because each node has a /run of its own. On the machine itself there is none.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use ipnet::IpNet;

use super::wireguard::Device;
use crate::link::wireguard::{Key, Peer, Wireguard};
use crate::name::IfName;

const FOLDER: &str = "/run/wireguard";
/// A client that says nothing must not stop the tunnel.
const PATIENCE: Duration = Duration::from_millis(200);

/// The socket.
pub struct Uapi(UnixListener);

impl Uapi {
    /// Opens it, where the folder was made for it.
    pub fn open(dev: &IfName) -> Option<Uapi> {
        let path = format!("{FOLDER}/{dev}.sock");
        // One that nobody answers is what an endpoint that was killed has left.
        if UnixStream::connect(&path).is_err() {
            let _ = std::fs::remove_file(&path);
        }
        let listener = UnixListener::bind(&path).ok()?;
        listener.set_nonblocking(true).ok()?;
        Some(Uapi(listener))
    }

    /// Answers whoever is waiting.
    pub fn answer(&self, device: &mut Device) {
        while let Ok((stream, _)) = self.0.accept() {
            // A client that goes away in the middle is the client's business.
            let _ = talk(&stream, device);
        }
    }
}

impl AsFd for Uapi {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn talk(stream: &UnixStream, device: &mut Device) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut out = stream;
    match lines.split_first() {
        Some((first, _)) if first == "get=1" => out.write_all(get(device).as_bytes()),
        Some((first, rest)) if first == "set=1" => {
            let errno = set(device, rest).err().unwrap_or(0);
            writeln!(out, "errno={errno}\n")
        }
        _ => writeln!(out, "errno={}\n", libc::EINVAL),
    }
}

/// What the endpoint behind a socket has by now; nothing when nobody answers.
pub fn seen(socket: &Path) -> Option<Wireguard> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    (&stream).write_all(b"get=1\n\n").ok()?;
    let mut found = Wireguard { key: Key([0; 32]), port: None, mark: None, peers: Vec::new(), user_space: None };
    for line in BufReader::new(&stream).lines() {
        let line = line.ok()?;
        let Some((word, value)) = line.split_once('=') else { break };
        match (word, found.peers.last_mut()) {
            ("private_key", _) => found.key = unhex(value)?,
            ("listen_port", _) => found.port = value.parse().ok(),
            ("fwmark", _) => found.mark = value.parse().ok(),
            ("public_key", _) => found.peers.push(Peer {
                public: unhex(value)?,
                shared: None,
                endpoint: None,
                allowed: Vec::new(),
                keepalive: None,
            }),
            ("allowed_ip", Some(peer)) => peer.allowed.push(value.parse().ok()?),
            _ => {}
        }
    }
    Some(found)
}

fn hex(key: &Key) -> String {
    key.0.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Key> {
    let bytes: Option<Vec<u8>> = (0..32).map(|n| u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()).collect();
    (text.len() == 64).then_some(())?;
    bytes?.try_into().ok().map(Key)
}

fn get(device: &Device) -> String {
    let now = device.as_it_is();
    let mut out = format!("private_key={}\nlisten_port={}\n", hex(&now.key), now.port.unwrap_or(0));
    if let Some(mark) = now.mark {
        let _ = writeln!(out, "fwmark={mark}");
    }
    for talk in device.talks() {
        let (peer, (handshake, sent, received)) = (&talk.peer, talk.seen());
        let _ = writeln!(out, "public_key={}", hex(&peer.public));
        if let Some(shared) = &peer.shared {
            let _ = writeln!(out, "preshared_key={}", hex(shared));
        }
        if let Some(endpoint) = peer.endpoint {
            let _ = writeln!(out, "endpoint={endpoint}");
        }
        let since = handshake.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let _ = writeln!(out, "last_handshake_time_sec={}", since.as_secs());
        let _ = writeln!(out, "last_handshake_time_nsec={}", since.subsec_nanos());
        let _ = writeln!(out, "tx_bytes={sent}\nrx_bytes={received}");
        let _ = writeln!(out, "persistent_keepalive_interval={}", peer.keepalive.unwrap_or(0));
        for net in &peer.allowed {
            let _ = writeln!(out, "allowed_ip={net}");
        }
        let _ = writeln!(out, "protocol_version=1");
    }
    out.push_str("errno=0\n\n");
    out
}

/// Changes what the lines say; the number of the error otherwise.
fn set(device: &mut Device, lines: &[String]) -> Result<(), i32> {
    // A peer's lines follow its key; it is set when they are all there.
    let mut peer: Option<(Peer, Wish)> = None;
    for line in lines {
        let (word, value) = line.split_once('=').ok_or(libc::EINVAL)?;
        let invalid = libc::EINVAL;
        match (word, &mut peer) {
            ("public_key", _) => {
                finish(device, peer.take());
                let public = unhex(value).ok_or(invalid)?;
                let known = device.talks().find(|talk| talk.peer.public == public).map(|talk| talk.peer.clone());
                let wish = Wish { known: known.is_some(), ..Wish::default() };
                let none = Peer { public, shared: None, endpoint: None, allowed: Vec::new(), keepalive: None };
                peer = Some((known.unwrap_or(none), wish));
            }
            ("private_key", None) => device.set_key(unhex(value).ok_or(invalid)?),
            ("fwmark", None) => {
                let mark: u32 = value.parse().map_err(|_| invalid)?;
                device.set_mark((mark > 0).then_some(mark)).map_err(|e| e.raw_os_error().unwrap_or(libc::EIO))?;
            }
            ("replace_peers", None) => {
                let all: Vec<Key> = device.talks().map(|talk| talk.peer.public).collect();
                all.iter().for_each(|key| device.remove_peer(key));
            }
            ("listen_port", None) => {
                if device.as_it_is().port != value.parse().ok() {
                    return Err(libc::EOPNOTSUPP);
                }
            }
            ("remove", Some((_, wish))) => wish.remove = true,
            ("update_only", Some((_, wish))) => wish.only_known = true,
            ("preshared_key", Some((peer, _))) => {
                peer.shared = Some(unhex(value).ok_or(invalid)?).filter(|k| k.0 != [0; 32]);
            }
            ("endpoint", Some((peer, _))) => peer.endpoint = Some(value.parse().map_err(|_| invalid)?),
            ("persistent_keepalive_interval", Some((peer, _))) => {
                peer.keepalive = Some(value.parse().map_err(|_| invalid)?).filter(|k| *k > 0);
            }
            ("replace_allowed_ips", Some((peer, _))) => peer.allowed.clear(),
            ("allowed_ip", Some((peer, _))) => {
                let (ip, bits) = value.split_once('/').ok_or(invalid)?;
                let ip: IpAddr = ip.parse().map_err(|_| invalid)?;
                let net = IpNet::new(ip, bits.parse().map_err(|_| invalid)?).map_err(|_| invalid)?.trunc();
                peer.allowed.retain(|other| *other != net);
                peer.allowed.push(net);
            }
            ("protocol_version", Some(_)) => {}
            _ => return Err(invalid),
        }
    }
    finish(device, peer);
    Ok(())
}

/// What is to become of a peer.
#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    known: bool,
    remove: bool,
    only_known: bool,
}

fn finish(device: &mut Device, peer: Option<(Peer, Wish)>) {
    match peer {
        Some((peer, Wish { remove: true, .. })) => device.remove_peer(&peer.public),
        Some((_, Wish { known: false, only_known: true, .. })) | None => {}
        Some((peer, _)) => device.set_peer(peer),
    }
}
