//! Lab files: found by what a user calls them, read as if a stranger had put them there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Problems, Result, did_you_mean, nearest};
use crate::labs;
use crate::span::Source;
use crate::spec;

/// A lab file, found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its text.
    pub source: Source,
    /// Its full path; none for a lab inside the binary.
    pub file: Option<PathBuf>,
}

/// Whether this names a file, and not a lab.
pub fn is_path(named: &str) -> bool {
    named.contains('/') || named.ends_with(".yaml") || named.ends_with(".yml")
}

/// Finds a lab by a path, a name in the binary, or `NAME.yaml` here or below `labs/`; to be read with other values for
/// its parameters.
pub fn find_with(named: &str, set: &[(String, String)]) -> Result<Found> {
    if is_path(named) {
        return read_with(Path::new(named), set);
    }
    if let Some(built_in) = labs::find(named) {
        let mut source = built_in.source();
        source.set.extend(set.iter().cloned());
        return Ok(Found { source, file: None });
    }
    for path in [format!("{named}.yaml"), format!("{named}.yml"), format!("labs/{named}.yaml")] {
        if Path::new(&path).is_file() {
            return read_with(Path::new(&path), set);
        }
    }
    Err(Error::usage(format!("there is no lab `{named}`")).help(meant(named)))
}

/// What somebody may have meant who named a lab that is not there.
fn meant(named: &str) -> String {
    let known = || labs::ALL.iter().map(|l| l.name);
    let path = Path::new(named);
    if named.trim().is_empty() {
        return "`netlab list` shows the labs".into();
    }
    if path.is_dir() {
        return format!("`{named}` is a folder: name a file in it, as in `{}`", path.join("LAB.yaml").display());
    }
    if path.exists() {
        return format!("to mean the file `{named}` of this folder, write `./{named}`");
    }
    if let Some(near) = did_you_mean(named, known()) {
        return near;
    }
    let lower = named.to_lowercase();
    let like: Vec<String> = known().filter(|k| k.contains(&lower)).map(|k| format!("`{k}`")).collect();
    match like.as_slice() {
        [] => format!("`netlab list` shows the labs; a file is named as a path, as in `./{named}.yaml`"),
        like => format!("did you mean {}?", like.join(" or ")),
    }
}

/// Reads a lab file from disk: an ordinary file of a sane size, UTF-8.
pub fn read_file(path: &Path) -> Result<Found> {
    read_with(path, &[])
}

fn read_with(path: &Path, set: &[(String, String)]) -> Result<Found> {
    let shown = path.display();
    let cannot = |e: io::Error| Error::usage(format!("cannot read {shown}")).cause(e);
    let meta = std::fs::metadata(path).map_err(|e| {
        let help = if e.kind() == io::ErrorKind::NotFound { Some(missing(path)) } else { None };
        help.into_iter().fold(cannot(e), Error::help)
    })?;
    if meta.is_dir() {
        return Err(Error::usage(format!("{shown} is a folder")).help("name a file in it"));
    }
    let odd = || {
        Error::usage(format!("{shown} is not an ordinary file"))
            .help("pipes, sockets and devices are not read: copy it to a file first")
    };
    if !meta.is_file() {
        return Err(odd());
    }
    if let Some(error) = spec::too_large(meta.len()) {
        return Err(error);
    }
    let bytes = read(path, spec::MOST_BYTES as u64).map_err(cannot)?.ok_or_else(odd)?;
    if let Some(error) = spec::too_large(bytes.len() as u64) {
        return Err(error);
    }
    let encoding = |what: String| Error::usage(what).help("save it as UTF-8");
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(encoding(format!("{shown} is UTF-16 text")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|e| encoding(format!("{shown} is not UTF-8 text (byte {})", e.utf8_error().valid_up_to())))?;
    let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
    let file = path.canonicalize().ok();
    let mut source = Source::new(shown.to_string(), text);
    // Which files it names may depend on its parameters.
    source.set.extend(set.iter().cloned());
    source.beside = beside(&source, file.as_deref());
    Ok(Found { source, file })
}

/// What somebody may have meant who named a file that is not there.
fn missing(path: &Path) -> String {
    let name = |part: Option<&std::ffi::OsStr>| part.and_then(|n| n.to_str()).unwrap_or_default().to_string();
    let (wanted, stem) = (name(path.file_name()), name(path.file_stem()));
    if labs::find(&stem).is_some() {
        return format!("`{stem}` is a lab inside netlab: write its name alone");
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{}`?", folder.join(near).display()),
        None => "`netlab list` shows the labs of netlab and those of this folder".into(),
    }
}

/// What is in an ordinary file: `most` bytes of it and one more, if there are as many. Nothing for what has become
/// something else since it was looked at; never waits (`/proc/kmsg` is an ordinary file, too).
fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The files beside a lab file that it names with `from`.
fn beside(source: &Source, file: Option<&Path>) -> BTreeMap<String, Result<String, String>> {
    let mut found = BTreeMap::new();
    // A second reading, for the few labs that can have such files.
    let (true, Some(folder)) = (source.text.contains("files:"), file.and_then(Path::parent)) else {
        return found;
    };
    let Some(lab) = spec::load(source, &mut Problems::new(source.clone())) else {
        return found;
    };
    let mut left = spec::MOST_BYTES_OF_ALL_BESIDE;
    for path in lab.files_beside() {
        if !found.contains_key(&path.value) {
            let content = read_beside(folder, path, left);
            left -= content.as_ref().map_or(0, |text| text.len() as u64);
            found.insert(path.value.clone(), content);
        }
    }
    found
}

/// An ordinary file of a sane size, UTF-8, below the lab file's folder, whatever symbolic links say.
fn read_beside(folder: &Path, path: &str, left: u64) -> Result<String, String> {
    let plain = |c| matches!(c, Component::Normal(_) | Component::CurDir);
    if path.is_empty() || !Path::new(path).components().all(plain) {
        return Err("it is not a path below the lab file's folder".into());
    }
    let full = folder.join(path).canonicalize().map_err(|e| e.to_string())?;
    if !full.starts_with(folder) {
        return Err("it leads out of the lab file's folder".into());
    }
    let odd = || "it is not an ordinary file".to_string();
    let meta = full.metadata().map_err(|e| e.to_string())?;
    if !meta.is_file() {
        return Err(odd());
    }
    let most = spec::MOST_BYTES_BESIDE;
    if meta.len() > most {
        return Err(format!("it has {} bytes; at most {most} are read", meta.len()));
    }
    let bytes = read(&full, most.min(left)).map_err(|e| e.to_string())?.ok_or_else(odd)?;
    if bytes.len() as u64 > most.min(left) {
        let all = spec::MOST_BYTES_OF_ALL_BESIDE;
        return Err(format!("at most {most} bytes of a file are read, and {all} of all files together"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".into())
}
