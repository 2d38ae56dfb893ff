//! Labs whose kinds of links the running kernel may lack, on a full kernel: User Mode Linux (`scripts/uml`).
//!
//! One boot for all labs. Each comes up, is checked, goes down without a trace, and is built once more by its printed
//! script to the same state; `tests/uml/labs.sh` says how.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests start programs")]

use std::path::Path;
use std::process::Command;

#[test]
fn every_lab_works_on_a_full_kernel() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    let installed = Path::new("/usr/bin/linux.uml").exists();
    if !is_root || !installed {
        let why = if installed { "needs root" } else { "needs linux.uml (apt install user-mode-linux)" };
        assert!(std::env::var("NETLAB_REQUIRE").as_deref() != Ok("all"), "{why}");
        eprintln!("SKIP: every_lab_works_on_a_full_kernel: {why}");
        return;
    }
    let labs: Vec<&str> = netlab::labs::ALL.iter().map(|l| l.name).collect();
    let output = Command::new(root.join("scripts/uml"))
        .arg(root.join("tests/uml/labs.sh"))
        .arg(env!("CARGO_BIN_EXE_netlab"))
        .args(&labs)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for lab in &labs {
        assert!(text.lines().any(|l| l.starts_with(&format!("{lab} ok"))), "{lab}:\n{text}");
    }
}
