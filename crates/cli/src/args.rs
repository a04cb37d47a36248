//! What can be typed: clap types only, one struct a command.

mod chart;
mod install;
mod look;
mod policy;
mod reports;
mod sandbox;
mod service;
mod team;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use chart::{Chart, ChartValues, Given, Lint, Remote, Schema, Template};
pub(crate) use install::{Install, LogFormat, LogLevel, Logging, Operator, Uninstall, Webhook};
pub(crate) use look::{Environment, GoldenPath};
pub(crate) use policy::{ClusterChoice, Policy, PolicyApply, PolicyImpact, PolicyStage, PolicyTest};
pub(crate) use reports::Reports;
pub(crate) use sandbox::{Sandbox, SandboxExport, SandboxImport, SandboxServe};
pub(crate) use service::{Create, Delete, Diff, Get, Render, Service};
pub(crate) use team::{CreateTeam, DeleteTeam, GetTeam, Team};

/// An internal developer platform in one binary.
///
/// Say what you want to run; the platform makes the source repository, the Git change, the Kubernetes objects
/// and the running service of it. Without --context it works in an embedded sandbox: a Kubernetes API inside
/// this program, where pods are simulated.
#[derive(Debug, Parser)]
#[command(
    name = "platform",
    version,
    disable_help_subcommand = true,
    propagate_version = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Where the platform keeps its data [default: $XDG_DATA_HOME/towpath, ~/.local/share/towpath]
    #[arg(
        long,
        global = true,
        env = "TOWPATH_HOME",
        value_name = "FOLDER",
        hide_env_values = true,
        // An empty one gets an answer of its own.
        value_parser = OsStringValueParser::new().map(PathBuf::from)
    )]
    pub home: Option<PathBuf>,
    /// Work on a real cluster, by its name in the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// How to print what was asked for
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Tell what goes on inside (repeat for more)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// A shell that completions are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
    /// PowerShell
    #[value(name = "powershell")]
    Power,
}

/// How to print what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Table,
    /// For programs
    Json,
    /// For programs and people
    Yaml,
    /// A word that only one command knows: a file, or another format
    #[value(skip)]
    Other(&'static str),
}

/// Reads `--output` where more is possible than everywhere.
pub(crate) fn any_output(text: &str) -> Result<Output, String> {
    match Output::from_str(text, false) {
        Ok(output) => Ok(output),
        Err(_) if text.is_empty() => Err("a format or a file is expected".to_owned()),
        // What was typed lives as long as the program.
        Err(_) => Ok(Output::Other(Box::leak(text.to_owned().into_boxed_str()))),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, look at, render and delete services
    #[command(subcommand)]
    Service(Service),
    /// Create, look at and delete teams
    #[command(subcommand)]
    Team(Team),
    /// Look at environments
    #[command(subcommand)]
    Environment(Environment),
    /// Look at golden paths
    #[command(subcommand)]
    GoldenPath(GoldenPath),
    /// Render, check and look into Helm charts
    #[command(subcommand)]
    Chart(Box<Chart>),
    /// Test Kyverno policies, apply them to resources, ask what they would refuse
    #[command(subcommand)]
    Policy(Policy),
    /// Check what a repository or a manifest would deploy, without a server
    Check(Check),
    /// Serve the sandbox for kubectl, with operator and sync loop, until Ctrl-C
    Up(Up),
    /// The embedded Kubernetes API on its own: serve it, write it out, read it in
    #[command(subcommand)]
    Sandbox(Sandbox),
    /// Install the platform on a cluster, or bring it to this version
    Install(Install),
    /// Take the platform off a cluster; services and data stay
    Uninstall(Uninstall),
    /// Keep the Applications and Teams of a cluster true, until Ctrl-C
    Operator(Operator),
    /// Judge what is written to a cluster by its guardrails, at its door, until Ctrl-C
    Webhook(Webhook),
    /// Runs of this platform: what was done, what was left half done
    #[command(subcommand)]
    Operation(Operation),
    /// Print what lets a shell complete commands and options
    Completion {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Write a manual page for each command into a folder
    Man {
        /// The folder; made if it is not there
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Print the version
    Version,
}

/// Which team and environment.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// The team [default: demo, in the sandbox only]
    #[arg(long, short, value_name = "NAME")]
    pub team: Option<String>,
    /// The environment [default: dev]
    #[arg(long, short, value_name = "NAME")]
    pub environment: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The folder of an infrastructure repository, or a manifest file
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// How to print what was found: table, json, yaml, sarif, junit, github or gitlab
    #[arg(id = "output", long = "output", alias = "format", short = 'o', value_name = "FORMAT", value_parser = any_output)]
    pub output: Option<Output>,
    #[command(flatten)]
    pub reports: Reports,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The port to listen on, on this machine only; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 6550)]
    pub port: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Operation {
    /// List runs, newest last
    List,
    /// Go on with a run that was left half done
    Resume {
        /// The run's id
        id: String,
    },
    /// Undo a run that was left half done
    Undo {
        /// The run's id
        id: String,
    },
}

/// `90s`, `5m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    time_within(text, 1..=86_400).map_err(|why| why.unwrap_or_else(|| "not between 1s and 24h".to_owned()))
}

/// How long a certificate lasts: long enough that everybody hears of the next one.
fn lifetime(text: &str) -> Result<Duration, String> {
    time_within(text, 30..=86_400 * 365)
        .map_err(|why| why.unwrap_or_else(|| "not between 30s and 8760h".to_owned()))
}

/// A time; `None` says that it is one, but not of these.
fn time_within(text: &str, seconds: std::ops::RangeInclusive<u64>) -> Result<Duration, Option<String>> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(Some("not a time such as 90s, 5m or 1h".to_owned())),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| Some("not a time such as 90s, 5m or 1h".to_owned()))?;
    let found = number.checked_mul(factor).filter(|s| seconds.contains(s));
    found.map(Duration::from_secs).ok_or(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for bad in ["", "m", "-1s", "1.5h", "0s", "2d", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
