//! Custom resources: they appear with their definition, keep to its schema, and go with it.

use std::time::Duration;

use http::Method;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::runtime::wait::await_condition;
use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::server::{delete, get, patch, post, put, sandbox, send};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

fn definition(plural: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.example.com") },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "plural": plural, "kind": kind, "shortNames": [format!("{plural}x")] },
            "versions": [
                {
                    "name": "v1", "served": true, "storage": true,
                    "subresources": {
                        "status": {},
                        "scale": { "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size" },
                    },
                    "additionalPrinterColumns": [
                        { "name": "Size", "type": "integer", "jsonPath": ".spec.size" },
                        {
                            "name": "Ready", "type": "string",
                            "jsonPath": ".status.conditions[?(@.type=='Ready')].status",
                        },
                    ],
                    "selectableFields": [{ "jsonPath": ".spec.color" }],
                    "schema": { "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {
                                    "size": { "type": "integer", "minimum": 1 },
                                    "color": { "type": "string", "enum": ["red", "blue"], "default": "red" },
                                    "parts": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["name"],
                                        "items": {
                                            "type": "object",
                                            "required": ["name"],
                                            "properties": {
                                                "name": { "type": "string" },
                                                "value": { "type": "string" },
                                            },
                                        },
                                    },
                                },
                            },
                            "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                        },
                    } },
                },
                {
                    "name": "v1beta1", "served": true, "storage": false,
                    "schema": { "openAPIV3Schema": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    } },
                },
            ],
        },
    })
}

fn widget(name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": name }, "spec": spec })
}

async fn with_widgets() -> Sandbox {
    let sandbox = sandbox();
    let made = post(&sandbox, DEFINITIONS, &definition("widgets", "Widget")).await;
    assert_eq!(made.code, 201, "{made:?}");
    sandbox
}

#[tokio::test]
async fn a_definition_is_established_at_once() {
    let sandbox = sandbox();
    assert_eq!(get(&sandbox, WIDGETS).await.code, 404);
    let made = post(&sandbox, DEFINITIONS, &definition("widgets", "Widget")).await;
    assert_eq!(
        made.at("/status/conditions"),
        &Value::Null,
        "its names are looked at in a write of their own"
    );
    let made = get(&sandbox, &format!("{DEFINITIONS}/widgets.example.com")).await;
    let conditions: Vec<_> = made.at("/status/conditions").as_array().unwrap().iter().collect();
    assert_eq!(conditions.len(), 2);
    assert!(
        conditions.iter().all(|condition| condition["status"] == "True"),
        "{conditions:?}"
    );
    assert_eq!(made.at("/status/acceptedNames/listKind"), "WidgetList");
    assert_eq!(made.at("/status/storedVersions"), &json!(["v1"]));
    assert_eq!(get(&sandbox, WIDGETS).await.at("/kind"), "WidgetList");
    let resources = get(&sandbox, "/apis/example.com/v1").await;
    let names: Vec<&Value> = resources
        .at("/resources")
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["widgets", "widgets/status", "widgets/scale"]);
    let group = get(&sandbox, "/apis/example.com").await;
    assert_eq!(group.at("/preferredVersion/version"), "v1");
    let document = get(&sandbox, "/openapi/v3/apis/example.com/v1").await;
    assert!(document.body["components"]["schemas"]["com.example.v1.Widget"].is_object());
}

#[tokio::test]
async fn objects_keep_to_the_schema() {
    let sandbox = with_widgets().await;
    let made = post(
        &sandbox,
        WIDGETS,
        &widget("one", &json!({ "size": 2, "extra": 1 })),
    )
    .await;
    assert_eq!(
        made.at("/spec"),
        &json!({ "size": 2, "color": "red" }),
        "pruned and defaulted"
    );
    assert_eq!(made.warnings, ["299 - \"unknown field \\\"spec.extra\\\"\""]);
    for (spec, message) in [
        (json!({}), "spec.size: Required value"),
        (json!({ "size": 0 }), "spec.size: Invalid value: 0"),
        (json!({ "size": "big" }), "spec.size: Invalid value"),
        (
            json!({ "size": 1, "color": "green" }),
            "spec.color: Unsupported value: \"green\"",
        ),
        (
            json!({ "size": 1, "parts": [{ "name": "a" }, { "name": "a" }] }),
            "spec.parts[1]: Duplicate value",
        ),
    ] {
        let refused = post(&sandbox, WIDGETS, &widget("two", &spec)).await;
        assert_eq!(refused.code, 422, "{spec}: {refused:?}");
        assert!(
            refused.at("/message").as_str().unwrap().contains(message),
            "{spec}: {refused:?}"
        );
    }
    let strict = post(
        &sandbox,
        &format!("{WIDGETS}?fieldValidation=Strict"),
        &widget("two", &json!({ "size": 1, "x": 1 })),
    )
    .await;
    assert_eq!(strict.code, 400);
    let patched = patch(&sandbox, &format!("{WIDGETS}/one"), "strategic-merge", &json!({})).await;
    assert_eq!(patched.code, 415);
    let chosen = get(&sandbox, &format!("{WIDGETS}?fieldSelector=spec.color%3Dblue")).await;
    assert_eq!(chosen.at("/items"), &json!([]));
}

#[tokio::test]
async fn status_and_scale_are_written_apart() {
    let sandbox = with_widgets().await;
    let mut one = widget("one", &json!({ "size": 2 }));
    one["status"] = json!({ "size": 9 });
    let made = post(&sandbox, WIDGETS, &one).await;
    assert_eq!(
        (made.at("/status"), made.at("/metadata/generation")),
        (&Value::Null, &json!(1))
    );
    let path = format!("{WIDGETS}/one");
    let mut told = made.body.clone();
    told["status"] = json!({ "size": 2, "conditions": [{ "type": "Ready", "status": "True" }] });
    told["spec"]["size"] = json!(7);
    let told = put(&sandbox, &format!("{path}/status"), &told).await;
    assert_eq!(
        (told.at("/status/size"), told.at("/spec/size")),
        (&json!(2), &json!(2)),
        "{told:?}"
    );
    assert_eq!(told.at("/metadata/generation"), 1);
    let applied = json!({
        "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "one" }, "status": { "phase": "Fine" },
    });
    let told = patch(
        &sandbox,
        &format!("{path}/status?fieldManager=operator"),
        "apply",
        &applied,
    )
    .await;
    assert_eq!(
        (told.code, told.at("/status/phase")),
        (200, &json!("Fine")),
        "{told:?}"
    );
    let scaled = patch(
        &sandbox,
        &format!("{path}/scale"),
        "merge",
        &json!({ "spec": { "replicas": 3 } }),
    )
    .await;
    assert_eq!(
        (scaled.at("/spec/replicas"), scaled.at("/status/replicas")),
        (&json!(3), &json!(2))
    );
    assert_eq!(get(&sandbox, &path).await.at("/metadata/generation"), 2);
    let negative = json!({ "status": { "size": -1 } });
    let refused = patch(&sandbox, &format!("{path}/status"), "merge", &negative).await;
    assert_eq!(
        (refused.code, refused.at("/details/causes/0/field")),
        (422, &json!(".status.size")),
        "{refused:?}"
    );
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = send(&sandbox, Method::GET, WIDGETS, &accept, "").await;
    assert_eq!(table.at("/rows/0/cells"), &json!(["one", 3, "True"]));
}

#[tokio::test]
async fn served_versions_show_the_same_objects() {
    let sandbox = with_widgets().await;
    let made = post(&sandbox, WIDGETS, &widget("one", &json!({ "size": 2 }))).await;
    let other = WIDGETS.replace("/v1/", "/v1beta1/");
    let shown = get(&sandbox, &format!("{other}/one")).await;
    assert_eq!(shown.at("/apiVersion"), "example.com/v1beta1");
    assert_eq!(shown.at("/metadata/uid"), made.at("/metadata/uid"));
    let same = put(&sandbox, &format!("{other}/one"), &shown.body).await;
    assert_eq!(
        (same.code, same.at("/metadata/resourceVersion")),
        (200, made.at("/metadata/resourceVersion"))
    );
    assert_eq!(
        get(&sandbox, &format!("{other}?limit=1"))
            .await
            .at("/items/0/apiVersion"),
        "example.com/v1beta1"
    );
}

#[tokio::test]
async fn applied_lists_merge_by_their_keys() {
    let sandbox = with_widgets().await;
    let part = |name: &str| json!([{ "name": name, "value": "x" }]);
    let path = format!("{WIDGETS}/one");
    for name in ["a", "b"] {
        let body = widget("one", &json!({ "size": 1, "parts": part(name) }));
        let applied = patch(&sandbox, &format!("{path}?fieldManager={name}"), "apply", &body).await;
        assert!(applied.code < 300, "{applied:?}");
    }
    let one = get(&sandbox, &path).await;
    assert_eq!(one.at("/spec/parts").as_array().unwrap().len(), 2);
    let body = widget("one", &json!({ "size": 1 }));
    let applied = patch(&sandbox, &format!("{path}?fieldManager=a"), "apply", &body).await;
    assert_eq!(applied.at("/spec/parts"), &part("b"));
}

#[tokio::test]
async fn names_that_are_taken_are_not_accepted() {
    let sandbox = with_widgets().await;
    let conflict = post(&sandbox, DEFINITIONS, &definition("gadgets", "Widget")).await;
    assert_eq!(conflict.code, 201);
    let conflict = get(&sandbox, &format!("{DEFINITIONS}/gadgets.example.com")).await;
    assert_eq!(conflict.at("/status/conditions/0/reason"), "ListKindConflict");
    assert_eq!(conflict.at("/status/conditions/1/status"), "False");
    assert_eq!(get(&sandbox, "/apis/example.com/v1/gadgets").await.code, 404);
}

#[tokio::test]
async fn broken_definitions_are_refused() {
    let sandbox = sandbox();
    let check = async |pointer: &str, value: Value, message: &str| {
        let mut broken = definition("widgets", "Widget");
        *broken.pointer_mut(pointer).unwrap() = value;
        let refused = post(&sandbox, DEFINITIONS, &broken).await;
        assert_eq!(refused.code, 422, "{pointer}: {refused:?}");
        assert!(
            refused.at("/message").as_str().unwrap().contains(message),
            "{pointer}: {refused:?}"
        );
    };
    check(
        "/metadata/name",
        json!("other.example.com"),
        "must be spec.names.plural",
    )
    .await;
    check("/spec/versions", json!([]), "at least one stored version").await;
    check("/spec/versions/1/storage", json!(true), "exactly one version").await;
    check("/spec/versions/1/name", json!("v1"), "unique version names").await;
    check(
        "/spec/versions/0/schema",
        json!({}),
        "openAPIV3Schema: Required value",
    )
    .await;
    let schema = "/spec/versions/0/schema/openAPIV3Schema";
    check(&format!("{schema}/type"), json!("array"), "must be object").await;
    check(
        &format!("{schema}/properties/spec/type"),
        json!("thing"),
        "Unsupported value: \"thing\"",
    )
    .await;
    check(
        "/spec/versions/0/additionalPrinterColumns/0/jsonPath",
        json!(".a[?("),
        "not understood",
    )
    .await;
    assert_eq!(get(&sandbox, WIDGETS).await.code, 404);
}

#[tokio::test]
async fn objects_go_with_their_definition() {
    let sandbox = with_widgets().await;
    post(&sandbox, WIDGETS, &widget("one", &json!({ "size": 1 }))).await;
    let mut held = widget("held", &json!({ "size": 1 }));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    post(&sandbox, WIDGETS, &held).await;
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let going = delete(&sandbox, &path).await;
    assert_eq!(
        going.at("/metadata/finalizers/0"),
        "customresourcecleanup.apiextensions.k8s.io"
    );
    let late = post(&sandbox, WIDGETS, &widget("late", &json!({ "size": 1 }))).await;
    assert_eq!(late.code, 405, "{late:?}");
    let since = going.at("/metadata/resourceVersion").as_str().unwrap().to_owned();
    let path = format!("{WIDGETS}?watch=1&resourceVersion={since}");
    let watch = get(&sandbox, &path);
    let free = async {
        let free = json!({ "metadata": { "finalizers": null } });
        patch(&sandbox, &format!("{WIDGETS}/held"), "merge", &free).await
    };
    let (watch, freed) = tokio::join!(watch, free);
    assert_eq!(freed.code, 200);
    let lines = watch.body.as_str().unwrap().lines().count();
    assert_eq!(
        lines, 3,
        "a watch tells of every removal and ends with its resource: {watch:?}"
    );
    let definitions: Api<CustomResourceDefinition> = Api::all(sandbox.client("default"));
    let gone = await_condition(
        definitions,
        "widgets.example.com",
        |object: Option<&CustomResourceDefinition>| object.is_none(),
    );
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("it goes")
        .unwrap();
    assert_eq!(get(&sandbox, WIDGETS).await.code, 404);
    let again = post(&sandbox, DEFINITIONS, &definition("widgets", "Widget")).await;
    assert_eq!(again.code, 201);
    assert_eq!(get(&sandbox, WIDGETS).await.at("/items"), &json!([]));
}

#[tokio::test]
async fn a_changed_definition_changes_its_resource() {
    let sandbox = with_widgets().await;
    post(&sandbox, WIDGETS, &widget("one", &json!({ "size": 1 }))).await;
    let mut changed = definition("widgets", "Widget");
    let size = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/minimum";
    *changed.pointer_mut(size).unwrap() = json!(5);
    let path = format!("{DEFINITIONS}/widgets.example.com");
    assert_eq!(
        put(&sandbox, &path, &changed).await.code,
        422,
        "an update names the version it was made for"
    );
    changed["metadata"]["resourceVersion"] =
        get(&sandbox, &path).await.at("/metadata/resourceVersion").clone();
    let put = put(&sandbox, &path, &changed).await;
    assert_eq!(
        (put.code, put.at("/metadata/generation")),
        (200, &json!(2)),
        "{put:?}"
    );
    let refused = post(&sandbox, WIDGETS, &widget("two", &json!({ "size": 1 }))).await;
    assert_eq!(refused.code, 422);
    let labels = json!({ "metadata": { "labels": { "a": "b" } } });
    let kept = patch(&sandbox, &format!("{WIDGETS}/one"), "merge", &labels).await;
    assert_eq!(kept.code, 200, "what was wrong before may stay: {kept:?}");
}

/// What was written before is read as the schema has it now, which is no change of anybody's.
#[tokio::test]
async fn defaults_that_come_later_are_read() {
    let sandbox = with_widgets().await;
    let one = format!("{WIDGETS}/one");
    let made = post(&sandbox, WIDGETS, &widget("one", &json!({ "size": 1 }))).await;
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let shape = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/shape";
    let default = json!([{ "op": "add", "path": shape, "value": { "type": "string", "default": "round" } }]);
    let changed = patch(&sandbox, &path, "json", &default).await;
    assert_eq!(changed.code, 200, "{changed:?}");
    let round = json!("round");
    let read = get(&sandbox, &one).await;
    assert_eq!(read.at("/spec/shape"), &round);
    assert_eq!(get(&sandbox, WIDGETS).await.at("/items/0/spec/shape"), &round);
    assert_eq!(
        read.at("/metadata/resourceVersion"),
        made.at("/metadata/resourceVersion")
    );
    let labels = json!({ "metadata": { "labels": { "a": "b" } } });
    let labelled = patch(&sandbox, &one, "merge", &labels).await;
    assert_eq!(labelled.at("/spec/shape"), &round);
    assert_eq!(
        labelled.at("/metadata/generation"),
        made.at("/metadata/generation")
    );
    let owned = labelled.at("/metadata/managedFields").to_string();
    assert!(!owned.contains("f:shape"), "nobody wrote it: {owned}");

    // What is no field any more is not read.
    let gone = json!([{ "op": "remove", "path": shape }]);
    assert_eq!(patch(&sandbox, &path, "json", &gone).await.code, 200);
    assert_eq!(get(&sandbox, &one).await.at("/spec/shape"), &Value::Null);
}
