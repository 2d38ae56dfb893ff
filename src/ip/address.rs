//! Interface addresses, as `ip addr add` takes them: `192.168.15.1/24`, `10.0.0.1/32 peer 10.0.0.2`,
//! `192.168.178.240/32 scope host`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::route::Scope;
use super::words::{WordError, Words, parse_net};

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    /// The address and its prefix length; host bits are the point.
    pub net: IpNet,
    /// The other end, on a point-to-point link.
    pub peer: Option<IpAddr>,
    /// `host` keeps it from being picked as a source address on other interfaces.
    pub scope: Option<Scope>,
}

impl Address {
    /// The bare address.
    pub fn ip(&self) -> IpAddr {
        self.net.addr()
    }
}

impl FromStr for Address {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Address, WordError> {
        let mut words = Words::new(text);
        let first =
            words.next().ok_or_else(|| WordError::new("", "address is empty").help("as in `192.168.15.1/24`"))?;
        let net = parse_net(first)?;
        usable(&net).map_err(|(message, help)| WordError { word: first.into(), message, help })?;
        let mut address = Address { net, peer: None, scope: None };
        while let Some(word) = words.next() {
            match word {
                "peer" => address.peer = Some(words.ip()?),
                "scope" => address.scope = Some(words.value()?.parse()?),
                _ => {
                    return Err(WordError::new(word, format!("`{word}` is not known in an address"))
                        .help("after the address may stand `peer ADDRESS` and `scope host|link|global`"));
                }
            }
        }
        // On lo the kernel gives 127/8 host scope by itself, and `global` is what everything else gets.
        if address.scope == Some(Scope::Global) {
            address.scope = None;
        }
        Ok(address)
    }
}

/// The kernel takes network, broadcast, multicast and class E addresses on any interface without a word.
fn usable(net: &IpNet) -> Result<(), (String, Option<String>)> {
    let ip = net.addr();
    let usual = "take a private one, as in `192.168.15.1/24` or `fd00::1/64`";
    let refuse = |why: &str| Err((format!("`{ip}` {why}"), Some(usual.to_string())));
    if ip.is_multicast() {
        return refuse("is a multicast address");
    }
    if ip.is_unspecified() {
        return refuse("is the unspecified address");
    }
    if net.prefix_len() == 0 {
        let help = if ip.is_ipv4() { "24 is the usual one" } else { "64 is the usual one" };
        return Err((format!("`{net}`: with `/0` every address there is would be on this cable"), Some(help.into())));
    }
    let v4 = match net {
        IpNet::V4(v4) => v4,
        IpNet::V6(v6) => {
            if v6.addr().to_ipv4_mapped().is_some() {
                return refuse("is an IPv4 address in the words of IPv6, which no wire carries");
            }
            // RFC 4291: every router of the network answers to it.
            if v6.prefix_len() < 127 && v6.addr() == v6.network() {
                let next = v6.hosts().nth(1).map(|h| format!("the first host of {} is {h}", v6.trunc()));
                return Err((format!("`{net}` is the address of the network itself"), next));
            }
            return Ok(());
        }
    };
    if v4.addr().is_broadcast() {
        return refuse("is the broadcast address of every network");
    }
    if v4.addr().octets()[0] >= 240 {
        return refuse("is reserved (240.0.0.0/4): Linux takes it, other systems drop it");
    }
    if v4.addr().octets()[0] == 0 {
        return refuse("is reserved (0.0.0.0/8)");
    }
    if v4.prefix_len() < 31 {
        let next = v4.hosts().next().map(|h| format!("the first host of {} is {h}", v4.trunc()));
        if v4.addr() == v4.network() {
            return Err((format!("`{net}` is the address of the network itself"), next));
        }
        if v4.addr() == v4.broadcast() {
            return Err((format!("`{net}` is the broadcast address of {}", v4.trunc()), next));
        }
    }
    Ok(())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.net)?;
        if let Some(peer) = self.peer {
            write!(f, " peer {peer}")?;
        }
        if let Some(scope) = self.scope {
            write!(f, " scope {scope}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Address {
    type Error = String;
    fn try_from(text: String) -> Result<Address, String> {
        text.parse().map_err(|e: WordError| e.message)
    }
}
impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_after_the_address_are_kept() {
        for text in ["192.168.15.1/24", "10.0.0.1/32 peer 10.0.0.2", "192.168.178.240/32 scope host", "fd00::1/64"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn addresses_nobody_can_have_are_refused() {
        for bad in ["224.0.0.1/24", "0.0.0.0/0", "255.255.255.255/32", "240.0.0.1/8", "10.0.0.0/24", "10.0.0.255/24"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        for good in ["10.0.0.0/31", "10.0.0.0/32", "192.168.77.128/32"] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
    }
}
