//! What `repair` does beside repeating steps: taking away what was added, turning back what was changed.

use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::route::{RouteProtocol, RouteScope, RouteType};

use super::{Linux, absent_is_fine};
use crate::ip::{Family, Mac};
use crate::kernel::{Refusal, conntrack, firewall, ipset, messages, netns, observe, qdisc, sysctl, vlans};
use crate::name::IfName;
use crate::plan::{At, Plan, links_on_machine, macs};
use crate::state::{QDISC, VLANS};

impl Linux {
    /// Takes away what a learner added by hand; inside the lab's own namespaces only.
    pub fn remove_extra(&mut self, at: &At, item: &crate::state::Item) -> Result<(), Refusal> {
        use crate::state::Item;
        let bad = |e: crate::ip::WordError| Refusal::new(e.message);
        match item {
            Item::Address(dev, address) => {
                let address: crate::ip::Address = address.parse().map_err(bad)?;
                let index = self.index(&at.netns, dev)?;
                self.socket(&at.netns)?.one(Message::DelAddress(messages::address(&address, index)), 0)
            }
            Item::Route(route) => {
                let route: crate::ip::Route = route.parse().map_err(bad)?;
                let message = self.inside(&at.netns)?.route(&route)?;
                self.socket(&at.netns)?.one(Message::DelRoute(message), 0)
            }
            Item::Rule(rule) => {
                let rule: crate::ip::Rule = rule.parse().map_err(bad)?;
                self.socket(&at.netns)?.one(Message::DelRule(messages::rule(&rule)), 0)
            }
            Item::Neighbor(neighbor) => {
                let neighbor: crate::ip::Neighbor = neighbor.parse().map_err(bad)?;
                let index = self.index(&at.netns, &neighbor.dev)?;
                self.socket(&at.netns)?.one(Message::DelNeighbour(messages::neighbor(&neighbor, index)), 0)
            }
            Item::Fdb(fdb) => {
                let fdb: crate::ip::Fdb = fdb.parse().map_err(bad)?;
                let index = self.index(&at.netns, &fdb.dev)?;
                self.socket(&at.netns)?.one(Message::DelNeighbour(messages::fdb(&fdb, index)), 0)
            }
            Item::Property(dev, property) => self.reset_property(at, dev, property),
            Item::Set(name) => {
                let name = name.clone();
                self.within(&at.netns, move || ipset::destroy(&name))?
            }
            Item::Member(set, member) => {
                let (set, member) = (set.clone(), member.clone());
                self.within(&at.netns, move || ipset::delete(&set, &member))?
            }
            Item::Netns | Item::Link(_) | Item::Sysctl(_) | Item::Firewall(..) | Item::File(_) | Item::Service(_) => {
                Ok(())
            }
        }
    }

    /// Takes away whatever route stands where this one belongs: the same network, table and metric. Absent is success.
    pub fn clear_route(&mut self, at: &At, route: &crate::ip::Route) -> Result<(), Refusal> {
        let bare = crate::ip::Route { hops: Vec::new(), src: None, mtu: None, ..route.clone() };
        let mut message = self.inside(&at.netns)?.route(&bare)?;
        (message.header.kind, message.header.scope) = (RouteType::Unspec, RouteScope::NoWhere);
        message.header.protocol = RouteProtocol::Unspec;
        absent_is_fine(self.socket(&at.netns)?.one(Message::DelRoute(message), 0))
    }

    pub(super) fn reset_property(&mut self, at: &At, dev: &str, property: &str) -> Result<(), Refusal> {
        let index = self.index(&at.netns, dev)?;
        if property == QDISC {
            let message = Message::DelQueueDiscipline(qdisc::message(None, index));
            return absent_is_fine(self.socket(&at.netns)?.one(message, 0));
        }
        if property == VLANS {
            return absent_is_fine(self.socket(&at.netns)?.one(Message::DelLink(vlans::all(index)), 0));
        }
        let link = LinkUnspec::new_with_index(index);
        let link = match property {
            "master" => link.nocontroller(),
            "state" => link.down(),
            _ => return Ok(()),
        };
        self.socket(&at.netns)?.one(Message::SetLink(link.build()), 0)
    }

    /// Gives a link its MAC and MTU back.
    pub fn reset_link(&mut self, at: &At, dev: &str, mac: Option<Mac>, mtu: Option<u32>) -> Result<(), Refusal> {
        let index = self.index(&at.netns, dev)?;
        let mut link = LinkUnspec::new_with_index(index);
        if let Some(mac) = mac {
            link = link.address(mac.0.to_vec());
        }
        if let Some(mtu) = mtu {
            link = link.mtu(mtu);
        }
        self.socket(&at.netns)?.one(Message::SetLink(link.build()), 0)
    }

    /// Links of the machine that are not ours, and stand under the names of ours.
    pub fn strangers(&mut self, plan: &Plan) -> Result<Vec<String>, Refusal> {
        let names: Vec<&IfName> = plan.steps.iter().flat_map(|step| links_on_machine(&step.op)).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let own: Vec<Mac> = plan.steps.iter().flat_map(|step| macs(&step.op)).collect();
        let mut links = observe::links(self.socket(&None)?)?;
        let ours = |l: &observe::FoundLink| l.group == plan.group || l.mac.is_some_and(|mac| own.contains(&mac));
        links.retain(|l| names.iter().any(|name| **name == *l.name) && !ours(l));
        Ok(links.into_iter().map(|l| l.name).collect())
    }

    /// Deletes one link by name; absent is success.
    pub fn delete_link(&mut self, netns: &Option<String>, dev: &str) -> Result<(), Refusal> {
        self.forget(netns);
        let Ok(index) = self.index(netns, dev) else {
            return Ok(());
        };
        let message = Message::DelLink(LinkUnspec::new_with_index(index).build());
        let deleted = absent_is_fine(self.socket(netns)?.one(message, 0));
        self.forget(netns);
        deleted
    }

    /// Lets a lab namespace forget its connections, once its firewall has been loaded again. A kernel that tracks none has
    /// nothing to forget.
    pub fn forget_connections(&mut self, at: &At) -> Result<(), Refusal> {
        if at.netns.is_none() {
            return Ok(());
        }
        self.within(&at.netns, conntrack::forget)?
    }

    /// Lets lab namespaces forget what they have learnt about the ways to others, once routes or links have changed: an MTU
    /// that was found out is believed for ten minutes.
    pub fn forget_ways(&mut self, nodes: &[At]) -> Result<(), Refusal> {
        for at in nodes.iter().filter(|at| at.netns.as_deref().is_some_and(netns::exists)) {
            self.within(&at.netns, || {
                ["ipv4", "ipv6"].map(|family| sysctl::write(&format!("net/{family}/route/flush"), "1"))
            })?
            .into_iter()
            .collect::<Result<Vec<()>, Refusal>>()?;
        }
        Ok(())
    }

    /// Empties the tables of a lab namespace before they are loaded again.
    pub fn flush_firewall(&mut self, at: &At, family: Family) -> Result<(), Refusal> {
        if at.netns.is_none() {
            return Ok(());
        }
        self.within(&at.netns, move || firewall::flush(family))?
    }
}
