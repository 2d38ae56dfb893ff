//! Reading back what nodes have.

use std::collections::{BTreeMap, HashSet};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sched::{CloneFlags, setns};

use super::lanes::on_threads;
use super::{Linux, files};
use crate::ip::Family;
use crate::ip::conntrack::Flow;
use crate::kernel::{
    Netlink, Refusal, conntrack, endpoint, firewall, ipset, netns, observe, process, program, wireguard,
};
use crate::link::LinkKind;
use crate::link::endpoint::PROPERTY;
use crate::link::wireguard::Wireguard;
use crate::plan::{At, Identity, Op, Plan, kept};
use crate::state::{NodeState, SetState, State};

impl Linux {
    /// What of the machine's own network a lab could collide with.
    pub fn observe_machine(&mut self) -> Result<observe::MachineView, Refusal> {
        observe::machine(self.socket(&None)?)
    }

    /// Whether the machine has already what a step would add to its routing.
    pub fn is_there(&mut self, op: &Op) -> Result<bool, Refusal> {
        Ok(match op {
            Op::AddRoute { route, .. } => self.observe_machine()?.has_route(route),
            Op::AddRule { rule, .. } => self.observe_machine()?.rules.contains(&rule.to_string()),
            _ => false,
        })
    }

    /// What the nodes of a plan have, of all that is `wanted` there, and whatever else there is.
    pub fn observe(&mut self, plan: &Plan, wanted: &State) -> Result<State, Refusal> {
        let nodes: Vec<(&At, &NodeState)> =
            plan.nodes.iter().filter_map(|at| Some((at, wanted.nodes.get(at.node.as_str())?))).collect();
        let identities = &self.identities;
        let seen = on_threads(&nodes, |(at, wanted)| {
            let Some(name) = &at.netns else { return Ok(None) };
            match enter_ours(name, identities.get(name))? {
                true => look_around(wanted).map(Some),
                false => Ok(None),
            }
        });
        let mut state = State::default();
        for ((at, wanted), seen) in nodes.into_iter().zip(seen) {
            let seen = match &at.netns {
                Some(_) => seen?,
                None => Some(self.diver.within(None, || look_around(wanted))??),
            };
            let Some(mut seen) = seen else { continue };
            ask_endpoints(at, wanted, &mut seen);
            if let Some(netns) = &at.netns {
                let files = wanted.files.keys().filter_map(|path| Some((path.clone(), files::seen(netns, path)?)));
                seen.files = files.collect();
            }
            for ((_, service), process) in self.services.iter().filter(|((node, _), _)| *node == *at.node) {
                seen.services.insert(service.clone(), process::alive(*process));
            }
            state.nodes.insert(at.node.to_string(), seen);
        }
        Ok(state)
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
        (view.firewall, view.ipsets) = self.within(&at.netns, || {
            let families = [Family::V4, Family::V6];
            let firewall = families.iter().filter_map(|f| firewall::shown(*f).ok()).flatten().collect();
            let entries = |s: &SetState| s.members.iter().cloned().collect::<Vec<_>>().join(", ");
            // Without the program, or without the kernel's part, there are none.
            let sets = ipset::shown().unwrap_or_default();
            let sets = sets.iter().map(|(name, set)| format!("{name} ({}): {}", set.kind, entries(set)));
            (firewall, sets.collect())
        })?;
        Ok(Some(view))
    }

    /// What a node's nat tables say, with their counters, one text per family; none when its namespace is gone.
    pub fn nat(&mut self, at: &At) -> Result<Option<Vec<String>>, Refusal> {
        let read = || [Family::V4, Family::V6].iter().filter_map(|family| firewall::nat(*family).ok()).collect();
        self.here(at, read)
    }

    /// The connections that a node tracks; none when its namespace is gone.
    pub fn flows(&mut self, at: &At) -> Result<Option<Vec<Flow>>, Refusal> {
        self.here(at, conntrack::flows)?.transpose()
    }

    /// What a node's BIRD says of its sessions; none when it has none, an error in words when it does not answer.
    pub fn bird(&mut self, at: &At) -> Result<Option<Result<String, String>>, Refusal> {
        let Some(netns) = at.netns.as_deref().filter(|n| Path::new(&kept(n, "/run/bird")).is_dir()) else {
            return Ok(None);
        };
        let Some(file) = netns::open(netns)? else { return Ok(None) };
        let mut command = process::clean("birdc");
        command.args(["show", "protocols", "all"]);
        process::enter(&mut command, Some((netns, &file)), process::Session::Group, None)?;
        let output = program::run(command, "")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
        Ok(Some(if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err([text(&output.stderr), text(&output.stdout)].concat())
        }))
    }

    /// Runs something inside a node, when its namespace is there.
    fn here<T: Send + 'static>(
        &mut self,
        at: &At,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, Refusal> {
        match &at.netns {
            Some(name) if netns::open(name)?.is_none() => Ok(None),
            _ => self.within(&at.netns, work).map(Some),
        }
    }
}

/// Moves the calling thread into a node, for good; `false` when the name is gone, or stands for another namespace than ours
/// by now.
fn enter_ours(name: &str, made: Option<&Identity>) -> Result<bool, Refusal> {
    let Some(file) = netns::open(name)? else {
        return Ok(false);
    };
    setns(file.as_fd(), CloneFlags::CLONE_NEWNET)
        .map_err(|errno| Refusal::from(errno).about("cannot enter the namespace"))?;
    match made {
        Some(made) => Ok(*made == netns::identity_here()?),
        None => Ok(true),
    }
}

/// What only a program behind a device knows. Where none is, or it cannot be asked, there is nothing more to say than that.
fn ask_endpoints(at: &At, wanted: &NodeState, seen: &mut NodeState) {
    for (name, link) in &mut seen.links {
        let Some(wanted) = wanted.links.get(name).filter(|l| l.properties.contains_key(PROPERTY)) else { continue };
        let socket = at.netns.as_ref().map(|netns| kept(netns, &format!("/run/wireguard/{name}.sock")));
        let known = match socket.filter(|_| wanted.properties.len() > 1) {
            Some(socket) => endpoint::seen(Path::new(&socket)).map(|wireguard| wireguard.described()),
            None => None,
        };
        let known = known.unwrap_or_else(|| wanted.properties.clone());
        for (key, value) in known.into_iter().filter(|(key, _)| key != PROPERTY) {
            link.properties.insert(key, value);
        }
    }
}

/// The picture of the node that the calling thread is in, but for its programs.
fn look_around(wanted: &NodeState) -> Result<NodeState, Refusal> {
    let mut state = observe::node(&mut Netlink::open()?, wanted)?;
    for (name, link) in state.links.iter_mut().filter(|(_, link)| link.kind == Wireguard::WORD) {
        link.properties.extend(wireguard::seen(name)?.described());
    }
    state.sysctls = observe::sysctls(wanted.sysctls.keys());
    // A set that the lab does not know does nothing without a firewall line, and that would be seen.
    state.ipsets = if wanted.ipsets.is_empty() { BTreeMap::new() } else { ipset::shown()? };
    // A kernel without IPv6 has it off all the same.
    for (path, value) in wanted.sysctls.iter().filter(|(p, _)| p.starts_with("net/ipv6/")) {
        state.sysctls.entry(path.clone()).or_insert_with(|| value.clone());
    }
    let families: Vec<Family> = wanted.firewall.keys().copied().collect();
    // A learner may add a firewall where the lab has none, and empty one that it has.
    let shown = if wanted.machine { firewall::of(&families) } else { firewall::all_of(&families) };
    for (family, shown) in shown {
        let mut lines = shown?;
        if let Some(mark) = wanted.machine.then_some("netlab:") {
            lines.retain(|l| l.contains(mark));
        }
        state.firewall.insert(family, lines);
    }
    Ok(state)
}
