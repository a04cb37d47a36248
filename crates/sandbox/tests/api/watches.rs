//! Watches, and what the server's own machinery does after a delete.

use std::time::Duration;

use axum::body::Body;
use futures::{StreamExt, TryStreamExt};
use http::Request;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::wait::{await_condition, conditions};
use sandbox::Sandbox;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::server::{delete, get, patch, post, sandbox, send};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, labels: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "labels": labels } })
}

/// The events of a watch that ends by its own timeout or that has `count` events.
async fn watch(sandbox: &Sandbox, path: &str, count: usize) -> Vec<(String, String)> {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = sandbox.router().oneshot(request).await.unwrap();
    let lines = response.into_body().into_data_stream().take(count);
    let events: Vec<Value> = lines
        .map_ok(|line| serde_json::from_slice(&line).unwrap())
        .try_collect()
        .await
        .unwrap();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    events
        .iter()
        .map(|event| (word(&event["type"]), word(&event["object"]["metadata"]["name"])))
        .collect()
}

fn events(listed: &[(&str, &str)]) -> Vec<(String, String)> {
    listed
        .iter()
        .map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_watch_tells_what_happened_since() {
    let sandbox = sandbox();
    let start = get(&sandbox, MAPS)
        .await
        .at("/metadata/resourceVersion")
        .as_str()
        .unwrap()
        .to_owned();
    post(&sandbox, MAPS, &map("a", &json!({ "app": "web" }))).await;
    post(&sandbox, MAPS, &map("b", &json!({}))).await;
    patch(
        &sandbox,
        &format!("{MAPS}/a"),
        "merge",
        &json!({ "data": { "x": "1" } }),
    )
    .await;
    patch(
        &sandbox,
        &format!("{MAPS}/a"),
        "merge",
        &json!({ "metadata": { "labels": null } }),
    )
    .await;
    delete(&sandbox, &format!("{MAPS}/b")).await;

    let all = [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("MODIFIED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "b"),
    ];
    let path = format!("{MAPS}?watch=1&resourceVersion={start}");
    assert_eq!(watch(&sandbox, &path, all.len()).await, events(&all));
    let chosen = [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")];
    assert_eq!(
        watch(&sandbox, &format!("{path}&labelSelector=app%3Dweb"), 3).await,
        events(&chosen)
    );
    let one = [("ADDED", "b"), ("DELETED", "b")];
    assert_eq!(
        watch(&sandbox, &format!("{path}&fieldSelector=metadata.name%3Db"), 2).await,
        events(&one)
    );
    assert_eq!(
        watch(&sandbox, &format!("{MAPS}?watch=1"), 1).await,
        events(&[("ADDED", "a")])
    );
    let initial = format!(
        "{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    assert_eq!(
        watch(&sandbox, &initial, 2).await,
        events(&[("ADDED", "a"), ("BOOKMARK", "")])
    );
}

#[tokio::test]
async fn a_watch_from_a_time_forgotten_is_refused() {
    let sandbox = sandbox();
    let mut answer = post(&sandbox, MAPS, &map("a", &json!({}))).await;
    let early = answer
        .at("/metadata/resourceVersion")
        .as_str()
        .unwrap()
        .to_owned();
    for round in 0..9000 {
        let body = json!({ "data": { "round": round.to_string() } });
        answer = patch(&sandbox, &format!("{MAPS}/a"), "merge", &body).await;
    }
    assert_eq!(answer.code, 200);
    let expired = get(&sandbox, &format!("{MAPS}?watch=1&resourceVersion={early}")).await;
    // A client that is told so before the watch begins does not list anew.
    assert_eq!((expired.code, expired.at("/type")), (200, &json!("ERROR")));
    assert_eq!(expired.at("/object/reason"), "Expired");
    let future = get(&sandbox, &format!("{MAPS}?watch=1&resourceVersion=99999999")).await;
    assert_eq!((future.code, future.at("/reason")), (504, &json!("Timeout")));
}

#[tokio::test]
async fn a_client_of_kube_rs_watches() {
    let sandbox = sandbox();
    let maps: Api<ConfigMap> = Api::default_namespaced(sandbox.client("default"));
    let params = WatchParams::default();
    let mut stream = maps.watch(&params, "0").await.unwrap().boxed();
    let made = serde_json::from_value(map("late", &json!({}))).unwrap();
    maps.create(&PostParams::default(), &made).await.unwrap();
    let event = stream.try_next().await.unwrap().unwrap();
    assert!(matches!(event, WatchEvent::Added(map) if map.metadata.name.as_deref() == Some("late")));
    sandbox.close();
    let end = tokio::time::timeout(Duration::from_secs(5), stream.try_next()).await;
    assert!(matches!(end, Ok(Ok(None))), "{end:?}");
}

fn owned(name: &str, owner: &Value, blocks: bool) -> Value {
    let mut map = map(name, &json!({}));
    map["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner, "blockOwnerDeletion": blocks,
    }]);
    map
}

/// Waits until an object is gone.
async fn gone(sandbox: &Sandbox, name: &str) {
    let maps: Api<ConfigMap> = Api::default_namespaced(sandbox.client("default"));
    let wait = await_condition(maps, name, |object: Option<&ConfigMap>| object.is_none());
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .expect("it goes")
        .unwrap();
}

#[tokio::test]
async fn dependents_follow_their_owner() {
    for policy in ["Background", "Foreground", "Orphan"] {
        let sandbox = sandbox();
        let owner = post(&sandbox, MAPS, &map("owner", &json!({}))).await;
        let uid = owner.at("/metadata/uid");
        let child = post(&sandbox, MAPS, &owned("child", uid, true)).await;
        post(
            &sandbox,
            MAPS,
            &owned("grandchild", child.at("/metadata/uid"), false),
        )
        .await;
        let body = json!({ "propagationPolicy": policy }).to_string();
        let path = format!("{MAPS}/owner");
        assert_eq!(
            send(&sandbox, http::Method::DELETE, &path, &[], body).await.code,
            200
        );
        gone(&sandbox, "owner").await;
        let child = format!("{MAPS}/child");
        if policy == "Orphan" {
            let kept = get(&sandbox, &child).await;
            assert_eq!(
                (kept.code, kept.at("/metadata/ownerReferences")),
                (200, &Value::Null)
            );
            continue;
        }
        gone(&sandbox, "child").await;
        gone(&sandbox, "grandchild").await;
    }
}

#[tokio::test]
async fn a_circle_of_owners_goes_as_a_whole() {
    let sandbox = sandbox();
    let first = post(&sandbox, MAPS, &map("first", &json!({}))).await;
    let second = post(&sandbox, MAPS, &owned("second", first.at("/metadata/uid"), true)).await;
    let third = post(&sandbox, MAPS, &owned("third", second.at("/metadata/uid"), true)).await;
    let closing = json!({ "metadata": owned("first", third.at("/metadata/uid"), true)["metadata"] });
    patch(&sandbox, &format!("{MAPS}/first"), "merge", &closing).await;
    delete(&sandbox, &format!("{MAPS}/first?propagationPolicy=Foreground")).await;
    for name in ["first", "second", "third"] {
        gone(&sandbox, name).await;
    }
}

#[tokio::test]
async fn an_object_of_two_owners_stays_with_the_second() {
    let sandbox = sandbox();
    let first = post(&sandbox, MAPS, &map("first", &json!({}))).await;
    let second = post(&sandbox, MAPS, &map("second", &json!({}))).await;
    let mut child = owned("child", first.at("/metadata/uid"), true);
    let reference = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "second", "uid": second.at("/metadata/uid") });
    child["metadata"]["ownerReferences"]
        .as_array_mut()
        .unwrap()
        .push(reference);
    post(&sandbox, MAPS, &child).await;
    delete(&sandbox, &format!("{MAPS}/first")).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(sandbox.client("default"));
    let one_owner = |object: Option<&ConfigMap>| {
        object
            .and_then(|object| object.metadata.owner_references.as_ref())
            .is_some_and(|owners| owners.len() == 1)
    };
    let wait = await_condition(maps, "child", one_owner);
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .expect("the owner is let go")
        .unwrap();
}

#[tokio::test]
async fn a_namespace_ends_with_all_that_is_in_it() {
    let sandbox = sandbox();
    let client = sandbox.client("team");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let made = serde_json::from_value(json!({ "metadata": { "name": "team" } })).unwrap();
    namespaces.create(&PostParams::default(), &made).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::default_namespaced(client.clone());
    let account = accounts.get("default").await.unwrap().metadata.uid.unwrap();
    let maps = "/api/v1/namespaces/team/configmaps";
    let mut held = map("held", &json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    post(&sandbox, maps, &held).await;
    namespaces.delete("team", &DeleteParams::default()).await.unwrap();

    let wait = await_condition(accounts, "default", conditions::is_deleted(&account));
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .expect("the account goes")
        .unwrap();
    let late = post(&sandbox, maps, &map("late", &json!({}))).await;
    assert_eq!(
        (late.code, late.at("/details/causes/0/reason")),
        (403, &json!("NamespaceTerminating"))
    );
    let told = |object: Option<&Namespace>| {
        let conditions = object.and_then(|object| object.status.as_ref()?.conditions.as_ref());
        conditions.is_some_and(|conditions| {
            let mut messages = conditions
                .iter()
                .filter_map(|condition| condition.message.as_ref());
            messages.next_back().unwrap().contains("example.com/hold in 1")
        })
    };
    let wait = await_condition(namespaces.clone(), "team", told);
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .expect("it says what it waits for")
        .unwrap();
    patch(
        &sandbox,
        &format!("{maps}/held"),
        "merge",
        &json!({ "metadata": { "finalizers": null } }),
    )
    .await;
    let wait = await_condition(namespaces, "team", |object: Option<&Namespace>| object.is_none());
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .expect("the namespace goes")
        .unwrap();
}
