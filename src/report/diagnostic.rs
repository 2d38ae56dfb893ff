//! Errors and lab-file problems on screen, with the lines that they are about.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::escape::printable;
use crate::error::{Detail, Error, Problem, Problems, Severity};
use crate::span::{Source, Span};

/// Of a long list only so many are shown: whoever has mended those asks again.
const SHOWN: usize = 20;

fn renderer() -> Renderer {
    // anstream takes the colours out again where nobody wants them.
    Renderer::styled()
}

/// A range inside the text, whatever the span says.
fn range(source: &Source, span: Span) -> std::ops::Range<usize> {
    let end = source.text.len();
    let range = span.range();
    let (start, stop) = (range.start.min(end), range.end.min(end));
    if source.text.get(start..stop).is_some() { start..stop } else { 0..0 }
}

fn snippet<'a>(
    source: &'a Source,
    shown: &'a str,
    annotations: Vec<(Span, &'a str, bool)>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let mut snippet = Snippet::source(shown).path(source.name.as_str()).fold(true);
    for (span, label, primary) in annotations {
        let kind = if primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let annotation = kind.span(range(source, span));
        snippet = snippet.annotation(if label.is_empty() { annotation } else { annotation.label(label) });
    }
    snippet
}

/// All that is wrong with a lab file.
pub fn problems(problems: &Problems) -> String {
    let list = problems.sorted();
    let mut text = String::new();
    for problem in list.iter().take(SHOWN) {
        text.push_str(&one(&problems.source, problem));
        text.push_str("\n\n");
    }
    if list.len() > SHOWN {
        text.push_str(&format!("… and {} more\n\n", list.len() - SHOWN));
    }
    text
}

fn one(source: &Source, problem: &Problem) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = one_line(&problem.message);
    let label = one_line(&problem.label);
    let also: Vec<(Span, String)> = problem.also.iter().map(|(span, words)| (*span, one_line(words))).collect();
    let mut annotations = vec![(problem.span, label.as_str(), true)];
    annotations.extend(also.iter().map(|(span, words)| (*span, words.as_str(), false)));
    let shown = printable_keeping_length(&source.text);
    let mut report: Vec<Group<'_>> = Vec::new();
    let title = level.primary_title(message.as_str());
    report.push(if source.text.trim().is_empty() {
        Group::with_title(title)
    } else {
        title.element(snippet(source, &shown, annotations))
    });
    let help = problem.help.as_deref().map(one_line);
    if let Some(help) = &help {
        report.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    renderer().render(&report)
}

/// A problem's words, with what they quote from the lab file, are one line; the middle of a long one is left out.
fn one_line(text: &str) -> String {
    const HALF: usize = 200;
    let head = text.char_indices().nth(HALF).map(|(at, _)| at);
    let tail = text.char_indices().rev().nth(HALF - 1).map(|(at, _)| at);
    let text = match (head, tail) {
        (Some(head), Some(tail)) if head < tail => format!("{}…{}", &text[..head], &text[tail..]),
        _ => text.to_string(),
    };
    printable(&text).replace('\n', "\\n").replace('\t', "\\t")
}

/// Positions are bytes of the text: what replaces a control character must be as long.
fn printable_keeping_length(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t' | '\r') { '?' } else { c }).collect()
}

/// An error: what failed, where, the kernel's words, the command, what to do.
pub fn error(error: &Error) -> String {
    let detail = error.detail();
    if let Some(list) = &detail.problems {
        return format!("{}{}", problems(list), summary(&detail.what));
    }
    let mut text: String = detail.findings.iter().take(SHOWN).map(|finding| self::error(finding) + "\n\n").collect();
    if detail.findings.len() > SHOWN {
        text.push_str(&format!("… and {} more\n\n", detail.findings.len() - SHOWN));
    }
    let what = printable(&detail.what);
    let mut report: Vec<Group<'_>> = Vec::new();
    let title = Level::ERROR.primary_title(what.as_str());
    let (label, shown) = match &detail.place {
        Some(place) => (printable(&place.label), printable_keeping_length(&place.source.text)),
        None => Default::default(),
    };
    report.push(match &detail.place {
        Some(place) => title.element(snippet(&place.source, &shown, vec![(place.span, label.as_str(), true)])),
        None => Group::with_title(title),
    });
    text.push_str(&renderer().render(&report));
    for (word, line) in below(detail) {
        text.push_str(&format!("\n{}", styled(word, &line)));
    }
    text
}

/// The lines under an error, each with its word.
fn below(detail: &Detail) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(cause) = &detail.cause {
        lines.push(("cause", printable(&format!("{cause:#}"))));
    }
    if let Some(command) = &detail.command {
        lines.push(("command", printable(command)));
    }
    lines.extend(detail.notes.iter().map(|n| ("note", printable(n))));
    lines.extend(detail.help.iter().map(|h| ("help", printable(h))));
    lines
}

fn styled(word: &str, line: &str) -> String {
    use anstyle::{AnsiColor, Style};
    let style = match word {
        "help" => AnsiColor::BrightCyan.on_default().bold(),
        _ => Style::new().bold(),
    };
    let indented = line.replace('\n', "\n         ");
    format!("{style}{word}{style:#}: {indented}")
}

fn summary(what: &str) -> String {
    let style = anstyle::AnsiColor::BrightRed.on_default().bold();
    format!("{style}error{style:#}: {}", printable(what))
}

/// An error for programs.
pub fn error_json(error: &Error) -> Value {
    json!({ "error": object(error) })
}

fn object(error: &Error) -> Value {
    let detail = error.detail();
    let mut value = json!({
        "kind": detail.kind,
        "code": detail.kind.exit_code(),
        "what": detail.what,
        "notes": detail.notes,
        "help": detail.help,
    });
    if let Some(cause) = &detail.cause {
        value["cause"] = format!("{cause:#}").into();
    }
    if let Some(command) = &detail.command {
        value["command"] = command.clone().into();
    }
    if let Some(place) = &detail.place {
        value["at"] = at(&place.source, place.span);
    }
    if let Some(list) = &detail.problems {
        value["problems"] = problems_json(list);
    }
    if !detail.findings.is_empty() {
        value["findings"] = detail.findings.iter().map(object).collect();
    }
    value
}

/// Lab-file problems for programs.
pub fn problems_json(problems: &Problems) -> Value {
    let text = &problems.source.text;
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let one = |p: &&Problem| {
        let start = range(&problems.source, p.span).start;
        let line = starts.partition_point(|at| *at <= start);
        let column = text.get(starts[line - 1]..start).map_or(1, |before| before.chars().count() + 1);
        json!({
            "severity": p.severity,
            "message": p.message,
            "at": { "file": problems.source.name, "line": line, "column": column },
            "help": p.help,
        })
    };
    problems.sorted().iter().map(one).collect()
}

fn at(source: &Source, span: Span) -> Value {
    let (line, column) = source.position(span);
    json!({ "file": source.name, "line": line, "column": column })
}
