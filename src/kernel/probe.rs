//! Whether the kernel knows a kind of link, found out without making one.

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};

use super::Netlink;

/// Asks for a link with an MTU of 1 byte: a kernel that knows the kind refuses the MTU (EINVAL), one that does not says
/// "Unknown device type" (EOPNOTSUPP). Nothing is made either way: every kind named here wants 68 bytes at least.
pub fn lacks_kind(kind: &str) -> bool {
    let kind = match kind {
        "veth" => InfoKind::Veth,
        "bridge" => InfoKind::Bridge,
        "vxlan" => InfoKind::Vxlan,
        _ => return false,
    };
    let Ok(mut netlink) = Netlink::open() else {
        return false;
    };
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(format!("nlprobe{}", std::process::id() % 100_000)));
    message.attributes.push(LinkAttribute::Mtu(1));
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]));
    let answer = netlink.one(Message::NewLink(message), NLM_F_CREATE | NLM_F_EXCL);
    matches!(answer, Err(refusal) if refusal.errno == libc::EOPNOTSUPP)
}
