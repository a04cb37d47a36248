//! How objects are, in Argo CD's words, and why when they are not well: plain data in, plain words out.
//!
//! The kinds of Kubernetes itself are judged as Argo CD judges them
//! (<https://argo-cd.readthedocs.io/en/stable/operator-manual/health/>), except that autoscalers and disruption
//! budgets are never unwell, since no service waits for them; all others by the conditions that
//! kstatus reads (<https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>).

mod cause;
mod workloads;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use cause::{Cause, Facts, first_cause};

/// The words, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HealthStatus {
    /// All is well.
    Healthy,
    /// Stopped on purpose.
    Suspended,
    /// Not there yet, and not known to be stuck.
    Progressing,
    /// Not there at all.
    Missing,
    /// Stuck or broken.
    Degraded,
    /// Nobody can say.
    Unknown,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        })
    }
}

/// How an object is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The word.
    pub status: HealthStatus,
    /// The reason in plain words; empty when there is nothing to say.
    pub reason: String,
}

impl Health {
    /// A judgement with its reason.
    pub fn new(status: HealthStatus, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }
}

/// How an object is. `null` stands for an object that is not there.
pub fn assess(object: &Value) -> Health {
    use HealthStatus::{Missing, Progressing, Unknown};
    if object.is_null() {
        return Health::new(Missing, "it does not exist");
    }
    let (Some(api_version), Some(kind)) = (object["apiVersion"].as_str(), object["kind"].as_str()) else {
        return Health::new(Unknown, "it is not a Kubernetes object");
    };
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Health::new(Progressing, "it is being deleted");
    }
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, kind) {
        ("apps", "Deployment") => workloads::deployment(object),
        ("apps", "ReplicaSet") => workloads::replica_set(object),
        ("apps", "StatefulSet") => workloads::stateful_set(object),
        ("apps", "DaemonSet") => workloads::daemon_set(object),
        ("", "Pod") => workloads::pod(object),
        ("batch", "Job") => workloads::job(object),
        ("batch", "CronJob") => workloads::cron_job(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("networking.k8s.io", "Ingress") => ingress(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("", "Namespace") => namespace(object),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(object),
        ("policy", "PodDisruptionBudget") => disruption_budget(object),
        _ => by_conditions(object),
    }
}

/// The worst of several, Healthy when there are none. Of equals the first counts.
pub fn worst(healths: impl IntoIterator<Item = Health>) -> Health {
    healths
        .into_iter()
        .reduce(|worst, next| if next.status > worst.status { next } else { worst })
        .unwrap_or_else(|| Health::new(HealthStatus::Healthy, ""))
}

/// A condition of this type: its status, and its message or else its reason.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    let text = |key: &str| found[key].as_str().filter(|text| !text.is_empty());
    Some((
        text("status").unwrap_or("Unknown"),
        text("message").or(text("reason")).unwrap_or_default(),
    ))
}

fn observed(object: &Value) -> bool {
    let generation = object["metadata"]["generation"].as_i64();
    let observed = object["status"]["observedGeneration"].as_i64();
    !matches!((generation, observed), (Some(generation), Some(observed)) if observed < generation)
}

fn by_conditions(object: &Value) -> Health {
    use HealthStatus::{Degraded, Healthy, Progressing};
    if !observed(object) {
        return Health::new(Progressing, "the latest change has not been looked at yet");
    }
    if let Some(("True", message)) = condition(object, "Stalled") {
        return Health::new(Degraded, message);
    }
    if let Some(("True", message)) = condition(object, "Reconciling") {
        return Health::new(Progressing, message);
    }
    match condition(object, "Ready") {
        None | Some(("True", _)) => Health::new(Healthy, ""),
        Some((_, message)) => Health::new(
            Progressing,
            if message.is_empty() {
                "it is not ready"
            } else {
                message
            },
        ),
    }
}

fn claim(object: &Value) -> Health {
    use HealthStatus::{Degraded, Healthy, Progressing};
    match object["status"]["phase"].as_str() {
        Some("Bound") => Health::new(Healthy, ""),
        Some("Lost") => Health::new(Degraded, "its volume is gone"),
        _ => Health::new(Progressing, "no volume is bound to it yet"),
    }
}

fn service(object: &Value) -> Health {
    use HealthStatus::{Healthy, Progressing};
    let balanced = object["spec"]["type"] == "LoadBalancer";
    let addresses = object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array);
    if balanced && addresses.is_none_or(Vec::is_empty) {
        return Health::new(Progressing, "the load balancer has no address yet");
    }
    Health::new(Healthy, "")
}

fn ingress(object: &Value) -> Health {
    use HealthStatus::{Healthy, Progressing};
    let addresses = object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array);
    if addresses.is_none_or(Vec::is_empty) {
        return Health::new(Progressing, "no ingress controller has given it an address yet");
    }
    Health::new(Healthy, "")
}

fn definition(object: &Value) -> Health {
    use HealthStatus::{Degraded, Healthy, Progressing};
    if let Some(("False", message)) = condition(object, "NamesAccepted") {
        return Health::new(Degraded, message);
    }
    match condition(object, "Established") {
        Some(("True", _)) => Health::new(Healthy, ""),
        _ => Health::new(Progressing, "the kind cannot be used yet"),
    }
}

fn namespace(object: &Value) -> Health {
    use HealthStatus::{Healthy, Progressing};
    match object["status"]["phase"].as_str() {
        Some("Terminating") => Health::new(Progressing, "it is being deleted"),
        _ => Health::new(Healthy, ""),
    }
}

/// An autoscaler that cannot scale leaves the pods as they are: worth a word, and nothing to wait for.
fn autoscaler(object: &Value) -> Health {
    let trouble = ["AbleToScale", "ScalingActive"]
        .into_iter()
        .find_map(|kind| condition(object, kind).filter(|(status, _)| *status == "False"));
    Health::new(HealthStatus::Healthy, trouble.map_or("", |(_, message)| message))
}

/// A budget without room holds back whoever drains a node, and nobody else.
fn disruption_budget(object: &Value) -> Health {
    let count = |key: &str| object["status"][key].as_i64().unwrap_or(0);
    let reason = match (count("expectedPods"), count("disruptionsAllowed")) {
        (0, _) => String::new(),
        (_, 0) => format!(
            "no pod may be evicted: {} of at least {} are healthy",
            count("currentHealthy"),
            count("desiredHealthy")
        ),
        (_, 1) => "1 pod may be evicted".to_owned(),
        (_, allowed) => format!("{allowed} pods may be evicted"),
    };
    Health::new(HealthStatus::Healthy, reason)
}

#[cfg(test)]
mod tests {
    use super::HealthStatus::{Degraded, Healthy, Missing, Progressing, Suspended, Unknown};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(api_version: &str, kind: &str, rest: &Value, expect: HealthStatus, reason: &str) {
        let mut object = rest.clone();
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        let health = assess(&object);
        assert_eq!(health.status, expect, "{object}: {}", health.reason);
        assert!(health.reason.contains(reason), "{object}: {}", health.reason);
    }

    #[test]
    fn built_in_kinds() {
        assert_eq!(assess(&Value::Null).status, Missing);
        assert_eq!(assess(&json!([])).status, Unknown);
        check("v1", "ConfigMap", &json!({"data": {}}), Healthy, "");
        check(
            "v1",
            "Service",
            &json!({"spec": {"type": "ClusterIP"}}),
            Healthy,
            "",
        );
        check(
            "v1",
            "Service",
            &json!({"spec": {"type": "LoadBalancer"}}),
            Progressing,
            "no address",
        );
        let balanced = json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}});
        check("v1", "Service", &balanced, Healthy, "");
        check(
            "v1",
            "PersistentVolumeClaim",
            &json!({"status": {"phase": "Pending"}}),
            Progressing,
            "no volume",
        );
        check(
            "v1",
            "PersistentVolumeClaim",
            &json!({"status": {"phase": "Bound"}}),
            Healthy,
            "",
        );
        check(
            "v1",
            "PersistentVolumeClaim",
            &json!({"status": {"phase": "Lost"}}),
            Degraded,
            "gone",
        );
        check(
            "networking.k8s.io/v1",
            "Ingress",
            &json!({}),
            Progressing,
            "controller",
        );
        check(
            "v1",
            "Namespace",
            &json!({"status": {"phase": "Active"}}),
            Healthy,
            "",
        );
        check(
            "v1",
            "Namespace",
            &json!({"metadata": {"deletionTimestamp": "x"}}),
            Progressing,
            "deleted",
        );
        let crd = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "message": "taken"}]}});
        check(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            &crd("Established", "True"),
            Healthy,
            "",
        );
        check(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            &crd("NamesAccepted", "False"),
            Degraded,
            "taken",
        );
        check(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            &json!({}),
            Progressing,
            "yet",
        );
        check(
            "batch/v1",
            "CronJob",
            &json!({"spec": {"suspend": true}}),
            Suspended,
            "",
        );
        let scaler = json!({"status": {"conditions": [{"type": "ScalingActive", "status": "False", "message": "no metrics"}]}});
        check(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            &scaler,
            Healthy,
            "no metrics",
        );
        let budget = |allowed: i64| {
            json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "expectedPods": 3,
                "currentHealthy": 2, "desiredHealthy": 2, "disruptionsAllowed": allowed}})
        };
        let says = |allowed: i64, reason: &str| {
            check(
                "policy/v1",
                "PodDisruptionBudget",
                &budget(allowed),
                Healthy,
                reason,
            );
        };
        says(0, "no pod may be evicted: 2 of at least 2 are healthy");
        says(1, "1 pod may be evicted");
        says(2, "2 pods may be evicted");
    }

    #[test]
    fn unknown_kinds_by_their_conditions() {
        let with = |conditions: Value| json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "conditions": conditions}});
        let c = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "Because", "message": "since so"});
        check("x.example.com/v1", "Claim", &json!({}), Healthy, "");
        check(
            "x.example.com/v1",
            "Claim",
            &with(json!([c("Ready", "True")])),
            Healthy,
            "",
        );
        check(
            "x.example.com/v1",
            "Claim",
            &with(json!([c("Ready", "False")])),
            Progressing,
            "since so",
        );
        check(
            "x.example.com/v1",
            "Claim",
            &with(json!([c("Ready", "Unknown")])),
            Progressing,
            "since so",
        );
        check(
            "x.example.com/v1",
            "Claim",
            &with(json!([c("Stalled", "True"), c("Ready", "False")])),
            Degraded,
            "since so",
        );
        check(
            "x.example.com/v1",
            "Claim",
            &with(json!([c("Reconciling", "True"), c("Ready", "True")])),
            Progressing,
            "",
        );
        let old = json!({"metadata": {"generation": 3}, "status": {"observedGeneration": 2, "conditions": [c("Ready", "True")]}});
        check("x.example.com/v1", "Claim", &old, Progressing, "latest change");
    }

    #[test]
    fn the_worst_counts() {
        let all =
            [Healthy, Progressing, Degraded, Suspended].map(|status| Health::new(status, status.to_string()));
        assert_eq!(worst(all).reason, "Degraded");
        assert_eq!(worst([]).status, Healthy);
    }

    proptest! {
        #[test]
        fn any_status_is_judged(
            kind in prop::sample::select(vec!["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Pod", "Job"]),
            key in prop::sample::select(vec!["replicas", "conditions", "phase", "containerStatuses", "observedGeneration"]),
            value in prop::sample::select(vec![json!(null), json!(-1), json!(1e300), json!("x"), json!([1]), json!([{"state": 1}]), json!({})]),
        ) {
            let version = match kind { "Pod" => "v1", "Job" => "batch/v1", _ => "apps/v1" };
            let object = json!({"apiVersion": version, "kind": kind, "spec": {key: value}, "status": {key: value}});
            let health = assess(&object);
            prop_assert!(!health.status.to_string().is_empty());
        }
    }
}
