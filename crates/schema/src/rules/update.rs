//! What may not change once set.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Report, items, jobs, placement};
use crate::error::{Cause, FieldError};
use crate::fields::Scalar;
use crate::internal;
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
                    let all = Value::from(vec![is.clone()]);
                    report.invalid("spec.clusterIPs[0]", &all, "may not change once set");
                }
            }
        }
        "batch.v1.Job" => job(old, new, &mut report),
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

/// A Job is asked for everything once more, before what it may not change.
fn job(old: &Value, new: &Value, report: &mut Report<'_>) {
    jobs::selected(&new["spec"], report);
    for name in ["completions", "selector"] {
        unchanged(&format!("/spec/{name}"), old, new, report);
    }
    let (was, is) = (&old["spec"]["template"], &new["spec"]["template"]);
    // Before it begins, a Job may be told where its pods run.
    let free = old["spec"]["suspend"] == true && old["status"]["startTime"].is_null();
    let fixed = |template: &Value| {
        let mut template = template.clone();
        if free && let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
            for name in ["nodeSelector", "affinity", "tolerations", "schedulingGates"] {
                spec.remove(name);
            }
            for container in ["containers", "initContainers"] {
                let all = spec.get_mut(container).and_then(Value::as_array_mut);
                for container in all.into_iter().flatten().filter_map(Value::as_object_mut) {
                    container.remove("resources");
                }
            }
        }
        if free && let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("annotations");
            metadata.remove("labels");
        }
        template
    };
    if !same(&fixed(was), &fixed(is)) {
        let shown = internal::json("core.PodTemplateSpec", is);
        report.add_shown(
            "spec.template",
            Cause::Invalid,
            Some(&shown),
            "field is immutable",
        );
    }
    for name in [
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ] {
        unchanged(&format!("/spec/{name}"), old, new, report);
    }
}

fn pod(old: &Value, new: &Value, report: &mut Report<'_>) {
    let (was, is) = (&old["spec"], &new["spec"]);
    for list in ["containers", "initContainers"] {
        if items(was, list).len() != items(is, list).len() {
            let detail = "pod updates may not add or remove containers";
            return report.forbidden(&format!("spec.{list}"), detail);
        }
    }
    let deadline = |spec: &Value| spec["activeDeadlineSeconds"].as_i64();
    match (deadline(was), deadline(is)) {
        (Some(before), Some(after)) if before < after => {
            let detail = "must be less than or equal to previous value";
            return report.invalid("spec.activeDeadlineSeconds", &is["activeDeadlineSeconds"], detail);
        }
        (Some(_), None) => {
            let detail = "must not update from a positive integer to nil value";
            report.invalid("spec.activeDeadlineSeconds", &Value::Null, detail);
        }
        _ => {}
    }
    added_tolerations(was, is, report);
    // What may change is as it was before the rest is compared.
    let mut like = is.clone();
    let mut keep = |name: &str| {
        if let Some(fields) = like.as_object_mut() {
            match was.get(name) {
                Some(value) => fields.insert(name.to_owned(), value.clone()),
                None => fields.remove(name),
            };
        }
    };
    for name in [
        "activeDeadlineSeconds",
        "schedulingGates",
        "tolerations",
        "ephemeralContainers",
    ] {
        keep(name);
    }
    // Schedulers that know no binding write the node once.
    if was["nodeName"].as_str().unwrap_or_default().is_empty() {
        keep("nodeName");
    }
    // Before it may be scheduled, a pod may be told where.
    if !items(was, "schedulingGates").is_empty() {
        keep("nodeSelector");
        keep("affinity");
    }
    let grace = |spec: &Value| spec["terminationGracePeriodSeconds"].as_i64();
    if grace(was).is_some_and(|seconds| seconds < 0) && grace(is) == Some(1) {
        keep("terminationGracePeriodSeconds");
    }
    for list in ["containers", "initContainers"] {
        for (place, before) in items(was, list).iter().enumerate() {
            let containers = like.get_mut(list).and_then(Value::as_array_mut);
            let container = containers.and_then(|containers| containers.get_mut(place)?.as_object_mut());
            if let Some(container) = container {
                match before.get("image") {
                    Some(image) => container.insert("image".to_owned(), image.clone()),
                    None => container.remove("image"),
                };
            }
        }
    }
    if !same(&like, was) {
        let changes = internal::diff("core.PodSpec", was, &like);
        let detail = format!(
            "pod updates may not change fields other than `spec.containers[*].image`,\
             `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
             existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
             previously negative)\n{changes}"
        );
        report.forbidden("spec", &detail);
    }
}

/// Tolerations may be added, and those that are there may last for another time.
fn added_tolerations(was: &Value, is: &Value, report: &mut Report<'_>) {
    let timeless = |toleration: &Value| Scalar(without(toleration, &["tolerationSeconds"]));
    let after: BTreeSet<Scalar> = items(is, "tolerations").iter().map(timeless).collect();
    let mut before = items(was, "tolerations").iter().map(timeless);
    if before.all(|before| after.contains(&before)) {
        placement::tolerations(is, "spec", report);
    } else {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        report.forbidden("spec.tolerations", detail);
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
        // What may change is as it is now on both sides.
        let mut was = old["spec"].clone();
        if let Some(fields) = was.as_object_mut() {
            for name in free {
                fields.insert(name.to_owned(), new["spec"][name].clone());
            }
        }
        let changes = internal::diff("core.PersistentVolumeClaimSpec", &was, &new["spec"]);
        let detail = format!(
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound \
             claims\n{changes}"
        );
        report.forbidden("spec", &detail);
    }
    let size = |claim: &Value| super::quantity(&claim["spec"]["resources"]["requests"]["storage"]);
    let held = super::quantity(&old["status"]["capacity"]["storage"]);
    if let (Some(was), Some(is)) = (size(old), size(new))
        && is < was
        && held.is_some_and(|held| is <= held)
    {
        let detail = "field can not be less than status.capacity";
        report.forbidden("spec.resources.requests.storage", detail);
    }
}
