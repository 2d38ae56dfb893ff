//! What the kernel has to know: kinds of links, qdiscs, settings. It is asked in a namespace that ends with the question.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::kernel::endpoint::Tun;
use crate::kernel::{Refusal, machine};
use crate::link::{By, Kind};
use crate::plan::{Lacking, Op, Plan};
use crate::span::Span;
use crate::topology::Topology;

/// # Errors
/// It cannot be asked: there is no namespace to be had.
pub(super) fn look(topology: &Topology, plan: &Plan) -> std::result::Result<Vec<Error>, Refusal> {
    let mut found: Vec<Error> = carried(topology, plan).into_iter().collect();
    found.extend(kinds(topology, plan)?);
    found.extend(qdiscs(topology, plan)?);
    found.extend(settings(topology, plan)?);
    Ok(found)
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

fn links(plan: &Plan, by: By) -> impl Iterator<Item = (&Kind, Span)> {
    plan.steps.iter().filter_map(move |step| match &step.op {
        Op::AddLink { link, .. } if link.by == by => Some((&link.kind, step.from)),
        _ => None,
    })
}

/// Whether netlab can carry the packets of the links that it is to carry itself.
fn carried(topology: &Topology, plan: &Plan) -> Option<Error> {
    let (_, span) = links(plan, By::UserSpace).next()?;
    let refused = Tun::possible().err()?;
    let error = Error::machine("this kernel can neither make the link nor lets netlab do it (no /dev/net/tun)")
        .place(&topology.source, span, "needed here")
        .cause(refused)
        .help("load the module (`modprobe tun`); in a container, start it with `--device /dev/net/tun`");
    Some(error)
}

/// Whether the kernel has the kinds of links that the plan asks it for.
fn kinds(topology: &Topology, plan: &Plan) -> std::result::Result<Option<Error>, Refusal> {
    let lacking = ask(links(plan, By::Kernel).map(|(kind, _)| kind))?;
    if lacking.is_empty() {
        return Ok(None);
    }
    // A bridge is everywhere; one that looks at tags is not (CONFIG_BRIDGE_VLAN_FILTERING).
    let name = |kind: &Kind| if kind.word() == "bridge" { "bridge with vlan-filtering" } else { kind.word() };
    let names: Vec<&str> = lacking.iter().map(name).collect();
    let modules: Vec<&str> = lacking.iter().map(Kind::module).collect();
    let needed = |wanted: &Kind| {
        let named = |kind: &Kind| kind.word() == wanted.word() && !is_usual(kind);
        links(plan, By::Kernel).find(|(kind, _)| named(kind)).map(|(_, span)| span).unwrap_or_default()
    };
    let mut help =
        format!("load the module (`modprobe -a {}`), or use a machine whose kernel has it", modules.join(" "));
    if lacking.iter().all(|kind| kind.endpoint(&[]).is_some()) {
        help.push_str(", or let netlab carry the packets itself (without --kernel-only and `user-space: off`)");
    }
    let error = Error::machine(format!("this kernel cannot make links of kind {}", names.join(", ")));
    let mut error = error.place(&topology.source, needed(&lacking[0]), "needed here");
    for kind in &lacking[1..] {
        error = error.note(format!("{} is needed at {}", name(kind), topology.source.at(needed(kind))));
    }
    Ok(Some(error.help(help)))
}

/// Whether the kernel has the qdiscs that the plan asks it for.
fn qdiscs(topology: &Topology, plan: &Plan) -> std::result::Result<Option<Error>, Refusal> {
    let wanted = || {
        plan.steps.iter().filter_map(|step| match &step.op {
            Op::SetQdisc { qdisc, .. } => Some((qdisc, step.from)),
            _ => None,
        })
    };
    let words: BTreeSet<&'static str> = wanted().map(|(qdisc, _)| qdisc.word()).collect();
    if words.is_empty() {
        return Ok(None);
    }
    let lacking = crate::kernel::lacking_qdiscs(words.into_iter().collect())?;
    let Some((_, span)) = wanted().find(|(qdisc, _)| lacking.contains(&qdisc.word())) else { return Ok(None) };
    let modules: BTreeSet<&str> =
        wanted().filter(|(qdisc, _)| lacking.contains(&qdisc.word())).map(|(qdisc, _)| qdisc.module()).collect();
    let modules = modules.into_iter().collect::<Vec<_>>().join(" ");
    let error = Error::machine(format!("this kernel has no {}", lacking.join(" and no ")))
        .place(&topology.source, span, "needed here")
        .help(format!("load the module (`modprobe -a {modules}`), or use a machine whose kernel has it"));
    Ok(Some(error))
}

/// Whether the kernel takes the settings of namespaces. What every lab sets, and what is about an interface, it does.
fn settings(topology: &Topology, plan: &Plan) -> std::result::Result<Vec<Error>, Refusal> {
    let usual = |path: &str| {
        let per_interface = ["net/ipv4/conf/", "net/ipv6/conf/", "net/ipv4/neigh/", "net/ipv6/neigh/"];
        per_interface.iter().any(|p| path.starts_with(p))
            || matches!(path, "net/ipv4/ip_forward" | "net/ipv4/ping_group_range")
    };
    // Without IPv6 none of its settings are there, which is no news.
    let asks = |path: &str| !usual(path) && (machine::has_ipv6() || !path.starts_with("net/ipv6/"));
    let mut wanted: BTreeMap<(String, String), Span> = BTreeMap::new();
    for step in &plan.steps {
        if let Op::SetSysctl { at, path, value } = &step.op
            && at.netns.is_some()
            && asks(path)
        {
            wanted.entry((path.clone(), value.clone())).or_insert(step.from);
        }
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<_> = wanted.keys().cloned().collect();
    let refused = crate::kernel::refused_settings(asked.clone())?;
    let told = refused.into_iter().map(|(n, refusal)| {
        let (path, value) = &asked[n];
        let (what, help) = match refusal.errno {
            libc::ENOENT => (
                format!("a node has no setting {path} of its own on this kernel"),
                "leave it out: it is the whole machine's, or of a module that is not loaded",
            ),
            libc::EACCES | libc::EPERM => {
                (format!("{path} is a setting of the whole machine, not of a node"), "leave it out")
            }
            _ => (
                format!("the kernel does not take `{}` for {path}", value.replace('\t', " ")),
                "write a value that it takes",
            ),
        };
        Error::machine(what).place(&topology.source, wanted[&asked[n]], "").help(help).cause(refusal)
    });
    Ok(told.collect())
}
