//! From one node to the next: cables, bridges, tagged networks, tunnels.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use super::{DEEPEST, End, Links, Walk, Way, has, links};
use crate::ip::{Fdb, Neighbor};

const TUNNELS: &[&str] = &["ipip", "gre", "sit", "vxlan", "geneve", "tun", "wireguard"];

/// A node and one of its interfaces.
type Spot<'l> = (&'l str, &'l str);

fn broken<T>(words: String) -> Result<T, End> {
    Err(End::Broken(words))
}

impl Walk<'_, '_> {
    /// Where a packet comes out that leaves by an interface: the next node, and its interface.
    pub(super) fn cross(
        &mut self,
        node: &str,
        dev: &str,
        gateway: Option<IpAddr>,
        to: IpAddr,
        depth: usize,
    ) -> Result<(String, String), End> {
        let Some(link) = self.link(node, dev) else { return Err(End::Unknown) };
        if !link.up {
            return broken(format!("`{dev}` of `{node}` is down"));
        }
        let next = gateway.unwrap_or(to);
        let wanted = self.lab.wanted.nodes.get(node).and_then(|n| n.links.get(dev));
        let kind = wanted.map_or(&link.kind, |w| &w.kind).clone();
        if TUNNELS.contains(&kind.as_str()) {
            return if depth < DEEPEST { self.tunnel(node, dev, &kind, next, depth) } else { Err(End::Unknown) };
        }
        if matches!(kind.as_str(), "dummy" | "loopback" | "vrf") {
            return Err(End::Unknown);
        }
        let (wanted, actual) = (links(self.lab.wanted), links(self.lab.actual));
        let path = [(&wanted, true), (&actual, true), (&wanted, false), (&actual, false)]
            .into_iter()
            .find_map(|(links, exact)| self.path(links, (node, dev), next, exact));
        let Some(path) = path else { return self.stranger(node, dev, gateway, to, &wanted) };
        let path: Vec<(String, String)> = path.into_iter().map(|(n, d)| (n.to_string(), d.to_string())).collect();
        self.whole(&path)?;
        let Some((owner, at)) = path.last().cloned() else { return Err(End::Unknown) };
        if !self.has_address(&owner, next) {
            return broken(format!("`{owner}` does not have {next} on `{at}` any more"));
        }
        self.resolved(node, dev, next, &owner, &at)?;
        Ok((owner, at))
    }

    /// The interfaces from one to that which has an address, on one wire; or, less exact, to one of a node that has the
    /// address anywhere: it answers for all of its addresses on all of its interfaces.
    fn path<'s>(&self, links: &Links<'s>, from: Spot<'_>, to: IpAddr, exact: bool) -> Option<Vec<Spot<'s>>> {
        let start = *links.get_key_value(from.0)?.0;
        let start = (start, links.get(start)?.get_key_value(from.1)?.0.as_str());
        let mut before: HashMap<Spot<'s>, Spot<'s>> = HashMap::new();
        let mut seen: HashSet<Spot<'s>> = HashSet::from([start]);
        let mut queue = VecDeque::from([start]);
        while let Some(spot) = queue.pop_front() {
            let own = links.get(spot.0)?;
            let here = own.get(spot.1).is_some_and(|l| has(l, to) || !exact && l.master.is_none());
            if spot.0 != start.0 && here && own.values().any(|l| has(l, to)) || spot != start && exact && here {
                let mut path = vec![spot];
                while let Some(earlier) = before.get(path.last()?) {
                    path.push(*earlier);
                }
                path.reverse();
                return Some(path);
            }
            for next in self.beside(links, spot) {
                if seen.insert(next) {
                    before.insert(next, spot);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// What hears an interface: the other end of its cable, its bridge, the bridge's ports, what is tagged on it.
    fn beside<'s>(&self, links: &Links<'s>, (node, dev): Spot<'s>) -> Vec<Spot<'s>> {
        let mut found = Vec::new();
        for [a, b] in self.lab.cables {
            for (near, far) in [(a, b), (b, a)] {
                if (near.0.as_str(), near.1.as_str()) == (node, dev)
                    && let Some((n, all)) = links.get_key_value(far.0.as_str())
                    && let Some((d, _)) = all.get_key_value(far.1.as_str())
                {
                    found.push((*n, d.as_str()));
                }
            }
        }
        let Some(own) = links.get(node) else { return found };
        let is_switch = |name: &str| own.get(name).is_some_and(|l| matches!(l.kind.as_str(), "bridge" | "bond"));
        if let Some((master, _)) = own.get(dev).and_then(|l| own.get_key_value(l.master.as_ref()?))
            && is_switch(master)
        {
            found.push((node, master.as_str()));
        }
        for (name, link) in own.iter() {
            let port = is_switch(dev) && link.master.as_deref() == Some(dev);
            // A tagged interface and the one that it stands on.
            let tagged = |upper: &str, lower: &str| {
                own.get(upper).is_some_and(|l| l.kind == "vlan")
                    && upper.rsplit_once('.').is_some_and(|(l, _)| l == lower)
            };
            if port || tagged(name, dev) || tagged(dev, name) {
                found.push((node, name.as_str()));
            }
        }
        found
    }

    /// Whether every interface of a path is as it should be.
    fn whole(&self, path: &[(String, String)]) -> Result<(), End> {
        for (node, _) in path {
            self.is_there(node)?;
        }
        for (node, dev) in path {
            let Some(link) = self.link(node, dev) else {
                return broken(format!("`{dev}` of `{node}` is missing"));
            };
            if !link.up {
                return broken(format!("`{dev}` of `{node}` is down"));
            }
        }
        for pair in path.windows(2) {
            let [(node, a), (other, b)] = pair else { continue };
            if node != other {
                continue;
            }
            for (port, bridge) in [(a, b), (b, a)] {
                let wanted =
                    self.lab.wanted.nodes.get(node).and_then(|n| n.links.get(port)).and_then(|l| l.master.as_ref());
                let actual = self.link(node, port).and_then(|l| l.master.as_ref());
                if wanted == Some(bridge) && actual != Some(bridge) {
                    return broken(format!("`{port}` of `{node}` is not plugged into `{bridge}`"));
                }
            }
        }
        Ok(())
    }

    /// Whether the neighbour is known by its right address, or at least answers.
    fn resolved(&mut self, node: &str, dev: &str, next: IpAddr, owner: &str, at: &str) -> Result<(), End> {
        let Some((mac, state)) = self.ask.neighbor(node, dev, next) else { return Ok(()) };
        let right = self.link(owner, at).and_then(|l| l.mac.clone());
        if let (Some(mac), Some(right), "PERMANENT") = (&mac, &right, state.as_str())
            && mac != right
        {
            return broken(format!(
                "`{node}` takes {next} for {mac} (a permanent neighbour entry), but `{at}` of `{owner}` is {right}"
            ));
        }
        // Whoever answered last: two nodes that both have the address take turns.
        let other = mac.as_ref().filter(|mac| right.as_ref().is_some_and(|right| right != *mac)).and_then(|mac| {
            let nodes = self.lab.actual.nodes.iter().filter(|(name, _)| *name != owner);
            let mut all = nodes.flat_map(|(name, n)| n.links.iter().map(move |(dev, l)| (name, dev, l)));
            all.find(|(_, _, l)| l.mac.as_ref() == Some(mac) && has(l, next))
        });
        if let Some((name, dev, _)) = other {
            return broken(format!(
                "`{name}` has {next} too, on `{dev}`, and answers `{node}` in the place of `{owner}`"
            ));
        }
        if matches!(state.as_str(), "FAILED" | "INCOMPLETE") && mac.is_none() {
            return broken(format!(
                "nobody answers when `{node}` asks on {dev} who has {next} (neighbour {state}), though `{at}` of `{owner}` has it"
            ));
        }
        Ok(())
    }

    /// Nobody on the wire has the address. Perhaps somebody answers for another one.
    fn stranger(
        &mut self,
        node: &str,
        dev: &str,
        gateway: Option<IpAddr>,
        to: IpAddr,
        wanted: &Links<'_>,
    ) -> Result<(String, String), End> {
        let next = gateway.unwrap_or(to);
        let spots: Vec<(String, String)> =
            self.beside(wanted, (node, dev)).iter().map(|(n, d)| (n.to_string(), d.to_string())).collect();
        if let [(peer, at)] = spots.as_slice()
            && peer != node
        {
            self.whole(&[(node.to_string(), dev.to_string()), (peer.clone(), at.clone())])?;
            let path = format!("net/ipv4/conf/{at}/proxy_arp");
            if self.ask.setting(peer, &path).as_deref() == Some("1") {
                // It answers only for what it would send on by another interface.
                return match self.ask.way(peer, next, None).ok_or(End::Unknown)? {
                    Way::Out { dev, .. } if dev != *at => Ok((peer.clone(), at.clone())),
                    Way::Out { .. } | Way::Local | Way::None(_) => broken(format!(
                        "`{peer}` does not answer for {next} on `{at}`: it has no route to it by another interface"
                    )),
                };
            }
            let should = self.lab.wanted.nodes.get(peer).and_then(|n| n.sysctls.get(&path)).is_some_and(|v| v == "1");
            if should {
                return broken(format!("`{peer}` does not answer for {next} on `{at}`: proxy_arp is 0 there"));
            }
        }
        let what = if gateway.is_some() { "the gateway " } else { "" };
        let owner =
            self.lab.actual.nodes.iter().find(|(_, n)| n.links.values().any(|l| has(l, next))).map(|(name, _)| name);
        let before = match gateway {
            Some(_) => format!("`{node}` sends it to {what}{next} on {dev}"),
            None => format!("`{node}` looks for {next} on {dev}"),
        };
        match owner {
            Some(owner) => broken(format!("{before}, but `{owner}`, which has that address, is not on that wire")),
            None => broken(format!("{before}, an address that nobody has")),
        }
    }

    /// Through a tunnel: to its other end, as a packet of its own.
    fn tunnel(
        &mut self,
        node: &str,
        dev: &str,
        kind: &str,
        next: IpAddr,
        depth: usize,
    ) -> Result<(String, String), End> {
        let link = self.link(node, dev).cloned().unwrap_or_default();
        let remote = match (link.properties.get("remote").and_then(|r| r.parse().ok()), kind) {
            (Some(remote), _) => remote,
            (None, "ipip") => next,
            (None, "vxlan") => self.forwarding_entry(node, dev, next)?,
            _ => return Err(End::Unknown),
        };
        let inside = |end: End| match end {
            End::Broken(words) => {
                End::Broken(format!("the packets of the tunnel `{dev}` do not get from `{node}` to {remote}: {words}"))
            }
            End::Unknown => End::Unknown,
        };
        let arrived = self.walk(node, remote, None, depth + 1).map_err(inside)?;
        let other = arrived.node;
        let same = |state: &super::State| {
            let all = state.nodes.get(&other)?;
            let back = |l: &super::LinkState| {
                l.properties
                    .get("remote")
                    .is_none_or(|r| Some(r.as_str()) == arrived.source.map(|s| s.to_string()).as_deref())
            };
            all.links.iter().find(|(_, l)| l.kind == kind && back(l)).map(|(name, l)| (name.clone(), l.clone()))
        };
        let Some((far, wanted)) = same(self.lab.wanted) else { return Err(End::Unknown) };
        let Some(actual) = self.link(&other, &far) else {
            return broken(format!("`{far}` of `{other}`, the other end of the tunnel, is missing"));
        };
        if !actual.up {
            return broken(format!("`{far}` of `{other}`, the other end of the tunnel, is down"));
        }
        for word in ["id", "key", "dstport"] {
            let (here, there) = (link.properties.get(word), actual.properties.get(word));
            if here != there
                && wanted.properties.get(word)
                    == self.lab.wanted.nodes.get(node).and_then(|n| n.links.get(dev)?.properties.get(word))
            {
                let value = |v: Option<&String>| v.map_or("none".to_string(), ToString::to_string);
                return broken(format!(
                    "the two ends of the tunnel differ: {word} is {} on `{node}` and {} on `{other}`",
                    value(here),
                    value(there)
                ));
            }
        }
        Ok((other, far))
    }

    /// Which node a VXLAN device sends to: the neighbour's Ethernet address, and what that is behind.
    fn forwarding_entry(&mut self, node: &str, dev: &str, next: IpAddr) -> Result<IpAddr, End> {
        let lists = |state: &super::State| {
            let own = state.nodes.get(node)?;
            let neighbor = own.neighbors.iter().filter_map(|n| n.parse::<Neighbor>().ok());
            let mac = neighbor.filter(|n| n.ip == next && n.dev.as_str() == dev).find_map(|n| n.lladdr);
            let fdb: Vec<Fdb> = own.fdb.iter().filter_map(|f| f.parse().ok()).collect();
            let dst = mac.and_then(|mac| fdb.iter().find(|f| f.mac == mac.0 && f.dev.as_str() == dev)).map(|f| f.dst);
            Some((mac, dst))
        };
        let (wanted, actual) =
            (lists(self.lab.wanted).ok_or(End::Unknown)?, lists(self.lab.actual).ok_or(End::Unknown)?);
        match (wanted, actual) {
            (_, (Some(_), Some(dst))) => Ok(dst),
            ((Some(_), _), (None, _)) => broken(format!("`{node}` has no neighbour entry for {next} on {dev}")),
            ((Some(right), _), (Some(mac), None)) if right != mac => {
                broken(format!("`{node}` takes {next} for {mac}, which no forwarding entry of {dev} has"))
            }
            ((_, Some(_)), (Some(mac), None)) => broken(format!("`{node}` has no forwarding entry for {mac} on {dev}")),
            _ => Err(End::Unknown),
        }
    }
}
