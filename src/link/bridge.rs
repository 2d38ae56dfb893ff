//! bridge: a virtual switch inside a node.
//!
//! Its ports are other interfaces of the node; its own interface is the node's plug into the switch, which is why
//! addresses go on the bridge and not on a port. Spanning tree is off unless asked for: with it a port forwards only
//! after twice the forward delay, 30 s by default. One bridge takes 1,023 ports (BR_PORT_BITS = 10).

use rtnetlink::packet_route::link::{BridgeStpState, InfoBridge, InfoData, InfoKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LinkKind, Properties};
use crate::error::Problems;
use crate::span::Sp;

/// The most ports that one bridge takes.
pub const MOST_PORTS: usize = 1023;

/// A bridge, as written in a lab file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[schemars(rename = "Bridge")]
pub struct Written {
    /// Interfaces of this node that are plugged into the bridge.
    pub ports: Vec<Sp<String>>,
    /// Addresses of the node on the bridge.
    pub addresses: Vec<Sp<String>>,
    /// Ethernet address; a stable one is made from the names if not said.
    pub mac: Option<Sp<String>>,
    /// Largest packet in bytes.
    pub mtu: Option<Sp<u32>>,
    /// `off` leaves the bridge down.
    pub up: Option<Sp<bool>>,
    /// Spanning tree; off if not said. On delays every port by twice the forward delay.
    pub stp: Option<Sp<bool>>,
    /// Seconds that spanning tree waits before it forwards, 2 to 30; 15 if not said.
    pub forward_delay: Option<Sp<u32>>,
}

/// A bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Spanning tree.
    pub stp: bool,
    /// Seconds until a port forwards, with spanning tree.
    pub forward_delay: Option<u32>,
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
        Bridge { stp, forward_delay: self.forward_delay.as_ref().map(|d| d.value).filter(|_| stp) }
    }
}

impl LinkKind for Bridge {
    const WORD: &'static str = "bridge";

    fn words(&self) -> Vec<String> {
        let mut words = vec![format!("stp_state {}", u8::from(self.stp))];
        // `ip` counts in hundredths of a second here.
        words.extend(self.forward_delay.map(|d| format!("forward_delay {}", d * 100)));
        words
    }

    fn info(&self, _parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        let state = if self.stp { BridgeStpState::KernelStp } else { BridgeStpState::Disabled };
        let mut attributes = vec![InfoBridge::StpState(state)];
        attributes.extend(self.forward_delay.map(|d| InfoBridge::ForwardDelay(d * 100)));
        (InfoKind::Bridge, Some(InfoData::Bridge(attributes)))
    }

    fn properties(&self) -> Properties {
        let mut properties = Properties::from([("stp_state".to_string(), u8::from(self.stp).to_string())]);
        if let Some(delay) = self.forward_delay {
            properties.insert("forward_delay".into(), (delay * 100).to_string());
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
            } else if let InfoBridge::ForwardDelay(delay) = attribute {
                properties.insert("forward_delay".into(), delay.to_string());
            }
        }
        Some(properties)
    }
}
