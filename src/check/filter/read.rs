//! Reading a filter: which headers there are, what each can say, and what somebody may have meant.

use std::str::FromStr;

use ipnet::IpNet;

use super::super::packet::{Note, Value};
use super::{EndWanted, Filter, Wanted};
use crate::error::{did_you_mean, nearest};
use crate::ip::{WordError, parse_ip, parse_net, parse_port};

/// What can stand on both sides of `>`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    None,
    Mac,
    V4,
    V6,
    Port,
}

/// What can be said of a header.
struct Grammar {
    word: &'static str,
    ends: Ends,
    /// Words with a number, and the largest one.
    numbers: &'static [(&'static str, u32)],
    /// Words with an address.
    addresses: &'static [&'static str],
    /// Words that stand alone.
    flags: &'static [&'static str],
    example: &'static str,
}

const PLAIN: Grammar = Grammar { word: "", ends: Ends::None, numbers: &[], addresses: &[], flags: &[], example: "" };
const BYTE: u32 = 255;
const VNI: u32 = 0xff_ffff;

const GRAMMAR: &[Grammar] = &[
    Grammar { word: "eth", ends: Ends::Mac, example: "eth 02:00:00:00:00:01 > *", ..PLAIN },
    Grammar { word: "vlan", numbers: &[("", 4095)], example: "vlan 10", ..PLAIN },
    Grammar {
        word: "arp",
        addresses: &["who-has", "tell", "reply", "is-at"],
        example: "arp who-has 10.0.0.2",
        ..PLAIN
    },
    Grammar {
        word: "ip",
        ends: Ends::V4,
        numbers: &[("ttl", BYTE), ("proto", BYTE)],
        flags: &["df", "frag"],
        example: "ip 10.0.0.1 > 10.0.0.2",
        ..PLAIN
    },
    Grammar {
        word: "ip6",
        ends: Ends::V6,
        numbers: &[("ttl", BYTE), ("proto", BYTE)],
        flags: &["frag"],
        example: "ip6 fd00::1 > *",
        ..PLAIN
    },
    Grammar {
        word: "icmp",
        numbers: &[("mtu", 65_535)],
        flags: &[
            "echo",
            "request",
            "reply",
            "unreachable",
            "net",
            "host",
            "protocol",
            "port",
            "frag-needed",
            "filtered",
            "time-exceeded",
            "redirect",
        ],
        example: "icmp echo request",
        ..PLAIN
    },
    Grammar {
        word: "icmp6",
        numbers: &[("mtu", u32::MAX)],
        flags: &[
            "echo",
            "request",
            "reply",
            "unreachable",
            "net",
            "host",
            "port",
            "filtered",
            "too-big",
            "time-exceeded",
            "neighbor",
            "solicitation",
            "advertisement",
            "router",
            "multicast",
        ],
        example: "icmp6 echo request",
        ..PLAIN
    },
    Grammar { word: "udp", ends: Ends::Port, example: "udp * > 53", ..PLAIN },
    Grammar { word: "tcp", ends: Ends::Port, flags: &["syn", "fin", "rst", "ack"], example: "tcp * > 80 syn", ..PLAIN },
    Grammar { word: "gre", numbers: &[("key", u32::MAX)], example: "gre key 7", ..PLAIN },
    Grammar { word: "vxlan", numbers: &[("vni", VNI)], example: "vxlan vni 4096", ..PLAIN },
    Grammar { word: "geneve", numbers: &[("vni", VNI)], example: "geneve vni 42", ..PLAIN },
];

/// Shorter texts are found in anything.
const SHORTEST_TEXT: usize = 3;

impl FromStr for Filter {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Filter, WordError> {
        let words = words(text)?;
        let mut filter = Filter { headers: Vec::new(), text: None };
        for part in words.split(|w| *w == Word::Slash) {
            if let Some(found) = &filter.text {
                return Err(WordError::new("plaintext", format!("nothing can stand behind `plaintext \"{found}\"`"))
                    .help("write it last"));
            }
            match part {
                [Word::Plain("plaintext"), rest @ ..] => filter.text = Some(plaintext(rest)?),
                [Word::Plain(word), rest @ ..] => filter.headers.push(wanted(word, rest, filter.headers.last())?),
                [Word::Quoted(text), ..] => {
                    return Err(WordError::new(*text, "a text in quotes is no header")
                        .help(format!("did you mean `plaintext \"{text}\"`?")));
                }
                [Word::Slash, ..] | [] => {
                    return Err(WordError::new("", "a header is missing here").help(
                        "as in `ip 10.0.0.1 > * / icmp echo request`; a slash is a header inside the one before",
                    ));
                }
            }
        }
        Ok(filter)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'t> {
    Plain(&'t str),
    Quoted(&'t str),
    Slash,
}

fn words(text: &str) -> Result<Vec<Word<'_>>, WordError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let Some((inside, after)) = quoted.split_once('"') else {
                return Err(WordError::new(rest, "this quote does not end").help("as in `plaintext \"token\"`"));
            };
            (Word::Quoted(inside), after)
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            (if word == "/" { Word::Slash } else { Word::Plain(word) }, after)
        };
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

fn plaintext(rest: &[Word<'_>]) -> Result<String, WordError> {
    match rest {
        [Word::Quoted(text)] if text.len() >= SHORTEST_TEXT => Ok((*text).to_string()),
        [Word::Quoted(text)] => Err(WordError::new(*text, format!("`{text}` is too short: it is found in anything"))
            .help(format!("write at least {SHORTEST_TEXT} characters"))),
        [Word::Plain(word), ..] => Err(WordError::new(*word, "`plaintext` needs its text in double quotes")
            .help(format!("did you mean `plaintext \"{word}\"`?"))),
        _ => Err(WordError::new("plaintext", "`plaintext` needs one text").help("as in `plaintext \"token\"`")),
    }
}

fn wanted(word: &str, rest: &[Word<'_>], outer: Option<&Wanted>) -> Result<Wanted, WordError> {
    let Some(grammar) = GRAMMAR.iter().find(|g| g.word == word) else {
        return Err(no_header(word));
    };
    let mut wanted = Wanted { word: grammar.word, ends: None, notes: Vec::new() };
    let mut rest = rest;
    if let [Word::Plain(from), Word::Plain(">"), after @ ..] = rest {
        let [Word::Plain(to), after @ ..] = after else {
            return Err(WordError::new(">", format!("`{word} {from} >` leads nowhere"))
                .help(format!("as in `{}`; `*` is any", grammar.example)));
        };
        wanted.ends = Some([end(grammar, from)?, end(grammar, to)?]);
        rest = after;
    }
    while let [first, after @ ..] = rest {
        let Word::Plain(name) = first else {
            return Err(WordError::new("plaintext", "a text stands behind a slash of its own")
                .help(format!("as in `{word} / plaintext \"token\"`")));
        };
        let (note, after) = note(grammar, name, after)?;
        if wanted.notes.iter().any(|n| n.word == note.word) {
            return Err(WordError::new(*name, format!("`{name}` stands there twice")).help("delete one of the two"));
        }
        wanted.notes.push(note);
        rest = after;
    }
    impossible(&wanted, outer)?;
    Ok(wanted)
}

/// Packets that there are not: a check for one would wait for ever, or hold for ever.
fn impossible(wanted: &Wanted, outer: Option<&Wanted>) -> Result<(), WordError> {
    let Some(outer) = outer else { return Ok(()) };
    let inside: &[&str] = match outer.word {
        "eth" | "vlan" => &["vlan", "arp", "ip", "ip6"],
        "ip" | "ip6" => &["ip", "ip6", "icmp", "icmp6", "udp", "tcp", "gre"],
        "udp" => &["vxlan", "geneve"],
        "vxlan" => &["eth", "vlan", "arp", "ip", "ip6"],
        "gre" | "geneve" => &["eth", "vlan", "arp", "ip", "ip6"],
        "icmp" => &["ip"],
        "icmp6" => &["ip6"],
        _ => &[],
    };
    if inside.contains(&wanted.word) {
        return Ok(());
    }
    let error = WordError::new(wanted.word, format!("there is no `{}` inside `{}`", wanted.word, outer.word));
    Err(if inside.is_empty() {
        error.help(format!("`{}` is the last header", outer.word))
    } else {
        error.help(format!("inside it: {}", inside.join(", ")))
    })
}

fn no_header(word: &str) -> WordError {
    let error = WordError::new(word, format!("`{word}` is no header"));
    let known = GRAMMAR.iter().map(|g| g.word);
    error.help(match word {
        "ipip" => "two IPv4 headers are `ip proto 4 / ip`".to_string(),
        "sit" => "IPv6 in IPv4 is `ip proto 41 / ip6`".to_string(),
        "host" | "src" | "dst" | "port" | "net" => "write `ip FROM > TO`, `udp * > 53`; `*` is any".to_string(),
        "no" | "not" => "write `expect: unseen` beside `sees`".to_string(),
        "ipv4" | "IP" | "IPv4" => "did you mean `ip`?".to_string(),
        "ipv6" | "IPv6" => "did you mean `ip6`?".to_string(),
        "icmpv6" => "did you mean `icmp6`?".to_string(),
        _ if word.len() > 1 && word.contains('/') => "put blanks around the slash".to_string(),
        _ => did_you_mean(word, known.clone().chain(["plaintext"]))
            .unwrap_or_else(|| format!("headers: {}, and `plaintext`", known.collect::<Vec<_>>().join(", "))),
    })
}

fn end(grammar: &Grammar, word: &str) -> Result<EndWanted, WordError> {
    if grammar.ends == Ends::None {
        return Err(WordError::new(word, format!("`{}` has no two ends", grammar.word))
            .help(format!("as in `{}`", grammar.example)));
    }
    if word == "*" {
        return Ok(EndWanted::Any);
    }
    match grammar.ends {
        Ends::Port => parse_port(word).map(EndWanted::Port),
        Ends::Mac => mac(word).map(EndWanted::Mac),
        Ends::None | Ends::V4 | Ends::V6 => {
            let net = if word.contains('/') { parse_net(word)? } else { IpNet::from(parse_ip(word)?) };
            let four = matches!(net, IpNet::V4(_));
            if four != (grammar.ends == Ends::V4) {
                let other = if four { "ip" } else { "ip6" };
                return Err(WordError::new(word, format!("`{word}` is not an address of `{}`", grammar.word))
                    .help(format!("did you mean `{other} {word} > *`?")));
            }
            if net.trunc() != net {
                return Err(WordError::new(word, format!("`{word}` has bits behind its prefix length")).help(format!(
                    "did you mean `{}`, or the address `{}`?",
                    net.trunc(),
                    net.addr()
                )));
            }
            Ok(EndWanted::Net(net))
        }
    }
}

fn mac(word: &str) -> Result<[u8; 6], WordError> {
    let bytes: Option<Vec<u8>> = word
        .split(':')
        .map(|p| u8::from_str_radix(p, 16).ok().filter(|_| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit())))
        .collect();
    bytes.and_then(|b| b.try_into().ok()).ok_or_else(|| {
        WordError::new(word, format!("`{word}` is not an Ethernet address")).help("as in `02:00:00:00:00:01`")
    })
}

fn note<'t, 'w>(grammar: &Grammar, name: &str, after: &'w [Word<'t>]) -> Result<(Note, &'w [Word<'t>]), WordError> {
    if let Some(flag) = grammar.flags.iter().find(|f| **f == name) {
        return Ok((Note { word: flag, value: None }, after));
    }
    let number = |word: &str, most: u32| {
        let digits = word.bytes().all(|b| b.is_ascii_digit()) && (word.len() == 1 || !word.starts_with('0'));
        let value = word.parse::<u32>().ok().filter(|n| digits && *n <= most);
        value.map(Value::Number).ok_or_else(|| {
            WordError::new(word, format!("`{word}` is not a number from 0 to {most}"))
                .help(format!("as in `{}`", grammar.example))
        })
    };
    // A number that speaks for itself.
    if let [("", most)] = grammar.numbers
        && name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Ok((Note { word: "", value: Some(number(name, *most)?) }, after));
    }
    let numbered = grammar.numbers.iter().find(|(word, _)| *word == name && !word.is_empty());
    let addressed = grammar.addresses.iter().find(|word| **word == name);
    if numbered.is_none() && addressed.is_none() {
        return Err(no_note(grammar, name));
    }
    let [Word::Plain(value), after @ ..] = after else {
        return Err(WordError::new(name, format!("`{name}` has nothing behind it"))
            .help(format!("as in `{}`", grammar.example)));
    };
    match (numbered, addressed) {
        (Some((word, most)), _) => Ok((Note { word, value: Some(number(value, *most)?) }, after)),
        (_, Some(word)) if *word == "is-at" => Ok((Note { word, value: Some(Value::Mac(mac(value)?)) }, after)),
        (_, Some(word)) => Ok((Note { word, value: Some(Value::Ip(parse_ip(value)?)) }, after)),
        (None, None) => Err(no_note(grammar, name)),
    }
}

fn no_note(grammar: &Grammar, name: &str) -> WordError {
    let error = WordError::new(name, format!("`{name}` means nothing to `{}`", grammar.word));
    let known: Vec<&str> = grammar
        .numbers
        .iter()
        .map(|(word, _)| *word)
        .chain(grammar.addresses.iter().copied())
        .chain(grammar.flags.iter().copied())
        .filter(|word| !word.is_empty())
        .collect();
    let header = nearest(name, GRAMMAR.iter().map(|g| g.word));
    error.help(match (nearest(name, known.iter().copied()), header) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, Some(header)) => {
            format!("a header inside another stands behind a slash: `{} / {header}`", grammar.example)
        }
        (None, None) if grammar.ends != Ends::None => {
            format!("as in `{}`; `*` is any, and both ends are written", grammar.example)
        }
        (None, None) if known.is_empty() => format!("as in `{}`", grammar.example),
        (None, None) => format!("it can have {}", known.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, String) {
        let error = text.parse::<Filter>().unwrap_err();
        (error.message, error.help.unwrap_or_default())
    }

    #[test]
    fn a_slip_is_told_with_what_was_meant() {
        for (text, message, help) in [
            ("ipp 10.0.0.1 > *", "`ipp` is no header", "did you mean `ip`?"),
            ("ip 10.0.0.1 > * icmp", "`icmp` means nothing to `ip`", "behind a slash"),
            ("udp port 53", "`port` means nothing to `udp`", "as in `udp * > 53`"),
            ("ip 10.0.0.1", "`10.0.0.1` means nothing to `ip`", "both ends are written"),
            ("ip 10.0.0.1 >", "leads nowhere", "`*` is any"),
            ("ip fd00::1 > *", "`fd00::1` is not an address of `ip`", "did you mean `ip6 fd00::1 > *`?"),
            ("ip 10.0.0.1/24 > *", "bits behind its prefix length", "did you mean `10.0.0.0/24`"),
            ("vxlan vni", "`vni` has nothing behind it", "as in `vxlan vni 4096`"),
            ("vxlan vni 16777216", "is not a number from 0 to 16777215", "vxlan vni 4096"),
            ("ipip / ip", "`ipip` is no header", "two IPv4 headers are `ip proto 4 / ip`"),
            ("ip / vxlan", "there is no `vxlan` inside `ip`", "inside it: ip, ip6, icmp"),
            ("tcp / ip", "there is no `ip` inside `tcp`", "`tcp` is the last header"),
            ("ip/icmp", "`ip/icmp` is no header", "blanks around the slash"),
            ("ip / ", "a header is missing here", "as in"),
            ("", "a header is missing here", "as in"),
            ("no plaintext \"x\"", "`no` is no header", "expect: unseen"),
            ("plaintext token", "in double quotes", "did you mean `plaintext \"token\"`?"),
            ("plaintext \"ab\"", "too short", "at least 3"),
            ("plaintext \"abc", "does not end", "as in"),
            ("\"abc\"", "is no header", "did you mean `plaintext \"abc\"`?"),
            ("plaintext \"abc\" / ip", "nothing can stand behind", "write it last"),
            ("icmp echo echo", "stands there twice", "delete one"),
            ("tcp 80", "`80` means nothing to `tcp`", "both ends are written"),
        ] {
            let (said, what) = error(text);
            assert!(said.contains(message) && what.contains(help), "`{text}`: {said}: {what}");
        }
    }
}
