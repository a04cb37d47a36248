//! PodDisruptionBudgets, and evictions that keep to them.

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::living::{Living, NAMESPACE, condition, deployment};

pub(crate) fn budget(name: &str, spec: &Value) -> Value {
    let mut budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
    });
    for (key, value) in spec.as_object().unwrap() {
        budget["spec"][key] = value.clone();
    }
    budget
}

impl Living {
    async fn until_budget(&self, healthy: i64, allowed: i64) -> Value {
        self.until("policy/v1", "PodDisruptionBudget", "counted", |it| {
            it["status"]["currentHealthy"] == healthy
                && it["status"]["disruptionsAllowed"] == allowed
                && it["status"]["observedGeneration"] == it["metadata"]["generation"]
        })
        .await
    }

    /// Evicts a pod as kubectl drain does: the answer's code and body.
    async fn evict(&self, pod: &Value, options: &Value) -> (u16, Value) {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": name, "namespace": NAMESPACE}, "deleteOptions": options});
        let request = Request::post(format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"))
            .header("content-type", "application/json")
            .body(Body::from(eviction.to_string().into_bytes()))
            .unwrap();
        let answer = self.sandbox.router().oneshot(request).await.unwrap();
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap())
    }
}

#[tokio::test]
async fn a_budget_counts_and_evictions_keep_to_it() {
    let living = Living::start();
    living.create(budget("web", &json!({"maxUnavailable": 1}))).await;
    living.create(deployment(2, "web:1")).await;
    let counted = living.until_budget(2, 1).await;
    assert_eq!(counted["status"]["expectedPods"], 2);
    assert_eq!(counted["status"]["desiredHealthy"], 1);
    assert_eq!(
        condition(&counted, "DisruptionAllowed")["reason"],
        "SufficientPods"
    );

    let pods = living.settled_pods().await;
    assert_eq!(living.evict(&pods[0], &json!({"dryRun": ["All"]})).await.0, 201);
    assert_eq!(living.settled_pods().await, pods, "a dry run changes nothing");
    assert_eq!(living.evict(&pods[0], &Value::Null).await.0, 201);
    // The pod's successor restores the room.
    living.until_ready("web", 2).await;
    let after = living.until_budget(2, 1).await;
    assert_eq!(after["status"]["disruptedPods"], Value::Null);
    assert!(!living.settled_pods().await.contains(&pods[0]));

    living
        .merge(
            "policy/v1",
            "PodDisruptionBudget",
            "web",
            json!({"spec": {"maxUnavailable": 0}}),
        )
        .await;
    living.until_budget(2, 0).await;
    let (code, answer) = living.evict(&pods[1], &Value::Null).await;
    assert_eq!(code, 429, "{answer}");
    assert_eq!(answer["reason"], "TooManyRequests");
    assert_eq!(
        answer["details"]["causes"][0],
        json!({"reason": "DisruptionBudget",
            "message": "The disruption budget web needs 2 healthy pods and has 2 currently"})
    );
    assert!(living.settled_pods().await.contains(&pods[1]));
    // Deleting is not evicting, and what no budget chooses may always go.
    living
        .merge(
            "policy/v1",
            "PodDisruptionBudget",
            "web",
            json!({"spec": {"selector": {"matchLabels": {"app": "api"}}}}),
        )
        .await;
    living.until_budget(0, 0).await;
    assert_eq!(living.evict(&pods[1], &Value::Null).await.0, 201);
}

#[tokio::test]
async fn a_pod_that_is_not_ready_may_go_while_enough_others_are() {
    let living = Living::start();
    living.create(budget("web", &json!({"minAvailable": 1}))).await;
    living.create(deployment(1, "web:1")).await;
    living.until_budget(1, 0).await;
    let mut broken = deployment(1, "web:1");
    broken["metadata"]["name"] = json!("broken");
    broken["spec"]["selector"]["matchLabels"] = json!({"app": "web", "part": "broken"});
    broken["spec"]["template"]["metadata"] = json!({"labels": {"app": "web", "part": "broken"},
        "annotations": {"sandbox.towpath.dev/fail": "unready"}});
    living.create(broken).await;
    let pod = living
        .until("v1", "Pod", "running, not ready", |pod| {
            pod["metadata"]["labels"]["part"] == "broken" && pod["status"]["phase"] == "Running"
        })
        .await;
    living
        .until("policy/v1", "PodDisruptionBudget", "aware of both", |it| {
            it["status"]["expectedPods"] == 2 && it["status"]["disruptionsAllowed"] == 0
        })
        .await;
    assert_eq!(living.evict(&pod, &Value::Null).await.0, 201);
    // Two budgets for one pod are one too many.
    living.create(budget("second", &json!({"minAvailable": 0}))).await;
    let ready = living
        .until("v1", "Pod", "ready", |pod| {
            condition(pod, "Ready")["status"] == "True"
        })
        .await;
    let (code, answer) = living.evict(&ready, &Value::Null).await;
    assert_eq!(code, 500, "{answer}");
}
