//! What each kind of check makes of an open door, a closed one, a firewall that says no and one that says nothing.

use std::collections::BTreeMap;

use crate::support::Host;

/// `server` listens on 80, 7 (TCP and UDP) and 53; nobody listens on 81. What comes for 82 is dropped, for 83 rejected; there
/// is no route to 10.9.9.9.
const LAB: &str = r#"
name: doors
netns: "{node}"
nodes:
  client:
    interfaces:
      eth0: {addresses: [10.0.0.1/24]}
    dns: {addresses: [10.0.0.2], search: [lab.example], options: [timeout:1, attempts:1]}
    hosts: {written: 10.0.0.77}
  deaf:
    interfaces:
      eth0: {addresses: [10.0.1.1/24]}
    routes: [default via 10.0.1.2]
    dns: {addresses: [10.0.1.2], options: [timeout:1, attempts:1]}
  server:
    interfaces:
      eth0: {addresses: [10.0.0.2/24]}
      eth1: {addresses: [10.0.1.2/24]}
    # A firewall that says no is silent, too, once it has said so too often.
    sysctls: {net.ipv4.ip_forward: 0, net.ipv4.icmp_ratelimit: 0}
    services:
      web: {http: 80}
      tcp: {tcp: 7}
      udp: {udp: 7}
      # Behind the doors, for who knocks from within.
      web2: {http: 82}
      web3: {http: 83}
      udp2: {udp: 82}
      dns:
        run: [dnsmasq, -k, --conf-file=/dev/null, --no-resolv, --no-hosts, --user=root, --pid-file=, --local=/example/,
          --address=/web.lab.example/10.0.0.2, --listen-address=127.0.0.1, --listen-address=10.0.0.2,
          --listen-address=10.0.1.2, --bind-interfaces]
        ready: {tcp: 53}
    iptables:
      - -A INPUT -i eth0 -p tcp --dport 82 -j DROP
      - -A INPUT -i eth0 -p udp --dport 82 -j DROP
      - -A INPUT -i eth0 -p tcp --dport 83 -j REJECT
      - -A INPUT -i eth1 -p udp --dport 53 -j DROP
links:
  - endpoints: [client:eth0, server:eth0]
  - endpoints: [deaf:eth0, server:eth1]
checks:
"#;

/// What is asked, and the expectations that hold; every other one of its kind must not.
const DOORS: &[(&str, &[&str], &[&str])] = &[
    ("tcp: \"10.0.0.2:80\"", &["open"], TCP),
    ("tcp: \"10.0.0.2:81\"", &["refused"], TCP),
    ("tcp: \"10.0.0.2:82\"", &["blocked"], TCP),
    ("tcp: \"10.0.0.2:83\"", &["refused"], TCP),
    ("udp: \"10.0.0.2:7\"", &["open"], TCP),
    ("udp: \"10.0.0.2:81\"", &["refused"], TCP),
    ("udp: \"10.0.0.2:82\"", &["blocked"], TCP),
    ("curl: \"http://10.0.0.2/\"", &["ok"], CURL),
    ("curl: \"http://10.0.0.2:81/\"", &["refused"], CURL),
    ("curl: \"http://10.0.0.2:82/\"", &["blocked", "timeout"], CURL),
    ("curl: \"http://10.0.0.2:83/\"", &["refused"], CURL),
    ("dns: web", &["ok", "[10.0.0.2]"], DNS),
    ("dns: written", &["ok", "[10.0.0.77]"], DNS),
    ("dns: nosuch", &["nxdomain"], DNS),
    ("server: 10.0.0.2, dns: web.lab.example", &["ok", "[10.0.0.2]"], DNS),
    ("server: 10.0.0.2, dns: nosuch.lab.example", &["nxdomain"], DNS),
    ("server: 10.0.0.1, dns: web.lab.example", &["refused"], DNS),
    ("has: [\"10.0.0.0/24 dev eth0\"]", &["present"], &["present", "absent"]),
    ("has: [\"10.0.5.0/24 dev eth0\"]", &["absent"], &["present", "absent"]),
];
const TCP: &[&str] = &["open", "refused", "blocked"];
const CURL: &[&str] = &["ok", "refused", "blocked", "timeout"];
const DNS: &[&str] = &["ok", "[10.0.0.2]", "[10.0.0.77]", "nxdomain", "timeout", "refused"];

#[test]
fn each_door_is_what_it_is_and_nothing_else() {
    let Some(host) = Host::new() else { return };
    let mut text = LAB.to_string();
    let mut wanted = BTreeMap::new();
    for (ask, hold, all) in DOORS {
        for expect in *all {
            let name = format!("{ask} is {expect}").replace('"', "");
            text.push_str(&format!("  - {{name: '{name}', from: client, {ask}, expect: {expect}, within: 300ms}}\n"));
            wanted.insert(name, hold.contains(expect));
        }
    }
    // A server that is there and cannot be heard from here.
    for (expect, holds) in [("timeout", true), ("nxdomain", false), ("refused", false), ("ok", false)] {
        let name = format!("a deaf one is {expect}");
        let ask = "dns: web.lab.example, server: 10.0.1.2";
        text.push_str(&format!("  - {{name: {name}, from: deaf, {ask}, expect: {expect}, within: 300ms}}\n"));
        wanted.insert(name, holds);
    }
    let file = host.write("doors.yaml", &text);
    host.netlab(["up", &file]).success();
    let checks = host.netlab(["check", "--json"]).exits(1).json();
    let wrong: Vec<String> = checks["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| Some(c["passed"].as_bool().unwrap()) != wanted.get(c["name"].as_str().unwrap()).copied())
        .map(|c| format!("{}: {} ({})", c["name"], c["passed"], c["seen"]))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(checks["checks"].as_array().unwrap().len(), wanted.len());
    host.netlab(["down"]).success();
}

/// One switch, three nodes with addresses of both families; `b` throws IPv6 from `a` away.
const BOTH: &str = r#"
name: both
nodes:
  sw: {bridges: {br0: {ports: [a, b, c]}}}
  a: {interfaces: {eth0: {addresses: [10.0.0.1/24, "fd00::1/64"]}}}
  b:
    interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}}
    ip6tables: ["-A INPUT -s fd00::1 -p ipv6-icmp -m icmp6 --icmpv6-type echo-request -j DROP"]
  c: {interfaces: {eth0: {addresses: [10.0.0.3/24, "fd00::3/64"]}}}
links:
  - endpoints: [a:eth0, sw:a]
  - endpoints: [b:eth0, sw:b]
  - endpoints: [c:eth0, sw:c]
checks:
  - {name: by IPv4, reach: all}
  - {name: by IPv6, reach: [a, b, c], family: ipv6, blocked: [a > b]}
  - {name: by IPv6 but for nobody, reach: all, family: ipv6, within: 1ms}
"#;

#[test]
fn everybody_reaches_everybody_by_either_family() {
    let Some(host) = Host::new() else { return };
    let lab = host.write("both.yaml", BOTH);
    host.netlab(["up", &lab]).success();
    host.netlab(["check", "--only", "by IPv4"]).success();
    let report = host.netlab(["check", "--json"]).exits(1).json();
    let of = |name: &str| report["checks"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap();
    assert_eq!(of("by IPv6")["passed"], true, "{report:#}");
    let failed = of("by IPv6 but for nobody");
    assert_eq!(failed["passed"], false, "{failed}");
    assert_eq!(failed["seen"], "1 of 6 pairs do not get through:\na → b");
    host.netlab(["down"]).success();
}

/// One table of neighbours holds 1,024 entries by default, for all nodes together; these pairs take three times as many.
#[test]
fn a_large_matrix_gets_along_with_the_kernels_table_of_neighbours() {
    let Some(host) = Host::new() else { return };
    host.netlab(["up", "star-lab", "--set", "n=56"]).success();
    host.netlab(["check", "star-lab"]).success().says("hold");
    host.sh("ip -n star-lab-n5 link set eth0 down").success();
    let ran = host.netlab(["check", "star-lab"]).exits(1);
    ran.says("112 of 3192 pairs").says("everybody → n5");
}
