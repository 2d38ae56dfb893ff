//! The journal: what will be done is on record before anything is done.
//!
//! One file per lab, one record per line, each with a checksum in front. The header and the whole plan are written and
//! synced in one go, closed by an end mark; a plan without its end mark was never begun. Then each batch of steps leaves a
//! line before it begins and one after it; a step on the machine itself is a batch of its own, with what it will overwrite.
//! These are not synced: a process that is killed loses nothing that it has written, and after a power cut the machine has
//! nothing left to undo.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ground::cannot;
use crate::error::{Error, Result};
use crate::kernel::on_threads;
use crate::plan::{At, Before, Done, Outcome, Plan, Step};
use crate::span::Source;

/// The format that this netlab writes.
pub const FORMAT: u32 = 2;
/// Room for what a step's two records need beside the plan, so that a full disk cannot stop a `down`.
const ROOM_PER_STEP: usize = 256;

/// What a journal says about its lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format.
    pub format: u32,
    /// The start of the machine that it belongs to.
    pub boot_id: String,
    /// Seconds since 1970.
    pub at: u64,
    /// Who ran `up`.
    pub user: String,
    /// The lab file, by its full path; none for a lab inside the binary.
    pub file: Option<PathBuf>,
    /// The lab file's text at the time: checks and messages need it, and the file may have changed since.
    pub source: Source,
    /// With `--on-host`.
    pub on_host: bool,
    /// The lab's name, the links' group and the nodes.
    pub plan: PlanHead,
}

/// A plan without its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanHead {
    lab: crate::name::LabName,
    group: u32,
    nodes: Vec<At>,
}

impl PlanHead {
    /// The head of a plan.
    pub fn of(plan: &Plan) -> Self {
        PlanHead { lab: plan.lab.clone(), group: plan.group, nodes: plan.nodes.clone() }
    }

    /// The namespaces that the lab has, or may have.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|at| at.netns.as_deref())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Record {
    Header(Box<Header>),
    Step(Box<Step>),
    /// The plan is complete; so many steps.
    Planned(usize),
    Begin {
        step: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Before>,
    },
    Done {
        step: usize,
        done: Done,
    },
    /// All of these steps begin: each may have happened from here on.
    BeginAll(Range<usize>),
    /// All of these steps are done; what they came to, where it is worth a word.
    DoneAll {
        steps: Range<usize>,
        done: Vec<(usize, Done)>,
    },
    /// The lab is up and was seen to be so.
    Up,
    /// An action begins; the steps since the last such mark are its own.
    Act {
        action: String,
        steps: usize,
    },
    /// An action is done.
    Acted {
        action: String,
    },
    /// An action was taken back.
    Undone {
        action: String,
    },
    /// Somebody began to take it down.
    Down,
}

/// An open journal.
pub struct Journal {
    file: File,
}

/// A journal that was read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it says about the lab.
    pub header: Header,
    /// The plan, with the steps of every action that was ever begun behind it; none when it was never written whole, so
    /// that nothing was done.
    pub plan: Option<Plan>,
    /// How many of the steps are the lab's own.
    pub base: usize,
    /// The actions that are done, or were interrupted, in their order.
    pub acts: Vec<Act>,
    /// How far each step came.
    pub outcomes: Vec<Outcome>,
    /// The lab came up.
    pub up: bool,
    /// Somebody began to take it down.
    pub going_down: bool,
}

/// An action of a lab that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Its name.
    pub action: String,
    /// Its steps in the plan.
    pub steps: std::ops::Range<usize>,
    /// All of them were done.
    pub done: bool,
}

/// What should be there now: the lab's own steps and those of the actions that are done.
#[derive(Debug, Clone)]
pub struct Present {
    /// The steps.
    pub plan: Plan,
    /// How far each came.
    pub outcomes: Vec<Outcome>,
    /// Where each stands in the journal.
    pub numbers: Vec<usize>,
}

impl Entry {
    /// What should be there now; `without` an action, as if it had never been done.
    pub fn present(&self, without: Option<&str>) -> Option<Present> {
        let plan = self.plan.as_ref()?;
        let acts = self.acts.iter().filter(|act| Some(act.action.as_str()) != without);
        let numbers: Vec<usize> = (0..self.base).chain(acts.flat_map(|act| act.steps.clone())).collect();
        let steps = numbers.iter().filter_map(|n| plan.steps.get(*n).cloned()).collect();
        let outcomes = numbers.iter().filter_map(|n| self.outcomes.get(*n).cloned()).collect();
        Some(Present { plan: Plan { steps, ..plan.clone() }, outcomes, numbers })
    }

    /// The plan that the lab came up with.
    pub fn own_plan(&self) -> Option<Plan> {
        let plan = self.plan.as_ref()?;
        Some(Plan { steps: plan.steps.get(..self.base)?.to_vec(), ..plan.clone() })
    }

    /// Whether an action is done, or was begun.
    pub fn acted(&self, action: &str) -> bool {
        self.acts.iter().any(|act| act.action == action)
    }

    /// An action that was begun and did not come to its end.
    pub fn interrupted(&self) -> Option<&Act> {
        self.acts.iter().find(|act| !act.done)
    }

    /// Up, and nobody has begun to take it down.
    pub fn is_running(&self) -> bool {
        self.up && !self.going_down
    }
    /// From before the machine was restarted: nothing of it is left but the journal.
    pub fn is_stale(&self) -> bool {
        self.header.boot_id != crate::kernel::machine::boot_id()
    }
    /// Changes nothing on the machine itself.
    pub fn on_host(&self) -> bool {
        self.header.on_host
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("journal")
}

fn line(record: &Record) -> Result<String> {
    let mut text = Vec::new();
    push(&mut text, record)?;
    utf8(text)
}

fn push(text: &mut Vec<u8>, record: &impl Serialize) -> Result<()> {
    const SUM: usize = "01234567 ".len();
    let start = text.len();
    text.resize(start + SUM, b' ');
    serde_json::to_writer(&mut *text, record).map_err(|e| Error::machine("cannot write the journal").cause(e))?;
    let sum = crc32fast::hash(&text[start + SUM..]);
    text[start..start + SUM].copy_from_slice(format!("{sum:08x} ").as_bytes());
    text.push(b'\n');
    Ok(())
}

fn utf8(text: Vec<u8>) -> Result<String> {
    String::from_utf8(text).map_err(|e| Error::machine("cannot write the journal").cause(e))
}

/// A [`Record::Step`] of a step that stays where it is.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Lent<'s> {
    Step(&'s Step),
}

/// The lines of steps. A large plan is written down on all processors: a hundred thousand routes are 38 MB.
fn lines(steps: &[Step]) -> Result<String> {
    const ALONE: usize = 4096;
    let some = |steps: &[Step]| -> Result<String> {
        let mut text = Vec::new();
        steps.iter().try_for_each(|step| push(&mut text, &Lent::Step(step)))?;
        utf8(text)
    };
    if steps.len() <= ALONE {
        return some(steps);
    }
    let parts: Vec<&[Step]> = steps.chunks(ALONE).collect();
    on_threads(&parts, |steps| some(steps)).into_iter().collect()
}

impl Journal {
    /// Writes the header and the whole plan, and syncs them.
    pub fn create(folder: &Path, header: &Header, plan: &Plan) -> Result<Journal> {
        let path = path(folder);
        let mut text = line(&Record::Header(Box::new(header.clone())))?;
        text.push_str(&lines(&plan.steps)?);
        text.push_str(&line(&Record::Planned(plan.steps.len()))?);
        let write = || -> std::io::Result<File> {
            let mut file =
                OpenOptions::new().create(true).write(true).read(true).truncate(true).mode(0o600).open(&path)?;
            let room = text.len() + plan.steps.len() * ROOM_PER_STEP + 4096;
            reserve(&file, room)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            Ok(file)
        };
        let file = write().map_err(|e| cannot("write", &path, e).note("nothing was changed"))?;
        Ok(Journal { file })
    }

    /// Opens a journal to go on with it. A last line that is not whole goes: nothing behind it would ever be read.
    pub fn append_to(folder: &Path) -> Result<Journal> {
        let path = path(folder);
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(|e| cannot("open", &path, e))?;
        let mut text = Vec::new();
        let whole = file.read_to_end(&mut text).map(|_| text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1));
        let cut = || -> std::io::Result<()> {
            let whole = whole? as u64;
            if whole < text.len() as u64 {
                file.set_len(whole)?;
            }
            file.seek(SeekFrom::Start(whole)).map(|_| ())
        };
        cut().map_err(|e| cannot("read", &path, e))?;
        Ok(Journal { file })
    }

    /// An action is about to begin: its steps go behind the plan's, in one write.
    pub fn act(&mut self, action: &str, steps: &[Step]) -> Result<()> {
        let mut text = lines(steps)?;
        text.push_str(&line(&Record::Act { action: action.to_string(), steps: steps.len() })?);
        let lost = |e| Error::machine("cannot write the journal").cause(e).note("nothing was changed");
        self.write(&text).and_then(|()| self.file.sync_data()).map_err(lost)
    }

    /// An action is done.
    pub fn acted(&mut self, action: &str) -> std::io::Result<()> {
        self.add(&Record::Acted { action: action.to_string() })
    }

    /// An action was taken back.
    pub fn undone(&mut self, action: &str) -> std::io::Result<()> {
        self.add(&Record::Undone { action: action.to_string() })
    }

    fn add(&mut self, record: &Record) -> std::io::Result<()> {
        let text = line(record).map_err(|e| std::io::Error::other(e.to_string()))?;
        self.write(&text)
    }

    /// All of it or nothing: behind half a line nothing would ever be read.
    fn write(&mut self, text: &str) -> std::io::Result<()> {
        let whole = self.file.stream_position()?;
        let written = self.file.write_all(text.as_bytes());
        if written.is_err() {
            self.file.set_len(whole)?;
            self.file.seek(SeekFrom::Start(whole))?;
        }
        written
    }

    /// A step begins; what it will overwrite is on record.
    pub fn begin(&mut self, step: usize, before: Option<Before>) -> std::io::Result<()> {
        self.add(&Record::Begin { step, before })
    }

    /// A step is done.
    pub fn done(&mut self, step: usize, done: Done) -> std::io::Result<()> {
        self.add(&Record::Done { step, done })
    }

    /// A batch begins.
    pub fn begin_all(&mut self, steps: Range<usize>) -> std::io::Result<()> {
        self.add(&Record::BeginAll(steps))
    }

    /// A batch is done, or as much of it as is in `done`.
    pub fn done_all(&mut self, steps: Range<usize>, done: Vec<(usize, Done)>) -> std::io::Result<()> {
        if done.len() == steps.len() {
            let told = done.into_iter().filter(|(_, done)| *done != Done::Plain).collect();
            return self.add(&Record::DoneAll { steps, done: told });
        }
        self.done_each(done)
    }

    /// Steps are done, or more is known of what they came to.
    pub fn done_each(&mut self, done: Vec<(usize, Done)>) -> std::io::Result<()> {
        let lines: Result<String> = done.into_iter().map(|(step, done)| line(&Record::Done { step, done })).collect();
        let text = lines.map_err(|e| std::io::Error::other(e.to_string()))?;
        self.write(&text)
    }

    /// The lab is up.
    pub fn up(&mut self) -> std::io::Result<()> {
        self.add(&Record::Up)
    }

    /// The lab goes down. On a full disk this is not on record, and nothing depends on it.
    pub fn down(&mut self) {
        let _ = self.add(&Record::Down);
    }
}

/// Keeps room on the disk without changing the file's length.
fn reserve(file: &File, bytes: usize) -> std::io::Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};
    let length = i64::try_from(bytes).unwrap_or(i64::MAX);
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length) {
        // Some file systems cannot; then the room is whatever is left.
        Ok(()) | Err(nix::errno::Errno::EOPNOTSUPP) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Removes a lab's journal: from here on there is nothing to take back.
pub fn remove(folder: &Path) -> Result<()> {
    let path = path(folder);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(cannot("remove", &path, e)),
        _ => Ok(()),
    }
}

/// Reads a lab's journal; `None` when there is none, or when it was torn before its header was whole.
pub fn read(folder: &Path) -> Result<Option<Entry>> {
    let path = path(folder);
    let mut text = String::new();
    match File::open(&path).and_then(|mut f| f.read_to_string(&mut text)) {
        Ok(_) => Ok(parse(&text)?),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(cannot("read", &path, e)),
    }
}

/// What the journal of a folder begins with, and nothing else of it: none when it says nothing yet, or to another netlab.
pub fn head(folder: &Path) -> Option<Header> {
    let mut line = String::new();
    BufReader::new(File::open(path(folder)).ok()?).read_line(&mut line).ok()?;
    match serde_json::from_value(record(&line)?) {
        Ok(Record::Header(header)) => Some(*header),
        _ => None,
    }
}

/// Reads records up to the first one that is not whole.
pub fn parse(text: &str) -> Result<Option<Entry>> {
    let mut records = text.split_inclusive('\n').map_while(record);
    let Some(first) = records.next() else {
        return Ok(None);
    };
    if let Some(format) = first.pointer("/header/format").and_then(serde_json::Value::as_u64)
        && format != u64::from(FORMAT)
    {
        return Err(Error::machine(format!("the journal has format {format}; this netlab knows {FORMAT}"))
            .help("use the netlab that brought the lab up"));
    }
    let Ok(Record::Header(header)) = serde_json::from_value(first) else {
        return Ok(None);
    };
    let mut steps = Vec::new();
    let mut entry = Entry {
        header: *header,
        plan: None,
        base: 0,
        acts: Vec::new(),
        outcomes: Vec::new(),
        up: false,
        going_down: false,
    };
    for value in records {
        let Ok(record) = serde_json::from_value::<Record>(value) else {
            break;
        };
        match record {
            Record::Header(_) => break,
            Record::Step(step) => steps.push(*step),
            Record::Planned(n) if n == steps.len() => {
                let head = entry.header.plan.clone();
                entry.outcomes = vec![Outcome::Untouched; n];
                entry.base = n;
                entry.plan = Some(Plan {
                    lab: head.lab,
                    group: head.group,
                    nodes: head.nodes,
                    steps: std::mem::take(&mut steps),
                });
            }
            Record::Planned(_) => break,
            Record::Act { action, steps: n } => {
                // Steps without their mark were never begun.
                let own = steps.split_off(steps.len().saturating_sub(n));
                steps.clear();
                let Some(plan) = entry.plan.as_mut().filter(|_| own.len() == n) else { break };
                let first = plan.steps.len();
                plan.steps.extend(own);
                entry.outcomes.resize(plan.steps.len(), Outcome::Untouched);
                entry.acts.push(Act { action, steps: first..plan.steps.len(), done: false });
            }
            Record::Acted { action } => {
                entry.acts.iter_mut().filter(|act| act.action == action).for_each(|act| act.done = true);
            }
            Record::Undone { action } => entry.acts.retain(|act| act.action != action),
            Record::Begin { step, before } => {
                if let Some(outcome) = entry.outcomes.get_mut(step) {
                    *outcome = begun(outcome, before);
                }
            }
            Record::Done { step, done } => {
                if let Some(outcome) = entry.outcomes.get_mut(step) {
                    *outcome = finished(outcome, done);
                }
            }
            Record::BeginAll(steps) => {
                for outcome in entry.outcomes.iter_mut().take(steps.end).skip(steps.start) {
                    *outcome = begun(outcome, None);
                }
            }
            Record::DoneAll { steps, done } => {
                for outcome in entry.outcomes.iter_mut().take(steps.end).skip(steps.start) {
                    *outcome = finished(outcome, Done::Plain);
                }
                for (step, done) in done {
                    if let Some(outcome) = entry.outcomes.get_mut(step) {
                        *outcome = finished(outcome, done);
                    }
                }
            }
            Record::Up => entry.up = true,
            Record::Down => entry.going_down = true,
        }
    }
    Ok(Some(entry))
}

/// A repair does steps again. What was there before netlab came is what the first record says. A namespace is made again
/// only when the one on record is gone, and who the new one is nobody knows yet; of anything else that leaves no more than its
/// effect, nobody knows whether it has it.
fn begun(outcome: &Outcome, before: Option<Before>) -> Outcome {
    match outcome {
        Outcome::Untouched => Outcome::Begun(before),
        Outcome::Begun(first) | Outcome::Done(first, Done::Netns(_) | Done::Plain) => {
            Outcome::Begun(first.clone().or(before))
        }
        Outcome::Done(first, done) => Outcome::Done(first.clone().or(before), done.clone()),
    }
}

fn finished(outcome: &Outcome, done: Done) -> Outcome {
    match outcome {
        Outcome::Untouched => Outcome::Done(None, done),
        Outcome::Begun(before) | Outcome::Done(before, _) => Outcome::Done(before.clone(), done),
    }
}

fn record(line: &str) -> Option<serde_json::Value> {
    let (sum, json) = line.strip_suffix('\n')?.split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    if sum != crc32fast::hash(json.as_bytes()) {
        return None;
    }
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Mode, build};

    fn written() -> (String, usize) {
        let source = crate::labs::find("nat-lab").unwrap().source();
        let (topology, _) = crate::topology::load(source.clone()).unwrap();
        let plan = build(&topology, Mode::Isolated);
        let header = Header {
            format: FORMAT,
            boot_id: "b".into(),
            at: 0,
            user: "root".into(),
            file: None,
            source,
            on_host: false,
            plan: PlanHead::of(&plan),
        };
        let mut text = line(&Record::Header(Box::new(header))).unwrap();
        for step in &plan.steps {
            text.push_str(&line(&Record::Step(Box::new(step.clone()))).unwrap());
        }
        text.push_str(&line(&Record::Planned(plan.steps.len())).unwrap());
        let planned = text.len();
        let half = plan.steps.len() / 2;
        for i in 0..half {
            text.push_str(&line(&Record::Begin { step: i, before: None }).unwrap());
            text.push_str(&line(&Record::Done { step: i, done: Done::Plain }).unwrap());
        }
        let rest = half..plan.steps.len();
        text.push_str(&line(&Record::BeginAll(rest.clone())).unwrap());
        text.push_str(&line(&Record::DoneAll { steps: rest, done: Vec::new() }).unwrap());
        text.push_str(&line(&Record::Up).unwrap());
        (text, planned)
    }

    #[test]
    fn a_whole_journal_says_that_the_lab_is_up() {
        let entry = parse(&written().0).unwrap().unwrap();
        assert!(entry.is_running());
        assert!(entry.outcomes.iter().all(|o| matches!(o, Outcome::Done(..))));
    }

    #[test]
    fn a_large_plan_is_written_in_its_order() {
        let (topology, _) = crate::topology::load(crate::labs::find("nat-lab").unwrap().source()).unwrap();
        let steps: Vec<Step> = build(&topology, Mode::Isolated).steps.into_iter().cycle().take(9001).collect();
        let one_by_one: String = steps.iter().map(|s| line(&Record::Step(Box::new(s.clone()))).unwrap()).collect();
        assert!(lines(&steps).unwrap() == one_by_one);
    }

    #[test]
    fn cut_anywhere_it_is_a_shorter_journal_and_never_a_wrong_one() {
        let (text, planned) = written();
        let whole = parse(&text).unwrap().unwrap();
        for cut in (0..text.len()).filter(|c| text.is_char_boundary(*c)) {
            let Some(entry) = parse(&text[..cut]).unwrap() else {
                continue;
            };
            assert_eq!(entry.plan.is_some(), cut >= planned, "cut at {cut}");
            assert!(!entry.up);
            if let Some(plan) = &entry.plan {
                assert_eq!(Some(plan), whole.plan.as_ref());
            }
        }
    }

    #[test]
    fn a_changed_byte_ends_the_journal_there() {
        let (text, planned) = written();
        let mut bytes = text.into_bytes();
        bytes[planned + 20] ^= 1;
        let entry = parse(&String::from_utf8_lossy(&bytes)).unwrap().unwrap();
        assert!(entry.outcomes.iter().all(|o| *o == Outcome::Untouched));
    }
}
