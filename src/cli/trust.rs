//! `netlab trust`, and the question that `up`, `check` and `test` ask.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Exit, Globals};
use crate::apply::running::{self, Found};
use crate::apply::{preflight, trust};
use crate::error::{Error, Result};
use crate::report;
use crate::topology::Topology;

/// How many commands are listed.
const LISTED: usize = 40;

/// Agree to the commands of lab files, so that `up` need not ask
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A lab file, or a folder whose labs are your own; without one, what was agreed to so far
    #[arg(value_name = "LAB|FOLDER")]
    what: Option<PathBuf>,
    #[command(flatten)]
    parameters: super::set::Set,
    /// Take the consent back
    #[arg(long, requires = "what")]
    forget: bool,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    let Some(what) = &args.what else {
        let agreed = trust::agreed()?;
        let lines: Vec<String> = agreed.iter().map(|a| report::printable(&a.words())).collect();
        if globals.json {
            report::json(&agreed);
        } else if lines.is_empty() {
            report::answer("nothing was agreed to: labs with commands of their own are asked about\n");
        } else {
            report::answer(&(lines.join("\n") + "\n"));
        }
        return Ok(0);
    };
    preflight::rights()?;
    let said = if what.is_dir() { folder(what, args.forget)? } else { lab(what, args)? };
    if globals.json {
        report::json(&json!({ "done": said }))
    } else {
        report::answer(&report::printable(&said))
    }
    Ok(0)
}

fn folder(folder: &Path, forget: bool) -> Result<String> {
    if forget {
        return Ok(forgotten(trust::forget(None, Some(folder))?));
    }
    let full = trust::agree_folder(folder)?;
    Ok(format!("every lab below {} may run its commands\n", full.display()))
}

fn lab(named: &Path, args: &Args) -> Result<String> {
    let (_, topology, _) = running::load_with(&named.to_string_lossy(), &args.parameters.set)?;
    if args.forget {
        return Ok(forgotten(trust::forget(Some(&topology), None)?));
    }
    let wishes = trust::wishes(&topology);
    if wishes.is_empty() {
        return Ok(format!("{} runs nothing but netlab's own programs; it needs no consent\n", topology.name));
    }
    trust::agree(&topology)?;
    let mut said = format!("{} may run, until its file says otherwise:\n", topology.name);
    wishes.iter().for_each(|wish| said.push_str(&format!("  {}\n", words(wish))));
    Ok(said)
}

fn forgotten(n: usize) -> String {
    if n == 0 { "there was nothing to forget\n".into() } else { "forgotten\n".into() }
}

fn words(wish: &trust::Wish) -> String {
    format!("{}: {}: {} ({})", wish.node, wish.what, wish.words, wish.at)
}

/// Goes on only if somebody has agreed to what a lab runs: before, with `--trust`, or now at the terminal.
pub(super) fn consent(found: &Found, topology: &Topology, given: bool, globals: &Globals) -> Result<()> {
    let wishes = trust::missing(found, topology)?;
    if wishes.is_empty() {
        return Ok(());
    }
    if given {
        // It was said for this time in any case.
        if let Err(error) = trust::agree(topology) {
            report::talk(&format!("the consent is not remembered: {}", report::printable(&error.to_string())));
        }
        return Ok(());
    }
    let n = wishes.len();
    let what = "wants to run programs as root, and nobody has agreed to that";
    let mut error = Error::usage(format!("{} {what}", topology.source.name));
    for wish in wishes.iter().take(LISTED) {
        error = error.note(words(wish));
    }
    if n > LISTED {
        error = error.note(format!("… and {} more", n - LISTED));
    }
    if !globals.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return ask(&error, topology);
    }
    Err(error
        .note("nothing was changed")
        .help("read them, and if you want them, add `--trust`: it is remembered until they change")
        .help("`netlab trust FOLDER` for the labs that you write yourself"))
}

fn ask(error: &Error, topology: &Topology) -> Result<()> {
    let detail = error.detail();
    report::talk(&format!("{}:", report::printable(&detail.what)));
    detail.notes.iter().for_each(|note| report::talk(&format!("  {}", report::printable(note))));
    report::ask("Run them? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_err() || !matches!(answer.trim(), "y" | "Y" | "yes") {
        return Err(Error::usage("not agreed to").note("nothing was changed"));
    }
    trust::agree(topology)
}
