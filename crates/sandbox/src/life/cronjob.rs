//! CronJobs: a Job at each moment of a schedule. After Kubernetes' cron job controller.
//!
//! A pure function. A Job carries the moment it was made for, so the status can always be told from the Jobs: a start
//! that was interrupted is found again, and none happens twice.

mod history;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schedule::Schedule;
use serde_json::{Map, Value, json};

use super::change::{About, Change, Creation, Note, Plan, Target};
use super::job::{ended_as, is_finished};
use super::kind::Kind;
use super::object::{
    self, annotation, deleting, list, moment, name, namespace, number, seconds_after, stamp, text, truth, uid,
};

/// The moment a Job was made for.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// More missed runs than this are worth a warning.
const MANY: usize = 100;

/// What a CronJob is looked at with.
pub(crate) struct Slice<'a> {
    /// The CronJob.
    pub(crate) cron_job: &'a Value,
    /// The Jobs it controls.
    pub(crate) jobs: Vec<&'a Value>,
}

/// What is to be done for a CronJob.
pub(crate) fn desired(slice: &Slice<'_>, now: Timestamp) -> Plan {
    let cron_job = slice.cron_job;
    let about = About::new(Kind::CronJob, cron_job);
    let mut state = State::of(slice, &about);
    let mut rest = Plan::default();
    if !deleting(cron_job) {
        start(slice, &mut state, &about, now, &mut rest);
        history::clean_up(slice, &about, &mut rest);
    }

    // The status comes first: what follows is found again if it is cut short, what is forgotten is not.
    let mut plan = Plan::default();
    let status = state.status();
    let known = object::status(cron_job);
    if status != *known && !(known.is_null() && status == json!({})) {
        plan.push(Change::Status(
            Kind::CronJob,
            object::with_status(cron_job, status),
        ));
    }
    plan.changes.extend(state.notes.into_iter().map(Change::Note));
    plan.changes.append(&mut rest.changes);
    plan.wake = rest.wake;
    plan
}

/// What the Jobs say about a CronJob.
struct State {
    active: Vec<Value>,
    last_start: Option<Timestamp>,
    last_success: Option<Timestamp>,
    notes: Vec<Note>,
}

impl State {
    fn of(slice: &Slice<'_>, about: &About) -> Self {
        let cron_job = slice.cron_job;
        let mut notes = Vec::new();
        let mut active = Vec::new();
        for reference in list(cron_job, "/status/active") {
            let job = slice.jobs.iter().find(|job| uid(job) == text(reference, "/uid"));
            match job.map(|job| (job, ended_as(job))) {
                Some((_, None)) => active.push(reference.clone()),
                Some((job, Some(how))) => {
                    let message = format!("Saw completed job: {}, condition: {how}", name(job));
                    notes.push(Note::normal(about.clone(), "SawCompletedJob", message));
                }
                None => {
                    let message = format!("Active job went missing: {}", text(reference, "/name"));
                    notes.push(Note::normal(about.clone(), "MissingJob", message));
                }
            }
        }
        let mut last_start = moment(cron_job, "/status/lastScheduleTime");
        let mut last_success = moment(cron_job, "/status/lastSuccessfulTime");
        for job in &slice.jobs {
            let made_for = annotation(job, SCHEDULED).parse().ok();
            last_start = last_start.max(made_for);
            if ended_as(job) == Some("Complete") {
                last_success = last_success.max(moment(job, "/status/completionTime"));
            }
            let listed = active
                .iter()
                .any(|reference: &Value| text(reference, "/uid") == uid(job));
            if listed || is_finished(job) || deleting(job) {
                continue;
            }
            if made_for.is_some() {
                active.push(reference(job));
            } else {
                let message = format!(
                    "Saw a job that the controller did not create or forgot: {}",
                    name(job)
                );
                notes.push(Note::warning(about.clone(), "UnexpectedJob", message).once());
            }
        }
        Self {
            active,
            last_start,
            last_success,
            notes,
        }
    }

    fn status(&self) -> Value {
        let mut status = Map::new();
        if !self.active.is_empty() {
            status.insert("active".to_owned(), json!(self.active));
        }
        for (key, moment) in [
            ("lastScheduleTime", self.last_start),
            ("lastSuccessfulTime", self.last_success),
        ] {
            if let Some(moment) = moment {
                status.insert(key.to_owned(), json!(stamp(moment)));
            }
        }
        Value::Object(status)
    }
}

/// Makes the Job that is due, if one is and nothing stands against it.
fn start(slice: &Slice<'_>, state: &mut State, about: &About, now: Timestamp, plan: &mut Plan) {
    let cron_job = slice.cron_job;
    let place = text(cron_job, "/spec/timeZone");
    let Some(zone) = schedule::time_zone(place) else {
        let message = format!("invalid timeZone: {place:?}: unknown time zone {place}");
        state
            .notes
            .push(Note::warning(about.clone(), "UnknownTimeZone", message).once());
        return;
    };
    if truth(cron_job, "/spec/suspend") {
        return;
    }
    let written = text(cron_job, "/spec/schedule");
    let schedule = match Schedule::parse(written) {
        Ok(schedule) => schedule,
        Err(error) => {
            let message = format!("unparseable schedule: {written:?} : {error}");
            state
                .notes
                .push(Note::warning(about.clone(), "UnparseableSchedule", message).once());
            return;
        }
    };
    let known = state.last_start.unwrap_or_else(|| object::created(cron_job));
    let deadline = number(cron_job, "/spec/startingDeadlineSeconds");
    let since = deadline.map_or(known, |seconds| known.max(seconds_after(now, -seconds.max(0))));
    if let Some(next) = schedule.next(now, &zone) {
        plan.wake_at(next);
    }
    let Some(due) = schedule.latest(since, now, &zone) else {
        return;
    };
    if schedule.count(since, now, &zone, MANY + 1) > MANY {
        let message =
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
        state
            .notes
            .push(Note::warning(about.clone(), "TooManyMissedTimes", message).once());
    }
    match text(cron_job, "/spec/concurrencyPolicy") {
        "Forbid" if !state.active.is_empty() => {
            let message =
                "Not starting job because prior execution is running and concurrency policy is Forbid";
            state
                .notes
                .push(Note::normal(about.clone(), "JobAlreadyActive", message).once());
            return;
        }
        "Replace" => {
            for reference in std::mem::take(&mut state.active) {
                let running = slice.jobs.iter();
                if let Some(job) = running.copied().find(|job| uid(job) == text(&reference, "/uid")) {
                    remove(job, about, plan);
                }
            }
        }
        _ => {}
    }
    plan.push(create(cron_job, due, &zone, about));
}

fn remove(job: &Value, about: &About, plan: &mut Plan) {
    plan.push(Change::Delete(Target::of(Kind::Job, job)));
    let message = format!("Deleted job {}", name(job));
    plan.note(Note::normal(about.clone(), "SuccessfulDelete", message));
}

fn create(cron_job: &Value, due: Timestamp, zone: &TimeZone, about: &About) -> Change {
    let template = cron_job.pointer("/spec/jobTemplate").cloned().unwrap_or_default();
    let mut job = json!({
        "apiVersion": Kind::Job.api_version(),
        "kind": Kind::Job.name(),
        "metadata": {
            "name": format!("{}-{}", name(cron_job), due.as_second().div_euclid(60)),
            "namespace": namespace(cron_job),
            "ownerReferences": [object::owner_reference(Kind::CronJob, cron_job)],
        },
        "spec": template.get("spec"),
    });
    for key in ["labels", "annotations"] {
        if let Some(value) = template.get("metadata").and_then(|metadata| metadata.get(key)) {
            object::set(&mut job, &["metadata", key], value.clone());
        }
    }
    let made_for = if *zone == TimeZone::UTC {
        stamp(due)
    } else {
        due.to_zoned(zone.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string()
    };
    object::set(&mut job, &["metadata", "annotations", SCHEDULED], json!(made_for));
    Change::Create(Box::new(Creation {
        kind: Kind::Job,
        object: job,
        done: Some(Note::normal(
            about.clone(),
            "SuccessfulCreate",
            "Created job {name}",
        )),
        failed: Some(Note::warning(
            about.clone(),
            "FailedCreate",
            "Error creating job: {error}",
        )),
    }))
}

fn reference(job: &Value) -> Value {
    json!({
        "apiVersion": Kind::Job.api_version(),
        "kind": Kind::Job.name(),
        "namespace": namespace(job),
        "name": name(job),
        "uid": uid(job),
        "resourceVersion": text(job, "/metadata/resourceVersion"),
    })
}

#[cfg(test)]
mod tests;
