//! The steps of an action: the same operations as `up`'s, and a few that take away.

use super::build::marked;
use super::{At, Mode, Op, Plan, Step, build};
use crate::ip::Family;
use crate::span::{Sp, Span};
use crate::topology::{Edit, Node, Topology};

/// The plan of an action; none when there is none of that name. It speaks of the same nodes as the lab's own.
pub fn action(topology: &Topology, mode: Mode, name: &str) -> Option<Plan> {
    let action = topology.actions.get(name)?;
    let mut plan = Plan { steps: Vec::new(), ..build(topology, mode) };
    let mut steps = Vec::new();
    for (node_name, edit) in &action.nodes {
        if let (Some(at), Some(node)) = (plan.at(node_name), topology.nodes.get(node_name)) {
            changes(at, node, edit, &plan.mark(), &mut steps);
        }
    }
    // Programs stop before anything changes under them, and read their files when everything has.
    steps.sort_by_key(|s| match s.op {
        Op::StopService { .. } => 0,
        Op::ReloadService { .. } => 2,
        _ => 1,
    });
    plan.steps = steps;
    Some(plan)
}

fn changes(at: &At, node: &Node, edit: &Edit, mark: &str, steps: &mut Vec<Step>) {
    let mut add = |op: Op, from: Span| steps.push(Step { op, from });
    let at = || at.clone();
    for name in &edit.stop {
        if let Some(service) = node.services.get(&name.value) {
            let service = Box::new(service.value.clone());
            add(Op::StopService { at: at(), name: name.value.clone(), service }, name.span);
        }
    }
    for sysctl in &edit.sysctls {
        let (path, value) = (sysctl.path.clone(), sysctl.value.value.clone());
        add(Op::SetSysctl { at: at(), path, value }, sysctl.span);
    }
    for route in &edit.del_routes {
        add(Op::DelRoute { at: at(), route: route.value.clone() }, route.span);
    }
    for route in &edit.add_routes {
        add(Op::AddRoute { at: at(), route: route.value.clone() }, route.span);
    }
    for rule in &edit.del_rules {
        add(Op::DelRule { at: at(), rule: rule.value.clone() }, rule.span);
    }
    for rule in &edit.add_rules {
        add(Op::AddRule { at: at(), rule: rule.value.clone() }, rule.span);
    }
    for set in &edit.sets {
        add(Op::EditSet { at: at(), edit: set.value.clone() }, set.span);
    }
    for (family, lines) in [(Family::V4, &edit.iptables), (Family::V6, &edit.ip6tables)] {
        let Some(first) = lines.first() else { continue };
        let plain = lines.iter().map(|l: &Sp<_>| l.value.clone());
        let lines = if at().netns.is_none() { plain.map(|l| marked(l, mark)).collect() } else { plain.collect() };
        add(Op::LoadRules { at: at(), family, lines }, first.span);
    }
    for (path, content) in &edit.files {
        add(Op::WriteFile { at: at(), path: path.clone(), content: content.value.clone() }, content.span);
    }
    let changed = |path: &String| edit.files.iter().find(|(p, _)| p == path);
    for (name, service) in &node.services {
        let stays = !edit.stop.iter().any(|s| s.value == *name);
        if let (true, Some((_, content))) = (stays, service.files.iter().find_map(changed)) {
            let op = Op::ReloadService { at: at(), name: name.clone(), service: Box::new(service.value.clone()) };
            add(op, content.span);
        }
    }
}
