//! Objects that tests put before the guardrails, and where words stand in what they wrote.

use serde_json::{Value, json};

/// The number of the line that holds a text.
pub(crate) fn line(text: &str, wanted: &str) -> usize {
    text.lines().position(|line| line.contains(wanted)).unwrap() + 1
}

/// A pod that every shipped guardrail lets through, but for its image.
pub(crate) fn pod(image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "x"},
        "spec": pod_spec(image),
    })
}

fn pod_spec(image: &str) -> Value {
    json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "x",
            "image": image,
            "resources": {
                "requests": {"cpu": "10m", "memory": "16Mi"},
                "limits": {"cpu": "100m", "memory": "64Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
        }],
    })
}

/// A Deployment of such pods.
pub(crate) fn deployment(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod_spec(image)},
        },
    })
}
