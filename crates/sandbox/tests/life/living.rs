//! A sandbox whose controllers run, what tests ask of it, and the objects that most of them make.

use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use http::{Method, Request};
use jiff::Timestamp;
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

pub(crate) const NAMESPACE: &str = "default";

/// A sandbox with its controllers running, on a clock that stands still.
pub(crate) struct Living {
    client: kube::Client,
    /// What the controllers wrote, as method and path.
    pub(crate) writes: Arc<Mutex<Vec<String>>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) sandbox: Sandbox,
    stop: oneshot::Sender<()>,
    life: JoinHandle<()>,
}

impl Living {
    pub(crate) fn start() -> Self {
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
    pub(crate) async fn restart(self) -> Self {
        self.stop.send(()).unwrap();
        self.life.await.unwrap();
        Self::begin(self.sandbox, self.clock)
    }

    pub(crate) fn api(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
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

    pub(crate) async fn create(&self, object: Value) -> Value {
        let api = self.api(
            object["apiVersion"].as_str().unwrap(),
            object["kind"].as_str().unwrap(),
        );
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        serde_json::to_value(api.create(&PostParams::default(), &object).await.unwrap()).unwrap()
    }

    pub(crate) async fn merge(&self, api_version: &str, kind: &str, name: &str, patch: Value) {
        let api = self.api(api_version, kind);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub(crate) async fn list(&self, api_version: &str, kind: &str) -> Vec<Value> {
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
    pub(crate) async fn until(
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

    pub(crate) async fn until_named(
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

    pub(crate) async fn until_event(&self, reason: &str, holds: impl Fn(&str) -> bool) -> Value {
        self.until("v1", "Event", reason, |event| {
            event["reason"] == reason && holds(event["message"].as_str().unwrap_or_default())
        })
        .await
    }

    pub(crate) async fn until_ready(&self, deployment: &str, replicas: u64) -> Value {
        self.until_named("apps/v1", "Deployment", deployment, "rolled out", |it| {
            rolled_out(it, replicas)
        })
        .await
    }

    pub(crate) async fn settled_pods(&self) -> Vec<Value> {
        let pods = self.list("v1", "Pod").await;
        pods.into_iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .collect()
    }
}

pub(crate) fn rolled_out(deployment: &Value, replicas: u64) -> bool {
    let status = &deployment["status"];
    // The API leaves counts of zero out.
    let count = |field: &str| status[field].as_u64().unwrap_or(0);
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && count("updatedReplicas") == replicas
        && count("replicas") == replicas
        && count("availableReplicas") == replicas
        && condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"
}

pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .find(|it| it["type"] == kind)
        .unwrap_or(&Value::Null)
}

pub(crate) fn waiting_reason(pod: &Value) -> &str {
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
        .as_str()
        .unwrap_or_default()
}

pub(crate) fn deployment(replicas: u64, image: &str) -> Value {
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

pub(crate) fn stateful_set(name: &str, class: &str) -> Value {
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
