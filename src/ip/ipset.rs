//! Sets of addresses, in `ipset` words: `create NAME hash:net family inet`, `add NAME 10.0.0.0/8`.
//!
//! A firewall line that matches a set (`-m set --match-set NAME src`) stays as it is while members come and go: that is how
//! a label selector becomes a rule.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words::{WordError, parse_ip, parse_net, parse_port};
use super::{Family, Mac};

/// The name of a set: at most 31 characters, as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name, if it keeps the rule; else what is wrong with it.
    pub fn new(text: &str) -> Result<Name, String> {
        let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '_' | '-');
        match text.chars().find(|c| !sane(*c)) {
            _ if text.is_empty() => Err("an ipset's name is empty".into()),
            Some(bad) => Err(format!("character `{}` not allowed in an ipset's name", bad.escape_default())),
            None if text.len() > 31 => {
                Err(format!("an ipset's name has 31 characters at most; this has {}", text.len()))
            }
            None if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
                Err("an ipset's name starts with a letter or digit".into())
            }
            None => Ok(Name(text.to_string())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;
    fn try_from(text: String) -> Result<Name, String> {
        Name::new(&text)
    }
}
impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The types that netlab knows: each is `hash:` and what an entry is made of.
pub const TYPES: &[&str] = &[
    "hash:ip",
    "hash:net",
    "hash:mac",
    "hash:ip,port",
    "hash:net,port",
    "hash:net,net",
    "hash:ip,port,ip",
    "hash:ip,port,net",
    "hash:net,port,net",
];

/// What an entry of a set is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Type(String);

impl Type {
    /// The parts: `ip`, `net`, `port`, `mac`.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.trim_start_matches("hash:").split(',')
    }

    /// Whether sets of this type hold addresses of one family; Ethernet addresses have none.
    pub fn has_family(&self) -> bool {
        self.0 != "hash:mac"
    }
}

impl FromStr for Type {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Type, WordError> {
        if TYPES.contains(&text) {
            return Ok(Type(text.to_string()));
        }
        let error = WordError::new(text, format!("there is no type of ipset `{text}`"));
        let with_hash = format!("hash:{text}");
        Err(if TYPES.contains(&with_hash.as_str()) {
            error.help(format!("did you mean `{with_hash}`?"))
        } else {
            error.help(format!("types are {}", TYPES.join(" ")))
        })
    }
}
impl TryFrom<String> for Type {
    type Error = String;
    fn try_from(text: String) -> Result<Type, String> {
        text.parse().map_err(|e: WordError| e.message)
    }
}
impl From<Type> for String {
    fn from(kind: Type) -> String {
        kind.0
    }
}
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpSet {
    /// Its name.
    pub name: Name,
    /// What an entry is made of.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The family of its addresses.
    pub family: Family,
    /// The entries, as `ipset save` prints them.
    pub members: BTreeSet<String>,
}

impl IpSet {
    /// `hash:net family inet`, as it stands behind the name in `ipset create`.
    pub fn words(&self) -> String {
        let family = if self.family == Family::V4 { "inet" } else { "inet6" };
        if self.kind.has_family() { format!("{} family {family}", self.kind) } else { self.kind.to_string() }
    }

    /// An entry as `ipset save` prints it, or what is wrong with it.
    pub fn member(&self, text: &str) -> Result<String, WordError> {
        member(&self.kind, self.family, text)
    }

    /// What `ipset restore` reads to make the set and fill it. The same lines again change nothing.
    pub fn restore(&self) -> String {
        let mut text = format!("create {} {} -exist\n", self.name, self.words());
        for member in &self.members {
            text.push_str(&format!("add {} {member} -exist\n", self.name));
        }
        text
    }
}

fn member(kind: &Type, family: Family, text: &str) -> Result<String, WordError> {
    let wanted: Vec<&str> = kind.parts().collect();
    let given: Vec<&str> = text.split(',').collect();
    if wanted.len() != given.len() {
        let example: Vec<&str> = wanted.iter().map(|w| example(w, family)).collect();
        return Err(WordError::new(text, format!("`{text}` is not an entry of a {kind} set"))
            .help(format!("as in `{}`", example.join(","))));
    }
    let parts: Result<Vec<String>, WordError> =
        wanted.iter().zip(&given).map(|(what, word)| part(what, word, kind, family)).collect();
    Ok(parts?.join(","))
}

fn example(what: &str, family: Family) -> &'static str {
    match (what, family) {
        ("ip", Family::V4) => "10.0.0.1",
        ("ip", Family::V6) => "fd00::1",
        ("net", Family::V4) => "10.0.0.0/24",
        ("net", Family::V6) => "fd00::/64",
        ("mac", _) => "02:00:00:00:00:01",
        _ => "tcp:80",
    }
}

fn part(what: &str, word: &str, kind: &Type, family: Family) -> Result<String, WordError> {
    let of_family = |ip: IpAddr| {
        if Family::of(ip) == family {
            return Ok(());
        }
        let other = if family == Family::V4 { "inet6" } else { "inet" };
        Err(WordError::new(word, format!("`{word}` is not {}", family.name()))
            .help(format!("sets hold one family: this one wants `family: {other}`, or another member")))
    };
    match what {
        "ip" if word.contains(['/', '-']) => {
            Err(WordError::new(word, format!("`{word}` is not one address")).help(if kind.to_string() == "hash:ip" {
                "networks are entries of `type: hash:net`; list addresses one by one"
            } else {
                "this type takes single addresses here"
            }))
        }
        "ip" => {
            let ip = parse_ip(word)?;
            of_family(ip)?;
            Ok(ip.to_string())
        }
        "net" => {
            let bare = word.parse::<IpAddr>().ok().map(ipnet::IpNet::from);
            let net = bare.map_or_else(|| parse_net(word), Ok)?;
            of_family(net.addr())?;
            if net.trunc() != net {
                return Err(WordError::new(word, format!("`{word}` has bits set behind its prefix length"))
                    .help(format!("did you mean `{}`?", net.trunc())));
            }
            if net.prefix_len() == 0 {
                let halves = if family == Family::V4 { "0.0.0.0/1 and 128.0.0.0/1" } else { "::/1 and 8000::/1" };
                return Err(WordError::new(word, format!("an ipset cannot hold `{word}`"))
                    .help(format!("write its halves: {halves}")));
            }
            let single = net.prefix_len() == net.max_prefix_len();
            Ok(if single { net.addr().to_string() } else { net.to_string() })
        }
        "mac" => {
            let form =
                || WordError::new(word, format!("`{word}` is not a MAC address")).help("as in `02:00:00:00:00:01`");
            let mac: Mac = word.parse().map_err(|_| form())?;
            Ok(mac.to_string().to_uppercase())
        }
        _ => {
            let (proto, number) = word.split_once(':').unwrap_or(("tcp", word));
            if !matches!(proto, "tcp" | "udp" | "sctp") {
                return Err(WordError::new(word, format!("`{proto}` has no ports")).help("as in `tcp:80` or `udp:53`"));
            }
            Ok(format!("{proto}:{}", parse_port(number)?))
        }
    }
}

/// What `ipset save` prints, set by set: name, `hash:net family inet`, entries.
pub fn parse_save(text: &str) -> Vec<(String, String, BTreeSet<String>)> {
    let mut sets: Vec<(String, String, BTreeSet<String>)> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["create", name, kind, "family", family, ..] => {
                sets.push((name.to_string(), format!("{kind} family {family}"), BTreeSet::new()));
            }
            ["create", name, kind, ..] => sets.push((name.to_string(), kind.to_string(), BTreeSet::new())),
            ["add", name, entry @ ..] => {
                if let Some((.., members)) = sets.iter_mut().find(|(n, ..)| n == name) {
                    members.insert(entry.join(" "));
                }
            }
            _ => {}
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, family: Family, text: &str) -> Result<String, String> {
        member(&kind.parse().unwrap(), family, text)
            .map_err(|e| format!("{}; {}", e.message, e.help.unwrap_or_default()))
    }

    #[test]
    fn entries_are_written_as_ipset_prints_them() {
        for (kind, family, written, printed) in [
            ("hash:net", Family::V4, "10.244.1.3/32", "10.244.1.3"),
            ("hash:net", Family::V4, "10.0.0.0/8", "10.0.0.0/8"),
            ("hash:ip", Family::V6, "fd00:0:0::1", "fd00::1"),
            ("hash:ip,port", Family::V4, "10.0.0.1,80", "10.0.0.1,tcp:80"),
            ("hash:net,port", Family::V4, "10.0.0.0/24,udp:53", "10.0.0.0/24,udp:53"),
            ("hash:mac", Family::V4, "02:ab:00:00:00:01", "02:AB:00:00:00:01"),
        ] {
            assert_eq!(entry(kind, family, written).as_deref(), Ok(printed));
        }
    }

    #[test]
    fn what_the_kernel_would_refuse_or_multiply_is_explained() {
        for (kind, written, words) in [
            ("hash:net", "0.0.0.0/0", "128.0.0.0/1"),
            ("hash:net", "10.0.0.1/8", "did you mean `10.0.0.0/8`"),
            ("hash:ip", "10.0.0.0/30", "hash:net"),
            ("hash:net", "fd00::/8", "family: inet6"),
            ("hash:ip,port", "10.0.0.1", "as in `10.0.0.1,tcp:80`"),
            ("hash:ip,port", "10.0.0.1,icmp:8", "has no ports"),
        ] {
            let said = entry(kind, Family::V4, written).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn what_ipset_saves_is_read_back() {
        let text = "create a hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xa2\n\
                    add a 10.0.0.0/8\nadd a 1.2.3.4\ncreate m hash:mac hashsize 1024\n";
        let sets = parse_save(text);
        assert_eq!(sets[0].1, "hash:net family inet");
        assert_eq!(sets[0].2, BTreeSet::from(["10.0.0.0/8".to_string(), "1.2.3.4".to_string()]));
        assert_eq!((sets[1].0.as_str(), sets[1].1.as_str()), ("m", "hash:mac"));
    }
}
