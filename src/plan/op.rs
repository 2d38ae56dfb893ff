//! The operations: a closed list of plain data, without handles or interface numbers, so that an operation means the
//! same after a restart.

use serde::{Deserialize, Serialize};

use crate::ip::iptables::Line;
use crate::ip::{Address, Family, Fdb, IpSet, Neighbor, PortVlans, Qdisc, Route, Rule};
use crate::link::{By, Endpoint, NewLink, veth};
use crate::name::{IfName, NodeName};
use crate::topology::{Service, SetEdit};

/// Where an operation happens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct At {
    /// The node.
    pub node: NodeName,
    /// Its network namespace; none for the machine itself.
    pub netns: Option<String>,
}

/// Where the files of nodes lie that are not below /etc, by namespace.
pub const NODES: &str = "/run/netlab/.nodes";
/// Where iproute2 looks for files that programs in a namespace see below /etc.
pub const ETC: &str = "/etc/netns";

/// Where a file lies that programs in a namespace see at `path`. Below /etc, `ip netns exec` shows it too; below /run, it
/// is in the node's own /run.
pub fn kept(netns: &str, path: &str) -> String {
    if let Some(name) = path.strip_prefix("/etc/") {
        format!("{ETC}/{netns}/{name}")
    } else if path == "/run" || path.starts_with("/run/") {
        format!("{NODES}/{netns}{path}")
    } else {
        format!("{NODES}/{netns}/files{path}")
    }
}

/// One end of a cable, and where it is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VethEnd {
    /// Where.
    pub at: At,
    /// Name, MAC, MTU.
    pub end: veth::End,
}

/// An operation; its fields say what their types say.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Make a network namespace.
    AddNetns { at: At },
    /// Change a kernel setting; `path` is below `/proc/sys`.
    SetSysctl { at: At, path: String, value: String },
    /// Make a cable with both ends in place.
    AddVeth { ends: Box<[VethEnd; 2]> },
    /// Make any other link.
    AddLink { at: At, link: NewLink },
    /// Start netlab's own end of a tunnel that the kernel does not carry.
    StartEndpoint { at: At, dev: IfName, endpoint: Endpoint },
    /// Plug a link into a bridge.
    SetMaster { at: At, dev: IfName, master: IfName },
    /// Give a link its MTU (`lo`; all others are born with theirs).
    SetMtu { at: At, dev: IfName, mtu: u32 },
    /// Say which tagged networks a bridge port carries.
    SetVlans { at: At, dev: IfName, vlans: PortVlans },
    /// Say what happens to packets that leave by a link.
    SetQdisc { at: At, dev: IfName, qdisc: Qdisc },
    /// Give a link an address.
    AddAddress { at: At, dev: IfName, address: Address },
    /// Bring a link up.
    SetUp { at: At, dev: IfName },
    /// Add a route.
    AddRoute { at: At, route: Route },
    /// Add a policy rule.
    AddRule { at: At, rule: Rule },
    /// Add a permanent neighbour.
    AddNeighbor { at: At, neighbor: Neighbor },
    /// Say which end of a tunnel a MAC is behind.
    AddFdb { at: At, fdb: Fdb },
    /// Make the sets of addresses that firewall lines speak of.
    LoadSets { at: At, sets: Vec<IpSet> },
    /// Load firewall lines, all or none.
    LoadRules { at: At, family: Family, lines: Vec<Line> },
    /// Make a `/run` for the node's programs alone, with these folders in it.
    AddRun { at: At, folders: Vec<String> },
    /// Write a file that programs in the node see at `path`; [`kept`] says where it lies.
    WriteFile { at: At, path: String, content: String },
    /// Start a program and wait until it is ready.
    StartService { at: At, name: String, service: Box<Service> },
    /// Take a route away; for actions, as what follows.
    DelRoute { at: At, route: Route },
    /// Take a policy rule away.
    DelRule { at: At, rule: Rule },
    /// Change members of a set.
    EditSet { at: At, edit: SetEdit },
    /// Make a program read its files anew.
    ReloadService { at: At, name: String, service: Box<Service> },
    /// End a program.
    StopService { at: At, name: String, service: Box<Service> },
}

/// The phases of a plan, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Namespaces.
    Namespaces,
    /// Kernel settings that new links inherit.
    Settings,
    /// Links, and what they are plugged into.
    Links,
    /// Addresses, and links up.
    Addresses,
    /// Routes, rules, neighbours.
    Routing,
    /// Firewall.
    Firewall,
    /// Files and programs.
    Services,
}

impl Phase {
    /// The phase in words.
    pub fn title(self) -> &'static str {
        match self {
            Phase::Namespaces => "namespaces",
            Phase::Settings => "kernel settings",
            Phase::Links => "links",
            Phase::Addresses => "addresses",
            Phase::Routing => "routing",
            Phase::Firewall => "firewall",
            Phase::Services => "services",
        }
    }
}

impl Op {
    /// The node that it is about; for a cable, the first end's.
    pub fn at(&self) -> &At {
        match self {
            Op::AddNetns { at }
            | Op::SetSysctl { at, .. }
            | Op::AddLink { at, .. }
            | Op::StartEndpoint { at, .. }
            | Op::SetMaster { at, .. }
            | Op::SetMtu { at, .. }
            | Op::SetQdisc { at, .. }
            | Op::SetVlans { at, .. }
            | Op::AddAddress { at, .. }
            | Op::SetUp { at, .. }
            | Op::AddRoute { at, .. }
            | Op::AddRule { at, .. }
            | Op::AddNeighbor { at, .. }
            | Op::AddFdb { at, .. }
            | Op::LoadSets { at, .. }
            | Op::LoadRules { at, .. }
            | Op::AddRun { at, .. }
            | Op::WriteFile { at, .. }
            | Op::StartService { at, .. }
            | Op::DelRoute { at, .. }
            | Op::DelRule { at, .. }
            | Op::EditSet { at, .. }
            | Op::ReloadService { at, .. }
            | Op::StopService { at, .. } => at,
            Op::AddVeth { ends } => &ends[0].at,
        }
    }

    /// Its phase.
    pub fn phase(&self) -> Phase {
        match self {
            Op::AddNetns { .. } => Phase::Namespaces,
            Op::SetSysctl { .. } => Phase::Settings,
            Op::AddVeth { .. }
            | Op::AddLink { .. }
            | Op::StartEndpoint { .. }
            | Op::SetMaster { .. }
            | Op::SetMtu { .. }
            | Op::SetQdisc { .. }
            | Op::SetVlans { .. } => Phase::Links,
            Op::AddAddress { .. } | Op::SetUp { .. } => Phase::Addresses,
            Op::AddRoute { .. }
            | Op::AddRule { .. }
            | Op::AddNeighbor { .. }
            | Op::AddFdb { .. }
            | Op::DelRoute { .. }
            | Op::DelRule { .. } => Phase::Routing,
            Op::LoadSets { .. } | Op::EditSet { .. } | Op::LoadRules { .. } => Phase::Firewall,
            Op::AddRun { .. }
            | Op::WriteFile { .. }
            | Op::StartService { .. }
            | Op::ReloadService { .. }
            | Op::StopService { .. } => Phase::Services,
        }
    }

    /// What it does, for a progress line or an error: `cannot {…}`.
    pub fn title(&self) -> String {
        let on = |at: &At| format!("`{}`", at.node);
        match self {
            Op::AddNetns { at } => format!("make the namespace of {}", on(at)),
            Op::SetSysctl { at, path, value } => {
                format!("set {} to {} on {}", path.replace('/', "."), value.replace('\t', " "), on(at))
            }
            Op::AddVeth { ends } => {
                let [a, b] = ends.as_ref();
                format!("connect `{}:{}` with `{}:{}`", a.at.node, a.end.name, b.at.node, b.end.name)
            }
            Op::AddLink { at, link } => {
                let how = if link.by == By::UserSpace { " in user space" } else { "" };
                format!("make the {} `{}`{how} on {}", link.kind.word(), link.name, on(at))
            }
            Op::StartEndpoint { at, dev, .. } => format!("start the endpoint of `{dev}` on {}", on(at)),
            Op::SetMaster { at, dev, master } => {
                format!("plug `{dev}` into `{master}` on {}", on(at))
            }
            Op::SetMtu { at, dev, mtu } => format!("set the MTU of `{dev}` to {mtu} on {}", on(at)),
            Op::SetVlans { at, dev, vlans } => format!("let `{dev}` of {} carry the networks {vlans}", on(at)),
            Op::SetQdisc { at, dev, qdisc } => format!("put {} on `{dev}` of {}", qdisc.word(), on(at)),
            Op::AddAddress { at, dev, address } => {
                format!("give `{dev}` of {} the address {address}", on(at))
            }
            Op::SetUp { at, dev } => format!("bring up `{dev}` on {}", on(at)),
            Op::AddRoute { at, route } => format!("add route `{route}` to {}", on(at)),
            Op::AddRule { at, rule } => format!("add rule `{rule}` to {}", on(at)),
            Op::AddNeighbor { at, neighbor } => format!("add neighbour `{neighbor}` to {}", on(at)),
            Op::AddFdb { at, fdb } => format!("add forwarding entry `{fdb}` to {}", on(at)),
            Op::LoadSets { at, sets } => {
                let names: Vec<String> = sets.iter().map(|s| format!("`{}`", s.name)).collect();
                format!("make the {} {} on {}", crate::error::plural(sets.len(), "ipset"), names.join(", "), on(at))
            }
            Op::LoadRules { at, family, lines } => {
                let n = lines.len();
                format!("load {n} {} firewall {} on {}", family.name(), crate::error::plural(n, "line"), on(at))
            }
            Op::AddRun { at, .. } => format!("make a /run for {}", on(at)),
            Op::WriteFile { at, path, .. } => format!("write {path} for {}", on(at)),
            Op::StartService { at, name, .. } => format!("start service `{name}` on {}", on(at)),
            Op::DelRoute { at, route } => format!("delete route `{route}` of {}", on(at)),
            Op::DelRule { at, rule } => format!("delete rule `{rule}` of {}", on(at)),
            Op::EditSet { at, edit } => format!("change ipset `{}` of {}", edit.set, on(at)),
            Op::ReloadService { at, name, .. } => format!("reload service `{name}` on {}", on(at)),
            Op::StopService { at, name, .. } => format!("stop service `{name}` on {}", on(at)),
        }
    }
}
