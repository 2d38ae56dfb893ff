//! Packets on a wire: what is there is seen, what is not is not, and a check that could not have seen it says so.

use crate::support::Host;

#[test]
fn what_travels_where_it_should_not_is_shown() {
    let Some(host) = Host::new() else { return };
    host.netlab(["up", "nat-lab"]).success();
    let look = ["check", "--only", "ever gets out", "--only", "on the uplink", "--only", "on the bridge"];
    host.netlab(look).success().says("ip 203.0.113.2 > 8.8.8.8 / icmp echo request");
    host.sh("ip netns exec host iptables -t nat -F POSTROUTING").success();
    host.netlab(look)
        .exits(1)
        .says("ok    on the bridge the packet is blue's own")
        .says("FAIL  on the uplink it is the host's")
        .says("the outermost header is `ip 192.168.15.2 > 8.8.8.8`, not `ip 203.0.113.2 > 8.8.8.8`")
        .says("FAIL  no private address ever gets out")
        .says("ip 192.168.15.2 > 8.8.8.8 / tcp")
        .says("it travels here just so, and should not");
    host.netlab(["repair"]).success();
    // Traffic that does not flow proves nothing about where it is not.
    host.sh("ip netns exec host iptables -A FORWARD -j DROP").success();
    host.netlab(look)
        .exits(1)
        .says("nothing came by here")
        .says("what was never sent is not seen anywhere: this proves nothing");
    host.netlab(["down"]).success();
}

#[test]
fn a_tunnel_with_another_number_is_seen_as_such() {
    let Some(host) = Host::new() else { return };
    host.netlab(["up", "vxlan-lab"]).success();
    let look = ["check", "--only", "inside a node's", "--only", "travels bare"];
    host.netlab(look).success().says(
        "vxlan vni 4096 / eth 66:00:00:00:00:11 > 66:00:00:00:00:12 / ip 10.244.1.2 > 10.244.2.2 / icmp echo request",
    );
    host.sh("ip -n vxlan-lab-node1 route replace 10.244.2.0/26 via 10.0.0.12
             ip -n vxlan-lab-node2 route replace 10.244.1.0/26 via 10.0.0.11")
        .success();
    host.netlab(look)
        .exits(1)
        .says("the outermost header is `ip 10.244.1.2 > 10.244.2.2`, not `ip 10.0.0.11 > 10.0.0.12`")
        .says("FAIL  no pod address travels bare between the nodes");
    host.netlab(["down"]).success();
}

const PROVES_NOTHING: &str = r#"
name: wires
netns: "{node}"
nodes:
  red:
    interfaces:
      eth0: {addresses: [10.0.0.1/24]}
      eth1: {addresses: [10.0.1.1/24]}
    sysctls: {net.ipv4.ip_forward: 0}
  blue:
    interfaces:
      eth0: {addresses: [10.0.0.2/24]}
      eth1: {addresses: [10.0.1.2/24]}
    sysctls: {net.ipv4.ip_forward: 0}
    services: {web: {http: 80}}
links:
  - endpoints: [red:eth0, blue:eth0]
  - endpoints: [red:eth1, blue:eth1]
checks:
  - {name: idle wire, on: "red:eth1", sees: ip 10.0.0.1 > *, during: {from: red, ping: 10.0.0.2}, expect: unseen, within: 500ms}
  - {name: misspelt, on: "red:eth0", sees: plaintext "blau saw", during: {from: red, curl: "http://10.0.0.2/"}, expect: unseen, within: 500ms}
  - {name: readable, on: "red:eth0", sees: plaintext "blue saw 10.0.0.1", during: {from: red, curl: "http://10.0.0.2/"}}
  - {name: not readable there, on: "red:eth1", sees: plaintext "blue saw 10.0.0.1", during: {from: red, curl: "http://10.0.0.2/"}, expect: unseen}
  - {name: behind the header, on: "blue:eth0", sees: ip / tcp 80 > * / plaintext "blue saw 10.0.0.1", during: {from: red, curl: "http://10.0.0.2/"}}
  - {name: a no, on: "red:eth0", sees: ip 10.0.0.2 > * / tcp 81 > * rst, during: {from: red, tcp: "10.0.0.2:81", expect: refused}}
  - {name: a no that is ICMP, on: "red:eth0", sees: ip 10.0.0.2 > * / icmp unreachable port / ip 10.0.0.1 > 10.0.0.2 / udp * > 81, during: {from: red, udp: "10.0.0.2:81", expect: refused}}
  - {name: on the loopback, on: "red:lo", sees: ip 10.0.0.1 > 10.0.0.1 / icmp echo reply, during: {from: red, ping: 10.0.0.1}}
  - {name: larger than the wire, on: "red:eth0", sees: ip 10.0.0.1 > * frag, during: {from: red, ping: 10.0.0.2, size: 3000}}
"#;

#[test]
fn silence_on_an_idle_wire_needs_somebody_who_sees_it_elsewhere() {
    let Some(host) = Host::new() else { return };
    let file = host.write("wires.yaml", PROVES_NOTHING);
    host.netlab(["up", &file]).success();
    let mut all = host.netlab(["check"]).exits(1);
    for name in [
        "readable",
        "not readable there",
        "behind the header",
        "a no",
        "a no that is ICMP",
        "on the loopback",
        "larger than the wire",
    ] {
        all = all.says(&format!("ok    {name} ("));
    }
    all.says("FAIL  idle wire").says("FAIL  misspelt").says("but it was not seen anywhere else either");
    // An interface that is gone is an answer, too.
    host.sh("ip -n red link del eth1").success();
    host.netlab(["check", "--only", "idle wire"]).exits(1).says("cannot listen on eth1");
    host.netlab(["down"]).success();
}
