//! The real machine: each operation as the system calls that carry it out. Batches are in `lanes.rs`; here is what happens
//! step by step.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;

use rtnetlink::packet_route::RouteNetlinkMessage as Message;

use super::diver::Diver;
use super::{Halt, Kernel, Refusal, firewall, ipset, netns, patience, process, sysctl};
use crate::ip::iptables::Verb;
use crate::link::{By, Kind, NewLink, veth};
use crate::name::IfName;
use crate::plan::{At, Batch, Before, Done, Identity, Op, Outcome, Plan, Process, Undo, VethEnd, Way};

mod endpoints;
mod files;
mod inside;
mod lanes;
mod look;
mod mend;
mod services;
mod undo;
mod undo_all;

pub(crate) use lanes::on_threads;

use inside::{Inside, NEW};

use crate::kernel::limits::room_for_files;

/// Nodes that are kept open at the same time, for steps that come one by one: a namespace and a socket each.
const KEPT_OPEN: usize = 200;
/// Files for everything else.
const OTHER_FILES: usize = 20;

/// The machine that netlab runs on.
pub struct Linux {
    diver: Diver,
    namespaces: HashMap<String, File>,
    kept_open: usize,
    insides: HashMap<Option<String>, Inside>,
    children: Vec<Child>,
    endpoints: HashMap<(String, IfName), Process>,
    logs: PathBuf,
    /// Programs of the plan, as the journal knows them: node and service → process.
    pub services: BTreeMap<(String, String), Process>,
    /// Namespaces of the plan, as the journal knows them.
    pub identities: BTreeMap<String, Identity>,
}

impl Linux {
    /// `logs` is where the output of programs goes.
    pub fn new(logs: &Path) -> Result<Linux, Refusal> {
        let room = room_for_files((2 * KEPT_OPEN + OTHER_FILES) as u64);
        Ok(Linux {
            diver: Diver::new()?,
            namespaces: HashMap::new(),
            kept_open: (room.saturating_sub(OTHER_FILES) / 2).clamp(1, KEPT_OPEN),
            insides: HashMap::new(),
            children: Vec::new(),
            endpoints: HashMap::new(),
            logs: logs.to_path_buf(),
            services: BTreeMap::new(),
            identities: BTreeMap::new(),
        })
    }

    /// A machine that knows what a journal says of programs and namespaces.
    pub fn knowing(logs: &Path, plan: &Plan, outcomes: &[Outcome]) -> Result<Linux, Refusal> {
        let mut kernel = Linux::new(logs)?;
        for (step, outcome) in plan.steps.iter().zip(outcomes) {
            match (&step.op, outcome.done()) {
                (Op::StartService { at, name, .. }, Some(Done::Started(process))) => {
                    let key = (at.node.to_string(), name.clone());
                    // A step that was done again (by a repair, or after an action) may stand before an older one.
                    if !kernel.services.get(&key).is_some_and(|known| process::alive(*known)) {
                        kernel.services.insert(key, *process);
                    }
                }
                (Op::StartEndpoint { at, dev, .. }, Some(Done::Started(process))) => {
                    kernel.endpoints.insert((at.node.to_string(), dev.clone()), *process);
                }
                (Op::AddNetns { at: At { netns: Some(netns), .. } }, Some(Done::Netns(identity))) => {
                    kernel.identities.insert(netns.clone(), *identity);
                }
                _ => {}
            }
        }
        Ok(kernel)
    }

    /// The thread that enters namespaces.
    pub fn diver(&self) -> &Diver {
        &self.diver
    }

    /// The open file of a node's namespace; none for the machine.
    pub fn namespace(&mut self, netns: &Option<String>) -> Result<Option<&File>, Refusal> {
        let Some(name) = netns else { return Ok(None) };
        if !self.namespaces.contains_key(name) {
            let file = namespace_file(name)?;
            if self.namespaces.len() >= self.kept_open {
                self.namespaces.clear();
            }
            self.namespaces.insert(name.clone(), file);
        }
        Ok(self.namespaces.get(name))
    }

    /// Runs something inside a node.
    pub fn within<T: Send + 'static>(
        &mut self,
        netns: &Option<String>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let file = self.namespace(netns)?.map(File::try_clone).transpose()?;
        self.diver.within(file.as_ref(), work)
    }

    fn inside(&mut self, netns: &Option<String>) -> Result<&mut Inside, Refusal> {
        if !self.insides.contains_key(netns) {
            let inside = self.within(netns, Inside::open)??;
            if self.insides.len() >= self.kept_open {
                self.insides.clear();
            }
            self.insides.insert(netns.clone(), inside);
        }
        self.insides.get_mut(netns).ok_or_else(|| Refusal::new("no netlink socket"))
    }

    fn socket(&mut self, netns: &Option<String>) -> Result<&mut super::Netlink, Refusal> {
        self.inside(netns).map(|inside| &mut inside.netlink)
    }

    fn index(&mut self, netns: &Option<String>, dev: &str) -> Result<u32, Refusal> {
        self.inside(netns)?.index(dev)
    }

    /// Links of a node have come or gone.
    fn forget(&mut self, netns: &Option<String>) {
        if let Some(inside) = self.insides.get_mut(netns) {
            inside.forget();
        }
    }

    /// Everything about a namespace that has come or gone under its name.
    fn forget_namespace(&mut self, name: &str) {
        self.namespaces.remove(name);
        self.insides.remove(&Some(name.to_string()));
    }

    fn add_veth(&mut self, ends: &[VethEnd; 2], group: u32) -> Result<(), Refusal> {
        use std::os::fd::AsRawFd;
        let [a, b] = ends;
        let home = File::open("/proc/thread-self/ns/net")?;
        let file = |this: &mut Self, at: &At| -> Result<File, Refusal> {
            let found = this.namespace(&at.netns)?.map(File::try_clone).transpose()?;
            found.map_or_else(|| home.try_clone().map_err(Refusal::from), Ok)
        };
        let (near, far) = (file(self, &a.at)?, file(self, &b.at)?);
        let message = veth::message([(&a.end, near.as_raw_fd()), (&b.end, far.as_raw_fd())], group);
        // The request goes out on the first end's own socket: the machine's namespace hears nothing of it.
        let made = self.socket(&a.at.netns)?.one(Message::NewLink(message), NEW);
        self.forget(&a.at.netns);
        self.forget(&b.at.netns);
        made
    }
}

/// Opens the namespace that has this name.
fn namespace_file(name: &str) -> Result<File, Refusal> {
    netns::open(name)?.ok_or_else(|| Refusal::errno(libc::ENOENT, Some(format!("there is no namespace `{name}`"))))
}

/// What a new link where the calling thread is needs beside its attributes.
fn configure(link: &NewLink) -> Result<(), Refusal> {
    match &link.kind {
        Kind::Wireguard(wireguard) => super::wireguard::configure(&link.name, wireguard),
        _ => Ok(()),
    }
}

fn absent_is_fine(answer: Result<(), Refusal>) -> Result<(), Refusal> {
    match answer {
        Err(r) if matches!(r.errno, libc::ESRCH | libc::ENOENT | libc::ENODEV | libc::EADDRNOTAVAIL) => Ok(()),
        other => other,
    }
}

impl Kernel for Linux {
    fn before(&mut self, op: &Op) -> Result<Option<Before>, Refusal> {
        if op.at().netns.is_some() {
            return Ok(None);
        }
        match op {
            Op::SetSysctl { path, .. } => {
                let path = path.clone();
                self.within(&None, move || Some(Before::Sysctls(sysctl::before(&path))))
            }
            Op::LoadSets { .. } => {
                let sets = self.within(&None, ipset::shown)??;
                Ok(Some(Before::Sets(sets.into_keys().collect())))
            }
            Op::LoadRules { family, lines, .. } => {
                let (family, sets) = (*family, lines.iter().any(|line| line.verb == Verb::Policy));
                self.within(&None, move || {
                    let mut policies = if sets { firewall::shown(family)? } else { Vec::new() };
                    policies.retain(|line| line.contains(" -P "));
                    Ok(Some(Before::Firewall { chains: firewall::nft_chains(), policies }))
                })?
            }
            _ => Ok(None),
        }
    }

    fn perform(&mut self, plan: &Plan, op: &Op) -> Result<Done, Refusal> {
        match op {
            Op::AddNetns { at } => {
                let name = at.netns.as_deref().unwrap_or_default();
                let identity = netns::create(name)?;
                self.forget_namespace(name);
                self.identities.insert(name.to_string(), identity);
                return Ok(Done::Netns(identity));
            }
            Op::SetSysctl { at, path, value } => {
                let (path, value, machine) = (path.clone(), value.clone(), at.netns.is_none());
                self.within(&at.netns, move || {
                    // On the machine, a value that is right already is not ours to touch.
                    if machine && sysctl::read(&path).as_ref() == Some(&value) {
                        Ok(())
                    } else {
                        sysctl::write(&path, &value)
                    }
                })??;
            }
            Op::AddVeth { ends } => self.add_veth(ends, plan.group)?,
            Op::AddLink { at, link } if link.by == By::UserSpace => self.add_tun(at, link, plan.group)?,
            Op::AddLink { at, link } => {
                self.inside(&at.netns)?.add_link(link, plan.group)?;
                let link = link.clone();
                self.within(&at.netns, move || configure(&link))??;
            }
            Op::StartEndpoint { at, dev, endpoint } => return self.start_endpoint(plan, at, dev, endpoint),
            Op::LoadSets { at, sets } => {
                let sets = sets.clone();
                self.within(&at.netns, move || ipset::load(&sets))??;
            }
            Op::LoadRules { at, family, lines } => {
                let (family, lines, machine) = (*family, lines.clone(), at.netns.is_none());
                let shown = self.within(&at.netns, move || {
                    firewall::load(family, &lines)?;
                    firewall::shown(family)
                })??;
                let mark = plan.mark();
                let ours = shown.into_iter().filter(|l| !machine || l.contains(&mark));
                return Ok(Done::Shown(ours.collect()));
            }
            Op::AddRun { at, folders } => files::add_run(at, folders)?,
            Op::WriteFile { at, path, content } => files::write(at, path, content)?,
            Op::StartService { at, name, service } => return self.start(plan, at, name, service),
            Op::EditSet { at, edit } => {
                let edit = edit.clone();
                self.within(&at.netns, move || ipset::edit(&edit))??;
            }
            Op::ReloadService { at, name, service } => self.reload(plan, at, name, service)?,
            Op::StopService { at, name, .. } => self.end_service(at, name)?,
            op => {
                let inside = self.inside(&op.at().netns)?;
                let request = inside.request(op)?;
                let (message, flags) = request.ok_or_else(|| Refusal::new("netlab does not know how"))?;
                inside.netlink.one(message, flags)?;
            }
        }
        Ok(Done::Plain)
    }

    fn perform_batch(&mut self, plan: &Plan, batch: &Batch, halt: Halt<'_>) -> lanes::Answers {
        let answers = match batch.way {
            Way::Alone => {
                let one = |n| Some(patience::step(n, || self.perform(plan, &plan.steps[n].op)));
                return batch.steps.clone().map(one).collect();
            }
            Way::Lanes => lanes::carry_out(plan, batch, halt),
            Way::Cables => lanes::cables(plan, batch, halt),
        };
        for (step, answer) in plan.steps[batch.steps.clone()].iter().zip(&answers) {
            if let (Op::AddNetns { at: At { netns: Some(name), .. } }, Some(Ok(Done::Netns(identity)))) =
                (&step.op, answer)
            {
                self.identities.insert(name.clone(), *identity);
            }
        }
        // What was open before may have other links by now, or be another namespace.
        self.namespaces.clear();
        self.insides.clear();
        answers
    }

    fn take_back(&mut self, undo: &Undo) -> Result<(), Refusal> {
        self.undo(undo)
    }

    fn take_all_back(&mut self, undos: &[Undo]) -> Vec<Result<(), Refusal>> {
        self.undo_all(undos)
    }
}
