//! Two states of an object, as lines and as fields. No I/O.

use apply::ObjectId;
use serde::Serialize;
use serde_json::{Map, Value};
use similar::TextDiff;
use std::time::Duration;

use super::{Action, ObjectChange, mask};

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// So many changed fields are listed for one object; the lines show all of them.
const FIELDS: usize = 200;
/// How long the search for the shortest difference may take; then a longer one does.
const SEARCH: Duration = Duration::from_millis(500);
/// What the server keeps in an object.
const SERVER: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];
/// A copy of the whole object, secret values included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What a controller of the cluster counts.
const DEPLOYMENT_REVISION: &str = "deployment.kubernetes.io/revision";

/// One field that would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Where in the object, as a JSON pointer.
    pub path: String,
    /// What the cluster has; absent where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it would have; absent where there would be nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The field of the intent that decides it, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// What of an object is shown.
pub(super) fn plain(object: &Value, tracking: &str) -> Value {
    let mut plain = object.clone();
    if let Some(map) = plain.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = plain.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in SERVER {
            metadata.remove(key);
        }
        metadata.remove("ownerReferences");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            for key in [tracking, LAST_APPLIED, DEPLOYMENT_REVISION] {
                annotations.remove(key);
            }
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    plain
}

/// An object that would be made.
pub(super) fn added(id: &ObjectId, after: &Value) -> ObjectChange {
    let mut after = after.clone();
    mask::one(&mut after);
    change(id, Action::Add, None, Some(&after))
}

/// An object that would be removed.
pub(super) fn removed(id: &ObjectId, before: &Value) -> ObjectChange {
    let mut before = before.clone();
    mask::one(&mut before);
    change(id, Action::Remove, Some(&before), None)
}

/// An object that would be changed, if it would.
pub(super) fn changed(id: &ObjectId, before: &Value, after: &Value) -> Option<ObjectChange> {
    if before == after {
        return None;
    }
    let (mut before, mut after) = (before.clone(), after.clone());
    mask::both(&mut before, &mut after);
    Some(change(id, Action::Change, Some(&before), Some(&after)))
}

fn change(id: &ObjectId, action: Action, before: Option<&Value>, after: Option<&Value>) -> ObjectChange {
    let mut fields = Vec::new();
    if let (Some(before), Some(after)) = (before, after) {
        walk(String::new(), Some(before), Some(after), &mut fields);
    }
    let text = |value: Option<&Value>| value.map(yaml::emit).unwrap_or_default();
    let (before, after) = (text(before), text(after));
    let mut config = TextDiff::configure();
    config.timeout(SEARCH);
    let lines = config.diff_lines(&before, &after);
    let what = format!("{} {}", id.kind, id.name);
    let mut unified = lines.unified_diff();
    let diff = unified
        .context_radius(CONTEXT)
        .header(&format!("{what} (cluster)"), &format!("{what} (Git)"))
        .to_string();
    ObjectChange {
        kind: id.kind.clone(),
        name: id.name.clone(),
        action,
        fields,
        diff,
    }
}

/// Collects the leaves that differ.
fn walk(path: String, before: Option<&Value>, after: Option<&Value>, fields: &mut Vec<FieldChange>) {
    if before == after || fields.len() >= FIELDS {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for key in keys(old, new) {
                let inner = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                walk(inner, old.get(key), new.get(key), fields);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                walk(format!("{path}/{index}"), old.get(index), new.get(index), fields);
            }
        }
        _ => fields.push(FieldChange {
            path,
            before: before.cloned(),
            after: after.cloned(),
            field: None,
        }),
    }
}

fn keys<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> Vec<&'a String> {
    let mut keys: Vec<&String> = old
        .keys()
        .chain(new.keys().filter(|key| !old.contains_key(*key)))
        .collect();
    keys.sort();
    keys
}

/// `/spec/env/0/value` as a person says it: `spec.env[0].value`.
pub(super) fn words(path: &str) -> String {
    let words = path.split('/').skip(1).fold(String::new(), |words, part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            format!("{words}[{part}]")
        } else {
            format!("{words}.{part}")
        }
    });
    words.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id(kind: &str) -> ObjectId {
        ObjectId::of(&json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": "n"}}))
    }

    #[test]
    fn fields_that_differ_are_found() {
        let check = |before: Value, after: Value, expect: &[(&str, Option<Value>, Option<Value>)]| {
            let change = changed(&id("Deployment"), &before, &after);
            let found: Vec<_> = change
                .iter()
                .flat_map(|change| &change.fields)
                .map(|field| (field.path.as_str(), field.before.clone(), field.after.clone()))
                .collect();
            assert_eq!(found, expect);
        };
        check(json!({"a": 1}), json!({"a": 1}), &[]);
        check(
            json!({"a": 1}),
            json!({"a": 2}),
            &[("/a", Some(json!(1)), Some(json!(2)))],
        );
        check(
            json!({}),
            json!({"a/b": {"c": 1}}),
            &[("/a~1b", None, Some(json!({"c": 1})))],
        );
        check(
            json!({"l": [1, 2]}),
            json!({"l": [1, 3, 4]}),
            &[
                ("/l/1", Some(json!(2)), Some(json!(3))),
                ("/l/2", None, Some(json!(4))),
            ],
        );
        check(
            json!({"a": null}),
            json!({"a": {}}),
            &[("/a", Some(json!(null)), Some(json!({})))],
        );
    }

    #[test]
    fn lines_have_their_context() {
        let before: Value = (0..9).map(|n| (format!("k{n}"), json!(n))).collect();
        let mut after = before.clone();
        after["k4"] = json!("four");
        let change = changed(&id("ConfigMap"), &before, &after).unwrap();
        assert_eq!(
            change.diff,
            "--- ConfigMap x (cluster)\n+++ ConfigMap x (Git)\n@@ -2,7 +2,7 @@\n k1: 1\n k2: 2\n k3: 3\n-k4: 4\n+k4: four\n k5: 5\n k6: 6\n k7: 7\n"
        );
        let new = added(&id("ConfigMap"), &json!({"a": 1}));
        assert!(new.diff.ends_with("@@ -0,0 +1 @@\n+a: 1\n"), "{}", new.diff);
    }

    #[test]
    fn no_value_of_a_secret_is_shown() {
        const VALUES: [&str; 4] = ["b2xk", "bmV3", "c2FtZQ==", "plain-words"];
        let secret = |a: &str, last: &str| {
            plain(
                &json!({
                    "apiVersion": "v1", "kind": "Secret",
                    "metadata": {"name": "x", "annotations": {LAST_APPLIED: last}},
                    "data": {"a": a, "b": "c2FtZQ=="},
                    "stringData": {"c": "plain-words"},
                }),
                "tracking",
            )
        };
        let (old, new) = (secret("b2xk", "b2xk"), secret("bmV3", "bmV3"));
        let shown = [
            changed(&id("Secret"), &old, &new).unwrap(),
            added(&id("Secret"), &new),
            removed(&id("Secret"), &old),
        ];
        for change in &shown {
            let text = serde_json::to_string(change).unwrap();
            for value in VALUES {
                assert!(!text.contains(value), "{value}: {text}");
            }
        }
        assert_eq!(
            shown[0].fields.len(),
            1,
            "the one that changes is said: {:?}",
            shown[0].fields
        );
        assert_eq!(shown[0].fields[0].path, "/data/a");
        // A Secret that is none by its shape.
        let odd = json!({"kind": "Secret", "data": "b2xk"});
        assert!(!added(&id("Secret"), &odd).diff.contains("b2xk"));
    }

    #[test]
    fn what_the_server_keeps_is_nobodys_difference() {
        let object = json!({
            "kind": "Deployment",
            "metadata": {"name": "x", "uid": "1", "generation": 3, "managedFields": [], "annotations": {"t": "1", DEPLOYMENT_REVISION: "2"}},
            "spec": {"replicas": 1},
            "status": {"replicas": 1},
        });
        let expect = json!({"kind": "Deployment", "metadata": {"name": "x"}, "spec": {"replicas": 1}});
        assert_eq!(plain(&object, "t"), expect);
    }

    #[test]
    fn a_field_has_words() {
        assert_eq!(words("/spec/env/0/value"), "spec.env[0].value");
        assert_eq!(words("/metadata/labels/a~1b"), "metadata.labels.a/b");
        assert_eq!(words(""), "");
    }
}
