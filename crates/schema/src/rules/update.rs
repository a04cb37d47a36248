//! What may not change once set.

use serde_json::Value;

use super::Report;
use crate::error::{Cause, FieldError};
use crate::merge::same;
use crate::model::Schema;

/// Checks a change of an object.
pub(crate) fn check_update(schema: &Schema, old: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    let mut report = Report { errors };
    for field in ["name", "namespace", "uid", "creationTimestamp"] {
        let (was, is) = (&old["metadata"][field], &new["metadata"][field]);
        if !was.is_null() && !is.is_null() && was != is {
            report.add(
                &format!("metadata.{field}"),
                Cause::Invalid,
                Some(is),
                "field is immutable",
            );
        }
    }
    let fixed: &[&str] = match schema.name.as_str() {
        "apps.v1.Deployment" | "apps.v1.ReplicaSet" | "apps.v1.DaemonSet" => &["/spec/selector"],
        "batch.v1.Job" => &[
            "/spec/completions",
            "/spec/selector",
            "/spec/template",
            "/spec/completionMode",
        ],
        "core.v1.Secret" => &["/type"],
        "storage.v1.StorageClass" => &[
            "/provisioner",
            "/parameters",
            "/reclaimPolicy",
            "/volumeBindingMode",
        ],
        _ => &[],
    };
    for pointer in fixed {
        unchanged(pointer, old, new, &mut report);
    }
    match schema.name.as_str() {
        "apps.v1.StatefulSet" => stateful_set(old, new, &mut report),
        "core.v1.ConfigMap" | "core.v1.Secret" if old["immutable"] == true => {
            for field in ["/data", "/binaryData", "/stringData", "/immutable"] {
                if old.pointer(field) != new.pointer(field) {
                    let name = field.trim_start_matches('/');
                    report.add(
                        name,
                        Cause::Forbidden,
                        None,
                        "field is immutable when `immutable` is set",
                    );
                }
            }
        }
        "core.v1.Service" => {
            let was = &old["spec"]["clusterIP"];
            let stays = old["spec"]["type"] != "ExternalName" && new["spec"]["type"] != "ExternalName";
            if stays && was.as_str().is_some_and(|ip| !ip.is_empty()) {
                let is = &new["spec"]["clusterIP"];
                if was != is {
                    report.add(
                        "spec.clusterIPs[0]",
                        Cause::Invalid,
                        Some(is),
                        "may not change once set",
                    );
                }
            }
        }
        "core.v1.Pod" => pod(old, new, &mut report),
        "core.v1.PersistentVolumeClaim" => claim(old, new, &mut report),
        "scheduling.v1.PriorityClass" if old["value"] != new["value"] => {
            report.add(
                "value",
                Cause::Forbidden,
                None,
                "may not be changed in an update.",
            );
        }
        "rbac.v1.RoleBinding" | "rbac.v1.ClusterRoleBinding" => {
            super::roles::check_update(old, new, &mut report);
        }
        _ => {}
    }
}

fn unchanged(pointer: &str, old: &Value, new: &Value, report: &mut Report<'_>) {
    let (was, is) = (old.pointer(pointer), new.pointer(pointer));
    let null = Value::Null;
    if let Some(was) = was.filter(|was| !was.is_null())
        && !same(was, is.unwrap_or(&null))
    {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        report.add(
            &field,
            Cause::Invalid,
            Some(is.unwrap_or(&null)),
            "field is immutable",
        );
    }
}

fn without(spec: &Value, names: &[&str]) -> Value {
    let mut spec = spec.clone();
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|name, _| !names.contains(&name.as_str()));
    }
    spec
}

fn stateful_set(old: &Value, new: &Value, report: &mut Report<'_>) {
    const FREE: &[&str] = &[
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    if !same(&without(&old["spec"], FREE), &without(&new["spec"], FREE)) {
        report.add(
            "spec",
            Cause::Forbidden,
            None,
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
             'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
             'minReadySeconds' are forbidden",
        );
    }
}

fn pod(old: &Value, new: &Value, report: &mut Report<'_>) {
    let gated = old["spec"]["schedulingGates"]
        .as_array()
        .is_some_and(|gates| !gates.is_empty());
    // Images may change, tolerations be added, a deadline and a gate be set; the node once.
    let fixed = |object: &Value| {
        let mut spec = without(
            &object["spec"],
            &[
                "activeDeadlineSeconds",
                "tolerations",
                "schedulingGates",
                "terminationGracePeriodSeconds",
                "nodeName",
                "ephemeralContainers",
            ],
        );
        // Before it may be scheduled, a pod may be told where.
        if gated && let Some(fields) = spec.as_object_mut() {
            fields.remove("nodeSelector");
            fields.remove("affinity");
        }
        for list in ["containers", "initContainers"] {
            for container in spec
                .get_mut(list)
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if let Some(fields) = container.as_object_mut() {
                    fields.remove("image");
                }
            }
        }
        spec
    };
    if !same(&fixed(old), &fixed(new)) {
        report.add(
            "spec",
            Cause::Forbidden,
            None,
            "pod updates may not change fields other than `spec.containers[*].image`,\
             `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
             existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
             previously negative)",
        );
    }
}

/// A claim asks once; only a bound one may ask for more room.
fn claim(old: &Value, new: &Value, report: &mut Report<'_>) {
    let bound = old["status"]["phase"] == "Bound";
    let unset = |name: &&str| old["spec"][*name].as_str().unwrap_or_default().is_empty();
    let mut free: Vec<&str> = ["volumeName", "storageClassName"]
        .into_iter()
        .filter(unset)
        .collect();
    if bound {
        free.extend(["resources", "volumeAttributesClassName"]);
    }
    if !same(&without(&old["spec"], &free), &without(&new["spec"], &free)) {
        report.add(
            "spec",
            Cause::Forbidden,
            None,
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        );
    }
}
