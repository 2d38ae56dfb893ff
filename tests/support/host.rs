//! A throw-away machine: mount, network and process namespaces of its own, with its own /run, /sys, /proc and /etc.
//!
//! Its first process is a `cat` on a pipe that this test process holds. However the test ends, also by SIGKILL, the pipe
//! closes, `cat` ends, and the kernel takes everything else of that machine with it: there is nothing to clean up, and
//! nothing that a broken test could leave on the real machine.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

use super::{Snapshot, tracer};

/// A machine that lives longer than this has a command on it that hangs. It is switched off, and the test fails.
const LIFETIME: Duration = Duration::from_secs(180);
/// How long anything that is waited for may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The folder of the machine that is nobody's: netlab's binary, files of tests. It is not in the picture.
pub const SCRATCH: &str = "/media";
/// Changes to /etc end up here, and the picture shows them.
pub const ETC: &str = "/media/etc";

/// What makes a machine out of `unshare`. The first line runs before the new /proc is there: the old one still gives the
/// process number that the rest of the world knows it by.
const BOOT: &str = r#"
read -r pid rest < /proc/self/stat
set -e
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /media
mkdir /media/bin /media/etc /media/work /media/tmp /media/state
# The labs that tests write are the machine's own; tests/kernel/trust.rs is about those that are not.
echo '{"folder":"/media/tmp","by":"the tests"}' > /media/state/trusted
touch /media/bin/netlab
mount --bind "$1" /media/bin/netlab
if ! mount -t overlay -o lowerdir=/etc,upperdir=/media/etc,workdir=/media/work overlay /etc 2>/dev/null; then
    cp -a /etc/. /media/etc
    mount --bind /media/etc /etc
fi
mountpoint -q /etc
# The real machine may have namespaces of its own.
rm -rf /etc/netns
ip link set lo up
# New namespaces inherit these from the real machine, which may have anything.
echo 0 > /proc/sys/net/ipv4/ip_forward
# A link-local address is looked for on the wire for a second or two, and until then looks otherwise than after it.
if test -e /proc/sys/net/ipv6; then
    echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
    echo 0 > /proc/sys/net/ipv6/conf/default/router_solicitations
fi
echo "$pid"
# The first process inherits every orphan. Who ignores SIGCHLD has no zombies. (dash cannot `trap '' CHLD`.)
exec env --ignore-signal=CHLD cat > /dev/null
"#;

static SKIPPED: AtomicUsize = AtomicUsize::new(0);

/// A machine of a test's own.
pub struct Host {
    boot: Child,
    /// Held open: its end is the machine's end.
    power: Arc<Mutex<Option<ChildStdin>>>,
    _watchdog: mpsc::Sender<()>,
    pid: i32,
}

/// A shell gives what it starts in the background (`scripts/test &`, some CI runners) SIGINT and SIGQUIT to ignore, and so would
/// every netlab of the tests.
fn hear_signals() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    for number in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
        // SAFETY: the default action is no handler of ours.
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
}

impl Host {
    /// Switches a machine on; none, loudly, where the kernel does not let us.
    pub fn new() -> Option<Host> {
        match Host::boot() {
            Ok(host) => Some(host),
            Err(why) => {
                skip(&format!("{why} (needs root)"));
                None
            }
        }
    }

    fn boot() -> Result<Host, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("not root".into());
        }
        hear_signals();
        let mut boot = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", BOOT, "host"])
            .arg(super::binary())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|e| format!("unshare: {e}"))?;
        let power = Arc::new(Mutex::new(boot.stdin.take()));
        let mut line = String::new();
        let said = boot.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let Some(pid) = said.and_then(Result::ok).and_then(|_| line.trim().parse().ok()) else {
            let _ = boot.kill();
            let _ = boot.wait();
            return Err("unshare was refused".into());
        };
        if !is_apart(pid) {
            let _ = boot.kill();
            let _ = boot.wait();
            return Err(format!(
                "process {pid} is not the machine that was made (is /proc another process namespace's?)"
            ));
        }
        let (watchdog, alive) = mpsc::channel();
        let switch = power.clone();
        std::thread::spawn(move || {
            if alive.recv_timeout(LIFETIME) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = writeln!(std::io::stderr(), "a test's machine is switched off after {LIFETIME:?}: it hangs");
                switch.lock().unwrap().take();
            }
        });
        Ok(Host { boot, power, _watchdog: watchdog, pid })
    }

    /// Gives the machine what a real one has: a network card that is up, an address, a default route, a rule, a
    /// neighbour. What `up --on-host` puts beside it must not disturb it.
    ///
    /// ```text
    /// eth0 198.51.100.2/24 ──── wall
    /// ```
    pub fn furnish(&self) {
        self.sh("ip link add name eth0 type veth peer name wall
                 ip link set wall up
                 ip addr add 198.51.100.2/24 dev eth0
                 ip link set eth0 up
                 ip route add default via 198.51.100.1
                 ip rule add fwmark 7 lookup 77
                 ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev eth0")
            .success();
        // The state that `ip link` shows follows the cable a moment later.
        self.wait_for("test $(ip -o link show | grep -c 'state UP') = 2 && ! ip addr show tentative | grep -q .");
    }

    /// A command on this machine, with nothing of the caller's environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid.to_string(), "--mount", "--net", "--pid", "--", program]);
        command.env_clear().env("LC_ALL", "C").env("HOME", "/").env("NETLAB_STATE", format!("{SCRATCH}/state"));
        command.env("PATH", format!("{SCRATCH}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `netlab WORDS`.
    pub fn netlab<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Ran {
        let mut command = self.command("netlab");
        command.args(words);
        Ran::of(command)
    }

    /// Runs `netlab WORDS` with `NETLAB_FAILPOINT=POINT`.
    pub fn netlab_failing<W: AsRef<OsStr>>(&self, point: &str, words: impl IntoIterator<Item = W>) -> Ran {
        let mut command = self.command("netlab");
        command.args(words).env("NETLAB_FAILPOINT", point);
        Ran::of(command)
    }

    /// Runs a script with `sh -e`.
    pub fn sh(&self, script: &str) -> Ran {
        let mut command = self.command("sh");
        command.args(["-ec", script]);
        Ran::of(command)
    }

    /// Starts a program that goes on by itself, as a learner's `… &` does.
    pub fn start<W: AsRef<OsStr>>(&self, program: &str, words: impl IntoIterator<Item = W>) -> Child {
        let mut command = self.command(program);
        command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0);
        command.spawn().unwrap()
    }

    /// Waits until a script succeeds.
    #[track_caller]
    pub fn wait_for(&self, script: &str) {
        let until = Instant::now() + PATIENCE;
        while self.sh(script).code != Some(0) {
            assert!(Instant::now() < until, "not so within {PATIENCE:?}: {script}");
        }
    }

    /// Writes a file; `name` is in the machine's own folder for such things. Gives its path on that machine.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = format!("{SCRATCH}/tmp/{name}");
        let seen_from_here = format!("/proc/{}/root{path}", self.pid);
        std::fs::write(seen_from_here, text).unwrap();
        path
    }

    /// The name of every lab that netlab carries inside it and that this kernel can make. The others are not skipped:
    /// `tests/uml.rs` brings up, on a full kernel, whatever a kernel like this one lacks.
    pub fn built_in_labs(&self) -> Vec<String> {
        let mut labs = self.all_built_in_labs();
        labs.retain(|lab| lacking_kinds(lab, &[]).is_empty());
        labs
    }

    fn all_built_in_labs(&self) -> Vec<String> {
        let list = self.netlab(["list", "--json"]).success().json();
        let rows = list.as_array().unwrap().iter().filter(|row| row["from"] == "built in");
        let labs: Vec<String> = rows.map(|row| row["lab"].as_str().unwrap().to_string()).collect();
        assert!(!labs.is_empty(), "netlab list shows no lab");
        labs
    }

    /// How many steps `up` of a lab has.
    pub fn steps(&self, lab: &[&str]) -> usize {
        let plan = self.netlab(["plan", "--json"].iter().chain(lab)).success().json();
        plan["steps"].as_array().unwrap().len()
    }

    /// Whether a lab has a node that the machine itself can play.
    pub fn can_be_on_host(&self, lab: &str) -> bool {
        let plan = self.netlab(["plan", lab, "--on-host", "--json"]).success().json();
        plan["nodes"].as_array().unwrap().iter().any(|at| at["netns"].is_null())
    }

    /// What is on the machine right now.
    pub fn snapshot(&self) -> Snapshot {
        let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", self.pid)).unwrap();
        self.inside(move || Snapshot::take(&mounts))
    }

    /// Nothing differs from before.
    #[track_caller]
    pub fn assert_as(&self, before: &Snapshot, when: impl std::fmt::Display) {
        let difference = before.difference(&self.snapshot());
        assert!(difference.is_empty(), "{when}: the machine is not as it was\n{difference}");
    }

    /// Runs `netlab WORDS`, and ends it with SIGKILL right before the system call with this number, counted from 0 over
    /// all its threads: of those that change something that others can see. With that call's name, and how many there were.
    pub fn netlab_killed_at<W: AsRef<OsStr>>(
        &self,
        call: usize,
        words: impl IntoIterator<Item = W>,
    ) -> (Ran, Option<String>, usize) {
        let mut command = Command::new(format!("{SCRATCH}/bin/netlab"));
        command.args(words).current_dir("/").env_clear().env("LC_ALL", "C").env("HOME", "/");
        command.env("NETLAB_STATE", format!("{SCRATCH}/state"));
        command.env("PATH", format!("{SCRATCH}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
        let words: Vec<String> = command.get_args().map(lossy).collect();
        let what = format!("netlab {}, killed at system call {call}", words.join(" "));
        let ended = self.inside(move || tracer::killed_at(command, call, &format!("{SCRATCH}/tmp/said")));
        (Ran::from(what, ended.status, b"", &ended.said), ended.at, ended.calls)
    }

    /// Runs something on a thread that has moved to this machine: no `nsenter`, no new process, hence no trace.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = |kind: &str| File::open(PathBuf::from(format!("/proc/{}/ns/{kind}", self.pid))).unwrap();
        let (mounts, network, processes) = (namespace("mnt"), namespace("net"), namespace("pid"));
        let dive = move || {
            // A thread shares its root and working folder with the others until it says otherwise.
            unshare(CloneFlags::CLONE_FS).unwrap();
            // Of its children only.
            setns(processes, CloneFlags::CLONE_NEWPID).unwrap();
            setns(mounts, CloneFlags::CLONE_NEWNS).unwrap();
            setns(network, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        std::thread::spawn(dive).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Whether a process has a /run of its own. Where /proc shows other processes than our own, its number may be anybody's, and
/// a test must never run there.
fn is_apart(pid: i32) -> bool {
    let mounts = |who: &str| std::fs::read_link(format!("/proc/{who}/ns/mnt"));
    let run = nix::sys::statfs::statfs(format!("/proc/{pid}/root/run").as_str());
    let own = run.is_ok_and(|s| s.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC);
    matches!((mounts("self"), mounts(&pid.to_string())), (Ok(a), Ok(b)) if a != b) && own
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Ok(mut power) = self.power.lock() {
            power.take();
        }
        let _ = self.boot.wait();
    }
}

/// Says that a test did not run: past libtest's capture, numbered, and as a failure where everything is required.
pub fn skip(why: &str) {
    let n = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let words = format!("SKIP: {n}: {test}: {why}");
    let _ = writeln!(std::io::stderr(), "{words}");
    assert!(std::env::var("NETLAB_REQUIRE").as_deref() != Ok("all"), "{words}; NETLAB_REQUIRE=all");
}

/// A command that has ended.
#[derive(Debug, Clone)]
pub struct Ran {
    what: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    signal: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl Ran {
    fn of(mut command: Command) -> Ran {
        let words: Vec<String> = command.get_args().skip_while(|a| *a != "--").skip(1).map(lossy).collect();
        let point = command.get_envs().find(|(name, _)| *name == "NETLAB_FAILPOINT").and_then(|(_, value)| value);
        let point = point.map(|value| format!("NETLAB_FAILPOINT={} ", lossy(value))).unwrap_or_default();
        let output = command.output().unwrap();
        Ran::from(format!("{point}{}", words.join(" ")), output.status, &output.stdout, &output.stderr)
    }

    /// A command that was started by hand has ended.
    pub fn ended(what: &str, child: Child) -> Ran {
        let output = child.wait_with_output().unwrap();
        Ran::from(what.to_string(), output.status, &output.stdout, &output.stderr)
    }

    fn from(what: String, status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Ran {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ran { what, code: status.code(), signal: status.signal(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// It ended well.
    #[track_caller]
    pub fn success(self) -> Ran {
        self.exits(0)
    }

    /// It ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "exit code of {self}");
        self
    }

    /// SIGKILL ended it.
    #[track_caller]
    pub fn killed(self) -> Ran {
        assert_eq!(self.signal, Some(9), "signal that ended {self}");
        self
    }

    /// It said these words, wherever.
    #[track_caller]
    pub fn says(self, words: &str) -> Ran {
        assert!(self.stdout.contains(words) || self.stderr.contains(words), "no `{words}` in {self}");
        self
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ran { what, code, signal, stdout, stderr } = self;
        write!(f, "`{what}` (code {code:?}, signal {signal:?})\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

fn lossy(text: impl AsRef<OsStr>) -> String {
    Path::new(text.as_ref()).display().to_string()
}

/// The kinds of links, and the qdiscs, that a lab asks the kernel for and the running one does not know, found with `ip` on a machine of
/// their own.
pub fn lacking_kinds(lab: &str, options: &[&str]) -> Vec<String> {
    let Some(host) = Host::new() else { return Vec::new() };
    let plan = host.netlab(["plan", lab, "--json"].iter().chain(options)).success().json();
    let steps = plan["steps"].as_array().unwrap().iter();
    let links = steps.map(|s| &s["op"]["add-link"]["link"]).filter(|l| l["by"] != "user-space");
    let kinds = links.filter_map(|l| l["kind"].as_object()?.keys().next().cloned());
    let mut kinds: Vec<String> = kinds.collect();
    kinds.sort();
    kinds.dedup();
    // `ip` wants to be told some things before it asks the kernel.
    let words = |kind: &str| match kind {
        "vlan" => "link lo name p-vlan type vlan id 5".to_string(),
        "vrf" => "p-vrf type vrf table 10".to_string(),
        "vxlan" | "geneve" => format!("p-{kind} type {kind} id 5 dstport 7 remote 10.0.0.1"),
        _ => format!("p-{kind} type {kind}"),
    };
    kinds.retain(|kind| host.sh(&format!("ip link add {}", words(kind))).stderr.contains("Unknown device type"));
    let tags = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .any(|s| s["op"]["add-link"]["link"]["kind"]["bridge"]["vlan_filtering"] == true);
    if tags && host.sh("ip link add p-tags type bridge vlan_filtering 1").stderr.contains("not supported") {
        kinds.push("bridge with vlan-filtering".into());
    }
    let qdiscs = plan["steps"].as_array().unwrap().iter().filter_map(|s| s["op"]["set-qdisc"]["qdisc"].as_object());
    let mut qdiscs: Vec<String> = qdiscs.filter_map(|q| q.keys().next().cloned()).collect();
    qdiscs.sort();
    qdiscs.dedup();
    let unknown = |words: &str| host.sh(&format!("tc qdisc add dev lo root {words}")).stderr.contains("is unknown");
    qdiscs.retain(|qdisc| {
        qdisc == "netem" && unknown("netem") || qdisc == "tbf" && unknown("tbf rate 1mbit burst 4kb limit 8kb")
    });
    kinds.extend(qdiscs);
    kinds
}
