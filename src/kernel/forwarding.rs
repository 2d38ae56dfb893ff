//! What this machine's firewall does with a packet that it should forward and that no rule speaks of: Docker and firewalld
//! throw such packets away, and an `accept` in one table does not override a `drop` in another.
//!
//! Rules whose only condition is the interface that a packet came in by are followed; those with any other condition may
//! or may not take a packet, and are passed over. Where a rule is not understood at all, nothing is said.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{firewall, program};
use crate::ip::Family;
use crate::ip::iptables::{Line, Verb};

/// Deeper than any chain of jumps that works: the kernel allows sixteen.
const DEEPEST: usize = 20;

/// Why forwarded packets are thrown away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thrown {
    /// `iptables -P FORWARD DROP`, or the nftables table, chain and rule.
    pub by: String,
    /// Whose rules they are.
    pub owner: Owner,
}

/// Whose rules those of a machine are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// dockerd.
    Docker,
    /// firewalld.
    Firewalld,
    /// Somebody else, with iptables.
    Iptables,
    /// Somebody else, with nftables.
    Nftables,
}

impl Owner {
    /// Its name, where it has one.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Owner::Docker => Some("Docker"),
            Owner::Firewalld => Some("firewalld"),
            Owner::Iptables | Owner::Nftables => None,
        }
    }

    /// The command that lets everything through that comes in by an interface; none where nobody knows.
    pub fn let_through(self, dev: &str) -> Option<String> {
        match self {
            Owner::Docker => Some(format!("iptables -I DOCKER-USER -i {dev} -j ACCEPT")),
            Owner::Firewalld => Some(format!("firewall-cmd --zone=trusted --add-interface={dev}")),
            Owner::Iptables => Some(format!("iptables -I FORWARD -i {dev} -j ACCEPT")),
            Owner::Nftables => None,
        }
    }
}

/// The rules of a machine that a forwarded packet meets.
#[derive(Debug, Default)]
pub struct Rules {
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    owner: Owner,
    /// `iptables`, or `nft table inet firewalld`.
    name: String,
    /// The chains that the kernel begins with: name, and whether what is left at their end is thrown away.
    begins: Vec<(String, bool)>,
    chains: BTreeMap<String, Vec<Rule>>,
}

#[derive(Debug)]
struct Rule {
    /// None when only the kernel can tell whether it takes a packet.
    when: Option<When>,
    then: Then,
    words: String,
}

#[derive(Debug, PartialEq)]
enum When {
    Always,
    /// It came in by this interface (`eth*` for any of them), or did not.
    In(String, bool),
}

#[derive(Debug, Clone, PartialEq)]
enum Then {
    GoOn,
    Accept,
    Throw,
    Return,
    Jump(String),
    Goto(String),
    Unknown,
}

enum Fate {
    Accepted,
    Thrown(String),
    Returned,
    Unknown,
}

impl Rules {
    /// Reads those of the calling thread's namespace.
    pub fn read(family: Family) -> Rules {
        let mut tables = Vec::new();
        if let Ok(lines) = firewall::shown(family) {
            tables.extend(of_iptables(&lines));
        }
        let listed = program::run(program::of("nft", &["-j", "list", "ruleset"]), "");
        let listed = listed.ok().and_then(|out| serde_json::from_slice(&out.stdout).ok()).unwrap_or_default();
        tables.extend(of_nft(&listed, family));
        Rules { tables }
    }

    /// What throws away that which comes in by an interface, and should be forwarded; `""` is an interface that no rule
    /// names.
    pub fn throw_away(&self, dev: &str) -> Option<Thrown> {
        self.tables.iter().find_map(|table| table.throws_away(dev))
    }
}

impl Table {
    fn throws_away(&self, dev: &str) -> Option<Thrown> {
        self.begins.iter().find_map(|(chain, drops)| {
            let by = match self.walk(chain, dev, 0) {
                Fate::Thrown(words) => words,
                Fate::Returned if *drops && self.name == "iptables" => format!("iptables -P {chain} DROP"),
                Fate::Returned if *drops => format!("{}, chain {chain}: policy drop", self.name),
                Fate::Accepted | Fate::Returned | Fate::Unknown => return None,
            };
            Some(Thrown { by, owner: self.owner })
        })
    }

    fn walk(&self, chain: &str, dev: &str, depth: usize) -> Fate {
        let Some(rules) = self.chains.get(chain).filter(|_| depth < DEEPEST) else { return Fate::Unknown };
        for rule in rules {
            let takes = match &rule.when {
                // A condition that only the kernel can judge: perhaps.
                None if rule.then == Then::Unknown => return Fate::Unknown,
                None => continue,
                Some(When::Always) => true,
                Some(When::In(name, is)) => is_named(name, dev) == *is,
            };
            if !takes {
                continue;
            }
            match &rule.then {
                Then::GoOn => {}
                Then::Accept => return Fate::Accepted,
                Then::Throw => return Fate::Thrown(format!("{}, chain {chain}: {}", self.name, rule.words)),
                Then::Return => return Fate::Returned,
                Then::Jump(to) => match self.walk(to, dev, depth + 1) {
                    Fate::Returned => {}
                    end => return end,
                },
                Then::Goto(to) => return self.walk(to, dev, depth + 1),
                Then::Unknown => return Fate::Unknown,
            }
        }
        Fate::Returned
    }
}

/// Whether a name in a rule means this interface: `eth+` of iptables is `eth*` here.
fn is_named(name: &str, dev: &str) -> bool {
    name.strip_suffix('*').map_or(name == dev, |begin| dev.starts_with(begin))
}

/// The filter table, from lines as [`firewall::shown`] gives them.
fn of_iptables(shown: &[String]) -> Option<Table> {
    let lines = shown.iter().filter_map(|l| l.parse::<Line>().ok()).filter(|l| l.table == "filter");
    let mut chains = BTreeMap::from([("FORWARD".to_string(), Vec::new())]);
    let (mut drops, mut rules) = (false, Vec::new());
    for line in lines {
        match line.verb {
            Verb::NewChain => drop(chains.insert(line.chain, Vec::new())),
            Verb::Policy => drops |= line.chain == "FORWARD" && line.rest.first().is_some_and(|p| p == "DROP"),
            Verb::Append => rules.push(line),
            Verb::Insert | Verb::Delete => {}
        }
    }
    for line in rules {
        let rule = rule_of(&line, |chain| chains.contains_key(chain));
        chains.entry(line.chain).or_default().push(rule);
    }
    let owner = if chains.contains_key("DOCKER-USER") { Owner::Docker } else { Owner::Iptables };
    Some(Table { owner, name: "iptables".into(), begins: vec![("FORWARD".into(), drops)], chains })
}

fn rule_of(line: &Line, is_chain: impl Fn(&str) -> bool) -> Rule {
    let (mut when, mut then) = (Some(When::Always), Then::GoOn);
    let (mut words, mut not) = (line.rest.iter(), false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "!" => {
                not = true;
                continue;
            }
            "-i" => {
                let name = words.next().cloned().unwrap_or_default().replace('+', "*");
                when = when.filter(|w| *w == When::Always).map(|_| When::In(name, !not));
            }
            "-j" | "-g" => {
                let target = words.next().cloned().unwrap_or_default();
                then = match target.as_str() {
                    "ACCEPT" => Then::Accept,
                    "DROP" | "REJECT" => Then::Throw,
                    "RETURN" => Then::Return,
                    "LOG" | "NFLOG" | "MARK" | "CONNMARK" => Then::GoOn,
                    chain if is_chain(chain) && word == "-g" => Then::Goto(target),
                    chain if is_chain(chain) => Then::Jump(target),
                    _ => Then::Unknown,
                };
                // What follows belongs to the target.
                break;
            }
            "--comment" => drop(words.next()),
            "-m" => {
                if words.next().is_none_or(|m| m != "comment") {
                    when = None;
                }
            }
            _ => when = None,
        }
        not = false;
    }
    Rule { when, then, words: format!("`{line}`") }
}

/// The tables of `nft -j list ruleset` that meet forwarded packets of a family, without those of iptables.
fn of_nft(listed: &Value, family: Family) -> Vec<Table> {
    let own = if family == Family::V4 { "ip" } else { "ip6" };
    let mut tables: BTreeMap<(String, String), Table> = BTreeMap::new();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_string();
    for object in listed["nftables"].as_array().into_iter().flatten() {
        let (Some(found), is_chain) =
            (object.get("chain").or_else(|| object.get("rule")), object.get("chain").is_some())
        else {
            continue;
        };
        let (of, table) = (text(found, "family"), text(found, "table"));
        if of != "inet" && (of != own || table == "filter") {
            continue;
        }
        let owner = if table == "firewalld" { Owner::Firewalld } else { Owner::Nftables };
        let name = format!("nft table {of} {table}");
        let table = tables.entry((of, table)).or_insert(Table { owner, name, begins: vec![], chains: BTreeMap::new() });
        if is_chain {
            let name = text(found, "name");
            if found["hook"] == "forward" {
                table.begins.push((name.clone(), found["policy"] == "drop"));
            }
            table.chains.entry(name).or_default();
        } else {
            table.chains.entry(text(found, "chain")).or_default().push(nft_rule(&found["expr"]));
        }
    }
    tables.into_values().collect()
}

fn nft_rule(expressions: &Value) -> Rule {
    let mut rule = Rule { when: Some(When::Always), then: Then::GoOn, words: String::new() };
    for expression in expressions.as_array().into_iter().flatten() {
        let Some((word, value)) = expression.as_object().and_then(|o| o.iter().next()) else { continue };
        let target = || value["target"].as_str().unwrap_or_default().to_string();
        rule.then = match word.as_str() {
            "counter" | "log" | "mangle" | "meta" | "continue" => continue,
            "accept" => Then::Accept,
            "drop" | "reject" => Then::Throw,
            "return" => Then::Return,
            "jump" => Then::Jump(target()),
            "goto" => Then::Goto(target()),
            "match" => {
                let by = value["left"]["meta"]["key"].as_str().filter(|key| matches!(*key, "iifname" | "iif"));
                let is = value["op"] == "==";
                let name = value["right"].as_str().filter(|_| is || value["op"] == "!=");
                let first = rule.when == Some(When::Always);
                rule.when = name.filter(|_| by.is_some() && first).map(|name| When::In(name.to_string(), is));
                continue;
            }
            "limit" => {
                rule.when = None;
                continue;
            }
            // A map from interfaces to chains, for one.
            _ => Then::Unknown,
        };
        rule.words = word.clone();
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iptables(lines: &[&str]) -> Rules {
        let shown: Vec<String> = lines.iter().map(|l| format!("-t filter {l}")).collect();
        Rules { tables: of_iptables(&shown).into_iter().collect() }
    }

    fn nft(objects: &str, family: Family) -> Rules {
        Rules { tables: of_nft(&serde_json::from_str(&format!("{{\"nftables\": [{objects}]}}")).unwrap(), family) }
    }

    const DOCKER: &[&str] = &[
        "-P FORWARD DROP",
        "-N DOCKER",
        "-N DOCKER-USER",
        "-A FORWARD -j DOCKER-USER",
        "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -o docker0 -j DOCKER",
        "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    ];

    #[test]
    fn dockers_policy_is_named_until_it_lets_an_interface_through() {
        let rules = iptables(&[DOCKER, &["-A DOCKER-USER -j RETURN"]].concat());
        let thrown = rules.throw_away("v-net-0").unwrap();
        assert_eq!((thrown.by.as_str(), thrown.owner), ("iptables -P FORWARD DROP", Owner::Docker));
        let rules = iptables(&[DOCKER, &["-A DOCKER-USER -i v-net-0 -j ACCEPT", "-A DOCKER-USER -j RETURN"]].concat());
        assert_eq!(rules.throw_away("v-net-0"), None);
        assert!(rules.throw_away("uplink").is_some());
    }

    #[test]
    fn a_rule_at_the_end_counts_and_one_with_a_condition_does_not() {
        assert!(iptables(&["-A FORWARD -p tcp -j ACCEPT", "-A FORWARD -j REJECT"]).throw_away("x").is_some());
        assert_eq!(iptables(&["-A FORWARD -p tcp -j DROP"]).throw_away("x"), None);
        assert_eq!(iptables(&["-A FORWARD ! -i x -j DROP"]).throw_away("x"), None);
        assert!(iptables(&["-A FORWARD ! -i x -j DROP"]).throw_away("y").is_some());
        assert_eq!(iptables(&["-A FORWARD -i v-+ -j ACCEPT", "-P FORWARD DROP"]).throw_away("v-net-0"), None);
        assert_eq!(iptables(&["-A FORWARD -j NFQUEUE", "-P FORWARD DROP"]).throw_away("x"), None);
        assert_eq!(iptables(&[]).throw_away("x"), None);
    }

    #[test]
    fn a_circle_of_chains_says_nothing() {
        assert_eq!(iptables(&["-N A", "-A FORWARD -j A", "-A A -j A", "-P FORWARD DROP"]).throw_away("x"), None);
    }

    const FIREWALLD: &str = r#"
        {"chain": {"family": "inet", "table": "firewalld", "name": "filter_FORWARD", "hook": "forward", "policy": "accept"}},
        {"chain": {"family": "inet", "table": "firewalld", "name": "ZONES"}},
        {"chain": {"family": "inet", "table": "firewalld", "name": "public"}},
        {"chain": {"family": "inet", "table": "firewalld", "name": "trusted"}},
        {"rule": {"family": "inet", "table": "firewalld", "chain": "filter_FORWARD", "expr": [
            {"match": {"op": "==", "left": {"ct": {"key": "state"}}, "right": {"set": ["established", "related"]}}}, {"accept": null}]}},
        {"rule": {"family": "inet", "table": "firewalld", "chain": "filter_FORWARD", "expr": [{"jump": {"target": "ZONES"}}]}},
        {"rule": {"family": "inet", "table": "firewalld", "chain": "filter_FORWARD", "expr": [{"reject": {"type": "icmpx"}}]}},
        {"rule": {"family": "inet", "table": "firewalld", "chain": "ZONES", "expr": [
            {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "uplink"}}, {"goto": {"target": "trusted"}}]}},
        {"rule": {"family": "inet", "table": "firewalld", "chain": "ZONES", "expr": [{"goto": {"target": "public"}}]}},
        {"rule": {"family": "inet", "table": "firewalld", "chain": "trusted", "expr": [{"accept": null}]}}
    "#;

    #[test]
    fn firewallds_zones_are_followed() {
        for family in [Family::V4, Family::V6] {
            let rules = nft(FIREWALLD, family);
            let thrown = rules.throw_away("v-net-0").unwrap();
            assert_eq!(thrown.by, "nft table inet firewalld, chain filter_FORWARD: reject");
            assert_eq!(thrown.owner, Owner::Firewalld);
            assert_eq!(rules.throw_away("uplink"), None);
        }
    }

    #[test]
    fn what_is_not_understood_throws_nothing_away() {
        let chain = r#"{"chain": {"family": "ip", "table": "t", "name": "f", "hook": "forward", "policy": "drop"}}"#;
        assert!(nft(chain, Family::V4).throw_away("x").is_some());
        assert_eq!(nft(chain, Family::V6).throw_away("x"), None);
        let map = r#"{"rule": {"family": "ip", "table": "t", "chain": "f", "expr": [{"vmap": {"key": 1}}]}}"#;
        assert_eq!(nft(&format!("{chain}, {map}"), Family::V4).throw_away("x"), None);
    }
}
