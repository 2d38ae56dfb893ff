//! `generate`: repeated nodes and links, expanded before anything else looks at the lab.
//!
//! An entry is a loop over plain `nodes`, `links` and `checks` (`each`), a shape that is such a loop inside the binary
//! (`shape`), or routes that follow from the links (`routes: shortest`). What comes out is joined with what the file says
//! itself: maps key by key, lists one behind the other. Every part keeps the place of the text that it was made from, so
//! that a mistake in a thousand nodes points at one line.

mod expression;
mod paths;

use std::collections::HashMap;
use std::net::IpAddr;

pub use paths::add as add_routes;

use self::expression::{Names, Value, evaluate, fill};
use super::tree::{self, Key, Tree};
use crate::error::{Error, Problems, did_you_mean};
use crate::span::{Source, Span};

/// More parts than this are not made: a slip in a number must not fill the memory.
const MOST_PARTS: usize = 2_000_000;
/// More turns of one range than this are not made either.
const MOST_TURNS: i128 = 100_000;

macro_rules! shapes {
    ($($name:literal),+ $(,)?) => {
        /// The shapes, each the lab file of one with its parameters.
        pub const SHAPES: &[(&str, &str)] = &[$(($name, include_str!(concat!("shapes/", $name, ".yaml")))),+];
    };
}

shapes!["star", "line", "ring", "tree", "mesh", "grid", "leaf-spine"];

/// Expands the tree of a lab file.
pub fn expand(tree: &mut Tree, source: &Source, problems: &mut Problems) -> Expanded {
    let nothing = Expanded { routes: Vec::new(), whole: true };
    let tree::Value::Map(root) = &mut tree.value else { return nothing };
    let mut names = Names::default();
    let parameters = take(root, "parameters");
    read_parameters(parameters.as_ref(), &mut names, problems);
    override_parameters(parameters.as_ref(), source, &mut names, problems);
    let Some(generate) = take(root, "generate") else { return nothing };
    let mut out = Expansion { parts: Vec::new(), routes: Vec::new(), left: MOST_PARTS, whole: true, problems };
    out.entries(&generate, &names);
    let Expansion { parts, routes, whole, .. } = out;
    join(root, parts);
    // Ways through half a network would be wrong ones.
    Expanded { routes: if whole { routes } else { Vec::new() }, whole }
}

/// What came of expanding.
pub struct Expanded {
    /// The places of `routes: shortest`.
    pub routes: Vec<Span>,
    /// Whether everything could be made.
    pub whole: bool,
}

/// The names of a lab file's parameters; none when it is not YAML.
pub fn parameters(source: &Source) -> Vec<String> {
    let Some(Tree { value: tree::Value::Map(root), .. }) = tree::parse(source, &mut Problems::new(source.clone()))
    else {
        return Vec::new();
    };
    match root.into_iter().find(|(key, _)| key.text == "parameters") {
        Some((_, Tree { value: tree::Value::Map(entries), .. })) => entries.into_iter().map(|(k, _)| k.text).collect(),
        _ => Vec::new(),
    }
}

/// Whether the lab has the parameters that the command line gives other values.
pub fn check_set(source: &Source) -> Result<(), Error> {
    let mut problems = Problems::new(source.clone());
    let Some(mut tree) = tree::parse(source, &mut problems).filter(|_| !source.set.is_empty()) else { return Ok(()) };
    let tree::Value::Map(root) = &mut tree.value else { return Ok(()) };
    let (mut names, written) = (Names::default(), take(root, "parameters"));
    // What else is wrong with the file is said where it is read.
    read_parameters(written.as_ref(), &mut names, &mut Problems::new(source.clone()));
    override_parameters(written.as_ref(), source, &mut names, &mut problems);
    problems.into_result(Some(())).map(|_| ())
}

fn take(root: &mut Vec<(Key, Tree)>, name: &str) -> Option<Tree> {
    let at = root.iter().position(|(key, _)| key.text == name)?;
    Some(root.remove(at).1)
}

fn read_parameters(written: Option<&Tree>, names: &mut Names, problems: &mut Problems) {
    let Some(written) = written else { return };
    let tree::Value::Map(entries) = &written.value else {
        problems.error(written.span, "`parameters` must be a mapping").help("as in `parameters: {n: 8}`");
        return;
    };
    for (key, value) in entries {
        match &value.value {
            tree::Value::Scalar(text) => names.set(&key.text, Value::of(text)),
            other => {
                let message =
                    format!("the parameter `{}` must be a single value, but here is {}", key.text, other.kind());
                problems.error(value.span, message).help("write a number, an address or a word");
            }
        }
    }
}

/// What the command line says instead.
fn override_parameters(written: Option<&Tree>, source: &Source, names: &mut Names, problems: &mut Problems) {
    for (name, value) in &source.set {
        if let Some(own) = names.get(name) {
            let value = Value::of(value);
            if let (Value::Number(own), Value::Text(text)) = (own, &value) {
                let span = written.map(|w| w.span).unwrap_or_default();
                problems
                    .error(span, format!("`--set {name}={text}`: the lab's own `{name}` is a whole number, {own}"))
                    .help(format!("as in `--set {name}={}`", own.saturating_add(1)));
            } else {
                names.set(name, value);
            }
            continue;
        }
        let known: Vec<&str> = names.names().collect();
        let list = || match known.as_slice() {
            [] => "this lab has no `parameters`".to_string(),
            known => format!("it has {}", known.join(", ")),
        };
        let help = did_you_mean(name, known.iter().copied()).unwrap_or_else(list);
        let span = written.map(|w| w.span).unwrap_or_default();
        problems.error(span, format!("`--set {name}={value}`: the lab has no parameter `{name}`")).help(help);
    }
}

struct Expansion<'p> {
    /// What was made: for `nodes`, `links`, `checks`.
    parts: Vec<(Key, Tree)>,
    routes: Vec<Span>,
    left: usize,
    whole: bool,
    problems: &'p mut Problems,
}

/// Enough has been said.
struct Stop;

impl Expansion<'_> {
    fn entries(&mut self, list: &Tree, names: &Names) {
        let tree::Value::List(entries) = &list.value else {
            self.whole = false;
            self.problems
                .error(list.span, "`generate` must be a list")
                .help("begin each entry with a dash: `- shape: ring`");
            return;
        };
        for entry in entries {
            if self.entry(entry, names).is_err() {
                self.whole = false;
                return;
            }
        }
    }

    fn entry(&mut self, entry: &Tree, names: &Names) -> Result<(), Stop> {
        let tree::Value::Map(fields) = &entry.value else {
            return self.wrong(
                entry.span,
                "an entry of `generate` is a mapping",
                "write `- each: {i: 1..8}`, `- shape: ring` or `- routes: shortest`",
            );
        };
        let field = |name: &str| fields.iter().find(|(key, _)| key.text == name);
        match (field("each"), field("shape"), field("routes")) {
            (Some((_, each)), None, None) => self.each(each, fields, names),
            (None, Some((_, shape)), None) => self.shape(shape, fields, names),
            (None, None, Some((_, routes))) => match &routes.value {
                tree::Value::Scalar(word) if word == "shortest" => {
                    self.routes.push(routes.span);
                    Ok(())
                }
                _ => self.wrong(routes.span, "generated routes are `shortest`", "write `- routes: shortest`"),
            },
            _ => self.wrong(
                entry.span,
                "an entry of `generate` has one of `each`, `shape`, `routes`",
                "write `- each: {i: 1..8}`, `- shape: ring` or `- routes: shortest`",
            ),
        }
    }

    fn wrong(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) -> Result<(), Stop> {
        self.problems.error(span, message).help(help);
        Err(Stop)
    }

    /// A loop: over the last name fastest.
    fn each(&mut self, each: &Tree, fields: &[(Key, Tree)], names: &Names) -> Result<(), Stop> {
        let tree::Value::Map(ranges) = &each.value else {
            return self.wrong(each.span, "`each` must be a mapping from a name to a range", "as in `each: {i: 1..8}`");
        };
        for (key, _) in
            fields.iter().filter(|(key, _)| !matches!(key.text.as_str(), "each" | "nodes" | "links" | "checks"))
        {
            let help = did_you_mean(&key.text, ["nodes", "links", "checks"]);
            let help = help.unwrap_or_else(|| "a loop makes `nodes`, `links` and `checks`".into());
            self.wrong(key.span, format!("a loop does not know `{}`", key.text), help)?;
        }
        let mut names = names.clone();
        self.turn(ranges, fields, &mut names)
    }

    fn turn(&mut self, ranges: &[(Key, Tree)], fields: &[(Key, Tree)], names: &mut Names) -> Result<(), Stop> {
        let Some(((name, range), rest)) = ranges.split_first() else {
            for (key, template) in fields.iter().filter(|(key, _)| key.text != "each") {
                let made = self.filled(template, names)?;
                self.parts.push((key.clone(), made));
            }
            return Ok(());
        };
        let tree::Value::Scalar(text) = &range.value else {
            return self.wrong(range.span, "a range is written `1..8`", "both ends belong to it");
        };
        let (first, last) = match bounds(text, names) {
            Ok(bounds) => bounds,
            Err(message) => {
                return self.wrong(range.span, message, "write a range as `1..8` or `1..n`; both ends belong to it");
            }
        };
        for i in first..=last {
            names.set(&name.text, Value::Number(i));
            self.turn(rest, fields, names)?;
        }
        Ok(())
    }

    /// A copy with values in place of braces.
    fn filled(&mut self, template: &Tree, names: &Names) -> Result<Tree, Stop> {
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => {
                self.wrong(template.span, "this makes too much: more than two million values", "make it several labs")?;
                0
            }
        };
        let value = match &template.value {
            tree::Value::Null => tree::Value::Null,
            tree::Value::Scalar(text) => tree::Value::Scalar(self.text(text, template.span, names)?),
            tree::Value::List(items) => {
                tree::Value::List(items.iter().map(|item| self.filled(item, names)).collect::<Result<_, Stop>>()?)
            }
            tree::Value::Map(entries) => {
                let mut made = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let text = self.text(&key.text, key.span, names)?;
                    made.push((Key { span: key.span, text }, self.filled(value, names)?));
                }
                tree::Value::Map(made)
            }
        };
        Ok(Tree { span: template.span, value })
    }

    fn text(&mut self, text: &str, span: Span, names: &Names) -> Result<String, Stop> {
        match fill(text, names) {
            Ok(text) => Ok(text),
            Err(message) => {
                self.problems.error(span, message).help("between braces stand numbers, addresses, names of `each` and of `parameters`; `{{` is a plain brace");
                Err(Stop)
            }
        }
    }

    /// A shape is a lab file inside the binary, at the place of the entry that asks for it.
    fn shape(&mut self, shape: &Tree, fields: &[(Key, Tree)], names: &Names) -> Result<(), Stop> {
        let word = if let tree::Value::Scalar(word) = &shape.value { word.as_str() } else { "" };
        let Some((_, text)) = SHAPES.iter().find(|(name, _)| *name == word) else {
            let known: Vec<&str> = SHAPES.iter().map(|(name, _)| *name).collect();
            let help = did_you_mean(word, known.iter().copied())
                .unwrap_or_else(|| format!("the shapes are {}", known.join(", ")));
            return self.wrong(shape.span, format!("there is no shape `{word}`"), help);
        };
        let mut own = Problems::new(Source::new("shape", *text));
        let Some(mut file) = tree::parse(&own.source.clone(), &mut own) else { return Ok(()) };
        let given: Vec<(&str, Span)> = fields.iter().map(|(key, value)| (key.text.as_str(), value.span)).collect();
        place(&mut file, shape.span, &given);
        let tree::Value::Map(root) = &mut file.value else { return Ok(()) };
        let (mut inner, mut least) = (Names::default(), Names::default());
        read_parameters(take(root, "parameters").as_ref(), &mut inner, self.problems);
        read_parameters(take(root, "least").as_ref(), &mut least, self.problems);
        for (key, value) in fields.iter().filter(|(key, _)| key.text != "shape") {
            let known: Vec<String> = inner.names().map(str::to_string).collect();
            if !known.contains(&key.text) {
                let help = did_you_mean(&key.text, known.iter().map(String::as_str));
                let help = help.unwrap_or_else(|| format!("it takes {}", known.join(", ")));
                return self.wrong(key.span, format!("the shape `{word}` has no `{}`", key.text), help);
            }
            let tree::Value::Scalar(text) = &value.value else {
                return self.wrong(
                    value.span,
                    format!("`{}` must be a single value", key.text),
                    "write a number, an address or a word",
                );
            };
            let given = Value::of(&self.text(text, value.span, names)?);
            if let Some(wanted) = unfit(&given, inner.get(&key.text), least.get(&key.text), &key.text) {
                let message = format!("`{}` of the shape `{word}` is {wanted}, and this is `{given}`", key.text);
                let own = inner.get(&key.text).map(|own| format!("if not said it is {own}"));
                return self.wrong(value.span, message, own.unwrap_or_default());
            }
            inner.set(&key.text, given);
        }
        match take(root, "generate") {
            Some(generate) => self.entries(&generate, &inner),
            None => return Ok(()),
        }
        if self.whole { Ok(()) } else { Err(Stop) }
    }
}

/// What a shape's parameter has to be, where `given` is not that.
fn unfit(given: &Value, own: Option<&Value>, least: Option<&Value>, name: &str) -> Option<String> {
    match (own?, least, given) {
        (Value::Number(_), Some(Value::Number(least)), Value::Number(n)) if n < least => {
            Some(format!("a whole number from {least}"))
        }
        (Value::Number(_), _, Value::Number(_)) | (Value::Text(_), ..) => None,
        (Value::Number(_), Some(least), _) => Some(format!("a whole number from {least}")),
        (Value::Number(_), None, _) => Some("a whole number".into()),
        // Two ends in one /31.
        (Value::Address(_), _, Value::Address(IpAddr::V4(ip))) if name == "links" => {
            (u32::from(*ip) % 2 != 0).then(|| "an even address".into())
        }
        (Value::Address(_), _, Value::Address(IpAddr::V4(_))) => None,
        (Value::Address(_), ..) => Some("an IPv4 address".into()),
    }
}

/// Gives the parts of a shape a place in the lab file: the value of the parameter that a part is made from, if the file says
/// it, as it does for a name that is too long; else that of the shape.
fn place(tree: &mut Tree, span: Span, given: &[(&str, Span)]) {
    let of = |text: &str| {
        let first = |(open, _): (usize, &str)| {
            let rest = text[open + 1..].trim_start_matches('(');
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
        };
        let mut words = text.match_indices('{').map(first);
        words.find_map(|word| given.iter().find(|(name, _)| *name == word)).map_or(span, |(_, place)| *place)
    };
    tree.span = span;
    match &mut tree.value {
        tree::Value::List(items) => items.iter_mut().for_each(|item| place(item, span, given)),
        tree::Value::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            key.span = of(&key.text);
            place(value, span, given);
        }),
        tree::Value::Scalar(text) => tree.span = of(text),
        tree::Value::Null => {}
    }
}

fn bounds(text: &str, names: &Names) -> Result<(i64, i64), String> {
    let (first, last) = text.split_once("..").ok_or_else(|| format!("`{text}` is not a range"))?;
    let number = |text: &str| match evaluate(text.trim(), names)? {
        Value::Number(n) => Ok(n),
        other => Err(format!("a range goes from number to number, and `{other}` is none")),
    };
    let (first, last) = (number(first)?, number(last)?);
    let turns = i128::from(last) - i128::from(first) + 1;
    if turns > MOST_TURNS {
        return Err(format!("`{text}` has {turns} turns; at most {MOST_TURNS} are made"));
    }
    Ok((first, last))
}

/// Joins what was made with what the file says itself.
fn join(root: &mut Vec<(Key, Tree)>, parts: Vec<(Key, Tree)>) {
    // Where each node stands: there may be thousands.
    let mut nodes: HashMap<String, usize> = HashMap::new();
    if let Some((_, Tree { value: tree::Value::Map(entries), .. })) = root.iter().find(|(key, _)| key.text == "nodes") {
        nodes.extend(entries.iter().enumerate().map(|(n, (key, _))| (key.text.clone(), n)));
    }
    for (key, part) in parts {
        let at = root.iter().position(|(k, _)| k.text == key.text).unwrap_or_else(|| {
            let empty = match &part.value {
                tree::Value::List(_) => tree::Value::List(Vec::new()),
                _ => tree::Value::Map(Vec::new()),
            };
            root.push((key.clone(), Tree { span: part.span, value: empty }));
            root.len() - 1
        });
        match (&mut root[at].1.value, part) {
            (tree::Value::Map(entries), Tree { value: tree::Value::Map(new), .. }) if key.text == "nodes" => {
                for (name, node) in new {
                    match nodes.get(&name.text) {
                        Some(n) => tree::join(&mut entries[*n].1, node),
                        None => {
                            nodes.insert(name.text.clone(), entries.len());
                            entries.push((name, node));
                        }
                    }
                }
            }
            (_, part) => tree::join(&mut root[at].1, part),
        }
    }
}

/// For editors: what `parameters` and `generate` may hold.
pub fn schema() -> [(&'static str, serde_json::Value); 2] {
    let shapes: Vec<&str> = SHAPES.iter().map(|(name, _)| *name).collect();
    let single = serde_json::json!({ "type": ["string", "integer"] });
    [
        (
            "parameters",
            serde_json::json!({
                "description": "Values for `generate`, by name; `--set NAME=VALUE` gives another one.",
                "type": "object", "additionalProperties": single,
            }),
        ),
        (
            "generate",
            serde_json::json!({
                "description": "Repeated nodes and links: loops (`each`), ready shapes (`shape`), and routes that follow from the links (`routes: shortest`). Between braces stand expressions: `{10.0.0.0 + i}/16`.",
                "type": "array",
                "items": { "type": "object", "properties": {
                    "each": { "description": "Names and their ranges, as in `{i: 1..n}`; both ends belong to it.", "type": "object", "additionalProperties": { "type": "string" } },
                    "nodes": { "type": "object" },
                    "links": { "type": "array" },
                    "checks": { "type": "array" },
                    "shape": { "description": "A ready shape; its parameters stand beside it.", "enum": shapes },
                    "routes": { "description": "Routes to every address on `lo` over the fewest links.", "enum": ["shortest"] },
                }, "additionalProperties": single },
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Op;

    fn sizes(shape: &str, more: &str) -> (usize, usize, usize) {
        let text = format!("name: a-lab\ngenerate:\n  - {{shape: {shape}{more}}}\n");
        let (topology, warnings) = match crate::topology::load(Source::new("a.yaml", text)) {
            Ok(loaded) => loaded,
            Err(error) => panic!("{shape}: {}", crate::report::diagnostic::error(&error)),
        };
        assert!(warnings.is_empty(), "{shape}: {}", crate::report::diagnostic::problems(&warnings));
        let plan = crate::plan::build(&topology, crate::plan::Mode::Isolated);
        let routes = plan.steps.iter().filter(|s| matches!(s.op, Op::AddRoute { .. })).count();
        (topology.nodes.len(), topology.links.len(), routes)
    }

    #[test]
    fn shapes_have_their_nodes_links_and_routes() {
        assert_eq!(sizes("star", ", n: 5"), (6, 5, 5));
        assert_eq!(sizes("line", ", n: 5"), (5, 4, 20));
        assert_eq!(sizes("ring", ", n: 5"), (5, 5, 20));
        assert_eq!(sizes("tree", ", n: 7, fan: 2"), (7, 6, 42));
        assert_eq!(sizes("mesh", ", n: 5"), (5, 10, 20));
        assert_eq!(sizes("grid", ", width: 3, height: 2"), (6, 7, 30));
        assert_eq!(sizes("leaf-spine", ", leaves: 4, spines: 2"), (6, 8, 30));
    }
}
