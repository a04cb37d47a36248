//! `cargo xtask bench`: what a person at the keyboard waits for, whole processes of the release build, beside
//! their goals.
//!
//! Everything is measured several times, the subjects in turn, on the same machine; minimum, median and maximum
//! are printed and the median is held against the goal.

pub(crate) mod chart;
mod load;
pub(crate) mod policies;
pub(crate) mod sandbox;
pub(crate) mod webhook;

use crate::e2e::main_job::CREATE;
use crate::e2e::platform::Platform;
use crate::failure::{Doing, Result, fail};
use crate::peers::{self, HELM};
use crate::process::{Scratch, run};
use crate::test::cargo;
use crate::{e2e, say};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;
use std::env;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_mins(30);
const BUILD: Duration = Duration::from_mins(45);

/// One line of the table: figures of one kind.
struct Figure {
    what: &'static str,
    unit: &'static str,
    goal: Option<f64>,
    values: Vec<f64>,
}

impl Figure {
    const fn new(what: &'static str, unit: &'static str, goal: Option<f64>) -> Self {
        Self {
            what,
            unit,
            goal,
            values: Vec::new(),
        }
    }

    /// Minimum, median and maximum.
    fn spread(&self) -> Option<[f64; 3]> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        Some([*sorted.first()?, *sorted.get(sorted.len() / 2)?, *sorted.last()?])
    }
}

/// Measures `runs` times and prints the table.
pub(crate) fn run_all(runs: usize) -> Result<()> {
    let platform = Platform::build_release()?;
    let helm = match peers::out_of_reach(&[&HELM])? {
        None => {
            peers::build(&[&HELM])?;
            true
        }
        Some(reason) => {
            say::line(format!("without Helm beside it: {reason}"));
            false
        }
    };
    let mut job = Figure::new("the main job in an empty home", "ms", Some(1_500.0));
    let mut job_memory = Figure::new("  its largest process, peak memory", "MB", Some(80.0));
    let mut render = Figure::new("service render", "ms", Some(15.0));
    let mut render_memory = Figure::new("  its peak memory", "MB", None);
    let mut up = Figure::new("platform up until /readyz answers over HTTPS", "ms", Some(300.0));
    let mut template = Figure::new("helm template of the same golden path", "ms", None);
    let mut template_memory = Figure::new("  its peak memory", "MB", None);
    let golden_paths = if helm { Some(e2e::helm::built()?) } else { None };
    let scratch = Scratch::new()?;
    for _ in 0..runs {
        let user = platform.new_user()?;
        let (took, peak) = measure(&user.command(CREATE))?;
        job.values.push(took);
        job_memory.values.push(peak);

        let (took, peak) = measure(&user.command("service render api-gateway"))?;
        render.values.push(took);
        render_memory.values.push(peak);
        if let Some(golden_paths) = &golden_paths {
            let chart = golden_paths.path().join("base-service");
            let mut command = e2e::helm::helm(scratch.path())?;
            command.args(["template", "api-gateway"]).arg(&chart);
            command.arg("--values").arg(chart.join("ci/full-values.yaml"));
            let (took, peak) = measure(&command)?;
            template.values.push(took);
            template_memory.values.push(peak);
        }

        let newcomer = platform.new_user()?;
        let (_daemon, took) = newcomer.up()?;
        up.values.push(took.as_secs_f64() * 1_000.0);
    }
    let mut figures = vec![job, job_memory, up, render, render_memory];
    if helm {
        figures.extend([template, template_memory]);
    }
    say::line(table(&figures, runs));
    Ok(())
}

/// Time in milliseconds and peak memory in megabytes of a command that must succeed.
///
/// The kernel keeps the peak over all children a process ever had, so each command gets a parent of its own: this
/// program, started as [`measure_one`].
fn measure(command: &Command) -> Result<(f64, f64)> {
    let [milliseconds, megabytes, _] = figures(command)?;
    Ok((milliseconds, megabytes))
}

/// CPU time in seconds and peak memory in megabytes of a command that may also end with 1: a policy was broken.
fn measure_cpu(command: &Command) -> Result<(f64, f64)> {
    let [_, megabytes, seconds] = figures(&tolerant(command, "\"$@\" 2>/dev/null || test $? -eq 1"))?;
    Ok((seconds, megabytes))
}

/// The last lines that such a command says.
fn last_lines(command: &Command) -> Result<String> {
    let script = "{ \"$@\" 2>/dev/null || test $? -eq 1 || echo failed; } | tail -n 3";
    run(&mut tolerant(command, script), LIMIT)?.success("the command")
}

fn tolerant(command: &Command, script: &str) -> Command {
    let mut tolerant = Command::new("sh");
    tolerant.args(["-c", script, "sh"]);
    tolerant.arg(command.get_program()).args(command.get_args());
    tolerant
}

/// Builds an example of a crate for release.
fn build_example(package: &str, name: &str) -> Result<PathBuf> {
    let arguments = ["build", "--release", "--package", package, "--example", name];
    let mut command = cargo(&[&arguments[..], &["--message-format", "json-render-diagnostics"]].concat());
    let said = run(&mut command, BUILD)?.success("cargo build")?;
    let executable = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    match executable {
        Some(path) => Ok(path),
        None => fail!("cargo build made no example {name}"),
    }
}

fn figures(command: &Command) -> Result<[f64; 3]> {
    let program = env::current_exe().doing(|| "find this program".to_owned())?;
    let mut parent = Command::new(program);
    parent
        .arg("measure-one")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => parent.env(name, value),
            None => parent.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        parent.current_dir(folder);
    }
    let told = run(&mut parent, LIMIT)?.success("the measured command")?;
    let numbers: Vec<f64> = told
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    match numbers.as_slice() {
        [milliseconds, megabytes, seconds] => Ok([*milliseconds, *megabytes, *seconds]),
        _ => fail!("the measurement said {told:?}"),
    }
}

/// Runs one command with its standard output thrown away, and prints its time in milliseconds, the peak resident
/// memory, in megabytes, of the largest process among it and the children it waited for, and their CPU seconds.
pub(crate) fn measure_one(command: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = command else {
        fail!("measure-one needs a command")
    };
    let started = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .doing(|| format!("run {program}"))?;
    let took = started.elapsed();
    if !status.success() {
        fail!("{program} ended with {status}");
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).doing(|| "read the memory used".to_owned())?;
    // Linux counts kibibytes.
    let megabytes = usage.max_rss() as f64 * 1_024.0 / 1e6;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    say::line(format!("{} {megabytes} {cpu}", took.as_secs_f64() * 1_000.0));
    Ok(())
}

fn table(figures: &[Figure], runs: usize) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "\nrelease build, whole processes, {runs} runs in turn, {cores} cores, Helm {}\n\n{:<46} {:>9} {:>9} {:>9} {:>9}  verdict\n",
        HELM.version, "", "min", "median", "max", "goal"
    );
    for figure in figures {
        let Some([min, median, max]) = figure.spread() else {
            continue;
        };
        let unit = figure.unit;
        let (goal, verdict) = match figure.goal {
            Some(goal) if median <= goal => (format!("{goal} {unit}"), "met"),
            Some(goal) => (format!("{goal} {unit}"), "MISSED"),
            None => (String::new(), ""),
        };
        let cell = |value: f64| format!("{value:.1} {unit}");
        let _ = writeln!(
            text,
            "{:<46} {:>9} {:>9} {:>9} {goal:>9}  {verdict}",
            figure.what,
            cell(min),
            cell(median),
            cell(max)
        );
    }
    let median = |what: &str| {
        figures
            .iter()
            .find(|it| it.what == what)
            .and_then(Figure::spread)
            .map(|it| it[1])
    };
    if let (Some(ours), Some(theirs)) = (
        median("service render"),
        median("helm template of the same golden path"),
    ) {
        let _ = writeln!(
            text,
            "\nservice render takes {:.2} of the time of helm template, with expansion and guardrails besides.",
            ours / theirs
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_held_against_the_goal() {
        let figure = |goal, values: &[f64]| Figure {
            values: values.to_vec(),
            ..Figure::new("up", "ms", Some(goal))
        };
        let check = |goal, values: &[f64], expect: &str| {
            let table = table(&[figure(goal, values)], values.len());
            let line = table.lines().find(|line| line.starts_with("up")).unwrap();
            assert_eq!(line.split_whitespace().collect::<Vec<_>>().join(" "), expect);
        };
        check(
            300.0,
            &[310.0, 120.0, 250.0],
            "up 120.0 ms 250.0 ms 310.0 ms 300 ms met",
        );
        check(
            300.0,
            &[310.0, 120.0, 301.0],
            "up 120.0 ms 301.0 ms 310.0 ms 300 ms MISSED",
        );
    }
}
