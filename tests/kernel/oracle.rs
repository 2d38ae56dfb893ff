//! Two implementations of one plan: the script that `netlab plan --format shell` prints, and `netlab up`. What the kernel
//! has afterwards must be the same, seen with `ip`, not with netlab's eyes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Host, crowd};

#[test]
fn the_printed_script_makes_what_up_makes() {
    let Some(first) = Host::new() else { return };
    let labs = first.built_in_labs();
    let mut modes: Vec<(&str, &[&str])> = labs.iter().map(|lab| (lab.as_str(), &[][..])).collect();
    let on_host = labs.iter().filter(|lab| first.can_be_on_host(lab));
    modes.extend(on_host.map(|lab| (lab.as_str(), &["--on-host"][..])));
    crowd::for_each(&modes, |(lab, options)| same(lab, options));
}

fn same(lab: &str, options: &[&str]) {
    let (Some(by_hand), Some(by_netlab)) = (Host::new(), Host::new()) else { return };
    let words = |command: &'static str| [command, lab].into_iter().chain(options.iter().copied());
    let script = by_hand.netlab(words("plan").chain(["--format", "shell"])).success().stdout;
    let script = by_hand.write("script", &script);
    let before = by_netlab.snapshot();
    by_hand.sh(&format!("sh -e {script}")).success();
    by_netlab.netlab(words("up")).success();
    for host in [&by_hand, &by_netlab] {
        // Until a cable has told both its ends, an address is known to be nobody else's, and a program is behind its
        // device, things look otherwise.
        host.wait_for(
            "settled() { if $1 addr | grep -q -e LOWERLAYERDOWN -e tentative; then exit 1; fi
                 if $1 link show type tun | grep -q NO-CARRIER; then exit 1; fi; }
             settled ip; for ns in $(ip netns list | cut -d' ' -f1); do settled \"ip -n $ns\"; done",
        );
    }
    // `up` waits until a program is ready; the script starts it and goes on, as a shell does.
    let servers = by_netlab.sh(SERVERS).success().stdout;
    by_hand.wait_for(&format!("[ \"$({SERVERS})\" = '{}' ]", servers.trim_end()));
    // Routing daemons take a moment until they have found each other.
    let until = Instant::now() + Duration::from_secs(15);
    let (mut left, mut right) = (observed(&by_hand), observed(&by_netlab));
    while left != right && Instant::now() < until {
        (left, right) = (observed(&by_hand), observed(&by_netlab));
    }
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>(), "{lab} {options:?}: namespaces");
    for (node, left) in &left {
        for (what, left) in left {
            let right = &right[node][what];
            let text = |value| serde_json::to_string_pretty(value).unwrap();
            assert_eq!(left, right, "{lab} {options:?}: {what} of {node}\nscript: {}\nup: {}", text(left), text(right));
        }
    }
    by_netlab.netlab(["down", lab]).success();
    by_netlab.assert_as(&before, lab);
}

type Observed = BTreeMap<String, BTreeMap<&'static str, Value>>;

/// Everything that can be seen of each namespace and of the machine itself.
fn observed(host: &Host) -> Observed {
    let list = host.sh("ip netns list").success().stdout;
    let mut nodes: Vec<&str> = list.lines().filter_map(|l| l.split(' ').next()).collect();
    nodes.push("");
    nodes.into_iter().map(|node| (node.to_string(), node_of(host, node))).collect()
}

fn node_of(host: &Host, node: &str) -> BTreeMap<&'static str, Value> {
    let inside = |command: &str| {
        let script = if node.is_empty() { command.to_string() } else { format!("ip netns exec {node} {command}") };
        host.sh(&script).success().stdout
    };
    let data = |command: &str| serde_json::from_str::<Value>(&inside(command)).unwrap();
    let lines = |command: &str| {
        let text = inside(command);
        let mut lines: Vec<String> = text.lines().map(|l| l.trim_end().to_string()).collect();
        // When it was saved, and how many packets went by.
        lines.retain(|l| !l.starts_with('#') && !l.starts_with(':'));
        lines.sort();
        json!(lines)
    };
    let links = data("ip -d -j link show");
    let addresses = data("ip -j addr show");
    BTreeMap::from([
        ("links", links.as_array().unwrap().iter().map(link).collect()),
        ("addresses", addresses.as_array().unwrap().iter().map(addresses_of).collect()),
        ("routes", lines("ip -4 route show table all")),
        ("routes (IPv6)", lines("ip -6 route show table all")),
        ("qdiscs", lines("sh -c 'tc qdisc show | grep -E \"netem|tbf\" | sed -E \"s/ [0-9a-f]+: / /\"'")),
        ("rules", lines("ip rule show")),
        ("rules (IPv6)", lines("ip -6 rule show")),
        ("neighbours", lines("ip neigh show nud permanent")),
        ("firewall", lines("iptables-save")),
        ("firewall (IPv6)", lines("ip6tables-save")),
        ("ipsets", ipsets(&inside("ipset save"))),
        ("policies", json!(inside("iptables-save").lines().filter_map(policy).collect::<Vec<_>>())),
        ("servers", lines("sh -c 'ss -Hltun | tr -s \" \" | cut -d\" \" -f1,5'")),
        ("files", lines(&format!("sh -c 'cd /etc/netns/{node} 2>/dev/null && grep -r . . || true'"))),
        ("settings", lines(SETTINGS)),
    ])
}

/// How many sockets listen in each namespace.
const SERVERS: &str =
    "for ns in $(ip netns list | cut -d' ' -f1 | sort); do echo $ns $(ip netns exec $ns ss -Hltun | wc -l); done";

/// All that can be read but what counts, what is random, and what follows from a link's age.
const SETTINGS: &str =
    "sh -c 'grep -rs . /proc/sys/net | grep -v -e nf_conntrack_count -e fastopen_key -e stable_secret || true'";

/// What `ipset save` prints, without the numbers that are random or grow.
fn ipsets(save: &str) -> Value {
    let mut lines: Vec<&str> = save.lines().map(|l| l.split(" hashsize ").next().unwrap()).collect();
    lines.sort_unstable();
    json!(lines)
}

/// `:FORWARD DROP [0:0]` without the counters.
fn policy(line: &str) -> Option<String> {
    line.starts_with(':').then(|| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

/// A link without its numbers, and without the group by which netlab knows its own.
fn link(link: &Value) -> Value {
    let flags: Vec<&str> = link["flags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let bridge = &link["linkinfo"]["info_data"];
    json!({
        "name": link["ifname"], "kind": link["linkinfo"]["info_kind"], "type": link["link_type"],
        "mac": link["address"], "mtu": link["mtu"], "up": flags.contains(&"UP"), "promiscuous": flags.contains(&"PROMISC"),
        "master": link["master"], "stp": bridge["stp_state"], "forward-delay": bridge["forward_delay"],
        "vlan-filtering": bridge["vlan_filtering"], "port-state": link["linkinfo"]["info_slave_data"]["state"],
        "peer-elsewhere": link.get("link_netnsid").is_some(), "queue": link["txqlen"],
    })
}

fn addresses_of(link: &Value) -> Value {
    let mut addresses = link["addr_info"].clone();
    for address in addresses.as_array_mut().unwrap() {
        // Whether the kernel has finished to look for a double.
        address.as_object_mut().unwrap().remove("tentative");
    }
    json!({"name": link["ifname"], "addresses": addresses})
}
