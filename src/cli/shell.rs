//! `netlab shell`

use super::{Exit, exec};
use crate::apply::{ground, preflight};
use crate::kernel::{machine, process};

/// Open a shell in a node; the prompt says which
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The node
    node: String,
    /// The lab, when several are up
    #[arg(long, add = super::complete_running())]
    lab: Option<String>,
}

pub(super) fn run(args: &Args) -> Exit {
    preflight::rights()?;
    let (running, at) = exec::find_node(&args.node, args.lab.as_deref())?;
    let prompt = format!("[{}:{}] \\w\\$ ", running.name, at.node);
    let mut command = match machine::find_program("bash") {
        Some(bash) => {
            // bash takes its prompt from a start-up file.
            let text = format!("[ -r ~/.bashrc ] && . ~/.bashrc\nPS1='{prompt}'\nunset PROMPT_COMMAND\n");
            let rc = ground::keep(&running.name, &format!("shell.{}", at.node), &text)?;
            let mut command = process::plain(bash);
            command.arg("--rcfile").arg(rc).arg("-i");
            command
        }
        None => {
            let mut command = process::plain("/bin/sh");
            command.arg("-i").env("PS1", prompt.replace("\\w", "").replace("\\$", "#"));
            command
        }
    };
    command.env("NETLAB_LAB", &running.name).env("NETLAB_NODE", at.node.as_str());
    Err(exec::replace(command, &at))
}
