//! Where netlab runs: old kernels, shells with mounts of their own, machines that forbid what root may, or keep /var/run apart.

use crate::support::Host;

/// P12. The kernel tells a program that was started so that it is 2.6.
#[test]
fn a_kernel_that_is_too_old_is_named_and_nothing_else() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let refused = host.sh("setarch $(uname -m) --uname-2.6 netlab up veth-lab").exits(3);
    let refused = refused.says("error: Linux 2.6.").says("is too old").says("use Linux 5.3 or newer");
    assert_eq!(refused.stderr.matches("error: ").count(), 1, "{refused}");
    let refused = refused.says("nothing was changed");
    drop(refused);
    host.sh("setarch $(uname -m) --uname-2.6 netlab doctor || true").says("is too old");
    host.assert_as(&before, "on an old kernel");
}

/// P12. Linux before 5.14 does not tell the cookie of a namespace.
#[test]
fn without_cookies_of_namespaces_everything_works() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let old = "strace -f -qq -o /dev/null -e trace=getsockopt -e inject=getsockopt:error=ENOPROTOOPT";
    host.sh(&format!("{old} netlab up veth-lab")).success();
    let journal = host.sh("cat /run/netlab/veth-lab/journal").success();
    assert!(journal.stdout.contains(r#""cookie":0"#), "the cookie was there all the same: {journal}");
    host.sh(&format!("{old} netlab status")).success();
    host.sh("ip -n red link set veth-red down").success();
    host.sh(&format!("{old} netlab repair && {old} netlab status && {old} netlab down")).success();
    host.assert_as(&before, "without cookies");
    // Interrupted, too; and what came in the meantime is not ours.
    host.sh(&format!("NETLAB_FAILPOINT=done:6=kill {old} netlab up veth-lab || true")).success();
    host.sh(&format!("{old} netlab down veth-lab")).success();
    host.assert_as(&before, "without cookies, killed");
}

/// P6.
#[test]
fn a_shell_with_mounts_of_its_own_is_told_that_others_do_not_see_the_lab() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let quiet = host.netlab(["up", "veth-lab"]).success();
    assert!(!quiet.stderr.contains("mounts of its own"), "{quiet}");
    host.netlab(["down"]).success();
    let apart =
        host.sh("unshare --mount sh -ec 'netlab up veth-lab; netlab check --only red; netlab status; netlab down'");
    apart.success().says("this shell has mounts of its own").says("other terminals do not see");
    host.assert_as(&before, "up and down in a shell with mounts of its own");
    // Its end is the namespaces' end; the other terminal takes away what is left.
    host.sh("unshare --mount netlab up veth-lab; netlab down").success();
    host.assert_as(&before, "up in a shell with mounts of its own, down in another");
    // Mounts that are passed on are seen.
    host.sh("mount --make-rshared /").success();
    let shared =
        host.sh("unshare --mount --propagation unchanged netlab up veth-lab; netlab check --only red").success();
    assert!(!shared.stderr.contains("mounts of its own"), "{shared}");
    host.netlab(["down"]).success();
}

/// P15. AppArmor and SELinux answer EACCES, which root hears from nobody else.
#[test]
fn what_a_security_module_forbids_is_told_with_where_to_look() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    for call in ["mount", "unshare"] {
        let forbid = format!("strace -f -qq -o /dev/null -e trace={call} -e inject={call}:error=EACCES");
        let refused = host.sh(&format!("{forbid} netlab up veth-lab")).exits(3);
        refused.says("EACCES").says("SELinux or AppArmor").says("ausearch -m avc").says("nothing is left");
        host.assert_as(&before, format!("{call} is forbidden"));
    }
    let forbid = "strace -f -qq -o /dev/null -e trace=mkdir,mkdirat -e inject=mkdir,mkdirat:error=EACCES";
    let refused = host.sh(&format!("{forbid} netlab up veth-lab")).exits(3);
    refused.says("/run/netlab").says("SELinux or AppArmor").says("nothing was changed");
    host.assert_as(&before, "folders are forbidden");
}

/// `ip netns` looks in /var/run/netns.
#[test]
fn a_var_run_of_its_own_is_refused_with_what_to_do() {
    let Some(host) = Host::new() else { return };
    host.sh("mount -t tmpfs -o mode=755 tmpfs /var").success();
    for (made, todo) in [("mkdir /var/run", "mv /var/run /var/run.old"), ("rmdir /var/run", "`ln -s /run /var/run`")] {
        host.sh(made).success();
        let before = host.snapshot();
        let refused = host.netlab(["up", "nat-lab"]).exits(3);
        refused.says("/var/run is not a link to /run").says(todo).says("nothing was changed");
        host.netlab(["doctor"]).says("/var/run is not a link to /run");
        host.assert_as(&before, made);
    }
    // What it says to do is enough.
    host.sh("mkdir /var/run; mv /var/run /var/run.old; ln -s /run /var/run").success();
    let before = host.snapshot();
    host.netlab(["up", "nat-lab"]).success();
    host.sh("ip netns exec blue ip addr").success().says("192.168.15.2");
    host.netlab(["down"]).success();
    host.assert_as(&before, "with the link");
}
