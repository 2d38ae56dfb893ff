//! Labs whose kinds of links the running kernel lacks, on a full kernel: User Mode Linux (`scripts/uml`).
//!
//! One boot for all of them. Each comes up, is checked, goes down without a trace, and is built once more by its printed
//! script to the same state; `tests/uml/labs.sh` says how. The other labs are `tests/kernel.rs`'s.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    dead_code,
    reason = "tests start programs, and this one uses a part of the support"
)]

use std::path::Path;
use std::process::Command;

#[path = "support/mod.rs"]
mod support;

#[test]
fn labs_that_this_kernel_cannot_make_work_on_a_full_one() {
    let Some(host) = support::Host::new() else { return };
    // What netlab can carry itself is to be seen on a kernel that can do it, too.
    let lacking = |lab: &&str| !support::lacking_kinds(lab, &["--kernel-only"]).is_empty();
    let labs: Vec<&str> = netlab::labs::ALL.iter().map(|l| l.name).filter(lacking).collect();
    for lab in &labs {
        // Here such a lab changes nothing and says what to do.
        let before = host.snapshot();
        let refused = host.netlab(["up", lab, "--kernel-only"]);
        assert_eq!(refused.code, Some(3), "{lab}");
        let said =
            ["cannot make links of kind", "this kernel has no"].iter().any(|words| refused.stderr.contains(words));
        assert!(said && refused.stderr.contains("modprobe"), "{lab}: {refused}");
        host.assert_as(&before, *lab);
    }
    if labs.is_empty() {
        return;
    }
    if !Path::new("/usr/bin/linux.uml").exists() {
        support::skip("needs linux.uml (apt install user-mode-linux)");
        return;
    }
    // All these labs take longer than a machine of a test lives.
    drop(host);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("scripts/uml"))
        .arg(root.join("tests/uml/labs.sh"))
        .arg(env!("CARGO_BIN_EXE_netlab"))
        .args(&labs)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|l| l.starts_with("FIGURE")).for_each(|l| println!("{l}"));
    for lab in &labs {
        assert!(text.lines().any(|l| l == format!("{lab} ok")), "{lab}:\n{text}{said}");
    }
}

/// A kernel that was started with `ipv6.disable=1`: what needs no IPv6 works, what does is refused by name.
#[test]
fn on_a_kernel_without_ipv6_labs_that_need_none_work() {
    if support::Host::new().is_none() {
        return;
    }
    if !Path::new("/usr/bin/linux.uml").exists() {
        support::skip("needs linux.uml (apt install user-mode-linux)");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let netlab = env!("CARGO_BIN_EXE_netlab");
    let labs = "for lab in veth-lab bridge-lab nat-lab; do
                    netlab up $lab --check && netlab status && netlab down || exit 1
                done";
    let script = format!(
        "test ! -e /proc/sys/net/ipv6
         netlab() {{ {netlab} \"$@\"; }}
         {labs}
         c=0; netlab up sit-lab || c=$?; echo sit-lab=$c"
    );
    let mut uml = Command::new(root.join("scripts/uml"));
    let output = uml.env("UML_APPEND", "ipv6.disable=1").args(["sh", "-ec", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("sit-lab=3"), "{text}{said}");
    assert!(format!("{text}{said}").contains("IPv6 is disabled"), "{text}{said}");
}

/// The kernel's ipip at one end, netlab's own endpoint at the other: pings both ways, sizes up to the MTU, a web page.
#[test]
fn the_kernel_and_an_endpoint_of_netlab_talk_to_each_other() {
    if support::Host::new().is_none() {
        return;
    }
    if !Path::new("/usr/bin/linux.uml").exists() {
        support::skip("needs linux.uml (apt install user-mode-linux)");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let netlab = env!("CARGO_BIN_EXE_netlab");
    let lab = root.join("tests/uml/interop.yaml");
    let script = format!("{netlab} up {} --check && {netlab} status && {netlab} down && ! pidof netlab", lab.display());
    let output = Command::new(root.join("scripts/uml")).args(["sh", "-ec", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("all 12 checks hold"), "{text}{said}");
    assert!(text.contains("in user space: any of netlab (ipip), named of netlab (ipip)"), "{text}{said}");
}
