//! Secrets without their values: what is left says which keys there are, and which of them change.

use serde_json::{Map, Value};

const HIDDEN: &str = "(hidden)";

/// Hides the values of two states of one object, if it is a Secret.
pub(super) fn both(before: &mut Value, after: &mut Value) {
    if !is_secret(before) && !is_secret(after) {
        return;
    }
    for place in ["data", "stringData"] {
        let (old, new) = (values(before, place), values(after, place));
        replace(before, place, |key| {
            if old.get(key) == new.get(key) {
                HIDDEN
            } else {
                "(hidden, before)"
            }
        });
        replace(after, place, |key| {
            if old.get(key) == new.get(key) {
                HIDDEN
            } else {
                "(hidden, after)"
            }
        });
    }
}

/// Hides the values of one object, if it is a Secret.
pub(super) fn one(object: &mut Value) {
    if is_secret(object) {
        replace(object, "data", |_| HIDDEN);
        replace(object, "stringData", |_| HIDDEN);
    }
}

fn is_secret(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some("Secret")
}

fn values(object: &Value, place: &str) -> Map<String, Value> {
    object
        .get(place)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

fn replace(object: &mut Value, place: &str, words: impl Fn(&str) -> &'static str) {
    match object.get_mut(place) {
        Some(Value::Object(values)) => {
            for (key, value) in values.iter_mut() {
                *value = Value::from(words(key));
            }
        }
        // Whatever it is, it is not shown.
        Some(other) if !other.is_null() => *other = Value::from(HIDDEN),
        _ => {}
    }
}
