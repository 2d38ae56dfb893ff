//! geneve: Ethernet frames in UDP, port 6081; vxlan's successor, with room for options.

use std::net::Ipv4Addr;

use rtnetlink::packet_route::link::{InfoData, InfoGeneve, InfoKind};
use serde::{Deserialize, Serialize};

use super::tunnel::{Written, other_end, v4};
use super::{LinkKind, Properties};
use crate::error::Problems;
use crate::span::Span;

const PORT: u16 = 6081;

/// A geneve tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geneve {
    /// The network's number.
    pub id: u32,
    /// The other end.
    pub remote: Ipv4Addr,
    /// UDP port.
    pub port: u16,
    /// Time to live of the outer packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
}

pub(super) fn resolve(written: &Written, at: Span, problems: &mut Problems) -> Option<Geneve> {
    let id = written.vni(at, problems);
    let Some(remote) = &written.remote else {
        problems.error(at, "geneve needs `remote`: the other end's address").help("as in `remote: 10.0.0.2`");
        return None;
    };
    let remote = v4(remote, problems).and_then(|ip| other_end(ip, remote, None, false, problems));
    let (port, ttl) = (written.port(PORT, problems), written.ttl(problems));
    Some(Geneve { id: id?, remote: remote?, port: port?, ttl: ttl? })
}

impl LinkKind for Geneve {
    const WORD: &'static str = "geneve";

    fn words(&self) -> Vec<String> {
        let mut words = vec![format!("id {}", self.id), format!("remote {}", self.remote)];
        words.extend(self.ttl.map(|t| format!("ttl {t}")));
        words.push(format!("dstport {}", self.port));
        words
    }

    fn info(&self, _parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        let mut list = vec![InfoGeneve::Id(self.id), InfoGeneve::Remote(self.remote), InfoGeneve::Port(self.port)];
        list.extend(self.ttl.map(InfoGeneve::Ttl));
        (InfoKind::Geneve, Some(InfoData::Geneve(list)))
    }

    fn properties(&self) -> Properties {
        let mut properties = Properties::from([
            ("id".to_string(), self.id.to_string()),
            ("remote".to_string(), self.remote.to_string()),
            ("dstport".to_string(), self.port.to_string()),
        ]);
        properties.extend(self.ttl.map(|t| ("ttl".to_string(), t.to_string())));
        properties
    }

    fn observed(data: &InfoData) -> Option<Properties> {
        let InfoData::Geneve(list) = data else { return None };
        let mut properties = Properties::new();
        for attribute in list {
            let (key, value) = match attribute {
                InfoGeneve::Id(id) => ("id", id.to_string()),
                InfoGeneve::Remote(ip) => ("remote", ip.to_string()),
                InfoGeneve::Port(port) => ("dstport", port.to_string()),
                InfoGeneve::Ttl(ttl) if *ttl > 0 => ("ttl", ttl.to_string()),
                _ => continue,
            };
            properties.insert(key.into(), value);
        }
        Some(properties)
    }

    fn unique(&self) -> Option<String> {
        Some(format!("geneve {} to {} on port {}", self.id, self.remote, self.port))
    }
}
