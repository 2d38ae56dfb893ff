//! Beside Docker and firewalld, the real ones: they and the labs must not notice each other.
//!
//! Each daemon gets a throw-away machine of its own, with all that it keeps below /media/DAEMON, which is not in the
//! pictures of the machine: what it logs is its own affair, its rules, bridges, routes and settings are not.

use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::{Host, skip};

/// How long a daemon may take until it answers.
const START: Duration = Duration::from_secs(20);

/// A daemon that runs on a machine.
struct Daemon {
    host: Host,
    name: &'static str,
    start: &'static str,
    /// Succeeds when it is ready.
    ready: &'static str,
    running: Vec<Child>,
}

/// Its own control groups: /sys of a throw-away machine has none, and Docker wants some.
const DOCKER: &str = "
    mkdir -p /media/docker
    mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
    echo $$ > /media/dockerd.pid
    exec dockerd --data-root /media/docker/data --exec-root /media/docker/exec --pidfile /media/docker/pid \\
        --host unix:///media/docker/sock --storage-driver vfs > /media/docker/log 2>&1";
const DOCKER_IS_READY: &str = "curl -sf --unix-socket /media/docker/sock http://docker/_ping | grep -q OK";

/// Its bus is its own, and knows no users.
const FIREWALLD: &str = r#"
    mkdir -p /media/firewalld
    cat > /media/firewalld/bus.conf <<END
        <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
            "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig>
            <type>system</type><listen>unix:path=/media/firewalld/bus</listen><auth>EXTERNAL</auth>
            <policy context="default">
                <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
            </policy>
        </busconfig>
END
    test -S /media/firewalld/bus || dbus-daemon --config-file=/media/firewalld/bus.conf --fork
    export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/media/firewalld/bus
    echo $$ > /media/firewalld.pid
    exec firewalld --nofork --nopid --log-file /media/firewalld/own > /media/firewalld/log 2>&1"#;
const FIREWALLD_IS_READY: &str = "export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/media/firewalld/bus
    test \"$(firewall-cmd --state 2>&1)\" = running";

impl Daemon {
    fn docker() -> Option<Daemon> {
        Daemon::on_a_machine("dockerd", DOCKER, DOCKER_IS_READY)
    }

    fn firewalld() -> Option<Daemon> {
        Daemon::on_a_machine("firewalld", FIREWALLD, FIREWALLD_IS_READY)
    }

    /// None, loudly, where it cannot run.
    fn on_a_machine(name: &'static str, start: &'static str, ready: &'static str) -> Option<Daemon> {
        let host = Host::new()?;
        host.furnish();
        if host.sh(&format!("command -v {name}")).code != Some(0) {
            skip(&format!("{name} is not installed (scripts/setup tests)"));
            return None;
        }
        let mut daemon = Daemon { host, name, start, ready, running: Vec::new() };
        match daemon.start() {
            Ok(()) => Some(daemon),
            Err(log) => {
                skip(&format!("{name} does not start here; it says:\n{log}"));
                None
            }
        }
    }

    fn start(&mut self) -> Result<(), String> {
        self.running.push(self.host.start("sh", ["-ec", self.start]));
        let until = Instant::now() + START;
        while self.host.sh(self.ready).code != Some(0) {
            let ended = self.running.last_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || Instant::now() > until {
                return Err(self.host.sh(&format!("tail -n 5 /media/{}*/log", self.name.trim_end_matches('d'))).stdout);
            }
        }
        Ok(())
    }

    /// Ends it as `systemctl stop` does, and starts it again.
    fn restart(&mut self) {
        self.stop();
        self.start().unwrap();
    }

    fn stop(&mut self) {
        self.host.sh(&format!("kill $(cat /media/{}.pid)", self.name));
        self.running.drain(..).for_each(|mut child| drop(child.wait()));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

const LAB: &str = "nat-lab";

/// Up, all checks, down; the daemon's own things are as before.
fn a_lab_lives_isolated_beside(daemon: &Daemon) {
    let before = daemon.host.snapshot();
    daemon.host.netlab(["up", LAB]).success();
    daemon.host.netlab(["check", LAB]).success().says("all 13 checks hold");
    daemon.host.netlab(["status", LAB]).success();
    daemon.host.netlab(["down", LAB]).success();
    daemon.host.assert_as(&before, format!("a lab beside {}", daemon.name));
}

#[test]
fn docker_and_an_isolated_lab_do_not_notice_each_other() {
    let Some(daemon) = Daemon::docker() else { return };
    assert!(daemon.host.snapshot().lines("firewall").iter().any(|l| l.contains("DOCKER-USER")), "no rules of Docker's");
    a_lab_lives_isolated_beside(&daemon);
}

#[test]
fn docker_that_restarts_breaks_no_lab_and_down_leaves_it_whole() {
    let Some(mut daemon) = Daemon::docker() else { return };
    daemon.host.netlab(["up", LAB]).success();
    daemon.restart();
    daemon.host.netlab(["check", LAB]).success();
    daemon.host.netlab(["status", LAB]).success();
    let rules = daemon.host.sh("iptables-save | grep -v '^[#:]'; ip -br addr show docker0; ip route").stdout;
    daemon.host.netlab(["down", LAB]).success();
    let after = daemon.host.sh("iptables-save | grep -v '^[#:]'; ip -br addr show docker0; ip route").stdout;
    assert_eq!(rules, after);
    daemon
        .host
        .sh("test ! -e /run/netlab; ip link show docker0; curl -sf --unix-socket /media/docker/sock http://docker/info")
        .success();
}

#[test]
fn on_the_machine_dockers_policy_is_named_with_what_to_do_and_that_works() {
    let Some(daemon) = Daemon::docker() else { return };
    let host = &daemon.host;
    host.netlab(["doctor"])
        .says("dockerd runs")
        .says("drops what it would forward (iptables -P FORWARD DROP; Docker sets that)");
    let before = host.snapshot();
    let refused = host.netlab(["up", LAB, "--on-host"]).exits(4).says("Docker sets that").says("without --on-host");
    let refused =
        refused.says("iptables -I DOCKER-USER -i uplink -j ACCEPT; iptables -I DOCKER-USER -i v-net-0 -j ACCEPT");
    refused.says("come in by uplink, v-net-0");
    host.assert_as(&before, "refused beside Docker");
    host.sh("iptables -I DOCKER-USER -i uplink -j ACCEPT; iptables -I DOCKER-USER -i v-net-0 -j ACCEPT").success();
    let before = host.snapshot();
    host.netlab(["up", LAB, "--on-host"]).success();
    host.netlab(["check", LAB]).success();
    // Somebody takes that back while the lab is up.
    host.sh("iptables -D DOCKER-USER -i v-net-0 -j ACCEPT").success();
    let check = host.netlab(["check", LAB, "--only", "blue reaches the outside"]).exits(1);
    check.says("the firewall of `host` throws it away").says("-P FORWARD DROP");
    host.sh("iptables -I DOCKER-USER -i v-net-0 -j ACCEPT").success();
    host.netlab(["down", LAB]).success();
    host.assert_as(&before, "on the machine beside Docker");
}

/// It drops what is forwarded only where it had to switch forwarding on itself.
#[test]
fn docker_that_starts_beside_a_lab_on_the_machine_breaks_neither() {
    let Some(mut daemon) = Daemon::docker() else { return };
    daemon.stop();
    daemon.host.sh("iptables -P FORWARD ACCEPT").success();
    daemon.host.netlab(["up", LAB, "--on-host"]).success();
    daemon.start().unwrap();
    daemon.host.netlab(["check", LAB]).success();
    daemon.host.netlab(["down", LAB]).success();
    let whole = "test ! -e /run/netlab; ! iptables-save | grep -q netlab; ip link show docker0
         iptables -S DOCKER-USER; iptables -t nat -S POSTROUTING | grep -q 'docker0 -j MASQUERADE'";
    daemon.host.sh(whole).success();
}

#[test]
fn firewalld_and_an_isolated_lab_do_not_notice_each_other() {
    let Some(daemon) = Daemon::firewalld() else { return };
    assert!(
        daemon.host.snapshot().lines("firewall").iter().any(|l| l == "table inet firewalld {"),
        "no rules of firewalld's"
    );
    a_lab_lives_isolated_beside(&daemon);
}

#[test]
fn on_the_machine_firewallds_zones_are_named_with_what_to_do_and_that_works() {
    let Some(mut daemon) = Daemon::firewalld() else { return };
    let by = "nft table inet firewalld, chain filter_FWD_public: reject";
    daemon
        .host
        .netlab(["doctor"])
        .says("firewalld runs")
        .says(&format!("drops what it would forward ({by}; firewalld sets that)"));
    let before = daemon.host.snapshot();
    let refused = daemon.host.netlab(["up", LAB, "--on-host"]).exits(4).says(by).says("come in by uplink, v-net-0");
    refused.says(
        "firewall-cmd --zone=trusted --add-interface=uplink; firewall-cmd --zone=trusted --add-interface=v-net-0",
    );
    daemon.host.assert_as(&before, "refused beside firewalld");
    let trust = "export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/media/firewalld/bus
         firewall-cmd --zone=trusted --add-interface=v-net-0; firewall-cmd --zone=trusted --add-interface=uplink";
    daemon.host.sh(trust).success();
    let before = daemon.host.snapshot();
    daemon.host.netlab(["up", LAB, "--on-host"]).success();
    daemon.host.netlab(["check", LAB]).success();
    // It empties the tables of iptables, forgets what was not made to stay, and rejects again.
    daemon.restart();
    let status = daemon.host.netlab(["status", LAB]).exits(1);
    status.says("-j MASQUERADE` is missing");
    daemon.host.netlab(["repair", LAB]).success();
    let check = daemon.host.netlab(["check", LAB, "--only", "blue reaches the outside"]).exits(1);
    check.says("lets nothing through that comes in by v-net-0").says(by).says("--zone=trusted");
    daemon.host.sh(trust).success();
    daemon.host.netlab(["check", LAB]).success();
    daemon.host.netlab(["down", LAB]).success();
    daemon.host.assert_as(&before, "on the machine beside firewalld");
}
