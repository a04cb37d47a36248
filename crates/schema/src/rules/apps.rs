//! Deployments, ReplicaSets, StatefulSets and DaemonSets.

use serde_json::Value;

use super::names::{dns_label, label_selector, selects, shown_selector};
use super::workload::template;
use super::{NOT_NEGATIVE, Report, items, not_negative, storage, text};
use crate::error::Cause;
use crate::internal;

const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
     regex used for validation is '[0-9]+%')";
const MOST: &str = "must not be greater than 100%";

pub(super) fn deployment(spec: &Value, report: &mut Report<'_>) {
    not_negative(spec, "spec", &["replicas"], report);
    selected_template(spec, "deployment", "invalid label selector", &[], report);
    let strategy = &spec["strategy"];
    let rolling = &strategy["rollingUpdate"];
    let path = "spec.strategy.rollingUpdate";
    match text(&strategy["type"]) {
        "Recreate" if rolling.is_object() => {
            report.forbidden(path, "may not be specified when strategy `type` is 'Recreate'");
        }
        "Recreate" => {}
        "RollingUpdate" => {
            let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
            let field = format!("{path}.maxUnavailable");
            count(unavailable, &field, report);
            count(surge, &format!("{path}.maxSurge"), report);
            if is_zero(unavailable) && is_zero(surge) {
                report.invalid(&field, unavailable, "may not be 0 when `maxSurge` is 0");
            }
            at_most_all(unavailable, &field, report);
        }
        _ => {
            let shown = internal::json("apps.DeploymentStrategy", strategy);
            let allowed = super::supported(&["Recreate", "RollingUpdate"]);
            report.add_shown("spec.strategy", Cause::Unsupported, Some(&shown), &allowed);
        }
    }
    not_negative(
        spec,
        "spec",
        &[
            "minReadySeconds",
            "revisionHistoryLimit",
            "progressDeadlineSeconds",
        ],
        report,
    );
    let deadline = &spec["progressDeadlineSeconds"];
    if deadline
        .as_i64()
        .is_some_and(|seconds| seconds <= spec["minReadySeconds"].as_i64().unwrap_or(0))
    {
        let field = "spec.progressDeadlineSeconds";
        report.invalid(field, deadline, "must be greater than minReadySeconds");
    }
}

pub(super) fn replica_set(spec: &Value, report: &mut Report<'_>) {
    not_negative(spec, "spec", &["replicas", "minReadySeconds"], report);
    selected_template(spec, "deployment", "invalid label selector", &[], report);
}

pub(super) fn stateful_set(spec: &Value, report: &mut Report<'_>) {
    let policy = &spec["podManagementPolicy"];
    if !matches!(text(policy), "" | "OrderedReady" | "Parallel") {
        let detail = "must be 'OrderedReady' or 'Parallel'";
        report.invalid("spec.podManagementPolicy", policy, detail);
    }
    let strategy = &spec["updateStrategy"];
    let rolling = &strategy["rollingUpdate"];
    let path = "spec.updateStrategy.rollingUpdate";
    match text(&strategy["type"]) {
        "OnDelete" if rolling.is_object() => {
            let shown = internal::json("apps.RollingUpdateStatefulSetStrategy", rolling);
            let detail = "only allowed for updateStrategy 'RollingUpdate'";
            report.add_shown(path, Cause::Invalid, Some(&shown), detail);
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            not_negative(rolling, path, &["partition"], report);
            let unavailable = &rolling["maxUnavailable"];
            if !unavailable.is_null() {
                let field = format!("{path}.maxUnavailable");
                count(unavailable, &field, report);
                if is_zero(unavailable) {
                    report.invalid(&field, unavailable, "cannot be 0");
                }
                at_most_all(unavailable, &field, report);
            }
        }
        _ => {
            let shown = internal::json("apps.StatefulSetUpdateStrategy", strategy);
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            report.add_shown("spec.updateStrategy", Cause::Invalid, Some(&shown), detail);
        }
    }
    let claims = items(spec, "volumeClaimTemplates");
    for (place, claim) in claims.iter().enumerate() {
        let path = format!("spec.volumeClaimTemplates[{place}].spec");
        storage::claim(&claim["spec"], &path, report);
    }
    not_negative(spec, "spec", &["replicas", "minReadySeconds"], report);
    if !text(&spec["serviceName"]).is_empty() {
        dns_label(&spec["serviceName"], "spec.serviceName", report);
    }
    let names: Vec<&str> = claims
        .iter()
        .filter_map(|claim| claim.pointer("/metadata/name")?.as_str())
        .collect();
    selected_template(spec, "statefulset", "", &names, report);
}

pub(super) fn daemon_set(spec: &Value, report: &mut Report<'_>) {
    let selector = &spec["selector"];
    let usable = label_selector(selector, "spec.selector", report);
    if usable {
        matching(spec, report);
    }
    if is_empty(selector) {
        empty(selector, "daemonset", report);
    }
    template(&spec["template"], "spec.template", &["Always"], &[], report);
    limited(spec, "DaemonSet", report);
    not_negative(spec, "spec", &["minReadySeconds"], report);
    let strategy = &spec["updateStrategy"];
    let rolling = &strategy["rollingUpdate"];
    let path = "spec.updateStrategy.rollingUpdate";
    match text(&strategy["type"]) {
        "OnDelete" => {}
        "RollingUpdate" => {
            let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
            let fields = [format!("{path}.maxUnavailable"), format!("{path}.maxSurge")];
            for (value, field) in [unavailable, surge].into_iter().zip(&fields) {
                count(value, field, report);
            }
            for (value, field) in [unavailable, surge].into_iter().zip(&fields) {
                at_most_all(value, field, report);
            }
            let none = |value: &Value| value.is_null() || is_zero(value);
            if none(unavailable) && none(surge) {
                report.required(&fields[0], "cannot be 0 when maxSurge is 0");
            } else if !none(unavailable) && !none(surge) {
                report.invalid(
                    &fields[1],
                    surge,
                    "may not be set when maxUnavailable is non-zero",
                );
            }
        }
        _ => {
            let shown = internal::json("apps.DaemonSetUpdateStrategy", strategy);
            let allowed = super::supported(&["RollingUpdate", "OnDelete"]);
            report.add_shown("spec.updateStrategy", Cause::Unsupported, Some(&shown), &allowed);
        }
    }
    not_negative(spec, "spec", &["revisionHistoryLimit"], report);
}

/// A selector, and the template whose pods it must choose.
fn selected_template(spec: &Value, word: &str, unusable: &str, claims: &[&str], report: &mut Report<'_>) {
    let selector = &spec["selector"];
    let usable = label_selector(selector, "spec.selector", report);
    if is_empty(selector) {
        empty(selector, word, report);
    }
    if !usable {
        let shown = shown_selector(selector);
        return report.add_shown("spec.selector", Cause::Invalid, Some(&shown), unusable);
    }
    if !is_empty(selector) {
        matching(spec, report);
    }
    template(&spec["template"], "spec.template", &["Always"], claims, report);
    limited(
        spec,
        if word == "statefulset" {
            "StatefulSet"
        } else {
            "ReplicaSet"
        },
        report,
    );
}

fn is_empty(selector: &Value) -> bool {
    selector.is_object()
        && super::keys(&selector["matchLabels"]).next().is_none()
        && items(selector, "matchExpressions").is_empty()
}

fn empty(selector: &Value, word: &str, report: &mut Report<'_>) {
    let detail = format!("empty selector is invalid for {word}");
    report.invalid("spec.selector", selector, &detail);
}

fn matching(spec: &Value, report: &mut Report<'_>) {
    let labels = &spec["template"]["metadata"]["labels"];
    if !spec["selector"].is_object() || !selects(&spec["selector"], labels) {
        report.invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        );
    }
}

/// Pods that are replaced have no end of their own.
fn limited(spec: &Value, kind: &str, report: &mut Report<'_>) {
    if !spec["template"]["spec"]["activeDeadlineSeconds"].is_null() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        report.forbidden("spec.template.spec.activeDeadlineSeconds", &detail);
    }
}

fn is_zero(value: &Value) -> bool {
    *value == 0 || value.as_str().and_then(percent) == Some(0)
}

/// How many percent a text says.
fn percent(text: &str) -> Option<u32> {
    let digits = text.strip_suffix('%')?;
    let plain = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u32::MAX))
}

/// A number or a percentage.
pub(super) fn count(value: &Value, field: &str, report: &mut Report<'_>) {
    if value.as_i64().is_some_and(|number| number < 0) {
        report.invalid(field, value, NOT_NEGATIVE);
    } else if value.as_str().is_some_and(|text| percent(text).is_none()) {
        report.invalid(field, value, PERCENT);
    }
}

/// A percentage, if it is one, of no more than all.
pub(super) fn at_most_all(value: &Value, field: &str, report: &mut Report<'_>) {
    if value.as_str().and_then(percent).is_some_and(|share| share > 100) {
        report.invalid(field, value, MOST);
    }
}
