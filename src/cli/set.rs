//! `--set NAME=VALUE`, wherever a lab that is not up is read.

use std::ffi::OsStr;

use clap_complete::ArgValueCompleter;
use clap_complete::engine::CompletionCandidate;

use crate::{labs, spec};

/// Other values for the parameters of a lab.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Set {
    /// Another value for a parameter of the lab, as in `--set n=200` (may be given several times)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, add = ArgValueCompleter::new(complete))]
    pub set: Vec<(String, String)>,
}

impl Set {
    /// The words that hand the same on to another netlab.
    pub fn words(&self) -> impl Iterator<Item = String> {
        self.set.iter().flat_map(|(name, value)| ["--set".to_string(), format!("{name}={value}")])
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err("write it as NAME=VALUE, as in n=200".into()),
    }
}

/// The parameters of the built-in labs. Which lab is meant cannot be seen from here.
fn complete(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let mut known: Vec<String> = labs::ALL.iter().flat_map(|lab| spec::parameters(&lab.source())).collect();
    known.sort();
    known.dedup();
    known.iter().filter(|name| name.starts_with(&*current)).map(|name| format!("{name}=").into()).collect()
}
