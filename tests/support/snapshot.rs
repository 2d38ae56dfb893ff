//! A picture of a machine: everything that netlab could leave on it, line by line.
//!
//! Taken by a thread inside the machine's namespaces, with programs that only look: `iptables-save` and `nft list` make
//! no tables, `iptables -L` would.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::host::ETC;

/// Sections, each a set of lines in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<&'static str, Vec<String>>);

impl Snapshot {
    /// Looks around on the machine that the calling thread is on. `mounts` is its mountinfo, which only a process that
    /// lives there can read.
    pub fn take(mounts: &str) -> Snapshot {
        let both = |what: &str| {
            let mut lines = ip(&["-4"], what);
            lines.extend(ip(&["-6"], what));
            lines
        };
        let mut neighbors = both("neigh show nud all");
        // The kernel notes whom `lo` has spoken to (itself).
        neighbors.retain(|line| !line.contains(" dev lo "));
        let mut firewall = printed("nft", &["list", "ruleset"]);
        firewall.extend(printed("iptables-save", &[]));
        firewall.extend(printed("ip6tables-save", &[]));
        Snapshot(BTreeMap::from([
            ("links", ip(&["-d"], "link show")),
            ("addresses", ip(&[], "addr show")),
            ("routes", both("route show table all")),
            ("rules", both("rule show")),
            ("neighbours", neighbors),
            ("firewall", firewall.iter().filter(|l| !l.starts_with('#')).map(|l| without_counters(l)).collect()),
            ("settings", settings()),
            ("mounts", mounts.lines().map(mount).collect()),
            ("processes", processes()),
            ("files", ["/run", "/etc/netns", ETC].iter().flat_map(|folder| files(Path::new(folder))).collect()),
        ]))
    }

    /// What the other one has less (`-`) and more (`+`); empty when they are equal.
    pub fn difference(&self, other: &Snapshot) -> String {
        let mut text = String::new();
        for (section, before) in &self.0 {
            let after = &other.0[section];
            if before == after {
                continue;
            }
            let _ = writeln!(text, "  {section}");
            let (old, new): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), after.iter().collect());
            for line in before.iter().filter(|l| !new.contains(l)) {
                let _ = writeln!(text, "    - {line}");
            }
            for line in after.iter().filter(|l| !old.contains(l)) {
                let _ = writeln!(text, "    + {line}");
            }
            if old == new {
                let _ = writeln!(text, "    the same lines in another order or number");
            }
        }
        text
    }

    /// The lines of a section.
    pub fn lines(&self, section: &str) -> &[String] {
        &self.0[section]
    }
}

fn ip(options: &[&str], what: &str) -> Vec<String> {
    let words: Vec<&str> = options.iter().copied().chain(what.split(' ')).collect();
    printed("ip", &words)
}

/// The lines that a program prints; none when it is not installed.
fn printed(program: &str, words: &[&str]) -> Vec<String> {
    let output = Command::new(program)
        .args(words)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map(|o| o.stdout)
        .unwrap_or_default();
    String::from_utf8_lossy(&output).lines().map(|l| l.trim_end().to_string()).collect()
}

/// `counter packets 12 bytes 720` and `:INPUT ACCEPT [12:720]` count what went by.
fn without_counters(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let counted = |n: usize| n > 0 && matches!(words[n - 1], "packets" | "bytes");
    let kept = words.iter().enumerate().map(|(n, word)| {
        let counters = counted(n) || (word.starts_with('[') && word.ends_with(']'));
        if counters { "…" } else { word }
    });
    kept.collect::<Vec<_>>().join(" ")
}

/// Every kernel setting of the network that can be read, without those that only count.
fn settings() -> Vec<String> {
    let mut lines = Vec::new();
    walk(Path::new("/proc/sys/net"), &mut |path| {
        if path.ends_with("nf_conntrack_count") {
            return;
        }
        if let Ok(value) = fs::read_to_string(path) {
            lines.push(format!("{} = {}", path.display(), value.trim_end()));
        }
    });
    lines
}

/// A line of mountinfo without its numbers: `36 35 98:0 /root /mnt options shared:1 - ext3 /dev/sda errors=continue`.
fn mount(line: &str) -> String {
    let (place, what) = line.split_once(" - ").unwrap_or((line, ""));
    let words: Vec<&str> = place.split(' ').collect();
    format!("{} {what}", words[3..6].join(" "))
}

/// The command line of every process.
fn processes() -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        if entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            lines.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    lines.sort();
    lines
}

/// Every file below a folder, with what tells whether somebody has touched it.
fn files(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    walk(folder, &mut |path| {
        // The lock of iptables-legacy, which iptables itself leaves.
        if path == Path::new("/run/xtables.lock") {
            return;
        }
        let Ok(meta) = path.symlink_metadata() else { return };
        let content = if meta.is_file() && meta.len() < 4096 { fs::read(path).unwrap_or_default() } else { Vec::new() };
        let content = String::from_utf8_lossy(&content).into_owned();
        lines.push(format!("{:o} {} {} {content:?}", meta.mode(), meta.len() * u64::from(meta.is_file()), path.display()));
    });
    lines
}

/// Calls `each` with everything below a folder, and the folder itself; not with what is not there.
fn walk(path: &Path, each: &mut dyn FnMut(&Path)) {
    let Ok(meta) = path.symlink_metadata() else { return };
    each(path);
    if !meta.is_dir() {
        return;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|e| e.path()).collect();
    paths.sort();
    paths.iter().for_each(|p| walk(p, each));
}
