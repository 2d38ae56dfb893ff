//! What has to be installed: programs, users, IPv6.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::ip::Family;
use crate::kernel::machine;
use crate::plan::{Mode, Op, Plan, action};
use crate::topology::Topology;

pub(super) fn look(topology: &Topology, plan: &Plan) -> Vec<Error> {
    let missing = missing_programs(topology, plan);
    let absent: BTreeSet<&str> = missing.iter().map(|(program, ..)| program.as_str()).collect();
    let users = users(topology, &absent);
    not_installed(&missing).into_iter().chain(ipv6(topology)).chain(users).collect()
}

/// The programs that a lab uses and this machine lacks: name, package, who needs it.
pub fn missing_programs(topology: &Topology, plan: &Plan) -> Vec<(String, Option<&'static str>, String)> {
    let mut needed: BTreeMap<String, (Option<&'static str>, String)> = BTreeMap::new();
    let mut need = |program: &str, package: Option<&'static str>, by: String| {
        needed.entry(program.to_string()).or_insert((package.or_else(|| machine::package(program)), by));
    };
    let mode = if plan.machine().is_some() { Mode::OnHost } else { Mode::Isolated };
    let actions: Vec<Plan> = topology.actions.keys().filter_map(|name| action(topology, mode, name)).collect();
    for step in plan.steps.iter().chain(actions.iter().flat_map(|plan| &plan.steps)) {
        match &step.op {
            Op::LoadRules { at, family, .. } => {
                let by = format!("{} ({})", at.node, topology.source.at(step.from));
                let v6 = *family == Family::V6;
                need(if v6 { "ip6tables-restore" } else { "iptables-restore" }, None, by.clone());
                if at.netns.is_none() && uses_nft() {
                    need("nft", None, by);
                }
            }
            Op::LoadSets { at, .. } => need("ipset", None, format!("{} ({})", at.node, topology.source.at(step.from))),
            Op::StartService { at, name, service } => {
                let by = format!("service {name} of {} ({})", at.node, topology.source.at(step.from));
                service.programs().for_each(|program| need(program, None, by.clone()));
            }
            _ => {}
        }
    }
    for check in &topology.checks {
        for (program, package) in check.kind.programs() {
            need(&program, package, format!("a check ({})", topology.source.at(check.span)));
        }
    }
    let missing = needed.into_iter().filter(|(program, _)| machine::find_program(program).is_none());
    missing.map(|(program, (package, by))| (program, package, by)).collect()
}

fn not_installed(missing: &[(String, Option<&'static str>, String)]) -> Option<Error> {
    if missing.is_empty() {
        return None;
    }
    let names: Vec<String> = missing.iter().map(|(program, ..)| format!("`{program}`")).collect();
    let mut error = Error::machine(format!("not installed: {}", names.join(", ")));
    for (program, _, by) in missing {
        error = error.note(format!("{program} is needed by {by}"));
    }
    let packages: BTreeSet<&str> = missing.iter().filter_map(|(_, package, _)| *package).collect();
    if packages.is_empty() {
        return Some(error);
    }
    Some(error.help(format!("apt install {}", packages.into_iter().collect::<Vec<_>>().join(" "))))
}

/// The iptables of this machine writes nftables, whose empty tables only `nft` can remove.
fn uses_nft() -> bool {
    let Some(path) = machine::find_program("iptables") else {
        return false;
    };
    path.canonicalize().is_ok_and(|p| p.to_string_lossy().contains("nft"))
}

fn ipv6(topology: &Topology) -> Option<Error> {
    if machine::has_ipv6() {
        return None;
    }
    let (name, node) = topology.nodes.iter().find(|(_, node)| node.ipv6)?;
    let error = Error::machine("IPv6 is disabled on this machine (kernel parameter ipv6.disable=1)")
        .place(&topology.source, node.span, format!("`{name}` uses IPv6"))
        .help("start the machine without that parameter");
    Some(error)
}

fn users(topology: &Topology, absent: &BTreeSet<&str>) -> Vec<Error> {
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for (node, settings) in &topology.nodes {
        for (name, service) in &settings.services {
            let Some(user) = &service.user else { continue };
            // A daemon's user comes with its package.
            let comes = service.programs().any(|p| absent.contains(p) && machine::package(p).is_some());
            if comes || machine::has_user(user) || !told.insert(user) {
                continue;
            }
            let what = format!("service `{name}` of `{node}`: there is no user `{user}` on this machine");
            let error = Error::machine(what).place(&topology.source, service.span, "");
            found.push(error.help("name one of `getent passwd`, or leave `user` out"));
        }
    }
    found
}
