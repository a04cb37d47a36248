//! DaemonSets: a pod on each node.

use serde_json::{Value, json};

use super::living::{Living, NAMESPACE};

pub(crate) fn daemon_set(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": {
            "metadata": {"labels": {"app": "agent"}},
            "spec": {"containers": [{"name": "agent", "image": image}]}}},
    })
}

impl Living {
    async fn until_on_nodes(&self, count: i64) -> Value {
        self.until_named("apps/v1", "DaemonSet", "agent", "everywhere", |it| {
            let status = &it["status"];
            status["observedGeneration"] == it["metadata"]["generation"]
                && [
                    "desiredNumberScheduled",
                    "currentNumberScheduled",
                    "numberAvailable",
                    "updatedNumberScheduled",
                ]
                .iter()
                .all(|field| status[*field] == count)
        })
        .await
    }

    async fn places(&self) -> Vec<(String, String)> {
        let mut places: Vec<(String, String)> = self
            .settled_pods()
            .await
            .iter()
            .map(|pod| {
                (
                    pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned(),
                    pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        places.sort();
        places
    }
}

#[tokio::test]
async fn each_node_gets_a_pod_that_follows_the_template() {
    let living = Living::start();
    living.create(daemon_set("agent:1")).await;
    living.until_on_nodes(1).await;
    living
        .create(
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "sandbox-2",
            "annotations": {"sandbox.towpath.dev/simulated": "true"}}}),
        )
        .await;
    living.until_on_nodes(2).await;
    let on = |node: &str, image: &str| (node.to_owned(), image.to_owned());
    assert_eq!(
        living.places().await,
        [on("sandbox-1", "agent:1"), on("sandbox-2", "agent:1")]
    );

    let patch =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "agent", "image": "agent:2"}]}}}});
    living.merge("apps/v1", "DaemonSet", "agent", patch).await;
    living.until_on_nodes(2).await;
    assert_eq!(
        living.places().await,
        [on("sandbox-1", "agent:2"), on("sandbox-2", "agent:2")]
    );
    assert_eq!(
        living.list("apps/v1", "ControllerRevision").await.len(),
        2,
        "there is a way back"
    );

    let taint = json!({"spec": {"taints": [{"key": "broken", "effect": "NoExecute"}]}});
    living.merge("v1", "Node", "sandbox-2", taint).await;
    living.until_on_nodes(1).await;
    living.until_event("SuccessfulDelete", |_| true).await;
    assert_eq!(living.places().await, [on("sandbox-1", "agent:2")]);
}
