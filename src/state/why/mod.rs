//! Why a packet does not arrive: it is followed from node to node, as the kernel would send it right now, there and back,
//! and the first thing that is broken is named.
//!
//! Only what was observed is said. Routes are the kernel's own answers ([`Ask`]), links, addresses and firewall lines those
//! of the picture that was taken; the picture that should be tells what a wire is missing. Where the walk comes to something
//! that it does not understand (chains of many rules, policies), it ends without a word: no reason is better than a wrong one.

mod back;
mod chains;
mod rules;
mod wire;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use self::rules::{Leg, Redirect};
use super::{LinkState, NodeState, State};
use crate::ip::Route;

/// What is tried.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The node that it starts in.
    pub from: String,
    /// Where it goes.
    pub to: IpAddr,
    /// `icmp`, `tcp` or `udp`.
    pub proto: String,
    /// The port that it is for.
    pub port: Option<u16>,
}

/// Which way a node sends a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Out by an interface.
    Out {
        /// The interface.
        dev: String,
        /// The router that it is handed to.
        gateway: Option<IpAddr>,
        /// The address that it gets when it starts here.
        source: Option<IpAddr>,
    },
    /// Up to the node's own programs.
    Local,
    /// Nowhere, with the kernel's words.
    None(String),
}

/// Who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listens {
    /// Somebody, on that address.
    Yes,
    /// Somebody, but on these addresses only.
    Elsewhere(Vec<IpAddr>),
    /// Nobody.
    No,
}

/// Questions to the kernel of a node; none where it gives no answer.
pub trait Ask {
    /// `ip route get TO [from SOURCE iif DEV]`
    fn way(&mut self, node: &str, to: IpAddr, coming: Option<(IpAddr, &str)>) -> Option<Way>;
    /// The Ethernet address of a neighbour, and its state as `ip neigh` prints it.
    fn neighbor(&mut self, node: &str, dev: &str, ip: IpAddr) -> Option<(Option<String>, String)>;
    /// A kernel setting, by its path below /proc/sys.
    fn setting(&mut self, node: &str, path: &str) -> Option<String>;
    /// Who listens.
    fn listens(&mut self, node: &str, proto: &str, at: IpAddr, port: u16) -> Option<Listens>;
    /// Firewall lines that throw packets away, `-t TABLE -A CHAIN …` or `-t TABLE -P CHAIN DROP`, each with how many it has.
    fn thrown_away(&mut self, node: &str) -> Vec<(u64, String)>;
    /// Rules of somebody else that throw away what comes in by an interface and should be forwarded, where they count
    /// nothing: what they are, and what to do.
    fn not_forwarded(&mut self, _node: &str, _dev: &str, _to: IpAddr) -> Option<String> {
        None
    }
    /// Sends what was tried once more.
    fn try_again(&mut self);
}

/// A lab as it should be and as it is.
pub struct Lab<'l> {
    /// As it should be.
    pub wanted: &'l State,
    /// As it is.
    pub actual: &'l State,
    /// The cables: node and interface of each end.
    pub cables: &'l [[(String, String); 2]],
    /// Services that tell the other nodes' kernels routes: node and name.
    pub routers: &'l [(String, String)],
}

/// How a walk ends before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// This is broken.
    Broken(String),
    /// The walk does not understand what it sees.
    Unknown,
}

/// Where a walk has led.
struct Arrived {
    node: String,
    to: IpAddr,
    source: Option<IpAddr>,
}

/// A translation on the way, which the answer must come back to.
struct Translated {
    node: String,
    from: IpAddr,
    to: IpAddr,
}

struct Walk<'l, 'a> {
    lab: &'l Lab<'l>,
    ask: &'a mut dyn Ask,
    flow: &'l Flow,
    /// The nodes that were passed, in order.
    passed: Vec<String>,
    translated: Vec<Translated>,
    /// Translations that should have been there.
    untranslated: Vec<String>,
    /// A route that should have been there, where the packet was sent another way.
    lost: Option<String>,
    /// The port that it is for by now: whoever sends it on to another address may change that too.
    port: Option<u16>,
    /// Who had to forward the request: node, the interface that it came in by, where it went.
    forwarded: Vec<(String, String, IpAddr)>,
    /// The packet is an answer: nobody translates it as if it were a new one.
    returning: bool,
}

/// RT_TABLE_MAIN
const MAIN: u32 = 254;
/// More nodes than any lab has in a row.
const LONGEST: usize = 24;
/// Tunnels in tunnels.
const DEEPEST: usize = 3;

/// The first thing that keeps a flow from getting there, or its answer from getting back.
/// In a line or a few.
pub fn why(lab: &Lab<'_>, ask: &mut dyn Ask, flow: &Flow) -> Option<String> {
    let mut walk = Walk {
        lab,
        ask,
        flow,
        passed: Vec::new(),
        translated: Vec::new(),
        untranslated: Vec::new(),
        lost: None,
        port: flow.port,
        forwarded: Vec::new(),
        returning: false,
    };
    let end = walk.there_and_back();
    let silent = walk.silent_router();
    match (end, silent) {
        (Err(End::Broken(words)), Some(router)) => Some(format!("{router};\nas it is, {words}")),
        (Err(End::Broken(words)), None) => Some(words),
        (Err(End::Unknown) | Ok(()), router) => {
            walk.thrown_away().or(router).or_else(|| walk.not_forwarded()).or_else(|| walk.not_the_labs())
        }
    }
}

impl Walk<'_, '_> {
    fn there_and_back(&mut self) -> Result<(), End> {
        let arrived = self.walk(&self.flow.from.clone(), self.flow.to, None, 0)?;
        self.is_heard(&arrived)?;
        self.back(&arrived)
    }

    /// Follows a packet from a node to whoever has the address. What goes wrong after a route that is missing goes wrong
    /// because of it.
    fn walk(&mut self, from: &str, to: IpAddr, source: Option<IpAddr>, depth: usize) -> Result<Arrived, End> {
        self.lost = None;
        let leg = Leg { node: from.to_string(), to, source, came: None, redirected: false };
        self.follow(leg, depth).map_err(|end| match (end, self.lost.take()) {
            (End::Broken(words), Some(lost)) => End::Broken(format!("{lost};\nit goes elsewhere, and {words}")),
            (end, _) => end,
        })
    }

    fn follow(&mut self, leg: Leg, depth: usize) -> Result<Arrived, End> {
        let Leg { mut node, mut to, mut source, mut came, mut redirected } = leg;
        for _ in 0..LONGEST {
            self.is_there(&node)?;
            if !self.passed.contains(&node) {
                self.passed.push(node.clone());
            }
            if !self.returning && !std::mem::take(&mut redirected) {
                match self.redirect(&node, to, source, came.as_deref())? {
                    Redirect::None => {}
                    Redirect::To(new, port) => (to, self.port) = (new, port.or(self.port)),
                    Redirect::OneOf(ends) => {
                        let on = Leg { node: node.clone(), to, source, came, redirected };
                        return Err(self.one_of(&node, to, &ends, &on, depth));
                    }
                }
            }
            let local = self.has_address(&node, to);
            if let (Some(dev), false) = (&came, local) {
                self.forwards(&node, dev, to)?;
            }
            let coming = source.zip(came.as_deref()).filter(|_| !local);
            let way = self.ask.way(&node, to, coming).ok_or(End::Unknown)?;
            self.as_meant(&node, to, &way)?;
            let (dev, gateway, own) = match way {
                Way::Local => return Ok(Arrived { node, to, source }),
                Way::None(words) => return Err(self.no_way(&node, to, came.as_deref(), source, &words)),
                Way::Out { dev, gateway, source } => (dev, gateway, source),
            };
            source = source.or(own);
            if came.is_some() && !self.returning {
                source = self.translate(&node, &dev, source, to)?;
            }
            let (next, by) = self.cross(&node, &dev, gateway, to, depth)?;
            (node, came) = (next, Some(by));
        }
        Err(End::Broken(format!("it goes round in a loop: {}", self.passed.join(" → "))))
    }

    /// A service that should tell routes which this flow needs, and does not run: its node is on the way, or next to either
    /// end of it. What the other nodes do without those routes is only what comes of that.
    fn silent_router(&mut self) -> Option<String> {
        let stopped = |(node, service): &&(String, String)| {
            self.lab.actual.nodes.get(node).is_some_and(|n| n.services.get(service) == Some(&false))
        };
        let stopped: Vec<(String, String)> = self.lab.routers.iter().filter(stopped).cloned().collect();
        let (node, service) = stopped.into_iter().find(|(node, _)| {
            let near = |way: Option<Way>| matches!(way, Some(Way::Local | Way::Out { gateway: None, .. }));
            self.passed.contains(node) || near(self.ask.way(node, self.flow.to, None))
        })?;
        Some(format!(
            "`{service}` of `{node}` does not run: the routes that it tells the others, and its own, are missing"
        ))
    }

    /// Somebody else's rules on the machine itself: firewalld's do not count what they reject.
    fn not_forwarded(&mut self) -> Option<String> {
        let asked = std::mem::take(&mut self.forwarded);
        asked.iter().find_map(|(node, dev, to)| {
            let by = self.ask.not_forwarded(node, dev, *to)?;
            Some(format!("the firewall of `{node}` lets nothing through that comes in by {dev}: {by}"))
        })
    }

    /// The last resort: a difference between the firewalls on the way and the lab's.
    fn not_the_labs(&self) -> Option<String> {
        let tables = ["nat", "filter", "mangle", "raw"];
        self.passed.iter().find_map(|node| tables.iter().find_map(|table| self.firewall_differs(node, table)))
    }

    fn is_there(&self, node: &str) -> Result<(), End> {
        if self.lab.actual.nodes.contains_key(node) {
            return Ok(());
        }
        if self.lab.wanted.nodes.contains_key(node) {
            return Err(End::Broken(format!("the namespace of `{node}` is gone")));
        }
        Err(End::Unknown)
    }

    fn actual(&self, node: &str) -> Option<&NodeState> {
        self.lab.actual.nodes.get(node)
    }

    fn link(&self, node: &str, dev: &str) -> Option<&LinkState> {
        self.actual(node)?.links.get(dev)
    }

    fn has_address(&self, node: &str, ip: IpAddr) -> bool {
        self.actual(node).is_some_and(|n| n.links.values().any(|l| has(l, ip)))
    }

    fn forwards(&mut self, node: &str, dev: &str, to: IpAddr) -> Result<(), End> {
        let (family, all) = if to.is_ipv4() { ("ipv4", "ip_forward") } else { ("ipv6", "conf/all/forwarding") };
        let own = self.ask.setting(node, &format!("net/{family}/conf/{dev}/forwarding"));
        if own.as_deref() != Some("0") {
            if !self.returning {
                self.forwarded.push((node.into(), dev.into(), to));
            }
            return Ok(());
        }
        let whole = self.ask.setting(node, &format!("net/{family}/{all}"));
        let name = if whole.as_deref() == Some("0") {
            format!("net.{family}.{}", all.replace('/', "."))
        } else {
            format!("net.{family}.conf.{dev}.forwarding")
        };
        Err(End::Broken(format!("`{node}` does not forward what comes in by {dev}: {name} is 0")))
    }

    /// Compares a way with the one that was meant: its interface may be down, its route missing.
    fn as_meant(&mut self, node: &str, to: IpAddr, way: &Way) -> Result<(), End> {
        let Some(wanted) = self.lab.wanted.nodes.get(node) else { return Ok(()) };
        let near = |dev: &String, address: &String| {
            let net = address.split(' ').next()?.parse::<IpNet>().ok()?;
            net.contains(&to).then(|| (net.prefix_len(), dev.clone(), None))
        };
        let connected = wanted.links.iter().flat_map(|(dev, l)| l.addresses.iter().filter_map(move |a| near(dev, a)));
        let routes = wanted.routes.iter().filter_map(|line| {
            let route = line.parse::<Route>().ok().filter(|r| r.table == MAIN && r.to.contains(&to))?;
            let dev = route.hops.first()?.dev.as_ref()?.to_string();
            Some((route.to.prefix_len(), dev, Some(line.clone())))
        });
        let Some((_, dev, route)) = connected.chain(routes).max_by_key(|(length, ..)| *length) else { return Ok(()) };
        if matches!(way, Way::Local) || matches!(way, Way::Out { dev: taken, .. } if *taken == dev) {
            return Ok(());
        }
        match (self.link(node, &dev), wanted.links.get(&dev)) {
            (None, Some(_)) => return Err(End::Broken(format!("`{dev}` of `{node}` is missing"))),
            (Some(link), Some(wanted)) if wanted.up && !link.up => {
                return Err(End::Broken(format!("`{dev}` of `{node}` is down")));
            }
            _ => {}
        }
        if let Some(route) = route.filter(|r| self.actual(node).is_some_and(|n| !n.routes.contains(r))) {
            if matches!(way, Way::None(_)) {
                return Err(End::Broken(format!("`{node}` has no route to {to}: `{route}` is missing")));
            }
            self.lost.get_or_insert(format!("the route `{route}` of `{node}` is missing"));
        }
        Ok(())
    }

    /// A route that leads nowhere, in the words of whoever looks at it.
    fn no_way(&mut self, node: &str, to: IpAddr, came: Option<&str>, source: Option<IpAddr>, words: &str) -> End {
        if let (Some(dev), Some(source)) = (came, source)
            && let Some(words) = self.filtered(node, dev, source)
        {
            return End::Broken(words);
        }
        let dead = ["blackhole", "unreachable", "prohibit"].into_iter().find_map(|action| {
            let routes = &self.actual(node)?.routes;
            routes.iter().find(|r| covers(r, action, to)).cloned()
        });
        // The kernel's words do not tell a route that says no from the absence of any.
        match dead.filter(|_| !words.contains("Network is unreachable")) {
            Some(route) => End::Broken(format!("`{node}` throws away what is for {to}: its route `{route}`")),
            None => match (self.ask.way(node, to, None), source.filter(|_| came.is_some())) {
                (Some(Way::Out { .. }), Some(source)) => End::Broken(format!(
                    "`{node}` has no route to {to} for what comes from {source} ({words}; `ip rule` says which table it looks into)"
                )),
                _ => End::Broken(format!("`{node}` has no route to {to} ({words})")),
            },
        }
    }

    /// The reverse path filter: would an answer leave by the interface that the packet came in by?
    fn filtered(&mut self, node: &str, dev: &str, source: IpAddr) -> Option<String> {
        let mut strict = false;
        for scope in ["all", dev] {
            let value = self.ask.setting(node, &format!("net/ipv4/conf/{scope}/rp_filter"))?;
            if value == "2" {
                return None;
            }
            strict |= value == "1";
        }
        let back = match self.ask.way(node, source, None)? {
            Way::Out { dev: back, .. } if back == dev => return None,
            Way::Out { dev: back, .. } => format!("it would send to {source} by {back}"),
            Way::Local | Way::None(_) => format!("it has no way to {source}"),
        };
        strict.then(|| format!("`{node}` drops it on {dev}: rp_filter is on, and {back}"))
    }

    /// Whether a program hears what has arrived.
    fn is_heard(&mut self, arrived: &Arrived) -> Result<(), End> {
        let Some(port) = self.port else { return Ok(()) };
        let (node, proto) = (arrived.node.as_str(), self.flow.proto.clone());
        let stopped =
            self.actual(node).and_then(|n| n.services.iter().find(|(_, runs)| !**runs)).map(|(s, _)| s.clone());
        let words = match self.ask.listens(node, &proto, arrived.to, port) {
            None | Some(Listens::Yes) => return Ok(()),
            Some(Listens::Elsewhere(on)) => {
                let on: Vec<String> = on.iter().map(ToString::to_string).collect();
                format!("`{node}` listens on {proto} port {port} of {} only, not of {}", on.join(", "), arrived.to)
            }
            Some(Listens::No) => match stopped {
                Some(service) => {
                    format!("nothing listens on {proto} port {port} of `{node}`: its service `{service}` does not run")
                }
                None => format!("nothing listens on {proto} port {port} of `{node}`"),
            },
        };
        Err(End::Broken(words))
    }
}

/// Whether an interface has an address.
fn has(link: &LinkState, ip: IpAddr) -> bool {
    let own = |a: &String| a.split(['/', ' ']).next().and_then(|a| a.parse::<IpAddr>().ok()) == Some(ip);
    link.addresses.iter().any(own)
}

/// Whether a route that says no takes an address: `blackhole 10.48.0.64/26 proto bird`.
fn covers(route: &str, action: &str, to: IpAddr) -> bool {
    let mut words = route.split(' ');
    if words.next() != Some(action) {
        return false;
    }
    let Some(word) = words.next() else { return false };
    word == "default"
        || word.parse::<IpNet>().is_ok_and(|net| net.contains(&to))
        || word.parse::<IpAddr>().is_ok_and(|ip| ip == to)
}

/// Interfaces by node.
type Links<'l> = BTreeMap<&'l str, &'l BTreeMap<String, LinkState>>;

fn links(state: &State) -> Links<'_> {
    state.nodes.iter().map(|(name, node)| (name.as_str(), &node.links)).collect()
}

#[cfg(test)]
mod tests;
