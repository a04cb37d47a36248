//! Revisions of a Deployment: numbered on its ReplicaSets, so that `kubectl rollout undo` finds its
//! way back, and forgotten beyond the history limit. After Kubernetes' `deployment_util.go`.

use serde_json::{Value, json};

use super::sizes::wanted;
use crate::life::object::{annotation, deleting, generation, map, number, set};

const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// Annotations of a Deployment that its ReplicaSets do not take over.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

/// The revision a ReplicaSet (or a Deployment) carries.
pub(super) fn revision(object: &Value) -> i64 {
    annotation(object, REVISION).parse().unwrap_or_default()
}

/// The revision that the set of the present template has or gets.
pub(super) fn next_revision(old: &[Value]) -> i64 {
    old.iter().map(revision).max().unwrap_or_default() + 1
}

/// Gives the set of the present template the Deployment's annotations and a revision above all others.
pub(super) fn annotate(deployment: &Value, replica_set: &mut Value, next: i64) {
    for (key, value) in map(deployment, "/metadata/annotations").into_iter().flatten() {
        if !OWN.contains(&key.as_str()) {
            set(replica_set, &["metadata", "annotations", key], value.clone());
        }
    }
    let before = revision(replica_set);
    if before >= next {
        return;
    }
    if before > 0 {
        let history = annotation(replica_set, HISTORY);
        let history = if history.is_empty() {
            before.to_string()
        } else {
            format!("{history},{before}")
        };
        // Kubernetes keeps about 2000 characters; the oldest go first.
        let cut = history.len().saturating_sub(2000);
        let kept = if cut == 0 {
            history.as_str()
        } else {
            history
                .get(cut..)
                .and_then(|rest| rest.split_once(','))
                .map_or("", |(_, rest)| rest)
        };
        set(replica_set, &["metadata", "annotations", HISTORY], json!(kept));
    }
    set(
        replica_set,
        &["metadata", "annotations", REVISION],
        json!(next.to_string()),
    );
}

/// Writes the revision on the Deployment itself.
pub(super) fn mark(deployment: &mut Value, revision: i64) {
    let revision = revision.to_string();
    if annotation(deployment, REVISION) != revision {
        set(
            deployment,
            &["metadata", "annotations", REVISION],
            json!(revision),
        );
    }
}

/// The old sets beyond the history limit that nothing runs in any more, oldest revision first.
pub(super) fn superfluous<'a>(deployment: &Value, old: &'a [Value]) -> Vec<&'a Value> {
    let limit = number(deployment, "/spec/revisionHistoryLimit")
        .unwrap_or(10)
        .max(0);
    let mut candidates: Vec<&Value> = old.iter().filter(|set| !deleting(set)).collect();
    let excess = candidates
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    candidates.sort_by_key(|set| revision(set));
    candidates.truncate(excess);
    candidates.retain(|set| {
        let observed = number(set, "/status/observedGeneration").unwrap_or_default();
        number(set, "/status/replicas").unwrap_or_default() == 0
            && wanted(set) == 0
            && generation(set) <= observed
    });
    candidates
}
