//! `cargo xtask bench guardrails`: the policy engine in process, and `platform policy apply` beside Kyverno's command
//! line over a library of policies.
//!
//! What counts between the two is the marginal cost, so that nobody's start flatters them: many resources minus few, CPU
//! time and peak memory. Both get the same fifty resources over and over. Kyverno gets fewer of them, because as many
//! as ours would take it hours; its figures are for one resource, as ours are.

mod in_process;

use super::{last_lines, measure_cpu};
use crate::conformance::policies as suites;
use crate::e2e::platform::Platform;
use crate::failure::{Doing, Result, fail};
use crate::peers::{self, KYVERNO};
use crate::process::Scratch;
use crate::say;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Different resources; every size below is a multiple.
const DIFFERENT: usize = 50;
/// Resources for us, and for Kyverno: few and many.
const OURS: [usize; 2] = [1_000, 10_000];
const THEIRS: [usize; 2] = [50, 100];
/// How many times less we are to cost.
const GOAL: f64 = 50.0;

/// What a run cost: seconds of CPU, megabytes.
#[derive(Debug, Clone, Copy)]
struct Cost {
    seconds: f64,
    megabytes: f64,
}

/// A small and a large run: how many resources, and what they cost.
#[derive(Debug, Clone, Copy)]
struct Pair {
    sizes: [usize; 2],
    costs: [Cost; 2],
}

/// What can be asked for.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    library: Option<&'a str>,
    kyverno: Option<&'a str>,
    platform: Option<&'a str>,
    alone: bool,
    runs: usize,
}

impl<'a> Options<'a> {
    /// Reads what stands after `bench guardrails`.
    pub(crate) fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut options = Self {
            runs: 3,
            ..Self::default()
        };
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            if argument == "--alone" {
                options.alone = true;
                continue;
            }
            match (argument, arguments.next()) {
                ("--library", Some(&folder)) => options.library = Some(folder),
                ("--kyverno", Some(&binary)) => options.kyverno = Some(binary),
                ("--platform", Some(&binary)) => options.platform = Some(binary),
                ("--runs", Some(number)) => match number.parse() {
                    Ok(number @ 1..=100) => options.runs = number,
                    _ => fail!("--runs needs a number from 1 to 100"),
                },
                _ => fail!(
                    "bench guardrails takes --library DIR, --kyverno BIN, --platform BIN, --alone and --runs N, not {argument}"
                ),
            }
        }
        Ok(options)
    }

    /// Kyverno's command line, where it can be had.
    fn kyverno(&self) -> Result<Option<PathBuf>> {
        if self.alone {
            return Ok(None);
        }
        if let Some(path) = self.kyverno {
            return Ok(Some(PathBuf::from(path)));
        }
        if let Some(reason) = peers::out_of_reach(&[&KYVERNO])? {
            say::line(format!("without Kyverno beside it: {reason}"));
            return Ok(None);
        }
        peers::build(&[&KYVERNO])?;
        Ok(Some(KYVERNO.binary("kyverno")?))
    }
}

/// Measures and prints the tables.
pub(crate) fn run_all(options: &Options<'_>) -> Result<()> {
    let own = crate::root().join("policies");
    let folder = options.library.map_or(own.as_path(), Path::new);
    let library = Library::read(folder)?;
    in_process::run_all(options.library.is_some().then(|| library.all()).transpose()?)?;

    let platform = match options.platform {
        Some(path) => Platform::at(Path::new(path))?,
        None => Platform::build_release()?,
    };
    let kyverno = options.kyverno()?;
    say::heading(&format!(
        "{} as whole programs, {} files of policies, {} resources of {} kinds over and over, {} runs in turn",
        if options.library.is_some() {
            "the library"
        } else {
            "the shipped set on the resources of its tests"
        },
        library.policies.len(),
        library.resources.len(),
        library.kinds(),
        options.runs
    ));
    if options.library.is_none() {
        say::line(
            "  --library DIR takes another library: a folder with policies and their kyverno-test.yaml\n",
        );
    }
    let scratch = Scratch::new()?;
    let ours = |file: &Path| {
        let mut command = Command::new(platform.path());
        command.args(["policy", "apply"]).args(&library.policies);
        command.arg("--resource").arg(file);
        command
    };
    let theirs = |program: &Path, file: &Path| {
        let mut command = Command::new(program);
        command.arg("apply").args(&library.policies);
        command.arg("--continue-on-fail").arg("--resource").arg(file);
        command
    };
    let few = library.file(scratch.path(), THEIRS[0])?;
    let mut results = vec![("platform", results_of(&ours(&few))?)];
    let (mut our_pairs, mut their_pairs) = (Vec::new(), Vec::new());
    for run in 0..options.runs {
        our_pairs.push(library.pair(scratch.path(), OURS, ours)?);
        if let Some(kyverno) = &kyverno {
            if run == 0 {
                results.push(("kyverno", results_of(&theirs(kyverno, &few))?));
            }
            their_pairs.push(library.pair(scratch.path(), THEIRS, |file| theirs(kyverno, file))?);
        }
    }
    say::line(table(&our_pairs, &their_pairs, &results));
    Ok(())
}

/// A library of policies with resources of its suites.
struct Library {
    policies: Vec<PathBuf>,
    resources: Vec<Value>,
}

impl Library {
    fn read(folder: &Path) -> Result<Library> {
        let mut files = Vec::new();
        suites::find(folder, &mut files)?;
        files.sort();
        let (mut policies, mut resources) = (Vec::new(), Vec::new());
        for suite in files {
            policies.extend(suites::named(&suite, "policies"));
            for file in suites::named(&suite, "resources") {
                resources.extend(documents(&file).unwrap_or_default());
            }
        }
        policies.retain(|policy| fs::read_to_string(policy).is_ok_and(|text| judges_alone(&text)));
        for policy in &mut policies {
            *policy = policy
                .canonicalize()
                .doing(|| format!("find {}", policy.display()))?;
        }
        policies.sort();
        policies.dedup();
        // Kinds that Kyverno knows without a cluster; others make it stop.
        let known = [
            "Pod",
            "Deployment",
            "Service",
            "StatefulSet",
            "DaemonSet",
            "CronJob",
            "Job",
            "Ingress",
            "ConfigMap",
            "Secret",
            "Namespace",
            "Role",
            "ClusterRole",
            "RoleBinding",
            "NetworkPolicy",
            "ServiceAccount",
        ];
        resources.retain(|object| object["kind"].as_str().is_some_and(|kind| known.contains(&kind)));
        if policies.is_empty() || resources.is_empty() {
            fail!("{} holds no suites with policies and resources", folder.display());
        }
        // Spread evenly over all there are.
        let stride = resources.len() as f64 / DIFFERENT as f64;
        let resources = (0..DIFFERENT)
            .filter_map(|number| resources.get((number as f64 * stride) as usize).cloned())
            .collect();
        Ok(Library { policies, resources })
    }

    fn kinds(&self) -> usize {
        let mut kinds: Vec<&str> = self
            .resources
            .iter()
            .filter_map(|object| object["kind"].as_str())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.len()
    }

    /// All policies and the resources.
    fn all(&self) -> Result<(Vec<Value>, Vec<Value>)> {
        let mut policies = Vec::new();
        for file in &self.policies {
            policies.extend(documents(file)?);
        }
        Ok((policies, self.resources.clone()))
    }

    /// A file with so many resources.
    fn file(&self, folder: &Path, size: usize) -> Result<PathBuf> {
        let file = folder.join(format!("resources-{size}.yaml"));
        if !file.is_file() {
            let named = |(number, object): (usize, &Value)| {
                let mut object = object.clone();
                object["metadata"]["name"] = format!("r{number}").into();
                object
            };
            let many = self.resources.iter().cycle().take(size).enumerate().map(named);
            let many: Vec<Value> = many.collect();
            fs::write(&file, text(&many)).doing(|| format!("write {}", file.display()))?;
        }
        Ok(file)
    }

    /// The cost of few and of many resources.
    fn pair(&self, folder: &Path, sizes: [usize; 2], command: impl Fn(&Path) -> Command) -> Result<Pair> {
        let mut costs = [Cost {
            seconds: 0.0,
            megabytes: 0.0,
        }; 2];
        for (size, cost) in sizes.iter().zip(&mut costs) {
            let (seconds, megabytes) = measure_cpu(&command(&self.file(folder, *size)?))?;
            *cost = Cost { seconds, megabytes };
        }
        Ok(Pair { sizes, costs })
    }
}

/// The documents of a file.
fn documents(file: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(file).doing(|| format!("read {}", file.display()))?;
    match yaml::parse_all(&text) {
        Ok(documents) => Ok(documents.into_iter().map(|document| document.value).collect()),
        Err(error) => fail!("{} is no YAML: {error}", file.display()),
    }
}

/// Documents as one text.
fn text(documents: &[Value]) -> String {
    let mut text = String::new();
    for document in documents {
        text.push_str("---\n");
        text.push_str(&yaml::emit(document));
    }
    text
}

/// Whether policies say what they say without asking anything and without changing anything.
fn judges_alone(text: &str) -> bool {
    let asks = [
        "verifyImages:",
        "imageRegistry:",
        "apiCall:",
        "configMap:",
        "ImageValidatingPolicy",
        "resource.Get",
        "resource.List",
        "image.",
        "kind: MutatingPolicy",
        "kind: GeneratingPolicy",
        "mutate:",
        "generate:",
    ];
    !asks.iter().any(|word| text.contains(word))
}

/// What a run counts: `pass: 1, fail: 2, warn: 0, error: 0, skip: 3`.
fn results_of(command: &Command) -> Result<[usize; 5]> {
    let said = last_lines(command)?;
    let Some(counts) = said.lines().rev().find_map(counts) else {
        fail!("no line with pass, fail, warn, error and skip:\n{said}")
    };
    Ok(counts)
}

fn counts(line: &str) -> Option<[usize; 5]> {
    let mut counts = [0; 5];
    let mut parts = line.trim().split(", ");
    for (count, name) in counts.iter_mut().zip(["pass", "fail", "warn", "error", "skip"]) {
        let number = parts.next()?.strip_prefix(name)?.strip_prefix(": ")?;
        *count = number.trim().parse().ok()?;
    }
    Some(counts)
}

/// CPU milliseconds and kilobytes of peak memory that one more resource costs: the medians of the runs.
fn marginal(pairs: &[Pair]) -> Option<[f64; 2]> {
    let median = |figure: fn(&Cost) -> f64| {
        let mut each: Vec<f64> = pairs
            .iter()
            .map(
                |Pair {
                     sizes: [few, many],
                     costs: [less, more],
                 }| { (figure(more) - figure(less)) * 1e3 / (many - few) as f64 },
            )
            .collect();
        each.sort_by(f64::total_cmp);
        each.get(each.len() / 2).copied()
    };
    Some([median(|cost| cost.seconds)?, median(|cost| cost.megabytes)?])
}

fn table(ours: &[Pair], theirs: &[Pair], results: &[(&str, [usize; 5])]) -> String {
    let mut text = format!(
        "{:<10} {:>18} {:>18} {:>14} {:>11} {:>11} {:>11}\n",
        "", "resources", "CPU s", "peak MB", "ms/resource", "kB/resource", "us/result"
    );
    for (name, pairs) in [("platform", ours), ("kyverno", theirs)] {
        let (
            Some(Pair {
                sizes: [few, many],
                costs: [less, more],
            }),
            Some([milliseconds, kilobytes]),
        ) = (pairs.get(pairs.len() / 2), marginal(pairs))
        else {
            continue;
        };
        let said = results.iter().find(|(who, _)| *who == name);
        let each = said.map_or(0, |(_, counts)| counts.iter().sum()) as f64 / THEIRS[0] as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<10} {:>18} {:>18} {:>14} {milliseconds:>11.3} {kilobytes:>11.1} {:>11.2}",
            format!("{few} and {many}"),
            format!("{:.2} and {:.2}", less.seconds, more.seconds),
            format!("{:.0} and {:.0}", less.megabytes, more.megabytes),
            milliseconds * 1e3 / each.max(1.0),
        );
    }
    let _ = writeln!(text, "\nresults on the first {} resources", THEIRS[0]);
    for (name, [pass, fail, warn, error, skip]) in results {
        let _ = writeln!(
            text,
            "{name:<10} {pass} pass, {fail} fail, {warn} warn, {error} error, {skip} skip"
        );
    }
    if let (Some(ours), Some(theirs)) = (marginal(ours), marginal(theirs)) {
        text.push('\n');
        for (what, ours, theirs) in [
            ("CPU time", ours[0], theirs[0]),
            ("peak memory", ours[1], theirs[1]),
        ] {
            let times = theirs / ours;
            let verdict = if times >= GOAL { "met" } else { "MISSED" };
            let _ = writeln!(
                text,
                "one more resource costs {times:.0} times less {what}; goal {GOAL} times: {verdict}"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_what_one_more_costs() {
        let pair = |sizes, seconds: [f64; 2], megabytes: [f64; 2]| Pair {
            sizes,
            costs: [0, 1].map(|at| Cost {
                seconds: seconds[at],
                megabytes: megabytes[at],
            }),
        };
        let ours = [pair([1_000, 10_000], [1.0, 10.0], [20.0, 110.0])];
        let theirs = [pair([50, 100], [10.0, 60.0], [300.0, 325.0])];
        let results = [("platform", [5, 0, 0, 0, 0]), ("kyverno", [5, 0, 0, 0, 0])];
        assert_eq!(marginal(&ours), Some([1.0, 10.0]));
        assert_eq!(marginal(&theirs), Some([1_000.0, 500.0]));
        let table = table(&ours, &theirs, &results);
        assert!(
            table.contains("1000 times less CPU time; goal 50 times: met"),
            "{table}"
        );
        assert!(
            table.contains("50 times less peak memory; goal 50 times: met"),
            "{table}"
        );
        assert!(!super::table(&ours, &[], &results).contains("goal"));
    }

    #[test]
    fn counts_are_read_from_the_last_line() {
        let check = |line: &str, expect: Option<[usize; 5]>| assert_eq!(counts(line), expect, "{line}");
        check(
            "pass: 1163, fail: 617, warn: 0, error: 48, skip: 105 ",
            Some([1_163, 617, 0, 48, 105]),
        );
        check("pass: 1, fail: 2", None);
        check("Applying 3 policy rule(s) to 1 resource(s)...", None);
    }

    #[test]
    fn without_a_library_the_shipped_set_is_one() {
        let library = Library::read(&crate::root().join("policies")).unwrap();
        assert_eq!(library.resources.len(), DIFFERENT);
        assert!(library.policies.len() > 20 && library.kinds() > 4);
    }
}
