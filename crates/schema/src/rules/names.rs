//! Names, labels and annotations.

use serde_json::Value;

use super::{Report, items, keys, text};
use crate::error::Cause;
use crate::model::Schema;

pub(super) const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
     or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
     validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
pub(super) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
     must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
     validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
pub(super) const ENDS_WITH_WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS \
     subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric \
     character (e.g. '*.example.com', regex used for validation is \
     '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and \
     end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
     validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' \
     or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or \
     '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// `a-z`, `0-9` and `-`, not at the ends.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(edge)
        && bytes.last().is_some_and(edge)
        && bytes.iter().all(|byte| edge(byte) || *byte == b'-')
}

pub(super) fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_dns_label)
}

fn is_name_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// What is wrong with a label or annotation key, if anything.
pub(super) fn key_mistake(key: &str) -> Option<String> {
    label_key_mistakes(key).into_iter().next()
}

/// All that is wrong with the key of a label, of an annotation, or the name of a finalizer.
pub fn label_key_mistakes(key: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut parts = key.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                found.push("prefix part must be non-empty".to_owned());
            } else if prefix.len() > 253 || !is_subdomain(prefix) {
                found.push(format!("prefix part {SUBDOMAIN}"));
            }
            name
        }
        _ => {
            let name = QUALIFIED.trim_start_matches("name part");
            return vec![format!(
                "a valid label key{name} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        found.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        found.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_name_part(name) {
        found.push(QUALIFIED.to_owned());
    }
    found
}

/// What is wrong with the value of a label, if anything.
pub fn label_value_mistake(value: &str) -> Option<&'static str> {
    if value.len() > 63 {
        Some("must be no more than 63 bytes")
    } else {
        (!value.is_empty() && !is_name_part(value)).then_some(LABEL_VALUE)
    }
}

/// Checks a name that is one label of a domain name.
pub(super) fn dns_label(value: &Value, field: &str, report: &mut Report<'_>) {
    let name = text(value);
    if name.len() > 63 {
        report.invalid(field, value, "must be no more than 63 bytes");
    }
    if !is_dns_label(name) {
        let dotted = is_subdomain(name);
        report.invalid(field, value, if dotted { "must not contain dots" } else { LABEL });
    }
}

/// Checks a name that is a domain name.
pub(super) fn subdomain(value: &Value, field: &str, report: &mut Report<'_>) {
    if text(value).len() > 253 {
        report.invalid(field, value, "must be no more than 253 bytes");
    }
    if !is_subdomain(text(value)) {
        report.invalid(field, value, SUBDOMAIN);
    }
}

/// Checks the key of a label, or what must be one; an empty one is wrong in two ways.
pub(super) fn label_name(value: &Value, field: &str, report: &mut Report<'_>) {
    let name = text(value);
    if let Some(mistake) = key_mistake(name) {
        report.invalid(field, &Value::from(name), &mistake);
    }
    let part = name.split_once('/').map_or(name, |(_, part)| part);
    if part.is_empty() {
        report.invalid(field, &Value::from(name), QUALIFIED);
    }
}

/// Checks a selector of labels. Whether it can be used is the answer.
pub(super) fn label_selector(selector: &Value, field: &str, report: &mut Report<'_>) -> bool {
    let known = report.errors.len();
    labels(&selector["matchLabels"], &format!("{field}.matchLabels"), report);
    for (at, expression) in items(selector, "matchExpressions").iter().enumerate() {
        let path = format!("{field}.matchExpressions[{at}]");
        requirement(
            expression,
            &path,
            &["In", "NotIn", "Exists", "DoesNotExist"],
            report,
        );
        for (number, value) in items(expression, "values").iter().enumerate() {
            if let Some(mistake) = label_value_mistake(text(value)) {
                report.invalid(&format!("{path}.values[{number}]"), value, mistake);
            }
        }
    }
    report.errors.len() == known
}

/// One expression of a selector: its operator, whether that has the values it needs, its key.
pub(super) fn requirement(expression: &Value, path: &str, operators: &[&str], report: &mut Report<'_>) {
    let values = items(expression, "values").len();
    let operator = text(&expression["operator"]);
    let field = format!("{path}.values");
    match operator {
        other if !operators.contains(&other) => {
            let field = format!("{path}.operator");
            report.invalid(&field, &Value::from(other), "not a valid selector operator");
        }
        "In" | "NotIn" if values == 0 => {
            report.required(&field, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if values > 0 => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            report.forbidden(&field, detail);
        }
        "Gt" | "Lt" if values != 1 => {
            report.required(
                &field,
                "must be specified single value when `operator` is 'Lt' or 'Gt'",
            );
        }
        _ => {}
    }
    label_name(&expression["key"], &format!("{path}.key"), report);
}

/// A selector as messages print it: labels before expressions.
pub(super) fn shown_selector(selector: &Value) -> String {
    crate::internal::json("meta.LabelSelector", selector)
}

/// Whether labels are what a selector chooses.
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    keys(&selector["matchLabels"]).all(|key| labels.get(key) == selector["matchLabels"].get(key))
        && items(selector, "matchExpressions")
            .iter()
            .all(|expression| expression_matches(expression, labels))
}

fn expression_matches(expression: &Value, labels: &Value) -> bool {
    let found = labels.get(text(&expression["key"]));
    let listed = || found.is_some_and(|found| items(expression, "values").contains(found));
    match text(&expression["operator"]) {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        _ => false,
    }
}

/// Checks the name of a port: short, of small letters, digits and dashes.
pub(super) fn port_name(name: &str, field: &str, report: &mut Report<'_>) {
    let value = Value::from(name);
    let mut add = |detail: &str| report.add(field, Cause::Invalid, Some(&value), detail);
    if name.len() > 15 {
        add("must be no more than 15 characters");
    }
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        add("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        add("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        add("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        add("must not begin or end with a hyphen");
    }
}

/// Checks labels, wherever they stand.
pub(crate) fn labels(labels: &Value, field: &str, report: &mut Report<'_>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        for mistake in label_key_mistakes(key) {
            report.add(field, Cause::Invalid, Some(&Value::from(key.as_str())), &mistake);
        }
        if let Some(mistake) = value.as_str().and_then(label_value_mistake) {
            report.invalid(field, value, mistake);
        }
    }
}

pub(super) fn annotations(annotations: &Value, field: &str, report: &mut Report<'_>) {
    const MOST_BYTES: usize = 256 * 1024;
    let mut total = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        for mistake in label_key_mistakes(&key.to_lowercase()) {
            report.add(field, Cause::Invalid, Some(&Value::from(key.as_str())), &mistake);
        }
        total += key.len() + value.as_str().map_or(0, str::len);
    }
    if total > MOST_BYTES {
        report.add(
            field,
            Cause::TooLong,
            None,
            &format!("may not be more than {MOST_BYTES} bytes"),
        );
    }
}

/// Checks who is said to own an object.
fn owners(references: &Value, report: &mut Report<'_>) {
    const FIELD: &str = "metadata.ownerReferences";
    let references = references.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |reference: &Value, field: &str| reference[field].as_str().unwrap_or_default().to_owned();
    let mut controllers = Vec::new();
    for reference in references {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(reference, field).is_empty() {
                let detail = if field == "apiVersion" {
                    "version must not be empty"
                } else {
                    "must not be empty"
                };
                let empty = Value::from("");
                report.add(&format!("{FIELD}.{field}"), Cause::Invalid, Some(&empty), detail);
            }
        }
        if text(reference, "apiVersion") == "v1" && text(reference, "kind") == "Event" {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            report.add_shown(FIELD, Cause::Invalid, Some(&owner_text(reference)), detail);
        }
        if reference["controller"] == true {
            controllers.push(format!("{}/{}", text(reference, "kind"), text(reference, "name")));
        }
    }
    if let [first, .., last] = controllers.as_slice() {
        let shown: Vec<String> = references.iter().map(owner_text).collect();
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {last}"
        );
        let shown = format!("[{}]", shown.join(","));
        report.add_shown(FIELD, Cause::Invalid, Some(&shown), &detail);
    }
}

/// A reference with its fields in the order in which the API server writes them.
fn owner_text(reference: &Value) -> String {
    let fields = [
        "apiVersion",
        "kind",
        "name",
        "uid",
        "controller",
        "blockOwnerDeletion",
    ];
    let written = fields.iter().filter_map(|field| {
        let value = reference.get(field).filter(|value| !value.is_null())?;
        Some(format!("{field:?}:{value}"))
    });
    format!("{{{}}}", written.collect::<Vec<_>>().join(","))
}

/// Whether names of the kind are subdomains.
fn fits_plain(schema: &Schema) -> bool {
    !schema.name.starts_with("rbac.v1.")
        && !matches!(schema.name.as_str(), "core.v1.Event" | "events.v1.Event")
}

/// Checks `metadata`: the name by the rule of the kind, labels, annotations.
pub(crate) fn metadata(schema: &Schema, object: &Value, report: &mut Report<'_>) {
    let Some(metadata) = object.get("metadata") else {
        return;
    };
    labels(&metadata["labels"], "metadata.labels", report);
    annotations(&metadata["annotations"], "metadata.annotations", report);
    owners(&metadata["ownerReferences"], report);
    let name = metadata["name"].as_str().unwrap_or_default();
    if let Some(prefix) = metadata["generateName"]
        .as_str()
        .filter(|prefix| !prefix.is_empty())
    {
        // What is made of it begins like it.
        let begin = prefix.trim_end_matches('-');
        if !begin.is_empty() && fits_plain(schema) && !is_subdomain(begin) {
            report.add(
                "metadata.generateName",
                Cause::Invalid,
                Some(&metadata["generateName"]),
                SUBDOMAIN,
            );
        }
    }
    if name.is_empty() {
        if metadata["generateName"].as_str().unwrap_or_default().is_empty() {
            report.add(
                "metadata.name",
                Cause::Required,
                None,
                "name or generateName is required",
            );
        }
        return;
    }
    let (longest, fits, rule) = match schema.name.as_str() {
        "core.v1.Namespace" | "core.v1.Service" => (63, is_dns_label(name), LABEL),
        "rbac.v1.Role" | "rbac.v1.RoleBinding" | "rbac.v1.ClusterRole" | "rbac.v1.ClusterRoleBinding" => {
            let fits = !matches!(name, "." | "..") && !name.contains(['/', '%']);
            (
                usize::MAX,
                fits,
                "may not be \".\" or \"..\" and may not contain '/' or '%'",
            )
        }
        "core.v1.Event" | "events.v1.Event" => (usize::MAX, true, ""),
        _ => (253, is_subdomain(name), SUBDOMAIN),
    };
    let value = Value::from(name);
    if longest == 63 && name.contains('.') {
        report.add(
            "metadata.name",
            Cause::Invalid,
            Some(&value),
            "must not contain dots",
        );
    } else if name.len() > longest {
        let unit = if longest == 63 { "characters" } else { "bytes" };
        let detail = format!("must be no more than {longest} {unit}");
        report.add("metadata.name", Cause::Invalid, Some(&value), &detail);
    } else if !fits {
        report.add("metadata.name", Cause::Invalid, Some(&value), rule);
    }
}
