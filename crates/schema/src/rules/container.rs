//! What a container of a pod says.

use std::collections::HashSet;

use serde_json::Value;

use super::names::{dns_label, port_name};
use super::network::{port_range, target};
use super::{NOT_NEGATIVE, Report, items, not_negative, quantity, text};
use crate::error::Cause;

const TOGETHER: &str = "cannot set `allowPrivilegeEscalation` to false and";

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

/// What all containers have, with the names of the volumes of their pod.
pub(super) fn container(container: &Value, path: &str, volumes: &HashSet<&str>, report: &mut Report<'_>) {
    if !text(&container["name"]).is_empty() {
        dns_label(&container["name"], &format!("{path}.name"), report);
    }
    if text(&container["image"]).is_empty() {
        report.required(&format!("{path}.image"), "");
    }
    let policy = &container["terminationMessagePolicy"];
    if !matches!(text(policy), "" | "File" | "FallbackToLogsOnError") {
        let field = format!("{path}.terminationMessagePolicy");
        report.unsupported(&field, policy, &["File", "FallbackToLogsOnError"]);
    }
    ports(container, path, report);
    environment(container, path, report);
    mounts(container, path, volumes, report);
    resources(&container["resources"], &format!("{path}.resources"), report);
    resource_names(&container["resources"], path, report);
    security(
        &container["securityContext"],
        &format!("{path}.securityContext"),
        report,
    );
}

fn ports(container: &Value, path: &str, report: &mut Report<'_>) {
    let mut names = HashSet::new();
    for (place, port) in items(container, "ports").iter().enumerate() {
        let path = format!("{path}.ports[{place}]");
        let name = text(&port["name"]);
        if !name.is_empty() {
            let field = format!("{path}.name");
            let known = report.errors.len();
            port_name(name, &field, report);
            let taken = !names.insert(name);
            if report.errors.len() == known && taken {
                report.add(&field, Cause::Duplicate, Some(&port["name"]), "");
            }
        }
        let field = format!("{path}.containerPort");
        match port["containerPort"].as_i64() {
            None | Some(0) => report.required(&field, ""),
            Some(_) => port_range(&port["containerPort"], &field, report),
        }
        if port["hostPort"].as_i64().is_some_and(|number| number != 0) {
            port_range(&port["hostPort"], &format!("{path}.hostPort"), report);
        }
    }
}

fn mounts(container: &Value, path: &str, volumes: &HashSet<&str>, report: &mut Report<'_>) {
    let mut paths = HashSet::new();
    for (place, mount) in items(container, "volumeMounts").iter().enumerate() {
        let field = format!("{path}.volumeMounts[{place}]");
        if mount["name"]
            .as_str()
            .is_some_and(|volume| !volumes.contains(volume))
        {
            report.add(
                &format!("{field}.name"),
                Cause::NotFound,
                Some(&mount["name"]),
                "",
            );
        }
        if !paths.insert(&mount["mountPath"]) {
            report.invalid(
                &format!("{field}.mountPath"),
                &mount["mountPath"],
                "must be unique",
            );
        }
        for name in ["subPath", "subPathExpr"] {
            let inner = text(&mount[name]);
            // The place in the list is left out upstream, too.
            let field = format!("{path}.volumeMounts.{name}");
            if inner.starts_with('/') {
                report.invalid(&field, &mount[name], "must be a relative path");
            }
            if inner.split('/').any(|part| part == "..") {
                report.invalid(&field, &mount[name], "must not contain '..'");
            }
        }
    }
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
        let field_from = format!("{field}.valueFrom");
        let given = SOURCES.iter().filter(|one| source[**one].is_object()).count();
        if source.is_object() && given == 0 {
            let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or \
                          `fileKeyRef`";
            report.invalid(&field_from, &Value::from(""), detail);
        } else if given > 0 && !text(&variable["value"]).is_empty() {
            let detail = "may not be specified when `value` is not empty";
            report.invalid(&field_from, &Value::from(""), detail);
        } else if given > 1 {
            let detail = "may not have more than one field specified at a time";
            report.invalid(&field_from, &Value::from(""), detail);
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

fn resources(resources: &Value, path: &str, report: &mut Report<'_>) {
    for (name, limit) in resources["limits"].as_object().into_iter().flatten() {
        let Some(request) = resources["requests"].get(name) else {
            continue;
        };
        if let (Some(most), Some(wanted)) = (quantity(limit), quantity(request))
            && wanted > most
        {
            let detail = format!(
                "must be less than or equal to {name} limit of {}",
                limit.as_str().unwrap_or_default()
            );
            report.add(
                &format!("{path}.requests"),
                Cause::Invalid,
                Some(request),
                &detail,
            );
        }
    }
    for list in ["limits", "requests"] {
        for (name, value) in resources[list].as_object().into_iter().flatten() {
            if quantity(value).is_some_and(|quantity| quantity.nano() < 0) {
                report.invalid(&format!("{path}.{list}[{name}]"), value, NOT_NEGATIVE);
            }
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

/// Checks an id of a user or a group.
pub(super) fn id(parent: &Value, name: &str, path: &str, report: &mut Report<'_>) {
    if parent[name]
        .as_i64()
        .is_some_and(|id| !(0..=i64::from(i32::MAX)).contains(&id))
    {
        let detail = "must be between 0 and 2147483647, inclusive";
        report.invalid(&format!("{path}.{name}"), &parent[name], detail);
    }
}

/// Profiles of seccomp and AppArmor, by type.
pub(super) fn profiles(context: &Value, path: &str, report: &mut Report<'_>) {
    for name in ["seccompProfile", "appArmorProfile"] {
        let profile = &context[name];
        let file = &profile["localhostProfile"];
        let field = format!("{path}.{name}.localhostProfile");
        if profile["type"] == "Localhost" && text(file).is_empty() {
            let detail = match name {
                "seccompProfile" => "must be set when seccomp type is Localhost",
                _ => "must be set when AppArmor type is Localhost",
            };
            report.required(&field, detail);
        } else if profile.is_object() && profile["type"] != "Localhost" && !file.is_null() {
            let detail = match name {
                "seccompProfile" => "can only be set when seccomp type is Localhost",
                _ => "can only be set when AppArmor type is Localhost",
            };
            report.invalid(&field, file, detail);
        }
    }
}

fn security(context: &Value, path: &str, report: &mut Report<'_>) {
    if !context.is_object() {
        return;
    }
    for name in ["runAsUser", "runAsGroup"] {
        id(context, name, path, report);
    }
    profiles(context, path, report);
    let privileged = context["privileged"] == true;
    let added = items(&context["capabilities"], "add");
    let mighty = added.iter().any(|capability| capability == "CAP_SYS_ADMIN");
    if context["allowPrivilegeEscalation"] != false || report.is_full() || !(privileged || mighty) {
        return;
    }
    let whole = crate::internal::json("core.SecurityContext", context);
    for (given, what) in [
        (privileged, "`privileged` to true"),
        (mighty, "`capabilities.Add` CAP_SYS_ADMIN"),
    ] {
        if given {
            let detail = format!("{TOGETHER} {what}");
            report.add_shown(path, Cause::Invalid, Some(&whole), &detail);
        }
    }
}

/// What containers do beside their work; those of the beginning have none of it, unless they stay.
pub(super) fn life(container: &Value, path: &str, report: &mut Report<'_>) {
    for hook in ["postStart", "preStop"] {
        let field = format!("{path}.lifecycle.{hook}");
        handler(&container["lifecycle"][hook], &field, report);
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        probe(&container[name], &format!("{path}.{name}"), report);
    }
}

/// What is done: exactly one thing.
fn handler(handler: &Value, path: &str, report: &mut Report<'_>) {
    if !handler.is_object() {
        return;
    }
    let mut first = true;
    for kind in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let action = &handler[kind];
        let field = format!("{path}.{kind}");
        if !action.is_object() {
            continue;
        }
        if !std::mem::take(&mut first) {
            report.forbidden(&field, "may not specify more than 1 handler type");
            continue;
        }
        match kind {
            "exec" if items(action, "command").is_empty() => {
                report.required(&format!("{field}.command"), "");
            }
            "httpGet" | "tcpSocket" => target(&action["port"], &format!("{field}.port"), report),
            "grpc" => port_range(&action["port"], &format!("{field}.port"), report),
            _ => {}
        }
    }
    if first {
        report.required(path, "must specify a handler type");
    }
}

fn probe(probe: &Value, path: &str, report: &mut Report<'_>) {
    if !probe.is_object() {
        return;
    }
    handler(probe, path, report);
    let fields = [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ];
    not_negative(probe, path, &fields, report);
    if probe["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|seconds| seconds <= 0)
    {
        let field = format!("{path}.terminationGracePeriodSeconds");
        report.invalid(
            &field,
            &probe["terminationGracePeriodSeconds"],
            "must be greater than 0",
        );
    }
    let readiness = path.ends_with("readinessProbe");
    if !readiness && probe["successThreshold"].as_i64().is_some_and(|times| times != 1) {
        let field = format!("{path}.successThreshold");
        report.invalid(&field, &probe["successThreshold"], "must be 1");
    }
}
