//! Checks, one file per kind: which words of the lab file it takes, the command it stands for, how to judge what came
//! back.
//!
//! Nothing here runs or prints anything. A [`Kind`] says what to try ([`Probe`]), `apply::checks` tries it in the node,
//! and the kind judges what was [`Seen`]. A new kind is a new file that implements [`CheckKind`], a line in the list
//! below, and its word in `spec::Check`.

mod bgp;
mod bound;
mod curl;
mod dns;
pub mod filter;
mod has;
pub mod packet;
mod path;
mod ping;
pub mod reach;
mod route;
mod run;
mod seen;
pub mod sees;
mod socket;
pub mod spread;
mod words;

use std::time::Duration;

use crate::error::Problems;
use crate::name::NodeName;
use crate::span::{Sp, Span};
use crate::spec::{self, Holes};

pub use seen::{Output, Probe, Reach, Seen, SocketSeen, Target, Verdict};
pub use words::{duration, shell_words};

use seen::{NO_ROUTE, SILENCE};
use words::{expect_word, first_line, http_url, ip, socket_address, strings, unexpected};

/// A check that can be run.
#[derive(Debug, Clone)]
pub struct Check {
    /// What it shows.
    pub name: String,
    /// The node it runs in.
    pub node: NodeName,
    /// What it does.
    pub kind: Kind,
    /// How long it may take until it holds.
    pub within: Duration,
    /// Actions that must be done.
    pub after: Vec<String>,
    /// Actions that must not be done.
    pub before: Vec<String>,
    /// What to look at when it fails.
    pub hint: Option<String>,
    /// Where it stands.
    pub span: Span,
}

/// What a kind of check knows about itself.
pub trait CheckKind: Sized {
    /// Its word in the lab file: the entry of `spec::Check` that says what to look at.
    const WORD: &'static str;
    /// The further entries of `spec::Check` that it takes.
    const OPTIONS: &'static [&'static str] = &[];
    /// The entries of `spec::Properties` that it can expect.
    const EXPECTS: &'static [&'static str] = &[];

    /// Reads its words. Options and properties that it does not take have been reported already.
    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self>;
    /// What to try.
    fn probe(&self) -> Probe;
    /// Whether what was seen is what was expected.
    fn judge(&self, seen: &Seen) -> Verdict;
    /// What is expected, in words.
    fn expected(&self) -> String;
    /// The command that repeats it by hand inside the node.
    fn by_hand(&self) -> String;

    /// The programs it needs, each with the Debian package that has it.
    fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        Vec::new()
    }
    /// For a check that expects silence: what it is silent towards. It proves something only if somebody gets through
    /// to the same target, so the runner looks for a witness.
    fn blocked_target(&self) -> Option<Target> {
        None
    }
    /// What a check that expects an answer reaches: it can be the witness of a silent one.
    fn reached_target(&self) -> Option<Target> {
        None
    }
    /// The same probe as a plain question: does it answer at all?
    fn as_witness(&self) -> Option<Self> {
        None
    }
    /// What still needs a witness, after what was seen.
    fn needs_witness(&self, _seen: &Seen) -> Option<Target> {
        self.blocked_target()
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($module:ident)),+ $(,)?) => {
        /// The kinds.
        #[derive(Debug, Clone)]
        pub enum Kind {
            $($(#[$doc])* $name($module::$name)),+
        }

        const KINDS: &[&str] = &[$(<$module::$name as CheckKind>::WORD),+];

        /// The options that a kind takes, the properties that it can expect, and what reads it.
        fn reader(kind: &str) -> Option<(&'static [&'static str], &'static [&'static str], Read)> {
            $(if kind == <$module::$name as CheckKind>::WORD {
                return Some((
                    <$module::$name as CheckKind>::OPTIONS,
                    <$module::$name as CheckKind>::EXPECTS,
                    |written, problems| <$module::$name as CheckKind>::read(written, problems).map(Kind::$name),
                ));
            })+
            None
        }

        impl Kind {
            /// What to try.
            pub fn probe(&self) -> Probe {
                match self { $(Kind::$name(kind) => kind.probe()),+ }
            }
            /// Whether what was seen is what was expected.
            pub fn judge(&self, seen: &Seen) -> Verdict {
                match self { $(Kind::$name(kind) => kind.judge(seen)),+ }
            }
            /// What is expected, in words.
            pub fn expected(&self) -> String {
                match self { $(Kind::$name(kind) => kind.expected()),+ }
            }
            /// The command that repeats it by hand inside the node.
            pub fn by_hand(&self) -> String {
                match self { $(Kind::$name(kind) => kind.by_hand()),+ }
            }
            /// The word of the kind in the lab file.
            pub fn word(&self) -> &'static str {
                match self { $(Kind::$name(_) => <$module::$name as CheckKind>::WORD),+ }
            }
            /// The programs it needs, each with the Debian package that has it.
            pub fn programs(&self) -> Vec<(String, Option<&'static str>)> {
                match self { $(Kind::$name(kind) => kind.programs()),+ }
            }
            /// What a check that expects silence is silent towards.
            pub fn blocked_target(&self) -> Option<Target> {
                match self { $(Kind::$name(kind) => kind.blocked_target()),+ }
            }
            /// What a check that expects an answer reaches.
            pub fn reached_target(&self) -> Option<Target> {
                match self { $(Kind::$name(kind) => kind.reached_target()),+ }
            }
            /// The same probe as a plain question: does it answer at all?
            pub fn as_witness(&self) -> Option<Kind> {
                match self { $(Kind::$name(kind) => kind.as_witness().map(Kind::$name)),+ }
            }
            /// What still needs a witness, after what was seen.
            pub fn needs_witness(&self, seen: &Seen) -> Option<Target> {
                match self { $(Kind::$name(kind) => kind.needs_witness(seen)),+ }
            }
        }
    };
}

kinds! {
    /// ICMP echo.
    Ping(ping),
    /// HTTP.
    Curl(curl),
    /// A TCP connection.
    Tcp(socket),
    /// A UDP echo.
    Udp(socket),
    /// A name.
    Dns(dns),
    /// The kernel's choice of a route.
    Route(route),
    /// Lines that the node's tools must show.
    Has(has),
    /// The hops on the way.
    Path(path),
    /// How requests are shared out.
    Spread(spread),
    /// BGP sessions.
    Bgp(bgp),
    /// Everybody to everybody.
    Reach(reach),
    /// Packets on a wire.
    Sees(sees),
    /// Any command.
    Run(run),
}

type Read = fn(&spec::Check, &mut Problems) -> Option<Kind>;

/// Reads the kind's own words of a check; the rest (`name`, `from`, …) is the caller's.
pub fn read(written: &Sp<spec::Check>, holes: &Holes, problems: &mut Problems) -> Option<Kind> {
    let present = kinds_present(written);
    if let [(first, _), (second, at), ..] = present.as_slice() {
        problems
            .error(*at, format!("a check does one thing: this one has both `{first}` and `{second}`"))
            .help("make it two checks");
        return None;
    }
    let Some((kind, (known, properties, read))) =
        present.first().and_then(|(kind, _)| Some((kind.as_str(), reader(kind)?)))
    else {
        if !holes.any(written.span, KINDS) {
            problems
                .error(place(written), "this check does not say what to do")
                .help(format!("add one of {}", KINDS.join(", ")));
        }
        return None;
    };
    reject_options(written, kind, known, problems);
    let expect = written.expect.as_ref();
    if expect.is_some_and(|e| holes.inside(e.span)) || holes.any(written.span, &["expect", "during", "on", kind]) {
        return None;
    }
    if reject_properties(expect, kind, properties, problems) {
        return None;
    }
    read(written, problems)
}

/// Whether a check says what to do.
pub fn has_kind(written: &spec::Check) -> bool {
    !kinds_present(written).is_empty()
}

/// Where a check stands: at its name, if it has one.
pub fn place(written: &Sp<spec::Check>) -> Span {
    written.name.as_ref().map_or(written.span, |name| name.span)
}

fn kinds_present(written: &spec::Check) -> Vec<(String, Span)> {
    written.written().into_iter().filter(|(word, _)| KINDS.contains(&word.as_str())).collect()
}

/// Entries that every check may have.
const COMMON: &[&str] = &["name", "from", "on", "expect", "within", "after", "before", "hint"];

fn reject_options(written: &spec::Check, kind: &str, known: &[&str], problems: &mut Problems) {
    let fits = |word: &str| word == kind || COMMON.contains(&word) || known.contains(&word);
    for (option, span) in written.written().into_iter().filter(|(word, _)| !fits(word)) {
        let problem = problems.error(span, format!("`{option}` means nothing to a `{kind}` check"));
        if !known.is_empty() {
            problem.help(format!("`{kind}` takes {}", known.join(", ")));
        }
    }
}

/// Reports properties that the kind cannot expect; the kind itself speaks about a kind of expectation that it lacks.
fn reject_properties(expect: Option<&Sp<spec::Expect>>, kind: &str, known: &[&str], problems: &mut Problems) -> bool {
    let Some(spec::Expect::Properties(properties)) = expect.map(|e| &e.value).filter(|_| !known.is_empty()) else {
        return false;
    };
    let wrong: Vec<_> = properties.written().into_iter().filter(|(name, _)| !known.contains(&name.as_str())).collect();
    for (name, span) in &wrong {
        problems
            .error(*span, format!("a `{kind}` check cannot expect `{name}`"))
            .help(format!("it can expect {}", known.join(", ")));
    }
    !wrong.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word that no entry of the lab file has would be passed over in silence.
    #[test]
    fn every_word_of_a_kind_stands_in_the_schema() {
        let schema = serde_json::to_value(spec::schema()).unwrap();
        let has = |section: &str, word: &str| schema["$defs"][section]["properties"].get(word).is_some();
        for kind in KINDS {
            let (options, expects, _) = reader(kind).unwrap();
            assert!(has("Check", kind), "{kind}");
            assert!(options.iter().all(|option| has("Check", option)), "{kind}: {options:?}");
            assert!(expects.iter().all(|property| has("Properties", property)), "{kind}: {expects:?}");
        }
    }
}
