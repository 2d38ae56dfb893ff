//! `--set NAME=VALUE`: the same for every command that reads a lab, and kept with a lab that is up.

use crate::support::Host;

const LAB: &str = "name: sized
parameters: {n: 2}
nodes: {hub: {bridges: {br0: {addresses: [10.0.0.1/24]}}}}
generate:
  - each: {i: 1..n}
    nodes:
      hub: {bridges: {br0: {ports: [\"p{i}\"]}}}
      \"n{i}\": {interfaces: {eth0: {addresses: [\"{10.0.0.1 + i}/24\"]}}}
    links: [{endpoints: [\"n{i}:eth0\", \"hub:p{i}\"]}]
checks:
  - {name: everybody, reach: all}
";

#[test]
fn a_test_makes_the_lab_with_the_values_that_were_set() {
    let Some(host) = Host::new() else { return };
    let lab = host.write("sized.yaml", LAB);
    let report = host.netlab(["test", &lab, "--set", "n=5", "--json"]).success().json();
    let shown = report["labs"][0]["checks"][0].to_string();
    assert!(shown.contains("30 pairs of 6 nodes"), "{shown}");
    // A slip is said before anything is tried, not as a failed test.
    host.netlab(["test", &lab, "--set", "m=5"]).exits(2).says("the lab has no parameter `m`");
    host.netlab(["test", "leaf-spine-lab", "--set", "leafs=5"]).exits(2).says("did you mean `leaves`?");
    host.netlab(["test", &lab, "--set", "n"]).exits(2).says("write it as NAME=VALUE");
}

#[test]
fn a_lab_that_is_up_stays_with_what_was_set() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = host.write("sized.yaml", LAB);
    host.netlab(["up", &lab, "--set", "n=4"]).success().says("5 nodes");
    // By its name, and by its file: as it came up.
    for words in [&["check"][..], &["check", "sized"], &["check", &lab], &["check", &lab, "--set", "n=4"]] {
        host.netlab(words).success();
    }
    let other = host.netlab(["check", &lab, "--set", "n=3"]).exits(4);
    other.says("came up with n=4, not with n=3").says("--set n=3 --replace");
    host.netlab(["check", "--set", "n=3"]).exits(4).says("came up with n=4, not with n=3");
    host.netlab(["check", "--set", "m=3"]).exits(2).says("the lab has no parameter `m`");
    host.netlab(["up", &lab]).exits(4).says("up already, with n=4");
    host.netlab(["up", &lab, "--set", "n=4"]).success().says("up already");
    host.netlab(["status", "sized"]).success();
    // A trainer edits the checks: they are read with what was set.
    host.write("sized.yaml", &LAB.replace("everybody, reach: all", "everybody again, reach: [n3, n4]"));
    host.netlab(["check", &lab]).success().says("everybody again");
    // A file that is broken by now is still that lab's.
    host.write("sized.yaml", &LAB.replace("reach: all", "reach: [n1, n9]"));
    host.netlab(["down", &lab]).success();
    host.assert_as(&before, "after down");
}

#[test]
fn files_beside_the_lab_and_consent_go_with_what_was_set() {
    let Some(host) = Host::new() else { return };
    host.sh("rm /media/state/trusted").success();
    let text = LAB.replace(
        "eth0: {addresses: [\"{10.0.0.1 + i}/24\"]}}}",
        "eth0: {addresses: [\"{10.0.0.1 + i}/24\"]}}, files: {/etc/motd: {from: \"motd{i}\"}}}",
    );
    assert_ne!(text, LAB);
    let lab = host.write("sized.yaml", &text);
    (1..=3).for_each(|n| drop(host.write(&format!("motd{n}"), &format!("node {n}\n"))));
    host.netlab(["validate", &lab, "--set", "n=4"]).exits(2).says("motd4");
    host.netlab(["up", &lab, "--set", "n=3"]).exits(2).says("nobody has agreed");
    host.netlab(["trust", &lab]).success();
    host.netlab(["up", &lab, "--set", "n=3"]).exits(2).says("nobody has agreed");
    host.netlab(["trust", &lab, "--set", "n=3"]).success();
    host.netlab(["up", &lab, "--set", "n=3"]).success();
    host.netlab(["exec", "n3", "--", "cat", "/etc/motd"]).success().says("node 3");
    host.netlab(["down"]).success();
}

#[test]
fn every_command_that_reads_a_lab_knows_the_option() {
    let Some(host) = Host::new() else { return };
    for command in ["up", "plan", "validate", "test", "check", "trust"] {
        host.netlab([command, "--help"]).success().says("--set <NAME=VALUE>");
    }
    let offered =
        host.sh("COMPLETE=bash _CLAP_COMPLETE_INDEX=4 _CLAP_IFS='\n' netlab -- netlab test star-lab --set sp");
    offered.says("spines=");
}
