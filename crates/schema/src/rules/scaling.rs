//! Autoscalers and disruption budgets.

use serde_json::Value;

use super::apps::{at_most_all, count};
use super::names::label_selector;
use super::{Report, items, quantity, text};
use crate::error::Cause;

const METRICS: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

pub(super) fn budget(spec: &Value, report: &mut Report<'_>) {
    let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !least.is_null() && !most.is_null() {
        let shown = crate::internal::json("policy.PodDisruptionBudgetSpec", spec);
        let detail = "minAvailable and maxUnavailable cannot be both set";
        report.add_shown("spec", Cause::Invalid, Some(&shown), detail);
    }
    for name in ["minAvailable", "maxUnavailable"] {
        let field = format!("spec.{name}");
        count(&spec[name], &field, report);
        at_most_all(&spec[name], &field, report);
    }
    label_selector(&spec["selector"], "spec.selector", report);
}

pub(super) fn autoscaler(spec: &Value, report: &mut Report<'_>) {
    let least = spec["minReplicas"].as_i64();
    let most = spec["maxReplicas"].as_i64().unwrap_or(0);
    if least.is_some_and(|least| least < 1) {
        let detail = "must be greater than or equal to 1";
        report.invalid("spec.minReplicas", &spec["minReplicas"], detail);
    }
    let value = Value::from(most);
    if most == 0 {
        report.required("spec.maxReplicas", "must be set and greater than 0");
    } else if most < 0 {
        report.invalid("spec.maxReplicas", &value, "must be greater than or equal to 1");
    }
    if least.is_some_and(|least| most < least) {
        let detail = "must be greater than or equal to `minReplicas`";
        report.invalid("spec.maxReplicas", &value, detail);
    }
    reference(&spec["scaleTargetRef"], "spec.scaleTargetRef", report);
    let metrics = items(spec, "metrics");
    for (place, one) in metrics.iter().enumerate() {
        metric(one, &format!("spec.metrics[{place}]"), report);
    }
    let counts_others = |metric: &Value| matches!(text(&metric["type"]), "Object" | "External");
    if least == Some(0) && !metrics.iter().any(counts_others) {
        let detail =
            "must specify at least one Object or External metric to support scaling to zero replicas";
        report.forbidden("spec.metrics", detail);
    }
    for direction in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][direction];
        if rules.is_object() {
            scaling(rules, &format!("spec.behavior.{direction}"), report);
        }
    }
}

fn reference(reference: &Value, path: &str, report: &mut Report<'_>) {
    for name in ["kind", "name"] {
        let value = text(&reference[name]);
        let field = format!("{path}.{name}");
        if value.is_empty() {
            report.required(&field, "");
        } else if let Some(part) = ['/', '%'].into_iter().find(|part| value.contains(*part)) {
            report.invalid(&field, &reference[name], &format!("may not contain '{part}'"));
        }
    }
    let version = text(&reference["apiVersion"]);
    let field = format!("{path}.apiVersion");
    match version.split('/').count() {
        1 => {
            let detail = "apiVersion must specify API group";
            report.invalid(&field, &Value::from(version), detail);
        }
        2 => {}
        _ => {
            let detail = format!("unexpected GroupVersion string: {version}");
            report.invalid(&field, &Value::from(version), &detail);
        }
    }
}

fn metric(metric: &Value, path: &str, report: &mut Report<'_>) {
    let kinds = METRICS.map(|(kind, _)| kind);
    let field = format!("{path}.type");
    let kind = &metric["type"];
    if text(kind).is_empty() {
        report.required(&field, "must specify a metric source type");
    }
    let known = METRICS.iter().find(|(one, _)| kind == one);
    let unknown = Value::from(text(kind));
    if known.is_none() {
        report.unsupported(&field, &unknown, &kinds);
    }
    let present = ["object", "external", "pods", "resource", "containerResource"]
        .into_iter()
        .filter(|source| metric[*source].is_object());
    let present: Vec<&str> = present.collect();
    if let Some(first) = present.first() {
        source(&metric[*first], first, &format!("{path}.{first}"), report);
    }
    match known {
        Some((_, source)) if !metric[*source].is_object() => {
            let detail = "must populate information for the given metric source";
            report.required(&format!("{path}.{source}"), detail);
        }
        Some(_) => {}
        None => report.unsupported(&field, &unknown, &kinds),
    }
    if present.len() > 1 {
        let others = present
            .iter()
            .filter(|source| known.is_none_or(|(_, own)| own != *source));
        for source in others {
            let detail = "must populate the given metric source only";
            report.forbidden(&format!("{path}.{source}"), detail);
        }
    }
}

fn source(source: &Value, kind: &str, path: &str, report: &mut Report<'_>) {
    let target = &source["target"];
    let place = format!("{path}.target");
    match kind {
        "object" | "external" | "pods" => {
            if kind == "object" {
                reference(
                    &source["describedObject"],
                    &format!("{path}.describedObject"),
                    report,
                );
            }
            if text(&source["metric"]["name"]).is_empty() {
                report.required(&format!("{path}.metric.name"), "must specify a metric name");
            }
        }
        _ => {
            if text(&source["name"]).is_empty() {
                report.required(&format!("{path}.name"), "must specify a resource name");
            }
            if kind == "containerResource" && text(&source["container"]).is_empty() {
                report.required(&format!("{path}.container"), "must specify a container");
            }
        }
    }
    metric_target(target, &place, report);
    let has = |name: &str| !target[name].is_null();
    let field = |name: &str| format!("{place}.{name}");
    match kind {
        "object" if !has("value") && !has("averageValue") => {
            report.required(
                &field("averageValue"),
                "must set either a target value or averageValue",
            );
        }
        "external" if !has("value") && !has("averageValue") => {
            let detail = "must set either a target value for metric or a per-pod target";
            report.required(&field("averageValue"), detail);
        }
        "external" if has("value") && has("averageValue") => {
            let detail = "may not set both a target value for metric and a per-pod target";
            report.forbidden(&field("value"), detail);
        }
        "pods" if !has("averageValue") => {
            report.required(
                &field("averageValue"),
                "must specify a positive target averageValue",
            );
        }
        "resource" | "containerResource" => {
            if !has("averageUtilization") && !has("averageValue") {
                let detail = "must set either a target raw value or a target utilization";
                report.required(&field("averageUtilization"), detail);
            }
            if has("averageUtilization") && has("averageValue") {
                let detail = "may not set both a target raw value and a target utilization";
                report.forbidden(&field("averageValue"), detail);
            }
        }
        _ => {}
    }
}

fn metric_target(target: &Value, path: &str, report: &mut Report<'_>) {
    let field = format!("{path}.type");
    let kind = text(&target["type"]);
    if kind.is_empty() {
        report.required(&field, "must specify a metric target type");
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        let detail = "must be either Utilization, Value, or AverageValue";
        report.invalid(&field, &Value::from(kind), detail);
    }
    for name in ["value", "averageValue"] {
        if quantity(&target[name]).is_some_and(|amount| amount.nano() <= 0) {
            report.invalid(&format!("{path}.{name}"), &target[name], "must be positive");
        }
    }
    if target["averageUtilization"]
        .as_i64()
        .is_some_and(|share| share < 1)
    {
        let field = format!("{path}.averageUtilization");
        report.invalid(&field, &target["averageUtilization"], "must be greater than 0");
    }
}

fn scaling(rules: &Value, path: &str, report: &mut Report<'_>) {
    let window = &rules["stabilizationWindowSeconds"];
    let field = format!("{path}.stabilizationWindowSeconds");
    if window.as_i64().is_some_and(|seconds| seconds < 0) {
        report.invalid(&field, window, "must be greater than or equal to zero");
    }
    if window.as_i64().is_some_and(|seconds| seconds > 3600) {
        report.invalid(&field, window, "must be less than or equal to 3600");
    }
    let select = &rules["selectPolicy"];
    if !matches!(text(select), "" | "Max" | "Min" | "Disabled") {
        report.unsupported(
            &format!("{path}.selectPolicy"),
            select,
            &["Disabled", "Max", "Min"],
        );
    }
    let policies = items(rules, "policies");
    if policies.is_empty() {
        report.required(&format!("{path}.policies"), "must specify at least one Policy");
    }
    for (place, policy) in policies.iter().enumerate() {
        let path = format!("{path}.policies[{place}]");
        if !matches!(text(&policy["type"]), "Pods" | "Percent") {
            let kind = Value::from(text(&policy["type"]));
            report.unsupported(&format!("{path}.type"), &kind, &["Percent", "Pods"]);
        }
        for name in ["value", "periodSeconds"] {
            if policy[name].as_i64().is_none_or(|number| number <= 0) {
                let value = Value::from(policy[name].as_i64().unwrap_or(0));
                report.invalid(&format!("{path}.{name}"), &value, "must be greater than zero");
            }
        }
        if policy["periodSeconds"]
            .as_i64()
            .is_some_and(|seconds| seconds > 1800)
        {
            let field = format!("{path}.periodSeconds");
            report.invalid(
                &field,
                &policy["periodSeconds"],
                "must be less than or equal to 1800",
            );
        }
    }
}
