//! What a pod's spec and its containers say beside images, volumes and probes.

use std::net::IpAddr;

use serde_json::Value;

use super::Report;
use super::names::{LABEL, SUBDOMAIN, is_dns_label, is_subdomain, key_mistake, port_name};
use super::network::items;
use crate::error::Cause;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The fields of the pod's own metadata and spec that a variable may take its value from.
const FIELDS: [&str; 11] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels",
    "metadata.annotations",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

pub(super) fn spec(spec: &Value, path: &str, report: &mut Report<'_>) {
    if spec["dnsPolicy"] == "None" && items(&spec["dnsConfig"], "nameservers").is_empty() {
        let (field, detail) = if spec["dnsConfig"].is_object() {
            (
                "dnsConfig.nameservers",
                "must provide at least one DNS nameserver when `dnsPolicy` is None",
            )
        } else {
            ("dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
        };
        report.add(&format!("{path}.{field}"), Cause::Required, None, detail);
    }
    if spec["activeDeadlineSeconds"]
        .as_i64()
        .is_some_and(|seconds| !(1..=2_147_483_647).contains(&seconds))
    {
        let field = format!("{path}.activeDeadlineSeconds");
        let detail = "must be between 1 and 2147483647, inclusive";
        report.add(
            &field,
            Cause::Invalid,
            Some(&spec["activeDeadlineSeconds"]),
            detail,
        );
    }
    for name in ["hostname", "subdomain"] {
        let value = text(&spec[name]);
        let field = format!("{path}.{name}");
        if value.is_empty() {
            continue;
        }
        if value.contains('.') {
            report.add(&field, Cause::Invalid, Some(&spec[name]), "must not contain dots");
        } else if !is_dns_label(value) {
            report.add(&field, Cause::Invalid, Some(&spec[name]), LABEL);
        }
    }
    for key in spec["nodeSelector"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
    {
        if let Some(mistake) = key_mistake(key) {
            let field = format!("{path}.nodeSelector");
            report.add(&field, Cause::Invalid, Some(&Value::from(key.as_str())), &mistake);
        }
    }
    for (place, alias) in items(spec, "hostAliases").iter().enumerate() {
        let path = format!("{path}.hostAliases[{place}]");
        for (number, name) in items(alias, "hostnames").iter().enumerate() {
            if !is_subdomain(text(name)) {
                report.add(
                    &format!("{path}.hostnames[{number}]"),
                    Cause::Invalid,
                    Some(name),
                    SUBDOMAIN,
                );
            }
        }
        if text(&alias["ip"]).parse::<IpAddr>().is_err() {
            let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            report.add(&format!("{path}.ip"), Cause::Invalid, Some(&alias["ip"]), detail);
        }
    }
    for (place, gate) in items(spec, "schedulingGates").iter().enumerate() {
        if let Some(mistake) = key_mistake(text(&gate["name"])) {
            let field = format!("{path}.schedulingGates[{place}]");
            report.add(&field, Cause::Invalid, Some(&gate["name"]), &mistake);
        }
    }
    if !matches!(text(&spec["os"]["name"]), "" | "linux" | "windows") {
        let field = format!("{path}.os");
        let detail = "supported values: \"linux\", \"windows\"";
        report.add(&field, Cause::Unsupported, Some(&spec["os"]["name"]), detail);
    }
    names(spec, path, report);
    host_ports(spec, path, report);
}

/// Names of init containers are not those of containers.
fn names(spec: &Value, path: &str, report: &mut Report<'_>) {
    for (place, container) in items(spec, "initContainers").iter().enumerate() {
        let taken = items(spec, "containers")
            .iter()
            .any(|other| other["name"] == container["name"]);
        let path = format!("{path}.initContainers[{place}]");
        if taken && container["name"].is_string() {
            report.add(
                &format!("{path}.name"),
                Cause::Duplicate,
                Some(&container["name"]),
                "",
            );
        }
        if container["restartPolicy"] == "Always" {
            continue;
        }
        for probe in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if container[probe].is_object() {
                let detail = "may not be set for init containers without restartPolicy=Always";
                report.add(&format!("{path}.{probe}"), Cause::Forbidden, None, detail);
            }
        }
    }
}

/// A port of the host belongs to one container.
fn host_ports(spec: &Value, path: &str, report: &mut Report<'_>) {
    let in_host = spec["hostNetwork"] == true;
    let mut taken = Vec::new();
    for (place, container) in items(spec, "containers").iter().enumerate() {
        for (number, port) in items(container, "ports").iter().enumerate() {
            let Some(wanted) = port["hostPort"].as_i64().filter(|port| *port != 0) else {
                continue;
            };
            let field = format!("{path}.containers[{place}].ports[{number}].hostPort");
            if in_host && port["containerPort"].as_i64() != Some(wanted) {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                report.add(&field, Cause::Invalid, Some(&port["hostPort"]), detail);
            }
            let key = format!(
                "{}/{}/{wanted}",
                port["protocol"].as_str().unwrap_or("TCP"),
                text(&port["hostIP"])
            );
            if taken.contains(&key) {
                report.add(&field, Cause::Duplicate, Some(&Value::from(key)), "");
            } else {
                taken.push(key);
            }
        }
    }
}

pub(super) fn container(container: &Value, path: &str, report: &mut Report<'_>) {
    let image = text(&container["image"]);
    if image.trim() != image {
        let detail = "must not have leading or trailing whitespace";
        report.add(
            &format!("{path}.image"),
            Cause::Invalid,
            Some(&container["image"]),
            detail,
        );
    }
    let ports = items(container, "ports");
    for (place, port) in ports.iter().enumerate() {
        let name = text(&port["name"]);
        let field = format!("{path}.ports[{place}].name");
        if name.is_empty() {
            continue;
        }
        let known = report.errors.len();
        port_name(name, &field, report);
        if report.errors.len() == known && ports[..place].iter().any(|other| other["name"] == port["name"]) {
            report.add(&field, Cause::Duplicate, Some(&port["name"]), "");
        }
    }
    environment(container, path, report);
    let mounts = items(container, "volumeMounts");
    for (place, mount) in mounts.iter().enumerate() {
        if mounts[..place]
            .iter()
            .any(|other| other["mountPath"] == mount["mountPath"])
        {
            let field = format!("{path}.volumeMounts[{place}].mountPath");
            report.add(
                &field,
                Cause::Invalid,
                Some(&mount["mountPath"]),
                "must be unique",
            );
        }
        if text(&mount["subPath"]).split('/').any(|part| part == "..") {
            let field = format!("{path}.volumeMounts.subPath");
            report.add(
                &field,
                Cause::Invalid,
                Some(&mount["subPath"]),
                "must not contain '..'",
            );
        }
    }
    for hook in ["postStart", "preStop"] {
        let handler = &container["lifecycle"][hook];
        let handlers = ["exec", "httpGet", "tcpSocket", "sleep"];
        if handler.is_object() && handlers.iter().all(|one| !handler[*one].is_object()) {
            let field = format!("{path}.lifecycle.{hook}");
            report.add(&field, Cause::Required, None, "must specify a handler type");
        }
    }
    resource_names(&container["resources"], path, report);
}

fn environment(container: &Value, path: &str, report: &mut Report<'_>) {
    const SOURCES: [&str; 5] = [
        "fieldRef",
        "resourceFieldRef",
        "configMapKeyRef",
        "secretKeyRef",
        "fileKeyRef",
    ];
    for (place, variable) in items(container, "env").iter().enumerate() {
        let field = format!("{path}.env[{place}]");
        let name = text(&variable["name"]);
        if name.contains('=') || name.chars().any(|letter| !(' '..='~').contains(&letter)) {
            let detail = "a valid environment variable name must consist only of printable ASCII characters other than '='";
            report.add(
                &format!("{field}.name"),
                Cause::Invalid,
                Some(&variable["name"]),
                detail,
            );
        }
        let source = &variable["valueFrom"];
        if source.is_object() && SOURCES.iter().all(|one| !source[*one].is_object()) {
            let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or \
                          `fileKeyRef`";
            report.add(
                &format!("{field}.valueFrom"),
                Cause::Invalid,
                Some(&Value::from("")),
                detail,
            );
        }
        let from = text(&source["fieldRef"]["fieldPath"]);
        if !from.is_empty() && !FIELDS.contains(&from.split('[').next().unwrap_or_default()) {
            let detail = format!("error converting fieldPath: field label not supported: {from}");
            let field = format!("{field}.valueFrom.fieldRef.fieldPath");
            report.add(
                &field,
                Cause::Invalid,
                Some(&source["fieldRef"]["fieldPath"]),
                &detail,
            );
        }
    }
    for source in items(container, "envFrom") {
        if !source["configMapRef"].is_object() && !source["secretRef"].is_object() {
            let detail = "must specify one of: `configMapRef` or `secretRef`";
            report.add(
                &format!("{path}.envFrom"),
                Cause::Invalid,
                Some(&Value::from("")),
                detail,
            );
        }
    }
}

/// Containers ask for the resources of Kubernetes or for those of a domain.
fn resource_names(resources: &Value, path: &str, report: &mut Report<'_>) {
    const STANDARD: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
    for list in ["limits", "requests"] {
        for (name, _) in resources[list].as_object().into_iter().flatten() {
            let value = Value::from(name.as_str());
            let field = format!("{path}.resources.{list}[{name}]");
            if name.contains('/') {
                if list == "requests" && resources["limits"][name].is_null() {
                    let detail = "Limit must be set for non overcommitable resources";
                    report.add(&format!("{path}.resources.limits"), Cause::Required, None, detail);
                }
            } else if !STANDARD.contains(&name.as_str()) && !name.starts_with("hugepages-") {
                report.add(
                    &field,
                    Cause::Invalid,
                    Some(&value),
                    "must be a standard resource type or fully qualified",
                );
                report.add(
                    &field,
                    Cause::Invalid,
                    Some(&value),
                    "must be a standard resource for containers",
                );
            }
        }
    }
    let asks = |name: &str| {
        ["limits", "requests"]
            .iter()
            .any(|list| !resources[*list][name].is_null())
    };
    let huge = |list: &str| {
        let names = resources[list].as_object();
        names.is_some_and(|names| names.keys().any(|name| name.starts_with("hugepages-")))
    };
    if (huge("limits") || huge("requests")) && !asks("cpu") && !asks("memory") {
        report.add(
            &format!("{path}.resources"),
            Cause::Forbidden,
            None,
            "HugePages require cpu or memory",
        );
    }
}
