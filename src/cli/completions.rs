//! `netlab completions`

use clap_complete::env::Shells;

use super::Exit;
use crate::error::Error;
use crate::report;

/// Print a shell's completion script: `source <(netlab completions bash)`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// bash, elvish, fish, powershell or zsh
    shell: String,
}

pub(super) fn run(args: &Args) -> Exit {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&args.shell) else {
        let known: Vec<&str> = shells.names().collect();
        return Err(
            Error::usage(format!("no completions for `{}`", args.shell)).help(format!("known: {}", known.join(", ")))
        );
    };
    let mut script = Vec::new();
    shell
        .write_registration("COMPLETE", "netlab", "netlab", "netlab", &mut script)
        .map_err(|e| Error::machine("cannot write the script").cause(e))?;
    report::answer(&String::from_utf8_lossy(&script));
    Ok(0)
}
