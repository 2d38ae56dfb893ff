//! `netlab schema`

use super::Exit;
use crate::{report, spec};

/// Print the JSON Schema of lab files, for editors
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Exit {
    report::json(&spec::schema());
    Ok(0)
}
