//! Reads a `kyverno-test.yaml` with its policies and resources, and tells where verdicts differ from it.

use std::path::{Path, PathBuf};

use guardrails::{Policies, Request, Verdict};
use serde_json::Value;

/// An expected result: policy, rule, kind, `name` or `namespace/name`, and the word for the outcome.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expected {
    pub(crate) policy: String,
    pub(crate) rule: String,
    pub(crate) kind: String,
    pub(crate) resource: String,
    pub(crate) result: String,
}

/// A test suite, loaded.
pub(crate) struct Suite {
    pub(crate) policies: Policies,
    pub(crate) resources: Vec<Value>,
    pub(crate) expected: Vec<Expected>,
}

impl Suite {
    pub(crate) fn read(file: &Path) -> Result<Suite, String> {
        let folder = file.parent().unwrap_or(Path::new("."));
        let test = documents(file)?
            .into_iter()
            .next()
            .ok_or("the test is empty")?
            .value;
        let mut policies = Policies::default();
        for path in paths(folder, &test["policies"]) {
            let loaded = Policies::load(&path.display().to_string(), &documents(&path)?);
            policies.merge(loaded.map_err(|error| error.to_string())?);
        }
        let mut resources = Vec::new();
        for path in paths(folder, &test["resources"]) {
            resources.extend(documents(&path)?.into_iter().map(|document| document.value));
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut expected = Vec::new();
        for result in test["results"].as_array().into_iter().flatten() {
            let mut names: Vec<String> = result["resources"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect();
            if let Some(name) = result["resource"].as_str() {
                names.push(name.to_owned());
            }
            for resource in names {
                expected.push(Expected {
                    policy: text(&result["policy"]),
                    rule: text(&result["rule"]),
                    kind: text(&result["kind"]),
                    resource,
                    result: result["result"]
                        .as_str()
                        .or(result["status"].as_str())
                        .unwrap_or_default()
                        .to_owned(),
                });
            }
        }
        Ok(Suite {
            policies,
            resources,
            expected,
        })
    }

    /// What the engine says: one line per expectation that it does not meet.
    pub(crate) fn differences(&self) -> Vec<String> {
        let verdicts: Vec<(&Value, Vec<Verdict>)> = self
            .resources
            .iter()
            .map(|object| {
                let request = Request::new(object);
                (object, self.policies.evaluate(&request))
            })
            .collect();
        let mut differences = Vec::new();
        for expected in &self.expected {
            let name = expected.resource.rsplit('/').next().unwrap_or_default();
            let mut seen = Vec::new();
            for (object, verdicts) in &verdicts {
                let kind_fits = expected.kind.is_empty() || object["kind"] == expected.kind.as_str();
                if object["metadata"]["name"] != name || !kind_fits {
                    continue;
                }
                seen.extend(verdicts.iter().filter(|verdict| {
                    verdict.policy.rsplit('/').next() == expected.policy.rsplit('/').next()
                        && (expected.rule.is_empty() || written(&verdict.rule) == written(&expected.rule))
                }));
            }
            let words: Vec<&str> = seen.iter().map(|verdict| verdict.outcome.word()).collect();
            // A rule that says nothing about an object has skipped it.
            let silent = words.is_empty() && expected.result == "skip";
            let fits = silent || (!words.is_empty() && words.iter().all(|word| *word == expected.result));
            if !fits {
                let messages: Vec<&str> = seen.iter().map(|verdict| verdict.message.as_str()).collect();
                differences.push(format!("{expected:?}: got {words:?} {messages:?}"));
            }
        }
        differences
    }
}

/// A rule's name as written, without what rules for controllers are prefixed with.
pub(crate) fn written(rule: &str) -> &str {
    rule.strip_prefix("autogen-cronjob-")
        .or(rule.strip_prefix("autogen-"))
        .unwrap_or(rule)
}

fn paths(folder: &Path, list: &Value) -> Vec<PathBuf> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|path| folder.join(path))
        .collect()
}

/// The documents of a file.
pub(crate) fn documents(file: &Path) -> Result<Vec<yaml::Document>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    yaml::parse_all(&text).map_err(|error| format!("{}: {error}", file.display()))
}
