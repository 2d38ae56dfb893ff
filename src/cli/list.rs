//! `netlab list`

use std::path::Path;

use serde::Serialize;

use super::{Exit, Globals};
use crate::apply::running::{self, Running};
use crate::span::Source;
use crate::{error::Problems, labs, report, spec};

/// List the labs: built in, in the current folder, and which are up
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

#[derive(Serialize)]
struct Row {
    lab: String,
    title: String,
    from: String,
    up: bool,
}

pub(super) fn run(_args: &Args, globals: &Globals) -> Exit {
    let up = running::all();
    let mut rows: Vec<Row> = labs::ALL.iter().map(|lab| built_in(lab, &up)).collect();
    for folder in [".", "labs"] {
        rows.extend(files(Path::new(folder)).into_iter().map(|(path, source)| {
            let stem = Path::new(&path).file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_string();
            row(&source, path, &stem, &up)
        }));
    }
    let known: Vec<String> = rows.iter().map(|r| r.lab.clone()).collect();
    for other in up.iter().filter(|r| !known.contains(&r.name)) {
        let source = &other.entry.header.source;
        rows.push(Row { up: true, ..row(source, source.name.clone(), &other.name, &up) });
    }
    if globals.json {
        report::json(&rows);
        return Ok(0);
    }
    let cells = rows.into_iter().map(|r| vec![r.lab, if r.up { "up".into() } else { String::new() }, r.from, r.title]);
    report::answer(&report::text::table(&["LAB", "", "FROM", "TITLE"], cells.collect()));
    Ok(0)
}

fn built_in(lab: &labs::BuiltIn, up: &[Running]) -> Row {
    let up = up.iter().any(|r| r.name == lab.name && r.entry.header.file.is_none());
    Row { lab: lab.name.into(), title: lab.title().into(), from: "built in".into(), up }
}

fn row(source: &Source, from: String, fallback: &str, up: &[Running]) -> Row {
    let mut problems = Problems::new(source.clone());
    let lab = spec::load(source, &mut problems).unwrap_or_default();
    let name = lab.name.map_or_else(|| fallback.to_string(), |n| n.value);
    let title = match problems.errors().count() {
        0 => lab.title.map(|t| t.value).unwrap_or_default(),
        n => format!("({n} {}: netlab validate {from})", crate::error::plural(n, "mistake")),
    };
    // A file of the same name as a lab that is up is that lab only if it came from there.
    let same = |r: &Running| r.name == name && r.entry.header.file.is_some();
    Row { up: up.iter().any(same), lab: name, title, from }
}

/// The lab files of a folder: YAML with `nodes:` in it.
fn files(folder: &Path) -> Vec<(String, Source)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(String, Source)> = entries
        .filter(|e| e.path().extension().is_some_and(|x| x == "yaml" || x == "yml"))
        .filter_map(|e| running::read_file(&e.path()).ok())
        .filter(|f| f.source.text.lines().any(|l| l.starts_with("nodes:")))
        .map(|f| (f.source.name.trim_start_matches("./").to_string(), f.source))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}
