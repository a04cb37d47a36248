//! What became of each expectation: what the policies say of the objects it means, held against what it wants.

use std::collections::{BTreeMap, BTreeSet};

use guardrails::{Operation, Outcome, Task, Verdict};
use serde_json::Value;

use super::TestRow;
use super::prepare::Prepared;
use crate::error::OperationError;
use crate::policy::compare;
use crate::policy::files::{self, Stdin};
use crate::policy::loaded::{Loaded, made_of};
use crate::policy::runner::Response;
use crate::policy::suite::Expectation;

impl Prepared {
    pub(super) fn run(&mut self, expectations: &[Expectation]) -> Vec<TestRow> {
        let mut operations: Vec<&str> = expectations.iter().map(|one| one.operation.as_str()).collect();
        operations.push("");
        operations.sort_unstable();
        operations.dedup();
        let mut said: BTreeMap<&str, BTreeMap<String, Vec<Response>>> = BTreeMap::new();
        for word in operations {
            let operation = Operation::parse(word).or(self.operation);
            let mut all = BTreeMap::new();
            for object in &self.objects {
                all.insert(key(&object.value), self.runner.judge(&object.value, operation));
            }
            for (name, payload) in &self.payloads {
                all.insert(name.clone(), self.runner.judge(payload, operation));
            }
            said.insert(word, all);
        }
        let none = BTreeMap::new();
        let mut rows = Vec::new();
        for expectation in expectations {
            let all = said.get(expectation.operation.as_str()).unwrap_or(&none);
            let targets = targets(all);
            let (meant, missing) = meant(expectation, all, &targets);
            for name in missing {
                rows.push(TestRow {
                    policy: expectation.policy.clone(),
                    rule: expectation.rule.clone(),
                    resource: name.to_owned(),
                    want: expectation.result.clone(),
                    got: "none".to_owned(),
                    ok: false,
                    reason: "Not found".to_owned(),
                    message: "no resource of the suite has this name".to_owned(),
                });
            }
            for key in meant {
                rows.extend(self.target_rows(expectation, key, all));
                if let Some(responses) = all.get(key) {
                    rows.extend(self.rows(expectation, key, responses));
                }
            }
        }
        rows
    }

    /// The rows of one expectation for one object.
    fn rows(&self, expectation: &Expectation, key: &str, responses: &[Response]) -> Vec<TestRow> {
        let name = expectation.policy.rsplit('/').next().unwrap_or_default();
        let resource = key.replace(',', "/");
        let row = |rule: &str, got: &str, ok: bool, reason: &str, message: String| TestRow {
            policy: expectation.policy.clone(),
            rule: rule.to_owned(),
            resource: resource.clone(),
            want: expectation.result.clone(),
            got: got.to_owned(),
            ok,
            reason: reason.to_owned(),
            message,
        };
        let mut rows = Vec::new();
        let (mut left_out, mut answered, mut known) = (false, false, false);
        for response in responses {
            let Some(policy) = self
                .runner
                .policies
                .get(response.policy)
                .filter(|policy| policy.name == name)
            else {
                continue;
            };
            answered = true;
            known |= expectation.rule.is_empty() || policy.has_rule(&expectation.rule);
            let wanted = |verdict: &Verdict| {
                expectation.rule.is_empty()
                    || policy.has_no_rules()
                    || made_of(&verdict.about.rule, &expectation.rule)
            };
            for (index, verdict) in response.verdicts.iter().enumerate().filter(|(_, it)| wanted(it)) {
                let said = word(policy, verdict);
                let made = response.generated.iter().filter(|(of, _)| *of == index);
                let before = rows.len();
                for (_, made) in made {
                    let (ok, reason, message) =
                        judged(expectation, said, self.made(expectation, made), verdict);
                    let mut row = row(&verdict.about.rule, said, ok, &reason, message);
                    row.resource = self::key(made).replace(',', "/");
                    rows.push(row);
                }
                if rows.len() > before {
                    continue;
                }
                let actual = if verdict.about.task == Task::Mutate {
                    &response.patched
                } else {
                    &response.object
                };
                let how = self.compared(expectation, actual);
                if matches!(how, Compared::Missing(_)) && !expectation.fail_on_missing_resources {
                    left_out = true;
                    continue;
                }
                let (ok, reason, message) = judged(expectation, said, how, verdict);
                rows.push(row(&verdict.about.rule, said, ok, &reason, message));
            }
        }
        if rows.is_empty() && !left_out {
            rows.push(if answered {
                // As in Kyverno; but a rule that does not exist excludes everything.
                let why = if known {
                    "Excluded"
                } else {
                    "Excluded: the policy has no such rule"
                };
                row(&expectation.rule, "excluded", true, "Excluded", why.to_owned())
            } else if let Some(why) = self.invalid.get(name) {
                row(
                    &expectation.rule,
                    "invalid",
                    expectation.result == "skip",
                    "Invalid policy",
                    why.clone(),
                )
            } else {
                row(
                    &expectation.rule,
                    "none",
                    false,
                    "Not found",
                    "the policy says nothing".to_owned(),
                )
            });
        }
        rows
    }

    /// The rows of one expectation for an object that policies change because of others.
    fn target_rows(
        &self,
        expectation: &Expectation,
        key: &str,
        all: &BTreeMap<String, Vec<Response>>,
    ) -> Vec<TestRow> {
        let mut rows = Vec::new();
        for response in all.values().flatten() {
            for (verdict, target) in &response.targets {
                let Some(verdict) = response
                    .verdicts
                    .get(*verdict)
                    .filter(|_| self::key(target) == key)
                else {
                    continue;
                };
                let (got, how) = (verdict.outcome.word(), self.compared(expectation, target));
                let (ok, reason, message) = judged(expectation, got, how, verdict);
                rows.push(TestRow {
                    policy: expectation.policy.clone(),
                    rule: verdict.about.rule.clone(),
                    resource: key.replace(',', "/"),
                    want: expectation.result.clone(),
                    got: got.to_owned(),
                    ok,
                    reason,
                    message,
                });
            }
        }
        rows
    }

    /// Whether the objects that a rule made are those that are expected.
    fn compared(&self, expectation: &Expectation, actual: &Value) -> Compared {
        if !expectation.patched_resources.is_empty() {
            match self.expected(&expectation.patched_resources, actual) {
                Ok(Some(expected)) if compare::same(actual, &expected) => {}
                Ok(Some(expected)) => {
                    return Compared::Differs(compare::differences(actual, &expected).join("\n"));
                }
                Ok(None) => return missing(actual),
                Err(error) => return Compared::Missing(error.to_string()),
            }
        }
        Compared::Same
    }

    /// Whether an object that a rule asks for is one of those that are expected.
    fn made(&self, expectation: &Expectation, made: &Value) -> Compared {
        let mut nearest = None;
        for file in &expectation.generated_resources {
            match self.expected(file, made) {
                Ok(Some(expected)) if compare::same(made, &expected) => return Compared::Same,
                Ok(Some(expected)) => {
                    nearest = Some(Compared::Differs(
                        compare::differences(made, &expected).join("\n"),
                    ));
                }
                Ok(None) => nearest = nearest.or_else(|| Some(missing(made))),
                Err(error) => nearest = nearest.or_else(|| Some(Compared::Missing(error.to_string()))),
            }
        }
        nearest.unwrap_or(Compared::Same)
    }

    /// The object of a file that is meant by another: of the same kind, namespace and name.
    fn expected(&self, file: &str, actual: &Value) -> Result<Option<Value>, OperationError> {
        let mut stdin = Stdin::default();
        let found = files::resources(&[file.to_owned()], &self.folder, &self.kinds, &mut stdin)?;
        let wanted = key(actual);
        Ok(found
            .into_iter()
            .map(|object| object.value)
            .find(|value| key(value) == wanted))
    }
}

/// What a verdict is called: what a policy that is not scored refuses is a warning in reports, as in Kyverno's.
fn word(policy: &Loaded, verdict: &Verdict) -> &'static str {
    let scored = &policy.value["metadata"]["annotations"]["policies.kyverno.io/scored"];
    match verdict.outcome {
        Outcome::Fail if scored == "false" => Outcome::Warn.word(),
        outcome => outcome.word(),
    }
}

enum Compared {
    Same,
    Differs(String),
    Missing(String),
}

/// Whether a result is as expected, and why not.
fn judged(expectation: &Expectation, got: &str, how: Compared, verdict: &Verdict) -> (bool, String, String) {
    match how {
        Compared::Same if got == expectation.result => (true, "Ok".to_owned(), verdict.message.clone()),
        Compared::Same => (
            false,
            format!("Want {}, got {got}", expectation.result),
            verdict.message.clone(),
        ),
        Compared::Differs(how) => (false, "Resource diff".to_owned(), how),
        Compared::Missing(how) => (false, "Resource error".to_owned(), how),
    }
}

fn missing(actual: &Value) -> Compared {
    let name = actual["metadata"]["name"].as_str().unwrap_or_default();
    Compared::Missing(format!("resource with name {name} not found in manifest"))
}

/// `apps/v1,Deployment,shop,api`.
fn key(object: &Value) -> String {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!(
        "{},{},{},{}",
        text("/apiVersion"),
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name")
    )
}

/// The objects that an expectation is about, all of them when it names none; and the names that nothing has.
fn meant<'a>(
    expectation: &'a Expectation,
    all: &'a BTreeMap<String, Vec<Response>>,
    targets: &'a BTreeSet<String>,
) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut keys, mut missing) = (Vec::new(), Vec::new());
    let mut take = |name: &'a str, fits: &dyn Fn(&str) -> bool| {
        let before = keys.len();
        let known = targets
            .iter()
            .chain(all.keys().filter(|key| !targets.contains(*key)));
        keys.extend(known.map(String::as_str).filter(|key| fits(key)));
        if keys.len() == before {
            missing.push(name);
        }
    };
    for wanted in &expectation.resources {
        let (namespace, name) = match wanted.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, wanted.as_str()),
        };
        take(wanted, &|key| {
            let mut parts = key.rsplit(',');
            let named = parts.next() == Some(name);
            (named && namespace.is_none_or(|namespace| parts.next() == Some(namespace))) || key == wanted
        });
    }
    for wanted in &expectation.resource_specs {
        let version = if wanted.group.is_empty() {
            wanted.version.clone()
        } else {
            format!("{}/{}", wanted.group, wanted.version)
        };
        take(&wanted.name, &|key| {
            let mut parts = key.rsplit(',');
            let (name, namespace) = (parts.next(), parts.next());
            name == Some(wanted.name.as_str())
                && namespace == Some(wanted.namespace.as_str())
                && parts.nth(1) == Some(version.as_str())
        });
    }
    if expectation.resources.is_empty() && expectation.resource_specs.is_empty() {
        let known = targets
            .iter()
            .chain(all.keys().filter(|key| !targets.contains(*key)));
        keys.extend(known.map(String::as_str));
    }
    (keys, missing)
}

/// The objects that policies change because of others.
fn targets(all: &BTreeMap<String, Vec<Response>>) -> BTreeSet<String> {
    let targets = all.values().flatten().flat_map(|response| &response.targets);
    targets.map(|(_, target)| key(target)).collect()
}
