//! From a topology to a plan: deterministic, pure, phase by phase.
//!
//! The order within the phases follows what the kernel asks for. Settings for all interfaces come before any interface
//! is there, because new ones inherit them, and settings of one interface right after its birth. Addresses come before
//! "up", so that nothing is seen on the wire from a half-made node. Routes come when everything is up: the kernel takes
//! none through an interface that is down.

use std::collections::{BTreeSet, HashMap};

use super::{At, Op, Plan, Step, VethEnd};
use crate::ip::{Family, iptables};
use crate::link::{By, Kind, NewLink, veth};
use crate::name::{IfName, NodeName};
use crate::span::{Sp, Span};
use crate::topology::{Interface, Node, Program, Topology};

/// Who plays the `host` node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A namespace, like every node: nothing on the machine changes but the names of the namespaces.
    #[default]
    Isolated,
    /// The machine itself.
    OnHost,
}

/// Kinds of links that a kernel lacks, by the word after `type`.
pub type Lacking = BTreeSet<String>;

/// Makes the plan for a kernel that has every kind of link.
pub fn build(topology: &Topology, mode: Mode) -> Plan {
    build_for(topology, mode, &Lacking::new())
}

/// Makes the plan for a kernel that lacks some: netlab carries the packets itself where it can.
pub fn build_for(topology: &Topology, mode: Mode, lacking: &Lacking) -> Plan {
    let at = |name: &NodeName, node: &Node| At {
        node: name.clone(),
        netns: (!(node.host && mode == Mode::OnHost)).then(|| node.netns.clone()),
    };
    let nodes: Vec<(At, &Node)> = topology.nodes.iter().map(|(name, node)| (at(name, node), node)).collect();
    let mut steps = Steps(Vec::new());
    for (at, node) in nodes.iter().filter(|(at, _)| at.netns.is_some()) {
        steps.add(Op::AddNetns { at: at.clone() }, node.span);
    }
    for (at, node) in &nodes {
        steps.settings(at, node);
    }
    links(topology, &nodes, lacking, &mut steps);
    for (at, node) in &nodes {
        steps.interface_settings(at, node);
    }
    for (at, node) in &nodes {
        steps.addresses(at, node);
    }
    for (at, node) in &nodes {
        steps.routing(at, node);
    }
    for (at, node) in &nodes {
        steps.firewall(at, node, &format!("netlab:{}", topology.name));
    }
    for (at, node) in &nodes {
        steps.services(at, node);
    }
    // Programs start when every node is whole: a daemon that looks for its neighbour finds it.
    steps.0.sort_by_key(|s| s.op.phase() == super::Phase::Services && matches!(s.op, Op::StartService { .. }));
    Plan {
        lab: topology.name.clone(),
        group: group(&topology.name),
        nodes: nodes.into_iter().map(|(at, _)| at).collect(),
        steps: steps.0,
    }
}

/// The link group of a lab: a number from its name, never 0 (which is every link's usual group), within 31 bits as
/// `ip` reads it.
fn group(lab: &str) -> u32 {
    (crc32fast::hash(format!("netlab/{lab}").as_bytes()) & 0x7fff_ffff) | 0x4000_0000
}

/// Links that stand on others come after those: first what stands alone, then cables, then the rest.
fn links(topology: &Topology, nodes: &[(At, &Node)], lacking: &Lacking, steps: &mut Steps) {
    let alone = |i: &Interface| i.kind.parent().is_none() && i.kind.local().is_none();
    own_links(nodes, lacking, steps, alone);
    cables(topology, nodes, steps);
    own_links(nodes, lacking, steps, |i| !alone(i));
    for (at, node) in nodes {
        steps.qdiscs(at, node);
        for (name, interface) in &node.interfaces {
            if let Some(master) = &interface.master {
                let op = Op::SetMaster { at: at.clone(), dev: name.clone(), master: master.value.clone() };
                steps.add(op, master.span);
            }
            if let Some(vlans) = &interface.vlans {
                let op = Op::SetVlans { at: at.clone(), dev: name.clone(), vlans: vlans.value.clone() };
                steps.add(op, vlans.span);
            }
            if let (Kind::Loopback, Some(mtu)) = (&interface.kind, interface.mtu) {
                steps.add(Op::SetMtu { at: at.clone(), dev: name.clone(), mtu }, interface.span);
            }
        }
    }
    endpoints(nodes, lacking, steps);
}

fn own_links(nodes: &[(At, &Node)], lacking: &Lacking, steps: &mut Steps, which: impl Fn(&Interface) -> bool) {
    for (at, node) in nodes {
        let mut found: Vec<_> = node.interfaces.iter().filter(|(_, i)| which(i)).collect();
        found.sort_by_key(|(_, i)| height(i, node));
        for (name, interface) in found {
            if matches!(interface.kind, Kind::Loopback | Kind::Veth) {
                continue;
            }
            let (kind, by) = (interface.kind.clone(), by(&interface.kind, lacking));
            let usual = if by == By::UserSpace { kind.user_space_mtu() } else { None };
            let mtu = interface.mtu.or(usual);
            let link = NewLink { name: name.clone(), kind, mac: interface.mac, mtu, by };
            steps.add(Op::AddLink { at: at.clone(), link }, interface.span);
        }
    }
}

/// How many links are below one: a vlan on a bond on nothing has one.
fn height(interface: &Interface, node: &Node) -> usize {
    let below = |i: &Interface| i.kind.parent().and_then(|p| node.interfaces.get(p));
    std::iter::successors(below(interface), |i| below(i)).take(node.interfaces.len()).count()
}

/// The programs behind the devices, when every device is there.
fn endpoints(nodes: &[(At, &Node)], lacking: &Lacking, steps: &mut Steps) {
    for (at, node) in nodes {
        for (name, interface) in node.interfaces.iter().filter(|(_, i)| by(&i.kind, lacking) == By::UserSpace) {
            let others: Vec<&Kind> = node.interfaces.values().map(|i| &i.kind).collect();
            if let Some(endpoint) = interface.kind.endpoint(&others) {
                if let (Some(folder), Some(_)) = (endpoint.run_folder(), &at.netns) {
                    steps.add(Op::AddRun { at: at.clone(), folders: vec![folder.into()] }, interface.span);
                }
                steps.add(Op::StartEndpoint { at: at.clone(), dev: name.clone(), endpoint }, interface.span);
            }
        }
    }
}

/// Who carries a link's packets: whom the lab names, else the kernel where it can.
fn by(kind: &Kind, lacking: &Lacking) -> By {
    let can = || kind.endpoint(&[]).is_some();
    match kind.user_space() {
        Some(true) => By::UserSpace,
        None if lacking.contains(kind.word()) && can() => By::UserSpace,
        Some(false) | None => By::Kernel,
    }
}

fn cables(topology: &Topology, nodes: &[(At, &Node)], steps: &mut Steps) {
    let by_name: HashMap<&NodeName, &(At, &Node)> = nodes.iter().map(|pair| (&pair.0.node, pair)).collect();
    let end = |(node, name): &(NodeName, IfName)| -> Option<VethEnd> {
        let (at, found) = by_name.get(node)?;
        let interface = found.interfaces.get(name)?;
        let end = veth::End { name: name.clone(), mac: interface.mac?, mtu: interface.mtu };
        Some(VethEnd { at: at.clone(), end })
    };
    for link in &topology.links {
        if let (Some(a), Some(b)) = (end(&link.ends[0]), end(&link.ends[1])) {
            steps.add(Op::AddVeth { ends: Box::new([a, b]) }, link.span);
        }
    }
}

struct Steps(Vec<Step>);

impl Steps {
    fn add(&mut self, op: Op, from: Span) {
        self.0.push(Step { op, from });
    }

    fn sysctl(&mut self, at: &At, path: &str, value: &str, from: Span) {
        self.add(Op::SetSysctl { at: at.clone(), path: path.into(), value: value.into() }, from);
    }

    /// What a new namespace does not have and every lab expects, then what the file says.
    fn settings(&mut self, at: &At, node: &Node) {
        if at.netns.is_some() {
            if !node.ipv6 {
                for scope in ["all", "default"] {
                    self.sysctl(at, &format!("net/ipv6/conf/{scope}/disable_ipv6"), "1", node.span);
                }
            } else {
                // Duplicate address detection keeps a new address unusable for one to three seconds.
                for scope in ["all", "default"] {
                    self.sysctl(at, &format!("net/ipv6/conf/{scope}/accept_dad"), "0", node.span);
                }
            }
            // A new namespace lets nobody ping (`1 0`), not even in a lab.
            self.sysctl(at, "net/ipv4/ping_group_range", "0\t2147483647", node.span);
            // New namespaces inherit this from the machine, where Docker may have switched it on.
            if !node.sysctls.iter().any(|s| s.path == "net/ipv4/ip_forward") {
                self.sysctl(at, "net/ipv4/ip_forward", "0", node.span);
            }
        }
        for sysctl in node.sysctls.iter().filter(|s| s.interface.is_none()) {
            self.sysctl(at, &sysctl.value.path, &sysctl.value.value, sysctl.span);
        }
    }

    fn interface_settings(&mut self, at: &At, node: &Node) {
        for sysctl in node.sysctls.iter().filter(|s| s.interface.is_some()) {
            self.sysctl(at, &sysctl.value.path, &sysctl.value.value, sysctl.span);
        }
    }

    fn qdiscs(&mut self, at: &At, node: &Node) {
        for (dev, interface) in &node.interfaces {
            if let Some(qdisc) = &interface.qdisc {
                self.add(Op::SetQdisc { at: at.clone(), dev: dev.clone(), qdisc: qdisc.value }, qdisc.span);
            }
        }
    }

    fn addresses(&mut self, at: &At, node: &Node) {
        let all = || node.interfaces.iter().filter(|(_, i)| mine(at, i));
        for (name, interface) in all() {
            for address in &interface.addresses {
                let op = Op::AddAddress { at: at.clone(), dev: name.clone(), address: address.value.clone() };
                self.add(op, address.span);
            }
        }
        for (name, interface) in all().filter(|(_, i)| i.up) {
            let is_machine_lo = at.netns.is_none() && matches!(interface.kind, Kind::Loopback);
            if !is_machine_lo {
                self.add(Op::SetUp { at: at.clone(), dev: name.clone() }, interface.span);
            }
        }
    }

    fn routing(&mut self, at: &At, node: &Node) {
        // A route whose gateway is reached by another route comes after it.
        let (direct, via): (Vec<_>, Vec<_>) = node
            .routes
            .iter()
            .partition(|r: &&Sp<_>| r.value.hops.iter().all(|h: &crate::ip::route::NextHop| h.via.is_none()));
        for route in direct.into_iter().chain(via) {
            self.add(Op::AddRoute { at: at.clone(), route: route.value.clone() }, route.span);
        }
        for rule in &node.rules {
            self.add(Op::AddRule { at: at.clone(), rule: rule.value.clone() }, rule.span);
        }
        for neighbor in &node.neighbors {
            self.add(Op::AddNeighbor { at: at.clone(), neighbor: neighbor.value.clone() }, neighbor.span);
        }
        for entry in &node.fdb {
            self.add(Op::AddFdb { at: at.clone(), fdb: entry.value.clone() }, entry.span);
        }
    }

    fn firewall(&mut self, at: &At, node: &Node, mark: &str) {
        if let Some(first) = node.ipsets.first() {
            let sets = node.ipsets.iter().map(|s| s.value.clone()).collect();
            self.add(Op::LoadSets { at: at.clone(), sets }, first.span);
        }
        for (family, lines) in [(Family::V4, &node.iptables), (Family::V6, &node.ip6tables)] {
            let Some(first) = lines.first() else { continue };
            let plain = lines.iter().map(|l| l.value.clone());
            // On the machine, a comment says whose a rule is: that is how `down` finds it again.
            let lines = if at.netns.is_none() { plain.map(|l| marked(l, mark)).collect() } else { plain.collect() };
            self.add(Op::LoadRules { at: at.clone(), family, lines }, first.span);
        }
    }

    fn services(&mut self, at: &At, node: &Node) {
        if at.netns.is_some() {
            self.files(at, node);
        }
        for (name, service) in &node.services {
            let op = Op::StartService { at: at.clone(), name: name.clone(), service: Box::new(service.value.clone()) };
            self.add(op, service.span);
        }
    }

    /// What programs in the node see that others do not.
    fn files(&mut self, at: &At, node: &Node) {
        let programs = node.services.values().filter_map(|s| match &s.program {
            Program::Run(argv) => argv.first(),
            Program::Responder { .. } => None,
        });
        let mut folders: Vec<String> = programs.map(|p| p.rsplit('/').next().unwrap_or(p).to_string()).collect();
        folders.sort();
        folders.dedup();
        if let Some(span) = node
            .services
            .values()
            .map(|s| s.span)
            .next()
            .filter(|_| !folders.is_empty())
            .or_else(|| node.files.values().map(|f| f.span).next())
        {
            self.add(Op::AddRun { at: at.clone(), folders }, span);
        }
        let own = [("/etc/resolv.conf", &node.resolv_conf), ("/etc/hosts", &node.hosts)];
        let own = own.into_iter().filter_map(|(path, content)| Some((path, content.as_ref()?)));
        for (path, content) in own.chain(node.files.iter().map(|(path, content)| (path.as_str(), content))) {
            let op = Op::WriteFile { at: at.clone(), path: path.into(), content: content.value.clone() };
            self.add(op, content.span);
        }
    }
}

/// The machine's own `lo` is touched only where the lab gives it an address.
fn mine(at: &At, interface: &Interface) -> bool {
    at.netns.is_some() || !matches!(interface.kind, Kind::Loopback) || !interface.addresses.is_empty()
}

pub(super) fn marked(mut line: iptables::Line, mark: &str) -> iptables::Line {
    if matches!(line.verb, iptables::Verb::Append | iptables::Verb::Insert | iptables::Verb::Delete) {
        let at = line.rest.iter().position(|w| w == "-j" || w == "-g" || w == "--jump" || w == "--goto");
        let at = at.unwrap_or(line.rest.len());
        let words = ["-m", "comment", "--comment", mark].map(str::to_string);
        line.rest.splice(at..at, words);
    }
    line
}
