//! Topologies that nobody has thought of: whatever a lab is made of, and wherever `up` of it ends, the machine is as it was.
//! A failure is made as small as it can be, and shown as a lab file.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use netlab::apply::journal;
use netlab::kernel::fake::{Fails, Fake};
use netlab::plan::{Mode, Outcome, Plan, build, build_for, expect, paint, pending};
use netlab::span::Source;
use netlab::state::{State, diff};
use netlab::topology::{self, Topology};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{Journal, header, stopped, tempfolder, up};

/// A lab file.
#[derive(Clone)]
struct Yaml(String);

impl fmt::Debug for Yaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.0)
    }
}

/// What lies on the near end of a cable.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Over {
    Nothing,
    Six,
    Bridge,
    Vlan,
    Macvlan,
    Ipip,
    Vxlan,
    Vrf,
}

#[derive(Debug, Clone)]
struct Cable {
    ends: [Index; 2],
    over: Over,
    mtu: Option<u32>,
}

/// Something that a node has: its kind, a number, and a cable that it is about.
#[derive(Debug, Clone, Copy)]
enum Thing {
    Route,
    Blackhole,
    Rule,
    Firewall(&'static str),
    Firewall6(&'static str),
    Setting(&'static str),
    OfInterface,
    Neighbor,
    Dummy,
    File,
    Program,
}

fn cable() -> impl Strategy<Value = Cable> {
    use Over::*;
    let over = select(vec![Nothing, Six, Bridge, Vlan, Macvlan, Ipip, Vxlan, Vrf]);
    let mtu = prop::option::of(1280u32..9000);
    (any::<[Index; 2]>(), over, mtu).prop_map(|(ends, over, mtu)| Cable { ends, over, mtu })
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        4 => Just(Thing::Route),
        1 => Just(Thing::Blackhole),
        2 => Just(Thing::Rule),
        2 => select(vec![
            "-t nat -A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE",
            "-t filter -P FORWARD DROP",
            "-t filter -A FORWARD -p icmp -j ACCEPT",
            "-t mangle -A PREROUTING -m comment --comment \"two words\" -j MARK --set-mark 7",
            "-t filter -N mine",
        ]).prop_map(Thing::Firewall),
        1 => Just(Thing::Firewall6("-t filter -A INPUT -p tcp -m tcp --dport 80 -j DROP")),
        2 => select(vec!["net.ipv4.conf.all.rp_filter: 2", "net.ipv4.conf.default.rp_filter: 1", "net.ipv4.tcp_syncookies: 1"])
            .prop_map(Thing::Setting),
        1 => Just(Thing::OfInterface),
        1 => Just(Thing::Neighbor),
        1 => Just(Thing::Dummy),
        1 => Just(Thing::File),
        1 => Just(Thing::Program),
    ]
}

/// A lab of two to six nodes.
fn lab() -> impl Strategy<Value = Yaml> {
    let cables = prop::collection::vec(cable(), 1..8);
    let things = prop::collection::vec((any::<Index>(), thing()), 0..16);
    (2usize..7, any::<bool>(), cables, things)
        .prop_map(|(nodes, host, cables, things)| written(nodes, host, &cables, &things))
}

/// The sections of a node, each a list of entries.
#[derive(Default)]
struct Sections(std::collections::BTreeMap<&'static str, BTreeSet<String>>);

impl Sections {
    fn add(&mut self, section: &'static str, entry: String) {
        self.0.entry(section).or_default().insert(entry);
    }
}

fn written(count: usize, host: bool, cables: &[Cable], things: &[(Index, Thing)]) -> Yaml {
    let mut nodes: Vec<Sections> = (0..count).map(|_| Sections::default()).collect();
    let mut links = String::new();
    let mut near: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (i, cable) in cables.iter().enumerate() {
        let a = cable.ends[0].index(count);
        let b = (a + 1 + cable.ends[1].index(count - 1)) % count;
        near[a].push(i);
        let mtu = cable.mtu.map(|mtu| format!(", mtu: {mtu}")).unwrap_or_default();
        let _ = writeln!(links, "  - {{endpoints: [n{a}:c{i}, n{b}:c{i}]{mtu}}}");
        let six = cable.over == Over::Six;
        let own = |end: usize| match six {
            true => format!("addresses: [10.0.{i}.{end}/24, \"fd00:{i}::{end}/64\"]"),
            false => format!("addresses: [10.0.{i}.{end}/24]"),
        };
        nodes[b].add("interfaces", format!("c{i}: {{{}}}", own(2)));
        if cable.over == Over::Bridge {
            nodes[a].add("bridges", format!("br{i}: {{ports: [c{i}], {}}}", own(1)));
            continue;
        }
        nodes[a].add("interfaces", format!("c{i}: {{{}}}", own(1)));
        let upper = format!("addresses: [10.{}.{i}.1/24]", cable.over as usize + 1);
        match cable.over {
            Over::Nothing | Over::Six | Over::Bridge => {}
            Over::Vlan => nodes[a].add("vlans", format!("c{i}.5: {{id: 5, link: c{i}, {upper}}}")),
            Over::Macvlan => nodes[a].add("macvlans", format!("m{i}: {{link: c{i}, mode: bridge, {upper}}}")),
            Over::Ipip => {
                nodes[a].add("tunnels", format!("t{i}: {{mode: ipip, local: 10.0.{i}.1, remote: 10.0.{i}.2, {upper}}}"))
            }
            Over::Vxlan => nodes[a].add(
                "tunnels",
                format!(
                    "x{i}: {{mode: vxlan, id: {}, local: 10.0.{i}.1, remote: 10.0.{i}.2, dev: c{i}, {upper}}}",
                    i + 1
                ),
            ),
            Over::Vrf => nodes[a].add("vrfs", format!("v{i}: {{table: {}, interfaces: [c{i}]}}", 500 + i)),
        }
    }
    for (k, (index, thing)) in things.iter().enumerate() {
        let n = index.index(count);
        let is_host = host && n == 0;
        let plain = near[n].iter().copied().find(|i| cables[*i].over != Over::Vrf && cables[*i].over != Over::Bridge);
        let node = &mut nodes[n];
        match (thing, plain) {
            (Thing::Route, Some(i)) => node.add("routes", format!("10.99.{k}.0/24 via 10.0.{i}.2")),
            (Thing::Blackhole, _) => node.add("routes", format!("blackhole 10.98.{k}.0/24")),
            (Thing::Rule, _) => {
                node.add("rules", format!("from 10.97.{k}.0/24 lookup {} priority {}", 100 + k, 1000 + k))
            }
            (Thing::Firewall(line), _) => node.add("iptables", line.to_string()),
            (Thing::Firewall6(line), _) => node.add("ip6tables", line.to_string()),
            // The machine in memory has no other setting of its own.
            (Thing::Setting(_) | Thing::OfInterface, _) if is_host => {
                node.add("sysctls", "net.ipv4.ip_forward: 1".into())
            }
            (Thing::Setting(line), _) => node.add("sysctls", line.to_string()),
            (Thing::OfInterface, Some(i)) => node.add("sysctls", format!("net.ipv4.conf.c{i}.proxy_arp: 1")),
            (Thing::Neighbor, Some(i)) => {
                node.add("neighbors", format!("10.0.{i}.{} lladdr 02:00:00:00:00:{k:02x} dev c{i}", 100 + k));
            }
            (Thing::Dummy, _) => node.add("dummies", format!("d{k}: {{addresses: [10.96.{k}.1/32]}}")),
            (Thing::File, _) if !is_host => node.add("files", format!("/etc/netlab-{k}: \"{k}\"")),
            (Thing::Program, _) if !is_host => node.add("services", format!("s{k}: {{tcp: {}}}", 7000 + k)),
            (Thing::Route | Thing::OfInterface | Thing::Neighbor | Thing::File | Thing::Program, _) => {}
        }
    }
    let mut text = String::from("name: random\nnodes:\n");
    for (n, node) in nodes.iter().enumerate() {
        let _ = writeln!(text, "  n{n}:");
        text.push_str(if host && n == 0 { "    kind: host\n" } else { "    kind: node\n" });
        for (section, entries) in &node.0 {
            let _ = writeln!(text, "    {section}:");
            let list = matches!(*section, "routes" | "rules" | "iptables" | "ip6tables" | "neighbors");
            for entry in entries {
                let quoted = format!("'{}'", entry.replace('\'', "''"));
                let _ = writeln!(text, "      {}", if list { format!("- {quoted}") } else { entry.clone() });
            }
        }
    }
    Yaml(format!("{text}links:\n{links}"))
}

/// So many labs in an ordinary test, the same ones every time; with `NETLAB_TORTURE` many more, and others each time.
fn for_many<S: Strategy>(what: &str, strategy: &S, holds: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let torture = std::env::var_os("NETLAB_TORTURE").is_some();
    let config = Config { cases: if torture { 1000 } else { 60 }, failure_persistence: None, ..Config::default() };
    let cases = config.cases;
    let mut runner = if torture {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    if let Err(failure) = runner.run(strategy, holds) {
        panic!("{failure}");
    }
    println!("FIGURE: {cases} {what}");
}

fn understood(yaml: &Yaml) -> Result<Topology, TestCaseError> {
    let loaded = topology::load(Source::new("random.yaml", yaml.0.clone()));
    let (topology, _) = loaded.map_err(|e| TestCaseError::fail(netlab::report::diagnostic::error(&e)))?;
    Ok(topology)
}

#[test]
fn wherever_up_of_a_random_lab_ends_nothing_is_left() {
    let ways = (lab(), any::<bool>(), any::<bool>(), any::<Index>(), 0..4usize);
    for_many(
        "random topologies, stopped somewhere on the machine in memory",
        &ways,
        |(yaml, on_host, bare, at, way)| {
            let topology = understood(&yaml)?;
            let mode = if on_host { Mode::OnHost } else { Mode::Isolated };
            let lacking = if bare { ["ipip".to_string()].into() } else { BTreeSet::new() };
            let plan = build_for(&topology, mode, &lacking);
            prop_assert_eq!(&plan, &build_for(&topology, mode, &lacking), "a plan is the same every time");
            let n = at.index(plan.steps.len());
            let fails = [Fails::Never, Fails::Before(n), Fails::After(n), Fails::Killed(n)][way];
            let (machine, left) = stopped(&topology, &plan, fails);
            prop_assert_eq!(left, Vec::<String>::new(), "{:?}", fails);
            prop_assert_eq!(machine.picture(), Fake::default().picture(), "{:?}", fails);
            Ok(())
        },
    );
}

#[test]
fn the_journal_of_a_random_lab_says_what_was_done() {
    for_many("random topologies, read back from their journals", &lab(), |yaml| {
        let topology = understood(&yaml)?;
        let plan = build(&topology, Mode::Isolated);
        let folder = tempfolder();
        let header = header(&topology, &plan);
        let mut journal = Journal::create(&folder, &header, &plan).unwrap();
        let mut outcomes = vec![Outcome::Untouched; plan.steps.len()];
        let done = up::carry_out(&mut Fake::default(), &plan, &mut journal, &mut outcomes, &topology, &mut |_| {});
        let entry = journal::read(&folder).unwrap().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        prop_assert!(done.is_ok(), "{:?}", done.err().map(|e| e.to_string()));
        prop_assert_eq!(entry.header, header);
        prop_assert_eq!(entry.plan.as_ref(), Some(&plan));
        prop_assert_eq!(entry.outcomes, outcomes);
        Ok(())
    });
}

/// A fact that can go: a number chooses what, and how.
fn damage(state: &mut State, at: Index) {
    let keys: Vec<String> = state.nodes.keys().cloned().collect();
    let node = state.nodes.get_mut(&keys[at.index(keys.len())]).unwrap();
    let lose = |set: &mut BTreeSet<String>| {
        if let Some(one) = set.iter().nth(at.index(set.len().max(1))).cloned() {
            set.remove(&one);
        }
    };
    let links: Vec<String> = node.links.keys().filter(|l| *l != "lo").cloned().collect();
    let link = (!links.is_empty()).then(|| links[at.index(links.len())].clone());
    match (at.index(8), link) {
        (0, _) => lose(&mut node.routes),
        (1, _) => lose(&mut node.rules),
        (2, _) => lose(&mut node.neighbors),
        (3, _) => node.firewall.clear(),
        (4, _) => node.sysctls.clear(),
        (5, _) => node.files.clear(),
        (6, Some(link)) => {
            if let Some(link) = node.links.get_mut(&link) {
                link.up = false;
                link.addresses.clear();
            }
        }
        // With one end of a cable goes the other: here each end goes by itself, which is no easier.
        (_, Some(link)) => drop(node.links.remove(&link)),
        _ => {}
    }
}

/// What `repair` does, on pictures: what is missing is done again, until all is there.
fn repaired(plan: &Plan, expected: &State, mut actual: State) -> (State, usize) {
    for round in 0..4 {
        let todo = pending(plan, expected, &actual);
        if todo.is_empty() {
            return (actual, round);
        }
        todo.iter().for_each(|n| paint(&mut actual, &plan.steps[*n].op));
    }
    (actual, 4)
}

#[test]
fn a_random_lab_from_which_anything_is_taken_away_is_put_back() {
    let damaged = (lab(), prop::collection::vec(any::<Index>(), 1..8));
    for_many("random topologies, damaged and repaired", &damaged, |(yaml, lost)| {
        let plan = build(&understood(&yaml)?, Mode::Isolated);
        let expected = expect(&plan);
        prop_assert_eq!(pending(&plan, &expected, &expected), Vec::<usize>::new(), "nothing to do on a whole lab");
        let mut actual = expected.clone();
        lost.iter().for_each(|at| damage(&mut actual, *at));
        let (actual, _) = repaired(&plan, &expected, actual);
        let left: Vec<String> = diff(&expected, &actual).iter().map(|d| format!("{}: {d}", d.node)).collect();
        prop_assert_eq!(left, Vec::<String>::new());
        Ok(())
    });
}
