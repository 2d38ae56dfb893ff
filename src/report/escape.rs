//! Control characters never reach a terminal: a lab file, the kernel or a child could use them to draw anything.

/// The text with every control character but line feed and tab written out.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = c.is_control() && !matches!(c, '\n' | '\t');
        if hidden || turns(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// What turns text around on screen, or begins a line that is none.
fn turns(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON in which such characters are written out too: serde_json leaves all beyond ASCII as they are.
pub fn printable_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if turns(c) || c.is_control() && c != '\n' {
            out.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_codes_are_written_out() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\n");
        assert_eq!(printable("é\u{202e}"), "é\\u{202e}");
        assert_eq!(printable_json("\"\u{9b}1m\u{7f}\u{2066}é\"\n"), "\"\\u009b1m\\u007f\\u2066é\"\n");
    }
}
