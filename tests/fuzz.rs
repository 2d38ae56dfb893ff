//! What holds for any bytes (`fuzz/properties.rs`) holds for the labs and bad labs of this repository, for each of them cut
//! short, and for what `scripts/fuzz` once found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "../fuzz/properties.rs"]
mod properties;

use std::path::Path;

fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn labs_and_bad_labs_whole_and_cut_short() {
    for bad in files("tests/bad", "yaml") {
        properties::lab(&bad);
    }
    for (n, whole) in files("labs", "yaml").into_iter().enumerate() {
        properties::lab(&whole);
        // Another place in each.
        (1..4).for_each(|part| properties::lab(&whole[..whole.len() * part / 4 + n]));
    }
}

#[test]
fn lines_of_labs_are_words_or_are_refused() {
    for text in files("labs", "yaml").into_iter().chain(files("tests/bad", "yaml")) {
        for line in text.split(|b| *b == b'\n') {
            let line = line.trim_ascii().strip_prefix(b"- ").unwrap_or(line.trim_ascii());
            properties::words(line);
            properties::readers(line);
            properties::filter(line.strip_prefix(b"sees: ").unwrap_or(line));
        }
    }
}

/// What `scripts/fuzz` found.
#[test]
fn what_was_found_once() {
    // A word with a blank that is no space lost its quotes; one with a line feed was two lines to iptables-restore.
    properties::words(b"-A x \"3\t\"-A");
    properties::words("-A x \"3\u{a0}4\"".as_bytes());
    for smuggled in ["-A FORWARD -m comment --comment \"x\n-A OUTPUT -j DROP\"", "-A x '\t'", "-A x \"\0\""] {
        properties::words(smuggled.as_bytes());
        assert!(smuggled.parse::<netlab::ip::iptables::Line>().is_err(), "{smuggled:?}");
    }
    // A packet with no header that can be read.
    properties::filter(b"ip 10.0.0.1 > *\n");
    // Chains that go several times to each other: the ways doubled with every step, and following them took for ever.
    properties::readers(
        b"*nat\n[1:2] -A PREROUTING -j C\n[0:0] -A C -j C\n[0:0] -A C -j C\n[0:0] -A C -j C\n[0:0] -A C -g C\n",
    );
}

#[test]
fn a_journal_with_changed_bytes_never_holds_what_was_not_written() {
    for seed in 0..2_000u32 {
        let bytes = seed.wrapping_mul(2_654_435_761).to_le_bytes();
        properties::journal(&bytes);
        properties::journal(&[bytes, bytes.map(|b| b.wrapping_mul(31))].concat());
    }
}

/// Characters that mean something in YAML, and one that is half of another.
const ODD: &[u8] = b"0-:[]{}\"'#&*!|>%@`, \n\t~9\xc3";

/// Labs in which pieces were cut out, doubled, swapped or written over: without an instrumented compiler, a poor relation of
/// `scripts/fuzz` that runs everywhere. The same ones every time; `NETLAB_TORTURE` tries many more.
#[test]
fn labs_with_pieces_out_of_place() {
    let labs = files("labs", "yaml");
    let rounds = if std::env::var_os("NETLAB_TORTURE").is_some() { 20_000 } else { 250 };
    let mut dice = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = move |n: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice >> 11) as usize % n.max(1)
    };
    for _ in 0..rounds {
        let mut text = labs[below(labs.len())].clone();
        for _ in 0..=below(4) {
            let (from, length) = (below(text.len()), below(24));
            let piece = from..(from + length).min(text.len());
            match below(5) {
                0 => drop(text.drain(piece)),
                1 => text.extend_from_within(piece),
                2 => {
                    let other = &labs[below(labs.len())];
                    let at = below(other.len());
                    drop(text.splice(piece, other[at..(at + length).min(other.len())].iter().copied()));
                }
                3 => text[from] = ODD[below(ODD.len())],
                _ => drop(text.splice(from..from, b"99999999999999999999".iter().copied().take(length))),
            }
        }
        properties::lab(&text);
    }
    println!("FIGURE: {rounds} labs with pieces out of place");
}
