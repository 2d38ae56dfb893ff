//! What the YAML reader says about text that is not YAML, in the words of somebody who wrote it.

use super::tree::span_of;
use crate::error::Problems;
use crate::span::Span;

/// Reports why the text cannot be read.
pub fn tell(text: &str, error: &serde_yaml::Error, problems: &mut Problems) {
    // The reader has no good words for the most common slip of all.
    if let Some(span) = tab(text) {
        problems
            .error(span, "tabs are not allowed for indentation in YAML")
            .help("replace the tab by spaces (2 per level)");
        return;
    }
    let span = span_of(text, error.location());
    let full = error.without_snippet().to_string();
    let cut = full.split(" at line ").next().unwrap_or(&full);
    let said = cut.split(" --> ").next().unwrap_or(cut).trim_end_matches('.');
    let (span, message, help) = solve(text, span, said);
    problems.error(span, message).maybe_help(help.map(str::to_string));
}

/// The first tab in an indentation.
fn tab(text: &str) -> Option<Span> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t')
            && !line.trim().is_empty()
        {
            return Some(Span { start: (at + tab) as u32, end: (at + tab + 1) as u32 });
        }
        at += line.len();
    }
    None
}

fn solve(text: &str, span: Span, said: &str) -> (Span, String, Option<&'static str>) {
    let has = |words: &str| said.contains(words);
    let (message, help) = if has("Depth {") || has("recursion limit") {
        ("lab file is nested too deeply; refused", "64 levels are the limit: is a bracket not closed?")
    } else if has("budget breached") {
        ("lab file expands to more than 250000 elements; refused", "make it several labs")
    } else if has("mapping values are not allowed") {
        if let Some(span) = colon_without_space(text, span) {
            return (span, "a space is missing behind this colon".into(), Some("write `key: value`"));
        }
        match above(text, span) {
            Some(true) => (
                "this line stands deeper than the one above it, which has its value already",
                "entries of one mapping begin in the same column",
            ),
            Some(false) => ("the line above has no colon", "write `key: value`"),
            None => ("a second colon in one entry", "put quotes round a text that has a colon and a space in it"),
        }
    } else if has("unknown anchor") {
        (
            "there is no anchor of this name",
            "define it with `&name` before, or put quotes round a text that begins with `*`",
        )
    } else if has("recursive references") {
        ("an anchor is used inside of what it stands for", "write out what is meant here")
    } else if has("anchor or alias") {
        ("`*` and `&` begin the name of an anchor, and none follows", "put quotes round the text")
    } else if has("cannot deserialize null into string") {
        ("a name is missing before this colon", "`~` and `null` mean nothing in YAML: put quotes round them")
    } else if has("expected string scalar") {
        (
            "a key is a single word, not a list or a mapping",
            "put quotes round a text that begins with a bracket or brace",
        )
    } else if has("!!binary") {
        ("a lab file holds text, no binary values", "leave out the tag, and write the text")
    } else if has("<document start>") {
        ("a line that begins with `%` is for YAML readers", "delete it, or put quotes round the text")
    } else if has("escape") {
        (
            "a backslash in double quotes begins something that YAML does not know",
            "use single quotes: in them a backslash is a backslash",
        )
    } else if has("misplaced bracket") {
        ("this bracket or brace closes nothing", "delete it, or open it before")
    } else if has("unexpected character") || has("cannot start any token") {
        ("a text cannot begin with this character", "put quotes round the text")
    } else if has("did not find expected key")
        || has("expected <block end>")
        || has("expected '-' indicator")
        || has("invalid indentation") && !has("quoted")
    {
        (
            "this line does not stand under the lines that it belongs to",
            "entries of one mapping or list begin in the same column",
        )
    } else if has("quoted scalar") {
        ("a quote before this is not closed", "close it where its text ends")
    } else if text[span.start as usize..].starts_with(":{") || text[span.start as usize..].starts_with(":[") {
        let span = Span { start: span.start, end: span.start + 1 };
        return (span, "a space is missing behind this colon".into(), Some("write `key: value`"));
    } else if has("unclosed bracket") {
        (
            "this bracket or brace is not closed",
            "close it: `]` ends a list, `}` a mapping; a `#` behind a space begins a comment, to the end of the line",
        )
    } else if has("illegal placement of ':'") || has("flow") || has("did not find expected ',' or") {
        ("a bracket or brace before this is not closed", "close it: `]` ends a list, `}` a mapping")
    } else if has("multiple YAML documents") {
        ("a second document begins here", "one file is one lab: make it two files, or delete the `---`")
    } else {
        let help = "is a bracket, a quote, a dash or a colon missing in this line or the one above?";
        return (span, format!("not YAML: {said}"), Some(help));
    };
    (span, message.into(), Some(help))
}

/// `red:{}`: the reader takes it for a text and complains about the line after it.
fn colon_without_space(text: &str, span: Span) -> Option<Span> {
    let line_start = |upto: usize| text[..upto].rfind('\n').map_or(0, |at| at + 1);
    let mut start = line_start(span.start as usize);
    while start > 0 {
        let end = start - 1;
        start = line_start(end);
        let line = &text[start..end];
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let colon = line.find(':')?;
        let tight = line[colon + 1..].starts_with(|c: char| !c.is_whitespace()) && !line.contains(": ");
        let at = (start + colon) as u32;
        return tight.then_some(Span { start: at, end: at + 1 });
    }
    None
}

/// For a line that is `key: …` by itself and was taken for a part of the line above: whether that has a colon.
fn above(text: &str, colon: Span) -> Option<bool> {
    let upto = text.get(..colon.start as usize)?;
    let start = upto.rfind('\n')? + 1;
    let alone = !upto[start..].trim().is_empty() && !upto[start..].contains([':', '"', '\'', '{', '[']);
    let before = text[..start].lines().rfind(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'))?;
    alone.then(|| before.contains(": "))
}
