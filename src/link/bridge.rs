//! bridge: a virtual switch inside a node.
//!
//! Its ports are other interfaces of the node; its own interface is the node's plug into the switch, which is why
//! addresses go on the bridge and not on a port. Spanning tree is off unless asked for: with it a port forwards only
//! after twice the forward delay, 30 s by default. One bridge takes 1,023 ports (BR_PORT_BITS = 10).

use indexmap::IndexMap;
use rtnetlink::packet_route::link::{BridgeStpState, InfoBridge, InfoData, InfoKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LinkKind, Properties, device};
use crate::error::Problems;
use crate::ip::PortVlans;
use crate::span::{Sp, Span};

/// The most ports that one bridge takes.
pub const MOST_PORTS: usize = 1023;

device::section! {
    /// A bridge, as written in a lab file.
    Written as "Bridge" {
        /// Interfaces of this node that are plugged into the bridge.
        ports: Vec<Sp<String>>,
        /// Spanning tree; off if not said. On delays every port by twice the forward delay.
        stp: Option<Sp<bool>>,
        /// Seconds that spanning tree waits before it forwards, 2 to 30; 15 if not said.
        forward_delay: Option<Sp<u32>>,
        /// Look at the tags (802.1Q) of frames: each port then carries the networks that `port-vlans` gives it, and no other.
        vlan_filtering: Option<Sp<bool>>,
        /// The networks of each port, by port.
        port_vlans: IndexMap<Sp<String>, Sp<WrittenVlans>>,
    }
}

/// The networks of a port, as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "PortVlans")]
pub struct WrittenVlans {
    /// Frames without a tag belong to this network, and leave without one: a port for a host.
    pub pvid: Option<Sp<u32>>,
    /// Frames of these networks have their tag: a port for a router, or for another switch.
    pub tagged: Vec<Sp<u32>>,
}

impl WrittenVlans {
    /// What it means.
    pub fn resolve(&self, at: Span, problems: &mut Problems) -> Option<PortVlans> {
        let mut whole = true;
        for vid in self.pvid.iter().chain(&self.tagged).filter(|vid| !(1..=4094).contains(&vid.value)) {
            problems.error(vid.span, format!("`{vid}` is not a network from 1 to 4094")).help("as in `10`");
            whole = false;
        }
        if self.pvid.is_none() && self.tagged.is_empty() {
            problems.error(at, "this port carries no network").help("as in `{pvid: 10}` or `{tagged: [10, 20]}`");
            return None;
        }
        if let Some(both) = self.pvid.as_ref().and_then(|p| self.tagged.iter().find(|t| t.value == p.value)) {
            problems
                .error(both.span, format!("network {both} is with and without a tag on one port"))
                .help("delete it from one of the two");
            return None;
        }
        let vid = |vid: &Sp<u32>| u16::try_from(vid.value).ok();
        whole.then(|| PortVlans {
            pvid: self.pvid.as_ref().and_then(vid),
            tagged: self.tagged.iter().filter_map(vid).collect(),
        })
    }
}

/// A bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Spanning tree.
    pub stp: bool,
    /// Seconds until a port forwards, with spanning tree.
    pub forward_delay: Option<u32>,
    /// Whether it looks at the tags of frames.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vlan_filtering: bool,
}

impl Written {
    /// What it means.
    pub fn resolve(&self, problems: &mut Problems) -> Bridge {
        let stp = self.stp.as_ref().is_some_and(|s| s.value);
        if let Some(delay) = &self.forward_delay {
            if !(2..=30).contains(&delay.value) {
                problems
                    .error(delay.span, format!("forward-delay {delay} is not from 2 to 30"))
                    .help("the kernel takes 2 to 30 seconds; a port forwards after twice that");
            } else if !stp {
                problems.warn(delay.span, "forward-delay has no effect without spanning tree").help("add `stp: on`");
            }
        }
        Bridge {
            stp,
            forward_delay: self.forward_delay.as_ref().map(|d| d.value).filter(|_| stp),
            vlan_filtering: self.vlan_filtering.as_ref().is_some_and(|v| v.value),
        }
    }
}

impl LinkKind for Bridge {
    const WORD: &'static str = "bridge";

    fn words(&self) -> Vec<String> {
        let mut words = vec![format!("stp_state {}", u8::from(self.stp))];
        // `ip` counts in hundredths of a second here.
        words.extend(self.forward_delay.map(|d| format!("forward_delay {}", d * 100)));
        // Without a default network a port carries what the lab says, and nothing else.
        words.extend(self.vlan_filtering.then(|| "vlan_filtering 1 vlan_default_pvid 0".to_string()));
        words
    }

    fn info(&self, _parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        let state = if self.stp { BridgeStpState::KernelStp } else { BridgeStpState::Disabled };
        let mut attributes = vec![InfoBridge::StpState(state)];
        attributes.extend(self.forward_delay.map(|d| InfoBridge::ForwardDelay(d * 100)));
        if self.vlan_filtering {
            attributes.extend([InfoBridge::VlanFiltering(true), InfoBridge::VlanDefaultPvid(0)]);
        }
        (InfoKind::Bridge, Some(InfoData::Bridge(attributes)))
    }

    fn properties(&self) -> Properties {
        let mut properties = Properties::from([("stp_state".to_string(), u8::from(self.stp).to_string())]);
        if let Some(delay) = self.forward_delay {
            properties.insert("forward_delay".into(), (delay * 100).to_string());
        }
        if self.vlan_filtering {
            properties.insert("vlan_filtering".into(), "1".into());
        }
        properties
    }

    fn observed(data: &InfoData) -> Option<Properties> {
        let InfoData::Bridge(attributes) = data else { return None };
        let mut properties = Properties::new();
        for attribute in attributes {
            if let InfoBridge::StpState(state) = attribute {
                let on = !matches!(state, BridgeStpState::Disabled);
                properties.insert("stp_state".into(), u8::from(on).to_string());
            } else if let InfoBridge::VlanFiltering(true) = attribute {
                properties.insert("vlan_filtering".into(), "1".into());
            } else if let InfoBridge::ForwardDelay(delay) = attribute {
                properties.insert("forward_delay".into(), delay.to_string());
            }
        }
        Some(properties)
    }
}
