//! The policy engine in process: what a judgement costs, and what it grows with.

use crate::failure::{Doing, Result, fail};
use crate::process::{Scratch, run};
use crate::say;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(30);
/// What the shipped set may take for a Deployment, in microseconds.
const GOAL: f64 = 50.0;
/// Judgements in a round, about.
const JUDGEMENTS: usize = 2_000;

/// Policies and objects to judge.
struct Case {
    what: String,
    policies: Vec<Value>,
    objects: Vec<Value>,
}

/// What a judgement of one object costs.
#[derive(Debug, PartialEq)]
struct Cost {
    policies: usize,
    microseconds: f64,
    /// Pass, fail, warn, error, skip, for each object.
    verdicts: [f64; 5],
}

impl Cost {
    fn results(&self) -> f64 {
        self.verdicts.iter().sum()
    }
}

/// Measures the shipped set, and the library on some of its resources if there is one.
pub(super) fn run_all(library: Option<(Vec<Value>, Vec<Value>)>) -> Result<()> {
    let judge = super::super::build_example("guardrails", "judge")?;
    let shipped = shipped()?;
    let mut cases = growth(&shipped)?;
    if let Some((policies, objects)) = library {
        cases.push(Case {
            what: "the library on its resources".to_owned(),
            policies,
            objects,
        });
    }
    let scratch = Scratch::new()?;
    let mut lines = String::new();
    for (number, case) in cases.iter().enumerate() {
        let times = (JUDGEMENTS / case.objects.len()).max(1);
        let policies = write(scratch.path(), &format!("policies-{number}"), &case.policies)?;
        let objects = write(scratch.path(), &format!("objects-{number}"), &case.objects)?;
        let _ = writeln!(
            lines,
            "{number} {times} {} {}",
            policies.display(),
            objects.display()
        );
    }
    let input = scratch.path().join("cases");
    fs::write(&input, lines).doing(|| format!("write {}", input.display()))?;
    say::heading("in process, CPU time of a judgement, the fastest of five rounds");
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$0\" < \"$1\""])
        .arg(&judge)
        .arg(&input);
    let told = run(&mut command, LIMIT)?.success("the example judge")?;
    let costs = told
        .lines()
        .zip(&cases)
        .map(|(line, case)| read(line, case))
        .collect::<Result<Vec<_>>>()?;
    if costs.len() != cases.len() {
        fail!("the example judge said {told:?}");
    }
    say::line(table(&cases, &costs));
    Ok(())
}

/// The shipped set on a golden path's Deployment and on a small one; then more policies for other kinds, more for its kind, more objects.
fn growth(shipped: &[Value]) -> Result<Vec<Case>> {
    let golden_path = yaml::parse(include_str!("deployment.yaml"))
        .doing(|| "read the golden path's Deployment".to_owned())?
        .value;
    let case = |what: &str, others: usize, copies: usize, objects: usize| Case {
        what: what.to_owned(),
        policies: (0..copies)
            .flat_map(|copy| shipped.iter().map(move |policy| named(policy, copy)))
            .chain((0..others * shipped.len()).map(irrelevant))
            .collect(),
        objects: (0..objects).map(deployment).collect(),
    };
    let golden_path = Case {
        what: "the shipped set on a golden path's Deployment".to_owned(),
        objects: vec![golden_path],
        ..case("", 0, 1, 0)
    };
    Ok(vec![
        golden_path,
        case("the shipped set on a Deployment", 0, 1, 1),
        case("  and as many policies for other kinds", 1, 1, 1),
        case("  and ten times as many", 10, 1, 1),
        case("  the set twice", 0, 2, 1),
        case("  the set four times", 0, 4, 1),
        case("  on 10 Deployments in turn", 0, 1, 10),
        case("  on 1,000 Deployments in turn", 0, 1, 1_000),
    ])
}

fn shipped() -> Result<Vec<Value>> {
    let folder = crate::root().join("policies");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).doing(|| format!("read {}", folder.display()))? {
        let path = entry.doing(|| format!("read {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    let mut policies = Vec::new();
    for file in files {
        policies.extend(super::documents(&file)?);
    }
    Ok(policies)
}

/// A policy under another name.
fn named(policy: &Value, copy: usize) -> Value {
    let mut policy = policy.clone();
    if copy > 0 {
        let name = policy["metadata"]["name"].as_str().unwrap_or_default();
        policy["metadata"]["name"] = json!(format!("{name}-{copy}"));
    }
    policy
}

/// A policy that is never about a Deployment, every other one in CEL.
fn irrelevant(number: usize) -> Value {
    let name = format!("other-{number}");
    if number.is_multiple_of(2) {
        json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
            "spec": {"rules": [{
                "name": "labels",
                "match": {"any": [{"resources": {"kinds": ["Widget"]}}]},
                "validate": {"message": "A widget has an owner.", "pattern": {"metadata": {"labels": {"owner": "?*"}}}},
            }]},
        })
    } else {
        json!({
            "apiVersion": "policies.kyverno.io/v1", "kind": "ValidatingPolicy", "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["widgets"],
                }]},
                "validations": [{"expression": "has(object.metadata.labels)", "message": "A widget has labels."}],
            },
        })
    }
}

fn deployment(number: usize) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": format!("api-{number}"), "namespace": "demo", "labels": {"app.kubernetes.io/name": "api"}},
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
    })
}

fn write(folder: &Path, name: &str, documents: &[Value]) -> Result<PathBuf> {
    let path = folder.join(format!("{name}.yaml"));
    let text = super::text(documents);
    fs::write(&path, text).doing(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// What the example said of a case: `NAME NANOSECONDS PASS FAIL WARN ERROR SKIP`, for all objects together.
fn read(line: &str, case: &Case) -> Result<Cost> {
    let numbers: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let &[nanoseconds, ref verdicts @ ..] = numbers.as_slice() else {
        fail!("the example judge said {line:?}")
    };
    let Ok(verdicts) = <[f64; 5]>::try_from(verdicts) else {
        fail!("the example judge said {line:?}")
    };
    let objects = case.objects.len() as f64;
    Ok(Cost {
        policies: case.policies.len(),
        microseconds: nanoseconds / 1e3 / objects,
        verdicts: verdicts.map(|count| count / objects),
    })
}

fn table(cases: &[Case], costs: &[Cost]) -> String {
    let mut text = format!(
        "{:<46} {:>8} {:>9} {:>9} {:>11} {:>9}\n",
        "", "policies", "objects", "results", "us/object", "ns/result"
    );
    for (case, cost) in cases.iter().zip(costs) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<46} {:>8} {:>9} {:>9.0} {:>11.1} {:>9.0}",
            case.what,
            cost.policies,
            case.objects.len(),
            cost.results(),
            cost.microseconds,
            cost.microseconds * 1e3 / cost.results().max(1.0)
        );
    }
    if let Some(first) = costs.first() {
        let [pass, fail, warn, error, skip] = first.verdicts;
        let met = first.microseconds <= GOAL;
        let _ = writeln!(
            text,
            "\nthe shipped set on a Deployment ({pass} pass, {fail} fail, {warn} warn, {error} error, {skip} skip): {:.1} us, goal {GOAL} us: {}",
            first.microseconds,
            if met { "met" } else { "MISSED" }
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_held_against_the_goal() {
        let cases = growth(&[json!({"metadata": {"name": "a"}})]).unwrap();
        let check = |line: &str, expect: &str| {
            let cost = read(line, &cases[0]).unwrap();
            assert!(table(&cases[..1], &[cost]).contains(expect), "{line}");
        };
        check(
            "0 50000 20 3 0 0 1",
            "20 pass, 3 fail, 0 warn, 0 error, 1 skip): 50.0 us, goal 50 us: met",
        );
        check("0 50100 20 3 0 0 1", "MISSED");
        assert!(read("0 nothing", &cases[0]).is_err());
        assert!(read("0 1 2 3", &cases[0]).is_err());
    }

    #[test]
    fn what_grows_is_what_the_line_says() {
        let cases = growth(&shipped().unwrap()).unwrap();
        let first = cases[0].policies.len();
        let sizes: Vec<usize> = cases.iter().map(|case| case.policies.len()).collect();
        assert_eq!(sizes, [1, 1, 2, 11, 2, 4, 1, 1].map(|times| times * first));
    }
}
