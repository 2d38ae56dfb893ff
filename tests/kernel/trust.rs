//! Lab files that somebody else wrote: what they run takes consent, and what runs has no more rights than it needs.

use crate::support::Host;
use crate::support::host::SCRATCH;

const HEAD: &str = "name: theirs
nodes:
  a: {interfaces: {eth0: {addresses: [10.0.1.2/24]}}, services: {web: {http: 80}}}
";
const TAIL: &str = "  b: {interfaces: {eth0: {addresses: [10.0.1.3/24]}}}
links:
  - endpoints: [a:eth0, b:eth0]
checks:
  - {from: b, ping: 10.0.1.2}
  - {from: b, curl: \"http://10.0.1.2/\"}
";

/// A machine on which nobody has agreed to anything, and a lab on it.
fn stranger(more: &str) -> Option<(Host, String)> {
    let host = Host::new()?;
    host.sh(&format!("rm {SCRATCH}/state/trusted")).success();
    let lab = host.write("theirs.yaml", &format!("{HEAD}{TAIL}{more}"));
    Some((host, lab))
}

const COMMAND: &str = "  - {name: mine, from: a, run: [touch, /run/touched]}\n";

#[test]
fn a_lab_that_only_pings_and_asks_its_own_servers_needs_no_consent() {
    let Some((host, lab)) = stranger("") else { return };
    host.netlab(["up", &lab, "--check"]).success();
    host.netlab(["down"]).success();
}

#[test]
fn commands_of_a_stranger_are_listed_and_nothing_is_changed() {
    let Some((host, lab)) = stranger(COMMAND) else { return };
    let before = host.snapshot();
    for command in ["up", "test"] {
        let refused = host.netlab([command, &lab]).exits(2);
        refused.says("touch /run/touched").says("theirs.yaml:10").says("--trust").says("nothing was changed");
    }
    host.netlab(["plan", &lab]).success();
    host.assert_as(&before, "without consent");
}

#[test]
fn consent_is_remembered_until_the_commands_change_and_can_be_taken_back() {
    let Some((host, lab)) = stranger(COMMAND) else { return };
    let before = host.snapshot();
    host.netlab(["up", &lab, "--trust"]).success();
    host.netlab(["down"]).success();
    host.netlab(["up", &lab]).success();
    host.netlab(["check"]).success();
    host.sh("rm /run/touched").success();
    let other = format!("{HEAD}{TAIL}{}", COMMAND.replace("touched", "other"));
    host.write("theirs.yaml", &other);
    host.netlab(["check", &lab]).exits(2).says("touch /run/other");
    host.netlab(["down"]).success();
    host.netlab(["up", &lab]).exits(2).says("touch /run/other");
    // Something else in the file has changed: that was not the question.
    host.write("theirs.yaml", &format!("{HEAD}{TAIL}{COMMAND}").replace("10.0.1.", "10.0.2."));
    host.netlab(["up", &lab]).success();
    host.netlab(["down"]).success();
    host.netlab(["trust"]).success().says("theirs.yaml");
    host.netlab(["trust", &lab, "--forget"]).success();
    host.netlab(["up", &lab]).exits(2);
    host.netlab(["trust", &format!("{SCRATCH}/tmp")]).success();
    host.netlab(["up", &lab]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "consent given and taken back");
}

/// Each reads the list, adds to it and writes it: none may write over what another has added meanwhile.
#[test]
fn consents_given_at_once_are_all_remembered() {
    let Some(host) = Host::new() else { return };
    let folders = "cd /media; for n in $(seq 20); do mkdir -p mine/$n; netlab trust mine/$n > /dev/null & done; wait
        grep -c /media/mine/ state/trusted";
    assert_eq!(host.sh(folders).success().stdout.trim(), "20");
}

#[test]
fn a_list_of_consent_that_anybody_could_write_is_not_believed() {
    let Some((host, lab)) = stranger(COMMAND) else { return };
    host.netlab(["trust", &lab]).success();
    host.sh(&format!("chmod 666 {SCRATCH}/state/trusted")).success();
    host.netlab(["up", &lab]).exits(4).says("could have been written by somebody else");
    host.sh(&format!("chmod 644 {SCRATCH}/state/trusted; chown 1000 {SCRATCH}/state/trusted")).success();
    host.netlab(["up", &lab]).exits(4).says("could have been written by somebody else");
}

/// Not only commands make programs run: the loader reads variables and files.
#[test]
fn environments_and_files_take_consent_too() {
    let env = HEAD.replace("{http: 80}", "{http: 80, env: {LD_PRELOAD: /tmp/theirs.so}}");
    let file = HEAD.replace("{http: 80}", "{run: [sleep, '9'], files: {/etc/ld.so.preload: /tmp/theirs.so}}");
    for (head, words) in [(env, "LD_PRELOAD=/tmp/theirs.so"), (file, "/etc/ld.so.preload")] {
        let Some((host, _)) = stranger("") else { return };
        let lab = host.write("theirs.yaml", &format!("{head}{TAIL}"));
        host.netlab(["up", &lab]).exits(2).says(words);
    }
}

#[test]
fn what_needs_no_rights_has_none() {
    let Some((host, lab)) = stranger("") else { return };
    host.netlab(["up", &lab]).success();
    let status = host.sh("cat /proc/$(pidof -s netlab)/status").success();
    let field = |name: &str| status.stdout.lines().find(|l| l.starts_with(name)).unwrap().to_string();
    assert!(field("Uid:").contains("65534\t65534\t65534\t65534"), "{status}");
    assert!(field("CapEff:").ends_with("0000000000000000"), "{status}");
    assert!(field("NoNewPrivs:").ends_with('1'), "{status}");
    host.netlab(["check"]).success();
    // What ping runs as is seen from its own file of facts: a program of that name that tells.
    let told = format!("{SCRATCH}/tmp/told");
    host.write("ping", &format!("#!/bin/sh\ncat /proc/self/status > {told}; exit 1\n"));
    host.sh(&format!(
        "chmod 755 {SCRATCH}/tmp/ping; : > {told}; chmod 666 {told}; mount --bind {SCRATCH}/tmp/ping $(command -v ping)"
    ))
    .success();
    for (caller, number) in [("", "65534"), ("SUDO_UID=1234 SUDO_GID=1235 ", "1234")] {
        host.sh(&format!("{caller}netlab check --only ping || true")).success();
        let status = host.sh(&format!("cat {told}")).success();
        assert!(status.stdout.contains(&format!("Uid:\t{number}\t{number}")), "{status}");
        assert!(status.stdout.contains("CapEff:\t0000000000000000"), "{status}");
    }
    host.netlab(["down"]).success();
}

#[test]
fn programs_start_with_a_clean_environment_and_three_open_files() {
    let check = "  - {name: files, from: a, run: [sh, -c, 'ls /proc/$$/fd; env'], expect: {stdout: CERTAINLY-NOT}, within: 100ms}\n";
    let service = HEAD.replace("{http: 80}", "{run: [sh, -c, 'ls /proc/$$/fd; env; exec sleep 100']}");
    let Some((host, _)) = stranger("") else { return };
    let lab = host.write(
        "theirs.yaml",
        &format!("{service}{}{check}", TAIL.replace("  - {from: b, curl: \"http://10.0.1.2/\"}\n", "")),
    );
    let dirty =
        "exec 7</etc/passwd 8</etc/hosts; export http_proxy=http://192.0.2.1 LD_PRELOAD=/nowhere.so BASH_ENV=/x";
    host.sh(&format!("{dirty}; netlab up {lab} --trust 2>/dev/null")).success();
    let said = host.sh(&format!("{dirty}; netlab check --json 2>/dev/null || true")).success();
    let log = host.sh("cat /run/netlab/theirs/log/a.web.log").success();
    let seen = said.json()["checks"].as_array().unwrap().iter().find(|c| c["name"] == "files").unwrap().to_string();
    for said in [seen, log.stdout] {
        for word in ["proxy", "LD_", "BASH_ENV"] {
            assert!(!said.contains(word), "{said}");
        }
    }
    let files: Vec<&str> = host
        .sh("head -n 3 /run/netlab/theirs/log/a.web.log; sed -n 4p /run/netlab/theirs/log/a.web.log")
        .stdout
        .leak()
        .lines()
        .collect();
    assert_eq!(&files[..3], ["0", "1", "2"], "{files:?}");
    assert!(files[3].contains('='), "{files:?}");
    host.netlab(["down"]).success();
}

/// Whoever became root by `su` or `sudo -g` has groups that root has not.
#[test]
fn programs_of_root_have_roots_own_groups_and_those_of_a_user_that_users() {
    let check = "  - {name: groups, from: a, run: [id, -G], expect: {stdout: CERTAINLY-NOT}, within: 100ms}\n";
    let Some((host, _)) = stranger("") else { return };
    let services =
        "{run: [sh, -c, 'id -G; exec sleep 100']}, his: {user: games, run: [sh, -c, 'id -G; exec sleep 100']}";
    let head = HEAD.replace("{http: 80}", services);
    let lab = host.write(
        "theirs.yaml",
        &format!("{head}{}{check}", TAIL.replace("  - {from: b, curl: \"http://10.0.1.2/\"}\n", "")),
    );
    let groups = |of: &str| host.sh(&format!("id -G {of}")).success().stdout.trim().to_string();
    let with_more = "setpriv --regid 24 --groups 4,20,27";
    assert_eq!(host.sh(&format!("{with_more} id -G")).success().stdout.trim(), "24 4 20 27");
    host.sh(&format!("{with_more} netlab up {lab} --trust")).success();
    let said = host.sh(&format!("{with_more} netlab check --json || true")).success();
    let checks = said.json()["checks"].clone();
    let check = checks.as_array().unwrap().iter().find(|c| c["name"] == "groups").unwrap();
    assert!(check["seen"].to_string().contains(&format!("`{}`", groups("root"))), "{check}");
    for (service, user) in [("web", "root"), ("his", "games")] {
        let log = format!("/run/netlab/theirs/log/a.{service}.log");
        host.wait_for(&format!("test -s {log}"));
        assert_eq!(host.sh(&format!("cat {log}")).success().stdout.trim(), groups(user), "{service}");
    }
    host.netlab(["down"]).success();
}

#[test]
fn control_characters_of_children_never_reach_the_terminal() {
    let esc = "printf 'a\\033[31mb\\007\\n\\033]0;title\\007'";
    let check = format!(
        "  - {{name: loud, from: a, run: [sh, -c, \"{}\"], expect: {{exit: 3}}, within: 100ms}}\n",
        esc.replace('\\', "\\\\")
    );
    let Some((host, lab)) = stranger(&check) else { return };
    let clean = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    host.netlab(["up", &lab, "--trust"]).success();
    for format in ["text", "json", "junit", "tap"] {
        let said = host.netlab(["check", "--format", format]).exits(1);
        assert!(clean(&said.stdout) && clean(&said.stderr), "{format}: {said:?}");
    }
    for words in [&["status"][..], &["show"], &["repair"], &["down"]] {
        let said = host.netlab(words);
        assert!(clean(&said.stdout) && clean(&said.stderr), "{words:?}: {said:?}");
    }
    let dying = HEAD.replace("{http: 80}", &format!("{{run: [sh, -c, \"{}; exit 1\"]}}", esc.replace('\\', "\\\\")));
    let lab = host.write("theirs.yaml", &format!("{dying}{TAIL}"));
    let said = host.netlab(["up", &lab, "--trust"]).exits(3);
    assert!(clean(&said.stdout) && clean(&said.stderr), "{said:?}");
}
