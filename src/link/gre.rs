//! gre: anything in IPv4, with a key that tells several tunnels between the same two ends apart.

use std::net::IpAddr;

use rtnetlink::packet_route::link::{GreIOFlags, InfoData, InfoGre, InfoKind};
use serde::{Deserialize, Serialize};

use super::tunnel::{Outer, Written, twice};
use super::{LinkKind, Properties};
use crate::error::Problems;
use crate::name::IfName;
use crate::span::Span;

/// A gre tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gre {
    /// Its ends.
    pub outer: Outer,
    /// A number that both ends share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<u32>,
}

pub(super) fn resolve(written: &Written, _at: Span, problems: &mut Problems) -> Option<Gre> {
    let key = written.key.as_ref().map(|text| {
        let number = text.value.parse().ok();
        if number.is_none() {
            problems.error(text.span, format!("`{text}` is not a number")).help("a gre key is from 0 to 4294967295");
        }
        number
    });
    Some(Gre { outer: Outer::resolve(written, problems)?, key: twice(key)? })
}

impl LinkKind for Gre {
    const WORD: &'static str = "gre";
    const MODULE: &'static str = "ip_gre";
    const HAS_MAC: bool = false;

    fn words(&self) -> Vec<String> {
        let mut words = self.outer.words();
        words.extend(self.key.map(|k| format!("key {k}")));
        words
    }

    fn info(&self, parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        let mut list = Vec::new();
        list.extend(self.outer.local.map(InfoGre::Local));
        list.extend(self.outer.remote.map(InfoGre::Remote));
        list.extend(self.outer.ttl.map(InfoGre::Ttl));
        list.extend(parent.map(InfoGre::Link));
        list.push(InfoGre::PathMTUDiscovery(true));
        if let Some(key) = self.key {
            list.extend([
                InfoGre::IFlags(GreIOFlags::Key),
                InfoGre::OFlags(GreIOFlags::Key),
                InfoGre::IKey(key),
                InfoGre::OKey(key),
            ]);
        }
        (InfoKind::GreTun, Some(InfoData::GreTun(list)))
    }

    fn properties(&self) -> Properties {
        let mut properties = self.outer.properties();
        properties.extend(self.key.map(|k| ("key".to_string(), k.to_string())));
        properties
    }

    fn observed(data: &InfoData) -> Option<Properties> {
        let InfoData::GreTun(list) = data else { return None };
        let mut properties = Properties::new();
        for attribute in list {
            let (key, value) = match attribute {
                InfoGre::Local(ip) if !ip.is_unspecified() => ("local", ip.to_string()),
                InfoGre::Remote(ip) if !ip.is_unspecified() => ("remote", ip.to_string()),
                InfoGre::Ttl(ttl) if *ttl > 0 => ("ttl", ttl.to_string()),
                InfoGre::IKey(key) if *key > 0 => ("key", key.to_string()),
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
        Some(format!("gre from {:?} to {:?}, key {:?}", self.outer.local, self.outer.remote, self.key))
    }
}
