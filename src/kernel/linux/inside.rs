//! One node's part of the kernel: a socket in its namespace, and the numbers of its interfaces.

use std::collections::HashMap;

use rtnetlink::packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use crate::kernel::{Netlink, Refusal, messages, observe, qdisc, vlans};
use crate::link::NewLink;
use crate::plan::Op;

pub(super) const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// A node from within.
pub(super) struct Inside {
    pub netlink: Netlink,
    indices: HashMap<String, u32>,
}

impl Inside {
    /// In the namespace of the calling thread.
    pub fn open() -> std::io::Result<Inside> {
        Ok(Inside { netlink: Netlink::open()?, indices: HashMap::new() })
    }

    /// The kernel's number of an interface: read once for all, forgotten when links come and go.
    pub fn index(&mut self, dev: &str) -> Result<u32, Refusal> {
        if let Some(index) = self.indices.get(dev) {
            return Ok(*index);
        }
        for link in observe::links(&mut self.netlink)? {
            self.indices.insert(link.name, link.index);
        }
        let missing = || Refusal::errno(libc::ENODEV, Some(format!("there is no interface `{dev}`")));
        self.indices.get(dev).copied().ok_or_else(missing)
    }

    /// Links have come or gone.
    pub fn forget(&mut self) {
        self.indices.clear();
    }

    /// A route with the numbers of its interfaces.
    pub fn route(&mut self, route: &crate::ip::Route) -> Result<RouteMessage, Refusal> {
        let mut numbers = HashMap::new();
        for dev in route.hops.iter().filter_map(|h| h.dev.clone()) {
            numbers.insert(dev.clone(), self.index(&dev)?);
        }
        messages::route(route, |dev| numbers.get(dev).copied())
            .map_err(|dev| Refusal::errno(libc::ENODEV, Some(format!("there is no interface `{dev}`"))))
    }

    /// Makes a link that the node has for itself.
    pub fn add_link(&mut self, link: &NewLink, group: u32) -> Result<(), Refusal> {
        let parent = match link.kind.parent() {
            Some(dev) => Some(self.index(dev)?),
            None => None,
        };
        let made = self.netlink.one(Message::NewLink(link.message(group, parent)), NEW);
        self.forget();
        match made {
            // The module has put this one there already: it is taken as it is.
            Err(refusal) if refusal.errno == libc::EEXIST && crate::link::is_fallback(&link.name) => {
                let mtu = link.mtu;
                let message = self.change(&link.name, |l| if let Some(mtu) = mtu { l.mtu(mtu) } else { l })?;
                self.netlink.one(message, 0)
            }
            other => other,
        }
    }

    fn change(
        &mut self,
        dev: &str,
        change: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    ) -> Result<Message, Refusal> {
        let index = self.index(dev)?;
        Ok(Message::SetLink(change(LinkUnspec::new_with_index(index)).build()))
    }

    /// What an operation asks of the kernel, where that is one message: such requests can be in flight together.
    pub fn request(&mut self, op: &Op) -> Result<Option<(Message, u16)>, Refusal> {
        let request = match op {
            Op::SetMaster { dev, master, .. } => {
                let master = self.index(master)?;
                (self.change(dev, |l| l.controller(master))?, 0)
            }
            Op::SetMtu { dev, mtu, .. } => (self.change(dev, |l| l.mtu(*mtu))?, 0),
            Op::SetUp { dev, .. } => (self.change(dev, |l| l.up())?, 0),
            Op::SetVlans { dev, vlans: wanted, .. } => (Message::SetLink(vlans::message(self.index(dev)?, wanted)), 0),
            Op::SetQdisc { dev, qdisc, .. } => {
                // In place of whatever is there: the interface had one of its own already.
                let message = qdisc::message(Some(qdisc), self.index(dev)?);
                (Message::NewQueueDiscipline(message), NLM_F_CREATE | NLM_F_REPLACE)
            }
            Op::AddAddress { dev, address, .. } => {
                (Message::NewAddress(messages::address(address, self.index(dev)?)), NEW)
            }
            Op::AddRoute { route, .. } => (Message::NewRoute(self.route(route)?), NEW),
            Op::DelRoute { route, .. } => (Message::DelRoute(self.route(route)?), 0),
            Op::DelRule { rule, .. } => (Message::DelRule(messages::rule(rule)), 0),
            Op::AddRule { rule, .. } => (Message::NewRule(messages::rule(rule)), NEW),
            Op::AddNeighbor { neighbor, .. } => {
                (Message::NewNeighbour(messages::neighbor(neighbor, self.index(&neighbor.dev)?)), NEW)
            }
            Op::AddFdb { fdb, .. } => {
                // Entries for the unknown stand beside each other; any other MAC is behind one end.
                let flags = if fdb.is_flood() { NLM_F_CREATE | NLM_F_APPEND } else { NEW };
                (Message::NewNeighbour(messages::fdb(fdb, self.index(&fdb.dev)?)), flags)
            }
            _ => return Ok(None),
        };
        Ok(Some(request))
    }
}
