//! What netlab makes of its own labs: the printed plan (for a kernel that has everything), the plan as data, the schema, a clean bill from `validate --strict`.
//!
//! `SNAPSHOTS=overwrite cargo test --test golden` writes `tests/golden/LAB.sh` anew; the difference is for review.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use netlab::plan::{Mode, Plan, build, script};
use netlab::span::Source;
use netlab::topology::{self, Topology};
use netlab::{labs, spec};
use snapbox::{Assert, Data, assert::DEFAULT_ACTION_ENV};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `labs/*.yaml`, in the order of their names.
fn lab_files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("labs")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    files
}

fn name(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

fn load(path: &Path) -> Topology {
    let source = Source::new(format!("labs/{}.yaml", name(path)), std::fs::read_to_string(path).unwrap());
    topology::load(source).unwrap_or_else(|error| panic!("{}: {error}", path.display())).0
}

fn netlab(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netlab"));
    let output = command.args(arguments).current_dir(root()).env("NO_COLOR", "1").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn the_printed_plan_of_every_lab() {
    let mut wrong = String::new();
    for path in lab_files() {
        let (code, plan, errors) =
            netlab(&["plan", &format!("labs/{}.yaml", name(&path)), "--format", "shell", "--kernel-only"]);
        assert_eq!(code, 0, "{}: {errors}", name(&path));
        let expected = Data::read_from(&root().join(format!("tests/golden/{}.sh", name(&path))), None).raw();
        let assert = Assert::new().action_env(DEFAULT_ACTION_ENV).normalize_paths(false);
        if let Err(error) = assert.try_eq(Some(&name(&path)), plan.into(), expected) {
            writeln!(wrong, "{error}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_golden_script_has_its_lab() {
    for entry in std::fs::read_dir(root().join("tests/golden")).unwrap() {
        let path = entry.unwrap().path();
        assert!(root().join(format!("labs/{}.yaml", name(&path))).exists(), "{} has no lab", path.display());
    }
}

#[test]
fn a_plan_survives_as_data() {
    for path in lab_files() {
        for mode in [Mode::Isolated, Mode::OnHost] {
            let plan = build(&load(&path), mode);
            let written = serde_json::to_string(&plan).unwrap();
            let read: Plan = serde_json::from_str(&written).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), written, "{}", name(&path));
            assert_eq!(script(&read), script(&plan), "{}", name(&path));
        }
    }
}

#[test]
fn a_plan_as_data_is_what_the_library_builds() {
    for path in lab_files() {
        let (code, written, errors) =
            netlab(&["plan", &format!("labs/{}.yaml", name(&path)), "--format", "json", "--kernel-only"]);
        assert_eq!(code, 0, "{}: {errors}", name(&path));
        let read: Plan = serde_json::from_str(&written).unwrap();
        assert_eq!(script(&read), script(&build(&load(&path), Mode::Isolated)), "{}", name(&path));
    }
}

/// The same file makes the same plan, every time: no random names, no order of a hash.
#[test]
fn a_plan_is_the_same_every_time() {
    for path in lab_files() {
        let once = script(&build(&load(&path), Mode::Isolated));
        assert_eq!(once, script(&build(&load(&path), Mode::Isolated)), "{}", name(&path));
    }
}

#[test]
fn no_lab_of_ours_has_a_mistake_or_a_warning() {
    for path in lab_files() {
        let (code, said, errors) = netlab(&["validate", "--strict", &format!("labs/{}.yaml", name(&path))]);
        assert_eq!(code, 0, "{said}{errors}");
    }
    for lab in labs::ALL {
        let (code, said, errors) = netlab(&["validate", "--strict", lab.name]);
        assert_eq!(code, 0, "{said}{errors}");
    }
}

#[test]
fn the_schema_beside_the_labs_is_the_current_one() {
    let path = root().join("labs/schema.json");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let (code, printed, errors) = netlab(&["schema"]);
    assert_eq!(code, 0, "{errors}");
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    assert!(
        parse(&kept).is_some() && parse(&kept) == parse(&printed),
        "labs/schema.json is not what `netlab schema` prints; write it anew: cargo run -- schema > labs/schema.json"
    );
}

/// The schema refuses unknown keys, as the reader does, and knows every key at the top.
#[test]
fn the_schema_is_as_strict_as_the_reader() {
    let schema = serde_json::to_value(spec::schema()).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    for key in ["name", "title", "nodes", "links", "checks", "netns", "defaults"] {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
    assert!(schema["properties"].get("holes").is_none(), "what netlab keeps for itself is not part of the language");
}
