//! Firewall lines as far as a walk must understand them: the everyday translations, and which packets a line is about.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{End, Flow, Translated, Walk};
use crate::ip::Family;
use crate::ip::iptables::{Line, Verb};

impl Walk<'_, '_> {
    fn nat(&self, node: &str, wanted: bool) -> Vec<Line> {
        let state = if wanted { self.lab.wanted } else { self.lab.actual };
        let lines = state.nodes.get(node).and_then(|n| n.firewall.get(&Family::of(self.flow.to)));
        let nat = |line: &String| line.parse::<Line>().ok().filter(|l| l.table == "nat");
        lines.into_iter().flatten().filter_map(nat).collect()
    }

    /// Where a node sends on what comes in for this address.
    pub(super) fn redirect(&mut self, node: &str, to: IpAddr, came: Option<&str>) -> Result<Option<IpAddr>, End> {
        let chain = if came.is_some() { "PREROUTING" } else { "OUTPUT" };
        for line in self.nat(node, false).iter().filter(|l| l.verb == Verb::Append && l.chain == chain) {
            match (matches(line, self.flow, to, came), line.value_of(&["-j"])) {
                (Some(false), _) => {}
                (Some(true), Some("DNAT")) => {
                    let new = line.value_of(&["--to-destination"]).and_then(address);
                    self.redirected = true;
                    return new.map(Some).ok_or(End::Unknown);
                }
                (Some(true), Some("RETURN" | "ACCEPT")) => return Ok(None),
                // Chains of a service: whom they choose is not for a walk to guess.
                _ => return Err(End::Unknown),
            }
        }
        Ok(None)
    }

    /// The rule that should send a port on, and is gone.
    pub(super) fn lost_redirect(&self, node: &str, port: u16) -> Option<String> {
        let there = self.nat(node, false);
        let lost = |l: &&Line| {
            let opens = l.value_of(&["--dport"]).is_some_and(|p| p == port.to_string());
            l.value_of(&["-j"]) == Some("DNAT") && opens && !there.contains(l)
        };
        self.nat(node, true).iter().find(lost).map(ToString::to_string)
    }

    /// The source that a packet has when it has left: notes translations, and those that are missing.
    pub(super) fn translate(&mut self, node: &str, dev: &str, source: Option<IpAddr>, to: IpAddr) -> Option<IpAddr> {
        let source = source?;
        let there = self.nat(node, false);
        let hides = |l: &Line| {
            let target = matches!(l.value_of(&["-j"]), Some("MASQUERADE" | "SNAT"));
            target && l.verb == Verb::Append && l.chain == "POSTROUTING" && leaves(l, dev, source, to)
        };
        let Some(line) = there.iter().find(|l| hides(l)) else {
            let lost = self.nat(node, true).into_iter().find(|l| hides(l) && !there.contains(l));
            self.untranslated.extend(lost.map(|l| l.to_string()));
            return Some(source);
        };
        let new = match line.value_of(&["--to-source"]) {
            Some(word) => address(word),
            None => self.link(node, dev).and_then(|l| {
                let mut all = l.addresses.iter().filter_map(|a| a.split('/').next()?.parse::<IpAddr>().ok());
                all.find(|a| a.is_ipv4() == source.is_ipv4())
            }),
        }?;
        self.translated.push(Translated { node: node.to_string(), from: source, to: new });
        Some(new)
    }
}

fn address(word: &str) -> Option<IpAddr> {
    word.parse().ok().or_else(|| word.rsplit_once(':')?.0.trim_matches(['[', ']']).parse().ok())
}

/// The value of a flag, and whether a `!` stands before it.
fn value<'l>(line: &'l Line, flags: &[&str]) -> Option<(&'l str, bool)> {
    let at = line.rest.iter().position(|w| flags.contains(&w.as_str()))?;
    let not = at > 0 && line.rest[at - 1] == "!";
    Some((line.rest.get(at + 1)?, not))
}

fn within(net: &str, ip: IpAddr) -> bool {
    net.parse::<IpNet>().is_ok_and(|n| n.contains(&ip)) || net.parse::<IpAddr>().is_ok_and(|i| i == ip)
}

/// Words that say no more than others on the line do.
const SAID: &[&str] = &["-s", "-d", "-i", "-o", "-p", "-m", "--dport", "-j", "--to-destination", "--comment"];

/// Whether a line takes a packet; none when it says more than is understood here.
fn matches(line: &Line, flow: &Flow, to: IpAddr, came: Option<&str>) -> Option<bool> {
    let is = |flags: &[&str], holds: &dyn Fn(&str) -> bool| value(line, flags).is_none_or(|(v, not)| holds(v) != not);
    let port = |p: &str| flow.port.is_some_and(|port| p == port.to_string());
    let all = is(&["-d"], &|net| within(net, to))
        && is(&["-i"], &|dev| Some(dev) == came)
        && is(&["-p"], &|proto| proto == flow.proto)
        && is(&["--dport"], &port);
    let known = line.rest.iter().filter(|w| w.starts_with('-')).all(|w| SAID.contains(&w.as_str()));
    if !all { Some(false) } else { known.then_some(true) }
}

/// Whether a line takes what leaves.
fn leaves(line: &Line, dev: &str, source: IpAddr, to: IpAddr) -> bool {
    let is = |flags: &[&str], holds: &dyn Fn(&str) -> bool| value(line, flags).is_none_or(|(v, not)| holds(v) != not);
    let known = ["-s", "-d", "-o", "-j", "--to-source", "-m", "--comment"];
    is(&["-s"], &|net| within(net, source))
        && is(&["-d"], &|net| within(net, to))
        && is(&["-o"], &|o| o == dev)
        && line.rest.iter().filter(|w| w.starts_with('-')).all(|w| known.contains(&w.as_str()))
}

/// Whether a line that threw something away may have thrown away a packet of a flow, or its answer.
pub(super) fn concerns(line: &str, flow: &Flow) -> bool {
    let Ok(line) = line.parse::<Line>() else { return false };
    let port =
        |flag: &str| value(&line, &[flag]).map(|(p, not)| (flow.port.is_some_and(|own| p == own.to_string())) != not);
    value(&line, &["-p"]).is_none_or(|(p, not)| (p == flow.proto) != not)
        && port("--dport").or(port("--sport")).unwrap_or(true)
}
