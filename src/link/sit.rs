//! sit: IPv6 in IPv4, the oldest way to carry the new protocol over the old one.

use std::net::IpAddr;

use rtnetlink::packet_route::link::{InfoData, InfoKind};
use serde::{Deserialize, Serialize};

use super::tunnel::{Outer, Written};
use super::{LinkKind, Properties, ipip};
use crate::error::Problems;
use crate::name::IfName;
use crate::span::Span;

/// A sit tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sit {
    /// Its ends.
    pub outer: Outer,
}

pub(super) fn resolve(written: &Written, _at: Span, problems: &mut Problems) -> Option<Sit> {
    Some(Sit { outer: Outer::resolve(written, problems)? })
}

impl LinkKind for Sit {
    const WORD: &'static str = "sit";
    const HAS_MAC: bool = false;

    fn words(&self) -> Vec<String> {
        self.outer.words()
    }
    fn info(&self, parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        (InfoKind::SitTun, Some(InfoData::IpTunnel(ipip::attributes(&self.outer, parent))))
    }
    fn properties(&self) -> Properties {
        self.outer.properties()
    }
    fn observed(_data: &InfoData) -> Option<Properties> {
        None // it has ipip's attributes, and ipip reads them
    }
    fn parent(&self) -> Option<&IfName> {
        self.outer.dev.as_ref()
    }
    fn local(&self) -> Option<IpAddr> {
        self.outer.local.map(IpAddr::V4)
    }
    fn unique(&self) -> Option<String> {
        Some(format!("sit from {:?} to {:?}", self.outer.local, self.outer.remote))
    }
}
