//! What stands between braces in a generated part: `{i}`, `{i % n + 1}`, `{10.0.0.0 + 4 * i}`.
//!
//! Whole numbers, addresses, names of parameters; `+ - * / %` and brackets. An address plus a number is an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// An address.
    Address(IpAddr),
    /// Anything else: a part of a name.
    Text(String),
}

impl Value {
    /// The value that a text stands for.
    pub fn of(text: &str) -> Value {
        match (text.parse(), text.parse()) {
            (Ok(number), _) => Value::Number(number),
            (_, Ok(address)) => Value::Address(address),
            _ => Value::Text(text.to_string()),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Number(n) => n.fmt(f),
            Value::Address(a) => a.fmt(f),
            Value::Text(t) => t.fmt(f),
        }
    }
}

/// What is known where an expression stands.
#[derive(Debug, Clone, Default)]
pub struct Names(Vec<(String, Value)>);

impl Names {
    /// Adds a name, or gives it another value.
    pub fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_string(), value)),
        }
    }
    /// Its value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }
    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(n, _)| n.as_str())
    }
}

/// Puts values in place of everything between braces; `{{` is a brace.
pub fn fill(text: &str, names: &Names) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..at + 1];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
        } else if brace == "{" {
            let (inner, after) = rest.split_once('}').ok_or("a `{` that nothing closes")?;
            out.push_str(&evaluate(inner, names)?.to_string());
            rest = after;
        } else {
            return Err("a `}` that nothing opens; `}}` is a plain one".into());
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of an expression.
pub fn evaluate(text: &str, names: &Names) -> Result<Value, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, names, text };
    let value = reader.sum()?;
    match reader.tokens.first() {
        None => Ok(value),
        Some(_) => Err(format!("`{}` is not an expression", text.trim())),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Sign(char),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '_');
        let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        if length > 0 {
            tokens.push(Token::Word(rest[..length].to_string()));
            rest = &rest[length..];
        } else if "+-*/%()".contains(first) {
            tokens.push(Token::Sign(first));
            rest = &rest[1..];
        } else {
            return Err(format!("`{first}` has no meaning between braces"));
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

struct Reader<'t> {
    tokens: &'t [Token],
    names: &'t Names,
    text: &'t str,
}

impl Reader<'_> {
    fn sign(&mut self, wanted: &str) -> Option<char> {
        match self.tokens.split_first() {
            Some((Token::Sign(sign), rest)) if wanted.contains(*sign) => {
                self.tokens = rest;
                Some(*sign)
            }
            _ => None,
        }
    }

    fn sum(&mut self) -> Result<Value, String> {
        let mut value = self.product()?;
        while let Some(sign) = self.sign("+-") {
            let right = self.product()?;
            value = self.join(sign, value, right)?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<Value, String> {
        let mut value = self.one()?;
        while let Some(sign) = self.sign("*/%") {
            let right = self.one()?;
            value = self.join(sign, value, right)?;
        }
        Ok(value)
    }

    fn one(&mut self) -> Result<Value, String> {
        if self.sign("(").is_some() {
            let value = self.sum()?;
            return self.sign(")").map(|_| value).ok_or_else(|| format!("`{}`: a `)` is missing", self.text.trim()));
        }
        if self.sign("-").is_some() {
            let value = self.one()?;
            return self.join('-', Value::Number(0), value);
        }
        let Some((Token::Word(word), rest)) = self.tokens.split_first() else {
            return Err(format!("`{}` is not an expression", self.text.trim()));
        };
        self.tokens = rest;
        if let Some(value) = self.names.get(word) {
            return Ok(value.clone());
        }
        match Value::of(word) {
            Value::Text(_) => {
                let near = crate::error::did_you_mean(word, self.names.names());
                Err(format!("nothing here is called `{word}`{}", near.map(|n| format!("; {n}")).unwrap_or_default()))
            }
            value => Ok(value),
        }
    }

    fn join(&self, sign: char, left: Value, right: Value) -> Result<Value, String> {
        let out = || format!("`{}` is too large or divides by nothing", self.text.trim());
        match (left, sign, right) {
            (Value::Number(a), _, Value::Number(b)) => {
                let value = match sign {
                    '+' => a.checked_add(b),
                    '-' => a.checked_sub(b),
                    '*' => a.checked_mul(b),
                    '/' => a.checked_div_euclid(b),
                    _ => a.checked_rem_euclid(b),
                };
                value.map(Value::Number).ok_or_else(out)
            }
            (Value::Address(a), '+' | '-', Value::Number(n)) => {
                let n = if sign == '-' { n.checked_neg().ok_or_else(out)? } else { n };
                moved(a, n)
                    .map(Value::Address)
                    .ok_or_else(|| format!("`{}` leaves the address range", self.text.trim()))
            }
            (left, sign, right) => Err(format!("cannot reckon `{left} {sign} {right}`")),
        }
    }
}

fn moved(address: IpAddr, by: i64) -> Option<IpAddr> {
    match address {
        IpAddr::V4(a) => {
            let sum = i64::from(u32::from(a)).checked_add(by)?;
            Some(IpAddr::V4(Ipv4Addr::from(u32::try_from(sum).ok()?)))
        }
        IpAddr::V6(a) => {
            let sum = u128::from(a).checked_add_signed(i128::from(by))?;
            Some(IpAddr::V6(Ipv6Addr::from(sum)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let mut names = Names::default();
        names.set("i", Value::Number(3));
        names.set("n", Value::Number(8));
        names.set("net", Value::of("10.0.0.0"));
        names.set("name", Value::of("r"));
        fill(text, &names)
    }

    #[test]
    fn expressions_have_their_values() {
        let cases = [
            ("{name}{i}:eth0", "r3:eth0"),
            ("{i % n + 1}", "4"),
            ("{(i + 2) * -2}", "-10"),
            ("{net + 256 * i + 1}/24", "10.0.3.1/24"),
            ("{10.0.0.255 + 1}", "10.0.1.0"),
            ("{fd00:: + i}/64", "fd00::3/64"),
            ("a {{b}} {i}", "a {b} 3"),
        ];
        for (text, wanted) in cases {
            assert_eq!(filled(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for text in ["{j}", "{i", "i}", "{i +}", "{(i}", "{i / 0}", "{net * 2}", "{0.0.0.0 - 1}", "{i ; j}", "{}"] {
            assert!(filled(text).is_err(), "{text}");
        }
        assert!(filled("{nane}").unwrap_err().contains("did you mean"));
    }
}
