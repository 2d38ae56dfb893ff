//! `netlab validate`

use serde_json::{Value, json};

use super::{Exit, Globals};
use crate::apply::running;
use crate::error::plural;
use crate::report::{self, diagnostic};
use crate::topology;

/// Look for mistakes in lab files; needs no rights and changes nothing
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Lab files, or names of labs
    #[arg(required = true)]
    files: Vec<String>,
    #[command(flatten)]
    parameters: super::set::Set,
    /// Warnings count as mistakes
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &Args, globals: &Globals) -> Exit {
    let mut bad = false;
    let mut list: Vec<Value> = Vec::new();
    for file in &args.files {
        let loaded = running::find_with(file, &args.parameters.set).and_then(|found| topology::load(found.source));
        match loaded {
            Ok((topology, warnings)) => {
                bad |= args.strict && !warnings.is_empty();
                list.push(
                    json!({ "file": file, "lab": topology.name, "problems": diagnostic::problems_json(&warnings) }),
                );
                if !globals.json {
                    if !warnings.is_empty() {
                        report::talk(diagnostic::problems(&warnings).trim_end());
                    }
                    let (n, c) = (topology.nodes.len(), topology.checks.len());
                    let found = match warnings.sorted().len() {
                        0 => "no mistakes".to_string(),
                        w => format!("{w} {}", plural(w, "warning")),
                    };
                    report::answer(&format!("{file}: {found} ({n} {}, {c} {})", plural(n, "node"), plural(c, "check")));
                }
            }
            Err(error) => {
                bad = true;
                list.push(json!({ "file": file, "error": diagnostic::error_json(&error)["error"] }));
                if !globals.json {
                    report::talk(&diagnostic::error(&error));
                }
            }
        }
    }
    if globals.json {
        report::json(&list);
    }
    Ok(if bad { 2 } else { 0 })
}
