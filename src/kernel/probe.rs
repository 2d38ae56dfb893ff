//! Whether the kernel knows a kind of link or a qdisc, found out without touching the machine.

use nix::sched::{CloneFlags, unshare};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::RouteNetlinkMessage as Message;

use super::{Netlink, Refusal, qdisc, sysctl};
use crate::link::{By, Kind, NewLink};
use crate::name::IfName;

/// Which of these kinds the kernel lacks. Asked in a namespace that ends with the question: "Unknown device type"
/// (EOPNOTSUPP) is a no, anything else (mostly a complaint about what is missing) a yes.
///
/// # Errors
/// Without rights there is no namespace to ask in.
pub fn lacking(kinds: Vec<Kind>) -> Result<Vec<Kind>, Refusal> {
    let ask = move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(kinds.into_iter().enumerate().filter(|(n, kind)| unknown(*n, kind)).map(|(_, kind)| kind).collect())
    };
    // A plain thread: a namespace is a thread's, and this one goes with it.
    std::thread::spawn(ask).join().unwrap_or_else(|_| Err(Refusal::new("cannot ask the kernel")))
}

/// Which of these qdiscs the kernel lacks, asked in the same way.
///
/// # Errors
/// Without rights there is no namespace to ask in.
pub fn lacking_qdiscs(words: Vec<&'static str>) -> Result<Vec<&'static str>, Refusal> {
    let ask = move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(words.into_iter().filter(|word| unknown_qdisc(word)).collect())
    };
    std::thread::spawn(ask).join().unwrap_or_else(|_| Err(Refusal::new("cannot ask the kernel")))
}

/// Which of these settings the kernel does not take in a namespace of its own, by their places in the list. They are
/// tried in one that ends with the question: a setting of the whole machine is not there, or cannot be written.
///
/// # Errors
/// Without rights there is no namespace to ask in.
pub fn refused_settings(list: Vec<(String, String)>) -> Result<Vec<(usize, Refusal)>, Refusal> {
    let ask = move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let refused = |(n, (path, value)): (usize, &(String, String))| Some((n, sysctl::write(path, value).err()?));
        Ok(list.iter().enumerate().filter_map(refused).collect())
    };
    std::thread::spawn(ask).join().unwrap_or_else(|_| Err(Refusal::new("cannot ask the kernel")))
}

fn unknown_qdisc(word: &str) -> bool {
    const LO: u32 = 1;
    let Ok(mut netlink) = Netlink::open() else { return false };
    let message = qdisc::message(Some(&qdisc::plain(word)), LO);
    // In place of the one that was asked about before.
    let answer = netlink.one(Message::NewQueueDiscipline(message), NLM_F_CREATE | NLM_F_REPLACE);
    matches!(answer, Err(refusal) if refusal.errno == libc::ENOENT)
}

/// Each under a name of its own: a name that is taken (EEXIST) is refused before the kind is looked at.
fn unknown(n: usize, kind: &Kind) -> bool {
    let (Ok(mut netlink), Ok(name)) = (Netlink::open(), IfName::new(&format!("probe{n}"))) else { return false };
    let link = NewLink { name, kind: kind.clone(), mac: None, mtu: None, by: By::Kernel };
    let answer = netlink.one(Message::NewLink(link.message(0, None)), NLM_F_CREATE | NLM_F_EXCL);
    matches!(answer, Err(refusal) if refusal.errno == libc::EOPNOTSUPP)
}
