//! What the nat table does with a packet: the chains of `iptables-save -c -t nat` followed from where a packet meets them
//! to the address that it ends up with.

use serde::Serialize;

use super::iptables::Line;

/// A rule, and where it leads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Branch {
    /// What a packet must be like, in words; empty when every one is.
    pub when: String,
    /// The rule's comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What is done with it.
    pub does: Does,
    /// The part of the connections that come to this chain which takes this way, when chance decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// How many connections it has seen: the nat table sees only the first packet of each.
    pub connections: u64,
    /// The rules of the chain that it leads to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<Branch>,
    /// Whether the chain that it leads to was left out: there are too many ways.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Does {
    /// Goes on in another chain.
    GoTo(String),
    /// Gets another destination.
    Dnat(String),
    /// Gets another source.
    Snat(String),
    /// Gets the source address of the interface that it leaves by.
    Masquerade,
    /// Gets a mark, which other rules ask for.
    Mark(String),
    /// Leaves this chain.
    Return,
    /// Anything else, in iptables' words.
    Other(String),
}

/// The ways through one hook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ways {
    /// The built-in chains that it stands in: more than one when they hold the same.
    pub hooks: Vec<&'static str>,
    /// The rules.
    pub branches: Vec<Branch>,
}

/// In the order in which a packet meets them.
const HOOKS: [&str; 4] = ["PREROUTING", "OUTPUT", "INPUT", "POSTROUTING"];
/// iptables refuses loops; this holds for text that did not come from it.
const DEEPEST: usize = 16;
/// So many branches for each rule, and no more, in a hook. kube-proxy's chains take three or four; but where each chain goes
/// twice to the next, which the kernel allows, the ways double with every step.
const BRANCHES_PER_RULE: usize = 16;

/// Follows the chains of the nat table; hooks without rules are left out.
pub fn follow(save: &str) -> Vec<Ways> {
    let rules = rules(save);
    let mut ways: Vec<Ways> = Vec::new();
    for hook in HOOKS {
        let mut room = rules.len() * BRANCHES_PER_RULE;
        let branches = chain(&rules, hook, 0, &mut room);
        let same = |w: &&mut Ways| {
            let plain = |list: &[Branch]| list.iter().map(Branch::without_counters).collect::<Vec<_>>();
            plain(&w.branches) == plain(&branches)
        };
        match ways.iter_mut().find(same) {
            _ if branches.is_empty() => {}
            Some(ways) => {
                ways.hooks.push(hook);
                ways.branches.iter_mut().zip(&branches).for_each(|(all, more)| all.add_counters(more));
            }
            None => ways.push(Ways { hooks: vec![hook], branches }),
        }
    }
    ways
}

/// A rule with its counter.
struct Rule {
    packets: u64,
    line: Line,
}

fn rules(save: &str) -> Vec<Rule> {
    let mut table = "";
    let mut rules = Vec::new();
    for line in save.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        }
        let Some((counters, rule)) = line.strip_prefix('[').and_then(|l| l.split_once("] ")) else { continue };
        if table != "nat" {
            continue;
        }
        let packets = counters.split(':').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        rules.extend(format!("-t nat {rule}").parse().ok().map(|line| Rule { packets, line }));
    }
    rules
}

fn chain(rules: &[Rule], name: &str, depth: usize, room: &mut usize) -> Vec<Branch> {
    let mut rest = 1.0;
    let mut branches = Vec::new();
    for rule in rules.iter().filter(|r| r.line.chain == name) {
        let chance = rule.line.value_of(&["--probability"]).and_then(|p| p.parse::<f64>().ok());
        let share = chance.map(|chance| {
            let share = rest * chance;
            rest -= share;
            share
        });
        // After rules with chances the last one takes what is left.
        let share = share.or((rest < 1.0 && is_open(&rule.line)).then_some(rest));
        *room = room.saturating_sub(1);
        branches.push(branch(rules, rule, share, depth, room));
    }
    branches
}

/// Whether a rule takes every packet that comes to it.
fn is_open(line: &Line) -> bool {
    when(line).is_empty()
}

fn branch(rules: &[Rule], rule: &Rule, share: Option<f64>, depth: usize, room: &mut usize) -> Branch {
    let value = |flags: &[&str]| rule.line.value_of(flags).unwrap_or_default().to_string();
    let target = value(&["-j", "--jump", "-g", "--goto"]);
    let is_chain = rules.iter().any(|r| r.line.chain == target);
    let cut = is_chain && (depth >= DEEPEST || *room == 0);
    let branches = if is_chain && !cut { chain(rules, &target, depth + 1, room) } else { Vec::new() };
    let does = match target.as_str() {
        "DNAT" => Does::Dnat(value(&["--to-destination"])),
        "SNAT" => Does::Snat(value(&["--to-source"])),
        "REDIRECT" => Does::Dnat(format!("this node, port {}", value(&["--to-ports"]))),
        "MASQUERADE" => Does::Masquerade,
        "MARK" => Does::Mark(value(&["--set-xmark", "--set-mark", "--or-mark"])),
        "RETURN" => Does::Return,
        _ if is_chain => Does::GoTo(target),
        // An empty chain: whoever emptied it would want to see it.
        _ => Does::Other(target),
    };
    let comment = rule.line.value_of(&["--comment"]).map(str::to_string);
    Branch { when: when(&rule.line), comment, does, share, connections: rule.packets, branches, cut }
}

/// What a packet must be like, in words. Words that are not known stay as iptables prints them.
fn when(line: &Line) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut not = "";
    let mut rest = line.rest.iter().map(String::as_str);
    while let Some(flag) = rest.next() {
        let mut value = || rest.next().unwrap_or_default();
        let host = |net: &str| net.strip_suffix("/32").or(net.strip_suffix("/128")).unwrap_or(net).to_string();
        match flag {
            "!" => {
                not = "not ";
                continue;
            }
            "-p" => words.push(format!("{not}{}", value())),
            "-s" => words.push(format!("{not}from {}", host(value()))),
            "-d" => words.push(format!("{not}to {}", host(value()))),
            "--dport" | "--dports" => words.push(format!("{not}port {}", value())),
            "--sport" | "--sports" => words.push(format!("{not}source port {}", value())),
            "-i" => words.push(format!("{not}in by {}", value())),
            "-o" => words.push(format!("{not}out by {}", value())),
            "--mark" => words.push(format!("{not}marked {}", value())),
            "--dst-type" => words.push(format!("{not}to {} addresses", value().to_lowercase())),
            "--src-type" => words.push(format!("{not}from {} addresses", value().to_lowercase())),
            "--ctstate" => words.push(format!("{not}state {}", value())),
            "--match-set" => {
                let set = value();
                words.push(format!("{not}{} in set {set}", side(value())));
            }
            // What these say is told elsewhere, or nothing new.
            "-m" | "--comment" | "--probability" | "--mode" => {
                value();
            }
            "-j" | "--jump" | "-g" | "--goto" => break,
            other => words.push(format!("{not}{other}")),
        }
        not = "";
    }
    words.join(" ")
}

/// The sides of a packet that a set is asked about.
fn side(direction: &str) -> String {
    direction.replace("src", "source").replace("dst", "destination")
}

impl Branch {
    fn without_counters(&self) -> Branch {
        let branches = self.branches.iter().map(Branch::without_counters).collect();
        Branch { connections: 0, branches, ..self.clone() }
    }

    fn add_counters(&mut self, more: &Branch) {
        self.connections += more.connections;
        // The chain that both lead to is one chain: what it has seen is in both already.
    }

    /// The address that a chain ends in, when there is only one: then the chain needs no line of its own.
    pub fn end(&self) -> Option<&str> {
        let ends: Vec<(&str, Option<f64>)> = self.branches.iter().filter_map(|b| Some((b.end()?, b.share))).collect();
        match (&self.does, ends.as_slice()) {
            (Does::Dnat(to), _) => Some(to),
            (Does::GoTo(_), [(only, None)]) if self.branches.iter().all(|b| b.end().is_some() || b.only_marks()) => {
                Some(only)
            }
            _ => None,
        }
    }

    /// Whether it does nothing but mark.
    pub fn only_marks(&self) -> bool {
        match &self.does {
            Does::Mark(_) => true,
            Does::GoTo(_) => !self.branches.is_empty() && self.branches.iter().all(Branch::only_marks),
            Does::Dnat(_) | Does::Snat(_) | Does::Masquerade | Does::Return | Does::Other(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVE: &str = r#"
*filter
[9:99] -A FORWARD -j DROP
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SVC-A - [0:0]
[6:360] -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[1:60] -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[0:0] -A POSTROUTING -s 192.168.15.0/24 -o uplink -j MASQUERADE
[0:0] -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
[0:0] -A KUBE-SEP-1 -s 10.244.1.2/32 -m comment --comment "web" -j KUBE-MARK-MASQ
[2:120] -A KUBE-SEP-1 -p tcp -m tcp -j DNAT --to-destination 10.244.1.2:80
[2:120] -A KUBE-SEP-2 -p tcp -m tcp -j DNAT --to-destination 10.244.2.2:80
[2:120] -A KUBE-SEP-3 -p tcp -m tcp -j DNAT --to-destination 10.244.2.3:80
[7:420] -A KUBE-SERVICES -d 10.96.100.10/32 -p tcp -m comment --comment "web cluster IP" -m tcp --dport 80 -j KUBE-SVC-A
[0:0] -A KUBE-SVC-A ! -s 10.244.0.0/16 -d 10.96.100.10/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ
[2:120] -A KUBE-SVC-A -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-1
[2:120] -A KUBE-SVC-A -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-2
[2:120] -A KUBE-SVC-A -j KUBE-SEP-3
COMMIT
"#;

    #[test]
    fn a_service_is_followed_to_its_endpoints_with_the_share_of_each() {
        let ways = follow(SAVE);
        assert_eq!(
            ways.iter().map(|w| w.hooks.clone()).collect::<Vec<_>>(),
            [vec!["PREROUTING", "OUTPUT"], vec!["POSTROUTING"]]
        );
        let services = &ways[0].branches[0];
        assert_eq!(services.connections, 7, "those that arrive and those of the node itself");
        let service = &services.branches[0];
        assert_eq!(service.when, "to 10.96.100.10 tcp port 80");
        let ends: Vec<_> = service.branches.iter().filter_map(|b| Some((b.end()?, b.share?))).collect();
        let addresses: Vec<_> = ends.iter().map(|(to, _)| *to).collect();
        assert_eq!(addresses, ["10.244.1.2:80", "10.244.2.2:80", "10.244.2.3:80"]);
        assert!(ends.iter().all(|(_, share)| (share - 1.0 / 3.0).abs() < 1e-6), "{ends:?}");
        assert!(service.branches[0].only_marks() && service.branches[0].share.is_none());
        assert_eq!(service.branches[0].when, "not from 10.244.0.0/16 to 10.96.100.10 tcp port 80");
        assert_eq!(ways[1].branches[0].does, Does::Masquerade);
    }

    #[test]
    fn ways_that_double_with_every_step_are_not_all_followed() {
        // Sixteen chains, each of which goes eight times to the next: the kernel takes them, and has 8^16 ways.
        let chains = (0..16).map(|n| format!("[0:0] -A C{n} -j C{}\n", n + 1).repeat(8)).collect::<String>();
        let save = format!("*nat\n[0:0] -A PREROUTING -j C0\n{chains}[0:0] -A C16 -j MASQUERADE\nCOMMIT\n");
        fn count(branches: &[Branch]) -> (usize, usize) {
            branches.iter().fold((0, 0), |(all, cut), b| {
                let below = count(&b.branches);
                (all + 1 + below.0, cut + usize::from(b.cut) + below.1)
            })
        }
        let (all, cut) = count(&follow(&save)[0].branches);
        assert!(all < 3_000 && cut > 0, "{all} branches, {cut} cut");
    }

    #[test]
    fn a_chain_that_was_emptied_is_seen_as_a_dead_end() {
        let emptied: String = SAVE.lines().filter(|l| !l.contains("-A KUBE-SVC-A")).map(|l| format!("{l}\n")).collect();
        let ways = follow(&emptied);
        assert_eq!(ways[0].branches[0].branches[0].does, Does::Other("KUBE-SVC-A".into()));
    }
}
