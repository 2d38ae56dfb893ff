//! Bounds on what was measured: `<20ms`, `>40ms`, `10%..50%`, `0%`.

use std::fmt;

/// From where to where a number may be; both ends are inside.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    low: f64,
    high: f64,
    /// As it was written.
    words: String,
}

impl Bound {
    /// Reads a bound whose numbers `number` understands; `None` when it is none.
    pub fn parse(text: &str, number: impl Fn(&str) -> Option<f64>) -> Option<Bound> {
        let number = |text: &str| number(text.trim());
        let (low, high) = if let Some((low, high)) = text.split_once("..") {
            (number(low)?, number(high)?)
        } else if let Some(high) = text.strip_prefix('<') {
            (f64::NEG_INFINITY, number(high)?.next_down())
        } else if let Some(low) = text.strip_prefix('>') {
            (number(low)?.next_up(), f64::INFINITY)
        } else {
            let exact = number(text)?;
            (exact, exact)
        };
        (low <= high).then(|| Bound { low, high, words: text.to_string() })
    }

    /// Whether a number is inside; `slack` is what the measurement leaves out.
    pub fn holds(&self, value: f64, slack: f64) -> bool {
        value >= self.low - slack && value <= self.high + slack
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_below_above_between_or_exact() {
        let percent = |t: &str| t.strip_suffix('%')?.parse().ok();
        let holds = |text: &str, value| Bound::parse(text, percent).is_some_and(|b| b.holds(value, 0.0));
        assert!(holds("<50%", 49.9) && !holds("<50%", 50.0));
        assert!(holds(">5%", 5.1) && !holds(">5%", 5.0));
        assert!(holds("10%..50%", 10.0) && holds("10%..50%", 50.0) && !holds("10%..50%", 51.0));
        assert!(holds("0%", 0.0) && !holds("0%", 1.0));
        for bad in ["", "50", "50%..10%", "<", "..", "<x%"] {
            assert!(Bound::parse(bad, percent).is_none(), "{bad}");
        }
    }
}
