//! Firewall lines as `iptables-save` prints them: `-t filter -A FORWARD -i eth0 -j DROP`.
//!
//! netlab does not understand matches and targets: iptables does. It only has to know the table, the chain and the
//! words, so that a node's lines can be loaded in one `iptables-restore` and a bad line can be named.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words::WordError;

/// The built-in tables and their chains.
pub const TABLES: &[(&str, &[&str])] = &[
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
    ("security", &["INPUT", "FORWARD", "OUTPUT"]),
];

/// One firewall line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line {
    /// The table; `filter` when none is named.
    pub table: String,
    /// What it does.
    pub verb: Verb,
    /// The chain.
    pub chain: String,
    /// What follows the chain, word by word.
    pub rest: Vec<String>,
}

/// What a firewall line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `-A`: a rule at the end.
    Append,
    /// `-I`: a rule at the front.
    Insert,
    /// `-D`: takes a rule away; for changes of what is there.
    Delete,
    /// `-N`: a chain.
    NewChain,
    /// `-P`: what a built-in chain does with the rest.
    Policy,
}

impl Line {
    /// A rule made by netlab itself.
    pub fn append(table: &str, chain: &str, rest: &[&str]) -> Line {
        Line {
            table: table.into(),
            verb: Verb::Append,
            chain: chain.into(),
            rest: rest.iter().map(ToString::to_string).collect(),
        }
    }

    /// The line as `iptables-restore` reads it inside its table.
    pub fn restore(&self) -> String {
        match self.verb {
            Verb::Append => self.spec("-A"),
            Verb::Insert => self.spec("-I"),
            Verb::Delete => self.spec("-D"),
            Verb::NewChain => format!(":{} - [0:0]", self.chain),
            Verb::Policy => format!(":{} {} [0:0]", self.chain, self.rest.join(" ")),
        }
    }

    /// The line with another verb letter: `-D` takes back what `-A` did.
    pub fn spec(&self, flag: &str) -> String {
        let words = std::iter::once(self.chain.clone()).chain(self.rest.iter().map(|w| quote(w)));
        format!("{flag} {}", words.collect::<Vec<_>>().join(" "))
    }

    /// The arguments of `iptables` after `-t TABLE`.
    pub fn arguments(&self) -> Vec<String> {
        let flag = match self.verb {
            Verb::Append => "-A",
            Verb::Insert => "-I",
            Verb::Delete => "-D",
            Verb::NewChain => "-N",
            Verb::Policy => "-P",
        };
        let mut words = vec![flag.to_string(), self.chain.clone()];
        words.extend(self.rest.iter().cloned());
        words
    }

    /// The value that follows any of these flags.
    pub fn value_of(&self, flags: &[&str]) -> Option<&str> {
        let at = self.rest.iter().position(|w| flags.contains(&w.as_str()))?;
        self.rest.get(at + 1).map(String::as_str)
    }
}

/// Whether what `iptables-save` shows (`-t filter -A INPUT …`) has as many rules in each chain as these lines make, at least:
/// one with two addresses becomes two rules. What the rules say only iptables knows.
pub fn has_all(lines: &[Line], shown: &[String]) -> bool {
    let count = |start: &str| shown.iter().filter(|line| line.starts_with(start)).count();
    let mut wanted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in lines {
        let rules = wanted.entry((&line.table, &line.chain)).or_default();
        match line.verb {
            Verb::Append | Verb::Insert => *rules += 1,
            Verb::Delete => *rules = rules.saturating_sub(1),
            Verb::NewChain | Verb::Policy => {}
        }
    }
    let made =
        |line: &Line| line.verb != Verb::NewChain || shown.contains(&format!("-t {} -N {}", line.table, line.chain));
    wanted.iter().all(|((table, chain), rules)| count(&format!("-t {table} -A {chain} ")) >= *rules)
        && lines.iter().all(made)
}

/// iptables-restore and the shell agree on double quotes for words with blanks.
fn quote(word: &str) -> String {
    if word.is_empty() || word.contains(char::is_whitespace) || word.contains(['"', '\\', '\'']) {
        format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        word.to_string()
    }
}

impl FromStr for Line {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Line, WordError> {
        let mut words = split(text)?.into_iter();
        let mut table = "filter".to_string();
        let mut next = words.next();
        if matches!(next.as_deref(), Some("iptables" | "ip6tables")) {
            return Err(WordError::new("iptables", "a firewall line begins with its table or its verb")
                .help("leave out the word `iptables`: the key says it already"));
        }
        if matches!(next.as_deref(), Some("-t" | "--table")) {
            table = words.next().unwrap_or_default();
            next = words.next();
        }
        let Some((_, chains)) = TABLES.iter().find(|(name, _)| *name == table) else {
            let mut e = WordError::new(&table, format!("there is no table `{table}`"));
            e.help = Some("tables are filter, nat, mangle, raw and security".into());
            return Err(e);
        };
        let verb = match next.as_deref() {
            Some("-A" | "--append") => Verb::Append,
            Some("-I" | "--insert") => Verb::Insert,
            Some("-D" | "--delete") => Verb::Delete,
            Some("-N" | "--new-chain") => Verb::NewChain,
            Some("-P" | "--policy") => Verb::Policy,
            other => {
                let word = other.ok_or_else(|| WordError::new("", "the firewall line is empty").help("delete it"))?;
                return Err(WordError::new(word, format!("`{word}` cannot start a firewall line"))
                    .help("a line is `[-t TABLE] -A|-I CHAIN rule`, `-N CHAIN` or `-P CHAIN ACCEPT|DROP`, as iptables-save prints it"));
            }
        };
        let chain = words
            .next()
            .ok_or_else(|| WordError::new(text, "the chain is missing").help("as in `-A FORWARD -j DROP`"))?;
        if chain.len() > 28 || chain.starts_with('-') || !chain.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(WordError::new(&chain, format!("`{chain}` is no chain name"))
                .help("a chain name has 28 characters at most and no blanks"));
        }
        let rest: Vec<String> = words.collect();
        // A line feed in quotes would be another line to iptables-restore, which nobody has looked at.
        if let Some(word) = rest.iter().find(|word| word.contains(char::is_control)) {
            return Err(WordError::new(word, "a word of a firewall line holds a control character")
                .help("a line is one line: leave line feeds and tabs out of its quotes"));
        }
        let line = Line { table, verb, chain, rest };
        line.sound(text, chains)?;
        Ok(line)
    }
}

impl Line {
    fn sound(&self, text: &str, chains: &[&str]) -> Result<(), WordError> {
        let builtin = chains.contains(&self.chain.as_str());
        match self.verb {
            Verb::Policy if !builtin => {
                Err(WordError::new(&self.chain, format!("`{}` is not built in: only those have a policy", self.chain))
                    .help(format!("built in are {}", chains.join(", "))))
            }
            Verb::Policy if !matches!(self.rest.as_slice(), [p] if p == "ACCEPT" || p == "DROP") => {
                Err(WordError::new(text, "a policy is ACCEPT or DROP")
                    .help("REJECT is the target of a rule: `-A CHAIN -j REJECT`"))
            }
            Verb::NewChain if builtin => {
                Err(WordError::new(&self.chain, format!("`{}` is built in and there already", self.chain))
                    .help("delete the line"))
            }
            Verb::NewChain if !self.rest.is_empty() => {
                Err(WordError::new(text, "nothing may follow the new chain's name")
                    .help("write rules as lines of their own: `-A CHAIN …`"))
            }
            Verb::Append | Verb::Insert | Verb::Delete => self.sound_rule(text),
            Verb::Policy | Verb::NewChain => Ok(()),
        }
    }

    /// The mistakes that iptables answers in riddles.
    fn sound_rule(&self, text: &str) -> Result<(), WordError> {
        let has = |flags: &[&str]| self.rest.iter().any(|w| flags.contains(&w.as_str()));
        let port = ["--dport", "--sport", "--destination-port", "--source-port"];
        if has(&port) && !has(&["-p", "--protocol", "--proto"]) {
            return Err(WordError::new(text, "a port needs a protocol before it")
                .help("add `-p tcp` or `-p udp` (iptables would say: unknown option \"--dport\")"));
        }
        let dash = |w: &&String| w.starts_with('\u{2013}') || w.starts_with('\u{2014}');
        if let Some(word) = self.rest.iter().find(dash) {
            return Err(WordError::new(word, "a typographic dash stands where `-` should").help("retype it by hand"));
        }
        Ok(())
    }
}

/// Words with double or single quotes, nothing more: no shell ever sees them.
fn split(text: &str) -> Result<Vec<String>, WordError> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
            continue;
        }
        let mut word = String::new();
        let mut quoted: Option<char> = None;
        while let Some(&c) = chars.peek() {
            if quoted.is_none() && c.is_whitespace() {
                break;
            }
            chars.next();
            match (quoted, c) {
                (Some(q), c) if c == q => quoted = None,
                (Some('"'), '\\') => word.extend(chars.next()),
                (None, '"' | '\'') => quoted = Some(c),
                (_, c) => word.push(c),
            }
        }
        if quoted.is_some() {
            return Err(WordError::new(text, "a quote is not closed").help("close it where its text ends"));
        }
        words.push(word);
    }
    Ok(words)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.arguments().iter().map(|w| quote(w)).collect();
        if self.table == "filter" {
            f.write_str(&words.join(" "))
        } else {
            write!(f, "-t {} {}", self.table, words.join(" "))
        }
    }
}

impl TryFrom<String> for Line {
    type Error = String;
    fn try_from(text: String) -> Result<Line, String> {
        text.parse().map_err(|e: WordError| e.message)
    }
}
impl From<Line> for String {
    fn from(line: Line) -> String {
        line.to_string()
    }
}

/// What `iptables-restore --noflush` reads to load all lines at once, all or nothing.
pub fn restore_text(lines: &[Line]) -> String {
    let mut text = String::new();
    for (table, _) in TABLES {
        let mut of_table = lines.iter().filter(|l| l.table == *table).peekable();
        if of_table.peek().is_none() {
            continue;
        }
        text.push_str(&format!("*{table}\n"));
        // Chains come first, so that a rule may jump to one that is named later.
        let (chains, rules): (Vec<_>, Vec<_>) = of_table.partition(|l| matches!(l.verb, Verb::NewChain | Verb::Policy));
        for line in chains.into_iter().chain(rules) {
            text.push_str(&line.restore());
            text.push('\n');
        }
        text.push_str("COMMIT\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_with_fewer_rules_than_lines_lacks_something() {
        let lines = ["-N WEB", "-A INPUT -s 10.0.0.1,10.0.0.2 -j WEB", "-A WEB -j DROP", "-P FORWARD DROP"];
        let lines = lines.map(|l| l.parse::<Line>().unwrap());
        let shown: Vec<String> = [
            "-t filter -P FORWARD DROP",
            "-t filter -N WEB",
            "-t filter -A INPUT -s 10.0.0.1/32 -j WEB",
            "-t filter -A INPUT -s 10.0.0.2/32 -j WEB",
            "-t filter -A WEB -j DROP",
        ]
        .map(String::from)
        .into();
        assert!(has_all(&lines, &shown));
        assert!(has_all(&lines, &[&shown[1..3], &shown[4..]].concat()));
        for lost in [1, 4] {
            let mut shown = shown.clone();
            shown.remove(lost);
            assert!(!has_all(&lines, &shown), "{shown:?}");
        }
    }

    #[test]
    fn lines_keep_their_words() {
        for text in [
            "-A FORWARD -i eth0 -j DROP",
            "-t nat -N KUBE-SVC-X",
            "-t nat -A POSTROUTING -s 10.0.0.0/8 -m comment --comment \"two words\" -j MASQUERADE",
            "-P FORWARD DROP",
        ] {
            assert_eq!(text.parse::<Line>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_seed_documents_own_mistake_is_explained() {
        let error =
            "-t nat -A PREROUTING --dport 80 -j DNAT --to-destination 192.168.15.2:80".parse::<Line>().unwrap_err();
        assert!(error.help.unwrap().contains("-p tcp"));
    }

    #[test]
    fn chains_come_before_rules() {
        let lines: Vec<Line> = ["-A FORWARD -j MINE", "-N MINE", "-t nat -A POSTROUTING -j ACCEPT"]
            .iter()
            .map(|l| l.parse().unwrap())
            .collect();
        assert_eq!(
            restore_text(&lines),
            "*nat\n-A POSTROUTING -j ACCEPT\nCOMMIT\n*filter\n:MINE - [0:0]\n-A FORWARD -j MINE\nCOMMIT\n"
        );
    }
}
