//! `tcp: ADDRESS:PORT`: does it accept a connection? netlab opens it itself, from inside the node.

use std::net::SocketAddr;
use std::time::Duration;

use super::{CheckKind, Probe, Reach, Seen, Target, Verdict, expect_word, socket_address};
use crate::error::Problems;
use crate::spec;

/// A TCP connection.
#[derive(Debug, Clone)]
pub struct Tcp {
    to: SocketAddr,
    expect: Reach,
}

impl CheckKind for Tcp {
    const WORD: &'static str = "tcp";

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let words = [("open", Reach::Open), ("refused", Reach::Refused), ("blocked", Reach::Blocked)];
        let expect = expect_word(written, &words, Reach::Open, problems);
        let to = socket_address(written.tcp.as_ref()?, problems)?;
        Some(Tcp { to, expect: expect? })
    }

    fn probe(&self) -> Probe {
        Probe::Connect { to: self.to, timeout: Duration::from_secs(1) }
    }

    fn by_hand(&self) -> String {
        format!("timeout 2 bash -c ': </dev/tcp/{}/{}'", self.to.ip(), self.to.port())
    }

    fn expected(&self) -> String {
        self.expect.expected("a connection")
    }

    fn judge(&self, seen: &Seen) -> Verdict {
        self.expect.judge(seen.socket())
    }

    fn blocked_target(&self) -> Option<Target> {
        (self.expect == Reach::Blocked).then(|| self.target())
    }

    fn reached_target(&self) -> Option<Target> {
        (self.expect == Reach::Open).then(|| self.target())
    }

    fn as_witness(&self) -> Option<Self> {
        Some(Tcp { expect: Reach::Open, ..self.clone() })
    }
}

impl Tcp {
    fn target(&self) -> Target {
        Target::socket("tcp", self.to)
    }
}
