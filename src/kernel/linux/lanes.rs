//! Batches on the real machine: each node's steps in their order, several nodes at the same time.
//!
//! A thread visits a node once per batch: it enters the namespace (or makes it and is in it), writes the settings, opens one
//! socket, and sends the requests with many in flight. Nothing stays open when it leaves, so that a lab of thousands of
//! nodes needs no more files than one of three.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::sched::{CloneFlags, setns, unshare};
use rtnetlink::packet_route::RouteNetlinkMessage as Message;

use super::endpoints::open_tun;
use super::inside::{Inside, NEW};
use super::{configure, namespace_file};
use crate::kernel::limits::{room_for_files, threads};
use crate::kernel::{Halt, Refusal, firewall, ipset, netns, patience, sysctl};
use crate::link::{By, veth};
use crate::plan::{Batch, Done, Op, Plan, VethEnd, lanes};

/// What each step of a batch came to; none for those that were not tried.
pub(super) type Answers = Vec<Option<Result<Done, Refusal>>>;

/// Cables whose namespaces are open at the same time, where as many files may be.
const CABLES_AT_ONCE: usize = 64;
/// What a thread that visits a node has open at most: the namespace, a socket, a setting or the pipes of a program.
const FILES_OF_A_VISIT: usize = 6;

/// Does something with each item, on as many threads as there are processors. The threads may go to any namespace: none of
/// them comes back.
pub(crate) fn on_threads<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = threads();
    let room = room_for_files((threads * FILES_OF_A_VISIT) as u64);
    spread((room / FILES_OF_A_VISIT).clamp(1, threads), items, work)
}

/// The same on a given number of threads: more than there are processors where each mostly waits for the kernel.
pub(super) fn spread<T: Sync, R: Send>(threads: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let answers: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                let mut own = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(n) else { break };
                    own.push((n, work(item)));
                }
                answers.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
            });
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(n, _)| *n);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Carries out a batch of lanes.
pub(super) fn carry_out(plan: &Plan, batch: &Batch, halt: Halt<'_>) -> Answers {
    if batch.steps.clone().any(|n| matches!(plan.steps[n].op, Op::AddNetns { .. }))
        && let Err(refusal) = netns::prepare_folder()
    {
        return refuse_first(batch, refusal);
    }
    let lanes = lanes(plan, &batch.steps);
    let refused = std::sync::atomic::AtomicBool::new(false);
    let done = on_threads(&lanes, |(_, steps)| {
        if halt() || refused.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let done = Lane { plan, inside: None, pending: Vec::new(), done: Vec::new() }.run(steps);
        if done.iter().any(|(_, answer)| answer.is_err()) {
            refused.store(true, Ordering::Relaxed);
        }
        done
    });
    let mut answers: Answers = vec![None; batch.steps.len()];
    for (n, answer) in done.into_iter().flatten() {
        answers[n - batch.steps.start] = Some(answer);
    }
    answers
}

fn refuse_first(batch: &Batch, refusal: Refusal) -> Answers {
    let mut answers: Answers = vec![None; batch.steps.len()];
    if let Some(first) = answers.first_mut() {
        *first = Some(Err(refusal));
    }
    answers
}

/// A visit.
struct Lane<'p> {
    plan: &'p Plan,
    inside: Option<Inside>,
    /// Requests that have not been sent, with their steps.
    pending: Vec<(usize, (Message, u16))>,
    done: Vec<(usize, Result<Done, Refusal>)>,
}

impl Lane<'_> {
    fn run(mut self, steps: &[usize]) -> Vec<(usize, Result<Done, Refusal>)> {
        let Some(first) = steps.first() else { return self.done };
        let op = &self.plan.steps[*first].op;
        if !matches!(op, Op::AddNetns { .. })
            && let Err(refusal) = enter(op.at().netns.as_deref().unwrap_or_default())
        {
            return vec![(*first, Err(refusal))];
        }
        for n in steps {
            // Ctrl-C ends the visit after the step that is under way.
            if patience::is_over() || self.step(*n).is_err() {
                return self.done;
            }
        }
        let _ = self.flush();
        self.done
    }

    /// `Err` ends the visit; who was refused is in `done`.
    fn step(&mut self, n: usize) -> Result<(), ()> {
        let op = &self.plan.steps[n].op;
        let done = match patience::hang(n) {
            None => self.perform(n, op)?,
            Some(_) => {
                self.flush()?;
                let done = patience::step(n, || match self.perform(n, op) {
                    Ok(Some(done)) => done,
                    Ok(None) => self.send_last(),
                    Err(()) => Err(Refusal::new("a step before this one was refused")),
                });
                Some(done)
            }
        };
        let Some(done) = done else { return Ok(()) };
        let refused = done.is_err();
        self.done.push((n, done));
        if refused { Err(()) } else { Ok(()) }
    }

    /// What the step came to; none when it is a request that has not been sent yet. `Err` when one before it was refused.
    fn perform(&mut self, n: usize, op: &Op) -> Result<Option<Result<Done, Refusal>>, ()> {
        Ok(Some(match op {
            Op::AddNetns { at } => netns::become_new(at.netns.as_deref().unwrap_or_default()).map(Done::Netns),
            Op::SetSysctl { path, value, .. } => {
                self.flush()?;
                sysctl::write(path, value).map(|()| Done::Plain)
            }
            Op::LoadSets { sets, .. } => {
                self.flush()?;
                ipset::load(sets).map(|()| Done::Plain)
            }
            Op::LoadRules { family, lines, .. } => {
                self.flush()?;
                // How they are shown is read once for the whole node, when all is made.
                firewall::load(*family, lines).map(|()| Done::Plain)
            }
            Op::AddLink { link, .. } => {
                self.flush()?;
                let group = self.plan.group;
                let made = match link.by {
                    By::Kernel => {
                        self.inside().and_then(|inside| inside.add_link(link, group)).and_then(|()| configure(link))
                    }
                    By::UserSpace => open_tun(&link.name)
                        .and_then(|tun| self.inside().and_then(|inside| inside.keep_tun(&tun, link, group))),
                };
                made.map(|()| Done::Plain)
            }
            op => match self.inside().and_then(|inside| inside.request(op)) {
                Ok(Some(request)) => {
                    self.pending.push((n, request));
                    return Ok(None);
                }
                Ok(None) => Err(Refusal::new("netlab does not know how")),
                Err(refusal) => {
                    // What came before is tried before this is reported.
                    self.flush()?;
                    Err(refusal)
                }
            },
        }))
    }

    /// Sends the request that was put off last, by itself.
    fn send_last(&mut self) -> Result<Done, Refusal> {
        let Some((_, (message, flags))) = self.pending.pop() else { return Ok(Done::Plain) };
        self.inside()?.netlink.one(message, flags).map(|()| Done::Plain)
    }

    fn inside(&mut self) -> Result<&mut Inside, Refusal> {
        if self.inside.is_none() {
            self.inside = Some(Inside::open()?);
        }
        self.inside.as_mut().ok_or_else(|| Refusal::new("no netlink socket"))
    }

    fn flush(&mut self) -> Result<(), ()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (steps, requests): (Vec<usize>, Vec<_>) = std::mem::take(&mut self.pending).into_iter().unzip();
        let Some(inside) = self.inside.as_mut() else { return Ok(()) };
        let answers = inside.netlink.request(requests);
        let refused = answers.iter().any(Result::is_err);
        self.done.extend(steps.into_iter().zip(answers.into_iter().map(|a| a.map(|()| Done::Plain))));
        if refused { Err(()) } else { Ok(()) }
    }
}

/// Moves the calling thread into a node, for good.
pub(super) fn enter(netns: &str) -> Result<(), Refusal> {
    let file = namespace_file(netns)?;
    setns(file.as_fd(), CloneFlags::CLONE_NEWNET)
        .map_err(|errno| Refusal::from(errno).about("cannot enter the namespace"))
}

/// Makes cables. One thread, because the kernel registers links one after the other; it stands in an empty
/// namespace of its own, so that the machine's own hears nothing.
pub(super) fn cables(plan: &Plan, batch: &Batch, halt: Halt<'_>) -> Answers {
    let steps: Vec<usize> = batch.steps.clone().collect();
    let work = |_: &()| {
        let mut answers: Answers = Vec::new();
        let mut netlink = None;
        // Two namespaces for each, and the socket.
        let room = room_for_files(2 * CABLES_AT_ONCE as u64 + 4).saturating_sub(4);
        for chunk in steps.chunks((room / 2).clamp(1, CABLES_AT_ONCE)) {
            if halt() {
                break;
            }
            let made = some_cables(plan, chunk, &mut netlink);
            let refused = made.iter().any(|a| !matches!(a, Some(Ok(_))));
            answers.extend(made);
            if refused {
                break;
            }
        }
        answers.resize(steps.len(), None);
        answers
    };
    spread(1, &[()], work).pop().unwrap_or_default()
}

fn some_cables(plan: &Plan, steps: &[usize], inside: &mut Option<Inside>) -> Answers {
    let mut files: HashMap<&str, File> = HashMap::new();
    let (mut requests, mut failed) = (Vec::new(), None);
    for n in steps {
        let Op::AddVeth { ends } = &plan.steps[*n].op else { continue };
        match cable(ends, plan.group, &mut files, inside) {
            Ok(message) => requests.push((message, NEW)),
            Err(refusal) => {
                failed = Some(refusal);
                break;
            }
        }
    }
    let hangs = steps.iter().position(|n| patience::hang(*n).is_some()).filter(|n| *n < requests.len());
    let after = hangs.map(|at| requests.split_off(at)).unwrap_or_default();
    let mut answers: Answers = match inside {
        Some(inside) => {
            let mut all = inside.netlink.request(requests);
            if let (Some(at), Some((message, flags))) = (hangs, after.into_iter().next()) {
                all.push(patience::step(steps[at], || inside.netlink.one(message, flags)));
                failed = None;
            }
            all.into_iter().map(|a| Some(a.map(|()| Done::Plain))).collect()
        }
        None => Vec::new(),
    };
    answers.extend(failed.map(|refusal| Some(Err(refusal))));
    answers.resize(steps.len(), None);
    answers
}

fn cable<'p>(
    ends: &'p [VethEnd; 2],
    group: u32,
    files: &mut HashMap<&'p str, File>,
    inside: &mut Option<Inside>,
) -> Result<Message, Refusal> {
    let [near, far] = ends;
    let mut fd = |end: &'p VethEnd| -> Result<i32, Refusal> {
        let name = end.at.netns.as_deref().unwrap_or_default();
        if !files.contains_key(name) {
            files.insert(name, namespace_file(name)?);
        }
        Ok(files.get(name).map_or(-1, AsRawFd::as_raw_fd))
    };
    let (a, b) = (fd(near)?, fd(far)?);
    if inside.is_none() {
        // Before Linux 6.14 a link is refused as "File exists" when its name is taken in the namespace of the *socket*,
        // and the next cable may be called eth0 again.
        unshare(CloneFlags::CLONE_NEWNET).map_err(|e| Refusal::from(e).about("cannot make a namespace to stand in"))?;
        *inside = Some(Inside::open()?);
    }
    Ok(Message::NewLink(veth::message([(&near.end, a), (&far.end, b)], group)))
}
