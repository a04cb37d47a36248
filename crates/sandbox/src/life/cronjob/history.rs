//! Which of the Jobs that are over go: of each outcome, the oldest beyond the limit.

use super::super::change::{About, Plan};
use super::super::job::ended_as;
use super::super::object::{deleting, moment, name, number};
use super::{Slice, Value, remove};

/// Deletes what is too much.
pub(super) fn clean_up(slice: &Slice<'_>, about: &About, plan: &mut Plan) {
    for (how, limit) in [
        ("Complete", "/spec/successfulJobsHistoryLimit"),
        ("Failed", "/spec/failedJobsHistoryLimit"),
    ] {
        let Some(limit) = number(slice.cron_job, limit) else {
            continue;
        };
        let over = slice.jobs.iter().copied();
        let mut over: Vec<&Value> = over
            .filter(|job| ended_as(job) == Some(how) && !deleting(job))
            .collect();
        over.sort_by_key(|job| {
            let started = moment(job, "/status/startTime");
            (started.is_none(), started, name(job).to_owned())
        });
        let superfluous = over
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or_default());
        for job in over.into_iter().take(superfluous) {
            remove(job, about, plan);
        }
    }
}
