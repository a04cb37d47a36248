//! The sandbox alive: whole flows through the API, each waiting by a watch, never by sleeping.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests say what went wrong by panicking"
)]

use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use http::{Method, Request};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::core::GroupVersionKind;
use kube::runtime::{WatchStreamExt, watcher};
use sandbox::life::{LifeOptions, run};
use sandbox::{Clock, ManualClock, Options, Sandbox};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt;

mod autoscaler;
mod cronjob;
mod daemonset;
mod disruption;

const NAMESPACE: &str = "default";

/// A sandbox with its controllers running, on a clock that stands still.
struct Living {
    client: kube::Client,
    /// What the controllers wrote, as method and path.
    writes: Arc<Mutex<Vec<String>>>,
    clock: Arc<ManualClock>,
    sandbox: Sandbox,
    stop: oneshot::Sender<()>,
    life: JoinHandle<()>,
}

impl Living {
    fn start() -> Self {
        let clock = Arc::new(ManualClock::new(
            "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap(),
        ));
        let options = Options {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            seed: Some(1),
            ..Options::default()
        };
        let sandbox = Sandbox::open(options).unwrap();
        Self::begin(sandbox, clock)
    }

    fn begin(sandbox: Sandbox, clock: Arc<ManualClock>) -> Self {
        let client = sandbox.client(NAMESPACE);
        let (stop, stopped) = oneshot::channel();
        let options = LifeOptions {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ..LifeOptions::default()
        };
        let writes = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&writes);
        let watched = sandbox.router().map_request(move |request: Request<Body>| {
            if request.method() != Method::GET {
                let line = format!("{} {}", request.method(), request.uri().path());
                written.lock().unwrap().push(line);
            }
            request
        });
        let life = tokio::spawn(run(kube::Client::new(watched, NAMESPACE), options, async {
            let _ = stopped.await;
        }));
        Self {
            client,
            writes,
            clock,
            sandbox,
            stop,
            life,
        }
    }

    /// Stops the controllers in an orderly way and starts others on the same API.
    async fn restart(self) -> Self {
        self.stop.send(()).unwrap();
        self.life.await.unwrap();
        Self::begin(self.sandbox, self.clock)
    }

    fn api(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let plural = match kind {
            "StorageClass" => "storageclasses".to_owned(),
            kind => format!("{}s", kind.to_lowercase()),
        };
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), &plural);
        if matches!(kind, "Node" | "PersistentVolume" | "StorageClass") {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
        }
    }

    async fn create(&self, object: Value) -> Value {
        let api = self.api(
            object["apiVersion"].as_str().unwrap(),
            object["kind"].as_str().unwrap(),
        );
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        serde_json::to_value(api.create(&PostParams::default(), &object).await.unwrap()).unwrap()
    }

    async fn merge(&self, api_version: &str, kind: &str, name: &str, patch: Value) {
        let api = self.api(api_version, kind);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    async fn list(&self, api_version: &str, kind: &str) -> Vec<Value> {
        let list = self
            .api(api_version, kind)
            .list(&ListParams::default())
            .await
            .unwrap();
        list.items
            .into_iter()
            .map(|item| serde_json::to_value(item).unwrap())
            .collect()
    }

    /// Waits until an object of the kind satisfies the condition, and gives it.
    async fn until(
        &self,
        api_version: &str,
        kind: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let api = self.api(api_version, kind);
        let mut seen = Vec::new();
        let waiting = async {
            let mut objects = watcher(api, watcher::Config::default()).applied_objects().boxed();
            while let Some(object) = objects.try_next().await.unwrap() {
                let object = serde_json::to_value(object).unwrap();
                if holds(&object) {
                    return Some(object);
                }
                seen.push(object["status"].to_string());
            }
            None
        };
        // Only a guard against a test that would hang; nothing waits for it when all is well.
        match tokio::time::timeout(std::time::Duration::from_mins(1), waiting).await {
            Ok(Some(object)) => object,
            _ => panic!("{kind} never became: {what}; last seen {:?}", seen.last()),
        }
    }

    async fn until_named(
        &self,
        api_version: &str,
        kind: &str,
        name: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        self.until(api_version, kind, what, |object| {
            object["metadata"]["name"] == name && holds(object)
        })
        .await
    }

    async fn until_event(&self, reason: &str, holds: impl Fn(&str) -> bool) -> Value {
        self.until("v1", "Event", reason, |event| {
            event["reason"] == reason && holds(event["message"].as_str().unwrap_or_default())
        })
        .await
    }

    async fn until_ready(&self, deployment: &str, replicas: u64) -> Value {
        self.until_named("apps/v1", "Deployment", deployment, "rolled out", |it| {
            rolled_out(it, replicas)
        })
        .await
    }

    async fn settled_pods(&self) -> Vec<Value> {
        let pods = self.list("v1", "Pod").await;
        pods.into_iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .collect()
    }
}

fn rolled_out(deployment: &Value, replicas: u64) -> bool {
    let status = &deployment["status"];
    // The API leaves counts of zero out.
    let count = |field: &str| status[field].as_u64().unwrap_or(0);
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && count("updatedReplicas") == replicas
        && count("replicas") == replicas
        && count("availableReplicas") == replicas
        && condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .find(|it| it["type"] == kind)
        .unwrap_or(&Value::Null)
}

fn waiting_reason(pod: &Value) -> &str {
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
        .as_str()
        .unwrap_or_default()
}

fn deployment(replicas: u64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]},
            },
        },
    })
}

fn stateful_set(name: &str, class: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 2,
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "db", "image": "postgres:17"}]},
            },
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class,
                    "resources": {"requests": {"storage": "1Gi"}}},
            }],
        },
    })
}

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
async fn settle(living: &Living, name: &str) {
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
