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
/// `forwarding` and turns `accept_redirects` round, and with IPv6 what is written for `all` is written for each.
pub fn before(path: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut keep = |path: String| {
        if let Some(value) = read(&path) {
            values.insert(path, value);
        }
    };
    keep(path.to_string());
    let everywhere = match (path, path.strip_prefix("net/ipv6/conf/all/")) {
        ("net/ipv4/ip_forward" | "net/ipv4/conf/all/forwarding", _) => Some(("net/ipv4/conf", "forwarding")),
        (_, Some(name)) => Some(("net/ipv6/conf", name)),
        _ => None,
    };
    if let Some((folder, name)) = everywhere {
        let entries = std::fs::read_dir(file(folder)).into_iter().flatten().flatten();
        for entry in entries.filter_map(|e| e.file_name().into_string().ok()) {
            keep(format!("{folder}/{entry}/{name}"));
        }
        keep("net/ipv4/conf/all/accept_redirects".into());
    }
    values
}

/// Puts values back: the setting itself first, because it carries others with it.
pub fn restore(path: &str, set: &str, before: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let first = before.get_key_value(path);
    let was = first.map(|(_, value)| value.as_str());
    // It was right already, and nobody has touched it.
    if was == Some(set) {
        return Ok(());
    }
    // Somebody has changed it since: it is theirs now. Where it is as it was, whoever put it back (a `down` that was
    // killed right after it) has carried the others with it.
    if read(path).is_some_and(|now| now != set && Some(now.as_str()) != was) {
        return Ok(());
    }
    for (path, value) in first.into_iter().chain(before.iter().filter(|(p, _)| *p != path)) {
        if read(path).is_some_and(|now| now != *value) {
            write(path, value)?;
        }
    }
    Ok(())
}
