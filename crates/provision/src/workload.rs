//! A workload as its owner must see it: how it is, and the first cause when it is not well.

use apply::health::{Facts, Health, HealthStatus, assess, first_cause};
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use kube::{Api, Client};
use serde::Serialize;
use serde_json::{Value, json};

/// How many events are read for one answer.
const EVENT_LIMIT: u32 = 500;

/// Judges a workload. `object` is the Deployment or StatefulSet itself, `pods` selects its pods.
///
/// Pods, volumes and events are only read when the workload is not well. `raise` is where somebody gives it more
/// memory.
pub async fn observe(
    client: &Client,
    namespace: &str,
    object: &Value,
    pods: &str,
    raise: &str,
) -> Result<Health, kube::Error> {
    let mut health = assess(object);
    if matches!(health.status, HealthStatus::Healthy | HealthStatus::Suspended) {
        return Ok(health);
    }
    let selector = ListParams::default().labels(pods);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let everything = ListParams::default();
    let recent = ListParams::default().limit(EVENT_LIMIT);
    let (pods, claims, events) = futures::try_join!(
        pods.list(&selector),
        claims.list(&everything),
        events.list(&recent)
    )?;
    let pods = values(&pods.items, "Pod");
    let used: Vec<&str> = pods.iter().flat_map(claim_names).collect();
    let claims: Vec<Value> = values(&claims.items, "PersistentVolumeClaim")
        .into_iter()
        .filter(|claim| {
            claim
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .is_some_and(|n| used.contains(&n))
        })
        .collect();
    let events = values(&events.items, "Event");
    let facts = Facts {
        workload: Some(object),
        pods: &pods,
        events: &events,
        claims: &claims,
    };
    if let Some(cause) = first_cause(&facts) {
        if cause.lasting
            || pods
                .iter()
                .any(|pod| assess(pod).status == HealthStatus::Degraded)
        {
            health.status = HealthStatus::Degraded;
        }
        health.reason = cause.message;
        if cause.wants_memory {
            health.reason = format!("{}; raise it with {raise}", health.reason);
        }
    }
    Ok(health)
}

/// An object of a known kind, as the health rules read it.
pub fn value(object: &impl Serialize, kind: &str) -> Value {
    let mut value = json!(object);
    value["kind"] = json!(kind);
    value
}

fn values<K: Serialize>(objects: &[K], kind: &str) -> Vec<Value> {
    objects.iter().map(|object| value(object, kind)).collect()
}

fn claim_names(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    volumes.into_iter().flatten().filter_map(|v| {
        v.pointer("/persistentVolumeClaim/claimName")
            .and_then(Value::as_str)
    })
}
