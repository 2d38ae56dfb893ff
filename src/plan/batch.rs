//! Which steps of a plan may be under way at the same time.
//!
//! Pure, and the only place that knows it. A batch is a run of steps that follow each other in the plan; the journal
//! hears of it once before and once after. Within a batch each node is a *lane*: its own steps keep their order, and
//! those of different nodes do not depend on each other.
//!
//! Namespaces form batches of their own, with the settings that new links inherit but without any link: a namespace
//! whose making was interrupted is ours only if it is empty, so who it is must be on record before anything goes in.

use std::ops::Range;

use super::{Op, Plan};

/// How the steps of a batch are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One step, by itself: everything on the machine itself, and whatever has to be waited for.
    Alone,
    /// Each node's steps in their order, the nodes at the same time.
    Lanes,
    /// Cables, each between two nodes that are both there.
    Cables,
}

/// Steps that are begun together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which steps of the plan.
    pub steps: Range<usize>,
    /// How.
    pub way: Way,
}

/// What a step can stand beside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    Nobody,
    /// Namespaces and settings, before there is any link.
    Ground,
    Cables,
    /// What happens inside one node, with links.
    Inside,
    /// Settings: with the ground, or inside.
    Either,
}

fn company(op: &Op) -> Company {
    if on_machine(op) {
        return Company::Nobody;
    }
    match op {
        Op::AddNetns { .. } => Company::Ground,
        Op::SetSysctl { .. } => Company::Either,
        Op::AddVeth { .. } => Company::Cables,
        Op::AddLink { .. }
        | Op::SetMaster { .. }
        | Op::SetMtu { .. }
        | Op::SetQdisc { .. }
        | Op::SetVlans { .. }
        | Op::AddAddress { .. }
        | Op::SetUp { .. }
        | Op::AddRoute { .. }
        | Op::AddRule { .. }
        | Op::AddNeighbor { .. }
        | Op::AddFdb { .. }
        | Op::LoadSets { .. }
        | Op::LoadRules { .. } => Company::Inside,
        // Programs are started one after the other, so that the first one that fails is the one that is named.
        // An action has few steps: each by itself.
        Op::AddRun { .. }
        | Op::WriteFile { .. }
        | Op::StartService { .. }
        | Op::StartEndpoint { .. }
        | Op::DelRoute { .. }
        | Op::DelRule { .. }
        | Op::EditSet { .. }
        | Op::ReloadService { .. }
        | Op::StopService { .. } => Company::Nobody,
    }
}

/// What happens on the machine itself is written down with what was there before: one step at a time.
fn on_machine(op: &Op) -> bool {
    match op {
        Op::AddVeth { ends } => ends.iter().any(|end| end.at.netns.is_none()),
        other => other.at().netns.is_none(),
    }
}

/// The plan in batches, in order, every step in one.
pub fn batches(plan: &Plan) -> Vec<Batch> {
    let mut batches: Vec<(Batch, Company)> = Vec::new();
    for (n, step) in plan.steps.iter().enumerate() {
        let new = company(&step.op);
        match batches.last_mut() {
            Some((batch, with)) if joins(*with, new) => {
                batch.steps.end = n + 1;
                if *with == Company::Either {
                    *with = new;
                }
            }
            _ => batches.push((Batch { steps: n..n + 1, way: way(new) }, new)),
        }
    }
    batches.into_iter().map(|(batch, _)| batch).collect()
}

fn joins(with: Company, new: Company) -> bool {
    match (with, new) {
        (Company::Nobody, _) | (_, Company::Nobody) => false,
        (Company::Either, Company::Ground | Company::Inside) => true,
        (Company::Ground | Company::Inside, Company::Either) => true,
        (a, b) => a == b,
    }
}

fn way(company: Company) -> Way {
    match company {
        Company::Nobody => Way::Alone,
        Company::Cables => Way::Cables,
        Company::Ground | Company::Inside | Company::Either => Way::Lanes,
    }
}

/// Cuts a batch so that step `n` stands alone: failures on demand strike between two steps.
pub fn cut(batches: Vec<Batch>, n: usize) -> Vec<Batch> {
    let parts = |batch: Batch| {
        let Range { start, end } = batch.steps;
        let ranges =
            if batch.steps.contains(&n) { [start..n, n..n + 1, n + 1..end] } else { [start..end, end..end, end..end] };
        ranges.into_iter().filter(|r| !r.is_empty()).map(move |steps| Batch { steps, way: batch.way })
    };
    batches.into_iter().flat_map(parts).collect()
}

/// The lanes of a batch: for each node the numbers of its steps, in order. `None` is the machine itself.
pub fn lanes<'p>(plan: &'p Plan, steps: &Range<usize>) -> Vec<(&'p super::At, Vec<usize>)> {
    let mut lanes: indexmap::IndexMap<&super::At, Vec<usize>> = indexmap::IndexMap::new();
    for n in steps.clone() {
        if let Some(step) = plan.steps.get(n) {
            lanes.entry(step.op.at()).or_default().push(n);
        }
    }
    lanes.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Mode, build};

    fn plans() -> Vec<Plan> {
        let load = |lab: &crate::labs::BuiltIn| crate::topology::load(lab.source()).unwrap().0;
        let both = |t| [Mode::Isolated, Mode::OnHost].map(|mode| build(&t, mode));
        crate::labs::ALL.iter().map(load).flat_map(both).collect()
    }

    #[test]
    fn every_step_is_in_one_batch_and_in_its_order() {
        for plan in plans() {
            let all: Vec<usize> = batches(&plan).into_iter().flat_map(|b| b.steps).collect();
            assert_eq!(all, (0..plan.steps.len()).collect::<Vec<_>>(), "{}", plan.lab);
        }
    }

    #[test]
    fn no_link_is_made_in_a_batch_that_makes_a_namespace() {
        for plan in plans() {
            for batch in batches(&plan) {
                let ops = || plan.steps[batch.steps.clone()].iter().map(|s| &s.op);
                let makes = ops().any(|op| matches!(op, Op::AddNetns { .. }));
                let others = ops().filter(|op| !matches!(op, Op::AddNetns { .. } | Op::SetSysctl { .. })).count();
                assert!(!makes || others == 0, "{}: {batch:?}", plan.lab);
            }
        }
    }

    #[test]
    fn what_happens_on_the_machine_happens_alone() {
        for plan in plans() {
            for batch in batches(&plan).into_iter().filter(|b| b.steps.len() > 1) {
                assert!(plan.steps[batch.steps.clone()].iter().all(|s| !on_machine(&s.op)), "{}", plan.lab);
                assert_ne!(batch.way, Way::Alone);
            }
        }
    }

    #[test]
    fn an_isolated_lab_takes_few_batches_until_its_files_and_programs() {
        let plan = &plans()[0];
        let batches = batches(plan);
        assert!(batches.iter().filter(|b| b.way != Way::Alone).count() <= 5, "{batches:?}");
    }

    #[test]
    fn a_cut_batch_has_the_step_alone() {
        let batch = Batch { steps: 3..9, way: Way::Lanes };
        let ranges = |n| cut(vec![batch.clone()], n).into_iter().map(|b| b.steps).collect::<Vec<_>>();
        assert_eq!(ranges(5), [3..5, 5..6, 6..9]);
        assert_eq!(ranges(3), [3..4, 4..9]);
        assert_eq!(ranges(8), [3..8, 8..9]);
        assert_eq!(ranges(9), vec![Range { start: 3, end: 9 }]);
    }
}
