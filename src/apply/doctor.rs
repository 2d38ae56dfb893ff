//! A look at the machine, before anything is tried: what labs need, what gets in their way, what was left.
//!
//! Nothing is changed. What the built-in labs use is what is looked for, so a finding can say which labs it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::{gc, ground, limits, preflight, trust};
use crate::ip::Family;
use crate::kernel::endpoint::Tun;
use crate::kernel::limits::neighbours as table_of_neighbours;
use crate::kernel::{forwarding, machine, netns};
use crate::labs;
use crate::link::Kind;
use crate::plan::{Mode, Op, build};
use crate::topology::{self, Topology};

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Labs cannot come up, or not all of them.
    Problem,
}

/// Something about the machine.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// How good or bad.
    pub level: Level,
    /// What it is about.
    pub about: &'static str,
    /// What was found.
    pub found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, about: &'static str, found: impl Into<String>) {
        self.0.push(Finding { level: Level::Ok, about, found: found.into(), todo: None });
    }
    fn note(&mut self, about: &'static str, found: impl Into<String>, todo: impl Into<String>) {
        self.0.push(Finding { level: Level::Note, about, found: found.into(), todo: Some(todo.into()) });
    }
    fn problem(&mut self, about: &'static str, found: impl Into<String>, todo: impl Into<String>) {
        self.0.push(Finding { level: Level::Problem, about, found: found.into(), todo: Some(todo.into()) });
    }
}

/// Everything worth saying about this machine.
pub fn examine() -> Vec<Finding> {
    let mut findings = Findings::default();
    let load = |lab: &labs::BuiltIn| Some(topology::load(lab.source()).ok()?.0);
    let all: Vec<Topology> = labs::ALL.iter().filter_map(load).collect();
    rights(&mut findings);
    place(&mut findings);
    programs(&all, &mut findings);
    kinds(&all, &mut findings);
    qdiscs(&all, &mut findings);
    ipv6(&mut findings);
    filters(&mut findings);
    neighbours(&mut findings);
    limits(&mut findings);
    leftovers(&all, &mut findings);
    findings.0
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_string()
}

fn rights(findings: &mut Findings) {
    match preflight::rights() {
        Ok(()) => findings.ok("rights", "this user may make labs"),
        Err(error) => findings.problem("rights", error.to_string(), error.detail().help.join("; ")),
    }
}

fn place(findings: &mut Findings) {
    let (release, version) = machine::release();
    if version < preflight::OLDEST {
        let (major, minor) = preflight::OLDEST;
        findings.problem(
            "kernel",
            format!("Linux {release} is too old"),
            format!("use Linux {major}.{minor} or newer"),
        );
    } else if version < (5, 14) {
        findings.note(
            "kernel",
            format!("Linux {release} has no namespace cookies: netlab knows its namespaces less surely"),
            "use Linux 5.14 or newer where you can",
        );
    } else {
        findings.ok("kernel", format!("Linux {release}"));
    }
    if release.to_lowercase().contains("microsoft") {
        findings.note(
            "kernel",
            "this is WSL: its kernel lacks kinds of links, and `wsl --shutdown` ends every lab",
            "what it lacks is listed below; `scripts/uml` brings a full kernel",
        );
    }
    let in_container = Path::new("/run/.containerenv").exists() || Path::new("/.dockerenv").exists();
    if in_container
        || std::fs::read("/proc/1/environ").is_ok_and(|e| e.split(|b| *b == 0).any(|v| v.starts_with(b"container=")))
    {
        findings.note(
            "container",
            "this is a container: labs live and end with it, and are not seen outside",
            "--on-host means the container here",
        );
    }
    if !machine::var_run_is_run() {
        let todo = "mv /var/run /var/run.old; ln -s /run /var/run";
        findings.problem("mounts", "/var/run is not a link to /run: `ip netns` would not see labs", todo);
    }
    if machine::has_mounts_of_its_own() {
        findings.note(
            "mounts",
            "this shell has mounts of its own: other terminals do not see the namespaces of labs (`ip netns list`)",
            "use one terminal, or a shell outside of it (snap, unshare, some containers)",
        );
    }
    let info = read("/proc/self/mountinfo");
    let mut root = info.lines().filter(|l| l.split(' ').nth(4) == Some("/"));
    if root.any(|l| !l.contains(" shared:")) {
        findings.note(
            "mounts",
            "mounts are private here: programs that have their own copy do not see new namespaces",
            "mount --make-rshared /, if something outside should see them",
        );
    }
}

fn programs(all: &[Topology], findings: &mut Findings) {
    let mut missing: BTreeMap<String, (Option<&'static str>, BTreeSet<&str>)> = BTreeMap::new();
    for lab in all {
        for (program, package, _) in preflight::missing_programs(lab, &build(lab, Mode::Isolated)) {
            missing.entry(program).or_insert((package, BTreeSet::new())).1.insert(lab.name.as_str());
        }
    }
    if missing.is_empty() {
        findings.ok("programs", "everything that the built-in labs use is installed");
    }
    for (program, (package, labs)) in missing {
        let labs = labs.into_iter().collect::<Vec<_>>().join(", ");
        let todo = package.map_or_else(|| format!("install `{program}`"), |p| format!("apt install {p}"));
        findings.problem("programs", format!("`{program}` is not installed: {labs}"), todo);
    }
}

fn kinds(all: &[Topology], findings: &mut Findings) {
    let mut wanted: BTreeMap<&'static str, (Kind, BTreeSet<&str>)> = BTreeMap::new();
    for lab in all {
        for interface in lab.nodes.values().flat_map(|n| n.interfaces.values()) {
            let kind = &interface.kind;
            if !matches!(kind, Kind::Loopback | Kind::Veth) {
                wanted.entry(kind.word()).or_insert((kind.clone(), BTreeSet::new())).1.insert(lab.name.as_str());
            }
        }
    }
    let lacking = match crate::kernel::lacking(wanted.values().map(|(kind, _)| kind.clone()).collect()) {
        Ok(lacking) => lacking,
        Err(refusal) => {
            findings.note("links", format!("the kernel's kinds of links are not known: {refusal}"), "run it as root");
            return;
        }
    };
    let has: Vec<&str> = wanted.keys().copied().filter(|w| lacking.iter().all(|k| k.word() != *w)).collect();
    findings.ok("links", format!("this kernel makes {}", has.join(", ")));
    for kind in &lacking {
        let labs = wanted[kind.word()].1.iter().copied().collect::<Vec<_>>().join(", ");
        let module = format!("modprobe {}", kind.module());
        if kind.endpoint(&[]).is_some() {
            findings.note(
                "links",
                format!("no {} in this kernel; netlab carries it itself ({labs})", kind.word()),
                module,
            );
        } else {
            let todo = format!("{module}; or a full kernel: scripts/uml netlab up LAB --check");
            findings.problem("links", format!("no {} in this kernel: {labs}", kind.word()), todo);
        }
    }
    if let Err(e) = Tun::possible() {
        let todo = "modprobe tun; in a container: --device /dev/net/tun";
        findings.note("links", format!("no TUN devices: netlab can carry no tunnels itself ({e})"), todo);
    }
}

/// What bad lines are made with.
fn qdiscs(all: &[Topology], findings: &mut Findings) {
    let mut wanted: BTreeMap<&'static str, (&'static str, BTreeSet<&str>)> = BTreeMap::new();
    for lab in all {
        for step in build(lab, Mode::Isolated).steps {
            if let Op::SetQdisc { qdisc, .. } = &step.op {
                let labs = &mut wanted.entry(qdisc.word()).or_insert((qdisc.module(), BTreeSet::new())).1;
                labs.insert(lab.name.as_str());
            }
        }
    }
    // Without rights it cannot be asked; that was said of the kinds of links.
    for word in crate::kernel::lacking_qdiscs(wanted.keys().copied().collect()).unwrap_or_default() {
        let (module, labs) = &wanted[word];
        let labs = labs.iter().copied().collect::<Vec<_>>().join(", ");
        let todo = format!("modprobe {module}; or a full kernel: scripts/uml netlab up LAB --check");
        findings.problem("links", format!("no {word} in this kernel: {labs}"), todo);
    }
}

fn ipv6(findings: &mut Findings) {
    if !machine::has_ipv6() {
        let todo = "start the machine without ipv6.disable=1 for labs that use IPv6";
        findings.note("ipv6", "IPv6 is off on this machine", todo);
    }
}

fn filters(findings: &mut Findings) {
    if let Some(iptables) = machine::find_program("iptables") {
        let nft = iptables.canonicalize().is_ok_and(|p| p.to_string_lossy().contains("nft"));
        findings.ok("firewall", format!("iptables writes {}", if nft { "nftables" } else { "legacy tables" }));
        let legacy = read("/proc/net/ip_tables_names");
        if nft && !legacy.is_empty() {
            findings.note(
                "firewall",
                format!("legacy tables are loaded too ({}): packets meet both", legacy.replace('\n', ", ")),
                "look at them with iptables-legacy-save; it matters only with --on-host",
            );
        }
    }
    if Path::new("/proc/sys/net/bridge").exists() {
        let on = read("/proc/sys/net/bridge/bridge-nf-call-iptables") == "1";
        findings.note(
            "firewall",
            format!("br_netfilter is loaded{}", if on { ": bridged packets meet iptables" } else { ", and off" }),
            "a lab decides for its own nodes: sysctls: {net.bridge.bridge-nf-call-iptables: 0}",
        );
    }
    // What no rule names by its interface: so is a lab's.
    if let Some(thrown) = forwarding::Rules::read(Family::V4).throw_away("") {
        let sets = thrown.owner.name().map(|name| format!("; {name} sets that")).unwrap_or_default();
        let let_through = thrown.owner.let_through("INTERFACE");
        let unless =
            let_through.map(|way| format!(", unless its interfaces are let through ({way})")).unwrap_or_default();
        findings.note(
            "firewall",
            format!("this machine drops what it would forward ({}{sets})", thrown.by),
            format!("labs are not touched by it; with --on-host, `up` of a lab that forwards is refused{unless}"),
        );
    }
}

/// Programs that manage networks too.
const MANAGERS: &[(&str, &str)] = &[
    ("dockerd", "labs are isolated from it; with --on-host its FORWARD policy is in the way, and netlab says so"),
    (
        "firewalld",
        "labs are isolated from it; with --on-host, a reload of firewalld may remove a lab's rules (netlab repair)",
    ),
    (
        "NetworkManager",
        "labs are isolated from it; with --on-host it may take up a lab's bridge: see its `unmanaged-devices`",
    ),
    (
        "systemd-networkd",
        "labs are isolated from it; with --on-host, a `Name=*` in its files matches a lab's links too",
    ),
];

fn neighbours(findings: &mut Findings) {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names: BTreeSet<String> = entries
        .filter(|e| e.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .filter_map(|e| std::fs::read_to_string(e.path().join("comm")).ok())
        .map(|name| name.trim().to_string())
        .collect();
    for (name, meaning) in MANAGERS {
        // The kernel keeps fifteen characters of a name.
        if names.contains(&name.chars().take(15).collect::<String>()) {
            findings.note("neighbours", format!("{name} runs"), *meaning);
        }
    }
}

/// How large a lab should find room everywhere.
const LARGE: u64 = 1000;

fn limits(findings: &mut Findings) {
    let met = limits::met_by(LARGE);
    if met.is_empty() {
        findings.ok("limits", format!("there is room for a lab of {LARGE} nodes with a program each"));
    }
    for limits::Met { found, todo, stops } in met {
        if stops { findings.problem("limits", found, todo) } else { findings.note("limits", found, todo) }
    }
    if let Ok(table) = table_of_neighbours(Family::V4)
        && table.most < LARGE
    {
        let most = table.most;
        findings.note(
            "limits",
            format!("net.ipv4.neigh.default.gc_thresh3 is {most}: one table of neighbours for all nodes together"),
            "sysctl -w net.ipv4.neigh.default.gc_thresh3=1024, on the machine itself",
        );
    }
}

fn leftovers(all: &[Topology], findings: &mut Findings) {
    match gc::find() {
        Ok(left) if !left.is_empty() => {
            let list: Vec<String> = left.iter().map(|l| format!("{} ({})", l.lab, l.why.words())).collect();
            findings.note("leftovers", format!("of interrupted runs: {}", list.join(", ")), "netlab gc");
        }
        Ok(_) => {}
        Err(error) => findings.note("leftovers", error.to_string(), "run it as root"),
    }
    // The names of labs that are up are theirs.
    if ground::labs().is_empty() {
        let ours: BTreeSet<&str> = all.iter().flat_map(|l| l.nodes.values()).map(|n| n.netns.as_str()).collect();
        let taken: Vec<String> = netns::names().into_iter().filter(|n| ours.contains(n.as_str())).collect();
        if !taken.is_empty() {
            findings.note(
                "leftovers",
                format!("namespaces that built-in labs would make are somebody else's: {}", taken.join(", ")),
                "ip netns del NAME, if they are yours and not used any more",
            );
        }
    }
    if let Err(error) = trust::agreed() {
        findings.note("consent", error.to_string(), error.detail().help.join("; "));
    }
}
