//! What the kernel of a node says about one packet: for `state::why`, after a check has failed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::forwarding::Rules;
use super::{Linux, program};
use crate::ip::Family;
use crate::plan::At;
use crate::state::why::{Ask, Listens, Way};

/// Asks the nodes of a lab.
pub struct Clues<'k> {
    kernel: &'k mut Linux,
    nodes: HashMap<String, At>,
    again: &'k mut dyn FnMut(),
}

impl<'k> Clues<'k> {
    /// `again` sends what was tried once more.
    pub fn new(kernel: &'k mut Linux, nodes: &[At], again: &'k mut dyn FnMut()) -> Clues<'k> {
        Clues { kernel, nodes: nodes.iter().map(|at| (at.node.to_string(), at.clone())).collect(), again }
    }

    fn within<T: Send + 'static>(&mut self, node: &str, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let at = self.nodes.get(node)?.clone();
        self.kernel.within(&at.netns, work).ok()
    }
}

impl Ask for Clues<'_> {
    fn way(&mut self, node: &str, to: IpAddr, coming: Option<(IpAddr, &str)>) -> Option<Way> {
        let mut words = vec!["-j".to_string(), "route".into(), "get".into(), to.to_string()];
        if let Some((source, dev)) = coming {
            words.extend(["from".into(), source.to_string(), "iif".into(), dev.into()]);
        }
        let (good, out, err) = self.within(node, move || run("ip", &words))??;
        if !good {
            // `RTNETLINK answers: Network is unreachable`
            let said = err.lines().find(|l| !l.trim().is_empty())?;
            return Some(Way::None(said.trim_start_matches("RTNETLINK answers:").trim().to_string()));
        }
        let answer: serde_json::Value = serde_json::from_str(&out).ok()?;
        let answer = answer.get(0)?;
        let text = |key: &str| answer.get(key).and_then(|v| v.as_str());
        if text("type") == Some("local") {
            return Some(Way::Local);
        }
        let ip = |key: &str| text(key).and_then(|t| t.parse().ok());
        Some(Way::Out { dev: text("dev")?.to_string(), gateway: ip("gateway"), source: ip("prefsrc") })
    }

    fn neighbor(&mut self, node: &str, dev: &str, ip: IpAddr) -> Option<(Option<String>, String)> {
        let words = ["-j", "neigh", "show", "to", &ip.to_string(), "dev", dev].map(str::to_string);
        let (_, out, _) = self.within(node, move || run("ip", &words))??;
        let answer: serde_json::Value = serde_json::from_str(&out).ok()?;
        let entry = answer.get(0)?;
        let mac = entry.get("lladdr").and_then(|v| v.as_str()).map(str::to_string);
        Some((mac, entry.get("state")?.get(0)?.as_str()?.to_string()))
    }

    fn setting(&mut self, node: &str, path: &str) -> Option<String> {
        let path = format!("/proc/sys/{path}");
        let value = self.within(node, move || std::fs::read_to_string(path).ok())??;
        Some(value.trim().to_string())
    }

    fn listens(&mut self, node: &str, proto: &str, at: IpAddr, port: u16) -> Option<Listens> {
        // A socket for IPv6 takes IPv4 too, mostly.
        let files = ["", "6"].map(|family| format!("/proc/thread-self/net/{proto}{family}"));
        let waits = if proto == "tcp" { "0A" } else { "07" };
        let tables = self.within(node, move || files.map(|f| std::fs::read_to_string(f).unwrap_or_default()))?;
        let sockets = tables.iter().flat_map(|t| t.lines().skip(1)).filter_map(|l| socket(l, waits));
        let on: Vec<IpAddr> = sockets.filter(|(_, p)| *p == port).map(|(ip, _)| ip.to_canonical()).collect();
        if on.is_empty() {
            return Some(Listens::No);
        }
        let any = on.iter().any(|ip| *ip == at || ip.is_unspecified());
        Some(if any { Listens::Yes } else { Listens::Elsewhere(on) })
    }

    fn thrown_away(&mut self, node: &str) -> Vec<(u64, String)> {
        let read = || {
            ["iptables-save", "ip6tables-save"]
                .iter()
                .filter_map(|program| run(program, &["-c".to_string()]))
                .flat_map(|(_, out, _)| thrown_away(&out))
                .collect()
        };
        self.within(node, read).unwrap_or_default()
    }

    fn not_forwarded(&mut self, node: &str, dev: &str, to: IpAddr) -> Option<String> {
        // A lab's own namespaces hold nobody else's rules.
        if self.nodes.get(node)?.netns.is_some() {
            return None;
        }
        let dev = dev.to_string();
        self.within(node, move || {
            let thrown = Rules::read(Family::of(to)).throw_away(&dev)?;
            let todo = thrown.owner.let_through(&dev).map(|way| format!(" (`{way}` changes that)"));
            Some(format!("{}{}", thrown.by, todo.unwrap_or_default()))
        })?
    }

    fn try_again(&mut self) {
        (self.again)();
    }
}

/// Runs a program in the calling thread's namespace: whether it was content, and what it said.
fn run(program: &str, words: &[String]) -> Option<(bool, String, String)> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = program::run(program::of(program, &words), "").ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((output.status.success(), text(&output.stdout), text(&output.stderr)))
}

/// Address and port of a line of /proc/net/tcp, when the socket is in this state.
fn socket(line: &str, state: &str) -> Option<(IpAddr, u16)> {
    let mut words = line.split_whitespace();
    let (address, port) = words.nth(1)?.split_once(':')?;
    if words.nth(1)? != state {
        return None;
    }
    // Words of 32 bits, each in the machine's own order.
    let part = |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(part(0)?)),
        32 => {
            let bytes: Vec<u8> = (0..4).map(part).collect::<Option<Vec<_>>>()?.concat();
            IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
        }
        _ => return None,
    };
    Some((ip, u16::from_str_radix(port, 16).ok()?))
}

/// The lines of `iptables-save -c` that throw packets away, with how many they have.
fn thrown_away(save: &str) -> Vec<(u64, String)> {
    let (mut table, mut found) = ("", Vec::new());
    let packets = |text: &str| text.trim_start_matches('[').split(':').next()?.parse::<u64>().ok();
    for line in save.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(policy) = line.strip_prefix(':') {
            let mut words = policy.split(' ');
            if let (Some(chain), Some("DROP"), Some(count)) = (words.next(), words.next(), words.next()) {
                found.extend(packets(count).map(|n| (n, format!("-t {table} -P {chain} DROP"))));
            }
        } else if let Some((count, rule)) = line.split_once(' ')
            && ["-j DROP", "-j REJECT"].iter().any(|j| rule.contains(j))
        {
            found.extend(packets(count).map(|n| (n, format!("-t {table} {rule}"))));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_listen() {
        let line =
            "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0";
        assert_eq!(socket(line, "0A"), Some(("127.0.0.1".parse().unwrap(), 80)));
        assert_eq!(socket(line, "07"), None);
        let line = "   0: 00000000000000000000000001000000:0035 0:0 0A 0";
        assert_eq!(socket(line, "0A"), Some(("::1".parse().unwrap(), 53)));
    }

    #[test]
    fn lines_that_have_thrown_something_away() {
        let save = "*filter\n:INPUT ACCEPT [5:1]\n:FORWARD DROP [3:252]\n[0:0] -A FORWARD -i x -j ACCEPT\n[2:9] -A FORWARD -p icmp -j DROP\nCOMMIT\n";
        let expected =
            vec![(3, "-t filter -P FORWARD DROP".to_string()), (2, "-t filter -A FORWARD -p icmp -j DROP".to_string())];
        assert_eq!(thrown_away(save), expected);
    }
}
