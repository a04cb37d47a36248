//! A suite made ready: its policies, objects and surroundings, read from the files that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use guardrails::Operation;
use serde_json::Value;

use crate::error::OperationError;
use crate::policy::files::{self, Kinds, Object, Stdin};
use crate::policy::loaded::{Found as FoundPolicies, Loaded};
use crate::policy::runner::Runner;
use crate::policy::suite::{Found, GlobalEntry};
use crate::policy::values::{Asker, Values};
use crate::policy::world::World;

/// A suite, ready to run.
pub(super) struct Prepared {
    pub(super) folder: PathBuf,
    pub(super) runner: Runner,
    pub(super) objects: Vec<Object>,
    pub(super) payloads: Vec<(String, Value)>,
    pub(super) operation: Option<Operation>,
    pub(super) kinds: Kinds,
    /// Policies that cannot be used, and why.
    pub(super) invalid: BTreeMap<String, String>,
    pub(super) warnings: Vec<String>,
}

impl Prepared {
    pub(super) fn of(found: &Found, now: Option<(i64, u32)>) -> Result<Prepared, OperationError> {
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
