//! Which objects a quota is about.

use serde_json::Value;

use crate::store::Collection;
use crate::verbs::{quality_of_service, text};

/// Whether a quota counts an object. Scopes speak of pods; a quota that has any counts nothing else.
pub(super) fn covers(quota: &Value, what: &Collection, object: &Value) -> bool {
    let spec = &quota["spec"];
    let plain = spec["scopes"].as_array().into_iter().flatten();
    let plain = plain
        .filter_map(Value::as_str)
        .map(|scope| (scope, "Exists", &Value::Null));
    let chosen = spec["scopeSelector"]["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten();
    let chosen = chosen.map(|one| {
        (
            text(one, &["scopeName"]),
            text(one, &["operator"]),
            &one["values"],
        )
    });
    plain
        .chain(chosen)
        .all(|(scope, operator, values)| what.is("", "pods") && is_in(scope, operator, values, object))
}

/// Whether a pod has an end.
pub(super) fn terminates(pod: &Value) -> bool {
    pod["spec"]["activeDeadlineSeconds"]
        .as_i64()
        .is_some_and(|seconds| seconds >= 0)
}

fn is_in(scope: &str, operator: &str, values: &Value, pod: &Value) -> bool {
    match scope {
        "Terminating" => terminates(pod),
        "NotTerminating" => !terminates(pod),
        "BestEffort" => quality_of_service(&pod["spec"]) == "BestEffort",
        "NotBestEffort" => quality_of_service(&pod["spec"]) != "BestEffort",
        "PriorityClass" => {
            let class = text(pod, &["spec", "priorityClassName"]);
            let listed = values
                .as_array()
                .is_some_and(|values| values.iter().any(|value| value == class));
            match operator {
                "Exists" => !class.is_empty(),
                "DoesNotExist" => class.is_empty(),
                "In" => !class.is_empty() && listed,
                _ => class.is_empty() || !listed,
            }
        }
        "CrossNamespacePodAffinity" => looks_elsewhere(&pod["spec"]["affinity"]),
        _ => false,
    }
}

/// Whether where a pod runs depends on pods of other namespaces.
fn looks_elsewhere(affinity: &Value) -> bool {
    let elsewhere = |term: &Value| {
        term["namespaces"]
            .as_array()
            .is_some_and(|names| !names.is_empty())
            || !term["namespaceSelector"].is_null()
    };
    ["podAffinity", "podAntiAffinity"].into_iter().any(|kind| {
        let required = &affinity[kind]["requiredDuringSchedulingIgnoredDuringExecution"];
        let preferred = &affinity[kind]["preferredDuringSchedulingIgnoredDuringExecution"];
        required.as_array().into_iter().flatten().any(elsewhere)
            || preferred
                .as_array()
                .into_iter()
                .flatten()
                .any(|term| elsewhere(&term["podAffinityTerm"]))
    })
}
