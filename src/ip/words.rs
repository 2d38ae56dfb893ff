//! Reading addresses and prefixes strictly, and walking over the words of a line.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// A word that does not fit, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordError {
    /// The offending word, to point at; empty for the whole line.
    pub word: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl WordError {
    /// A word and what is wrong with it.
    pub fn new(word: impl Into<String>, message: impl Into<String>) -> Self {
        WordError { word: word.into(), message: message.into(), help: None }
    }

    /// What to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// One address, in full. `010.0.0.9` is refused: `ip` would read it as octal, 8.0.0.9.
pub fn parse_ip(word: &str) -> Result<IpAddr, WordError> {
    if let Ok(ip) = word.parse() {
        return Ok(ip);
    }
    let octets: Vec<&str> = word.split('.').collect();
    let numeric = |o: &&str| !o.is_empty() && o.bytes().all(|b| b.is_ascii_digit());
    let error = WordError::new(word, format!("`{word}` is not an IP address"));
    if octets.len() > 1 && octets.iter().all(numeric) {
        if let Some(padded) = octets.iter().find(|o| o.len() > 1 && o.starts_with('0')) {
            return Err(WordError::new(word, format!("`{padded}` has a leading zero"))
                .help("some tools would read it as octal; write the number without leading zeros"));
        }
        if octets.len() != 4 {
            return Err(error.help(format!("an IPv4 address has four numbers; this has {}", octets.len())));
        }
        if let Some(big) = octets.iter().find(|o| o.parse::<u8>().is_err()) {
            return Err(error.help(format!("`{big}` is more than 255")));
        }
    }
    Err(match hint(word) {
        Some(help) => error.help(help),
        None => error,
    })
}

/// What somebody may have meant who wrote this for an address.
fn hint(word: &str) -> Option<String> {
    let is_ip = |part: &str| part.parse::<IpAddr>().is_ok();
    if let Some((ip, _)) = word.split_once('/').filter(|(ip, _)| is_ip(ip)) {
        return Some(format!("leave out the prefix length: `{ip}`"));
    }
    if let Ok(socket) = word.parse::<SocketAddr>() {
        return Some(format!("leave out the port: `{}`", socket.ip()));
    }
    let dotted = word.replace(',', ".");
    if is_ip(&dotted) {
        return Some(format!("did you mean `{dotted}`?"));
    }
    let name = word.chars().any(|c| c.is_ascii_alphabetic()) && !word.contains(':');
    name.then(|| "write the address in numbers; names are not looked up here".to_string())
}

/// A port, 1 to 65535, without leading zeros.
pub fn parse_port(word: &str) -> Result<u16, WordError> {
    if word.len() > 1 && word.starts_with('0') && word.bytes().all(|b| b.is_ascii_digit()) {
        return Err(WordError::new(word, format!("`{word}` has a leading zero"))
            .help("write the number without it; some readers would take it for octal"));
    }
    let port = word.parse::<u16>().ok().filter(|n| *n > 0);
    port.ok_or_else(|| WordError::new(word, format!("`{word}` is not a port from 1 to 65535")).help("as in `80`"))
}

/// An address and a port: `192.168.15.2:80`, `[fd00::2]:80`.
pub fn parse_socket(word: &str) -> Result<SocketAddr, WordError> {
    let wrong =
        || WordError::new(word, format!("`{word}` is not ADDRESS:PORT")).help("as in 192.168.15.2:80 or [fd00::2]:80");
    let (address, port) = word.rsplit_once(':').ok_or_else(wrong)?;
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    let ip = parse_ip(bare.unwrap_or(address)).map_err(|e| if address.contains(':') { wrong() } else { e })?;
    if bare.is_some() != ip.is_ipv6() {
        return Err(wrong());
    }
    Ok(SocketAddr::new(ip, parse_port(port)?))
}

/// An address with its prefix length, `192.168.15.1/24`; host bits are kept.
pub fn parse_net(word: &str) -> Result<IpNet, WordError> {
    let Some((address, length)) = word.split_once('/') else {
        let ip = parse_ip(word)?;
        let usual = if ip.is_ipv4() { 24 } else { 64 };
        return Err(WordError::new(word, format!("`{word}` needs a prefix length"))
            .help(format!("`{ip}/{usual}`? (the kernel would take it for /{})", if ip.is_ipv4() { 32 } else { 128 })));
    };
    let ip = parse_ip(address).map_err(|e| WordError { word: word.to_string(), ..e })?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bad = || {
        let error = WordError::new(word, format!("`/{length}` is not a prefix length from 0 to {most}"));
        match length.parse().ok().and_then(|mask| ipnet::ipv4_mask_to_prefix(mask).ok()) {
            Some(bits) => error.help(format!("write the mask as the number of its bits: `{address}/{bits}`")),
            None if length.is_empty() => error.help(format!("as in `{address}/{}`", if most == 32 { 24 } else { 64 })),
            None if most == 32 => error.help("24 is the usual one: it leaves 254 hosts"),
            None => error.help("64 is the usual one"),
        }
    };
    if length.len() > 1 && length.starts_with('0') || !length.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let length: u8 = length.parse().map_err(|_| bad())?;
    IpNet::new(ip, length).map_err(|_| bad())
}

/// The words of a line, one after the other.
pub(super) struct Words<'a> {
    rest: std::iter::Peekable<std::str::SplitWhitespace<'a>>,
    last: &'a str,
}

impl<'a> Words<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Words { rest: line.split_whitespace().peekable(), last: "" }
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let word = self.rest.next()?;
        self.last = word;
        Some(word)
    }

    pub(super) fn peek(&mut self) -> Option<&'a str> {
        self.rest.peek().copied()
    }

    /// The word after the one just read: `via` wants an address.
    pub(super) fn value(&mut self) -> Result<&'a str, WordError> {
        let key = self.last;
        self.next().ok_or_else(|| {
            WordError::new(key, format!("`{key}` needs a value after it")).help("add it, or leave the word out")
        })
    }

    /// The value as a number, decimal or with `0x`.
    pub(super) fn number(&mut self) -> Result<u32, WordError> {
        let key = self.last;
        let word = self.value()?;
        number(word).ok_or_else(|| {
            WordError::new(word, format!("`{key} {word}`: `{word}` is not a number")).help("as in `100` or `0x64`")
        })
    }

    pub(super) fn ip(&mut self) -> Result<IpAddr, WordError> {
        parse_ip(self.value()?)
    }
}

/// A number as `ip` takes it.
pub(super) fn number(word: &str) -> Option<u32> {
    match word.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if word.len() > 1 && word.starts_with('0') => None,
        None => word.parse().ok(),
    }
}

/// A destination prefix: `default` is the caller's; a bare address is a host; host bits are refused as the
/// kernel refuses them ("Invalid prefix for given prefix length").
pub(super) fn prefix(word: &str) -> Result<IpNet, WordError> {
    if !word.contains('/') {
        return Ok(IpNet::from(parse_ip(word)?));
    }
    let net = parse_net(word)?;
    if net.addr() != net.network() {
        return Err(WordError::new(word, format!("`{word}` has bits set behind its prefix length"))
            .help(format!("did you mean `{}`?", net.trunc())));
    }
    Ok(net)
}

/// A word as a shell reads it back.
pub fn shell_quote(word: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '=' | ',' | '@' | '%' | '+');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_strictly() {
        assert!(parse_ip("10.0.0.1").is_ok());
        assert!(parse_ip("010.0.0.9").unwrap_err().message.contains("leading zero"));
        assert!(parse_ip("10.1").unwrap_err().help.unwrap().contains("four numbers"));
        assert!(parse_ip("10.0.0.300").unwrap_err().help.unwrap().contains("255"));
        assert!(parse_ip("10.0.0.1/24").unwrap_err().help.unwrap().contains("`10.0.0.1`"));
        assert!(parse_ip("10.0.0.1:80").unwrap_err().help.unwrap().contains("`10.0.0.1`"));
    }

    #[test]
    fn ports_are_read_strictly() {
        assert_eq!(parse_socket("10.0.0.1:80").unwrap().to_string(), "10.0.0.1:80");
        assert_eq!(parse_socket("[fd00::1]:80").unwrap().to_string(), "[fd00::1]:80");
        for bad in
            ["10.0.0.1", "10.0.0.1:080", "10.0.0.1:0", "10.0.0.1:65536", "fd00::1:80", "[10.0.0.1]:80", "blue:80"]
        {
            assert!(parse_socket(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn prefixes_say_what_is_missing() {
        assert_eq!(parse_net("10.0.0.1/24").unwrap().to_string(), "10.0.0.1/24");
        assert!(parse_net("10.0.0.1").unwrap_err().help.unwrap().contains("10.0.0.1/24"));
        assert!(parse_net("10.0.0.1/33").is_err());
        assert!(parse_net("::1/129").is_err());
        assert!(prefix("10.5.0.1/16").unwrap_err().help.unwrap().contains("10.5.0.0/16"));
    }
}
