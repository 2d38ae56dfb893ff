//! The plan for this machine: what its kernel lacks netlab does itself, where it can.

use super::preflight;
use crate::plan::{Lacking, Mode, Plan, build, build_for};
use crate::topology::Topology;

/// The plan for the kernel that runs. The kernel is asked only about what the answer depends on; nothing when it has to
/// be asked and cannot, which takes rights.
pub fn plan(topology: &Topology, mode: Mode) -> Option<Plan> {
    let kinds = topology.nodes.values().flat_map(|n| n.interfaces.values()).map(|i| i.kind.word().to_string());
    let everything: Lacking = kinds.collect();
    let plan = build(topology, mode);
    if build_for(topology, mode, &everything) == plan {
        return Some(plan);
    }
    Some(build_for(topology, mode, &preflight::lacking(topology)?))
}
