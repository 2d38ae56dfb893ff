//! The labs that play a Kubernetes cluster: services, policies. What a learner breaks there is one line among a hundred, and
//! has to be named.

use crate::support::Host;

#[test]
fn members_of_an_ipset_that_come_and_go_by_hand_are_seen_and_put_right() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "policy-lab"]).success();
    let set = "cali40s:access-true";
    for (by_hand, named) in [
        (format!("ipset add {set} 10.244.1.4"), format!("node1: 10.244.1.4 in ipset {set} was added by hand")),
        (format!("ipset del {set} 10.244.1.3"), format!("node1: 10.244.1.3 in ipset {set} is missing")),
        (format!("ipset flush {set}"), format!("node1: 10.244.2.3 in ipset {set} is missing")),
        ("ipset create mine hash:ip".into(), "node1: ipset mine was added by hand".into()),
        (
            // A rule that speaks of a set holds it.
            "ipset create mine hash:ip; ip netns exec policy-lab-node1 iptables -I FORWARD -m set --match-set mine src -j DROP"
                .into(),
            "node1: ipset mine was added by hand".into(),
        ),
        (
            format!("iptables -F; ip netns exec policy-lab-node1 ipset destroy {set}"),
            format!("node1: ipset {set} is missing"),
        ),
        (
            format!("iptables -F; ip netns exec policy-lab-node1 ipset destroy {set}; ip netns exec policy-lab-node1 ipset create {set} hash:ip"),
            format!("node1: ipset {set} is hash:ip family inet, should be hash:net family inet"),
        ),
    ] {
        host.sh(&format!("ip netns exec policy-lab-node1 {by_hand}")).success();
        host.netlab(["status"]).exits(1).says(&named);
        host.netlab(["repair"]).success().says("as it should be again");
        host.netlab(["status"]).success();
    }
    host.netlab(["check", "--only", "a pod with the label reaches nginx"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "an ipset changed by hand, again and again");
}

#[test]
fn on_the_machine_only_the_labs_own_ipsets_go() {
    let Some(host) = Host::new() else { return };
    host.sh("ipset create theirs hash:ip; ipset add theirs 192.0.2.1").success();
    let before = host.snapshot();
    let lab = |set: &str| {
        format!(
            "name: sets\n\
             nodes:\n  host:\n    kind: host\n    interfaces: {{eth0: {{addresses: [10.9.8.1/24]}}}}\n    \
             ipsets: {{{set}: {{type: hash:net, members: [10.9.8.0/24]}}}}\n    \
             iptables: [-A INPUT -m set --match-set {set} src -j ACCEPT]\n  \
             peer: {{interfaces: {{eth0: {{addresses: [10.9.8.2/24]}}}}}}\n\
             links: [{{endpoints: [host:eth0, peer:eth0]}}]\n"
        )
    };
    let taken = host.write("taken.yaml", &lab("theirs"));
    host.netlab(["up", &taken, "--on-host"]).exits(4).says("already has an ipset `theirs`");
    host.assert_as(&before, "a set that is taken");
    let ours = host.write("ours.yaml", &lab("ours"));
    host.netlab(["up", &ours, "--on-host"]).success();
    host.sh("ipset test ours 10.9.8.0/24").success();
    host.sh("ipset del ours 10.9.8.0/24").success();
    host.netlab(["status"]).exits(1).says("10.9.8.0/24 in ipset ours is missing");
    host.netlab(["repair"]).success();
    host.sh("ipset test ours 10.9.8.0/24").success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "a set of the lab's own");
}

const SERVICE: &str = "2FNB6B3UXMXY5MXV";

#[test]
fn a_chain_of_a_service_that_is_emptied_by_hand_is_named_line_by_line_and_put_back() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "services-lab"]).success();
    let shared = "each endpoint gets its share";
    host.netlab(["check", "--only", shared]).success();
    for (by_hand, named) in [
        (
            format!("-F KUBE-SVC-{SERVICE}"),
            format!(
                "node1: iptables `-t nat -A KUBE-SVC-{SERVICE} -m comment --comment \"default/cluster-ip-svc:http -> 10.244.2.3:80\""
            ),
        ),
        (
            "-F KUBE-SEP-NAMQS3RHPBFSVRGI".to_string(),
            "node1: iptables `-t nat -A KUBE-SEP-NAMQS3RHPBFSVRGI".to_string(),
        ),
        (
            // The first rule of the chain is the mark, the second draws the first endpoint: too seldom now.
            format!(
                "-R KUBE-SVC-{SERVICE} 2 -m statistic --mode random --probability 0.01 -j KUBE-SEP-QAQNTFGX2KWTQYWG"
            ),
            "KUBE-SEP-QAQNTFGX2KWTQYWG` was added by hand".to_string(),
        ),
    ] {
        host.sh(&format!("ip netns exec services-lab-node1 iptables -t nat {by_hand}")).success();
        host.netlab(["check", "--only", shared]).exits(1).says(&named);
        host.netlab(["repair"]).success().says("as it should be again");
        host.netlab(["check", "--only", shared]).success();
    }
    host.netlab(["down"]).success();
    host.assert_as(&before, "a service broken by hand and mended");
}

#[test]
fn two_clusters_with_the_same_addresses_do_not_disturb_each_other() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "services-lab"]).success();
    host.netlab(["up", "policy-lab"]).success();
    host.netlab(["check", "services-lab"]).success();
    host.netlab(["check", "policy-lab"]).success();
    host.netlab(["down", "services-lab"]).success();
    host.netlab(["check", "policy-lab", "--only", "the label"]).success();
    host.netlab(["status", "policy-lab"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "two clusters");
}

#[test]
fn a_repaired_service_is_not_haunted_by_connections_from_when_it_was_broken() {
    let Some(host) = Host::new() else { return };
    host.netlab(["up", "services-lab"]).success();
    let node1 = "ip netns exec services-lab-node1";
    let cli = "ip netns exec services-lab-cli curl -sS --max-time 1 --local-port 40000 http://10.96.100.10/";
    host.sh(&format!("{node1} iptables -t nat -F KUBE-SVC-{SERVICE}")).success();
    host.sh(cli).exits(28);
    host.netlab(["repair"]).success();
    // The same port again: the kernel would remember that nothing was to be translated.
    host.sh(cli).success();
    host.netlab(["down"]).success();
}

#[test]
fn a_daemon_that_dies_is_named_by_the_check_that_misses_it() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    for (lab, node, check, named) in [
        ("ingress-lab", "shop1", "its two pods take turns", "shop1: service web does not run"),
        ("ingress-lab", "ing", "so does the bare address", "ing: service nginx does not run"),
        ("dns-lab", "inet", "a name of the outside", "inet: service upstream does not run"),
        ("dns-lab", "dns", "a short name is completed", "dns: service dns does not run"),
    ] {
        host.netlab(["up", lab]).success();
        host.sh(&format!("kill -9 $(ip netns pids {lab}-{node})")).success();
        host.netlab(["check", "--only", check]).exits(1).says(named);
        host.netlab(["repair"]).success().says("as it should be again");
        host.netlab(["check"]).success();
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("{lab} without {node}"));
    }
}

#[test]
fn a_service_is_shown_with_the_share_of_each_endpoint_and_what_was_translated() {
    let Some(host) = Host::new() else { return };
    host.netlab(["up", "services-lab"]).success();
    host.sh("ip netns exec services-lab-cli curl -s http://10.96.100.30/").success().says("a saw 10.244.1.9");
    let shown = host.netlab(["show", "nat", "node1", "--to", "10.96.100.10:80"]).success();
    let shown = shown.says("1/3 → 10.244.1.2:80").says("1/3 → 10.244.2.2:80").says("1/3 → 10.244.2.3:80");
    assert!(!shown.stdout.contains("10.96.100.20"), "only what was asked for: {shown}");
    host.netlab(["show", "nat", "node2", "--to", "10.96.100.10:81"]).success().says("no way through");
    let flows = host.netlab(["show", "conntrack", "node1", "--json"]).success().json();
    let flows = flows[0]["flows"].as_array().unwrap();
    let found = flows.iter().any(|f| f["to"] == "10.96.100.30:80" && f["answered_by"] == "10.244.1.2:80");
    assert!(found, "{flows:#?}");
    host.netlab(["down"]).success();
}
