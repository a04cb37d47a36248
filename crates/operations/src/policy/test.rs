//! `policy test`: suites of expectations, held against what the engine says. Counts as `kyverno test` counts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use guardrails::{Operation, Outcome, Task, Verdict};
use serde::Serialize;
use serde_json::Value;

use super::compare;
use super::files::{self, Kinds, Object, Stdin};
use super::loaded::{Found as FoundPolicies, Loaded, made_of};
use super::runner::{Response, Runner};
use super::selector::Selector;
use super::suite::{self, Expectation, Found, GlobalEntry};
use super::values::{Asker, Values};
use super::world::World;
use crate::error::OperationError;

/// What to test.
#[derive(Debug, Clone)]
pub struct PolicyTestRequest {
    /// Folders that are searched for suites.
    pub folders: Vec<String>,
    /// How the files of suites are called.
    pub file_name: String,
    /// Which expectations are looked at: `policy=*,rule=*,resource=*`.
    pub selector: String,
    /// Whether it is a mistake to find no suite.
    pub require_tests: bool,
    /// The time that policies see, as seconds and nanoseconds since 1970.
    pub now: Option<(i64, u32)>,
}

/// What came of all suites.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTested {
    /// The suites, in the order in which they were found.
    pub suites: Vec<TestedSuite>,
    /// How many expectations were met.
    pub passed: usize,
    /// How many were met by nothing having been said.
    pub skipped: usize,
    /// How many were not.
    pub failed: usize,
}

/// What came of a suite.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestedSuite {
    /// Its file.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Its expectations, one row for each object and rule.
    pub rows: Vec<TestRow>,
    /// What is odd about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// An expectation and what came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestRow {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The object: `apps/v1/Deployment/shop/api`.
    pub resource: String,
    /// What was expected: pass, fail, skip, warn, error.
    pub want: String,
    /// What the engine says; `excluded` when it says nothing.
    pub got: String,
    /// Whether that is what was expected.
    pub ok: bool,
    /// In a few words, why.
    pub reason: String,
    /// What the rule says, or how an object differs.
    pub message: String,
}

/// Runs the suites of folders.
pub fn test_policies(request: &PolicyTestRequest) -> Result<PolicyTested, OperationError> {
    let selector = Selector::parse(&request.selector).map_err(|reason| {
        OperationError::invalid_hint(
            reason,
            "such as --test-case-selector policy=require-*,resource=good",
        )
    })?;
    let found = find(request)?;
    if found.is_empty() && request.require_tests {
        return Err(OperationError::invalid_hint(
            format!("no {} was found", request.file_name),
            "name the folder that holds it, or another name with --file-name",
        ));
    }
    let mut tested = PolicyTested::default();
    for found in found {
        let chosen: Vec<Expectation> = found
            .suite
            .results
            .iter()
            .filter_map(|expectation| selector.choose(expectation))
            .collect();
        if chosen.is_empty() {
            continue;
        }
        let mut prepared = Prepared::of(&found, request.now)?;
        let rows = prepared.run(&chosen);
        for row in &rows {
            match (row.ok, row.got.as_str()) {
                (false, _) => tested.failed += 1,
                (true, "excluded" | "invalid" | "skip") => tested.skipped += 1,
                (true, _) => tested.passed += 1,
            }
        }
        tested.suites.push(TestedSuite {
            file: found.file.display().to_string(),
            name: found.name,
            rows,
            warnings: std::mem::take(&mut prepared.warnings),
        });
    }
    Ok(tested)
}

fn find(request: &PolicyTestRequest) -> Result<Vec<Found>, OperationError> {
    let mut found = Vec::new();
    for folder in &request.folders {
        files::refuse_remote(folder)?;
        let path = Path::new(folder);
        let metadata = std::fs::metadata(path).map_err(OperationError::io("read", path))?;
        let suites = if metadata.is_file() {
            vec![path.to_owned()]
        } else {
            files::named(path, &request.file_name)?
        };
        for file in suites {
            found.extend(suite::read(&file)?);
        }
    }
    Ok(found)
}

/// A suite, ready to run.
struct Prepared {
    folder: PathBuf,
    runner: Runner,
    objects: Vec<Object>,
    payloads: Vec<(String, Value)>,
    operation: Option<Operation>,
    kinds: Kinds,
    /// Policies that cannot be used, and why.
    invalid: BTreeMap<String, String>,
    warnings: Vec<String>,
}

impl Prepared {
    fn of(found: &Found, now: Option<(i64, u32)>) -> Result<Prepared, OperationError> {
        let suite = &found.suite;
        let folder = found.file.parent().unwrap_or(Path::new(".")).to_owned();
        let mut stdin = Stdin::default();
        let mut warnings = Vec::new();
        let values = match (&suite.values, &suite.variables) {
            (Some(values), _) => values.clone(),
            (None, Some(file)) if !file.is_empty() => Values::read(&folder.join(file))?,
            _ => Values::default(),
        };
        let asker = match suite.user_info.as_deref() {
            Some(file) if !file.is_empty() => Some(Asker::read(&folder.join(file))?),
            _ => None,
        };
        let policies = FoundPolicies::read(&files::policies(&suite.policies, &folder, &mut stdin)?);
        warnings.extend(policies.others);
        let mut invalid = BTreeMap::new();
        for (name, refusal) in policies.refused {
            warnings.push(refusal.to_string());
            invalid.insert(name, refusal.to_string());
        }
        let mut world = World {
            now,
            calls: suite.calls.clone(),
            ..World::default()
        };
        for file in &suite.cluster_resources {
            world.cluster = true;
            world.add_cluster(&folder.join(file))?;
        }
        let kinds = world.kinds.clone();
        let mut read = |places: &[String]| files::resources(places, &folder, &kinds, &mut stdin);
        let objects = unique(read(&suite.resources)?, &mut warnings);
        let targets = read(&suite.targets)?;
        let parameters = read(&suite.parameters)?;
        world.cluster |= !(targets.is_empty() && parameters.is_empty());
        let values_of = |objects: &[Object]| {
            objects
                .iter()
                .map(|object| object.value.clone())
                .collect::<Vec<_>>()
        };
        for list in [&targets, &parameters] {
            world.objects.extend(values_of(list));
        }
        // What changes objects that are there already may change those that the suite is about.
        let existing = policies.policies.iter().any(Loaded::changes_what_is_there);
        world.cluster |= existing;
        if !suite.cluster_resources.is_empty() || existing {
            world.objects.extend(values_of(&objects));
        }
        for expectation in &suite.results {
            let source = &expectation.clone_source_resource;
            if !source.is_empty() {
                world.cluster = true;
                world
                    .objects
                    .extend(values_of(&read(std::slice::from_ref(source))?));
            }
        }
        if let Some(context) = suite.context.as_deref().filter(|context| !context.is_empty()) {
            world.add_context(&folder.join(context))?;
        }
        for entry in &suite.globals {
            let value = global(entry, &folder, &kinds)?;
            world.globals.insert(entry.name.clone(), value);
        }
        let mut beside = policies.bindings;
        let exceptions = FoundPolicies::read(&files::policies(&suite.exceptions, &folder, &mut stdin)?);
        for (name, refusal) in exceptions.refused {
            warnings.push(format!("exception {name}: {refusal}"));
        }
        beside.merge(exceptions.exceptions);
        let mut payloads = Vec::new();
        for payload in &suite.payloads {
            for document in files::documents(&folder.join(payload))? {
                payloads.push((payload.clone(), document.value));
            }
        }
        if !(suite.http_payloads.is_empty() && suite.envoy_payloads.is_empty()) {
            warnings.push(
                "payloads of HTTP and Envoy are not judged: those policies speak of no objects".to_owned(),
            );
        }
        if !suite.checks.is_empty() {
            warnings.push("checks are not looked at: only results are".to_owned());
        }
        let operation = values.operation().and_then(Operation::parse);
        Ok(Prepared {
            runner: Runner::new(policies.policies, &beside, values, asker, world),
            folder,
            objects,
            payloads,
            operation,
            kinds,
            invalid,
            warnings,
        })
    }

    fn run(&mut self, expectations: &[Expectation]) -> Vec<TestRow> {
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

fn unique(objects: Vec<Object>, warnings: &mut Vec<String>) -> Vec<Object> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for object in objects {
        let text = |pointer: &str| {
            object
                .value
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let group = text("/apiVersion")
            .rsplit_once('/')
            .map_or("", |(group, _)| group);
        let name = (
            group.to_owned(),
            text("/kind").to_owned(),
            text("/metadata/namespace").to_owned(),
            text("/metadata/name").to_owned(),
        );
        if seen.insert(name) {
            kept.push(object);
        } else {
            warnings.push(format!(
                "{}:{}: {} {} is there twice; the first one counts",
                object.file,
                object.line,
                text("/kind"),
                text("/metadata/name")
            ));
        }
    }
    kept
}

/// What a global context entry holds in the test.
fn global(entry: &GlobalEntry, folder: &Path, kinds: &Kinds) -> Result<Value, OperationError> {
    let mut root = match (&entry.data, &entry.resources, &entry.resource_files) {
        (Some(data), None, None) => data.clone(),
        (None, Some(resources), None) => Value::Array(resources.clone()),
        (None, None, Some(places)) => {
            let mut stdin = Stdin::default();
            let found = files::resources(places, folder, kinds, &mut stdin)?;
            Value::Array(found.into_iter().map(|object| object.value).collect())
        }
        _ => {
            return Err(OperationError::invalid(format!(
                "the global context entry {} needs one of data, resources and resourceFiles",
                entry.name
            )));
        }
    };
    let search = |path: &str, value: &Value| {
        guardrails::query(path, value).map_err(|reason| {
            OperationError::invalid(format!(
                "the global context entry {}: {path}: {reason}",
                entry.name
            ))
        })
    };
    if let Some(path) = entry.field_path.as_deref().filter(|path| !path.is_empty()) {
        root = search(path, &root)?;
    }
    if entry.projections.is_empty() {
        return Ok(root);
    }
    let mut named = serde_json::Map::new();
    for projection in &entry.projections {
        named.insert(projection.name.clone(), search(&projection.path, &root)?);
    }
    Ok(Value::Object(named))
}
