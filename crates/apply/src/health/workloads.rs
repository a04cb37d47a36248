//! Judging what runs: workloads, pods and jobs, as Argo CD judges them. No I/O.

use k8s_openapi::jiff::Timestamp;
use schedule::Schedule;
use serde_json::Value;

use super::HealthStatus::{Degraded, Healthy, Progressing, Suspended};
use super::{Health, condition, observed};

fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// The replicas asked for; one when not said.
fn wanted(object: &Value) -> i64 {
    object
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1)
}

fn unobserved(object: &Value) -> bool {
    // Before a controller has looked at all there is no observedGeneration either.
    !observed(object) || object["status"]["observedGeneration"].as_i64().unwrap_or(0) == 0
}

const UNSEEN: &str = "the latest change has not been looked at yet";

pub(super) fn deployment(object: &Value) -> Health {
    if object["spec"]["paused"] == true {
        return Health::new(Suspended, "the deployment is paused");
    }
    if unobserved(object) {
        return Health::new(Progressing, UNSEEN);
    }
    let (wanted, updated) = (wanted(object), count(object, "/status/updatedReplicas"));
    let (replicas, available) = (
        count(object, "/status/replicas"),
        count(object, "/status/availableReplicas"),
    );
    let conditions = object["status"]["conditions"].as_array();
    let overdue = conditions
        .into_iter()
        .flatten()
        .any(|c| c["type"] == "Progressing" && c["reason"] == "ProgressDeadlineExceeded");
    if overdue {
        return Health::new(
            Degraded,
            format!("the rollout made no progress in time, {available} of {wanted} replicas ready"),
        );
    }
    if let Some(("True", message)) = condition(object, "ReplicaFailure") {
        return Health::new(Degraded, message);
    }
    if updated < wanted {
        return Health::new(Progressing, format!("{updated} of {wanted} replicas updated"));
    }
    if replicas > updated {
        return Health::new(
            Progressing,
            format!("{} old replicas still to stop", replicas - updated),
        );
    }
    ready(available, wanted)
}

fn ready(ready: i64, wanted: i64) -> Health {
    let reason = format!("{ready} of {wanted} replicas ready");
    if ready < wanted {
        Health::new(Progressing, reason)
    } else {
        Health::new(Healthy, reason)
    }
}

pub(super) fn replica_set(object: &Value) -> Health {
    if unobserved(object) {
        return Health::new(Progressing, UNSEEN);
    }
    if let Some(("True", message)) = condition(object, "ReplicaFailure") {
        return Health::new(Degraded, message);
    }
    ready(count(object, "/status/availableReplicas"), wanted(object))
}

pub(super) fn stateful_set(object: &Value) -> Health {
    if unobserved(object) {
        return Health::new(Progressing, UNSEEN);
    }
    let wanted = wanted(object);
    let judged = ready(count(object, "/status/readyReplicas"), wanted);
    if judged.status != Healthy
        || object
            .pointer("/spec/updateStrategy/type")
            .is_some_and(|kind| kind == "OnDelete")
    {
        return judged;
    }
    let updated = count(object, "/status/updatedReplicas");
    let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition");
    let status = &object["status"];
    if partition > 0 {
        if updated < wanted - partition {
            return Health::new(
                Progressing,
                format!("{updated} of {} replicas updated", wanted - partition),
            );
        }
    } else if status["updateRevision"] != status["currentRevision"] && updated < wanted {
        return Health::new(Progressing, format!("{updated} of {wanted} replicas updated"));
    }
    judged
}

pub(super) fn daemon_set(object: &Value) -> Health {
    if unobserved(object) {
        return Health::new(Progressing, UNSEEN);
    }
    let wanted = count(object, "/status/desiredNumberScheduled");
    let updated = count(object, "/status/updatedNumberScheduled");
    if updated < wanted
        && object
            .pointer("/spec/updateStrategy/type")
            .is_none_or(|kind| kind != "OnDelete")
    {
        return Health::new(Progressing, format!("{updated} of {wanted} pods updated"));
    }
    ready(count(object, "/status/numberAvailable"), wanted)
}

pub(super) fn job(object: &Value) -> Health {
    if let Some(("True", message)) = condition(object, "Failed") {
        return Health::new(Degraded, message);
    }
    if matches!(condition(object, "Complete"), Some(("True", _))) {
        return Health::new(Healthy, "");
    }
    if matches!(condition(object, "Suspended"), Some(("True", _))) {
        return Health::new(Suspended, "the job is suspended");
    }
    Health::new(Progressing, "the job is running")
}

pub(super) fn cron_job(object: &Value) -> Health {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let moment = |pointer: &str| text(pointer)?.parse::<Timestamp>().ok();
    if object["spec"]["suspend"] == true {
        return Health::new(Suspended, "the schedule is suspended");
    }
    let written = text("/spec/schedule").unwrap_or_default();
    let schedule = match Schedule::parse(written) {
        Ok(schedule) => schedule,
        Err(error) => {
            return Health::new(
                Degraded,
                format!("the schedule {written:?} cannot be read: {error}"),
            );
        }
    };
    let place = text("/spec/timeZone").unwrap_or_default();
    let Some(zone) = schedule::time_zone(place) else {
        return Health::new(Degraded, format!("there is no time zone {place:?}"));
    };
    let started = moment("/status/lastScheduleTime");
    let known = started.or(moment("/metadata/creationTimestamp"));
    let next = match known.map(|known| schedule.next(known, &zone)) {
        Some(Some(next)) => format!("next run at {next}"),
        Some(None) => "the schedule names no moment of the next five years".to_owned(),
        None => String::new(),
    };
    let running = object["status"]["active"]
        .as_array()
        .is_some_and(|active| !active.is_empty());
    match started {
        Some(started) if running => Health::new(Healthy, format!("running since {started}")),
        // Whoever succeeds does so after it was due.
        Some(started) if moment("/status/lastSuccessfulTime").is_none_or(|success| success < started) => {
            Health::new(Degraded, format!("the run of {started} did not succeed, {next}"))
        }
        _ => Health::new(Healthy, next),
    }
}

pub(super) fn pod(object: &Value) -> Health {
    let status = &object["status"];
    let restarts = object
        .pointer("/spec/restartPolicy")
        .is_none_or(|policy| policy == "Always");
    let containers = || {
        ["initContainerStatuses", "containerStatuses"]
            .into_iter()
            .filter_map(|key| status[key].as_array())
            .flatten()
    };
    let stuck = containers().find_map(|container| {
        let waiting = &container["state"]["waiting"];
        let reason = waiting["reason"].as_str()?;
        let bad = reason.starts_with("Err")
            || reason.ends_with("Error")
            || reason.ends_with("BackOff")
            || reason == "InvalidImageName";
        bad.then(|| {
            waiting["message"]
                .as_str()
                .filter(|text| !text.is_empty())
                .unwrap_or(reason)
                .to_owned()
        })
    });
    if let Some(reason) = stuck.filter(|_| restarts) {
        return Health::new(Degraded, reason);
    }
    let message = status["message"].as_str().or(status["reason"].as_str());
    match status["phase"].as_str() {
        Some("Succeeded") => Health::new(Healthy, ""),
        Some("Failed") => Health::new(Degraded, message.unwrap_or("the pod failed")),
        Some("Running") if !restarts => Health::new(Progressing, "the pod is running to its end"),
        Some("Running") => {
            if matches!(condition(object, "Ready"), Some(("True", _))) {
                return Health::new(Healthy, "");
            }
            let fell = containers().any(|container| container["lastState"]["terminated"].is_object());
            if fell {
                return Health::new(Degraded, "a container was restarted and is not ready");
            }
            Health::new(Progressing, "the pod is not ready yet")
        }
        _ => match condition(object, "PodScheduled") {
            Some(("False", message)) => Health::new(Progressing, message),
            _ => Health::new(Progressing, "the pod is starting"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HealthStatus, assess};
    use super::*;
    use serde_json::json;

    fn check(
        api_version: &str,
        kind: &str,
        spec: &Value,
        status: &Value,
        expect: HealthStatus,
        reason: &str,
    ) {
        let object = json!({
            "apiVersion": api_version, "kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": status,
        });
        let health = assess(&object);
        assert_eq!(health.status, expect, "{object}: {}", health.reason);
        assert!(health.reason.contains(reason), "{object}: {}", health.reason);
    }

    #[test]
    fn deployments() {
        let check = |spec: Value, status: Value, expect, reason| {
            check("apps/v1", "Deployment", &spec, &status, expect, reason);
        };
        let three = || json!({"replicas": 3});
        check(three(), json!({}), Progressing, "not been looked at");
        check(
            three(),
            json!({"observedGeneration": 1, "updatedReplicas": 3, "availableReplicas": 3}),
            Progressing,
            "not been",
        );
        check(
            three(),
            json!({"observedGeneration": 2, "updatedReplicas": 1, "replicas": 3}),
            Progressing,
            "1 of 3 replicas updated",
        );
        check(
            three(),
            json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 4}),
            Progressing,
            "1 old replicas",
        );
        check(
            three(),
            json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}),
            Progressing,
            "2 of 3",
        );
        check(
            three(),
            json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}),
            Healthy,
            "3 of 3 replicas ready",
        );
        check(
            json!({"replicas": 0}),
            json!({"observedGeneration": 2}),
            Healthy,
            "0 of 0",
        );
        check(json!({"paused": true}), json!({}), Suspended, "paused");
        let overdue = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"});
        check(
            three(),
            json!({"observedGeneration": 2, "conditions": [overdue]}),
            Degraded,
            "no progress",
        );
        let quota =
            json!({"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: team-quota"});
        check(
            three(),
            json!({"observedGeneration": 2, "conditions": [quota]}),
            Degraded,
            "exceeded quota",
        );
    }

    #[test]
    fn other_workloads() {
        let seen = |mut status: Value| {
            status["observedGeneration"] = json!(2);
            status
        };
        check(
            "apps/v1",
            "StatefulSet",
            &json!({"replicas": 2}),
            &seen(json!({"readyReplicas": 1})),
            Progressing,
            "1 of 2",
        );
        let moving =
            json!({"readyReplicas": 2, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a"});
        check(
            "apps/v1",
            "StatefulSet",
            &json!({"replicas": 2}),
            &seen(moving.clone()),
            Progressing,
            "1 of 2 replicas updated",
        );
        let held = json!({"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}});
        check(
            "apps/v1",
            "StatefulSet",
            &held,
            &seen(moving.clone()),
            Healthy,
            "2 of 2",
        );
        let manual = json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}});
        check(
            "apps/v1",
            "StatefulSet",
            &manual,
            &seen(moving),
            Healthy,
            "2 of 2",
        );
        check(
            "apps/v1",
            "ReplicaSet",
            &json!({"replicas": 1}),
            &seen(json!({"availableReplicas": 1})),
            Healthy,
            "",
        );
        let daemons = json!({"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2});
        check(
            "apps/v1",
            "DaemonSet",
            &json!({}),
            &seen(daemons),
            Progressing,
            "2 of 3",
        );
        let done =
            |kind: &str| json!({"conditions": [{"type": kind, "status": "True", "message": "so it is"}]});
        check("batch/v1", "Job", &json!({}), &done("Complete"), Healthy, "");
        check(
            "batch/v1",
            "Job",
            &json!({}),
            &done("Failed"),
            Degraded,
            "so it is",
        );
        check("batch/v1", "Job", &json!({}), &done("Suspended"), Suspended, "");
        check("batch/v1", "Job", &json!({}), &json!({}), Progressing, "");
    }

    #[test]
    fn cron_jobs() {
        let check = |spec: Value, status: Value, expect, reason: &str| {
            let object = json!({"apiVersion": "batch/v1", "kind": "CronJob", "spec": spec, "status": status,
                "metadata": {"creationTimestamp": "2026-01-01T11:58:00Z"}});
            let health = assess(&object);
            assert_eq!(
                (health.status, health.reason.as_str()),
                (expect, reason),
                "{object}"
            );
        };
        let spec = || json!({"schedule": "30 13 * * *", "timeZone": "Europe/Berlin"});
        let (first, second) = (
            "next run at 2026-01-01T12:30:00Z",
            "next run at 2026-01-02T12:30:00Z",
        );
        let run = "2026-01-01T12:30:00Z";
        check(spec(), json!({}), Healthy, first);
        check(
            spec(),
            json!({"lastScheduleTime": run, "active": [{"name": "report-1"}]}),
            Healthy,
            "running since 2026-01-01T12:30:00Z",
        );
        check(
            spec(),
            json!({"lastScheduleTime": run, "lastSuccessfulTime": "2026-01-01T12:30:00Z"}),
            Healthy,
            second,
        );
        for success in [json!(null), json!("2025-12-31T12:30:04Z")] {
            check(
                spec(),
                json!({"lastScheduleTime": run, "lastSuccessfulTime": success}),
                Degraded,
                &format!("the run of 2026-01-01T12:30:00Z did not succeed, {second}"),
            );
        }
        check(
            json!({"schedule": "* * * *"}),
            json!({}),
            Degraded,
            "the schedule \"* * * *\" cannot be read: expected exactly 5 fields, found 4: [* * * *]",
        );
        check(
            json!({"schedule": "@daily", "timeZone": "Mars/Base"}),
            json!({}),
            Degraded,
            "there is no time zone \"Mars/Base\"",
        );
        check(
            json!({"schedule": "0 0 31 2 *"}),
            json!({}),
            Healthy,
            "the schedule names no moment of the next five years",
        );
        check(
            json!({"schedule": "@daily", "suspend": true}),
            json!({}),
            Suspended,
            "the schedule is suspended",
        );
    }

    #[test]
    fn pods() {
        let check =
            |spec: Value, status: Value, expect, reason| check("v1", "Pod", &spec, &status, expect, reason);
        let waiting = |reason: &str| json!({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": reason}}}]});
        check(
            json!({}),
            waiting("ImagePullBackOff"),
            Degraded,
            "ImagePullBackOff",
        );
        check(json!({}), waiting("ErrImagePull"), Degraded, "ErrImagePull");
        check(
            json!({}),
            waiting("InvalidImageName"),
            Degraded,
            "InvalidImageName",
        );
        check(
            json!({}),
            waiting("CreateContainerConfigError"),
            Degraded,
            "Config",
        );
        check(json!({}), waiting("ContainerCreating"), Progressing, "starting");
        check(
            json!({"restartPolicy": "Never"}),
            waiting("ErrImagePull"),
            Progressing,
            "",
        );
        let ready = json!([{"type": "Ready", "status": "True"}]);
        check(
            json!({}),
            json!({"phase": "Running", "conditions": ready}),
            Healthy,
            "",
        );
        let fell =
            json!([{"ready": false, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}}]);
        check(
            json!({}),
            json!({"phase": "Running", "containerStatuses": fell}),
            Degraded,
            "restarted",
        );
        check(json!({}), json!({"phase": "Running"}), Progressing, "not ready");
        check(json!({}), json!({"phase": "Succeeded"}), Healthy, "");
        check(
            json!({}),
            json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}),
            Degraded,
            "low on memory",
        );
        let unscheduled =
            json!([{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]);
        check(
            json!({}),
            json!({"phase": "Pending", "conditions": unscheduled}),
            Progressing,
            "0/3 nodes",
        );
    }
}
