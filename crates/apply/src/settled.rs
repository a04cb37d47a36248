//! Whether a live object already is what an apply would make of it, so that the apply can be saved. The answer
//! is careful: `false` only costs a request that changes nothing. Reads the field manager's own `managedFields`
//! entry (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>), so that the
//! schema is not needed: the entry says which lists are keyed and which are atomic. No I/O.

use serde_json::{Map, Value};

/// Longer keyed lists are applied without looking.
const LIST_LIMIT: usize = 256;

/// Whether `manager` already owns exactly the fields of `desired`, with these values: an apply would change
/// nothing. `desired` must carry its tracking annotation ([`crate::Tracking::mark`]).
pub fn settled(desired: &Value, live: &Value, manager: &str) -> bool {
    let entries = live["metadata"]["managedFields"].as_array();
    let mine = entries.into_iter().flatten().find(|entry| {
        entry["manager"] == manager
            && entry["operation"] == "Apply"
            && entry["apiVersion"] == desired["apiVersion"]
            && entry.get("subresource").is_none_or(|sub| sub == "")
    });
    let (Some(fields), Some(wish)) = (
        mine.and_then(|entry| entry["fieldsV1"].as_object()),
        desired.as_object(),
    ) else {
        return false;
    };
    let mut wish = wish.clone();
    wish.remove("apiVersion");
    wish.remove("kind");
    if let Some(metadata) = wish.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("name");
        metadata.remove("namespace");
    }
    same_map(&wish, live, fields)
}

fn same(desired: &Value, live: &Value, fields: &Value) -> bool {
    let Some(fields) = fields.as_object() else {
        return false;
    };
    let leaf = fields.is_empty();
    match desired {
        Value::Null => false,
        Value::Object(map) if !leaf => same_map(map, live, fields),
        Value::Array(items) if !leaf => same_list(items, live, fields),
        _ => leaf && desired == live,
    }
}

fn same_map(desired: &Map<String, Value>, live: &Value, fields: &Map<String, Value>) -> bool {
    let owned = fields.keys().filter(|key| *key != ".").count();
    owned == desired.len()
        && desired.iter().all(|(key, value)| {
            let field = fields.get(&format!("f:{key}"));
            matches!((field, live.get(key)), (Some(field), Some(live)) if same(value, live, field))
        })
}

fn same_list(desired: &[Value], live: &Value, fields: &Map<String, Value>) -> bool {
    let Some(live) = live.as_array() else { return false };
    let keys: Vec<(&String, &Value)> = fields.iter().filter(|(key, _)| *key != ".").collect();
    if keys.len() != desired.len() || desired.len() > LIST_LIMIT || live.len() > LIST_LIMIT {
        return false;
    }
    keys.into_iter().all(|(key, field)| {
        if let Some(value) = key.strip_prefix("v:").and_then(parse) {
            return desired.contains(&value) && live.contains(&value);
        }
        let Some(Value::Object(key)) = key.strip_prefix("k:").and_then(parse) else {
            return false;
        };
        // The wish may leave a key to its default; the live object has it.
        let wished = desired
            .iter()
            .find(|item| key.iter().all(|(k, v)| item.get(k).is_none_or(|have| have == v)));
        let lives = live
            .iter()
            .find(|item| key.iter().all(|(k, v)| item.get(k) == Some(v)));
        matches!((wished, lives), (Some(wished), Some(lives)) if same(wished, lives, field))
    })
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn desired() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "api", "namespace": "demo", "labels": {"a": "b"}},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"spec": {"containers": [{
                    "name": "api", "image": "x:1", "args": ["-v"], "ports": [{"containerPort": 80}],
                }]}},
            },
        })
    }

    fn live() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "api", "namespace": "demo", "uid": "1", "labels": {"a": "b", "theirs": "x"},
                "managedFields": [
                    {"manager": "other", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": {"f:status": {}}},
                    {"manager": "me", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {
                        "f:metadata": {"f:labels": {"f:a": {}}},
                        "f:spec": {
                            "f:replicas": {}, "f:selector": {},
                            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {
                                ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                            }}}},
                        },
                    }},
                ],
            },
            "spec": {
                "replicas": 3, "paused": false,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"spec": {"dnsPolicy": "ClusterFirst", "containers": [
                    {"name": "sidecar", "image": "y"},
                    {"name": "api", "image": "x:1", "args": ["-v"], "imagePullPolicy": "Always",
                     "ports": [{"containerPort": 80, "protocol": "TCP"}]},
                ]}},
            },
        })
    }

    fn check(change: impl FnOnce(&mut Value, &mut Value), expect: bool) {
        let (mut desired, mut live) = (desired(), live());
        change(&mut desired, &mut live);
        assert_eq!(settled(&desired, &live, "me"), expect, "{desired}");
    }

    #[test]
    fn what_others_and_defaults_add_does_not_matter() {
        check(|_, _| {}, true);
        check(|_, live| live["spec"]["revisionHistoryLimit"] = json!(10), true);
    }

    #[test]
    fn every_difference_is_seen() {
        check(|desired, _| desired["spec"]["replicas"] = json!(4), false);
        check(|_, live| live["spec"]["replicas"] = json!(2), false);
        check(|desired, _| desired["spec"]["paused"] = json!(false), false);
        check(
            |desired, _| drop(desired["spec"].as_object_mut().unwrap().remove("replicas")),
            false,
        );
        check(
            |desired, _| desired["metadata"]["labels"]["c"] = json!("d"),
            false,
        );
        check(
            |_, live| live["spec"]["selector"]["matchLabels"]["c"] = json!("d"),
            false,
        );
        let container = "/spec/template/spec/containers/0";
        check(
            |desired, _| desired.pointer_mut(container).unwrap()["image"] = json!("x:2"),
            false,
        );
        check(
            |desired, _| desired.pointer_mut(container).unwrap()["args"] = json!(["-v", "-v"]),
            false,
        );
        check(
            |desired, _| desired.pointer_mut(container).unwrap()["ports"] = json!([]),
            false,
        );
        check(
            |desired, _| desired.pointer_mut(container).unwrap()["ports"] = json!([{"containerPort": 81}]),
            false,
        );
        check(
            |desired, _| desired["spec"]["template"]["spec"]["containers"] = json!([]),
            false,
        );
        check(
            |_, live| live["metadata"]["managedFields"][1]["manager"] = json!("you"),
            false,
        );
        check(
            |_, live| live["metadata"]["managedFields"][1]["apiVersion"] = json!("apps/v1beta1"),
            false,
        );
        check(|_, live| live["metadata"]["managedFields"] = Value::Null, false);
        check(|desired, _| *desired = json!([]), false);
    }

    proptest! {
        #[test]
        fn strange_ownership_never_panics(key in "(f:|k:|v:|)[\\{\\}\":a-z0-9]{0,12}", value in 0..3_i64) {
            let mut live = live();
            live["metadata"]["managedFields"][1]["fieldsV1"]["f:spec"] = json!({key: {"k:[]": value}});
            prop_assert!(!settled(&desired(), &live, "me"));
        }
    }
}
