//! The real machine: each operation as the system calls that carry it out, one after the other.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;

use rtnetlink::packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use super::diver::Diver;
use super::{Kernel, Netlink, Refusal, firewall, ipset, messages, netns, observe, sysctl};
use crate::link::{NewLink, veth};
use crate::name::IfName;
use crate::plan::{At, Before, Done, Identity, Op, Outcome, Plan, Process, Undo, VethEnd};

mod files;
mod look;
mod mend;
mod services;
mod undo;

const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// The machine that netlab runs on.
pub struct Linux {
    diver: Diver,
    namespaces: HashMap<String, File>,
    sockets: HashMap<Option<String>, Netlink>,
    indices: HashMap<(Option<String>, String), u32>,
    children: Vec<Child>,
    logs: PathBuf,
    /// Programs of the plan, as the journal knows them: node and service → process.
    pub services: BTreeMap<(String, String), Process>,
    /// Namespaces of the plan, as the journal knows them.
    pub identities: BTreeMap<String, Identity>,
}

impl Linux {
    /// `logs` is where the output of programs goes.
    pub fn new(logs: &Path) -> Result<Linux, Refusal> {
        Ok(Linux {
            diver: Diver::new()?,
            namespaces: HashMap::new(),
            sockets: HashMap::new(),
            indices: HashMap::new(),
            children: Vec::new(),
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
                    kernel.services.insert((at.node.to_string(), name.clone()), *process);
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
            let file = netns::open(name)?
                .ok_or_else(|| Refusal::errno(libc::ENOENT, Some(format!("there is no namespace `{name}`"))))?;
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

    fn socket(&mut self, netns: &Option<String>) -> Result<&mut Netlink, Refusal> {
        if !self.sockets.contains_key(netns) {
            let socket = self.within(netns, Netlink::open)??;
            self.sockets.insert(netns.clone(), socket);
        }
        self.sockets.get_mut(netns).ok_or_else(|| Refusal::new("no netlink socket"))
    }

    /// The kernel's number of an interface: read once for all, forgotten when links come and go.
    fn index(&mut self, netns: &Option<String>, dev: &str) -> Result<u32, Refusal> {
        let key = (netns.clone(), dev.to_string());
        if let Some(index) = self.indices.get(&key) {
            return Ok(*index);
        }
        for link in observe::links(self.socket(netns)?)? {
            self.indices.insert((netns.clone(), link.name), link.index);
        }
        let missing = || Refusal::errno(libc::ENODEV, Some(format!("there is no interface `{dev}`")));
        self.indices.get(&key).copied().ok_or_else(missing)
    }

    fn forget(&mut self, netns: &Option<String>) {
        self.indices.retain(|(ns, _), _| ns != netns);
    }

    /// Everything about a namespace that has come or gone under its name.
    fn forget_namespace(&mut self, name: &str) {
        let key = Some(name.to_string());
        self.namespaces.remove(name);
        self.sockets.remove(&key);
        self.forget(&key);
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

    fn add_link(&mut self, at: &At, link: &NewLink, group: u32) -> Result<(), Refusal> {
        let parent = match link.kind.parent() {
            Some(dev) => Some(self.index(&at.netns, dev)?),
            None => None,
        };
        let made = self.socket(&at.netns)?.one(Message::NewLink(link.message(group, parent)), NEW);
        self.forget(&at.netns);
        match made {
            // The module has put this one there already: it is taken as it is.
            Err(refusal) if refusal.errno == libc::EEXIST && crate::link::is_fallback(&link.name) => {
                let mtu = link.mtu;
                self.set_link(at, &link.name, |l| if let Some(mtu) = mtu { l.mtu(mtu) } else { l })
            }
            other => other,
        }
    }

    fn set_link(
        &mut self,
        at: &At,
        dev: &IfName,
        change: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    ) -> Result<(), Refusal> {
        let index = self.index(&at.netns, dev)?;
        let message = change(LinkUnspec::new_with_index(index)).build();
        self.socket(&at.netns)?.one(Message::SetLink(message), 0)
    }

    fn route(
        &mut self,
        netns: &Option<String>,
        route: &crate::ip::Route,
    ) -> Result<rtnetlink::packet_route::route::RouteMessage, Refusal> {
        let mut numbers = HashMap::new();
        for dev in route.hops.iter().filter_map(|h| h.dev.clone()) {
            numbers.insert(dev.clone(), self.index(netns, &dev)?);
        }
        messages::route(route, |dev| numbers.get(dev).copied())
            .map_err(|dev| Refusal::errno(libc::ENODEV, Some(format!("there is no interface `{dev}`"))))
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
            Op::LoadRules { .. } => self.within(&None, || Some(Before::Firewall { chains: firewall::nft_chains() })),
            _ => Ok(None),
        }
    }

    fn perform(&mut self, plan: &Plan, op: &Op) -> Result<Done, Refusal> {
        match op {
            Op::AddNetns { at } => {
                let name = at.netns.as_deref().unwrap_or_default();
                let file = netns::create(name)?;
                let identity = netns::identity(&self.diver, &file)?;
                self.forget_namespace(name);
                self.namespaces.insert(name.to_string(), file);
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
            Op::AddLink { at, link } => self.add_link(at, link, plan.group)?,
            Op::SetMaster { at, dev, master } => {
                let master = self.index(&at.netns, master)?;
                self.set_link(at, dev, |l| l.controller(master))?;
            }
            Op::SetMtu { at, dev, mtu } => self.set_link(at, dev, |l| l.mtu(*mtu))?,
            Op::SetUp { at, dev } => self.set_link(at, dev, |l| l.up())?,
            Op::AddAddress { at, dev, address } => {
                let index = self.index(&at.netns, dev)?;
                self.socket(&at.netns)?.one(Message::NewAddress(messages::address(address, index)), NEW)?;
            }
            Op::AddRoute { at, route } => {
                let message = self.route(&at.netns, route)?;
                self.socket(&at.netns)?.one(Message::NewRoute(message), NEW)?;
            }
            Op::AddRule { at, rule } => self.socket(&at.netns)?.one(Message::NewRule(messages::rule(rule)), NEW)?,
            Op::AddNeighbor { at, neighbor } => {
                let index = self.index(&at.netns, &neighbor.dev)?;
                self.socket(&at.netns)?.one(Message::NewNeighbour(messages::neighbor(neighbor, index)), NEW)?;
            }
            Op::AddFdb { at, fdb } => {
                let index = self.index(&at.netns, &fdb.dev)?;
                // Entries for the unknown stand beside each other; any other MAC is behind one end.
                let flags = if fdb.is_flood() { NLM_F_CREATE | NLM_F_APPEND } else { NEW };
                self.socket(&at.netns)?.one(Message::NewNeighbour(messages::fdb(fdb, index)), flags)?;
            }
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
        }
        Ok(Done::Plain)
    }

    fn take_back(&mut self, undo: &Undo) -> Result<(), Refusal> {
        self.undo(undo)
    }
}
