//! Checks, one file per kind: which words of the lab file it takes, the command it stands for, how to judge what came
//! back.
//!
//! Nothing here runs or prints anything. A [`Kind`] says what to try ([`Probe`]), `apply::checks` tries it in the node,
//! and the kind judges what was [`Seen`]. A new kind is a new file, a variant of [`Kind`] and an arm in each match.

mod curl;
mod dns;
mod has;
mod path;
mod ping;
mod route;
mod run;
mod tcp;
mod udp;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::error::{Problems, did_you_mean};
use crate::ip::WordError;
use crate::name::NodeName;
use crate::span::{Sp, Span};
use crate::spec::{self, Holes};

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
    /// What to look at when it fails.
    pub hint: Option<String>,
    /// Where it stands.
    pub span: Span,
}

/// The kinds.
#[derive(Debug, Clone)]
pub enum Kind {
    /// ICMP echo.
    Ping(ping::Ping),
    /// HTTP.
    Curl(curl::Curl),
    /// A TCP connection.
    Tcp(tcp::Tcp),
    /// A UDP echo.
    Udp(udp::Udp),
    /// A name.
    Dns(dns::Dns),
    /// The kernel's choice of a route.
    Route(route::RouteGet),
    /// Lines that the node's tools must show.
    Has(has::Has),
    /// The hops on the way.
    Path(path::Path),
    /// Any command.
    Run(run::Run),
}

/// What to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Run these commands in the node, all at once; each gets `timeout` at most.
    Commands {
        /// The programs and their arguments.
        argv: Vec<Vec<String>>,
        /// Kill them after this.
        timeout: Duration,
    },
    /// Open a TCP connection from the node.
    Connect {
        /// To where.
        to: SocketAddr,
        /// Give up after this.
        timeout: Duration,
    },
    /// Send a datagram from the node and wait for it to come back.
    Echo {
        /// To where.
        to: SocketAddr,
        /// Give up after this.
        timeout: Duration,
    },
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Seen {
    /// What the commands printed, in their order.
    Outputs(Vec<Output>),
    /// What the socket said.
    Socket(SocketSeen),
}

/// What a command printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// What a socket said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketSeen {
    /// Connected, or echoed.
    Open,
    /// An active no: RST, or ICMP port unreachable.
    Refused,
    /// Nothing in time.
    Silent,
    /// This node has no way there, or a router said so.
    Unreachable,
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// What was seen, in one line.
    pub seen: String,
    /// What that usually means, in one line; for failures.
    pub meaning: Option<String>,
}

impl Verdict {
    fn of(holds: bool, seen: impl Into<String>) -> Verdict {
        Verdict { holds, seen: seen.into(), meaning: None }
    }
    fn meaning(mut self, meaning: Option<&str>) -> Verdict {
        if !self.holds {
            self.meaning = meaning.map(str::to_string);
        }
        self
    }
}

impl Seen {
    fn first(&self) -> Output {
        match self {
            Seen::Outputs(outputs) => outputs.first().cloned().unwrap_or_default(),
            Seen::Socket(_) => Output::default(),
        }
    }
    fn socket(&self) -> SocketSeen {
        match self {
            Seen::Socket(seen) => *seen,
            Seen::Outputs(_) => SocketSeen::Silent,
        }
    }
}

impl Kind {
    /// What to try.
    pub fn probe(&self) -> Probe {
        match self {
            Kind::Ping(k) => k.probe(),
            Kind::Curl(k) => k.probe(),
            Kind::Tcp(k) => k.probe(),
            Kind::Udp(k) => k.probe(),
            Kind::Dns(k) => k.probe(),
            Kind::Route(k) => k.probe(),
            Kind::Has(k) => k.probe(),
            Kind::Path(k) => k.probe(),
            Kind::Run(k) => k.probe(),
        }
    }

    /// Whether what was seen is what was expected.
    pub fn judge(&self, seen: &Seen) -> Verdict {
        match self {
            Kind::Ping(k) => k.judge(seen),
            Kind::Curl(k) => k.judge(seen),
            Kind::Tcp(k) => k.judge(seen),
            Kind::Udp(k) => k.judge(seen),
            Kind::Dns(k) => k.judge(seen),
            Kind::Route(k) => k.judge(seen),
            Kind::Has(k) => k.judge(seen),
            Kind::Path(k) => k.judge(seen),
            Kind::Run(k) => k.judge(seen),
        }
    }

    /// What is expected, in words.
    pub fn expected(&self) -> String {
        match self {
            Kind::Ping(k) => k.expected(),
            Kind::Curl(k) => k.expected(),
            Kind::Tcp(k) => k.expected(),
            Kind::Udp(k) => k.expected(),
            Kind::Dns(k) => k.expected(),
            Kind::Route(k) => k.expected(),
            Kind::Has(k) => k.expected(),
            Kind::Path(k) => k.expected(),
            Kind::Run(k) => k.expected(),
        }
    }

    /// The command that repeats it by hand inside the node.
    pub fn by_hand(&self) -> String {
        match self {
            Kind::Ping(k) => k.by_hand(),
            Kind::Curl(k) => k.by_hand(),
            Kind::Tcp(k) => k.by_hand(),
            Kind::Udp(k) => k.by_hand(),
            Kind::Dns(k) => k.by_hand(),
            Kind::Route(k) => k.by_hand(),
            Kind::Has(k) => k.by_hand(),
            Kind::Path(k) => k.by_hand(),
            Kind::Run(k) => k.by_hand(),
        }
    }

    /// The word of the kind in the lab file.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Ping(_) => "ping",
            Kind::Curl(_) => "curl",
            Kind::Tcp(_) => "tcp",
            Kind::Udp(_) => "udp",
            Kind::Dns(_) => "dns",
            Kind::Route(_) => "route",
            Kind::Has(_) => "has",
            Kind::Path(_) => "path",
            Kind::Run(_) => "run",
        }
    }

    /// The programs it needs, each with the Debian package that has it.
    pub fn programs(&self) -> Vec<(String, Option<&'static str>)> {
        let known = |name: &str, package| vec![(name.to_string(), Some(package))];
        match self {
            Kind::Ping(_) | Kind::Path(_) => known("ping", "iputils-ping"),
            Kind::Curl(_) => known("curl", "curl"),
            Kind::Tcp(_) | Kind::Udp(_) => Vec::new(),
            Kind::Dns(k) => k.programs(),
            Kind::Route(_) => known("ip", "iproute2"),
            Kind::Has(k) => k.programs(),
            Kind::Run(k) => k.programs(),
        }
    }

    /// For a check that expects silence: what it is silent towards. It proves something only if somebody gets through
    /// to the same target, so the runner looks for a witness.
    pub fn blocked_target(&self) -> Option<Target> {
        match self {
            Kind::Ping(k) => k.blocked_target(),
            Kind::Curl(k) => k.blocked_target(),
            Kind::Tcp(k) => k.blocked_target(),
            Kind::Udp(k) => k.blocked_target(),
            Kind::Dns(_) | Kind::Route(_) | Kind::Has(_) | Kind::Path(_) | Kind::Run(_) => None,
        }
    }

    /// What a check that expects an answer reaches: it can be the witness of a silent one.
    pub fn reached_target(&self) -> Option<Target> {
        match self {
            Kind::Ping(k) => k.reached_target(),
            Kind::Curl(k) => k.reached_target(),
            Kind::Tcp(k) => k.reached_target(),
            Kind::Udp(k) => k.reached_target(),
            Kind::Dns(_) | Kind::Route(_) | Kind::Has(_) | Kind::Path(_) | Kind::Run(_) => None,
        }
    }

    /// The same probe as a plain question: does it answer at all?
    pub fn as_witness(&self) -> Option<Kind> {
        match self {
            Kind::Ping(k) => Some(Kind::Ping(k.as_witness())),
            Kind::Curl(k) => Some(Kind::Curl(k.as_witness())),
            Kind::Tcp(k) => Some(Kind::Tcp(k.as_witness())),
            Kind::Udp(k) => Some(Kind::Udp(k.as_witness())),
            Kind::Dns(_) | Kind::Route(_) | Kind::Has(_) | Kind::Path(_) | Kind::Run(_) => None,
        }
    }
}

/// What a check talks to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The address, when it is one and not a name.
    pub ip: Option<IpAddr>,
    /// Protocol, address, port: equal for checks that reach the same thing.
    pub key: String,
}

/// How a check that opens something should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It answers.
    Open,
    /// It says no at once.
    Refused,
    /// Nothing comes back.
    Blocked,
}

impl Reach {
    fn expected(self, open: &str) -> String {
        match self {
            Reach::Open => open.to_string(),
            Reach::Refused => "refused at once".into(),
            Reach::Blocked => "blocked: no answer".into(),
        }
    }

    fn judge(self, seen: SocketSeen) -> Verdict {
        let (words, meaning) = match seen {
            SocketSeen::Open => ("answered", Some("something lets it through that should not")),
            SocketSeen::Refused => {
                ("refused", Some("the address answers, but nothing listens on that port (or a firewall rejects)"))
            }
            SocketSeen::Silent => ("no answer", Some(SILENCE)),
            SocketSeen::Unreachable => ("unreachable", Some(NO_ROUTE)),
        };
        let holds = match self {
            Reach::Open => seen == SocketSeen::Open,
            Reach::Refused => seen == SocketSeen::Refused,
            Reach::Blocked => matches!(seen, SocketSeen::Silent | SocketSeen::Unreachable),
        };
        Verdict::of(holds, words).meaning(meaning)
    }
}

/// What silence usually means.
pub(crate) const SILENCE: &str =
    "the request or its answer is lost on the way: a missing route back, a firewall, forwarding switched off";
/// What "network is unreachable" means.
pub(crate) const NO_ROUTE: &str = "there is no route to it (`ip route get ADDRESS` says the same)";

/// Reads the kind's own words of a check; the rest (`name`, `from`, …) is the caller's.
pub fn read(written: &Sp<spec::Check>, holes: &Holes, problems: &mut Problems) -> Option<Kind> {
    match kinds_present(written).as_slice() {
        [] => {
            if !holes.any(written.span, KINDS) {
                problems
                    .error(place(written), "this check does not say what to do")
                    .help(format!("add one of {}", KINDS.join(", ")));
            }
            None
        }
        [(kind, _)] => {
            let (known, properties, read) = reader(kind);
            reject_options(written, kind, known, problems);
            let expect = written.expect.as_ref();
            if expect.is_some_and(|e| holes.inside(e.span)) || holes.any(written.span, &["expect", kind]) {
                return None;
            }
            if reject_properties(expect, kind, properties, problems) {
                return None;
            }
            read(written, problems)
        }
        [(first, _), (second, at), ..] => {
            problems
                .error(*at, format!("a check does one thing: this one has both `{first}` and `{second}`"))
                .help("make it two checks");
            None
        }
    }
}

/// Whether a check says what to do.
pub fn has_kind(written: &spec::Check) -> bool {
    !kinds_present(written).is_empty()
}

/// Where a check stands: at its name, if it has one.
pub fn place(written: &Sp<spec::Check>) -> Span {
    written.name.as_ref().map_or(written.span, |name| name.span)
}

const KINDS: &[&str] = &["ping", "curl", "tcp", "udp", "dns", "route", "has", "path", "run"];

type Read = fn(&spec::Check, &mut Problems) -> Option<Kind>;

/// The options that a kind takes, the properties that it can expect, and what reads it.
fn reader(kind: &str) -> (&'static [&'static str], &'static [&'static str], Read) {
    match kind {
        "ping" => (ping::OPTIONS, &["ttl", "mtu", "loss"], |w, p| ping::read(w, p).map(Kind::Ping)),
        "curl" => (curl::OPTIONS, &["status", "body", "server-saw"], |w, p| curl::read(w, p).map(Kind::Curl)),
        "tcp" => (&[], &[], |w, p| tcp::read(w, p).map(Kind::Tcp)),
        "udp" => (&[], &[], |w, p| udp::read(w, p).map(Kind::Udp)),
        "dns" => (dns::OPTIONS, &[], |w, p| dns::read(w, p).map(Kind::Dns)),
        "route" => (route::OPTIONS, &[], |w, p| route::read(w, p).map(Kind::Route)),
        "has" => (&[], &[], |w, p| has::read(w, p).map(Kind::Has)),
        "path" => (&[], &[], |w, p| path::read(w, p).map(Kind::Path)),
        _ => (&[], &["exit", "stdout"], |w, p| run::read(w, p).map(Kind::Run)),
    }
}

fn kinds_present(written: &spec::Check) -> Vec<(&'static str, Span)> {
    let text = |t: &Option<spec::Text>| t.as_ref().map(|t| t.span);
    let list = |l: &Option<Vec<spec::Text>>| l.as_ref().map(|l| l.first().map_or(Span::default(), |t| t.span));
    [
        ("ping", text(&written.ping)),
        ("curl", text(&written.curl)),
        ("tcp", text(&written.tcp)),
        ("udp", text(&written.udp)),
        ("dns", text(&written.dns)),
        ("route", text(&written.route)),
        ("has", list(&written.has)),
        ("path", text(&written.path)),
        ("run", list(&written.run)),
    ]
    .into_iter()
    .filter_map(|(kind, span)| Some((kind, span?)))
    .collect()
}

fn reject_options(written: &spec::Check, kind: &str, known: &[&str], problems: &mut Problems) {
    for (option, span) in written.options() {
        if !known.contains(&option) {
            let problem = problems.error(span, format!("`{option}` means nothing to a `{kind}` check"));
            if !known.is_empty() {
                problem.help(format!("`{kind}` takes {}", known.join(", ")));
            }
        }
    }
}

/// Reports properties that the kind cannot expect; the kind itself speaks about a kind of expectation that it lacks.
fn reject_properties(expect: Option<&Sp<spec::Expect>>, kind: &str, known: &[&str], problems: &mut Problems) -> bool {
    let Some(spec::Expect::Properties(properties)) = expect.map(|e| &e.value).filter(|_| !known.is_empty()) else {
        return false;
    };
    let wrong: Vec<_> = properties.written().into_iter().filter(|(name, _)| !known.contains(name)).collect();
    for (name, span) in &wrong {
        problems
            .error(*span, format!("a `{kind}` check cannot expect `{name}`"))
            .help(format!("it can expect {}", known.join(", ")));
    }
    !wrong.is_empty()
}

impl spec::Properties {
    fn written(&self) -> Vec<(&'static str, Span)> {
        fn at<T>(value: &Option<Sp<T>>) -> Option<Span> {
            value.as_ref().map(|v| v.span)
        }
        [
            ("status", at(&self.status)),
            ("body", at(&self.body)),
            ("server-saw", at(&self.server_saw)),
            ("ttl", at(&self.ttl)),
            ("loss", at(&self.loss)),
            ("mtu", at(&self.mtu)),
            ("exit", at(&self.exit)),
            ("stdout", at(&self.stdout)),
        ]
        .into_iter()
        .filter_map(|(name, span)| Some((name, span?)))
        .collect()
    }
}

impl spec::Check {
    fn options(&self) -> Vec<(&'static str, Span)> {
        fn at<T>(value: &Option<Sp<T>>) -> Option<Span> {
            value.as_ref().map(|v| v.span)
        }
        [
            ("size", at(&self.size)),
            ("df", at(&self.df)),
            ("count", at(&self.count)),
            ("ttl", at(&self.ttl)),
            ("source", at(&self.source)),
            ("method", at(&self.method)),
            ("host", at(&self.host)),
            ("header", self.header.first().map(|h| h.span)),
            ("resolve", at(&self.resolve)),
            ("server", at(&self.server)),
            ("type", at(&self.record)),
            ("mark", at(&self.mark)),
        ]
        .into_iter()
        .filter_map(|(name, span)| Some((name, span?)))
        .collect()
    }
}

/// A time as `5s` or `200ms`.
pub fn duration(text: &spec::Text, problems: &mut Problems) -> Option<Duration> {
    let parse = |digits: &str, unit: u64| digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    let millis = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => parse(digits, 1),
        (None, Some(digits)) => parse(digits, 1000),
        (None, None) => None,
    };
    match millis {
        Some(ms) if (1..=600_000).contains(&ms) => Some(Duration::from_millis(ms)),
        _ => {
            let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let help = if bare { format!("did you mean `{text}s`?") } else { "as in `5s` or `200ms`".into() };
            problems.error(text.span, format!("`{text}` is not a time from 1ms to 600s")).help(help);
            None
        }
    }
}

/// Reads an `expect` that is one word of a few.
fn expect_word<T: Copy>(written: &spec::Check, words: &[(&str, T)], usual: T, problems: &mut Problems) -> Option<T> {
    let Some(expect) = &written.expect else {
        return Some(usual);
    };
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let word = if let spec::Expect::Word(word) = &expect.value { word.as_str() } else { "" };
    if let Some((_, value)) = words.iter().find(|(name, _)| *name == word) {
        return Some(*value);
    }
    unexpected(expect, &names, &format!("expect one of {}", names.join(", ")), problems);
    None
}

/// Reports an `expect` that the kind does not know: `words` are those that it does, `help` says all that it can.
fn unexpected(expect: &Sp<spec::Expect>, words: &[&str], help: &str, problems: &mut Problems) {
    let (what, near) = match &expect.value {
        spec::Expect::Word(word) => (format!("`{word}`"), did_you_mean(word, words.iter().copied())),
        spec::Expect::List(_) => ("a list".to_string(), None),
        spec::Expect::Properties(_) => ("`{…}`".to_string(), None),
    };
    problems.error(expect.span, format!("this check cannot expect {what}")).help(near.unwrap_or(help.to_string()));
}

/// `ADDRESS:PORT`.
fn socket_address(text: &spec::Text, problems: &mut Problems) -> Option<SocketAddr> {
    said(text, crate::ip::parse_socket(text), problems)
}

fn ip(text: &spec::Text, problems: &mut Problems) -> Option<IpAddr> {
    said(text, crate::ip::parse_ip(text), problems)
}

fn said<T>(text: &spec::Text, parsed: Result<T, WordError>, problems: &mut Problems) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(e) => {
            problems.error(text.span, e.message).maybe_help(e.help);
            None
        }
    }
}

/// Words for a command line that a person copies.
pub fn shell_words(argv: &[String]) -> String {
    argv.iter().map(|w| crate::ip::shell_quote(w)).collect::<Vec<_>>().join(" ")
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// The first line that says something.
fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default().to_string()
}
