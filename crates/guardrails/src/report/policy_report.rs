//! Reports in a cluster: `wgpolicyk8s.io/v1alpha2` and its successor `openreports.io/v1alpha1`.

use serde_json::{Map, Value, json};

use super::Finding;
use crate::verdict::Outcome;

/// Which of the two kinds of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `PolicyReport` and `ClusterPolicyReport` of `wgpolicyk8s.io/v1alpha2`.
    #[default]
    PolicyReport,
    /// `Report` and `ClusterReport` of `openreports.io/v1alpha1`.
    OpenReports,
}

/// How reports are made.
#[derive(Debug, Clone, Copy)]
pub struct ReportOptions<'a> {
    /// Which kind.
    pub form: Form,
    /// The name of each report.
    pub name: &'a str,
    /// Seconds since 1970.
    pub seconds: i64,
    /// Say `warn` where a rule fails that is not enforced.
    pub audit_warn: bool,
}

/// Reports on findings: one for each namespace, and one for what lives in none, in order.
pub fn policy_reports(findings: &[Finding<'_>], options: &ReportOptions<'_>) -> Vec<Value> {
    let mut places: Vec<&str> = findings
        .iter()
        .map(|finding| finding.text("/metadata/namespace"))
        .collect();
    places.sort_unstable();
    places.dedup();
    places
        .into_iter()
        .map(|place| {
            let own = findings
                .iter()
                .filter(|finding| finding.text("/metadata/namespace") == place);
            report(own, place, options)
        })
        .collect()
}

fn report<'a>(
    findings: impl Iterator<Item = &'a Finding<'a>>,
    namespace: &str,
    options: &ReportOptions<'_>,
) -> Value {
    let results: Vec<Value> = findings.map(|finding| result(finding, options)).collect();
    let (api_version, kind) = match (options.form, namespace.is_empty()) {
        (Form::PolicyReport, true) => ("wgpolicyk8s.io/v1alpha2", "ClusterPolicyReport"),
        (Form::PolicyReport, false) => ("wgpolicyk8s.io/v1alpha2", "PolicyReport"),
        (Form::OpenReports, true) => ("openreports.io/v1alpha1", "ClusterReport"),
        (Form::OpenReports, false) => ("openreports.io/v1alpha1", "Report"),
    };
    let mut metadata = json!({"name": options.name});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": metadata,
        "summary": summary(&results),
        "results": results,
    })
}

/// How many results came out how.
pub fn summary(results: &[Value]) -> Value {
    let count = |word: &str| results.iter().filter(|result| result["result"] == word).count();
    json!({
        "pass": count("pass"),
        "fail": count("fail"),
        "warn": count("warn"),
        "error": count("error"),
        "skip": count("skip"),
    })
}

fn result(finding: &Finding<'_>, options: &ReportOptions<'_>) -> Value {
    let verdict = finding.verdict;
    let outcome = match verdict.outcome {
        Outcome::Fail if options.audit_warn && !verdict.enforce => Outcome::Warn,
        outcome => outcome,
    };
    let mut subject = Map::new();
    for (field, pointer) in [
        ("apiVersion", "/apiVersion"),
        ("kind", "/kind"),
        ("namespace", "/metadata/namespace"),
        ("name", "/metadata/name"),
        ("uid", "/metadata/uid"),
        ("resourceVersion", "/metadata/resourceVersion"),
    ] {
        let text = finding.text(pointer);
        if !text.is_empty() {
            subject.insert(field.to_owned(), text.into());
        }
    }
    let subjects = match options.form {
        Form::PolicyReport => "resources",
        Form::OpenReports => "subjects",
    };
    let description = match options.form {
        Form::PolicyReport => "message",
        Form::OpenReports => "description",
    };
    let mut result = json!({
        "source": source(finding.policy_kind),
        "policy": verdict.about.policy,
        "result": outcome.word(),
        "scored": verdict.outcome != Outcome::Warn,
        "timestamp": {"seconds": options.seconds, "nanos": 0},
    });
    result[description] = verdict.message.as_str().into();
    result[subjects] = json!([subject]);
    if !verdict.about.rule.is_empty() {
        result["rule"] = verdict.about.rule.as_str().into();
    }
    let severity = verdict.about.severity.as_deref();
    if let Some(severity) =
        severity.filter(|word| ["critical", "high", "medium", "low", "info"].contains(word))
    {
        result["severity"] = severity.into();
    }
    if let Some(category) = &verdict.about.category {
        result["category"] = category.as_str().into();
    }
    let mut properties = Map::new();
    // What keeps a rule is the proof of a control as much as what breaks it.
    if !verdict.about.controls.is_empty() {
        properties.insert("controls".to_owned(), verdict.about.controls.join(", ").into());
    }
    if let Some(file) = finding.file {
        properties.insert("file".to_owned(), file.into());
        if let Some((line, _)) = finding.place {
            properties.insert("line".to_owned(), line.to_string().into());
        }
    }
    for (name, text) in [
        ("path", &verdict.path),
        ("why", &verdict.about.why),
        ("hint", &verdict.about.hint),
    ] {
        // What passes needs no advice.
        if let Some(text) = text.as_deref().filter(|_| finding.is_problem()) {
            properties.insert(name.to_owned(), text.into());
        }
    }
    if !properties.is_empty() {
        result["properties"] = Value::Object(properties);
    }
    result
}

/// The engine's name in reports: Kyverno's, so that what reads its reports reads ours.
fn source(policy_kind: &str) -> &'static str {
    match policy_kind {
        "ValidatingAdmissionPolicy" => "ValidatingAdmissionPolicy",
        "MutatingAdmissionPolicy" => "MutatingAdmissionPolicy",
        kind if kind.ends_with("ImageValidatingPolicy") => "KyvernoImageValidatingPolicy",
        kind if kind.ends_with("ValidatingPolicy") => "KyvernoValidatingPolicy",
        kind if kind.ends_with("MutatingPolicy") => "KyvernoMutatingPolicy",
        kind if kind.ends_with("GeneratingPolicy") => "KyvernoGeneratingPolicy",
        _ => "kyverno",
    }
}
