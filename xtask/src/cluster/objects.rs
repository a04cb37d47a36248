//! The objects a fresh cluster starts with, and the kubeconfig that leads to it.

use super::certificates::Pair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::PathBuf;

/// How many volumes a cluster has to give away.
const VOLUMES: usize = 48;
/// The nodes of a cluster whose pods are simulated.
pub(super) const SIMULATED_NODES: [&str; 2] = ["node-a", "node-b"];

/// Two nodes, a default storage class, and volumes made beforehand: they point nowhere, for no pod ever runs.
pub(super) fn at_start() -> Value {
    let mut items: Vec<Value> = SIMULATED_NODES.map(node).into();
    items.push(storage_class());
    items.extend((0..VOLUMES).map(volume));
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn node(name: &str) -> Value {
    let capacity = json!({"cpu": "64", "memory": "256Gi", "pods": "250"});
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": name,
            },
        },
        "spec": {},
        "status": {"allocatable": capacity, "capacity": capacity},
    })
}

fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "Immediate",
    })
}

fn volume(number: usize) -> Value {
    let name = format!("volume-{number:02}");
    volume_at(&name, "hostPath", &format!("/nonexistent/{name}"))
}

/// A volume of the class `standard`, in a folder.
fn volume_at(name: &str, kind: &str, folder: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "500Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "standard",
            (kind): {"path": folder},
        },
    })
}

/// What a cluster with one real node starts with: the class, and volumes in these folders of that node.
pub(super) fn on_node(node: &str, folders: &[PathBuf]) -> Value {
    let mut items = vec![storage_class()];
    items.extend(folders.iter().map(|folder| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let mut volume = volume_at(&name, "local", &folder.display().to_string());
        let here = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": [node]});
        volume["spec"]["nodeAffinity"] =
            json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}});
        volume
    }));
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// A kubeconfig that holds its credentials itself, so that it works wherever it is copied.
pub(super) fn kubeconfig(context: &str, server: &str, authority: &str, pair: &Pair) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": context,
            "cluster": {"server": server, "certificate-authority-data": STANDARD.encode(authority)},
        }],
        "users": [{
            "name": context,
            "user": {
                "client-certificate-data": STANDARD.encode(&pair.certificate),
                "client-key-data": STANDARD.encode(&pair.key),
            },
        }],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    })
}

/// Whether a node is Ready and free of taints.
pub(super) fn takes_pods(node: &Value) -> bool {
    let ready = node["status"]["conditions"].as_array().is_some_and(|all| {
        all.iter()
            .any(|it| it["type"] == "Ready" && it["status"] == "True")
    });
    ready && node["spec"]["taints"].as_array().is_none_or(Vec::is_empty)
}
