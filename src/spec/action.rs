//! Actions as they are written: changes of a lab that is up.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::{Content, Text};
use crate::span::Sp;

/// A named change of a lab that is up: `netlab act LAB NAME` makes it, `--undo` takes it back, and checks can say
/// whether they hold `before` or `after` it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Action {
    /// One line that says what it does.
    pub title: Option<Text>,
    /// Actions that come first.
    pub after: Names,
    /// What it changes, by node.
    pub nodes: IndexMap<Text, Edit>,
}

/// What an action changes of a node: something that the node has from the start.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Edit {
    /// New content of files of the node; the programs that read them read them anew.
    pub files: IndexMap<Text, Sp<Content>>,
    /// Routes in `ip route` words to add, or `del ROUTE` to delete.
    pub routes: Vec<Text>,
    /// Policy rules in `ip rule` words to add, or `del RULE` to delete.
    pub rules: Vec<Text>,
    /// New values of kernel settings of the node.
    pub sysctls: IndexMap<Text, Text>,
    /// Members of ipsets, by the set's name: `add 10.0.0.1`, `del 10.0.0.2`.
    pub ipsets: IndexMap<Text, Vec<Text>>,
    /// IPv4 firewall lines, as in the node, or `-D CHAIN …` to delete one of the node's.
    pub iptables: Vec<Text>,
    /// IPv6 firewall lines.
    pub ip6tables: Vec<Text>,
    /// Programs of the node to end.
    pub stop: Vec<Text>,
}

/// A name, or a list of names.
#[derive(Debug, Clone, Default)]
pub struct Names(pub Vec<Text>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let one_or_many: Sp<OneOrMany> = Sp::deserialize(deserializer)?;
        Ok(Names(match one_or_many.value {
            OneOrMany::One(name) => vec![Sp::new(name, one_or_many.span)],
            OneOrMany::Many(names) => names,
        }))
    }
}

enum OneOrMany {
    One(String),
    Many(Vec<Text>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name or a list of names")
            }
            fn visit_str<E>(self, name: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(name.to_string()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(OneOrMany::Many(names))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Names {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Names".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
    }
}
