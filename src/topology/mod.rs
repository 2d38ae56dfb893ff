//! What a lab means: names resolved, defaults applied, short forms gone.
//!
//! [`resolve`] is the only maker, so an invalid topology cannot be held. It reports all problems at once and never asks
//! the machine anything: the same file means the same everywhere.

mod actions;
mod chains;
mod checks;
mod devices;
mod files;
mod firewall;
mod interfaces;
mod ipsets;
mod links;
mod lint;
mod names;
mod nodes;
mod qdiscs;
mod resolve;
mod routing;
mod services;
mod stacks;
mod sysctls;
mod tunnels;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use resolve::{load, resolve};

use crate::check::Check;
use crate::ip::ipset;
use crate::ip::{Address, Fdb, IpSet, Mac, Neighbor, PortVlans, Qdisc, Route, Rule, iptables};
use crate::link::Kind;
use crate::name::{IfName, LabName, NodeName};
use crate::span::{Source, Sp, Span};

/// A lab that makes sense.
#[derive(Debug, Clone)]
pub struct Topology {
    /// Its name.
    pub name: LabName,
    /// One line about it.
    pub title: String,
    /// A longer text, in Markdown.
    pub description: String,
    /// The file it comes from.
    pub source: Source,
    /// The nodes, in the order of the file.
    pub nodes: IndexMap<NodeName, Node>,
    /// The cables.
    pub links: Vec<Link>,
    /// What can be changed while it is up, in the order of the file.
    pub actions: IndexMap<String, Action>,
    /// The checks, in the order of the file.
    pub checks: Vec<Check>,
}

/// A change of a lab that is up.
#[derive(Debug, Clone)]
pub struct Action {
    /// One line about it.
    pub title: String,
    /// Actions that come first.
    pub after: Vec<String>,
    /// What changes, by node.
    pub nodes: IndexMap<NodeName, Edit>,
    /// Where its name stands.
    pub span: Span,
}

/// What an action changes of a node.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// New content, by path.
    pub files: Vec<(String, Sp<String>)>,
    /// New values.
    pub sysctls: Vec<Sp<Sysctl>>,
    /// Routes that come.
    pub add_routes: Vec<Sp<Route>>,
    /// Routes that go.
    pub del_routes: Vec<Sp<Route>>,
    /// Policy rules that come.
    pub add_rules: Vec<Sp<Rule>>,
    /// Policy rules that go.
    pub del_rules: Vec<Sp<Rule>>,
    /// Members of sets that come and go.
    pub sets: Vec<Sp<SetEdit>>,
    /// IPv4 firewall lines; `-D` takes one away.
    pub iptables: Vec<Sp<iptables::Line>>,
    /// IPv6 firewall lines.
    pub ip6tables: Vec<Sp<iptables::Line>>,
    /// Programs that end.
    pub stop: Vec<Sp<String>>,
}

/// What an action changes of an ipset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetEdit {
    /// The set.
    pub set: ipset::Name,
    /// Members that come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Members that go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub del: Vec<String>,
}

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Plays the machine.
    pub host: bool,
    /// The name of its network namespace.
    pub netns: String,
    /// Whether IPv6 is on.
    pub ipv6: bool,
    /// Its interfaces, `lo` first, then in the order of the file.
    pub interfaces: IndexMap<IfName, Interface>,
    /// Routes, each with its interface filled in.
    pub routes: Vec<Sp<Route>>,
    /// Policy rules.
    pub rules: Vec<Sp<Rule>>,
    /// Permanent neighbours.
    pub neighbors: Vec<Sp<Neighbor>>,
    /// Forwarding entries of tunnels.
    pub fdb: Vec<Sp<Fdb>>,
    /// Kernel settings.
    pub sysctls: Vec<Sp<Sysctl>>,
    /// Sets of addresses that firewall lines speak of.
    pub ipsets: Vec<Sp<IpSet>>,
    /// IPv4 firewall lines.
    pub iptables: Vec<Sp<iptables::Line>>,
    /// IPv6 firewall lines.
    pub ip6tables: Vec<Sp<iptables::Line>>,
    /// Programs.
    pub services: IndexMap<String, Sp<Service>>,
    /// Files that programs in the node see, path → content.
    pub files: IndexMap<String, Sp<String>>,
    /// What `/etc/resolv.conf` says inside.
    pub resolv_conf: Option<Sp<String>>,
    /// What `/etc/hosts` says inside.
    pub hosts: Option<Sp<String>>,
    /// Where its name stands.
    pub span: Span,
}

/// An interface of a node.
#[derive(Debug, Clone)]
pub struct Interface {
    /// What it is.
    pub kind: Kind,
    /// Its addresses.
    pub addresses: Vec<Sp<Address>>,
    /// Its Ethernet address; `lo` has none.
    pub mac: Option<Mac>,
    /// Its MTU, when it is not the usual one.
    pub mtu: Option<u32>,
    /// Whether it is brought up.
    pub up: bool,
    /// The bridge that it is plugged into.
    pub master: Option<Sp<IfName>>,
    /// What happens to packets that leave by it.
    pub qdisc: Option<Sp<Qdisc>>,
    /// As a port of a bridge that looks at tags: what it carries.
    pub vlans: Option<Sp<PortVlans>>,
    /// Where it is defined.
    pub span: Span,
}

/// A cable between two interfaces.
#[derive(Debug, Clone)]
pub struct Link {
    /// Node and interface of each end.
    pub ends: [(NodeName, IfName); 2],
    /// Where it stands.
    pub span: Span,
}

/// A kernel setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// Its path below `/proc/sys`, as `net/ipv4/ip_forward`: interface names may hold dots.
    pub path: String,
    /// Its value.
    pub value: String,
    /// The interface that it is about: it can only be set once that is there.
    pub interface: Option<IfName>,
}

/// A program that runs while the lab is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What runs.
    pub program: Program,
    /// The files that it reads, by their paths in the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// A command that must exit with 0 before it starts or reads its files anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// What shows that it is ready, before the checks begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// How long that may take.
    pub ready_within: Duration,
    /// What makes it read its files anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
    /// Environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The user it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// What shows that a program is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// A TCP port accepts connections.
    Tcp(u16),
    /// A Unix socket accepts connections.
    Socket(String),
    /// A command exits with 0.
    Run(Vec<String>),
}

/// What makes a program read its files anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// A signal: `HUP`.
    Signal(String),
    /// A command.
    Run(Vec<String>),
}

impl Service {
    /// The programs that it takes.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        let own = match &self.program {
            Program::Run(argv) => argv.first(),
            Program::Responder { .. } => None,
        };
        let ready = match &self.ready {
            Some(Ready::Run(argv)) => argv.first(),
            _ => None,
        };
        let reload = match &self.reload {
            Some(Reload::Run(argv)) => argv.first(),
            _ => None,
        };
        [own, self.test.first(), ready, reload].into_iter().flatten().map(String::as_str)
    }
}

/// What a service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// netlab's own responder.
    Responder {
        /// The protocol.
        proto: Responder,
        /// The address that it listens on.
        listen: IpAddr,
        /// The port.
        port: u16,
    },
    /// Any program and its arguments.
    Run(Vec<String>),
}

/// What the responder speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Responder {
    /// A web server.
    Http,
    /// A TCP echo.
    Tcp,
    /// A UDP echo.
    Udp,
}

impl Responder {
    /// The word in the lab file.
    pub fn word(self) -> &'static str {
        match self {
            Responder::Http => "http",
            Responder::Tcp => "tcp",
            Responder::Udp => "udp",
        }
    }
}

impl Topology {
    /// An action and those that come before it, in their order.
    pub fn chain(&self, action: &str) -> Vec<String> {
        let mut wanted: Vec<&str> = vec![action];
        let mut next = 0;
        while let Some(action) = wanted.get(next).and_then(|name| self.actions.get(*name)) {
            for name in &action.after {
                if !wanted.contains(&name.as_str()) {
                    wanted.push(name);
                }
            }
            next += 1;
        }
        self.actions.keys().filter(|name| wanted.contains(&name.as_str())).cloned().collect()
    }

    /// The node that has an address, with the interface.
    pub fn owner(&self, ip: IpAddr) -> Option<(&NodeName, &IfName)> {
        self.nodes.iter().find_map(|(name, node)| {
            let has = |i: &Interface| i.addresses.iter().any(|a| a.ip() == ip);
            node.interfaces.iter().find(|(_, i)| has(i)).map(|(dev, _)| (name, dev))
        })
    }
}

impl Node {
    /// The interface on whose network an address lies, by the longest prefix.
    pub fn interface_towards(&self, ip: IpAddr) -> Option<&IfName> {
        self.interfaces
            .iter()
            .flat_map(|(name, i)| i.addresses.iter().map(move |a| (name, a)))
            .filter(|(_, a)| a.net.contains(&ip) || a.peer == Some(ip))
            .max_by_key(|(_, a)| a.net.prefix_len())
            .map(|(name, _)| name)
    }

    /// `10.0.0.1/24 eth0, …`: the networks of a node, for messages.
    pub fn networks(&self) -> String {
        let list: Vec<String> = self
            .interfaces
            .iter()
            .flat_map(|(name, i)| i.addresses.iter().map(move |a| format!("{} {name}", a.net)))
            .collect();
        if list.is_empty() { "it has no address at all".into() } else { list.join(", ") }
    }
}
