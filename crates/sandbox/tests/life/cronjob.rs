//! CronJobs, and the Jobs they make.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::living::{Living, NAMESPACE};
use super::settled::settle;

pub(crate) fn cron_job(spec: &Value, annotations: &Value) -> Value {
    let mut cron_job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "report", "namespace": NAMESPACE},
        "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"backoffLimit": 0, "template": {
            "metadata": {"annotations": annotations},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "report", "image": "report:1"}]}}}}},
    });
    for (key, value) in spec.as_object().unwrap() {
        cron_job["spec"][key] = value.clone();
    }
    cron_job
}

impl Living {
    async fn until_cron_job(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until_named("batch/v1", "CronJob", "report", what, holds)
            .await
    }

    fn minutes_later(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
    }
}

#[tokio::test]
async fn each_moment_of_the_schedule_gets_a_job() {
    let living = Living::start();
    living.create(cron_job(&json!({}), &json!({}))).await;
    for run in 1..=5 {
        living.minutes_later(5);
        let moment = format!("2026-01-01T12:{:02}:00Z", run * 5);
        let seen = living
            .until_cron_job("run", |it| {
                it["status"]["lastScheduleTime"] == json!(moment)
                    && it["status"]["lastSuccessfulTime"] == json!(moment)
                    && it["status"]["active"].is_null()
            })
            .await;
        assert_eq!(
            seen["spec"]["successfulJobsHistoryLimit"], 3,
            "defaults are filled in"
        );
    }
    living
        .until_event("SuccessfulDelete", |message| {
            message == "Deleted job report-29454490"
        })
        .await;
    for (reason, message) in [
        ("SuccessfulCreate", "Created job report-29454505"),
        (
            "SawCompletedJob",
            "Saw completed job: report-29454505, condition: Complete",
        ),
    ] {
        living.until_event(reason, |said| said == message).await;
    }
    let jobs = living.list("batch/v1", "Job").await;
    let names: Vec<&str> = jobs
        .iter()
        .map(|job| job["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["report-29454495", "report-29454500", "report-29454505"]);
}

#[tokio::test]
async fn a_run_that_takes_long_holds_the_next_back_until_it_is_over() {
    let living = Living::start();
    let slow = json!({"sandbox.towpath.dev/runs-for": "7m"});
    living
        .create(cron_job(&json!({"concurrencyPolicy": "Forbid"}), &slow))
        .await;
    living.minutes_later(5);
    let running = |moment: &'static str| {
        move |it: &Value| {
            it["status"]["active"].as_array().map(Vec::len) == Some(1)
                && it["status"]["lastScheduleTime"] == moment
        }
    };
    living
        .until_cron_job("running", running("2026-01-01T12:05:00Z"))
        .await;
    let is_up = |pod: &Value| pod["status"]["phase"] == "Running";
    living.until("v1", "Pod", "running", is_up).await;
    living.minutes_later(5);
    living.until_event("JobAlreadyActive", |_| true).await;
    assert_eq!(living.list("batch/v1", "Job").await.len(), 1);
    living.minutes_later(2);
    living
        .until_cron_job("running again", running("2026-01-01T12:10:00Z"))
        .await;
}

#[tokio::test]
async fn a_run_is_replaced_by_the_next() {
    let living = Living::start();
    let slow = json!({"sandbox.towpath.dev/runs-for": "1h"});
    living
        .create(cron_job(&json!({"concurrencyPolicy": "Replace"}), &slow))
        .await;
    living.minutes_later(5);
    living
        .until_cron_job("running", |it| {
            it["status"]["active"][0]["name"] == "report-29454485"
        })
        .await;
    living.minutes_later(5);
    living
        .until_cron_job("replaced", |it| {
            it["status"]["active"][0]["name"] == "report-29454490"
        })
        .await;
    assert_eq!(living.list("batch/v1", "Job").await.len(), 1);
}

#[tokio::test]
async fn a_run_that_fails_and_one_that_is_started_by_hand() {
    let living = Living::start();
    let made = living
        .create(cron_job(
            &json!({}),
            &json!({"sandbox.towpath.dev/fail": "crash"}),
        ))
        .await;
    living.minutes_later(5);
    living
        .until_event("SawCompletedJob", |message| {
            message == "Saw completed job: report-29454485, condition: Failed"
        })
        .await;
    let failed = living
        .until_cron_job("over", |it| {
            it["status"]["active"].is_null() && it["status"]["lastScheduleTime"].is_string()
        })
        .await;
    assert_eq!(failed["status"]["lastSuccessfulTime"], Value::Null);

    // As kubectl create job --from=cronjob/report does.
    let mut template = made["spec"]["jobTemplate"].clone();
    template["spec"]["template"]["metadata"]["annotations"] = json!({});
    living
        .create(json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": "now", "namespace": NAMESPACE,
                "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "report",
                    "uid": made["metadata"]["uid"], "controller": true}],
            },
            "spec": template["spec"],
        }))
        .await;
    living
        .until_cron_job("succeeded by hand", |it| {
            it["status"]["lastSuccessfulTime"] == "2026-01-01T12:05:00Z"
        })
        .await;
}

#[tokio::test]
async fn runs_missed_while_nobody_looked_are_made_up_for_once() {
    let living = Living::start();
    living.create(cron_job(&json!({}), &json!({}))).await;
    living.minutes_later(24 * 60);
    living
        .until_cron_job("run", |it| {
            it["status"]["lastScheduleTime"] == "2026-01-02T12:00:00Z"
        })
        .await;
    living.until_event("TooManyMissedTimes", |_| true).await;
    assert_eq!(living.list("batch/v1", "Job").await.len(), 1);
    // Controllers that start again make none twice.
    let living = living.restart().await;
    settle(&living, "looked").await;
    assert_eq!(living.list("batch/v1", "Job").await.len(), 1);
}
