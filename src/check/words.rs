//! Words that several kinds of checks read and print.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::error::{Problems, did_you_mean};
use crate::ip::{WordError, parse_port};
use crate::span::Sp;
use crate::spec;

/// A time as `5s` or `200ms`.
pub fn duration(text: &spec::Text, problems: &mut Problems) -> Option<Duration> {
    let parse = |digits: &str, unit: u64| digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    let millis = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => parse(digits, 1),
        (None, Some(digits)) => parse(digits, 1000),
        (None, None) => None,
    };
    match millis {
        Some(ms) if (1..=600_000).contains(&ms) => Some(Duration::from_millis(ms)),
        _ => {
            let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let help = if bare { format!("did you mean `{text}s`?") } else { "as in `5s` or `200ms`".into() };
            problems.error(text.span, format!("`{text}` is not a time from 1ms to 600s")).help(help);
            None
        }
    }
}

/// Reads an `expect` that is one word of a few.
pub(super) fn expect_word<T: Copy>(
    written: &spec::Check,
    words: &[(&str, T)],
    usual: T,
    problems: &mut Problems,
) -> Option<T> {
    let Some(expect) = &written.expect else {
        return Some(usual);
    };
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let word = if let spec::Expect::Word(word) = &expect.value { word.as_str() } else { "" };
    if let Some((_, value)) = words.iter().find(|(name, _)| *name == word) {
        return Some(*value);
    }
    unexpected(expect, &names, &format!("expect one of {}", names.join(", ")), problems);
    None
}

/// Reports an `expect` that the kind does not know: `words` are those that it does, `help` says all that it can.
pub(super) fn unexpected(expect: &Sp<spec::Expect>, words: &[&str], help: &str, problems: &mut Problems) {
    let (what, near) = match &expect.value {
        spec::Expect::Word(word) => (format!("`{word}`"), did_you_mean(word, words.iter().copied())),
        spec::Expect::List(_) => ("a list".to_string(), None),
        spec::Expect::Properties(_) => ("`{…}`".to_string(), None),
    };
    problems.error(expect.span, format!("this check cannot expect {what}")).help(near.unwrap_or(help.to_string()));
}

/// Whether a text is a URL of one page of one host. curl would ask a thousand for `http://10.0.0.2/[1-1000]`.
pub(super) fn http_url(url: &spec::Text, schemes: &[&str], example: &str, problems: &mut Problems) -> bool {
    let sane = !url.is_empty() && !url.contains(|c: char| c.is_whitespace() || c.is_control());
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)).filter(|_| sane) else {
        let bare = sane && !url.contains("://");
        let help = if bare { format!("did you mean `http://{url}`?") } else { format!("as in `{example}`") };
        problems.error(url.span, format!("`{url}` is not an http URL")).help(help);
        return false;
    };
    let (host, page) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (name, port) = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((name, after)) => (name, after.strip_prefix(':')),
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let (what, help) = if name.is_empty() {
        (format!("`{url}` names no host"), format!("as in `{example}`"))
    } else if let Some(Err(e)) = port.map(parse_port) {
        (e.message, e.help.unwrap_or_else(|| "as in `80`".into()))
    } else if page.contains(['{', '}', '[', ']']) || name.contains(['{', '}', '[', ']']) {
        (format!("`{url}` stands for several URLs"), "a check asks for one: leave out braces and brackets".into())
    } else {
        return true;
    };
    problems.error(url.span, what).help(help);
    false
}

/// `ADDRESS:PORT`.
pub(super) fn socket_address(text: &spec::Text, problems: &mut Problems) -> Option<SocketAddr> {
    said(text, crate::ip::parse_socket(text), problems)
}

pub(super) fn ip(text: &spec::Text, problems: &mut Problems) -> Option<IpAddr> {
    said(text, crate::ip::parse_ip(text), problems)
}

pub(super) fn said<T>(text: &spec::Text, parsed: Result<T, WordError>, problems: &mut Problems) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(e) => {
            problems.error(text.span, e.message).maybe_help(e.help);
            None
        }
    }
}

/// Words for a command line that a person copies.
pub fn shell_words(argv: &[String]) -> String {
    argv.iter().map(|w| crate::ip::shell_quote(w)).collect::<Vec<_>>().join(" ")
}

pub(super) fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// The first line that says something.
pub(super) fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default().to_string()
}
