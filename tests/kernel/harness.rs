//! The picture itself: a snapshot that sees nothing would make every other test green.

use crate::support::Host;

#[test]
fn a_snapshot_does_not_disturb_what_it_shows() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    assert!(before.lines("settings").len() > 300, "{before:?}");
    host.assert_as(&before, "after a snapshot");
}

#[test]
fn a_snapshot_shows_whatever_is_left_behind() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    let traces = [
        ("links", "ip link add name left type bridge", "ip link del left"),
        ("links", "ip addr add 192.0.2.1/32 dev lo", "ip addr del 192.0.2.1/32 dev lo"),
        ("routing", "ip route add 192.0.2.0/24 dev eth0 table 9", "ip route flush table 9"),
        ("routing", "ip -6 rule add fwmark 9 lookup 9", "ip -6 rule del fwmark 9"),
        (
            "routing",
            "ip neigh add 198.51.100.3 lladdr 02:00:00:00:00:03 dev eth0",
            "ip neigh del 198.51.100.3 dev eth0",
        ),
        ("settings", "sysctl -qw net.ipv4.conf.eth0.forwarding=1", "sysctl -qw net.ipv4.conf.eth0.forwarding=0"),
        ("mounts", "mount -t tmpfs tmpfs /home", "umount /home"),
        ("files", "mkdir /etc/netns", "rmdir /etc/netns"),
        ("files", "touch /run/left", "rm /run/left"),
    ];
    for (section, leave, clean) in traces {
        host.sh(leave).success();
        let difference = before.difference(&host.snapshot());
        assert!(difference.contains(section), "{leave} shows no difference in {section}:\n{difference}");
        host.sh(clean).success();
        host.assert_as(&before, clean);
    }
    let mut left = host.start("sleep", ["1000"]);
    host.wait_for("pidof sleep");
    assert!(before.difference(&host.snapshot()).contains("sleep 1000"));
    host.sh("kill $(pidof sleep)").success();
    left.wait().unwrap();
    host.assert_as(&before, "after the program has ended");
}

#[test]
fn a_firewall_table_that_is_left_empty_is_seen() {
    let Some(host) = Host::new() else { return };
    if host.sh("command -v nft").code != Some(0) {
        // Only nft can show it, and only nft could take it away.
        return;
    }
    let before = host.snapshot();
    host.sh("iptables -t nat -A POSTROUTING -j MASQUERADE; iptables -t nat -F").success();
    assert!(before.difference(&host.snapshot()).contains("firewall"));
}
