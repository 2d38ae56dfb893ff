//! What the nodes have right now, for `netlab show`.

use serde::Serialize;

use super::ground;
use crate::error::{Error, Result};
use crate::kernel::{Linux, View};
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

/// Looks at nodes.
pub fn view(nodes: &[At]) -> Result<Vec<NodeView>> {
    let logs = std::path::Path::new(ground::FOLDER);
    let mut kernel = Linux::new(logs).map_err(|r| Error::machine(r.to_string()))?;
    let mut views = Vec::new();
    for at in nodes {
        let view = kernel.view(at).map_err(|r| Error::machine(format!("cannot look at `{}`", at.node)).cause(r))?;
        views.push(NodeView { node: at.node.to_string(), netns: at.netns.clone(), view });
    }
    Ok(views)
}
