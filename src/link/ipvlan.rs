//! ipvlan: a second interface on the wire of another one, under the same MAC: the kernel tells the two apart by their IP
//! addresses. For wires that let only one MAC through (Wi-Fi, many clouds, switches with port security).

use rtnetlink::packet_route::link::{InfoData, InfoIpVlan, InfoKind, IpVlanMode};
use serde::{Deserialize, Serialize};

use super::{LinkKind, Properties, device};
use crate::error::{Problems, did_you_mean};
use crate::name::IfName;
use crate::span::{Sp, Span};

device::section! {
    /// An ipvlan, as written.
    Written as "Ipvlan" {
        /// The interface whose wire and MAC it uses.
        link: Option<Sp<String>>,
        /// `l2` (it asks by ARP itself; the usual), `l3` (the parent's node routes for it: no ARP, no broadcasts) or `l3s`
        /// (the same, seen by the node's firewall).
        mode: Option<Sp<String>>,
    }
}

/// An ipvlan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipvlan {
    /// The interface whose wire it uses.
    pub link: IfName,
    /// Who resolves and routes.
    pub mode: String,
}

const MODES: &[(&str, IpVlanMode)] = &[("l2", IpVlanMode::L2), ("l3", IpVlanMode::L3), ("l3s", IpVlanMode::L3S)];

impl Written {
    /// What it means.
    pub fn resolve(&self, at: Span, problems: &mut Problems) -> Option<Ipvlan> {
        let link = super::tunnel::interface(self.link.as_ref(), at, "link", problems);
        let mode = self.mode.as_ref().map_or("l2", |m| m.value.as_str());
        let known = || MODES.iter().map(|(word, _)| *word);
        if let Some(text) = self.mode.as_ref().filter(|_| !known().any(|word| word == mode)) {
            let modes = known().collect::<Vec<_>>().join(", ");
            problems
                .error(text.span, format!("`{text}` is no ipvlan mode"))
                .help(did_you_mean(text, known()).unwrap_or(format!("modes: {modes}")));
            return None;
        }
        Some(Ipvlan { link: link?, mode: mode.to_string() })
    }
}

impl LinkKind for Ipvlan {
    const WORD: &'static str = "ipvlan";
    /// It has its parent's.
    const HAS_MAC: bool = false;

    fn words(&self) -> Vec<String> {
        vec![format!("mode {}", self.mode)]
    }
    fn info(&self, _parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        let mode = MODES.iter().find(|(word, _)| *word == self.mode).map(|(_, mode)| InfoIpVlan::Mode(*mode));
        (InfoKind::IpVlan, Some(InfoData::IpVlan(mode.into_iter().collect())))
    }
    fn properties(&self) -> Properties {
        Properties::from([("mode".into(), self.mode.clone())])
    }
    fn observed(data: &InfoData) -> Option<Properties> {
        let InfoData::IpVlan(attributes) = data else { return None };
        let mode = attributes.iter().find_map(|a| if let InfoIpVlan::Mode(mode) = a { Some(mode) } else { None })?;
        let (word, _) = MODES.iter().find(|(_, m)| m == mode)?;
        Some(Properties::from([("mode".to_string(), word.to_string())]))
    }
    fn parent(&self) -> Option<&IfName> {
        Some(&self.link)
    }
    fn is_on_parent(&self) -> bool {
        true
    }
}
