//! `cargo xtask test`: everything a change must pass, on a clean clone with nothing prepared.

use crate::failure::{Result, fail};
use crate::process::{run as run_quietly, run_aloud};
use crate::{say, tools};
use serde_json::Value;
use std::env;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// No step takes this long on a working machine, not even the first build on two cores.
const LIMIT: Duration = Duration::from_mins(45);

/// Runs the steps in order and stops at the first that fails, whose output is then the last thing to be seen.
pub(crate) fn run() -> Result<()> {
    tools::need(&[tools::GIT])?;
    let mut steps: Vec<(&str, &[&str])> = vec![
        ("formatting", &["fmt", "--all", "--check"]),
        (
            "lints",
            &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        ),
        ("tests", &["test", "--workspace"]),
    ];
    if tools::in_path("cargo-deny").is_some() {
        steps.push(("dependencies", &["deny", "check", "bans", "licenses", "sources"]));
    } else {
        say::line("without the check of dependencies: cargo install cargo-deny brings it");
    }
    let mut times = Vec::new();
    for (name, arguments) in steps {
        say::heading(&format!("{name}: cargo {}", arguments.join(" ")));
        let started = Instant::now();
        let status = run_aloud(&mut cargo(arguments), LIMIT)?;
        let took = started.elapsed();
        if !status.success() {
            fail!("{name} failed after {}", say::duration(took));
        }
        times.push((name, took));
    }
    say::heading("all passed");
    for (name, took) in times {
        say::done(name, took);
    }
    Ok(())
}

/// The cargo that runs us, told not to draw bars into a log.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(crate::root());
    if !std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_PROGRESS_WHEN", "never");
    }
    if env::var_os("CI").is_some() {
        // Nothing is built twice in a row there; the files of incremental builds only cost time and disk.
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// Builds a program of this workspace with `cargo build` and these options, and returns where it is.
pub(crate) fn built(options: &[&str], target: &str, prepare: impl FnOnce(&mut Command)) -> Result<PathBuf> {
    let mut arguments = vec!["build", "--message-format", "json-render-diagnostics"];
    arguments.extend(options);
    let mut command = cargo(&arguments);
    prepare(&mut command);
    let finished = run_quietly(&mut command, LIMIT)?;
    if !finished.status.success() {
        fail!(
            "cargo build ended with {}:\n{}",
            finished.status,
            finished.stderr.trim()
        );
    }
    // Cargo knows best where it put it.
    let executable = finished
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == target)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    match executable {
        Some(path) => Ok(path),
        None => fail!("cargo build made no program {target}"),
    }
}
