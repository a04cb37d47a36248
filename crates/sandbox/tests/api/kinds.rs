//! What the server makes of built-in kinds: defaults, validation, server-side apply, subresources, tables.

use http::Method;
use serde_json::{Value, json};

use crate::server::{delete, get, patch, post, put, sandbox, send};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn deployment(replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "web", "image": "web:1", "ports": [{ "containerPort": 80 }] }] },
            },
        },
    })
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
        "status": { "phase": "Running" },
    })
}

#[tokio::test]
async fn objects_get_their_defaults() {
    let sandbox = sandbox();
    let made = post(&sandbox, DEPLOYMENTS, &deployment(2)).await;
    let pod = "/spec/template/spec";
    let check =
        |pointer: &str, expect: Value| assert_eq!(made.at(pointer), &expect, "{pointer} of {}", made.body);
    check("/spec/strategy/type", json!("RollingUpdate"));
    check("/spec/revisionHistoryLimit", json!(10));
    check(&format!("{pod}/restartPolicy"), json!("Always"));
    check(
        &format!("{pod}/containers/0/imagePullPolicy"),
        json!("IfNotPresent"),
    );
    check(&format!("{pod}/containers/0/ports/0/protocol"), json!("TCP"));
    check("/metadata/generation", json!(1));
    check("/metadata/managedFields/0/manager", json!("tests"));
    check("/metadata/managedFields/0/operation", json!("Update"));
}

#[tokio::test]
async fn what_clients_may_not_write_stays() {
    let sandbox = sandbox();
    let made = post(&sandbox, PODS, &pod("one")).await;
    assert_eq!(
        made.at("/status"),
        &json!({ "phase": "Pending", "qosClass": "BestEffort" })
    );
    assert_eq!(made.at("/spec/serviceAccountName"), "default");
    let path = format!("{PODS}/one");
    let written = patch(
        &sandbox,
        &path,
        "merge",
        &json!({ "status": { "phase": "Failed" } }),
    )
    .await;
    assert_eq!(written.at("/status/phase"), "Pending");
    assert_eq!(
        written.at("/metadata/resourceVersion"),
        made.at("/metadata/resourceVersion"),
        "nothing changed"
    );
    let status = json!({ "status": { "phase": "Running" }, "metadata": { "labels": { "app": "other" } } });
    let written = patch(&sandbox, &format!("{path}/status"), "merge", &status).await;
    assert_eq!(written.at("/status/phase"), "Running");
    assert_eq!(written.at("/metadata/labels/app"), "other");
    assert_eq!(written.at("/metadata/generation"), 1);
    let identity = json!({ "metadata": { "uid": "another" } });
    assert_eq!(patch(&sandbox, &path, "merge", &identity).await.code, 422);
}

#[tokio::test]
async fn generations_count_changes_of_the_intent() {
    let sandbox = sandbox();
    post(&sandbox, DEPLOYMENTS, &deployment(1)).await;
    let path = format!("{DEPLOYMENTS}/web");
    for (body, expect) in [
        (json!({ "metadata": { "labels": { "a": "b" } } }), 1),
        (json!({ "spec": { "replicas": 2 } }), 2),
        (json!({ "spec": { "replicas": 2 } }), 2),
    ] {
        let answer = patch(&sandbox, &path, "strategic-merge", &body).await;
        assert_eq!(answer.at("/metadata/generation"), expect, "{body}");
    }
}

#[tokio::test]
async fn strategic_merge_patches_know_the_keys_of_lists() {
    let sandbox = sandbox();
    post(&sandbox, DEPLOYMENTS, &deployment(1)).await;
    let more = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "side", "image": "side:1" }] } } } });
    let answer = patch(&sandbox, &format!("{DEPLOYMENTS}/web"), "strategic-merge", &more).await;
    let containers = answer.at("/spec/template/spec/containers").as_array().unwrap();
    assert_eq!(containers.len(), 2, "{answer:?}");
}

#[tokio::test]
async fn wrong_objects_are_refused_with_every_cause() {
    let sandbox = sandbox();
    let mut wrong = deployment(-1);
    wrong["spec"]["template"]["spec"]["containers"][0]["image"] = json!("");
    wrong["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    let answer = post(&sandbox, DEPLOYMENTS, &wrong).await;
    assert_eq!((answer.code, answer.at("/reason")), (422, &json!("Invalid")));
    let message = answer.at("/message").as_str().unwrap();
    assert!(
        message.starts_with("Deployment.apps \"web\" is invalid: ["),
        "{message}"
    );
    assert!(message.contains("spec.replicas: Invalid value: -1"), "{message}");
    let causes = answer.at("/details/causes").as_array().unwrap();
    assert!(causes.len() >= 2, "{causes:?}");
    assert!(
        causes.iter().any(|cause| cause["field"] == "spec.replicas"),
        "{causes:?}"
    );
}

#[tokio::test]
async fn unknown_fields_are_warned_of_or_refused() {
    let sandbox = sandbox();
    let mut unknown = deployment(1);
    unknown["spec"]["replica"] = json!(1);
    let answer = post(
        &sandbox,
        &format!("{DEPLOYMENTS}?fieldValidation=Strict"),
        &unknown,
    )
    .await;
    assert_eq!(
        (answer.code, answer.at("/message")),
        (
            400,
            &json!(
                "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown \
                 field \"spec.replica\""
            )
        )
    );
    let answer = post(&sandbox, &format!("{DEPLOYMENTS}?dryRun=All"), &unknown).await;
    assert_eq!(answer.warnings, ["299 - \"unknown field \\\"spec.replica\\\"\""]);
    let answer = post(
        &sandbox,
        &format!("{DEPLOYMENTS}?fieldValidation=Ignore"),
        &unknown,
    )
    .await;
    assert_eq!(
        (answer.code, answer.warnings.len(), answer.at("/spec/replica")),
        (201, 0, &Value::Null)
    );
}

#[tokio::test]
async fn server_side_apply_keeps_owners_apart() {
    let sandbox = sandbox();
    let path = format!("{DEPLOYMENTS}/web");
    let unnamed = patch(&sandbox, &path, "apply", &deployment(1)).await;
    assert_eq!(unnamed.code, 422, "{unnamed:?}");
    let first = format!("{path}?fieldManager=first");
    let made = patch(&sandbox, &first, "apply", &deployment(1)).await;
    assert_eq!(
        (made.code, made.at("/metadata/managedFields/0/operation")),
        (201, &json!("Apply"))
    );
    let again = patch(&sandbox, &first, "apply", &deployment(1)).await;
    assert_eq!(
        again.at("/metadata/resourceVersion"),
        made.at("/metadata/resourceVersion"),
        "applying is idempotent"
    );

    let second = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": { "replicas": 5 },
    });
    let refused = patch(&sandbox, &format!("{path}?fieldManager=second"), "apply", &second).await;
    assert_eq!((refused.code, refused.at("/reason")), (409, &json!("Conflict")));
    assert_eq!(
        refused.at("/message"),
        "Apply failed with 1 conflict: conflict with \"first\": .spec.replicas"
    );
    assert_eq!(refused.at("/details/causes/0/reason"), "FieldManagerConflict");
    let forced = patch(
        &sandbox,
        &format!("{path}?fieldManager=second&force=true"),
        "apply",
        &second,
    )
    .await;
    assert_eq!(forced.at("/spec/replicas"), 5);

    let mut without = deployment(1);
    without["spec"].as_object_mut().unwrap().remove("replicas");
    without["metadata"]["labels"] = json!({ "a": "b" });
    let released = patch(&sandbox, &first, "apply", &without).await;
    assert_eq!(
        (released.at("/spec/replicas"), released.at("/metadata/labels/a")),
        (&json!(5), &json!("b"))
    );
    without["metadata"].as_object_mut().unwrap().remove("labels");
    let dropped = patch(&sandbox, &first, "apply", &without).await;
    assert_eq!(dropped.at("/metadata/labels"), &Value::Null);

    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: z\ndata:\n  a: \"1\"\n";
    let headers = [("content-type", "application/apply-patch+yaml")];
    let place = "/api/v1/namespaces/default/configmaps/z?fieldManager=m";
    let applied = send(&sandbox, Method::PATCH, place, &headers, yaml).await;
    assert_eq!((applied.code, applied.at("/data/a")), (201, &json!("1")));
}

#[tokio::test]
async fn scale_is_another_face_of_replicas() {
    let sandbox = sandbox();
    post(&sandbox, DEPLOYMENTS, &deployment(1)).await;
    let path = format!("{DEPLOYMENTS}/web/scale");
    let scale = get(&sandbox, &path).await;
    assert_eq!(
        (scale.at("/kind"), scale.at("/spec/replicas")),
        (&json!("Scale"), &json!(1))
    );
    assert_eq!(scale.at("/status/selector"), "app=web");
    let more = patch(&sandbox, &path, "merge", &json!({ "spec": { "replicas": 4 } })).await;
    assert_eq!((more.code, more.at("/spec/replicas")), (200, &json!(4)));
    let mut stale = scale.body.clone();
    stale["spec"]["replicas"] = json!(9);
    assert_eq!(put(&sandbox, &path, &stale).await.code, 409);
    stale["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    assert_eq!(put(&sandbox, &path, &stale).await.code, 200);
    let negative = patch(&sandbox, &path, "merge", &json!({ "spec": { "replicas": -4 } })).await;
    assert_eq!(negative.code, 422);
    assert_eq!(
        get(&sandbox, &format!("{DEPLOYMENTS}/web"))
            .await
            .at("/spec/replicas"),
        9
    );
    assert_eq!(
        get(&sandbox, &format!("{DEPLOYMENTS}/web/nothing")).await.code,
        404
    );
}

#[tokio::test]
async fn services_get_addresses_and_keep_them() {
    let sandbox = sandbox();
    let services = "/api/v1/namespaces/default/services";
    let service = |name: &str, spec: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": spec });
    let ports = json!([{ "port": 80 }]);
    let one = post(&sandbox, services, &service("one", json!({ "ports": ports }))).await;
    let two = post(
        &sandbox,
        services,
        &service("two", json!({ "ports": ports, "type": "NodePort" })),
    )
    .await;
    let none = post(
        &sandbox,
        services,
        &service("none", json!({ "ports": ports, "clusterIP": "None" })),
    )
    .await;
    assert_eq!(
        (one.at("/spec/clusterIP"), one.at("/spec/ipFamilies/0")),
        (&json!("10.96.0.10"), &json!("IPv4"))
    );
    assert_eq!(
        (two.at("/spec/clusterIP"), two.at("/spec/ports/0/nodePort")),
        (&json!("10.96.0.11"), &json!(30000))
    );
    assert_eq!(none.at("/spec/clusterIPs/0"), "None");
    let plain = service("one", json!({ "ports": [{ "port": 81 }] }));
    let replaced = put(&sandbox, &format!("{services}/one"), &plain).await;
    assert_eq!(
        (replaced.code, replaced.at("/spec/clusterIP")),
        (200, &json!("10.96.0.10")),
        "{replaced:?}"
    );
    let taken = service("three", json!({ "ports": ports, "clusterIP": "10.96.0.10" }));
    assert_eq!(post(&sandbox, services, &taken).await.code, 422);
}

#[tokio::test]
async fn secrets_are_written_plainly_and_read_encoded() {
    let sandbox = sandbox();
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "password": "hello" },
    });
    let made = post(&sandbox, "/api/v1/namespaces/default/secrets", &body).await;
    assert_eq!(
        (made.at("/data/password"), made.at("/stringData")),
        (&json!("aGVsbG8="), &Value::Null)
    );
    assert_eq!(made.at("/type"), "Opaque");
    let wrapped = json!({
        "metadata": { "name": "w" }, "data": { "password": "aGVs\nbG8=\n", "loose": "YWJ=" },
    });
    let made = post(&sandbox, "/api/v1/namespaces/default/secrets", &wrapped).await;
    assert_eq!(
        made.at("/data"),
        &json!({ "password": "aGVsbG8=", "loose": "YWI=" }),
        "{made:?}"
    );
    let broken = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "t" }, "data": { "password": "not base64!" },
    });
    let refused = post(&sandbox, "/api/v1/namespaces/default/secrets", &broken).await;
    assert_eq!(refused.code, 400);
    assert!(
        !refused.body.to_string().contains("not base64"),
        "a secret is not repeated: {refused:?}"
    );
}

#[tokio::test]
async fn events_have_two_faces() {
    let sandbox = sandbox();
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "e", "namespace": "default" },
        "eventTime": "2026-01-02T03:04:05.000000Z", "reason": "Made", "note": "it was made", "type": "Normal",
        "action": "Make", "reportingController": "tests", "reportingInstance": "tests-1",
        "regarding": { "kind": "Pod", "name": "one", "namespace": "default" },
    });
    let made = post(
        &sandbox,
        "/apis/events.k8s.io/v1/namespaces/default/events",
        &event,
    )
    .await;
    assert_eq!(
        (made.code, made.at("/note")),
        (201, &json!("it was made")),
        "{made:?}"
    );
    let path = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Done";
    let core = get(&sandbox, path).await;
    assert_eq!(core.at("/items/0/message"), "it was made");
    assert_eq!(core.at("/items/0/apiVersion"), &Value::Null);
    let place = "/apis/events.k8s.io/v1/namespaces/default/events/e";
    let series = json!({ "series": { "count": 2, "lastObservedTime": "2026-01-02T03:05:05.000000Z" } });
    let patched = patch(&sandbox, place, "merge", &series).await;
    assert_eq!(
        (patched.at("/series/count"), patched.at("/note")),
        (&json!(2), &json!("it was made")),
        "{patched:?}"
    );
}

#[tokio::test]
async fn questions_are_answered_and_not_kept() {
    let sandbox = sandbox();
    let kind = "SelfSubjectAccessReview";
    let spec = json!({ "resourceAttributes": { "verb": "get", "resource": "pods" } });
    let body = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec });
    let answer = post(
        &sandbox,
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        &body,
    )
    .await;
    assert_eq!((answer.code, answer.at("/status/allowed")), (201, &json!(true)));
    let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let headers = [("impersonate-user", "jo"), ("content-type", "application/json")];
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let answer = send(&sandbox, Method::POST, path, &headers, body.to_string()).await;
    assert_eq!(answer.at("/status/userInfo/username"), "jo");
}

#[tokio::test]
async fn tables_are_what_kubectl_prints() {
    let sandbox = sandbox();
    post(&sandbox, PODS, &pod("one")).await;
    post(&sandbox, DEPLOYMENTS, &deployment(3)).await;
    let headers = [(
        "accept",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    )];
    let cells = async |path: &str| {
        let table = send(&sandbox, Method::GET, path, &headers, "").await;
        assert_eq!(table.at("/kind"), "Table", "{table:?}");
        let columns = table.at("/columnDefinitions").as_array().unwrap();
        let shown: Vec<String> = columns
            .iter()
            .map(|column| column["name"].as_str().unwrap().to_owned())
            .collect();
        let row = table.at("/rows/0/cells").as_array().unwrap().clone();
        assert_eq!(shown.len(), row.len(), "{path}: as many cells as columns");
        shown.into_iter().zip(row).collect::<Vec<_>>()
    };
    let some = |pairs: &[(&str, Value)]| -> Vec<(String, Value)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    };
    assert_eq!(
        cells(PODS).await[..5],
        some(&[
            ("Name", json!("one")),
            ("Ready", json!("0/1")),
            ("Status", json!("Pending")),
            ("Restarts", json!("0")),
            ("Age", json!("0s")),
        ])
    );
    assert_eq!(cells(DEPLOYMENTS).await[1], ("Ready".to_owned(), json!("0/3")));
    assert_eq!(
        cells("/api/v1/namespaces").await[1],
        ("Status".to_owned(), json!("Active"))
    );
    assert_eq!(
        cells(&format!("{DEPLOYMENTS}/web/scale")).await[..3],
        some(&[
            ("Name", json!("web")),
            ("Desired", json!(3)),
            ("Available", json!(0))
        ])
    );
    let nightly = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly" },
        "spec": {
            "schedule": "0 3 * * *",
            "jobTemplate": { "spec": { "template": { "spec": {
                "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }],
            } } } },
        },
    });
    let jobs = "/apis/batch/v1/namespaces/default/cronjobs";
    post(&sandbox, jobs, &nightly).await;
    assert_eq!(cells(jobs).await[3], ("Suspend".to_owned(), json!("False")));
    let partial = [(
        "accept",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    )];
    let partial = send(&sandbox, Method::GET, PODS, &partial, "").await;
    assert_eq!(partial.at("/items/0/kind"), "PartialObjectMetadata");
    assert_eq!(partial.at("/items/0/spec"), &Value::Null);
    let strange = send(&sandbox, Method::GET, PODS, &[("accept", "text/html")], "").await;
    assert_eq!(strange.code, 406);
}

/// Kubernetes shows the names of its own events last.
#[tokio::test]
async fn a_kind_of_ones_own_may_be_called_events() {
    let sandbox = sandbox();
    let definition = json!({
        "metadata": { "name": "events.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "events", "singular": "event", "kind": "Event", "listKind": "EventList" },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
                "additionalPrinterColumns": [{ "name": "Size", "type": "integer", "jsonPath": ".size" }] }],
        },
    });
    let made = post(
        &sandbox,
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        &definition,
    )
    .await;
    assert_eq!(made.code, 201, "{made:?}");
    let events = "/apis/example.com/v1/namespaces/default/events";
    let event = json!({ "apiVersion": "example.com/v1", "kind": "Event", "metadata": { "name": "party" }, "size": 3 });
    assert_eq!(post(&sandbox, events, &event).await.code, 201);
    let headers = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = send(&sandbox, Method::GET, events, &headers, "").await;
    assert_eq!(table.at("/rows/0/cells"), &json!(["party", 3]));
}

#[tokio::test]
async fn every_resource_has_a_table_of_its_columns() {
    let sandbox = sandbox();
    let headers = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let discovered = send(
        &sandbox,
        Method::GET,
        "/apis",
        &[(
            "accept",
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        )],
        "",
    )
    .await;
    assert_eq!(discovered.at("/kind"), "APIGroupDiscoveryList");
    let mut listed = 0;
    for group in discovered.at("/items").as_array().unwrap() {
        for version in group["versions"].as_array().unwrap() {
            for resource in version["resources"].as_array().unwrap() {
                if !resource["verbs"].as_array().unwrap().contains(&json!("list")) {
                    continue;
                }
                let (group, version) = (
                    group["metadata"]["name"].as_str().unwrap(),
                    version["version"].as_str().unwrap(),
                );
                let path = format!(
                    "/apis/{group}/{version}/{}",
                    resource["resource"].as_str().unwrap()
                );
                let table = send(&sandbox, Method::GET, &path, &headers, "").await;
                assert_eq!(table.code, 200, "{path}");
                listed += 1;
            }
        }
    }
    assert!(listed > 30, "{listed}");
}

#[tokio::test]
async fn discovery_and_openapi_agree_on_what_there_is() {
    let sandbox = sandbox();
    assert_eq!(
        get(&sandbox, "/version").await.at("/gitVersion"),
        "v1.36.3+sandbox"
    );
    assert_eq!(get(&sandbox, "/livez").await.body, json!("ok"));
    let groups = get(&sandbox, "/apis").await;
    let index = get(&sandbox, "/openapi/v3").await;
    for group in groups.at("/groups").as_array().unwrap() {
        for version in group["versions"].as_array().unwrap() {
            let group_version = version["groupVersion"].as_str().unwrap();
            let resources = get(&sandbox, &format!("/apis/{group_version}")).await;
            assert_eq!(resources.at("/kind"), "APIResourceList", "{group_version}");
            let path = format!("apis/{group_version}");
            let address = index.body["paths"][&path]["serverRelativeURL"].as_str().unwrap();
            let document = get(&sandbox, address).await;
            assert_eq!(document.code, 200, "{address}");
            assert!(
                document.body["components"]["schemas"].as_object().unwrap().len() > 1,
                "{address}"
            );
        }
    }
    let core = get(&sandbox, "/api/v1").await;
    let names: Vec<&str> = core
        .at("/resources")
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    for name in [
        "pods",
        "pods/status",
        "pods/log",
        "namespaces/finalize",
        "services",
    ] {
        assert!(names.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn a_namespace_keeps_its_own_fields() {
    let sandbox = sandbox();
    let body = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": "team", "labels": { "kubernetes.io/metadata.name": "other" } },
    });
    let made = post(&sandbox, "/api/v1/namespaces", &body).await;
    assert_eq!(
        made.body["metadata"]["labels"]["kubernetes.io/metadata.name"],
        "team"
    );
    assert_eq!(made.at("/status/phase"), "Active");
    let emptied = put(&sandbox, "/api/v1/namespaces/team", &body).await;
    assert_eq!(emptied.at("/spec/finalizers/0"), "kubernetes");
    assert_eq!(
        delete(&sandbox, "/api/v1/namespaces/team")
            .await
            .at("/status/phase"),
        "Terminating"
    );
}
