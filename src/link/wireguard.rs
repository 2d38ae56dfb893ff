//! wireguard: IP in UDP, sealed. A peer is a public key with the addresses that it may send from (and is sent to).
//!
//! Keys that a lab does not say are made from its names, so that a file can be passed on and comes up the same
//! everywhere. They are keys to learn with: whoever has the file has them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use base64::{Engine, engine::general_purpose::STANDARD};
use boringtun::x25519;
use ipnet::IpNet;
use rtnetlink::packet_route::link::{InfoData, InfoKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::tunnel::Written;
use super::{Endpoint, Kind, LinkKind, Properties};
use crate::error::{Problems, did_you_mean};
use crate::ip::{parse_net, parse_socket};
use crate::span::{Sp, Span};

/// 32 bytes, written in Base64 as `wg` writes them. Whether it is a secret is for the place to say where it stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(pub [u8; 32]);

impl Key {
    /// The key of an interface that the lab gives none.
    pub fn derived(lab: &str, node: &str, interface: &str) -> Key {
        Key::clamped(Sha256::digest(format!("netlab/wireguard/{lab}/{node}/{interface}")).into())
    }

    /// A private key has five bits that are always the same; the kernel sets them, and so shows another key.
    fn clamped(mut bytes: [u8; 32]) -> Key {
        bytes[0] &= 248;
        bytes[31] = (bytes[31] & 127) | 64;
        Key(bytes)
    }

    /// The public key of a private one.
    pub fn public(&self) -> Key {
        Key(x25519::PublicKey::from(&x25519::StaticSecret::from(self.0)).to_bytes())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

/// Nobody reads a key, and a log may be read by anybody.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Key, String> {
        let bytes = STANDARD.decode(text).map_err(|_| "this is not Base64".to_string())?;
        let n = bytes.len();
        bytes.try_into().map(Key).map_err(|_| format!("this is {n} bytes, a key has 32"))
    }
}

impl TryFrom<String> for Key {
    type Error = String;

    fn try_from(text: String) -> Result<Key, String> {
        text.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.to_string()
    }
}

/// A peer, as written; the words are netplan's.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Peer")]
pub struct WrittenPeer {
    /// Who it is.
    pub keys: Option<Sp<WrittenKeys>>,
    /// Where it is on the network below, `10.0.0.12:51820`; from where it is first heard if not said.
    pub endpoint: Option<Sp<String>>,
    /// The networks behind it: what it may send from, and what is sent to it.
    #[serde(rename = "allowed-ips")]
    pub allowed_ips: Vec<Sp<String>>,
    /// Seconds after which something is sent although there is nothing to say.
    pub keepalive: Option<Sp<u16>>,
}

/// The keys of a peer, as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Keys")]
pub struct WrittenKeys {
    /// Its public key: in Base64, or `NODE:INTERFACE` of this lab.
    pub public: Option<Sp<String>>,
    /// A key that only the two have, in Base64, mixed in.
    pub shared: Option<Sp<String>>,
}

/// Where a tunnel stands, and the private key of every wireguard interface of the lab by `NODE:INTERFACE`.
#[derive(Debug, Clone, Copy)]
pub struct Place<'k> {
    /// `NODE:INTERFACE`.
    pub name: &'k str,
    /// The private keys.
    pub keys: &'k Keys,
}

/// Private keys by `NODE:INTERFACE`.
#[derive(Debug, Clone, Default)]
pub struct Keys(BTreeMap<String, Key>);

impl Keys {
    /// Notes a tunnel's key: the one that is written, else one made from the names. A key that is none is reported where
    /// the tunnel is read.
    pub fn add(&mut self, lab: &str, node: &str, interface: &str, written: &Written) {
        if written.mode.as_ref().is_some_and(|m| m.value == Wireguard::WORD) {
            let given = written.key.as_ref().and_then(|k| k.value.parse::<Key>().ok());
            let key = given.map_or_else(|| Key::derived(lab, node, interface), |k| Key::clamped(k.0));
            self.0.insert(format!("{node}:{interface}"), key);
        }
    }
}

/// A wireguard interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wireguard {
    /// Its private key.
    pub key: Key,
    /// UDP port; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The firewall mark of its outer packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// Whom it talks to.
    pub peers: Vec<Peer>,
    /// Who carries its packets, when the lab says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_space: Option<bool>,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its public key.
    pub public: Key,
    /// A key that only the two have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Key>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<SocketAddr>,
    /// The networks behind it.
    pub allowed: Vec<IpNet>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<u16>,
}

pub(super) fn resolve(written: &Written, place: &Place<'_>, problems: &mut Problems) -> Option<Wireguard> {
    let key = written.key.as_ref().map(|text| key(text, "wg genkey", problems));
    let mark = written.mark.as_ref().map(|text| mark(text, problems));
    let mut seen: Vec<(Key, Span)> = Vec::new();
    let mut networks: Vec<(IpNet, Span)> = Vec::new();
    let mut peers = Vec::new();
    for peer in &written.peers {
        let Some((peer, at)) = read_peer(peer, place, &mut networks, problems) else { continue };
        if let Some((_, first)) = seen.iter().find(|(key, _)| *key == peer.public) {
            problems
                .error(at, "this peer is here already: one key is one peer")
                .also(*first, "the first")
                .help("put all its networks into one `allowed-ips`");
        }
        seen.push((peer.public, at));
        peers.push(peer);
    }
    let key = match key {
        Some(given) => Key::clamped(given?.0),
        None => *place.keys.0.get(place.name)?,
    };
    let mark = match mark {
        Some(mark) => Some(mark?),
        None => None,
    };
    let user_space = written.user_space.as_ref().map(|u| u.value);
    let port = match &written.port {
        Some(_) => Some(written.port(0, problems)?),
        None => None,
    };
    Some(Wireguard { key, port, mark, peers, user_space })
}

fn key(text: &Sp<String>, how: &str, problems: &mut Problems) -> Option<Key> {
    text.value
        .parse()
        .map_err(|why: String| {
            let help = format!("a key is 44 characters, as `{how}` prints it");
            problems.error(text.span, why).help(help);
        })
        .ok()
}

fn mark(text: &Sp<String>, problems: &mut Problems) -> Option<u32> {
    let hex = text.value.strip_prefix("0x").map(|digits| u32::from_str_radix(digits, 16));
    let number = hex.unwrap_or_else(|| text.value.parse()).ok().filter(|n| *n > 0);
    if number.is_none() {
        problems.error(text.span, format!("`{text}` is not a firewall mark")).help("as in `0x100000`");
    }
    number
}

fn read_peer(
    written: &Sp<WrittenPeer>,
    place: &Place<'_>,
    networks: &mut Vec<(IpNet, Span)>,
    problems: &mut Problems,
) -> Option<(Peer, Span)> {
    let keys = written.keys.as_ref();
    let Some(who) = keys.and_then(|k| k.public.as_ref()) else {
        problems
            .error(keys.map_or(written.span, |k| k.span), "this peer has no public key")
            .help("add `keys: {public: NODE:INTERFACE}`, its node and interface in this lab");
        return None;
    };
    let public = public(who, place, problems);
    let shared = keys.and_then(|k| k.shared.as_ref()).map(|text| key(text, "wg genpsk", problems));
    let endpoint = written.endpoint.as_ref().map(|text| match parse_socket(text) {
        Ok(socket) => Some(socket),
        Err(e) => {
            problems.error(text.span, e.message).maybe_help(e.help.or(Some("as in `10.0.0.12:51820`".into())));
            None
        }
    });
    if written.allowed_ips.is_empty() {
        problems
            .error(written.span, "nothing may go to this peer, and nothing may come from it")
            .help("add `allowed-ips: [NETWORK]`, the networks behind it");
    }
    let mut allowed = Vec::new();
    for text in &written.allowed_ips {
        match parse_net(text) {
            Ok(net) if net.trunc() != net => {
                problems.error(text.span, format!("{net} is an address, not a network")).help(format!(
                    "write `{}`, or `{}/{}`",
                    net.trunc(),
                    net.addr(),
                    net.max_prefix_len()
                ));
            }
            Ok(net) => {
                if let Some((_, first)) = networks.iter().find(|(other, _)| *other == net) {
                    problems
                        .error(text.span, format!("{net} is behind another peer already"))
                        .also(*first, "there")
                        .help("a network is behind one peer: the kernel would take it from the first without a word");
                }
                networks.push((net, text.span));
                allowed.push(net);
            }
            Err(e) => {
                problems.error(text.span, e.message).maybe_help(e.help);
            }
        }
    }
    let keepalive = written.keepalive.as_ref().map(|k| k.value).filter(|k| *k > 0);
    let peer = Peer {
        public: public?,
        shared: super::tunnel::twice(shared)?,
        endpoint: super::tunnel::twice(endpoint)?,
        allowed,
        keepalive,
    };
    Some((peer, who.span))
}

/// A public key in Base64 has no colon, a name always one.
fn public(text: &Sp<String>, place: &Place<'_>, problems: &mut Problems) -> Option<Key> {
    if !text.contains(':') {
        return key(text, "wg pubkey", problems);
    }
    if text.value == place.name {
        problems.error(text.span, "this is the interface itself").help("a peer is the other end");
        return None;
    }
    let found = place.keys.0.get(&text.value).map(Key::public);
    if found.is_none() {
        let names = || place.keys.0.keys().map(String::as_str).filter(|n| *n != place.name);
        let list = || names().collect::<Vec<_>>().join(", ");
        let none = names().next().is_none();
        problems.error(text.span, format!("this lab has no wireguard interface `{text}`")).help(
            did_you_mean(text, names()).unwrap_or_else(|| {
                if none {
                    "give the other node a tunnel with `mode: wireguard`".into()
                } else {
                    format!("it has {}", list())
                }
            }),
        );
    }
    found
}

impl Wireguard {
    /// The lines of a file that `wg setconf` reads.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec!["[Interface]".to_string(), format!("PrivateKey = {}", self.key)];
        lines.extend(self.port.map(|p| format!("ListenPort = {p}")));
        lines.extend(self.mark.map(|m| format!("FwMark = {m:#x}")));
        for peer in &self.peers {
            lines.extend(["[Peer]".to_string(), format!("PublicKey = {}", peer.public)]);
            lines.extend(peer.shared.map(|k| format!("PresharedKey = {k}")));
            let allowed: Vec<String> = peer.allowed.iter().map(ToString::to_string).collect();
            lines.push(format!("AllowedIPs = {}", allowed.join(", ")));
            lines.extend(peer.endpoint.map(|e| format!("Endpoint = {e}")));
            lines.extend(peer.keepalive.map(|k| format!("PersistentKeepalive = {k}")));
        }
        lines
    }

    /// Reads such a file.
    pub fn parse(text: &str) -> Result<Wireguard, String> {
        let mut found = Wireguard { key: Key([0; 32]), port: None, mark: None, peers: Vec::new(), user_space: None };
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let wrong = |_| format!("`{line}` is not understood");
            match line {
                "[Interface]" => continue,
                "[Peer]" => {
                    let public = Key([0; 32]);
                    found.peers.push(Peer {
                        public,
                        shared: None,
                        endpoint: None,
                        allowed: Vec::new(),
                        keepalive: None,
                    });
                    continue;
                }
                _ => {}
            }
            let (word, value) = line.split_once('=').ok_or(()).map_err(wrong)?;
            let (word, value) = (word.trim(), value.trim());
            match (word, found.peers.last_mut()) {
                ("PrivateKey", None) => found.key = value.parse()?,
                ("ListenPort", None) => found.port = Some(value.parse().map_err(|_| ()).map_err(wrong)?),
                ("FwMark", None) => {
                    let digits = value.strip_prefix("0x").ok_or(()).map_err(wrong)?;
                    found.mark = Some(u32::from_str_radix(digits, 16).map_err(|_| ()).map_err(wrong)?);
                }
                ("PublicKey", Some(peer)) => peer.public = value.parse()?,
                ("PresharedKey", Some(peer)) => peer.shared = Some(value.parse()?),
                ("Endpoint", Some(peer)) => peer.endpoint = Some(value.parse().map_err(|_| ()).map_err(wrong)?),
                ("PersistentKeepalive", Some(peer)) => {
                    peer.keepalive = Some(value.parse().map_err(|_| ()).map_err(wrong)?);
                }
                ("AllowedIPs", Some(peer)) => {
                    let nets = value.split(',').map(|net| net.trim().parse::<IpNet>());
                    peer.allowed.extend(nets.collect::<Result<Vec<_>, _>>().map_err(|_| ()).map_err(wrong)?);
                }
                _ => return Err(wrong(())),
            }
        }
        Ok(found)
    }

    /// What `status` compares: who it is, whom it talks to, about what. Where a peer is changes by itself.
    pub fn described(&self) -> Properties {
        let mut properties = Properties::from([("public key".to_string(), self.key.public().to_string())]);
        properties.extend(self.port.map(|p| ("listening port".to_string(), p.to_string())));
        properties.extend(self.mark.map(|m| ("fwmark".to_string(), format!("{m:#x}"))));
        for peer in &self.peers {
            let mut allowed: Vec<String> = peer.allowed.iter().map(ToString::to_string).collect();
            allowed.sort();
            properties.insert(format!("peer {}", peer.public), format!("allowed ips {}", allowed.join(", ")));
        }
        properties
    }
}

impl LinkKind for Wireguard {
    const WORD: &'static str = "wireguard";
    const HAS_MAC: bool = false;

    fn words(&self) -> Vec<String> {
        Vec::new()
    }
    fn info(&self, _parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        (InfoKind::Wireguard, None)
    }
    fn properties(&self) -> Properties {
        self.described()
    }
    fn observed(_data: &InfoData) -> Option<Properties> {
        // Not among a link's attributes: asked for separately.
        None
    }
    fn unique(&self) -> Option<String> {
        self.port.map(|port| format!("wireguard on port {port}"))
    }
    fn endpoint(&self, _others: &[&Kind]) -> Option<Endpoint> {
        Some(Endpoint::Wireguard(Box::new(self.clone())))
    }
    fn user_space(&self) -> Option<bool> {
        self.user_space
    }
    fn user_space_mtu(&self) -> Option<u32> {
        Some(1420)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_the_one_that_wg_computes() {
        let private: Key = "UPT0NPEhsQxCyIdavMRNwmoIfBEU6XPcxMbYHY450lY=".parse().unwrap();
        assert_eq!(private.public().to_string(), "WHHd9AuuUpj124uXn/7vI2PmqXaSuPsg/eSyZRdDqBc=");
    }

    #[test]
    fn what_is_written_for_wg_is_read_back() {
        let peer = Peer {
            public: Key::derived("lab", "b", "wg0").public(),
            shared: Some(Key([7; 32])),
            endpoint: Some("10.0.0.12:51820".parse().unwrap()),
            allowed: vec!["10.244.2.0/26".parse().unwrap(), "fd00::/64".parse().unwrap()],
            keepalive: Some(25),
        };
        let bare = Peer { shared: None, endpoint: None, keepalive: None, ..peer.clone() };
        let key = Key::derived("lab", "a", "wg0");
        let all =
            Wireguard { key, port: Some(51820), mark: Some(0x10_0000), peers: vec![peer, bare], user_space: None };
        assert_eq!(Wireguard::parse(&all.lines().join("\n")), Ok(all));
    }

    #[test]
    fn keys_follow_from_the_names_and_differ() {
        let key = Key::derived("lab", "a", "wg0");
        assert_eq!(key, Key::derived("lab", "a", "wg0"));
        assert_ne!(key, Key::derived("lab", "b", "wg0"));
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key, Key::clamped(key.0));
        assert_eq!(format!("{key:?}"), "Key(…)");
    }
}
