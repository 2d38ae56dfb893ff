//! A small lab on paper: `red — br0 of host — blue`, and `outside` behind the host, which translates.

use std::collections::HashMap;

use super::*;
use crate::ip::Family;

const CABLES: &[[(&str, &str); 2]] = &[
    [("red", "eth0"), ("host", "p-red")],
    [("blue", "eth0"), ("host", "p-blue")],
    [("host", "up"), ("outside", "eth0")],
];

fn link(kind: &str, address: &str, master: &str) -> LinkState {
    LinkState {
        kind: kind.into(),
        up: true,
        master: Some(master.to_string()).filter(|m| !m.is_empty()),
        addresses: Some(address.to_string()).filter(|a| !a.is_empty()).into_iter().collect(),
        ..LinkState::default()
    }
}

fn state() -> State {
    let mut state = State::default();
    let mut add = |node: &str, dev: &str, link: LinkState| {
        state.nodes.entry(node.into()).or_default().links.insert(dev.into(), link);
    };
    add("red", "eth0", link("veth", "192.168.15.1/24", ""));
    add("blue", "eth0", link("veth", "192.168.15.2/24", ""));
    add("host", "p-red", link("veth", "", "br0"));
    add("host", "p-blue", link("veth", "", "br0"));
    add("host", "br0", link("bridge", "192.168.15.5/24", ""));
    add("host", "up", link("veth", "203.0.113.2/24", ""));
    add("outside", "eth0", link("veth", "203.0.113.1/24", ""));
    let firewall = vec!["-t nat -A POSTROUTING -s 192.168.15.0/24 -o up -j MASQUERADE".to_string()];
    state.nodes.get_mut("host").unwrap().firewall.insert(Family::V4, firewall);
    for node in ["red", "blue"] {
        let default = "default via 192.168.15.5 dev eth0".to_string();
        state.nodes.get_mut(node).unwrap().routes.insert(default);
    }
    state
}

/// A kernel that answers from lists.
#[derive(Default)]
struct Paper {
    /// Node and network: interface, gateway, source.
    ways: Vec<(&'static str, &'static str, &'static str, Option<&'static str>)>,
    settings: HashMap<(String, String), String>,
    deaf: bool,
    thrown: Vec<(u64, String)>,
    tries: u64,
}

impl Paper {
    fn new() -> Paper {
        Paper {
            ways: vec![
                ("red", "192.168.15.0/24", "eth0", None),
                ("red", "0.0.0.0/0", "eth0", Some("192.168.15.5")),
                ("blue", "192.168.15.0/24", "eth0", None),
                ("blue", "0.0.0.0/0", "eth0", Some("192.168.15.5")),
                ("host", "192.168.15.0/24", "br0", None),
                ("host", "203.0.113.0/24", "up", None),
                ("outside", "203.0.113.0/24", "eth0", None),
            ],
            ..Paper::default()
        }
    }
}

impl Ask for Paper {
    fn way(&mut self, node: &str, to: IpAddr, _coming: Option<(IpAddr, &str)>) -> Option<Way> {
        if state().nodes[node].links.values().any(|l| has(l, to)) {
            return Some(Way::Local);
        }
        let takes = |net: &str| net.parse::<IpNet>().unwrap().contains(&to);
        Some(match self.ways.iter().find(|(n, net, ..)| *n == node && takes(net)) {
            None => Way::None("Network is unreachable".into()),
            Some((_, _, dev, gateway)) => {
                let address = state().nodes[node].links[*dev].addresses.iter().next().cloned();
                let source = address.and_then(|a| a.split('/').next()?.parse().ok());
                Way::Out { dev: (*dev).into(), gateway: gateway.map(|g| g.parse().unwrap()), source }
            }
        })
    }
    fn neighbor(&mut self, _: &str, _: &str, _: IpAddr) -> Option<(Option<String>, String)> {
        self.deaf.then(|| (None, "FAILED".into()))
    }
    fn setting(&mut self, node: &str, path: &str) -> Option<String> {
        Some(self.settings.get(&(node.to_string(), path.to_string())).cloned().unwrap_or("1".into()))
    }
    fn listens(&mut self, _: &str, _: &str, _: IpAddr, port: u16) -> Option<Listens> {
        Some(match port {
            80 => Listens::Yes,
            81 => Listens::Elsewhere(vec!["127.0.0.1".parse().unwrap()]),
            _ => Listens::No,
        })
    }
    fn thrown_away(&mut self, node: &str) -> Vec<(u64, String)> {
        if node != "host" {
            return Vec::new();
        }
        self.thrown.iter().map(|(n, line)| (n * (self.tries + 1), line.clone())).collect()
    }
    fn try_again(&mut self) {
        self.tries += 1;
    }
}

fn flow(from: &str, to: &str, port: Option<u16>) -> Flow {
    let proto = if port.is_some() { "tcp" } else { "icmp" };
    Flow { from: from.into(), to: to.parse().unwrap(), proto: proto.into(), port }
}

fn reason(actual: &State, paper: &mut Paper, flow: &Flow) -> Option<String> {
    of(&state(), actual, paper, flow)
}

fn of(wanted: &State, actual: &State, paper: &mut Paper, flow: &Flow) -> Option<String> {
    why(&Lab { wanted, actual, cables: &cables(), routers: &[] }, paper, flow)
}

fn cables() -> Vec<[(String, String); 2]> {
    let end = |(node, dev): (&str, &str)| (node.to_string(), dev.to_string());
    CABLES.iter().map(|[a, b]| [end(*a), end(*b)]).collect()
}

/// The reason when the picture was changed like this.
fn after(change: impl FnOnce(&mut State), flow: &Flow) -> String {
    let mut actual = state();
    change(&mut actual);
    reason(&actual, &mut Paper::new(), flow).unwrap_or("none".into())
}

#[test]
fn where_all_is_well_there_is_no_reason() {
    for flow in
        [flow("red", "192.168.15.2", None), flow("blue", "203.0.113.1", Some(80)), flow("outside", "203.0.113.2", None)]
    {
        assert_eq!(reason(&state(), &mut Paper::new(), &flow), None, "{flow:?}");
    }
}

#[test]
fn the_first_broken_thing_on_the_wire_is_named() {
    let near = flow("red", "192.168.15.2", None);
    let host = |change: fn(&mut NodeState)| after(|s| change(s.nodes.get_mut("host").unwrap()), &near);
    assert_eq!(host(|h| h.links.get_mut("p-red").unwrap().up = false), "`p-red` of `host` is down");
    assert_eq!(
        host(|h| h.links.get_mut("p-blue").unwrap().master = None),
        "`p-blue` of `host` is not plugged into `br0`"
    );
    assert_eq!(host(|h| h.links.get_mut("br0").unwrap().up = false), "`br0` of `host` is down");
    assert_eq!(host(|h| drop(h.links.remove("p-blue"))), "`p-blue` of `host` is missing");
    let gone = after(|s| drop(s.nodes.remove("host")), &near);
    assert_eq!(gone, "the namespace of `host` is gone");
    let moved = after(|s| s.nodes.get_mut("blue").unwrap().links.get_mut("eth0").unwrap().addresses.clear(), &near);
    assert_eq!(moved, "`blue` does not have 192.168.15.2 on `eth0` any more");
}

#[test]
fn a_translation_that_is_missing_is_named_with_what_comes_of_it() {
    let words = after(|s| s.nodes.get_mut("host").unwrap().firewall.clear(), &flow("blue", "203.0.113.1", None));
    assert!(words.contains("the answer of `outside` to 192.168.15.2 does not come back"), "{words}");
    assert!(words.contains("`-t nat -A POSTROUTING -s 192.168.15.0/24 -o up -j MASQUERADE` is missing"), "{words}");
}

#[test]
fn what_the_kernels_say_is_said() {
    let mut paper = Paper::new();
    paper.settings.insert(("host".into(), "net/ipv4/conf/br0/forwarding".into()), "0".into());
    paper.settings.insert(("host".into(), "net/ipv4/ip_forward".into()), "0".into());
    let far = flow("blue", "203.0.113.1", None);
    let words = reason(&state(), &mut paper, &far).unwrap();
    assert_eq!(words, "`host` does not forward what comes in by br0: net.ipv4.ip_forward is 0");
    let mut paper = Paper { deaf: true, ..Paper::new() };
    assert!(
        reason(&state(), &mut paper, &far)
            .unwrap()
            .contains("nobody answers when `blue` asks on eth0 who has 192.168.15.5")
    );
    let mut paper = Paper::new();
    paper.ways.retain(|(node, net, ..)| (*node, *net) != ("blue", "0.0.0.0/0"));
    let words = reason(&state(), &mut paper, &far).unwrap();
    assert_eq!(words, "`blue` has no route to 203.0.113.1 (Network is unreachable)");
    for (port, words) in [
        (81, "`outside` listens on tcp port 81 of 127.0.0.1 only"),
        (82, "nothing listens on tcp port 82 of `outside`"),
    ] {
        let said = reason(&state(), &mut Paper::new(), &flow("blue", "203.0.113.1", Some(port))).unwrap();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_rule_is_named_only_when_it_throws_this_packet_away() {
    let thrown = |line: &str| Paper { thrown: vec![(1, line.to_string())], ..Paper::new() };
    let far = flow("blue", "203.0.113.1", None);
    let words = reason(&state(), &mut thrown("-t filter -A FORWARD -p icmp -j DROP"), &far).unwrap();
    assert_eq!(words, "the firewall of `host` throws it away, or the answer: `-t filter -A FORWARD -p icmp -j DROP`");
    assert_eq!(reason(&state(), &mut thrown("-t filter -A FORWARD -p tcp -j DROP"), &far), None);
    // It has thrown away much, but not this.
    let mut still = Paper { thrown: vec![(0, "-t filter -A FORWARD -p icmp -j DROP".into())], ..Paper::new() };
    assert_eq!(reason(&state(), &mut still, &far), None);
}

/// A service on the host, 10.96.0.1, for two endpoints.
fn service(state: &mut State) {
    let lines = [
        "-t nat -A PREROUTING -j SERVICES",
        "-t nat -A SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j SVC",
        "-t nat -A SVC -m statistic --mode random --probability 0.5 -j SEP-A",
        "-t nat -A SVC -j SEP-B",
        "-t nat -A SEP-A -p tcp -m tcp -j DNAT --to-destination 192.168.15.2:80",
        "-t nat -A SEP-B -p tcp -m tcp -j DNAT --to-destination 203.0.113.1:80",
    ];
    let firewall = lines.map(str::to_string).to_vec();
    state.nodes.get_mut("host").unwrap().firewall.insert(Family::V4, firewall);
}

fn of_service(change: impl FnOnce(&mut State), paper: &mut Paper) -> Option<String> {
    let mut wanted = state();
    service(&mut wanted);
    let mut actual = wanted.clone();
    change(&mut actual);
    of(&wanted, &actual, paper, &flow("red", "10.96.0.1", Some(80)))
}

#[test]
fn a_service_is_followed_to_each_of_its_endpoints() {
    let near = |node: &'static str| (node, "10.96.0.0/16", "eth0", Some("192.168.15.5"));
    let paper = || {
        let mut paper = Paper::new();
        paper.ways.push(near("red"));
        paper
    };
    assert_eq!(of_service(|_| (), &mut paper()), None, "which lot is drawn is not for a walk to guess");
    let down = |s: &mut State| s.nodes.get_mut("outside").unwrap().links.get_mut("eth0").unwrap().up = false;
    assert_eq!(
        of_service(down, &mut paper()).unwrap(),
        "`host` sends what is for 10.96.0.1 on to one of 2, and does not reach 203.0.113.1:80:\n`eth0` of `outside` is down"
    );
    let lines = |s: &mut State, gone: &str| {
        s.nodes.get_mut("host").unwrap().firewall.get_mut(&Family::V4).unwrap().retain(|l| !l.contains(gone));
    };
    assert_eq!(
        of_service(|s| lines(s, "-A SVC"), &mut paper()).unwrap(),
        "`host` does not send tcp port 80 on: `-t nat -A SVC -m statistic --mode random --probability 0.5 -j SEP-A` is missing, and 1 more"
    );
    assert_eq!(
        of_service(|s| lines(s, "-A SEP-B"), &mut paper()).unwrap(),
        "`host` does not send tcp port 80 on to 203.0.113.1:80: `-t nat -A SEP-B -p tcp -m tcp -j DNAT --to-destination 203.0.113.1:80` is missing"
    );
    let in_front = |s: &mut State| {
        let firewall = s.nodes.get_mut("host").unwrap().firewall.get_mut(&Family::V4).unwrap();
        firewall.insert(0, "-t nat -A PREROUTING -p tcp -j RETURN".into());
    };
    assert_eq!(
        of_service(in_front, &mut paper()).unwrap(),
        "`host` does not send tcp port 80 on: `-t nat -A PREROUTING -p tcp -j RETURN` is not of the lab"
    );
}

#[test]
fn a_router_that_does_not_run_comes_before_what_comes_of_it() {
    let routers = [("host".to_string(), "bird".to_string())];
    let (mut wanted, mut actual) = (state(), state());
    wanted.nodes.get_mut("host").unwrap().services.insert("bird".into(), true);
    actual.nodes.get_mut("host").unwrap().services.insert("bird".into(), false);
    let lab = Lab { wanted: &wanted, actual: &actual, cables: &cables(), routers: &routers };
    let mut paper = Paper::new();
    paper.ways.retain(|(node, net, ..)| (*node, *net) != ("host", "203.0.113.0/24"));
    let words = why(&lab, &mut paper, &flow("red", "203.0.113.1", None)).unwrap();
    assert!(words.starts_with("`bird` of `host` does not run: "), "{words}");
    assert!(words.ends_with("as it is, `host` has no route to 203.0.113.1 (Network is unreachable)"), "{words}");
}

#[test]
fn what_is_not_understood_is_not_explained() {
    // A mark decides about the source that the packet gets, so its answer cannot be followed.
    let mut marked = state();
    let lines = ["-t nat -A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE".to_string()];
    marked.nodes.get_mut("host").unwrap().firewall.insert(Family::V4, lines.to_vec());
    let blue = flow("blue", "203.0.113.1", Some(80));
    assert_eq!(of(&marked, &marked, &mut Paper::new(), &blue), None);
    // But what is otherwise than in the lab may be it.
    assert_eq!(
        of(&state(), &marked, &mut Paper::new(), &blue).unwrap(),
        "the firewall of `host` is not the lab's: `-t nat -A POSTROUTING -s 192.168.15.0/24 -o up -j MASQUERADE` is missing"
    );
}
