//! The `platform` binary: reads what was typed, wires the parts, prints what came of it.
//!
//! Everything that decides anything lives in the crates below; a command here is a page of code.

mod args;
mod commands;
mod engine;
mod home;
mod print;
mod session;

use std::process::ExitCode as ProcessExit;

use clap::Parser;
use operations::{ExitCode, OperationError};

use args::{Cli, Command, LogFormat, LogLevel, Logging};
use print::failure;
use print::talk::Talk;

fn main() -> ProcessExit {
    let talk = Talk::new();
    let code = match Cli::try_parse() {
        Ok(cli) => run(&talk, cli),
        Err(error) => failure::usage(&talk, &error),
    };
    ProcessExit::from(code.number())
}

fn run(talk: &Talk, cli: Cli) -> ExitCode {
    match &cli.command {
        // What runs for ever in a cluster writes a log in any case.
        Command::Operator(operator) => log(talk, operator.logging),
        Command::Webhook(webhook) => log(talk, webhook.logging),
        _ => trace(talk, cli.global.verbose),
    }
    match commands::run(talk, cli) {
        Ok(code) => code,
        Err(error) => failure::operation(talk, &error),
    }
}

/// What goes on inside, on stderr, for those who ask.
fn trace(talk: &Talk, verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "info,kube=warn",
        2 => "debug,hyper=info,rustls=info,kube=info",
        _ => "trace,hyper=info,rustls=info",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(talk.colourful())
        .with_target(false)
        .init();
}

/// The log of what runs for ever: on stderr, for people on a terminal and for machines elsewhere.
fn log(talk: &Talk, asked: Logging) {
    let level = match asked.log_level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info,kube=warn",
        LogLevel::Debug => "debug,hyper=info,rustls=info,kube=info",
        LogLevel::Trace => "trace,hyper=info,rustls=info",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(std::io::stderr);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let format = asked.log_format.unwrap_or(if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    match format {
        LogFormat::Text => subscriber.with_ansi(talk.colourful()).with_target(false).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).with_ansi(false).init(),
    }
}

/// A runtime for commands that need one: two workers are plenty for a command line.
fn runtime() -> Result<tokio::runtime::Runtime, OperationError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(OperationError::io("start threads for", "platform"))
}
