//! The kernel's WireGuard: its keys and peers are not among a link's attributes, but generic netlink's.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_wireguard::{
    WireguardAddressFamily, WireguardAllowedIp, WireguardAllowedIpAttr, WireguardAttribute, WireguardCmd,
    WireguardDeviceFlags, WireguardMessage, WireguardPeer, WireguardPeerAttribute,
};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};

use super::{Refusal, patience};
use crate::link::wireguard::{Key, Peer, Wireguard};

/// A socket to the generic part of the calling thread's namespace.
struct Generic {
    socket: Socket,
    family: u16,
}

impl Generic {
    fn open() -> Result<Generic, Refusal> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let mut generic = Generic { socket, family: 0 };
        let name = GenlCtrlAttrs::FamilyName("wireguard".into());
        let question = GenlMessage::from_payload(GenlCtrl { cmd: GenlCtrlCmd::GetFamily, nlas: vec![name] });
        for answer in generic.ask(question, NLM_F_REQUEST | NLM_F_ACK)? {
            let id = answer
                .payload
                .nlas
                .iter()
                .find_map(|a| if let GenlCtrlAttrs::FamilyId(id) = a { Some(*id) } else { None });
            generic.family = id.unwrap_or(generic.family);
        }
        if generic.family == 0 {
            Err(Refusal::new("the kernel does not say how to speak of wireguard"))
        } else {
            Ok(generic)
        }
    }

    fn about(&self, cmd: WireguardCmd, attributes: Vec<WireguardAttribute>) -> GenlMessage<WireguardMessage> {
        let mut message = GenlMessage::from_payload(WireguardMessage { cmd, attributes });
        message.set_resolved_family_id(self.family);
        message
    }

    /// Sends a request; gives what comes back until the kernel says that this was all.
    fn ask<T>(&mut self, request: T, flags: u16) -> Result<Vec<T>, Refusal>
    where
        T: NetlinkSerializable + NetlinkDeserializable,
        NetlinkPayload<T>: From<T>,
    {
        let mut message = NetlinkMessage::from(request);
        message.header.flags = flags;
        message.header.sequence_number = 1;
        message.finalize();
        let mut buffer = vec![0; message.buffer_len()];
        message.serialize(&mut buffer);
        self.socket.send(&buffer, 0)?;
        let mut answers = Vec::new();
        loop {
            let received = patience::receive(&self.socket)?;
            let mut rest = &received[..];
            while let Some(length) = rest.get(..4).and_then(|b| Some(u32::from_ne_bytes(b.try_into().ok()?) as usize)) {
                if length < 16 || length > rest.len() {
                    break;
                }
                let message = NetlinkMessage::<T>::deserialize(&rest[..length])
                    .map_err(|e| Refusal::new(format!("the kernel's answer is not understood: {e}")))?;
                match message.payload {
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::Error(error) => {
                        return match error.code {
                            None => Ok(answers),
                            Some(code) => Err(Refusal::errno(-code.get(), None)),
                        };
                    }
                    _ => {}
                }
                rest = &rest[length.next_multiple_of(4).min(rest.len())..];
            }
        }
    }
}

/// Gives an interface of the calling thread's namespace its key, its port and its peers, in place of any others.
pub(super) fn configure(dev: &str, wireguard: &Wireguard) -> Result<(), Refusal> {
    let mut generic = Generic::open()?;
    let mut attributes = vec![
        WireguardAttribute::IfName(dev.to_string()),
        WireguardAttribute::PrivateKey(wireguard.key.0),
        WireguardAttribute::Flags(WireguardDeviceFlags::ReplacePeers),
        WireguardAttribute::Fwmark(wireguard.mark.unwrap_or(0)),
    ];
    attributes.extend(wireguard.port.map(WireguardAttribute::ListenPort));
    attributes.push(WireguardAttribute::Peers(wireguard.peers.iter().map(peer).collect()));
    let request = generic.about(WireguardCmd::SetDevice, attributes);
    generic.ask(request, NLM_F_REQUEST | NLM_F_ACK).map(|_| ())
}

fn peer(peer: &Peer) -> WireguardPeer {
    let network = |net: &IpNet| {
        let family = if net.addr().is_ipv4() { WireguardAddressFamily::Ipv4 } else { WireguardAddressFamily::Ipv6 };
        WireguardAllowedIp(vec![
            WireguardAllowedIpAttr::Family(family),
            WireguardAllowedIpAttr::IpAddr(net.addr()),
            WireguardAllowedIpAttr::Cidr(net.prefix_len()),
        ])
    };
    let mut attributes = vec![WireguardPeerAttribute::PublicKey(peer.public.0)];
    attributes.extend(peer.shared.map(|key| WireguardPeerAttribute::PresharedKey(key.0)));
    attributes.extend(peer.endpoint.map(WireguardPeerAttribute::Endpoint));
    attributes.extend(peer.keepalive.map(WireguardPeerAttribute::PersistentKeepalive));
    attributes.push(WireguardPeerAttribute::AllowedIps(peer.allowed.iter().map(network).collect()));
    WireguardPeer(attributes)
}

/// What an interface of the calling thread's namespace has by now.
pub(super) fn seen(dev: &str) -> Result<Wireguard, Refusal> {
    let mut generic = Generic::open()?;
    let question = generic.about(WireguardCmd::GetDevice, vec![WireguardAttribute::IfName(dev.to_string())]);
    let mut found = Wireguard { key: Key([0; 32]), port: None, mark: None, peers: Vec::new(), user_space: None };
    for answer in generic.ask(question, NLM_F_REQUEST | NLM_F_DUMP)? {
        for attribute in answer.payload.attributes {
            match attribute {
                WireguardAttribute::PrivateKey(key) => found.key = Key(key),
                WireguardAttribute::ListenPort(port) => found.port = Some(port).filter(|p| *p > 0),
                WireguardAttribute::Fwmark(mark) => found.mark = Some(mark).filter(|m| *m > 0),
                WireguardAttribute::Peers(peers) => peers.iter().for_each(|p| add_peer(&mut found.peers, p)),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// A peer with many networks comes in several answers.
fn add_peer(peers: &mut Vec<Peer>, seen: &WireguardPeer) {
    let mut peer = Peer { public: Key([0; 32]), shared: None, endpoint: None, allowed: Vec::new(), keepalive: None };
    for attribute in &seen.0 {
        match attribute {
            WireguardPeerAttribute::PublicKey(key) => peer.public = Key(*key),
            WireguardPeerAttribute::Endpoint(endpoint) => peer.endpoint = Some(*endpoint),
            WireguardPeerAttribute::AllowedIps(list) => peer.allowed.extend(list.iter().filter_map(network)),
            _ => {}
        }
    }
    match peers.iter_mut().find(|p| p.public == peer.public) {
        Some(known) => known.allowed.extend(peer.allowed),
        None => peers.push(peer),
    }
}

fn network(seen: &WireguardAllowedIp) -> Option<IpNet> {
    let (mut ip, mut bits): (Option<IpAddr>, _) = (None, None);
    for attribute in &seen.0 {
        match attribute {
            WireguardAllowedIpAttr::IpAddr(addr) => ip = Some(*addr),
            WireguardAllowedIpAttr::Cidr(cidr) => bits = Some(*cidr),
            _ => {}
        }
    }
    IpNet::new(ip?, bits?).ok()
}
