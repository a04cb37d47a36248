//! What happens at the door of the API: webhooks over HTTPS, quotas, limit ranges, priorities.
//!
//! `door.json` was recorded from Kubernetes 1.36.3: each case has the webhooks' configurations, what they answer, the
//! requests, what the API server answered and what it asked the webhooks. `NS` stands for the namespace of the case,
//! `HOST` for the webhooks' address, `CA` for their authority and `OTHER` for one that is not theirs.

mod hooks;

use std::collections::BTreeMap;

use futures::future::join_all;
use http::Method;
use sandbox::Sandbox;
use serde_json::{Value, json};

use self::hooks::{Hooks, authority};
use crate::server::{delete, get, patch, post, put, sandbox, send};

/// Fields of an object's metadata, and of what webhooks are told of it.
const TOLD: [&str; 11] = [
    "kind",
    "resource",
    "requestKind",
    "requestResource",
    "subResource",
    "requestSubResource",
    "name",
    "namespace",
    "operation",
    "dryRun",
    "options",
];

fn filled(value: &Value, words: &[(&str, &str)]) -> Value {
    let mut text = value.to_string();
    for (word, with) in words {
        text = text.replace(word, with);
    }
    serde_json::from_str(&text).unwrap()
}

/// What is compared of a question.
fn summary(path: &str, review: &Value) -> Value {
    let request = &review["request"];
    let mut told = json!({ "path": path, "review": review["apiVersion"], "user": [] });
    for field in TOLD {
        if let Some(value) = request.get(field) {
            told[field] = value.clone();
        }
    }
    for field in ["object", "oldObject"] {
        let object = &request[field];
        told[field] = Value::Null;
        if object.is_object() {
            let fields = object["metadata"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name);
            let mut fields: Vec<&String> = fields.filter(|name| *name != "managedFields").collect();
            fields.sort();
            told[field] = json!({
                "apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": fields,
                "labels": object["metadata"]["labels"], "data": object["data"],
            });
            if object["kind"] == "Scale" {
                told[field]["spec"] = object["spec"].clone();
            }
        }
    }
    let user = ["groups", "username"]
        .into_iter()
        .filter(|field| request["userInfo"].get(field).is_some());
    told["user"] = json!(user.collect::<Vec<_>>());
    told
}

async fn take(sandbox: &Sandbox, step: &Value) -> crate::server::Answer {
    let (path, body) = (step["path"].as_str().unwrap(), &step["body"]);
    match (step["method"].as_str().unwrap(), step["type"].as_str()) {
        ("POST", _) => post(sandbox, path, body).await,
        ("PUT", _) => put(sandbox, path, body).await,
        ("PATCH", Some("strategic")) => patch(sandbox, path, "strategic-merge", body).await,
        ("PATCH", Some(kind)) => patch(sandbox, path, kind, body).await,
        ("DELETE", _) if body.is_null() => delete(sandbox, path).await,
        ("DELETE", _) => {
            let headers = [("content-type", "application/json")];
            send(sandbox, Method::DELETE, path, &headers, body.to_string()).await
        }
        ("GET", _) => get(sandbox, path).await,
        other => panic!("no such step: {other:?}"),
    }
}

/// Goes through a case and says what is different.
async fn replay(case: &Value) -> Vec<String> {
    let name = case["name"].as_str().unwrap();
    let answers: BTreeMap<String, Value> = serde_json::from_value(case["hooks"].clone()).unwrap();
    let hooks = Hooks::open(answers).await;
    let other = authority();
    let words = [
        ("NS", "case"),
        ("HOST", &hooks.host),
        ("\"CA\"", &hooks.bundle),
        ("\"OTHER\"", &other),
    ];
    let sandbox = sandbox();
    let labels = case.get("labels").cloned().unwrap_or(json!({}));
    let space =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "case", "labels": labels } });
    assert_eq!(post(&sandbox, "/api/v1/namespaces", &space).await.code, 201);
    // Every namespace of a cluster has this one.
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "kube-root-ca.crt" } });
    post(&sandbox, "/api/v1/namespaces/case/configmaps", &map).await;
    for configuration in case["configurations"].as_array().unwrap() {
        let configuration = filled(configuration, &words);
        let plural = format!("{}s", configuration["kind"].as_str().unwrap().to_lowercase());
        let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}");
        let made = post(&sandbox, &path, &configuration).await;
        assert_eq!(made.code, 201, "{name}: {}", made.body);
    }
    hooks.asked.lock().unwrap().clear();
    let mut different = Vec::new();
    let mut compare = |what: &str, expect: Value, got: Value| {
        if expect != got {
            different.push(format!("{name}: {what}\n  expected {expect}\n  got      {got}"));
        }
    };
    for step in case["steps"].as_array().unwrap() {
        let step = filled(step, &words);
        let what = format!(
            "{} {}",
            step["method"].as_str().unwrap(),
            step["path"].as_str().unwrap()
        );
        let got = take(&sandbox, &step).await;
        compare(&what, step["code"].clone(), json!(got.code));
        let warnings: Vec<String> = got.warnings.iter().map(|warning| unquoted(warning)).collect();
        compare(
            &what,
            step.get("warnings").cloned().unwrap_or(json!([])),
            json!(warnings),
        );
        if let Some(expect) = step.get("answer") {
            let fields = ["message", "reason", "details"].into_iter();
            let said: serde_json::Map<String, Value> = fields
                .filter_map(|field| Some((field.to_owned(), got.body.get(field)?.clone())))
                .collect();
            compare(&what, expect.clone(), masked(&Value::Object(said)));
        }
        for (pointer, expect) in step["shown"].as_object().into_iter().flatten() {
            compare(
                &format!("{what} {pointer}"),
                expect.clone(),
                got.at(pointer).clone(),
            );
        }
    }
    if let Some(expect) = case.get("asked") {
        let asked = hooks.asked.lock().unwrap();
        let got: Vec<Value> = asked.iter().map(|(path, review)| summary(path, review)).collect();
        compare("asked", filled(expect, &words), json!(got));
    }
    different
}

/// Without the identifiers that are drawn anew each time.
fn masked(value: &Value) -> Value {
    let text = value.to_string();
    let is_uid = |part: &&str| part.len() == 36 && part.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let uids: Vec<&str> = text.split(['"', '\\']).filter(is_uid).collect();
    let masked = uids
        .iter()
        .fold(text.clone(), |text, uid| text.replace(uid, "UID"));
    serde_json::from_str(&masked).unwrap()
}

/// The text of a warning.
fn unquoted(header: &str) -> String {
    let text = header
        .strip_prefix("299 - \"")
        .and_then(|text| text.strip_suffix('"'))
        .unwrap();
    text.replace("\\\"", "\"").replace("\\\\", "\\")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_is_that_of_the_real_one() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("door.json")).unwrap();
    assert!(cases.len() >= 50, "{}", cases.len());
    let each = cases
        .into_iter()
        .map(|case| tokio::spawn(async move { replay(&case).await }));
    let different: Vec<String> = join_all(each)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    assert!(
        different.is_empty(),
        "{} differences:\n{}",
        different.len(),
        different.join("\n")
    );
}

#[tokio::test]
async fn webhooks_see_again_what_policies_have_changed_since() {
    const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
    let asked = async |reinvocation: &str| {
        let hooks = Hooks::open(BTreeMap::new()).await;
        let sandbox = sandbox();
        let rules = json!([{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"],
        }]);
        let counts = "[JSONPatch{op: 'replace', path: '/data/x', value: string(int(object.data.x) + 1)}]";
        // The second changes what the first has seen.
        for (name, reinvocation) in [("a", reinvocation), ("b", "Never")] {
            let policy = json!({ "metadata": { "name": name }, "spec": {
                "reinvocationPolicy": reinvocation, "matchConstraints": { "resourceRules": rules },
                "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": counts } }],
            } });
            let path = format!("{GROUP}/mutatingadmissionpolicies");
            assert_eq!(post(&sandbox, &path, &policy).await.code, 201);
            let binding = json!({ "metadata": { "name": name }, "spec": { "policyName": name } });
            let path = format!("{GROUP}/mutatingadmissionpolicybindings");
            assert_eq!(post(&sandbox, &path, &binding).await.code, 201);
        }
        let bundle: Value = serde_json::from_str(&hooks.bundle).unwrap();
        let webhook = json!({ "metadata": { "name": "hooks" }, "webhooks": [{
            "name": "a.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "rules": rules,
            "reinvocationPolicy": "IfNeeded",
            "clientConfig": { "url": format!("https://{}/a", hooks.host), "caBundle": bundle },
        }] });
        let path = format!("{GROUP}/mutatingwebhookconfigurations");
        assert_eq!(post(&sandbox, &path, &webhook).await.code, 201);
        let map = json!({ "metadata": { "name": "m" }, "data": { "x": "0" } });
        let made = post(&sandbox, "/api/v1/namespaces/default/configmaps", &map).await;
        assert_eq!(made.code, 201, "{made:?}");
        let asked = hooks.asked.lock().unwrap();
        let seen = |(_, review): &(String, Value)| review["request"]["object"]["data"]["x"].clone();
        asked.iter().map(seen).collect::<Vec<Value>>()
    };
    assert_eq!(asked("Never").await, [json!("2")]);
    assert_eq!(asked("IfNeeded").await, [json!("2"), json!("3")]);
}

const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": "c", "image": "i", "resources": { "requests": { "cpu": "100m" } } }] },
    })
}

async fn bounded(hard: Value) -> Sandbox {
    let sandbox = sandbox();
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "q" }, "spec": { "hard": hard },
    });
    assert_eq!(
        post(&sandbox, "/api/v1/namespaces/default/resourcequotas", &quota)
            .await
            .code,
        201
    );
    sandbox
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_get_no_more_than_there_is() {
    let sandbox = bounded(json!({ "pods": "20", "requests.cpu": "1500m" })).await;
    let each = (0..60).map(|number| {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { post(&sandbox, PODS, &pod(&format!("p{number}"))).await.code })
    });
    let codes: Vec<u16> = join_all(each).await.into_iter().map(Result::unwrap).collect();
    let count = |wanted: u16| codes.iter().filter(|code| **code == wanted).count();
    // No more than there is, and no less: what one sets aside keeps nobody out who fits.
    assert_eq!((count(201), count(403)), (15, 45));
    let quota = get(&sandbox, "/api/v1/namespaces/default/resourcequotas/q").await;
    assert_eq!(
        *quota.at("/status/used"),
        json!({ "pods": "15", "requests.cpu": "1500m" })
    );
}

#[tokio::test]
async fn what_goes_makes_room() {
    use futures::TryStreamExt;
    use k8s_openapi::api::core::v1::ResourceQuota;
    use kube::api::{Api, WatchParams};

    let sandbox = bounded(json!({ "pods": "1" })).await;
    assert_eq!(post(&sandbox, PODS, &pod("a")).await.code, 201);
    assert_eq!(post(&sandbox, PODS, &pod("b")).await.code, 403);
    assert_eq!(delete(&sandbox, &format!("{PODS}/a")).await.code, 200);
    assert_eq!(post(&sandbox, PODS, &pod("b")).await.code, 201);
    assert_eq!(delete(&sandbox, &format!("{PODS}/b")).await.code, 200);
    let quotas: Api<ResourceQuota> = Api::namespaced(sandbox.client("default"), "default");
    let events = quotas.watch(&WatchParams::default(), "0").await.unwrap();
    let mut events = std::pin::pin!(events);
    loop {
        let event = events.try_next().await.unwrap().expect("the watch goes on");
        if let kube::api::WatchEvent::Added(quota) | kube::api::WatchEvent::Modified(quota) = event {
            let used = quota.status.and_then(|status| status.used).unwrap_or_default();
            if used.get("pods").is_some_and(|pods| pods.0 == "0") {
                return;
            }
        }
    }
}
