//! What a check of the lab file says.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};

use super::{Names, Text};
use crate::span::{Sp, Span};

/// An entry that may have been written.
trait Entry {
    fn place(&self) -> Option<Span>;
}

impl<T> Entry for Option<Sp<T>> {
    fn place(&self) -> Option<Span> {
        self.as_ref().map(|value| value.span)
    }
}

impl Entry for Vec<Text> {
    fn place(&self) -> Option<Span> {
        self.first().map(|text| text.span)
    }
}

impl Entry for Names {
    fn place(&self) -> Option<Span> {
        self.0.place()
    }
}

/// An empty list was written all the same.
impl Entry for Option<Vec<Text>> {
    fn place(&self) -> Option<Span> {
        self.as_ref().map(|list| list.place().unwrap_or_default())
    }
}

/// A section whose entries can be listed: each kind of check takes some of them.
macro_rules! entries {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$doc:meta])* pub $entry:ident: $type:ty),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
        pub struct $name {
            $($(#[$doc])* pub $entry: $type),+
        }

        impl $name {
            /// The entries that were written, each as the lab file calls it.
            pub fn written(&self) -> Vec<(String, Span)> {
                let word = |entry: &str| entry.trim_start_matches("r#").replace('_', "-");
                [$((word(stringify!($entry)), self.$entry.place())),+]
                    .into_iter()
                    .filter_map(|(word, span)| Some((word, span?)))
                    .collect()
            }
        }
    };
}

entries! {
    /// One check: exactly one of the kinds (`ping`, `curl`, `tcp`, …) and what to expect.
    pub struct Check {
        /// What it shows; made from its words if not said.
        pub name: Option<Text>,
        /// The node that it runs in.
        pub from: Option<Text>,
        /// The node that it looks at (the same as `from`, for checks that only look); for `sees` with the interface, as
        /// `NODE:INTERFACE`.
        pub on: Option<Text>,
        /// What must be seen; depends on the kind.
        pub expect: Option<Sp<Expect>>,
        /// How long it may take until it holds: `5s`.
        pub within: Option<Text>,
        /// Actions that must be done for it to hold: without them it waits.
        pub after: Names,
        /// Actions that must not be done for it to hold.
        pub before: Names,
        /// What to look at when it fails.
        pub hint: Option<Text>,

        /// An address that must answer to ping.
        pub ping: Option<Text>,
        /// A URL that must answer.
        pub curl: Option<Text>,
        /// `ADDRESS:PORT` that must accept a TCP connection.
        pub tcp: Option<Text>,
        /// `ADDRESS:PORT` that must echo a UDP datagram.
        pub udp: Option<Text>,
        /// A name to look up: the answers, `nxdomain`, `timeout` (the server is silent) or `refused` (there is none).
        pub dns: Option<Text>,
        /// An address: which way would the kernel send a packet there?
        pub route: Option<Text>,
        /// Lines that `ip -br addr`, `ip route`, `ip rule`, `ip neigh`, `bridge link`, `iptables-save` of the node must show.
        pub has: Option<Vec<Text>>,
        /// An address: the hops on the way there.
        pub path: Option<Text>,
        /// `all`, or a list of nodes: every one of them must reach every other one.
        pub reach: Names,
        /// A URL that several servers answer: many requests, and how they are shared out.
        pub spread: Option<Text>,
        /// Packets that must pass an interface (`on: NODE:INTERFACE`) while the traffic of `during` runs: headers from the
        /// outside in, each behind a slash, `*` for any address or port. `ip 10.0.0.11 > 10.0.0.12 proto 4 / ip / icmp`,
        /// `ip / udp * > 4789 / vxlan vni 4096 / ip 10.244.1.2 > *`, `vlan 10 / arp`, `plaintext "token"`.
        pub sees: Option<Text>,
        /// An address, or several: BGP peers that the node's BIRD must have a session with.
        pub bgp: Names,
        /// A command and its arguments; no shell reads them.
        pub run: Option<Vec<Text>>,

        /// reach: pairs that must not get through: `red > blue`.
        pub blocked: Vec<Text>,
        /// reach: `ipv4` or `ipv6`; if not said, IPv4 where two nodes have it.
        pub family: Option<Text>,
        /// ping: data bytes per packet.
        pub size: Option<Sp<u32>>,
        /// ping: forbid fragmentation.
        pub df: Option<Sp<bool>>,
        /// ping: how many packets.
        pub count: Option<Sp<u32>>,
        /// ping: time to live of the packets sent.
        pub ttl: Option<Sp<u32>>,
        /// spread: how many requests; 90 if not said.
        pub requests: Option<Sp<u32>>,
        /// ping, curl, spread, route: source address or interface.
        pub source: Option<Text>,
        /// curl: request method.
        pub method: Option<Text>,
        /// curl, spread: `Host` header.
        pub host: Option<Text>,
        /// curl: further header lines.
        pub header: Vec<Text>,
        /// curl: `HOST:PORT:ADDRESS`, instead of a look-up.
        pub resolve: Option<Text>,
        /// dns: ask this server.
        pub server: Option<Text>,
        /// dns: record type.
        pub r#type: Option<Text>,
        /// route: firewall mark of the packet.
        pub mark: Option<Text>,
        /// sees: what makes the packets: a check of its own, as in `{from: red, ping: 10.0.0.2}`, or the name of another
        /// check.
        pub during: Option<Sp<During>>,
    }
}

/// What makes the packets that a check waits for.
#[derive(Debug, Clone)]
pub enum During {
    /// The check of this name.
    Name(String),
    /// A check of its own.
    Check(Box<Check>),
}

impl<'de> Deserialize<'de> for During {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = During;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a check such as `{from: red, ping: 10.0.0.2}`, or the name of one")
            }
            fn visit_str<E>(self, name: &str) -> Result<During, E> {
                Ok(During::Name(name.to_string()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<During, A::Error> {
                Check::deserialize(MapAccessDeserializer::new(map)).map(|check| During::Check(Box::new(check)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for During {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "During".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let check = generator.subschema_for::<Check>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, check] })
    }
}

/// What a check expects: a word, a list, or several properties.
#[derive(Debug, Clone)]
pub enum Expect {
    /// `ok`, `blocked`, `refused`, …
    Word(String),
    /// Addresses, names.
    List(Vec<Text>),
    /// Properties that must all hold.
    Properties(Box<Properties>),
}

entries! {
    /// Properties that a check can ask for.
    pub struct Properties {
        /// curl: the HTTP status.
        pub status: Option<Sp<u16>>,
        /// curl: text that the answer must hold.
        pub body: Option<Text>,
        /// curl: the client address that the server saw (netlab's own responder says it).
        pub server_saw: Option<Text>,
        /// curl: the address that a proxy told the server (netlab's own responder says it).
        pub x_forwarded_for: Option<Text>,
        /// ping: time to live of the answers.
        pub ttl: Option<Sp<u32>>,
        /// ping: packets lost, as `0%`, `<50%` or `5%..40%`.
        pub loss: Option<Text>,
        /// ping: time until the fastest answer, as `>40ms`, `<20ms` or `40ms..60ms`.
        pub rtt: Option<Text>,
        /// ping: the MTU that a router on the way reports.
        pub mtu: Option<Sp<u32>>,
        /// run: exit code.
        pub exit: Option<Sp<u8>>,
        /// run: text that standard output must hold.
        pub stdout: Option<Text>,
        /// bgp: routes that the peer told, and that were taken.
        pub imported: Option<Sp<u32>>,
        /// bgp: routes that the peer was told.
        pub exported: Option<Sp<u32>>,
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Expect;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a word such as `ok` or `blocked`, a list, or properties")
            }
            fn visit_str<E>(self, word: &str) -> Result<Expect, E> {
                Ok(Expect::Word(word.to_string()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Expect, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Expect::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expect, A::Error> {
                Properties::deserialize(MapAccessDeserializer::new(map)).map(|p| Expect::Properties(Box::new(p)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for Expect {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Expect".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let properties = generator.subschema_for::<Properties>();
        schemars::json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }, properties]
        })
    }
}
