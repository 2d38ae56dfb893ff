//! The typed lab out of the tree, with every mistake in one run.
//!
//! serde gives up at the first mistake. Here the entry that was wrong is cut out of the tree and the reading starts
//! again, until nothing is wrong any more: each round adds one message. A lab file is small, the rounds are few.

use std::fmt;

use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::tree::{Key, Tree, Value};
use crate::error::{Problems, did_you_mean};
use crate::span::{MARKER, Span};

/// More mistakes than this of one file are not listed.
const MOST_MISTAKES: usize = 20;

/// Reads a `T`, collecting everything that does not fit.
pub fn read<T: de::DeserializeOwned + Default>(tree: &mut Tree, problems: &mut Problems) -> T {
    for _ in 0..MOST_MISTAKES {
        match T::deserialize(Reader(tree)) {
            Ok(value) => return value,
            Err(mistake) => {
                let problem = problems.error(mistake.span, mistake.message);
                problem.maybe_help(mistake.help);
                if !mistake.cut.is_some_and(|at| cut(tree, at)) {
                    break;
                }
            }
        }
    }
    T::default()
}

/// Takes the entry or item that begins at `at` out of the tree.
fn cut(tree: &mut Tree, at: Span) -> bool {
    match &mut tree.value {
        Value::Map(entries) => {
            let before = entries.len();
            entries.retain(|(key, _)| key.span != at);
            before != entries.len() || entries.iter_mut().any(|(_, value)| cut(value, at))
        }
        Value::List(items) => {
            let before = items.len();
            items.retain(|item| item.span != at);
            before != items.len() || items.iter_mut().any(|item| cut(item, at))
        }
        Value::Null | Value::Scalar(_) => false,
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
}

impl Mistake {
    fn at(span: Span, message: impl Into<String>) -> Self {
        Mistake { span, message: message.into(), help: None, cut: None, placed: true }
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
        Mistake { span: Span::default(), message: message.to_string(), help: None, cut: None, placed: false }
    }
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut mistake = Mistake::custom(format!("unknown key `{field}`"));
        let known = || format!("known here: {}", expected.join(", "));
        mistake.help = did_you_mean(field, expected.iter().copied()).or_else(|| Some(known()));
        mistake
    }
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut mistake = Mistake::custom(format!("`{variant}` is none of {}", expected.join(", ")));
        mistake.help = did_you_mean(variant, expected.iter().copied());
        mistake
    }
}

/// Reads one value of the tree.
struct Reader<'de>(&'de Tree);

impl<'de> Reader<'de> {
    fn wrong(&self, wanted: &str, example: &str) -> Mistake {
        let found = match &self.0.value {
            Value::Scalar(text) => format!("`{text}`"),
            Value::Null | Value::List(_) | Value::Map(_) => self.0.value.kind().to_string(),
        };
        Mistake::at(self.0.span, format!("expected {wanted}, found {found}")).help(format!("as in {example}"))
    }

    fn scalar(&self) -> Result<&'de str, Mistake> {
        match &self.0.value {
            Value::Scalar(text) => Ok(text),
            Value::Null => Err(Mistake::at(self.0.span, "a value is missing here")),
            Value::List(_) | Value::Map(_) => {
                Err(Mistake::at(self.0.span, format!("expected a single value, found {}", self.0.value.kind())))
            }
        }
    }

    fn number(&self) -> Result<i128, Mistake> {
        let text = self.scalar()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Mistake::at(self.0.span, format!("`{text}` has a leading zero"))
                .help("write the number without it; some readers would take it for octal"));
        }
        text.parse().map_err(|_| Mistake::at(self.0.span, format!("`{text}` is not a whole number")))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            let n = self.number()?;
            let fits = <$type>::try_from(n).map_err(|_| {
                Mistake::at(self.0.span, format!("`{n}` is not from {} to {}", <$type>::MIN, <$type>::MAX))
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
            Value::Scalar(text) => Err(self.wrong("a list", &format!("[{text}]"))),
            Value::Null => Err(Mistake::at(self.0.span, "this list has no entries")),
            Value::Map(_) => Err(self.wrong("a list", "- one entry per line, each with a dash")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.value {
            Value::Map(entries) => visitor.visit_map(Entries { entries: entries.iter(), value: None }),
            Value::Null => Err(Mistake::at(self.0.span, "this mapping has no entries")),
            Value::List(_) | Value::Scalar(_) => Err(self.wrong("a mapping", "name: {…}")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        // `red:` with nothing behind it is a node that has nothing of its own.
        if matches!(self.0.value, Value::Null) {
            return visitor.visit_map(Entries { entries: [].iter(), value: None });
        }
        self.deserialize_map(visitor)
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
        seed.deserialize(Reader(value)).map_err(|m| {
            let nothing = matches!(value.value, Value::Null);
            let mut mistake = m.within(value.span, key.span);
            if nothing && mistake.cut == Some(key.span) {
                mistake.span = key.span;
                mistake.message = format!("`{}` has nothing behind it", key.text);
                mistake.help = Some("give it a value, or delete the line".into());
            }
            mistake
        })
    }
}

struct KeyReader<'de>(&'de Key);

impl<'de> de::Deserializer<'de> for KeyReader<'de> {
    type Error = Mistake;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_borrowed_str(&self.0.text)
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
