//! Programs of a node, and the files that they see.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::interfaces::word;
use super::{Node, Program, Responder, Service};
use crate::check;
use crate::error::Problems;
use crate::ip::parse_ip;
use crate::span::{Sp, Span};
use crate::spec::{self, Text};

pub(super) fn resolve(written: &spec::Node, node: &mut Node, problems: &mut Problems) {
    let mut ports: Vec<(Responder, u16, Span)> = Vec::new();
    for (name, service) in &written.services {
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            || name.is_empty()
            || name.len() > 32
        {
            problems
                .error(name.span, format!("`{name}` is not a service name"))
                .help("letters, digits, `-` and `_`, 32 at most");
            continue;
        }
        let Some(resolved) = one(name, service, problems) else {
            continue;
        };
        if let Program::Responder { proto, port, .. } = &resolved.program {
            let udp = |p: Responder| p == Responder::Udp;
            if let Some((.., first)) = ports.iter().find(|(p, n, _)| udp(*p) == udp(*proto) && n == port) {
                problems.error(name.span, format!("port {port} is taken in this node")).also(*first, "by this one");
            }
            ports.push((*proto, *port, name.span));
        }
        node.services.insert(name.value.clone(), Sp::new(resolved, name.span));
    }
    node.resolv_conf = written.dns.as_ref().and_then(|dns| resolv_conf(dns, problems));
    node.hosts = hosts(written, problems);
}

fn one(name: &Text, written: &spec::Service, problems: &mut Problems) -> Option<Service> {
    let responders = [(Responder::Http, &written.http), (Responder::Tcp, &written.tcp), (Responder::Udp, &written.udp)];
    let chosen: Vec<_> = responders.iter().filter_map(|(r, port)| Some((*r, port.as_ref()?))).collect();
    let program = match (chosen.as_slice(), written.run.as_slice()) {
        ([(proto, port)], []) => {
            if port.value == 0 {
                problems.error(port.span, "port must be 1 to 65535");
                return None;
            }
            let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            let listen = match &written.listen {
                Some(text) => word(text, parse_ip(text), problems)?.value,
                None => any,
            };
            Program::Responder { proto: *proto, listen, port: port.value }
        }
        ([], [first, ..]) if !first.is_empty() => Program::Run(written.run.iter().map(|w| w.value.clone()).collect()),
        _ => {
            problems
                .error(name.span, format!("service `{name}` is one of `http`, `tcp`, `udp` or `run`"))
                .help("as in `{http: 80}` or `{run: [nginx, -g, daemon off;]}`");
            return None;
        }
    };
    let ready_within =
        written.ready.as_ref().and_then(|r| r.within.as_ref()).and_then(|w| check::duration(w, problems));
    Some(Service {
        program,
        files: files(&written.files, problems),
        ready_tcp: written.ready.as_ref().and_then(|r| r.tcp.as_ref()).map(|p| p.value),
        ready_within: ready_within.unwrap_or(Duration::from_secs(5)),
        env: env(&written.env, problems),
        user: written.user.as_ref().map(|u| u.value.clone()),
    })
}

fn files(written: &indexmap::IndexMap<Text, Text>, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (path, content) in written {
        let inside = path.strip_prefix("/etc/").is_some_and(|rest| {
            !rest.is_empty() && rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        });
        if !inside {
            problems
                .error(path.span, format!("`{path}` is not a file below /etc"))
                .help("files of a node appear below /etc, as `ip netns exec` shows /etc/netns/NAME");
            continue;
        }
        files.insert(path.value.clone(), content.value.clone());
    }
    files
}

fn env(written: &indexmap::IndexMap<Text, Text>, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in written {
        if name.is_empty() || name.contains(['=', '\0']) {
            problems.error(name.span, format!("`{name}` is not the name of an environment variable"));
            continue;
        }
        env.insert(name.value.clone(), value.value.clone());
    }
    env
}

fn one_line(text: &Text, problems: &mut Problems) -> Option<String> {
    if text.trim().is_empty() || text.contains(['\n', '\r']) {
        problems.error(text.span, "one word is expected here");
        return None;
    }
    Some(text.trim().to_string())
}

fn resolv_conf(dns: &spec::Dns, problems: &mut Problems) -> Option<Sp<String>> {
    let mut lines = Vec::new();
    for server in &dns.addresses {
        lines.push(format!("nameserver {}", word(server, parse_ip(server), problems)?.value));
    }
    for (key, words) in [("search", &dns.search), ("options", &dns.options)] {
        let words: Vec<String> = words.iter().filter_map(|w| one_line(w, problems)).collect();
        if !words.is_empty() {
            lines.push(format!("{key} {}", words.join(" ")));
        }
    }
    let span = dns.addresses.first().or(dns.search.first()).map(|t| t.span)?;
    Some(Sp::new(lines.join("\n") + "\n", span))
}

fn hosts(written: &spec::Node, problems: &mut Problems) -> Option<Sp<String>> {
    let span = written.hosts.keys().next()?.span;
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for (name, address) in &written.hosts {
        let ip = word(address, parse_ip(address), problems)?;
        text.push_str(&format!("{} {}\n", ip.value, one_line(name, problems)?));
    }
    Some(Sp::new(text, span))
}
