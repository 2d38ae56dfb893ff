//! Real daemons: files and a /run that exist for one node only, tests before the start, readiness, their death.

use crate::support::Host;

/// bird, dnsmasq and nginx, one file of each kind: below /etc where the machine has one and where it has none, elsewhere
/// where it has none, and beside the lab file.
const LAB: &str = "\
name: daemon-lab
nodes:
  left:
    interfaces: {eth0: {addresses: [10.0.0.1/24]}}
    files: {/run/note: from the lab}
    services:
      bird:
        run: [bird, -f]
        test: [bird, -p]
        files: {/etc/bird/bird.conf: {from: bird/left.conf}}
        ready: {socket: /run/bird/bird.ctl}
      names:
        run: [dnsmasq, -k, --conf-file=/etc/dnsmasq.lab]
        files: {/etc/dnsmasq.lab: \"no-resolv\\nno-hosts\\nuser=root\\npid-file=/run/dnsmasq/pid\\naddress=/x.test/10.9.9.9\\n\"}
        ready: {tcp: 53}
  right:
    interfaces: {eth0: {addresses: [10.0.0.2/24]}}
    services:
      bird:
        run: [bird, -f]
        files: {/etc/bird/bird.conf: \"router id 10.0.0.2;\\nprotocol device {}\\n\"}
        ready: {run: [birdc, show, status]}
      web:
        run: [nginx, -e, stderr, -g, daemon off;]
        files:
          /etc/nginx/nginx.conf: |
            pid /run/nginx/pid;
            error_log stderr;
            events {}
            http {
              access_log /run/nginx/access.log;
              client_body_temp_path /run/nginx/body; proxy_temp_path /run/nginx/proxy;
              fastcgi_temp_path /run/nginx/fastcgi; uwsgi_temp_path /run/nginx/uwsgi; scgi_temp_path /run/nginx/scgi;
              server { listen 80; root /srv/of/the/lab; }
            }
          /srv/of/the/lab/index.html: the page of the lab
        ready: {tcp: 80}
links:
  - endpoints: [left:eth0, right:eth0]
checks:
  - {name: page, from: left, curl: \"http://10.0.0.2/\", expect: {status: 200, body: the page of the lab}}
  - {name: name, from: right, dns: x.test, server: 10.0.0.1, expect: [10.9.9.9]}
  - {name: routing, from: left, run: [birdc, show, status], expect: {stdout: Router ID is 10.0.0.1}}
";

fn lab(host: &Host) -> String {
    let path = host.write("daemon-lab.yaml", LAB);
    host.sh(&format!("mkdir $(dirname {path})/bird")).success();
    host.write("bird/left.conf", "router id 10.0.0.1;\nprotocol device {}\n");
    path
}

#[test]
fn daemons_have_their_own_files_and_run_and_nothing_of_it_stays() {
    let Some(host) = Host::new() else { return };
    let lab = lab(&host);
    let before = host.snapshot();
    host.netlab(["up", &lab]).success();
    host.netlab(["check"]).success();
    // Two birds, each with its own socket, and no flags for birdc.
    for (node, id) in [("left", "10.0.0.1"), ("right", "10.0.0.2")] {
        host.netlab(["exec", node, "--", "birdc", "show", "status"]).success().says(&format!("Router ID is {id}"));
    }
    host.netlab(["exec", "left", "--", "cat", "/run/note"]).success().says("from the lab");
    host.netlab(["exec", "left", "--", "cat", "/srv/of/the/lab/index.html"]).exits(1);
    // What else the machine has in a folder is there all the same, and namespaces can still be named.
    host.netlab(["exec", "right", "--", "sh", "-c", "test -s /etc/nginx/mime.types && test -d /srv && ip netns list"])
        .success()
        .says("daemon-lab-left");
    // Another terminal, without netlab.
    host.sh("ip netns exec daemon-lab-left cat /etc/bird/bird.conf").success().says("router id 10.0.0.1");
    host.sh("test ! -e /srv/of && test ! -e /etc/dnsmasq.lab && test ! -e /run/bird").success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "daemons");
}

#[test]
fn a_daemon_killed_by_hand_is_named_and_repaired() {
    let Some(host) = Host::new() else { return };
    let lab = lab(&host);
    let before = host.snapshot();
    host.netlab(["up", &lab]).success();
    // The master alone: its worker goes on with the port.
    host.sh("kill -9 $(pgrep -o nginx)").success();
    host.netlab(["status"]).exits(1).says("right: service web does not run");
    host.netlab(["repair"]).success();
    host.netlab(["status"]).success();
    host.sh("kill -9 $(pgrep nginx)").success();
    host.netlab(["check", "--only", "page"]).exits(1).says("right: service web does not run");
    host.netlab(["repair"]).success();
    host.netlab(["check"]).success();
    host.netlab(["status"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "killed daemons");
}

#[test]
fn a_file_changed_by_hand_is_seen_and_written_again() {
    let Some(host) = Host::new() else { return };
    let lab = lab(&host);
    let before = host.snapshot();
    host.netlab(["up", &lab]).success();
    host.netlab(["exec", "left", "--", "sh", "-c", "echo '# mine' >> /etc/bird/bird.conf"]).success();
    host.netlab(["status"]).exits(1).says("left: file /etc/bird/bird.conf was changed by hand");
    host.netlab(["repair"]).success();
    host.netlab(["status"]).success();
    host.sh("rm /etc/netns/daemon-lab-left/dnsmasq.lab").success();
    host.netlab(["status"]).exits(1).says("left: file /etc/dnsmasq.lab is missing");
    host.netlab(["repair"]).success();
    host.netlab(["status"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "changed files");
}

#[test]
fn a_mistake_in_a_daemons_file_is_told_in_its_own_words_and_nothing_stays() {
    let Some(host) = Host::new() else { return };
    let lab = lab(&host);
    host.write("bird/left.conf", "router id 10.0.0.1;\nprotocol devil {}\n");
    let before = host.snapshot();
    host.netlab(["up", &lab]).exits(3).says("start service `bird` on `left`").says("/etc/bird/bird.conf:2:");
    host.assert_as(&before, "a mistake in bird.conf");
    host.sh(&format!("rm {}/bird/left.conf", lab.rsplit_once('/').unwrap().0)).success();
    host.netlab(["up", &lab]).exits(2).says("cannot read `bird/left.conf`");
}
