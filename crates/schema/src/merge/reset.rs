//! Which fields a resource does not take from a write: status through the main resource, everything
//! else through the status subresource.

use crate::builtin::Kind;
use crate::fields::FieldSet;

/// The fields that writes to a built-in resource (empty subresource) or one of its subresources
/// neither change nor own, as the API server's storage strategies reset them.
pub fn reset_fields(kind: &Kind, subresource: &str) -> FieldSet {
    match subresource {
        "" if kind.has_status() => FieldSet::of_fields(&[&["status"]]),
        "status" => status_reset(&kind.group, &kind.kind),
        _ => FieldSet::new(),
    }
}

/// The same for a custom resource with a status subresource.
pub fn custom_resource_reset_fields(subresource: &str) -> FieldSet {
    match subresource {
        "" => FieldSet::of_fields(&[&["status"]]),
        "status" => FieldSet::of_fields(&[&["spec"], &["metadata"]]),
        _ => FieldSet::new(),
    }
}

fn status_reset(group: &str, kind: &str) -> FieldSet {
    match (group, kind) {
        // These keep labels to the main resource as well.
        ("apps", "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet") => match kind {
            "Deployment" => FieldSet::of_fields(&[&["spec"], &["metadata", "labels"]]),
            _ => FieldSet::of_fields(&[&["spec"]]),
        },
        ("", "Pod") => FieldSet::of_fields(&[
            &["spec"],
            &["metadata", "deletionTimestamp"],
            &["metadata", "ownerReferences"],
        ]),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            FieldSet::of_fields(&[&["spec"], &["metadata"]])
        }
        _ => FieldSet::of_fields(&[&["spec"]]),
    }
}
