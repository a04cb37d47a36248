//! Values made of a chart's own defaults, for the corners that its author's examples leave out: everything switched on,
//! every switch turned, everything empty filled, all text emptied.

use super::charts::Values;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// What becomes of a value without members; nothing if it stays as it is.
type Change = fn(&Value) -> Option<Value>;

/// The variants of the defaults of a chart; none if there are none to read.
pub(super) fn values(chart: &Path) -> Vec<Values> {
    let text = fs::read_to_string(chart.join("values.yaml")).unwrap_or_default();
    let defaults = match yaml::parse_all(&text).map(|documents| documents.into_iter().next()) {
        Ok(Some(document)) => document.value,
        _ => return Vec::new(),
    };
    let kinds: [(&str, Change); 4] = [
        ("all switched on", |value| {
            value.is_boolean().then_some(Value::Bool(true))
        }),
        ("all switches turned", |value| {
            value.as_bool().map(|it| Value::Bool(!it))
        }),
        ("all filled", filled),
        ("all text emptied", |value| value.is_string().then(|| json!(""))),
    ];
    let mut made = Vec::new();
    for (name, change) in kinds {
        if let Some(values) = changed(&defaults, change) {
            made.push(Values::Made {
                name: name.to_owned(),
                values,
            });
        }
    }
    made
}

fn filled(value: &Value) -> Option<Value> {
    match value {
        Value::Null => Some(json!("some")),
        Value::String(text) if text.is_empty() => Some(json!("some")),
        Value::Array(items) if items.is_empty() => Some(json!(["some"])),
        Value::Object(members) if members.is_empty() => Some(json!({"some": "value"})),
        _ => None,
    }
}

/// What of a value changes, as values to lay over it.
fn changed(value: &Value, change: Change) -> Option<Value> {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let over: Map<String, Value> = members
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), changed(value, change)?)))
                .collect();
            (!over.is_empty()).then_some(Value::Object(over))
        }
        other => change(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_varied() {
        let folder = tempfile::tempdir().unwrap();
        let text = "a: {on: false, b: true, n: 1}\nempty: {}\nname: \"\"\nlist: []\n";
        fs::write(folder.path().join("values.yaml"), text).unwrap();
        let made: Vec<Value> = values(folder.path())
            .into_iter()
            .filter_map(|values| match values {
                Values::Made { values, .. } => Some(values),
                _ => None,
            })
            .collect();
        let expect = [
            json!({"a": {"true": true, "b": true}}),
            json!({"a": {"true": true, "b": false}}),
            json!({"empty": {"some": "value"}, "name": "some", "list": ["some"]}),
            json!({"name": ""}),
        ];
        assert_eq!(made, expect);
    }
}
