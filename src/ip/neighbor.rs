//! Permanent neighbour entries, in `ip neigh` words: `10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words::{WordError, Words, parse_ip};
use super::{Family, Mac};
use crate::name::IfName;

/// A neighbour that need not be asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Neighbor {
    /// Its address.
    pub ip: IpAddr,
    /// Its Ethernet address; none for a proxy entry.
    pub lladdr: Option<Mac>,
    /// The interface that it is behind.
    pub dev: IfName,
    /// Answer for it instead of it (`ip neigh add proxy`).
    pub proxy: bool,
}

impl Neighbor {
    /// The family of the address.
    pub fn family(&self) -> Family {
        Family::of(self.ip)
    }
}

impl FromStr for Neighbor {
    type Err = WordError;

    fn from_str(line: &str) -> Result<Neighbor, WordError> {
        let mut words = Words::new(line);
        let (mut ip, mut lladdr, mut dev, mut proxy) = (None, None, None, false);
        while let Some(word) = words.next() {
            match word {
                "proxy" => {
                    proxy = true;
                    ip = Some(words.ip()?);
                }
                "lladdr" => {
                    let text = words.value()?;
                    lladdr = Some(text.parse::<Mac>().map_err(|message| {
                        WordError::new(text, message).help("02:00:00:00:00:01 is one that anybody may use")
                    })?);
                }
                "dev" => {
                    let text = words.value()?;
                    dev = Some(IfName::new(text).map_err(|message| WordError::new(text, message))?);
                }
                "nud" => {
                    let state = words.value()?;
                    if state != "permanent" {
                        return Err(WordError::new(state, "only permanent entries can be part of a lab")
                            .help("leave out `nud`"));
                    }
                }
                "permanent" => {}
                _ if ip.is_none() => ip = Some(parse_ip(word)?),
                _ => {
                    return Err(WordError::new(word, format!("`{word}` is not known in a neighbour entry"))
                        .help("write `ADDRESS lladdr MAC dev INTERFACE`"));
                }
            }
        }
        let missing = |what: &str| {
            WordError::new(line, format!("a neighbour entry needs {what}"))
                .help("write `ADDRESS lladdr MAC dev INTERFACE`")
        };
        if lladdr.is_none() && !proxy {
            return Err(missing("`lladdr MAC`"));
        }
        Ok(Neighbor {
            ip: ip.ok_or_else(|| missing("an address"))?,
            lladdr,
            dev: dev.ok_or_else(|| missing("`dev INTERFACE`"))?,
            proxy,
        })
    }
}

/// As `ip neigh` shows it.
impl fmt::Display for Neighbor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.proxy {
            f.write_str("proxy ")?;
        }
        write!(f, "{} dev {}", self.ip, self.dev)?;
        match self.lladdr {
            Some(mac) => write!(f, " lladdr {mac} nud permanent"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_address_mac_and_interface() {
        let entry: Neighbor = "10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0".parse().unwrap();
        assert_eq!(entry.to_string(), "10.0.0.2 dev eth0 lladdr 02:00:00:00:00:02 nud permanent");
        assert_eq!(entry.to_string().parse::<Neighbor>().unwrap(), entry);
        assert!("10.0.0.2 dev eth0".parse::<Neighbor>().is_err());
    }
}
