//! What interrupted runs left: labs that are neither up nor anybody's work in progress.
//!
//! `down LAB` would take each of them; this finds them. A lab that is up is never among them, and whether it is is asked
//! again under its lock.

use serde::Serialize;

use super::{Event, down, ground, journal, lock};
use crate::error::Result;

/// Why something is a leftover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Its `up`, `down` or `repair` was ended in the middle.
    Interrupted,
    /// It was up before this machine was restarted.
    Restarted,
    /// `up` was ended before it had written down what it was going to do.
    NeverBegun,
}

impl Why {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Why::Interrupted => "interrupted in the middle",
            Why::Restarted => "from before this machine was restarted",
            Why::NeverBegun => "ended before it had begun",
        }
    }
}

/// A leftover.
#[derive(Debug, Clone, Serialize)]
pub struct Leftover {
    /// The lab.
    pub lab: String,
    /// Why it is one.
    pub why: Why,
}

/// The labs that an interrupted run left. Those that a netlab is at right now are not among them.
pub fn find() -> Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for lab in ground::labs() {
        if !lock::busy(&lab)
            && let Some(why) = why(&lab)?
        {
            found.push(Leftover { lab, why });
        }
    }
    Ok(found)
}

fn why(lab: &str) -> Result<Option<Why>> {
    Ok(match journal::read(&ground::lab_folder(lab))? {
        None => Some(Why::NeverBegun),
        Some(entry) if entry.is_stale() => Some(Why::Restarted),
        Some(entry) if !entry.is_running() => Some(Why::Interrupted),
        Some(_) => None,
    })
}

/// Takes a leftover away; false when it is none any more: somebody was faster, or brought the lab up.
pub fn collect(lab: &str, say: &mut dyn FnMut(Event<'_>)) -> Result<bool> {
    let Some(lock) = lock::take(lab, false, |text| say(Event::Note(text)))? else {
        return Ok(false);
    };
    if why(lab)?.is_none() {
        return Ok(false);
    }
    down::down_locked(lab, &lock)?;
    ground::clear(lab)?;
    Ok(true)
}
