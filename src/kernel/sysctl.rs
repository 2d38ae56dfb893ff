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

/// What the kernel turns to the opposite of IPv4 forwarding.
const ACCEPT_REDIRECTS: &str = "net/ipv4/conf/all/accept_redirects";

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
        if folder == "net/ipv4/conf" {
            keep(ACCEPT_REDIRECTS.into());
        }
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
    let now = read(path);
    // Somebody has changed it since: it is theirs now.
    if now.as_deref().is_some_and(|now| now != set && Some(now) != was) {
        return Ok(());
    }
    // It is as it was: whoever put it back (a `down` that was killed right after it, or a learner) has carried the others
    // with it, and what is not as it was carried then is somebody's too.
    let back = now.as_deref() == was;
    let carried = |path: &str| match was {
        Some("0") if path == ACCEPT_REDIRECTS => Some("1"),
        Some(_) if path == ACCEPT_REDIRECTS => Some("0"),
        was => was,
    };
    for (path, value) in first.into_iter().chain(before.iter().filter(|(p, _)| *p != path)) {
        let now = read(path);
        if now.is_some() && now.as_ref() != Some(value) && (!back || now.as_deref() == carried(path)) {
            write(path, value)?;
        }
    }
    Ok(())
}
