//! Whoever writes to the terminal may have to wait: it was stopped with Ctrl-S, or nobody reads the pipe. What netlab has
//! begun must not wait with it, so all that is said is said by a thread of its own, in its order.

use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel};
use std::time::{Duration, Instant};

use crate::apply::stop;

/// How long a listener may take who does not listen, when the user wants netlab to end.
const PATIENCE: Duration = Duration::from_secs(1);

type Word = Box<dyn FnOnce() + Send>;

static VOICE: OnceLock<Option<Sender<Word>>> = OnceLock::new();

fn voice() -> Option<&'static Sender<Word>> {
    let begin = || {
        let (say, hear) = channel::<Word>();
        let speak = move || hear.into_iter().for_each(|word| word());
        std::thread::Builder::new().name("voice".into()).spawn(speak).ok().map(|_| say)
    };
    VOICE.get_or_init(begin).as_ref()
}

/// Says something after all that was to be said before.
pub(super) fn say(word: impl FnOnce() + Send + 'static) {
    match voice() {
        Some(voice) => drop(voice.send(Box::new(word))),
        // No thread to be had: then whoever has something to say waits.
        None => word(),
    }
}

/// Waits until all has been said. Only when there is nothing left to do: nobody may be listening.
pub fn finish() {
    let Some(Some(voice)) = VOICE.get() else { return };
    let (done, said) = sync_channel(1);
    let _ = voice.send(Box::new(move || {
        let _ = done.send(());
    }));
    let mut asked_to_stop: Option<Instant> = None;
    while said.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
        if stop::requested() && asked_to_stop.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return;
        }
    }
}
