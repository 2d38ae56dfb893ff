//! YAML text → a tree in which every value knows its place.
//!
//! serde stops at the first mistake; a trainer wants all of them. So the text becomes this tree first, and
//! `spec::de` reads the typed lab from it, as often as needed, with the parts that were wrong cut out.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;
use serde_yaml::options::DuplicateKeyPolicy;

use super::riddles;
use crate::error::Problems;
use crate::span::{Source, Span};

/// A YAML value and its place.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// The shapes that YAML has.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing: `key:` or `~`.
    Null,
    /// Text, a number, a boolean: as it was written, quotes resolved.
    Scalar(String),
    /// A list.
    List(Vec<Tree>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Tree)>),
}

/// The key of a mapping's entry.
#[derive(Debug, Clone)]
pub struct Key {
    /// Where it stands.
    pub span: Span,
    /// Its text.
    pub text: String,
}

impl Value {
    /// What it is, for a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Larger files are refused before they are read.
pub const MOST_BYTES: usize = 4 << 20;

/// Reads the text; syntax errors and duplicate keys go to `problems`.
pub fn parse(source: &Source, problems: &mut Problems) -> Option<Tree> {
    if !sane_characters(source, problems) {
        return None;
    }
    let text = &source.text;
    if text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#') || l.trim() == "---") {
        problems.error(Span::default(), "lab file is empty").help(FIRST_LAB);
        return None;
    }
    if let Some((key, what)) = foreign(text) {
        problems.error(key, format!("this is {what}, not a lab file")).help(FIRST_LAB);
        return None;
    }
    let tree = parse_text(text, problems)?;
    match &tree.value {
        Value::Map(_) => Some(tree),
        Value::Null => {
            problems.error(tree.span, "lab file is empty").help(FIRST_LAB);
            None
        }
        Value::List(_) | Value::Scalar(_) => {
            // Of what may be anything, no more is shown than its beginning.
            let long = text.get(tree.span.range()).unwrap_or_default().lines().next().unwrap_or_default();
            let shown: usize = long.chars().take(40).map(char::len_utf8).sum();
            let span = Span { start: tree.span.start, end: tree.span.start + shown as u32 };
            let found = tree.value.kind().replace("a single value", "text");
            problems
                .error(span, format!("a lab file is a mapping that begins with `name: …`; this is {found}"))
                .help(FIRST_LAB);
            None
        }
    }
}

const FIRST_LAB: &str = "`netlab init` writes a first lab";

/// What people give to netlab that other programs read, by words at the beginning of a line.
fn foreign(text: &str) -> Option<(Span, &'static str)> {
    let mut at = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        at += line.len();
        (at - line.len(), line)
    });
    let keys: Vec<(usize, &str)> = lines
        .filter(|(_, l)| !l.starts_with([' ', '#', '-']))
        .filter_map(|(at, l)| Some((at, l.split_once(':')?.0)))
        .collect();
    let find = |key: &str| {
        let (at, _) = keys.iter().find(|(_, k)| *k == key)?;
        Some(Span { start: *at as u32, end: (at + key.len()) as u32 })
    };
    if find("nodes").is_some() {
        return None;
    }
    let both = |one: &str, other: &str| find(one).filter(|_| find(other).is_some());
    let one_of = [
        (both("apiVersion", "kind"), "a Kubernetes manifest"),
        (find("services").or_else(|| both("networks", "volumes")), "a compose file"),
        (find("topology"), "a topology for containerlab"),
        (find("network"), "a netplan configuration"),
    ];
    one_of.into_iter().find_map(|(span, what)| Some((span?, what)))
}

fn parse_text(text: &str, problems: &mut Problems) -> Option<Tree> {
    match read(text, DuplicateKeyPolicy::Error) {
        Ok(tree) => Some(tree),
        Err(error) if matches!(error.without_snippet(), serde_yaml::Error::DuplicateMappingKey { .. }) => {
            // Once more with all entries kept, to find every duplicate and every other mistake behind it.
            let mut tree =
                read(text, DuplicateKeyPolicy::LastWins).map_err(|error| riddles::tell(text, &error, problems)).ok()?;
            let before = problems.errors().count();
            duplicates(&mut tree, problems);
            if problems.errors().count() == before {
                let span = span_of(text, error.location());
                problems.error(span, "this key stands twice in its mapping");
            }
            Some(tree)
        }
        Err(error) => {
            riddles::tell(text, &error, problems);
            None
        }
    }
}

fn read(text: &str, duplicate_keys: DuplicateKeyPolicy) -> Result<Tree, serde_yaml::Error> {
    let options = serde_yaml::options! {
        duplicate_keys: duplicate_keys,
        strict_booleans: true,
        with_snippet: false,
        budget: serde_yaml::budget! { max_nodes: 250_000, max_events: 1_000_000, max_depth: 64 },
    };
    let mut tree: Tree = serde_yaml::from_str_with_options::<Raw>(text, options)?.0;
    resolve_text(&mut tree, text);
    stretch(&mut tree, text);
    Ok(tree)
}

/// A container comes with the place of its first character; a message wants to underline what can be seen of it in that
/// line. Gives back the end of the whole.
fn stretch(tree: &mut Tree, text: &str) -> u32 {
    let last = match &mut tree.value {
        Value::Null | Value::Scalar(_) => return tree.span.end,
        Value::List(items) => items.iter_mut().map(|item| stretch(item, text)).max(),
        Value::Map(entries) => entries.iter_mut().map(|(key, value)| stretch(value, text).max(key.span.end)).max(),
    };
    let start = tree.span.start;
    let inside = last.filter(|end| *end > start).unwrap_or(start + 1).min(text.len() as u32);
    let closing = match text.as_bytes().get(start as usize) {
        Some(b'{') => "}",
        Some(b'[') => "]",
        _ => "",
    };
    let rest = text.get(inside as usize..).unwrap_or_default();
    let skipped = rest.len() - rest.trim_start_matches([' ', ',', '\t', '\r', '\n']).len();
    let closed = !closing.is_empty() && rest[skipped..].starts_with(closing);
    let end = if closed { inside + skipped as u32 + 1 } else { inside };
    let seen = text.get(start as usize..end as usize).map_or(1, |t| t.lines().next().unwrap_or_default().len().max(1));
    tree.span.end = start + seen as u32;
    end
}

/// Plain scalars come as numbers or booleans; what the author wrote stands in the text (`010`, `10.0`).
fn resolve_text(tree: &mut Tree, text: &str) {
    match &mut tree.value {
        Value::Scalar(scalar) => {
            let written = text.get(tree.span.range()).unwrap_or_default().trim();
            if !written.is_empty()
                && !written.starts_with(['"', '\'', '|', '>', '*', '&', '!'])
                && !written.contains('\n')
            {
                *scalar = written.to_string();
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| resolve_text(item, text)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| resolve_text(value, text)),
        Value::Null => {}
    }
}

fn sane_characters(source: &Source, problems: &mut Problems) -> bool {
    let bad = source
        .text
        .char_indices()
        .find(|(i, c)| c.is_control() && !matches!(c, '\n' | '\r' | '\t') || *c == '\u{feff}' && *i > 0);
    if let Some((at, c)) = bad {
        let span = Span { start: at as u32, end: (at + c.len_utf8()) as u32 };
        problems.error(span, format!("control character U+{:04X} in the lab file", c as u32)).help("delete it");
        return false;
    }
    true
}

/// The place that the YAML reader speaks of.
pub(super) fn span_of(text: &str, location: Option<serde_yaml::Location>) -> Span {
    let Some(location) = location else {
        return Span::default();
    };
    convert(&location).unwrap_or_else(|| {
        let line = (location.line() as usize).saturating_sub(1);
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let column = text[start..].chars().take((location.column() as usize).saturating_sub(1)).map(char::len_utf8);
        let start = (start + column.sum::<usize>()).min(text.len());
        Span { start: start as u32, end: (start + 1).min(text.len()) as u32 }
    })
}

fn convert(location: &serde_yaml::Location) -> Option<Span> {
    let span = location.span();
    let start = span.byte_offset()? as u32;
    Some(Span { start, end: start + span.byte_len()? as u32 })
}

/// Reports keys that stand twice. Their values are put together, so that what is wrong in either is found as well, and
/// nothing that one of them has seems to be missing.
fn duplicates(tree: &mut Tree, problems: &mut Problems) {
    match &mut tree.value {
        Value::Map(entries) => {
            let mut first: HashMap<String, usize> = HashMap::new();
            let mut kept: Vec<(Key, Tree)> = Vec::new();
            for (key, value) in entries.drain(..) {
                if let Some(&at) = first.get(&key.text) {
                    problems
                        .error(key.span, format!("`{}` is defined twice", key.text))
                        .label("again here")
                        .also(kept[at].0.span, "first here")
                        .help("rename or delete one of the two");
                    join(&mut kept[at].1, value);
                } else {
                    first.insert(key.text.clone(), kept.len());
                    kept.push((key, value));
                }
            }
            *entries = kept;
            entries.iter_mut().for_each(|(_, value)| duplicates(value, problems));
        }
        Value::List(items) => items.iter_mut().for_each(|item| duplicates(item, problems)),
        Value::Null | Value::Scalar(_) => {}
    }
}

/// Adds what only the second one has.
pub(super) fn join(first: &mut Tree, second: Tree) {
    match (&mut first.value, second.value) {
        (Value::Map(mine), Value::Map(other)) => {
            for (key, value) in other {
                match mine.iter_mut().find(|(k, _)| k.text == key.text) {
                    Some((_, own)) => join(own, value),
                    None => mine.push((key, value)),
                }
            }
        }
        (Value::List(mine), Value::List(other)) => mine.extend(other),
        (Value::Null, other) => *first = Tree { value: other, span: second.span },
        _ => {}
    }
}

/// A tree as it comes from the YAML reader.
struct Raw(Tree);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned: Spanned<RawValue> = Spanned::deserialize(deserializer)?;
        // What an alias stands for is mended where it is defined.
        let span = convert(&spanned.defined).or_else(|| convert(&spanned.referenced)).unwrap_or_default();
        Ok(Raw(Tree { span, value: spanned.value.0 }))
    }
}

struct RawValue(Value);

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(RawValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }
    fn visit_i128<E>(self, v: i128) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }
    fn visit_u128<E>(self, v: u128) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Scalar(v.to_string()))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Raw(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let Raw(value) = map.next_value()?;
            let span = convert(&key.defined).or_else(|| convert(&key.referenced)).unwrap_or_default();
            entries.push((Key { span, text: key.value }, value));
        }
        Ok(Value::Map(entries))
    }
}
