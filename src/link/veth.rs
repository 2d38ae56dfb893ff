//! veth: a virtual cable, two interfaces that hand each other their packets.
//!
//! Both ends are born in place: one RTM_NEWLINK makes the pair with each end in its final namespace under its final
//! name. Moving an end afterwards costs an unregister and a register under the kernel's global lock, and the
//! machine's own namespace would see it come and go (udev, NetworkManager and friends would want a word).

use std::os::fd::RawFd;

use rtnetlink::LinkMessageBuilder;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkMessage};
use rtnetlink::{LinkUnspec, LinkVeth};
use serde::{Deserialize, Serialize};

use crate::ip::Mac;
use crate::name::IfName;

/// One end of the cable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The interface's name.
    pub name: IfName,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its MTU, when it is not 1500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// The message that makes the pair. It cannot bring the ends up: the peer is opened before its device is there, and
/// the kernel says ENOTCONN.
pub fn message(ends: [(&End, RawFd); 2], group: u32) -> LinkMessage {
    let [(near, near_ns), (far, far_ns)] = ends;
    let mut peer = LinkMessageBuilder::<LinkUnspec>::new()
        .name(far.name.to_string())
        .address(far.mac.0.to_vec())
        .setns_by_fd(far_ns)
        .link_group(group);
    if let Some(mtu) = far.mtu {
        peer = peer.mtu(mtu);
    }
    let mut message = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
        .name(near.name.to_string())
        .address(near.mac.0.to_vec())
        .setns_by_fd(near_ns)
        .link_group(group)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
    if let Some(mtu) = near.mtu {
        message = message.mtu(mtu);
    }
    message.build()
}

/// `ip link add` and what follows; `netns` names each end's namespace, nothing for the machine itself.
pub fn words(ends: [(&End, Option<&str>); 2]) -> String {
    let side = |(end, netns): (&End, Option<&str>)| {
        let mut words = format!("name {} address {}", end.name, end.mac);
        if let Some(mtu) = end.mtu {
            words.push_str(&format!(" mtu {mtu}"));
        }
        if let Some(netns) = netns {
            words.push_str(&format!(" netns {netns}"));
        }
        words
    };
    let [near, far] = ends;
    format!("link add {} type veth peer {}", side(near), side(far))
}
