//! netlab's own small server: it says who it is and whom it saw, which is all that a lesson about NAT needs.
//!
//! Runs as `netlab responder http|tcp|udp ADDRESS:PORT NAME`. netlab opens the socket itself, inside the node, and hands
//! it over as standard input: a port that is taken is an error at once, and clients are queued from the first moment on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::process::User;
use crate::topology::Responder;

const PATIENCE: Duration = Duration::from_secs(5);
const MOST_CLIENTS: usize = 256;
/// The largest answer.
const MOST_BYTES: usize = 16 << 20;
const LONGEST_REQUEST: u64 = 16 << 10;

/// Opens the listening socket in the calling thread's namespace.
pub fn open(proto: Responder, at: SocketAddr) -> std::io::Result<OwnedFd> {
    let kind = if proto == Responder::Udp { Type::DGRAM } else { Type::STREAM };
    let protocol = if proto == Responder::Udp { Protocol::UDP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(at), kind, Some(protocol))?;
    if at.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    if proto != Responder::Udp {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&at.into())?;
    if proto != Responder::Udp {
        socket.listen(128)?;
    }
    Ok(socket.into())
}

/// Serves until it is ended.
pub fn serve(proto: Responder, at: SocketAddr, name: &str) -> std::io::Result<()> {
    let stdin = std::io::stdin();
    let given = stdin.as_fd().try_clone_to_owned()?;
    let socket = match Socket::from(given).local_addr() {
        Ok(_) => stdin.as_fd().try_clone_to_owned()?,
        Err(_) => open(proto, at)?,
    };
    // It has its socket; nothing else that it does takes rights.
    if nix::unistd::geteuid().is_root()
        && let Some(user) = User::caller()
    {
        user.become_it()?;
    }
    match proto {
        Responder::Http => accept(&TcpListener::from(socket), name, http),
        Responder::Tcp => accept(&TcpListener::from(socket), name, echo),
        Responder::Udp => datagrams(&UdpSocket::from(socket)),
    }
}

fn accept(
    listener: &TcpListener,
    name: &str,
    serve: fn(&TcpStream, &str, IpAddr) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if clients.fetch_add(1, Ordering::Relaxed) >= MOST_CLIENTS {
            clients.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (name, done) = (name.to_string(), clients.clone());
        std::thread::spawn(move || {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.set_write_timeout(Some(PATIENCE));
            // A client that goes away in the middle is the client's business.
            let _ = stream.peer_addr().and_then(|peer| serve(&stream, &name, peer.ip().to_canonical()));
            done.fetch_sub(1, Ordering::Relaxed);
        });
    }
    Ok(())
}

fn http(stream: &TcpStream, name: &str, client: IpAddr) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.take(LONGEST_REQUEST));
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let (mut host, mut forwarded) = (String::from("-"), String::from("-"));
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((key, value)) = line.split_once(':') {
            match key.to_ascii_lowercase().as_str() {
                "host" => host = value.trim().to_string(),
                "x-forwarded-for" => forwarded = value.trim().to_string(),
                _ => {}
            }
        }
    }
    let path = request.split(' ').nth(1).unwrap_or("/");
    let mut body = format!("{name} saw {client} host={host} path={path} x-forwarded-for={forwarded}\n");
    // `/bytes/200000`: as many bytes, for lessons about MTU and speed. Small answers get through where large ones do not.
    if let Some(size) = path.strip_prefix("/bytes/").and_then(|n| n.parse::<usize>().ok()) {
        body.extend(std::iter::repeat_n('.', size.min(MOST_BYTES).saturating_sub(body.len())));
    }
    let mut out = stream;
    write!(
        out,
        "HTTP/1.1 200 OK\r\nServer: netlab\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn echo(stream: &TcpStream, name: &str, client: IpAddr) -> std::io::Result<()> {
    let mut out = stream;
    writeln!(out, "{name} saw {client}")?;
    let mut reader = stream;
    std::io::copy(&mut reader, &mut out)?;
    Ok(())
}

fn datagrams(socket: &UdpSocket) -> std::io::Result<()> {
    let mut buffer = [0; 65_535];
    loop {
        let (n, from) = socket.recv_from(&mut buffer)?;
        // The answer may have no way back: ICMP says so on the next call, and that is not ours to die of.
        let _ = socket.send_to(&buffer[..n], from);
    }
}
