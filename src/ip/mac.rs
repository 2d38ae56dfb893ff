//! Ethernet addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An Ethernet (MAC) address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// A stable address for an interface that names none.
    ///
    /// The kernel would draw a random one, and a bridge would take its lowest port's and change it as ports come
    /// and go. A fixed one makes every `up` of a lab the same: captures and ARP tables can be printed in a handout.
    /// `02` is the locally administered, unicast range.
    pub fn derived(lab: &str, node: &str, interface: &str) -> Mac {
        let digest = Sha256::digest(format!("{lab}/{node}/{interface}"));
        Mac([0x02, digest[0], digest[1], digest[2], digest[3], digest[4]])
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Mac, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let hex = |p: &&str| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit());
        if parts.len() != 6 || !parts.iter().all(hex) {
            return Err(format!("`{text}` is not a MAC address: six bytes in hex, as in 02:00:00:00:00:01"));
        }
        let mut bytes = [0; 6];
        for (byte, part) in bytes.iter_mut().zip(parts) {
            *byte = u8::from_str_radix(part, 16).map_err(|e| e.to_string())?;
        }
        if bytes[0] & 1 == 1 {
            return Err(format!("`{text}`: the multicast bit is set in the first byte ({:02x})", bytes[0]));
        }
        if bytes == [0; 6] {
            return Err(format!("`{text}`: an interface cannot have the all-zero address"));
        }
        Ok(Mac(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl TryFrom<String> for Mac {
    type Error = String;
    fn try_from(text: String) -> Result<Mac, String> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unicast_addresses_of_six_bytes() {
        assert_eq!("ee:ee:ee:ee:ee:ee".parse::<Mac>().unwrap().to_string(), "ee:ee:ee:ee:ee:ee");
        for bad in ["01:00:5e:00:00:01", "00:00:00:00:00:00", "zz:00:00:00:00:00", "02:00:00:00:00", "2:0:0:0:0:1"] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }
}
