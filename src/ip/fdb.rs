//! Forwarding entries of a tunnel, in `bridge fdb` words: `66:00:00:00:00:12 dev vxlan.calico dst 10.0.0.12`.
//!
//! The all-zero MAC stands for every frame whose target nobody knows; it may have several entries, and the frame then goes
//! to all of them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words::{WordError, Words};
use crate::name::IfName;

/// Which end of a tunnel a MAC is behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fdb {
    /// The MAC; all zeros for the unknown.
    pub mac: [u8; 6],
    /// The tunnel.
    pub dev: IfName,
    /// The other end's address on the network below.
    pub dst: IpAddr,
}

impl Fdb {
    /// Whether it is one of the entries for the unknown.
    pub fn is_flood(&self) -> bool {
        self.mac == [0; 6]
    }
}

impl FromStr for Fdb {
    type Err = WordError;

    fn from_str(line: &str) -> Result<Fdb, WordError> {
        let form = "write `MAC dev TUNNEL dst ADDRESS`";
        let mut words = Words::new(line);
        let first = words.next().ok_or_else(|| WordError::new("", "entry is empty").help(form))?;
        let parts: Vec<Option<u8>> =
            first.split(':').map(|p| u8::from_str_radix(p, 16).ok().filter(|_| p.len() == 2)).collect();
        let mac: Option<Vec<u8>> = parts.into_iter().collect();
        let mac = mac.and_then(|m| <[u8; 6]>::try_from(m).ok());
        let mac = mac.ok_or_else(|| WordError::new(first, format!("`{first}` is not a MAC address")).help(form))?;
        let (mut dev, mut dst) = (None, None);
        while let Some(word) = words.next() {
            match word {
                "dev" => {
                    let text = words.value()?;
                    dev = Some(IfName::new(text).map_err(|message| WordError::new(text, message))?);
                }
                "dst" => dst = Some(words.ip()?),
                "self" | "permanent" => {}
                _ => return Err(WordError::new(word, format!("`{word}` is not known in an fdb entry")).help(form)),
            }
        }
        let missing = |what: &str| WordError::new(line, format!("an fdb entry needs `{what}`")).help(form);
        Ok(Fdb { mac, dev: dev.ok_or_else(|| missing("dev TUNNEL"))?, dst: dst.ok_or_else(|| missing("dst ADDRESS"))? })
    }
}

/// As `bridge fdb` shows it.
impl fmt::Display for Fdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.mac;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x} dev {} dst {} self permanent", self.dev, self.dst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_mac_tunnel_and_the_other_end() {
        let line = "66:00:00:00:00:12 dev vxlan.calico dst 10.0.0.12 self permanent";
        assert_eq!(line.parse::<Fdb>().unwrap().to_string(), line);
        assert!("00:00:00:00:00:00 dev vx dst 10.0.0.1".parse::<Fdb>().unwrap().is_flood());
        assert!("66:00:00:00:00:12 dev vx".parse::<Fdb>().unwrap_err().message.contains("dst"));
    }
}
