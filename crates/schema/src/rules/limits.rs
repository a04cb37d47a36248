//! Quotas and limit ranges.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::names::key_mistake;
use super::{NOT_NEGATIVE, Report, items, keys, quantity, text};
use crate::error::Cause;

/// What can only be counted in whole numbers.
const COUNTED: [&str; 9] = [
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
/// What can be measured.
const MEASURED: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

pub(super) fn quota(spec: &Value, report: &mut Report<'_>) {
    for (name, value) in spec["hard"].as_object().into_iter().flatten() {
        let field = format!("spec.hard[{name}]");
        let named = Value::from(name.as_str());
        let counted = COUNTED.contains(&name.as_str());
        let huge = name.starts_with("hugepages-") || name.starts_with("requests.hugepages-");
        let standard = counted || huge || MEASURED.contains(&name.as_str());
        if let Some(mistake) = key_mistake(name) {
            report.invalid(&field, &named, &mistake);
        } else if !name.contains('/') && !standard {
            report.invalid(
                &field,
                &named,
                "must be a standard resource type or fully qualified",
            );
        }
        if !name.contains('/') && !standard {
            report.invalid(&field, &named, "must be a standard resource for quota");
        }
        let Some(amount) = quantity(value) else { continue };
        if amount.nano() < 0 {
            report.invalid(&field, value, NOT_NEGATIVE);
        } else if amount.nano() % 1_000_000_000 != 0 && (counted || name.starts_with("count/")) {
            report.invalid(&field, value, "must be an integer");
        }
    }
    scopes(spec, report);
}

fn scopes(spec: &Value, report: &mut Report<'_>) {
    let scopes = items(spec, "scopes");
    let mut wrong = |detail: &str| report.invalid("spec.scopes", &spec["scopes"], detail);
    let standard = |name: &&str| COUNTED.contains(name) || MEASURED.contains(name);
    let names: BTreeSet<&str> = keys(&spec["hard"]).filter(standard).collect();
    for scope in scopes.iter().map(text) {
        if !SCOPES.contains(&scope) {
            wrong("unsupported scope");
        }
        for _ in names.iter().filter(|name| !goes_with(scope, name)) {
            wrong("unsupported scope applied to resource");
        }
    }
    let has = |scope: &str| scopes.iter().any(|one| one == scope);
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if has(one) && has(other) {
            wrong("conflicting scopes");
        }
    }
}

/// Whether what is limited is of the things that a scope chooses.
fn goes_with(scope: &str, name: &str) -> bool {
    let storage = name == "requests.storage";
    let measured = MEASURED.contains(&name) && !storage;
    match scope {
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => name == "pods" || measured,
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => name == "persistentvolumeclaims" || storage,
        _ => true,
    }
}

pub(super) fn range(spec: &Value, report: &mut Report<'_>) {
    let mut kinds = HashSet::new();
    for (place, limit) in items(spec, "limits").iter().enumerate() {
        let path = format!("spec.limits[{place}]");
        let kind = text(&limit["type"]);
        let field = format!("{path}.type");
        if !matches!(kind, "Container" | "Pod" | "PersistentVolumeClaim") && !kind.contains('/') {
            let detail = "must be a standard limit type or fully qualified";
            report.invalid(&field, &limit["type"], detail);
        }
        if !kinds.insert(&limit["type"]) {
            report.add(&field, Cause::Duplicate, Some(&limit["type"]), "");
        }
        for name in ["default", "defaultRequest"] {
            if kind == "Pod" && limit[name].is_object() {
                let detail = "may not be specified when `type` is 'Pod'";
                report.forbidden(&format!("{path}.{name}"), detail);
            }
        }
        if kind == "PersistentVolumeClaim"
            && limit["min"]["storage"].is_null()
            && limit["max"]["storage"].is_null()
        {
            let detail = "either minimum or maximum storage value is required, but neither was provided";
            report.required(&format!("{path}.limits"), detail);
        }
        let lists = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];
        let names: BTreeSet<&str> = lists.iter().flat_map(|list| keys(&limit[*list])).collect();
        for name in names {
            bounds(limit, name, &path, kind == "Pod", report);
        }
    }
}

/// The bounds of one resource against one another.
fn bounds(limit: &Value, resource: &str, path: &str, of_pods: bool, report: &mut Report<'_>) {
    // What is said to be wrong, what is compared, and which of the two is shown.
    let order = [
        ("min", ("min", "min"), ("max", "max"), "min"),
        (
            "defaultRequest",
            ("min", "min"),
            ("defaultRequest", "default request"),
            "defaultRequest",
        ),
        (
            "defaultRequest",
            ("defaultRequest", "default request"),
            ("max", "max"),
            "defaultRequest",
        ),
        (
            "defaultRequest",
            ("defaultRequest", "default request"),
            ("default", "default limit"),
            "defaultRequest",
        ),
        ("default", ("min", "min"), ("default", "default"), "min"),
        ("default", ("default", "default"), ("max", "max"), "max"),
    ];
    for (wrong, (low, low_name), (high, high_name), shown) in order {
        if of_pods && (low.starts_with("default") || high.starts_with("default")) {
            continue;
        }
        let (below, above) = (&limit[low][resource], &limit[high][resource]);
        if let (Some(least), Some(most)) = (quantity(below), quantity(above))
            && least > most
        {
            let detail = format!(
                "{low_name} value {} is greater than {high_name} value {}",
                text(below),
                text(above)
            );
            report.invalid(
                &format!("{path}.{wrong}[{resource}]"),
                &limit[shown][resource],
                &detail,
            );
        }
    }
    let ratio = &limit["maxLimitRequestRatio"][resource];
    if quantity(ratio).is_some_and(|ratio| ratio.nano() < 1_000_000_000) {
        let detail = format!("ratio {} is less than 1", text(ratio));
        report.invalid(
            &format!("{path}.maxLimitRequestRatio[{resource}]"),
            ratio,
            &detail,
        );
    }
}
