//! Facts about the machine: what it may, what it has.

use std::path::{Path, PathBuf};

use super::{netns, process};

/// Changes with every start of the machine.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|s| s.trim().to_string()).unwrap_or_default()
}

/// The capabilities that labs need and this process lacks.
pub fn missing_capabilities() -> Vec<&'static str> {
    const NEEDED: &[(&str, u32)] = &[("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13), ("CAP_SYS_ADMIN", 21)];
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|l| l.strip_prefix("CapEff:")).map(str::trim);
    let effective = effective.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
    NEEDED.iter().filter(|(_, bit)| effective & (1 << bit) == 0).map(|(name, _)| *name).collect()
}

/// The signals that this process was started with orders to ignore.
pub fn ignored_signals() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigIgn:")).map(str::trim);
    let mask = mask.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
    (1..=64).filter(|signal| mask & (1 << (signal - 1)) != 0).collect()
}

/// Whether the process has another user's rights than its caller: a setuid netlab would hand root to everybody.
pub fn is_setuid() -> bool {
    nix::unistd::getuid() != nix::unistd::geteuid()
}

/// The kernel's own name for its version, and the first two numbers of it, as programs are told.
pub fn release() -> (String, (u32, u32)) {
    let release = nix::sys::utsname::uname().map(|u| u.release().to_string_lossy().into_owned()).unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|n| n.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (release, version)
}

/// `ip netns` has its names in /var/run/netns, which is our folder only where /var/run is a link.
pub fn var_run_is_run() -> bool {
    std::fs::canonicalize("/var/run").is_ok_and(|path| path == Path::new("/run"))
}

/// Whether what is mounted here on the folder of namespaces' names is not seen by the machine's first process, nor from
/// other terminals: this shell has mounts of its own, and they are not passed on.
pub fn has_mounts_of_its_own() -> bool {
    let mounts = |who: &str| std::fs::read_link(format!("/proc/{who}/ns/mnt")).ok();
    // Mounts are passed on within a group of peers.
    let peers = |who: &str| {
        let info = std::fs::read_to_string(format!("/proc/{who}/mountinfo")).ok()?;
        let holds = |line: &&str| line.split(' ').nth(4).is_some_and(|at| Path::new(netns::FOLDER).starts_with(at));
        // The longest is the innermost; of several at one place, the last.
        let innermost = info.lines().filter(holds).max_by_key(|line| line.split(' ').nth(4).map(str::len))?;
        innermost.split(' ').find(|word| word.starts_with("shared:")).map(str::to_string)
    };
    let (Some(own), Some(first)) = (mounts("self"), mounts("1")) else { return false };
    own != first && (peers("self").is_none() || peers("self") != peers("1"))
}

/// Whether the kernel knows IPv6 at all.
pub fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

/// Whether there is a user of that name.
pub fn has_user(name: &str) -> bool {
    matches!(nix::unistd::User::from_name(name), Ok(Some(_)))
}

/// Where a program stands, in the fixed search path.
pub fn find_program(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let runs = |p: &PathBuf| p.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(runs);
    }
    process::PATH.split(':').map(|folder| PathBuf::from(folder).join(name)).find(runs)
}

/// The Debian package of a program that labs use.
pub fn package(program: &str) -> Option<&'static str> {
    const KNOWN: &[(&str, &str)] = &[
        ("iptables", "iptables"),
        ("iptables-restore", "iptables"),
        ("iptables-save", "iptables"),
        ("ip6tables-restore", "iptables"),
        ("ipset", "ipset"),
        ("nft", "nftables"),
        ("ip", "iproute2"),
        ("bridge", "iproute2"),
        ("ping", "iputils-ping"),
        ("curl", "curl"),
        ("dig", "bind9-dnsutils"),
        ("nginx", "nginx"),
        ("dnsmasq", "dnsmasq-base"),
        ("bird", "bird2"),
        ("birdc", "bird2"),
        ("birdcl", "bird2"),
        ("python3", "python3"),
        ("tcpdump", "tcpdump"),
    ];
    KNOWN.iter().find(|(name, _)| *name == program).map(|(_, package)| *package)
}
