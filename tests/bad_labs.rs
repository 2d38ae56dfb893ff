//! Lab files as people get them wrong, and the screen that they see.
//!
//! Every `tests/bad/X.yaml` is checked with `netlab validate`; what it prints and its exit code must be `tests/bad/X.txt`.
//! A new case is a new file and `SNAPSHOTS=overwrite cargo test --test bad_labs`: then read the screen as somebody who
//! is tired would. The names of the files begin with the row of the catalogue that they stand for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use snapbox::{Assert, Data, assert::DEFAULT_ACTION_ENV};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

/// `netlab validate FILE`, in a folder, as it looks without colours.
fn validate(folder: &Path, file: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netlab"));
    command.args(["validate", file]).current_dir(folder).env("NO_COLOR", "1").env("COLUMNS", "120");
    command.env_remove("CLICOLOR_FORCE").output().unwrap()
}

fn screen(file: &str, output: &Output) -> String {
    let mut text = format!("$ netlab validate {file}\n");
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    writeln!(text, "exit {}", output.status.code().unwrap_or(-1)).unwrap();
    text
}

fn cases() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".yaml")?.to_string()))
        .collect();
    names.sort();
    names
}

#[test]
fn every_bad_lab_shows_its_screen() {
    let mut wrong = String::new();
    for name in cases() {
        let file = format!("{name}.yaml");
        let output = validate(&folder(), &file);
        let expected = Data::read_from(&folder().join(format!("{name}.txt")), None).raw();
        let assert = Assert::new().action_env(DEFAULT_ACTION_ENV).normalize_paths(false);
        if let Err(error) = assert.try_eq(Some(&name), screen(&file, &output).into(), expected) {
            writeln!(wrong, "{error}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A screen without its case is a slip of ours.
#[test]
fn every_screen_has_its_case() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let is_screen = path.extension().is_some_and(|e| e == "txt");
        assert!(!is_screen || path.with_extension("yaml").exists(), "{} has no case", path.display());
    }
}

/// Labs that call themselves `good` pass, if with warnings; all others are refused.
#[test]
fn good_labs_pass_and_bad_ones_do_not() {
    for name in cases() {
        let file = format!("{name}.yaml");
        let text = String::from_utf8_lossy(&std::fs::read(folder().join(&file)).unwrap()).to_string();
        let good = text.lines().any(|line| line == "name: good");
        let output = validate(&folder(), &file);
        assert_eq!(output.status.code(), Some(if good { 0 } else { 2 }), "{name}");
    }
}

/// Each mistake is one message with its place, something to do, and no riddle of the YAML reader.
#[test]
fn messages_have_a_place_and_something_to_do() {
    let mut wrong = String::new();
    for name in cases() {
        let output = validate(&folder(), &format!("{name}.yaml"));
        let text = String::from_utf8_lossy(&output.stderr).to_string();
        assert!(!text.contains("panicked"), "{name}: {text}");
        for block in text.split("\n\n").filter(|b| b.starts_with("error: ") || b.starts_with("warning: ")) {
            let first = block.lines().next().unwrap_or_default();
            let summary = first.contains(" mistake");
            if !summary && !block.contains("--> ") && !first.contains("is empty") {
                writeln!(wrong, "{name}: no place: {first}").unwrap();
            }
            if !summary && !block.contains("help: ") {
                writeln!(wrong, "{name}: nothing to do: {first}").unwrap();
            }
            if first.contains("not YAML: ") {
                writeln!(wrong, "{name}: a riddle: {first}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn ten_mistakes_are_ten_messages() {
    let output = validate(&folder(), "ten-mistakes.yaml");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text.matches("--> ten-mistakes.yaml:").count(), 10, "{text}");
    assert!(text.contains("error: 10 mistakes in ten-mistakes.yaml"), "{text}");
}

/// A folder that is gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bad-labs-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The same, with no more memory to be had than this many megabytes.
fn validate_within(megabytes: u32, folder: &Path, file: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {}; exec \"$0\" validate \"$1\"", megabytes * 1024)]);
    command.args([env!("CARGO_BIN_EXE_netlab"), file]).current_dir(folder).env("NO_COLOR", "1").output().unwrap()
}

/// More than this no lab file takes to be refused; most of it is the file's own text, many times over.
const MEGABYTES: u32 = 512;

/// The file is refused with exit code 2 and these words, soon, and within little memory.
fn refused(name: &str, content: &[u8], words: &str) {
    let scratch = Scratch::new(name);
    std::fs::write(scratch.0.join("lab.yaml"), content).unwrap();
    let begun = Instant::now();
    let output = validate_within(MEGABYTES, &scratch.0, "lab.yaml");
    let took = begun.elapsed();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{name}: {text}");
    assert!(text.contains(words), "{name}: {text}");
    assert!(text.len() < 20_000, "{name}: {} bytes of messages", text.len());
    // A debug build is some ten times slower than what people run, and shares its processors with other tests.
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 40 } else { 1 });
    assert!(took < limit, "{name}: took {took:?}");
}

fn repeated(head: &str, count: usize, entry: impl Fn(usize) -> String) -> Vec<u8> {
    let mut text = head.to_string();
    (0..count).for_each(|i| text.push_str(&entry(i)));
    text.into_bytes()
}

#[test]
fn a_million_nodes_are_refused() {
    let million = repeated("name: big\nnodes:\n", 400_000, |i| format!("  n{i:x}:\n"));
    refused("million-nodes", &million, "expands to more than 250000 elements");
    let many = repeated("name: big\nnodes:\n", 10_001, |i| format!("  n{i}:\n"));
    refused("many-nodes", &many, "10001 nodes; the limit is 10000");
}

#[test]
fn a_million_of_anything_else_is_refused() {
    let items = repeated("name: big\nnodes: {red: {}}\nlinks:\n", 500_000, |_| "- {}\n".into());
    refused("million-links", &items, "expands to more than 250000 elements");
    let twice = repeated("name: big\nnodes:\n  red:\n  red:\n", 9_000, |i| format!("  n{i}:\n"));
    refused("many-keys-and-one-twice", &twice, "`red` is defined twice");
    let links =
        repeated("name: big\nnodes: {red: {}}\nlinks:\n", 20_000, |i| format!("- endpoints: [rde:e{i}, bleu:e{i}]\n"));
    refused("many-bad-links", &links, "and 39980 more");
}

#[test]
fn bombs_are_refused() {
    let mut laughs = String::from("name: bomb\nx-a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n");
    for i in 1..12 {
        let again = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(laughs, "x-a{i}: &a{i} [{again}]").unwrap();
    }
    laughs.push_str("nodes: {red: {}}\n");
    refused("laughs", laughs.as_bytes(), "expands to more than 250000 elements");
    refused("deep-lists", format!("name: {}", "[".repeat(100_000)).as_bytes(), "nested too deeply");
    refused(
        "deep-maps",
        format!("name: {}1{}", "{a: ".repeat(5_000), "}".repeat(5_000)).as_bytes(),
        "nested too deeply",
    );
    let deep = repeated("", 2_000, |i| format!("{}a:\n", " ".repeat(i)));
    refused("deep-blocks", &deep, "nested too deeply");
}

#[test]
fn a_long_line_is_not_printed_whole() {
    let long = format!("name: {}\nnodes: {{red: {{}}}}\n", "x".repeat(3_000_000));
    refused("long-name", long.as_bytes(), "at most 32 are allowed");
}

#[test]
fn what_is_not_text_is_refused() {
    refused("latin1", b"name: caf\xe9\nnodes: {red: {}}\n", "is not UTF-8 text (byte 9)");
    refused("utf16", b"\xff\xfen\0a\0m\0e\0", "is UTF-16 text");
    refused("utf16-big", b"\xfe\xff\0n\0a\0m\0e", "is UTF-16 text");
    refused("binary", b"\x7fELF\x02\x01\x01\0\0\0\0\0", "control character U+007F");
    refused("too-large", &vec![b'#'; (4 << 20) + 1], "lab file has 4194305 bytes; at most 4194304 are read");
}

#[test]
fn what_is_not_a_file_is_refused() {
    let scratch = Scratch::new("not-a-file");
    std::fs::create_dir(scratch.0.join("folder.yaml")).unwrap();
    let fifo = Command::new("mkfifo").arg(scratch.0.join("fifo.yaml")).status().unwrap();
    assert!(fifo.success());
    let _socket = std::os::unix::net::UnixListener::bind(scratch.0.join("socket.yaml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", scratch.0.join("device.yaml")).unwrap();
    std::os::unix::fs::symlink("circle.yaml", scratch.0.join("circle.yaml")).unwrap();
    for (file, words) in [
        ("folder.yaml", "folder.yaml is a folder"),
        ("socket.yaml", "socket.yaml is not an ordinary file"),
        ("device.yaml", "device.yaml is not an ordinary file"),
        ("circle.yaml", "Too many levels of symbolic links"),
        ("fifo.yaml", "fifo.yaml is not an ordinary file"),
        ("/dev/zero", "/dev/zero is not an ordinary file"),
        ("gone.yaml", "cannot read gone.yaml"),
    ] {
        let output = validate(&scratch.0, file);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{file}: {text}");
        assert!(text.contains(words), "{file}: {text}");
    }
}

/// A million of anything that is made by counting.
#[test]
fn what_counts_to_a_million_is_refused() {
    let generate = |each: &str| {
        let nodes = "nodes: {\"n{i}\": {interfaces: {lo: {addresses: [10.0.0.1/32]}}}}";
        format!("name: big\ngenerate:\n  - each: {each}\n    {nodes}\n")
    };
    refused("generate", generate("{i: 1..1000000}").as_bytes(), "has 1000000 turns; at most 100000 are made");
    refused("generate-nested", generate("{i: 1..50000, j: 1..50000}").as_bytes(), "error: ");
    refused("generate-far", generate("{i: 1..9223372036854775807}").as_bytes(), "at most 100000 are made");
    let long = format!("name: big\nnodes: {{red: {{routes: [{}]}}}}\n", "default via 10.0.0.1, ".repeat(100_000));
    refused("one-long-line", long.as_bytes(), "100000 routes; the limit is 10000");
}

/// Files beside a lab file are ordinary ones below its folder, whatever links say, and not endless.
#[test]
fn files_beside_a_lab_file_do_not_leave_its_folder() {
    let scratch = Scratch::new("beside");
    let folder = scratch.0.join("lab");
    std::fs::create_dir_all(folder.join("files")).unwrap();
    std::fs::write(scratch.0.join("outside"), "secret words").unwrap();
    std::os::unix::fs::symlink("../outside", folder.join("link")).unwrap();
    std::os::unix::fs::symlink("..", folder.join("up")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("zero")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("nowhere")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap().success());
    std::fs::write(folder.join("huge"), vec![b'x'; (1 << 20) + 1]).unwrap();
    std::fs::write(folder.join("bytes"), b"\xff\xfe").unwrap();
    std::fs::write(folder.join("good"), "words").unwrap();
    let cases = [
        ("../outside", "not a path below"),
        ("/etc/shadow", "not a path below"),
        ("files/../../outside", "not a path below"),
        ("link", "leads out of"),
        ("up/outside", "leads out of"),
        ("zero", "leads out of"),
        ("nowhere", "Too many levels of symbolic links"),
        ("pipe", "not an ordinary file"),
        ("files", "not an ordinary file"),
        ("huge", "at most 1048576 are read"),
        ("bytes", "not UTF-8"),
        ("''", "does not say what it holds"),
    ];
    for (path, words) in cases {
        let lab = format!("name: x\nnodes:\n  red:\n    files: {{/etc/x: {{from: {path}}}, /etc/y: {{from: good}}}}\n");
        std::fs::write(folder.join("lab.yaml"), lab).unwrap();
        let output = validate_within(MEGABYTES, &folder, "lab.yaml");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{path}: {text}");
        assert!(text.contains(words) && text.contains("help: ") && text.contains("lab.yaml:4:"), "{path}: {text}");
        assert!(!text.contains("secret"), "{path}: {text}");
    }
    // A lab file that is itself a link: the folder is the one that it lies in.
    std::fs::write(folder.join("lab.yaml"), "name: good\nnodes: {red: {files: {/etc/x: {from: good}}}}\n").unwrap();
    std::os::unix::fs::symlink("lab/lab.yaml", scratch.0.join("linked.yaml")).unwrap();
    assert_eq!(validate(&scratch.0, "linked.yaml").status.code(), Some(0));
    // Thousands of files, each of a sane size.
    std::fs::write(folder.join("large"), vec![b'x'; 1 << 20]).unwrap();
    let many: Vec<String> = (0..200).map(|i| format!("/etc/{i}: {{from: {}large}}", "./".repeat(i + 1))).collect();
    std::fs::write(folder.join("lab.yaml"), format!("name: x\nnodes: {{red: {{files: {{{}}}}}}}\n", many.join(", ")))
        .unwrap();
    let output = validate_within(MEGABYTES, &folder, "lab.yaml");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("of all files together"), "{text}");
}

#[test]
fn a_slip_in_the_file_name_is_found() {
    let output = validate(&folder(), "ten-mistake.yaml");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("did you mean `./ten-mistakes.yaml`?"), "{text}");
}
