//! `netlab show`: what nodes have, in the words of the tools that learners meet.

use crate::support::Host;

#[test]
fn nat_is_followed_from_where_a_packet_meets_it_to_the_address_that_it_gets() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "nat-lab"]).success();
    host.sh("ip netns exec internet curl -s http://203.0.113.2/").success().says("blue saw 203.0.113.1");
    let shown = host.netlab(["show", "nat"]).success();
    let shown = shown.says("in by uplink tcp port 80 → 192.168.15.2:80 (1 connection)").says("MASQUERADE");
    assert!(!shown.stdout.contains("red"), "a node that translates nothing: {shown}");
    let none = host.netlab(["show", "nat", "--to", "192.168.15.77"]).success();
    none.says("no way through a nat table meets `192.168.15.77`");
    let ways = host.netlab(["show", "nat", "host", "--json"]).success().json();
    assert_eq!(ways[0]["ways"][0]["branches"][0]["does"]["dnat"], "192.168.15.2:80", "{ways:#}");
    host.netlab(["down"]).success();
    host.assert_as(&before, "show nat");
}

#[test]
fn tracked_connections_say_what_was_translated() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "nat-lab"]).success();
    host.sh("ip netns exec blue curl -s http://8.8.8.8/").success().says("saw 203.0.113.2");
    let flows = host.netlab(["show", "conntrack", "host", "--json"]).success().json();
    let flows = flows[0]["flows"].as_array().unwrap();
    let web = flows.iter().find(|f| f["to"] == "8.8.8.8:80").unwrap_or_else(|| panic!("{flows:#?}"));
    assert!(web["from"].as_str().unwrap().starts_with("192.168.15.2:"), "{web:#}");
    assert!(web["answered_to"].as_str().unwrap().starts_with("203.0.113.2:"), "{web:#}");
    host.netlab(["show", "conntrack"]).success().says("from 203.0.113.2:").says("8.8.8.8:80");
    host.netlab(["down"]).success();
    host.assert_as(&before, "show conntrack");
}
