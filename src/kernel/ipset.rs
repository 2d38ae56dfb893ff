//! Sets of addresses, by the `ipset` program: a node's sets in one `ipset restore`.

use std::collections::BTreeMap;

use super::{Refusal, program};
use crate::ip::ipset::{IpSet, parse_save};
use crate::state::SetState;
use crate::topology::SetEdit;

/// Makes sets and fills them in the calling thread's namespace. What is there already stays.
pub fn load(sets: &[IpSet]) -> Result<(), Refusal> {
    let text: String = sets.iter().map(IpSet::restore).collect();
    run(&["restore"], &text).map(|_| ()).map_err(|refusal| match failed_line(&refusal.words) {
        Some(n) => match text.lines().nth(n.saturating_sub(1)) {
            Some(line) => refusal.about(format!("`ipset {}`", line.trim_end_matches(" -exist"))),
            None => refusal,
        },
        None => refusal,
    })
}

/// Changes members of a set in the calling thread's namespace; what is so already stays so.
pub fn edit(edit: &SetEdit) -> Result<(), Refusal> {
    let line = |verb: &str, member: &String| format!("{verb} {} {member} -exist\n", edit.set);
    let del = edit.del.iter().map(|member| line("del", member));
    let text: String = del.chain(edit.add.iter().map(|member| line("add", member))).collect();
    run(&["restore"], &text).map(|_| ())
}

/// `Error in line 2: …`.
fn failed_line(said: &str) -> Option<usize> {
    let digits = said.split_once("in line ")?.1;
    digits.split(':').next()?.parse().ok()
}

/// The sets of the calling thread's namespace, by name.
pub fn shown() -> Result<BTreeMap<String, SetState>, Refusal> {
    let sets = parse_save(&run(&["save"], "")?);
    Ok(sets.into_iter().map(|(name, kind, members)| (name, SetState { kind, members })).collect())
}

/// Takes an entry out of a set of the calling thread's namespace.
pub fn delete(set: &str, member: &str) -> Result<(), Refusal> {
    run(&["del", set, member, "-exist"], "").map(|_| ())
}

/// Destroys a set of the calling thread's namespace; absent is success.
pub fn destroy(set: &str) -> Result<(), Refusal> {
    match run(&["destroy", set], "") {
        Err(refusal) if refusal.words.contains("does not exist") => Ok(()),
        other => other.map(|_| ()),
    }
}

fn run(words: &[&str], input: &str) -> Result<String, Refusal> {
    let output = program::run(program::of("ipset", words), input)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(|l| l.split_once(": ").filter(|(v, _)| v.starts_with("ipset v")).map_or(l, |(_, s)| s));
    Err(Refusal::new(said.collect::<Vec<_>>().join(" ").trim()))
}
