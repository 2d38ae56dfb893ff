//! Control characters never reach a terminal: a lab file, the kernel or a child could use them to draw anything.

/// The text with every control character but line feed and tab written out.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = c.is_control() && !matches!(c, '\n' | '\t');
        // Bidirectional controls turn text around on screen.
        let turning = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hidden || turning { out.extend(c.escape_unicode()) } else { out.push(c) }
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
    }
}
