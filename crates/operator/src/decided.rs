//! Refusals in terms of the intent: what was refused, why, and which field of the intent decides it. No I/O.

use apply::{ObjectId, Problem, pointer};
use expansion::{Expansion, Finding, Intent, origin};
use serde_json::Value;

/// What a guardrail says against an object.
pub(crate) fn by_guardrail(finding: &Finding) -> String {
    let Finding {
        kind,
        name,
        verdict,
        origin,
    } = finding;
    let said = format!("{} ({kind} {name}): {}", verdict.about.policy, verdict.message);
    match (origin, &verdict.path) {
        (Some(origin), Some(path)) => format!("{said} ({} decides {path})", origin.field),
        _ => said,
    }
}

/// What the cluster says against an object. The fields that it speaks of are traced until one of them is the intent's.
pub(crate) fn by_cluster(
    intent: &Intent<'_>,
    expansion: &Expansion,
    id: &ObjectId,
    problem: &Problem,
) -> String {
    /// Each costs some renders.
    const TRACED: usize = 3;
    let said = format!("{id} cannot be applied: {problem}");
    let made = expansion.objects.iter().chain(&expansion.claims);
    let Some(object) = made.into_iter().find(|object| is(object, id)) else {
        return said;
    };
    let decides = problem.fields().iter().take(TRACED).find_map(|field| {
        let path = pointer(field, object);
        let origin = origin(intent, &id.kind, &id.name, &path)?;
        Some(format!(" ({} decides {path})", origin.field))
    });
    match decides {
        Some(decides) => format!("{said}{decides}"),
        None => said,
    }
}

fn is(object: &Value, id: &ObjectId) -> bool {
    object.get("kind").and_then(Value::as_str) == Some(&id.kind)
        && object.pointer("/metadata/name").and_then(Value::as_str) == Some(&id.name)
}
