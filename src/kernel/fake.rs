//! A small machine in memory, on which every interruption of every lab can be tried in a moment.
//!
//! It keeps what an operation leaves behind as lines of text, per namespace and for the machine itself, and forgets what
//! the kernel forgets: with a namespace goes all that is in it, with one end of a cable the other. It knows nothing of
//! packets.

use std::collections::{BTreeMap, BTreeSet};

use super::{Halt, Kernel, Refusal};
use crate::ip::iptables::{Line, Verb};
use crate::plan::{At, Batch, Before, Done, Identity, Op, Plan, Process, Undo, Way, lanes};

/// When the machine fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fails {
    /// Never.
    Never,
    /// Right before operation `n` takes effect.
    Before(usize),
    /// Right after it took effect, before anybody hears of it.
    After(usize),
    /// netlab is killed right before operation `n`: it panics, and writes nothing down any more.
    Killed(usize),
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fake {
    /// Namespaces by name: who each is, and what is in it.
    namespaces: BTreeMap<String, (u64, BTreeSet<String>)>,
    /// What is on the machine itself.
    machine: BTreeSet<String>,
    /// Kernel settings of the machine.
    sysctls: BTreeMap<String, String>,
    made: u64,
    performed: usize,
    fails: Fails,
}

impl Default for Fake {
    fn default() -> Self {
        Fake {
            namespaces: BTreeMap::new(),
            machine: BTreeSet::from(["link lo".to_string(), "link eth0".to_string()]),
            sysctls: BTreeMap::from([("net/ipv4/ip_forward".to_string(), "0".to_string())]),
            made: 0,
            performed: 0,
            fails: Fails::Never,
        }
    }
}

impl Fake {
    /// A machine that fails.
    pub fn failing(fails: Fails) -> Self {
        Fake { fails, ..Fake::default() }
    }

    /// What a stranger sees: everything but how often the machine was used.
    pub fn picture(&self) -> (Vec<String>, BTreeSet<String>, BTreeMap<String, String>) {
        let names = self.namespaces.keys().cloned().collect();
        (names, self.machine.clone(), self.sysctls.clone())
    }

    /// Puts a stranger's namespace under a name, as a learner's `ip netns del; ip netns add` does.
    pub fn replace_namespace(&mut self, name: &str) {
        self.made += 1;
        self.namespaces.insert(name.into(), (self.made, BTreeSet::from(["link theirs".to_string()])));
    }

    fn things(&mut self, netns: Option<&String>) -> Result<&mut BTreeSet<String>, Refusal> {
        match netns {
            None => Ok(&mut self.machine),
            Some(name) => {
                let found = self.namespaces.get_mut(name).map(|(_, things)| things);
                found.ok_or_else(|| Refusal::errno(libc::ENOENT, Some(format!("there is no namespace `{name}`"))))
            }
        }
    }

    fn add(&mut self, at: &At, thing: String) -> Result<(), Refusal> {
        if self.things(at.netns.as_ref())?.insert(thing.clone()) {
            Ok(())
        } else {
            Err(Refusal::errno(libc::EEXIST, Some(thing)))
        }
    }

    fn remove(&mut self, at: &At, thing: &str) -> Result<(), Refusal> {
        if self.things(at.netns.as_ref())?.remove(thing) {
            Ok(())
        } else {
            Err(Refusal::errno(libc::ENOENT, Some(thing.to_string())))
        }
    }

    fn is_ours(&self, name: &str, identity: Option<&Identity>) -> bool {
        self.namespaces.get(name).is_some_and(|(id, things)| match identity {
            Some(identity) => identity.cookie == *id,
            None => things.is_empty(),
        })
    }

    /// With one end of a cable goes the other.
    fn drop_cables(&mut self, gone: &BTreeSet<String>) {
        let cables: Vec<&String> = gone.iter().filter(|t| t.starts_with("cable ")).collect();
        for (_, things) in self.namespaces.values_mut() {
            things.retain(|t| !cables.contains(&t));
        }
        self.machine.retain(|t| !cables.contains(&t));
    }
}

impl Kernel for Fake {
    fn before(&mut self, op: &Op) -> Result<Option<Before>, Refusal> {
        Ok(match op {
            Op::SetSysctl { at: At { netns: None, .. }, path, .. } => {
                let value = self.sysctls.get(path).cloned();
                Some(Before::Sysctls(value.map(|v| (path.clone(), v)).into_iter().collect()))
            }
            Op::LoadSets { at: At { netns: None, .. }, .. } => {
                let sets = self.machine.iter().filter_map(|t| t.strip_prefix("ipset "));
                Some(Before::Sets(sets.map(str::to_string).collect()))
            }
            Op::LoadRules { at: At { netns: None, .. }, .. } => {
                Some(Before::Firewall { chains: Vec::new(), policies: Vec::new() })
            }
            _ => None,
        })
    }

    fn perform(&mut self, plan: &Plan, op: &Op) -> Result<Done, Refusal> {
        let n = self.performed;
        self.performed += 1;
        if self.fails == Fails::Before(n) {
            return Err(Refusal::new("the machine fails"));
        }
        if self.fails == Fails::Killed(n) {
            std::panic::resume_unwind(Box::new("killed"));
        }
        let mut done = Done::Plain;
        match op {
            Op::AddNetns { at } => {
                let name = at.netns.clone().unwrap_or_default();
                if self.namespaces.contains_key(&name) {
                    return Err(Refusal::errno(libc::EEXIST, None));
                }
                self.made += 1;
                self.namespaces.insert(name, (self.made, BTreeSet::new()));
                done = Done::Netns(Identity { inode: self.made, cookie: self.made });
            }
            Op::SetSysctl { at, path, value } if at.netns.is_none() => {
                self.sysctls.insert(path.clone(), value.clone());
            }
            Op::AddVeth { ends } => {
                let cable = format!("cable {} {} group {}", ends[0].end.mac, ends[1].end.mac, plan.group);
                self.add(&ends[0].at, cable.clone())?;
                self.add(&ends[1].at, cable)?;
            }
            Op::AddLink { at, link } => {
                let mac = link.mac.map(|m| m.to_string()).unwrap_or_default();
                self.add(at, format!("link {} {mac} group {}", link.name, plan.group))?;
            }
            Op::LoadSets { at, sets } => {
                for set in sets {
                    self.add(at, format!("ipset {}", set.name))?;
                }
            }
            Op::StartEndpoint { at, dev, .. } => {
                self.made += 1;
                self.add(at, format!("process endpoint-{dev} {}", plan.mark()))?;
                done = Done::Started(Process { pid: self.made as i32, started: self.made });
            }
            Op::LoadRules { at, lines, .. } => {
                for line in lines {
                    match line.verb {
                        Verb::Delete => {
                            let made = Line { verb: Verb::Append, ..line.clone() };
                            self.remove(at, &format!("rule {made}"))?;
                        }
                        Verb::Append | Verb::Insert | Verb::NewChain | Verb::Policy => {
                            self.add(at, format!("rule {line}"))?;
                        }
                    }
                }
                done = Done::Shown(lines.iter().map(ToString::to_string).collect());
            }
            Op::AddRun { at, .. } => {
                self.machine.insert(format!("file {}/run", at.netns.clone().unwrap_or_default()));
            }
            Op::WriteFile { at, path, .. } => {
                self.machine.insert(format!("file {}{path}", at.netns.clone().unwrap_or_default()));
            }
            Op::StartService { at, name, .. } => {
                self.made += 1;
                self.add(at, format!("process {name} {}", plan.mark()))?;
                done = Done::Started(Process { pid: self.made as i32, started: self.made });
            }
            Op::AddRoute { at, route } => self.add(at, format!("route {route}"))?,
            Op::AddRule { at, rule } => self.add(at, format!("policy {rule}"))?,
            Op::AddNeighbor { at, neighbor } => self.add(at, format!("neighbor {neighbor}"))?,
            Op::AddFdb { at, fdb } => self.add(at, format!("fdb {fdb}"))?,
            Op::AddAddress { at, dev, address } => self.add(at, format!("address {dev} {address}"))?,
            // Changes of what is there already: they go with it.
            Op::SetSysctl { .. }
            | Op::SetMaster { .. }
            | Op::SetMtu { .. }
            | Op::SetQdisc { .. }
            | Op::SetVlans { .. }
            | Op::SetUp { .. }
            | Op::EditSet { .. }
            | Op::ReloadService { .. } => {}
            Op::DelRoute { at, route } => self.remove(at, &format!("route {route}"))?,
            Op::DelRule { at, rule } => self.remove(at, &format!("policy {rule}"))?,
            Op::StopService { at, name, .. } => self.remove(at, &format!("process {name} {}", plan.mark()))?,
        }
        if self.fails == Fails::After(n) {
            return Err(Refusal::new("the machine fails"));
        }
        Ok(done)
    }

    /// In the order that nobody expects: the last lane first. Only within a lane is there any order.
    fn perform_batch(&mut self, plan: &Plan, batch: &Batch, _: Halt<'_>) -> Vec<Option<Result<Done, Refusal>>> {
        let steps: Vec<usize> = match batch.way {
            Way::Alone => batch.steps.clone().collect(),
            Way::Lanes => lanes(plan, &batch.steps).into_iter().rev().flat_map(|(_, steps)| steps).collect(),
            Way::Cables => batch.steps.clone().rev().collect(),
        };
        let mut answers = vec![None; batch.steps.len()];
        for n in steps {
            let answer = self.perform(plan, &plan.steps[n].op);
            let refused = answer.is_err();
            answers[n - batch.steps.start] = Some(answer);
            if refused {
                break;
            }
        }
        answers
    }

    fn take_back(&mut self, undo: &Undo) -> Result<(), Refusal> {
        match undo {
            Undo::EndProcesses { netns, identity } => {
                if self.is_ours(netns, identity.as_ref()) {
                    self.things(Some(netns))?.retain(|t| !t.starts_with("process "));
                }
            }
            Undo::EndMarked { mark, .. } => {
                self.machine.retain(|t| !(t.starts_with("process ") && t.ends_with(mark.as_str())));
            }
            // Nobody but the lab sets any here.
            Undo::RestorePolicies { policies, .. } => {
                for (line, _) in policies {
                    self.machine.remove(&format!("rule {line}"));
                }
            }
            Undo::DeleteRules { lines, .. } => {
                for line in lines {
                    self.machine.remove(&format!("rule {line}"));
                }
            }
            Undo::DestroySet { name } => {
                self.machine.remove(&format!("ipset {name}"));
            }
            Undo::DeleteRoute { route } => {
                self.machine.remove(&format!("route {route}"));
            }
            Undo::DeleteRule { rule } => {
                self.machine.remove(&format!("policy {rule}"));
            }
            Undo::DeleteNeighbor { neighbor } => {
                self.machine.remove(&format!("neighbor {neighbor}"));
            }
            Undo::DeleteAddress { dev, address } => {
                self.machine.remove(&format!("address {dev} {address}"));
            }
            Undo::RestoreSysctls { before, .. } => self.sysctls.extend(before.clone()),
            Undo::DeleteLinks { group, macs, names } => {
                let suffix = format!("group {group}");
                let named = |t: &String| names.iter().any(|n| t.starts_with(&format!("link {n}  ")));
                let known = |t: &String| macs.iter().any(|m| t.contains(&m.to_string())) || named(t);
                let ours = |t: &String| t.ends_with(&suffix) && known(t);
                let gone: BTreeSet<String> = self.machine.iter().filter(|t| ours(t)).cloned().collect();
                self.machine.retain(|t| !gone.contains(t));
                self.drop_cables(&gone);
            }
            Undo::DeleteLinksIn { netns, identity, group } => {
                if self.is_ours(netns, identity.as_ref()) {
                    let suffix = format!("group {group}");
                    let things = self.things(Some(netns))?;
                    let gone: BTreeSet<String> = things.iter().filter(|t| t.ends_with(&suffix)).cloned().collect();
                    things.retain(|t| !gone.contains(t));
                    self.drop_cables(&gone);
                }
            }
            Undo::DropNetns { netns, identity } => {
                if self.is_ours(netns, identity.as_ref()) {
                    if let Some((_, things)) = self.namespaces.remove(netns) {
                        self.drop_cables(&things);
                    }
                } else if self.namespaces.contains_key(netns) {
                    return Err(Refusal::new(format!("{netns} is another namespace; left alone")));
                }
            }
            Undo::RemoveFile { netns, path } => {
                self.machine.remove(&format!("file {netns}{path}"));
            }
            Undo::RemoveRun { netns } => {
                self.machine.remove(&format!("file {netns}/run"));
            }
        }
        Ok(())
    }
}
