//! Events have two faces over one store: `v1`, in which they are kept, and `events.k8s.io/v1`.

use serde_json::{Map, Value, json};

use super::Target;
use super::meta::text;
use crate::status::Cause;

/// Fields with another name in the core group: events.k8s.io first.
const NAMES: [(&str, &str); 8] = [
    ("note", "message"),
    ("regarding", "involvedObject"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("eventTime", "eventTime"),
];

fn rename(object: &mut Map<String, Value>, from: impl Fn(usize) -> (&'static str, &'static str)) {
    for index in 0..NAMES.len() {
        let (old, new) = from(index);
        if let Some(value) = object.remove(old) {
            object.insert(new.to_owned(), value);
        }
    }
}

/// From `events.k8s.io/v1` to `v1`.
pub(super) fn to_core(event: &mut Value) {
    if let Some(event) = event.as_object_mut() {
        rename(event, |index| NAMES[index]);
        event.insert("apiVersion".to_owned(), json!("v1"));
    }
}

/// From `v1` to `events.k8s.io/v1`.
pub(super) fn from_core(event: &mut Value) {
    if let Some(event) = event.as_object_mut() {
        for field in ["reportingComponent", "reportingInstance"] {
            if event.get(field).is_some_and(|value| value == "") {
                event.remove(field);
            }
        }
        rename(event, |index| (NAMES[index].1, NAMES[index].0));
        event.insert("apiVersion".to_owned(), json!("events.k8s.io/v1"));
    }
}

/// Writes what is written of an event even when nobody set it.
pub(super) fn fill(event: &mut Value) {
    let Some(event) = event.as_object_mut() else {
        return;
    };
    for (field, nothing) in [
        ("eventTime", Value::Null),
        ("firstTimestamp", Value::Null),
        ("lastTimestamp", Value::Null),
        ("reportingComponent", json!("")),
        ("reportingInstance", json!("")),
    ] {
        event.entry(field).or_insert(nothing);
    }
}

/// What is wrong with an event that a schema cannot say. Those of `events.k8s.io` must say more when they are made.
pub(super) fn check(target: &Target, event: &Value, fresh: bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    let required = |field: &str| Cause::new("FieldValueRequired", field, "Required value");
    let invalid = |field: &str, value: &str, why: &str| {
        Cause::new(
            "FieldValueInvalid",
            field,
            format!("Invalid value: {value:?}: {why}"),
        )
    };
    let dated = !text(event, &["eventTime"]).is_empty();
    let namespace = text(event, &["involvedObject", "namespace"]);
    let at_home = match (namespace, target.namespace.as_str()) {
        ("", "default") => true,
        ("", "kube-system") => dated,
        (namespace, home) => namespace == home,
    };
    if !at_home {
        let why = "does not match event.namespace";
        causes.push(invalid("involvedObject.namespace", namespace, why));
    }
    if !fresh {
        return causes;
    }
    let theirs = target.resource.group == "events.k8s.io";
    if dated {
        let controller = if theirs {
            "reportingController"
        } else {
            "reportingComponent"
        };
        for (place, field) in [
            (controller, "reportingComponent"),
            ("reportingInstance", "reportingInstance"),
            ("action", "action"),
            ("reason", "reason"),
        ] {
            if text(event, &[field]).is_empty() {
                causes.push(required(place));
            }
        }
    }
    if !theirs {
        return causes;
    }
    if !dated {
        causes.push(required("eventTime"));
    }
    let kind = text(event, &["type"]);
    if !matches!(kind, "Normal" | "Warning") {
        causes.push(invalid("type", "", &format!("has invalid value: {kind}")));
    }
    let source = ["component", "host"].map(|field| text(event, &["source", field]));
    for (field, set) in [
        ("firstTimestamp", !event["firstTimestamp"].is_null()),
        ("lastTimestamp", !event["lastTimestamp"].is_null()),
        ("count", event["count"].as_i64().unwrap_or(0) != 0),
        ("source", source != ["", ""]),
    ] {
        if set {
            causes.push(invalid(field, "", "needs to be unset"));
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_change_their_face_and_back() {
        let new = json!({
            "apiVersion": "events.k8s.io/v1", "note": "a", "regarding": { "name": "b" }, "reason": "c",
            "eventTime": "2026-01-01T00:00:00Z", "deprecatedCount": 2, "reportingController": "d",
        });
        let mut event = new.clone();
        to_core(&mut event);
        assert_eq!(event["message"], "a");
        assert_eq!(event["involvedObject"]["name"], "b");
        from_core(&mut event);
        assert_eq!(event, new);
    }
}
