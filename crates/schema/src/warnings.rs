//! What is right but likely not meant: the warnings that the API server gives beside its answer.

use std::collections::HashMap;

use serde_json::Value;

use crate::Quantity;
use crate::model::Schema;

/// The warnings of a built-in kind about a valid object, as the API server words them. Not all of them.
pub fn warnings(schema: &Schema, object: &Value) -> Vec<String> {
    let spec = &object["spec"];
    let mut found = Vec::new();
    match schema.name.as_str() {
        "core.v1.Pod" => pod(spec, "spec", &mut found),
        "apps.v1.Deployment"
        | "apps.v1.ReplicaSet"
        | "apps.v1.StatefulSet"
        | "apps.v1.DaemonSet"
        | "batch.v1.Job" => pod(&spec["template"]["spec"], "spec.template.spec", &mut found),
        "batch.v1.CronJob" => {
            let spec = &spec["jobTemplate"]["spec"]["template"]["spec"];
            pod(spec, "spec.jobTemplate.spec.template.spec", &mut found);
        }
        "core.v1.Service" => service(spec, &mut found),
        _ => {}
    }
    found
}

fn items<'a>(parent: &'a Value, name: &str) -> &'a [Value] {
    parent[name].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(parent: &'a Value, name: &str) -> &'a str {
    parent[name].as_str().unwrap_or_default()
}

fn pod(spec: &Value, path: &str, found: &mut Vec<String>) {
    for (place, spread) in items(spec, "topologySpreadConstraints").iter().enumerate() {
        if spread["labelSelector"].is_null() {
            found.push(format!(
                "{path}.topologySpreadConstraints[{place}].labelSelector: a null labelSelector results in matching no pod"
            ));
        }
    }
    let aliases = items(spec, "hostAliases");
    for (place, alias) in aliases.iter().enumerate() {
        if aliases[..place].iter().any(|other| other["ip"] == alias["ip"]) {
            let ip = text(alias, "ip");
            found.push(format!("{path}.hostAliases[{place}].ip: duplicate ip {ip:?}"));
        }
    }
    let secrets = items(spec, "imagePullSecrets");
    for (place, secret) in secrets.iter().enumerate() {
        let name = text(secret, "name");
        if secrets[..place].iter().any(|other| text(other, "name") == name) {
            found.push(format!(
                "{path}.imagePullSecrets[{place}].name: duplicate name {name:?}"
            ));
        }
    }
    for (place, secret) in secrets.iter().enumerate() {
        let name = text(secret, "name");
        if name.is_empty() {
            found.push(format!(
                "{path}.imagePullSecrets[{place}].name: invalid empty name {name:?}"
            ));
        }
    }
    // Init containers come first, as upstream visits them.
    let containers: Vec<(String, &Value)> = ["initContainers", "containers"]
        .into_iter()
        .flat_map(|list| {
            let numbered = items(spec, list).iter().enumerate();
            numbered.map(move |(place, container)| (format!("{path}.{list}[{place}]"), container))
        })
        .collect();
    for (path, container) in &containers {
        fractions(container, path, found);
        environment(container, path, found);
    }
    ports(&containers, found);
    if spec["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|seconds| seconds < 0)
    {
        found.push(format!(
            "{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
}

/// Parts of a byte.
fn fractions(container: &Value, path: &str, found: &mut Vec<String>) {
    for resource in ["memory", "ephemeral-storage"] {
        for list in ["limits", "requests"] {
            let amount = &container["resources"][list][resource];
            let parsed = amount.as_str().and_then(|amount| amount.parse::<Quantity>().ok());
            if parsed.is_some_and(|amount| amount.nano() % 1_000_000_000 != 0) {
                found.push(format!(
                    "{path}.resources.{list}[{resource}]: fractional byte value {amount} is invalid, must be an integer"
                ));
            }
        }
    }
}

/// Variables that hide others.
fn environment(container: &Value, path: &str, found: &mut Vec<String>) {
    let variables = items(container, "env");
    for (place, variable) in variables.iter().enumerate() {
        let name = text(variable, "name");
        let before = variables[..place].iter().any(|other| text(other, "name") == name);
        let reference = format!("$({name})");
        let value = text(variable, "value");
        let extends = value.contains(&reference) && value != reference && !variable["valueFrom"].is_object();
        if before && !extends {
            found.push(format!(
                "{path}.env[{place}]: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

fn ports(containers: &[(String, &Value)], found: &mut Vec<String>) {
    let all = || {
        containers.iter().flat_map(|(path, container)| {
            let numbered = items(container, "ports").iter().enumerate();
            numbered.map(move |(place, port)| (format!("{path}.ports[{place}]"), port))
        })
    };
    let mut taken: HashMap<String, Vec<(String, &Value)>> = HashMap::new();
    for (field, port) in all() {
        let others = taken
            .entry(format!("{}/{}", port["containerPort"], text(port, "protocol")))
            .or_default();
        let host = |port: &Value| port["hostPort"].as_i64().unwrap_or(0);
        for (other, taken) in others.iter() {
            let how = if text(port, "hostIP") == text(taken, "hostIP") && host(port) == host(taken) {
                "duplicate"
            } else if host(port) == 0 || host(taken) == 0 {
                "overlapping"
            } else if host(port) == host(taken)
                && text(port, "hostIP").is_empty() != text(taken, "hostIP").is_empty()
            {
                "dangerously ambiguous"
            } else {
                continue;
            };
            found.push(format!("{field}: {how} port definition with {other}"));
        }
        others.push((field, port));
    }
    let mut names: HashMap<&str, String> = HashMap::new();
    for (field, port) in all() {
        let name = text(port, "name");
        if name.is_empty() {
            continue;
        }
        if let Some(other) = names.get(name) {
            found.push(format!(
                "{field}: duplicate port name {name:?} with {other}, services and probes that select ports by name \
                 will use {other}"
            ));
        } else {
            names.insert(name, field);
        }
    }
}

fn service(spec: &Value, found: &mut Vec<String>) {
    let headless = spec["clusterIP"] == "None";
    let outside = !items(spec, "externalIPs").is_empty();
    let named = text(spec, "type") == "ExternalName";
    if headless {
        for (given, name) in [
            (!text(spec, "loadBalancerIP").is_empty(), "loadBalancerIP"),
            (outside, "externalIPs"),
            (
                !matches!(text(spec, "sessionAffinity"), "" | "None"),
                "SessionAffinity",
            ),
        ] {
            if given {
                found.push(format!("spec.{name} is ignored for headless services"));
            }
        }
    }
    if outside && !headless && !named {
        found.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned(),
        );
    }
    if outside && named {
        found.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if !named && !text(spec, "externalName").is_empty() {
        found.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
}
