//! The typed lab out of the tree, with every mistake in one run.
//!
//! serde gives up at the first mistake. Here the entry that was wrong is cut out of the tree and the reading starts
//! again, until nothing is wrong any more: each round adds one message. A lab file is small, the rounds are few.

use std::fmt;

use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::tree::{Key, Tree, Value};
use super::{Holes, TOP, UNKNOWN};
use crate::error::{Problems, did_you_mean};
use crate::span::{MARKER, Span};

/// More mistakes than this of one file are not listed.
const MOST_MISTAKES: usize = 20;

/// Reads a `T`, collecting everything that does not fit. Nothing comes back when that is the whole file, or too much.
pub fn read<T: de::DeserializeOwned>(tree: &mut Tree, problems: &mut Problems) -> Option<(T, Holes)> {
    let mut holes = Holes::default();
    for _ in 0..MOST_MISTAKES {
        match T::deserialize(Reader(tree)) {
            Ok(value) => return Some((value, holes)),
            Err(mistake) => {
                let problem = problems.error(mistake.span, mistake.message);
                problem.maybe_help(mistake.help);
                let at = mistake.cut?;
                let mut knife = Knife { at, unknown: mistake.unknown, holes: &mut holes };
                if knife.cut(tree, &[TOP]) == Cut::Nothing {
                    return None;
                }
            }
        }
    }
    None
}

/// Takes the entry or item that begins at `at` out of the tree, wherever an alias has put it.
struct Knife<'h> {
    at: Span,
    unknown: bool,
    holes: &'h mut Holes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    Nothing,
    Done,
    /// The list is not whole any more, and so the entry that it is the value of.
    Item,
}

impl Knife<'_> {
    fn cut(&mut self, tree: &mut Tree, places: &[Span]) -> Cut {
        let mut done = Cut::Nothing;
        match &mut tree.value {
            Value::Map(entries) => entries.retain_mut(|(key, value)| {
                let below = if key.span == self.at { Cut::Item } else { self.cut(value, &[key.span, value.span]) };
                if below == Cut::Item {
                    let name = if self.unknown && key.span == self.at { UNKNOWN } else { &key.text };
                    places.iter().for_each(|place| self.holes.add(*place, name));
                }
                done = done.max(below.min(Cut::Done));
                key.span != self.at
            }),
            Value::List(items) => items.retain_mut(|item| {
                done = done.max(if item.span == self.at { Cut::Item } else { self.cut(item, &[item.span]) });
                item.span != self.at
            }),
            Value::Null | Value::Scalar(_) => {}
        }
        done
    }
}

/// What does not fit, where, and what to cut so that the rest can be read.
#[derive(Debug)]
pub struct Mistake {
    span: Span,
    message: String,
    help: Option<String>,
    cut: Option<Span>,
    placed: bool,
    unknown: bool,
    wanted: Option<&'static str>,
}

impl Mistake {
    fn at(span: Span, message: impl Into<String>) -> Self {
        Mistake { span, placed: true, ..de::Error::custom(message.into()) }
    }
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
    /// The first reader on the way out knows the place; the first container knows what to cut.
    fn within(mut self, span: Span, cut: Span) -> Self {
        if !self.placed {
            self.span = span;
            self.placed = true;
        }
        self.cut.get_or_insert(cut);
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Mistake {
            span: Span::default(),
            message: message.to_string(),
            help: None,
            cut: None,
            placed: false,
            unknown: false,
            wanted: None,
        }
    }
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let blank = field.chars().next().filter(|c| c.is_whitespace());
        if let Some(c) = blank {
            let what = format!("a blank that is no space (U+{:04X}) stands before `{}`", c as u32, field.trim());
            return Mistake::custom(what).help("replace it by spaces");
        }
        let mut mistake = Mistake::custom(format!("unknown key `{field}`"));
        let known = || format!("known here: {}", expected.join(", "));
        let near = |word: &str| did_you_mean(word, expected.iter().copied());
        // One address and many: `adress`.
        mistake.help =
            near(field).or_else(|| near(&format!("{field}es")).filter(|_| field.len() > 4)).or_else(|| Some(known()));
        mistake.unknown = true;
        mistake
    }
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut mistake = Mistake::custom(format!("`{variant}` is none of {}", expected.join(", ")));
        mistake.help = did_you_mean(variant, expected.iter().copied());
        mistake
    }
}

fn control(span: Span, c: char) -> Mistake {
    Mistake::at(span, format!("control character U+{:04X} in this text", c as u32)).help("delete it")
}

/// The beginning of a text that may be a whole file.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(60).collect();
    if cut == *text { cut } else { format!("{cut}…") }
}

/// A text as it can stand in an example.
fn quoted(text: &str) -> String {
    if text.contains([':', '#', ',', '[', ']', '{', '}', '"', '\'']) { format!("{text:?}") } else { text.to_string() }
}

/// An item of a list as the entry of a mapping that was meant: `red`, `net.ipv4.ip_forward=1`, `eth0: {…}`.
fn entry_of(item: &Value) -> Option<String> {
    match item {
        Value::Scalar(text) => match text.split_once('=') {
            Some((key, value)) => Some(format!("{}: {}", key.trim(), value.trim())),
            None => Some(format!("{text}: …")),
        },
        Value::Map(entries) => entries.first().map(|(key, _)| format!("{}: …", key.text)),
        Value::Null | Value::List(_) => None,
    }
}

/// Reads one value of the tree.
struct Reader<'de>(&'de Tree);

impl<'de> Reader<'de> {
    fn wrong(&self, wanted: &'static str, help: impl Into<String>) -> Mistake {
        let found = match &self.0.value {
            Value::Scalar(text) => format!("`{}`", short(text)),
            Value::Null | Value::List(_) | Value::Map(_) => self.0.value.kind().to_string(),
        };
        let mistake = Mistake::at(self.0.span, format!("expected {wanted}, found {found}")).help(help);
        Mistake { wanted: Some(wanted), ..mistake }
    }

    fn scalar(&self) -> Result<&'de str, Mistake> {
        match &self.0.value {
            Value::Scalar(text) => match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
                Some(c) => Err(control(self.0.span, c)),
                None => Ok(text),
            },
            Value::Null => Err(Mistake::at(self.0.span, "a value is missing here")),
            Value::List(_) | Value::Map(_) => Err(self.wrong("a single value", "write one word or text")),
        }
    }

    fn mapping<V: Visitor<'de>>(self, example: &str, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.value {
            Value::Map(entries) => visitor.visit_map(Entries { entries: entries.iter(), value: None }),
            Value::Null => Err(Mistake::at(self.0.span, "this mapping has no entries")),
            Value::List(_) | Value::Scalar(_) => Err(self.wrong("a mapping", format!("as in `{{{example}}}`"))),
        }
    }

    fn number(&self) -> Result<i128, Mistake> {
        let text = self.scalar()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Mistake::at(self.0.span, format!("`{text}` has a leading zero"))
                .help("write the number without it; some readers would take it for octal"));
        }
        text.parse().map_err(|_| {
            Mistake::at(self.0.span, format!("`{text}` is not a whole number")).help("write digits only, as in `80`")
        })
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            let n = self.number()?;
            let fits = <$type>::try_from(n).map_err(|_| {
                Mistake::at(self.0.span, format!("`{n}` is not from {} to {}", <$type>::MIN, <$type>::MAX))
                    .help("write a number that fits")
            })?;
            visitor.$visit(fits)
        })+
    };
}

impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar(text) => visitor.visit_borrowed_str(text),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    numbers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.scalar()? {
            "true" | "on" => visitor.visit_bool(true),
            "false" | "off" => visitor.visit_bool(false),
            other => {
                Err(Mistake::at(self.0.span, format!("`{other}` is neither on nor off")).help("write `on` or `off`"))
            }
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_borrowed_str(self.scalar()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        if name == MARKER {
            visitor.visit_seq(Placed { span: self.0.span, tree: Some(self.0), step: 0 })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.value {
            Value::List(items) => visitor.visit_seq(Items { items: items.iter() }),
            Value::Scalar(text) => Err(self.wrong("a list", format!("as in `[{}]`", quoted(&short(text))))),
            Value::Null => Err(Mistake::at(self.0.span, "this list has no entries")),
            Value::Map(entries) => {
                let tight = entries.first().is_some_and(|(key, _)| key.text.starts_with('-'));
                let help =
                    if tight { "put a space behind the dash" } else { "write one entry per line, each with a dash" };
                Err(self.wrong("a list", help))
            }
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let example = match &self.0.value {
            Value::List(items) => items.first().and_then(|item| entry_of(&item.value)),
            Value::Null | Value::Scalar(_) | Value::Map(_) => None,
        };
        self.mapping(&example.unwrap_or_else(|| "name: …".into()), visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        // `red:` with nothing behind it is a node that has nothing of its own.
        if matches!(self.0.value, Value::Null) {
            return visitor.visit_map(Entries { entries: [].iter(), value: None });
        }
        self.mapping(&format!("{}: …", fields.first().unwrap_or(&"name")), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let text: &str = self.scalar()?;
        visitor.visit_enum(text.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// `[start, end, value]`, for [`crate::span::Sp`].
struct Placed<'de> {
    span: Span,
    tree: Option<&'de Tree>,
    step: u8,
}

impl<'de> SeqAccess<'de> for Placed<'de> {
    type Error = Mistake;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        self.step += 1;
        match (self.step, self.tree) {
            (1, _) => seed.deserialize(self.span.start.into_deserializer()).map(Some),
            (2, _) => seed.deserialize(self.span.end.into_deserializer()).map(Some),
            (3, Some(tree)) => seed.deserialize(Reader(tree)).map(Some),
            _ => Ok(None),
        }
    }
}

struct Items<'de> {
    items: std::slice::Iter<'de, Tree>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Mistake;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(Reader(item)).map(Some).map_err(|m| m.within(item.span, item.span))
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, (Key, Tree)>,
    value: Option<&'de (Key, Tree)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Mistake;
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        self.value = self.entries.next();
        let Some((key, _)) = self.value else {
            return Ok(None);
        };
        seed.deserialize(KeyReader(key)).map(Some).map_err(|m| m.within(key.span, key.span))
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mistake> {
        let Some((key, value)) = self.value else {
            return Err(de::Error::custom("a value without a key"));
        };
        seed.deserialize(Reader(value)).map_err(|mut m| {
            if m.cut.is_none()
                && let Some(wanted) = m.wanted
            {
                m.message =
                    m.message.replacen(&format!("expected {wanted}"), &format!("`{}` must be {wanted}", key.text), 1);
            }
            if let (None, "run" | "test", Value::Scalar(text)) = (m.cut, key.text.as_str(), &value.value)
                && m.wanted == Some("a list")
            {
                let words: Vec<&str> = text.split_whitespace().take(8).collect();
                m.help =
                    Some(format!("as in `[{}]`: a program and its arguments; there is no shell", words.join(", ")));
            }
            let nothing = matches!(value.value, Value::Null);
            let mut mistake = m.within(value.span, key.span);
            if nothing && mistake.cut == Some(key.span) {
                mistake.span = key.span;
                mistake.message = format!("`{}` has nothing behind it", key.text);
                mistake.help = Some("give it a value (what belongs to it stands deeper), or delete the line".into());
            }
            mistake
        })
    }
}

struct KeyReader<'de>(&'de Key);

impl<'de> de::Deserializer<'de> for KeyReader<'de> {
    type Error = Mistake;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.text.chars().find(|c| c.is_control()) {
            Some(c) => Err(control(self.0.span, c)),
            None => visitor.visit_borrowed_str(&self.0.text),
        }
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        if name == MARKER {
            visitor.visit_seq(PlacedKey { key: self.0, step: 0 })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct PlacedKey<'de> {
    key: &'de Key,
    step: u8,
}

impl<'de> SeqAccess<'de> for PlacedKey<'de> {
    type Error = Mistake;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        self.step += 1;
        match self.step {
            1 => seed.deserialize(self.key.span.start.into_deserializer()).map(Some),
            2 => seed.deserialize(self.key.span.end.into_deserializer()).map(Some),
            3 => seed.deserialize(KeyReader(self.key)).map(Some),
            _ => Ok(None),
        }
    }
}
