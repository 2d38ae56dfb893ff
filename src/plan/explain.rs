//! A plan as the commands that do the same by hand.
//!
//! Not documentation beside the code but a second implementation that is tested against the first: for every lab the
//! printed script runs in an empty machine, and what the kernel then has must equal what `netlab up` made.

use super::{At, Op, Phase, Plan, kept};
use crate::ip::{Family, IpSet, iptables, shell_quote};
use crate::link::{By, Kind, veth};
use crate::topology::{Program, Reload, Service, SetEdit};

/// The plan, phase by phase, with a title above each; secrets are left out.
pub fn explain(plan: &Plan) -> Vec<(Phase, Vec<String>)> {
    let hide = |(phase, lines): (Phase, Vec<String>)| (phase, lines.into_iter().map(hide_secrets).collect());
    phases(plan).into_iter().map(hide).collect()
}

fn phases(plan: &Plan) -> Vec<(Phase, Vec<String>)> {
    let mut phases: Vec<(Phase, Vec<String>)> = Vec::new();
    for step in &plan.steps {
        let phase = step.op.phase();
        if phases.last().is_none_or(|(last, _)| *last != phase) {
            phases.push((phase, Vec::new()));
        }
        if let Some((_, lines)) = phases.last_mut() {
            lines.extend(commands(&step.op));
        }
    }
    phases
}

/// The plan as a script for `sh -e`.
pub fn script(plan: &Plan) -> String {
    let mut text = format!(
        "#!/bin/sh\n# {}, as `netlab up` builds it. Needs root, iproute2 and iptables.\n# To undo it: `ip netns del NAME` for each namespace.\nset -e\n",
        plan.lab
    );
    for (phase, lines) in phases(plan) {
        text.push_str(&format!("\n# {}\n", phase.title()));
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// What an operation stands for, in one line; secrets are left out.
pub fn command(op: &Op) -> String {
    hide_secrets(commands(op).join("; "))
}

/// `ip -n NETNS`, or plain `ip` on the machine.
fn ip(at: &At) -> String {
    at.netns.as_ref().map_or("ip".into(), |ns| format!("ip -n {}", shell_quote(ns)))
}

/// `ip netns exec NETNS `, or nothing on the machine.
fn inside(at: &At) -> String {
    at.netns.as_ref().map_or(String::new(), |ns| format!("ip netns exec {} ", shell_quote(ns)))
}

fn commands(op: &Op) -> Vec<String> {
    match op {
        Op::AddNetns { at } => vec![format!("ip netns add {}", shell_quote(at.netns.as_deref().unwrap_or_default()))],
        Op::SetSysctl { at, path, value } => {
            // `/proc/sys` paths, because an interface's name may have a dot in it.
            let assignment = format!("{path}={}", value.replace('\t', " "));
            vec![format!("{}sysctl -qw {}", inside(at), shell_quote(&assignment))]
        }
        Op::AddVeth { ends } => {
            let [a, b] = ends.as_ref();
            vec![format!("ip {}", veth::words([(&a.end, a.at.netns.as_deref()), (&b.end, b.at.netns.as_deref())]))]
        }
        Op::AddLink { at, link } if link.by == By::UserSpace => {
            let (ip, name) = (ip(at), &link.name);
            let mut lines = vec![format!("{ip} tuntap add name {name} mode tun vnet_hdr")];
            lines.extend(link.mtu.map(|mtu| format!("{ip} link set {name} mtu {mtu}")));
            lines
        }
        Op::StartEndpoint { at, dev, endpoint } => {
            let words: Vec<String> = endpoint.words(dev).iter().map(|w| shell_quote(w)).collect();
            let own_run = match (endpoint.run_folder(), &at.netns) {
                (Some(_), Some(netns)) => own_view(netns, &[]),
                _ => String::new(),
            };
            let start = format!("{}{own_run}netlab endpoint {}", inside(at), words.join(" "));
            vec![match endpoint.input() {
                Some(lines) => format!("{} | {start} >/dev/null 2>&1 &", printf(&lines)),
                None => format!("{start} </dev/null >/dev/null 2>&1 &"),
            }]
        }
        // The module may have put it there already.
        Op::AddLink { at, link } if crate::link::is_fallback(&link.name) => {
            let (ip, name, words) = (ip(at), &link.name, link.words());
            let mut lines = vec![format!("{ip} link show {name} >/dev/null 2>&1 || {ip} {words}")];
            lines.extend(link.mtu.map(|mtu| format!("{ip} link set {name} mtu {mtu}")));
            lines
        }
        Op::AddLink { at, link } => {
            let mut lines = vec![format!("{} {}", ip(at), link.words())];
            if let Kind::Wireguard(wireguard) = &link.kind {
                let lines_of_file = printf(&wireguard.lines());
                lines.push(format!("{lines_of_file} | {}wg setconf {} /dev/stdin", inside(at), link.name));
            }
            lines
        }
        Op::SetMaster { at, dev, master } => {
            vec![format!("{} link set {dev} master {master}", ip(at))]
        }
        Op::SetMtu { at, dev, mtu } => vec![format!("{} link set {dev} mtu {mtu}", ip(at))],
        Op::SetVlans { at, dev, vlans } => {
            let bridge = ip(at).replacen("ip", "bridge", 1);
            vlans.words().iter().map(|words| format!("{bridge} vlan add dev {dev} {words}")).collect()
        }
        Op::SetQdisc { at, dev, qdisc } => {
            vec![format!("{} qdisc replace dev {dev} root {qdisc}", ip(at).replacen("ip", "tc", 1))]
        }
        Op::AddAddress { at, dev, address } => {
            // As `up` adds them: an IPv6 address would be unusable until nobody has claimed it for a second.
            let nodad = if address.ip().is_ipv6() { " nodad" } else { "" };
            vec![format!("{} addr add {address} dev {dev}{nodad}", ip(at))]
        }
        Op::SetUp { at, dev } => vec![format!("{} link set {dev} up", ip(at))],
        Op::AddRoute { at, route } => {
            let family = if route.is_default() || route.hops.is_empty() { route.family().flag() } else { "" };
            vec![format!("{} {family}route add {route}", ip(at))]
        }
        Op::AddRule { at, rule } => {
            vec![format!("{} {}rule add {rule}", ip(at), rule.family.flag())]
        }
        Op::AddNeighbor { at, neighbor } => vec![format!("{} neigh add {neighbor}", ip(at))],
        Op::AddFdb { at, fdb } => {
            let bridge = at.netns.as_ref().map_or("bridge".into(), |ns| format!("bridge -n {}", shell_quote(ns)));
            let verb = if fdb.is_flood() { "append" } else { "add" };
            vec![format!("{bridge} fdb {verb} {fdb}")]
        }
        Op::LoadSets { at, sets } => sets.iter().flat_map(|set| ipset(at, set)).collect(),
        Op::LoadRules { at, family, lines } => lines.iter().map(|line| firewall(at, *family, line)).collect(),
        Op::AddRun { at, folders } => add_run(at, folders),
        Op::WriteFile { at, path, content } => write_file(at, path, content),
        Op::StartService { at, service, .. } => start(at, service),
        Op::DelRoute { at, route } => {
            let family = if route.is_default() || route.hops.is_empty() { route.family().flag() } else { "" };
            vec![format!("{} {family}route del {route}", ip(at))]
        }
        Op::DelRule { at, rule } => vec![format!("{} {}rule del {rule}", ip(at), rule.family.flag())],
        Op::EditSet { at, edit } => edit_set(at, edit),
        Op::ReloadService { at, service, .. } => reload(at, service),
        Op::StopService { at, service, .. } => vec![signal(at, service, "TERM")],
    }
}

/// Prints lines, each a word of its own.
fn printf(lines: &[String]) -> String {
    let words: Vec<String> = lines.iter().map(|l| shell_quote(l)).collect();
    format!("printf '%s\\n' {}", words.join(" "))
}

/// Private keys have no place on a screen: whoever wants to run the commands asks for the script.
fn hide_secrets(line: String) -> String {
    let mut shown = line;
    for word in ["PrivateKey = ", "PresharedKey = "] {
        let mut from = 0;
        while let Some(at) = shown.get(from..).and_then(|rest| rest.find(word)) {
            let key = from + at + word.len();
            let end = shown[key..].find(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)));
            shown.replace_range(key..end.map_or(shown.len(), |end| key + end), "(hidden)");
            from = key;
        }
    }
    shown
}

fn ipset(at: &At, set: &IpSet) -> Vec<String> {
    let mut lines = vec![format!("{}ipset create {} {}", inside(at), set.name, set.words())];
    lines.extend(set.members.iter().map(|member| format!("{}ipset add {} {member}", inside(at), set.name)));
    lines
}

fn firewall(at: &At, family: Family, line: &iptables::Line) -> String {
    let program = match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    };
    let table = if line.table == "filter" { String::new() } else { format!("-t {} ", line.table) };
    let words: Vec<String> = line.arguments().iter().map(|w| shell_quote(w)).collect();
    format!("{}{program} {table}{}", inside(at), words.join(" "))
}

fn add_run(at: &At, folders: &[String]) -> Vec<String> {
    let run = kept(at.netns.as_deref().unwrap_or_default(), "/run");
    let folders = if folders.is_empty() { vec![run] } else { folders.iter().map(|f| format!("{run}/{f}")).collect() };
    let words: Vec<String> = folders.iter().map(|f| shell_quote(f)).collect();
    vec![format!("mkdir -p {}", words.join(" "))]
}

fn write_file(at: &At, path: &str, content: &str) -> Vec<String> {
    let path = at.netns.as_ref().map_or(path.to_string(), |netns| kept(netns, path));
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    // `printf` adds the last line's end, unless the file has none.
    let (format, body) = content.strip_suffix('\n').map_or(("%s", content), |body| ("%s\\n", body));
    vec![
        format!("mkdir -p {}", shell_quote(folder)),
        format!("printf '{format}' {} > {}", shell_quote(body), shell_quote(&path)),
    ]
}

fn edit_set(at: &At, edit: &SetEdit) -> Vec<String> {
    let del = edit.del.iter().map(|member| ("del", member));
    let all = del.chain(edit.add.iter().map(|member| ("add", member)));
    let words = |(verb, member): (&str, &String)| {
        format!("{}ipset {verb} {} {} -exist", inside(at), shell_quote(edit.set.as_str()), shell_quote(member))
    };
    all.map(words).collect()
}

fn start(at: &At, service: &Service) -> Vec<String> {
    let argv = match &service.program {
        Program::Responder { proto, listen, port } => {
            let socket = std::net::SocketAddr::new(*listen, *port);
            vec!["netlab".into(), "responder".into(), proto.word().into(), socket.to_string(), at.node.to_string()]
        }
        Program::Run(argv) => argv.clone(),
    };
    vec![format!("{} </dev/null >/dev/null 2>&1 &", as_service(at, service, &argv))]
}

/// A command in the place of a service: its namespace, its files, its environment.
fn as_service(at: &At, service: &Service, argv: &[String]) -> String {
    let env: Vec<String> = service.env.iter().map(|(k, v)| shell_quote(&format!("{k}={v}"))).collect();
    let env = if env.is_empty() { String::new() } else { format!("env {} ", env.join(" ")) };
    let view = match (&service.program, &at.netns) {
        (Program::Run(_), Some(netns)) => own_view(netns, &service.files),
        (Program::Run(_), None) | (Program::Responder { .. }, _) => String::new(),
    };
    let words: Vec<String> = argv.iter().map(|w| shell_quote(w)).collect();
    format!("{}{view}{env}{}", inside(at), words.join(" "))
}

fn reload(at: &At, service: &Service) -> Vec<String> {
    let test = (!service.test.is_empty()).then(|| as_service(at, service, &service.test));
    let reload = match &service.reload {
        Some(Reload::Run(argv)) => Some(as_service(at, service, argv)),
        Some(Reload::Signal(name)) => Some(signal(at, service, name)),
        None => None,
    };
    test.into_iter().chain(reload).collect()
}

/// The first process of that command line in the namespace is the service; netlab itself knows it by its number.
fn signal(at: &At, service: &Service, name: &str) -> String {
    let words = match &service.program {
        Program::Responder { proto, listen, port } => {
            format!("responder {} {} {}", proto.word(), std::net::SocketAddr::new(*listen, *port), at.node)
        }
        Program::Run(argv) => argv.join(" "),
    };
    let pids = at.netns.as_ref().map_or("pgrep .".to_string(), |ns| format!("ip netns pids {}", shell_quote(ns)));
    let is_it = format!("tr '\\0' ' ' </proc/$pid/cmdline | grep -qF -- {}", shell_quote(&words));
    format!("for pid in $({pids} | sort -n); do if {is_it}; then kill -{name} $pid; break; fi; done")
}

/// What shows a program its node's own /run, and the files that `ip netns exec` does not show.
fn own_view(netns: &str, files: &[String]) -> String {
    let others = files.iter().filter(|path| !path.starts_with("/etc/") && !path.starts_with("/run/"));
    let binds = others.map(|path| (kept(netns, path), path.clone())).chain([(kept(netns, "/run"), "/run".into())]);
    let binds: Vec<String> =
        binds.map(|(from, to)| format!("mount --bind {} {}", shell_quote(&from), shell_quote(&to))).collect();
    format!("unshare --mount sh -ec {} sh ", shell_quote(&format!("{}; exec \"$@\"", binds.join("; "))))
}
