//! The floor of `scripts/bench`: a lab's network with nothing but the messages that the kernel needs. No lab file, no
//! journal, no error that helps anybody, nothing read back, no interface looked up: each gets the number that it asks for.
//!
//! `floor up PLAN` takes what `netlab plan LAB --format json` printed, and says how many milliseconds the network took:
//! the clock starts when all messages are ready. `floor down` gives up every namespace there is. For a throw-away machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::print_stdout, missing_docs)]

use std::collections::HashMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::time::Instant;

use netlab::ip::{Address, Route};
use netlab::kernel::{Netlink, limits, netns};
use netlab::link::{Kind, veth};
use netlab::plan::{At, Op, Plan};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkInfo};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteNextHop, RouteScope, RouteType};
use rtnetlink::packet_route::{AddressFamily, route::RouteProtocol};
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec};

const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;
const LO: u32 = 1;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments[1].as_str() {
        "up" => {
            let text = std::fs::read_to_string(&arguments[2]).unwrap();
            let plan: Plan = serde_json::from_str(&text).unwrap();
            limits::room_for_files((2 * plan.nodes.len() + 64) as u64);
            let all = prepare(&plan);
            let begun = Instant::now();
            up(all);
            println!("{:.3}", begun.elapsed().as_secs_f64() * 1000.0);
        }
        "down" => netns::names().iter().for_each(|name| netns::remove(name).unwrap()),
        other => panic!("{other}"),
    }
}

/// What is asked of one namespace.
#[derive(Default)]
struct Node {
    name: String,
    settings: Vec<(String, String)>,
    /// Bridges, before there are cables.
    before: Vec<(Message, u16)>,
    after: Vec<(Message, u16)>,
    numbers: HashMap<String, u32>,
}

impl Node {
    fn number(&mut self, dev: &str) -> u32 {
        let next = 1000 + self.numbers.len() as u32;
        if dev == "lo" { LO } else { *self.numbers.entry(dev.to_string()).or_insert(next) }
    }
}

/// A cable's ends: node, name, number.
type Cable = [(usize, veth::End, u32); 2];

fn prepare(plan: &Plan) -> (Vec<Node>, Vec<Cable>) {
    let name = |at: &At| at.netns.clone().unwrap();
    let mut nodes: Vec<Node> = plan.nodes.iter().map(|at| Node { name: name(at), ..Node::default() }).collect();
    let which: HashMap<String, usize> = plan.nodes.iter().enumerate().map(|(n, at)| (name(at), n)).collect();
    let of = |at: &At| which[at.netns.as_ref().unwrap()];
    let mut cables = Vec::new();
    for op in plan.steps.iter().map(|step| &step.op) {
        let node = &mut nodes[of(op.at())];
        match op {
            Op::AddNetns { .. } => {}
            // What a new namespace has already, or what no packet of this network depends on, is not set.
            Op::SetSysctl { path, value, .. } => {
                if path == "net/ipv6/conf/all/disable_ipv6" || (path == "net/ipv4/ip_forward" && value == "1") {
                    node.settings.push((format!("/proc/sys/{path}"), value.clone()));
                }
            }
            Op::AddLink { link, .. } => {
                assert!(matches!(link.kind, Kind::Bridge(_)), "{link:?}");
                let mut bridge = LinkMessageBuilder::<LinkBridge>::new(link.name.as_str()).build();
                bridge.header.index = node.number(&link.name);
                node.before.push((Message::NewLink(bridge), NEW));
            }
            Op::AddVeth { ends } => cables.push(ends.each_ref().map(|end| {
                let node = of(&end.at);
                (node, end.end.clone(), nodes[node].number(&end.end.name))
            })),
            Op::SetMaster { dev, master, .. } => {
                let port = LinkUnspec::new_with_index(node.number(dev)).controller(node.number(master)).up();
                node.after.push((Message::SetLink(port.build()), 0));
            }
            Op::SetUp { dev, .. } => {
                let link = LinkUnspec::new_with_index(node.number(dev)).up();
                node.after.push((Message::SetLink(link.build()), 0));
            }
            Op::AddAddress { dev, address: own, .. } => {
                let message = address(own, node.number(dev));
                node.after.push((Message::NewAddress(message), NEW));
            }
            Op::AddRoute { route: wanted, .. } => {
                let message = route(wanted, |dev| node.number(dev));
                node.after.push((Message::NewRoute(message), NEW));
            }
            other => panic!("the floor does not know {other:?}"),
        }
    }
    (nodes, cables)
}

fn up((nodes, cables): (Vec<Node>, Vec<Cable>)) {
    netns::prepare_folder().unwrap();
    let mut sockets = Vec::with_capacity(nodes.len());
    let mut afters = Vec::with_capacity(nodes.len());
    let mut files = Vec::with_capacity(nodes.len());
    for node in nodes {
        // The calling thread goes from one to the next.
        netns::become_new(&node.name).unwrap();
        node.settings.iter().for_each(|(path, value)| std::fs::write(path, value).unwrap());
        files.push(File::open(netns::path(&node.name)).unwrap());
        let mut socket = Netlink::open().unwrap();
        send(&mut socket, node.before);
        sockets.push(socket);
        afters.push(node.after);
    }
    let cables = cables.into_iter().map(|ends| {
        let [(near, near_end, near_number), (far, far_end, far_number)] = ends;
        let mut message = veth::message([(&near_end, files[near].as_raw_fd()), (&far_end, files[far].as_raw_fd())], 0);
        message.header.index = near_number;
        number_peer(&mut message.attributes, far_number);
        (Message::NewLink(message), NEW)
    });
    // Before Linux 6.14 a name that is taken where the socket is would be refused: a namespace without any.
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    send(&mut Netlink::open().unwrap(), cables.collect());
    sockets.iter_mut().zip(afters).for_each(|(socket, after)| send(socket, after));
}

fn number_peer(attributes: &mut [LinkAttribute], number: u32) {
    for attribute in attributes {
        let LinkAttribute::LinkInfo(info) = attribute else { continue };
        for info in info {
            if let LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))) = info {
                peer.header.index = number;
            }
        }
    }
}

fn address(own: &Address, index: u32) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = own.net.prefix_len();
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(own.ip()));
    message.attributes.push(AddressAttribute::Address(own.ip()));
    message
}

fn route(route: &Route, mut number: impl FnMut(&str) -> u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = route.to.prefix_len();
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.header.table = 254;
    let attributes = &mut message.attributes;
    if !route.is_default() {
        attributes.push(RouteAttribute::Destination(inet(route.to.addr())));
    }
    attributes.extend(route.src.map(|src| RouteAttribute::PrefSource(inet(src))));
    if let [hop] = route.hops.as_slice() {
        attributes.extend(hop.via.map(|via| RouteAttribute::Gateway(inet(via))));
        attributes.extend(hop.dev.iter().map(|dev| RouteAttribute::Oif(number(dev))));
    } else {
        let hops = route.hops.iter().map(|hop| {
            let mut next = RouteNextHop::default();
            next.interface_index = hop.dev.as_ref().map_or(0, |dev| number(dev));
            next.attributes.extend(hop.via.map(|via| RouteAttribute::Gateway(inet(via))));
            next
        });
        attributes.push(RouteAttribute::MultiPath(hops.collect()));
    }
    message
}

fn inet(ip: IpAddr) -> RouteAddress {
    match ip {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(_) => RouteAddress::Inet(Ipv4Addr::UNSPECIFIED),
    }
}

fn send(to: &mut Netlink, requests: Vec<(Message, u16)>) {
    to.request(requests).into_iter().for_each(|answer| answer.unwrap());
}
