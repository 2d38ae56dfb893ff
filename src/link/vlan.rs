//! vlan: a network of its own on the wire of another interface, told apart by an 802.1Q tag.

use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVlan};
use serde::{Deserialize, Serialize};

use super::{LinkKind, Properties, device};
use crate::error::Problems;
use crate::name::IfName;
use crate::span::{Sp, Span};

device::section! {
    /// A VLAN interface, as written.
    Written as "Vlan" {
        /// The tag, 1 to 4094.
        id: Option<Sp<u16>>,
        /// The interface that carries it.
        link: Option<Sp<String>>,
    }
}

/// A VLAN interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// The tag.
    pub id: u16,
    /// The interface that carries it.
    pub link: IfName,
}

impl Written {
    /// What it means.
    pub fn resolve(&self, at: Span, problems: &mut Problems) -> Option<Vlan> {
        let link = super::tunnel::interface(self.link.as_ref(), at, "link", problems);
        let Some(id) = &self.id else {
            problems.error(at, "a vlan needs `id`").help("as in `{id: 10, link: eth0}`");
            return None;
        };
        if !(1..=4094).contains(&id.value) {
            problems
                .error(id.span, format!("vlan id {id} is not from 1 to 4094"))
                .help("the tag has 12 bits, and two values are taken");
            return None;
        }
        Some(Vlan { id: id.value, link: link? })
    }
}

impl LinkKind for Vlan {
    const WORD: &'static str = "vlan";
    const MODULE: &'static str = "8021q";

    fn words(&self) -> Vec<String> {
        vec![format!("id {}", self.id)]
    }
    fn info(&self, _parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        (InfoKind::Vlan, Some(InfoData::Vlan(vec![InfoVlan::Id(self.id)])))
    }
    fn properties(&self) -> Properties {
        Properties::from([("id".into(), self.id.to_string())])
    }
    fn observed(data: &InfoData) -> Option<Properties> {
        let InfoData::Vlan(attributes) = data else { return None };
        let id = attributes.iter().find_map(|a| if let InfoVlan::Id(id) = a { Some(*id) } else { None });
        Some(id.map(|id| ("id".to_string(), id.to_string())).into_iter().collect())
    }
    fn parent(&self) -> Option<&IfName> {
        Some(&self.link)
    }
    fn is_on_parent(&self) -> bool {
        true
    }
    fn unique(&self) -> Option<String> {
        Some(format!("vlan {} on {}", self.id, self.link))
    }
}
