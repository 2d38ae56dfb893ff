//! Actions: what they change, looked up in what the nodes have.
//!
//! An action speaks of things that are there from the start (a file, a setting, a set, a line to delete), so that taking
//! it back needs no memory: what the lab says without it is what was there before.

use indexmap::IndexMap;

use super::interfaces::word;
use super::{Action, Edit, Node, SetEdit, chains, files, firewall, names, routing, sysctls};
use crate::error::{Problems, did_you_mean};
use crate::ip::iptables::{Line, Verb};
use crate::ip::{Family, Route, Rule, WordError};
use crate::name::NodeName;
use crate::span::{Sp, Span};
use crate::spec::{self, Names, Text};

pub(super) fn resolve(
    lab: &spec::Lab,
    nodes: &IndexMap<NodeName, Node>,
    problems: &mut Problems,
) -> IndexMap<String, Action> {
    let mut actions: IndexMap<String, Action> = IndexMap::new();
    for (key, written) in &lab.actions {
        if !key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            || !key.starts_with(|c: char| c.is_ascii_lowercase())
            || key.len() > 32
        {
            problems
                .error(key.span, format!("`{key}` is not the name of an action"))
                .help("small letters, digits and `-`, 32 at most, as in `add-peer`");
            continue;
        }
        let after = first(key, written, lab, &actions, problems);
        let mut edits = IndexMap::new();
        for (name, edit) in &written.nodes {
            let (Some((node_name, node)), Some(written_node)) =
                (nodes.get_key_value(name.value.as_str()), lab.nodes.get(name.value.as_str()))
            else {
                if !lab.nodes.contains_key(name.value.as_str()) && !lab.holes.top("nodes") {
                    let known = nodes.keys().map(NodeName::as_str).take_while(|_| names::few(problems));
                    let help = did_you_mean(name, known.collect::<Vec<_>>());
                    problems.error(name.span, format!("there is no node `{name}`")).maybe_help(help);
                }
                continue;
            };
            // What the node has once the actions that come first are done.
            let before: Vec<&Edit> =
                chain(&after, &actions).into_iter().filter_map(|a| a.nodes.get(node_name)).collect();
            let of = Of { name, node, written: written_node, before };
            edits.insert(node_name.clone(), of.edit(edit, &lab.holes, problems));
        }
        if written.nodes.is_empty() && !lab.holes.any(key.span, &["nodes"]) {
            problems.error(key.span, format!("`{key}` changes nothing")).help("add `nodes: {NODE: {routes: […]}}`");
        }
        let title = written.title.as_ref().map(|t| t.value.trim().to_string()).unwrap_or_default();
        actions.insert(key.value.clone(), Action { title, after, nodes: edits, span: key.span });
    }
    actions
}

/// The actions that come first: they stand above.
fn first(
    key: &Text,
    written: &spec::Action,
    lab: &spec::Lab,
    actions: &IndexMap<String, Action>,
    problems: &mut Problems,
) -> Vec<String> {
    let mut after = Vec::new();
    for name in &written.after.0 {
        if actions.contains_key(name.value.as_str()) {
            after.push(name.value.clone());
        } else if name.value == key.value {
            problems.error(name.span, format!("`{name}` cannot come after itself")).help("leave it out");
        } else if lab.actions.contains_key(name.value.as_str()) {
            problems
                .error(name.span, format!("`{name}` comes after `{key}` in this file"))
                .help("move it up: actions stand in the order in which they can be done");
        } else {
            unknown(name, lab, problems);
        }
    }
    after
}

fn unknown(name: &Text, lab: &spec::Lab, problems: &mut Problems) {
    if lab.holes.top("actions") {
        return;
    }
    let known: Vec<&str> = lab.actions.keys().map(|k| k.as_str()).collect();
    let help = did_you_mean(name, known.iter().copied()).unwrap_or_else(|| match known.as_slice() {
        [] => "this lab has no `actions`".into(),
        known => format!("the actions are {}", known.join(", ")),
    });
    problems.error(name.span, format!("there is no action `{name}`")).help(help);
}

/// The actions that a check speaks of.
pub(super) fn named(names: &Names, lab: &spec::Lab, problems: &mut Problems) -> Vec<String> {
    for name in names.0.iter().filter(|n| !lab.actions.contains_key(n.value.as_str())) {
        unknown(name, lab, problems);
    }
    names.0.iter().map(|n| n.value.clone()).collect()
}

/// Actions and those that come before them, each once, in their order.
fn chain<'a>(wanted: &[String], actions: &'a IndexMap<String, Action>) -> Vec<&'a Action> {
    let mut all: Vec<usize> = Vec::new();
    let mut queue: Vec<usize> = wanted.iter().filter_map(|name| actions.get_index_of(name)).collect();
    while let Some(n) = queue.pop() {
        if !all.contains(&n) {
            all.push(n);
            queue.extend(actions[n].after.iter().filter_map(|name| actions.get_index_of(name)));
        }
    }
    all.sort_unstable();
    all.into_iter().map(|n| &actions[n]).collect()
}

/// A node that an action changes.
struct Of<'a> {
    name: &'a Text,
    node: &'a Node,
    written: &'a spec::Node,
    before: Vec<&'a Edit>,
}

impl Of<'_> {
    fn edit(&self, written: &spec::Edit, holes: &spec::Holes, problems: &mut Problems) -> Edit {
        let mut edit = Edit::default();
        for (key, content) in &written.files {
            let (Some(path), Some(text)) = (files::path(key, problems), files::read(key, content, holes, problems))
            else {
                continue;
            };
            self.file(key, &path, problems);
            edit.files.push((path, Sp::new(text, key.span)));
        }
        for (key, value) in &written.sysctls {
            let Some(sysctl) = sysctls::one(key, value, self.node, problems) else { continue };
            if sysctl.path != "net/ipv4/ip_forward" && !self.node.sysctls.iter().any(|s| s.path == sysctl.path) {
                problems.error(key.span, format!("`{}` does not set `{key}`", self.name)).help(
                    "give it its first value in the node's `sysctls`: that is what taking the action back restores",
                );
                continue;
            }
            edit.sysctls.push(Sp::new(sysctl, key.span));
        }
        self.routes(&written.routes, &mut edit, problems);
        self.rules(&written.rules, &mut edit, problems);
        for (name, words) in &written.ipsets {
            self.set(name, words, &mut edit, problems);
        }
        edit.iptables = self.lines(&written.iptables, Family::V4, problems);
        edit.ip6tables = self.lines(&written.ip6tables, Family::V6, problems);
        for name in &written.stop {
            if self.node.services.contains_key(name.value.as_str()) {
                edit.stop.push(name.clone());
            } else if !self.written.services.contains_key(name.value.as_str()) {
                let known: Vec<&str> = self.node.services.keys().map(String::as_str).collect();
                let help = did_you_mean(name, known.iter().copied()).unwrap_or(match known.as_slice() {
                    [] => "it has none".into(),
                    known => format!("it has {}", known.join(", ")),
                });
                problems.error(name.span, format!("`{}` has no service `{name}`", self.name)).help(help);
            }
        }
        edit
    }

    fn file(&self, key: &Text, path: &str, problems: &mut Problems) {
        if !self.node.files.contains_key(path) {
            let known: Vec<&str> = self.node.files.keys().map(String::as_str).collect();
            problems.error(key.span, format!("`{}` has no file `{key}`", self.name)).help(
                did_you_mean(key, known).unwrap_or(
                    "give it its first content in the node: programs see only files that are there when they start"
                        .into(),
                ),
            );
        }
        let readers = self.node.services.iter().filter(|(_, s)| s.files.iter().any(|f| f == path));
        for (service, _) in readers.filter(|(_, s)| s.reload.is_none()) {
            problems
                .error(key.span, format!("service `{service}` reads `{key}`, and does not say how it reads it anew"))
                .help(format!("add `reload: {{signal: HUP}}`, or `reload: {{run: […]}}`, to `{service}`"));
        }
    }

    /// The routes that the node has before the action.
    fn present(&self) -> Vec<Sp<Route>> {
        let mut routes = self.node.routes.clone();
        for edit in &self.before {
            routes.retain(|r| !edit.del_routes.iter().any(|d| d.key() == r.key()));
            routes.extend(edit.add_routes.iter().cloned());
        }
        routes
    }

    fn routes(&self, written: &[Text], edit: &mut Edit, problems: &mut Problems) {
        let mut present = self.present();
        for text in written {
            let (text, delete) = verb(text);
            // To delete a route, its destination is enough.
            let parsed = text.parse::<Route>().or_else(|e| match format!("unreachable {}", text.value).parse() {
                Ok(route) if delete => Ok(route),
                _ => Err(e),
            });
            let Some(route) = word(&text, parsed, problems) else { continue };
            let vias = |route: &Route| route.hops.iter().map(|h| h.via).collect::<Vec<_>>();
            let meant =
                |r: &Sp<Route>| r.key() == route.key() && (route.hops.is_empty() || !delete || vias(r) == vias(&route));
            let at = present.iter().position(meant);
            match (delete, at) {
                (true, Some(at)) => edit.del_routes.push(Sp::new(present.remove(at).value, text.span)),
                (true, None) => {
                    let list: Vec<String> = present.iter().map(|r| format!("`{}`", r.value)).collect();
                    problems.error(text.span, format!("`{}` has no such route to delete", self.name)).help(
                        if list.is_empty() { "it has none".into() } else { format!("it has {}", list.join(", ")) },
                    );
                }
                (false, Some(at)) => {
                    problems
                        .error(text.span, format!("`{}` has a route to that destination already", self.name))
                        .also(present[at].span, "here")
                        .help("delete it first (`del …`), or give this one a `metric`");
                }
                (false, None) => {
                    let Some(route) = routing::resolve_route(self.name, &route, &present, self.node, problems) else {
                        continue;
                    };
                    present.push(route.clone());
                    edit.add_routes.push(route);
                }
            }
        }
    }

    fn rules(&self, written: &[Text], edit: &mut Edit, problems: &mut Problems) {
        for text in written {
            let (text, delete) = verb(text);
            let Some(rule) = word(&text, text.parse::<Rule>(), problems) else { continue };
            let there = self.node.rules.iter().any(|r| r.value == rule.value);
            if delete && !there {
                problems
                    .error(text.span, format!("`{}` has no such rule to delete", self.name))
                    .help("write it as the node does");
            } else if delete {
                edit.del_rules.push(rule);
            } else {
                edit.add_rules.push(rule);
            }
        }
    }

    fn set(&self, name: &Text, words: &[Text], edit: &mut Edit, problems: &mut Problems) {
        let Some(set) = self.node.ipsets.iter().find(|s| s.name.as_str() == name.as_str()) else {
            if !self.written.ipsets.contains_key(name.value.as_str()) {
                let known: Vec<&str> = self.node.ipsets.iter().map(|s| s.name.as_str()).collect();
                problems
                    .error(name.span, format!("`{}` has no ipset `{name}`", self.name))
                    .help(did_you_mean(name, known).unwrap_or("add it to the node's `ipsets`".into()));
            }
            return;
        };
        let mut change = SetEdit { set: set.name.clone(), add: Vec::new(), del: Vec::new() };
        for text in words {
            let Some((verb, member)) = text.split_once(' ').filter(|(v, _)| matches!(*v, "add" | "del")) else {
                let error = WordError::new(text.as_str(), format!("`{text}` does not say what happens to the set"));
                word::<()>(text, Err(error.help("write `add MEMBER` or `del MEMBER`")), problems);
                continue;
            };
            let Some(member) = word(text, set.member(member.trim()), problems) else { continue };
            if verb == "add" { change.add.push(member.value) } else { change.del.push(member.value) }
        }
        edit.sets.push(Sp::new(change, name.span));
    }

    fn lines(&self, written: &[Text], family: Family, problems: &mut Problems) -> Vec<Sp<Line>> {
        let lines = firewall::lines(written, family, self.written, self.node, problems);
        let base = if family == Family::V4 { &self.node.iptables } else { &self.node.ip6tables };
        let earlier = self.before.iter().flat_map(|e| if family == Family::V4 { &e.iptables } else { &e.ip6tables });
        let there: Vec<&Line> = base.iter().chain(earlier).map(|l| &l.value).collect();
        chains::check(
            &lines,
            &there.iter().map(|l| Sp::new((*l).clone(), Span::default())).collect::<Vec<_>>(),
            problems,
        );
        let same = |a: &Line, b: &Line| {
            matches!(b.verb, Verb::Append | Verb::Insert)
                && (&a.table, &a.chain, &a.rest) == (&b.table, &b.chain, &b.rest)
        };
        for line in lines.iter().filter(|l| l.verb == Verb::Delete) {
            if !there.iter().any(|l| same(line, l)) {
                let near = there
                    .iter()
                    .filter(|l| l.verb != Verb::Delete && (&l.table, &l.chain) == (&line.table, &line.chain));
                let list: Vec<String> = near.take(6).map(|l| format!("`{l}`")).collect();
                problems.error(line.span, format!("`{}` has no such line to delete", self.name)).help(
                    match list.as_slice() {
                        [] => format!("it has none in `{}` of table {}", line.chain, line.table),
                        list => format!("it has {}", list.join(", ")),
                    },
                );
            }
        }
        lines
    }
}

/// `del ROUTE` or `ROUTE`: what is meant, and whether it goes.
fn verb(text: &Text) -> (Text, bool) {
    match text.strip_prefix("del ") {
        Some(rest) => {
            let start = text.span.start + (text.span.end - text.span.start).min(4);
            (Sp::new(rest.trim().to_string(), Span { start, end: text.span.end.max(start) }), true)
        }
        None => (text.clone(), false),
    }
}
