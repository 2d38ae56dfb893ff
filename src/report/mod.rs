//! What the user sees: text, JSON, JUnit, TAP.
//!
//! Every command's answer is plain data; here it is drawn. Standard output takes the answer, standard error the talk.
//! Nothing here decides anything.

pub mod act;
pub mod calico;
pub mod checks;
pub mod diagnostic;
mod escape;
pub mod nat;
pub mod progress;
pub mod text;
pub mod trials;
pub mod view;
mod voice;

use std::io::Write;

use serde::Serialize;

pub use escape::printable;
pub use voice::finish;

/// Writes the answer. A reader that went away (`| head`) is no error: what netlab does must still be finished.
/// [`finish`] waits until it is written.
pub fn answer(text: &str) {
    let text = text.to_string();
    voice::say(move || {
        let mut out = anstream::stdout().lock();
        let _ = out.write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = out.write_all(b"\n");
        }
        let _ = out.flush();
    });
}

/// Writes a line of talk.
pub fn talk(text: &str) {
    let text = text.to_string();
    voice::say(move || drop(writeln!(anstream::stderr().lock(), "{text}")));
}

/// Asks, on one line with the answer.
pub fn ask(text: &str) {
    finish();
    let mut out = anstream::stderr().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// Writes an answer as JSON.
pub fn json(value: &impl Serialize) {
    answer(&json_text(value));
}

/// JSON, with nothing in it that draws on a terminal.
fn json_text(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|e| format!("{{\"error\": \"{e}\"}}"));
    escape::printable_json(&text)
}
