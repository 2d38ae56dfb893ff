//! A blocking rtnetlink socket: requests in flight, answers in order, the kernel's explanations kept.
//!
//! rtnetlink's `Handle` sends one request per poll and drops the extended ack, which is where the kernel says what was
//! wrong ("Nexthop has invalid gateway"). So its message builders are used and the socket is our own. Requests go out
//! many in a datagram, of which only the last asks for an answer: the kernel goes through them in order, answers a refused
//! one unasked, and has gone through all when it answers the last.

use std::iter::Peekable;

use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::{Refusal, patience};

/// Messages in one datagram: even if all are refused, the answers fit the receive buffer many times over.
const IN_FLIGHT: usize = 256;
/// A datagram takes no more requests when it has this many bytes: it must fit the send buffer.
const FULL: usize = 32 << 10;
const RECEIVE_BUFFER: usize = 4 << 20;
/// What one read can take. The kernel makes the parts of a dump as large as the reader's buffer, up to 32 KiB. With a small
/// one, a route with hundreds of next hops would fit no part, and the dump would end there.
const PART: usize = 64 << 10;
/// NLMSGERR_ATTR_MSG: the explanation, a string.
const ATTR_MSG: u16 = 1;

/// A socket to the routing part of one namespace's kernel.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
    received: Vec<u8>,
}

impl Netlink {
    /// Opens a socket in the namespace of the calling thread.
    pub fn open() -> std::io::Result<Netlink> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Both are refinements: an old kernel without them still answers, only with fewer words.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_rx_buf_sz(RECEIVE_BUFFER as u32);
        Ok(Netlink { socket, sequence: 0, received: Vec::with_capacity(PART) })
    }

    /// Sends requests and gives each one's answer, in order. The kernel goes on after one that it refuses.
    pub fn request(&mut self, requests: Vec<(RouteNetlinkMessage, u16)>) -> Vec<Result<(), Refusal>> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            match self.send(&mut requests) {
                Ok((first, n)) => answers.extend(self.acknowledgements(first, n)),
                Err((e, n)) => answers.extend(std::iter::repeat_n(Err(e), n)),
            }
        }
        answers
    }

    /// Sends one request.
    pub fn one(&mut self, request: RouteNetlinkMessage, flags: u16) -> Result<(), Refusal> {
        if let Some(within) = patience::hangs() {
            // Nothing is asked, so nothing is answered.
            patience::readable(&self.socket, within)?;
        }
        self.request(vec![(request, flags)]).pop().unwrap_or_else(|| Err(Refusal::new("no answer")))
    }

    /// Sends as many requests as go into one datagram: the number of the first, and how many.
    fn send(
        &mut self,
        requests: &mut Peekable<impl Iterator<Item = (RouteNetlinkMessage, u16)>>,
    ) -> Result<(u32, usize), (Refusal, usize)> {
        let first = self.sequence.wrapping_add(1);
        let (mut buffer, mut n) = (Vec::new(), 0);
        while n < IN_FLIGHT && buffer.len() < FULL {
            let Some((request, flags)) = requests.next() else { break };
            self.sequence = self.sequence.wrapping_add(1);
            n += 1;
            let is_last = requests.peek().is_none() || n == IN_FLIGHT;
            let start = buffer.len();
            append(&mut buffer, request, NLM_F_REQUEST | flags, self.sequence);
            if is_last || buffer.len() >= FULL {
                ask_for_answer(&mut buffer[start..]);
            }
        }
        self.socket.send(&buffer, 0).map(|_| (first, n)).map_err(|e| (e.into(), n))
    }

    /// The answers to `n` requests from the one numbered `first`.
    fn acknowledgements(&mut self, first: u32, n: usize) -> Vec<Result<(), Refusal>> {
        let mut answers: Vec<Result<(), Refusal>> = vec![Ok(()); n];
        loop {
            if let Err(e) = self.receive() {
                // Nobody knows what became of them.
                return vec![Err(e); n];
            }
            for (header, payload) in messages(&self.received) {
                let at = header.sequence_number.wrapping_sub(first) as usize;
                let (NetlinkPayload::Error(error), Some(answer)) = (payload, answers.get_mut(at)) else { continue };
                if let Some(code) = error.code {
                    *answer = Err(Refusal::errno(-code.get(), explanation(&error.header)));
                }
                if at + 1 == n {
                    return answers;
                }
            }
        }
    }

    fn receive(&mut self) -> Result<(), Refusal> {
        self.received.clear();
        patience::readable(&self.socket, patience::patience())?;
        Ok(self.socket.recv(&mut self.received, 0).map(|_| ())?)
    }

    /// Asks for one thing.
    pub fn ask(&mut self, request: RouteNetlinkMessage) -> Result<RouteNetlinkMessage, Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut buffer = Vec::new();
        append(&mut buffer, request, NLM_F_REQUEST, self.sequence);
        self.socket.send(&buffer, 0)?;
        loop {
            self.receive()?;
            for (header, payload) in messages(&self.received) {
                match payload {
                    _ if header.sequence_number != self.sequence => {}
                    NetlinkPayload::InnerMessage(message) => return Ok(message),
                    NetlinkPayload::Error(error) => {
                        let code = error.code.map_or(0, |c| -c.get());
                        return Err(Refusal::errno(code, explanation(&error.header)));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Asks for everything of a kind.
    pub fn dump(&mut self, request: RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut buffer = Vec::new();
        append(&mut buffer, request, NLM_F_REQUEST | NLM_F_DUMP, self.sequence);
        self.socket.send(&buffer, 0)?;
        let mut all = Vec::new();
        loop {
            self.receive()?;
            for (header, payload) in messages(&self.received) {
                if header.sequence_number != self.sequence {
                    continue;
                }
                match payload {
                    NetlinkPayload::InnerMessage(message) => all.push(message),
                    // The kernel's negative error number where it could not tell all.
                    NetlinkPayload::Done(done) if done.code < 0 => return Err(Refusal::errno(-done.code, None)),
                    NetlinkPayload::Done(_) => return Ok(all),
                    NetlinkPayload::Error(error) => {
                        let code = error.code.map_or(0, |c| -c.get());
                        return if code == 0 { Ok(all) } else { Err(Refusal::errno(code, explanation(&error.header))) };
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Sets NLM_F_ACK in the header of a message that stands in a buffer.
fn ask_for_answer(message: &mut [u8]) {
    if let Some(flags) = message.get_mut(6..8) {
        let asked = u16::from_ne_bytes([flags[0], flags[1]]) | NLM_F_ACK;
        flags.copy_from_slice(&asked.to_ne_bytes());
    }
}

fn append(buffer: &mut Vec<u8>, request: RouteNetlinkMessage, flags: u16, sequence: u32) {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let start = buffer.len();
    // Messages in a datagram begin at multiples of four bytes.
    buffer.resize(start + message.buffer_len().next_multiple_of(4), 0);
    message.serialize(&mut buffer[start..]);
}

/// The messages of one datagram; one that cannot be parsed (a newer kernel's) is passed over.
fn messages(received: &[u8]) -> Vec<(NetlinkHeader, NetlinkPayload<RouteNetlinkMessage>)> {
    let mut list = Vec::new();
    let mut rest = received;
    while let Some(length) = rest.get(..4).and_then(|b| Some(u32::from_ne_bytes(b.try_into().ok()?) as usize)) {
        if length < 16 || length > rest.len() {
            break;
        }
        if let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&rest[..length]) {
            list.push((message.header, message.payload));
        }
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    list
}

/// With NETLINK_CAP_ACK the answer echoes only the 16-byte header of the request; the attributes follow it.
fn explanation(echo: &[u8]) -> Option<String> {
    let mut rest = echo.get(16..)?;
    while rest.len() >= 4 {
        let length = u16::from_ne_bytes([rest[0], rest[1]]) as usize;
        let kind = u16::from_ne_bytes([rest[2], rest[3]]) & 0x3fff;
        let value = rest.get(4..length)?;
        if kind == ATTR_MSG {
            let text = value.split(|b| *b == 0).next().unwrap_or_default();
            return Some(String::from_utf8_lossy(text).into_owned()).filter(|t| !t.is_empty());
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}
