//! Who may do what, request by request, as a real API server answered them: `security.json` holds what it was sent and
//! what it said.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Method;
use jiff::SignedDuration;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::runtime::wait::await_condition;
use sandbox::{ManualClock, Options, Sandbox};
use serde_json::{Value, json};

use crate::server::{Answer, get, options, post, sandbox, send};

/// The real server's answers have other uids and digests.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(plain).collect();
            // The order of rules is nobody's promise.
            if items.iter().all(|item| item.get("verbs").is_some()) {
                items.sort_by_key(Value::to_string);
            }
            items.into()
        }
        Value::String(text) => words(text).into(),
        other => other.clone(),
    }
}

/// A text without uids.
fn words(text: &str) -> String {
    const UID: usize = 36;
    let is_uid = |part: &str| {
        let shape = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        part.len() == UID && part.bytes().enumerate().all(shape)
    };
    let mut told = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if rest.get(..UID).is_some_and(is_uid) {
            told.push_str("<uid>");
            rest = &rest[UID..];
        } else {
            told.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    told
}

struct World {
    sandbox: Sandbox,
    kept: HashMap<String, String>,
}

impl World {
    async fn token(&mut self, told: &Value) -> String {
        if let Some(token) = told.as_str() {
            return token.to_owned();
        }
        if let Some(kept) = told["kept"].as_str() {
            return self.kept[kept].clone();
        }
        let (namespace, name) = told["account"].as_str().unwrap().split_once('/').unwrap();
        let mut spec = json!({});
        if told["audiences"].is_array() {
            spec["audiences"] = told["audiences"].clone();
        }
        if let Some((kind, name)) = told["bound"].as_str().and_then(|bound| bound.split_once('/')) {
            spec["boundObjectRef"] = json!({ "apiVersion": "v1", "kind": kind, "name": name });
        }
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let made = post(&self.sandbox, &path, &json!({ "spec": spec })).await;
        assert_eq!(made.code, 201, "{made:?}");
        let token = made.at("/status/token").as_str().unwrap().to_owned();
        if let Some(name) = told["keep"].as_str() {
            self.kept.insert(name.to_owned(), token.clone());
        }
        token
    }

    async fn answer(&mut self, case: &Value) -> Answer {
        let mut headers: Vec<(String, String)> = Vec::new();
        let who = &case["as"];
        if !who["token"].is_null() {
            let token = self.token(&who["token"]).await;
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        for (field, name) in [("user", "impersonate-user"), ("uid", "impersonate-uid")] {
            if let Some(word) = who[field].as_str() {
                headers.push((name.to_owned(), word.to_owned()));
            }
        }
        let mut many = |name: &str, words: &Value| {
            for word in words.as_array().into_iter().flatten() {
                headers.push((name.to_owned(), word.as_str().unwrap().to_owned()));
            }
        };
        many("impersonate-group", &who["groups"]);
        for (key, words) in who["extra"].as_object().into_iter().flatten() {
            many(&format!("impersonate-extra-{key}"), words);
        }
        for (name, word) in case["headers"].as_object().into_iter().flatten() {
            many(name, &json!([word]));
        }
        let (method, path) = case["request"].as_str().unwrap().split_once(' ').unwrap();
        let mut body = Body::empty();
        if let Some(mut sent) = case.get("body").cloned() {
            let kind = match method {
                "PATCH" if case["apply"] == true => "apply-patch+yaml",
                "PATCH" => "merge-patch+json",
                _ => "json",
            };
            headers.push(("content-type".to_owned(), format!("application/{kind}")));
            if sent["kind"] == "TokenReview" {
                let token = sent["spec"]["token"].take();
                sent["spec"]["token"] = self.token(&token).await.into();
            }
            body = Body::from(sent.to_string());
        }
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let method: Method = method.parse().unwrap();
        send(&self.sandbox, method, path, &headers, body).await
    }
}

#[tokio::test]
async fn everybody_is_answered_as_by_a_real_server() {
    let recorded: Value = serde_json::from_str(include_str!("security.json")).unwrap();
    let mut world = World {
        sandbox: sandbox(),
        kept: HashMap::new(),
    };
    for setup in recorded["setup"].as_array().unwrap() {
        let made = world.answer(setup).await;
        assert_eq!(made.code, 201, "{setup} {made:?}");
    }
    // Until roles are put together.
    let roles: Api<ClusterRole> = Api::all(world.sandbox.client("default"));
    for (role, rules) in [("sum", 2), ("edit", 1)] {
        let holds = move |found: Option<&ClusterRole>| {
            let held = found.and_then(|role| role.rules.as_ref());
            held.is_some_and(|held| match role {
                "sum" => held.len() == rules,
                _ => held
                    .iter()
                    .any(|rule| rule.resources == Some(vec!["widgets".to_owned()])),
            })
        };
        let awaited = await_condition(roles.clone(), role, holds);
        let awaited = tokio::time::timeout(Duration::from_secs(20), awaited).await;
        awaited
            .unwrap_or_else(|_| panic!("{role} is never complete"))
            .unwrap();
    }
    let mut wrong = Vec::new();
    for case in recorded["cases"].as_array().unwrap() {
        let answer = world.answer(case).await;
        let expect = &case["answer"];
        let mut got = json!({ "code": answer.code });
        for field in ["reason", "message", "details"] {
            if !expect[field].is_null() {
                got[field] = answer.at(&format!("/{field}")).clone();
            }
        }
        if let Some(pointer) = case["shows"].as_str().filter(|_| answer.code < 400) {
            got["shows"] = answer.at(pointer).clone();
        }
        let (got, expect) = (plain(&got), plain(expect));
        if got != expect {
            wrong.push(format!("{}\n  real {expect}\n  ours {got}", case["says"]));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The status of a review of a token.
async fn reviewed(sandbox: &Sandbox, token: &str) -> Value {
    let review = json!({ "spec": { "token": token } });
    let answer = post(sandbox, "/apis/authentication.k8s.io/v1/tokenreviews", &review).await;
    assert_eq!(answer.code, 201, "{answer:?}");
    answer.at("/status").clone()
}

async fn token(sandbox: &Sandbox, spec: Value) -> Answer {
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    post(sandbox, path, &json!({ "spec": spec })).await
}

#[tokio::test]
async fn tokens_end_by_the_clock() {
    let clock = ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap());
    let clock = Arc::new(clock);
    let sandbox = Sandbox::open(Options {
        clock: clock.clone(),
        ..Options::default()
    })
    .unwrap();
    let made = token(&sandbox, json!({ "expirationSeconds": 600 })).await;
    assert_eq!(made.at("/status/expirationTimestamp"), "2026-01-02T03:14:05Z");
    let token = made.at("/status/token").as_str().unwrap();
    for (seconds, holds) in [(0, true), (600, true), (60, true), (1, false)] {
        clock.advance(SignedDuration::from_secs(seconds));
        let status = reviewed(&sandbox, token).await;
        assert_eq!(status["authenticated"] == true, holds, "{status}");
    }
    let said = reviewed(&sandbox, token).await;
    assert_eq!(
        said["error"],
        "[invalid bearer token, service account token has expired]"
    );
}

#[tokio::test]
async fn tokens_outlive_the_process_and_their_key_is_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let open = || {
        Sandbox::open(Options {
            path: Some(path.clone()),
            ..options()
        })
        .unwrap()
    };
    let sandbox = open();
    let made = token(&sandbox, json!({})).await;
    let token = made.at("/status/token").as_str().unwrap().to_owned();
    sandbox.close();
    drop(sandbox);
    let sandbox = open();
    assert_eq!(reviewed(&sandbox, &token).await["authenticated"], true);
    for path in [
        "/apis/(server)/v1/secrets",
        "/apis/(server)/v1/secrets/service-account-key",
    ] {
        assert_eq!(get(&sandbox, path).await.code, 404, "{path}");
    }
    let secrets = get(&sandbox, "/api/v1/secrets").await;
    assert_eq!(secrets.at("/items"), &json!([]));
}

#[tokio::test]
async fn whoever_has_no_roles_may_nothing() {
    let sandbox = sandbox();
    let client = sandbox.client_of(sandbox::User::service_account("shop", "web"), "shop");
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::default_namespaced(client);
    let refused = maps.list(&kube::api::ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
    assert_eq!(
        get(&sandbox, "/api/v1/nodes").await.code,
        200,
        "the administrator may"
    );
}

#[tokio::test]
async fn a_review_is_no_table() {
    let sandbox = crate::server::sandbox();
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": { "verb": "get", "resource": "pods" } },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    for (accept, code) in [
        (table, 406),
        (&format!("{table},application/json"), 201),
        ("*/*", 201),
    ] {
        let headers = [("content-type", "application/json"), ("accept", accept)];
        let answer = send(&sandbox, Method::POST, path, &headers, review.to_string()).await;
        assert_eq!(answer.code, code, "{accept}: {answer:?}");
        if code == 406 {
            assert_eq!(answer.at("/reason"), "NotAcceptable");
        }
    }
}
