//! What each command does: open, call the use case, print.

mod chart;
mod check;
mod install;
mod learn;
mod look;
mod operation;
mod operator;
mod policy;
mod reports;
mod sandbox;
mod serve;
mod service;
mod team;
mod webhook;

use operations::{ExitCode, OperationError};

use crate::args::{Cli, Command, Global};
use crate::print::talk::Talk;
use crate::print::{data, plain, value};

/// Runs a command to its exit code.
pub(crate) fn run(talk: &Talk, cli: Cli) -> Result<ExitCode, OperationError> {
    let global = cli.global;
    match cli.command {
        Command::Service(command) => service::run(talk, &global, command),
        Command::Team(command) => team::run(talk, &global, command),
        Command::Environment(command) => look::environment(&global, command),
        Command::GoldenPath(command) => look::golden_path(&global, command),
        Command::Chart(command) => chart::run(talk, &global, *command),
        Command::Policy(command) => policy::run(talk, &global, command),
        Command::Check(check) => check::run(&global, &check),
        Command::Up(up) => serve::up(talk, &global, &up),
        Command::Sandbox(command) => sandbox::run(talk, &global, command),
        Command::Install(asked) => install::install(talk, &global, asked),
        Command::Uninstall(asked) => install::uninstall(talk, &global, &asked),
        Command::Operator(asked) => operator::run(&global, &asked),
        Command::Webhook(asked) => webhook::run(&global, &asked),
        Command::Operation(command) => operation::run(talk, &global, command),
        Command::Completion { shell } => learn::completion(shell),
        Command::Man { folder } => learn::man(talk, &folder),
        Command::Version => {
            let version = env!("CARGO_PKG_VERSION");
            let shown = serde_json::json!({"version": version, "goldenPaths": golden_paths()});
            printed(value(global.output, &shown, || format!("platform {version}\n")))
        }
    }
}

fn golden_paths() -> Vec<String> {
    let names = expansion::builtin::GOLDEN_PATHS;
    names
        .iter()
        .filter_map(|name| expansion::builtin::golden_path(name).ok())
        .map(|path| path.id())
        .collect()
}

/// What a command that changes something says first.
fn greeting(global: &Global) -> String {
    match &global.context {
        None => "Using the sandbox: pods are simulated. A real cluster: --context NAME.\n".to_owned(),
        Some(name) => format!("Using the cluster of context {name}.\n"),
    }
}

/// The option that leads another command to the same cluster.
fn context_flag(global: &Global) -> String {
    match &global.context {
        Some(name) => format!(" --context {name}"),
        None => String::new(),
    }
}

/// The exit code of having printed something.
pub(crate) fn printed(outcome: std::io::Result<()>) -> Result<ExitCode, OperationError> {
    outcome
        .map(|()| ExitCode::Done)
        .map_err(OperationError::io("write", "standard output"))
}

/// Prints text for people to stdout.
pub(crate) fn print_text(text: &str) -> Result<ExitCode, OperationError> {
    printed(data(&plain::lines(text)))
}

/// Prints to stdout what other programs read too, as it is.
pub(crate) fn print_exact(text: &str) -> Result<ExitCode, OperationError> {
    printed(data(text))
}
