//! The command line: one file per command. Each parses, calls one library function, and hands the result to `report`.

mod act;
mod check;
mod completions;
mod doctor;
mod down;
mod endpoint;
mod exec;
mod gc;
mod init;
mod list;
mod man;
mod plan;
mod repair;
mod responder;
mod schema;
mod set;
mod shell;
mod show;
mod status;
mod test;
mod trust;
mod up;
mod validate;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::engine::CompletionCandidate;

use crate::apply::{ground, stop};
use crate::error::Result;
use crate::{labs, report};

/// Real Linux network labs: namespaces, cables, bridges, NAT. Brought up from a YAML file, checked, and taken down
/// without a trace.
#[derive(Debug, Parser)]
#[command(name = "netlab", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Globals {
    /// Answer (and errors) as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Up(up::Args),
    Check(check::Args),
    Status(status::Args),
    Show(show::Args),
    Exec(exec::Args),
    Shell(shell::Args),
    Act(act::Args),
    Repair(repair::Args),
    Down(down::Args),
    Plan(plan::Args),
    Test(test::Args),
    Trust(trust::Args),
    Doctor(doctor::Args),
    Gc(gc::Args),
    Validate(validate::Args),
    Init(init::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
    #[command(hide = true)]
    Responder(responder::Args),
    #[command(hide = true)]
    Endpoint(endpoint::Args),
}

/// How a command ended when nothing went wrong: its exit code.
pub(crate) type Exit = Result<u8>;

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    clap_complete::CompleteEnv::with_factory(Cli::command).complete();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return mistyped(&error),
    };
    let json = cli.globals.json;
    let result = match cli.command {
        Command::List(args) => list::run(&args, &cli.globals),
        Command::Up(args) => up::run(&args, &cli.globals),
        Command::Check(args) => check::run(&args, &cli.globals),
        Command::Status(args) => status::run(&args, &cli.globals),
        Command::Show(args) => show::run(&args, &cli.globals),
        Command::Exec(args) => exec::run(&args),
        Command::Shell(args) => shell::run(&args),
        Command::Act(args) => act::run(&args, &cli.globals),
        Command::Repair(args) => repair::run(&args, &cli.globals),
        Command::Down(args) => down::run(&args, &cli.globals),
        Command::Plan(args) => plan::run(&args, &cli.globals),
        Command::Test(args) => test::run(&args, &cli.globals),
        Command::Doctor(args) => doctor::run(&args, &cli.globals),
        Command::Gc(args) => gc::run(&args, &cli.globals),
        Command::Trust(args) => trust::run(&args, &cli.globals),
        Command::Validate(args) => validate::run(&args, &cli.globals),
        Command::Init(args) => init::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Responder(args) => responder::run(&args),
        Command::Endpoint(args) => endpoint::run(&args),
    };
    let code = match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if json {
                report::json(&report::diagnostic::error_json(&error));
            } else {
                report::talk(&report::diagnostic::error(&error));
            }
            ExitCode::from(error.kind().exit_code())
        }
    };
    report::finish();
    code
}

/// What clap says of a command line that it cannot read, or of `--help`.
fn mistyped(error: &clap::Error) -> ExitCode {
    let words: Vec<String> = std::env::args_os().skip(1).map(|w| w.to_string_lossy().into_owned()).collect();
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    if !error.use_stderr() {
        report::answer(&error.render().ansi().to_string());
        report::finish();
        return code;
    }
    let plain = error.render().to_string();
    let first = plain.lines().next().unwrap_or_default().trim_start_matches("error: ").to_string();
    let mut found = crate::error::Error::usage(first).help("`netlab --help` shows the commands");
    let lab = |word: &&String| labs::find(word).is_some() || word.ends_with(".yaml") || word.ends_with(".yml");
    let misplaced = words.first().filter(lab).filter(|_| error.kind() == clap::error::ErrorKind::InvalidSubcommand);
    if let Some(lab) = misplaced {
        let command = words.iter().skip(1).find(|w| Cli::command().find_subcommand(w).is_some());
        let command = command.map_or("up", String::as_str);
        found = crate::error::Error::usage(format!("`{lab}` is a lab, not a command"))
            .help(format!("the command comes first: `netlab {command} {lab}`"));
    }
    if words.iter().any(|w| w == "--json") {
        report::json(&report::diagnostic::error_json(&found));
    } else if misplaced.is_some() {
        report::talk(&report::diagnostic::error(&found));
    } else if words.iter().any(|w| w.contains(|c: char| c.is_control())) || plain != report::printable(&plain) {
        report::talk(report::printable(&plain).trim_end());
    } else {
        report::talk(error.render().ansi().to_string().trim_end());
        if error.kind() == clap::error::ErrorKind::MissingRequiredArgument && plain.contains("<LAB>") {
            report::talk("`netlab list` shows the labs");
        }
    }
    report::finish();
    code
}

/// From here on Ctrl-C is a request: what was begun is finished or taken back. `words` are said to the first one, and
/// `again` to the others.
fn mind_signals((words, again): (&'static str, &'static str)) {
    static LISTENS: std::sync::Once = std::sync::Once::new();
    LISTENS.call_once(|| stop::listen(move |n| report::talk(if n == 1 { words } else { again })));
}

/// For what is taken back when it is interrupted.
const UP: (&str, &str) = ("interrupted; finishing cleanly", "still cleaning up");
/// For what goes on to its end.
const DOWN: (&str, &str) = ("this goes on to its end: half a lab is of no use", "still taking it down");
/// For what changes nothing.
const LOOK: (&str, &str) = ("interrupted", "ending the checks");

/// Completes names of labs to bring up.
fn complete_labs() -> clap_complete::ArgValueCompleter {
    clap_complete::ArgValueCompleter::new(|current: &std::ffi::OsStr| {
        let current = current.to_string_lossy();
        labs::ALL.iter().map(|l| l.name).filter(|n| n.starts_with(&*current)).map(CompletionCandidate::new).collect()
    })
}

/// Completes names of labs that are up.
fn complete_running() -> clap_complete::ArgValueCompleter {
    clap_complete::ArgValueCompleter::new(|current: &std::ffi::OsStr| {
        let current = current.to_string_lossy();
        ground::labs().into_iter().filter(|n| n.starts_with(&*current)).map(CompletionCandidate::new).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
