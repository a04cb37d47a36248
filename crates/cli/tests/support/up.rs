//! `platform up` beside a test, and a Kubernetes client of it as kubectl would be one.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use kube::api::{DynamicObject, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Config};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{Machine, Running};

/// No wait may take longer than this.
const PATIENCE: Duration = Duration::from_mins(1);
/// A namespaced kind's namespace; cluster-wide kinds have none.
pub(crate) const CLUSTER: &str = "";

/// A running `platform up`. Ctrl-C ends it when this is dropped, and then it must exit with 0.
pub(crate) struct Up {
    running: Option<Running>,
    client: Client,
    runtime: Runtime,
}

impl Up {
    pub(super) fn start(machine: &Machine) -> Self {
        let mut running = machine.start(machine.platform("up --port 0"));
        running.until("Sandbox ready at https://127.0.0.1:");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let kubeconfig = Kubeconfig::read_from(machine.home().join("kubeconfig")).unwrap();
        let client = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            Client::try_from(config.unwrap()).unwrap()
        });
        Self {
            running: Some(running),
            client,
            runtime,
        }
    }

    /// The client.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Waits for something to come true, and fails when it takes too long.
    #[track_caller]
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let outcome = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, future).await });
        outcome.unwrap_or_else(|_| panic!("still waiting after {PATIENCE:?}"))
    }

    /// The objects of a kind.
    pub(crate) fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let resource = resource(kind);
        if namespace == CLUSTER {
            Api::all_with(self.client(), &resource)
        } else {
            Api::namespaced_with(self.client(), namespace, &resource)
        }
    }

    /// An object, if it is there.
    #[track_caller]
    pub(crate) fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let found = self.wait(self.api(kind, namespace).get_opt(name)).unwrap();
        found.as_ref().map(value)
    }

    /// All objects of a kind, in a namespace or everywhere.
    #[track_caller]
    pub(crate) fn list(&self, kind: &str, namespace: &str) -> Vec<Value> {
        let found = self.wait(self.api(kind, namespace).list(&ListParams::default()));
        found.unwrap().items.iter().map(value).collect()
    }

    /// The names of all objects of a kind that begin so.
    #[track_caller]
    pub(crate) fn names(&self, kind: &str, namespace: &str, begin: &str) -> Vec<String> {
        let names = self.list(kind, namespace).into_iter();
        names
            .map(|object| text(&object, "/metadata/name").to_owned())
            .filter(|name| name.starts_with(begin))
            .collect()
    }

    /// Creates an object.
    pub(crate) fn create(&self, namespace: &str, object: &Value) -> kube::Result<DynamicObject> {
        let kind = text(object, "/kind").to_owned();
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        self.wait(self.api(&kind, namespace).create(&PostParams::default(), &object))
    }

    /// Watches an object until it is as wanted; the test sees `None` while there is none.
    #[track_caller]
    pub(crate) fn until(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        wanted: impl Fn(Option<&Value>) -> bool,
    ) {
        let api = self.api(kind, namespace);
        let watching = await_condition(api, name, |object: Option<&DynamicObject>| {
            wanted(object.map(value).as_ref())
        });
        let outcome = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, watching).await });
        let Ok(outcome) = outcome else {
            panic!(
                "{kind} {name} is not as wanted after {PATIENCE:?}: {:#?}",
                self.get(kind, namespace, name)
            );
        };
        outcome.unwrap();
    }

    /// Does something beside the test.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(future));
    }

    /// What `kill -9` does; then waits for what goes on beside the test to notice.
    #[track_caller]
    pub(crate) fn kill(mut self, noticed: impl Future<Output = Vec<String>>) -> Vec<String> {
        if let Some(mut running) = self.running.take() {
            running.kill();
            running.finish();
        }
        self.wait(noticed)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        // A test that fails already needs no second panic: the process is killed.
        if !std::thread::panicking() {
            running.more_time();
            running.interrupt();
            running.finish().exits(0);
        }
    }
}

/// A kind's resource by its name alone.
fn resource(kind: &str) -> ApiResource {
    let (group, version) = match kind {
        "Application" | "Team" | "Environment" | "GoldenPath" | "Database" | "Cache" => {
            ("platform.company.com", "v1")
        }
        "Deployment" | "ReplicaSet" | "StatefulSet" => ("apps", "v1"),
        "NetworkPolicy" => ("networking.k8s.io", "v1"),
        "ServiceMonitor" => ("monitoring.coreos.com", "v1"),
        _ => ("", "v1"),
    };
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match kind {
        "NetworkPolicy" => "networkpolicies".clone_into(&mut resource.plural),
        "GoldenPath" => "goldenpaths".clone_into(&mut resource.plural),
        _ => {}
    }
    resource
}

fn value(object: &(impl serde::Serialize + Debug)) -> Value {
    serde_json::to_value(object).unwrap()
}

/// A text inside an object, empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
