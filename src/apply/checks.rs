//! Running checks: all at once, each retried until it holds or its time is up. Those that look at a wire come after the
//! others and one by one: they shall see their own traffic only.
//!
//! A failed check is shown with what differs from the plan right now: mostly that is the reason.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;

use super::running::Running;
use super::{capture, ground, status, stop, why};
use crate::check::reach::Matrix;
use crate::check::sees::Sees;
use crate::check::{self, Check, Kind, Output, Probe, Seen, SocketSeen, Target, Verdict};
use crate::error::{Error, Result, did_you_mean};
use crate::kernel::Refusal;
use crate::kernel::capture::Capture;
use crate::kernel::diver;
use crate::kernel::echo::{self, Station};
use crate::kernel::limits::room_for_files;
use crate::kernel::process::{self, Session, User};
use crate::plan::{At, Plan, kept};
use crate::topology::Topology;

/// How many programs and sockets of checks are under way at the same time: more would only wait for each other.
const AT_ONCE: usize = 32;
/// What one of them has open at most: a namespace, pipes, a handle.
const FILES_OF_ONE: usize = 6;
/// What a program may print before the rest is cut off.
const LONGEST_OUTPUT: u64 = 64 << 10;

/// What a check came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// What it shows.
    pub name: String,
    /// The node it ran in.
    pub node: String,
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// Whether it holds.
    pub passed: bool,
    /// What was expected.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// Why, when that could be seen: the first thing on the way that is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What that usually means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// Somebody answered, if not as expected.
    #[serde(skip)]
    pub answered: bool,
    /// The command that repeats it.
    pub command: String,
    /// What to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How long it took, with all tries.
    pub seconds: f64,
    /// How often it was tried.
    pub tries: u32,
    /// `file:line` of the check.
    pub at: String,
}

/// A check that does not apply now.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// What it shows.
    pub name: String,
    /// Actions that it needs, and that are not done.
    pub after: Vec<String>,
    /// Actions that it holds before, and that are done.
    pub before: Vec<String>,
}

/// What all checks came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcomes {
    /// The lab.
    pub lab: String,
    /// In the order of the file.
    pub checks: Vec<Outcome>,
    /// Checks that do not apply now: with the actions that they wait for, or that are done and would have to be undone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
    /// When something failed: what differs from the plan.
    pub drift: Vec<status::Described>,
    /// Kinds of tunnels that netlab carried itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_user_space: Vec<&'static str>,
    /// How long it took.
    pub seconds: f64,
}

impl Outcomes {
    /// How many failed.
    pub fn failed(&self) -> usize {
        self.checks.iter().filter(|c| !c.passed).count()
    }
}

/// Runs the checks of a lab that is up; `only` those whose name holds one of these texts.
pub fn run(running: &Running, topology: &Topology, only: &[String]) -> Result<Outcomes> {
    let begun = Instant::now();
    let plan = running.entry.plan.as_ref().ok_or_else(|| Error::conflict("the lab is not whole"))?;
    let acted = |name: &String| running.entry.acted(name);
    let applies = |c: &Check| c.after.iter().all(acted) && !c.before.iter().any(acted);
    let (checks, waiting): (Vec<Check>, Vec<Check>) = topology.checks.iter().cloned().partition(applies);
    let chosen: Vec<Check> = choose(&checks, only, &waiting)?;
    // A check that does not apply now is nobody's witness.
    let topology = Topology { checks, ..topology.clone() };
    let nodes = nodes(&plan.nodes);
    let slots = (room_for_files((AT_ONCE * FILES_OF_ONE) as u64) / FILES_OF_ONE).clamp(1, AT_ONCE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::machine("cannot start the runtime").cause(e))?;
    let local = tokio::task::LocalSet::new();
    let runner = Rc::new(Runner { nodes, slots: Semaphore::new(slots), most: slots, topology });
    let reasons = runner.clone();
    let work = async {
        let looks = |check: &Check| matches!(check.kind, Kind::Sees(_));
        let tasks: Vec<_> = chosen
            .iter()
            .map(|check| {
                let (runner, check) = (runner.clone(), check.clone());
                (!looks(&check)).then(|| tokio::task::spawn_local(async move { runner.check(&check).await }))
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(match task {
                Some(task) => Some(task.await.map_err(|e| Error::machine("a check ended badly").cause(e))?),
                None => None,
            });
        }
        for (outcome, check) in outcomes.iter_mut().zip(&chosen) {
            if outcome.is_none() {
                *outcome = Some(runner.check(check).await);
            }
        }
        let outcomes = outcomes.into_iter().flatten().collect::<Vec<_>>();
        Ok::<_, Error>(outcomes)
    };
    let Some(outcomes) = runtime.block_on(local.run_until(unless_stopped(work))) else {
        // The programs end with their tasks. A matrix of pings would go on for a while: nobody waits for it.
        drop(local);
        runtime.shutdown_background();
        return Err(stop::interrupted().help("the lab is as it was"));
    };
    let mut outcomes = outcomes?;
    let failed = outcomes.iter().any(|c| !c.passed);
    let folder = ground::lab_folder(&running.name);
    if failed {
        let again = |check: &Check| {
            let _ = runtime.block_on(local.run_until(unless_stopped(reasons.once(&check.node, &check.kind))));
        };
        why::explain(&running.entry, &folder, &reasons.topology, (&chosen, &mut outcomes), again);
    }
    if stop::requested() {
        return Err(stop::interrupted().help("the lab is as it was"));
    }
    let drift = if failed { status::drift(&running.entry, &folder)? } else { Vec::new() };
    Ok(Outcomes {
        lab: running.name.clone(),
        checks: outcomes,
        waiting: waiting
            .into_iter()
            .map(|c| Waiting {
                name: c.name,
                after: c.after.into_iter().filter(|name| !acted(name)).collect(),
                before: c.before.into_iter().filter(acted).collect(),
            })
            .collect(),
        drift: drift.into_iter().map(status::Described::from).collect(),
        in_user_space: running.entry.plan.as_ref().map(Plan::kinds_in_user_space).unwrap_or_default(),
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Does something, unless the user wants it to end: then it ends where it is, with all that it has started.
async fn unless_stopped<T>(work: impl Future<Output = T>) -> Option<T> {
    let stopped = async {
        while !stop::requested() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = stopped => None,
        done = work => Some(done),
    }
}

fn choose(checks: &[Check], only: &[String], waiting: &[Check]) -> Result<Vec<Check>> {
    for text in only {
        let named = |c: &&Check| c.name.contains(text.as_str());
        if let (false, Some(check)) = (checks.iter().any(|c| named(&c)), waiting.iter().find(named)) {
            let (after, before) = (check.after.join(", "), check.before.join(", "));
            let when = if after.is_empty() { format!("before {before}") } else { format!("after {after}") };
            return Err(Error::conflict(format!("the check `{}` holds {when}", check.name))
                .help("`netlab act` shows the actions, and which are done"));
        }
        if !checks.iter().any(|c| c.name.contains(text.as_str())) {
            let names = checks.iter().map(|c| c.name.as_str());
            let help = did_you_mean(text, names.clone())
                .unwrap_or_else(|| format!("checks: {}", names.collect::<Vec<_>>().join(" · ")));
            return Err(Error::usage(format!("no check has `{text}` in its name")).help(help));
        }
    }
    let wanted = |c: &&Check| only.is_empty() || only.iter().any(|o| c.name.contains(o.as_str()));
    Ok(checks.iter().filter(wanted).cloned().collect())
}

/// A node as checks need it. It is opened by each check anew: a lab of a thousand nodes takes no more files than a small one.
struct Place {
    at: At,
}

impl Place {
    fn open(&self) -> Result<Option<File>, Refusal> {
        let Some(name) = &self.at.netns else { return Ok(None) };
        let gone = || Refusal::new(format!("the namespace `{name}` is gone"));
        crate::kernel::netns::open(name)?.ok_or_else(gone).map(Some)
    }
}

fn nodes(list: &[At]) -> HashMap<String, Place> {
    list.iter().map(|at| (at.node.to_string(), Place { at: at.clone() })).collect()
}

struct Runner {
    nodes: HashMap<String, Place>,
    slots: Semaphore,
    most: usize,
    topology: Topology,
}

impl Runner {
    async fn check(&self, check: &Check) -> Outcome {
        let begun = Instant::now();
        let mut tries = 0;
        let mut pause = Duration::from_millis(20);
        let verdict = loop {
            tries += 1;
            let (mut verdict, unproven) = self.once(&check.node, &check.kind).await;
            if let (true, Some(target)) = (verdict.holds, unproven) {
                verdict = self.proven(check, verdict, &target).await;
            }
            if verdict.holds || verdict.settled || begun.elapsed() + pause >= check.within {
                break verdict;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(300));
        };
        Outcome {
            name: check.name.clone(),
            node: check.node.to_string(),
            kind: check.kind.word().into(),
            passed: verdict.holds,
            expected: check.kind.expected(),
            seen: verdict.seen,
            why: None,
            meaning: verdict.meaning,
            answered: verdict.answered,
            command: self.by_hand(check),
            hint: check.hint.clone(),
            seconds: begun.elapsed().as_secs_f64(),
            tries,
            at: self.topology.source.at(check.span),
        }
    }

    fn by_hand(&self, check: &Check) -> String {
        let inside = |node: &str, kind: &Kind| match self.nodes.get(node).and_then(|p| p.at.netns.as_deref()) {
            // `ip netns exec` does not show a node's own /run, where its daemons have their sockets.
            Some(netns) if matches!(kind, Kind::Bgp(_) | Kind::Run(_)) && Path::new(&kept(netns, "/run")).is_dir() => {
                format!("netlab exec {node} -- {}", kind.by_hand())
            }
            Some(netns) => format!("ip netns exec {netns} {}", kind.by_hand()),
            None => kind.by_hand(),
        };
        let own = inside(&check.node, &check.kind);
        match &check.kind {
            Kind::Sees(sees) => match &sees.traffic {
                Some(traffic) => format!("{own} & sleep 1; {}", inside(&traffic.node, &traffic.kind)),
                None => own,
            },
            _ => own,
        }
    }

    /// Silence proves something only when somebody gets through to the same target.
    async fn proven(&self, check: &Check, verdict: Verdict, target: &Target) -> Verdict {
        if self.witness(check, target).await {
            return verdict;
        }
        if let Kind::Sees(_) = check.kind {
            return Verdict::of(false, format!("{}, but it was not seen anywhere else either", verdict.seen))
                .meaning(Some("a check that `sees` the same on another wire would prove that it is there to be seen"));
        }
        Verdict::of(false, format!("{}, but nobody else gets through to it either", verdict.seen))
            .meaning(Some("the target itself does not answer, so its silence proves nothing"))
    }

    async fn witness(&self, check: &Check, target: &Target) -> bool {
        for other in &self.topology.checks {
            let same = other.kind.reached_target().is_some_and(|t| t.key == target.key);
            if same && self.once(&other.node, &other.kind).await.0.holds {
                return true;
            }
        }
        let owner = target.ip.and_then(|ip| self.topology.owner(ip)).map(|(node, _)| node);
        match (owner, check.kind.as_witness()) {
            (Some(node), Some(kind)) => self.once(node, &kind).await.0.holds,
            _ => false,
        }
    }

    /// Tries once: what it came to, and what somebody must get through to before that counts.
    async fn once(&self, node: &str, kind: &Kind) -> (Verdict, Option<Target>) {
        match self.seen(node, kind).await {
            Ok(seen) => {
                let answered = kind.as_witness().is_some_and(|plain| plain.judge(&seen).holds);
                (Verdict { answered, ..kind.judge(&seen) }, kind.needs_witness(&seen))
            }
            Err(words) => (Verdict::of(false, words), None),
        }
    }

    async fn seen(&self, node: &str, kind: &Kind) -> Result<Seen, String> {
        let place = self.nodes.get(node).ok_or_else(|| format!("there is no node `{node}`"))?;
        if let Probe::Capture { interface } = kind.probe() {
            return self.capture(place, interface, kind).await.map(Seen::Packets).map_err(|r| r.to_string());
        }
        let slots = match kind.probe() {
            Probe::Commands { argv, .. } => argv.len().clamp(1, self.most),
            _ => 1,
        };
        let Ok(_slots) = self.slots.acquire_many(slots as u32).await else {
            return Err("the runner has ended".into());
        };
        let seen = match kind.probe() {
            Probe::Commands { argv, timeout } => commands(place, &argv, timeout, slots).await.map(Seen::Outputs),
            Probe::Connect { to, timeout } => inside(place, move || connect(to, timeout)).await.map(Seen::Socket),
            Probe::Echo { to, timeout } => inside(place, move || echo(to, timeout)).await.map(Seen::Socket),
            Probe::Matrix { nodes } => self.matrix(&nodes).await.map(Seen::Pairs),
            Probe::Capture { .. } => return Err("a wire cannot be looked at in the traffic of another check".into()),
        };
        seen.map_err(|refusal| refusal.to_string())
    }

    /// Away from the runtime: it waits for many sockets itself.
    async fn matrix(&self, nodes: &[(String, IpAddr)]) -> Result<Matrix, Refusal> {
        let mut stations = Vec::with_capacity(nodes.len());
        for (name, address) in nodes {
            let netns = self.nodes.get(name).and_then(|place| place.at.netns.clone());
            let interfaces =
                self.topology.nodes.get(name.as_str()).into_iter().flat_map(|node| node.interfaces.values());
            let wires = interfaces.flat_map(|i| &i.addresses).map(|address| address.net).collect();
            stations.push(Station { netns, address: *address, wires });
        }
        let asked = tokio::task::spawn_blocking(move || echo::matrix(&stations));
        let answers = asked.await.map_err(|e| Refusal::new(e.to_string()))??;
        Ok(Matrix { silent: answers.silent, table_full: answers.table_full })
    }

    async fn capture(&self, place: &Place, interface: String, kind: &Kind) -> Result<check::sees::Capture, Refusal> {
        let Kind::Sees(Sees { traffic: Some(traffic), .. }) = kind else {
            return Err(Refusal::new("there is no traffic to wait for"));
        };
        let about = format!("cannot listen on {interface}");
        let socket =
            inside(place, move || Capture::open(&interface)).await?.map_err(|e| Refusal::from(e).about(&about))?;
        let traffic = Box::pin(async { self.once(&traffic.node, &traffic.kind).await.0 });
        capture::during(socket, traffic).await
    }
}

/// Runs programs, `most` at a time.
async fn commands(place: &Place, argv: &[Vec<String>], timeout: Duration, most: usize) -> Result<Vec<Output>, Refusal> {
    let mut outputs = Vec::new();
    for some in argv.chunks(most) {
        let mut running = Vec::new();
        for words in some {
            running.push(tokio::task::spawn_local(command(start(place, words)?, timeout)));
        }
        for task in running {
            outputs.push(task.await.map_err(|e| Refusal::new(e.to_string()))??);
        }
    }
    Ok(outputs)
}

fn start(place: &Place, words: &[String]) -> Result<tokio::process::Child, Refusal> {
    let mut command = process::clean(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let file = place.open()?;
    let netns = place.at.netns.as_deref().zip(file.as_ref());
    // In a namespace of a lab anybody may ping; on the machine that is the machine's own decision.
    let user = if netns.is_some() && needs_no_rights(&words[0]) { User::caller() } else { None };
    process::enter(&mut command, netns, Session::Group, user)?;
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    command.spawn().map_err(|e| Refusal::from(e).about(&words[0]))
}

/// The programs of netlab's own checks that work without root, and so run without. `ip` and `bridge` read netlink, and
/// `iptables-save` takes root.
fn needs_no_rights(program: &str) -> bool {
    matches!(program, "ping" | "curl" | "dig" | "getent")
}

async fn command(mut child: tokio::process::Child, timeout: Duration) -> Result<Output, Refusal> {
    // Before the child itself, so that its number is still its own.
    let mut group = child.id().map(process::Group::of);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let read = async {
        let first = async {
            if let Some(out) = out {
                keep(out, &mut stdout).await;
            }
        };
        let second = async {
            if let Some(err) = err {
                keep(err, &mut stderr).await;
            }
        };
        tokio::join!(first, second);
        child.wait().await
    };
    let code = match tokio::time::timeout(timeout, read).await {
        Ok(status) => {
            let code = status?.code();
            group.iter_mut().for_each(process::Group::ended);
            code
        }
        Err(_) => None,
    };
    drop(group);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Output { code, stdout: text(&stdout), stderr: text(&stderr) })
}

/// Keeps the beginning of what a program prints, and lets it print the rest: a closed pipe would end it.
async fn keep(mut from: impl tokio::io::AsyncRead + Unpin, kept: &mut Vec<u8>) {
    let _ = (&mut from).take(LONGEST_OUTPUT).read_to_end(kept).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
}

/// Runs blocking socket work inside the node, away from the runtime.
async fn inside<T: Send + 'static>(place: &Place, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    let file = place.open()?.map(OwnedFd::from);
    let (answer, result) = tokio::sync::oneshot::channel();
    diver::apart(file, work, |seen| {
        // The check may have been given up meanwhile.
        let _ = answer.send(seen);
    })?;
    result.await.unwrap_or_else(|_| Err(Refusal::new("the probe ended badly")))
}

fn judge_error(e: &std::io::Error) -> SocketSeen {
    match e.raw_os_error() {
        Some(libc::ECONNREFUSED) => SocketSeen::Refused,
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EINVAL | libc::EACCES | libc::EPERM) => {
            SocketSeen::Unreachable
        }
        _ => SocketSeen::Silent,
    }
}

fn connect(to: SocketAddr, timeout: Duration) -> SocketSeen {
    match std::net::TcpStream::connect_timeout(&to, timeout) {
        Ok(_) => SocketSeen::Open,
        Err(e) => judge_error(&e),
    }
}

fn echo(to: SocketAddr, timeout: Duration) -> SocketSeen {
    let any: SocketAddr =
        if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
    let talk = || -> std::io::Result<()> {
        let socket = std::net::UdpSocket::bind(any)?;
        socket.set_read_timeout(Some(timeout))?;
        socket.connect(to)?;
        socket.send(b"netlab\n")?;
        socket.recv(&mut [0; 64]).map(|_| ())
    };
    match talk() {
        Ok(()) => SocketSeen::Open,
        Err(e) => judge_error(&e),
    }
}
