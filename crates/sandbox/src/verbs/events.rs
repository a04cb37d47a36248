//! Events have two faces over one store: `v1`, in which they are kept, and `events.k8s.io/v1`.

use serde_json::{Map, Value, json};

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
pub(crate) fn from_core(event: &mut Value) {
    if let Some(event) = event.as_object_mut() {
        rename(event, |index| (NAMES[index].1, NAMES[index].0));
        event.insert("apiVersion".to_owned(), json!("events.k8s.io/v1"));
    }
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
