//! Tunnels that netlab carries itself: the device, and the program behind it.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::link::LinkAttribute;

use super::Linux;
use super::inside::Inside;
use crate::kernel::endpoint::Tun;
use crate::kernel::process::Session;
use crate::kernel::{Refusal, observe, patience, process};
use crate::link::{Endpoint, NewLink};
use crate::name::IfName;
use crate::plan::{At, Done, Plan, Process};

/// How long an endpoint may take to get behind its device.
const PATIENCE: Duration = Duration::from_secs(5);

impl Linux {
    /// Makes the device behind which an endpoint will be.
    pub(super) fn add_tun(&mut self, at: &At, link: &NewLink, group: u32) -> Result<(), Refusal> {
        let name = link.name.clone();
        let tun = self.within(&at.netns, move || open_tun(&name))??;
        self.inside(&at.netns)?.keep_tun(&tun, link, group)
    }

    pub(super) fn start_endpoint(
        &mut self,
        plan: &Plan,
        at: &At,
        dev: &IfName,
        endpoint: &Endpoint,
    ) -> Result<Done, Refusal> {
        let node = at.node.to_string();
        let mut command = process::clean("/proc/self/exe");
        // What `ps` shows.
        command.arg0("netlab").arg("endpoint").args(endpoint.words(dev));
        std::fs::create_dir_all(&self.logs)?;
        let log = File::create(self.log(at, &log_name(dev)))?;
        let input = endpoint.input();
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(log.try_clone()?).stderr(log);
        command.env(process::MARK, plan.mark()).env("NETLAB_NODE", &node);
        let file = self.namespace(&at.netns)?.map(File::try_clone).transpose()?;
        process::enter(&mut command, at.netns.as_deref().zip(file.as_ref()), Session::Own, None)?;
        let mut child = command.spawn().map_err(|e| Refusal::from(e).about("netlab endpoint"))?;
        if let (Some(lines), Some(mut pipe)) = (input, child.stdin.take()) {
            // One that has died already says why in its log.
            let _ = pipe.write_all((lines.join("\n") + "\n").as_bytes());
        }
        let pid = child.id() as i32;
        self.children.push(child);
        let process = Process { pid, started: process::started(pid).unwrap_or(0) };
        self.endpoints.insert((node, dev.clone()), process);
        Ok(Done::Started(process))
    }

    /// Ends an endpoint of the lab, if it still runs: only one can be behind a device.
    pub fn end_endpoint(&mut self, at: &At, dev: &IfName) -> Result<(), Refusal> {
        let known = self.endpoints.remove(&(at.node.to_string(), dev.clone()));
        let log = self.log(at, &log_name(dev));
        let ended = process::end(|| {
            let mut found = process::talking_to(&log);
            found.extend(known.filter(|process| process::alive(*process)).map(|process| process.pid));
            found
        });
        ended.map_err(|left| Refusal::new(format!("the endpoint of `{dev}` does not end: {left:?}")))
    }

    /// Waits until the endpoint is behind its device; one that has died says why.
    pub(super) fn wait_endpoint(&mut self, at: &At, dev: &IfName) -> Result<(), Refusal> {
        let Some(process) = self.endpoints.get(&(at.node.to_string(), dev.clone())).copied() else {
            return Ok(());
        };
        let begun = Instant::now();
        loop {
            let links = observe::links(self.socket(&at.netns)?)?;
            if links.iter().any(|l| l.name == dev.as_str() && l.carrier) {
                return Ok(());
            }
            self.reap();
            if !process::alive(process) {
                return Err(Refusal::new(self.last_words(at, &log_name(dev))));
            }
            if patience::is_over() {
                return Err(patience::interrupted());
            }
            if begun.elapsed() > PATIENCE {
                return Err(Refusal::new(format!("`{dev}` has nobody behind it after {} s", PATIENCE.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A new TUN device where the calling thread is.
pub(super) fn open_tun(name: &IfName) -> Result<Tun, Refusal> {
    Tun::open(name).map_err(|e| Refusal::from(e).about("cannot make a TUN device"))
}

impl Inside {
    /// Keeps a TUN device for the lab. It gets the lab's group first: a killed netlab leaves none that is not marked.
    pub fn keep_tun(&mut self, tun: &Tun, link: &NewLink, group: u32) -> Result<(), Refusal> {
        self.forget();
        let mut message = LinkUnspec::new_with_index(self.index(&link.name)?).build();
        message.attributes.push(LinkAttribute::Group(group));
        message.attributes.extend(link.mtu.map(LinkAttribute::Mtu));
        self.netlink.one(Message::SetLink(message), 0)?;
        Ok(tun.keep()?)
    }
}

fn log_name(dev: &IfName) -> String {
    format!("{dev}.endpoint")
}
