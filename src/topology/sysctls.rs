//! Kernel settings of a node.

use super::interfaces::place;
use super::{Node, Sysctl};
use crate::error::{Problems, did_you_mean};
use crate::name::IfName;
use crate::span::Sp;
use crate::spec;

/// Keys that labs use, for "did you mean". The kernel has the last word on whether a key exists.
const KNOWN: &[&str] = &[
    "ip_forward",
    "ip_default_ttl",
    "forwarding",
    "rp_filter",
    "proxy_arp",
    "proxy_arp_pvlan",
    "accept_local",
    "arp_ignore",
    "arp_announce",
    "arp_filter",
    "route_localnet",
    "send_redirects",
    "accept_redirects",
    "log_martians",
    "disable_ipv6",
    "accept_ra",
    "accept_dad",
    "icmp_ratelimit",
    "icmp_echo_ignore_all",
    "fib_multipath_hash_policy",
    "proxy_delay",
    "gc_stale_time",
    "base_reachable_time_ms",
    "bridge-nf-call-iptables",
    "bridge-nf-call-ip6tables",
    "nf_conntrack_max",
    "ip_unprivileged_port_start",
    "ping_group_range",
    "tcp_mtu_probing",
    "proxy_ndp",
    "bridge-nf-call-arptables",
    "ip_local_port_range",
    "somaxconn",
    "nf_conntrack_tcp_be_liberal",
];

pub(super) fn resolve(written: &spec::Node, node: &mut Node, problems: &mut Problems) {
    let mut list = Vec::new();
    for (key, value) in &written.sysctls {
        if let Some(sysctl) = one(key, value, node, problems) {
            list.push(Sp::new(sysctl, key.span));
        }
    }
    // Writing ip_forward overwrites every interface's `forwarding`: settings for all come first.
    list.sort_by_key(|s: &Sp<Sysctl>| (s.interface.is_some(), !s.path.ends_with("/ip_forward")));
    node.sysctls = list;
}

pub(super) fn one(key: &Sp<String>, value: &Sp<String>, node: &Node, problems: &mut Problems) -> Option<Sysctl> {
    if !key.starts_with("net.") && !key.starts_with("net/") {
        problems.error(key.span, format!("`{key}`: only net.* keys belong to a namespace")).help(outside(key));
        return None;
    }
    let path = path(key, node);
    let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
    if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") || !path.chars().all(sane) {
        problems
            .error(key.span, format!("`{key}` is not the name of a kernel setting"))
            .help("as in `net.ipv4.ip_forward`, or `net.ipv4.conf.eth0.rp_filter` for one interface");
        return None;
    }
    let value_text = value.trim();
    if value_text.is_empty() || value_text.len() > 256 || value_text.contains(char::is_control) {
        problems.error(value.span, format!("`{key}` needs a value")).help("write it in one line, as in `1`");
        return None;
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let numeric =
        matches!(last, "ip_forward" | "rp_filter" | "proxy_arp" | "forwarding" | "disable_ipv6" | "route_localnet");
    if numeric && value_text.parse::<i32>().is_err() {
        problems.error(value.span, format!("`{key}` takes a number, not `{value_text}`")).help("0 is off, 1 is on");
        return None;
    }
    if !KNOWN.contains(&last)
        && let Some(help) = did_you_mean(last, KNOWN.iter().copied())
    {
        problems.error(key.span, format!("there is no kernel setting `{key}`")).help(help);
        return None;
    }
    let interface = about(&path);
    if let Some(name) = &interface
        && !node.interfaces.contains_key(name.as_str())
    {
        let known: Vec<&str> = node.interfaces.keys().map(IfName::as_str).collect();
        problems
            .error(
                place(key, name, problems),
                format!("`{key}` speaks of interface `{name}`, which this node does not have"),
            )
            .help(did_you_mean(name, known.iter().copied()).unwrap_or(format!("it has {}", known.join(", "))));
        return None;
    }
    let interface = interface.and_then(|name| IfName::new(&name).ok());
    Some(Sysctl { path, value: value_text.split_whitespace().collect::<Vec<_>>().join("\t"), interface })
}

/// What to do about a key that does not begin with `net.`.
fn outside(key: &str) -> String {
    if let Some(rest) = key.strip_prefix("/proc/sys/") {
        return format!("write `{}`", rest.replace('/', "."));
    }
    if key == "ip_forward" {
        return "write it in full: `net.ipv4.ip_forward`".into();
    }
    "leave it out: it would change the whole machine".into()
}

/// `net.ipv4.conf.vxlan.calico.rp_filter` → `net/ipv4/conf/vxlan.calico/rp_filter`: an interface's own dots stay.
fn path(key: &str, node: &Node) -> String {
    if key.contains('/') {
        return key.to_string();
    }
    for table in ["net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.", "net.ipv6.neigh."] {
        let Some(rest) = key.strip_prefix(table) else {
            continue;
        };
        let dotted = node.interfaces.keys().filter(|name| name.contains('.'));
        let mut fitting = dotted.filter(|name| rest.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('.')));
        if let Some(name) = fitting.next() {
            let setting = &rest[name.len() + 1..];
            return format!("{}{name}/{}", table.replace('.', "/"), setting.replace('.', "/"));
        }
    }
    key.replace('.', "/")
}

/// The interface that a path is about.
fn about(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["net", "ipv4" | "ipv6", "conf" | "neigh", name, _] if !matches!(*name, "all" | "default") => {
            Some((*name).to_string())
        }
        _ => None,
    }
}
