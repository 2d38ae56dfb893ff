//! `netlab act`: changes of a lab that is up, taken back, interrupted, broken by hand.

use crate::support::{Host, Ran};

/// An action of each kind, and one that builds on another. The web server's page says whether it has read its file anew.
pub const LAB: &str = "\
name: act-lab
nodes:
  left:
    interfaces: {eth0: {addresses: [10.0.0.1/24]}}
    routes: [10.9.0.0/24 via 10.0.0.2]
  right:
    interfaces: {eth0: {addresses: [10.0.0.2/24]}, lo: {addresses: [10.9.0.1/32, 10.9.1.1/32]}}
    sysctls: {net.ipv4.icmp_echo_ignore_all: 0, net.ipv4.icmp_ratelimit: 0}
    ipsets: {closed: {type: 'hash:net', members: [10.7.0.0/24]}}
    iptables:
      - -A INPUT -i eth0 -m set --match-set closed src -j DROP
      - -A INPUT -p tcp --dport 81 -j REJECT
    services:
      web: {http: 80}
      other: {http: 81}
      page:
        run: [nginx, -e, stderr, -g, daemon off;]
        test: [nginx, -t, -q, -e, stderr]
        files:
          /etc/nginx/nginx.conf: |
            pid /run/nginx/pid;
            error_log stderr;
            events {}
            http {
              access_log off;
              client_body_temp_path /run/nginx/body; proxy_temp_path /run/nginx/proxy;
              fastcgi_temp_path /run/nginx/fastcgi; uwsgi_temp_path /run/nginx/uwsgi; scgi_temp_path /run/nginx/scgi;
              include page.conf;
            }
          /etc/nginx/page.conf: \"server { listen 8080; return 200 'the first page'; }\\n\"
        ready: {tcp: 8080}
        reload: {signal: HUP}
links: [{endpoints: [left:eth0, right:eth0]}]
actions:
  block-it:
    title: A black hole in the way
    nodes:
      left:
        routes: [del 10.9.0.0/24, blackhole 10.9.0.0/24 proto bird]
  by-another-way:
    after: block-it
    nodes:
      left:
        routes: [10.9.0.1/32 via 10.0.0.2]
        rules: [to 10.9.1.1 lookup 100 priority 50]
  no-echo:
    nodes:
      right: {sysctls: {net.ipv4.icmp_echo_ignore_all: 1}}
  close:
    nodes:
      right: {ipsets: {closed: [del 10.7.0.0/24, add 10.0.0.0/24]}}
  open-81:
    nodes:
      right: {iptables: ['-D INPUT -p tcp --dport 81 -j REJECT', '-A INPUT -i eth0 -p tcp --dport 8080 -j REJECT']}
  new-page:
    title: The web server reads another page
    nodes:
      right: {files: {/etc/nginx/page.conf: \"server { listen 8080; return 200 'the second page'; }\\n\"}}
  no-web:
    nodes:
      right: {stop: [web]}
checks:
  - {name: there, from: left, ping: 10.9.0.1, before: [block-it, no-echo, close], within: 3s}
  - {name: not there, from: left, run: [ping, -c, '1', -W, '1', 10.9.0.1], expect: {exit: 2}, after: block-it, before: by-another-way}
  - {name: there again, from: left, ping: 10.9.0.1, after: by-another-way, before: [no-echo, close]}
  - {name: silent, from: left, run: [ping, -c, '1', -W, '1', 10.0.0.2], expect: {exit: 1}, after: no-echo}
  - {name: web, from: left, tcp: '10.0.0.2:80', before: [no-web, close]}
  - {name: no web, from: left, tcp: '10.0.0.2:80', expect: refused, after: no-web, before: close}
  - {name: closed, from: left, tcp: '10.0.0.2:80', expect: blocked, after: close, before: no-web}
  - {name: 81 rejected, from: left, tcp: '10.0.0.2:81', expect: refused, before: [open-81, close]}
  - {name: 81 open, from: left, tcp: '10.0.0.2:81', after: open-81, before: close}
  - {name: 8080 rejected, from: left, tcp: '10.0.0.2:8080', expect: refused, after: open-81, before: close}
  - {name: first page, from: left, curl: 'http://10.0.0.2:8080/', expect: {body: the first page}, before: [new-page, open-81, close]}
  - {name: second page, from: left, curl: 'http://10.0.0.2:8080/', expect: {body: the second page}, after: new-page, before: [open-81, close]}
";

const ALL: &[&str] = &["block-it", "by-another-way", "no-echo", "close", "open-81", "new-page", "no-web"];

fn up(host: &Host) -> String {
    let lab = host.write("act-lab.yaml", LAB);
    host.netlab(["up", &lab]).success();
    lab
}

#[test]
fn every_action_is_checked_and_taken_back() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    up(&host);
    let whole = seen(&host);
    host.netlab(["check"]).success();
    host.netlab(["act", "by-another-way"]).exits(4).says("netlab act act-lab block-it");
    for action in ALL {
        if *action == "by-another-way" {
            host.netlab(["act", "block-it"]).success();
        }
        host.netlab(["act", action]).success();
        host.netlab(["act", "act-lab", action]).exits(4).says("done already");
        host.netlab(["status"]).success().says(action);
        host.netlab(["check"]).success();
        if *action == "by-another-way" {
            host.netlab(["act", "block-it", "--undo"]).exits(4).says("builds on");
        }
        host.netlab(["act", action, "--undo"]).success();
        host.netlab(["status"]).success();
        if *action == "by-another-way" {
            host.netlab(["act", "block-it", "--undo"]).success();
        }
        host.netlab(["check"]).success();
        assert_eq!(seen(&host), whole, "{action} taken back");
    }
    host.netlab(["down"]).success();
    host.assert_as(&before, "actions");
}

#[test]
fn a_test_of_a_lab_walks_through_its_actions() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = host.write("act-lab.yaml", LAB);
    let report = host.netlab(["test", &lab, "--json"]).success().json();
    let checks = report["labs"][0]["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|c| c["name"].as_str().unwrap()).collect();
    for name in
        ["there", "after block-it: not there", "after by-another-way: there again", "after new-page: second page"]
    {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    host.assert_as(&before, "a test with actions");
}

#[test]
fn all_actions_at_once_can_be_taken_back_in_any_order() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = up(&host);
    ALL.iter().for_each(|action| drop(host.netlab(["act", action]).success()));
    host.netlab(["up", &lab]).success().says("up already");
    host.netlab(["check"]).success();
    for action in ["close", "no-web", "block-it", "new-page", "by-another-way", "open-81", "block-it", "no-echo"] {
        let ran = host.netlab(["act", action, "--undo"]);
        assert!(matches!(ran.code, Some(0 | 4)), "{ran}");
        host.netlab(["status"]).success();
    }
    host.netlab(["check"]).success();
    ALL.iter().for_each(|action| drop(host.netlab(["act", action]).success()));
    host.netlab(["down"]).success();
    host.assert_as(&before, "all actions, and down");
}

#[test]
fn what_is_broken_after_an_action_is_repaired_to_what_the_action_made() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    up(&host);
    ALL.iter().for_each(|action| drop(host.netlab(["act", action]).success()));
    for by_hand in [
        "ip -n act-lab-left route del blackhole 10.9.0.0/24",
        "ip -n act-lab-left route add 10.77.0.0/24 via 10.0.0.2",
        "ip netns exec act-lab-right iptables -F INPUT",
        "ip netns exec act-lab-right ipset del closed 10.0.0.0/24",
        "ip netns exec act-lab-right sysctl -qw net.ipv4.icmp_echo_ignore_all=0",
        "echo '# mine' >> /etc/netns/act-lab-right/nginx/page.conf",
        "kill -9 $(pgrep nginx)",
        "ip netns del act-lab-right",
    ] {
        host.sh(by_hand).success();
        host.netlab(["status"]).exits(1);
        host.netlab(["repair"]).success();
        host.netlab(["status"]).success();
        host.netlab(["check"]).success();
    }
    host.netlab(["down"]).success();
    host.assert_as(&before, "repaired after actions");
}

/// Its program has read what a learner wrote, and nobody sees that once the file is right again.
#[test]
fn a_file_that_was_written_again_by_a_repair_that_was_killed_is_read_again() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let lab = up(&host);
    let plan = host.netlab(["plan", "--json", &lab]).success().json();
    let steps = plan["steps"].as_array().unwrap();
    let page = |step: &serde_json::Value| step["op"]["write-file"]["path"] == "/etc/nginx/page.conf";
    let n = steps.iter().position(page).unwrap();
    for point in ["repair", "repaired"] {
        host.sh("echo \"server { listen 8080; return 200 'mine'; }\" > /etc/netns/act-lab-right/nginx/page.conf; pkill -HUP -o nginx")
            .success();
        host.wait_for("ip netns exec act-lab-right curl -s http://127.0.0.1:8080/ | grep -q mine");
        host.netlab_failing(&format!("{point}:{n}=kill"), ["repair"]).killed();
        host.netlab(["repair"]).success();
        host.wait_for("ip netns exec act-lab-right curl -s http://127.0.0.1:8080/ | grep -q 'the first page'");
        host.netlab(["repair"]).success().says("as it should be");
    }
    host.netlab(["down"]).success();
    host.assert_as(&before, "a file written again");
}

#[test]
fn a_refused_action_leaves_the_lab_as_it_was() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let broken = LAB.replace("return 200 'the second page'", "retrun 200 'the second page'");
    let lab = host.write("act-lab.yaml", &broken);
    host.netlab(["up", &lab]).success();
    host.netlab(["act", "new-page"]).exits(3).says("unknown directive").says("the lab is as it was");
    host.netlab(["status"]).success();
    host.netlab(["check"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "a refused action");
}

#[test]
fn an_action_killed_anywhere_is_brought_to_its_end_or_taken_back() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let mut points = 0;
    for action in ["block-it", "open-81", "new-page", "no-web", "close"] {
        up(&host);
        for point in ["act:0", "acted:0", "act:1", "acted:1"] {
            let killed = |words: &[&str]| host.netlab_failing(&format!("{point}=kill"), words.iter().copied());
            let ran = killed(&["act", action]);
            if ran.code == Some(0) {
                // It has fewer steps.
                host.netlab(["act", action, "--undo"]).success();
                continue;
            }
            ran.killed();
            points += 1;
            host.netlab(["status"]).exits(1).says("interrupted");
            host.netlab(["act", "no-echo"]).exits(4).says("was interrupted");
            host.netlab(["repair"]).success();
            host.netlab(["status"]).success();
            host.netlab(["check"]).success();
            host.netlab(["act", action, "--undo"]).success();
            killed(&["act", action]).killed();
            host.netlab(["act", action, "--undo"]).success();
            host.netlab(["status"]).success();
            host.netlab(["check"]).success();
        }
        // Killed in the middle of taking it back.
        host.netlab(["act", action]).success();
        host.netlab_failing("undone:0=kill", ["act", action, "--undo"]).killed();
        host.netlab(["repair"]).success();
        host.netlab(["check"]).success();
        host.netlab_failing("undone:0=kill", ["act", action, "--undo"]).killed();
        host.netlab(["act", action, "--undo"]).success();
        host.netlab(["status"]).success();
        host.netlab_failing("acted:0=kill", ["act", action]).killed();
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("{action} killed, and down"));
    }
    assert!(points > 10, "{points}");
}

#[test]
fn the_printed_commands_of_an_action_do_what_the_action_does() {
    let (Some(by_hand), Some(by_netlab)) = (Host::new(), Host::new()) else { return };
    for host in [&by_hand, &by_netlab] {
        up(host);
    }
    for action in ALL {
        let script =
            by_hand.netlab(["plan", "--format", "shell", "--action", action, &up_path(&by_hand)]).success().stdout;
        let script = by_hand.write("script", &script);
        by_hand.sh(&format!("sh -e {script}")).success();
        by_netlab.netlab(["act", action]).success();
        // A program takes its time to end.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while seen(&by_hand) != seen(&by_netlab) && std::time::Instant::now() < until {}
        assert_eq!(seen(&by_hand), seen(&by_netlab), "{action}");
    }
    let page = |host: &Host| -> Ran { host.sh("ip netns exec act-lab-right curl -s http://127.0.0.1:8080/") };
    assert_eq!(page(&by_hand).stdout, page(&by_netlab).stdout);
}

/// What the nodes have, seen with their own tools.
fn seen(host: &Host) -> String {
    let see = "for n in left right; do ip -n act-lab-$n route; ip -n act-lab-$n rule; ip netns exec act-lab-$n iptables-save;
        ip netns exec act-lab-$n ipset save; ip netns exec act-lab-$n sysctl net.ipv4.icmp_echo_ignore_all;
        ip netns exec act-lab-$n ss -Hltn | awk '{print $4}' | sort; done | sed 's/^# .*//; s/initval.*//; s/\\[[0-9:]*\\]//'";
    host.sh(see).success().stdout
}

fn up_path(host: &Host) -> String {
    host.write("act-lab.yaml", LAB)
}
