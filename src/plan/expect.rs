//! What must be there once a plan is carried out.

use super::{At, Op, Plan};
use crate::ip::iptables::Verb;
use crate::ip::route::Proto;
use crate::link::Kind;
use crate::name::IfName;
use crate::state::{LinkState, NodeState, QDISC, SetState, State, VLANS, digest};

/// The picture that the kernel should then show.
pub fn expect(plan: &Plan) -> State {
    let mut state = State::default();
    for at in &plan.nodes {
        state.nodes.insert(at.node.to_string(), bare(at));
    }
    for step in &plan.steps {
        paint(&mut state, &step.op);
    }
    state
}

/// A new namespace: `lo`, down.
fn bare(at: &At) -> NodeState {
    let mut node = NodeState { machine: at.netns.is_none(), ..NodeState::default() };
    if !node.machine {
        let lo = LinkState { kind: Kind::Loopback.word().into(), mtu: Some(65_536), ..LinkState::default() };
        node.links.insert("lo".into(), lo);
    }
    node
}

/// Adds to a picture what an operation comes to.
pub fn paint(state: &mut State, op: &Op) {
    let Some(node) = state.nodes.get_mut(op.at().node.as_str()) else {
        return;
    };
    match op {
        Op::AddNetns { .. } | Op::AddRun { .. } | Op::ReloadService { .. } => {}
        Op::WriteFile { path, content, .. } => {
            node.files.insert(path.clone(), digest(content.as_bytes()));
        }
        Op::SetSysctl { path, value, .. } => {
            node.sysctls.insert(path.clone(), value.clone());
        }
        Op::AddVeth { ends } => {
            for end in ends.iter() {
                let link = LinkState {
                    kind: Kind::Veth.word().into(),
                    mac: Some(end.end.mac.to_string()),
                    mtu: Some(end.end.mtu.unwrap_or(1500)),
                    ..LinkState::default()
                };
                if let Some(node) = state.nodes.get_mut(end.at.node.as_str()) {
                    node.links.insert(end.end.name.to_string(), link);
                }
            }
        }
        Op::AddLink { link, .. } => {
            let made = LinkState {
                kind: link.kernel_kind().into(),
                mac: link.mac.map(|m| m.to_string()),
                mtu: link.mtu,
                properties: link.kernel_properties(),
                ..LinkState::default()
            };
            node.links.insert(link.name.to_string(), made);
        }
        Op::StartEndpoint { dev, endpoint, .. } => link(node, dev, |l| l.properties.extend(endpoint.properties())),
        Op::SetMaster { dev, master, .. } => set_master(node, dev, master),
        Op::SetMtu { dev, mtu, .. } => link(node, dev, |l| l.mtu = Some(*mtu)),
        Op::SetVlans { dev, vlans, .. } => link(node, dev, |l| {
            l.properties.insert(VLANS.into(), vlans.to_string());
        }),
        Op::SetQdisc { dev, qdisc, .. } => link(node, dev, |l| {
            l.properties.insert(QDISC.into(), qdisc.to_string());
        }),
        Op::AddAddress { dev, address, .. } => {
            if node.machine {
                node.links.entry(dev.to_string()).or_insert_with(|| LinkState {
                    kind: "loopback".into(),
                    up: true,
                    ..LinkState::default()
                });
            }
            link(node, dev, |l| {
                l.addresses.insert(address.to_string());
            });
        }
        Op::SetUp { dev, .. } => link(node, dev, |l| l.up = true),
        Op::AddRoute { route, .. } => {
            // What the lab calls the kernel's own is left to the kernel.
            if route.proto != Proto::KERNEL {
                node.routes.insert(route.clone().canonical().to_string());
            }
        }
        Op::AddRule { rule, .. } => {
            node.rules.insert(rule.to_string());
        }
        Op::AddNeighbor { neighbor, .. } => {
            node.neighbors.insert(neighbor.to_string());
        }
        Op::AddFdb { fdb, .. } => {
            node.fdb.insert(fdb.to_string());
        }
        Op::LoadSets { sets, .. } => {
            for set in sets {
                let made = SetState { kind: set.words(), members: set.members.clone() };
                node.ipsets.insert(set.name.to_string(), made);
            }
        }
        Op::LoadRules { family, lines, .. } => {
            let shown = node.firewall.entry(*family).or_default();
            for line in lines {
                let text = format!("-t {} {}", line.table, line.spec("-A"));
                match line.verb {
                    Verb::Delete => shown.retain(|l| *l != text),
                    Verb::Append | Verb::Insert | Verb::NewChain | Verb::Policy => shown.push(text),
                }
            }
        }
        Op::StartService { name, .. } => {
            node.services.insert(name.clone(), true);
        }
        Op::StopService { name, .. } => {
            node.services.insert(name.clone(), false);
        }
        Op::DelRoute { route, .. } => {
            node.routes.remove(&route.clone().canonical().to_string());
        }
        Op::DelRule { rule, .. } => {
            node.rules.remove(&rule.to_string());
        }
        Op::EditSet { edit, .. } => {
            if let Some(set) = node.ipsets.get_mut(edit.set.as_str()) {
                set.members.retain(|member| !edit.del.contains(member));
                set.members.extend(edit.add.iter().cloned());
            }
        }
    }
}

fn link(node: &mut NodeState, dev: &IfName, change: impl FnOnce(&mut LinkState)) {
    if let Some(link) = node.links.get_mut(dev.as_str()) {
        change(link);
    }
}

fn set_master(node: &mut NodeState, dev: &IfName, master: &IfName) {
    let lender = node.links.get(master.as_str()).filter(|m| crate::link::lends(&m.kind)).cloned();
    link(node, dev, |l| {
        l.master = Some(master.to_string());
        if let Some(lender) = lender {
            (l.mac, l.mtu, l.up) = (lender.mac, lender.mtu, true);
        }
    });
}
