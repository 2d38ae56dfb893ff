//! Routes, in `ip route` words.
//!
//! `default via 192.168.15.5`, `10.48.0.64/26 via 10.0.0.12 dev tunl0 onlink proto bird`,
//! `blackhole 10.48.0.64/26 proto bird`, `default nexthop via 10.0.0.1 nexthop via 10.0.0.2 weight 2`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Family;
use super::words::{WordError, Words, number, parse_ip, prefix};
use crate::error::did_you_mean;
use crate::name::IfName;

macro_rules! named_numbers {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        #[allow(missing_docs)]
        pub enum $name { $($variant),+ }
        impl $name {
            /// What a word stands for; nothing, and quickly so, when it is another word.
            fn named(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($name::$variant),)+
                    _ => None,
                }
            }
        }
        impl FromStr for $name {
            type Err = WordError;
            fn from_str(word: &str) -> Result<Self, WordError> {
                $name::named(word).ok_or_else(|| {
                    let known = [$($word),+];
                    let help = did_you_mean(word, known).unwrap_or(format!("one of {}", known.join(", ")));
                    WordError::new(word, format!("`{word}` is not known here")).help(help)
                })
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($name::$variant => $word),+ })
            }
        }
    };
}

named_numbers! {
    /// What happens to a packet that a route takes.
    Action {
        Unicast = "unicast", Local = "local", Broadcast = "broadcast", Multicast = "multicast",
        Blackhole = "blackhole", Unreachable = "unreachable", Prohibit = "prohibit", Throw = "throw",
    }
}

named_numbers! {
    /// How far an address or route reaches.
    Scope { Global = "global", Site = "site", Link = "link", Host = "host", Nowhere = "nowhere" }
}

/// Who made a route: `rtm_protocol`, as `/etc/iproute2/rt_protos` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Proto(pub u8);

const PROTOS: &[(&str, u8)] = &[
    ("redirect", 1),
    ("kernel", 2),
    ("boot", 3),
    ("static", 4),
    ("gated", 8),
    ("ra", 9),
    ("mrt", 10),
    ("zebra", 11),
    ("bird", 12),
    ("dnrouted", 13),
    ("xorp", 14),
    ("ntk", 15),
    ("dhcp", 16),
    ("keepalived", 18),
    ("babel", 42),
    ("bgp", 186),
    ("isis", 187),
    ("ospf", 188),
    ("rip", 189),
    ("eigrp", 192),
];

impl Proto {
    /// Made by the kernel itself, as the route of a network that an address brings.
    pub const KERNEL: Proto = Proto(2);
    /// What `ip route add` writes when nothing is said.
    pub const BOOT: Proto = Proto(3);
    /// A person's, on purpose.
    pub const STATIC: Proto = Proto(4);

    /// The protocols that have a name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PROTOS.iter().map(|(name, _)| *name)
    }
}

impl FromStr for Proto {
    type Err = WordError;
    fn from_str(word: &str) -> Result<Proto, WordError> {
        if let Some((_, n)) = PROTOS.iter().find(|(name, _)| *name == word) {
            return Ok(Proto(*n));
        }
        let value = number(word).and_then(|n| u8::try_from(n).ok());
        value.map(Proto).ok_or_else(|| {
            let mut e = WordError::new(word, format!("`{word}` is no routing protocol that `ip` knows"));
            e.help = did_you_mean(word, Proto::names());
            e
        })
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PROTOS.iter().find(|(_, n)| *n == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The main routing table's number.
pub const MAIN_TABLE: u32 = 254;

/// A table's number from its name or number.
pub(super) fn table(word: &str) -> Result<u32, WordError> {
    match word {
        "main" => Ok(MAIN_TABLE),
        "local" => Ok(255),
        "default" => Ok(253),
        _ => number(word).filter(|n| *n > 0).ok_or_else(|| {
            WordError::new(word, format!("`{word}` is no routing table"))
                .help("a table is `main`, `local`, `default` or a number from 1")
        }),
    }
}

/// A table's name, or its number.
pub(super) fn table_name(table: u32) -> String {
    match table {
        MAIN_TABLE => "main".into(),
        255 => "local".into(),
        253 => "default".into(),
        n => n.to_string(),
    }
}

/// One of several ways that a route may take.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NextHop {
    /// The gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// The interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<IfName>,
    /// The gateway counts as reachable on the interface though no address says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub onlink: bool,
    /// Its share among several; 1 when there is but one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u16,
}

fn one() -> u16 {
    1
}
#[allow(clippy::trivially_copy_pass_by_ref)] // the shape that serde asks for
fn is_one(weight: &u16) -> bool {
    *weight == 1
}

impl Default for NextHop {
    fn default() -> Self {
        NextHop { via: None, dev: None, onlink: false, weight: 1 }
    }
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Where to; `0.0.0.0/0` and `::/0` are written `default`.
    pub to: IpNet,
    /// What happens to the packet.
    pub action: Action,
    /// Ways to take: none for a blackhole, several for multipath.
    pub hops: Vec<NextHop>,
    /// Who made it.
    pub proto: Proto,
    /// How far; the usual one follows from the rest.
    pub scope: Option<Scope>,
    /// The source address of packets that start here.
    pub src: Option<IpAddr>,
    /// Among equals the lower one wins.
    pub metric: Option<u32>,
    /// The table it stands in.
    pub table: u32,
    /// An MTU for this way.
    pub mtu: Option<u32>,
}

impl Route {
    /// The family of the destination.
    pub fn family(&self) -> Family {
        Family::of(self.to.addr())
    }

    /// Whether it is a default route.
    pub fn is_default(&self) -> bool {
        self.to.prefix_len() == 0
    }

    /// What decides whether two routes are in each other's way: the kernel keeps one per destination, table and metric.
    pub fn key(&self) -> (u32, IpNet, Option<u32>) {
        (self.table, self.to, self.metric)
    }

    /// The scope that the kernel gives when none is said, as `ip route` computes it.
    pub fn effective_scope(&self) -> Scope {
        if let Some(scope) = self.scope {
            return scope;
        }
        if self.family() == Family::V6 {
            return Scope::Global;
        }
        match self.action {
            Action::Local => Scope::Host,
            Action::Unicast if self.hops.iter().all(|h| h.via.is_none()) => Scope::Link,
            Action::Broadcast | Action::Multicast => Scope::Link,
            Action::Unicast | Action::Blackhole | Action::Unreachable | Action::Prohibit | Action::Throw => {
                Scope::Global
            }
        }
    }

    /// The same route with what the kernel fills in left out, so that the written and the observed one are equal.
    pub fn canonical(mut self) -> Route {
        let said = self.scope.take();
        if let Some(scope) = said
            && scope != self.effective_scope()
        {
            self.scope = Some(scope);
        }
        if self.family() == Family::V6 && self.metric == Some(1024) {
            self.metric = None;
        }
        if self.metric == Some(0) {
            self.metric = None;
        }
        // The kernel hangs IPv6 blackholes on `lo`; nobody writes that.
        if !matches!(self.action, Action::Unicast | Action::Local | Action::Broadcast | Action::Multicast) {
            self.hops.clear();
        }
        self.hops.sort();
        self
    }
}

impl FromStr for Route {
    type Err = WordError;

    fn from_str(line: &str) -> Result<Route, WordError> {
        let mut words = Words::new(line);
        let first =
            words.next().ok_or_else(|| WordError::new("", "route is empty").help("as in `default via 10.0.0.1`"))?;
        let (action, to) = match Action::named(first) {
            Some(action) => (action, words.value()?),
            None => (Action::Unicast, first),
        };
        begins_well(first, line)?;
        // `default` takes its family from the gateway, which may come later.
        let mut dst = if to == "default" { None } else { Some(prefix(to)?) };
        let mut route = Route {
            to: IpNet::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            action,
            hops: Vec::new(),
            proto: Proto::BOOT,
            scope: None,
            src: None,
            metric: None,
            table: MAIN_TABLE,
            mtu: None,
        };
        let mut single = NextHop::default();
        while let Some(word) = words.next() {
            match word {
                "via" => single.via = Some(gateway(&mut words)?),
                "dev" => single.dev = Some(interface(&mut words)?),
                "onlink" => single.onlink = true,
                "proto" | "protocol" => route.proto = words.value()?.parse()?,
                "scope" => route.scope = Some(words.value()?.parse()?),
                "src" => route.src = Some(words.ip()?),
                "metric" | "preference" => route.metric = Some(words.number()?),
                "table" => route.table = table(words.value()?)?,
                "mtu" => route.mtu = Some(words.number()?),
                "nexthop" => route.hops.push(next_hop(&mut words)?),
                "dst" | "to" if dst.is_none() => dst = Some(prefix(words.value()?)?),
                _ => {
                    let mut e = WordError::new(word, format!("`{word}` is not known in a route"));
                    let known = || Some(format!("known are: {}", WORDS.join(", ")));
                    e.help = did_you_mean(word, WORDS.iter().copied()).or_else(known);
                    return Err(e);
                }
            }
        }
        finish(line, route, single, dst)
    }
}

const WORDS: &[&str] = &["via", "dev", "onlink", "proto", "scope", "src", "metric", "table", "mtu", "nexthop"];

/// A route begins with a destination, before which its action may stand.
fn begins_well(first: &str, line: &str) -> Result<(), WordError> {
    if matches!(first, "ip" | "route" | "add") {
        return Err(WordError::new(first, "leave out the command: a route begins with its destination")
            .help("as in `default via 10.0.0.1`"));
    }
    if WORDS.contains(&first) {
        return Err(WordError::new(first, "the destination is missing").help(format!("did you mean `default {line}`?")));
    }
    let actions = ["blackhole", "unreachable", "prohibit", "throw", "default", "local"];
    if first.bytes().all(|b| b.is_ascii_alphabetic())
        && Action::named(first).is_none()
        && let Some(help) = did_you_mean(first, actions).filter(|_| first != "default")
    {
        return Err(WordError::new(first, format!("`{first}` cannot begin a route")).help(help));
    }
    Ok(())
}

fn finish(line: &str, mut route: Route, single: NextHop, dst: Option<IpNet>) -> Result<Route, WordError> {
    if single != NextHop::default() {
        if !route.hops.is_empty() {
            return Err(WordError::new("nexthop", "a route has either one way or a list of `nexthop`s, not both")
                .help("write every way as `nexthop via GATEWAY`"));
        }
        route.hops.push(single);
    }
    let hint = route.hops.iter().find_map(|h| h.via).or(route.src);
    route.to = dst.unwrap_or_else(|| {
        let any = match hint {
            Some(IpAddr::V6(_)) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Some(IpAddr::V4(_)) | None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        IpNet::new(any, 0).unwrap_or(IpNet::from(any))
    });
    let family = route.family();
    let other = |ip: &IpAddr| Family::of(*ip) != family;
    if let Some(via) = route.hops.iter().filter_map(|h| h.via).find(other)
        && family == Family::V6
    {
        return Err(WordError::new(
            via.to_string(),
            format!("an IPv6 destination cannot go via the IPv4 gateway {via}"),
        )
        .help("name an IPv6 gateway"));
    }
    if let Some(src) = route.src.filter(other) {
        let message = format!("source {src} and destination {} are of different families", route.to);
        return Err(WordError::new(src.to_string(), message).help("both are IPv4 or both are IPv6"));
    }
    let forwards = route.action == Action::Unicast;
    if forwards && route.hops.is_empty() {
        return Err(WordError::new(line, "this route leads nowhere")
            .help("add `via GATEWAY`, `dev INTERFACE`, or make it `blackhole`, `unreachable` or `prohibit`"));
    }
    if !forwards
        && !matches!(route.action, Action::Local | Action::Broadcast | Action::Multicast)
        && !route.hops.is_empty()
    {
        return Err(WordError::new(line, format!("a {} route takes no gateway and no interface", route.action))
            .help("the packet goes nowhere: leave out `via` and `dev`"));
    }
    Ok(route)
}

/// `via 10.0.0.1`, or with the family said: `via inet6 fe80::1`.
fn gateway(words: &mut Words<'_>) -> Result<IpAddr, WordError> {
    if matches!(words.peek(), Some("inet" | "inet6")) {
        words.next();
    }
    words.ip()
}

fn interface(words: &mut Words<'_>) -> Result<IfName, WordError> {
    let word = words.value()?;
    IfName::new(word).map_err(|message| WordError::new(word, message))
}

fn next_hop(words: &mut Words<'_>) -> Result<NextHop, WordError> {
    let mut hop = NextHop::default();
    while let Some(word) = words.peek().filter(|w| matches!(*w, "via" | "dev" | "weight" | "onlink")) {
        words.next();
        match word {
            "via" => hop.via = Some(gateway(words)?),
            "dev" => hop.dev = Some(interface(words)?),
            "onlink" => hop.onlink = true,
            _ => {
                let n = words.number()?;
                let bad = || WordError::new(n.to_string(), format!("weight {n} is not from 1 to 256"));
                hop.weight = u16::try_from(n).ok().filter(|w| (1..=256).contains(w)).ok_or_else(bad)?;
            }
        }
    }
    if hop.via.is_none() && hop.dev.is_none() {
        return Err(WordError::new("nexthop", "`nexthop` needs `via GATEWAY` or `dev INTERFACE`")
            .help("as in `nexthop via 10.0.0.1 weight 1`"));
    }
    Ok(hop)
}

/// As `ip route` prints it.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.action != Action::Unicast {
            write!(f, "{} ", self.action)?;
        }
        if self.is_default() {
            f.write_str("default")?;
        } else if self.to.prefix_len() == self.to.max_prefix_len() {
            write!(f, "{}", self.to.addr())?;
        } else {
            write!(f, "{}", self.to)?;
        }
        let single = if let [hop] = self.hops.as_slice() { Some(hop) } else { None };
        if let Some(hop) = single {
            write_hop(f, hop, self.family())?;
        }
        if self.table != MAIN_TABLE {
            write!(f, " table {}", table_name(self.table))?;
        }
        if self.proto != Proto::BOOT {
            write!(f, " proto {}", self.proto)?;
        }
        if let Some(scope) = self.scope.or_else(|| (self.effective_scope() == Scope::Link).then_some(Scope::Link)) {
            write!(f, " scope {scope}")?;
        }
        if let Some(src) = self.src {
            write!(f, " src {src}")?;
        }
        if let Some(metric) = self.metric {
            write!(f, " metric {metric}")?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, " mtu {mtu}")?;
        }
        if single.is_some_and(|hop| hop.onlink) {
            f.write_str(" onlink")?;
        }
        if self.hops.len() > 1 {
            for hop in &self.hops {
                f.write_str(" nexthop")?;
                write_hop(f, hop, self.family())?;
                write!(f, " weight {}", hop.weight)?;
                if hop.onlink {
                    f.write_str(" onlink")?;
                }
            }
        }
        Ok(())
    }
}

fn write_hop(f: &mut fmt::Formatter<'_>, hop: &NextHop, family: Family) -> fmt::Result {
    match hop.via {
        Some(via) if Family::of(via) != family => write!(f, " via inet6 {via}")?,
        Some(via) => write!(f, " via {via}")?,
        None => {}
    }
    match &hop.dev {
        Some(dev) => write!(f, " dev {dev}"),
        None => Ok(()),
    }
}

/// The gateway named in a text, if it is one; used when a message wants to speak of it.
pub fn gateways(route: &Route) -> Vec<IpAddr> {
    route.hops.iter().filter_map(|h| h.via).collect()
}

/// Whether a word is an address at all.
pub fn is_ip(word: &str) -> bool {
    parse_ip(word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_print_as_they_were_written() {
        for line in [
            "default via 192.168.15.5",
            "192.168.87.192/26 via 10.0.0.11 dev tunl0 proto bird onlink",
            "blackhole 10.48.0.64/26 proto bird",
            "169.254.1.1 dev eth0 scope link",
            "default via fd00::1",
            "10.0.0.0/8 via 10.1.1.1 table 100 metric 50 mtu 1400",
            "default nexthop via 10.0.0.1 weight 1 nexthop via 10.0.0.2 weight 2",
        ] {
            assert_eq!(line.parse::<Route>().unwrap().to_string(), line);
        }
    }

    #[test]
    fn a_device_route_has_link_scope_whether_it_is_said_or_not() {
        let said: Route = "169.254.1.1 dev eth0 scope link".parse().unwrap();
        let unsaid: Route = "169.254.1.1 dev eth0".parse().unwrap();
        assert_eq!(said.canonical(), unsaid.canonical());
    }

    #[test]
    fn mistakes_are_named_with_the_word() {
        let error = |line: &str| line.parse::<Route>().unwrap_err();
        assert_eq!(error("default vai 10.0.0.1").help.unwrap(), "did you mean `via`?");
        assert_eq!(error("10.5.0.1/16 via 10.0.0.1").word, "10.5.0.1/16");
        assert!(error("10.5.0.0/16").message.contains("leads nowhere"));
        assert!(error("fd00::/64 via 10.0.0.1").message.contains("IPv6 destination"));
        assert!(error("default via").message.contains("needs a value"));
    }
}
