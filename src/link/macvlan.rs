//! macvlan: a second interface, with a MAC of its own, on the wire of another interface.

use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoMacVlan, MacVlanMode};
use serde::{Deserialize, Serialize};

use super::{LinkKind, Properties, device};
use crate::error::{Problems, did_you_mean};
use crate::name::IfName;
use crate::span::{Sp, Span};

device::section! {
    /// A macvlan, as written.
    Written as "Macvlan" {
        /// The interface whose wire it uses.
        link: Option<Sp<String>>,
        /// Whom it can talk to beside the wire: `bridge` (its siblings; the usual), `private` or `vepa`.
        mode: Option<Sp<String>>,
    }
}

/// A macvlan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macvlan {
    /// The interface whose wire it uses.
    pub link: IfName,
    /// Whom it can talk to.
    pub mode: String,
}

const MODES: &[&str] = &["bridge", "private", "vepa"];

impl Written {
    /// What it means.
    pub fn resolve(&self, at: Span, problems: &mut Problems) -> Option<Macvlan> {
        let link = super::tunnel::interface(self.link.as_ref(), at, "link", problems);
        let mode = self.mode.as_ref().map_or("bridge", |m| m.value.as_str());
        if let Some(text) = self.mode.as_ref().filter(|m| !MODES.contains(&m.as_str())) {
            problems
                .error(text.span, format!("`{text}` is no macvlan mode"))
                .help(did_you_mean(text, MODES.iter().copied()).unwrap_or(format!("modes: {}", MODES.join(", "))));
            return None;
        }
        Some(Macvlan { link: link?, mode: mode.to_string() })
    }
}

impl LinkKind for Macvlan {
    const WORD: &'static str = "macvlan";

    fn words(&self) -> Vec<String> {
        vec![format!("mode {}", self.mode)]
    }
    fn info(&self, _parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        let mode = match self.mode.as_str() {
            "private" => MacVlanMode::Private,
            "vepa" => MacVlanMode::Vepa,
            _ => MacVlanMode::Bridge,
        };
        (InfoKind::MacVlan, Some(InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)])))
    }
    fn properties(&self) -> Properties {
        Properties::from([("mode".into(), self.mode.clone())])
    }
    fn observed(data: &InfoData) -> Option<Properties> {
        let InfoData::MacVlan(attributes) = data else { return None };
        let mode = attributes.iter().find_map(|a| match a {
            InfoMacVlan::Mode(MacVlanMode::Private) => Some("private"),
            InfoMacVlan::Mode(MacVlanMode::Vepa) => Some("vepa"),
            InfoMacVlan::Mode(MacVlanMode::Bridge) => Some("bridge"),
            _ => None,
        });
        Some(mode.map(|m| ("mode".to_string(), m.to_string())).into_iter().collect())
    }
    fn parent(&self) -> Option<&IfName> {
        Some(&self.link)
    }
    fn is_on_parent(&self) -> bool {
        true
    }
}
