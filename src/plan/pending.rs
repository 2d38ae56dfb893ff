//! Which steps of a plan are not in effect: what `repair` has to do again.

use std::collections::BTreeSet;

use super::{At, Op, Plan};
use crate::ip::Family;
use crate::name::IfName;
use crate::state::{LinkState, NodeState, QDISC, State, VLANS, digest};

/// The steps whose effect is missing from `actual`, in order. `expected` is what they should have come to, as the
/// kernel showed it when the lab was new.
pub fn pending(plan: &Plan, expected: &State, actual: &State) -> Vec<usize> {
    let missing = |op: &Op| !holds(op, expected, actual);
    let steps = plan.steps.iter().enumerate();
    steps.filter(|(_, step)| missing(&step.op)).map(|(i, _)| i).collect()
}

fn holds(op: &Op, expected: &State, actual: &State) -> bool {
    let at = op.at();
    let Some(node) = actual.nodes.get(at.node.as_str()) else {
        return false;
    };
    let want = expected.nodes.get(at.node.as_str());
    // A later step (of an action) may have taken away what an earlier one made, and the other way round.
    let wanted = |text: &str, of: fn(&NodeState) -> &BTreeSet<String>| want.is_none_or(|w| of(w).contains(text));
    let there = |text: &str, of: fn(&NodeState) -> &BTreeSet<String>| !wanted(text, of) || of(node).contains(text);
    let gone = |text: &str, of: fn(&NodeState) -> &BTreeSet<String>| wanted(text, of) || !of(node).contains(text);
    match op {
        Op::AddNetns { .. } => true,
        // An empty folder: whatever needs it again, starting a program makes it.
        Op::AddRun { .. } => true,
        Op::WriteFile { path, content, .. } => {
            let wanted = want.and_then(|w| w.files.get(path));
            // A later step may have written it again.
            wanted != Some(&digest(content.as_bytes())) || wanted == node.files.get(path)
        }
        Op::SetSysctl { path, value, .. } => {
            // A later step may have set it again: what counts is what it should be in the end.
            let value = want.and_then(|w| w.sysctls.get(path)).unwrap_or(value);
            node.sysctls.get(path) == Some(value)
        }
        Op::AddVeth { ends } => ends.iter().all(|end| {
            let of = |state: &'_ State| {
                let link = state.nodes.get(end.at.node.as_str())?.links.get(end.end.name.as_str())?;
                Some((link.kind.clone(), link.mac.clone()))
            };
            // Its own address is what tells it from a stranger's, unless it has its bond's; out of that, it has its own.
            let own = Some(("veth".to_string(), Some(end.end.mac.to_string())));
            let found = of(actual);
            found.is_some() && (found == own || found == of(expected))
        }),
        Op::AddLink { link, .. } => {
            let wanted = link.kernel_properties();
            let right = |l: &LinkState| {
                l.kind == link.kernel_kind() && wanted.iter().all(|(k, v)| l.properties.get(k) == Some(v))
            };
            node.links.get(link.name.as_str()).is_some_and(right)
        }
        Op::StartEndpoint { dev, endpoint, .. } => {
            on(node, dev, |l| endpoint.properties().iter().all(|(k, v)| l.properties.get(k) == Some(v)))
        }
        Op::SetMaster { dev, master, .. } => on(node, dev, |l| l.master.as_deref() == Some(master)),
        Op::SetMtu { dev, mtu, .. } => on(node, dev, |l| l.mtu == Some(*mtu)),
        Op::SetVlans { dev, vlans, .. } => on(node, dev, |l| l.properties.get(VLANS) == Some(&vlans.to_string())),
        Op::SetQdisc { dev, qdisc, .. } => on(node, dev, |l| l.properties.get(QDISC) == Some(&qdisc.to_string())),
        Op::AddAddress { dev, address, .. } => on(node, dev, |l| l.addresses.contains(&address.to_string())),
        Op::SetUp { dev, .. } => on(node, dev, |l| l.up),
        Op::AddRoute { route, .. } => there(&route.clone().canonical().to_string(), |n| &n.routes),
        Op::AddRule { rule, .. } => there(&rule.to_string(), |n| &n.rules),
        Op::AddNeighbor { neighbor, .. } => node.neighbors.contains(&neighbor.to_string()),
        Op::AddFdb { fdb, .. } => node.fdb.contains(&fdb.to_string()),
        Op::LoadSets { sets, .. } => sets.iter().all(|set| {
            let name = set.name.as_str();
            let wanted = want.and_then(|w| w.ipsets.get(name)).map_or(&set.members, |s| &s.members);
            let found = node.ipsets.get(name);
            found.is_some_and(|s| s.kind == set.words() && s.members.is_superset(wanted))
        }),
        Op::EditSet { edit, .. } => want.and_then(|w| w.ipsets.get(edit.set.as_str())).is_none_or(|wanted| {
            let found = node.ipsets.get(edit.set.as_str());
            let right = |member| found.map(|f| f.members.contains(member)) == Some(wanted.members.contains(member));
            edit.add.iter().chain(&edit.del).all(right)
        }),
        Op::LoadRules { family, .. } => firewall(want, node, *family),
        Op::StartService { name, .. } => {
            let wanted = want.and_then(|w| w.services.get(name)).unwrap_or(&true);
            !wanted || node.services.get(name) == Some(&true)
        }
        Op::StopService { name, .. } => {
            let wanted = want.and_then(|w| w.services.get(name)).unwrap_or(&false);
            *wanted || node.services.get(name) != Some(&true)
        }
        Op::DelRoute { route, .. } => gone(&route.clone().canonical().to_string(), |n| &n.routes),
        Op::DelRule { rule, .. } => gone(&rule.to_string(), |n| &n.rules),
        // Leaves no trace: whoever changed the files knows whether it is needed.
        Op::ReloadService { .. } => true,
    }
}

fn firewall(want: Option<&NodeState>, have: &NodeState, family: Family) -> bool {
    let Some(want) = want.and_then(|w| w.firewall.get(&family)) else {
        return true;
    };
    let have = have.firewall.get(&family).map(Vec::as_slice).unwrap_or_default();
    if want.len() == have.len() { want == have } else { false }
}

fn on(node: &NodeState, dev: &IfName, right: impl FnOnce(&LinkState) -> bool) -> bool {
    node.links.get(dev.as_str()).is_some_and(right)
}

/// Whether a service is stopped once all steps are done.
pub fn stopped(plan: &Plan, node: &At, service: &str) -> bool {
    let last = plan.steps.iter().rev().find_map(|step| match &step.op {
        Op::StartService { at, name, .. } if at == node && name == service => Some(false),
        Op::StopService { at, name, .. } if at == node && name == service => Some(true),
        _ => None,
    });
    last.unwrap_or(false)
}

/// The other end of a cable that has lost one: it must go before the cable can be made anew.
pub fn other_ends(op: &Op) -> Vec<(&At, &IfName)> {
    match op {
        Op::AddVeth { ends } => ends.iter().map(|e| (&e.at, &e.end.name)).collect(),
        _ => Vec::new(),
    }
}
