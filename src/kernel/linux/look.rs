//! Reading back what nodes have.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt;

use super::{Linux, files};
use crate::ip::Family;
use crate::kernel::{Refusal, firewall, ipset, netns, observe, process};
use crate::plan::{At, Plan, expect};
use crate::state::{NodeState, SetState, State};

impl Linux {
    /// What of the machine's own network a lab could collide with.
    pub fn observe_machine(&mut self) -> Result<observe::MachineView, Refusal> {
        observe::machine(self.socket(&None)?)
    }

    pub(super) fn observe_node(&mut self, at: &At, wanted: &NodeState) -> Result<Option<NodeState>, Refusal> {
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
        let machine = wanted.machine;
        let has_sets = !wanted.ipsets.is_empty();
        let (sysctls, shown, sets) = self.within(&at.netns, move || {
            // A learner may add a firewall where the lab has none, and empty one that it has.
            let shown = if machine { firewall::of(&families) } else { firewall::all_of(&families) };
            // A set that the lab does not know does nothing without a firewall line, and that would be seen.
            let sets = if has_sets { ipset::shown() } else { Ok(BTreeMap::new()) };
            (observe::sysctls(&paths), shown, sets)
        })?;
        state.sysctls = sysctls;
        state.ipsets = sets?;
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
        if let Some(netns) = &at.netns {
            let files = wanted.files.keys().filter_map(|path| Some((path.clone(), files::seen(netns, path)?)));
            state.files = files.collect();
        }
        for (node, service) in self.services.keys().filter(|(n, _)| *n == *at.node).cloned().collect::<Vec<_>>() {
            let process = self.services[&(node, service.clone())];
            state.services.insert(service, process::alive(process));
        }
        Ok(Some(state))
    }

    /// What the nodes of a plan have.
    pub fn observe(&mut self, plan: &Plan) -> Result<State, Refusal> {
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
}
