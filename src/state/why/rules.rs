//! The firewall on a packet's way: whom it is sent on to, whose address it gets, and which of the lab's lines are missing.

use std::net::IpAddr;

use super::chains::{Came, Met, Packet, destination, value};
use super::{End, Flow, Translated, Walk};
use crate::ip::Family;
use crate::ip::iptables::Line;

/// Whom a node sends a packet on to.
pub(super) enum Redirect {
    /// Nobody: it stays as it is.
    None,
    /// This one.
    To(IpAddr, Option<u16>),
    /// One of these; lots are drawn, or what decides is not understood.
    OneOf(Vec<(IpAddr, Option<u16>)>),
}

impl Walk<'_, '_> {
    fn lines(&self, node: &str, table: &str, wanted: bool) -> Vec<Line> {
        let state = if wanted { self.lab.wanted } else { self.lab.actual };
        let lines = state.nodes.get(node).and_then(|n| n.firewall.get(&Family::of(self.flow.to)));
        let of_table = |line: &String| line.parse::<Line>().ok().filter(|l| l.table == table);
        lines.into_iter().flatten().filter_map(of_table).collect()
    }

    fn packet<'p>(&'p self, node: &str, to: IpAddr, source: Option<IpAddr>, came: Option<&'p str>) -> Packet<'p> {
        let came = Some(came.map_or(Came::Here, Came::By));
        let local = Some(self.has_address(node, to));
        Packet { proto: &self.flow.proto, port: self.port, to: Some(to), source, came, out: None, local }
    }

    /// Where a node sends on what comes in for this address.
    pub(super) fn redirect(
        &self,
        node: &str,
        to: IpAddr,
        source: Option<IpAddr>,
        came: Option<&str>,
    ) -> Result<Redirect, End> {
        let hook = if came.is_some() { "PREROUTING" } else { "OUTPUT" };
        let packet = self.packet(node, to, source, came);
        let (there, wanted) = (self.lines(node, "nat", false), self.lines(node, "nat", true));
        let (met, meant) = (packet.meets(&there, hook), packet.meets(&wanted, hook));
        let ends = |met: &[Met<'_>]| {
            let mut ends: Vec<_> = met.iter().filter_map(|m| destination(m.line)).collect();
            ends.dedup();
            ends
        };
        let (now, then) = (ends(&met), ends(&meant));
        if let Some(lost) = then.iter().find(|end| !now.contains(end)) {
            let what = match self.port {
                Some(port) => format!("{} port {port}", self.flow.proto),
                None => self.flow.proto.clone(),
            };
            let whom = if now.is_empty() { String::new() } else { format!(" to {}", end_words(lost)) };
            let why = differs(&there, &wanted, &met, &meant).ok_or(End::Unknown)?;
            return Err(End::Broken(format!("`{node}` does not send {what} on{whom}: {why}")));
        }
        match now.as_slice() {
            _ if met.iter().any(|m| m.line.value_of(&["-j"]) == Some("REDIRECT")) => Err(End::Unknown),
            [] => Ok(Redirect::None),
            [(ip, port)] if met.iter().any(|m| m.certain && destination(m.line).is_some()) => {
                Ok(Redirect::To(*ip, *port))
            }
            all => Ok(Redirect::OneOf(all.to_vec())),
        }
    }

    /// Lots are drawn among several: each is tried. If all can be reached, there is nothing to say.
    pub(super) fn one_of(
        &mut self,
        node: &str,
        to: IpAddr,
        ends: &[(IpAddr, Option<u16>)],
        on: &Leg,
        depth: usize,
    ) -> End {
        for (ip, port) in ends {
            let before = self.port;
            self.port = port.or(before);
            let leg = Leg { to: *ip, redirected: true, ..on.clone() };
            let tried = self.follow(leg, depth).and_then(|arrived| self.is_heard(&arrived));
            self.port = before;
            if let Err(End::Broken(words)) = tried {
                let whom = end_words(&(*ip, *port));
                let lots = if ends.len() > 1 { format!("one of {}", ends.len()) } else { "another address".into() };
                return End::Broken(format!(
                    "`{node}` sends what is for {to} on to {lots}, and does not reach {whom}:\n{words}"
                ));
            }
        }
        End::Unknown
    }

    /// The source that a packet has when it has left: notes translations, and those that are missing.
    pub(super) fn translate(
        &mut self,
        node: &str,
        dev: &str,
        source: Option<IpAddr>,
        to: IpAddr,
    ) -> Result<Option<IpAddr>, End> {
        let Some(source) = source else { return Ok(None) };
        let hides = |m: &&Met<'_>| matches!(m.line.value_of(&["-j"]), Some("MASQUERADE" | "SNAT"));
        let (there, wanted) = (self.lines(node, "nat", false), self.lines(node, "nat", true));
        // The chains behind routing are not told where it came in.
        let packet = Packet { out: Some(dev), came: None, ..self.packet(node, to, Some(source), None) };
        let met = packet.meets(&there, "POSTROUTING");
        let Some(first) = met.iter().find(hides) else {
            let meant = packet.meets(&wanted, "POSTROUTING");
            let lost = meant.iter().find(|m| hides(m) && m.certain && !there.contains(m.line));
            let lost = lost.map(|m| m.line.to_string());
            self.untranslated.extend(lost);
            return Ok(Some(source));
        };
        // A mark decides, or a set: what the packet has now cannot be told, nor where its answer goes.
        if !first.certain {
            return Ok(None);
        }
        let new = match first.line.value_of(&["--to-source"]) {
            Some(word) => word.parse().ok().or_else(|| word.rsplit_once(':')?.0.trim_matches(['[', ']']).parse().ok()),
            None => self.link(node, dev).and_then(|l| {
                let mut all = l.addresses.iter().filter_map(|a| a.split('/').next()?.parse::<IpAddr>().ok());
                all.find(|a| a.is_ipv4() == source.is_ipv4())
            }),
        };
        let Some(new) = new else { return Ok(None) };
        self.translated.push(Translated { node: node.to_string(), from: source, to: new });
        Ok(Some(new))
    }

    /// What a node's firewall says otherwise than the lab's of packets of this flow: when nothing else was found, this may
    /// be it, and it is true in any case.
    pub(super) fn firewall_differs(&self, node: &str, table: &str) -> Option<String> {
        let (there, wanted) = (self.lines(node, table, false), self.lines(node, table, true));
        // Addresses and ports may be translated when it comes here: only the protocol stays the same.
        let proto = &self.flow.proto;
        let packet = Packet { proto, port: None, to: None, source: None, came: None, out: None, local: None };
        let hooks = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
        let found = hooks
            .iter()
            .find_map(|hook| differs(&there, &wanted, &packet.meets(&there, hook), &packet.meets(&wanted, hook)))?;
        Some(format!("the firewall of `{node}` is not the lab's: {found}"))
    }

    /// An entry that a set of the lab lacks.
    pub(super) fn set_differs(&self, node: &str) -> Option<String> {
        let sets = |state: &'_ super::State| state.nodes.get(node).map(|n| n.ipsets.clone()).unwrap_or_default();
        let (there, wanted) = (sets(self.lab.actual), sets(self.lab.wanted));
        wanted.iter().find_map(|(name, set)| {
            let Some(own) = there.get(name) else { return Some(format!("the set `{name}` of `{node}` is missing")) };
            let lost: Vec<&str> = set.members.difference(&own.members).map(String::as_str).collect();
            (!lost.is_empty()).then(|| format!("the set `{name}` of `{node}` lacks {}", lost.join(", ")))
        })
    }
}

/// A stretch of the way still to go.
#[derive(Debug, Clone)]
pub(super) struct Leg {
    pub node: String,
    pub to: IpAddr,
    pub source: Option<IpAddr>,
    /// The interface that it came in by.
    pub came: Option<String>,
    /// The node has sent it on already.
    pub redirected: bool,
}

fn end_words((ip, port): &(IpAddr, Option<u16>)) -> String {
    match port {
        Some(port) => std::net::SocketAddr::new(*ip, *port).to_string(),
        None => ip.to_string(),
    }
}

/// The first of the lab's lines that is not there, or else the first that is there and not the lab's.
fn differs(there: &[Line], wanted: &[Line], met: &[Met<'_>], meant: &[Met<'_>]) -> Option<String> {
    let lost: Vec<&Line> = meant.iter().map(|m| m.line).filter(|l| !there.contains(l)).collect();
    let strange = met.iter().map(|m| m.line).find(|l| !wanted.contains(l));
    match (lost.as_slice(), strange) {
        ([], None) => None,
        ([], Some(line)) => Some(format!("`{line}` is not of the lab")),
        ([line], _) => Some(format!("`{line}` is missing")),
        ([line, more @ ..], _) => Some(format!("`{line}` is missing, and {} more", more.len())),
    }
}

/// Whether a line that threw something away may have thrown away a packet of a flow, or its answer.
pub(super) fn concerns(line: &str, flow: &Flow) -> bool {
    let Ok(line) = line.parse::<Line>() else { return false };
    let port =
        |flag: &str| value(&line, &[flag]).map(|(p, not)| (flow.port.is_some_and(|own| p == own.to_string())) != not);
    value(&line, &["-p"]).is_none_or(|(p, not)| (p == flow.proto) != not)
        && port("--dport").or(port("--sport")).unwrap_or(true)
}
