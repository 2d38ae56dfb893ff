//! The `netlab` command: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    netlab::cli::main()
}
