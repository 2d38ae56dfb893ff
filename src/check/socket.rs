//! `tcp: ADDRESS:PORT` and `udp: ADDRESS:PORT`: does it accept a connection, does a datagram come back? netlab opens the
//! socket itself, from inside the node. The second is for echo servers, such as netlab's own `udp:` service.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use super::{CheckKind, Probe, Reach, Seen, Target, Verdict, expect_word, socket_address};
use crate::error::Problems;
use crate::spec::{self, Text};

const PATIENCE: Duration = Duration::from_secs(1);

/// A TCP connection.
pub type Tcp = Socket<OverTcp>;
/// A UDP echo.
pub type Udp = Socket<OverUdp>;

/// A socket that is opened.
#[derive(Debug, Clone)]
pub struct Socket<P> {
    to: SocketAddr,
    expect: Reach,
    protocol: PhantomData<P>,
}

/// What the two do differently.
pub trait Protocol: Debug + Clone {
    /// The key in the lab file.
    const WORD: &'static str;
    /// What comes back when all is well.
    const ANSWER: &'static str;
    /// What is written under the key.
    fn written(check: &spec::Check) -> Option<&Text>;
    /// What to try.
    fn probe(to: SocketAddr) -> Probe;
    /// The same with a shell.
    fn by_hand(to: SocketAddr) -> String;
}

/// TCP.
#[derive(Debug, Clone)]
pub struct OverTcp;
/// UDP.
#[derive(Debug, Clone)]
pub struct OverUdp;

impl Protocol for OverTcp {
    const WORD: &'static str = "tcp";
    const ANSWER: &'static str = "a connection";

    fn written(check: &spec::Check) -> Option<&Text> {
        check.tcp.as_ref()
    }
    fn probe(to: SocketAddr) -> Probe {
        Probe::Connect { to, timeout: PATIENCE }
    }
    fn by_hand(to: SocketAddr) -> String {
        format!("timeout 2 bash -c ': </dev/tcp/{}/{}'", to.ip(), to.port())
    }
}

impl Protocol for OverUdp {
    const WORD: &'static str = "udp";
    const ANSWER: &'static str = "an echo";

    fn written(check: &spec::Check) -> Option<&Text> {
        check.udp.as_ref()
    }
    fn probe(to: SocketAddr) -> Probe {
        Probe::Echo { to, timeout: PATIENCE }
    }
    fn by_hand(to: SocketAddr) -> String {
        format!("timeout 2 bash -c 'exec 3<>/dev/udp/{}/{}; echo netlab >&3; head -1 <&3'", to.ip(), to.port())
    }
}

impl<P: Protocol> CheckKind for Socket<P> {
    const WORD: &'static str = P::WORD;

    fn read(written: &spec::Check, problems: &mut Problems) -> Option<Self> {
        let words = [("open", Reach::Open), ("refused", Reach::Refused), ("blocked", Reach::Blocked)];
        let expect = expect_word(written, &words, Reach::Open, problems);
        let to = socket_address(P::written(written)?, problems)?;
        Some(Socket { to, expect: expect?, protocol: PhantomData })
    }

    fn probe(&self) -> Probe {
        P::probe(self.to)
    }

    fn by_hand(&self) -> String {
        P::by_hand(self.to)
    }

    fn expected(&self) -> String {
        self.expect.expected(P::ANSWER)
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
        Some(Socket { expect: Reach::Open, ..self.clone() })
    }
}

impl<P: Protocol> Socket<P> {
    fn target(&self) -> Target {
        Target::socket(P::WORD, self.to)
    }
}
