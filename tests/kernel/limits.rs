//! A limit of the machine that a lab would meet is named before anything is changed, with what lifts it; and what netlab
//! can do without it does without.

use crate::support::Host;
use crate::support::host::skip;

#[test]
fn too_few_network_namespaces_are_known_before_the_first_change() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    // A user namespace has limits of its own, so the machine's stay as they are.
    let with = |most: u32, command: &str| {
        host.sh(&format!(
            "unshare --user --map-root-user --mount --net --fork sh -ec '
                 mount -t tmpfs tmpfs /run
                 echo {most} > /proc/sys/user/max_net_namespaces
                 code=0; {command} || code=$?
                 test ! -e /run/netns && test ! -e /run/netlab
                 exit $code'"
        ))
    };
    let refused = with(5, "netlab up star-lab").exits(3).says("user.max_net_namespaces is 5, 1 in use");
    let refused = refused.says("one for each of 9 nodes").says("there is room for 3 of 9").says("nothing was changed");
    refused.says("sysctl -w user.max_net_namespaces=").says("labs/star-lab.yaml:2");
    with(11, "netlab up star-lab --set n=9").exits(3).says("takes one for each of 10 nodes, and 1 more");
    with(5, "netlab doctor").exits(3).says("user.max_net_namespaces is 5: there is room for 3 nodes");
    host.assert_as(&before, "refused");
}

#[test]
fn too_few_processes_are_known_before_the_first_change() {
    let Some(host) = Host::new() else { return };
    // The group is the machine's: it is empty again, and gone, before the script ends.
    let within = |most: u32, command: &str| {
        host.sh(&format!(
            "group=$(mktemp -u netlab-test-XXXXXX)
             mount -t tmpfs tmpfs /sys/fs/cgroup; cd /sys/fs/cgroup; mkdir pids
             if mount -t cgroup -o pids cgroup pids 2>/dev/null; then cd pids
             else cd /; umount /sys/fs/cgroup; mount -t cgroup2 cgroup /sys/fs/cgroup; cd /sys/fs/cgroup; fi
             mkdir $group; top=$PWD
             end() {{ echo $$ > $top/cgroup.procs; rmdir $top/$group; cd /; umount $top; umount /sys/fs/cgroup 2>/dev/null || true; }}
             trap end EXIT
             test -e $group/pids.max || exit 77
             echo {most} > $group/pids.max; echo $$ > $group/cgroup.procs; cd /
             {command}"
        ))
    };
    let before = host.snapshot();
    let refused = within(11, "netlab up services-lab");
    if refused.code == Some(77) {
        return skip("no control groups that bound the number of processes");
    }
    let refused = refused.exits(3).says("pids.max of the control group").says("is 11, ").says("programs");
    refused.says("--pids-limit").says("nothing was changed");
    within(11, "netlab doctor").exits(3).says("is 11: there is room for ");
    within(100, "netlab up veth-lab; netlab down").success();
    host.assert_as(&before, "refused");
}

#[test]
fn a_lab_of_hundreds_of_nodes_needs_no_more_open_files_than_a_small_one() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let few = |command: &str| host.sh(&format!("ulimit -n 40; netlab {command}"));
    few("up star-lab --set n=150").success();
    few("status").success();
    host.sh("ip -n star-lab-n7 link del eth0").success();
    few("repair").success();
    few("check").success();
    few("exec n150 -- ip addr").success().says("10.0.0.151/16");
    few("down").success();
    host.sh("ulimit -n 40; netlab test nat-lab bgp-lab --jobs 1").success();
    host.assert_as(&before, "with 40 open files");
    let refused = host.sh("ulimit -n 20; netlab up star-lab").exits(3);
    refused.says("open files, and may have 20").says("ulimit -n").says("nothing was changed");
    host.sh("ulimit -n 20; netlab doctor").exits(3).says("is 20: netlab needs");
    host.assert_as(&before, "refused");
}

/// The usual limit is a soft one.
#[test]
fn a_soft_limit_of_open_files_is_raised_by_netlab_itself() {
    let Some(host) = Host::new() else { return };
    host.sh("ulimit -Sn 20; netlab up bridge-lab && netlab check && netlab down").success();
}

/// 40 nodes on one bridge come to know 1,640 neighbours, and the kernel's usual table has room for 1,024 of all namespaces
/// together.
#[test]
fn a_matrix_larger_than_the_table_of_neighbours_is_asked_in_parts_and_forgotten() {
    let Some(host) = Host::new() else { return };
    host.netlab(["up", "star-lab", "--set", "n=40"]).success();
    let full = "ip -s ntable show name arp_cache | sed -n 's/.*table_fulls \\([0-9]*\\).*/\\1/p' | head -n 1";
    let before = host.sh(full).stdout;
    assert!(!before.trim().is_empty(), "the kernel counts how often the table was full");
    // Whom a node knew before, it knows afterwards.
    host.sh("ip netns exec star-lab-n1 ping -c 1 -W 2 10.0.0.9").success();
    host.netlab(["check"]).success().says("everybody reaches everybody");
    if host.sh("ip ntable show name arp_cache").stdout.contains("thresh3 1024") {
        assert_eq!(host.sh(full).stdout, before, "never was the table full");
        assert_eq!(host.sh("ip -n star-lab-n1 neigh | cut -d ' ' -f 1").stdout, "10.0.0.9\n");
    }
    host.sh("ip -n star-lab-hub link set p7 down").success();
    let failed = host.netlab(["check"]).exits(1);
    failed.says("80 of 1640 pairs do not get through").says("everybody → n7").says("n7 → everybody");
    host.netlab(["down"]).success();
}
