//! Where pods may run: affinities, tolerations, spread.

use std::collections::HashMap;

use serde_json::Value;

use super::names::{label_name, label_selector, label_value_mistake, requirement};
use super::{Report, items, text};
use crate::error::Cause;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const OPERATORS: [&str; 6] = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn affinity(affinity: &Value, path: &str, report: &mut Report<'_>) {
    let nodes = &affinity["nodeAffinity"];
    let field = format!("{path}.nodeAffinity");
    if nodes[REQUIRED].is_object() {
        node_selector(&nodes[REQUIRED], &format!("{field}.{REQUIRED}"), report);
    }
    for (place, term) in items(nodes, PREFERRED).iter().enumerate() {
        let field = format!("{field}.{PREFERRED}[{place}]");
        weight(term, &field, report);
        node_term(&term["preference"], &format!("{field}.preference"), false, report);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let field = format!("{path}.{kind}");
        for (place, term) in items(&affinity[kind], REQUIRED).iter().enumerate() {
            pod_term(term, &format!("{field}.{REQUIRED}[{place}]"), report);
        }
        for (place, term) in items(&affinity[kind], PREFERRED).iter().enumerate() {
            let field = format!("{field}.{PREFERRED}[{place}]");
            weight(term, &field, report);
            pod_term(
                &term["podAffinityTerm"],
                &format!("{field}.podAffinityTerm"),
                report,
            );
        }
    }
}

fn weight(term: &Value, path: &str, report: &mut Report<'_>) {
    let weight = &term["weight"];
    if !weight.as_i64().is_some_and(|weight| (1..=100).contains(&weight)) {
        report.invalid(&format!("{path}.weight"), weight, "must be in the range 1-100");
    }
}

/// A selector of nodes, by their labels and fields.
pub(super) fn node_selector(selector: &Value, path: &str, report: &mut Report<'_>) {
    let field = format!("{path}.nodeSelectorTerms");
    let terms = items(selector, "nodeSelectorTerms");
    if terms.is_empty() {
        report.required(&field, "must have at least one node selector term");
    }
    for (place, term) in terms.iter().enumerate() {
        node_term(term, &format!("{field}[{place}]"), true, report);
    }
}

fn node_term(term: &Value, path: &str, strict: bool, report: &mut Report<'_>) {
    for (place, expression) in items(term, "matchExpressions").iter().enumerate() {
        let field = format!("{path}.matchExpressions[{place}]");
        requirement(expression, &field, &OPERATORS, report);
        for (number, value) in items(expression, "values").iter().enumerate() {
            if let Some(mistake) = label_value_mistake(text(value)).filter(|_| strict) {
                report.invalid(&format!("{field}.values[{number}]"), value, mistake);
            }
        }
    }
    for (place, expression) in items(term, "matchFields").iter().enumerate() {
        let field = format!("{path}.matchFields[{place}]");
        if !matches!(text(&expression["operator"]), "In" | "NotIn") {
            let detail = "not a valid selector operator";
            report.invalid(&format!("{field}.operator"), &expression["operator"], detail);
        } else if items(expression, "values").len() != 1 {
            let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            report.required(&format!("{field}.values"), detail);
        }
        if expression["key"] != "metadata.name" {
            let detail = "not a valid field selector key";
            report.invalid(&format!("{field}.key"), &expression["key"], detail);
        }
    }
}

fn pod_term(term: &Value, path: &str, report: &mut Report<'_>) {
    for selector in ["labelSelector", "namespaceSelector"] {
        label_selector(&term[selector], &format!("{path}.{selector}"), report);
    }
    let field = format!("{path}.topologyKey");
    if text(&term["topologyKey"]).is_empty() {
        report.required(&field, "can not be empty");
    }
    label_name(&term["topologyKey"], &field, report);
}

pub(super) fn spread(spec: &Value, path: &str, report: &mut Report<'_>) {
    let all = items(spec, "topologySpreadConstraints");
    let pair = |spread: &'_ Value| (spread["topologyKey"].clone(), spread["whenUnsatisfiable"].clone());
    let last: HashMap<(Value, Value), usize> = all.iter().map(pair).zip(0..).collect();
    for (place, spread) in all.iter().enumerate() {
        let path = format!("{path}.topologySpreadConstraints[{place}]");
        if spread["maxSkew"].as_i64().is_none_or(|skew| skew <= 0) {
            report.invalid(
                &format!("{path}.maxSkew"),
                &spread["maxSkew"],
                "must be greater than zero",
            );
        }
        if text(&spread["topologyKey"]).is_empty() {
            report.required(&format!("{path}.topologyKey"), "can not be empty");
        }
        let unsatisfiable = &spread["whenUnsatisfiable"];
        let field = format!("{path}.whenUnsatisfiable");
        match text(unsatisfiable) {
            "DoNotSchedule" | "ScheduleAnyway" => {}
            "" => report.required(&field, "can not be empty"),
            _ => report.unsupported(&field, unsatisfiable, &["DoNotSchedule", "ScheduleAnyway"]),
        }
        if last.get(&pair(spread)) != Some(&place) {
            let field = format!("{path}.{{topologyKey, whenUnsatisfiable}}");
            let value = format!("{{{}, {}}}", text(&spread["topologyKey"]), text(unsatisfiable));
            report.add(&field, Cause::Duplicate, Some(&Value::from(value)), "");
        }
        if let Some(domains) = spread["minDomains"].as_i64() {
            let field = format!("{path}.minDomains");
            if domains <= 0 {
                report.invalid(&field, &spread["minDomains"], "must be greater than 0");
            }
            if unsatisfiable != "DoNotSchedule" {
                let detail = format!(
                    "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}",
                    text(unsatisfiable)
                );
                report.invalid(&field, &spread["minDomains"], &detail);
            }
        }
        label_selector(&spread["labelSelector"], &format!("{path}.labelSelector"), report);
    }
}

pub(super) fn tolerations(spec: &Value, path: &str, report: &mut Report<'_>) {
    for (place, toleration) in items(spec, "tolerations").iter().enumerate() {
        let path = format!("{path}.tolerations[{place}]");
        let field = |name: &str| format!("{path}.{name}");
        let (key, operator) = (text(&toleration["key"]), text(&toleration["operator"]));
        let effect = text(&toleration["effect"]);
        if !key.is_empty() {
            label_name(&toleration["key"], &field("key"), report);
        } else if operator != "Exists" {
            let detail =
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            report.invalid(&field("operator"), &Value::from(operator), detail);
        }
        if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            report.invalid(&field("effect"), &Value::from(effect), detail);
        }
        let value = &toleration["value"];
        match operator {
            "" | "Equal" => {
                if let Some(mistake) = label_value_mistake(text(value)) {
                    report.invalid(&field("operator"), value, mistake);
                }
            }
            "Exists" if !text(value).is_empty() => {
                let detail = "value must be empty when `operator` is 'Exists'";
                report.invalid(&field("operator"), value, detail);
            }
            "Exists" => {}
            "Lt" | "Gt" => {
                let all = ["Equal", "Exists", "Lt", "Gt"];
                report.unsupported(&field("operator"), &toleration["operator"], &all);
            }
            _ => report.unsupported(&field("operator"), &toleration["operator"], &["Equal", "Exists"]),
        }
        if !effect.is_empty() && !EFFECTS.contains(&effect) {
            report.unsupported(&field("effect"), &toleration["effect"], &EFFECTS);
        }
    }
}
