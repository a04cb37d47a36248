//! Whether an object came out as expected: empty things do not count, nor the labels that generated objects carry.

use serde_json::{Map, Value, json};

/// Whether two objects are the same in what matters.
pub(crate) fn same(actual: &Value, expected: &Value) -> bool {
    tidy(&fixed(actual)) == tidy(&fixed(expected))
}

/// The first places where two objects differ, one a line.
pub(crate) fn differences(actual: &Value, expected: &Value) -> Vec<String> {
    let empty = || Value::Object(Map::new());
    let actual = tidy(&fixed(actual)).unwrap_or_else(empty);
    let expected = tidy(&fixed(expected)).unwrap_or_else(empty);
    let mut found = Vec::new();
    walk(&mut found, "", &actual, &expected);
    found
}

fn walk(found: &mut Vec<String>, at: &str, actual: &Value, expected: &Value) {
    /// More would not be read.
    const MOST: usize = 10;
    if found.len() >= MOST || equal(actual, expected) {
        return;
    }
    match (actual, expected) {
        (Value::Object(left), Value::Object(right)) => {
            let missing = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(missing) {
                let get = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                walk(found, &format!("{at}/{key}"), &get(left), &get(right));
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                walk(found, &format!("{at}/{index}"), left, right);
            }
        }
        _ => found.push(format!("{at}: {actual}, expected {expected}")),
    }
}

/// Equal as JSON is equal to Kyverno: 1 and 1.0 are.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

/// What is in all generated objects is put aside.
fn fixed(object: &Value) -> Value {
    let mut object = object.clone();
    let mut labels = Map::from_iter([("app.kubernetes.io/managed-by".to_owned(), "kyverno".into())]);
    if let Some(own) = object["metadata"]["labels"].as_object() {
        let own = own
            .iter()
            .filter(|(key, _)| !key.starts_with("generate.kyverno.io/"));
        labels.extend(own.map(|(key, value)| (key.clone(), value.clone())));
    }
    if let Value::Object(map) = &mut object {
        let metadata = map.entry("metadata").or_insert_with(|| json!({}));
        if let Value::Object(metadata) = metadata {
            metadata.insert("labels".to_owned(), Value::Object(labels));
        }
    }
    object
}

/// The value without what is empty.
fn tidy(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(map) => {
            let kept: Map<_, _> = map
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), tidy(value)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let kept: Vec<_> = items.iter().filter_map(tidy).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => {
                #[expect(clippy::cast_possible_truncation, reason = "a whole number within bounds")]
                let whole = float as i64;
                whole.into()
            }
            _ => value.clone(),
        }),
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_does_not_count() {
        let check = |actual: Value, expected: Value, differs: &[&str]| {
            assert_eq!(
                same(&actual, &expected),
                differs.is_empty(),
                "{actual} {expected}"
            );
            assert_eq!(differences(&actual, &expected), differs, "{actual} {expected}");
        };
        check(json!({"a": {}, "b": [], "c": null, "d": [{}]}), json!({}), &[]);
        check(json!({"a": 1.0}), json!({"a": 1}), &[]);
        check(
            json!({"metadata": {"labels": {"generate.kyverno.io/x": "y", "a": "b"}}}),
            json!({"metadata": {"labels": {"a": "b"}}}),
            &[],
        );
        check(
            json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "kyverno"}}}),
            json!({}),
            &[],
        );
        check(json!({"a": ""}), json!({}), &["/a: \"\", expected null"]);
        check(
            json!({"a": [1, 2]}),
            json!({"a": [2, 1]}),
            &["/a/0: 1, expected 2", "/a/1: 2, expected 1"],
        );
    }
}
