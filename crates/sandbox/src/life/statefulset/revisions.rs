//! The revisions of a StatefulSet's template, kept as ControllerRevisions in the form `kubectl rollout
//! history` and `kubectl rollout undo` read.

use serde_json::{Value, json};

use crate::life::kind::Kind;
use crate::life::object::{self, name, number, set, text};
use crate::life::template_hash::template_hash;

/// The label on a pod that names its revision.
pub(super) const LABEL: &str = "controller-revision-hash";

/// The revisions that matter to a StatefulSet now.
pub(super) struct Revisions {
    /// What pods are moved to.
    pub(super) update: Value,
    /// What pods that need not move yet are made from.
    pub(super) current: Value,
    /// `update` is not in the API yet.
    pub(super) fresh: bool,
    /// `update` is in the API under an older number.
    pub(super) renumbered: bool,
}

impl Revisions {
    /// Finds or makes the revision of the present template among those that exist.
    pub(super) fn of(stateful_set: &Value, known: &[&Value]) -> Self {
        let data = data_of(stateful_set);
        let newest = known
            .iter()
            .filter_map(|revision| number(revision, "/revision"))
            .max()
            .unwrap_or_default();
        let equal = known
            .iter()
            .filter(|revision| revision.get("data") == Some(&data));
        let equal = equal.max_by_key(|revision| number(revision, "/revision"));
        let (update, fresh, renumbered) = match equal {
            Some(revision) if number(revision, "/revision") == Some(newest) => {
                ((*revision).clone(), false, false)
            }
            Some(revision) => {
                let mut revision = (*revision).clone();
                revision["revision"] = json!(newest + 1);
                (revision, false, true)
            }
            None => (new_revision(stateful_set, &data, newest + 1, known), true, false),
        };
        let wanted = text(stateful_set, "/status/currentRevision");
        let current = known.iter().find(|revision| name(revision) == wanted);
        let current = current.map_or_else(|| update.clone(), |revision| (*revision).clone());
        Self {
            update,
            current,
            fresh,
            renumbered,
        }
    }
}

fn data_of(stateful_set: &Value) -> Value {
    let mut template = stateful_set
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_else(|| json!({}));
    set(&mut template, &["$patch"], json!("replace"));
    json!({"spec": {"template": template}})
}

fn new_revision(stateful_set: &Value, data: &Value, number: i64, known: &[&Value]) -> Value {
    let owner = name(stateful_set);
    // Kubernetes leaves room for the hash in the label of a pod.
    let prefix: String = owner.chars().take(223).collect();
    let named = |collisions: i64| {
        let hash = template_hash(data, collisions);
        (format!("{prefix}-{hash}"), hash)
    };
    let taken = |candidate: &str| known.iter().any(|revision| name(revision) == candidate);
    let mut collisions = 0;
    let (full, hash) = loop {
        let (full, hash) = named(collisions);
        if !taken(&full) || collisions > 100 {
            break (full, hash);
        }
        collisions += 1;
    };
    let mut labels = stateful_set
        .pointer("/spec/template/metadata/labels")
        .cloned()
        .unwrap_or_else(|| json!({}));
    set(&mut labels, &["controller.kubernetes.io/hash"], json!(hash));
    json!({
        "apiVersion": Kind::ControllerRevision.api_version(),
        "kind": Kind::ControllerRevision.name(),
        "metadata": {
            "name": full,
            "namespace": object::namespace(stateful_set),
            "labels": labels,
            "ownerReferences": [object::owner_reference(Kind::StatefulSet, stateful_set)],
        },
        "data": data,
        "revision": number,
    })
}

/// The pod template a revision holds.
pub(super) fn template(revision: &Value) -> Value {
    let mut template = revision
        .pointer("/data/spec/template")
        .cloned()
        .unwrap_or_else(|| json!({}));
    if let Some(map) = template.as_object_mut() {
        map.remove("$patch");
    }
    template
}

/// Revisions that nothing refers to, beyond the history limit, oldest first.
pub(super) fn superfluous<'a>(
    stateful_set: &Value,
    known: &[&'a Value],
    revisions: &Revisions,
    pods: &[&Value],
) -> Vec<&'a Value> {
    let limit = number(stateful_set, "/spec/revisionHistoryLimit")
        .unwrap_or(10)
        .max(0);
    let mut idle: Vec<&Value> = known
        .iter()
        .copied()
        .filter(|revision| {
            name(revision) != name(&revisions.update) && name(revision) != name(&revisions.current)
        })
        .filter(|revision| !pods.iter().any(|pod| object::label(pod, LABEL) == name(revision)))
        .collect();
    idle.sort_by_key(|revision| number(revision, "/revision"));
    let excess = idle
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    idle.truncate(excess);
    idle
}
