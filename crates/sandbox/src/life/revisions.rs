//! The revisions of the template of a StatefulSet or DaemonSet, kept as ControllerRevisions in the form `kubectl rollout
//! history` and `kubectl rollout undo` read.

use serde_json::{Value, json};

use super::kind::Kind;
use super::object::{self, label, name, number, set, text};
use super::template_hash::template_hash;

/// The label on a pod that names its revision.
pub(crate) const LABEL: &str = "controller-revision-hash";

/// The label on a revision that holds its hash.
const HASH: &str = "controller.kubernetes.io/hash";

/// The revisions that matter to a workload now.
pub(crate) struct Revisions {
    /// What pods are moved to.
    pub(crate) update: Value,
    /// What pods that need not move yet are made from.
    pub(crate) current: Value,
    /// `update` is not in the API yet.
    pub(crate) fresh: bool,
    /// `update` is in the API under an older number.
    pub(crate) renumbered: bool,
}

impl Revisions {
    /// Finds or makes the revision of the present template among those that exist.
    pub(crate) fn of(kind: Kind, workload: &Value, known: &[&Value]) -> Self {
        let data = data_of(workload);
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
            None => (
                new_revision(kind, workload, &data, newest + 1, known),
                true,
                false,
            ),
        };
        let wanted = text(workload, "/status/currentRevision");
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

fn data_of(workload: &Value) -> Value {
    let mut template = workload
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_else(|| json!({}));
    set(&mut template, &["$patch"], json!("replace"));
    json!({"spec": {"template": template}})
}

fn new_revision(kind: Kind, workload: &Value, data: &Value, number: i64, known: &[&Value]) -> Value {
    let owner = name(workload);
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
    let mut labels = workload
        .pointer("/spec/template/metadata/labels")
        .cloned()
        .unwrap_or_else(|| json!({}));
    set(&mut labels, &[HASH], json!(hash));
    json!({
        "apiVersion": Kind::ControllerRevision.api_version(),
        "kind": Kind::ControllerRevision.name(),
        "metadata": {
            "name": full,
            "namespace": object::namespace(workload),
            "labels": labels,
            "ownerReferences": [object::owner_reference(kind, workload)],
        },
        "data": data,
        "revision": number,
    })
}

/// The hash of the template a revision holds.
pub(crate) fn hash(revision: &Value) -> &str {
    label(revision, HASH)
}

/// The pod template a revision holds.
pub(crate) fn template(revision: &Value) -> Value {
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
pub(crate) fn superfluous<'a>(
    workload: &Value,
    known: &[&'a Value],
    revisions: &Revisions,
    in_use: &dyn Fn(&Value) -> bool,
) -> Vec<&'a Value> {
    let limit = number(workload, "/spec/revisionHistoryLimit")
        .unwrap_or(10)
        .max(0);
    let mut idle: Vec<&Value> = known
        .iter()
        .copied()
        .filter(|revision| {
            name(revision) != name(&revisions.update) && name(revision) != name(&revisions.current)
        })
        .filter(|revision| !in_use(revision))
        .collect();
    idle.sort_by_key(|revision| number(revision, "/revision"));
    let excess = idle
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    idle.truncate(excess);
    idle
}
