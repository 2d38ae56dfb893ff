//! What people type wrong, and the screen that they see. Nothing of it needs rights, and nothing changes.
//!
//! All screens are in `tests/command_line.txt`; `SNAPSHOTS=overwrite cargo test --test command_line` writes it anew: then
//! read it as somebody who is tired would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use snapbox::{Assert, Data, assert::DEFAULT_ACTION_ENV};

/// A folder with what people have in theirs, gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("folder")).unwrap();
        let lab = include_str!("../labs/veth-lab.yaml");
        for file in ["mine.yaml", "notes.txt", "lab"] {
            std::fs::write(path.join(file), lab).unwrap();
        }
        std::os::unix::fs::symlink("loop.yaml", path.join("loop.yaml")).unwrap();
        Scratch(path)
    }

    fn netlab(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netlab"));
        command.args(words).current_dir(&self.0).env("NO_COLOR", "1").env("COLUMNS", "120");
        command.env_remove("CLICOLOR_FORCE").output().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const TYPED: &[&[&str]] = &[
    // a lab that is called otherwise
    &["up", "bridgelab"],
    &["up", "Bridge-Lab"],
    &["up", "bridge"],
    &["up", "lab"],
    &["up", "bgp"],
    &["up", "nothing-like-it"],
    &["up", ""],
    &["up", "../x"],
    &["up", "-rf"],
    // a file that is somewhere else, or something else
    &["validate", "bridge-lab.yaml"],
    &["validate", "labs/bridge-lab.yml"],
    &["validate", "mien.yaml"],
    &["validate", "notes.txt"],
    &["validate", "folder"],
    &["validate", "."],
    &["validate", "./folder"],
    &["validate", "loop.yaml"],
    &["validate", "nowhere/lab.yaml"],
    &["validate", "a.yaml", "mine.yaml", "b.yaml"],
    // another command, or words in another order
    &["bridge-lab", "up"],
    &["mine.yaml"],
    &["upp", "bridge-lab"],
    &["--set", "n=2", "up", "star-lab"],
    &["up", "bridge-lab", "nat-lab"],
    &["up"],
    &["exec", "red"],
    &["exec"],
    &["validate"],
    &["check", "--only"],
    &["check", "--format", "xml"],
    &["completions", "ksh"],
    // parameters
    &["plan", "star-lab", "--set", "n"],
    &["plan", "star-lab", "--set", "m=2"],
    &["plan", "star-lab", "--set", "=2"],
    &["plan", "star-lab", "--set", "n=abc"],
    &["plan", "star-lab", "--set", "n=-1"],
    &["plan", "star-lab", "--set", "n=1000000"],
    &["plan", "veth-lab", "--set", "n=2"],
    // a first lab
    &["init", "../x"],
    &["init", "My Lab"],
    &["init", "mine"],
    // machine-readable
    &["--json", "up", "bridgelab"],
    &["--json", "validate", "mien.yaml"],
    &["--json", "upp"],
    // what would draw on the terminal
    &["up", "a\u{1b}[31mb\u{202e}"],
    &["u\u{1b}[31mp"],
    &["up", "--se\u{9b}31mt"],
];

#[test]
fn what_is_typed_wrong_shows_its_screen() {
    let scratch = Scratch::new("command-line");
    let mut screens = String::new();
    for words in TYPED {
        let shown: Vec<String> =
            words.iter().map(|w| if w.is_empty() { "''".into() } else { w.escape_debug().to_string() }).collect();
        let output = scratch.netlab(words);
        writeln!(screens, "$ netlab {}", shown.join(" ")).unwrap();
        screens.push_str(&String::from_utf8_lossy(&output.stderr));
        screens.push_str(&String::from_utf8_lossy(&output.stdout));
        writeln!(screens, "exit {}\n", output.status.code().unwrap_or(-1)).unwrap();
        assert_ne!(output.status.code(), Some(0), "{words:?}");
    }
    assert!(
        !screens.contains(|c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c)),
        "{screens}"
    );
    let expected = Data::read_from(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command_line.txt"), None).raw();
    let assert = Assert::new().action_env(DEFAULT_ACTION_ENV).normalize_paths(false);
    assert.try_eq(Some(&"screens"), screens.into(), expected).unwrap_or_else(|e| panic!("{e}"));
    let mut there: Vec<_> = std::fs::read_dir(&scratch.0).unwrap().map(|e| e.unwrap().file_name()).collect();
    there.sort();
    assert_eq!(there, ["folder", "lab", "loop.yaml", "mine.yaml", "notes.txt"], "something was written");
}
