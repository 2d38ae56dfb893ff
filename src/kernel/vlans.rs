//! The tagged networks of bridge ports, as `bridge vlan` asks the kernel for them.

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::{
    AfSpecBridge, BridgeVlanInfo, BridgeVlanInfoFlags, LinkAttribute, LinkExtentMask, LinkMessage,
};

use crate::ip::PortVlans;

fn port(index: u32, vlans: Vec<AfSpecBridge>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.header.index = index;
    if !vlans.is_empty() {
        message.attributes.push(LinkAttribute::AfSpecBridge(vlans));
    }
    message
}

fn vlan(vid: u16, flags: BridgeVlanInfoFlags) -> AfSpecBridge {
    AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid })
}

/// What a bridge port is to carry.
pub(super) fn message(index: u32, vlans: &PortVlans) -> LinkMessage {
    let untagged = vlans.pvid.map(|vid| vlan(vid, BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged));
    let tagged = vlans.tagged.iter().map(|vid| vlan(*vid, BridgeVlanInfoFlags::empty()));
    port(index, untagged.into_iter().chain(tagged).collect())
}

/// Everything that a bridge port can carry, to take it away.
pub(super) fn all(index: u32) -> LinkMessage {
    port(index, vec![vlan(1, BridgeVlanInfoFlags::RangeBegin), vlan(4094, BridgeVlanInfoFlags::RangeEnd)])
}

/// The question what bridge ports carry.
pub(super) fn ask() -> LinkMessage {
    let mut message = port(0, Vec::new());
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::Brvlan]));
    message
}

/// What a bridge port carries, in the words of [`PortVlans`]; one that it would have in no lab has its own words.
pub(super) fn from_message(message: &LinkMessage) -> Option<String> {
    let list = message.attributes.iter().find_map(|a| match a {
        LinkAttribute::AfSpecBridge(list) => Some(list),
        _ => None,
    })?;
    let (mut vlans, mut odd) = (PortVlans::default(), Vec::new());
    for vlan in list.iter().filter_map(|a| if let AfSpecBridge::VlanInfo(vlan) = a { Some(vlan) } else { None }) {
        let (pvid, untagged) =
            (vlan.flags.contains(BridgeVlanInfoFlags::Pvid), vlan.flags.contains(BridgeVlanInfoFlags::Untagged));
        match (pvid, untagged) {
            (true, true) => vlans.pvid = Some(vlan.vid),
            (false, false) => {
                vlans.tagged.insert(vlan.vid);
            }
            (true, false) => odd.push(format!("{} pvid", vlan.vid)),
            (false, true) => odd.push(format!("{} leaving untagged", vlan.vid)),
        }
    }
    let plain = Some(vlans.to_string()).filter(|text| !text.is_empty());
    let text = plain.into_iter().chain(odd).collect::<Vec<_>>().join(", ");
    Some(text).filter(|text| !text.is_empty())
}
