//! Deployments: rolling out, going back, and what pods that do not start are seen to wait for.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::living::{Living, NAMESPACE, condition, deployment, rolled_out, waiting_reason};

#[tokio::test]
async fn a_deployment_rolls_out_is_updated_scaled_and_rolled_back() {
    let living = Living::start();
    living.create(deployment(3, "web:1")).await;
    let first = living.until_ready("web", 3).await;
    assert_eq!(condition(&first, "Available")["status"], "True");
    assert_eq!(
        first["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "1"
    );
    let pods = living.settled_pods().await;
    assert_eq!(pods.len(), 3);
    for pod in &pods {
        assert_eq!(pod["status"]["phase"], "Running");
        assert_eq!(
            pod["metadata"]["annotations"]["sandbox.towpath.dev/simulated"],
            "true"
        );
        assert_eq!(pod["spec"]["nodeName"], "sandbox-1");
    }
    let scaled = living.until_event("ScalingReplicaSet", |_| true).await;
    assert_eq!(scaled["reportingComponent"], "towpath-sandbox");

    living
        .merge(
            "apps/v1",
            "Deployment",
            "web",
            json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}}),
        )
        .await;
    let second = living
        .until_named("apps/v1", "Deployment", "web", "at revision 2", |it| {
            it["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2" && rolled_out(it, 3)
        })
        .await;
    assert_eq!(second["status"]["unavailableReplicas"], Value::Null);
    let images: Vec<Value> = living
        .settled_pods()
        .await
        .iter()
        .map(|pod| pod["spec"]["containers"][0]["image"].clone())
        .collect();
    assert_eq!(images, ["web:2", "web:2", "web:2"]);

    living
        .merge("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 1}}))
        .await;
    living.until_ready("web", 1).await;
    assert_eq!(living.settled_pods().await.len(), 1);

    // What `kubectl rollout undo` does: the template of the older ReplicaSet, put back.
    let sets = living.list("apps/v1", "ReplicaSet").await;
    assert_eq!(sets.len(), 2);
    let old = sets
        .iter()
        .find(|set| set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1")
        .unwrap();
    let image = old["spec"]["template"]["spec"]["containers"][0].clone();
    living
        .merge(
            "apps/v1",
            "Deployment",
            "web",
            json!({"spec": {"template": {"spec": {"containers": [image]}}}}),
        )
        .await;
    living
        .until_named("apps/v1", "Deployment", "web", "at revision 3", |it| {
            it["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3" && rolled_out(it, 1)
        })
        .await;
    assert_eq!(
        living.list("apps/v1", "ReplicaSet").await.len(),
        2,
        "the old set is used again"
    );
}

#[tokio::test]
async fn a_bad_image_stops_a_rollout_and_leaves_the_old_pods() {
    let living = Living::start();
    living.create(deployment(2, "web:1")).await;
    living.until_ready("web", 2).await;
    living
        .merge("apps/v1", "Deployment", "web", json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "registry.invalid/web:2"}]}}}}))
        .await;
    let pod = living
        .until("v1", "Pod", "in ImagePullBackOff", |pod| {
            waiting_reason(pod) == "ImagePullBackOff"
        })
        .await;
    let message = pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
        .as_str()
        .unwrap();
    assert!(
        message.contains("lookup registry.invalid: no such host"),
        "{message}"
    );
    living
        .until_event("Failed", |message| message == "Error: ImagePullBackOff")
        .await;
    // The Deployment has looked at its new pod before the clock moves on.
    living
        .until_named("apps/v1", "Deployment", "web", "waiting for its new pod", |it| {
            it["status"]["updatedReplicas"] == 1 && it["status"]["availableReplicas"] == 2
        })
        .await;
    living.clock.advance(SignedDuration::from_secs(600));
    let stuck = living
        .until_named("apps/v1", "Deployment", "web", "given up", |it| {
            condition(it, "Progressing")["reason"] == "ProgressDeadlineExceeded"
        })
        .await;
    assert_eq!(condition(&stuck, "Progressing")["status"], "False");
    assert_eq!(condition(&stuck, "Available")["status"], "True");
    assert_eq!(stuck["status"]["availableReplicas"], 2);
}

#[tokio::test]
async fn a_crash_backs_off_by_the_clock() {
    let living = Living::start();
    let mut object = deployment(1, "web:1");
    object["spec"]["template"]["metadata"]["annotations"] = json!({
        "sandbox.towpath.dev/fail": "crash", "sandbox.towpath.dev/exit-code": "3",
        "sandbox.towpath.dev/last-line": "dial tcp: lookup web-db: no such host",
    });
    living.create(object).await;
    let restarts = |pod: &Value, count: u64| {
        waiting_reason(pod) == "CrashLoopBackOff"
            && pod["status"]["containerStatuses"][0]["restartCount"] == count
    };
    let pod = living
        .until("v1", "Pod", "in CrashLoopBackOff", |pod| restarts(pod, 1))
        .await;
    let last = &pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!(
        (&last["exitCode"], &last["message"]),
        (&json!(3), &json!("dial tcp: lookup web-db: no such host"))
    );
    living.clock.advance(SignedDuration::from_secs(10));
    living
        .until("v1", "Pod", "restarted again", |pod| restarts(pod, 2))
        .await;
    living.clock.advance(SignedDuration::from_secs(20));
    living
        .until("v1", "Pod", "restarted a third time", |pod| restarts(pod, 3))
        .await;
    let event = living
        .until_event("BackOff", |message| {
            message.starts_with("Back-off restarting failed container web")
        })
        .await;
    assert_eq!(event["type"], "Warning");
}

#[tokio::test]
async fn an_app_waits_for_its_secret() {
    let living = Living::start();
    let mut object = deployment(1, "web:1");
    object["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "web-db", "key": "password"}}}]);
    living.create(object).await;
    let pod = living
        .until("v1", "Pod", "held back", |pod| {
            waiting_reason(pod) == "CreateContainerConfigError"
        })
        .await;
    assert_eq!(
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"],
        "secret \"web-db\" not found"
    );
    living
        .create(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-db", "namespace": NAMESPACE},
            "data": {"password": "aHVudGVyMg=="}}))
        .await;
    living.until_ready("web", 1).await;
    assert_eq!(
        living
            .list("v1", "Event")
            .await
            .iter()
            .filter(|it| it.to_string().contains("hunter2"))
            .count(),
        0
    );
}

#[tokio::test]
async fn a_missing_service_account_is_reported_and_mended() {
    let living = Living::start();
    let mut object = deployment(1, "web:1");
    object["spec"]["template"]["spec"]["serviceAccountName"] = json!("web");
    living.create(object).await;
    let reported = living
        .until_named("apps/v1", "Deployment", "web", "failing", |it| {
            condition(it, "ReplicaFailure")["status"] == "True"
        })
        .await;
    let message = condition(&reported, "ReplicaFailure")["message"]
        .as_str()
        .unwrap();
    assert!(
        message.ends_with("error looking up service account default/web: serviceaccount \"web\" not found"),
        "{message}"
    );
    living.until_event("FailedCreate", |_| true).await;
    living
        .create(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": NAMESPACE}}))
        .await;
    let ready = living.until_ready("web", 1).await;
    assert_eq!(condition(&ready, "ReplicaFailure"), &Value::Null);
}

#[tokio::test]
async fn a_start_that_takes_a_while_follows_the_clock() {
    let living = Living::start();
    let mut object = deployment(1, "web:1");
    object["spec"]["template"]["metadata"]["annotations"] = json!({"sandbox.towpath.dev/startup": "30s"});
    living.create(object).await;
    let pod = living
        .until("v1", "Pod", "running", |pod| pod["status"]["phase"] == "Running")
        .await;
    assert_eq!(condition(&pod, "Ready")["status"], "False");
    living.clock.advance(SignedDuration::from_secs(30));
    living.until_ready("web", 1).await;
}
