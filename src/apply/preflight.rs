//! Before anything changes: may netlab do this, has the machine what the lab uses, is anything in the way?
//!
//! Only what the lab uses is looked at: a lab without firewall lines needs no iptables. All findings come at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ipnet::IpNet;

use super::limits::{self, OWN_FILES};
use super::{ground, journal, running};
use crate::error::{Error, Result};
use crate::ip::Family;
use crate::kernel::endpoint::Tun;
use crate::kernel::limits as kernel_limits;
use crate::kernel::{Linux, Refusal, forwarding, ipset, machine, netns};
use crate::link::{By, Kind};
use crate::name::NodeName;
use crate::plan::{ETC, Lacking, Mode, NODES, Op, Plan, action};
use crate::span::Span;
use crate::topology::{Interface, Topology};

/// Root, or the capabilities.
pub fn rights() -> Result<()> {
    if machine::is_setuid() {
        return Err(Error::machine("netlab must not be installed setuid: it would hand root to everybody")
            .help("run it with sudo"));
    }
    let missing = machine::missing_capabilities();
    if missing.is_empty() {
        return Ok(());
    }
    let error = Error::machine(format!("this needs more rights: {} missing", missing.join(", ")));
    Err(if nix::unistd::geteuid().is_root() {
        error.help("in a container, start it with `--cap-add NET_ADMIN --cap-add NET_RAW --cap-add SYS_ADMIN --security-opt apparmor=unconfined`, or `--privileged`")
    } else {
        error.help("run it as root, as in `sudo netlab up …`")
    })
}

/// As many open files as the steps take, and taking them back: before the first folder is made.
pub fn files(plan: &Plan) -> Result<()> {
    let (open, room) = (kernel_limits::open_files(), kernel_limits::room_for_files(OWN_FILES) as u64);
    if room >= OWN_FILES {
        return Ok(());
    }
    let (wanted, allowed) = (open + OWN_FILES, open + room);
    Err(Error::machine(format!("`{}` needs {wanted} open files, and may have {allowed}", plan.lab))
        .note("nothing was changed")
        .help(format!("`ulimit -n {wanted}`, or more, before it")))
}

/// Everything else.
pub fn look(topology: &Topology, plan: &Plan, kernel: &mut Linux) -> Result<()> {
    programs(topology, plan)?;
    ipv6(topology)?;
    users(topology)?;
    kinds(topology, plan)?;
    qdiscs(topology, plan)?;
    settings(topology, plan)?;
    names(plan)?;
    limits::look(topology, plan)?;
    if plan.machine().is_some() {
        on_host(topology, plan, kernel)?;
    }
    Ok(())
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

fn programs(topology: &Topology, plan: &Plan) -> Result<()> {
    let missing = missing_programs(topology, plan);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.iter().map(|(program, ..)| format!("`{program}`")).collect();
    let mut error = Error::machine(format!("not installed: {}", names.join(", ")));
    for (program, _, by) in &missing {
        error = error.note(format!("{program} is needed by {by}"));
    }
    let mut packages: Vec<&str> = missing.iter().filter_map(|(_, package, _)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    if !packages.is_empty() {
        error = error.help(format!("apt install {}", packages.join(" ")));
    }
    Err(error)
}

/// The iptables of this machine writes nftables, whose empty tables only `nft` can remove.
fn uses_nft() -> bool {
    let Some(path) = machine::find_program("iptables") else {
        return false;
    };
    path.canonicalize().is_ok_and(|p| p.to_string_lossy().contains("nft"))
}

fn ipv6(topology: &Topology) -> Result<()> {
    let user = topology.nodes.iter().find(|(_, node)| node.ipv6);
    match user {
        Some((name, node)) if !std::path::Path::new("/proc/sys/net/ipv6").exists() => {
            Err(Error::machine("IPv6 is disabled on this machine (kernel parameter ipv6.disable=1)")
                .place(&topology.source, node.span, format!("`{name}` uses IPv6"))
                .help("start the machine without that parameter"))
        }
        _ => Ok(()),
    }
}

fn users(topology: &Topology) -> Result<()> {
    for (node, settings) in &topology.nodes {
        for (name, service) in &settings.services {
            let Some(user) = &service.user else { continue };
            if !matches!(nix::unistd::User::from_name(user), Ok(Some(_))) {
                return Err(Error::machine(format!(
                    "service `{name}` of `{node}`: there is no user `{user}` on this machine"
                ))
                .place(&topology.source, service.span, "")
                .note("nothing was changed")
                .help("name one of `getent passwd`, or leave `user` out"));
            }
        }
    }
    Ok(())
}

/// The kinds of links of the lab that this kernel lacks; nothing when it cannot be asked, which takes rights.
pub fn lacking(topology: &Topology) -> Option<Lacking> {
    let all = topology.nodes.values().flat_map(|node| node.interfaces.values()).map(|i| &i.kind);
    let lacking = ask(all.filter(|kind| kind.user_space().is_none())).ok()?;
    Some(lacking.iter().map(|kind| kind.word().to_string()).collect())
}

/// One question for each kind. veth and bridge are asked by making them: they are nearly everywhere, and a question
/// costs more than they do.
fn ask<'k>(kinds: impl Iterator<Item = &'k Kind>) -> std::result::Result<Vec<Kind>, Refusal> {
    let mut wanted: BTreeMap<&'static str, &Kind> = BTreeMap::new();
    for kind in kinds.filter(|kind| !is_usual(kind)) {
        wanted.entry(kind.word()).or_insert(kind);
    }
    if wanted.is_empty() { Ok(Vec::new()) } else { crate::kernel::lacking(wanted.into_values().cloned().collect()) }
}

fn is_usual(kind: &Kind) -> bool {
    match kind {
        Kind::Bridge(bridge) => !bridge.vlan_filtering,
        other => matches!(other, Kind::Loopback | Kind::Veth),
    }
}

/// Whether the kernel has the kinds of links that the plan asks it for.
fn kinds(topology: &Topology, plan: &Plan) -> Result<()> {
    let links = || {
        plan.steps.iter().filter_map(|step| match &step.op {
            Op::AddLink { link, .. } => Some((link, step.from)),
            _ => None,
        })
    };
    if let Some((_, span)) = links().find(|(link, _)| link.by == By::UserSpace)
        && let Err(e) = Tun::possible()
    {
        return Err(Error::machine("this kernel can neither make the link nor lets netlab do it (no /dev/net/tun)")
            .place(&topology.source, span, "needed here")
            .cause(e)
            .help("load the module (`modprobe tun`); in a container, start it with `--device /dev/net/tun`"));
    }
    let by_kernel = links().filter(|(link, _)| link.by == By::Kernel);
    let lacking = ask(by_kernel.map(|(link, _)| &link.kind)).map_err(|r| Error::machine(r.to_string()))?;
    let Some(first) = lacking.first() else { return Ok(()) };
    let names: Vec<&str> = lacking.iter().map(Kind::word).collect();
    let modules: Vec<&str> = lacking.iter().map(Kind::module).collect();
    let named = |kind: &Kind| kind.word() == first.word() && !is_usual(kind);
    let span = links().find(|(link, _)| named(&link.kind)).map(|(_, span)| span).unwrap_or_default();
    let mut help =
        format!("load the module (`modprobe -a {}`), or use a machine whose kernel has it", modules.join(" "));
    if lacking.iter().all(|kind| kind.endpoint(&[]).is_some()) {
        help.push_str(", or let netlab carry the packets itself (without --kernel-only and `user-space: off`)");
    }
    // A bridge is everywhere; one that looks at tags is not (CONFIG_BRIDGE_VLAN_FILTERING).
    let names = names.join(", ").replace("bridge", "bridge with vlan-filtering");
    Err(Error::machine(format!("this kernel cannot make links of kind {names}"))
        .place(&topology.source, span, "needed here")
        .note("nothing was changed")
        .help(help))
}

/// Whether the kernel has the qdiscs that the plan asks it for.
fn qdiscs(topology: &Topology, plan: &Plan) -> Result<()> {
    let wanted = || {
        plan.steps.iter().filter_map(|step| match &step.op {
            Op::SetQdisc { qdisc, .. } => Some((qdisc, step.from)),
            _ => None,
        })
    };
    let words: BTreeSet<&'static str> = wanted().map(|(qdisc, _)| qdisc.word()).collect();
    if words.is_empty() {
        return Ok(());
    }
    let lacking = crate::kernel::lacking_qdiscs(words.into_iter().collect());
    let lacking = lacking.map_err(|r| Error::machine(r.to_string()))?;
    let Some((first, span)) = wanted().find(|(qdisc, _)| lacking.contains(&qdisc.word())) else { return Ok(()) };
    Err(Error::machine(format!("this kernel has no {}", lacking.join(" and no ")))
        .place(&topology.source, span, "needed here")
        .note("nothing was changed")
        .help(format!("load the module (`modprobe {}`), or use a machine whose kernel has it", first.module())))
}

/// Whether the kernel takes the settings of namespaces. What every lab sets, and what is about an interface, it does.
fn settings(topology: &Topology, plan: &Plan) -> Result<()> {
    let usual = |path: &str| {
        let per_interface = ["net/ipv4/conf/", "net/ipv6/conf/", "net/ipv4/neigh/", "net/ipv6/neigh/"];
        per_interface.iter().any(|p| path.starts_with(p))
            || matches!(path, "net/ipv4/ip_forward" | "net/ipv4/ping_group_range")
    };
    let mut wanted: BTreeMap<(String, String), Span> = BTreeMap::new();
    for step in &plan.steps {
        if let Op::SetSysctl { at, path, value } = &step.op
            && at.netns.is_some()
            && !usual(path)
        {
            wanted.entry((path.clone(), value.clone())).or_insert(step.from);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let asked: Vec<_> = wanted.keys().cloned().collect();
    let refused = crate::kernel::refused_settings(asked.clone()).map_err(|r| Error::machine(r.to_string()))?;
    let Some((first, refusal)) = refused.first() else { return Ok(()) };
    let (path, value) = &asked[*first];
    let (what, help) = match refusal.errno {
        libc::ENOENT => (
            format!("a node has no setting {path} of its own on this kernel"),
            "leave it out: it is the whole machine's, or of a module that is not loaded",
        ),
        libc::EACCES | libc::EPERM => {
            (format!("{path} is a setting of the whole machine, not of a node"), "leave it out")
        }
        _ => (format!("the kernel does not take `{value}` for {path}"), "write a value that it takes"),
    };
    let mut error = Error::machine(what).place(&topology.source, wanted[&asked[*first]], "").help(help);
    for (n, refusal) in &refused[1..] {
        error = error.note(format!("nor {} = {}: {refusal}", asked[*n].0, asked[*n].1));
    }
    Err(error.note("nothing was changed").cause(anyhow::anyhow!("{refusal}")))
}

/// Names that netlab is about to take.
fn names(plan: &Plan) -> Result<()> {
    let mut taken = Vec::new();
    let written = |op: &Op| matches!(op, Op::WriteFile { .. }).then(|| op.at().node.clone());
    let writes: HashSet<NodeName> = plan.steps.iter().filter_map(|s| written(&s.op)).collect();
    for at in &plan.nodes {
        let Some(name) = &at.netns else { continue };
        if netns::exists(name) {
            taken.push((name, format!("{} exists and was not made by netlab", netns::path(name).display())));
        }
        for folder in [ETC, NODES].map(|top| std::path::Path::new(top).join(name)) {
            if writes.contains(&at.node) && folder.exists() {
                taken.push((name, format!("{} exists and was not made by netlab", folder.display())));
            }
        }
    }
    let Some((first, _)) = taken.first() else {
        return Ok(());
    };
    let mut error = Error::conflict(format!(
        "{} of the names that `{}` needs {} taken",
        taken.len(),
        plan.lab,
        if taken.len() == 1 { "is" } else { "are" }
    ));
    for (_, why) in &taken {
        error = error.note(format!("{why}; not touching it"));
    }
    let other = running::all().into_iter().find(|r| {
        r.name != *plan.lab && r.entry.plan.iter().flat_map(|p| &p.nodes).any(|at| at.netns.as_ref() == Some(*first))
    });
    Err(match other {
        Some(other) => error.help(format!("lab `{0}` has it: `netlab down {0}`", other.name)),
        None => error.help(format!("if nobody needs it: `ip netns del {first}`")),
    })
}

/// Names that another lab's journal speaks of, though nothing is there under them: it is being brought up right now, or its
/// `up` was killed. Its `down` would take an empty namespace of that name for its own.
pub fn claimed(plan: &Plan) -> Result<()> {
    let boot = machine::boot_id();
    let needed: HashSet<&str> = plan.nodes.iter().filter_map(|at| at.netns.as_deref()).collect();
    for lab in ground::labs().into_iter().filter(|lab| *lab != *plan.lab) {
        let Some(header) = journal::head(&ground::lab_folder(&lab)).filter(|h| h.boot_id == boot) else { continue };
        if let Some(name) = header.plan.namespaces().find(|name| needed.contains(name)) {
            return Err(Error::conflict(format!(
                "lab `{lab}`, which is not whole right now, has the name `{name}` too"
            ))
            .help(format!("`netlab down {lab}`, or wait until it is up or gone")));
        }
    }
    Ok(())
}

/// With `--on-host`: what of the machine would be in the way.
fn on_host(topology: &Topology, plan: &Plan, kernel: &mut Linux) -> Result<()> {
    if let Some(other) =
        running::all().into_iter().find(|r| r.name != *plan.lab && r.entry.on_host() && !r.entry.is_stale())
    {
        return Err(Error::conflict(format!("lab `{}` is up with --on-host; one at a time", other.name))
            .help(format!("`netlab down {}` first", other.name)));
    }
    let machine =
        kernel.observe_machine().map_err(|r| Error::machine("cannot read this machine's network").cause(r))?;
    for (name, node) in topology.nodes.iter().filter(|(_, node)| node.host) {
        for (dev, interface) in node.interfaces.iter().filter(|(_, i)| !matches!(i.kind, Kind::Loopback)) {
            if machine.links.contains_key(dev.as_str()) {
                return Err(Error::conflict(format!("this machine already has an interface `{dev}`; not touching it"))
                    .place(&topology.source, interface.span, "")
                    .help("rename the lab's interface, or leave out --on-host"));
            }
            for address in &interface.addresses {
                if let Some(route) = overlapping(&machine.connected, &address.net) {
                    return Err(Error::conflict(format!(
                        "{} overlaps this machine's own network: {route}",
                        address.net.trunc()
                    ))
                    .place(&topology.source, address.span, "")
                    .help("give the lab another network, or leave out --on-host"));
                }
            }
        }
        let sets = if node.ipsets.is_empty() { Ok(BTreeMap::new()) } else { ipset::shown() };
        let sets = sets.map_err(|r| Error::machine("cannot read this machine's ipsets").cause(r))?;
        for set in &node.ipsets {
            if sets.contains_key(set.name.as_str()) {
                return Err(Error::conflict(format!(
                    "this machine already has an ipset `{}`; not touching it",
                    set.name
                ))
                .place(&topology.source, set.span, "")
                .help("rename the lab's set, or leave out --on-host"));
            }
        }
        for route in &node.routes {
            if machine.has_route(&route.value) {
                return Err(Error::conflict(format!(
                    "this machine already has a route to {}",
                    if route.is_default() { "everywhere (default)".into() } else { route.to.to_string() }
                ))
                .place(&topology.source, route.span, "")
                .help("name the one network that the lab needs instead, or leave out --on-host"));
            }
        }
        if let Some((path, file)) = node.files.iter().next() {
            return Err(Error::usage(format!("`{path}` of `{name}` would be a file of this machine"))
                .place(&topology.source, file.span, "")
                .help("leave it out of the host node, or leave out --on-host"));
        }
        let hosts = node.hosts.iter().map(|h| (h.span, "hosts"));
        if let Some((span, what)) = hosts.chain(node.resolv_conf.iter().map(|r| (r.span, "dns"))).next() {
            return Err(Error::usage(format!("`{what}` of `{name}` would change /etc of this machine"))
                .place(&topology.source, span, "")
                .help("leave it out of the host node, or leave out --on-host"));
        }
    }
    forward_policy(topology)
}

fn overlapping(networks: &[(IpNet, String)], net: &IpNet) -> Option<String> {
    let both = |other: &IpNet| other.contains(&net.network()) || net.contains(&other.network());
    networks.iter().find(|(other, _)| both(other)).map(|(other, dev)| format!("{other} on {dev}"))
}

/// Docker sets the FORWARD policy to DROP and firewalld rejects what is in no zone; an accept elsewhere does not override it.
fn forward_policy(topology: &Topology) -> Result<()> {
    for node in topology.nodes.values().filter(|n| n.host) {
        for (family, path) in [(Family::V4, "net/ipv4/ip_forward"), (Family::V6, "net/ipv6/conf/all/forwarding")] {
            if !node.sysctls.iter().any(|s| s.path == path && s.value.value == "1") {
                continue;
            }
            let rules = forwarding::Rules::read(family);
            let meets = |i: &Interface| i.addresses.iter().any(|a| Family::of(a.net.addr()) == family);
            let routed = node.interfaces.iter().filter(|(_, i)| !matches!(i.kind, Kind::Loopback) && meets(i));
            let thrown = routed.filter_map(|(dev, _)| Some((dev.as_str(), rules.throw_away(dev)?)));
            let (devs, reasons): (Vec<&str>, Vec<_>) = thrown.unzip();
            let Some(first) = reasons.into_iter().next() else { continue };
            let sets = first.owner.name().map(|name| format!("; {name} sets that")).unwrap_or_default();
            let beside = first.owner.name().unwrap_or("it");
            let error = Error::conflict(format!(
                "this machine's firewall drops forwarded packets that come in by {} ({}{sets})",
                devs.join(", "),
                first.by
            ))
            .help(format!("bring the lab up without --on-host: inside its own namespaces {beside} is not in the way"));
            let ways: Vec<String> = devs.iter().filter_map(|dev| first.owner.let_through(dev)).collect();
            return Err(if ways.is_empty() {
                error
            } else {
                error.help(format!("or let them through, until you take it back: {}", ways.join("; ")))
            });
        }
    }
    Ok(())
}
