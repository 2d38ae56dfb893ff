//! Programs of a node as they are written, and the files that they see.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

use super::Text;
use crate::span::Sp;

/// A program that runs in the node: netlab's own responder (`http`, `tcp`, `udp`), or any other (`run`).
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// A small web server on this port that answers `NODE saw CLIENT`; `/bytes/N` gives an answer of N bytes.
    pub http: Option<Sp<u16>>,
    /// A TCP echo on this port that greets with `NODE saw CLIENT`.
    pub tcp: Option<Sp<u16>>,
    /// A UDP echo on this port.
    pub udp: Option<Sp<u16>>,
    /// The address that the responder listens on; every address if not said.
    pub listen: Option<Text>,
    /// A program and its arguments, in the foreground; no shell reads them. The node then has a `/run` of its own, with an
    /// empty folder in it that is called as the program is.
    pub run: Vec<Text>,
    /// Files that exist for this node only, path: content, or path: `{from: FILE}` for one beside the lab file. They
    /// appear to programs in the node at that path.
    pub files: IndexMap<Text, Sp<Content>>,
    /// A command that must exit with 0 before the program starts or reads its files anew, as in `[bird, -p]`.
    pub test: Vec<Text>,
    /// What shows that the program is ready.
    pub ready: Option<Ready>,
    /// What makes the program read its files anew.
    pub reload: Option<Reload>,
    /// Environment variables.
    pub env: IndexMap<Text, Text>,
    /// The user it runs as; root if not said.
    pub user: Option<Text>,
}

/// What shows that a program is ready: one of `tcp`, `socket` and `run`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ready {
    /// A TCP port of the node that accepts connections.
    pub tcp: Option<Sp<u16>>,
    /// The path of a Unix socket that accepts connections, as in `/run/bird/bird.ctl`.
    pub socket: Option<Text>,
    /// A command that exits with 0.
    pub run: Vec<Text>,
    /// How long it may take: `5s`.
    pub within: Option<Text>,
}

/// What makes a program read its files anew: one of `signal` and `run`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reload {
    /// A signal, as in `HUP`.
    pub signal: Option<Text>,
    /// A command, as in `[birdc, configure]`.
    pub run: Vec<Text>,
}

/// What is in a file.
#[derive(Debug, Clone)]
pub enum Content {
    /// This text.
    Inline(String),
    /// What another file holds, which lies beside the lab file or in a folder there.
    From(Text),
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Elsewhere {
    /// A path below the lab file's folder.
    from: Text,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Content;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the text of a file, or `{from: FILE}`")
            }
            fn visit_str<E>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Inline(text.to_string()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Content, A::Error> {
                Elsewhere::deserialize(MapAccessDeserializer::new(map)).map(|e| Content::From(e.from))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Content {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Content".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let elsewhere = generator.subschema_for::<Elsewhere>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, elsewhere] })
    }
}
