//! No way around the rights: what somebody may do does not grow by the road a request takes, and refusals tell nobody what
//! they may not read.

use http::Method;
use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::server::{Answer, get, patch, post, put, sandbox, send};

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Lets the user `worker` do what these rules say.
async fn allow(sandbox: &Sandbox, rules: Value) {
    let role = json!({ "metadata": { "name": "work" }, "rules": rules });
    assert_eq!(post(sandbox, ROLES, &role).await.code, 201);
    let binding = json!({
        "metadata": { "name": "work" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "work" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "worker" }],
    });
    assert_eq!(post(sandbox, BINDINGS, &binding).await.code, 201);
}

async fn as_worker(sandbox: &Sandbox, method: Method, path: &str, kind: &str, body: &Value) -> Answer {
    let headers = [("content-type", kind), ("impersonate-user", "worker")];
    send(sandbox, method, path, &headers, body.to_string()).await
}

#[tokio::test]
async fn what_may_be_watched_may_not_be_written() {
    let sandbox = sandbox();
    allow(
        &sandbox,
        json!([{ "apiGroups": [""], "resources": ["configmaps", "pods/log"], "verbs": ["get", "list", "watch"] }]),
    )
    .await;
    post(&sandbox, MAPS, &json!({ "metadata": { "name": "kept" } })).await;
    let one = "/api/v1/watch/namespaces/default/configmaps/kept";
    for (method, path) in [
        (Method::POST, "/api/v1/watch/namespaces/default/configmaps"),
        (Method::PUT, one),
        (Method::PATCH, one),
        (Method::DELETE, one),
        (Method::DELETE, "/api/v1/watch/namespaces/default/configmaps"),
    ] {
        let body = json!({ "metadata": { "name": "kept" }, "data": { "written": "yes" } });
        let kind = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let refused = as_worker(&sandbox, method.clone(), path, kind, &body).await;
        assert_eq!(refused.code, 403, "{method} {path}: {refused:?}");
        let refused = send(
            &sandbox,
            method.clone(),
            path,
            &[("content-type", kind)],
            body.to_string(),
        )
        .await;
        assert_eq!(
            refused.code, 405,
            "{method} {path}, the administrator: {refused:?}"
        );
    }
    let kept = get(&sandbox, &format!("{MAPS}/kept")).await;
    assert_eq!((kept.code, kept.at("/data")), (200, &Value::Null));
    let log = "/api/v1/watch/namespaces/default/pods/web/log";
    let refused = as_worker(&sandbox, Method::GET, log, "application/json", &Value::Null).await;
    assert_eq!(refused.code, 405, "{refused:?}");
}

#[tokio::test]
async fn an_update_that_creates_needs_the_right_to_create() {
    let sandbox = sandbox();
    allow(
        &sandbox,
        json!([{ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "update"] }]),
    )
    .await;
    let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/new";
    let body = json!({ "metadata": { "name": "new" } });
    let refused = as_worker(&sandbox, Method::PUT, path, "application/json", &body).await;
    assert_eq!(refused.code, 403, "{refused:?}");
    assert_eq!(put(&sandbox, path, &body).await.code, 201);
    let mut made = get(&sandbox, path).await.body;
    made["metadata"]["labels"] = json!({ "changed": "yes" });
    let changed = as_worker(&sandbox, Method::PUT, path, "application/json", &made).await;
    assert_eq!(changed.code, 200, "{changed:?}");
}

#[tokio::test]
async fn a_role_of_very_many_parts_is_refused_like_any() {
    let sandbox = sandbox();
    allow(
        &sandbox,
        json!([{ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"] }]),
    )
    .await;
    let words: Vec<String> = (0..1000).map(|number| format!("word{number}")).collect();
    let role = json!({
        "metadata": { "name": "huge" },
        "rules": [{ "apiGroups": words, "resources": words, "verbs": words, "resourceNames": words }],
    });
    let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
    let refused = as_worker(&sandbox, Method::POST, path, "application/json", &role).await;
    assert_eq!(refused.code, 403, "{refused:?}");
}

#[tokio::test]
async fn a_refused_patch_does_not_show_a_secret() {
    let sandbox = sandbox();
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = json!({ "metadata": { "name": "s" }, "stringData": { "password": "hello" } });
    post(&sandbox, secrets, &secret).await;
    for (kind, body) in [
        ("merge", json!({ "data": { "other": "*" } })),
        ("merge", json!({ "data": { "other": 1 } })),
        ("strategic-merge", json!({ "data": { "other": "*" } })),
    ] {
        let refused = patch(&sandbox, &format!("{secrets}/s"), kind, &body).await;
        assert!((400..500).contains(&refused.code), "{refused:?}");
        assert!(!refused.body.to_string().contains("aGVsbG8"), "{refused:?}");
    }
}
