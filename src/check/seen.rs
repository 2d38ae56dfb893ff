//! What a check tries, what came back, and what it comes to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::reach::Matrix;
use super::sees::Capture;

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
    /// Ask each of these nodes about each other one, with one ICMP echo per pair.
    Matrix {
        /// The nodes, and the addresses that are asked for.
        nodes: Vec<(String, IpAddr)>,
    },
    /// Look at what passes an interface of the node while the check's traffic runs.
    Capture {
        /// The interface.
        interface: String,
    },
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Seen {
    /// What the commands printed, in their order.
    Outputs(Vec<Output>),
    /// What the socket said.
    Socket(SocketSeen),
    /// Which pairs got no answer.
    Pairs(Matrix),
    /// What passed the wire.
    Packets(Capture),
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
    /// What was seen, in a line or a few.
    pub seen: String,
    /// What that usually means, in one line; for failures.
    pub meaning: Option<String>,
    /// Nothing that happens later can make it hold.
    pub settled: bool,
    /// Somebody answered, whatever was expected.
    pub answered: bool,
}

impl Verdict {
    /// A verdict without a meaning.
    pub fn of(holds: bool, seen: impl Into<String>) -> Verdict {
        Verdict { holds, seen: seen.into(), meaning: None, settled: false, answered: false }
    }
    /// What a failure usually means.
    pub fn meaning(mut self, meaning: Option<&str>) -> Verdict {
        if !self.holds {
            self.meaning = meaning.map(str::to_string);
        }
        self
    }
}

impl Seen {
    pub(super) fn first(&self) -> Output {
        match self {
            Seen::Outputs(outputs) => outputs.first().cloned().unwrap_or_default(),
            Seen::Socket(_) | Seen::Pairs(_) | Seen::Packets(_) => Output::default(),
        }
    }
    pub(super) fn socket(&self) -> SocketSeen {
        match self {
            Seen::Socket(seen) => *seen,
            Seen::Outputs(_) | Seen::Pairs(_) | Seen::Packets(_) => SocketSeen::Silent,
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

impl Target {
    /// Of a TCP or UDP socket.
    pub fn socket(proto: &str, to: SocketAddr) -> Target {
        Target { ip: Some(to.ip()), key: format!("{proto} {to}") }
    }

    /// Of an http URL.
    pub fn of_url(url: &str) -> Target {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let usual = if scheme == "https" { 443 } else { 80 };
        let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let with_port = || {
            let (host, port) = authority.rsplit_once(':')?;
            Some(SocketAddr::new(bare(host)?, port.parse().ok()?))
        };
        match bare(authority).map(|ip| SocketAddr::new(ip, usual)).or_else(with_port) {
            Some(to) => Target::socket("tcp", to),
            None => Target { ip: None, key: format!("tcp {authority}") },
        }
    }
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
    pub(super) fn expected(self, open: &str) -> String {
        match self {
            Reach::Open => open.to_string(),
            Reach::Refused => "refused at once".into(),
            Reach::Blocked => "blocked: no answer".into(),
        }
    }

    pub(super) fn judge(self, seen: SocketSeen) -> Verdict {
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
pub(super) const SILENCE: &str =
    "the request or its answer is lost on the way: a missing route back, a firewall, forwarding switched off";
/// What "network is unreachable" means.
pub(super) const NO_ROUTE: &str = "there is no route to it (`ip route get ADDRESS` says the same)";
