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

/// A right to hand out a role of one name counts where the path has the name, also when the role is not there yet.
#[tokio::test]
async fn a_role_that_may_be_handed_out_by_its_name_may_be_applied() {
    let sandbox = sandbox();
    let roles = json!({ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"] });
    let right = |verbs: Value, names: Value| {
        let mut right = roles.clone();
        right["verbs"] = verbs;
        right["resourceNames"] = names;
        right
    };
    let rules = json!([
        right(json!(["create", "get", "patch"]), json!([])),
        right(json!(["escalate"]), json!(["team"])),
    ]);
    allow(&sandbox, rules).await;
    let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
    let role = |name: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": name },
            "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }],
        })
    };
    for (name, expect) in [("team", 201), ("other", 403)] {
        let at = format!("{path}/{name}?fieldManager=tests");
        let apply = "application/apply-patch+yaml";
        let applied = as_worker(&sandbox, Method::PATCH, &at, apply, &role(name)).await;
        assert_eq!(applied.code, expect, "{applied:?}");
    }
    let posted = as_worker(&sandbox, Method::POST, path, "application/json", &role("team")).await;
    assert_eq!(posted.code, 403, "{posted:?}");
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

#[tokio::test]
async fn policies_read_for_nobody_what_they_may_not_read() {
    const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
    let sandbox = sandbox();
    allow(
        &sandbox,
        json!([
            { "apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["*"] },
            { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] },
            { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["own"] },
        ]),
    )
    .await;
    let policy = |name: &str, kind: &str, api_version: &str| {
        json!({
            "metadata": { "name": name },
            "spec": {
                "paramKind": { "apiVersion": api_version, "kind": kind },
                "matchConstraints": { "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
                }] },
                "validations": [{ "expression": "params != null" }],
            },
        })
    };
    let binding = |name: &str, policy: &str, reference: Value| {
        let mut binding = json!({
            "metadata": { "name": name },
            "spec": { "policyName": policy, "validationActions": ["Deny"], "paramRef": reference },
        });
        binding["spec"]["paramRef"]["parameterNotFoundAction"] = json!("Deny");
        binding
    };
    let (policies, bindings) = (
        format!("{GROUP}/validatingadmissionpolicies"),
        format!("{GROUP}/validatingadmissionpolicybindings"),
    );
    let write = async |method: Method, path: &str, body: &Value, expect: Option<&str>| {
        let kind = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let answer = as_worker(&sandbox, method, path, kind, body).await;
        let Some(expect) = expect else {
            assert!(answer.code < 300, "{body}: {answer:?}");
            return;
        };
        assert_eq!(
            (answer.code, answer.at("/reason")),
            (422, &json!("Invalid")),
            "{answer:?}"
        );
        let cause = answer.at("/details/causes/0");
        assert_eq!(cause["reason"], "FieldValueForbidden", "{answer:?}");
        let said = format!(
            "{}: {}",
            cause["field"].as_str().unwrap(),
            cause["message"].as_str().unwrap()
        );
        assert_eq!(said, expect);
    };
    let who = "user &{worker  [system:authenticated] map[]}";
    let all = |kind: &str, version: &str| {
        format!(
            "spec.paramKind: Forbidden: {who} must have \"get\" permission on all objects of the referenced paramKind \
             (kind={kind}, apiVersion={version})"
        )
    };
    let one = |verb: &str| {
        format!(
            "spec.paramRef: Forbidden: {who} does not have \"{verb}\" permission on the object referenced by paramRef"
        )
    };

    write(Method::POST, &policies, &policy("maps", "ConfigMap", "v1"), None).await;
    write(
        Method::POST,
        &policies,
        &policy("own", "Secret", "v1"),
        Some(&all("Secret", "v1")),
    )
    .await;
    write(
        Method::POST,
        &policies,
        &policy("odd", "Odd", "v1"),
        Some(&all("Odd", "v1")),
    )
    .await;
    let to_secrets = json!({ "spec": { "paramKind": { "kind": "Secret" } } });
    write(
        Method::PATCH,
        &format!("{policies}/maps"),
        &to_secrets,
        Some(&all("Secret", "v1")),
    )
    .await;

    // What somebody else has written may be changed elsewhere.
    assert_eq!(
        post(&sandbox, &policies, &policy("secrets", "Secret", "v1"))
            .await
            .code,
        201
    );
    let labels = json!({ "metadata": { "labels": { "a": "b" } } });
    write(Method::PATCH, &format!("{policies}/secrets"), &labels, None).await;

    let named = |name: &str| json!({ "name": name, "namespace": "default" });
    let chosen = json!({ "selector": {} });
    for (name, policy, reference, expect) in [
        ("a", "secrets", named("own"), None),
        ("b", "secrets", named("other"), Some(one("get"))),
        ("c", "secrets", chosen.clone(), Some(one("list"))),
        ("d", "maps", named("any"), None),
        ("e", "maps", chosen, Some(one("list"))),
        ("f", "missing", named("own"), Some(one("get"))),
    ] {
        let binding = binding(name, policy, reference);
        write(Method::POST, &bindings, &binding, expect.as_deref()).await;
    }
    let path = format!("{bindings}/d");
    write(Method::PATCH, &path, &labels, None).await;
    let other = json!({ "spec": { "paramRef": { "name": "other" } } });
    write(Method::PATCH, &path, &other, None).await;
    let other = binding("g", "secrets", named("other"));
    assert_eq!(post(&sandbox, &bindings, &other).await.code, 201);
    let path = format!("{bindings}/g");
    write(Method::PATCH, &path, &labels, None).await;
    let elsewhere = json!({ "spec": { "paramRef": { "namespace": "kube-system" } } });
    write(Method::PATCH, &path, &elsewhere, Some(&one("get"))).await;
}
