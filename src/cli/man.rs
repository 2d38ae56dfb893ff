//! `netlab man`

use clap::CommandFactory;

use super::{Cli, Exit};
use crate::error::Error;
use crate::report;

/// Print the manual page: `netlab man | man -l -`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The page of one command
    command: Option<String>,
}

pub(super) fn run(args: &Args) -> Exit {
    let mut root = Cli::command();
    root.build();
    let page = match &args.command {
        None => root,
        Some(name) => root
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Error::usage(format!("there is no command `{name}`")).help("`netlab help` lists them"))?,
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(|e| Error::machine("cannot write the page").cause(e))?;
    report::answer(&String::from_utf8_lossy(&text));
    Ok(0)
}
