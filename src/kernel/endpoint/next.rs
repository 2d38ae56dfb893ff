//! Where the outer packet goes: what the node's routing table says, asked once and forgotten when anything changes.
//!
//! The kernel's own `tunl0` reads the next hop off the packet's route. A TUN device does not see it, so the kernel is asked
//! for the route again. Its notices of changes are queued before the command that made them returns: reading them before
//! an answer is used means that a route changed by hand counts from the next packet on.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteVia};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::kernel::Netlink;

/// RTNLGRP_*: links, IPv4 addresses, IPv4 routes, IPv4 rules, next hop objects.
const GROUPS: [u32; 5] = [1, 5, 7, 8, 32];
const MOST: usize = 4096;

/// The routing table of one namespace, seen from one interface.
pub struct NextHops {
    ask: Netlink,
    notices: Socket,
    scratch: Vec<u8>,
    own: u32,
    known: HashMap<Ipv4Addr, Option<Ipv4Addr>>,
}

impl NextHops {
    /// Of the calling thread's namespace, for the interface with that number.
    pub fn of(own: u32) -> std::io::Result<NextHops> {
        let mut notices = Socket::new(NETLINK_ROUTE)?;
        notices.bind(&SocketAddr::new(0, 0))?;
        notices.set_non_blocking(true)?;
        for group in GROUPS {
            // Next hop objects came with Linux 5.3.
            if let Err(e) = notices.add_membership(group)
                && group != 32
            {
                return Err(e);
            }
        }
        let ask = Netlink::open()?;
        Ok(NextHops { ask, notices, scratch: Vec::with_capacity(8192), own, known: HashMap::new() })
    }

    /// Forgets what may have changed; to be called before a batch of packets.
    pub fn refresh(&mut self) {
        loop {
            self.scratch.clear();
            match self.notices.recv(&mut self.scratch, 0) {
                Ok(_) => self.known.clear(),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                // Notices were lost: anything may have changed.
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => self.known.clear(),
                Err(_) => return,
            }
        }
    }

    /// The outer destination of a packet to `inner`; `None` when it would come back into the tunnel.
    pub fn outer(&mut self, inner: Ipv4Addr, remote: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        if let Some(found) = self.known.get(&inner) {
            return *found;
        }
        // Without a gateway the packet is for whom it names, as the kernel has it.
        let outer = remote.unwrap_or_else(|| self.gateway(inner).unwrap_or(inner));
        let found = (!self.comes_back(outer)).then_some(outer);
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(inner, found);
        found
    }

    fn gateway(&mut self, to: Ipv4Addr) -> Option<Ipv4Addr> {
        let own = self.own;
        let route = self.route(to, Some(own))?;
        route.attributes.iter().find_map(|a| match a {
            RouteAttribute::Gateway(RouteAddress::Inet(ip)) | RouteAttribute::Via(RouteVia::Inet(ip)) => Some(*ip),
            _ => None,
        })
    }

    fn comes_back(&mut self, outer: Ipv4Addr) -> bool {
        let own = self.own;
        let route = self.route(outer, None);
        route.is_some_and(|r| r.attributes.iter().any(|a| matches!(a, RouteAttribute::Oif(dev) if *dev == own)))
    }

    fn route(&mut self, to: Ipv4Addr, by: Option<u32>) -> Option<RouteMessage> {
        let mut question = RouteMessage::default();
        question.header.address_family = AddressFamily::Inet;
        question.header.destination_prefix_length = 32;
        question.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(to)));
        question.attributes.extend(by.map(RouteAttribute::Oif));
        match self.ask.ask(Message::GetRoute(question)) {
            Ok(Message::NewRoute(route)) => Some(route),
            Ok(_) | Err(_) => None,
        }
    }
}
