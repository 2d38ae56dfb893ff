//! What was written: the lab file as serde types, every value with its place.
//!
//! No defaults and no meaning here: `topology::resolve` gives both. [`load`] is where to start; the doc comments of
//! the types are what `netlab schema` shows in an editor.

mod action;
mod check;
mod de;
pub mod generate;
mod qdisc;
mod riddles;
mod service;
mod tree;

use std::collections::HashSet;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, Problems};
use crate::span::{Source, Sp, Span};

pub use action::{Action, Edit, Names};
pub use check::{Check, During, Expect, Properties};
pub use generate::{check_set, parameters};
pub use qdisc::Qdisc;
pub use service::{Content, Ready, Reload, Service};
pub use tree::MOST_BYTES;

/// Text with its place.
pub type Text = Sp<String>;

/// A lab: nodes, the links between them, and checks that show what works.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lab {
    /// The lab's name: small letters, digits and dashes, at most 32.
    pub name: Option<Text>,
    /// One line that says what the lab shows.
    pub title: Option<Text>,
    /// A longer text in Markdown.
    pub description: Option<Text>,
    /// How a node's network namespace is called, from `{lab}` and `{node}`; `{lab}-{node}` if not said.
    pub netns: Option<Text>,
    /// Values for every node and link.
    pub defaults: Defaults,
    /// The nodes: each one a network namespace.
    pub nodes: IndexMap<Text, Node>,
    /// Virtual cables (veth pairs) between nodes.
    pub links: Vec<Sp<Link>>,
    /// Named changes that `netlab act` makes while the lab is up, in the order in which they can be done.
    pub actions: IndexMap<Text, Action>,
    /// What must work, and what must not.
    pub checks: Vec<Sp<Check>>,
    /// What could not be read.
    #[serde(skip)]
    pub holes: Holes,
}

/// Entries that were wrong and have been cut out, each with its message. What is missing for that reason needs no
/// second one.
#[derive(Debug, Clone, Default)]
pub struct Holes(HashSet<(Span, String)>);

impl Holes {
    /// Notes that `key` of a mapping is not whole. A mapping is known by its own place and by that of its key.
    fn add(&mut self, mapping: Span, key: &str) {
        self.0.insert((mapping, key.to_string()));
    }

    /// Whether one of these entries of a mapping was written, but could not be read. An unknown key may have been any.
    pub fn any(&self, mapping: Span, keys: &[&str]) -> bool {
        let hole = |key: &str| self.0.contains(&(mapping, key.to_string()));
        hole(UNKNOWN) || keys.iter().any(|key| hole(key))
    }

    /// Whether anything of a mapping could not be read.
    pub fn inside(&self, mapping: Span) -> bool {
        self.0.iter().any(|(place, _)| *place == mapping)
    }

    /// Whether an entry at the top of the file could not be read.
    pub fn top(&self, key: &str) -> bool {
        self.any(TOP, &[key])
    }
}

/// Stands for a key that netlab does not know.
const UNKNOWN: &str = "?";
/// Stands for the place of the whole file, which begins with whatever comes first.
const TOP: Span = Span { start: u32::MAX, end: u32::MAX };

/// Values for every node and link that does not say otherwise.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// `on` or `off`; if not said, IPv6 is on when the lab names an IPv6 address anywhere.
    pub ipv6: Option<Sp<bool>>,
    /// MTU of every link.
    pub mtu: Option<Sp<u32>>,
}

/// A node: a network namespace with its interfaces, routes, rules and programs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Node {
    /// `node`, or `host`: plays the machine, and is the real one with `up --on-host`.
    pub kind: Option<Text>,
    /// `on` or `off`.
    pub ipv6: Option<Sp<bool>>,
    /// Settings of link ends and of `lo`, by interface name.
    pub interfaces: IndexMap<Text, Interface>,
    /// Bridges (virtual switches), by interface name.
    pub bridges: IndexMap<Text, crate::link::bridge::Written>,
    /// Tunnels: ipip, gre, sit, vxlan, geneve, by interface name.
    pub tunnels: IndexMap<Text, crate::link::tunnel::Written>,
    /// Tagged networks on other interfaces (802.1Q), by interface name.
    pub vlans: IndexMap<Text, crate::link::vlan::Written>,
    /// Second interfaces on other interfaces' wires, by interface name.
    pub macvlans: IndexMap<Text, crate::link::macvlan::Written>,
    /// The same under the MAC of the other interface, by interface name.
    pub ipvlans: IndexMap<Text, crate::link::ipvlan::Written>,
    /// Several interfaces as one, by interface name.
    pub bonds: IndexMap<Text, crate::link::bond::Written>,
    /// Routing tables of their own for some interfaces, by interface name.
    pub vrfs: IndexMap<Text, crate::link::vrf::Written>,
    /// Interfaces that lead nowhere, by interface name.
    pub dummies: IndexMap<Text, crate::link::device::Plain>,
    /// Routes in `ip route` words: `default via 10.0.0.1`, `blackhole 10.48.0.64/26 proto bird`.
    pub routes: Vec<Text>,
    /// Policy rules in `ip rule` words: `from 10.0.0.0/8 lookup 100 priority 50`.
    pub rules: Vec<Text>,
    /// Permanent neighbours in `ip neigh` words: `10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0`.
    pub neighbors: Vec<Text>,
    /// Forwarding entries of tunnels in `bridge fdb` words: `66:00:00:00:00:12 dev vxlan.calico dst 10.0.0.12`.
    pub fdb: Vec<Text>,
    /// What happens to packets that leave by an interface (delay, loss, rate), by interface name.
    pub qdiscs: IndexMap<Text, Sp<Qdisc>>,
    /// Kernel settings, `net.*` only: `net.ipv4.ip_forward: 1`.
    pub sysctls: IndexMap<Text, Text>,
    /// The everyday address translations.
    pub nat: Vec<Sp<Nat>>,
    /// Sets of addresses for firewall lines (`-m set --match-set NAME src`), by name.
    pub ipsets: IndexMap<Text, IpSet>,
    /// IPv4 firewall lines as `iptables-save` prints them: `-t filter -A FORWARD -i eth0 -j DROP`.
    pub iptables: Vec<Text>,
    /// IPv6 firewall lines.
    pub ip6tables: Vec<Text>,
    /// Programs that run while the lab is up.
    pub services: IndexMap<Text, Service>,
    /// Files that exist for this node only, path: content, or path: `{from: FILE}` for one beside the lab file. Programs
    /// in the node see them at that path; below `/etc`, `ip netns exec` shows them too.
    pub files: IndexMap<Text, Sp<Content>>,
    /// Name servers for programs in this node.
    pub dns: Option<Dns>,
    /// Extra names for programs in this node, name: address.
    pub hosts: IndexMap<Text, Text>,
}

/// Settings of one interface.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Interface {
    /// Addresses with prefix length: `192.168.15.1/24`.
    pub addresses: Vec<Text>,
    /// Ethernet address; a stable one is made from the names if not said.
    pub mac: Option<Text>,
    /// Largest packet in bytes.
    pub mtu: Option<Sp<u32>>,
    /// `off` leaves the interface down.
    pub up: Option<Sp<bool>>,
}

/// One address translation: `masquerade`, `dnat` or `snat`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nat {
    /// Hide a network behind the address of the interface that its packets leave by.
    pub masquerade: Option<Sp<Masquerade>>,
    /// Send what arrives for this node's port to another address.
    pub dnat: Option<Sp<Dnat>>,
    /// Give leaving packets a fixed source address.
    pub snat: Option<Sp<Snat>>,
}

/// `-t nat -A POSTROUTING -s FROM -o OUT -j MASQUERADE`
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Masquerade {
    /// The network that is hidden.
    pub from: Option<Text>,
    /// The interface that the packets leave by.
    pub out: Option<Text>,
}

/// `-t nat -A PREROUTING -i IN -p PROTO --dport PORT -j DNAT --to-destination TO`
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dnat {
    /// The interface that the packets come in by.
    #[serde(rename = "in")]
    pub input: Option<Text>,
    /// `tcp` or `udp`.
    pub proto: Option<Text>,
    /// The port that is opened, or a range `8000-8010`.
    pub port: Option<Text>,
    /// Only packets for this address.
    pub address: Option<Text>,
    /// Where they go: `ADDRESS` or `ADDRESS:PORT`.
    pub to: Option<Text>,
}

/// `-t nat -A POSTROUTING -s FROM -o OUT -j SNAT --to-source TO`
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Snat {
    /// The network whose packets are changed.
    pub from: Option<Text>,
    /// The interface that the packets leave by.
    pub out: Option<Text>,
    /// The new source address.
    pub to: Option<Text>,
}

/// A set of addresses, in the words of `ipset`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IpSet {
    /// What an entry is: `hash:ip`, `hash:net`, `hash:ip,port`, …
    #[serde(rename = "type")]
    pub kind: Option<Text>,
    /// `inet` (if not said) or `inet6`.
    pub family: Option<Text>,
    /// The entries: `10.0.0.1`, `10.0.0.0/8`, `10.0.0.1,tcp:80`.
    pub members: Vec<Text>,
}

/// What `/etc/resolv.conf` says to programs in the node.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Name servers.
    pub addresses: Vec<Text>,
    /// Search list.
    pub search: Vec<Text>,
    /// Resolver options: `ndots:5`.
    pub options: Vec<Text>,
}

/// A virtual cable between two nodes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Link {
    /// The two ends, each `node:interface`.
    pub endpoints: Vec<Text>,
    /// Largest packet in bytes, on both ends.
    pub mtu: Option<Sp<u32>>,
    /// Ethernet addresses of the two ends.
    pub mac: Vec<Text>,
    /// What happens to packets on it, in either direction: delay, loss, rate.
    pub qdisc: Option<Sp<Qdisc>>,
}

/// Reads a lab file's text. What does not fit goes to `problems`, and the rest is returned all the same, so that the
/// next stage can find what is wrong with the meaning too.
pub fn load(source: &Source, problems: &mut Problems) -> Option<Lab> {
    let mut tree = tree::parse(source, problems)?;
    if let tree::Value::Map(entries) = &mut tree.value {
        entries.retain(|(key, _)| !key.text.starts_with("x-"));
    }
    let generated = generate::expand(&mut tree, source, problems);
    let (mut lab, holes): (Lab, Holes) = de::read(&mut tree, problems)?;
    lab.holes = holes;
    if !generated.whole {
        lab.holes.add(TOP, "nodes");
    }
    generated.routes.into_iter().for_each(|from| generate::add_routes(&mut lab, from, problems));
    Some(lab)
}

/// The most bytes of a file beside a lab file.
pub const MOST_BYTES_BESIDE: u64 = 1 << 20;
/// The most bytes of all of them together.
pub const MOST_BYTES_OF_ALL_BESIDE: u64 = 16 << 20;

impl Lab {
    /// The files beside the lab file that it names.
    pub fn files_beside(&self) -> impl Iterator<Item = &Text> {
        let of_services = self.nodes.values().flat_map(|n| n.services.values()).flat_map(|s| s.files.values());
        let of_actions = self.actions.values().flat_map(|a| a.nodes.values()).flat_map(|e| e.files.values());
        let of_nodes = self.nodes.values().flat_map(|n| n.files.values());
        of_nodes.chain(of_services).chain(of_actions).filter_map(|content| match &content.value {
            Content::From(path) => Some(path),
            Content::Inline(_) => None,
        })
    }
}

/// The limits that hold before a file is even parsed.
pub fn too_large(bytes: u64) -> Option<Error> {
    (bytes > tree::MOST_BYTES as u64)
        .then(|| Error::usage(format!("lab file has {bytes} bytes; at most {} are read", tree::MOST_BYTES)))
}

/// The JSON Schema of lab files.
pub fn schema() -> schemars::Schema {
    let mut schema = schemars::schema_for!(Lab);
    schema.insert("title".into(), "netlab lab file, format 1".into());
    // Read from the tree, before anything is typed.
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        properties.extend(generate::schema().map(|(name, of)| (name.to_string(), of)));
    }
    // Anchors live under keys that netlab passes over.
    schema.insert("patternProperties".into(), serde_json::json!({ "^x-": true }));
    schema
}
