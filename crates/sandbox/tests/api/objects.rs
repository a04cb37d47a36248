//! Create, read, update, patch and delete, and the words of their failures.

use axum::body::Body;
use http::Method;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::server::{Answer, delete, get, patch, post, put, sandbox, send};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "a": "1" } })
}

#[track_caller]
fn refused(answer: &Answer, code: u16, reason: &str, message: &str) {
    assert_eq!(answer.code, code, "{answer:?}");
    assert_eq!(answer.at("/kind"), "Status", "{answer:?}");
    assert_eq!(answer.at("/status"), "Failure");
    assert_eq!(answer.at("/code"), code);
    assert_eq!(answer.at("/reason"), reason, "{answer:?}");
    assert_eq!(answer.at("/message"), message, "{answer:?}");
}

#[tokio::test]
async fn a_client_of_kube_rs_reads_and_writes() {
    let sandbox = sandbox();
    let client = sandbox.client("default");
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let made: ConfigMap = serde_json::from_value(map("one")).unwrap();
    let made = maps.create(&PostParams::default(), &made).await.unwrap();
    assert_eq!(
        made.creation_timestamp().unwrap().0.to_string(),
        "2026-01-02T03:04:05Z"
    );
    assert!(made.uid().is_some_and(|uid| uid.len() == 36));

    let merged = maps
        .patch(
            "one",
            &PatchParams::default(),
            &Patch::Merge(json!({ "data": { "b": "2" } })),
        )
        .await
        .unwrap();
    assert_eq!(merged.data.unwrap().len(), 2);
    let stale = maps
        .replace("one", &PostParams::default(), &made)
        .await
        .unwrap_err();
    assert!(matches!(stale, kube::Error::Api(status) if status.is_conflict()));

    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 1);
    maps.delete("one", &DeleteParams::default()).await.unwrap();
    assert!(maps.get_opt("one").await.unwrap().is_none());
    let namespaces: Api<Namespace> = Api::all(client);
    let names: Vec<String> = namespaces
        .list(&ListParams::default())
        .await
        .unwrap()
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(
        names,
        ["default", "kube-node-lease", "kube-public", "kube-system"]
    );
}

#[tokio::test]
async fn priority_classes_of_the_system_are_there_and_stay() {
    let sandbox = sandbox();
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    for (name, value) in [
        ("system-cluster-critical", 2_000_000_000),
        ("system-node-critical", 2_000_001_000),
    ] {
        let path = format!("{classes}/{name}");
        assert_eq!(get(&sandbox, &path).await.at("/value"), value, "{name}");
        refused(
            &delete(&sandbox, &path).await,
            403,
            "Forbidden",
            &format!(
                "priorityclasses.scheduling.k8s.io \"{name}\" is forbidden: this is a system priority class and cannot be \
                 deleted"
            ),
        );
    }
}

#[tokio::test]
async fn failures_have_the_words_of_the_api_server() {
    let sandbox = sandbox();
    assert_eq!(post(&sandbox, MAPS, &map("one")).await.code, 201);
    let not_json = [("content-type", "application/json")];
    let protobuf = [("content-type", "application/cbor")];

    refused(
        &get(&sandbox, &format!("{MAPS}/x")).await,
        404,
        "NotFound",
        "configmaps \"x\" not found",
    );
    refused(
        &get(&sandbox, "/apis/apps/v1/namespaces/default/deployments/x").await,
        404,
        "NotFound",
        "deployments.apps \"x\" not found",
    );
    refused(
        &get(&sandbox, "/apis/apps/v1/nothing").await,
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
    refused(
        &get(&sandbox, "/api/v2").await,
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
    for path in ["/nothing", "/apis/none.io", "/apis/none.io/v1/things"] {
        let answer = get(&sandbox, path).await;
        assert_eq!(
            (answer.code, answer.body),
            (404, json!("404 page not found\n")),
            "{path}"
        );
    }
    refused(
        &post(&sandbox, MAPS, &map("one")).await,
        409,
        "AlreadyExists",
        "configmaps \"one\" already exists",
    );
    refused(
        &post(&sandbox, "/api/v1/namespaces/none/configmaps", &map("one")).await,
        404,
        "NotFound",
        "namespaces \"none\" not found",
    );
    refused(
        &post(
            &sandbox,
            MAPS,
            &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {} }),
        )
        .await,
        422,
        "Invalid",
        "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
    );
    refused(
        &send(&sandbox, Method::POST, MAPS, &protobuf, "k8s").await,
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json, \
         application/yaml, application/vnd.kubernetes.protobuf",
    );
    refused(
        &send(&sandbox, Method::PATCH, MAPS, &not_json, "{}").await,
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    );
    refused(
        &delete(&sandbox, "/api/v1/namespaces/default").await,
        403,
        "Forbidden",
        "namespaces \"default\" is forbidden: this namespace may not be deleted",
    );
    let mut stale = map("one");
    stale["metadata"]["resourceVersion"] = json!("1");
    refused(
        &put(&sandbox, &format!("{MAPS}/one"), &stale).await,
        409,
        "Conflict",
        "Operation cannot be fulfilled on configmaps \"one\": the object has been modified; please apply your \
         changes to the latest version and try again",
    );
}

#[tokio::test]
async fn no_body_makes_it_fail() {
    let sandbox = sandbox();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_yaml = "a: ".to_owned() + &"{a: ".repeat(10_000);
    let bodies: Vec<(&str, Vec<u8>, u16)> = vec![
        ("application/json", b"".to_vec(), 400),
        ("application/json", b"{".to_vec(), 400),
        ("application/json", b"[]".to_vec(), 400),
        ("application/json", b"null".to_vec(), 422),
        ("application/json", b"\"\xff\"".to_vec(), 400),
        ("application/json", br#"{"metadata":[]}"#.to_vec(), 400),
        ("application/json", br#"{"metadata":{"name":7}}"#.to_vec(), 400),
        ("application/json", deep.clone().into_bytes(), 400),
        ("application/yaml", b"a: [".to_vec(), 400),
        ("application/yaml", b"\xff\xfe".to_vec(), 400),
        ("application/yaml", deep_yaml.into_bytes(), 400),
        ("application/yaml", b"a: 1\n---\nb: 2\n".to_vec(), 422),
        ("application/json", vec![b' '; (3 << 20) + 1], 413),
    ];
    for (content, body, code) in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = send(&sandbox, Method::POST, MAPS, &[("content-type", content)], body).await;
        assert_eq!(answer.code, code, "{shown}: {answer:?}");
        assert_eq!(answer.at("/kind"), "Status", "{shown}");
    }
    let kept = post(&sandbox, MAPS, &map("kept")).await;
    assert_eq!(kept.code, 201);
    for (kind, body) in [
        ("json", json!({})),
        ("json", json!([{ "op": "remove", "path": "/nothing" }])),
        ("json", json!([{ "op": "dance", "path": "/a" }])),
        ("merge", json!(7)),
        ("json", json!([{ "op": "replace", "path": "", "value": 7 }])),
        (
            "json",
            json!([{ "op": "replace", "path": "/metadata", "value": 7 }]),
        ),
    ] {
        let answer = patch(&sandbox, &format!("{MAPS}/kept"), kind, &body).await;
        assert!(matches!(answer.code, 400 | 422), "{kind} {body}: {answer:?}");
    }
    assert_eq!(get(&sandbox, &format!("{MAPS}/kept")).await.body, kept.body);
}

#[tokio::test]
async fn copies_of_copies_are_bounded() {
    let sandbox = sandbox();
    let mut big = map("big");
    big["data"]["a"] = json!("x".repeat(1000));
    post(&sandbox, MAPS, &big).await;
    let copies: Vec<Value> = (0..40)
        .map(|round| json!({ "op": "copy", "from": "/data", "path": format!("/data/copy{round}") }))
        .collect();
    let answer = patch(&sandbox, &format!("{MAPS}/big"), "json", &json!(copies)).await;
    assert_eq!(answer.code, 413, "{answer:?}");
}

/// Controllers add their finalizer by such a patch, where nobody else has added one.
#[tokio::test]
async fn a_json_patch_may_test_that_a_field_is_not_there() {
    let sandbox = sandbox();
    post(&sandbox, MAPS, &map("one")).await;
    let path = "/metadata/finalizers";
    let first = json!([
        { "op": "test", "path": path, "value": null },
        { "op": "add", "path": path, "value": ["example.com/kept"] },
    ]);
    let one = format!("{MAPS}/one");
    assert_eq!(patch(&sandbox, &one, "json", &first).await.code, 200);
    assert_eq!(patch(&sandbox, &one, "json", &first).await.code, 422);
    for (path, value) in [("/spec/nothing", json!(null)), ("/nothing", json!(0))] {
        let test = json!([{ "op": "test", "path": path, "value": value }]);
        assert_eq!(patch(&sandbox, &one, "json", &test).await.code, 422, "{path}");
    }
}

#[tokio::test]
async fn pages_cover_everything_once() {
    let sandbox = sandbox();
    for name in ["a", "b", "c", "d", "e"] {
        post(&sandbox, MAPS, &map(name)).await;
    }
    let first = get(&sandbox, &format!("{MAPS}?limit=2")).await;
    assert_eq!(first.at("/metadata/remainingItemCount"), 3);
    let mut seen: Vec<Value> = Vec::new();
    let mut token = String::new();
    loop {
        let page = get(&sandbox, &format!("{MAPS}?limit=2&continue={token}")).await;
        assert_eq!(
            page.at("/metadata/resourceVersion"),
            first.at("/metadata/resourceVersion")
        );
        seen.extend(
            page.at("/items")
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["metadata"]["name"].clone()),
        );
        match page.at("/metadata/continue").as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
        post(&sandbox, MAPS, &map("aa")).await;
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    assert_eq!(
        get(&sandbox, &format!("{MAPS}?continue=nonsense")).await.code,
        400
    );
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let sandbox = sandbox();
    let made = post(&sandbox, &format!("{MAPS}?dryRun=All"), &map("one")).await;
    assert_eq!((made.code, made.at("/metadata/name")), (201, &json!("one")));
    assert_eq!(get(&sandbox, &format!("{MAPS}/one")).await.code, 404);
    let kept = post(&sandbox, MAPS, &map("one")).await;
    let path = format!("{MAPS}/one?dryRun=All");
    let patched = patch(&sandbox, &path, "merge", &json!({ "data": { "a": "2" } })).await;
    assert_eq!(patched.at("/data/a"), "2");
    assert_eq!(delete(&sandbox, &path).await.code, 200);
    assert_eq!(get(&sandbox, &format!("{MAPS}/one")).await.body, kept.body);
    let wrong = post(&sandbox, &format!("{MAPS}?dryRun=Maybe"), &map("two")).await;
    assert_eq!(
        (wrong.code, wrong.at("/details/kind")),
        (422, &json!("CreateOptions"))
    );
}

#[tokio::test]
async fn finalizers_keep_an_object_until_the_last_is_gone() {
    let sandbox = sandbox();
    let mut kept = map("kept");
    kept["metadata"]["finalizers"] = json!(["example.com/a", "example.com/b"]);
    post(&sandbox, MAPS, &kept).await;
    let path = format!("{MAPS}/kept");
    let going = delete(&sandbox, &path).await;
    assert_eq!(going.at("/metadata/deletionTimestamp"), "2026-01-02T03:04:05Z");
    let again = delete(&sandbox, &path).await;
    assert_eq!(
        again.at("/metadata/resourceVersion"),
        going.at("/metadata/resourceVersion")
    );
    let more = json!({ "metadata": { "finalizers": ["example.com/a", "example.com/c"] } });
    assert_eq!(patch(&sandbox, &path, "merge", &more).await.code, 422);
    let fewer = json!({ "metadata": { "finalizers": ["example.com/b"] } });
    assert_eq!(patch(&sandbox, &path, "merge", &fewer).await.code, 200);
    let none = json!({ "metadata": { "finalizers": null } });
    assert_eq!(patch(&sandbox, &path, "merge", &none).await.code, 200);
    assert_eq!(get(&sandbox, &path).await.code, 404);
}

#[tokio::test]
async fn deletes_keep_to_their_preconditions() {
    let sandbox = sandbox();
    let made = post(&sandbox, MAPS, &map("one")).await;
    let path = format!("{MAPS}/one");
    for (field, value) in [("uid", json!("another")), ("resourceVersion", json!("1"))] {
        let body = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": { field: value } });
        let answer = send(&sandbox, Method::DELETE, &path, &[], body.to_string()).await;
        assert_eq!(answer.code, 409, "{answer:?}");
    }
    let body = json!({ "preconditions": { "uid": made.at("/metadata/uid") } });
    let gone = send(&sandbox, Method::DELETE, &path, &[], Body::from(body.to_string())).await;
    assert_eq!(
        (gone.code, gone.at("/status"), gone.at("/details/kind")),
        (200, &json!("Success"), &json!("configmaps"))
    );
}

/// Who replaces what went meanwhile does not bring it back, though a replacement makes what was never there.
#[tokio::test]
async fn what_is_gone_is_not_brought_back_by_an_update() {
    let sandbox = sandbox();
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "reader" },
    });
    let path = format!("{roles}/reader");
    let made = put(&sandbox, &path, &role).await;
    assert_eq!(made.code, 201, "{made:?}");
    assert_eq!(delete(&sandbox, &path).await.code, 200);
    let late = put(&sandbox, &path, &made.body).await;
    assert_eq!(
        (late.code, late.at("/reason")),
        (409, &json!("Conflict")),
        "{late:?}"
    );
    assert_eq!(get(&sandbox, &path).await.code, 404);
}
