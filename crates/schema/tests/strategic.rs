//! Strategic merge patches on the schemas of built-in kinds.

#![expect(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    reason = "cases are written where they are used"
)]

use schema::{Schemas, strategic_merge};
use serde_json::{Value, json};

fn patched(api_version: &str, kind: &str, original: &Value, patch: &Value) -> Result<Value, String> {
    let schema = Schemas::builtin().schema(api_version, kind).expect(kind);
    strategic_merge(schema, original, patch).map_err(|error| error.to_string())
}

/// Patches the spec of a pod.
fn check(original: Value, patch: Value, expect: Value) {
    let found = patched("v1", "Pod", &json!({"spec": original}), &json!({"spec": patch}));
    assert_eq!(found, Ok(json!({"spec": expect})));
}

#[test]
fn keyed_lists_are_merged_by_key() {
    check(
        json!({"containers": [{"name": "a", "image": "a:1", "args": ["x"]}, {"name": "b"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a", "image": "a:2", "args": ["y"]}]}),
        // The patch says the order of what it names.
        json!({"containers": [{"name": "c"}, {"name": "a", "image": "a:2", "args": ["y"]}, {"name": "b"}]}),
    );
    check(
        json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}]}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "2"}, {"name": "Y", "$patch": "delete"}]}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "2"}]}]}),
    );
    // The merge key of ports is the port alone, other than in server-side apply.
    check(
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 53, "protocol": "UDP"}]}]}),
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 53, "protocol": "TCP"}]}]}),
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 53, "protocol": "TCP"}]}]}),
    );
}

#[test]
fn lists_without_a_strategy_are_replaced() {
    check(
        json!({"tolerations": [{"key": "a"}], "nodeSelector": {"a": "1"}}),
        json!({"tolerations": [{"key": "b"}], "nodeSelector": {"b": "1"}}),
        json!({"tolerations": [{"key": "b"}], "nodeSelector": {"a": "1", "b": "1"}}),
    );
}

#[test]
fn directives() {
    check(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"$patch": "replace"}, {"name": "c"}]}),
        json!({"containers": [{"name": "c"}]}),
    );
    check(
        json!({"securityContext": {"runAsUser": 1, "fsGroup": 2}}),
        json!({"securityContext": {"$patch": "replace", "fsGroup": 3}}),
        json!({"securityContext": {"fsGroup": 3}}),
    );
    check(
        json!({"securityContext": {"runAsUser": 1}}),
        json!({"securityContext": null}),
        json!({}),
    );
    check(
        json!({"securityContext": {"runAsUser": 1}}),
        json!({"securityContext": {"$patch": "delete"}}),
        json!({"securityContext": {}}),
    );
    check(
        json!({"volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}),
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}, {"name": "w", "emptyDir": {}}]}),
    );
    check(
        json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}),
        json!({
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}, {"name": "d"}],
            "containers": [{"name": "d"}, {"name": "b", "$patch": "delete"}],
        }),
        json!({"containers": [{"name": "c"}, {"name": "a"}, {"name": "d"}]}),
    );
}

#[test]
fn lists_of_plain_values() {
    let original = json!({"metadata": {"finalizers": ["a", "b"]}});
    let patch = json!({"metadata": {"finalizers": ["c", "b"], "$deleteFromPrimitiveList/finalizers": ["a"]}});
    let expect = json!({"metadata": {"finalizers": ["c", "b"]}});
    assert_eq!(patched("v1", "ConfigMap", &original, &patch), Ok(expect));
}

#[test]
fn patches_that_make_no_sense() {
    let check = |patch: Value, expect: &str| {
        let original = json!({"spec": {"containers": [{"name": "a"}]}});
        assert_eq!(patched("v1", "Pod", &original, &patch), Err(expect.to_owned()));
    };
    check(
        json!({"spec": {"containers": [{"image": "x"}]}}),
        "map: map[image:x] does not contain declared merge key: name",
    );
    check(
        json!({"spec": {"$patch": "burn"}}),
        "unknown patch type: burn in map: map[$patch:burn]",
    );
    check(
        json!("x"),
        "a strategic merge patch merges objects with objects only",
    );
    check(
        json!({"spec": {"$retainKeys": ["a"], "nodeName": "x"}}),
        "$retainKeys at \"spec\" must be a list that names every field the patch sets beside it",
    );
}
