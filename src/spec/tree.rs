//! YAML text → a tree in which every value knows its place.
//!
//! serde stops at the first mistake; a trainer wants all of them. So the text becomes this tree first, and
//! `spec::de` reads the typed lab from it, as often as needed, with the parts that were wrong cut out.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;
use serde_yaml::options::DuplicateKeyPolicy;

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
        problems.error(Span::default(), "lab file is empty").help("`netlab init` writes a first lab");
        return None;
    }
    match read(text, DuplicateKeyPolicy::Error) {
        Ok(tree) => Some(tree),
        Err(error) if matches!(error.without_snippet(), serde_yaml::Error::DuplicateMappingKey { .. }) => {
            // Once more with all entries kept, to find every duplicate and every other mistake behind it.
            let tree = read(text, DuplicateKeyPolicy::LastWins).ok()?;
            let before = problems.errors().count();
            duplicates(&tree, problems);
            if problems.errors().count() == before {
                let span = span_of(text, error.location());
                problems.error(span, "this key stands twice in its mapping");
            }
            Some(tree)
        }
        Err(error) => {
            syntax(text, &error, problems);
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
    Ok(tree)
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
        problems
            .error(span, format!("control character U+{:04X} in the lab file", c as u32))
            .help("delete it; in a double-quoted string write it as an escape");
        return false;
    }
    true
}

fn syntax(text: &str, error: &serde_yaml::Error, problems: &mut Problems) {
    // The parser has no good words for the most common slip of all.
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t')
            && !line.trim().is_empty()
        {
            let span = Span { start: (at + tab) as u32, end: (at + tab + 1) as u32 };
            problems
                .error(span, "tabs are not allowed for indentation in YAML")
                .help("replace the tab by spaces (2 per level)");
            return;
        }
        at += line.len();
    }
    let plain = error.without_snippet();
    let budget = matches!(plain, serde_yaml::Error::Budget { .. });
    let message = if budget {
        "lab file expands to more than 250000 elements; refused".to_string()
    } else {
        let full = plain.to_string();
        let cut = full.split(" at line ").next().unwrap_or(&full);
        format!("not YAML: {}", cut.split(" --> ").next().unwrap_or(cut).trim_end_matches('.'))
    };
    problems.error(span_of(text, error.location()), message);
}

fn span_of(text: &str, location: Option<serde_yaml::Location>) -> Span {
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

fn duplicates(tree: &Tree, problems: &mut Problems) {
    match &tree.value {
        Value::Map(entries) => {
            for (i, (key, value)) in entries.iter().enumerate() {
                if let Some((first, _)) = entries[..i].iter().find(|(k, _)| k.text == key.text) {
                    problems
                        .error(key.span, format!("`{}` is defined twice", key.text))
                        .label("again here")
                        .also(first.span, "first here")
                        .help("rename or delete one of the two");
                }
                duplicates(value, problems);
            }
        }
        Value::List(items) => items.iter().for_each(|item| duplicates(item, problems)),
        Value::Null | Value::Scalar(_) => {}
    }
}

/// A tree as it comes from the YAML reader.
struct Raw(Tree);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned: Spanned<RawValue> = Spanned::deserialize(deserializer)?;
        let span = convert(&spanned.referenced).or_else(|| convert(&spanned.defined)).unwrap_or_default();
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
            let span = convert(&key.referenced).unwrap_or_default();
            entries.push((Key { span, text: key.value }, value));
        }
        Ok(Value::Map(entries))
    }
}
