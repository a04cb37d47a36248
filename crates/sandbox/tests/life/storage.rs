//! StatefulSets and the volumes that their claims are bound to.

use serde_json::{Value, json};

use super::living::{Living, condition, stateful_set};

#[tokio::test]
async fn a_stateful_set_gets_its_claims_bound_in_order() {
    let living = Living::start();
    living.create(stateful_set("db", "standard")).await;
    let set = living
        .until_named("apps/v1", "StatefulSet", "db", "ready", |it| {
            it["status"]["readyReplicas"] == 2 && it["status"]["updatedReplicas"] == 2
        })
        .await;
    assert_eq!(set["status"]["currentRevision"], set["status"]["updateRevision"]);
    let claims = living.list("v1", "PersistentVolumeClaim").await;
    let phases: Vec<(&str, &str)> = claims
        .iter()
        .map(|it| {
            (
                it["metadata"]["name"].as_str().unwrap(),
                it["status"]["phase"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(phases, [("data-db-0", "Bound"), ("data-db-1", "Bound")]);
    assert_eq!(living.list("v1", "PersistentVolume").await.len(), 2);
    let warnings: Vec<Value> = living
        .list("v1", "Event")
        .await
        .into_iter()
        .filter(|event| event["type"] == "Warning")
        .collect();
    assert!(warnings.is_empty(), "{warnings:?}");

    living
        .merge(
            "apps/v1",
            "StatefulSet",
            "db",
            json!({"spec": {"template": {"spec": {"containers": [{"name": "db", "image": "postgres:18"}]}}}}),
        )
        .await;
    living
        .until_named("apps/v1", "StatefulSet", "db", "updated", |it| {
            it["status"]["observedGeneration"] == it["metadata"]["generation"]
                && it["status"]["readyReplicas"] == 2
                && it["status"]["updatedReplicas"] == 2
                && it["status"]["currentRevision"] == it["status"]["updateRevision"]
                && it["status"]["currentRevision"] != set["status"]["currentRevision"]
        })
        .await;
    for pod in living.settled_pods().await {
        assert_eq!(pod["spec"]["containers"][0]["image"], "postgres:18");
    }
    assert_eq!(
        living.list("v1", "PersistentVolumeClaim").await.len(),
        2,
        "the claims stay"
    );
}

#[tokio::test]
async fn a_volume_of_an_unknown_class_stays_unbound_until_the_class_is_made() {
    let living = Living::start();
    living.create(stateful_set("db", "fast")).await;
    let event = living.until_event("ProvisioningFailed", |_| true).await;
    assert_eq!(event["message"], "storageclass.storage.k8s.io \"fast\" not found");
    assert_eq!(event["involvedObject"]["name"], "data-db-0");
    let pod = living
        .until_named("v1", "Pod", "db-0", "unschedulable", |pod| {
            condition(pod, "PodScheduled")["reason"] == "Unschedulable"
        })
        .await;
    let message = condition(&pod, "PodScheduled")["message"].as_str().unwrap();
    assert!(
        message.contains("pod has unbound immediate PersistentVolumeClaims"),
        "{message}"
    );

    living
        .create(
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"},
            "provisioner": "example.com/fast"}),
        )
        .await;
    living
        .until_named("apps/v1", "StatefulSet", "db", "ready", |it| {
            it["status"]["readyReplicas"] == 2
        })
        .await;
}
