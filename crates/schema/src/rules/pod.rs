//! What a pod's spec says: its volumes, its containers, and what they share.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::Value;

use super::container::{container, id, life, profiles};
use super::names::{SUBDOMAIN, dns_label, is_subdomain, key_mistake, labels, subdomain};
use super::{IP, Report, items, placement, text};
use crate::error::Cause;

/// The first of the volume sources, in the order in which upstream looks at them.
const VOLUME_SOURCES: [&str; 6] = [
    "emptyDir",
    "hostPath",
    "secret",
    "nfs",
    "persistentVolumeClaim",
    "configMap",
];
const MORE_TYPES: &str = "may not specify more than 1 volume type";
const NOT_FOR_INIT: &str = "may not be set for init containers without restartPolicy=Always";
const SYSCTL: &str = "must have at most 253 characters and match regex \
                      ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

/// A pod by itself, and what a template may say that it may not.
pub(super) fn pod(object: &Value, report: &mut Report<'_>) {
    let pod = &object["spec"];
    spec(pod, "spec", &[], report);
    for list in ["containers", "initContainers"] {
        for (place, container) in items(pod, list).iter().enumerate() {
            let image = text(&container["image"]);
            if image.trim() != image {
                let detail = "must not have leading or trailing whitespace";
                let field = format!("spec.{list}[{place}].image");
                report.invalid(&field, &container["image"], detail);
            }
        }
    }
}

/// What a new pod may not have yet.
pub(crate) fn new(pod: &Value, report: &mut Report<'_>) {
    let spec = &pod["spec"];
    if !items(spec, "ephemeralContainers").is_empty() {
        report.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    if !text(&spec["nodeName"]).is_empty() && !items(spec, "schedulingGates").is_empty() {
        let detail = "cannot be set until all schedulingGates have been cleared";
        report.forbidden("spec.nodeName", detail);
    }
}

/// The spec of a pod or of a template, with the volumes that come from elsewhere.
pub(super) fn spec(spec: &Value, path: &str, claims: &[&str], report: &mut Report<'_>) {
    let mut names = volumes(spec, path, report);
    names.extend(claims);
    if items(spec, "containers").is_empty() {
        report.required(&format!("{path}.containers"), "");
    }
    for (place, one) in items(spec, "containers").iter().enumerate() {
        let path = format!("{path}.containers[{place}]");
        container(one, &path, &names, report);
        life(one, &path, report);
    }
    host_ports(spec, path, report);
    init_containers(spec, path, &names, report);
    let restart = &spec["restartPolicy"];
    if !matches!(text(restart), "" | "Always" | "OnFailure" | "Never") {
        let field = format!("{path}.restartPolicy");
        report.unsupported(&field, restart, &["Always", "OnFailure", "Never"]);
    }
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    let policy = text(&spec["dnsPolicy"]);
    if !policy.is_empty() && !policies.contains(&policy) {
        report.unsupported(&format!("{path}.dnsPolicy"), &spec["dnsPolicy"], &policies);
    }
    labels(&spec["nodeSelector"], &format!("{path}.nodeSelector"), report);
    security(spec, path, report);
    placement::affinity(&spec["affinity"], &format!("{path}.affinity"), report);
    dns(spec, path, report);
    for (place, gate) in items(spec, "schedulingGates").iter().enumerate() {
        if let Some(mistake) = key_mistake(text(&gate["name"])) {
            let field = format!("{path}.schedulingGates[{place}]");
            report.invalid(&field, &gate["name"], &mistake);
        }
    }
    placement::spread(spec, path, report);
    for name in ["serviceAccountName", "nodeName"] {
        if !text(&spec[name]).is_empty() {
            subdomain(&spec[name], &format!("{path}.{name}"), report);
        }
    }
    if spec["activeDeadlineSeconds"]
        .as_i64()
        .is_some_and(|seconds| !(1..=2_147_483_647).contains(&seconds))
    {
        let field = format!("{path}.activeDeadlineSeconds");
        let detail = "must be between 1 and 2147483647, inclusive";
        report.invalid(&field, &spec["activeDeadlineSeconds"], detail);
    }
    for name in ["hostname", "subdomain"] {
        if !text(&spec[name]).is_empty() {
            dns_label(&spec[name], &format!("{path}.{name}"), report);
        }
    }
    placement::tolerations(spec, path, report);
    host_aliases(spec, path, report);
    for name in ["priorityClassName", "runtimeClassName"] {
        if !text(&spec[name]).is_empty() {
            subdomain(&spec[name], &format!("{path}.{name}"), report);
        }
    }
    if !matches!(text(&spec["os"]["name"]), "" | "linux" | "windows") {
        report.unsupported(&format!("{path}.os"), &spec["os"]["name"], &["linux", "windows"]);
    }
}

/// Checks the volumes and gives the names of those that are right.
fn volumes<'a>(spec: &'a Value, path: &str, report: &mut Report<'_>) -> HashSet<&'a str> {
    let mut names = HashSet::new();
    for (place, volume) in items(spec, "volumes").iter().enumerate() {
        let known = report.errors.len();
        let path = format!("{path}.volumes[{place}]");
        let sources = volume.as_object().into_iter().flatten();
        let mut sources: Vec<(&String, &Value)> = sources.filter(|(_, source)| source.is_object()).collect();
        sources.sort_by_key(|(name, _)| {
            let place = VOLUME_SOURCES.iter().position(|first| first == name);
            place.unwrap_or(VOLUME_SOURCES.len())
        });
        for (number, (name, source)) in sources.into_iter().enumerate() {
            let field = format!("{path}.{name}");
            if number > 0 {
                report.forbidden(&field, MORE_TYPES);
                continue;
            }
            volume_source(name, source, &field, report);
        }
        if !text(&volume["name"]).is_empty() {
            dns_label(&volume["name"], &format!("{path}.name"), report);
        }
        if report.errors.len() == known {
            names.extend(volume["name"].as_str());
        }
    }
    names
}

fn volume_source(kind: &str, source: &Value, path: &str, report: &mut Report<'_>) {
    let needed = match kind {
        "secret" => "secretName",
        "configMap" => "name",
        _ => "",
    };
    if !needed.is_empty() && text(&source[needed]).is_empty() {
        report.required(&format!("{path}.{needed}"), "");
    }
    if source["defaultMode"]
        .as_i64()
        .is_some_and(|mode| !(0..=0o777).contains(&mode))
    {
        let detail = "must be a number between 0 and 0777 (octal), both inclusive";
        report.invalid(&format!("{path}.defaultMode"), &source["defaultMode"], detail);
    }
    let inner = text(&source["path"]);
    if kind == "hostPath" && inner.split('/').any(|part| part == "..") {
        report.invalid(&format!("{path}.path"), &source["path"], "must not contain '..'");
    }
    if kind == "nfs" && !inner.is_empty() && !inner.starts_with('/') {
        report.invalid(
            &format!("{path}.path"),
            &source["path"],
            "must be an absolute path",
        );
    }
}

/// Names of init containers are not those of containers.
fn init_containers(spec: &Value, path: &str, volumes: &HashSet<&str>, report: &mut Report<'_>) {
    let others = items(spec, "containers").iter();
    let others: HashSet<&str> = others.filter_map(|other| other["name"].as_str()).collect();
    for (place, one) in items(spec, "initContainers").iter().enumerate() {
        let path = format!("{path}.initContainers[{place}]");
        container(one, &path, volumes, report);
        if one["name"].as_str().is_some_and(|name| others.contains(name)) {
            let field = format!("{path}.name");
            report.add(&field, Cause::Duplicate, Some(&one["name"]), "");
        }
        if one["restartPolicy"] == "Always" {
            life(one, &path, report);
            continue;
        }
        for part in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if one[part].is_object() {
                report.forbidden(&format!("{path}.{part}"), NOT_FOR_INIT);
            }
        }
    }
}

/// A port of the host belongs to one container.
fn host_ports(spec: &Value, path: &str, report: &mut Report<'_>) {
    let in_host = spec["hostNetwork"] == true;
    let mut taken = HashSet::new();
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
            if let Some(key) = taken.replace(key) {
                report.add(&field, Cause::Duplicate, Some(&Value::from(key)), "");
            }
        }
    }
}

fn security(spec: &Value, path: &str, report: &mut Report<'_>) {
    let context = &spec["securityContext"];
    let path = format!("{path}.securityContext");
    for name in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(context, name, &path, report);
    }
    if spec["hostPID"] == true && spec["shareProcessNamespace"] == true {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        let field = format!("{path}.shareProcessNamespace");
        report.invalid(&field, &spec["shareProcessNamespace"], detail);
    }
    let mut names = HashSet::new();
    for (place, sysctl) in items(context, "sysctls").iter().enumerate() {
        let again = !names.insert(&sysctl["name"]);
        let field = format!("{path}.sysctls[{place}].name");
        let name = text(&sysctl["name"]);
        if !name.is_empty() && !is_sysctl(name) {
            report.invalid(&field, &sysctl["name"], SYSCTL);
        } else if again {
            report.add(&field, Cause::Duplicate, Some(&sysctl["name"]), "");
        }
    }
    profiles(context, &path, report);
}

fn is_sysctl(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let fits = |byte: &u8| b"-_".contains(byte) || edge(Some(byte));
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(fits)
    };
    name.len() <= 253 && name.split(['.', '/']).all(part)
}

fn dns(spec: &Value, path: &str, report: &mut Report<'_>) {
    if spec["dnsPolicy"] != "None" || !items(&spec["dnsConfig"], "nameservers").is_empty() {
        return;
    }
    let (field, detail) = if spec["dnsConfig"].is_object() {
        (
            "dnsConfig.nameservers",
            "must provide at least one DNS nameserver when `dnsPolicy` is None",
        )
    } else {
        ("dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
    };
    report.required(&format!("{path}.{field}"), detail);
}

fn host_aliases(spec: &Value, path: &str, report: &mut Report<'_>) {
    for (place, alias) in items(spec, "hostAliases").iter().enumerate() {
        let path = format!("{path}.hostAliases[{place}]");
        for (number, name) in items(alias, "hostnames").iter().enumerate() {
            if !is_subdomain(text(name)) {
                report.invalid(&format!("{path}.hostnames[{number}]"), name, SUBDOMAIN);
            }
        }
        if text(&alias["ip"]).parse::<IpAddr>().is_err() {
            report.invalid(&format!("{path}.ip"), &alias["ip"], IP);
        }
    }
}
