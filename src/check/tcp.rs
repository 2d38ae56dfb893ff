//! `tcp: ADDRESS:PORT`: does it accept a connection? netlab opens it itself, from inside the node.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Probe, Reach, Seen, Target, Verdict, expect_word, socket_address};
use crate::error::Problems;
use crate::spec;

/// A TCP connection.
#[derive(Debug, Clone)]
pub struct Tcp {
    to: SocketAddr,
    expect: Reach,
}

pub(super) fn read(written: &spec::Check, problems: &mut Problems) -> Option<Tcp> {
    let words = [("open", Reach::Open), ("refused", Reach::Refused), ("blocked", Reach::Blocked)];
    let expect = expect_word(written, &words, Reach::Open, problems);
    let to = socket_address(written.tcp.as_ref()?, problems)?;
    Some(Tcp { to, expect: expect? })
}

impl Tcp {
    pub(super) fn probe(&self) -> Probe {
        Probe::Connect { to: self.to, timeout: Duration::from_secs(1) }
    }

    pub(super) fn by_hand(&self) -> String {
        format!("timeout 2 bash -c ': </dev/tcp/{}/{}'", self.to.ip(), self.to.port())
    }

    pub(super) fn expected(&self) -> String {
        self.expect.expected("a connection")
    }

    pub(super) fn judge(&self, seen: &Seen) -> Verdict {
        self.expect.judge(seen.socket())
    }

    fn target(&self) -> Target {
        Target { ip: Some(self.to.ip()), key: format!("tcp {}", self.to) }
    }

    pub(super) fn blocked_target(&self) -> Option<Target> {
        (self.expect == Reach::Blocked).then(|| self.target())
    }

    pub(super) fn reached_target(&self) -> Option<Target> {
        (self.expect == Reach::Open).then(|| self.target())
    }

    pub(super) fn as_witness(&self) -> Tcp {
        Tcp { expect: Reach::Open, ..self.clone() }
    }
}
