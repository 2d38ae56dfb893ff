//! How much of everything this machine allows, and how much of that is in use.
//!
//! In use is what can be seen from here, so it may be more: a refusal by these figures is always right, and where they
//! have room the kernel may still refuse.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rtnetlink::packet_route::neighbour_table::{NeighbourTableAttribute as Attribute, NeighbourTableMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Netlink, Refusal, netns, process};
use crate::ip::Family;

/// What there is a limit of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Thing {
    /// Network namespaces: one for each node.
    Namespaces,
    /// Mounts: one for each namespace's name, and a few for each node with files.
    Mounts,
    /// Processes and threads.
    Processes,
    /// Open files of one process.
    Files,
}

/// A limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub of: Thing,
    /// Its name: a sysctl, or words.
    pub name: String,
    /// How much there may be.
    pub most: u64,
    /// How much there is, at least.
    pub used: u64,
    /// What lifts it.
    pub lift: Lift,
}

/// What lifts a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lift {
    /// The sysctl of its name.
    Sysctl,
    /// A control group's file.
    Group(PathBuf),
    /// The shell that starts netlab.
    Shell,
}

impl Limit {
    /// What is left.
    pub fn left(&self) -> u64 {
        self.most.saturating_sub(self.used)
    }

    /// The command that makes room for so many more.
    pub fn command(&self, more: u64) -> String {
        let wanted = (self.used + more).next_multiple_of(1000);
        match &self.lift {
            Lift::Sysctl => format!("sysctl -w {}={wanted}", self.name),
            Lift::Group(file) => format!(
                "echo {wanted} > {} (TasksMax= of the unit; `--pids-limit` of a container)",
                file.join("pids.max").display()
            ),
            Lift::Shell => format!("ulimit -n {wanted}, or LimitNOFILE= of the unit"),
        }
    }
}

/// Every limit that a lab can meet, as far as it can be read.
pub fn all() -> Vec<Limit> {
    let running = running();
    let mut all: Vec<Limit> = [
        sysctl(Thing::Namespaces, "user.max_net_namespaces", namespaces),
        sysctl(Thing::Mounts, "fs.mount-max", mounts),
        sysctl(Thing::Processes, "kernel.pid_max", || running),
        sysctl(Thing::Processes, "kernel.threads-max", || running),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.extend(groups());
    all.push(files());
    all
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn sysctl(of: Thing, name: &str, used: impl FnOnce() -> u64) -> Option<Limit> {
    let most = number(&format!("/proc/sys/{}", name.replace('.', "/")))?;
    Some(Limit { of, name: name.into(), most, used: used(), lift: Lift::Sysctl })
}

/// Namespaces that have a name, or a process in them.
fn namespaces() -> u64 {
    let named = netns::names().into_iter().filter_map(|name| Some(netns::path(&name).metadata().ok()?.ino()));
    named.chain(process::inhabited()).collect::<HashSet<u64>>().len() as u64
}

fn mounts() -> u64 {
    std::fs::read_to_string("/proc/self/mountinfo").map_or(0, |text| text.lines().count() as u64)
}

/// Of the whole machine: `0.00 0.01 0.05 2/345 6789`.
fn running() -> u64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').nth(3).and_then(|both| both.split_once('/')?.1.parse().ok()).unwrap_or(0)
}

/// The control groups that this process is in and that bound how many processes they hold: the nearest, and those above it.
fn groups() -> Vec<Limit> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut found = Vec::new();
    for line in own.lines() {
        // `0::/path`, or with the older groups `8:pids:/path`.
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let roots: &[&str] = match controllers {
            "" => &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"],
            names if names.split(',').any(|name| name == "pids") => &["/sys/fs/cgroup/pids"],
            _ => continue,
        };
        for root in roots {
            let own = Path::new(root).join(path.trim_start_matches('/'));
            let above = own.ancestors().take_while(|folder| folder.starts_with(root));
            found.extend(above.filter_map(|folder| group(folder, path)));
        }
    }
    found
}

fn group(folder: &Path, name: &str) -> Option<Limit> {
    let read = |file: &str| number(&folder.join(file).to_string_lossy());
    // Without a limit it says `max`.
    let (most, used) = (read("pids.max")?, read("pids.current")?);
    let name = format!("pids.max of the control group {}", if name.is_empty() { "/" } else { name });
    Some(Limit { of: Thing::Processes, name, most, used, lift: Lift::Group(folder.to_path_buf()) })
}

/// How many files this process has open.
pub fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(3, |list| list.count().saturating_sub(1) as u64)
}

fn files() -> Limit {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let used = open_files();
    let name = "the hard limit of open files (ulimit -Hn)".into();
    Limit { of: Thing::Files, name, most: hard, used, lift: Lift::Shell }
}

/// On how many threads nodes are visited at the same time, where files allow it.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16)
}

/// How many files this process may have open beside those that it has, once `wanted` of them have been asked for: the usual
/// limit of 1,024 is a soft one, below the hard one.
pub fn room_for_files(wanted: u64) -> usize {
    let limit = files();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((limit.most, limit.most));
    let goal = hard.min(limit.used + wanted);
    let soft = if soft < goal && setrlimit(Resource::RLIMIT_NOFILE, goal, hard).is_ok() { goal } else { soft };
    usize::try_from(soft.saturating_sub(limit.used)).unwrap_or(usize::MAX)
}

/// The kernel's table of neighbours of a family: one for all namespaces together, as large as the machine's own says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// `net.ipv4.neigh.default.gc_thresh3` or that of `ipv6`, which is seen and set in the machine's own namespace only.
    pub most: u64,
    /// Entries now, those that never count against the limit (permanent ones) among them.
    pub used: u64,
    /// How often there was no room.
    pub refused: u64,
}

/// Asks for the table, from whatever namespace.
pub fn neighbours(family: Family) -> Result<Neighbours, Refusal> {
    let mut request = NeighbourTableMessage::default();
    request.header.family = match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    let mut found = Neighbours::default();
    for answer in Netlink::open()?.dump(RouteNetlinkMessage::GetNeighbourTable(request))? {
        let RouteNetlinkMessage::NewNeighbourTable(table) = answer else { continue };
        // Further messages are about single interfaces, and say less.
        for attribute in table.attributes {
            match attribute {
                Attribute::Threshold3(most) => found.most = u64::from(most),
                Attribute::Config(config) => found.used = u64::from(config.entries),
                Attribute::Stats(stats) => found.refused = stats.table_fulls,
                _ => {}
            }
        }
    }
    Ok(found)
}
