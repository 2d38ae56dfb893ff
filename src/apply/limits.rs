//! What a lab takes of the things that a machine has only so many of, and whether there is room: known before the first
//! change.

use crate::error::{Error, Result, plural};
use crate::kernel::limits::{self, Limit, Thing, threads};
use crate::plan::{Op, Plan};
use crate::span::Span;
use crate::topology::Topology;

/// netlab's own threads beside those that visit nodes, and the programs that it runs one after the other.
const OWN_PROCESSES: u64 = 6;
/// Files that netlab opens beside those that it was started with: the journal and the lock, a cable's two namespaces, sockets,
/// pipes of a program. What is opened many times over (cables, visits) takes as many as there are, so a large lab needs no
/// more than a small one.
pub(super) const OWN_FILES: u64 = 24;
/// The folder of names, and what one node's programs see.
const OWN_MOUNTS: u64 = 16;

/// What a plan takes of a thing: for each piece the place in the lab file that asked for it, and what netlab itself takes.
struct Need {
    of: Thing,
    pieces: Vec<Span>,
    own: u64,
}

impl Need {
    fn all(&self) -> u64 {
        self.pieces.len() as u64 + self.own
    }
}

/// netlab's own threads and programs, at most at a time.
fn own_processes() -> u64 {
    OWN_PROCESSES + threads() as u64
}

fn needs(plan: &Plan) -> Vec<Need> {
    let pieces = |wanted: fn(&Op) -> bool| plan.steps.iter().filter(|s| wanted(&s.op)).map(|s| s.from).collect();
    let namespace = |op: &Op| matches!(op, Op::AddNetns { .. });
    let process = |op: &Op| matches!(op, Op::StartService { .. } | Op::StartEndpoint { .. });
    vec![
        // Cables are made from an empty one.
        Need { of: Thing::Namespaces, pieces: pieces(namespace), own: 1 },
        Need { of: Thing::Mounts, pieces: pieces(namespace), own: OWN_MOUNTS },
        Need { of: Thing::Processes, pieces: pieces(process), own: own_processes() },
    ]
}

/// Whether there is room for all that the plan makes.
pub fn look(topology: &Topology, plan: &Plan) -> Result<()> {
    judge(topology, plan, &limits::all())
}

fn judge(topology: &Topology, plan: &Plan, limits: &[Limit]) -> Result<()> {
    let needs = needs(plan);
    let of = |limit: &Limit| needs.iter().find(|need| need.of == limit.of);
    let short: Vec<(&Limit, &Need)> = limits
        .iter()
        .filter_map(|limit| Some((limit, of(limit)?)))
        .filter(|(limit, need)| need.all() > limit.left())
        .collect();
    let Some((first, need)) = short.first() else { return Ok(()) };
    let lab = &topology.name;
    let mut error = Error::machine(format!("a limit of this machine is too low for `{lab}`"));
    for (limit, need) in &short {
        let Limit { name, most, used, .. } = limit;
        error = error.note(format!("{name} is {most}, {used} in use; `{lab}` takes {}", words(need)));
        error = error.help(limit.command(need.all()));
    }
    // The first piece that there is no room for.
    let fits = usize::try_from(first.left().saturating_sub(need.own)).unwrap_or(usize::MAX);
    if let Some(span) = need.pieces.get(fits) {
        error = error.place(&topology.source, *span, format!("there is room for {fits} of {}", need.pieces.len()));
    }
    Err(error)
}

fn words(need: &Need) -> String {
    let n = need.pieces.len();
    let own = need.own;
    match need.of {
        Thing::Namespaces | Thing::Mounts => format!("one for each of {n} {}, and {own} more", plural(n, "node")),
        Thing::Processes => format!("{n} {}, and netlab itself {own}", plural(n, "program")),
        Thing::Files => own.to_string(),
    }
}

/// A limit that a large lab would meet.
pub struct Met {
    /// In words.
    pub found: String,
    /// What lifts it.
    pub todo: String,
    /// Small labs meet it as well.
    pub stops: bool,
}

/// The limits that a lab of that many nodes, with one program each, would meet.
pub fn met_by(nodes: u64) -> Vec<Met> {
    narrow(nodes, &limits::all())
}

fn narrow(nodes: u64, limits: &[Limit]) -> Vec<Met> {
    /// As many as the labs have that are built in.
    const SMALL: u64 = 10;
    let mut met = Vec::new();
    for limit in limits {
        let (own, pieces) = match limit.of {
            Thing::Namespaces => (1, "nodes"),
            Thing::Mounts => (OWN_MOUNTS, "nodes"),
            Thing::Processes => (own_processes(), "programs of all labs together"),
            Thing::Files => (OWN_FILES, ""),
        };
        let wanted = if limit.of == Thing::Files { own } else { nodes + own };
        if limit.left() >= wanted {
            continue;
        }
        let room = limit.left().saturating_sub(own);
        let enough = if pieces.is_empty() {
            format!("netlab needs {}", limit.used + own)
        } else {
            format!("there is room for {room} {pieces}")
        };
        let found = format!("{} is {}: {enough}", limit.name, limit.most);
        met.push(Met { found, todo: limit.command(wanted), stops: room < SMALL });
    }
    met
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::limits::Lift;
    use crate::plan::{Mode, build};
    use crate::span::Source;

    fn star(n: u32) -> Topology {
        let mut source: Source = crate::labs::find("star-lab").unwrap().source();
        source.set.insert("n".into(), n.to_string());
        crate::topology::load(source).unwrap().0
    }

    fn limit(of: Thing, most: u64, used: u64) -> Limit {
        Limit { of, name: "the.limit".into(), most, used, lift: Lift::Sysctl }
    }

    #[test]
    fn a_lab_that_fits_to_the_last_piece_passes_and_one_more_does_not() {
        let (lab, larger) = (star(99), star(100));
        for (of, own) in [(Thing::Namespaces, 1), (Thing::Mounts, OWN_MOUNTS)] {
            let limits = [limit(of, 100 + own + 7, 7)];
            assert!(judge(&lab, &build(&lab, Mode::Isolated), &limits).is_ok(), "{of:?}");
            let error = judge(&larger, &build(&larger, Mode::Isolated), &limits).unwrap_err();
            let detail = error.detail();
            assert!(detail.notes[0].contains("one for each of 101 nodes"), "{of:?}: {detail:?}");
            assert_eq!(detail.help, ["sysctl -w the.limit=1000"], "{of:?}");
            let place = detail.place.as_ref().unwrap();
            assert_eq!(place.label, "there is room for 100 of 101", "{of:?}");
            // The loop that makes the nodes.
            assert!(place.source.text[place.span.start as usize..].starts_with("n{i}"), "{of:?}");
            assert_eq!(error.kind().exit_code(), 3);
        }
    }

    #[test]
    fn a_lab_without_programs_needs_room_for_netlab_alone() {
        let lab = star(500);
        let plan = build(&lab, Mode::Isolated);
        assert!(judge(&lab, &plan, &[limit(Thing::Processes, 300, 200)]).is_ok());
        assert!(judge(&lab, &plan, &[limit(Thing::Processes, 300, 295)]).is_err());
    }

    #[test]
    fn every_limit_that_is_too_low_is_told_at_once() {
        let lab = star(50);
        let limits = [limit(Thing::Namespaces, 10, 9), limit(Thing::Mounts, 50, 40), limit(Thing::Processes, 4000, 8)];
        let error = judge(&lab, &build(&lab, Mode::Isolated), &limits).unwrap_err();
        assert_eq!(error.detail().help.len(), 2, "{error:?}");
    }

    #[test]
    fn the_doctor_names_what_a_large_lab_would_meet() {
        assert!(narrow(1000, &[limit(Thing::Mounts, 100_000, 50), limit(Thing::Files, 1024, 10)]).is_empty());
        let found = narrow(1000, &[limit(Thing::Namespaces, 51, 10), limit(Thing::Files, 20, 10)]);
        let words: Vec<&str> = found.iter().map(|met| met.found.as_str()).collect();
        assert_eq!(words, ["the.limit is 51: there is room for 40 nodes", "the.limit is 20: netlab needs 34"]);
        assert_eq!(found.iter().map(|met| met.stops).collect::<Vec<_>>(), [false, true]);
    }
}
