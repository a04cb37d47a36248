//! Kyverno's own command line: what it says of suites, and of policies and resources that no suite pairs.

use super::{LIMIT, Row, Suite, find, named};
use crate::e2e::platform::Platform;
use crate::failure::{Doing, Result, fail};
use crate::process::run;
use crate::say;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many resources each policy is applied to beside its own.
const STRANGERS: usize = 12;

/// Kyverno's command line.
#[derive(Debug)]
pub(crate) struct Kyverno {
    binary: PathBuf,
    version: String,
}

impl Kyverno {
    /// A binary that is there.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let binary = path.canonicalize().doing(|| format!("find {}", path.display()))?;
        let said = run(Command::new(&binary).arg("version"), LIMIT)?.success("kyverno version")?;
        let version = said
            .lines()
            .find_map(|line| line.strip_prefix("Version: "))
            .unwrap_or("of unknown version");
        Ok(Self {
            version: version.trim().to_owned(),
            binary,
        })
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Writes down beside each of our results what Kyverno says.
    pub(super) fn fill(&self, file: &Path, suite: &mut Suite) -> Result<()> {
        let mut command = Command::new(&self.binary);
        command.arg("test").arg(file.parent().unwrap_or(Path::new(".")));
        command.args(["--output-format", "json", "--detailed-results"]);
        let finished = run(&mut command, LIMIT)?;
        let mut said: BTreeMap<(String, String, String), Vec<String>> = BTreeMap::new();
        for row in lists(&finished.stdout) {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            said.entry((text("POLICY"), text("RULE"), placed(&text("RESOURCE"))))
                .or_default()
                .push(text("REASON"));
        }
        for row in &mut suite.rows {
            // Of what is generated Kyverno says the name alone.
            let name = format!("/{}", row.resource.rsplit('/').next().unwrap_or_default());
            let found = [placed(&row.resource), name]
                .into_iter()
                .find_map(|resource| said.get(&(row.policy.clone(), row.rule.clone(), resource)));
            row.kyverno = found.map(|reasons| meant(reasons, row));
        }
        Ok(())
    }
}

/// A resource with a namespace: without a cluster Kyverno gives one to what has none.
fn placed(resource: &str) -> String {
    resource.replacen("//", "/default/", 1)
}

/// What Kyverno's reasons say about a result: the one that is not met, or what was wanted.
fn meant(reasons: &[String], row: &Row) -> String {
    let differs = reasons.iter().find_map(|reason| {
        let (_, got) = reason.split_once(", got ")?;
        Some(got.to_owned())
    });
    let odd = |word: &str| reasons.iter().any(|reason| reason == word);
    match differs {
        Some(got) => got,
        None if reasons.iter().any(|reason| reason == "Ok") => row.want.clone(),
        None if odd("Excluded") => "excluded".to_owned(),
        None if odd("Not found") => "none".to_owned(),
        None if odd("Invalid policy") => "invalid".to_owned(),
        None => reasons.join(", "),
    }
}

/// The objects of the JSON lists that stand between lines of talk.
fn lists(text: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut list: Option<String> = None;
    for line in text.lines() {
        match (&mut list, line) {
            (None, "[") => list = Some("[\n".to_owned()),
            (None, _) => {}
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
                if line == "]" {
                    if let Ok(Value::Array(items)) = serde_json::from_str(text) {
                        rows.extend(items);
                    }
                    list = None;
                }
            }
        }
    }
    rows
}

/// What one engine says: policy, rule and resource to the results.
type Said = BTreeMap<(String, String, String), Vec<String>>;

/// Applies the policies of all suites to the resources of all suites with both, and tells where they differ.
pub(super) fn differential(
    platform: &Platform,
    kyverno: &Kyverno,
    folders: &[&str],
    only: &[&str],
) -> Result<()> {
    let mut files = Vec::new();
    for folder in folders {
        find(Path::new(folder), &mut files)?;
    }
    files.sort();
    let resources: Vec<PathBuf> = files
        .iter()
        .flat_map(|file| named(file, "resources"))
        .filter(|path| path.is_file())
        .collect();
    if resources.is_empty() {
        fail!("the suites name no resources");
    }
    let (mut compared, mut differing, mut open, mut silent) = (0, 0, 0, 0);
    for (index, file) in files.iter().enumerate() {
        if !only.is_empty() && !only.iter().any(|part| file.to_string_lossy().contains(part)) {
            continue;
        }
        let policies: Vec<PathBuf> = named(file, "policies")
            .into_iter()
            .filter(|path| path.is_file())
            .collect();
        // Its own resources, and strangers spread over all others.
        let mut chosen = named(file, "resources");
        let stride = (resources.len() / STRANGERS).max(1);
        chosen.extend(resources.iter().skip(index % stride).step_by(stride).cloned());
        chosen.retain(|path| path.is_file());
        chosen.sort();
        chosen.dedup();
        if policies.is_empty() || chosen.is_empty() {
            continue;
        }
        let (ours, theirs) = match (
            ours(platform, &policies, &chosen),
            theirs(kyverno, &policies, &chosen),
        ) {
            (Ok(ours), Ok(Some(theirs))) => (ours, theirs),
            (Ok(_), Ok(None)) => {
                silent += 1;
                continue;
            }
            (Err(failure), _) | (_, Err(failure)) => {
                silent += 1;
                say::line(format!("{}: not compared: {failure}", file.display()));
                continue;
            }
        };
        for (key, results) in &theirs {
            compared += 1;
            let none = Vec::new();
            let own = ours.get(key).unwrap_or(&none);
            if own == results {
                continue;
            }
            differing += 1;
            let refused = |results: &[String]| results.iter().any(|word| word == "fail");
            let fails_open = refused(results)
                && !own
                    .iter()
                    .any(|word| ["fail", "error", "warn"].contains(&word.as_str()));
            open += usize::from(fails_open);
            let (policy, rule, resource) = key;
            say::line(format!(
                "{}{policy}/{rule} {resource}: Kyverno {}, ours {}",
                if fails_open { "FAIL-OPEN " } else { "" },
                results.join("+"),
                own.join("+")
            ));
        }
    }
    say::line(format!(
        "\nfail-open {open}; {differing} of {compared} results differ between Kyverno {} and ours; of {silent} of {} suites nothing can be compared",
        kyverno.version,
        files.len()
    ));
    Ok(())
}

fn ours(platform: &Platform, policies: &[PathBuf], resources: &[PathBuf]) -> Result<Said> {
    let mut command = Command::new(platform.path());
    command
        .args(["policy", "apply", "--output", "json"])
        .args(policies);
    for resource in resources {
        command.arg("--resource").arg(resource);
    }
    let finished = run(&mut command, LIMIT)?;
    let mut said = Said::new();
    let answer: Value = serde_json::from_str(&finished.stdout).unwrap_or_default();
    for result in answer["results"].as_array().into_iter().flatten() {
        note(&mut said, result, &result["resource"], "result");
    }
    Ok(said)
}

/// What Kyverno says, if it says anything that can be read.
fn theirs(kyverno: &Kyverno, policies: &[PathBuf], resources: &[PathBuf]) -> Result<Option<Said>> {
    let mut command = Command::new(&kyverno.binary);
    command.arg("apply").args(policies);
    command.args(["--policy-report", "--output-format", "json", "--continue-on-fail"]);
    for resource in resources {
        command.arg("--resource").arg(resource);
    }
    let finished = run(&mut command, LIMIT)?;
    let mut said = Said::new();
    let mut read = false;
    // A report is one line, and what it follows may not have ended its own.
    for line in finished.stdout.lines() {
        let start = line.find("{\"kind\":\"").unwrap_or(line.len());
        let Ok(report) = serde_json::from_str::<Value>(&line[start..]) else {
            continue;
        };
        read = true;
        for result in report["results"].as_array().into_iter().flatten() {
            let subjects = result["subjects"].as_array().or(result["resources"].as_array());
            for subject in subjects.into_iter().flatten() {
                let object = serde_json::json!({"apiVersion": subject["apiVersion"], "kind": subject["kind"],
                    "metadata": {"namespace": subject["namespace"], "name": subject["name"]}});
                note(&mut said, result, &object, "result");
            }
        }
    }
    Ok(read.then_some(said))
}

fn note(said: &mut Said, result: &Value, object: &Value, word: &str) {
    // What a policy that deletes leaves where it is: Kyverno says so of every object, ours of those that it is about.
    if result["message"] == "resource did not match" {
        return;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let resource = placed(&format!(
        "{}/{}/{}/{}",
        text(&object["apiVersion"]),
        text(&object["kind"]),
        text(&metadata["namespace"]),
        text(&metadata["name"])
    ));
    // A policy in CEL has no rules; Kyverno names one where it could not be evaluated.
    let rule = Some(text(&result["rule"])).filter(|rule| rule != "evaluation");
    let results = said
        .entry((text(&result["policy"]), rule.unwrap_or_default(), resource))
        .or_default();
    results.push(text(&result[word]));
    results.sort_unstable();
    results.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found_between_lines_of_talk() {
        let text = "Loading test ...\n[\n  {\n    \"POLICY\": \"a\"\n  },\n  {\n    \"POLICY\": \"b\"\n  }\n]\n\nTest Summary: 2\n[\n]\n";
        let rows = lists(text);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1]["POLICY"], "b");
        assert!(lists("[\n  {").is_empty());
    }
}
