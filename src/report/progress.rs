//! Progress on a terminal, for labs that take long enough for anyone to wonder.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::escape::printable;
use super::voice;
use crate::apply::Event;

/// Labs that are faster than this show nothing on the way.
const QUIET: Duration = Duration::from_millis(250);

/// Shows events as they come. Without a terminal only notes are printed: a log needs no bar.
pub struct Progress {
    begun: Instant,
    bar: Option<ProgressBar>,
    shows: bool,
}

impl Progress {
    /// Starts the clock.
    pub fn new(silent: bool) -> Progress {
        Progress { begun: Instant::now(), bar: None, shows: !silent && std::io::stderr().is_terminal() }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Note(text) => {
                let text = printable(text);
                match self.bar.clone() {
                    Some(bar) => voice::say(move || bar.println(text)),
                    None => super::talk(&text),
                }
            }
            Event::Step { n, of, op } if self.shows => {
                if self.bar.is_none() && self.begun.elapsed() > QUIET {
                    self.bar = Some(bar(*of));
                }
                if let Some(bar) = self.bar.clone() {
                    let (n, title) = (*n as u64, op.phase().title());
                    voice::say(move || {
                        bar.set_position(n);
                        bar.set_message(title);
                    });
                }
            }
            Event::Step { .. } => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            voice::say(move || bar.finish_and_clear());
        }
    }
}

fn bar(of: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(of as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}
