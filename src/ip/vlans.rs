//! Which tagged networks a bridge port carries, in the words of `bridge vlan`.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The networks of a port: one whose frames have no tag there, and those whose frames do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortVlans {
    /// Frames without a tag belong to this one (its port VLAN id), and leave without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pvid: Option<u16>,
    /// Frames of these have their tag.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tagged: BTreeSet<u16>,
}

impl PortVlans {
    /// What follows `bridge vlan add dev PORT`, once for each network.
    pub fn words(&self) -> Vec<String> {
        let untagged = self.pvid.map(|vid| format!("vid {vid} pvid untagged"));
        untagged.into_iter().chain(self.tagged.iter().map(|vid| format!("vid {vid}"))).collect()
    }
}

/// As `status` names it: `10 untagged, 20, 30`.
impl fmt::Display for PortVlans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let untagged = self.pvid.map(|vid| format!("{vid} untagged"));
        let all: Vec<String> = untagged.into_iter().chain(self.tagged.iter().map(u16::to_string)).collect();
        f.write_str(&all.join(", "))
    }
}
