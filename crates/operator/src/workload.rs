//! How the workloads of a service are: whatever kinds its golden path makes, and how many copies are ready.

use api::Application;
use api::Health;
use apply::health::{Health as Found, HealthStatus, assess, worst};
use expansion::Expansion;
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::application::Condition;
use crate::context::Context;
use crate::error::OperatorError;

/// The kinds that run something, with the field that counts ready copies, where they have copies that stand.
const KINDS: [(&str, &str, &str, Option<&str>); 5] = [
    ("apps", "v1", "Deployment", Some("/status/readyReplicas")),
    ("apps", "v1", "StatefulSet", Some("/status/readyReplicas")),
    ("apps", "v1", "DaemonSet", None),
    ("batch", "v1", "CronJob", None),
    ("batch", "v1", "Job", None),
];

/// What gives a service more memory.
const RAISE: &str = "a larger size, or with resources.limits.memory, in the service's file in Git";

/// The workloads of a service, as they are now.
#[derive(Debug, Default)]
pub(crate) struct Workloads {
    /// How many copies are ready.
    pub ready: i32,
    /// Each as it is.
    found: Vec<Found>,
}

/// Looks at the workloads that the service was expanded to.
pub(crate) async fn look(
    context: &Context,
    application: &Application,
    expansion: &Expansion,
) -> Result<Workloads, OperatorError> {
    let namespace = application.namespace().unwrap_or_default();
    let service = application.name_any();
    let pods = format!("{}={service},{}={service}", api::LABEL_NAME, api::LABEL_INSTANCE);
    let mut workloads = Workloads::default();
    for object in &expansion.objects {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let Some((group, version, kind, ready)) = KINDS
            .iter()
            .find(|(group, version, known, _)| *known == kind && api_version == format!("{group}/{version}"))
        else {
            continue;
        };
        let looking = || OperatorError::cluster(format!("look at {kind} {name}"));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let objects: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &namespace, &resource);
        let Some(live) = objects.get_opt(name).await.map_err(looking())? else {
            let missing = Found::new(HealthStatus::Missing, format!("its {kind} is being made"));
            workloads.found.push(missing);
            continue;
        };
        let live = serde_json::to_value(&live).unwrap_or_default();
        let count = ready
            .and_then(|pointer| live.pointer(pointer))
            .and_then(Value::as_i64);
        let count = i32::try_from(count.unwrap_or_default()).unwrap_or(i32::MAX);
        workloads.ready = workloads.ready.saturating_add(count);
        // What runs now and then has pods of many runs; only the last one's say how it is.
        let health = if ready.is_some() {
            provision::workload::observe(&context.client, &namespace, &live, &pods, RAISE)
                .await
                .map_err(looking())?
        } else {
            assess(&live)
        };
        workloads.found.push(health);
    }
    Ok(workloads)
}

impl Workloads {
    /// How a service with these workloads is, that wants so many copies.
    pub(crate) fn condition(self, wanted: i32) -> Condition {
        let ready = self.ready;
        let count = || {
            let word = if wanted == 1 { "replica" } else { "replicas" };
            format!("{ready} of {wanted} {word} ready")
        };
        let health = worst(self.found);
        let reason = match (health.reason.is_empty(), wanted) {
            (false, _) => health.reason,
            (true, 0) => "everything stands".to_owned(),
            (true, _) => count(),
        };
        match health.status {
            HealthStatus::Healthy if wanted == 0 => Condition::new(Health::Healthy, reason),
            HealthStatus::Healthy if ready >= wanted => Condition::new(Health::Healthy, count()),
            HealthStatus::Healthy | HealthStatus::Progressing | HealthStatus::Missing => {
                Condition::new(Health::Progressing, reason)
            }
            HealthStatus::Suspended => Condition::new(Health::Suspended, reason),
            HealthStatus::Degraded => Condition::new(Health::Degraded, reason),
            HealthStatus::Unknown => Condition::new(Health::Unknown, reason),
        }
    }
}
