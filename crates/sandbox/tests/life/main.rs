//! The sandbox alive: whole flows through the API, each waiting by a watch, never by sleeping.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests say what went wrong by panicking"
)]

mod autoscaler;
mod cronjob;
mod daemonset;
mod disruption;
mod living;
mod rollout;
mod settled;
mod storage;

use serde_json::{Value, json};

use living::{Living, NAMESPACE, condition, deployment};

#[tokio::test]
async fn nodes_and_classes_are_there() {
    let living = Living::start();
    let node = living
        .until_named("v1", "Node", "sandbox-1", "ready", |node| {
            condition(node, "Ready")["status"] == "True"
        })
        .await;
    assert_eq!(
        node["metadata"]["annotations"]["sandbox.towpath.dev/simulated"],
        "true"
    );
    living
        .until_named("storage.k8s.io/v1", "StorageClass", "replicated", "there", |_| {
            true
        })
        .await;
}

#[tokio::test]
async fn a_service_follows_its_pods() {
    let living = Living::start();
    living
        .create(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}}),
        )
        .await;
    living.create(deployment(2, "web:1")).await;
    let ready = |slice: &Value, count: usize| {
        let endpoints = slice["endpoints"].as_array();
        let own = slice["metadata"]["labels"]["kubernetes.io/service-name"] == "web";
        own && endpoints
            .into_iter()
            .flatten()
            .filter(|it| it["conditions"]["ready"] == true)
            .count()
            == count
    };
    let slice = living
        .until(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "pointing at two pods",
            |it| ready(it, 2),
        )
        .await;
    assert_eq!(slice["ports"][0]["port"], 8080);
    living
        .merge("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 0}}))
        .await;
    living
        .until("discovery.k8s.io/v1", "EndpointSlice", "empty", |it| ready(it, 0))
        .await;
}

#[tokio::test]
async fn a_job_runs_to_its_end() {
    let living = Living::start();
    living
        .create(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": NAMESPACE},
            "spec": {"completions": 1, "template": {"spec": {"restartPolicy": "Never",
                "containers": [{"name": "migrate", "image": "web:1"}]}}}}))
        .await;
    let job = living
        .until_named("batch/v1", "Job", "migrate", "complete", |it| {
            condition(it, "Complete")["status"] == "True"
        })
        .await;
    assert_eq!(job["status"]["succeeded"], 1);
}

#[tokio::test]
async fn a_replication_controller_keeps_its_pods() {
    let living = Living::start();
    living
        .create(json!({"apiVersion": "v1", "kind": "ReplicationController",
            "metadata": {"name": "old", "namespace": NAMESPACE},
            "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "old"}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}}))
        .await;
    let ready = |count: i64| move |it: &Value| it["status"]["readyReplicas"].as_i64().unwrap_or(0) == count;
    let controller = living
        .until_named("v1", "ReplicationController", "old", "ready", ready(2))
        .await;
    assert_eq!(controller["status"]["availableReplicas"], 2);
    assert_eq!(controller["spec"]["selector"], json!({"app": "old"}));
    living
        .merge(
            "v1",
            "ReplicationController",
            "old",
            json!({"spec": {"replicas": 0}}),
        )
        .await;
    living
        .until_named("v1", "ReplicationController", "old", "empty", ready(0))
        .await;
}
