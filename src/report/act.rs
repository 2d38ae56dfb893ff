//! Actions, and what came of one.

use super::escape::printable;
use super::text::table;
use crate::apply::act::{Acted, State};

/// The actions of a lab, and which are done.
pub fn list(lab: &str, actions: &[State]) -> String {
    if actions.is_empty() {
        return format!("{lab} has no actions\n");
    }
    let state = |a: &State| match (a.interrupted, a.done) {
        (true, _) => "interrupted",
        (_, true) => "done",
        (_, false) => "",
    };
    let row = |a: &State| vec![a.action.clone(), state(a).to_string(), a.after.join(", "), a.title.clone()];
    let mut out = table(&["ACTION", "STATE", "AFTER", "WHAT IT DOES"], actions.iter().map(row).collect());
    out.push_str(&format!(
        "\nnetlab act {lab} ACTION does one, with --undo takes it back; netlab plan {lab} --action ACTION shows how\n"
    ));
    out
}

/// What an action came to.
pub fn acted(acted: &Acted) -> String {
    let Acted { lab, action, title, .. } = acted;
    let did = if acted.undone { format!("{action} is taken back") } else { format!("{action} is done") };
    let what = if title.is_empty() || acted.undone { String::new() } else { format!(": {}", printable(title)) };
    let mut out = format!("{lab}: {did}{what} ({} ms)\n", acted.took.as_millis());
    for line in &acted.left {
        out.push_str(&format!("  {}\n", printable(line)));
    }
    if !acted.left.is_empty() {
        out.push_str(&format!("`netlab repair {lab}` puts back what differs from the plan.\n"));
    }
    if acted.checks > 0 {
        let n = acted.checks;
        out.push_str(&format!(
            "next: netlab check {lab} ({n} {} about it)\n",
            if n == 1 { "check is" } else { "checks are" }
        ));
    }
    out
}
