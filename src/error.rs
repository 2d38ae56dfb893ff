//! The one error type, and the list of everything that is wrong with a lab file.
//!
//! An [`Error`] always answers the same five questions in the same order: what failed, where in the lab
//! file, the kernel's words, the command it stands for, what to do. `report::diagnostic` draws it.

use std::fmt;

use serde::Serialize;

use crate::span::{Source, Span};

/// What netlab's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command did not end well; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A check failed, or what is differs from what should be.
    Failed,
    /// The command line or the lab file is wrong.
    Usage,
    /// This machine cannot: rights, programs, kernel features, limits; or a service died.
    Machine,
    /// Something is in the way: locked, already up from another file, a name that is taken.
    Conflict,
    /// Something was left behind.
    Left,
    /// Interrupted, and rolled back.
    Interrupted,
}

impl Kind {
    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Machine => 3,
            Kind::Conflict => 4,
            Kind::Left => 5,
            Kind::Interrupted => 130,
        }
    }
}

/// What went wrong, for a person.
#[derive(Debug)]
pub struct Error(Box<Detail>);

/// The parts of an [`Error`].
#[derive(Debug)]
pub struct Detail {
    /// Decides the exit code.
    pub kind: Kind,
    /// What failed, lower case, no full stop.
    pub what: String,
    /// Where in the lab file it comes from.
    pub place: Option<Place>,
    /// What lies beneath: the kernel's words, a program's output.
    pub cause: Option<anyhow::Error>,
    /// The command that does the same by hand.
    pub command: Option<String>,
    /// One thing to do, each.
    pub help: Vec<String>,
    /// For a lab file: everything that is wrong with it.
    pub problems: Option<Problems>,
    /// For a machine: everything that is in the way, when that is more than one thing.
    pub findings: Vec<Error>,
    /// More that happened on the way (a roll-back that could not finish).
    pub notes: Vec<String>,
}

/// A span in a given text, with what to say beside it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The lab file.
    pub source: Source,
    /// The bytes.
    pub span: Span,
    /// What stands beside the caret.
    pub label: String,
}

impl Error {
    /// An error of a kind; `what` is lower case without a full stop.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Error(Box::new(Detail {
            kind,
            what: what.into(),
            place: None,
            cause: None,
            command: None,
            help: Vec::new(),
            problems: None,
            findings: Vec::new(),
            notes: Vec::new(),
        }))
    }

    /// The command line or lab file is wrong.
    pub fn usage(what: impl Into<String>) -> Self {
        Error::new(Kind::Usage, what)
    }

    /// This machine cannot.
    pub fn machine(what: impl Into<String>) -> Self {
        Error::new(Kind::Machine, what)
    }

    /// Something is in the way.
    pub fn conflict(what: impl Into<String>) -> Self {
        Error::new(Kind::Conflict, what)
    }

    /// Adds one thing to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help.push(help.into());
        self
    }

    /// Adds what lies beneath.
    pub fn cause(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds the command it stands for.
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.0.command = Some(command.into());
        self
    }

    /// Adds the place in the lab file.
    pub fn place(mut self, source: &Source, span: Span, label: impl Into<String>) -> Self {
        self.0.place = Some(Place { source: source.clone(), span, label: label.into() });
        self
    }

    /// Adds something that happened on the way.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    /// One error of all that was found, under `heading(how many)`; none when nothing was. What takes more to change comes
    /// first and decides the exit code: the lab file, then the machine, then what is only in the way.
    pub fn all(mut found: Vec<Error>, heading: impl FnOnce(usize) -> String) -> Option<Error> {
        found.sort_by_key(|error| error.kind().exit_code());
        if found.len() < 2 {
            return found.pop();
        }
        let count = found.len();
        fold_repeated(&mut found);
        let mut error = Error::new(found[0].kind(), heading(count));
        error.0.findings = found;
        Some(error)
    }

    /// The parts.
    pub fn detail(&self) -> &Detail {
        &self.0
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        if let Some(cause) = &self.0.cause {
            write!(f, ": {cause:#}")?;
        }
        for (n, finding) in self.0.findings.iter().enumerate() {
            write!(f, "{}{finding}", if n == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Plumbing that has no better story is the machine's failure.
impl From<anyhow::Error> for Error {
    fn from(cause: anyhow::Error) -> Self {
        let mut chain = cause.chain().map(ToString::to_string);
        let what = chain.next().unwrap_or_default();
        let rest: Vec<String> = chain.collect();
        let error = Error::machine(what);
        if rest.is_empty() { error } else { error.cause(anyhow::anyhow!("{}", rest.join(": "))) }
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        let n = problems.errors().count();
        let mut error = Error::usage(format!("{n} {} in {}", plural(n, "mistake"), problems.source.name));
        error.0.problems = Some(problems);
        error
    }
}

/// A line that stands for a thousand nodes finds the same a thousand times: it is told once.
fn fold_repeated(found: &mut Vec<Error>) {
    let mut times: std::collections::HashMap<Span, usize> = std::collections::HashMap::new();
    let place = |error: &Error| error.0.place.as_ref().map(|place| place.span);
    for span in found.iter().filter_map(place) {
        *times.entry(span).or_default() += 1;
    }
    times.retain(|_, n| *n > 2);
    found.retain_mut(|error| {
        let Some(n) = place(error).and_then(|span| times.get_mut(&span)) else { return true };
        let more = std::mem::take(n);
        if let (Some(place), 1..) = (&mut error.0.place, more) {
            place.label = format!("and {} more from this line", more - 1);
        }
        more > 0
    });
}

/// `1 node`, `2 nodes`.
pub fn plural(n: usize, word: &str) -> String {
    if n == 1 { word.to_string() } else { format!("{word}s") }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The lab cannot be built.
    Error,
    /// It can, but hardly as meant.
    Warning,
}

/// One thing that is wrong with a lab file.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What stands beside the caret.
    pub label: String,
    /// Other places that matter, each with its words.
    pub also: Vec<(Span, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// Words beside the caret.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }
    /// What to do.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }
    /// What to do, when there is something to say.
    pub fn maybe_help(&mut self, help: Option<String>) -> &mut Self {
        if help.is_some() {
            self.help = help;
        }
        self
    }
    /// Another place that matters.
    pub fn also(&mut self, span: Span, words: impl Into<String>) -> &mut Self {
        self.also.push((span, words.into()));
        self
    }
}

/// All that is wrong with a lab file, collected in one pass so that the author sees everything at once.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    /// The lab file.
    pub source: Source,
    list: Vec<Problem>,
}

impl Problems {
    /// None yet.
    pub fn new(source: Source) -> Self {
        Problems { source, list: Vec::new() }
    }

    /// Adds an error; the returned problem takes label, help and further places.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Problem {
        self.push(Severity::Error, span, message.into())
    }

    /// Adds a warning.
    pub fn warn(&mut self, span: Span, message: impl Into<String>) -> &mut Problem {
        self.push(Severity::Warning, span, message.into())
    }

    fn push(&mut self, severity: Severity, span: Span, message: String) -> &mut Problem {
        let at = self.list.len();
        self.list.push(Problem { severity, message, span, label: String::new(), also: Vec::new(), help: None });
        &mut self.list[at]
    }

    /// What has come up so far, for [`Problems::forgive`].
    pub fn mark(&self) -> usize {
        self.list.len()
    }

    /// Takes back what came up since a mark and need not be told.
    pub fn forgive(&mut self, since: usize, needless: impl Fn(&Problem) -> bool) {
        let late = self.list.split_off(since.min(self.list.len()));
        self.list.extend(late.into_iter().filter(|p| !needless(p)));
    }

    /// Errors and warnings in the order of the file.
    pub fn sorted(&self) -> Vec<&Problem> {
        let mut all: Vec<&Problem> = self.list.iter().collect();
        all.sort_by_key(|p| p.span);
        all
    }

    /// The errors alone.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter().filter(|p| p.severity == Severity::Error)
    }

    /// Whether the lab cannot be built.
    pub fn any_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One line that was expanded to a thousand nodes makes the same mistake a thousand times: it is told once.
    fn fold_repeated(&mut self) {
        let mut times: std::collections::HashMap<(Span, Severity), usize> = std::collections::HashMap::new();
        let place = |p: &Problem| (p.span, p.severity);
        for problem in self.list.iter().filter(|p| p.span != Span::default()) {
            *times.entry(place(problem)).or_default() += 1;
        }
        times.retain(|_, n| *n > 2);
        self.list.retain_mut(|problem| match times.get_mut(&place(problem)) {
            None => true,
            // Told already.
            Some(0) => false,
            Some(n) => {
                problem.label = format!("and {} more from this line", *n - 1);
                *n = 0;
                true
            }
        });
    }

    /// `Ok(value)` when nothing but warnings came up.
    pub fn into_result<T>(mut self, value: Option<T>) -> Result<(T, Problems)> {
        self.fold_repeated();
        match value {
            Some(value) if !self.any_errors() => Ok((value, self)),
            _ => Err(self.into()),
        }
    }
}

/// The nearest of some known words, when it is near enough to be a slip of the fingers.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), k))
        // Of a short word more than half is not a slip.
        .filter(|(distance, k)| {
            *distance <= 2 && *distance < k.chars().count().max(2) && distance * 2 <= lower.chars().count().max(2)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// `did you mean "x"?`, when something known is near.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|k| format!("did you mean `{k}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        assert_eq!(nearest("ruoter", ["router", "red"]), Some("router"));
        assert_eq!(nearest("adresses", ["addresses", "routes"]), Some("addresses"));
        assert_eq!(nearest("zzz", ["red", "blue"]), None);
    }

    fn all(found: Vec<Error>) -> Option<Error> {
        Error::all(found, |n| format!("{n} things"))
    }

    #[test]
    fn one_finding_is_itself_and_of_several_what_takes_more_to_change_comes_first() {
        assert!(all(Vec::new()).is_none());
        let one = all(vec![Error::conflict("taken")]).unwrap();
        assert_eq!((one.to_string().as_str(), one.detail().findings.len()), ("taken", 0));
        let two = all(vec![Error::conflict("taken"), Error::machine("missing"), Error::conflict("up")]).unwrap();
        assert_eq!(two.to_string(), "3 things: missing; taken; up");
        assert_eq!(two.kind(), Kind::Machine);
    }

    #[test]
    fn what_one_line_finds_many_times_is_told_once() {
        let source = Source::new("x.yaml", "a: 1\nb: 2\n");
        let at = |start| Error::conflict("taken").place(&source, Span { start, end: start + 1 }, "");
        let found = all(vec![at(0), at(5), at(0), at(0)]).unwrap();
        let labels: Vec<_> =
            found.detail().findings.iter().map(|e| e.detail().place.as_ref().unwrap().label.as_str()).collect();
        assert_eq!(labels, ["and 2 more from this line", ""]);
        assert_eq!(found.detail().what, "4 things");
    }
}
