//! `cargo xtask bench chart`: the chart engine beside Helm. In process beside Helm's own Go SDK, where the same work
//! is compared with the same work; as whole programs, which is what people wait for; over many services; and how the
//! cost grows with the size of a chart.

use super::{Figure, build_example, measure};
use crate::conformance::charts::{Cases, Values, entries};
use crate::e2e;
use crate::e2e::platform::Platform;
use crate::failure::{Doing, Failure, Result, fail};
use crate::peers::{HELM, helm_sdk};
use crate::process::{Scratch, run};
use crate::say;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(30);
/// How often base-service is rendered in a round, and how often each public chart.
const TIMES: usize = 200;
const PUBLIC_TIMES: usize = 3;
/// How many public charts are rendered by whole programs too: the largest.
const LARGE: usize = 3;
/// How deep the folders of a chart may lie.
const MAX_DEPTH: usize = 16;
/// Services of one golden path in one process.
const FLEETS: [usize; 3] = [100, 1_000, 10_000];
/// How many single runs of Helm stand for a fleet of a thousand; the figure is for one of them.
const SINGLE_RUNS: usize = 100;

/// A chart to render.
struct Job {
    name: String,
    chart: PathBuf,
    values: Option<PathBuf>,
}

/// Measures everything `runs` times in turn and prints the tables.
pub(crate) fn run_all(runs: usize, charts: Option<&str>) -> Result<()> {
    let python = helm_sdk::python()?;
    let ours = build_example("chart", "measure")?;
    let growth = build_example("chart", "growth")?;
    let platform = Platform::build_release()?;
    let golden_paths = e2e::helm::built()?;
    let scratch = Scratch::new()?;
    let base = golden_paths.path().join("base-service");
    let full = scratch.path().join("full-values.json");
    let text =
        fs::read_to_string(base.join("ci/full-values.yaml")).doing(|| "read the full values".to_owned())?;
    let values = yaml::parse(&text)
        .map_err(|error| Failure::new(error.to_string()))?
        .value;
    fs::write(&full, values.to_string()).doing(|| "write the full values".to_owned())?;
    let sides = Sides { ours, python };

    let jobs = [
        ("base-service", None),
        ("base-service, full values", Some(full.clone())),
    ]
    .map(|(name, values)| Job {
        name: name.to_owned(),
        chart: base.clone(),
        values,
    });
    say::heading(&format!(
        "in process, chart loaded once, CPU time per render, {runs} runs in turn"
    ));
    let both = sides.measure(&jobs, TIMES, runs)?;
    say::line(side_by_side(&both));

    let mut large = Vec::new();
    if let Some(folder) = charts {
        let jobs = public(Path::new(folder))?;
        say::heading(&format!(
            "the same over {} public charts with their defaults",
            jobs.len()
        ));
        let both = sides.measure(&jobs, PUBLIC_TIMES, runs.min(3))?;
        say::line(spread(&both));
        large = largest(&jobs, &both)?;
    }

    say::heading(&format!("whole programs, {runs} runs in turn"));
    let mut figures = Vec::new();
    for job in jobs.iter().take(1).chain(&large) {
        figures.push(programs(&platform, job, runs, scratch.path())?);
    }
    say::line(program_table(&figures));

    say::heading("services of one golden path");
    for services in FLEETS {
        let line = format!("base-service {services} {}\n", base.display());
        let input = scratch.path().join("fleet");
        fs::write(&input, line).doing(|| "write the fleet".to_owned())?;
        let mut fleet = Command::new("sh");
        fleet
            .args(["-c", "exec \"$0\" < \"$1\""])
            .arg(&sides.ours)
            .arg(&input);
        let (took, peak) = measure(&fleet)?;
        say::line(format!(
            "  {services:>6} in one process   {took:>9.1} ms   {peak:>6.1} MB"
        ));
    }
    let mut single = 0.0;
    for number in 0..SINGLE_RUNS {
        let mut helm = e2e::helm::helm(scratch.path())?;
        helm.arg("template").arg(format!("web-{number}")).arg(&base);
        single += measure(&helm)?.0;
    }
    let thousand = single / SINGLE_RUNS as f64 * 1_000.0;
    say::line(format!(
        "    1000 runs of Helm     {thousand:>9.1} ms   (from {SINGLE_RUNS} runs)"
    ));

    say::heading("growth: twice the size, about twice the CPU time");
    say::line(run(&mut Command::new(&growth), LIMIT)?.success("the example growth")?);
    Ok(())
}

/// The two that render in process.
struct Sides {
    ours: PathBuf,
    python: PathBuf,
}

/// Milliseconds of CPU a render, by job: ours and the SDK's.
type Both = BTreeMap<String, (Figure, Figure)>;

impl Sides {
    fn measure(&self, jobs: &[Job], times: usize, runs: usize) -> Result<Both> {
        let mut both = Both::new();
        let script = crate::root().join("e2e/bench/helm_sdk.py");
        for _ in 0..runs {
            let ours = ask(&mut Command::new(&self.ours), jobs, times)?;
            let theirs = ask(Command::new(&self.python).arg(&script), jobs, times)?;
            for (name, milliseconds) in ours {
                // What one of them cannot render has nothing to be compared with.
                let Some(other) = theirs.get(&name) else { continue };
                let figures = both.entry(name).or_insert_with(|| {
                    let figure = || Figure::new("", "ms", None);
                    (figure(), figure())
                });
                figures.0.values.push(milliseconds);
                figures.1.values.push(*other);
            }
        }
        Ok(both)
    }
}

/// Gives a program all jobs, line by line, and reads what each render cost.
fn ask(command: &mut Command, jobs: &[Job], times: usize) -> Result<BTreeMap<String, f64>> {
    let scratch = Scratch::new()?;
    let input = scratch.path().join("jobs");
    let mut lines = String::new();
    for (number, job) in jobs.iter().enumerate() {
        let values = job.values.as_ref().map(|path| path.display().to_string());
        let _ = writeln!(
            lines,
            "{number} {times} {} {}",
            job.chart.display(),
            values.unwrap_or_default()
        );
    }
    fs::write(&input, lines).doing(|| "write the jobs".to_owned())?;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "input=\"$0\"; exec \"$@\" < \"$input\""])
        .arg(&input)
        .arg(command.get_program())
        .args(command.get_args());
    let told = run(&mut shell, LIMIT)?.success("the renders")?;
    Ok(told
        .lines()
        .filter_map(|line| {
            let (number, milliseconds) = line.split_once(' ')?;
            let job = jobs.get(number.parse::<usize>().ok()?)?;
            Some((job.name.clone(), milliseconds.parse().ok()?))
        })
        .collect())
}

fn side_by_side(both: &Both) -> String {
    let mut text = format!("  {:<34} {:>10} {:>10} {:>8}\n", "", "ours", "Helm SDK", "ratio");
    for (name, (ours, theirs)) in both {
        let (Some([_, ours, _]), Some([_, theirs, _])) = (ours.spread(), theirs.spread()) else {
            continue;
        };
        let _ = writeln!(
            text,
            "  {name:<34} {ours:>7.3} ms {theirs:>7.3} ms {:>7.1}×",
            theirs / ours
        );
    }
    text
}

/// Median and 95th percentile over charts.
fn spread(both: &Both) -> String {
    let medians = |side: fn(&(Figure, Figure)) -> &Figure| {
        let mut medians: Vec<f64> = both
            .values()
            .filter_map(|pair| side(pair).spread().map(|[_, median, _]| median))
            .collect();
        medians.sort_by(f64::total_cmp);
        medians
    };
    let (ours, theirs) = (medians(|pair| &pair.0), medians(|pair| &pair.1));
    let mut text = format!("  {:<34} {:>10} {:>10} {:>8}\n", "", "ours", "Helm SDK", "ratio");
    for (name, share) in [("median chart", 0.5), ("95th percentile", 0.95)] {
        let at = |values: &[f64]| values.get((values.len() as f64 * share) as usize).copied();
        let (Some(ours), Some(theirs)) = (at(&ours), at(&theirs)) else {
            continue;
        };
        let _ = writeln!(
            text,
            "  {name:<34} {ours:>7.3} ms {theirs:>7.3} ms {:>7.1}×",
            theirs / ours
        );
    }
    let _ = writeln!(text, "  {} charts that both render", both.len());
    text
}

/// Charts below a folder, each by its path there.
fn public(folder: &Path) -> Result<Vec<Job>> {
    let cases = Cases::find(folder, None, &[], None, false)?;
    let jobs: Vec<Job> = cases
        .charts
        .into_iter()
        .filter(|case| case.values.contains(&Values::Defaults))
        .map(|case| Job {
            chart: folder.join(&case.chart),
            name: case.chart,
            values: None,
        })
        .collect();
    if jobs.is_empty() {
        fail!("no chart was found below {}", folder.display());
    }
    Ok(jobs)
}

/// Those with the most text in their templates; what costs most are charts that make RSA keys.
fn largest(jobs: &[Job], both: &Both) -> Result<Vec<Job>> {
    let mut sizes = Vec::new();
    for job in jobs.iter().filter(|job| both.contains_key(&job.name)) {
        sizes.push((template_bytes(&job.chart, false, MAX_DEPTH)?, job));
    }
    sizes.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let job = |(_, job): (u64, &Job)| Job {
        name: job.name.clone(),
        chart: job.chart.clone(),
        values: None,
    };
    Ok(sizes.into_iter().take(LARGE).map(job).collect())
}

/// How many bytes the templates of a chart and of its subcharts have.
fn template_bytes(folder: &Path, is_templates: bool, depth: usize) -> Result<u64> {
    let mut bytes = 0;
    for (name, is_folder) in entries(folder)? {
        let path = folder.join(&name);
        if is_folder && depth > 0 {
            bytes += template_bytes(&path, is_templates || name == "templates", depth - 1)?;
        } else if is_templates && !is_folder {
            bytes += fs::metadata(&path)
                .doing(|| format!("read {}", path.display()))?
                .len();
        }
    }
    Ok(bytes)
}

/// One chart by whole programs: time and memory of ours, then of Helm's.
struct Programs {
    name: String,
    figures: [Figure; 4],
}

fn programs(platform: &Platform, job: &Job, runs: usize, home: &Path) -> Result<Programs> {
    let mut figures = ["ms", "MB", "ms", "MB"].map(|unit| Figure::new("", unit, None));
    for _ in 0..runs {
        let user = platform.new_user()?;
        let mut ours = user.command("chart template web");
        ours.arg(&job.chart);
        let mut helm = e2e::helm::helm(home)?;
        helm.args(["template", "web"]).arg(&job.chart);
        for (index, command) in [ours, helm].iter().enumerate() {
            let (took, peak) = measure(command)?;
            figures[index * 2].values.push(took);
            figures[index * 2 + 1].values.push(peak);
        }
    }
    Ok(Programs {
        name: job.name.clone(),
        figures,
    })
}

fn program_table(all: &[Programs]) -> String {
    let helm = format!("helm {}", HELM.version);
    let mut text = format!(
        "  {:<44} {:>20} {helm:>20} {:>8}\n",
        "", "chart template", "ratio"
    );
    for Programs { name, figures } in all {
        let median = |index: usize| figures[index].spread().map_or(0.0, |[_, median, _]| median);
        let cell = |index: usize| format!("{:.1} ms {:.1} MB", median(index), median(index + 1));
        let _ = writeln!(
            text,
            "  {name:<44} {:>20} {:>20} {:>7.1}×",
            cell(0),
            cell(2),
            median(2) / median(0)
        );
    }
    text
}
