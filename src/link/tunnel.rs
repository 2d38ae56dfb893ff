//! Tunnels, as written: one section for all modes, each mode taking the keys that it knows.

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wireguard::{Place, WrittenPeer};
use super::{Kind, Properties, device, geneve, gre, ipip, sit, vxlan, wireguard};
use crate::error::{Problems, did_you_mean};
use crate::ip::parse_ip;
use crate::name::IfName;
use crate::span::{Sp, Span};

device::section! {
    /// A tunnel, as written.
    Written as "Tunnel" {
        /// `ipip`, `gre`, `sit`, `vxlan`, `geneve` or `wireguard`.
        mode: Option<Sp<String>>,
        /// This end's address on the network below.
        local: Option<Sp<String>>,
        /// The other end's address.
        remote: Option<Sp<String>>,
        /// Time to live of the outer packets.
        ttl: Option<Sp<u8>>,
        /// vxlan, geneve: the network's number (VNI).
        id: Option<Sp<u32>>,
        /// vxlan, geneve, wireguard: UDP port.
        port: Option<Sp<u16>>,
        /// The interface that the outer packets leave by.
        dev: Option<Sp<String>>,
        /// vxlan: learn who is where from what comes in; on if not said.
        learning: Option<Sp<bool>>,
        /// gre: a number that both ends must share. wireguard: the private key in Base64; made from the names if not said.
        #[schemars(with = "Option<NumberOrText>")]
        key: Option<Sp<String>>,
        /// wireguard: the firewall mark of the outer packets, `0x100000`.
        #[schemars(with = "Option<NumberOrText>")]
        mark: Option<Sp<String>>,
        /// wireguard: whom it talks to.
        peers: Vec<Sp<WrittenPeer>>,
        /// ipip, wireguard: `on` lets netlab carry the packets in user space even where the kernel could, `off` insists on the kernel;
        /// if not said, the kernel where it can.
        user_space: Option<Sp<bool>>,
    }
}

/// For the schema: what YAML reads as a number is text all the same.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its shape counts")]
enum NumberOrText {
    Number(u32),
    Text(String),
}

type Resolve = fn(&Written, Span, &Place<'_>, &mut Problems) -> Option<Kind>;

/// The modes, the keys that each takes beside the usual ones, and how it reads them.
const MODES: &[(&str, &[&str], Resolve)] = &[
    ("ipip", &["local", "remote", "ttl", "dev", "user-space"], |w, at, _, p| ipip::resolve(w, at, p).map(Kind::Ipip)),
    ("gre", &["local", "remote", "ttl", "dev", "key"], |w, at, _, p| gre::resolve(w, at, p).map(Kind::Gre)),
    ("sit", &["local", "remote", "ttl", "dev"], |w, at, _, p| sit::resolve(w, at, p).map(Kind::Sit)),
    ("vxlan", &["local", "remote", "ttl", "id", "port", "dev", "learning"], |w, at, _, p| {
        vxlan::resolve(w, at, p).map(Kind::Vxlan)
    }),
    ("wireguard", &["key", "port", "mark", "peers", "user-space"], |w, _, place, p| {
        wireguard::resolve(w, place, p).map(Kind::Wireguard)
    }),
    ("geneve", &["remote", "ttl", "id", "port"], |w, at, _, p| geneve::resolve(w, at, p).map(Kind::Geneve)),
];

impl Written {
    /// What it means.
    pub fn resolve(&self, at: Span, place: &Place<'_>, problems: &mut Problems) -> Option<Kind> {
        let names = || MODES.iter().map(|(name, ..)| *name);
        let Some(mode) = &self.mode else {
            let list = names().collect::<Vec<_>>().join(", ");
            problems.error(at, "a tunnel needs `mode`").help(format!("modes: {list}"));
            return None;
        };
        let Some((name, keys, resolve)) = MODES.iter().find(|(name, ..)| *name == mode.value) else {
            let list = names().collect::<Vec<_>>().join(", ");
            problems
                .error(mode.span, format!("there is no tunnel mode `{mode}`"))
                .help(did_you_mean(mode, names()).unwrap_or(format!("modes: {list}")));
            return None;
        };
        for (key, span) in self.keys() {
            if !keys.contains(&key) {
                problems
                    .error(span, format!("`{key}` means nothing to {name}"))
                    .help(format!("{name} takes {}", keys.join(", ")));
            }
        }
        resolve(self, at, place, problems)
    }

    fn keys(&self) -> Vec<(&'static str, Span)> {
        fn at<T>(value: &Option<Sp<T>>) -> Option<Span> {
            value.as_ref().map(|v| v.span)
        }
        [
            ("local", at(&self.local)),
            ("remote", at(&self.remote)),
            ("ttl", at(&self.ttl)),
            ("id", at(&self.id)),
            ("port", at(&self.port)),
            ("dev", at(&self.dev)),
            ("learning", at(&self.learning)),
            ("key", at(&self.key)),
            ("mark", at(&self.mark)),
            ("peers", self.peers.first().map(|p| p.span)),
            ("user-space", at(&self.user_space)),
        ]
        .into_iter()
        .filter_map(|(key, span)| Some((key, span?)))
        .collect()
    }

    /// The network's number, which must fit 24 bits.
    pub(super) fn vni(&self, at: Span, problems: &mut Problems) -> Option<u32> {
        let Some(id) = &self.id else {
            problems.error(at, "this tunnel needs `id`, the network's number").help("as in `id: 100`");
            return None;
        };
        if id.value >= 1 << 24 {
            problems
                .error(id.span, format!("id {id} is not from 0 to 16777215"))
                .help("it has 24 bits in every packet");
            return None;
        }
        Some(id.value)
    }

    /// The UDP port; the kernel would take another one for 0.
    pub(super) fn port(&self, usual: u16, problems: &mut Problems) -> Option<u16> {
        let Some(port) = &self.port else { return Some(usual) };
        if port.value == 0 {
            problems.error(port.span, "port 0 is not from 1 to 65535").help("leave it out for the usual one");
            return None;
        }
        Some(port.value)
    }

    /// The time to live, if one is said; for the kernel 0 is none.
    pub(super) fn ttl(&self, problems: &mut Problems) -> Option<Option<u8>> {
        let Some(ttl) = &self.ttl else { return Some(None) };
        if ttl.value == 0 {
            problems.error(ttl.span, "ttl 0 is not from 1 to 255").help("leave it out to take the inner packet's");
            return None;
        }
        Some(Some(ttl.value))
    }
}

/// What tunnels over IPv4 have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outer {
    /// This end's address; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Ipv4Addr>,
    /// The other end's address; whatever the route says if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Ipv4Addr>,
    /// Time to live of the outer packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
    /// The interface that they leave by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<IfName>,
}

impl Outer {
    /// Reads the common keys.
    pub(super) fn resolve(written: &Written, problems: &mut Problems) -> Option<Outer> {
        let local = written.local.as_ref().map(|t| v4(t, problems));
        // These two can also send to a group, by the interface that is named.
        let groups =
            written.dev.is_some() && written.mode.as_ref().is_some_and(|m| matches!(m.as_str(), "vxlan" | "gre"));
        let remote = written
            .remote
            .as_ref()
            .map(|t| v4(t, problems).and_then(|ip| other_end(ip, t, local.flatten(), groups, problems)));
        let dev = written.dev.as_ref().map(|d| interface(Some(d), d.span, "dev", problems));
        let ttl = written.ttl(problems);
        Some(Outer { local: twice(local)?, remote: twice(remote)?, ttl: ttl?, dev: twice(dev)? })
    }

    /// `local A remote B ttl N dev D`.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.local.map(|a| format!("local {a}")));
        words.extend(self.remote.map(|a| format!("remote {a}")));
        words.extend(self.ttl.map(|t| format!("ttl {t}")));
        words.extend(self.dev.as_ref().map(|d| format!("dev {d}")));
        words
    }

    /// What `status` compares.
    pub(super) fn properties(&self) -> Properties {
        let mut properties = Properties::new();
        properties.extend(self.local.map(|a| ("local".to_string(), a.to_string())));
        properties.extend(self.remote.map(|a| ("remote".to_string(), a.to_string())));
        properties.extend(self.ttl.map(|t| ("ttl".to_string(), t.to_string())));
        properties
    }
}

/// An absent value is fine, a wrong one is not.
pub(super) fn twice<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
    }
}

/// An IPv4 address of the network below.
pub(super) fn v4(text: &Sp<String>, problems: &mut Problems) -> Option<Ipv4Addr> {
    match parse_ip(text) {
        Ok(IpAddr::V4(ip)) => Some(ip),
        Ok(IpAddr::V6(_)) => {
            problems
                .error(text.span, format!("`{text}` is not IPv4, which this tunnel runs over"))
                .help("write the node's IPv4 address on the network below");
            None
        }
        Err(e) => {
            problems.error(text.span, e.message).maybe_help(e.help);
            None
        }
    }
}

/// The address of the other end, if somebody else can have it.
pub(super) fn other_end(
    ip: Ipv4Addr,
    text: &Sp<String>,
    local: Option<Ipv4Addr>,
    groups: bool,
    problems: &mut Problems,
) -> Option<Ipv4Addr> {
    let first = ip.octets()[0];
    let (what, help) = if Some(ip) == local {
        (format!("both ends of this tunnel are {ip}"), "`remote` is the other node's address")
    } else if ip.is_multicast() && groups {
        return Some(ip);
    } else if ip.is_multicast() {
        (format!("{ip} is a multicast address"), "vxlan and gre can send to one, with `dev` to say by which interface")
    } else if first == 0 || first == 127 || first >= 240 {
        (format!("{ip} is an address that no other node can have"), "`remote` is the other node's address")
    } else {
        return Some(ip);
    };
    problems.error(text.span, what).help(help);
    None
}

/// The name of an interface of the node; whether it is there is for the whole node to say.
pub(super) fn interface(text: Option<&Sp<String>>, at: Span, key: &str, problems: &mut Problems) -> Option<IfName> {
    let Some(text) = text else {
        problems.error(at, format!("`{key}` is missing: the interface below")).help(format!("as in `{key}: eth0`"));
        return None;
    };
    match IfName::new(text) {
        Ok(name) => Some(name),
        Err(message) => {
            problems
                .error(text.span, format!("`{text}`: {message}"))
                .help("name an interface of this node, as in `eth0`");
            None
        }
    }
}
