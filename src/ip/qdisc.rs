//! What slows down, loses or spoils the packets that leave by an interface, in the words of `tc qdisc`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::WordError;

/// A queueing discipline at the root of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Qdisc {
    /// Delay, loss and other faults of long or bad lines.
    Netem(Netem),
    /// A rate, with a burst before it is enforced.
    Tbf(Tbf),
}

/// `netem`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Netem {
    /// Nanoseconds that every packet waits.
    pub delay: u64,
    /// Nanoseconds more or less.
    pub jitter: u64,
    /// Packets that are lost.
    pub loss: Share,
    /// Packets that are sent twice.
    pub duplicate: Share,
    /// Packets in which a bit is turned over.
    pub corrupt: Share,
    /// Packets that do not wait, and so overtake others.
    pub reorder: Share,
    /// Bytes a second; 0 for no limit.
    pub rate: u64,
    /// Packets that may wait.
    pub limit: u32,
}

/// `tbf`, the token bucket filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tbf {
    /// Bytes a second.
    pub rate: u64,
    /// Bytes that may go at once.
    pub burst: u32,
    /// Bytes that may wait; more are dropped.
    pub limit: u32,
}

/// How many packets netem lets wait when nobody says.
pub const NETEM_LIMIT: u32 = 1000;
/// The kernel keeps a burst as the time that it takes, in steps of 64 ns: of multiples of this many bytes nothing is lost.
pub const BURST_STEP: u32 = 64;

/// A share of all packets, as the kernel keeps it: of 2^32 - 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Share(pub u32);

impl Share {
    /// Reads `1%`.
    pub fn parse(text: &str) -> Result<Share, WordError> {
        let percent = text.trim().strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok());
        let bad = || WordError::new(text, format!("`{text}` is not a share of packets")).help("as in `1%` or `0.5%`");
        let percent = percent.filter(|p| (0.0..=100.0).contains(p)).ok_or_else(bad)?;
        Ok(Share((percent / 100.0 * f64::from(u32::MAX)).round() as u32))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{:.4}", f64::from(self.0) / f64::from(u32::MAX) * 100.0);
        write!(f, "{}%", percent.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Reads a time as `tc` does, `50ms`; gives nanoseconds.
pub fn parse_time(text: &str) -> Result<u64, WordError> {
    let units = [("ms", 1e6), ("us", 1e3), ("ns", 1.0), ("s", 1e9)];
    let bad = || WordError::new(text, format!("`{text}` is not a time")).help("as in `50ms`, `0.5s` or `200us`");
    let value = with_unit(text, &units).ok_or_else(bad)?;
    let most = 60e9;
    if value > most {
        return Err(WordError::new(text, format!("`{text}` is longer than a minute")).help("nobody would wait for it"));
    }
    Ok(value.round() as u64)
}

/// Reads a rate as `tc` does, `10mbit`; gives bytes a second.
pub fn parse_rate(text: &str) -> Result<u64, WordError> {
    let units = [("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9), ("bit", 1.0)];
    let help = "as in `10mbit`, `256kbit` or `1gbit`";
    let bad = || WordError::new(text, format!("`{text}` is not a rate")).help(help);
    let bits = with_unit(&text.to_lowercase(), &units).ok_or_else(bad)?;
    if !(8.0..=100e9).contains(&bits) {
        return Err(WordError::new(text, format!("`{text}` is not a rate from 8bit to 100gbit")).help(help));
    }
    Ok((bits / 8.0).round() as u64)
}

/// Reads a size as `tc` does, `32kb`; gives bytes.
pub fn parse_size(text: &str) -> Result<u32, WordError> {
    let units = [("kb", 1024.0), ("mb", 1024.0 * 1024.0), ("b", 1.0), ("", 1.0)];
    let bad = || WordError::new(text, format!("`{text}` is not a number of bytes")).help("as in `32kb` or `4096`");
    let bytes = with_unit(&text.to_lowercase(), &units).filter(|b| (1.0..=256e6).contains(b)).ok_or_else(bad)?;
    Ok(bytes.round() as u32)
}

fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let (unit, scale) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number = text[..text.len() - unit.len()].trim();
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| number.parse::<f64>().ok())?.map(|n| n * scale).filter(|n| n.is_finite())
}

/// Nanoseconds in the largest unit that leaves nothing over.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n % 1_000_000_000 == 0 && n > 0 => write!(f, "{}s", n / 1_000_000_000),
            n if n % 1_000_000 == 0 => write!(f, "{}ms", n / 1_000_000),
            n if n % 1_000 == 0 => write!(f, "{}us", n / 1_000),
            n => write!(f, "{n}ns"),
        }
    }
}

/// Bytes a second in bits, in the largest unit that leaves nothing over.
struct Rate(u64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.saturating_mul(8) {
            n if n % 1_000_000_000 == 0 => write!(f, "{}gbit", n / 1_000_000_000),
            n if n % 1_000_000 == 0 => write!(f, "{}mbit", n / 1_000_000),
            n if n % 1_000 == 0 => write!(f, "{}kbit", n / 1_000),
            n => write!(f, "{n}bit"),
        }
    }
}

impl Qdisc {
    /// The word of `tc` and of the kernel.
    pub fn word(&self) -> &'static str {
        match self {
            Qdisc::Netem(_) => "netem",
            Qdisc::Tbf(_) => "tbf",
        }
    }

    /// The module that has it.
    pub fn module(&self) -> &'static str {
        match self {
            Qdisc::Netem(_) => "sch_netem",
            Qdisc::Tbf(_) => "sch_tbf",
        }
    }
}

/// As `tc qdisc add dev DEV root …` takes it.
impl fmt::Display for Qdisc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Qdisc::Netem(netem) => netem.fmt(f),
            Qdisc::Tbf(Tbf { rate, burst, limit }) => {
                write!(f, "tbf rate {} burst {burst}b limit {limit}b", Rate(*rate))
            }
        }
    }
}

impl fmt::Display for Netem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("netem")?;
        if self.limit != NETEM_LIMIT {
            write!(f, " limit {}", self.limit)?;
        }
        if self.delay > 0 || self.jitter > 0 {
            write!(f, " delay {}", Time(self.delay))?;
        }
        if self.jitter > 0 {
            write!(f, " {}", Time(self.jitter))?;
        }
        let shares =
            [("loss", self.loss), ("duplicate", self.duplicate), ("corrupt", self.corrupt), ("reorder", self.reorder)];
        for (word, share) in shares.iter().filter(|(_, share)| share.0 > 0) {
            write!(f, " {word} {share}")?;
        }
        if self.rate > 0 {
            write!(f, " rate {}", Rate(self.rate))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_shown_in_the_units_of_tc() {
        assert_eq!(parse_time("50ms"), Ok(50_000_000));
        assert_eq!(parse_time("0.5s"), Ok(500_000_000));
        assert_eq!(parse_rate("10mbit"), Ok(1_250_000));
        assert_eq!(parse_rate("256Kbit"), Ok(32_000));
        assert_eq!(parse_size("32kb"), Ok(32_768));
        for bad in ["", "ms", "-1ms", "1 hour", "1e3ms", "inf s", "2m"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
        for bad in ["10", "mbit", "1bit", "nan mbit"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_comes_back_from_the_kernel_as_it_was_written() {
        for text in ["0.01%", "0.5%", "1%", "33.3333%", "50%", "100%"] {
            assert_eq!(Share::parse(text).unwrap().to_string(), text);
        }
        assert!(Share::parse("101%").is_err() && Share::parse("5").is_err());
    }

    #[test]
    fn it_is_shown_as_tc_takes_it() {
        let netem = Netem {
            delay: 50_000_000,
            jitter: 5_000_000,
            loss: Share::parse("1%").unwrap(),
            duplicate: Share(0),
            corrupt: Share(0),
            reorder: Share(0),
            rate: 1_250_000,
            limit: NETEM_LIMIT,
        };
        assert_eq!(Qdisc::Netem(netem).to_string(), "netem delay 50ms 5ms loss 1% rate 10mbit");
        let tbf = Qdisc::Tbf(Tbf { rate: 32_000, burst: 4096, limit: 8192 });
        assert_eq!(tbf.to_string(), "tbf rate 256kbit burst 4096b limit 8192b");
    }
}
