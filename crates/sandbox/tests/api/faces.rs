//! Objects that are served in two versions are one object, whichever version speaks of it; and what of their metadata a
//! status may change.

use http::Method;
use serde_json::json;

use crate::server::{get, patch, post, put, sandbox, send};

const V1: &str = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
const V2: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
const METRICS: &str = "/metadata/annotations/autoscaling.alpha.kubernetes.io~1metrics";

#[tokio::test]
async fn autoscalers_of_both_versions_are_the_same() {
    let sandbox = sandbox();
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
    let made = post(
        &sandbox,
        V1,
        &json!({
            "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
            "spec": { "maxReplicas": 3, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 70 },
        }),
    )
    .await;
    assert_eq!(
        (made.code, made.at("/apiVersion")),
        (201, &json!("autoscaling/v1")),
        "{made:?}"
    );
    assert_eq!(made.at("/metadata/managedFields/0/apiVersion"), "autoscaling/v1");
    let owned = "/metadata/managedFields/0/fieldsV1/f:spec/f:targetCPUUtilizationPercentage";
    assert_eq!(made.at(owned), &json!({}));

    let shown = get(&sandbox, &format!("{V2}/web")).await;
    assert_eq!(shown.at("/apiVersion"), "autoscaling/v2");
    assert_eq!(shown.at("/spec/metrics/0/resource/target/averageUtilization"), 70);

    // What v1 has no field for is in an annotation there, and survives a write in v1.
    let memory = json!({ "type": "Resource", "resource": {
        "name": "memory", "target": { "type": "Utilization", "averageUtilization": 50 } } });
    let mut both = shown.body.clone();
    both["spec"]["metrics"]
        .as_array_mut()
        .unwrap()
        .insert(0, memory.clone());
    assert_eq!(put(&sandbox, &format!("{V2}/web"), &both).await.code, 200);
    let old = get(&sandbox, &format!("{V1}/web")).await;
    assert!(
        old.at(METRICS)
            .as_str()
            .unwrap()
            .contains("\"targetAverageUtilization\":50"),
        "{old:?}"
    );
    let more = json!({ "spec": { "maxReplicas": 9 } });
    for kind in ["merge", "strategic-merge"] {
        let changed = patch(&sandbox, &format!("{V1}/web"), kind, &more).await;
        assert_eq!((changed.code, changed.at("/spec/maxReplicas")), (200, &json!(9)));
    }
    let shown = get(&sandbox, &format!("{V2}/web")).await;
    assert_eq!(shown.at("/spec/metrics/0"), &memory);
    assert_eq!(shown.at("/spec/maxReplicas"), 9);
    assert_eq!(shown.at("/metadata/annotations"), &json!(null));

    let listed = get(&sandbox, V1).await;
    assert_eq!(listed.at("/apiVersion"), "autoscaling/v1");
    assert_eq!(listed.at("/items/0/spec/targetCPUUtilizationPercentage"), 70);
    let watched = get(&sandbox, &format!("{V1}?watch=1&timeoutSeconds=1")).await;
    let told = watched.at("/object/spec/targetCPUUtilizationPercentage").clone();
    assert_eq!(told, 70, "{watched:?}");

    let applied = json!({
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
        "spec": { "targetCPUUtilizationPercentage": 60 },
    });
    let path = format!("{V1}/web?fieldManager=other&force=true");
    let applied = patch(&sandbox, &path, "apply", &applied).await;
    assert_eq!(
        (applied.code, applied.at("/spec/targetCPUUtilizationPercentage")),
        (200, &json!(60)),
        "{applied:?}"
    );
    assert_eq!(applied.at("/spec/maxReplicas"), 9);
}

#[tokio::test]
async fn an_autoscaler_has_the_defaults_of_the_newer_version() {
    let sandbox = sandbox();
    let mut scaler = json!({
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
        "spec": { "maxReplicas": 3, "scaleTargetRef": {
            "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" } },
    });
    let made = post(&sandbox, V1, &scaler).await;
    assert_eq!(made.at("/spec/targetCPUUtilizationPercentage"), 80, "{made:?}");
    assert_eq!(made.at("/spec/minReplicas"), 1);
    scaler["metadata"]["name"] = json!("other");
    let refused = post(&sandbox, V2, &scaler).await;
    assert_eq!(
        (refused.code, refused.at("/message")),
        (
            400,
            &json!(
                "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)"
            )
        )
    );
    scaler["spec"]["maxReplicas"] = json!(0);
    let refused = post(&sandbox, V1, &scaler).await;
    assert_eq!(
        (refused.code, refused.at("/details/causes/0/field")),
        (422, &json!("spec.maxReplicas"))
    );
}

#[tokio::test]
async fn a_status_takes_annotations_along_where_it_always_did() {
    let sandbox = sandbox();
    post(
        &sandbox,
        "/api/v1/namespaces",
        &json!({ "metadata": { "name": "team" } }),
    )
    .await;
    let change = json!({
        "metadata": { "annotations": { "seen": "yes" }, "labels": { "a": "b" } },
        "spec": { "finalizers": ["other.example.com/it"] },
        "status": { "conditions": [{ "type": "Patched", "status": "True" }] },
    });
    let changed = patch(&sandbox, "/api/v1/namespaces/team/status", "merge", &change).await;
    assert_eq!(
        (changed.code, changed.at("/metadata/annotations/seen")),
        (200, &json!("yes")),
        "{changed:?}"
    );
    assert_eq!(changed.at("/metadata/labels/a"), "b");
    assert_eq!(changed.at("/status/conditions/0/type"), "Patched");
    assert_eq!(changed.at("/spec/finalizers"), &json!(["kubernetes"]));

    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "labels": { "a": "a" } },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
            },
        },
    });
    let path = "/apis/apps/v1/namespaces/default/deployments";
    post(&sandbox, path, &deployment).await;
    let changed = patch(&sandbox, &format!("{path}/web/status"), "merge", &change).await;
    assert_eq!(changed.at("/metadata/annotations/seen"), "yes", "{changed:?}");
    assert_eq!(
        changed.at("/metadata/labels"),
        &json!({ "a": "a" }),
        "labels of a Deployment stay"
    );
}

#[tokio::test]
async fn fields_that_stand_twice_in_yaml_are_told_by_their_lines() {
    let sandbox = sandbox();
    let path = "/api/v1/namespaces/default/configmaps";
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  name: b\ndata:\n  x: \"1\"\n  x: \"2\"\n";
    let yaml = [("content-type", "application/yaml")];
    let said = "yaml: unmarshal errors:\n  line 5: key \"name\" already set in map\n  line 8: key \"x\" already set in map";
    let refused = send(
        &sandbox,
        Method::POST,
        &format!("{path}?fieldValidation=Strict"),
        &yaml,
        text,
    )
    .await;
    assert_eq!(
        (refused.code, refused.at("/message")),
        (
            400,
            &json!(format!(
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: {said}"
            ))
        )
    );
    let made = send(
        &sandbox,
        Method::POST,
        &format!("{path}?fieldValidation=Warn"),
        &yaml,
        text,
    )
    .await;
    assert_eq!((made.code, made.at("/data/x")), (201, &json!("2")));
    assert_eq!(
        made.warnings,
        [
            "299 - \"line 5: key \\\"name\\\" already set in map\"",
            "299 - \"line 8: key \\\"x\\\" already set in map\""
        ]
    );
    let apply = [("content-type", "application/apply-patch+yaml")];
    let place = format!("{path}/b?fieldManager=m&fieldValidation=");
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\ndata:\n  x: \"1\"\n  x: \"2\"\n";
    let refused = send(&sandbox, Method::PATCH, &format!("{place}Strict"), &apply, text).await;
    assert_eq!(
        (refused.code, refused.at("/message")),
        (
            400,
            &json!(
                "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 7: key \"x\" \
                 already set in map"
            )
        )
    );
    let ignored = send(
        &sandbox,
        Method::PATCH,
        &format!("{place}Ignore&force=true"),
        &apply,
        text,
    )
    .await;
    assert_eq!((ignored.code, ignored.warnings.len()), (200, 0), "{ignored:?}");
}
