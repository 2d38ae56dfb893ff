//! What holds for any bytes (`fuzz/properties.rs`) holds for the labs and bad labs of this repository, for each of them cut
//! short, and for what `scripts/fuzz` once found.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

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

#[test]
fn a_journal_with_changed_bytes_never_holds_what_was_not_written() {
    for seed in 0..2_000u32 {
        let bytes = seed.wrapping_mul(2_654_435_761).to_le_bytes();
        properties::journal(&bytes);
        properties::journal(&[bytes, bytes.map(|b| b.wrapping_mul(31))].concat());
    }
}
