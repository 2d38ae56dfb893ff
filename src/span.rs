//! A place in a lab file, and values that remember theirs.
//!
//! Every message about a lab file points at the text that caused it, so the positions travel with the
//! values from the YAML reader to the plan: a step that the kernel refuses still knows its line.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

/// A range of bytes in a lab file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, serde::Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span as a range of indices into the text.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The part of this span that holds `word`, when `text` has it there; else the whole span.
    pub fn narrow(self, text: &str, word: &str) -> Span {
        let found = text.get(self.range()).and_then(|slice| slice.find(word));
        match found {
            Some(at) if !word.is_empty() => {
                let start = self.start + at as u32;
                Span { start, end: start + word.len() as u32 }
            }
            _ => self,
        }
    }
}

/// The text of a lab file and what to call it on screen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Source {
    /// What the user calls it: the path as given, or `labs/NAME.yaml` for one inside the binary.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Files beside it that it names, by the path as it is written: what is in each, or why it cannot be read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub beside: BTreeMap<String, Result<String, String>>,
    /// Other values for its parameters, as `--set` gives them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
}

impl Source {
    /// A text under the name that messages show.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Source { name: name.into(), text: text.into(), beside: BTreeMap::new(), set: BTreeMap::new() }
    }

    /// Line and column, both from 1, columns in characters.
    pub fn position(&self, span: Span) -> (usize, usize) {
        let upto = self.text.get(..span.start as usize).unwrap_or(&self.text);
        let line = upto.bytes().filter(|&b| b == b'\n').count() + 1;
        let column = upto.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        (line, column)
    }

    /// Which values its parameters have, in words: `n=200`.
    pub fn parameters(&self) -> String {
        let set: Vec<String> = self.set.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if set.is_empty() { "the file's own parameters".into() } else { set.join(" ") }
    }

    /// `file:line`, as compilers print it.
    pub fn at(&self, span: Span) -> String {
        format!("{}:{}", self.name, self.position(span).0)
    }
}

/// A value and where it stands in the lab file.
#[derive(Debug, Clone, Default)]
pub struct Sp<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Sp<T> {
    /// A value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Sp { value, span }
    }

    /// The same place, another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Sp<U> {
        Sp { value: f(self.value), span: self.span }
    }
}

impl<T> std::ops::Deref for Sp<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// Equality is the value's: two lines that say the same are the same.
impl<T: PartialEq> PartialEq for Sp<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl<T: Eq> Eq for Sp<T> {}
impl<T: std::hash::Hash> std::hash::Hash for Sp<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}
impl std::borrow::Borrow<str> for Sp<String> {
    fn borrow(&self) -> &str {
        &self.value
    }
}
impl<T: fmt::Display> fmt::Display for Sp<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
impl<T: Serialize> Serialize for Sp<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

/// The name under which [`Sp`] asks our tree reader (`spec::de`) for `[start, end, value]`.
pub const MARKER: &str = "$netlab::Sp";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sp<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = Sp<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Sp<T>, A::Error> {
                let missing = || de::Error::custom("a value without its place");
                let start = seq.next_element()?.ok_or_else(missing)?;
                let end = seq.next_element()?.ok_or_else(missing)?;
                let value = seq.next_element()?.ok_or_else(missing)?;
                Ok(Sp { value, span: Span { start, end } })
            }
        }
        deserializer.deserialize_newtype_struct(MARKER, Parts(std::marker::PhantomData))
    }
}

/// In the schema, a placed value is just the value.
impl<T: JsonSchema> JsonSchema for Sp<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one_and_in_characters() {
        let source = Source::new("x", "a: é\nbé: c\n");
        let c = source.text.find('c').unwrap() as u32;
        assert_eq!(source.position(Span { start: c, end: c + 1 }), (2, 5));
    }

    #[test]
    fn narrowing_finds_the_word_inside_the_span() {
        let text = "routes: [default via 10.0.0.1]";
        let span = Span { start: 9, end: 29 };
        assert_eq!(&text[span.narrow(text, "10.0.0.1").range()], "10.0.0.1");
        assert_eq!(span.narrow(text, "absent"), span);
    }
}
