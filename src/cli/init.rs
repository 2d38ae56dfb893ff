//! `netlab init`

use std::io::Write;

use super::Exit;
use crate::error::Error;
use crate::name::LabName;
use crate::report;

/// Write a first lab file
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The lab's name; the file is called NAME.yaml
    #[arg(default_value = "my-lab")]
    name: String,
}

pub(super) fn run(args: &Args) -> Exit {
    let name = LabName::new(&args.name).map_err(|why| {
        Error::usage(format!("`{}`: {why}", args.name)).help("small letters, digits and dashes, as in `my-lab`")
    })?;
    let path = format!("{name}.yaml");
    let text = TEMPLATE.replace("my-lab", &name);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut f| f.write_all(text.as_bytes()));
    match written {
        Ok(()) => {
            report::answer(&format!("wrote {path}\n\nnext: sudo netlab up {path} --check"));
            Ok(0)
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Error::conflict(format!("{path} is there already; not touching it"))
                .help("choose another name: netlab init NAME"))
        }
        Err(e) => Err(Error::machine(format!("cannot write {path}")).cause(e)),
    }
}

/// The first lab of a new author; a test keeps it valid.
pub(super) const TEMPLATE: &str = include_str!("init.yaml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lab_has_no_mistakes() {
        let source = crate::span::Source::new("my-lab.yaml", TEMPLATE);
        let (_, warnings) = crate::topology::load(source).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}
