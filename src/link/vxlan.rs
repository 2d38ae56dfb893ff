//! vxlan: Ethernet frames in UDP, port 4789, each network with a 24-bit number (VNI). 50 bytes of headers.
//!
//! Who is behind which address is learnt from what comes in, or said beforehand: `fdb` entries for MACs, `neighbors` for
//! addresses, and `learning: off`, as Calico and Flannel do it.

use std::net::{IpAddr, Ipv4Addr};

use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVxlan};
use serde::{Deserialize, Serialize};

use super::tunnel::{Outer, Written};
use super::{LinkKind, Properties};
use crate::error::Problems;
use crate::name::IfName;
use crate::span::Span;

/// The port that IANA gave it; Linux itself still defaults to 8472.
const PORT: u16 = 4789;

/// A vxlan tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vxlan {
    /// The network's number.
    pub id: u32,
    /// UDP port.
    pub port: u16,
    /// Learn who is where from what comes in.
    pub learning: bool,
    /// Its ends.
    pub outer: Outer,
}

pub(super) fn resolve(written: &Written, at: Span, problems: &mut Problems) -> Option<Vxlan> {
    let id = written.vni(at, problems);
    let outer = Outer::resolve(written, problems);
    let port = written.port(PORT, problems);
    let learning = written.learning.as_ref().is_none_or(|l| l.value);
    Some(Vxlan { id: id?, port: port?, learning, outer: outer? })
}

impl LinkKind for Vxlan {
    const WORD: &'static str = "vxlan";

    fn words(&self) -> Vec<String> {
        let mut words = vec![format!("id {}", self.id)];
        words.extend(self.outer.words());
        words.push(format!("dstport {}", self.port));
        words.push(if self.learning { "learning" } else { "nolearning" }.into());
        words
    }

    fn info(&self, parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        let mut list = vec![InfoVxlan::Id(self.id)];
        list.extend(self.outer.local.map(InfoVxlan::Local));
        list.extend(self.outer.remote.map(InfoVxlan::Group));
        list.extend(self.outer.ttl.map(InfoVxlan::Ttl));
        list.extend(parent.map(InfoVxlan::Link));
        list.push(InfoVxlan::Port(self.port));
        list.push(InfoVxlan::Learning(self.learning));
        (InfoKind::Vxlan, Some(InfoData::Vxlan(list)))
    }

    fn properties(&self) -> Properties {
        let mut properties = self.outer.properties();
        properties.insert("id".into(), self.id.to_string());
        properties.insert("dstport".into(), self.port.to_string());
        properties.insert("learning".into(), if self.learning { "on" } else { "off" }.into());
        properties
    }

    fn observed(data: &InfoData) -> Option<Properties> {
        let InfoData::Vxlan(list) = data else { return None };
        let mut properties = Properties::new();
        for attribute in list {
            let (key, value) = match attribute {
                InfoVxlan::Id(id) => ("id", id.to_string()),
                InfoVxlan::Local(ip) if *ip != Ipv4Addr::UNSPECIFIED => ("local", ip.to_string()),
                InfoVxlan::Group(ip) if *ip != Ipv4Addr::UNSPECIFIED => ("remote", ip.to_string()),
                InfoVxlan::Ttl(ttl) if *ttl > 0 => ("ttl", ttl.to_string()),
                InfoVxlan::Port(port) => ("dstport", port.to_string()),
                InfoVxlan::Learning(on) => ("learning", if *on { "on" } else { "off" }.to_string()),
                _ => continue,
            };
            properties.insert(key.into(), value);
        }
        Some(properties)
    }

    fn parent(&self) -> Option<&IfName> {
        self.outer.dev.as_ref()
    }
    fn local(&self) -> Option<IpAddr> {
        self.outer.local.map(IpAddr::V4)
    }
    fn unique(&self) -> Option<String> {
        Some(format!("vxlan {} on port {}", self.id, self.port))
    }
}
