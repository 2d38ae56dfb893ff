//! The real machine: each operation as the system calls that carry it out, one after the other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use super::diver::Diver;
use super::process::{self, Session};
use super::{Kernel, Netlink, Refusal, firewall, messages, netns, observe, responder, sysctl};
use crate::ip::{Family, Mac};
use crate::link::{NewLink, veth};
use crate::name::IfName;
use crate::plan::{At, Before, Done, Identity, Op, Outcome, Plan, Process, Undo, VethEnd, expect};
use crate::state::{NodeState, State};
use crate::topology::{Program, Service};

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
        let made = self.socket(&at.netns)?.one(Message::NewLink(link.message(group)), NEW);
        self.forget(&at.netns);
        made
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
        at: &At,
        route: &crate::ip::Route,
    ) -> Result<rtnetlink::packet_route::route::RouteMessage, Refusal> {
        let mut numbers = HashMap::new();
        for dev in route.hops.iter().filter_map(|h| h.dev.clone()) {
            numbers.insert(dev.clone(), self.index(&at.netns, &dev)?);
        }
        messages::route(route, |dev| numbers.get(dev).copied())
            .map_err(|dev| Refusal::errno(libc::ENODEV, Some(format!("there is no interface `{dev}`"))))
    }

    fn start(&mut self, plan: &Plan, at: &At, name: &str, service: &Service) -> Result<Done, Refusal> {
        let node = at.node.to_string();
        let (mut command, input) = match &service.program {
            Program::Responder { proto, listen, port } => {
                let socket = SocketAddr::new(*listen, *port);
                let proto = *proto;
                let open = self.within(&at.netns, move || responder::open(proto, socket))?;
                let open = open.map_err(|e| Refusal::from(e).about(format!("cannot listen on {socket}")))?;
                let mut command = process::clean("/proc/self/exe");
                // What `ps` shows.
                std::os::unix::process::CommandExt::arg0(&mut command, "netlab");
                command.args(["responder", proto.word(), &socket.to_string(), &node]);
                (command, Stdio::from(open))
            }
            Program::Run(argv) => {
                let mut command = process::clean(&argv[0]);
                command.args(&argv[1..]);
                (command, Stdio::null())
            }
        };
        std::fs::create_dir_all(&self.logs)?;
        let log = File::create(self.logs.join(format!("{node}.{name}.log")))?;
        command.stdin(input).stdout(log.try_clone()?).stderr(log);
        command.env(process::MARK, plan.mark()).env("NETLAB_NODE", &node);
        command.envs(&service.env);
        if let Some(user) = &service.user {
            become_user(&mut command, user)?;
        }
        let file = self.namespace(&at.netns)?.map(File::try_clone).transpose()?;
        let place = at.netns.as_deref().zip(file.as_ref());
        process::enter(&mut command, place, Session::Own)?;
        let child = command.spawn().map_err(|e| Refusal::from(e).about(service_program(service)))?;
        let pid = child.id() as i32;
        self.children.push(child);
        let process = Process { pid, started: process::started(pid).unwrap_or(0) };
        self.services.insert((node, name.to_string()), process);
        Ok(Done::Started(process))
    }

    /// Waits until every program of the plan that is to be ready is; a program that has died says why.
    pub fn settle(&mut self, plan: &Plan) -> Result<(), (usize, Refusal)> {
        for (i, step) in plan.steps.iter().enumerate() {
            let Op::StartService { at, name, service } = &step.op else {
                continue;
            };
            self.wait_ready(at, name, service).map_err(|refusal| (i, refusal))?;
        }
        Ok(())
    }

    fn wait_ready(&mut self, at: &At, name: &str, service: &Service) -> Result<(), Refusal> {
        if matches!(service.program, Program::Responder { .. }) {
            return Ok(());
        }
        let Some(process) = self.services.get(&(at.node.to_string(), name.to_string())).copied() else {
            return Ok(());
        };
        let begun = Instant::now();
        // A program with a mistake in its configuration dies within a few milliseconds.
        let moment = Duration::from_millis(50);
        loop {
            self.reap();
            if !process::alive(process) {
                return Err(Refusal::new(self.last_words(at, name)));
            }
            let ready = match service.ready_tcp {
                Some(port) => self.within(&at.netns, move || accepts(port))?,
                None => begun.elapsed() >= moment,
            };
            if ready {
                return Ok(());
            }
            if begun.elapsed() > service.ready_within {
                let port = service.ready_tcp.unwrap_or(0);
                let waited = service.ready_within.as_secs_f32();
                return Err(Refusal::new(format!("port {port} does not accept connections after {waited} s")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn reap(&mut self) {
        self.children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
    }

    /// What a program that died had to say.
    pub fn last_words(&self, at: &At, name: &str) -> String {
        let log = std::fs::read_to_string(self.logs.join(format!("{}.{name}.log", at.node))).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|l| !l.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(5)..].join("\n");
        if last.is_empty() {
            "it has ended, without a word".into()
        } else {
            format!("it has ended; its last words:\n{last}")
        }
    }

    /// A namespace by name, if it is still the one that was made.
    fn ours(&mut self, name: &str, identity: Option<&Identity>) -> Result<Option<File>, Refusal> {
        let Some(file) = netns::open(name)? else {
            return Ok(None);
        };
        let actual = netns::identity(&self.diver, &file)?;
        match identity {
            Some(identity) if *identity == actual => Ok(Some(file)),
            Some(_) => Err(Refusal::new(format!(
                "{} is another namespace than the one that netlab made; left alone",
                netns::path(name).display()
            ))),
            // Being made when netlab died: ours if nobody has done anything in it.
            None => {
                let links = self.diver.within(Some(&file), Netlink::open)??;
                let mut links = links;
                let strangers = observe::links(&mut links)?
                    .into_iter()
                    .any(|l| l.name != "lo" && !crate::link::is_fallback(&l.name));
                let inode = file.metadata()?.ino();
                if strangers || !process::inside(&HashSet::from([inode])).is_empty() {
                    return Err(Refusal::new(format!(
                        "{} is in use by somebody else; left alone",
                        netns::path(name).display()
                    )));
                }
                Ok(Some(file))
            }
        }
    }

    fn end_processes(&mut self, name: &str, identity: Option<&Identity>) -> Result<(), Refusal> {
        // The name may be gone while programs still hold the namespace: the inode finds them.
        let inode = match (self.ours(name, identity), identity) {
            (Ok(Some(file)), _) => file.metadata()?.ino(),
            (Ok(None), Some(identity)) => identity.inode,
            (Ok(None), None) => return Ok(()),
            (Err(refusal), _) => return Err(refusal),
        };
        let cookie = identity.map(|i| i.cookie);
        let find = || {
            let mut found = process::inside(&HashSet::from([inode]));
            if netns::open(name).is_ok_and(|f| f.is_none()) {
                // Without the name only the cookie tells our namespace from a new one with the same inode.
                found.retain(|pid| self.same_namespace(*pid, cookie));
            }
            found
        };
        process::end(find).map_err(|left| still_running(&left))
    }

    fn same_namespace(&self, pid: i32, cookie: Option<u64>) -> bool {
        let Ok(file) = File::open(format!("/proc/{pid}/ns/net")) else {
            return false;
        };
        netns::identity(&self.diver, &file).is_ok_and(|i| cookie.is_none_or(|c| c == i.cookie))
    }

    fn delete_group(&mut self, netns: &Option<String>, group: u32, only: Option<&[Mac]>) -> Result<(), Refusal> {
        let socket = self.socket(netns)?;
        let ours = observe::links(socket)?
            .into_iter()
            .filter(|l| l.group == group && only.is_none_or(|macs| l.mac.is_some_and(|mac| macs.contains(&mac))));
        let ours: Vec<_> = ours.collect();
        if ours.is_empty() {
            return Ok(());
        }
        let deleted = if only.is_none() {
            // One message for all: the kernel waits for its readers once, not once per link.
            let mut message = LinkMessage::default();
            message.attributes.push(LinkAttribute::Group(group));
            socket.one(Message::DelLink(message), 0)
        } else {
            let requests = ours.iter().map(|l| (Message::DelLink(LinkUnspec::new_with_index(l.index).build()), 0));
            // A cable's second end goes with its first.
            let answers = socket.request(requests.collect());
            answers.into_iter().find(|a| matches!(a, Err(r) if r.errno != libc::ENODEV)).unwrap_or(Ok(()))
        };
        self.forget(netns);
        match deleted {
            Err(refusal) if refusal.errno == libc::ENODEV => Ok(()),
            other => other,
        }
    }

    fn machine_dev_request(&mut self, dev: &str, make: impl FnOnce(u32) -> Message) -> Result<(), Refusal> {
        let Ok(index) = self.index(&None, dev) else {
            return Ok(());
        };
        absent_is_fine(self.socket(&None)?.one(make(index), 0))
    }

    /// What a node has, in lines as `ip` prints them; nothing when its namespace is gone.
    pub fn view(&mut self, at: &At) -> Result<Option<observe::View>, Refusal> {
        let inside = match &at.netns {
            Some(name) => {
                let Some(file) = netns::open(name)? else {
                    return Ok(None);
                };
                process::inside(&HashSet::from([file.metadata()?.ino()]))
            }
            None => process::marked_any(),
        };
        let mut view = observe::view(self.socket(&at.netns)?)?;
        view.programs = inside.iter().map(|pid| format!("{pid} {}", process::title(*pid))).collect();
        view.firewall = self.within(&at.netns, || {
            let families = [Family::V4, Family::V6];
            families.iter().filter_map(|f| firewall::shown(*f).ok()).flatten().collect::<Vec<_>>()
        })?;
        Ok(Some(view))
    }

    /// What of the machine's own network a lab could collide with.
    pub fn observe_machine(&mut self) -> Result<observe::MachineView, Refusal> {
        observe::machine(self.socket(&None)?)
    }

    fn observe_node(&mut self, at: &At, wanted: &NodeState) -> Result<Option<NodeState>, Refusal> {
        if let Some(name) = &at.netns {
            // A learner may have dropped the name and made it anew: never trust an old file.
            self.forget_namespace(name);
            let Some(file) = netns::open(name)? else {
                return Ok(None);
            };
            // The name may stand for another namespace than ours by now.
            if let Some(made) = self.identities.get(name)
                && *made != netns::identity(&self.diver, &file)?
            {
                return Ok(None);
            }
        }
        let mut state = observe::node(self.socket(&at.netns)?, wanted)?;
        let paths: Vec<String> = wanted.sysctls.keys().cloned().collect();
        let families: Vec<Family> = wanted.firewall.keys().copied().collect();
        let (sysctls, shown) = self.within(&at.netns, move || {
            let shown: Vec<(Family, Result<Vec<String>, Refusal>)> =
                families.into_iter().map(|f| (f, firewall::shown(f))).collect();
            (observe::sysctls(&paths), shown)
        })?;
        state.sysctls = sysctls;
        // A kernel without IPv6 has it off all the same.
        for (path, value) in wanted.sysctls.iter().filter(|(p, _)| p.starts_with("net/ipv6/")) {
            state.sysctls.entry(path.clone()).or_insert_with(|| value.clone());
        }
        for (family, shown) in shown {
            let mut lines = shown?;
            if let Some(mark) = wanted.machine.then_some("netlab:") {
                lines.retain(|l| l.contains(mark));
            }
            state.firewall.insert(family, lines);
        }
        for (node, service) in self.services.keys().filter(|(n, _)| *n == *at.node).cloned().collect::<Vec<_>>() {
            let process = self.services[&(node, service.clone())];
            state.services.insert(service, process::alive(process));
        }
        Ok(Some(state))
    }

    /// Takes away what a learner added by hand; inside the lab's own namespaces only.
    pub fn remove_extra(&mut self, at: &At, item: &crate::state::Item) -> Result<(), Refusal> {
        use crate::state::Item;
        let bad = |e: crate::ip::WordError| Refusal::new(e.message);
        match item {
            Item::Address(dev, address) => {
                let address: crate::ip::Address = address.parse().map_err(bad)?;
                let index = self.index(&at.netns, dev)?;
                self.socket(&at.netns)?.one(Message::DelAddress(messages::address(&address, index)), 0)
            }
            Item::Route(route) => {
                let route: crate::ip::Route = route.parse().map_err(bad)?;
                let message = self.route(at, &route)?;
                self.socket(&at.netns)?.one(Message::DelRoute(message), 0)
            }
            Item::Rule(rule) => {
                let rule: crate::ip::Rule = rule.parse().map_err(bad)?;
                self.socket(&at.netns)?.one(Message::DelRule(messages::rule(&rule)), 0)
            }
            Item::Neighbor(neighbor) => {
                let neighbor: crate::ip::Neighbor = neighbor.parse().map_err(bad)?;
                let index = self.index(&at.netns, &neighbor.dev)?;
                self.socket(&at.netns)?.one(Message::DelNeighbour(messages::neighbor(&neighbor, index)), 0)
            }
            Item::Property(dev, property) => self.reset_property(at, dev, property),
            Item::Netns | Item::Link(_) | Item::Sysctl(_) | Item::Firewall(..) | Item::Service(_) => Ok(()),
        }
    }

    fn reset_property(&mut self, at: &At, dev: &str, property: &str) -> Result<(), Refusal> {
        let index = self.index(&at.netns, dev)?;
        let link = LinkUnspec::new_with_index(index);
        let link = match property {
            "master" => link.nocontroller(),
            "state" => link.down(),
            _ => return Ok(()),
        };
        self.socket(&at.netns)?.one(Message::SetLink(link.build()), 0)
    }

    /// Gives a link its MAC and MTU back.
    pub fn reset_link(&mut self, at: &At, dev: &str, mac: Option<Mac>, mtu: Option<u32>) -> Result<(), Refusal> {
        let index = self.index(&at.netns, dev)?;
        let mut link = LinkUnspec::new_with_index(index);
        if let Some(mac) = mac {
            link = link.address(mac.0.to_vec());
        }
        if let Some(mtu) = mtu {
            link = link.mtu(mtu);
        }
        self.socket(&at.netns)?.one(Message::SetLink(link.build()), 0)
    }

    /// Deletes one link by name; absent is success.
    pub fn delete_link(&mut self, netns: &Option<String>, dev: &str) -> Result<(), Refusal> {
        self.forget(netns);
        let Ok(index) = self.index(netns, dev) else {
            return Ok(());
        };
        let message = Message::DelLink(LinkUnspec::new_with_index(index).build());
        let deleted = absent_is_fine(self.socket(netns)?.one(message, 0));
        self.forget(netns);
        deleted
    }

    /// Empties the tables of a lab namespace before they are loaded again.
    pub fn flush_firewall(&mut self, at: &At, family: Family) -> Result<(), Refusal> {
        if at.netns.is_none() {
            return Ok(());
        }
        self.within(&at.netns, move || firewall::flush(family))?
    }
}

fn absent_is_fine(answer: Result<(), Refusal>) -> Result<(), Refusal> {
    match answer {
        Err(r) if matches!(r.errno, libc::ESRCH | libc::ENOENT | libc::ENODEV | libc::EADDRNOTAVAIL) => Ok(()),
        other => other,
    }
}

fn accepts(port: u16) -> bool {
    let local: SocketAddr = ([127, 0, 0, 1], port).into();
    std::net::TcpStream::connect_timeout(&local, Duration::from_millis(200)).is_ok()
}

fn service_program(service: &Service) -> String {
    match &service.program {
        Program::Responder { .. } => "netlab responder".into(),
        Program::Run(argv) => argv[0].clone(),
    }
}

fn still_running(pids: &[i32]) -> Refusal {
    let list: Vec<String> = pids.iter().map(|pid| format!("{pid} ({})", process::title(*pid))).collect();
    Refusal::new(format!("these processes do not end: {}", list.join(", ")))
}

fn become_user(command: &mut std::process::Command, user: &str) -> Result<(), Refusal> {
    use std::os::unix::process::CommandExt;
    let found = nix::unistd::User::from_name(user)?;
    let found = found.ok_or_else(|| Refusal::new(format!("there is no user `{user}` on this machine")))?;
    command.uid(found.uid.as_raw()).gid(found.gid.as_raw());
    Ok(())
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
            Op::LoadRules { .. } => self.within(&None, || Some(Before::Firewall { tables: firewall::nft_tables() })),
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
                let message = self.route(at, route)?;
                self.socket(&at.netns)?.one(Message::NewRoute(message), NEW)?;
            }
            Op::AddRule { at, rule } => self.socket(&at.netns)?.one(Message::NewRule(messages::rule(rule)), NEW)?,
            Op::AddNeighbor { at, neighbor } => {
                let index = self.index(&at.netns, &neighbor.dev)?;
                self.socket(&at.netns)?.one(Message::NewNeighbour(messages::neighbor(neighbor, index)), NEW)?;
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
            Op::WriteFile { at, name, content } => write_file(at, name, content)?,
            Op::StartService { at, name, service } => return self.start(plan, at, name, service),
        }
        Ok(Done::Plain)
    }

    fn take_back(&mut self, undo: &Undo) -> Result<(), Refusal> {
        match undo {
            Undo::EndProcesses { netns, identity } => {
                self.end_processes(netns, identity.as_ref())?;
                self.reap();
                Ok(())
            }
            Undo::EndMarked { mark, process } => {
                let process = *process;
                let find = || {
                    let mut found = process::marked(mark);
                    found.extend(process.filter(|p| process::alive(*p)).map(|p| p.pid));
                    found.retain(|pid| process::started(*pid).is_some());
                    found
                };
                let ended = process::end(find).map_err(|left| still_running(&left));
                self.reap();
                ended
            }
            Undo::DeleteRules { family, lines, tables_before } => {
                let (family, lines, before) = (*family, lines.clone(), tables_before.clone());
                self.within(&None, move || firewall::delete(family, &lines, before.as_deref()))?
            }
            Undo::DeleteRoute { route } => {
                let at = machine_at(route)?;
                match self.route(&at, route) {
                    Ok(message) => absent_is_fine(self.socket(&None)?.one(Message::DelRoute(message), 0)),
                    // Its interface is gone, and the route went with it.
                    Err(_) => Ok(()),
                }
            }
            Undo::DeleteRule { rule } => {
                absent_is_fine(self.socket(&None)?.one(Message::DelRule(messages::rule(rule)), 0))
            }
            Undo::DeleteNeighbor { neighbor } => {
                self.machine_dev_request(&neighbor.dev, |i| Message::DelNeighbour(messages::neighbor(neighbor, i)))
            }
            Undo::DeleteAddress { dev, address } => {
                self.machine_dev_request(dev, |i| Message::DelAddress(messages::address(address, i)))
            }
            Undo::RestoreSysctls { path, set, before } => {
                let (path, set, before) = (path.clone(), set.clone(), before.clone());
                self.within(&None, move || sysctl::restore(&path, &set, &before))?
            }
            Undo::DeleteLinks { group, macs } => self.delete_group(&None, *group, Some(macs)),
            Undo::DeleteLinksIn { netns, identity, group } => match self.ours(netns, identity.as_ref()) {
                Ok(Some(file)) => {
                    self.forget_namespace(netns);
                    self.namespaces.insert(netns.clone(), file);
                    self.delete_group(&Some(netns.clone()), *group, None)
                }
                // Somebody else's, or gone: said when the namespace itself is dropped.
                Ok(None) | Err(_) => Ok(()),
            },
            Undo::DropNetns { netns, identity } => {
                let ours = self.ours(netns, identity.as_ref())?;
                self.forget_namespace(netns);
                if ours.is_some() || is_placeholder(netns, identity.is_none()) {
                    drop(ours);
                    netns::remove(netns)?;
                }
                Ok(())
            }
            Undo::RemoveFile { netns, name } => remove_file(netns.as_deref(), name),
        }
    }

    fn observe(&mut self, plan: &Plan) -> Result<State, Refusal> {
        let wanted = expect(plan);
        let mut state = State::default();
        for at in &plan.nodes {
            let Some(want) = wanted.nodes.get(at.node.as_str()) else {
                continue;
            };
            if let Some(node) = self.observe_node(at, want)? {
                state.nodes.insert(at.node.to_string(), node);
            }
        }
        Ok(state)
    }
}

/// A name that was being made (or whose namespace a learner unmounted) is an empty file of root's, mounted on nothing.
fn is_placeholder(name: &str, _unfinished: bool) -> bool {
    let Ok(meta) = netns::path(name).symlink_metadata() else {
        return false;
    };
    meta.is_file() && meta.len() == 0 && meta.uid() == nix::unistd::geteuid().as_raw()
}

fn machine_at(_route: &crate::ip::Route) -> Result<At, Refusal> {
    let node = crate::name::NodeName::new("host").map_err(Refusal::new)?;
    Ok(At { node, netns: None })
}

/// `/etc/netns/NAME/FILE`, which `ip netns exec NAME` shows as `/etc/FILE`.
fn file_path(netns: &str, name: &str) -> PathBuf {
    Path::new(netns::ETC).join(netns).join(name)
}

fn write_file(at: &At, name: &str, content: &str) -> Result<(), Refusal> {
    let Some(netns) = &at.netns else {
        return Err(Refusal::new(format!("/etc/{name} of the machine itself is not netlab's to write")));
    };
    let path = file_path(netns, name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, content).map_err(|e| Refusal::from(e).about(path.display()))
}

fn remove_file(netns: Option<&str>, name: &str) -> Result<(), Refusal> {
    let Some(netns) = netns else { return Ok(()) };
    let path = file_path(netns, name);
    match std::fs::remove_file(&path) {
        Err(e) if !matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Err(Refusal::from(e).about(path.display()));
        }
        _ => {}
    }
    // The folders up to the namespace's own, where nobody else has put anything.
    let top = Path::new(netns::ETC).join(netns);
    let mut folder = path.parent();
    while let Some(at) = folder.filter(|f| f.starts_with(&top)) {
        if std::fs::remove_dir(at).is_err() {
            break;
        }
        folder = at.parent();
    }
    Ok(())
}
