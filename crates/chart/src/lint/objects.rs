//! The rules for what a template prints: that it is YAML, and what can be said of an object by its head.

use serde_json::Value as Json;

use super::Findings;
use crate::render::Capabilities;
use crate::version::compare_versions;

/// API versions that are gone: kind, API version, the Kubernetes that is the first without it, what took its place.
const GONE: [(&str, &str, &str, &str); 29] = [
    ("Deployment", "extensions/v1beta1", "1.16", "apps/v1"),
    ("Deployment", "apps/v1beta1", "1.16", "apps/v1"),
    ("Deployment", "apps/v1beta2", "1.16", "apps/v1"),
    ("DaemonSet", "extensions/v1beta1", "1.16", "apps/v1"),
    ("DaemonSet", "apps/v1beta2", "1.16", "apps/v1"),
    ("ReplicaSet", "extensions/v1beta1", "1.16", "apps/v1"),
    ("ReplicaSet", "apps/v1beta2", "1.16", "apps/v1"),
    ("StatefulSet", "apps/v1beta1", "1.16", "apps/v1"),
    ("StatefulSet", "apps/v1beta2", "1.16", "apps/v1"),
    (
        "NetworkPolicy",
        "extensions/v1beta1",
        "1.16",
        "networking.k8s.io/v1",
    ),
    ("PodSecurityPolicy", "extensions/v1beta1", "1.16", ""),
    ("PodSecurityPolicy", "policy/v1beta1", "1.25", ""),
    ("Ingress", "extensions/v1beta1", "1.22", "networking.k8s.io/v1"),
    (
        "Ingress",
        "networking.k8s.io/v1beta1",
        "1.22",
        "networking.k8s.io/v1",
    ),
    (
        "IngressClass",
        "networking.k8s.io/v1beta1",
        "1.22",
        "networking.k8s.io/v1",
    ),
    (
        "CustomResourceDefinition",
        "apiextensions.k8s.io/v1beta1",
        "1.22",
        "apiextensions.k8s.io/v1",
    ),
    (
        "MutatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1beta1",
        "1.22",
        "admissionregistration.k8s.io/v1",
    ),
    (
        "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1beta1",
        "1.22",
        "admissionregistration.k8s.io/v1",
    ),
    (
        "APIService",
        "apiregistration.k8s.io/v1beta1",
        "1.22",
        "apiregistration.k8s.io/v1",
    ),
    (
        "Role",
        "rbac.authorization.k8s.io/v1beta1",
        "1.22",
        "rbac.authorization.k8s.io/v1",
    ),
    (
        "ClusterRole",
        "rbac.authorization.k8s.io/v1beta1",
        "1.22",
        "rbac.authorization.k8s.io/v1",
    ),
    (
        "RoleBinding",
        "rbac.authorization.k8s.io/v1beta1",
        "1.22",
        "rbac.authorization.k8s.io/v1",
    ),
    (
        "ClusterRoleBinding",
        "rbac.authorization.k8s.io/v1beta1",
        "1.22",
        "rbac.authorization.k8s.io/v1",
    ),
    (
        "PriorityClass",
        "scheduling.k8s.io/v1beta1",
        "1.22",
        "scheduling.k8s.io/v1",
    ),
    ("CronJob", "batch/v1beta1", "1.25", "batch/v1"),
    ("PodDisruptionBudget", "policy/v1beta1", "1.25", "policy/v1"),
    (
        "HorizontalPodAutoscaler",
        "autoscaling/v2beta1",
        "1.25",
        "autoscaling/v2",
    ),
    (
        "HorizontalPodAutoscaler",
        "autoscaling/v2beta2",
        "1.26",
        "autoscaling/v2",
    ),
    (
        "Lease",
        "coordination.k8s.io/v1beta1",
        "1.22",
        "coordination.k8s.io/v1",
    ),
];

pub(super) fn check(file: &str, text: &str, capabilities: &Capabilities, findings: &mut Findings) {
    if let Some(line) = text.lines().find(|line| !line.trim().is_empty())
        && line.starts_with([' ', '\t'])
    {
        findings.warning(
            file,
            format!("document starts with an illegal indent: {line:?}, which may cause parsing problems"),
        );
    }
    let documents = match yaml::parse_all(text) {
        Ok(documents) => documents,
        Err(error) => {
            let place = error.position.map_or(0, |position| position.line);
            findings
                .error(
                    file,
                    format!(
                        "unable to parse YAML: line {place} of what it prints: {}",
                        error.message
                    ),
                )
                .hint(format!(
                    "platform chart template CHART --show-only {file} prints as far as it can"
                ));
            return;
        }
    };
    for document in &documents {
        let object = &document.value;
        if object.is_null() {
            continue;
        }
        if !object.is_object() {
            findings.error(file, "unable to parse YAML: an object is wanted");
            return;
        }
        head(file, object, text, capabilities, findings);
    }
}

fn head(file: &str, object: &Json, text: &str, capabilities: &Capabilities, findings: &mut Findings) {
    let read = |pointer: &str| object.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
    let (kind, name, api_version) = (read("/kind"), read("/metadata/name"), read("/apiVersion"));
    if let Some(why) = name_problem(kind, name) {
        findings.warning(
            file,
            format!("object name does not conform to Kubernetes naming requirements: {name:?}: {why}"),
        );
    }
    let gone = GONE.iter().find(|(gone_kind, gone_version, since, _)| {
        (*gone_kind, *gone_version) == (kind, api_version)
            && compare_versions(&capabilities.kube_version, &format!("{since}.0")).is_ge()
    });
    if let Some((_, _, since, instead)) = gone {
        let found = findings.warning(file, format!("{api_version} {kind} is unavailable in v{since}+"));
        if !instead.is_empty() {
            found.hint(format!("use {instead} {kind}"));
        }
    }
    let selects = matches!(kind, "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet");
    if selects && !text.contains("matchLabels") && !text.contains("matchExpressions") {
        findings.error(
            file,
            format!("a {kind} must contain matchLabels or matchExpressions, and {name:?} does not"),
        );
    }
    if kind == "List" {
        let kept = |item: &Json| {
            item.pointer("/metadata/annotations/helm.sh~1resource-policy")
                .is_some()
        };
        if object["items"]
            .as_array()
            .is_some_and(|items| items.iter().any(kept))
        {
            findings.error(
                file,
                "annotation 'helm.sh/resource-policy' within List objects are ignored",
            );
        }
    }
}

/// Why a name cannot be that of an object of this kind.
fn name_problem(kind: &str, name: &str) -> Option<&'static str> {
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|b| lower(*b))
            && bytes.last().is_some_and(|b| lower(*b))
            && bytes.iter().all(|b| lower(*b) || *b == b'-')
    };
    match kind.to_ascii_lowercase().as_str() {
        "certificatesigningrequest" => None,
        "role" | "clusterrole" | "rolebinding" | "clusterrolebinding" => {
            let wrong = matches!(name, "." | "..") || name.contains(['/', '%']);
            wrong.then_some("it may not be . or .., nor contain / or %")
        }
        "service" => {
            let right =
                name.len() <= 63 && is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase());
            (!right).then_some("lowercase letters, digits and hyphens, beginning with a letter, at most 63")
        }
        "namespace" => (!(name.len() <= 63 && is_label(name)))
            .then_some("lowercase letters, digits and hyphens, at most 63"),
        _ => (!(name.len() <= 253 && name.split('.').all(is_label)))
            .then_some("lowercase letters, digits, hyphens and dots, at most 253"),
    }
}
