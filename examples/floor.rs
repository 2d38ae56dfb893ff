//! The floor of `scripts/bench`: the star of N nodes on one bridge with nothing but the messages that the kernel needs. No
//! lab file, no journal, no error that helps anybody, nothing read back.
//!
//! `floor up N`, `floor down N`; for a throw-away machine: it takes the names `hub`, `n1`, `n2`, …
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use netlab::kernel::{Netlink, machine, netns};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::{AddressFamily, link::InfoData, link::InfoKind, link::InfoVeth};
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;
/// The number that a node's interface asks for: nobody has to look it up.
const ETH0: u32 = 1000;
const HUB: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let n: u32 = arguments[2].parse().unwrap();
    machine::allow_files(2 * n as usize + 64);
    match arguments[1].as_str() {
        "up" => up(n),
        "down" => down(n),
        other => panic!("{other}"),
    }
}

fn up(n: u32) {
    netns::prepare_folder().unwrap();
    let mut hub = namespace("hub");
    let bridge = LinkMessageBuilder::<LinkBridge>::new("br0").up().build();
    send(&mut hub, vec![(Message::NewLink(bridge), NEW), up_by_index(1)]);
    let bridge = nix::net::if_::if_nametoindex("br0").unwrap();
    send(&mut hub, vec![address(bridge, HUB)]);
    let mut nodes: Vec<Netlink> = (1..=n).map(|i| namespace(&format!("n{i}"))).collect();
    let at_hub = File::open(netns::path("hub")).unwrap();
    let files: Vec<File> = (1..=n).map(|i| File::open(netns::path(&format!("n{i}"))).unwrap()).collect();
    let cables = (1..=n).zip(&files).map(|(i, at_node)| {
        let port = LinkMessageBuilder::<LinkUnspec>::new().name(format!("p{i}")).setns_by_fd(at_hub.as_raw_fd());
        let mut cable = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name("eth0".to_string())
            .setns_by_fd(at_node.as_raw_fd())
            .set_info_data(InfoData::Veth(InfoVeth::Peer(port.build())))
            .build();
        cable.header.index = ETH0;
        (Message::NewLink(cable), NEW)
    });
    send(&mut hub, cables.collect());
    let port = |i: u32| LinkUnspec::new_with_name(&format!("p{i}")).controller(bridge).up().build();
    send(&mut hub, (1..=n).map(|i| (Message::SetLink(port(i)), 0)).collect());
    for (i, node) in (1..=n).zip(&mut nodes) {
        let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(HUB).build();
        let own = Ipv4Addr::new(10, 0, (i / 250) as u8, (i % 250 + 2) as u8);
        let all = vec![up_by_index(1), address(ETH0, own), up_by_index(ETH0), (Message::NewRoute(route), NEW)];
        send(node, all);
    }
}

/// The calling thread goes from one to the next.
fn namespace(name: &str) -> Netlink {
    netns::become_new(name).unwrap();
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    Netlink::open().unwrap()
}

fn up_by_index(index: u32) -> (Message, u16) {
    (Message::SetLink(LinkUnspec::new_with_index(index).up().build()), 0)
}

fn address(index: u32, ip: Ipv4Addr) -> (Message, u16) {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 16;
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(ip.into()));
    message.attributes.push(AddressAttribute::Address(ip.into()));
    (Message::NewAddress(message), NEW)
}

fn send(to: &mut Netlink, requests: Vec<(Message, u16)>) {
    to.request(requests).into_iter().for_each(|answer| answer.unwrap());
}

fn down(n: u32) {
    (1..=n).for_each(|i| netns::remove(&format!("n{i}")).unwrap());
    netns::remove("hub").unwrap();
}
