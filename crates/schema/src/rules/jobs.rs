//! Jobs and CronJobs.

use serde_json::{Value, json};

use super::names::{label_selector, selects, shown_selector};
use super::workload::template;
use super::{Report, items, not_negative, text};
use crate::error::Cause;

const RESTART: [&str; 2] = ["OnFailure", "Never"];
const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];

pub(super) fn job(object: &Value, report: &mut Report<'_>) {
    let spec = &object["spec"];
    generated(object, report);
    selected(spec, report);
    let (completions, name) = (
        spec["completions"].as_i64().unwrap_or(0),
        &object["metadata"]["name"],
    );
    if spec["completionMode"] == "Indexed" && completions > 0 {
        let last = format!("{}-{}", text(name), completions - 1);
        if last.len() > 63 || !super::names::is_dns_label(&last) {
            let detail = format!("will not able to create pod with invalid DNS label: {last}");
            report.invalid("metadata.name", name, &detail);
        }
    }
}

/// What a Job says that a change of it is asked for once more.
pub(super) fn selected(spec: &Value, report: &mut Report<'_>) {
    job_spec(spec, "spec", report);
    let selector = &spec["selector"];
    let labels = &spec["template"]["metadata"]["labels"];
    if label_selector(selector, "spec.selector", report) && selector.is_object() && !selects(selector, labels)
    {
        report.invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        );
    }
}

/// Unless it says that it does so itself, a Job chooses its pods by what the server gave it.
fn generated(object: &Value, report: &mut Report<'_>) {
    let spec = &object["spec"];
    if spec["manualSelector"] == true || !spec["selector"].is_object() {
        return;
    }
    let (name, uid) = (&object["metadata"]["name"], &object["metadata"]["uid"]);
    let expected = json!({
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name,
        "controller-uid": uid, "job-name": name,
    });
    if !uid.is_null() && !selects(&spec["selector"], &expected) {
        let shown = shown_selector(&spec["selector"]);
        let detail = "`selector` not auto-generated";
        report.add_shown("spec.selector", Cause::Invalid, Some(&shown), detail);
    }
}

fn job_spec(spec: &Value, path: &str, report: &mut Report<'_>) {
    let numbers = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    not_negative(spec, path, &numbers, report);
    let field = |name: &str| format!("{path}.{name}");
    let indexed = spec["completionMode"] == "Indexed";
    if !spec["maxFailedIndexes"].is_null() && spec["backoffLimitPerIndex"].is_null() {
        report.required(
            &field("backoffLimitPerIndex"),
            "when maxFailedIndexes is specified",
        );
    }
    if indexed && spec["completions"].is_null() {
        report.required(&field("completions"), "when completion mode is Indexed");
    }
    if !indexed && matches!(text(&spec["completionMode"]), "" | "NonIndexed") {
        for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if !spec[name].is_null() {
                report.invalid(&field(name), &spec[name], "requires indexed completion mode");
            }
        }
    }
    failure_policy(spec, path, report);
    let restart = &spec["template"]["spec"]["restartPolicy"];
    template(&spec["template"], &field("template"), &[], &[], report);
    let place = field("template.spec.restartPolicy");
    match text(restart) {
        // Jobs have no default that would fit, so that a wrong one is a missing one.
        "" | "Always" => report.required(&place, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec["podFailurePolicy"].is_object() => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            report.invalid(&place, restart, detail);
        }
        "OnFailure" | "Never" => {}
        _ => report.unsupported(&place, restart, &RESTART),
    }
}

fn failure_policy(spec: &Value, path: &str, report: &mut Report<'_>) {
    for (place, rule) in items(&spec["podFailurePolicy"], "rules").iter().enumerate() {
        let path = format!("{path}.podFailurePolicy.rules[{place}]");
        let action = &rule["action"];
        let field = format!("{path}.action");
        match text(action) {
            "" => report.required(&field, &format!("valid values: {ACTIONS:?}").replace(',', "")),
            "FailIndex" if spec["backoffLimitPerIndex"].is_null() => {
                report.invalid(&field, action, "requires the backoffLimitPerIndex to be set");
            }
            action_word if !ACTIONS.contains(&action_word) => report.unsupported(&field, action, &ACTIONS),
            _ => {}
        }
        let (codes, conditions) = (
            rule["onExitCodes"].is_object(),
            !items(rule, "onPodConditions").is_empty(),
        );
        let detail = match (codes, conditions) {
            (true, true) => "specifying both OnExitCodes and OnPodConditions is not supported",
            (false, false) => "specifying one of OnExitCodes and OnPodConditions is required",
            _ => continue,
        };
        report.add(&path, Cause::Invalid, None, detail);
    }
}

pub(super) fn cron_job(object: &Value, report: &mut Report<'_>) {
    let spec = &object["spec"];
    let name = &object["metadata"]["name"];
    let numbers = [
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
    ];
    not_negative(spec, "spec", &numbers[..1], report);
    let job = &spec["jobTemplate"]["spec"];
    job_spec(job, "spec.jobTemplate.spec", report);
    if job["manualSelector"] == true {
        let allowed = ["nil", "false"];
        let field = "spec.jobTemplate.spec.manualSelector";
        report.unsupported(field, &job["manualSelector"], &allowed);
    }
    not_negative(spec, "spec", &numbers[1..], report);
    if text(name).len() > 52 {
        report.invalid("metadata.name", name, "must be no more than 52 characters");
    }
}
