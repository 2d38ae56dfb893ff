//! What takes a plan back, from what is known of each step.
//!
//! Pure: the journal says which steps were begun and what they came to, this says what has to be undone, in which order.
//! Absent is success everywhere, and nothing is undone by its name alone: a namespace by its identity, a link by the
//! lab's group and its MAC, a rule on the machine by its comment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{At, Op, Plan};
use crate::ip::ipset::Name;
use crate::ip::iptables::{Line, Verb};
use crate::ip::{Address, Family, Mac, Neighbor, Route, Rule};
use crate::name::IfName;

/// Who a network namespace is: inode numbers are reused at once, the cookie is unique until the machine restarts
/// (Linux 5.14; 0 before that).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Inode of the namespace.
    pub inode: u64,
    /// SO_NETNS_COOKIE.
    pub cookie: u64,
}

/// A process: the number alone is reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process number.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
}

/// What was there before a step changed it; written down before the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    /// Kernel settings of the machine, path → value.
    Sysctls(BTreeMap<String, String>),
    /// The machine's nftables tables and chains: `ip nat`, `ip nat POSTROUTING`.
    Firewall {
        /// Their names.
        chains: Vec<String>,
        /// The policies that are not ACCEPT, as `-t filter -P FORWARD DROP`.
        #[serde(default)]
        policies: Vec<String>,
    },
    /// The machine's own sets of addresses: their names.
    Sets(Vec<String>),
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// Nothing that anybody needs to know.
    Plain,
    /// A namespace.
    Netns(Identity),
    /// A program.
    Started(Process),
    /// Firewall lines, as `iptables-save` shows them.
    Shown(Vec<String>),
}

/// How far a step came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Never begun: nothing to undo.
    #[default]
    Untouched,
    /// Begun; whether it took effect nobody knows.
    Begun(Option<Before>),
    /// Done.
    Done(Option<Before>, Done),
}

impl Outcome {
    fn before(&self) -> Option<&Before> {
        match self {
            Outcome::Begun(before) | Outcome::Done(before, _) => before.as_ref(),
            Outcome::Untouched => None,
        }
    }
    /// What it came to, when it came to something.
    pub fn done(&self) -> Option<&Done> {
        match self {
            Outcome::Done(_, done) => Some(done),
            Outcome::Untouched | Outcome::Begun(_) => None,
        }
    }
}

/// One thing to take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the fields say what their types say
pub enum Undo {
    /// End every process inside a namespace, whoever started it.
    EndProcesses { netns: String, identity: Option<Identity> },
    /// End a program that runs on the machine itself, with what it started: they carry the lab's mark.
    EndMarked { mark: String, process: Option<Process> },
    /// Take rules off the machine, and the tables that were not there before.
    DeleteRules { family: Family, lines: Vec<Line>, chains_before: Option<Vec<String>> },
    /// Put policies of the machine's firewall back: what was set, and what was there before.
    RestorePolicies { family: Family, policies: Vec<(Line, String)> },
    /// Take a set of addresses off the machine.
    DestroySet { name: Name },
    /// Take a route off the machine.
    DeleteRoute { route: Route },
    /// Take a policy rule off the machine.
    DeleteRule { rule: Rule },
    /// Take a neighbour off the machine.
    DeleteNeighbor { neighbor: Neighbor },
    /// Take an address off a link of the machine that is not ours.
    DeleteAddress { dev: IfName, address: Address },
    /// Put kernel settings of the machine back.
    RestoreSysctls { path: String, set: String, before: BTreeMap<String, String> },
    /// Delete the lab's links on the machine: those of its group that have one of these addresses or, by another address
    /// or none, one of these names.
    DeleteLinks { group: u32, macs: Vec<Mac>, names: Vec<IfName> },
    /// Delete every link of the lab inside a namespace.
    DeleteLinksIn { netns: String, identity: Option<Identity>, group: u32 },
    /// Drop a namespace. Without an identity, it was being made when netlab died: it is ours only if it is empty.
    DropNetns { netns: String, identity: Option<Identity> },
    /// Remove a file that programs in a node saw.
    RemoveFile { netns: String, path: String },
    /// Remove a node's own /run, with whatever its programs left in it.
    RemoveRun { netns: String },
}

/// What takes the plan back. `outcome` says how far each step came.
pub fn undo<'o>(plan: &Plan, outcome: impl Fn(usize) -> &'o Outcome) -> Vec<Undo> {
    let touched: Vec<(&Op, &Outcome)> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(i, step)| (&step.op, outcome(i)))
        .filter(|(_, outcome)| **outcome != Outcome::Untouched)
        .collect();
    let namespaces: Vec<(String, Option<Identity>)> = touched.iter().filter_map(|(op, o)| namespace(op, o)).collect();

    let mut list = Vec::new();
    for (netns, identity) in &namespaces {
        list.push(Undo::EndProcesses { netns: netns.clone(), identity: *identity });
    }
    list.extend(touched.iter().rev().filter_map(|(op, o)| machine_process(op, o, plan)));
    list.extend(touched.iter().rev().filter_map(|(op, o)| policies(op, o)));
    list.extend(touched.iter().rev().filter_map(|(op, o)| machine_rules(op, o)));
    // A set that a rule speaks of cannot go.
    list.extend(touched.iter().rev().flat_map(|(op, o)| machine_sets(op, o)));
    list.extend(touched.iter().rev().filter_map(|(op, _)| machine_routing(op)));
    list.extend(touched.iter().rev().filter_map(|(op, o)| machine_sysctl(op, o)));
    let macs: Vec<Mac> = touched.iter().flat_map(|(op, _)| macs(op)).collect();
    let names: Vec<IfName> = touched.iter().flat_map(|(op, _)| links_on_machine(op)).cloned().collect();
    if !(macs.is_empty() && names.is_empty()) {
        list.push(Undo::DeleteLinks { group: plan.group, macs, names });
    }
    // A namespace that holds a bridge full of ports goes last: deleting the far ends first empties it in one sweep.
    for (netns, identity) in &namespaces {
        list.push(Undo::DeleteLinksIn { netns: netns.clone(), identity: *identity, group: plan.group });
    }
    for (netns, identity) in &namespaces {
        list.push(Undo::DropNetns { netns: netns.clone(), identity: *identity });
    }
    for (op, _) in touched.iter().rev() {
        match op {
            Op::WriteFile { at: At { netns: Some(netns), .. }, path, .. } => {
                list.push(Undo::RemoveFile { netns: netns.clone(), path: path.clone() });
            }
            Op::AddRun { at: At { netns: Some(netns), .. }, .. } => {
                list.push(Undo::RemoveRun { netns: netns.clone() });
            }
            _ => {}
        }
    }
    list
}

fn namespace(op: &Op, outcome: &Outcome) -> Option<(String, Option<Identity>)> {
    let Op::AddNetns { at: At { netns: Some(netns), .. } } = op else {
        return None;
    };
    let identity = match outcome.done() {
        Some(Done::Netns(identity)) => Some(*identity),
        _ => None,
    };
    Some((netns.clone(), identity))
}

fn on_machine(at: &At) -> bool {
    at.netns.is_none()
}

fn machine_process(op: &Op, outcome: &Outcome, plan: &Plan) -> Option<Undo> {
    let (Op::StartService { at, .. } | Op::StartEndpoint { at, .. }) = op else {
        return None;
    };
    let process = match outcome.done() {
        Some(Done::Started(process)) => Some(*process),
        _ => None,
    };
    on_machine(at).then(|| Undo::EndMarked { mark: plan.mark(), process })
}

fn machine_rules(op: &Op, outcome: &Outcome) -> Option<Undo> {
    let Op::LoadRules { at, family, lines } = op else {
        return None;
    };
    if !on_machine(at) {
        return None;
    }
    let mut lines = lines.clone();
    // Rules go before the chains that they stand in; policies have gone before.
    lines.retain(|l| !matches!(l.verb, Verb::Policy | Verb::Delete));
    lines.sort_by_key(|l| l.verb == Verb::NewChain);
    let chains_before = match outcome.before() {
        Some(Before::Firewall { chains, .. }) => Some(chains.clone()),
        _ => None,
    };
    Some(Undo::DeleteRules { family: *family, lines, chains_before })
}

/// Puts back the policies that a step has set on the machine, if it has: a policy has no mark of its own.
pub fn policies(op: &Op, outcome: &Outcome) -> Option<Undo> {
    let (Op::LoadRules { at, family, lines }, Some(Before::Firewall { policies, .. })) = (op, outcome.before()) else {
        return None;
    };
    let set = lines.iter().filter(|line| on_machine(at) && line.verb == Verb::Policy);
    let back = |line: &Line| {
        let dropped = policies.contains(&format!("-t {} -P {} DROP", line.table, line.chain));
        (line.clone(), if dropped { "DROP" } else { "ACCEPT" }.to_string())
    };
    let policies: Vec<(Line, String)> = set.map(back).collect();
    (!policies.is_empty()).then_some(Undo::RestorePolicies { family: *family, policies })
}

/// A set has no mark of its own: ours are those that were not there before.
fn machine_sets(op: &Op, outcome: &Outcome) -> Vec<Undo> {
    match (op, outcome.before()) {
        (Op::LoadSets { at, sets }, Some(Before::Sets(before))) if on_machine(at) => {
            let ours = sets.iter().filter(|set| !before.iter().any(|b| b == set.name.as_str()));
            ours.map(|set| Undo::DestroySet { name: set.name.clone() }).collect()
        }
        _ => Vec::new(),
    }
}

fn machine_routing(op: &Op) -> Option<Undo> {
    if !on_machine(op.at()) {
        return None;
    }
    match op {
        Op::AddRoute { route, .. } => Some(Undo::DeleteRoute { route: route.clone() }),
        Op::AddRule { rule, .. } => Some(Undo::DeleteRule { rule: rule.clone() }),
        Op::AddNeighbor { neighbor, .. } => Some(Undo::DeleteNeighbor { neighbor: neighbor.clone() }),
        Op::AddAddress { dev, address, .. } => Some(Undo::DeleteAddress { dev: dev.clone(), address: address.clone() }),
        Op::AddNetns { .. }
        | Op::SetSysctl { .. }
        | Op::AddVeth { .. }
        | Op::AddLink { .. }
        | Op::StartEndpoint { .. }
        | Op::SetMaster { .. }
        | Op::SetMtu { .. }
        | Op::SetQdisc { .. }
        | Op::SetVlans { .. }
        | Op::SetUp { .. }
        | Op::AddFdb { .. }
        | Op::LoadSets { .. }
        | Op::LoadRules { .. }
        | Op::AddRun { .. }
        | Op::WriteFile { .. }
        | Op::StartService { .. }
        | Op::DelRoute { .. }
        | Op::DelRule { .. }
        | Op::EditSet { .. }
        | Op::ReloadService { .. }
        | Op::StopService { .. } => None,
    }
}

fn machine_sysctl(op: &Op, outcome: &Outcome) -> Option<Undo> {
    let Op::SetSysctl { at, path, value } = op else {
        return None;
    };
    match outcome.before() {
        Some(Before::Sysctls(before)) if on_machine(at) => {
            Some(Undo::RestoreSysctls { path: path.clone(), set: value.clone(), before: before.clone() })
        }
        _ => None,
    }
}

/// The names that a step's links on the machine have at first: with the lab's group they tell one that has no Ethernet
/// address, or that somebody has given another.
pub fn links_on_machine(op: &Op) -> Vec<&IfName> {
    match op {
        Op::AddVeth { ends } => ends.iter().filter(|e| on_machine(&e.at)).map(|e| &e.end.name).collect(),
        Op::AddLink { at, link } if on_machine(at) => vec![&link.name],
        // The other steps change what is there.
        _ => Vec::new(),
    }
}

/// The addresses of the links that a step makes: they tell ours from a stranger's.
pub fn macs(op: &Op) -> Vec<Mac> {
    match op {
        Op::AddVeth { ends } => ends.iter().map(|e| e.end.mac).collect(),
        Op::AddLink { link, .. } => link.mac.into_iter().collect(),
        // The other steps change what is there.
        _ => Vec::new(),
    }
}
