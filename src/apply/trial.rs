//! A lab's whole life on a machine of its own: up, its checks, down, and a look at what is left.
//!
//! Every trial is a process tree with mount, network and process namespaces of its own ([`apart`]), so labs that use the
//! same names, or that play the host, run side by side, and beside whatever is up on the real machine.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::act::{self, Move};
use super::checks::{self, Outcome};
use super::running::{self, Found};
use super::{down, here, preflight, trust, up};
use crate::error::{Error, Kind, Result};
use crate::kernel::{Linux, apart};
use crate::plan::{Mode, Plan, build};
use crate::topology::Topology;

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It came up, every check held, and nothing was left.
    Passed,
    /// Something of that was not so.
    Failed,
    /// This machine lacks what the lab takes; nothing was tried.
    Unable,
}

/// A lab's life.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    /// The lab, as it was named.
    pub lab: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Seconds until it was up.
    pub up: f64,
    /// Its checks.
    pub checks: Vec<Outcome>,
    /// When a check failed: what differed from the plan.
    pub drift: Vec<String>,
    /// Seconds until it was down.
    pub down: f64,
    /// Why it did not come up, or not go down; several lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was still there after `down`.
    pub left: Vec<String>,
}

impl Trial {
    fn of(lab: &str) -> Trial {
        Trial {
            lab: lab.into(),
            verdict: Verdict::Passed,
            up: 0.0,
            checks: Vec::new(),
            drift: Vec::new(),
            down: 0.0,
            error: None,
            left: Vec::new(),
        }
    }

    fn ended(mut self, verdict: Verdict, error: String) -> Trial {
        self.verdict = verdict;
        self.error = Some(error);
        self
    }

    /// Its seconds, all in all.
    pub fn seconds(&self) -> f64 {
        self.up + self.down + self.checks.iter().map(|c| c.seconds).fold(0.0, f64::max)
    }
}

/// Tries labs, `jobs` at a time, each as `netlab WORDS LAB` on a machine of its own; `done` hears of each one as it ends.
/// The answers are in the order of the labs.
pub fn side_by_side(
    labs: &[String],
    jobs: usize,
    words: &[String],
    mut done: impl FnMut(&Trial),
) -> Result<Vec<Trial>> {
    let cannot = |e: std::io::Error| Error::machine("cannot make a machine for the test").cause(e);
    let (say, hear) = mpsc::channel();
    let mut waiting = labs.iter().enumerate();
    let mut running = Vec::new();
    let mut trials: Vec<Option<Trial>> = vec![None; labs.len()];
    loop {
        while running.len() < jobs.max(1)
            && let Some((n, lab)) = waiting.next()
        {
            // Started on this thread: a child that is bound to its parent's end is bound to the thread's.
            let words: Vec<&String> = words.iter().chain([lab]).collect();
            let mut child = apart::outside(&words).map_err(cannot)?;
            let (say, stdout) = (say.clone(), child.stdout.take());
            let read = move || {
                let mut answer = Vec::new();
                let _ = stdout.map(|mut out| out.read_to_end(&mut answer));
                // Nobody listens any more when the command has been given up.
                let _ = say.send((n, answer));
            };
            std::thread::Builder::new().name("trial".into()).spawn(read).map_err(cannot)?;
            running.push((n, child));
        }
        if running.is_empty() {
            return Ok(trials.into_iter().flatten().collect());
        }
        let Ok((n, answer)) = hear.recv() else {
            return Err(Error::machine("the tests have ended without a word"));
        };
        let at = running.iter().position(|(m, _)| *m == n);
        let status = at.map(|at| running.swap_remove(at).1.wait()).transpose().map_err(cannot)?;
        let trial = serde_json::from_slice(&answer).unwrap_or_else(|_| {
            let how = status.map(|s| s.to_string()).unwrap_or_default();
            Trial::of(&labs[n]).ended(Verdict::Failed, format!("the test ended without an answer ({how})"))
        });
        done(&trial);
        trials[n] = Some(trial);
    }
}

/// The life itself; for the first process of a machine of its own. `set` are other values for parameters, and `words` puts an error into words.
pub fn live(named: &str, set: &[(String, String)], words: &dyn Fn(&Error) -> String) -> Trial {
    let trial = Trial::of(named);
    // Before /run and /etc become others: the lab file may be there. It was agreed to a moment ago, if it is the same.
    let agreed = |(found, topology, _): (Found, Topology, _)| match trust::missing(&found, &topology)?.is_empty() {
        true => Ok((found, topology)),
        false => Err(Error::usage("nobody has agreed to what it runs").help("netlab trust LAB")),
    };
    let (found, topology) = match running::load_with(named, set).and_then(agreed) {
        Ok(both) => both,
        Err(error) => return trial.ended(Verdict::Failed, words(&error)),
    };
    let ready = apart::furnish()
        .map_err(|r| Error::machine("cannot furnish a machine for the test").cause(r))
        .and_then(|()| able(&topology));
    match ready {
        Err(error) if error.kind() == Kind::Machine => trial.ended(Verdict::Unable, words(&error)),
        Err(error) => trial.ended(Verdict::Failed, words(&error)),
        Ok(()) => through(trial, &found, &topology, words),
    }
}

/// Whether this machine has what the lab takes.
fn able(topology: &Topology) -> Result<()> {
    let mut kernel = Linux::new(Path::new("/run")).map_err(|r| Error::machine(r.to_string()))?;
    preflight::look(topology, &plan(topology), &mut kernel)
}

fn plan(topology: &Topology) -> Plan {
    here::plan(topology, Mode::Isolated).unwrap_or_else(|| build(topology, Mode::Isolated))
}

fn through(mut trial: Trial, found: &Found, topology: &Topology, words: &dyn Fn(&Error) -> String) -> Trial {
    let lab = topology.name.as_str();
    let begun = Instant::now();
    let plan = plan(topology);
    let up = up::up(found, topology, &plan, up::Options::default(), &mut |_| {});
    trial.up = begun.elapsed().as_secs_f64();
    if let Err(error) = up {
        return trial.ended(Verdict::Failed, words(&error));
    }
    if let Err(error) = walk(&mut trial, topology) {
        trial.error = Some(words(&error));
    }
    let begun = Instant::now();
    let down = down::down(lab, &mut |_| {});
    trial.down = begun.elapsed().as_secs_f64();
    if let Err(error) = down {
        let earlier = trial.error.take().map(|e| e + "\n").unwrap_or_default();
        trial.error = Some(earlier + &words(&error));
    }
    match apart::leftovers() {
        Ok(left) => trial.left = left,
        Err(refusal) => trial.left = vec![format!("this could not be seen: {refusal}")],
    }
    let good = trial.error.is_none() && trial.left.is_empty() && trial.checks.iter().all(|c| c.passed);
    trial.verdict = if good { Verdict::Passed } else { Verdict::Failed };
    trial
}

/// Through every state that the lab's actions lead to, with the checks that hold in each; stops at the first that do not.
fn walk(trial: &mut Trial, topology: &Topology) -> Result<()> {
    let lab = topology.name.as_str();
    let mut done: Vec<String> = Vec::new();
    for step in act::walk(topology) {
        match step {
            Move::Act(action) => {
                act::act(lab, &action, false, &mut |_| {})?;
                done.push(action);
            }
            Move::Undo(action) => {
                act::act(lab, &action, true, &mut |_| {})?;
                done.retain(|other| *other != action);
            }
            Move::Check => {
                let outcomes = checks::run(&running::pick_running(Some(lab))?, topology, &[])?;
                let failed = outcomes.failed() > 0;
                let when = done.last().map(|action| format!("after {action}: ")).unwrap_or_default();
                trial.drift.extend(outcomes.drift.iter().map(|d| format!("{}: {}", d.drift.node, d.words)));
                trial
                    .checks
                    .extend(outcomes.checks.into_iter().map(|c| Outcome { name: format!("{when}{}", c.name), ..c }));
                if failed {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
