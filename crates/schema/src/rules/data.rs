//! What holds data or says little: ConfigMaps, Secrets, leases, priority classes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{NOT_NEGATIVE, Report, text};
use crate::decode::go_escape;
use crate::error::Cause;

const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
     'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const REDACTED: &str = "<secret contents redacted>";
/// What a ConfigMap or a Secret may hold.
const MOST_BYTES: usize = 1 << 20;

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

/// Why encoded bytes are no JSON object, in the words of Go.
fn no_json_object(encoded: &Value) -> Option<String> {
    // To Go, line breaks are no part of base64.
    let encoded = text(encoded).replace(['\r', '\n'], "");
    let bytes = STANDARD.decode(encoded).unwrap_or_default();
    let kind = match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(_) | Value::Null) => return None,
        Ok(Value::String(_)) => "string",
        Ok(Value::Number(_)) => "number",
        Ok(Value::Bool(_)) => "bool",
        Ok(Value::Array(_)) => "array",
        Err(error) => return Some(broken(&bytes, &error)),
    };
    Some(format!(
        "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    ))
}

fn broken(bytes: &[u8], error: &serde_json::Error) -> String {
    let begin = bytes.trim_ascii_start();
    let word = ["null", "true", "false"]
        .into_iter()
        .find(|word| word.as_bytes().first() == begin.first());
    if let Some(word) = word {
        for (found, expected) in begin.iter().zip(word.bytes()) {
            if *found != expected {
                let (found, expected) = (quoted(*found), quoted(expected));
                return format!("invalid character {found} in literal {word} (expecting {expected})");
            }
        }
    }
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let line = bytes
        .split(|byte| *byte == b'\n')
        .nth(error.line().saturating_sub(1));
    let found = line.and_then(|line| line.get(error.column().saturating_sub(1)));
    let found = quoted(found.copied().unwrap_or_default());
    format!("invalid character {found} looking for beginning of value")
}

/// A byte as Go prints it.
fn quoted(byte: u8) -> String {
    format!("'{}'", go_escape(char::from(byte), '\''))
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
    for key in needed {
        let field = format!("data[{key}]");
        if missing(key) {
            report.required(&field, "");
        } else if key.starts_with(".docker")
            && let Some(mistake) = no_json_object(&object["data"][*key])
        {
            report.add(&field, Cause::Invalid, Some(&Value::from(REDACTED)), &mistake);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_object_is_told_as_go_does() {
        let check = |text: &str, expect: Option<&str>| {
            let mut encoded = STANDARD.encode(text);
            // As many tools break it.
            encoded.insert_str(2.min(encoded.len()), "\r\n");
            assert_eq!(no_json_object(&Value::from(encoded)).as_deref(), expect, "{text}");
        };
        check("{\"auths\": {}}", None);
        check("null", None);
        check(
            "\"text\"",
            Some("json: cannot unmarshal string into Go value of type map[string]interface {}"),
        );
        check("", Some("unexpected end of JSON input"));
        check(
            "'",
            Some("invalid character '\\'' looking for beginning of value"),
        );
        check(
            "\u{1}",
            Some("invalid character '\\x01' looking for beginning of value"),
        );
        check(
            "t\"",
            Some("invalid character '\"' in literal true (expecting 'r')"),
        );
    }
}
