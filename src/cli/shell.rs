//! `netlab shell`

use super::{Exit, exec};
use crate::apply::{ground, preflight};
use crate::error::Error;
use crate::kernel::machine;

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
            // bash takes its prompt from a start-up file; the lab's own folder goes with the lab.
            let rc = ground::lab_folder(&running.name).join(format!("shell.{}", at.node));
            let text = format!("[ -r ~/.bashrc ] && . ~/.bashrc\nPS1='{prompt}'\nunset PROMPT_COMMAND\n");
            std::fs::write(&rc, text).map_err(|e| Error::machine("cannot write the shell's start-up file").cause(e))?;
            let mut command = std::process::Command::new(bash);
            command.arg("--rcfile").arg(rc).arg("-i");
            command
        }
        None => {
            let mut command = std::process::Command::new("/bin/sh");
            command.arg("-i").env("PS1", prompt.replace("\\w", "").replace("\\$", "#"));
            command
        }
    };
    command.env("NETLAB_LAB", &running.name).env("NETLAB_NODE", at.node.as_str());
    Err(exec::replace(command, &at))
}
