//! A world that has settled: controllers find it as it is, and leave it so.

use serde_json::{Value, json};

use super::living::{Living, NAMESPACE, deployment, rolled_out, stateful_set};
use super::{autoscaler, cronjob, daemonset, disruption};

#[tokio::test]
async fn controllers_that_start_again_go_on_where_the_others_stopped() {
    let living = Living::start();
    living.create(deployment(2, "web:1")).await;
    living.until_ready("web", 2).await;
    let before = living.list("v1", "Pod").await;
    let living = living.restart().await;
    living
        .merge("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 3}}))
        .await;
    living.until_ready("web", 3).await;
    let after = living.list("v1", "Pod").await;
    assert_eq!(after.len(), 3);
    for pod in before {
        assert!(after.contains(&pod), "a pod was touched without need");
    }
}

#[tokio::test]
async fn what_has_settled_is_not_written_again() {
    let living = Living::start();
    living.create(deployment(2, "web:1")).await;
    living.create(stateful_set("db", "standard")).await;
    living.create(stateful_set("cache", "unknown")).await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    living.create(service).await;
    living.create(autoscaler::scaler(2, 3)).await;
    living.create(daemonset::daemon_set("agent:1")).await;
    living
        .create(disruption::budget("web", &json!({"maxUnavailable": 1})))
        .await;
    living.create(cronjob::cron_job(&json!({}), &json!({}))).await;
    let mut waiting = deployment(1, "registry.invalid/web:1");
    waiting["metadata"]["name"] = json!("stuck");
    waiting["spec"]["selector"]["matchLabels"]["app"] = json!("stuck");
    waiting["spec"]["template"]["metadata"]["labels"]["app"] = json!("stuck");
    living.create(waiting).await;
    living.until_ready("web", 2).await;
    living
        .until_named("apps/v1", "StatefulSet", "db", "ready", |it| {
            it["status"]["currentReplicas"] == 2
        })
        .await;
    living.until_event("FailedScheduling", |_| true).await;
    living
        .until_event("Failed", |message| message == "Error: ImagePullBackOff")
        .await;
    settle(&living, "first").await;

    // Controllers that start on a settled world look at everything, and have nothing to say.
    let living = living.restart().await;
    settle(&living, "second").await;
    let writes = living.writes.lock().unwrap().clone();
    let needless: Vec<&String> = writes
        .iter()
        .filter(|line| {
            !line.contains("second") && !line.contains("/events") && !line.ends_with("/replicasets")
        })
        .collect();
    assert!(needless.is_empty(), "{needless:?}");
}

/// Waits until the controllers have done what was asked of them before: one more thing, asked last.
pub(crate) async fn settle(living: &Living, name: &str) {
    living.create(deployment_named(name)).await;
    living
        .until_named("apps/v1", "Deployment", name, "there", |it| rolled_out(it, 0))
        .await;
}

fn deployment_named(name: &str) -> Value {
    let mut object = deployment(0, "web:1");
    object["metadata"]["name"] = json!(name);
    object["spec"]["selector"]["matchLabels"]["app"] = json!(name);
    object["spec"]["template"]["metadata"]["labels"]["app"] = json!(name);
    object
}
