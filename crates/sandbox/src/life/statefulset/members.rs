//! The pods of a StatefulSet and their claims: each with a name, a number and storage of its own.

use serde_json::{Value, json};

use crate::life::change::{About, Change, Creation, Note};
use crate::life::kind::Kind;
use crate::life::object::{self, list, map, name, set, text};
use crate::life::revisions;

/// The number of a pod in its set.
pub(super) fn ordinal(stateful_set: &Value, pod: &Value) -> Option<i64> {
    let digits = name(pod).strip_prefix(name(stateful_set))?.strip_prefix('-')?;
    digits.parse().ok().filter(|number| *number >= 0)
}

/// The pod with this number, from a revision.
pub(super) fn new_pod(stateful_set: &Value, revision: &Value, ordinal: i64) -> Value {
    let named = format!("{}-{ordinal}", name(stateful_set));
    let template = revisions::template(revision);
    let mut pod = json!({
        "apiVersion": Kind::Pod.api_version(),
        "kind": Kind::Pod.name(),
        "metadata": {
            "name": named,
            "generateName": format!("{}-", name(stateful_set)),
            "namespace": object::namespace(stateful_set),
            "ownerReferences": [object::owner_reference(Kind::StatefulSet, stateful_set)],
        },
        "spec": template.get("spec"),
    });
    for key in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.get("metadata").and_then(|metadata| metadata.get(key)) {
            set(&mut pod, &["metadata", key], value.clone());
        }
    }
    for (key, value) in [
        ("statefulset.kubernetes.io/pod-name", named.as_str()),
        ("apps.kubernetes.io/pod-index", &ordinal.to_string()),
        (revisions::LABEL, name(revision)),
    ] {
        set(&mut pod, &["metadata", "labels", key], json!(value));
    }
    set(
        &mut pod,
        &["metadata", "annotations", crate::life::SIMULATED],
        json!("true"),
    );
    set(&mut pod, &["spec", "hostname"], json!(named));
    let service = text(stateful_set, "/spec/serviceName");
    if !service.is_empty() {
        set(&mut pod, &["spec", "subdomain"], json!(service));
    }

    let templates = list(stateful_set, "/spec/volumeClaimTemplates");
    let mut volumes: Vec<Value> = templates
        .iter()
        .map(|claim| {
            let claim_name = claim_name(claim, &named);
            json!({"name": name(claim), "persistentVolumeClaim": {"claimName": claim_name}})
        })
        .collect();
    let own = list(&pod, "/spec/volumes");
    let shadowed = |volume: &Value| templates.iter().any(|claim| name(claim) == text(volume, "/name"));
    volumes.extend(own.iter().filter(|volume| !shadowed(volume)).cloned());
    if !volumes.is_empty() {
        set(&mut pod, &["spec", "volumes"], Value::Array(volumes));
    }
    pod
}

fn claim_name(template: &Value, pod: &str) -> String {
    format!("{}-{pod}", name(template))
}

/// The claims a pod needs that are not there yet.
pub(super) fn missing_claims(stateful_set: &Value, pod: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Change> {
    let about = About::new(Kind::StatefulSet, stateful_set);
    let mut changes = Vec::new();
    for template in list(stateful_set, "/spec/volumeClaimTemplates") {
        let named = claim_name(template, pod);
        if exists(&named) {
            continue;
        }
        let mut claim = json!({
            "apiVersion": Kind::PersistentVolumeClaim.api_version(),
            "kind": Kind::PersistentVolumeClaim.name(),
            "metadata": {"name": named, "namespace": object::namespace(stateful_set)},
            "spec": template.get("spec"),
        });
        if let Some(annotations) = map(template, "/metadata/annotations") {
            set(
                &mut claim,
                &["metadata", "annotations"],
                Value::Object(annotations.clone()),
            );
        }
        let labels = [
            map(template, "/metadata/labels"),
            map(stateful_set, "/spec/selector/matchLabels"),
        ];
        for (key, value) in labels.into_iter().flatten().flatten() {
            set(&mut claim, &["metadata", "labels", key], value.clone());
        }
        if text(
            stateful_set,
            "/spec/persistentVolumeClaimRetentionPolicy/whenDeleted",
        ) == "Delete"
        {
            let owner = object::owner_reference(Kind::StatefulSet, stateful_set);
            set(&mut claim, &["metadata", "ownerReferences"], json!([owner]));
        }
        let set_name = name(stateful_set);
        let done = format!("Create Claim {named} Pod {pod} in StatefulSet {set_name} success");
        let failed =
            format!("Create Claim {named} for Pod {pod} in StatefulSet {set_name} failed error: {{error}}");
        changes.push(Change::Create(Box::new(Creation {
            kind: Kind::PersistentVolumeClaim,
            object: claim,
            done: Some(Note::normal(about.clone(), "SuccessfulCreate", done)),
            failed: Some(Note::warning(about.clone(), "FailedCreate", failed)),
        })));
    }
    changes
}
