//! Which nodes a DaemonSet is for, which pods it has there, and what a pod for one node looks like.

use serde_json::{Value, json};

use super::Slice;
use crate::life::kind::Kind;
use crate::life::object::{created, list, name, namespace, owner_reference, set, text};
use crate::life::{revisions, scheduler};

/// A node, as a DaemonSet sees it.
pub(super) struct Place<'a> {
    /// Its name.
    pub(super) node: &'a str,
    /// The node should have a pod.
    pub(super) wanted: bool,
    /// A pod that is there may stay.
    pub(super) tolerated: bool,
    /// The pods there, oldest first.
    pub(super) pods: Vec<&'a Value>,
}

/// All nodes, with the pods of the DaemonSet; the pods of nodes that went belong nowhere.
pub(super) fn places<'a>(slice: &Slice<'a>, template: Value) -> Vec<Place<'a>> {
    let mut sample = template;
    complete(&mut sample);
    let mut pods = slice.pods.clone();
    pods.sort_by_key(|pod| (created(pod), name(pod).to_owned()));
    let mut places: Vec<Place<'a>> = slice
        .nodes
        .iter()
        .map(|node| Place {
            node: name(node),
            wanted: scheduler::fits(&sample, node),
            tolerated: scheduler::may_stay(&sample, node),
            pods: Vec::new(),
        })
        .collect();
    for pod in pods {
        let node = node_of(pod);
        if let Some(place) = places.iter_mut().find(|place| place.node == node) {
            place.pods.push(pod);
        } else {
            places.push(Place {
                node,
                wanted: false,
                tolerated: false,
                pods: vec![pod],
            });
        }
    }
    places
}

/// Has the pod ended?
pub(super) fn is_over(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// The node a pod is on, or is meant for.
fn node_of(pod: &Value) -> &str {
    let placed = text(pod, "/spec/nodeName");
    if placed.is_empty() {
        text(
            pod,
            "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0\
             /matchFields/0/values/0",
        )
    } else {
        placed
    }
}

/// Pods of DaemonSets put up with nodes that others avoid.
fn complete(pod: &mut Value) {
    let mut tolerations = list(pod, "/spec/tolerations").to_vec();
    let trouble = [
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    tolerations.extend(trouble.map(|(key, effect)| {
        json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect})
    }));
    if pod.pointer("/spec/hostNetwork") == Some(&json!(true)) {
        tolerations.push(
            json!({"key": "node.kubernetes.io/network-unavailable", "operator": "Exists", "effect": "NoSchedule"}),
        );
    }
    set(pod, &["spec", "tolerations"], Value::Array(tolerations));
}

/// The pod for a node, from a revision; the API completes its name.
pub(super) fn new_pod(daemon_set: &Value, revision: &Value, node: &str) -> Value {
    let template = revisions::template(revision);
    let mut pod = json!({
        "apiVersion": Kind::Pod.api_version(),
        "kind": Kind::Pod.name(),
        "metadata": {
            "generateName": format!("{}-", name(daemon_set)),
            "namespace": namespace(daemon_set),
            "ownerReferences": [owner_reference(Kind::DaemonSet, daemon_set)],
        },
        "spec": template.get("spec"),
    });
    for key in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.get("metadata").and_then(|metadata| metadata.get(key)) {
            set(&mut pod, &["metadata", key], value.clone());
        }
    }
    set(
        &mut pod,
        &["metadata", "labels", revisions::LABEL],
        json!(revisions::hash(revision)),
    );
    set(
        &mut pod,
        &["metadata", "annotations", crate::life::SIMULATED],
        json!("true"),
    );
    complete(&mut pod);
    let terms = json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]);
    let required = [
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    ];
    set(&mut pod, &required, terms);
    pod
}
