//! The labs are networks that were first built by hand, with `ip`, `iptables` and daemons, and written down when they
//! worked: `tests/state/LAB.txt` (`# after ACTION …` in a file: with these actions done). A lab may have more than its file says, never less, and firewall lines stand in the same order.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::Host;

/// Node → facts, one a line: `address …`, `route …`, `sysctl …`, `iptables …`, `ipset …`, `listens …`.
type Facts = BTreeMap<String, Vec<String>>;

fn written(text: &str) -> Facts {
    let mut facts = Facts::new();
    let mut node = String::new();
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with("# ")) {
        match line.strip_prefix("## ") {
            Some(name) => node = name.to_string(),
            None => facts.entry(node.clone()).or_default().push(line.to_string()),
        }
    }
    facts
}

/// What a node shows, in the words of its file.
fn shown(host: &Host, netns: &str, wanted: &[String]) -> Vec<String> {
    let inside = |command: &str| host.sh(&format!("ip netns exec {netns} {command}")).success().stdout;
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut facts = Vec::new();
    for line in inside("ip -o -4 addr show").lines() {
        if let [_, dev, "inet", address, ..] = line.split_whitespace().collect::<Vec<_>>().as_slice() {
            facts.push(format!("address {address} dev {dev}"));
        }
    }
    facts.extend(inside("ip route show").lines().map(|l| format!("route {}", words(l))));
    for path in wanted.iter().filter_map(|f| f.strip_prefix("sysctl ")?.split_once('=')).map(|(path, _)| path) {
        facts.push(format!("sysctl {path}={}", words(&inside(&format!("cat /proc/sys/{path}")))));
    }
    let mut table = "";
    for line in inside("iptables-save").lines() {
        match line.strip_prefix('*') {
            Some(name) => table = ["raw", "mangle", "nat", "filter"].into_iter().find(|t| *t == name).unwrap_or("?"),
            None if line.starts_with("-A ") => facts.push(format!("iptables -t {table} {}", words(line))),
            None => {}
        }
    }
    let sets = inside("ipset save");
    facts.extend(sets.lines().map(|l| format!("ipset {}", l.split(" hashsize ").next().unwrap())));
    for line in inside("ss -Hltun").lines() {
        if let [proto, _, _, _, address, ..] = line.split_whitespace().collect::<Vec<_>>().as_slice() {
            facts.push(format!("listens {proto} {address}"));
        }
    }
    facts
}

/// The lines of each chain, in their order.
fn chains(facts: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut chains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for fact in facts.iter().filter(|f| f.starts_with("iptables ")) {
        let end = fact.match_indices(' ').nth(4).map_or(fact.len(), |(at, _)| at);
        chains.entry(&fact[..end]).or_default().push(fact);
    }
    chains
}

#[test]
fn a_lab_is_the_network_that_was_built_by_hand() {
    let Some(host) = Host::new() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state");
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let lab = entry.path().file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        host.netlab(["up", &lab]).success();
        // The state may be that after some of the lab's actions.
        for action in text.lines().filter_map(|l| l.strip_prefix("# after ")).flat_map(str::split_whitespace) {
            host.netlab(["act", &lab, action]).success();
        }
        // What daemons bring about is there once the checks hold.
        host.netlab(["check", &lab]).success();
        let status = host.netlab(["status", "--json"]).success().json();
        let places = status[0]["nodes"].as_array().unwrap();
        for (node, wanted) in written(&text) {
            let place = places.iter().find(|p| p["node"] == node.as_str()).unwrap_or_else(|| panic!("{lab}: {node}"));
            let shown = shown(&host, place["netns"].as_str().unwrap(), &wanted);
            let lacking: Vec<&String> = wanted.iter().filter(|fact| !shown.contains(fact)).collect();
            assert!(lacking.is_empty(), "{node} of {lab} lacks {lacking:#?}\nof what it has: {shown:#?}");
            let has = chains(&shown);
            for (chain, lines) in chains(&wanted) {
                let same_order: Vec<&str> = has[chain].iter().filter(|l| lines.contains(l)).copied().collect();
                assert_eq!(same_order, lines, "{chain} on {node} of {lab}");
            }
            compared += wanted.len();
        }
        host.netlab(["down"]).success();
    }
    assert!(compared > 200, "only {compared} facts");
}
