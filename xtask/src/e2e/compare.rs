//! Where two values differ first.

use serde_json::Value;

/// The first difference between what was expected and what was got: the place as an RFC 6901 pointer and both
/// values. Nothing when they are the same.
pub(super) fn difference(expected: &Value, got: &Value) -> Option<String> {
    at("", expected, got)
}

fn at(pointer: &str, expected: &Value, got: &Value) -> Option<String> {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => expected
            .keys()
            .chain(got.keys().filter(|key| !expected.contains_key(*key)))
            .find_map(|key| {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (expected.get(key), got.get(key)) {
                    (Some(expected), Some(got)) => at(&pointer, expected, got),
                    (Some(expected), None) => Some(format!("{pointer}: expected {expected}, got nothing")),
                    (None, Some(got)) => Some(format!("{pointer}: expected nothing, got {got}")),
                    (None, None) => None,
                }
            }),
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => expected
            .iter()
            .zip(got)
            .enumerate()
            .find_map(|(index, (expected, got))| at(&format!("{pointer}/{index}"), expected, got)),
        _ if expected == got => None,
        _ => Some(format!("{pointer}: expected {expected}, got {got}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_named() {
        let check = |expected: Value, got: Value, expect: Option<&str>| {
            assert_eq!(difference(&expected, &got).as_deref(), expect);
        };
        check(json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 2}]}), None);
        check(
            json!({"a": [1, {"b": 2}]}),
            json!({"a": [1, {"b": 3}]}),
            Some("/a/1/b: expected 2, got 3"),
        );
        check(json!({"a": 1}), json!({}), Some("/a: expected 1, got nothing"));
        check(
            json!({}),
            json!({"x/y": 1}),
            Some("/x~1y: expected nothing, got 1"),
        );
        check(json!([1]), json!([1, 2]), Some(": expected [1], got [1,2]"));
        check(json!(1), json!(1.0), Some(": expected 1, got 1.0"));
    }
}
