//! Whether new definitions may replace those that stand: nothing that is stored may be lost. No I/O.

use api::Group;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use serde_json::Value;

/// How many lost fields are told.
const TOLD: usize = 3;

/// What stands in the way of replacing `live` by `new`, if something does.
pub(super) fn obstacle(group: &Group, live: &CustomResourceDefinition, new: &Value) -> Option<String> {
    let name = live.name_any();
    if live
        .labels()
        .get(&group.label_managed())
        .is_none_or(|value| value != "true")
    {
        return Some(format!(
            "the definition {name} is there already and is somebody else's"
        ));
    }
    let versions = new.pointer("/spec/versions").and_then(Value::as_array);
    let version = |wanted: &str| versions.into_iter().flatten().find(|v| v["name"] == wanted);
    let stored = live.status.as_ref().and_then(|s| s.stored_versions.as_ref());
    if let Some(lost) = stored
        .into_iter()
        .flatten()
        .find(|stored| version(stored).is_none())
    {
        return Some(format!(
            "objects of {name} are stored as {lost}, which this platform does not know"
        ));
    }
    let mut lost = Vec::new();
    for old in &live.spec.versions {
        let before = old.schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref());
        let before = before
            .and_then(|schema| serde_json::to_value(schema).ok())
            .unwrap_or_default();
        if let Some(after) = version(&old.name) {
            missing(&before, &after["schema"]["openAPIV3Schema"], "", &mut lost);
        }
    }
    let rest = lost.len().saturating_sub(TOLD);
    let more = if rest == 0 {
        String::new()
    } else {
        format!(" and {rest} more")
    };
    let told = lost
        .iter()
        .take(TOLD)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    (!lost.is_empty()).then(|| format!("{name} has fields that this platform does not know: {told}{more}"))
}

/// The fields of `before` that `after` has no place for.
fn missing(before: &Value, after: &Value, path: &str, lost: &mut Vec<String>) {
    if after["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    for (name, inner) in before["properties"].as_object().into_iter().flatten() {
        let place = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        match after["properties"].get(name) {
            Some(after) => missing(inner, after, &place, lost),
            None if after["additionalProperties"].is_object() => {}
            None => lost.push(place),
        }
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
        if before[key].is_object() {
            missing(&before[key], &after[key], &format!("{path}{mark}"), lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Kind;
    use serde_json::json;

    fn definition() -> Value {
        let mut definition = api::crd(&Group::default(), Kind::Team);
        definition["status"] = json!({"storedVersions": ["v1"], "acceptedNames": {"kind": "Team", "plural": "teams"}, "conditions": []});
        definition
    }

    fn check(change: impl FnOnce(&mut Value, &mut Value), expect: Option<&str>) {
        let (mut live, mut new) = (definition(), definition());
        change(&mut live, &mut new);
        let live = serde_json::from_value(live).unwrap();
        let got = obstacle(&Group::default(), &live, &new);
        match expect {
            None => assert_eq!(got, None),
            Some(words) => assert!(got.as_deref().unwrap_or_default().contains(words), "{got:?}"),
        }
    }

    #[test]
    fn what_is_stored_is_not_lost() {
        let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
        check(|_, _| {}, None);
        check(
            |_, new| new.pointer_mut(schema).unwrap()["fresh"] = json!({"type": "string"}),
            None,
        );
        check(
            |live, _| live.pointer_mut(schema).unwrap()["older"] = json!({"type": "string"}),
            Some("does not know: spec.older"),
        );
        check(
            |live, _| {
                live.pointer_mut(schema).unwrap()["older"] = json!({"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}});
            },
            Some("spec.older"),
        );
        check(
            |live, new| {
                let list =
                    |inner: Value| json!({"type": "array", "items": {"type": "object", "properties": inner}});
                live.pointer_mut(schema).unwrap()["list"] = list(json!({"a": {"type": "string"}}));
                new.pointer_mut(schema).unwrap()["list"] = list(json!({"b": {"type": "string"}}));
            },
            Some("spec.list[].a"),
        );
        check(
            |live, new| {
                live.pointer_mut(schema).unwrap()["map"] =
                    json!({"type": "object", "properties": {"a": {"type": "string"}}});
                new.pointer_mut(schema).unwrap()["map"] =
                    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
            },
            None,
        );
        check(
            |live, _| live["status"]["storedVersions"] = json!(["v1", "v2"]),
            Some("stored as v2"),
        );
        check(
            |live, _| live["metadata"]["labels"] = json!({"somebody": "else"}),
            Some("somebody else's"),
        );
    }
}
