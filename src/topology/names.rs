//! The lab's own name and the names of its namespaces.

use crate::error::Problems;
use crate::name::{IfName, LabName};
use crate::span::{Sp, Span};
use crate::spec;

/// More nodes than this are refused before anything is made of them.
pub const MOST_NODES: usize = 10_000;

/// A network namespace is a file below /run/netns: its name is a file name.
const LONGEST_NETNS: usize = 200;

pub(super) fn lab(lab: &spec::Lab, problems: &mut Problems) -> Option<LabName> {
    let Some(name) = &lab.name else {
        if lab.holes.top("name") {
            return None;
        }
        problems.error(Default::default(), "this lab has no name").help("add `name: my-lab` as the first line");
        return None;
    };
    match LabName::new(name) {
        Ok(name) => Some(name),
        Err(message) => {
            problems
                .error(name.span, about(name, &message))
                .help("a lab name is small letters, digits and dashes, and starts with a letter");
            None
        }
    }
}

/// Whether it is worth while to look for what somebody meant: nobody reads the hundredth message.
pub(super) fn few(problems: &Problems) -> bool {
    problems.errors().nth(100).is_none()
}

/// A name and what is wrong with it, without saying the name twice.
pub(super) fn about(name: &str, message: &str) -> String {
    if name.is_empty() || message.contains(&format!("`{name}`")) {
        message.to_string()
    } else {
        format!("`{name}`: {message}")
    }
}

/// An interface's name, or what is wrong with it.
pub(super) fn interface_name(text: &str, span: Span, problems: &mut Problems) -> Option<IfName> {
    let wrong = |message: String| {
        let help = if message.contains("reserved") {
            "choose another name"
        } else {
            "an interface name is at most 15 letters, digits, `.`, `_` and `-`, and starts with a letter or digit"
        };
        problems.error(span, about(text, &message)).help(help);
    };
    IfName::new(text).map_err(wrong).ok()
}

/// Checks the pattern of namespace names and gives it back.
pub(super) fn netns_pattern(lab: &spec::Lab, problems: &mut Problems) -> String {
    let usual = "{lab}-{node}".to_string();
    let Some(pattern) = &lab.netns else {
        return usual;
    };
    let plain = pattern.replace("{lab}", "").replace("{node}", "");
    if !pattern.contains("{node}") {
        problems
            .error(pattern.span, format!("netns `{pattern}` gives every node the same name"))
            .help("put `{node}` into it, as in \"{node}\" or \"{lab}-{node}\"");
        return usual;
    }
    if let Some(bad) = plain.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-')) {
        problems
            .error(pattern.span, format!("character `{}` not allowed in a namespace name", bad.escape_default()))
            .help("write letters, digits, `.`, `_`, `-`, and the words `{lab}` and `{node}`");
        return usual;
    }
    if pattern.starts_with(['.', '-']) {
        problems
            .error(pattern.span, "a namespace name must start with a letter or digit")
            .help("as in \"{lab}-{node}\"");
        return usual;
    }
    pattern.value.clone()
}

pub(super) fn netns(pattern: &str, lab: &str, node: &Sp<String>, problems: &mut Problems) -> String {
    let name = pattern.replace("{lab}", lab).replace("{node}", node);
    if name.len() > LONGEST_NETNS {
        problems
            .error(node.span, format!("the namespace name `{name}` has more than {LONGEST_NETNS} characters"))
            .help("shorten `netns`, or the names of lab and node");
    }
    name
}
