//! Programs of a node, and the files that they see.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::interfaces::word;
use super::{Node, Program, Ready, Reload, Responder, Service, files};
use crate::check;
use crate::error::Problems;
use crate::ip::parse_ip;
use crate::span::{Sp, Span};
use crate::spec::{self, Holes, Text};

pub(super) fn resolve(written: &spec::Node, node: &mut Node, holes: &Holes, problems: &mut Problems) {
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
        let Some(resolved) = one(name, service, holes, problems) else {
            continue;
        };
        if let Program::Responder { proto, port, .. } = &resolved.program {
            let udp = |p: Responder| p == Responder::Udp;
            if let Some((.., first)) = ports.iter().find(|(p, n, _)| udp(*p) == udp(*proto) && n == port) {
                problems
                    .error(name.span, format!("port {port} is taken in this node"))
                    .also(*first, "by this one")
                    .help("give one of the two another port");
            }
            ports.push((*proto, *port, name.span));
        }
        node.services.insert(name.value.clone(), Sp::new(resolved, name.span));
    }
    files::resolve(written, node, holes, problems);
    node.resolv_conf = written.dns.as_ref().and_then(|dns| resolv_conf(dns, problems));
    node.hosts = hosts(written, problems);
}

fn one(name: &Text, written: &spec::Service, holes: &Holes, problems: &mut Problems) -> Option<Service> {
    let program = program(name, written, holes, problems);
    let within = written.ready.as_ref().and_then(|r| r.within.as_ref()).and_then(|w| check::duration(w, problems));
    let ready = written.ready.as_ref().and_then(|r| ready(name, r, problems));
    let reload = written.reload.as_ref().and_then(|r| reload(name, r, problems));
    let env = env(&written.env, problems);
    if let Some(Program::Responder { .. }) = &program {
        let only_run = [("test", !written.test.is_empty()), ("ready", ready.is_some()), ("reload", reload.is_some())];
        for (key, _) in only_run.iter().filter(|(_, there)| *there) {
            problems
                .error(name.span, format!("`{key}` means nothing to netlab's own responder"))
                .help(format!("delete `{key}`: the responder reads no files, and is ready at once"));
        }
    }
    Some(Service {
        program: program?,
        files: written.files.keys().map(|path| path.value.clone()).collect(),
        test: words(&written.test),
        ready,
        ready_within: within.unwrap_or(Duration::from_secs(5)),
        reload,
        env,
        user: written.user.as_ref().map(|u| u.value.clone()),
    })
}

fn words(written: &[Text]) -> Vec<String> {
    written.iter().map(|w| w.value.clone()).collect()
}

fn ready(name: &Text, written: &spec::Ready, problems: &mut Problems) -> Option<Ready> {
    let tcp = written.tcp.as_ref().and_then(|p| port(p, problems)).map(Ready::Tcp);
    let socket = written.socket.as_ref().and_then(|s| files::path(s, problems)).map(Ready::Socket);
    let run = (!written.run.is_empty()).then(|| Ready::Run(words(&written.run)));
    let mut said = [tcp, socket, run].into_iter().flatten();
    let first = said.next();
    if said.next().is_some() {
        problems
            .error(name.span, format!("service `{name}` is ready by one thing: `tcp`, `socket` or `run`"))
            .help("keep the one that comes last");
    }
    first
}

/// The signals that make programs read their files anew.
const SIGNALS: &[&str] = &["HUP", "USR1", "USR2", "INT", "TERM", "QUIT", "WINCH"];

fn reload(name: &Text, written: &spec::Reload, problems: &mut Problems) -> Option<Reload> {
    match (&written.signal, written.run.is_empty()) {
        (Some(signal), true) if SIGNALS.contains(&signal.as_str()) => Some(Reload::Signal(signal.value.clone())),
        (Some(signal), true) => {
            problems
                .error(signal.span, format!("`{signal}` is not a signal that reloads a program"))
                .help(format!("signals are {}", SIGNALS.join(", ")));
            None
        }
        (None, false) => Some(Reload::Run(words(&written.run))),
        (Some(_), false) | (None, true) => {
            problems
                .error(name.span, format!("service `{name}` reloads by one thing: `signal` or `run`"))
                .help("as in `{signal: HUP}` or `{run: [birdc, configure]}`");
            None
        }
    }
}

/// The one thing that a service runs.
fn program(name: &Text, written: &spec::Service, holes: &Holes, problems: &mut Problems) -> Option<Program> {
    let responders = [(Responder::Http, &written.http), (Responder::Tcp, &written.tcp), (Responder::Udp, &written.udp)];
    let chosen: Vec<_> = responders.iter().filter_map(|(r, port)| Some((*r, port.as_ref()?))).collect();
    let listen = match &written.listen {
        Some(text) => word(text, parse_ip(text), problems).map(|ip| ip.value),
        None => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
    };
    match (chosen.as_slice(), written.run.as_slice()) {
        ([(proto, number)], []) => {
            let port = port(number, problems)?;
            Some(Program::Responder { proto: *proto, listen: listen?, port })
        }
        ([], [first, ..]) if !first.is_empty() => {
            Some(Program::Run(written.run.iter().map(|w| w.value.clone()).collect()))
        }
        ([], _) => {
            if !holes.any(name.span, &["http", "tcp", "udp", "run"]) {
                problems
                    .error(name.span, format!("service `{name}` does not say what runs"))
                    .help("give it one of `http`, `tcp`, `udp` or `run`, as in `{http: 80}` or `{run: [nginx, -g, daemon off;]}`");
            }
            None
        }
        (several, run) => {
            let mut words: Vec<String> = several.iter().map(|(proto, _)| format!("`{}`", proto.word())).collect();
            words.extend((!run.is_empty()).then(|| "`run`".to_string()));
            problems
                .error(name.span, format!("service `{name}` runs one thing: this one has {}", words.join(" and ")))
                .help("make it several services");
            None
        }
    }
}

fn port(written: &Sp<u16>, problems: &mut Problems) -> Option<u16> {
    if written.value == 0 {
        problems.error(written.span, "`0` is not a port from 1 to 65535").help("as in `80`");
        return None;
    }
    Some(written.value)
}

fn env(written: &indexmap::IndexMap<Text, Text>, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in written {
        if name.is_empty() || name.contains(['=', '\0']) {
            problems
                .error(name.span, format!("`{name}` is not the name of an environment variable"))
                .help("write `NAME: value`");
            continue;
        }
        env.insert(name.value.clone(), value.value.clone());
    }
    env
}

fn one_line(text: &Text, problems: &mut Problems) -> Option<String> {
    if text.trim().is_empty() || text.contains(['\n', '\r']) {
        problems.error(text.span, "a word is missing here").help("write it in one line, or delete the entry");
        return None;
    }
    Some(text.trim().to_string())
}

fn resolv_conf(dns: &spec::Dns, problems: &mut Problems) -> Option<Sp<String>> {
    let servers: Vec<_> = dns.addresses.iter().filter_map(|server| word(server, parse_ip(server), problems)).collect();
    let mut lines: Vec<String> = servers.iter().map(|server| format!("nameserver {}", server.value)).collect();
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
        let ip = word(address, parse_ip(address), problems);
        if name.is_empty() || name.contains(char::is_whitespace) || name.contains('#') {
            problems.error(name.span, format!("`{name}` is not the name of a host")).help("a name is one word");
        } else if let Some(ip) = ip {
            text.push_str(&format!("{} {name}\n", ip.value));
        }
    }
    Some(Sp::new(text, span))
}
