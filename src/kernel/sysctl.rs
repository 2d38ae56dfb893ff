//! Kernel settings below /proc/sys/net: the view is that of the reading thread's namespace.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Refusal;

fn file(path: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(path)
}

/// The value, in the form of the lab file: one blank (a tab) between numbers.
pub fn read(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(file(path)).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join("\t"))
}

/// Sets a value.
pub fn write(path: &str, value: &str) -> Result<(), Refusal> {
    match std::fs::write(file(path), value) {
        Ok(()) => Ok(()),
        // A kernel without IPv6 has nothing to switch off.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && path.starts_with("net/ipv6/") => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Refusal::errno(libc::ENOENT, Some(format!("there is no /proc/sys/{path} in this namespace"))))
        }
        Err(e) => Err(e.into()),
    }
}

/// The value and everything that the kernel changes along with it: writing ip_forward sets every interface's
/// `forwarding` and turns `accept_redirects` round.
pub fn before(path: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut keep = |path: String| {
        if let Some(value) = read(&path) {
            values.insert(path, value);
        }
    };
    keep(path.to_string());
    let everywhere = match path {
        "net/ipv4/ip_forward" | "net/ipv4/conf/all/forwarding" => Some("net/ipv4/conf"),
        "net/ipv6/conf/all/forwarding" => Some("net/ipv6/conf"),
        _ => None,
    };
    if let Some(folder) = everywhere {
        let entries = std::fs::read_dir(file(folder)).into_iter().flatten().flatten();
        for entry in entries.filter_map(|e| e.file_name().into_string().ok()) {
            keep(format!("{folder}/{entry}/forwarding"));
        }
        keep("net/ipv4/conf/all/accept_redirects".into());
    }
    values
}

/// Puts values back: the setting itself first, because it carries others with it.
pub fn restore(path: &str, set: &str, before: &BTreeMap<String, String>) -> Result<(), Refusal> {
    // Somebody has changed it since: it is theirs now.
    if read(path).is_some_and(|now| now != set) {
        return Ok(());
    }
    let first = before.get_key_value(path);
    for (path, value) in first.into_iter().chain(before.iter().filter(|(p, _)| *p != path)) {
        if read(path).is_some_and(|now| now != *value) {
            write(path, value)?;
        }
    }
    Ok(())
}
