//! `cargo xtask conformance chart`: how near the chart engine is to Helm, over charts that others wrote.
//!
//! Every chart below a folder is rendered with its default values, its CI values and its example values, once by
//! Helm as a process and once by our crate in this one. What counts is the same parsed objects in the same order
//! and the same exit behaviour; equal bytes are counted beside it. What Helm itself changes from run to run (random
//! and time functions) is found by running it again, and left out of the comparison.

pub(crate) mod asked;
pub(crate) mod cel;
pub(crate) mod charts;
mod compare;
pub(crate) mod jmespath;
mod known;
pub(crate) mod kubernetes;
mod language;
pub(crate) mod merge;
pub(crate) mod policies;
mod render;
pub(crate) mod sandbox;
mod suites;
mod table;
mod text_proto;
mod variants;
mod words;

use crate::failure::{Doing, Result, fail};
use crate::process::Scratch;
use crate::say;
use charts::{Case, Cases, Listed, Values};
use compare::Verdict;
use render::{Helm, Ours};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;
use words::Words;

/// How often Helm is run to see what it changes itself: the order of a map's keys may be the same twice by chance.
const RUNS: u8 = 4;
/// How many charts are worked on at once.
const WORKERS: usize = 2;
/// Templates may nest as deep as they may in a thread that a caller starts for them.
const STACK: usize = 16 << 20;

/// What can be asked for.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    charts: Option<&'a str>,
    helm: Option<&'a str>,
    only: Vec<&'a str>,
    limit: Option<usize>,
    list: Option<&'a str>,
    report: Option<&'a str>,
    kept: Option<&'a str>,
    variants: bool,
}

impl<'a> Options<'a> {
    /// Reads what stands after `conformance chart`.
    pub(crate) fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = Words::of(arguments);
        while let Some(option) = words.option() {
            match option {
                "--charts" => options.charts = Some(words.value()?),
                "--helm" => options.helm = Some(words.value()?),
                "--only" => options.only.push(words.value()?),
                "--list" => options.list = Some(words.value()?),
                "--report" => options.report = Some(words.value()?),
                "--variants" => options.variants = true,
                "--kept" => options.kept = Some(words.value()?),
                "--limit" => match words.value()?.parse() {
                    Ok(limit) => options.limit = Some(limit),
                    Err(_) => fail!("--limit needs a number"),
                },
                other => fail!("conformance chart has no option {other}"),
            }
        }
        Ok(options)
    }
}

/// What came of one case.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The chart's folder below the folder of all charts.
    chart: String,
    /// What the values are called.
    values: String,
    verdict: Verdict,
}

/// Renders everything with both and prints the table.
pub(crate) fn chart(options: &Options<'_>) -> Result<()> {
    let Some(folder) = options.charts.map(Path::new) else {
        fail!("--charts needs the folder that holds the charts")
    };
    let scratch = Scratch::new()?;
    let helm = Helm::new(options.helm, scratch.path(), options.kept)?;
    let listed = match options.list {
        Some(list) => Some(Listed::read(Path::new(list))?),
        None => None,
    };
    let (only, limit) = (&options.only, options.limit);
    let Cases { charts, absent } = Cases::find(folder, listed.as_ref(), only, limit, options.variants)?;
    if charts.is_empty() {
        fail!("no chart was found below {}", folder.display());
    }
    say::line(format!(
        "{} charts, {} cases, Helm {}",
        charts.len(),
        charts.iter().map(|chart| chart.values.len()).sum::<usize>(),
        helm.version()
    ));
    let started = Instant::now();
    let queue = Mutex::new(VecDeque::from(charts));
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| -> Result<()> {
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            let work = || -> Result<()> {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(chart) = next else { return Ok(()) };
                    let done = one_chart(folder, &chart, &helm)?;
                    outcomes
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(done);
                }
            };
            let worker = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
            workers.push(worker.doing(|| "start a thread".to_owned())?);
        }
        for worker in workers {
            if let Ok(result) = worker.join() {
                result?;
            } else {
                fail!("a worker stopped by itself");
            }
        }
        Ok(())
    })?;
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by(|left, right| (&left.chart, &left.values).cmp(&(&right.chart, &right.values)));
    say::line(table::summary(&outcomes, absent, helm.version()));
    say::line(format!("took {}", say::duration(started.elapsed())));
    if let Some(report) = options.report {
        fs::write(report, table::report(&outcomes)).doing(|| format!("write {report}"))?;
        say::line(format!("what differs is in {report}"));
    }
    Ok(())
}

fn one_chart(folder: &Path, chart: &Case, helm: &Helm) -> Result<Vec<Outcome>> {
    let path: PathBuf = folder.join(&chart.chart);
    let ours = Ours::load(&path);
    let scratch = Scratch::new()?;
    let mut outcomes = Vec::new();
    for values in &chart.values {
        let file = match values {
            Values::Defaults => None,
            Values::File(file) => Some(path.join(file)),
            Values::Made { values, .. } => {
                let file = scratch.path().join("values.json");
                fs::write(&file, values.to_string()).doing(|| format!("write {}", file.display()))?;
                Some(file)
            }
        };
        let name = format!("{}@{}", chart.chart, values.name());
        let theirs = helm.render(&name, &path, file.as_deref(), 1)?;
        let mine = ours.render(file.as_deref());
        let mut verdict = compare::compare(&mine, &theirs, &theirs);
        for time in 2..=RUNS {
            if !verdict.is_difference() {
                break;
            }
            let again = helm.render(&name, &path, file.as_deref(), time)?;
            verdict = compare::compare(&mine, &theirs, &again);
        }
        outcomes.push(Outcome {
            chart: chart.chart.clone(),
            values: values.name().to_owned(),
            verdict,
        });
    }
    Ok(outcomes)
}
