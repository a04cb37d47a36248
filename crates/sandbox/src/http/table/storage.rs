//! Configuration and volumes.

use serde_json::{Value, json};

use super::Printer;
use super::words::{access_modes, age, count, text, text_or_none};

const DEFAULT_CLASS: &str = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";

pub(super) fn printer(group: &str, plural: &str) -> Option<Printer> {
    Some(match (group, plural) {
        ("", "configmaps") => Printer {
            heads: &[("Data", "string", 0), ("Age", "string", 0)],
            cells: |object, now| {
                vec![
                    json!(count(object, "/data") + count(object, "/binaryData")),
                    age(object, now),
                ]
            },
        },
        ("", "secrets") => Printer {
            heads: &[("Type", "string", 0), ("Data", "string", 0), ("Age", "string", 0)],
            cells: |object, now| {
                vec![
                    json!(text(object, "/type")),
                    json!(count(object, "/data")),
                    age(object, now),
                ]
            },
        },
        ("", "persistentvolumeclaims") => Printer {
            heads: &[
                ("Status", "string", 0),
                ("Volume", "string", 0),
                ("Capacity", "string", 0),
                ("Access Modes", "string", 0),
                ("StorageClass", "string", 0),
                ("VolumeAttributesClass", "string", 0),
                ("Age", "string", 0),
                ("VolumeMode", "string", 1),
            ],
            cells: |object, now| {
                let going = object.pointer("/metadata/deletionTimestamp").is_some();
                let status = if going {
                    "Terminating"
                } else {
                    text(object, "/status/phase")
                };
                vec![
                    json!(status),
                    json!(text(object, "/spec/volumeName")),
                    json!(text(object, "/status/capacity/storage")),
                    json!(access_modes(object, "/status/accessModes")),
                    json!(text(object, "/spec/storageClassName")),
                    json!(unset(text(object, "/spec/volumeAttributesClassName"))),
                    age(object, now),
                    json!(text(object, "/spec/volumeMode")),
                ]
            },
        },
        ("", "persistentvolumes") => Printer {
            heads: &[
                ("Capacity", "string", 0),
                ("Access Modes", "string", 0),
                ("Reclaim Policy", "string", 0),
                ("Status", "string", 0),
                ("Claim", "string", 0),
                ("StorageClass", "string", 0),
                ("VolumeAttributesClass", "string", 0),
                ("Reason", "string", 0),
                ("Age", "string", 0),
                ("VolumeMode", "string", 1),
            ],
            cells: |object, now| {
                let claim = match text(object, "/spec/claimRef/name") {
                    "" => String::new(),
                    name => format!("{}/{name}", text(object, "/spec/claimRef/namespace")),
                };
                vec![
                    json!(text(object, "/spec/capacity/storage")),
                    json!(access_modes(object, "/spec/accessModes")),
                    json!(text(object, "/spec/persistentVolumeReclaimPolicy")),
                    json!(text(object, "/status/phase")),
                    json!(claim),
                    json!(text(object, "/spec/storageClassName")),
                    json!(unset(text(object, "/spec/volumeAttributesClassName"))),
                    json!(text(object, "/status/reason")),
                    age(object, now),
                    json!(text(object, "/spec/volumeMode")),
                ]
            },
        },
        ("storage.k8s.io", "storageclasses") => Printer {
            heads: &[
                ("Provisioner", "string", 0),
                ("ReclaimPolicy", "string", 0),
                ("VolumeBindingMode", "string", 0),
                ("AllowVolumeExpansion", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |object, now| {
                vec![
                    json!(text(object, "/provisioner")),
                    text_or_none(object, "/reclaimPolicy"),
                    text_or_none(object, "/volumeBindingMode"),
                    json!(object.get("allowVolumeExpansion") == Some(&Value::Bool(true))),
                    age(object, now),
                ]
            },
        },
        _ => return None,
    })
}

/// The name of a storage class, with a word when it is the default.
pub(super) fn class_name(object: &Value) -> Option<Value> {
    let is_default = text(object, "/kind") == "StorageClass" && text(object, DEFAULT_CLASS) == "true";
    is_default.then(|| json!(format!("{} (default)", text(object, "/metadata/name"))))
}

fn unset(name: &str) -> &str {
    if name.is_empty() { "<unset>" } else { name }
}
