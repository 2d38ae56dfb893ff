//! Kinds of links, one file each: its YAML, its meaning, its `ip` words, its netlink attributes, and what `status`
//! should see of it.
//!
//! A new kind is a new file that implements [`LinkKind`] and a line in the list below. Nothing here opens a socket:
//! messages are made here and sent by `kernel`.

pub mod bond;
pub mod bridge;
pub mod device;
pub mod dummy;
pub mod endpoint;
pub mod geneve;
pub mod gre;
pub mod ipip;
pub mod ipvlan;
pub mod macvlan;
pub mod sit;
pub mod tunnel;
pub mod veth;
pub mod vlan;
pub mod vrf;
pub mod vxlan;
pub mod wireguard;

use std::collections::BTreeMap;
use std::net::IpAddr;

use rtnetlink::packet_route::link::{InfoData, InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use serde::{Deserialize, Serialize};

pub use endpoint::{By, Endpoint};

use crate::ip::Mac;
use crate::name::IfName;

/// Properties of a link beside name, address and MTU, by the word that `ip -d link` has for them.
pub type Properties = BTreeMap<String, String>;

/// What a kind of link knows about itself.
pub trait LinkKind {
    /// The word after `type` in `ip link add`; the kernel's IFLA_INFO_KIND.
    const WORD: &'static str;
    /// The kernel module that has it.
    const MODULE: &'static str = Self::WORD;
    /// Whether its interfaces have an Ethernet address.
    const HAS_MAC: bool = true;
    /// Whether its members take its Ethernet address and MTU, and are brought up by it.
    const LENDS: bool = false;

    /// The words after `type KIND`.
    fn words(&self) -> Vec<String>;
    /// The kind's own netlink attributes; `parent` is the number of the interface that it stands on.
    fn info(&self, parent: Option<u32>) -> (InfoKind, Option<InfoData>);
    /// What `status` compares.
    fn properties(&self) -> Properties;
    /// What the kernel said of such a link, in the same words; nothing when it is of another kind.
    fn observed(data: &InfoData) -> Option<Properties>;

    /// The interface of the node that it stands on.
    fn parent(&self) -> Option<&IfName> {
        None
    }
    /// Whether the parent is the link's own (`link eth0 name eth0.10`) and not one of the kind's attributes (`dev eth0`).
    fn is_on_parent(&self) -> bool {
        false
    }
    /// The address of the node that its packets come from.
    fn local(&self) -> Option<IpAddr> {
        None
    }
    /// What no two links of one node may share.
    fn unique(&self) -> Option<String> {
        None
    }
    /// How netlab carries such a tunnel's packets itself where the kernel cannot; `others` is what else the node has.
    fn endpoint(&self, _others: &[&Kind]) -> Option<Endpoint> {
        None
    }
    /// Whether the lab says who carries them.
    fn user_space(&self) -> Option<bool> {
        None
    }
    /// Its MTU in user space, when the lab says none.
    fn user_space_mtu(&self) -> Option<u32> {
        None
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($module:ident)),+ $(,)?) => {
        /// What an interface is.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind {
            /// `lo`, which every namespace has.
            Loopback,
            /// One end of a virtual cable.
            Veth,
            $($(#[$doc])* $name($module::$name)),+
        }

        impl Kind {
            /// The word after `type` in `ip link add`.
            pub fn word(&self) -> &'static str {
                match self {
                    Kind::Loopback => "loopback",
                    Kind::Veth => "veth",
                    $(Kind::$name(_) => <$module::$name as LinkKind>::WORD),+
                }
            }
            /// The kernel module that has it.
            pub fn module(&self) -> &'static str {
                match self {
                    Kind::Loopback | Kind::Veth => self.word(),
                    $(Kind::$name(_) => <$module::$name as LinkKind>::MODULE),+
                }
            }
            /// Whether its interfaces have an Ethernet address.
            pub fn has_mac(&self) -> bool {
                match self {
                    Kind::Loopback => false,
                    Kind::Veth => true,
                    $(Kind::$name(_) => <$module::$name as LinkKind>::HAS_MAC),+
                }
            }
            /// The words after `type KIND`.
            pub fn words(&self) -> Vec<String> {
                match self {
                    Kind::Loopback | Kind::Veth => Vec::new(),
                    $(Kind::$name(kind) => kind.words()),+
                }
            }
            /// What `status` compares.
            pub fn properties(&self) -> Properties {
                match self {
                    Kind::Loopback | Kind::Veth => Properties::new(),
                    $(Kind::$name(kind) => kind.properties()),+
                }
            }
            /// The interface of the node that it stands on.
            pub fn parent(&self) -> Option<&IfName> {
                match self {
                    Kind::Loopback | Kind::Veth => None,
                    $(Kind::$name(kind) => kind.parent()),+
                }
            }
            /// The address of the node that its packets come from.
            pub fn local(&self) -> Option<IpAddr> {
                match self {
                    Kind::Loopback | Kind::Veth => None,
                    $(Kind::$name(kind) => kind.local()),+
                }
            }
            /// What no two links of one node may share.
            pub fn unique(&self) -> Option<String> {
                match self {
                    Kind::Loopback | Kind::Veth => None,
                    $(Kind::$name(kind) => kind.unique()),+
                }
            }
            /// How netlab carries such a tunnel's packets itself; nothing for what only the kernel can.
            pub fn endpoint(&self, others: &[&Kind]) -> Option<Endpoint> {
                match self {
                    Kind::Loopback | Kind::Veth => None,
                    $(Kind::$name(kind) => kind.endpoint(others)),+
                }
            }
            /// Whether the lab says who carries them.
            pub fn user_space(&self) -> Option<bool> {
                match self {
                    Kind::Loopback | Kind::Veth => None,
                    $(Kind::$name(kind) => kind.user_space()),+
                }
            }
            /// Its MTU in user space, when the lab says none.
            pub fn user_space_mtu(&self) -> Option<u32> {
                match self {
                    Kind::Loopback | Kind::Veth => None,
                    $(Kind::$name(kind) => kind.user_space_mtu()),+
                }
            }
            fn is_on_parent(&self) -> bool {
                match self {
                    Kind::Loopback | Kind::Veth => false,
                    $(Kind::$name(kind) => kind.is_on_parent()),+
                }
            }
            fn info(&self, parent: Option<u32>) -> Option<(InfoKind, Option<InfoData>)> {
                match self {
                    Kind::Loopback => None,
                    Kind::Veth => Some((InfoKind::Veth, None)),
                    $(Kind::$name(kind) => Some(kind.info(parent))),+
                }
            }
        }

        /// Whether members of a link of that kind take its Ethernet address and MTU, and are brought up by it.
        pub fn lends(word: &str) -> bool {
            $((<$module::$name as LinkKind>::LENDS && <$module::$name as LinkKind>::WORD == word))||+
        }

        /// The properties of a link that the kernel described.
        pub fn observed(info: &[LinkInfo]) -> Properties {
            let data = info.iter().find_map(|i| if let LinkInfo::Data(data) = i { Some(data) } else { None });
            let none = || None::<Properties>;
            data.and_then(|data| none()$(.or_else(|| <$module::$name as LinkKind>::observed(data)))+).unwrap_or_default()
        }
    };
}

kinds! {
    /// A virtual switch.
    Bridge(bridge),
    /// An interface that leads nowhere.
    Dummy(dummy),
    /// A tagged network on another interface.
    Vlan(vlan),
    /// A second interface on another interface's wire.
    Macvlan(macvlan),
    /// A second interface on another interface's wire, under the same MAC.
    Ipvlan(ipvlan),
    /// Several interfaces as one.
    Bond(bond),
    /// A routing table of its own for some interfaces.
    Vrf(vrf),
    /// IPv4 in IPv4.
    Ipip(ipip),
    /// Anything in IPv4, by GRE.
    Gre(gre),
    /// IPv6 in IPv4.
    Sit(sit),
    /// Ethernet in UDP.
    Vxlan(vxlan),
    /// Ethernet in UDP, the younger one.
    Geneve(geneve),
    /// IP in UDP, sealed.
    Wireguard(wireguard),
}

/// A link that a node makes for itself (all but veth ends, which come in pairs).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLink {
    /// Its name.
    pub name: IfName,
    /// What it is.
    pub kind: Kind,
    /// Its Ethernet address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Its MTU, when it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Who carries its packets.
    #[serde(default, skip_serializing_if = "By::is_kernel")]
    pub by: By,
}

impl NewLink {
    /// The message that makes the link in the namespace of the socket that it is sent on: a tunnel made from elsewhere
    /// would keep its UDP socket there. `group` marks it as the lab's, `parent` is the number of the interface below it.
    pub fn message(&self, group: u32, parent: Option<u32>) -> LinkMessage {
        let mut message = LinkMessage::default();
        let attributes = &mut message.attributes;
        attributes.push(LinkAttribute::IfName(self.name.to_string()));
        attributes.push(LinkAttribute::Group(group));
        if let Some(mac) = self.mac {
            attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        }
        if let Some(mtu) = self.mtu {
            attributes.push(LinkAttribute::Mtu(mtu));
        }
        if self.kind.is_on_parent() {
            attributes.extend(parent.map(LinkAttribute::Link));
        }
        if let Some((kind, data)) = self.kind.info(parent) {
            let mut info = vec![LinkInfo::Kind(kind)];
            info.extend(data.map(LinkInfo::Data));
            attributes.push(LinkAttribute::LinkInfo(info));
        }
        message
    }

    /// Its kind, as the kernel calls it.
    pub fn kernel_kind(&self) -> &'static str {
        match self.by {
            By::Kernel => self.kind.word(),
            By::UserSpace => endpoint::DEVICE,
        }
    }

    /// What the kernel says of it beside name, address and MTU.
    pub fn kernel_properties(&self) -> Properties {
        match self.by {
            By::Kernel => self.kind.properties(),
            By::UserSpace => Properties::new(),
        }
    }

    /// `ip link add` and what follows.
    pub fn words(&self) -> String {
        let mut words = vec!["link add name".to_string(), self.name.to_string()];
        if let (true, Some(parent)) = (self.kind.is_on_parent(), self.kind.parent()) {
            words.push(format!("link {parent}"));
        }
        words.extend(self.mac.map(|m| format!("address {m}")));
        words.extend(self.mtu.map(|m| format!("mtu {m}")));
        words.push(format!("type {}", self.kind.word()));
        words.extend(self.kind.words());
        words.join(" ")
    }
}

/// How [`LinkKind::observed`] names an interface of which it has only the number: whoever knows the names puts them in.
pub fn numbered(index: u32) -> String {
    format!("#{index}")
}

/// Devices that a module puts into every new namespace by itself: neither ours nor drift.
pub fn is_fallback(name: &str) -> bool {
    const NAMES: &[&str] =
        &["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"];
    NAMES.contains(&name)
}
