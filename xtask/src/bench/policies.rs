//! `cargo xtask bench guardrails`: the policy engine beside Kyverno's command line, over a library of policies.
//!
//! What counts is the marginal cost, so that nobody's start flatters them: a large set of resources minus a small
//! one, CPU time and peak memory. Kyverno gets smaller sets, because the large ones would take it hours; its figures
//! are for one resource, as ours are.

use super::measure_cpu;
use crate::e2e::platform::Platform;
use crate::failure::{Doing, Result, fail};
use crate::peers::{self, KYVERNO};
use crate::process::Scratch;
use crate::say;
use guardrails::{Policies, Request};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Resources for us, and for Kyverno: small and large.
const OURS: [usize; 2] = [1_000, 10_000];
const THEIRS: [usize; 2] = [10, 50];
/// How often one object is judged for the figures in process.
const TIMES: usize = 2_000;

/// What a run cost: seconds of CPU, megabytes.
#[derive(Debug, Clone, Copy)]
struct Cost {
    seconds: f64,
    megabytes: f64,
}

/// What can be asked for.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    library: Option<&'a str>,
    kyverno: Option<&'a str>,
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
                ("--runs", Some(number)) => match number.parse() {
                    Ok(number @ 1..=100) => options.runs = number,
                    _ => fail!("--runs needs a number from 1 to 100"),
                },
                _ => fail!(
                    "bench guardrails takes --library DIR, --kyverno BIN, --alone and --runs N, not {argument}"
                ),
            }
        }
        Ok(options)
    }
}

/// Measures and prints the tables.
pub(crate) fn run_all(options: &Options<'_>) -> Result<()> {
    in_process()?;
    let Some(folder) = options.library else {
        say::line("\n--library DIR measures a library of policies, beside Kyverno");
        return Ok(());
    };
    let platform = Platform::build_release()?;
    let kyverno = match (options.alone, options.kyverno) {
        (true, _) => None,
        (false, Some(path)) => Some(PathBuf::from(path)),
        (false, None) => {
            peers::build(&[&KYVERNO])?;
            Some(KYVERNO.binary("kyverno")?)
        }
    };
    let library = Library::read(Path::new(folder))?;
    let scratch = Scratch::new()?;
    say::heading(&format!(
        "{} policies, resources of {} kinds, {} runs in turn",
        library.policies.len(),
        library.kinds(),
        options.runs
    ));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        ours.push(library.pair(scratch.path(), OURS, |file| {
            let mut command = Command::new(platform.path());
            command
                .args(["policy", "apply"])
                .args(&library.policies)
                .arg("--resource")
                .arg(file);
            command
        })?);
        if let Some(kyverno) = &kyverno {
            theirs.push(library.pair(scratch.path(), THEIRS, |file| {
                let mut command = Command::new(kyverno);
                command
                    .arg("apply")
                    .args(&library.policies)
                    .arg("--continue-on-fail");
                command.arg("--resource").arg(file);
                command
            })?);
        }
    }
    say::line(table(&ours, &theirs));
    Ok(())
}

/// The shipped set on one Deployment, and what a rule costs.
fn in_process() -> Result<()> {
    let folder = crate::root().join("policies");
    let mut policies = Policies::default();
    for file in yaml_files(&folder)? {
        let text = fs::read_to_string(&file).doing(|| format!("read {}", file.display()))?;
        let Ok(documents) = yaml::parse_all(&text) else {
            fail!("{} is no YAML", file.display())
        };
        match Policies::load(&file.display().to_string(), &documents) {
            Ok(loaded) => policies.merge(loaded),
            Err(error) => fail!("{error}"),
        }
    }
    let object = serde_json::json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "api", "namespace": "demo", "labels": {"app.kubernetes.io/name": "api"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "api"}}, "template": {
            "metadata": {"labels": {"app": "api"}},
            "spec": {"serviceAccountName": "api", "containers": [{
                "name": "api", "image": "registry.internal/api:v1",
                "ports": [{"containerPort": 8080}],
                "env": [{"name": "LOG_LEVEL", "value": "info"}],
                "resources": {"limits": {"cpu": "1", "memory": "256Mi"}},
                "securityContext": {"runAsNonRoot": true, "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]}},
            }]},
        }},
    });
    let rules = policies.evaluate(&Request::new(&object)).len();
    let mut best = f64::MAX;
    for _ in 0..5 {
        let started = Instant::now();
        for _ in 0..TIMES {
            std::hint::black_box(policies.evaluate(std::hint::black_box(&Request::new(&object))));
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e6 / TIMES as f64);
    }
    let verdict = if best <= 50.0 { "met" } else { "MISSED" };
    say::line(format!(
        "the shipped set ({} policies, {rules} rules about it) on one Deployment: {best:.1} us, goal 50 us: {verdict}; {:.0} ns a rule",
        policies.len(),
        best * 1_000.0 / rules.max(1) as f64
    ));
    Ok(())
}

/// A library of policies with resources of its suites.
struct Library {
    policies: Vec<PathBuf>,
    resources: Vec<Value>,
}

impl Library {
    fn read(folder: &Path) -> Result<Library> {
        let mut suites = Vec::new();
        crate::conformance::policies::find(folder, &mut suites)?;
        suites.sort();
        let (mut policies, mut resources) = (Vec::new(), Vec::new());
        for suite in suites {
            policies.extend(crate::conformance::policies::named(&suite, "policies"));
            for file in crate::conformance::policies::named(&suite, "resources") {
                let text = fs::read_to_string(&file).unwrap_or_default();
                let documents = yaml::parse_all(&text).unwrap_or_default();
                resources.extend(documents.into_iter().map(|document| document.value));
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

    /// The cost of a small and of a large set of resources.
    fn pair(
        &self,
        scratch: &Path,
        sizes: [usize; 2],
        command: impl Fn(&Path) -> Command,
    ) -> Result<([usize; 2], [Cost; 2])> {
        let mut costs = [Cost {
            seconds: 0.0,
            megabytes: 0.0,
        }; 2];
        for (size, cost) in sizes.iter().zip(&mut costs) {
            let file = scratch.join(format!("resources-{size}.yaml"));
            if !file.is_file() {
                fs::write(&file, self.text(*size)).doing(|| format!("write {}", file.display()))?;
            }
            let (seconds, megabytes) = measure_cpu(&command(&file))?;
            *cost = Cost { seconds, megabytes };
        }
        Ok((sizes, costs))
    }

    /// So many resources, spread over all there are, each with a name of its own.
    fn text(&self, size: usize) -> String {
        let mut text = String::new();
        for (number, object) in self
            .resources
            .iter()
            .step_by(37)
            .chain(&self.resources)
            .cycle()
            .take(size)
            .enumerate()
        {
            let mut object = object.clone();
            object["metadata"]["name"] = format!("r{number}").into();
            text.push_str("---\n");
            text.push_str(&yaml::emit(&object));
        }
        text
    }
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

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).doing(|| format!("read {}", folder.display()))? {
        let path = entry.doing(|| format!("read {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// CPU milliseconds that one more resource costs: the median of the runs.
fn marginal(runs: &[([usize; 2], [Cost; 2])]) -> Option<f64> {
    let mut costs: Vec<f64> = runs
        .iter()
        .map(|([small, large], [less, more])| (more.seconds - less.seconds) * 1e3 / (large - small) as f64)
        .collect();
    costs.sort_by(f64::total_cmp);
    costs.get(costs.len() / 2).copied()
}

fn table(ours: &[([usize; 2], [Cost; 2])], theirs: &[([usize; 2], [Cost; 2])]) -> String {
    let mut text = format!(
        "{:<12} {:>22} {:>22} {:>22} {:>12}\n",
        "", "resources", "CPU s", "peak MB", "ms each"
    );
    for (name, runs) in [("platform", ours), ("kyverno", theirs)] {
        let Some(([small, large], [less, more])) = runs.get(runs.len() / 2) else {
            continue;
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<12} {:>22} {:>22} {:>22} {:>12.3}",
            format!("{small} and {large}"),
            format!("{:.2} and {:.2}", less.seconds, more.seconds),
            format!("{:.0} and {:.0}", less.megabytes, more.megabytes),
            marginal(runs).unwrap_or_default()
        );
    }
    if let (Some(ours), Some(theirs)) = (marginal(ours), marginal(theirs)) {
        let times = theirs / ours;
        let verdict = if times >= 50.0 { "met" } else { "MISSED" };
        let _ = writeln!(
            text,
            "\none more resource costs {times:.0} times less CPU; goal 50 times: {verdict}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_what_one_more_costs() {
        let cost = |seconds| Cost {
            seconds,
            megabytes: 10.0,
        };
        let ours = [([1_000, 10_000], [cost(1.0), cost(10.0)])];
        let theirs = [([10, 50], [cost(10.0), cost(50.0)])];
        assert_eq!(marginal(&ours), Some(1.0));
        assert_eq!(marginal(&theirs), Some(1_000.0));
        assert!(table(&ours, &theirs).contains("1000 times less CPU; goal 50 times: met"));
        assert!(!table(&ours, &[]).contains("goal"));
    }
}
