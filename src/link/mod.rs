//! Kinds of links, one file each: its YAML, its meaning, its `ip` words, its netlink attributes, and what `status`
//! should see of it.
//!
//! A new kind is a new file and a variant of [`Kind`]; the compiler lists the arms that are missing. Nothing here opens
//! a socket: messages are made here and sent by `kernel`.

pub mod bridge;
pub mod veth;

use std::collections::BTreeMap;

use rtnetlink::packet_route::link::{InfoData, InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use serde::{Deserialize, Serialize};

use crate::ip::Mac;
use crate::name::IfName;

/// What an interface is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `lo`, which every namespace has.
    Loopback,
    /// One end of a virtual cable.
    Veth,
    /// A virtual switch.
    Bridge(bridge::Bridge),
}

/// A link that a node makes for itself (all but veth ends, which come in pairs).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLink {
    /// Its name.
    pub name: IfName,
    /// What it is.
    pub kind: Kind,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
    /// Its MTU, when it is not the usual one.
    pub mtu: Option<u32>,
}

/// Properties of a link beside name, address and MTU, by the word that `ip -d link` has for them.
pub type Properties = BTreeMap<String, String>;

impl Kind {
    /// The word after `type` in `ip link add`; the kernel's IFLA_INFO_KIND.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Loopback => "loopback",
            Kind::Veth => "veth",
            Kind::Bridge(_) => "bridge",
        }
    }

    /// The words after `type KIND`.
    pub fn words(&self) -> Vec<String> {
        match self {
            Kind::Loopback | Kind::Veth => Vec::new(),
            Kind::Bridge(bridge) => bridge.words(),
        }
    }

    /// What `status` compares.
    pub fn properties(&self) -> Properties {
        match self {
            Kind::Loopback | Kind::Veth => Properties::new(),
            Kind::Bridge(bridge) => bridge.properties(),
        }
    }

    /// The kind's own netlink attributes.
    fn info(&self) -> Option<(InfoKind, Option<InfoData>)> {
        match self {
            Kind::Loopback => None,
            Kind::Veth => Some((InfoKind::Veth, None)),
            Kind::Bridge(bridge) => Some((InfoKind::Bridge, Some(bridge.info()))),
        }
    }
}

impl NewLink {
    /// The message that makes the link in the namespace of the socket that it is sent on. `group` marks it as the lab's.
    pub fn message(&self, group: u32) -> LinkMessage {
        let mut message = LinkMessage::default();
        let attributes = &mut message.attributes;
        attributes.push(LinkAttribute::IfName(self.name.to_string()));
        attributes.push(LinkAttribute::Group(group));
        if let Some(mac) = self.mac {
            attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        }
        if let Some(mtu) = self.mtu {
            attributes.push(LinkAttribute::Mtu(mtu));
        }
        if let Some((kind, data)) = self.kind.info() {
            let mut info = vec![LinkInfo::Kind(kind)];
            info.extend(data.map(LinkInfo::Data));
            attributes.push(LinkAttribute::LinkInfo(info));
        }
        message
    }

    /// `ip link add` and what follows.
    pub fn words(&self) -> String {
        let mut words = vec!["link add name".to_string(), self.name.to_string()];
        words.extend(self.mac.map(|m| format!("address {m}")));
        words.extend(self.mtu.map(|m| format!("mtu {m}")));
        words.push(format!("type {}", self.kind.word()));
        words.extend(self.kind.words());
        words.join(" ")
    }
}

/// The properties of a link that the kernel described.
pub fn observed(info: &[LinkInfo]) -> Properties {
    let data = info.iter().find_map(|i| if let LinkInfo::Data(data) = i { Some(data) } else { None });
    match data {
        Some(InfoData::Bridge(attributes)) => bridge::observed(attributes),
        _ => Properties::new(),
    }
}

/// Devices that a module puts into every new namespace by itself: neither ours nor drift.
pub fn is_fallback(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "tunl0",
        "gre0",
        "gretap0",
        "erspan0",
        "ip_vti0",
        "ip6_vti0",
        "sit0",
        "ip6tnl0",
        "ip6gre0",
        "bonding_masters",
        "bond0",
        "dummy0",
        "ifb0",
        "ifb1",
        "teql0",
    ];
    NAMES.contains(&name)
}
