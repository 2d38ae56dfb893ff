//! ipip: IPv4 in IPv4, 20 bytes of header and nothing else. Calico's usual overlay.
//!
//! With neither `local` nor `remote` it is the device that the module puts into every namespace under the name `tunl0`:
//! one that sends each packet to wherever its route's gateway says. There can be only one such in a namespace.

use std::net::IpAddr;

use rtnetlink::packet_route::link::{InfoData, InfoIpTunnel, InfoKind};
use serde::{Deserialize, Serialize};

use super::endpoint::Ends;
use super::tunnel::{Outer, Written};
use super::{Endpoint, Kind, LinkKind, Properties};
use crate::error::Problems;
use crate::name::IfName;
use crate::span::Span;

/// An ipip tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipip {
    /// Its ends.
    pub outer: Outer,
    /// Who carries its packets, when the lab says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_space: Option<bool>,
}

pub(super) fn resolve(written: &Written, _at: Span, problems: &mut Problems) -> Option<Ipip> {
    let user_space = written.user_space.as_ref().map(|u| u.value);
    Some(Ipip { outer: Outer::resolve(written, problems)?, user_space })
}

/// The attributes of a tunnel over IPv4.
pub(super) fn attributes(outer: &Outer, parent: Option<u32>) -> Vec<InfoIpTunnel> {
    let mut list = Vec::new();
    list.extend(outer.local.map(|a| InfoIpTunnel::Local(a.into())));
    list.extend(outer.remote.map(|a| InfoIpTunnel::Remote(a.into())));
    list.extend(outer.ttl.map(InfoIpTunnel::Ttl));
    list.extend(parent.map(InfoIpTunnel::Link));
    // As `ip` does: with it the inner packet's DF bit is kept on the outer one.
    list.push(InfoIpTunnel::PMtuDisc(true));
    list
}

/// What the kernel says of one.
pub(super) fn observed(list: &[InfoIpTunnel]) -> Properties {
    let mut properties = Properties::new();
    for attribute in list {
        match attribute {
            InfoIpTunnel::Local(ip) if !ip.is_unspecified() => properties.insert("local".into(), ip.to_string()),
            InfoIpTunnel::Remote(ip) if !ip.is_unspecified() => properties.insert("remote".into(), ip.to_string()),
            InfoIpTunnel::Ttl(ttl) if *ttl > 0 => properties.insert("ttl".into(), ttl.to_string()),
            _ => None,
        };
    }
    properties
}

impl LinkKind for Ipip {
    const WORD: &'static str = "ipip";
    const HAS_MAC: bool = false;

    fn words(&self) -> Vec<String> {
        self.outer.words()
    }
    fn info(&self, parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        (InfoKind::IpIp, Some(InfoData::IpTunnel(attributes(&self.outer, parent))))
    }
    fn properties(&self) -> Properties {
        self.outer.properties()
    }
    fn observed(data: &InfoData) -> Option<Properties> {
        if let InfoData::IpTunnel(list) = data { Some(observed(list)) } else { None }
    }
    fn parent(&self) -> Option<&IfName> {
        self.outer.dev.as_ref()
    }
    fn local(&self) -> Option<IpAddr> {
        self.outer.local.map(IpAddr::V4)
    }
    fn unique(&self) -> Option<String> {
        Some(format!("ipip from {:?} to {:?}", self.outer.local, self.outer.remote))
    }
    fn endpoint(&self, others: &[&Kind]) -> Option<Endpoint> {
        let ends = |kind: &&Kind| match kind {
            Kind::Ipip(ipip) => ipip.outer.remote.map(|from| Ends { from, to: ipip.outer.local }),
            _ => None,
        };
        // The nearer match wins: a tunnel that takes packets from anywhere leaves those that have one of their own.
        let except = if self.outer.remote.is_none() { others.iter().filter_map(ends).collect() } else { Vec::new() };
        Some(Endpoint::Ipip { outer: self.outer.clone(), except })
    }
    fn user_space(&self) -> Option<bool> {
        self.user_space
    }
    fn user_space_mtu(&self) -> Option<u32> {
        Some(1480)
    }
}
