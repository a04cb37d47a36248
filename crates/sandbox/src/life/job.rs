//! Jobs: pods that run to completion. After Kubernetes' job controller; indexed jobs, pod failure
//! policies and finalizers on pods are left out.
//!
//! A pure function.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::change::{About, Change, Creation, Note, Plan, Target};
use super::kind::Kind;
use super::object::{
    self, list, moment, name, number, seconds_after, set, set_condition, stamp, text, truth, uid,
};
use super::refusal::Refusal;
use super::replicaset::{is_active, is_ready, new_pod};

/// The most pods made in one go.
const BURST: i64 = 500;

/// What a Job is looked at with.
pub(crate) struct Slice<'a> {
    /// The Job.
    pub(crate) job: &'a Value,
    /// The pods it controls.
    pub(crate) pods: Vec<&'a Value>,
    /// Why its pods cannot be made at present.
    pub(crate) refusal: Option<&'a Refusal>,
}

/// Is the Job over, one way or the other?
pub(crate) fn is_finished(job: &Value) -> bool {
    ended_as(job).is_some()
}

/// How the Job ended: `Complete` or `Failed`.
pub(crate) fn ended_as(job: &Value) -> Option<&'static str> {
    let status = object::status(job);
    ["Complete", "Failed"]
        .into_iter()
        .find(|how| object::is_true(status, how))
}

/// What is to be done for a Job.
pub(crate) fn desired(slice: &Slice<'_>, now: Timestamp) -> Plan {
    let job = slice.job;
    let mut plan = Plan::default();
    if object::deleting(job) {
        return plan;
    }
    if is_finished(job) {
        retire(job, now, &mut plan);
        return plan;
    }
    let about = About::new(Kind::Job, job);
    let in_phase = |phase: &str| {
        slice
            .pods
            .iter()
            .filter(|pod| text(pod, "/status/phase") == phase)
            .count() as i64
    };
    let (succeeded, failed) = (in_phase("Succeeded"), in_phase("Failed"));
    let active: Vec<&Value> = slice.pods.iter().copied().filter(|pod| is_active(pod)).collect();
    let parallel = number(job, "/spec/parallelism").unwrap_or(1).max(0);
    let completions = number(job, "/spec/completions");
    let suspended = truth(job, "/spec/suspend");
    let limit = number(job, "/spec/backoffLimit").unwrap_or(6);

    let wanted = match completions {
        Some(completions) => parallel.min(completions - succeeded),
        None if succeeded > 0 => active.len() as i64,
        None => parallel,
    };
    let complete = match completions {
        Some(completions) => succeeded >= completions,
        None => succeeded > 0 && active.is_empty(),
    };
    // A Job that was held back begins anew.
    let held = object::is_true(object::status(job), "Suspended");
    let started = moment(job, "/status/startTime").filter(|_| !held).unwrap_or(now);
    let deadline = number(job, "/spec/activeDeadlineSeconds").map(|seconds| seconds_after(started, seconds));
    let lost = if failed > limit || restarted_too_often(job, &active, limit) {
        Some((
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        ))
    } else if deadline.is_some_and(|deadline| deadline <= now) && !suspended {
        Some((
            "DeadlineExceeded",
            "Job was active longer than specified deadline",
        ))
    } else {
        None
    };

    let mut conditions = list(job, "/status/conditions").to_vec();
    let mut ended = None;
    if complete {
        add(
            &mut conditions,
            "SuccessCriteriaMet",
            "CompletionsReached",
            "Reached expected number of succeeded pods",
            now,
        );
        add(
            &mut conditions,
            "Complete",
            "CompletionsReached",
            "Reached expected number of succeeded pods",
            now,
        );
        ended = Some(stamp(now));
        plan.note(Note::normal(about.clone(), "Completed", "Job completed"));
    } else if let Some((reason, message)) = lost {
        add(&mut conditions, "FailureTarget", reason, message, now);
        add(&mut conditions, "Failed", reason, message, now);
        stop(&active, &mut plan);
        plan.note(Note::warning(about.clone(), reason, message));
    } else if suspended {
        stop(&active, &mut plan);
        if !held {
            plan.note(Note::normal(about.clone(), "Suspended", "Job suspended"));
        }
    } else {
        if held {
            plan.note(Note::normal(about.clone(), "Resumed", "Job resumed"));
        }
        let missing = wanted - active.len() as i64;
        let wait = (failed > 0)
            .then(|| again(&slice.pods, failed))
            .flatten()
            .filter(|again| *again > now);
        if missing > 0 {
            match (slice.refusal, wait) {
                (Some(refusal), _) => {
                    if let Some(again) = refusal.again {
                        plan.wake_at(again);
                    }
                    if refusal.say {
                        let message = format!("Error creating: {}", refusal.message);
                        plan.note(Note::warning(about.clone(), "FailedCreate", message).once());
                    }
                }
                (None, Some(wait)) => plan.wake_at(wait),
                (None, None) => {
                    for _ in 0..missing.min(BURST) {
                        plan.push(create(job, &about));
                    }
                }
            }
        }
        if let Some(deadline) = deadline {
            plan.wake_at(deadline);
        }
    }

    if complete || lost.is_some() || suspended == held {
        // Nothing to say about holding back.
    } else if suspended {
        put(
            &mut conditions,
            "Suspended",
            "True",
            ("JobSuspended", "Job suspended"),
            now,
        );
    } else {
        put(
            &mut conditions,
            "Suspended",
            "False",
            ("JobResumed", "Job resumed"),
            now,
        );
    }

    let mut status = Map::new();
    if !suspended {
        status.insert("startTime".to_owned(), json!(stamp(started)));
    }
    let running = if complete || lost.is_some() {
        0
    } else {
        active.len() as i64
    };
    let ready = active.iter().filter(|pod| is_ready(pod)).count() as i64;
    for (key, value) in [("active", running), ("succeeded", succeeded), ("failed", failed)] {
        if value > 0 {
            status.insert(key.to_owned(), json!(value));
        }
    }
    status.insert("ready".to_owned(), json!(ready));
    status.insert("terminating".to_owned(), json!(0));
    status.insert("uncountedTerminatedPods".to_owned(), json!({}));
    if let Some(ended) = ended {
        status.insert("completionTime".to_owned(), json!(ended));
    }
    if !conditions.is_empty() {
        status.insert("conditions".to_owned(), Value::Array(conditions));
    }
    let status = Value::Object(status);
    if status != *object::status(job) {
        plan.push(Change::Status(Kind::Job, object::with_status(job, status)));
    }
    plan
}

/// Deletes a finished Job once its time to live is over.
fn retire(job: &Value, now: Timestamp, plan: &mut Plan) {
    let Some(seconds) = number(job, "/spec/ttlSecondsAfterFinished") else {
        return;
    };
    let over = list(job, "/status/conditions")
        .iter()
        .filter(|condition| matches!(text(condition, "/type"), "Complete" | "Failed"))
        .find_map(|condition| moment(condition, "/lastTransitionTime"));
    let Some(end) = over.map(|over| seconds_after(over, seconds.max(0))) else {
        return;
    };
    if end <= now {
        plan.push(Change::Delete(Target::of(Kind::Job, job)));
    } else {
        plan.wake_at(end);
    }
}

fn add(conditions: &mut Vec<Value>, kind: &str, reason: &str, message: &str, now: Timestamp) {
    put(conditions, kind, "True", (reason, message), now);
}

fn put(conditions: &mut Vec<Value>, kind: &str, status: &str, why: (&str, &str), now: Timestamp) {
    let (stamp, (reason, message)) = (stamp(now), why);
    set_condition(
        conditions,
        json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastProbeTime": stamp, "lastTransitionTime": stamp}),
    );
}

/// Pods whose containers are started again in place fail by the number of their restarts.
fn restarted_too_often(job: &Value, active: &[&Value], limit: i64) -> bool {
    if text(job, "/spec/template/spec/restartPolicy") != "OnFailure" {
        return false;
    }
    let restarts: i64 = active
        .iter()
        .flat_map(|pod| {
            ["/status/initContainerStatuses", "/status/containerStatuses"].map(|path| list(pod, path))
        })
        .flatten()
        .filter_map(|status| number(status, "/restartCount"))
        .fold(0, i64::saturating_add);
    restarts > 0 && restarts >= limit
}

fn stop(active: &[&Value], plan: &mut Plan) {
    for pod in active {
        plan.push(Change::Delete(Target::of(Kind::Pod, pod)));
    }
}

/// When the next pod may be made after so many failed: 10 s, 20 s, 40 s … 6 min after the last.
fn again(pods: &[&Value], failed: i64) -> Option<Timestamp> {
    let ended = |pod: &&Value| {
        list(pod, "/status/containerStatuses")
            .iter()
            .filter_map(|status| moment(status, "/state/terminated/finishedAt"))
            .max()
    };
    let last = pods.iter().filter_map(ended).max()?;
    let doublings = u32::try_from(failed - 1).unwrap_or_default().min(10);
    Some(seconds_after(last, (10i64 << doublings).min(360)))
}

fn create(job: &Value, about: &About) -> Change {
    let mut pod = new_pod(Kind::Job, job);
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", uid(job)),
        ("batch.kubernetes.io/job-name", name(job)),
        ("controller-uid", uid(job)),
        ("job-name", name(job)),
    ] {
        set(&mut pod, &["metadata", "labels", key], json!(value));
    }
    Change::Create(Box::new(Creation {
        kind: Kind::Pod,
        object: pod,
        done: Some(Note::normal(
            about.clone(),
            "SuccessfulCreate",
            "Created pod: {name}",
        )),
        failed: Some(Note::warning(
            about.clone(),
            "FailedCreate",
            "Error creating: {error}",
        )),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::object::condition;
    use crate::life::told::{status_of, told};

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn job(spec: &Value) -> Value {
        let mut job = json!({"metadata": {"name": "migrate", "namespace": "shop", "uid": "j"},
            "spec": {"completions": 1, "template": {"spec": {"restartPolicy": "Never"}}},
            "status": {"startTime": "2026-01-01T11:59:00Z"}});
        for (key, value) in spec.as_object().unwrap() {
            job["spec"][key] = value.clone();
        }
        job
    }

    fn pod(phase: &str) -> Value {
        json!({"metadata": {"name": phase.to_lowercase(), "uid": phase}, "status": {"phase": phase,
            "containerStatuses": [{"state": {"terminated": {"finishedAt": "2026-01-01T11:59:55Z"}}}]}})
    }

    fn check(spec: &Value, phases: &[&str], expect: &[&str]) -> Value {
        let pods: Vec<Value> = phases.iter().map(|phase| pod(phase)).collect();
        let plan = desired(
            &Slice {
                job: &job(spec),
                pods: pods.iter().collect(),
                refusal: None,
            },
            now(),
        );
        let lines = told(&plan);
        let lines: Vec<&str> = lines
            .iter()
            .map(String::as_str)
            .filter(|line| !line.starts_with("status"))
            .collect();
        assert_eq!(lines, expect, "{spec} {phases:?}");
        status_of(&plan)
    }

    #[test]
    fn jobs_run_to_their_end() {
        check(&json!({}), &[], &["create Pod migrate-*"]);
        check(&json!({}), &["Running"], &[]);
        let done = check(&json!({}), &["Succeeded"], &["- Completed: Job completed"]);
        assert_eq!(condition(&done, "Complete").unwrap()["status"], "True");
        assert_eq!(done["completionTime"], "2026-01-01T12:00:00Z");
        check(
            &json!({"completions": 3, "parallelism": 2}),
            &["Succeeded", "Running"],
            &["create Pod migrate-*"],
        );
        let held = check(
            &json!({"suspend": true}),
            &["Running"],
            &["delete Pod running", "- Suspended: Job suspended"],
        );
        assert_eq!(condition(&held, "Suspended").unwrap()["status"], "True");
        assert_eq!(held["startTime"], Value::Null);
        let mut resumed = job(&json!({}));
        resumed["status"] = held;
        let plan = desired(
            &Slice {
                job: &resumed,
                pods: Vec::new(),
                refusal: None,
            },
            now(),
        );
        assert_eq!(
            told(&plan),
            [
                "- Resumed: Job resumed",
                "create Pod migrate-*",
                "status Job migrate"
            ]
        );
        assert_eq!(
            condition(&status_of(&plan), "Suspended").unwrap()["status"],
            "False"
        );
        assert_eq!(status_of(&plan)["startTime"], "2026-01-01T12:00:00Z");
    }

    #[test]
    fn failed_pods_are_replaced_less_and_less_often() {
        check(&json!({}), &["Failed"], &["wake 2026-01-01T12:00:05Z"]);
        let lost = check(
            &json!({"backoffLimit": 0}),
            &["Failed"],
            &["! BackoffLimitExceeded: Job has reached the specified backoff limit"],
        );
        assert_eq!(
            condition(&lost, "Failed").unwrap()["reason"],
            "BackoffLimitExceeded"
        );
    }

    #[test]
    fn containers_that_are_started_again_in_place_count_too() {
        let restarted = |restarts: i64, limit: i64| {
            let mut job = job(&json!({"backoffLimit": limit}));
            job["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
            let pod = json!({"metadata": {"name": "a", "uid": "a"},
                "status": {"phase": "Running", "containerStatuses": [{"restartCount": restarts}]}});
            let plan = desired(
                &Slice {
                    job: &job,
                    pods: vec![&pod],
                    refusal: None,
                },
                now(),
            );
            condition(&status_of(&plan), "Failed").is_some()
        };
        assert!(!restarted(0, 0));
        assert!(restarted(1, 0));
        assert!(!restarted(5, 6));
        assert!(restarted(6, 6));
    }

    #[test]
    fn deadlines_and_times_to_live() {
        check(
            &json!({"activeDeadlineSeconds": 90}),
            &["Running"],
            &["wake 2026-01-01T12:00:30Z"],
        );
        check(
            &json!({"activeDeadlineSeconds": 60}),
            &["Running"],
            &[
                "delete Pod running",
                "! DeadlineExceeded: Job was active longer than specified deadline",
            ],
        );
        let mut finished = job(&json!({"ttlSecondsAfterFinished": 30}));
        finished["status"]["conditions"] =
            json!([{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T11:59:45Z"}]);
        let retire = |now: &str| {
            let slice = Slice {
                job: &finished,
                pods: Vec::new(),
                refusal: None,
            };
            told(&desired(&slice, now.parse().unwrap()))
        };
        assert_eq!(retire("2026-01-01T12:00:00Z"), ["wake 2026-01-01T12:00:15Z"]);
        assert_eq!(retire("2026-01-01T12:00:15Z"), ["delete Job migrate"]);
    }
}
