use super::*;
use crate::life::told::{status_of, told};

const CREATED: &str = "2026-01-01T11:58:00Z";

fn cron_job(spec: &Value, status: &Value) -> Value {
    let mut cron_job = json!({"metadata": {"name": "report", "namespace": "shop", "uid": "c", "creationTimestamp": CREATED},
        "spec": {"schedule": "*/5 * * * *", "concurrencyPolicy": "Allow", "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1, "jobTemplate": {
                "metadata": {"labels": {"app": "report"}, "annotations": {"note": "kept"}},
                "spec": {"template": {"spec": {"restartPolicy": "Never"}}}}},
        "status": status});
    for (key, value) in spec.as_object().unwrap() {
        cron_job["spec"][key] = value.clone();
    }
    cron_job
}

/// A Job that was made for a moment, and how it ended, if it did.
fn job(name: &str, made_for: &str, ended: Option<&str>) -> Value {
    let mut job = json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "7",
            "annotations": {SCHEDULED: made_for}},
        "status": {"startTime": made_for}});
    if let Some(how) = ended {
        job["status"]["conditions"] = json!([{"type": how, "status": "True"}]);
        if how == "Complete" {
            job["status"]["completionTime"] = json!("2026-01-01T12:00:30Z");
        }
    }
    job
}

fn look(cron_job: &Value, jobs: &[Value], now: &str) -> Plan {
    let slice = Slice {
        cron_job,
        jobs: jobs.iter().collect(),
    };
    desired(&slice, now.parse().unwrap())
}

fn check(cron_job: &Value, jobs: &[Value], now: &str, expect: &[&str]) -> Plan {
    let plan = look(cron_job, jobs, now);
    assert_eq!(told(&plan), expect, "{cron_job} at {now}");
    plan
}

fn running() -> Value {
    job("report-29455920", "2026-01-01T12:00:00Z", None)
}

/// The status while that Job runs.
fn busy() -> Value {
    json!({"active": [reference(&running())], "lastScheduleTime": "2026-01-01T12:00:00Z"})
}

#[test]
fn a_job_is_made_when_it_is_due() {
    let fresh = cron_job(&json!({}), &json!({}));
    check(
        &fresh,
        &[],
        "2026-01-01T11:59:59Z",
        &["wake 2026-01-01T12:00:00Z"],
    );
    let plan = check(
        &fresh,
        &[],
        "2026-01-01T12:00:00Z",
        &["create Job report-29454480", "wake 2026-01-01T12:05:00Z"],
    );
    let Some(Change::Create(creation)) = plan.changes.first() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        creation.object["metadata"]["annotations"],
        json!({"note": "kept", SCHEDULED: "2026-01-01T12:00:00Z"})
    );
    assert_eq!(creation.object["metadata"]["labels"], json!({"app": "report"}));
    assert_eq!(creation.object["metadata"]["ownerReferences"][0]["uid"], "c");
    assert_eq!(
        creation.object["spec"]["template"]["spec"]["restartPolicy"],
        "Never"
    );
}

#[test]
fn time_zones_count() {
    let local = cron_job(
        &json!({"schedule": "30 13 * * *", "timeZone": "Europe/Berlin"}),
        &json!({}),
    );
    check(
        &local,
        &[],
        "2026-01-01T12:00:00Z",
        &["wake 2026-01-01T12:30:00Z"],
    );
    let plan = look(&local, &[], "2026-01-01T12:30:00Z");
    let Some(Change::Create(creation)) = plan.changes.first() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        annotation(&creation.object, SCHEDULED),
        "2026-01-01T13:30:00+01:00"
    );
    let nowhere = cron_job(&json!({"timeZone": "Mars/Base"}), &json!({}));
    check(
        &nowhere,
        &[],
        "2026-01-01T12:00:00Z",
        &["! UnknownTimeZone: invalid timeZone: \"Mars/Base\": unknown time zone Mars/Base"],
    );
}

#[test]
fn the_status_follows_the_jobs() {
    let fresh = cron_job(&json!({}), &json!({}));
    let plan = check(
        &fresh,
        &[running()],
        "2026-01-01T12:00:01Z",
        &["status CronJob report", "wake 2026-01-01T12:05:00Z"],
    );
    assert_eq!(status_of(&plan), busy());
    let known = cron_job(&json!({}), &busy());
    check(
        &known,
        &[running()],
        "2026-01-01T12:00:01Z",
        &["wake 2026-01-01T12:05:00Z"],
    );

    let done = job("report-29455920", "2026-01-01T12:00:00Z", Some("Complete"));
    let plan = check(
        &known,
        &[done],
        "2026-01-01T12:00:31Z",
        &[
            "status CronJob report",
            "- SawCompletedJob: Saw completed job: report-29455920, condition: Complete",
            "wake 2026-01-01T12:05:00Z",
        ],
    );
    assert_eq!(
        status_of(&plan),
        json!({"lastScheduleTime": "2026-01-01T12:00:00Z", "lastSuccessfulTime": "2026-01-01T12:00:30Z"})
    );
    let lost = job("report-29455920", "2026-01-01T12:00:00Z", Some("Failed"));
    let plan = look(&known, &[lost], "2026-01-01T12:00:31Z");
    assert_eq!(
        status_of(&plan),
        json!({"lastScheduleTime": "2026-01-01T12:00:00Z"})
    );
    check(
        &known,
        &[],
        "2026-01-01T12:00:31Z",
        &[
            "status CronJob report",
            "- MissingJob: Active job went missing: report-29455920",
            "wake 2026-01-01T12:05:00Z",
        ],
    );
}

#[test]
fn a_job_made_by_hand_is_seen_and_left_alone() {
    let mut manual = job("by-hand", "", None);
    manual["metadata"]["annotations"] = json!({"cronjob.kubernetes.io/instantiate": "manual"});
    let fresh = cron_job(&json!({}), &json!({}));
    let said = "! UnexpectedJob: Saw a job that the controller did not create or forgot: by-hand";
    check(
        &fresh,
        &[manual.clone()],
        "2026-01-01T11:59:00Z",
        &[said, "wake 2026-01-01T12:00:00Z"],
    );
    manual["status"] = job("by-hand", "", Some("Complete"))["status"].clone();
    let plan = look(&fresh, &[manual], "2026-01-01T11:59:00Z");
    assert_eq!(
        status_of(&plan),
        json!({"lastSuccessfulTime": "2026-01-01T12:00:30Z"})
    );
}

#[test]
fn what_happens_while_one_is_running() {
    let check = |policy: &str, expect: &[&str]| {
        let known = cron_job(&json!({"concurrencyPolicy": policy}), &busy());
        check(&known, &[running()], "2026-01-01T12:05:00Z", expect)
    };
    let wake = "wake 2026-01-01T12:10:00Z";
    check("Allow", &["create Job report-29454485", wake]);
    check(
        "Forbid",
        &[
            "- JobAlreadyActive: Not starting job because prior execution is running and concurrency policy is Forbid",
            wake,
        ],
    );
    let plan = check(
        "Replace",
        &[
            "status CronJob report",
            "delete Job report-29455920",
            "- SuccessfulDelete: Deleted job report-29455920",
            "create Job report-29454485",
            wake,
        ],
    );
    assert_eq!(
        status_of(&plan),
        json!({"lastScheduleTime": "2026-01-01T12:00:00Z"})
    );
}

#[test]
fn what_was_missed_is_made_up_for_once() {
    let check =
        |spec: Value, now: &str, expect: &[&str]| check(&cron_job(&spec, &json!({})), &[], now, expect);
    check(
        json!({}),
        "2026-01-01T13:01:00Z",
        &["create Job report-29454540", "wake 2026-01-01T13:05:00Z"],
    );
    check(
        json!({"startingDeadlineSeconds": 30}),
        "2026-01-01T13:01:00Z",
        &["wake 2026-01-01T13:05:00Z"],
    );
    check(
        json!({"startingDeadlineSeconds": 90}),
        "2026-01-01T13:01:00Z",
        &["create Job report-29454540", "wake 2026-01-01T13:05:00Z"],
    );
    check(
        json!({"schedule": "* * * * *"}),
        "2026-01-02T13:01:30Z",
        &[
            "! TooManyMissedTimes: too many missed start times. Set or decrease .spec.startingDeadlineSeconds or \
             check clock skew",
            "create Job report-29455981",
            "wake 2026-01-02T13:02:00Z",
        ],
    );
}

#[test]
fn what_cannot_or_must_not_start() {
    let check = |spec: Value, expect: &[&str]| {
        check(&cron_job(&spec, &json!({})), &[], "2026-01-01T12:00:00Z", expect)
    };
    check(json!({"suspend": true}), &[]);
    check(
        json!({"schedule": "* * * *"}),
        &[
            "! UnparseableSchedule: unparseable schedule: \"* * * *\" : expected exactly 5 fields, found 4: [* * * *]",
        ],
    );
    check(json!({"schedule": "0 0 31 2 *"}), &[]);
    let mut leaving = cron_job(&json!({}), &json!({}));
    leaving["metadata"]["deletionTimestamp"] = json!(CREATED);
    assert!(look(&leaving, &[], "2026-01-01T12:00:00Z").changes.is_empty());
}

#[test]
fn the_oldest_of_those_that_are_over_go() {
    let jobs = [
        job("b", "2026-01-01T11:02:00Z", Some("Failed")),
        job("a", "2026-01-01T11:01:00Z", Some("Failed")),
        job("c", "2026-01-01T11:03:00Z", Some("Complete")),
        job("d", "2026-01-01T11:04:00Z", Some("Complete")),
    ];
    let deleted = |spec: Value| {
        let known = cron_job(&spec, &json!({"lastScheduleTime": "2026-01-01T11:04:00Z"}));
        let lines = told(&look(&known, &jobs, "2026-01-01T11:04:30Z"));
        let deleted = lines.iter().filter_map(|line| line.strip_prefix("delete Job "));
        deleted.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(deleted(json!({})), ["a"]);
    assert_eq!(
        deleted(json!({"successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 2})),
        ["c", "d"]
    );
    assert_eq!(
        deleted(json!({"successfulJobsHistoryLimit": null, "failedJobsHistoryLimit": null})),
        Vec::<String>::new()
    );
}
