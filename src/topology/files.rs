//! Files that exist for one node only.

use super::Node;
use crate::error::Problems;
use crate::span::Sp;
use crate::spec::{self, Content, Holes, Text};

pub(super) fn resolve(written: &spec::Node, node: &mut Node, holes: &Holes, problems: &mut Problems) {
    let mut places: Vec<(&Text, &str)> = Vec::new();
    let of_services = written.services.values().map(|service| &service.files);
    for (key, content) in of_services.chain([&written.files]).flatten() {
        let (Some(path), Some(content)) = (path(key, problems), read(key, content, holes, problems)) else { continue };
        let own = match path.as_str() {
            "/etc/resolv.conf" => written.dns.is_some(),
            "/etc/hosts" => !written.hosts.is_empty(),
            _ => false,
        };
        if own {
            problems
                .error(key.span, format!("`{key}` is what `dns` and `hosts` of this node write"))
                .help("keep one of the two");
            continue;
        }
        if let Some((first, _)) = places.iter().find(|(_, p)| *p == path) {
            problems
                .error(key.span, format!("`{key}` is there already: the files of a node are one for all its programs"))
                .also(first.span, "the first is here")
                .help("delete one of the two");
            continue;
        }
        if let Some((outer, _)) = places.iter().find(|(_, p)| below(p, &path) || below(&path, p)) {
            problems
                .error(key.span, format!("`{key}` and `{outer}` cannot both be files: one would lie in the other"))
                .also(outer.span, "the other is here")
                .help("rename one of the two");
            continue;
        }
        places.push((key, key.value.as_str()));
        node.files.insert(path, Sp::new(content, key.span));
    }
}

fn below(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Where a program in the node sees something: a plain absolute path that is not the kernel's.
pub(super) fn path(key: &Text, problems: &mut Problems) -> Option<String> {
    let text = key.value.as_str();
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
    let whole = text.len() <= 512 && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain));
    if !whole {
        problems
            .error(key.span, format!("`{key}` is not the path of a file"))
            .help("write it from the root and in full, as in `/etc/bird/bird.conf`");
        return None;
    }
    if ["/proc", "/sys", "/dev", "/run/netns", "/run/netlab"].iter().any(|top| *top == text || below(top, text)) {
        problems
            .error(key.span, format!("`{key}` is not a place for files: the kernel or netlab keeps its own there"))
            .help("`/etc`, `/run` and `/var` are good places");
        return None;
    }
    Some(text.to_string())
}

/// What is to be in the file.
pub(super) fn read(key: &Text, content: &Sp<Content>, holes: &Holes, problems: &mut Problems) -> Option<String> {
    let from = match &content.value {
        Content::Inline(text) => return Some(text.clone()),
        Content::From(from) => from,
    };
    if from.value.is_empty() {
        if !holes.inside(content.span) {
            let problem = problems.error(key.span, format!("`{key}` does not say what it holds"));
            problem.help("write its text, or `{from: FILE}`");
        }
        return None;
    }
    match problems.source.beside.get(&from.value).cloned() {
        Some(Ok(text)) => Some(text),
        Some(Err(why)) => {
            problems
                .error(from.span, format!("cannot read `{from}`: {why}"))
                .help("`from` is the path of a file beside the lab file, or in a folder there");
            None
        }
        None => {
            problems
                .error(from.span, format!("`{from}`: a lab that is not in a file has no files beside it"))
                .help(format!("write what `{key}` holds here: `{key}: |`"));
            None
        }
    }
}
