//! A picture of a network: what each node has, sorted and comparable.
//!
//! `plan::expect` paints the picture that should be, `kernel::observe` the one that is; [`diff`] says how they differ.
//! Everything is in the words of `ip`, because that is what a learner compares it with.

mod diff;
pub mod why;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use diff::{Change, Drift, Item, diff};

use crate::ip::Family;
use crate::link::Properties;

/// All nodes, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What each node has; a node that is gone is absent.
    pub nodes: BTreeMap<String, NodeState>,
}

/// A short stand-in for a file's content.
pub fn digest(content: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(content))
}

/// What one node has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Interfaces by name.
    pub links: BTreeMap<String, LinkState>,
    /// Routes, without those that the kernel makes by itself.
    pub routes: BTreeSet<String>,
    /// Policy rules, without the three that are always there.
    pub rules: BTreeSet<String>,
    /// Permanent neighbours.
    pub neighbors: BTreeSet<String>,
    /// Forwarding entries of tunnels.
    #[serde(default)]
    pub fdb: BTreeSet<String>,
    /// The kernel settings that the lab speaks of.
    pub sysctls: BTreeMap<String, String>,
    /// Sets of addresses that firewall rules speak of.
    #[serde(default)]
    pub ipsets: BTreeMap<String, SetState>,
    /// Firewall rules as `iptables-save` prints them, table by table.
    pub firewall: BTreeMap<Family, Vec<String>>,
    /// Files of the node alone: path → [`digest`].
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Services: whether each runs.
    pub services: BTreeMap<String, bool>,
    /// The node is the machine itself: what else is on it is none of our business.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub machine: bool,
}

/// One set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetState {
    /// `hash:net family inet`.
    pub kind: String,
    /// The entries.
    pub members: BTreeSet<String>,
}

/// The property of an interface that says what happens to packets that leave by it.
pub const QDISC: &str = "qdisc";

/// The property of a bridge port that says which tagged networks it carries.
pub const VLANS: &str = "vlans";

/// One interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// The word after `type`.
    pub kind: String,
    /// Administratively up.
    pub up: bool,
    /// Ethernet address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Largest packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The bridge (or other device) that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Addresses.
    pub addresses: BTreeSet<String>,
    /// What the kind has beside that.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}
