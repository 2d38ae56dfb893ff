//! Taking back, with proof that it is ours.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};

use super::{Linux, absent_is_fine, files};
use crate::ip::Mac;
use crate::kernel::{Netlink, Refusal, firewall, ipset, messages, netns, observe, process, sysctl};
use crate::name::IfName;
use crate::plan::{Identity, Undo};

impl Linux {
    /// Takes one thing back; absent is success.
    pub(super) fn undo(&mut self, undo: &Undo) -> Result<(), Refusal> {
        match undo {
            Undo::EndProcesses { netns, identity } => {
                self.end_processes(netns, identity.as_ref())?;
                self.reap();
                Ok(())
            }
            Undo::EndMarked { mark, process } => {
                let process = *process;
                let find = || {
                    let mut found = process::marked(mark);
                    found.extend(process::talking_to(&self.logs));
                    found.extend(process.filter(|p| process::alive(*p)).map(|p| p.pid));
                    found.retain(|pid| process::started(*pid).is_some());
                    found
                };
                let ended = process::end(find).map_err(|left| still_running(&left));
                self.reap();
                ended
            }
            Undo::DeleteRules { family, lines, chains_before } => {
                let (family, lines, before) = (*family, lines.clone(), chains_before.clone());
                self.within(&None, move || firewall::delete(family, &lines, before.as_deref()))?
            }
            Undo::RestorePolicies { family, policies } => {
                let (family, policies) = (*family, policies.clone());
                self.within(&None, move || firewall::restore_policies(family, &policies))?
            }
            Undo::DestroySet { name } => {
                let name = name.to_string();
                self.within(&None, move || ipset::destroy(&name))?
            }
            Undo::DeleteRoute { route } => {
                match self.inside(&None)?.route(route) {
                    Ok(message) => absent_is_fine(self.socket(&None)?.one(Message::DelRoute(message), 0)),
                    // Its interface is gone, and the route went with it.
                    Err(_) => Ok(()),
                }
            }
            Undo::DeleteRule { rule } => {
                absent_is_fine(self.socket(&None)?.one(Message::DelRule(messages::rule(rule)), 0))
            }
            Undo::DeleteNeighbor { neighbor } => {
                self.machine_dev_request(&neighbor.dev, |i| Message::DelNeighbour(messages::neighbor(neighbor, i)))
            }
            Undo::DeleteAddress { dev, address } => {
                self.machine_dev_request(dev, |i| Message::DelAddress(messages::address(address, i)))
            }
            Undo::RestoreSysctls { path, set, before } => {
                let (path, set, before) = (path.clone(), set.clone(), before.clone());
                self.within(&None, move || sysctl::restore(&path, &set, &before))?
            }
            Undo::DeleteLinks { group, macs, names } => self.delete_group(&None, *group, Some((macs, names))),
            Undo::DeleteLinksIn { netns, identity, group } => match self.ours(netns, identity.as_ref()) {
                Ok(Some(file)) => {
                    self.forget_namespace(netns);
                    self.namespaces.insert(netns.clone(), file);
                    self.delete_group(&Some(netns.clone()), *group, None)
                }
                // Somebody else's, or gone: said when the namespace itself is dropped.
                Ok(None) | Err(_) => Ok(()),
            },
            Undo::DropNetns { netns, identity } => {
                let ours = self.ours(netns, identity.as_ref())?;
                self.forget_namespace(netns);
                if ours.is_some() || is_placeholder(netns) {
                    drop(ours);
                    netns::remove(netns)?;
                }
                Ok(())
            }
            Undo::RemoveFile { netns, path } => files::remove(netns, path),
            Undo::RemoveRun { netns } => files::remove_run(netns),
        }
    }

    /// A namespace by name, if it is still the one that was made.
    pub(super) fn ours(&mut self, name: &str, identity: Option<&Identity>) -> Result<Option<File>, Refusal> {
        let Some(file) = netns::open(name)? else {
            return Ok(None);
        };
        let lived_in = |inode| !process::inside(&HashSet::from([inode])).is_empty();
        self.diver.within(Some(&file), || is_ours(name, identity, lived_in))??;
        Ok(Some(file))
    }

    pub(super) fn end_processes(&mut self, name: &str, identity: Option<&Identity>) -> Result<(), Refusal> {
        // The name may be gone while programs still hold the namespace: the inode finds them.
        let inode = match (self.ours(name, identity), identity) {
            (Ok(Some(file)), _) => file.metadata()?.ino(),
            (Ok(None), Some(identity)) => identity.inode,
            (Ok(None), None) => return Ok(()),
            (Err(refusal), _) => return Err(refusal),
        };
        let cookie = identity.map(|i| i.cookie);
        let find = || {
            let mut found = process::inside(&HashSet::from([inode]));
            if netns::open(name).is_ok_and(|f| f.is_none()) {
                // Without the name only the cookie tells our namespace from a new one with the same inode.
                found.retain(|pid| self.same_namespace(*pid, cookie));
            }
            found
        };
        process::end(find).map_err(|left| still_running(&left))
    }

    pub(super) fn same_namespace(&self, pid: i32, cookie: Option<u64>) -> bool {
        let Ok(file) = File::open(format!("/proc/{pid}/ns/net")) else {
            return false;
        };
        netns::identity(&self.diver, &file).is_ok_and(|i| cookie.is_none_or(|c| c == i.cookie))
    }

    pub(super) fn delete_group(
        &mut self,
        netns: &Option<String>,
        group: u32,
        only: Option<(&[Mac], &[IfName])>,
    ) -> Result<(), Refusal> {
        let socket = self.socket(netns)?;
        let known = |l: &observe::FoundLink, (macs, names): (&[Mac], &[IfName])| {
            l.mac.is_some_and(|mac| macs.contains(&mac)) || names.iter().any(|n| *n == *l.name)
        };
        let ours = |l: &observe::FoundLink| l.group == group && only.is_none_or(|only| known(l, only));
        let ours: Vec<_> = observe::links(socket)?.into_iter().filter(ours).collect();
        if ours.is_empty() {
            return Ok(());
        }
        let deleted = if only.is_none() {
            // One message for all: the kernel waits for its readers once, not once per link.
            let mut message = LinkMessage::default();
            message.attributes.push(LinkAttribute::Group(group));
            socket.one(Message::DelLink(message), 0)
        } else {
            let requests = ours.iter().map(|l| (Message::DelLink(LinkUnspec::new_with_index(l.index).build()), 0));
            // A cable's second end goes with its first.
            let answers = socket.request(requests.collect());
            answers.into_iter().find(|a| matches!(a, Err(r) if r.errno != libc::ENODEV)).unwrap_or(Ok(()))
        };
        self.forget(netns);
        match deleted {
            Err(refusal) if refusal.errno == libc::ENODEV => Ok(()),
            other => other,
        }
    }

    pub(super) fn machine_dev_request(&mut self, dev: &str, make: impl FnOnce(u32) -> Message) -> Result<(), Refusal> {
        let Ok(index) = self.index(&None, dev) else {
            return Ok(());
        };
        absent_is_fine(self.socket(&None)?.one(make(index), 0))
    }
}

/// Whether the calling thread's namespace, which has this name, is the one that was made. Without an identity, it was being
/// made when netlab died: ours if nobody has done anything in it.
pub(super) fn is_ours(
    name: &str,
    identity: Option<&Identity>,
    lived_in: impl FnOnce(u64) -> bool,
) -> Result<(), Refusal> {
    let actual = netns::identity_here()?;
    let path = netns::path(name);
    match identity {
        Some(identity) if *identity == actual => Ok(()),
        Some(_) => Err(Refusal::new(format!(
            "{} is another namespace than the one that netlab made; left alone",
            path.display()
        ))),
        None => {
            let links = observe::links(&mut Netlink::open()?)?;
            let strangers = links.iter().any(|l| l.name != "lo" && !crate::link::is_fallback(&l.name));
            if strangers || lived_in(actual.inode) {
                return Err(Refusal::new(format!("{} is in use by somebody else; left alone", path.display())));
            }
            Ok(())
        }
    }
}

pub(super) fn still_running(pids: &[i32]) -> Refusal {
    let list: Vec<String> = pids.iter().map(|pid| format!("{pid} ({})", process::title(*pid))).collect();
    Refusal::new(format!("these processes do not end: {}", list.join(", ")))
}

/// A name that was being made (or whose namespace a learner unmounted) is an empty file of root's, mounted on nothing.
pub(super) fn is_placeholder(name: &str) -> bool {
    let Ok(meta) = netns::path(name).symlink_metadata() else {
        return false;
    };
    meta.is_file() && meta.len() == 0 && meta.uid() == nix::unistd::geteuid().as_raw()
}
