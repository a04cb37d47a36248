//! What a golden path may make, whoever wrote it and whatever overrides did to it.
//!
//! The operator hands the very same list to the account that writes a service's objects, so that what expansion
//! lets through and what the cluster lets through are one thing.

use std::collections::BTreeMap;

use api::Group;
use serde_json::Value;

use crate::expand::{Intent, describe};
use crate::reach;

/// A kind that a golden path may make: group, plural, kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Makeable {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The kind in a path of the API.
    pub plural: &'static str,
    /// The kind.
    pub kind: &'static str,
}

const fn makeable(group: &'static str, plural: &'static str, kind: &'static str) -> Makeable {
    Makeable { group, plural, kind }
}

/// Every kind that a golden path may make: workloads and what surrounds them, all inside a namespace. None that
/// grants rights, none that holds credentials, none of the platform's own.
pub const MAKEABLE: &[Makeable] = &[
    makeable("", "configmaps", "ConfigMap"),
    makeable("", "persistentvolumeclaims", "PersistentVolumeClaim"),
    makeable("", "serviceaccounts", "ServiceAccount"),
    makeable("", "services", "Service"),
    makeable("apps", "daemonsets", "DaemonSet"),
    makeable("apps", "deployments", "Deployment"),
    makeable("apps", "statefulsets", "StatefulSet"),
    makeable(
        "autoscaling",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
    ),
    makeable("batch", "cronjobs", "CronJob"),
    makeable("batch", "jobs", "Job"),
    makeable("external-secrets.io", "externalsecrets", "ExternalSecret"),
    makeable("gateway.networking.k8s.io", "grpcroutes", "GRPCRoute"),
    makeable("gateway.networking.k8s.io", "httproutes", "HTTPRoute"),
    makeable("monitoring.coreos.com", "podmonitors", "PodMonitor"),
    makeable("monitoring.coreos.com", "prometheusrules", "PrometheusRule"),
    makeable("monitoring.coreos.com", "servicemonitors", "ServiceMonitor"),
    makeable("networking.k8s.io", "ingresses", "Ingress"),
    makeable("networking.k8s.io", "networkpolicies", "NetworkPolicy"),
    makeable("policy", "poddisruptionbudgets", "PodDisruptionBudget"),
];

/// Something that a golden path must not make.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The object, `Kind name`.
    pub object: String,
    /// What it does that it must not.
    pub why: String,
}

/// Holds what was rendered against the bounds: kinds, accounts, nothing that belongs to somebody else.
pub(crate) fn check(intent: &Intent<'_>, objects: &[Value]) -> Result<(), Refusal> {
    objects
        .iter()
        .try_for_each(|object| check_one(intent, object, objects))
}

/// Holds one object among those that are made with it against the bounds.
pub(crate) fn check_one(intent: &Intent<'_>, object: &Value, all: &[Value]) -> Result<(), Refusal> {
    match beyond(intent, object, all) {
        None => Ok(()),
        Some(why) => Err(Refusal {
            object: describe(object),
            why,
        }),
    }
}

fn beyond(intent: &Intent<'_>, object: &Value, all: &[Value]) -> Option<String> {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    let known = MAKEABLE
        .iter()
        .any(|kind| kind.group == group && object["kind"] == kind.kind);
    if !known {
        let what = if group.is_empty() { api_version } else { group };
        return Some(format!(
            "is of {what}: a golden path makes workloads and what surrounds them"
        ));
    }
    for field in ["ownerReferences", "finalizers"] {
        if !object["metadata"][field].is_null() {
            return Some(format!(
                "sets metadata.{field}, which is the cluster's and the operator's"
            ));
        }
    }
    if let Some((key, value)) = forged(intent.group, &marks(intent), object) {
        return Some(format!("is marked {key}: {value}, which is not so"));
    }
    strange_account(object, all).or_else(|| reach::too_far(intent, object))
}

/// Pods run as the service's own account or as the one that may nothing.
fn strange_account(object: &Value, all: &[Value]) -> Option<String> {
    let pods = pod_spec(object)?;
    let own = |account: &str| {
        all.iter()
            .any(|object| object["kind"] == "ServiceAccount" && object["metadata"]["name"] == account)
    };
    ["serviceAccountName", "serviceAccount"]
        .into_iter()
        .filter_map(|field| pods[field].as_str())
        .find(|account| !account.is_empty() && *account != "default" && !own(account))
        .map(|account| {
            format!(
                "runs as ServiceAccount \"{}\", which is not its own",
                account.escape_default()
            )
        })
}

/// The platform's own labels of everything a service is made of.
fn marks(intent: &Intent<'_>) -> BTreeMap<String, String> {
    let group = intent.group;
    let mut marks = BTreeMap::from([
        (group.label_managed(), "true".to_owned()),
        (
            group.label_service(),
            intent.application.metadata.name.clone().unwrap_or_default(),
        ),
    ]);
    let place = intent.place;
    for (label, value) in [
        (group.label_team(), &place.team),
        (group.label_environment(), &place.environment),
    ] {
        if let Some(value) = value {
            marks.insert(label, value.clone());
        }
    }
    marks
}

/// A label or annotation of the platform's own that does not say how things are.
fn forged<'a>(
    group: &Group,
    marks: &BTreeMap<String, String>,
    object: &'a Value,
) -> Option<(&'a str, &'a Value)> {
    let of_the_platform = |key: &str| {
        key.split_once('/')
            .is_some_and(|(domain, _)| domain == group.as_str())
    };
    let pairs = |place: &str| {
        object
            .pointer(place)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    let metadata = [
        "/metadata",
        "/spec/template/metadata",
        "/spec/jobTemplate/spec/template/metadata",
    ];
    metadata.iter().find_map(|place| {
        let mut labels = pairs(&format!("{place}/labels"));
        let mut annotations = pairs(&format!("{place}/annotations"));
        labels
            .find(|(key, value)| {
                of_the_platform(key) && marks.get(key.as_str()).map(String::as_str) != value.as_str()
            })
            .or_else(|| annotations.find(|(key, _)| of_the_platform(key)))
            .map(|(key, value)| (key.as_str(), value))
    })
}

/// The spec of the pods that an object makes.
fn pod_spec(object: &Value) -> Option<&Value> {
    object.pointer(match object["kind"].as_str()? {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => "/spec/template/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => return None,
    })
}

/// What no override may change in an object: what it is, where, and whose.
#[derive(Debug, PartialEq)]
pub(crate) struct Identity {
    fields: BTreeMap<&'static str, Value>,
    labels: BTreeMap<String, String>,
}

impl Identity {
    pub(crate) fn of(group: &Group, object: &Value) -> Self {
        let fields = [
            "/apiVersion",
            "/kind",
            "/metadata/name",
            "/metadata/namespace",
            "/metadata/ownerReferences",
            "/metadata/finalizers",
            "/spec/selector",
            "/spec/template/spec/serviceAccountName",
            "/spec/template/spec/serviceAccount",
            "/spec/jobTemplate/spec/template/spec/serviceAccountName",
            "/spec/jobTemplate/spec/template/spec/serviceAccount",
        ];
        let of_the_platform = |key: &str| {
            key.split_once('/').is_some_and(|(domain, name)| {
                domain == group.as_str()
                    || domain == "app.kubernetes.io" && matches!(name, "name" | "instance" | "managed-by")
            })
        };
        let mut labels = BTreeMap::new();
        for place in [
            "/metadata/labels",
            "/metadata/annotations",
            "/spec/template/metadata/labels",
            "/spec/template/metadata/annotations",
            "/spec/jobTemplate/spec/template/metadata/labels",
            "/spec/jobTemplate/spec/template/metadata/annotations",
        ] {
            for (key, value) in object
                .pointer(place)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                if of_the_platform(key) {
                    labels.insert(format!("{place}/{key}"), value.to_string());
                }
            }
        }
        Self {
            fields: fields
                .into_iter()
                .filter_map(|field| Some((field, object.pointer(field)?.clone())))
                .collect(),
            labels,
        }
    }

    /// The first thing in which another identity differs.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let words = |pointer: &str| pointer.trim_start_matches('/').replace('/', ".");
        let fields = self.fields.keys().chain(other.fields.keys());
        let labels = self.labels.keys().chain(other.labels.keys());
        fields
            .copied()
            .find(|field| self.fields.get(field) != other.fields.get(field))
            .map(words)
            .or_else(|| {
                labels
                    .map(String::as_str)
                    .find(|label| self.labels.get(*label) != other.labels.get(*label))
                    .map(words)
            })
    }
}
