//! Machines that lack something: refused before the first change, by name, or it works; whatever was begun is taken back, and
//! `down` works all the same.

use crate::support::{Host, Ran, Snapshot};

/// `up` on a machine of which something was taken away: refused and as before, or up and, after `down`, as before.
#[track_caller]
fn all_or_nothing(host: &Host, before: &Snapshot, prefix: &str, lab: &str, when: &str) -> bool {
    let up = host.sh(&format!("{prefix} netlab up {lab}"));
    match up.code {
        Some(0) => {
            host.sh(&format!("{prefix} netlab down")).success();
            host.assert_as(before, format!("{lab} up and down {when}"));
            true
        }
        Some(2 | 3) => {
            assert!(up.stderr.contains("error:"), "{when}: {up}");
            host.assert_as(before, format!("{lab} refused {when}: {up}"));
            false
        }
        _ => panic!("{when}: {up}"),
    }
}

#[test]
fn with_few_files_up_works_or_is_refused_and_down_works() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    let limit = |n: usize| format!("ulimit -n {n};");
    let labs = ["nat-lab", "nat-lab --on-host"];
    for lab in labs {
        let worked: Vec<usize> = [4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 64]
            .into_iter()
            .filter(|n| all_or_nothing(&host, &before, &limit(*n), lab, &format!("with {n} files")))
            .collect();
        assert!(worked.contains(&32) && worked.contains(&64), "{lab} takes more than 32 files: {worked:?}");
        // A lab that came up with plenty goes with few.
        host.sh(&format!("netlab up {lab}")).success();
        host.sh(&format!("({} netlab status); ({} netlab check); ({} netlab repair)", limit(32), limit(64), limit(32)))
            .success();
        host.sh(&format!("{} netlab down", limit(24))).success();
        host.assert_as(&before, format!("{lab}, down with 24 files"));
    }
    // A larger lab takes no more; fewer are refused with how many it takes.
    let lab = "star-lab --set n=60";
    assert!(all_or_nothing(&host, &before, &limit(32), lab, "with 32 files"));
    host.sh(&format!("{} netlab up {lab}", limit(20))).exits(3).says("open files, and may have 20").says("ulimit -n");
}

#[test]
fn with_few_processes_up_works_or_is_refused() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    for n in [1, 2, 3, 5] {
        // A limit of the cgroup's would hold for root too, and is not ours to set: the address space is the next best thing.
        let memory = format!("ulimit -v {};", n * 20_000);
        let up = host.sh(&format!("{memory} netlab up nat-lab"));
        if up.code == Some(0) {
            host.netlab(["down"]).success();
        } else {
            host.netlab(["down", "nat-lab"]).success();
        }
        host.assert_as(&before, format!("up with {n} times 20 MB of address space: {up}"));
    }
}

#[test]
fn on_a_read_only_run_up_is_refused_and_down_says_why() {
    let Some(host) = Host::new() else { return };
    host.sh("mount -o remount,ro /run").success();
    let before = host.snapshot();
    for words in [&["up", "nat-lab"][..], &["up", "nat-lab", "--on-host"]] {
        host.netlab(words).exits(3).says("/run/netlab").says("Read-only file system").says("nothing was changed");
        host.assert_as(&before, format!("{words:?} on a read-only /run"));
    }
    host.netlab(["down", "nat-lab"]).success().says("nothing to do");
    host.netlab(["status"]);
    host.sh("mount -o remount,rw /run").success();
    // It becomes read-only while a lab is up.
    let before = host.snapshot();
    host.netlab(["up", "veth-lab"]).success();
    host.sh("mount -o remount,bind,ro /run").success();
    host.netlab(["status"]).success();
    host.netlab(["check", "--only", "red reaches blue"]).success();
    let down = host.netlab(["down"]);
    assert_ne!(down.code, Some(0), "{down}");
    down.says("Read-only file system");
    host.sh("mount -o remount,bind,rw /run").success();
    host.netlab(["down"]).success();
    host.assert_as(&before, "down once /run can be written again");
}

#[test]
fn a_program_that_is_not_installed_is_named_with_its_package_before_the_first_change() {
    for (lab, program, package) in [
        ("nat-lab", "iptables-restore", "iptables"),
        ("nat-lab", "ping", "iputils-ping"),
        ("nat-lab", "curl", "curl"),
        ("bgp-lab", "bird", "bird2"),
        ("ippool-lab", "ipset", "ipset"),
    ] {
        let Some(host) = Host::new() else { return };
        if !host.built_in_labs().iter().any(|known| known == lab) {
            continue;
        }
        // A file that is no program stands before every program of that name.
        let before = host.snapshot();
        host.sh(&format!(
            "for f in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
                 test -e $f/{program} && mount --bind /dev/null $f/{program} || true
             done"
        ))
        .success();
        let up = host.netlab(["up", lab]).exits(3);
        up.says(&format!("`{program}`")).says("needed by").says(&format!("apt install {package}"));
        host.sh(&format!(
            "while umount $(command -v {program}) 2>/dev/null; do :; done; grep -v {program} /proc/mounts"
        ))
        .success();
        for section in ["links", "routing", "firewall", "files", "settings", "processes"] {
            let after = host.snapshot();
            assert_eq!(before.lines(section), after.lines(section), "{lab} without {program}: {section}");
        }
    }
}

/// As with `ipv6.disable=1`; what works all the same is tried on such a kernel (`tests/uml.rs`).
#[test]
fn without_ipv6_a_lab_that_uses_it_is_refused_by_name() {
    let Some(host) = Host::new() else { return };
    let text = crate::support::labs::OTHER.replace("10.9.0.1/24", "2001:db8::1/64").replace("10.9.0.2", "2001:db8::2");
    let lab = host.write("six.yaml", &text.replace("2001:db8::2/24", "2001:db8::2/64"));
    host.sh("mount -t tmpfs tmpfs /proc/sys/net").success();
    let up = host.netlab(["up", &lab]);
    host.sh("umount /proc/sys/net; test ! -e /run/netlab").success();
    up.exits(3).says("IPv6 is disabled on this machine").says("`left` uses IPv6");
}

#[test]
fn with_ipv6_switched_off_a_lab_that_uses_none_works() {
    let Some(host) = Host::new() else { return };
    host.sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6")
        .success();
    let before = host.snapshot();
    for lab in [&["up", "nat-lab"][..], &["up", "nat-lab", "--on-host"]] {
        host.netlab(lab).success();
        host.netlab(["status"]).success();
        host.netlab(["check", "--only", "red reaches blue"]).success();
        host.netlab(["down"]).success();
        host.assert_as(&before, format!("{lab:?} with IPv6 switched off"));
    }
}

/// What a hardened or a bare machine, a cron job or a careless shell have: none of it may matter, or it is refused.
#[test]
fn odd_surroundings_do_not_matter() {
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    for around in [
        "umask 077;",
        "umask 000;",
        "mkdir -p /media/tmp/gone; cd /media/tmp/gone; rmdir /media/tmp/gone;",
        "unset HOME;",
        "export TERM=dumb;",
        "unset TERM;",
        "export LANG=C LC_ALL=C;",
        "export LC_ALL=de_DE.ISO-8859-1;",
        "unset PATH; netlab() { /media/bin/netlab \"$@\"; };",
        "export LD_PRELOAD=/nowhere.so IPTABLES_LIB_DIR=/nowhere XTABLES_LIBDIR=/nowhere;",
        "export http_proxy=http://192.0.2.1:1 ALL_PROXY=socks5://192.0.2.1:1 CURL_HOME=/nowhere;",
    ] {
        for lab in ["nat-lab", "nat-lab --on-host"] {
            host.sh(&format!("{around} netlab up {lab}")).success();
            host.sh(&format!("{around} netlab status")).success();
            host.sh(&format!("{around} netlab check --only 'red reaches blue'")).success();
            // Root's alone, whatever the umask.
            let modes =
                host.sh("/usr/bin/stat -c %a /run/netlab /run/netlab/nat-lab /run/netlab/nat-lab/journal").success();
            assert_eq!(modes.stdout.split_whitespace().collect::<Vec<_>>(), ["700", "700", "600"], "{around}");
            host.sh(&format!("{around} netlab down")).success();
            host.assert_as(&before, format!("{around} {lab}"));
        }
    }
}

#[test]
fn where_proc_or_sys_cannot_be_written_up_says_so_and_takes_everything_back() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let tried = |hide: &str, show: &str| -> Ran {
        host.sh(hide).success();
        let up = host.netlab(["up", "nat-lab"]);
        if up.code == Some(0) {
            host.netlab(["down"]).success();
        }
        host.sh(show).success();
        host.assert_as(&before, format!("{hide}: {up}"));
        up
    };
    // Its settings cannot be made: as in most containers.
    let proc = tried("mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys", "umount /proc/sys");
    proc.exits(3).says("Read-only file system").says("cannot set net.").says("nothing is left");
    // These it does not need.
    tried("mount -o remount,bind,ro /sys", "mount -o remount,bind,rw /sys").success();
    tried("mount -t tmpfs tmpfs /sys/fs", "umount /sys/fs").success();
    tried("mount -t tmpfs -o ro tmpfs /tmp", "umount /tmp").success();
    tried("mount -t tmpfs -o ro tmpfs /var/lib", "umount /var/lib").success();
}

#[test]
fn on_a_full_disk_a_lab_is_repaired_or_says_why_not() {
    let Some(host) = Host::new() else { return };
    host.sh("mount -t tmpfs -o mode=755,size=2m tmpfs /run").success();
    let before = host.snapshot();
    host.netlab(["up", "nat-lab"]).success();
    host.sh("head -c 4M /dev/zero > /run/full 2>/dev/null || true").success();
    host.sh("ip -n red link set veth-red down; ip -n blue route del default").success();
    let repair = host.netlab(["repair"]);
    match repair.code {
        Some(0) => drop(host.netlab(["status"]).success()),
        _ => drop(repair.exits(3).says("No space left")),
    }
    host.netlab(["down"]).success();
    host.sh("rm /run/full").success();
    host.assert_as(&before, "repair and down on a full disk");
}
