//! The status of a Deployment and the words of its conditions, as Kubernetes' `sync.go` and
//! `progress.go` write them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Sets;
use super::sizes::{Sizes, wanted};
use crate::life::object::{
    generation, is_true, moment, name, number, remove_condition, seconds_after, set_condition, stamp, text,
    truth, whole_second,
};

const PROGRESSING: &str = "Progressing";

/// The seconds without progress after which a rollout counts as stuck; `None` means never.
fn patience(deployment: &Value) -> Option<i64> {
    let seconds = number(deployment, "/spec/progressDeadlineSeconds").unwrap_or(600);
    (seconds < i64::from(i32::MAX)).then_some(seconds)
}

fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions
        .iter()
        .find(|condition| text(condition, "/type") == kind)
}

/// Puts a condition unless the present one says the same; keeps the moment of the last transition
/// while the status stays.
fn put(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) {
    let present = find(conditions, kind);
    if present.is_some_and(|it| text(it, "/status") == status && text(it, "/reason") == reason) {
        return;
    }
    replace(conditions, kind, status, reason, message, now);
}

fn replace(
    conditions: &mut Vec<Value>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let unchanged = find(conditions, kind).filter(|present| text(present, "/status") == status);
    let since = unchanged.map_or_else(|| stamp(now), |it| text(it, "/lastTransitionTime").to_owned());
    // What was said last stands last.
    remove_condition(conditions, kind);
    set_condition(
        conditions,
        json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastUpdateTime": stamp(now),
            "lastTransitionTime": since,
        }),
    );
}

/// Notes that the rollout was paused or goes on.
pub(super) fn pause(deployment: &Value, conditions: &mut Vec<Value>, now: Timestamp) {
    if patience(deployment).is_none() {
        return;
    }
    let reason = find(conditions, PROGRESSING).map_or("", |condition| text(condition, "/reason"));
    if reason == "ProgressDeadlineExceeded" {
        return;
    }
    let (paused, noted) = (truth(deployment, "/spec/paused"), reason == "DeploymentPaused");
    if paused && !noted {
        put(
            conditions,
            PROGRESSING,
            "Unknown",
            "DeploymentPaused",
            "Deployment is paused",
            now,
        );
    } else if !paused && noted {
        put(
            conditions,
            PROGRESSING,
            "Unknown",
            "DeploymentResumed",
            "Deployment is resumed",
            now,
        );
    }
}

/// Notes the ReplicaSet of the present template where nothing was noted before.
pub(super) fn found(deployment: &Value, current: &Value, conditions: &mut Vec<Value>, now: Timestamp) {
    if patience(deployment).is_some() && find(conditions, PROGRESSING).is_none() {
        let message = format!("Found new replica set \"{}\"", name(current));
        put(
            conditions,
            PROGRESSING,
            "True",
            "FoundNewReplicaSet",
            &message,
            now,
        );
    }
}

/// Notes a ReplicaSet that is being made.
pub(super) fn created(deployment: &Value, fresh: &Value, conditions: &mut Vec<Value>, now: Timestamp) {
    if patience(deployment).is_some() {
        let message = format!("Created new replica set \"{}\"", name(fresh));
        put(
            conditions,
            PROGRESSING,
            "True",
            "NewReplicaSetCreated",
            &message,
            now,
        );
    }
}

/// The status that follows from the ReplicaSets. Progress is judged only outside of pauses and scaling.
pub(super) fn status(
    deployment: &Value,
    sets: &Sets,
    sizes: &Sizes,
    mut conditions: Vec<Value>,
    progress: bool,
    now: Timestamp,
) -> Value {
    let count = |key: &str| -> i64 {
        sets.all()
            .map(|set| number(set, &format!("/status/{key}")).unwrap_or_default())
            .sum()
    };
    let replicas = count("replicas");
    let ready = count("readyReplicas");
    let available = count("availableReplicas");
    let asked: i64 = sets.all().map(wanted).sum();
    let updated = sets
        .current
        .as_ref()
        .and_then(|set| number(set, "/status/replicas"))
        .unwrap_or_default();

    let mut status = Map::new();
    status.insert("observedGeneration".to_owned(), json!(generation(deployment)));
    // Kubernetes leaves zeroes out.
    for (key, value) in [
        ("replicas", replicas),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", asked - available),
        (
            "collisionCount",
            number(deployment, "/status/collisionCount").unwrap_or_default(),
        ),
    ] {
        if value > 0 {
            status.insert(key.to_owned(), json!(value));
        }
    }
    status.insert(
        "terminatingReplicas".to_owned(),
        json!(count("terminatingReplicas")),
    );

    if available >= sizes.replicas - sizes.unavailable {
        let message = "Deployment has minimum availability.";
        put(
            &mut conditions,
            "Available",
            "True",
            "MinimumReplicasAvailable",
            message,
            now,
        );
    } else {
        let message = "Deployment does not have minimum availability.";
        put(
            &mut conditions,
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            message,
            now,
        );
    }

    let mut status = Value::Object(status);
    if progress {
        judge(deployment, sets, sizes, &mut conditions, &status, now);
        match failure(sets) {
            Some(failure) => {
                let (reason, message) = (text(failure, "/reason"), text(failure, "/message"));
                put(
                    &mut conditions,
                    "ReplicaFailure",
                    text(failure, "/status"),
                    reason,
                    message,
                    now,
                );
            }
            None => remove_condition(&mut conditions, "ReplicaFailure"),
        }
    }
    status["conditions"] = Value::Array(conditions);
    status
}

fn judge(
    deployment: &Value,
    sets: &Sets,
    sizes: &Sizes,
    conditions: &mut Vec<Value>,
    status: &Value,
    now: Timestamp,
) {
    let Some(patience) = patience(deployment) else {
        remove_condition(conditions, PROGRESSING);
        return;
    };
    let reason = find(conditions, PROGRESSING).map_or("", |condition| text(condition, "/reason"));
    let settled = number(status, "/replicas") == number(status, "/updatedReplicas");
    if settled && reason == "NewReplicaSetAvailable" {
        return;
    }
    let what = match &sets.current {
        Some(current) => format!("ReplicaSet \"{}\"", name(current)),
        None => format!("Deployment \"{}\"", name(deployment)),
    };
    if complete(deployment, sizes, status) {
        let message = format!("{what} has successfully progressed.");
        put(
            conditions,
            PROGRESSING,
            "True",
            "NewReplicaSetAvailable",
            &message,
            now,
        );
    } else if moved(deployment, status) {
        let message = format!("{what} is progressing.");
        replace(
            conditions,
            PROGRESSING,
            "True",
            "ReplicaSetUpdated",
            &message,
            now,
        );
    } else if timed_out(conditions, patience, now) {
        let message = format!("{what} has timed out progressing.");
        put(
            conditions,
            PROGRESSING,
            "False",
            "ProgressDeadlineExceeded",
            &message,
            now,
        );
    }
}

/// Is everything asked for running from the present template, and nothing else?
pub(super) fn complete(deployment: &Value, sizes: &Sizes, status: &Value) -> bool {
    let count = |key: &str| number(status, key).unwrap_or_default();
    count("/updatedReplicas") == sizes.replicas
        && count("/replicas") == sizes.replicas
        && count("/availableReplicas") == sizes.replicas
        && count("/observedGeneration") >= generation(deployment)
}

fn moved(deployment: &Value, status: &Value) -> bool {
    let before = deployment.get("status").unwrap_or(&Value::Null);
    let count = |status: &Value, key: &str| number(status, key).unwrap_or_default();
    let old = |status: &Value| count(status, "/replicas") - count(status, "/updatedReplicas");
    let grew = |key: &str| count(status, key) > count(before, key);
    grew("/updatedReplicas")
        || old(status) < old(before)
        || grew("/readyReplicas")
        || grew("/availableReplicas")
}

fn timed_out(conditions: &[Value], patience: i64, now: Timestamp) -> bool {
    let Some(condition) = find(conditions, PROGRESSING) else {
        return false;
    };
    match text(condition, "/reason") {
        "NewReplicaSetAvailable" => false,
        "ProgressDeadlineExceeded" => true,
        _ => moment(condition, "/lastUpdateTime").is_some_and(|since| seconds_after(since, patience) <= now),
    }
}

/// The moment at which a rollout that goes on would count as stuck.
pub(super) fn deadline(deployment: &Value, sizes: &Sizes, status: &Value) -> Option<Timestamp> {
    let patience = patience(deployment)?;
    if truth(deployment, "/spec/paused") || complete(deployment, sizes, status) {
        return None;
    }
    let condition = crate::life::object::condition(status, PROGRESSING)?;
    if matches!(
        text(condition, "/reason"),
        "ProgressDeadlineExceeded" | "NewReplicaSetAvailable"
    ) {
        return None;
    }
    moment(condition, "/lastUpdateTime").map(|since| whole_second(seconds_after(since, patience)))
}

/// What keeps a ReplicaSet from making its pods; the new set's word counts first.
fn failure(sets: &Sets) -> Option<&Value> {
    let reported = |set: &Value| is_true(set.get("status").unwrap_or(&Value::Null), "ReplicaFailure");
    let set = sets.current.iter().chain(&sets.old).find(|set| reported(set))?;
    crate::life::object::condition(set.get("status")?, "ReplicaFailure")
}
