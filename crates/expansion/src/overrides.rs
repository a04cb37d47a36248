//! The escape hatch: values merged last, and patches of what was rendered. Both inside the bounds that every
//! golden path has; guardrails judge what comes out.

use api::{Patch, PatchTarget, Problem};
use json_patch::PatchOperation;
use serde_json::{Map, Value};

use crate::bounds::{self, Identity};
use crate::expand::{Intent, describe};

/// Values that say who and what a service is. Its own fields do, and nothing else.
const SPOKEN_FOR: [(&str, &str); 7] = [
    ("name", "it is the resource's name"),
    ("team", "it follows from the namespace"),
    ("environment", "it follows from the namespace"),
    ("partOf", "it follows from the namespace"),
    ("labelDomain", "it is the platform's group"),
    ("image", "say spec.image"),
    ("suspended", "say spec.paused"),
];
/// More operations than this in all patches are refused.
const OPERATIONS: usize = 200;
/// An object that grows beyond this is refused.
const LARGEST: usize = 512 * 1024;

/// The values of the intent with those of the overrides over them. As in Helm, null takes a default away.
pub(crate) fn merged(values: &Value, overrides: &Map<String, Value>) -> Result<Value, Vec<Problem>> {
    let problems: Vec<Problem> = SPOKEN_FOR
        .iter()
        .filter(|(key, _)| overrides.contains_key(*key))
        .map(|(key, why)| {
            Problem::new(
                format!("spec.overrides.values.{key}"),
                "cannot be overridden".to_owned(),
            )
            .hint(*why)
        })
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut values = values.clone();
    if let Value::Object(values) = &mut values {
        merge(values, overrides);
    }
    Ok(values)
}

fn merge(below: &mut Map<String, Value>, above: &Map<String, Value>) {
    for (key, value) in above {
        match (below.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            _ => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Applies the patches to what was rendered, in their order. All problems are found, none is half applied.
pub(crate) fn patch(
    intent: &Intent<'_>,
    objects: &mut [Value],
    patches: &[Patch],
) -> Result<(), Vec<Problem>> {
    let operations: usize = patches
        .iter()
        .filter_map(|patch| patch.patch.as_array())
        .map(Vec::len)
        .sum();
    if operations > OPERATIONS {
        let why = format!("have {operations} operations: more than {OPERATIONS} operations are refused");
        return Err(vec![Problem::new("spec.overrides.patches", why)]);
    }
    let mut problems = Vec::new();
    for (index, patch) in patches.iter().enumerate() {
        if let Err(problem) = patch_one(
            intent,
            objects,
            patch,
            &format!("spec.overrides.patches[{index}]"),
        ) {
            problems.push(problem);
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

fn patch_one(intent: &Intent<'_>, objects: &mut [Value], patch: &Patch, field: &str) -> Result<(), Problem> {
    let service = intent.application.metadata.name.as_deref().unwrap_or_default();
    let target = find(service, objects, &patch.target).map_err(|why| {
        let there = objects.iter().map(describe).collect::<Vec<_>>().join(", ");
        Problem::new(format!("{field}.target"), why).hint(format!("the golden path makes {there}"))
    })?;
    let object = &objects[target];
    let changed = patched(object, &patch.patch).map_err(|why| {
        Problem::new(
            format!("{field}.patch"),
            format!("does not fit {}: {why}", describe(object)),
        )
    })?;
    let identity = |object: &Value| Identity::of(intent.group, object);
    if let Some(what) = identity(object).difference(&identity(&changed)) {
        return Err(Problem::new(
            format!("{field}.patch"),
            format!("changes {what} of {}", describe(object)),
        )
        .hint("what an object is, where it is and whose it is stays as the golden path says"));
    }
    bounds::check_one(intent, &changed, objects)
        .map_err(|refusal| Problem::new(field, format!("{} {}", refusal.object, refusal.why)))?;
    objects[target] = changed;
    Ok(())
}

/// The object that a target means: by kind and name, or the only one of its kind, or the one called as the service.
fn find(service: &str, objects: &[Value], target: &PatchTarget) -> Result<usize, String> {
    let of_kind: Vec<usize> = (0..objects.len())
        .filter(|index| objects[*index]["kind"] == target.kind.as_str())
        .collect();
    let called = |name: &str| {
        of_kind
            .iter()
            .copied()
            .find(|index| objects[*index]["metadata"]["name"] == name)
    };
    let kind = target.kind.escape_default();
    match (&target.name, of_kind.as_slice()) {
        (Some(name), _) => {
            called(name).ok_or_else(|| format!("there is no {kind} \"{}\"", name.escape_default()))
        }
        (None, []) => Err(format!("there is no {kind}")),
        (None, [only]) => Ok(*only),
        (None, _) => {
            called(service).ok_or_else(|| format!("there are several of kind {kind}: say which by name"))
        }
    }
}

fn patched(object: &Value, patch: &Value) -> Result<Value, String> {
    let changed = if let Value::Array(operations) = patch {
        operate(object, operations)?
    } else {
        laid_over(object, patch)?
    };
    if changed.is_object() {
        Ok(changed)
    } else {
        Err("nothing would be left of it".to_owned())
    }
}

/// A strategic merge where the kind is known. Where it is not, nothing is known of its lists either, so they are
/// replaced whole (RFC 7386).
fn laid_over(object: &Value, patch: &Value) -> Result<Value, String> {
    let read = |field: &str| object[field].as_str().unwrap_or_default();
    let (group, version) = read("apiVersion")
        .rsplit_once('/')
        .unwrap_or(("", read("apiVersion")));
    let Some(kind) = schema::Schemas::builtin().kind(group, version, read("kind")) else {
        let mut changed = object.clone();
        json_patch::merge(&mut changed, patch);
        return Ok(changed);
    };
    let changed = schema::strategic_merge(kind.schema(), object, patch).map_err(|error| error.to_string())?;
    match schema::unknown_fields(kind.schema(), &changed).first() {
        Some(unknown) => Err(format!("unknown field {}", unknown.field)),
        None => Ok(changed),
    }
}

/// JSON Patch (RFC 6902), one operation at a time, so that copies of copies cannot grow without bound.
fn operate(object: &Value, operations: &[Value]) -> Result<Value, String> {
    let mut changed = object.clone();
    for (index, operation) in operations.iter().enumerate() {
        let wrong = |why: String| format!("operation {index}: {why}");
        let operation: PatchOperation =
            serde_json::from_value(operation.clone()).map_err(|error| wrong(error.to_string()))?;
        json_patch::patch(&mut changed, &[operation]).map_err(|error| wrong(error.to_string()))?;
        if changed.to_string().len() > LARGEST {
            return Err(wrong(format!("the object grows beyond {LARGEST} bytes")));
        }
    }
    Ok(changed)
}
