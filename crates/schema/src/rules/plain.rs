//! What holds data, asks for room or sets limits: ConfigMaps, Secrets, claims and volumes, budgets, autoscalers, quotas,
//! limit ranges, leases, priority classes.

use serde_json::Value;

use super::Report;
use super::names::key_mistake;
use super::network::items;
use crate::Quantity;
use crate::error::Cause;

const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
     'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
     regex used for validation is '[0-9]+%')";
/// What a ConfigMap or a Secret may hold.
const MOST_BYTES: usize = 1 << 20;
const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

fn quantity(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn keys(data: &Value, field: &str, report: &mut Report<'_>) {
    for (key, _) in data.as_object().into_iter().flatten() {
        let value = Value::from(key.as_str());
        let field = format!("{field}[{key}]");
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if key.len() > 253 {
            report.add(
                &field,
                Cause::Invalid,
                Some(&value),
                "must be no more than 253 characters",
            );
        } else if !key.chars().all(fits) || key.is_empty() {
            report.add(&field, Cause::Invalid, Some(&value), KEY);
        } else if key == "." || key == ".." {
            report.add(
                &field,
                Cause::Invalid,
                Some(&value),
                &format!("must not be '{key}'"),
            );
        } else if key.starts_with("..") {
            report.add(&field, Cause::Invalid, Some(&value), "must not start with '..'");
        }
    }
}

/// How many bytes encoded values stand for.
fn decoded(data: &Value) -> usize {
    let values = data.as_object().into_iter().flatten();
    values
        .map(|(_, value)| {
            let text = text(value);
            text.len() / 4 * 3
                - text
                    .bytes()
                    .rev()
                    .take_while(|byte| *byte == b'=')
                    .count()
                    .min(text.len() / 4 * 3)
        })
        .sum()
}

pub(super) fn config_map(object: &Value, report: &mut Report<'_>) {
    keys(&object["data"], "data", report);
    keys(&object["binaryData"], "binaryData", report);
    let plain = object["data"].as_object().into_iter().flatten();
    let mut total = decoded(&object["binaryData"]);
    for (key, value) in plain {
        total += text(value).len();
        if !object["binaryData"][key].is_null() {
            let detail = "duplicate of key present in binaryData";
            report.add(
                &format!("data[{key}]"),
                Cause::Invalid,
                Some(&Value::from(key.as_str())),
                detail,
            );
        }
    }
    if total > MOST_BYTES {
        let detail = format!("may not be more than {MOST_BYTES} bytes");
        report.add("[]", Cause::TooLong, None, &detail);
    }
}

pub(super) fn secret(object: &Value, report: &mut Report<'_>) {
    keys(&object["data"], "data", report);
    if decoded(&object["data"]) > MOST_BYTES {
        let detail = format!("may not be more than {MOST_BYTES} bytes");
        report.add("data", Cause::TooLong, None, &detail);
    }
    let missing = |key: &str| object["data"][key].is_null();
    let needed: &[&str] = match text(&object["type"]) {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/basic-auth" if missing("username") && missing("password") => &["username", "password"],
        "kubernetes.io/service-account-token" => {
            let account = "kubernetes.io/service-account.name";
            if text(&object["metadata"]["annotations"][account]).is_empty() {
                report.add(
                    &format!("metadata.annotations[{account}]"),
                    Cause::Required,
                    None,
                    "",
                );
            }
            &[]
        }
        _ => &[],
    };
    for key in needed.iter().filter(|key| missing(key)) {
        report.add(&format!("data[{key}]"), Cause::Required, None, "");
    }
}

pub(super) fn claim(spec: &Value, path: &str, report: &mut Report<'_>) {
    if items(spec, "accessModes").is_empty() {
        let detail = "at least 1 access mode is required";
        report.add(&format!("{path}.accessModes"), Cause::Required, None, detail);
    }
    let size = &spec["resources"]["requests"]["storage"];
    let field = format!("{path}.resources[storage]");
    match quantity(size) {
        None if size.is_null() => report.add(&field, Cause::Required, None, ""),
        Some(wanted) if wanted.nano() <= 0 => {
            report.add(&field, Cause::Invalid, Some(size), "must be greater than zero");
        }
        _ => {}
    }
}

pub(super) fn volume(spec: &Value, report: &mut Report<'_>) {
    const BESIDE: [&str; 9] = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    ];
    if items(spec, "accessModes").is_empty() {
        report.add("spec.accessModes", Cause::Required, None, "");
    }
    if spec["capacity"].as_object().is_none_or(serde_json::Map::is_empty) {
        report.add("spec.capacity", Cause::Required, None, "");
    }
    let sources = spec.as_object().into_iter().flatten();
    if !sources
        .map(|(name, _)| name.as_str())
        .any(|name| !BESIDE.contains(&name))
    {
        report.add("spec", Cause::Required, None, "must specify a volume type");
    }
}

/// A number or a percentage of at most a hundred.
pub(super) fn share(value: &Value, field: &str, bounded: bool, report: &mut Report<'_>) {
    if let Some(number) = value.as_i64() {
        if number < 0 {
            report.add(field, Cause::Invalid, Some(value), NOT_NEGATIVE);
        }
    } else if let Some(text) = value.as_str() {
        let digits = text
            .strip_suffix('%')
            .filter(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()));
        match digits.map(str::parse::<u32>) {
            None => report.add(field, Cause::Invalid, Some(value), PERCENT),
            Some(Ok(0..=100)) => {}
            Some(_) if bounded => {
                report.add(
                    field,
                    Cause::Invalid,
                    Some(value),
                    "must not be greater than 100%",
                );
            }
            Some(_) => {}
        }
    }
}

pub(super) fn budget(spec: &Value, report: &mut Report<'_>) {
    for name in ["minAvailable", "maxUnavailable"] {
        share(&spec[name], &format!("spec.{name}"), true, report);
    }
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        let detail = "minAvailable and maxUnavailable cannot be both set";
        report.add("spec", Cause::Invalid, Some(spec), detail);
    }
}

pub(super) fn autoscaler(spec: &Value, report: &mut Report<'_>) {
    let (least, most) = (
        spec["minReplicas"].as_i64(),
        spec["maxReplicas"].as_i64().unwrap_or(0),
    );
    if least.is_some_and(|least| least < 1) {
        let detail = "must be greater than or equal to 1";
        report.add(
            "spec.minReplicas",
            Cause::Invalid,
            Some(&spec["minReplicas"]),
            detail,
        );
    }
    let value = Value::from(most);
    if most < 1 {
        report.add(
            "spec.maxReplicas",
            Cause::Required,
            None,
            "must be set and greater than 0",
        );
    }
    if least.is_some_and(|least| most < least) {
        let detail = "must be greater than or equal to `minReplicas`";
        report.add("spec.maxReplicas", Cause::Invalid, Some(&value), detail);
    }
    let sources = [
        ("ContainerResource", "containerResource"),
        ("External", "external"),
        ("Object", "object"),
        ("Pods", "pods"),
        ("Resource", "resource"),
    ];
    for (place, metric) in items(spec, "metrics").iter().enumerate() {
        let path = format!("spec.metrics[{place}]");
        let source = sources
            .iter()
            .find(|(kind, _)| metric["type"] == *kind)
            .map(|(_, source)| *source);
        match source {
            Some(source) if !metric[source].is_object() => {
                let detail = "must populate information for the given metric source";
                report.add(&format!("{path}.{source}"), Cause::Required, None, detail);
            }
            Some("resource") => {
                let target = &metric["resource"]["target"];
                if target["averageUtilization"].is_null() && target["averageValue"].is_null() {
                    let field = format!("{path}.resource.target.averageUtilization");
                    let detail = "must set either a target raw value or a target utilization";
                    report.add(&field, Cause::Required, None, detail);
                }
            }
            _ => {}
        }
    }
}

pub(super) fn quota(spec: &Value, report: &mut Report<'_>) {
    /// What can only be counted in whole numbers.
    const WHOLE: [&str; 8] = [
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
    ];
    for (name, value) in spec["hard"].as_object().into_iter().flatten() {
        let field = format!("spec.hard[{name}]");
        if let Some(mistake) = key_mistake(name) {
            report.add(
                &field,
                Cause::Invalid,
                Some(&Value::from(name.as_str())),
                &mistake,
            );
            continue;
        }
        let Some(amount) = quantity(value) else { continue };
        let whole = amount.nano() % 1_000_000_000 == 0;
        if amount.nano() < 0 {
            report.add(&field, Cause::Invalid, Some(value), NOT_NEGATIVE);
        } else if !whole && (WHOLE.contains(&name.as_str()) || name.starts_with("count/")) {
            report.add(&field, Cause::Invalid, Some(value), "must be an integer");
        }
    }
}

pub(super) fn limits(spec: &Value, report: &mut Report<'_>) {
    let all = items(spec, "limits");
    for (place, limit) in all.iter().enumerate() {
        let path = format!("spec.limits[{place}]");
        let kind = text(&limit["type"]);
        if !matches!(kind, "Container" | "Pod" | "PersistentVolumeClaim") && !kind.contains('/') {
            let detail = "must be a standard limit type or fully qualified";
            report.add(
                &format!("{path}.type"),
                Cause::Invalid,
                Some(&limit["type"]),
                detail,
            );
        }
        if all[..place].iter().any(|other| other["type"] == limit["type"]) {
            report.add(
                &format!("{path}.type"),
                Cause::Duplicate,
                Some(&limit["type"]),
                "",
            );
        }
        for field in ["default", "defaultRequest"] {
            if kind == "Pod" && limit[field].is_object() {
                let detail = "may not be specified when `type` is 'Pod'";
                report.add(&format!("{path}.{field}"), Cause::Forbidden, None, detail);
            }
        }
        let order = [
            ("min", "min", "max", "max"),
            ("defaultRequest", "default request", "max", "max"),
            ("default", "default", "max", "max"),
        ];
        for (low, low_name, high, high_name) in order {
            for (resource, value) in limit[low].as_object().into_iter().flatten() {
                let bound = &limit[high][resource];
                if let (Some(given), Some(most)) = (quantity(value), quantity(bound))
                    && given > most
                {
                    let detail = format!(
                        "{low_name} value {} is greater than {high_name} value {}",
                        text(value),
                        text(bound)
                    );
                    report.add(
                        &format!("{path}.{low}[{resource}]"),
                        Cause::Invalid,
                        Some(value),
                        &detail,
                    );
                }
            }
        }
    }
}

pub(super) fn lease(spec: &Value, report: &mut Report<'_>) {
    if spec["leaseDurationSeconds"]
        .as_i64()
        .is_some_and(|seconds| seconds <= 0)
    {
        let value = &spec["leaseDurationSeconds"];
        report.add(
            "spec.leaseDurationSeconds",
            Cause::Invalid,
            Some(value),
            "must be greater than 0",
        );
    }
    if spec["leaseTransitions"].as_i64().is_some_and(|times| times < 0) {
        report.add(
            "spec.leaseTransitions",
            Cause::Invalid,
            Some(&spec["leaseTransitions"]),
            NOT_NEGATIVE,
        );
    }
}

pub(super) fn priority_class(object: &Value, report: &mut Report<'_>) {
    const MOST: i64 = 1_000_000_000;
    let name = text(&object["metadata"]["name"]);
    if matches!(name, "system-cluster-critical" | "system-node-critical") {
        return;
    }
    if name.starts_with("system-") {
        let detail = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known \
             system priority class"
        );
        report.add("metadata.name", Cause::Forbidden, None, &detail);
    }
    if object["value"].as_i64().is_some_and(|value| value > MOST) {
        let detail = format!("maximum allowed value of a user defined priority is {MOST}");
        report.add("value", Cause::Forbidden, None, &detail);
    }
}
