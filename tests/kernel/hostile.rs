//! Lab files and programs of somebody who means harm: what they print, what they may.

use crate::support::Host;
use crate::support::host::SCRATCH;

const LAB: &str = "name: theirs
title: \"a\\u202eb \\u2066c\"
nodes:
  a:
    interfaces: {eth0: {addresses: [10.0.1.2/24]}}
    services: SERVICES
  b: {interfaces: {eth0: {addresses: [10.0.1.3/24]}}}
links:
  - endpoints: [a:eth0, b:eth0]
checks:
  - {name: \"wire \\u202e\\u2067\", from: b, ping: 10.0.1.2, hint: \"look\\u202e there\"}
";

/// Nothing that draws on a terminal: escape codes, in one byte or two, and what turns text around.
fn clean(text: &str) -> bool {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t' || turns(c))
}

/// A lab whose service and check print whatever draws on a terminal.
fn loud(host: &Host, ends: &str) -> String {
    // ESC, BEL, the C1 control CSI in UTF-8, a bidirectional override, and bytes that are no UTF-8.
    let noise = r"printf 'a\033[31mb\007\033]0;title\007\302\23331m\342\200\256x\377\n'";
    host.write("noise", &format!("#!/bin/sh\n{noise}; {noise} >&2; {ends}\n"));
    host.sh(&format!("chmod 755 {SCRATCH}/tmp/noise")).success();
    let program = format!("{SCRATCH}/tmp/noise");
    let check = format!("  - {{name: loud, from: a, run: [{program}], expect: {{exit: 9}}, within: 100ms}}\n");
    host.write(
        "theirs.yaml",
        &format!("{}{check}", LAB.replace("SERVICES", &format!("{{loud: {{run: [{program}]}}}}"))),
    )
}

#[test]
fn whatever_a_lab_and_its_programs_say_nothing_draws_on_the_terminal() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = loud(&host, "test -n \"$NETLAB_NODE\" && exec sleep 100; exec sleep 100");
    let quiet = |words: &[&str]| {
        let ran = host.netlab(words);
        assert!(clean(&ran.stdout) && clean(&ran.stderr), "{words:?}: {ran:?}");
        ran
    };
    for words in [&["validate", &lab][..], &["plan", &lab], &["plan", &lab, "--format", "shell"], &["trust"], &["list"]]
    {
        quiet(words);
        quiet(&[words, &["--json"]].concat());
    }
    quiet(&["up", &lab]);
    quiet(&["up", &lab, "--trust"]).success();
    for words in [&["status"][..], &["show"], &["show", "a"], &["repair"], &["list"], &["doctor"], &["act"]] {
        quiet(words);
        quiet(&[words, &["--json"]].concat());
    }
    for format in ["text", "json", "junit", "tap"] {
        quiet(&["check", "--format", format]).exits(1);
    }
    quiet(&["down"]).success();
    // One that dies while `up` waits: the last words of its log are shown.
    let lab = loud(&host, "exit 1");
    for json in [false, true] {
        let words = [&["up", &lab, "--trust"][..], if json { &["--json"] } else { &[] }].concat();
        quiet(&words).exits(3);
    }
    host.assert_as(&before, "a loud lab");
}

#[test]
fn a_service_with_a_user_has_that_users_rights_and_no_more() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let service = "{plain: {run: [sleep, '1001'], user: nobody}, root: {run: [sleep, '1002']}}";
    let lab = host.write("theirs.yaml", &LAB.replace("SERVICES", service));
    // Root's own further groups, and an open file, are not passed on.
    host.sh(&format!("exec 7</etc/shadow; setpriv --groups 4,27,44 netlab up {lab} --trust")).success();
    let status = host.sh("cat /proc/$(pgrep -f '^sleep 1001')/status").success();
    let field = |name: &str| status.stdout.lines().find(|l| l.starts_with(name)).unwrap().to_string();
    let nobody = host.sh("id -u nobody; id -g nobody; id -G nobody").success().stdout;
    let ids: Vec<&str> = nobody.lines().collect();
    assert_eq!(field("Uid:").split_whitespace().skip(1).collect::<Vec<_>>(), [ids[0]; 4], "{status}");
    assert_eq!(field("Gid:").split_whitespace().skip(1).collect::<Vec<_>>(), [ids[1]; 4], "{status}");
    let groups: Vec<String> = field("Groups:").split_whitespace().skip(1).map(str::to_string).collect();
    assert!(groups.iter().all(|g| ids[2].split(' ').any(|own| own == g)), "{status}");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert!(field(set).ends_with("0000000000000000"), "{set} {status}");
    }
    let open = host.sh("ls /proc/$(pgrep -f '^sleep 1001')/fd /proc/$(pgrep -f '^sleep 1002')/fd").success().stdout;
    assert!(open.lines().all(|l| matches!(l, "" | "0" | "1" | "2") || l.starts_with("/proc/")), "{open}");
    host.netlab(["down"]).success();
    host.assert_as(&before, "a service of nobody's");
}

#[test]
fn a_user_that_this_machine_does_not_have_is_refused_before_the_first_change() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = host.write("theirs.yaml", &LAB.replace("SERVICES", "{web: {run: [sleep, '9'], user: nobodi}}"));
    host.netlab(["up", &lab, "--trust"])
        .exits(3)
        .says("no user `nobodi`")
        .says("theirs.yaml:6")
        .says("nothing was changed");
    host.assert_as(&before, "an unknown user");
}

/// What an action runs is what the lab's author wants, and gets no more than a service does.
#[test]
fn programs_of_actions_and_checks_have_three_files_open_and_a_clean_environment() {
    let Some(host) = Host::new() else { return };
    let told = format!("{SCRATCH}/tmp/told");
    host.write("tell", &format!("#!/bin/sh\nreadlink /proc/$$/fd/* >> {told}; env >> {told}\n"));
    host.sh(&format!("chmod 755 {SCRATCH}/tmp/tell")).success();
    let service = format!(
        "{{web: {{run: [sleep, '100'], files: {{/etc/web.conf: old}}, reload: {{run: [{SCRATCH}/tmp/tell]}}, ready: {{run: [{SCRATCH}/tmp/tell]}}}}}}"
    );
    let more = format!(
        "  - {{name: told, from: a, run: [{SCRATCH}/tmp/tell]}}
actions:
  change: {{nodes: {{a: {{files: {{/etc/web.conf: new}}}}}}}}
"
    );
    let lab = host.write("theirs.yaml", &format!("{}{more}", LAB.replace("SERVICES", &service)));
    let dirty = "exec 7</etc/passwd 8</etc/hosts; export http_proxy=http://192.0.2.1 https_proxy=x ALL_PROXY=x BASH_ENV=/x CURL_HOME=/x PYTHONPATH=/x";
    for words in [format!("up {lab} --trust"), "act change".into(), "check --only told".into()] {
        host.sh(&format!(": > {told}; chmod 666 {told}; {dirty}; netlab {words}")).success();
        let said = host.sh(&format!("cat {told}")).success().stdout;
        // The shell has its own script open, and what it writes to.
        let own = |l: &&str| !l.ends_with("/tell") && !l.ends_with("/told");
        let files: Vec<&str> = said.lines().filter(|l| !l.contains('=')).filter(own).collect();
        let standard =
            |f: &&str| *f == "/dev/null" || f.starts_with("pipe:") || f.starts_with("/run/netlab/theirs/log/");
        assert!(files.len() >= 2 && files.iter().all(standard), "{words}: {files:?}");
        for word in ["proxy", "PROXY", "BASH_ENV", "CURL_HOME", "PYTHONPATH"] {
            assert!(!said.contains(word), "{words}: {word} in {said}");
        }
    }
    host.netlab(["down"]).success();
}
