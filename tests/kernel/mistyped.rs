//! What learners type wrong while a lab is up: each time a word of what to do, and nothing has changed.

use crate::support::Host;

#[test]
fn words_that_are_not_there_are_named_with_those_that_are() {
    let Some(host) = Host::new() else { return };
    host.netlab(["up", "bridge-lab"]).success();
    let during = host.snapshot();
    let typed: &[(&[&str], i32, &[&str])] = &[
        (&["exec", "rde", "--", "true"], 2, &["no lab that is up has a node `rde`", "did you mean `red`?"]),
        (&["exec", "r9", "--", "true"], 2, &["nodes: host, red, blue"]),
        (&["shell", "bleu"], 2, &["did you mean `blue`?"]),
        (
            &["exec", "--lab", "bridge-lba", "red", "--", "true"],
            2,
            &["`bridge-lba` is not up", "did you mean `bridge-lab`?"],
        ),
        (&["show", "bleu"], 2, &["did you mean `blue`?"]),
        (&["check", "bridgelab"], 2, &["`bridgelab` is not up", "did you mean `bridge-lab`?"]),
        (&["check", "nat-lab"], 2, &["`nat-lab` is not up", "up: bridge-lab"]),
        (&["check", "--only", "no check is called this"], 2, &["no check", "red reaches blue over the bridge"]),
        (&["status", "bridge"], 2, &["`bridge` is not up", "bridge-lab"]),
        (&["down", "bridg-lab"], 2, &["did you mean `bridge-lab`?"]),
        (&["down", "nowhere.yaml"], 2, &["not up"]),
        (&["repair", "nat-lab"], 2, &["`nat-lab` is not up"]),
        (&["act", "bridge-lab", "add-peer"], 2, &["bridge-lab", "action"]),
    ];
    for (words, code, said) in typed {
        let ran = host.netlab(*words).exits(*code);
        let ran = said.iter().fold(ran, |ran, words| ran.says(words));
        assert!(ran.stderr.contains("error: ") && ran.stderr.contains("help: "), "{ran}");
        host.assert_as(&during, format!("netlab {words:?}"));
    }
    // Down is what somebody wants it to be who names a lab that is not up.
    host.netlab(["down", "nat-lab"]).success().says("nat-lab is not up; nothing to do");
    host.assert_as(&during, "down of a lab that is not up");
    host.netlab(["up", "bridge-lab"]).success().says("is up already");
    host.assert_as(&during, "up again");
    host.netlab(["down"]).success();
    for words in [&["exec", "red", "--", "true"][..], &["check"], &["status", "bridge-lab"], &["repair"], &["down"]] {
        let ran = host.netlab(words).exits(2);
        ran.says("up").says("help: ");
    }
}

/// U6, N11: a lab of this name is up, and the file says something else, or is another one.
#[test]
fn a_changed_file_or_another_one_of_the_same_name_is_not_brought_up_over_a_lab() {
    let Some(host) = Host::new() else { return };
    let lab = |address: &str| {
        format!(
            "name: mine
nodes:
  red: {{interfaces: {{eth0: {{addresses: [{address}/24]}}}}}}
  blue: {{interfaces: {{eth0: {{addresses: [10.0.0.2/24]}}}}}}
links: [{{endpoints: [red:eth0, blue:eth0]}}]
"
        )
    };
    let one = host.write("one.yaml", &lab("10.0.0.1"));
    let other = host.write("other.yaml", &lab("10.0.0.3"));
    host.netlab(["up", &one]).success();
    let during = host.snapshot();
    host.netlab(["up", &other]).exits(4).says("mine").says("one.yaml").says("help: ");
    host.write("one.yaml", &lab("10.0.0.4"));
    host.netlab(["up", &one]).exits(4).says("--replace");
    host.assert_as(&during, "two ups that were refused");
    host.netlab(["up", &one, "--replace"]).success();
    host.sh("ip -n mine-red addr show eth0").success().says("10.0.0.4/24");
    host.netlab(["down"]).success();
}
