//! What the nodes have right now, for `netlab show`.

use serde::Serialize;

use super::ground;
use crate::error::{Error, Result};
use crate::ip::bird::{self, Session};
use crate::ip::conntrack::Flow;
use crate::ip::ipam::{self, Ipam};
use crate::ip::nat::{self, Ways};
use crate::kernel::{Linux, Refusal, View};
use crate::plan::At;

/// A node and what it has.
#[derive(Debug, Clone, Serialize)]
pub struct NodeView {
    /// The node.
    pub node: String,
    /// Its namespace; none for the machine itself.
    pub netns: Option<String>,
    /// What it has; none when the namespace is gone.
    pub view: Option<View>,
}

/// A node and what its nat table does.
#[derive(Debug, Clone, Serialize)]
pub struct NodeNat {
    /// The node.
    pub node: String,
    /// The ways through its chains; none when the namespace is gone.
    pub ways: Option<Vec<Ways>>,
}

/// A node and the connections that it tracks.
#[derive(Debug, Clone, Serialize)]
pub struct NodeFlows {
    /// The node.
    pub node: String,
    /// Its connections; none when the namespace is gone.
    pub flows: Option<Vec<Flow>>,
}

/// Looks at nodes.
pub fn view(nodes: &[At]) -> Result<Vec<NodeView>> {
    each(nodes, |kernel, at| {
        Ok(NodeView { node: at.node.to_string(), netns: at.netns.clone(), view: kernel.view(at)? })
    })
}

/// Follows the nat tables of nodes.
pub fn nat(nodes: &[At]) -> Result<Vec<NodeNat>> {
    each(nodes, |kernel, at| {
        let tables = kernel.nat(at)?;
        let ways = tables.map(|tables| tables.iter().flat_map(|table| nat::follow(table)).collect());
        Ok(NodeNat { node: at.node.to_string(), ways })
    })
}

/// The connections of nodes.
pub fn flows(nodes: &[At]) -> Result<Vec<NodeFlows>> {
    each(nodes, |kernel, at| Ok(NodeFlows { node: at.node.to_string(), flows: kernel.flows(at)? }))
}

/// A node and its BGP sessions.
#[derive(Debug, Clone, Serialize)]
pub struct NodeBgp {
    /// The node.
    pub node: String,
    /// Its sessions; none when its BIRD does not answer.
    pub sessions: Option<Vec<Session>>,
    /// What came instead of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The BGP sessions of the nodes that have a BIRD.
pub fn bgp(nodes: &[At]) -> Result<Vec<NodeBgp>> {
    let look = |kernel: &mut Linux, at: &At| {
        let node = at.node.to_string();
        Ok(kernel.bird(at)?.map(|answer| match answer {
            Ok(text) => NodeBgp { node, sessions: Some(bird::sessions(&text)), error: None },
            Err(error) => NodeBgp { node, sessions: None, error: Some(error) },
        }))
    };
    Ok(each(nodes, look)?.into_iter().flatten().collect())
}

/// Pools, their blocks, and the addresses in use.
pub fn ipam(nodes: &[At]) -> Result<Ipam> {
    let mut held = Vec::new();
    for node in view(nodes)? {
        if let Some(view) = node.view {
            held.push(ipam::of_node(&node.node, &view.routes, &view.links, &view.ipsets));
        }
    }
    Ok(ipam::count(&held))
}

fn each<T>(nodes: &[At], look: impl Fn(&mut Linux, &At) -> std::result::Result<T, Refusal>) -> Result<Vec<T>> {
    let logs = std::path::Path::new(ground::FOLDER);
    let mut kernel = Linux::new(logs).map_err(|r| Error::machine(r.to_string()))?;
    let cannot = |at: &At, r| Error::machine(format!("cannot look at `{}`", at.node)).cause(r);
    nodes.iter().map(|at| look(&mut kernel, at).map_err(|r| cannot(at, r))).collect()
}
