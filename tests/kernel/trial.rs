//! `netlab test`: labs from up to down, each on a machine of its own.

use std::io::Read;
use std::os::unix::process::CommandExt;

use crate::support::Host;

const TWO: &str = "
name: two
nodes:
  a: {interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24]}}}
links: [{endpoints: [a:eth0, b:eth0]}]
checks:
  - {name: a reaches b, from: a, ping: 10.0.0.2}
";

#[test]
fn labs_are_tested_beside_one_that_is_up_and_nothing_of_the_machine_changes() {
    let Some(host) = Host::new() else { return };
    // The same lab is up: a test of it neither sees nor touches it.
    host.netlab(["up", "nat-lab"]).success();
    let before = host.snapshot();
    let report = host.netlab(["test", "nat-lab", "veth-lab", "bridge-lab", "--jobs", "3", "--json"]).success().json();
    host.assert_as(&before, "after netlab test");
    let labs = report["labs"].as_array().unwrap();
    let names: Vec<&str> = labs.iter().map(|lab| lab["lab"].as_str().unwrap()).collect();
    assert_eq!(names, ["nat-lab", "veth-lab", "bridge-lab"]);
    for lab in labs {
        assert_eq!(lab["verdict"], "passed", "{lab:#}");
        assert_eq!(lab["left"].as_array().unwrap().len(), 0, "{lab:#}");
        assert!(lab["checks"].as_array().unwrap().iter().all(|check| check["passed"] == true), "{lab:#}");
    }
    host.netlab(["status", "nat-lab"]).success();
}

#[test]
fn a_lab_fails_by_a_check_or_by_a_mistake_in_its_file() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let two = host.write("two.yaml", TWO);
    host.netlab(["test", &two]).success().says("1 of 1 lab passed; 1 of 1 checks hold");
    let nobody = host.write("nobody.yaml", &TWO.replace("ping: 10.0.0.2", "ping: 10.0.0.9, within: 1s"));
    let failed = host.netlab(["test", &nobody, &two]).exits(1);
    let failed = failed.says("1 of 2 labs passed, 1 failed; 1 of 2 checks hold").says("FAIL  a reaches b");
    assert!(failed.stdout.contains("ip netns exec two-a ping"), "the command that repeats it: {failed}");
    let mistake = host.write("mistake.yaml", &TWO.replace("10.0.0.1/24", "10.0.0.1/64"));
    host.netlab(["test", &mistake]).exits(1).says("`/64` is not a prefix length");
    // What programs of the lab leave outside of it is nobody's to remove, but it is seen.
    let leaves =
        host.write("leaves.yaml", &format!("{TWO}  - {{from: a, run: [touch, /run/left], expect: {{exit: 0}}}}\n"));
    host.netlab(["test", &leaves]).exits(1).says("left behind: file /run/left").says("2 of 2 checks hold");
    host.assert_as(&before, "after all of them");
}

#[test]
fn ctrl_c_ends_a_test_with_all_its_machines() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let slow = host.write("slow.yaml", &TWO.replace("ping: 10.0.0.2", "ping: 10.0.0.9, within: 60s"));
    let mut command = host.command("netlab");
    command.args(["test", &slow, &slow]).process_group(0);
    let mut child = command.spawn().unwrap();
    // Both machines run their check.
    host.wait_for("test $(pgrep -c -x ping) -ge 2");
    host.sh("kill -INT $(pgrep -x netlab | head -n 1)").success();
    child.wait().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    host.wait_for("! pgrep -x ping && ! pgrep -x netlab");
    host.assert_as(&before, "after Ctrl-C");
}

#[test]
fn the_report_has_the_forms_that_ci_reads() {
    let Some(host) = Host::new() else { return };
    let two = host.write("two.yaml", TWO);
    let tap = host.netlab(["test", &two, "--format", "tap"]).success().stdout;
    assert_eq!(tap.lines().collect::<Vec<_>>()[..2], ["TAP version 14", "1..2"]);
    assert!(tap.contains("ok 2 - ") && tap.contains("a reaches b"), "{tap}");
    let junit = host.netlab(["test", &two, "--format", "junit"]).success().stdout;
    assert!(junit.contains("tests=\"2\" failures=\"0\" skipped=\"0\""), "{junit}");
}
