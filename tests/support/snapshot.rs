//! A picture of a machine: everything that netlab could leave on it, line by line.
//!
//! Taken by a thread inside the machine's namespaces, with programs that only look: `iptables-save` and `nft list` make
//! no tables, `iptables -L` would.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
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
        Snapshot(BTreeMap::from([
            ("links", links(&printed("ip", &["-d", "addr", "show"], ""))),
            (
                "routing",
                [printed("ip", &["-4", "-b", "-"], ROUTING), printed("ip", &["-6", "-b", "-"], ROUTING)].concat(),
            ),
            ("firewall", firewall()),
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

/// What one `ip` prints for both families. Not the neighbours that the kernel learns and forgets by itself.
const ROUTING: &str = "route show table all\nrule show\nneigh show nud permanent\nneigh show proxy\n";

/// The lines that a program prints; none when it is not installed.
fn printed(program: &str, words: &[&str], input: &str) -> Vec<String> {
    let mut command = Command::new(program);
    command.args(words).env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return Vec::new() };
    // A program that does not read has ended by then: it needs no input.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map(|o| o.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().map(|l| l.trim_end().to_string()).collect()
}

/// All rules, tables and chains. `nft` shows what iptables writes, the empty tables too, unless iptables is the old one.
fn firewall() -> Vec<String> {
    let mut lines = printed("nft", &["list", "ruleset"], "");
    let shown_by_nft = ["/usr/sbin/iptables", "/sbin/iptables"]
        .iter()
        .filter_map(|path| fs::canonicalize(path).ok())
        .any(|path| path.to_string_lossy().contains("nft"));
    if !shown_by_nft || !Path::new("/usr/sbin/nft").exists() {
        lines.extend(["iptables-save", "ip6tables-save"].iter().flat_map(|program| printed(program, &[], "")));
    }
    lines.extend(printed("ipset", &["save"], ""));
    lines.iter().filter(|line| !line.starts_with('#')).map(|line| without_counters(line)).collect()
}

/// Lines about links without what moves by itself: a bridge's `gc_timer  299.86`, and `state UNKNOWN`, which becomes
/// `state UP` a while after the link is up. Whether it is up stands in `<…>`.
fn links(lines: &[String]) -> Vec<String> {
    let moves = |word: &str| word.ends_with("_timer") || word == "state";
    let still = |line: &String| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        for n in 1..words.len() {
            if moves(words[n - 1]) {
                words[n] = "…";
            }
        }
        words.join(" ")
    };
    lines.iter().map(still).collect()
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

/// The command line of every process. One that has been ended gives its memory back first, and has none from then on.
fn processes() -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        if entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if !command.is_empty() {
                lines.push(String::from_utf8_lossy(&command).replace('\0', " "));
            }
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
        lines.push(format!(
            "{:o} {} {} {content:?}",
            meta.mode(),
            meta.len() * u64::from(meta.is_file()),
            path.display()
        ));
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
