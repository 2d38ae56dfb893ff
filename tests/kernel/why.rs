//! A failed check says why: the first thing on the way that is broken, and nothing else.

use netlab::apply::checks::Outcome;
use netlab::apply::{ground, running, why};

use crate::support::{Host, crowd};

const LAB: &str = include_str!("faults.yaml");

/// What is done by hand, the check that fails, and the reason that it gives.
///
/// ```text
/// h1 ┐                                     ┌ srv
///    sw1 ── r1 ── r2 (masquerades, DNAT) ── sw2
/// h2 ┘             └── inet
/// ```
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "ip -n r2 route del 10.1.1.0/24",
        "ping",
        "the answer of `srv` to 10.1.1.10 does not come back:\n                  the route `10.1.1.0/24 via 10.0.12.1 dev wan0` of `r2` is missing",
    ),
    (
        "ip -n srv addr add 10.2.2.20/8 dev eth0; ip -n srv addr del 10.2.2.20/24 dev eth0",
        "ping",
        "`srv` looks for 10.1.1.10 on eth0, but `h1`, which has that address, is not on that wire",
    ),
    ("ip -n sw1 link set p-h1 down", "ping", "`p-h1` of `sw1` is down"),
    ("ip -n sw1 link set p-h1 nomaster", "ping", "`p-h1` of `sw1` is not plugged into `br0`"),
    ("ip -n h1 link set eth0 down", "ping", "`eth0` of `h1` is down"),
    ("ip -n h1 link del eth0", "ping", "`eth0` of `h1` is missing"),
    ("ip -n h1 route del default", "ping", "`h1` has no route to 10.2.2.20: `default via 10.1.1.1 dev eth0"),
    (
        "ip -n h1 route replace default via 10.1.1.254",
        "ping",
        "`h1` sends it to the gateway 10.1.1.254 on eth0, an address that nobody has",
    ),
    ("ip -n h1 route replace default via 10.1.1.11", "ping", "`h2` does not forward what comes in by eth0"),
    (
        "ip netns exec r1 sysctl -qw net.ipv4.ip_forward=0",
        "ping",
        "`r1` does not forward what comes in by lan0: net.ipv4.ip_forward is 0",
    ),
    (
        "ip netns exec r2 sysctl -qw net.ipv4.conf.wan0.rp_filter=1; ip -n r2 route replace 10.1.1.0/24 via 203.0.113.1",
        "ping",
        "`r2` drops it on wan0: rp_filter is on, and it would send to 10.1.1.10 by inet0",
    ),
    ("ip netns exec r2 iptables -t nat -F POSTROUTING", "outside", "-j MASQUERADE` is missing"),
    (
        "ip netns exec r2 iptables -t nat -F PREROUTING",
        "inwards",
        "`r2` does not send tcp port 8080 on: `-t nat -A PREROUTING",
    ),
    (
        "ip -n r1 route add blackhole 10.2.2.20",
        "ping",
        "`r1` throws away what is for 10.2.2.20: its route `blackhole 10.2.2.20`",
    ),
    (
        "ip -n r1 route add prohibit 10.2.2.20",
        "ping",
        "`r1` throws away what is for 10.2.2.20: its route `prohibit 10.2.2.20`",
    ),
    (
        "ip -n h1 neigh replace 10.1.1.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
        "ping",
        "`h1` takes 10.1.1.1 for 02:00:00:00:00:99 (a permanent neighbour entry), but `lan0` of `r1` is 02:",
    ),
    (
        "ip netns exec r1 iptables -A FORWARD -p icmp -j DROP",
        "ping",
        "the firewall of `r1` throws it away, or the answer: `-t filter -A FORWARD -p icmp -j DROP`",
    ),
    (
        "ip netns exec r1 iptables -P FORWARD DROP",
        "http",
        "the firewall of `r1` throws it away, or the answer: `-t filter -P FORWARD DROP`",
    ),
    ("kill -9 $(ip netns pids srv)", "http", "nothing listens on tcp port 80 of `srv`: its service `web` does not run"),
    ("ip -n r2 route replace 10.2.2.20 via 10.0.12.1", "ping", "it goes round in a loop: h1 → r1 → r2"),
    (
        "ip -n r1 rule add from 10.1.1.10 lookup 99; ip -n r1 route add unreachable default table 99",
        "ping",
        "`r1` has no route to 10.2.2.20 for what comes from 10.1.1.10",
    ),
    // The namespace ends a little later than the command.
    (
        "ip netns del r1; while ip -n sw1 link show p-r1 >/dev/null 2>&1; do sleep 0.01; done",
        "ping",
        "the namespace of `r1` is gone",
    ),
    ("ip -n sw2 link del br0", "ping", "`br0` of `sw2` is missing"),
    ("ip -n srv addr del 10.2.2.20/24 dev eth0", "ping", "`srv` does not have 10.2.2.20 on `eth0` any more"),
    (
        // Who answers first is luck; here the right one is away for a moment.
        "ip -n sw1 link add twin type veth peer name twin netns h2;
         ip -n sw1 link set twin master br0 up; ip -n h2 addr add 10.1.1.1/24 dev twin; ip -n h2 link set twin up;
         ip -n sw1 link set p-r1 down; ip -n h1 neigh flush all; ip netns exec h1 ping -n -c 1 -W 1 10.1.1.1 > /dev/null;
         ip -n sw1 link set p-r1 up",
        "ping",
        "`h2` has 10.1.1.1 too, on `twin`, and answers `h1` in the place of `r1`",
    ),
    ("ip -n r2 link set lan0 down", "http", "`lan0` of `r2` is down"),
];

/// The same in labs with more than wires and routers.
const IN_LABS: &[(&str, &str, &str, &str)] = &[
    (
        "pod-lab",
        "for i in $(ip netns exec pod-lab-node1 ls /proc/sys/net/ipv4/conf | grep cali); do
             ip netns exec pod-lab-node1 sysctl -qw net.ipv4.conf.$i.proxy_arp=0; done",
        "a pod reaches",
        "proxy_arp is 0 there",
    ),
    (
        "vxlan-lab",
        "bridge -n vxlan-lab-node1 fdb del 66:00:00:00:00:12 dev vxlan.calico dst 10.0.0.12",
        "a pod reaches a pod of another node",
        "`node1` has no forwarding entry for 66:00:00:00:00:12 on vxlan.calico",
    ),
    (
        "vxlan-lab",
        "ip -n vxlan-lab-node2 link set vxlan.calico down",
        "a pod reaches a pod of another node",
        "`vxlan.calico` of `node2`, the other end of the tunnel, is down",
    ),
    (
        "vxlan-lab",
        "ip -n vxlan-lab-sw link set p-node2 nomaster",
        "a pod reaches a pod of another node",
        "the packets of the tunnel `vxlan.calico` do not get from `node1` to 10.0.0.12: `p-node2` of `sw` is not plugged into `br0`",
    ),
    (
        "services-lab",
        "ip netns exec services-lab-node1 iptables -t nat -F KUBE-SVC-2FNB6B3UXMXY5MXV",
        "the pod's own address is kept",
        "`node1` does not send tcp port 80 on: `-t nat -A KUBE-SVC-2FNB6B3UXMXY5MXV",
    ),
    (
        "services-lab",
        "kill -9 $(ip netns pids services-lab-b)",
        "each endpoint gets its share",
        "does not reach 10.244.2.2:80:\n                  nothing listens on tcp port 80 of `b`: its service `web` does not run",
    ),
    (
        "bgp-lab",
        // Its neighbours drop its routes when they see its end of the connection close.
        "kill -9 $(ip netns pids bgp-lab-worker2)
         while ip -n bgp-lab-worker1 route | grep -q '^10.48.0.128/26'; do sleep 0.05; done",
        "a pod reaches a pod of another node by these routes",
        "`bird` of `worker2` does not run: the routes that it tells the others, and its own, are missing",
    ),
    (
        "policy-lab",
        "ip netns exec policy-lab-node1 iptables -F cali-pi-ingress-policy",
        "so does one on the other node",
        "the firewall of `node1` is not the lab's: `-A cali-pi-ingress-policy -p tcp",
    ),
    (
        "policy-lab",
        "ip netns exec policy-lab-node1 ipset del cali40s:access-true 10.244.2.3",
        "so does one on the other node",
        "the set `cali40s:access-true` of `node1` lacks 10.244.2.3",
    ),
];

#[test]
fn a_failed_check_names_the_first_thing_that_is_broken() {
    if Host::new().is_none() {
        return;
    }
    let test = |by_hand: &str, check: &str, why: &str| {
        let Some(host) = Host::new() else { return };
        let file = host.write("faults.yaml", LAB);
        host.netlab(["up", &file]).success();
        host.sh(by_hand).success();
        host.netlab(["check", "--only", check]).exits(1).says(why);
        host.netlab(["down"]).success();
    };
    let in_lab = |lab: &str, by_hand: &str, check: &str, why: &str| {
        let Some(host) = Host::new() else { return };
        host.netlab(["up", lab]).success();
        host.sh(by_hand).success();
        host.netlab(["check", "--only", check]).exits(1).says(why);
        host.netlab(["down"]).success();
    };
    let own = FAULTS.iter().map(|(by_hand, check, why)| (None, *by_hand, *check, *why));
    let labs = IN_LABS.iter().map(|(lab, by_hand, check, why)| (Some(*lab), *by_hand, *check, *why));
    let all: Vec<_> = own.chain(labs).collect();
    let failed = crowd::failing(&all, |(lab, by_hand, check, why)| match lab {
        Some(lab) => in_lab(lab, by_hand, check, why),
        None => test(by_hand, check, why),
    });
    let failed: Vec<&str> = failed.iter().map(|(_, by_hand, ..)| *by_hand).collect();
    assert!(failed.is_empty(), "not explained:\n{}", failed.join("\n"));
}

/// In a whole lab nothing is broken, so there is no reason for anything: whatever is found there would be a false one.
#[test]
fn where_nothing_is_broken_no_reason_is_given() {
    let Some(host) = Host::new() else { return };
    let mut asked = 0;
    for lab in host.built_in_labs() {
        host.netlab(["up", &lab]).success();
        let name = lab.clone();
        let reasons: Vec<Option<String>> = host.inside(move || {
            let running = running::pick_running(Some(&name)).unwrap();
            let topology = running.topology().unwrap();
            let checks: Vec<_> = topology.checks.iter().filter(|c| c.after.is_empty()).cloned().collect();
            let mut outcomes: Vec<Outcome> = checks.iter().map(|_| failed()).collect();
            let folder = ground::lab_folder(&name);
            why::explain(&running.entry, &folder, &topology, (&checks, &mut outcomes), |_| {});
            outcomes.into_iter().map(|o| o.why).collect()
        });
        asked += reasons.len();
        assert!(reasons.iter().all(Option::is_none), "{lab}: {reasons:#?}");
        host.netlab(["down", &lab]).success();
    }
    assert!(asked > 60, "only {asked} checks were looked at");
}

fn failed() -> Outcome {
    Outcome {
        name: String::new(),
        node: String::new(),
        kind: "ping".into(),
        passed: false,
        expected: String::new(),
        seen: String::new(),
        why: None,
        meaning: None,
        answered: false,
        command: String::new(),
        hint: None,
        seconds: 0.0,
        tries: 1,
        at: String::new(),
    }
}
