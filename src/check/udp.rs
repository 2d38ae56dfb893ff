//! `udp: ADDRESS:PORT`: does a datagram come back? For echo servers, such as netlab's own `udp:` service.

use std::net::SocketAddr;
use std::time::Duration;

use super::{CheckKind, Probe, Reach, Seen, Target, Verdict, expect_word, socket_address};
use crate::error::Problems;
use crate::spec;

/// A UDP echo.
#[derive(Debug, Clone)]
pub struct Udp {
    to: SocketAddr,
    expect: Reach,
}

impl CheckKind for Udp {
    const WORD: &'static str = "udp";

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let words = [("open", Reach::Open), ("refused", Reach::Refused), ("blocked", Reach::Blocked)];
        let expect = expect_word(written, &words, Reach::Open, problems);
        let to = socket_address(written.udp.as_ref()?, problems)?;
        Some(Udp { to, expect: expect? })
    }

    fn probe(&self) -> Probe {
        Probe::Echo { to: self.to, timeout: Duration::from_secs(1) }
    }

    fn by_hand(&self) -> String {
        format!(
            "timeout 2 bash -c 'exec 3<>/dev/udp/{}/{}; echo netlab >&3; head -1 <&3'",
            self.to.ip(),
            self.to.port()
        )
    }

    fn expected(&self) -> String {
        self.expect.expected("an echo")
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
        Some(Udp { expect: Reach::Open, ..self.clone() })
    }
}

impl Udp {
    fn target(&self) -> Target {
        Target::socket("udp", self.to)
    }
}
