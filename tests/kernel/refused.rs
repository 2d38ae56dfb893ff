//! What netlab does not do: take what is somebody else's, begin what it cannot end.

use crate::support::Host;

#[test]
fn without_rights_up_says_sudo_and_changes_nothing() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    for command in ["up", "down", "status", "check"] {
        host.sh(&format!("setpriv --reuid 65534 --regid 65534 --clear-groups netlab {command} veth-lab"))
            .exits(3)
            .says("sudo");
    }
    host.assert_as(&before, "without rights");
}

#[test]
fn a_namespace_of_the_same_name_is_not_touched() {
    let Some(host) = Host::new() else { return };
    host.sh("ip netns add red; ip -n red link add name keep type bridge").success();
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).exits(4).says("/run/netns/red exists and was not made by netlab");
    host.assert_as(&before, "a refused up");
    host.sh("ip -n red link show keep").success();
}

#[test]
fn a_plain_file_under_the_name_of_a_namespace_is_not_touched() {
    let Some(host) = Host::new() else { return };
    host.sh("mkdir -p /run/netns; echo mine > /run/netns/blue").success();
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).exits(4).says("/run/netns/blue");
    host.assert_as(&before, "a refused up");
}

#[test]
fn a_namespace_that_took_the_place_of_ours_is_left_alone_and_named() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).success();
    host.sh("ip netns del red; ip netns add red; ip -n red link add name keep type bridge").success();
    host.netlab(["status"]).exits(1).says("red: network namespace is missing");
    let refused = host.netlab(["repair"]).exits(4).says("the namespace of `red` is gone, and its name is taken");
    refused.says("/run/netns/red is another namespace").says("`ip netns del red` if nobody needs it");
    host.netlab(["down"]).exits(5).says("/run/netns/red is another namespace than the one that netlab made");
    host.sh("ip -n red link show keep; test ! -e /run/netns/blue").success();
    host.sh("ip netns del red").success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "the stranger was removed by its owner");
}

#[test]
fn a_program_in_a_namespace_that_took_the_place_of_ours_lives_on() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).success();
    host.sh("ip netns del red; ip netns add red").success();
    let mut other = host.start("ip", ["netns", "exec", "red", "sleep", "1000"]);
    host.wait_for("pidof sleep");
    host.netlab(["down"]).exits(5);
    host.sh("pidof sleep; kill $(pidof sleep); ip netns del red").success();
    other.wait().unwrap();
    host.netlab(["down"]).success();
    host.assert_as(&before, "the stranger was removed by its owner");
}

#[test]
fn an_interface_of_the_machine_with_a_name_of_the_lab_is_not_touched() {
    for link in ["v-net-0 type bridge", "uplink type veth peer name elsewhere", "veth-red-br type bridge"] {
        let Some(host) = Host::new() else { return };
        host.furnish();
        host.sh(&format!("ip link add name {link}; ip link set {} up", link.split(' ').next().unwrap())).success();
        // An interface that has just come up settles for a moment.
        host.wait_for("! ip addr show | grep -q tentative");
        let before = host.snapshot();
        let refused = host.netlab(["up", "nat-lab", "--on-host"]).exits(4);
        refused.says("this machine already has an interface").says("leave out --on-host");
        host.assert_as(&before, format!("refused beside {link}"));
        // In its own namespaces the lab does not mind.
        host.netlab(["up", "nat-lab"]).success();
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("isolated beside {link}"));
    }
}

#[test]
fn a_network_of_the_machine_that_the_lab_would_overlap_is_not_touched() {
    for (address, words) in [
        ("192.168.15.77/24", "overlaps this machine's own network"),
        ("192.168.0.1/16", "overlaps this machine's own network"),
        ("203.0.113.200/28", "overlaps this machine's own network"),
    ] {
        let Some(host) = Host::new() else { return };
        host.furnish();
        host.sh(&format!("ip addr add {address} dev eth0")).success();
        let before = host.snapshot();
        host.netlab(["up", "nat-lab", "--on-host"]).exits(4).says(words);
        host.assert_as(&before, format!("refused beside {address}"));
    }
}

#[test]
fn a_route_of_the_machine_that_the_lab_would_overlap_is_not_touched() {
    for route in ["8.8.8.8 via 198.51.100.1", "192.168.15.0/24 via 198.51.100.1", "192.168.15.2 via 198.51.100.1"] {
        let Some(host) = Host::new() else { return };
        host.furnish();
        host.sh(&format!("ip route add {route}")).success();
        let before = host.snapshot();
        host.netlab(["up", "nat-lab", "--on-host"]).exits(4);
        host.assert_as(&before, format!("refused beside {route}"));
    }
}

#[test]
fn a_machine_that_drops_what_it_would_forward_is_told_so() {
    let Some(host) = Host::new() else { return };
    host.sh("iptables -P FORWARD DROP").success();
    let before = host.snapshot();
    host.netlab(["up", "nat-lab", "--on-host"]).exits(4).says("drops forwarded packets");
    host.assert_as(&before, "refused beside a FORWARD policy of DROP");
    host.netlab(["up", "nat-lab"]).success();
    host.netlab(["check", "--only", "blue reaches the outside"]).success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "isolated beside a FORWARD policy of DROP");
}

#[test]
fn on_a_full_disk_up_is_refused_and_changes_nothing() {
    let Some(host) = Host::new() else { return };
    host.sh("mount -t tmpfs -o mode=755,size=64k tmpfs /run; head -c 1M /dev/zero > /run/full 2>/dev/null || true")
        .success();
    let before = host.snapshot();
    for words in [&["up", "nat-lab"][..], &["up", "nat-lab", "--on-host"]] {
        host.netlab(words).exits(3).says("No space left");
        host.assert_as(&before, format!("{words:?} on a full disk"));
    }
}

/// Room for one thing more each time, until there is enough: whatever `up` could not write, it takes back the rest.
#[test]
fn wherever_the_disk_is_full_up_leaves_nothing() {
    let Some(host) = Host::new() else { return };
    for room in ["nr_inodes=", "size=4k,nr_blocks="] {
        for n in 1.. {
            assert!(n < 60, "{room}{n} is still not enough");
            host.sh(&format!("mount -t tmpfs -o mode=755,{room}{n} tmpfs /run")).success();
            let before = host.snapshot();
            let up = host.netlab(["up", "nat-lab"]);
            if up.code == Some(0) {
                host.netlab(["down"]).success();
                host.assert_as(&before, format!("with {room}{n}, which is enough"));
                host.sh("umount /run").success();
                break;
            }
            up.exits(3).says("No space left");
            host.assert_as(&before, format!("with {room}{n}"));
            host.sh("umount /run").success();
        }
    }
}

#[test]
fn on_a_full_disk_down_works() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    host.sh("mount -t tmpfs -o mode=755,size=2m tmpfs /run").success();
    for up in [&["up", "nat-lab"][..], &["up", "nat-lab", "--on-host"]] {
        let before = host.snapshot();
        host.netlab(up).success();
        host.sh("head -c 4M /dev/zero > /run/full 2>/dev/null || true; ! echo more > /run/more 2>/dev/null").success();
        host.sh("rm -f /run/more").success();
        host.netlab(["status"]).success();
        host.netlab(["down"]).success();
        host.sh("rm /run/full").success();
        host.assert_as(&before, format!("{up:?} and a full disk"));
    }
}

#[test]
fn a_disk_that_fills_up_in_the_middle_leaves_nothing() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    // The journal has room on disk for all that a lab comes to: another program that fills the disk meanwhile cannot
    // stop the roll-back.
    host.netlab_failing("done:20=kill", ["up", "nat-lab"]).killed();
    host.sh("mount -o remount,size=1m /run; head -c 2M /dev/zero > /run/full 2>/dev/null || true").success();
    host.netlab(["down"]).success();
    host.sh("rm /run/full; mount -o remount,size=50% /run").success();
    let after = host.snapshot();
    for section in ["links", "firewall", "processes", "files", "settings"] {
        assert_eq!(before.lines(section), after.lines(section), "{section}");
    }
}
