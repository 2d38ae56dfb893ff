//! Routing policy rules, in `ip rule` words: `from 10.0.0.0/8 lookup 100 priority 50`.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Family;
use super::route::{table, table_name};
use super::words::{WordError, Words, number, prefix};
use crate::error::did_you_mean;
use crate::name::IfName;

/// A rule that picks a routing table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Rules are tried from the lowest.
    pub priority: u32,
    /// Turned round: `not from …`.
    pub not: bool,
    /// Source prefix; everything when absent.
    pub from: Option<IpNet>,
    /// Destination prefix.
    pub to: Option<IpNet>,
    /// Interface that the packet came in by.
    pub iif: Option<IfName>,
    /// Interface that the packet's socket is bound to.
    pub oif: Option<IfName>,
    /// Firewall mark and mask.
    pub fwmark: Option<(u32, u32)>,
    /// The table to look in.
    pub table: u32,
}

impl FromStr for Rule {
    type Err = WordError;

    fn from_str(line: &str) -> Result<Rule, WordError> {
        let mut words = Words::new(line);
        let mut rule = Rule {
            family: Family::V4,
            priority: 0,
            not: false,
            from: None,
            to: None,
            iif: None,
            oif: None,
            fwmark: None,
            table: 0,
        };
        let mut priority = None;
        while let Some(word) = words.next() {
            match word {
                "not" => rule.not = true,
                "from" => rule.from = selector(words.value()?)?,
                "to" => rule.to = selector(words.value()?)?,
                "iif" | "dev" => rule.iif = Some(interface(words.value()?)?),
                "oif" => rule.oif = Some(interface(words.value()?)?),
                "fwmark" => rule.fwmark = Some(mark(words.value()?)?),
                "lookup" | "table" => rule.table = table(words.value()?)?,
                "priority" | "pref" | "preference" => priority = Some(words.number()?),
                _ => {
                    let known = ["not", "from", "to", "iif", "oif", "fwmark", "lookup", "table", "priority"];
                    let mut e = WordError::new(word, format!("`{word}` is not known in a rule"));
                    e.help = did_you_mean(word, known).or_else(|| Some(format!("known are: {}", known.join(", "))));
                    return Err(e);
                }
            }
        }
        if rule.table == 0 {
            return Err(WordError::new(line, "a rule needs a table").help("add `lookup TABLE`"));
        }
        rule.priority = priority.ok_or_else(|| {
            WordError::new(line, "a rule needs a priority")
                .help("add `priority 100`; without one the kernel counts down from 32765 and the order is chance")
        })?;
        if let Some(net) = rule.from.or(rule.to) {
            rule.family = Family::of(net.addr());
        }
        if let (Some(from), Some(to)) = (rule.from, rule.to)
            && Family::of(from.addr()) != Family::of(to.addr())
        {
            return Err(WordError::new(line, "`from` and `to` are of different families")
                .help("both are IPv4 or both are IPv6"));
        }
        Ok(rule)
    }
}

fn selector(word: &str) -> Result<Option<IpNet>, WordError> {
    if matches!(word, "all" | "any" | "default") { Ok(None) } else { prefix(word).map(Some) }
}

fn interface(word: &str) -> Result<IfName, WordError> {
    IfName::new(word).map_err(|message| WordError::new(word, message))
}

fn mark(word: &str) -> Result<(u32, u32), WordError> {
    let bad = || WordError::new(word, format!("`{word}` is not a firewall mark")).help("as in `0x1` or `0x1/0xff`");
    let (value, mask) = word.split_once('/').unwrap_or((word, "0xffffffff"));
    Ok((number(value).ok_or_else(bad)?, number(mask).ok_or_else(bad)?))
}

/// As `ip rule` lists it, with the priority as a word so that it can be read back.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.not {
            f.write_str("not ")?;
        }
        let show = |net: &IpNet| {
            if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
        };
        write!(f, "from {}", self.from.as_ref().map_or("all".into(), show))?;
        if let Some(to) = &self.to {
            write!(f, " to {}", show(to))?;
        }
        match self.fwmark {
            Some((value, u32::MAX)) => write!(f, " fwmark {value:#x}")?,
            Some((value, mask)) => write!(f, " fwmark {value:#x}/{mask:#x}")?,
            None => {}
        }
        if let Some(iif) = &self.iif {
            write!(f, " iif {iif}")?;
        }
        if let Some(oif) = &self.oif {
            write!(f, " oif {oif}")?;
        }
        write!(f, " lookup {} priority {}", table_name(self.table), self.priority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_print_as_they_can_be_written() {
        for line in [
            "from 10.0.0.0/8 lookup 100 priority 50",
            "not from all fwmark 0x100000/0x100000 lookup 1 priority 99",
            "from all to 10.1.0.1 iif eth0 lookup main priority 7",
        ] {
            assert_eq!(line.parse::<Rule>().unwrap().to_string(), line);
        }
        assert!("from all lookup 5".parse::<Rule>().unwrap_err().message.contains("priority"));
        assert!("from all priority 5".parse::<Rule>().unwrap_err().message.contains("table"));
    }
}
