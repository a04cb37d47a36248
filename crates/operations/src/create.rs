//! `create_service`: from intent to a healthy service, and nothing left behind when it does not get there.
//!
//! # Flow
//! check the request -> expand -> guardrails -> scaffold -> commit -> synced -> claims ready -> replicas ready
//!
//! # Guarantees
//! - Nothing is written before the guardrails have passed.
//! - Each step that writes is in the journal, with its undo, before it runs.
//! - The same create with the same request resumes a half-done run, or finds that everything is as asked; with
//!   another request it is a conflict.
//! - A failure or an interrupt before the service stands undoes what the run did, Git first.

mod plan;
mod ready;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use delivery::Outcome as GitOutcome;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::error::OperationError;
use crate::guard::refuse;
use crate::journal::{Outcome, Run, RunLog, Subject};
use crate::operation;
use crate::platform::Platform;
use crate::progress::{Progress, Reporter};
use crate::view::{ServiceView, get_service};
use crate::wait::{Patience, unless_stuck};

use plan::{Existing, Plan};

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// The service's name.
    pub name: String,
    /// The team; the default team of the sandbox when absent.
    pub team: Option<String>,
    /// The environment; the platform's default when absent.
    pub environment: Option<String>,
    /// The language, which picks the scaffold.
    pub language: Option<String>,
    /// The golden path: `worker`, `base-service@1.0.0`; the default one when absent.
    pub golden_path: Option<String>,
    /// The fewest and the most copies, where an autoscaler decides.
    pub autoscale: Option<(i32, i32)>,
    /// Answer from outside the cluster.
    pub route: bool,
    /// Answer from outside the cluster at this host.
    pub host: Option<String>,
    /// When it runs, as cron says it.
    pub schedule: Option<String>,
    /// The time zone of the schedule.
    pub time_zone: Option<String>,
    /// How many copies.
    pub replicas: Option<i32>,
    /// Which database: `postgres`, `postgres:17`.
    pub database: Option<String>,
    /// Which cache: `redis`, `redis:7.2`.
    pub cache: Option<String>,
    /// The image, when there is one already.
    pub image: Option<String>,
    /// The port the service listens on.
    pub port: Option<i32>,
    /// A named size.
    pub size: Option<String>,
    /// Where the source repository goes; nowhere when absent.
    pub scaffold: Option<PathBuf>,
    /// Stop before anything is written.
    pub dry_run: bool,
    /// How long to wait for a healthy service.
    pub timeout: Duration,
    /// The command as it was typed, for the journal.
    pub typed: String,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Created {
    /// The service as it stands; absent after a dry run.
    pub service: Option<ServiceView>,
    /// How many objects it has, claims included.
    pub objects: usize,
    /// What would be written, for a dry run.
    pub manifest: String,
    /// Where its file is in the infrastructure repository.
    pub path: String,
    /// Where the source repository is.
    pub source: Option<PathBuf>,
    /// Whether there was nothing to do.
    pub unchanged: bool,
    /// Why nothing runs yet, if nothing is meant to.
    pub suspended: Option<&'static str>,
    /// How long it took.
    pub took: Duration,
}

/// The steps that write, by the names the journal knows them by.
pub(crate) const STEP_SCAFFOLD: &str = "scaffold";
pub(crate) const STEP_COMMIT: &str = "commit";
/// The command, as journals write it.
pub(crate) const COMMAND: &str = "service create";

/// Creates a service, or goes on where an earlier run of the same request stopped.
pub async fn create_service(
    platform: &Platform,
    request: &CreateRequest,
    reporter: &dyn Reporter,
    cancel: &CancellationToken,
) -> Result<Created, OperationError> {
    let begun = Instant::now();
    let mut lap = Lap::new(reporter);

    let plan = Plan::make(platform, request)?;
    lap.done("checked the request", String::new(), String::new());
    let expansion = &plan.expansion;
    let objects = expansion.objects.len() + expansion.claims.len();
    lap.done(
        &format!("expanded {}", expansion.golden_path.replace('@', " ")),
        plural(objects, "object"),
        String::new(),
    );
    refuse(&plan.refusals)?;
    lap.done(
        "guardrails",
        format!("{}, all pass", plural(plan.judgement.rules, "rule")),
        String::new(),
    );
    for note in &plan.notes {
        reporter.note(note);
    }
    for left_out in &expansion.left_out {
        reporter.note(&format!("{} is left out: {}", left_out.object, left_out.reason));
    }

    let mut created = Created {
        service: None,
        objects,
        manifest: plan.text.clone(),
        path: plan.path.to_string(),
        source: plan.scaffold.as_ref().map(|s| s.folder.clone()),
        unchanged: false,
        suspended: expansion.suspended,
        took: Duration::ZERO,
    };
    let left = earlier_run(platform, &plan)?;
    match (&plan.existing, &left) {
        (Existing::Different, None) => return Err(plan.already_there()),
        (Existing::Same, None) => created.unchanged = true,
        _ => {}
    }
    if request.dry_run {
        created.took = begun.elapsed();
        return Ok(created);
    }
    let patience = Patience::new(request.timeout, cancel.clone());
    patience.check()?;

    if created.unchanged {
        reporter.note(&format!(
            "{} is already in Git as asked; nothing is written.",
            request.name
        ));
        let commit = last_commit(platform, &plan)?;
        platform.sync_soon().await?;
        unless_stuck(
            platform,
            ready::wait(platform, &plan, &commit, &patience, &mut lap),
        )
        .await?;
        created.source = None;
    } else {
        if let Some(log) = &left {
            reporter.note(&format!(
                "Going on with the run of {} that was left half done.",
                log.time
            ));
        }
        let mut run = open_run(platform, request, &plan, left).await?;
        let written = write(platform, request, &plan, &mut run, &patience, &mut lap).await;
        match written {
            Ok(()) => run.finish(Outcome::Done, jiff::Timestamp::now())?,
            Err(error) => {
                settle(platform, &mut run, &error, reporter).await?;
                return Err(error);
            }
        }
    }
    created.service = Some(
        get_service(
            platform,
            &request.name,
            plan.place.team.as_deref(),
            plan.place.environment.as_deref(),
        )
        .await?,
    );
    created.took = begun.elapsed();
    Ok(created)
}

/// What to do about a run that did not get to its end.
pub(crate) async fn settle(
    platform: &Platform,
    run: &mut Run,
    error: &OperationError,
    reporter: &dyn Reporter,
) -> Result<(), OperationError> {
    match error {
        // The service stands as asked; it is only not well, or not yet. Its owner decides what to do.
        OperationError::TimedOut { .. } | OperationError::Unhealthy { .. } => {
            run.finish(Outcome::Done, jiff::Timestamp::now())
        }
        // Nobody knows how far the cluster is: the same command goes on, or undo is asked for.
        OperationError::Cluster { .. } | OperationError::Stopped(_) => {
            reporter.note(&format!(
                "The run is half done. Go on with the same command, or undo it with: platform operation undo {}",
                run.log.id
            ));
            Ok(())
        }
        _ => {
            let stopped = matches!(error, OperationError::Interrupted);
            reporter.note(if stopped {
                "Stopping. Undoing what this run did:"
            } else {
                "Undoing what this run did:"
            });
            operation::undo(platform, run, reporter).await
        }
    }
}

/// The half-done run for this service, if it is for the same request.
fn earlier_run(platform: &Platform, plan: &Plan) -> Result<Option<RunLog>, OperationError> {
    let target = platform.target.id();
    let service = plan.subject();
    let mine = |run: &RunLog| run.subject.target == target && run.subject.service == service;
    let Some(run) = platform.journal.unfinished().into_iter().rfind(mine) else {
        return Ok(None);
    };
    if run.subject.command == COMMAND && run.subject.digest == plan.digest {
        return Ok(Some(run));
    }
    Err(operation::half_done(&run))
}

async fn open_run(
    platform: &Platform,
    request: &CreateRequest,
    plan: &Plan,
    left: Option<RunLog>,
) -> Result<Run, OperationError> {
    if let Some(log) = left {
        return platform.journal.reopen(log);
    }
    if let Some(scaffold) = &plan.scaffold {
        scaffold.check_free()?;
    }
    let subject = Subject {
        command: COMMAND.to_owned(),
        target: platform.target.id(),
        service: plan.subject(),
        digest: plan.digest.clone(),
        typed: request.typed.clone(),
    };
    let facts = operation::facts_before(platform, &plan.place.namespace, &request.name).await?;
    platform.journal.begin(subject, facts, jiff::Timestamp::now())
}

/// The steps that write, and the wait for what they bring about.
async fn write(
    platform: &Platform,
    request: &CreateRequest,
    plan: &Plan,
    run: &mut Run,
    patience: &Patience,
    lap: &mut Lap<'_>,
) -> Result<(), OperationError> {
    crate::fault::point("begin", "after");
    if let Some(scaffold) = &plan.scaffold {
        patience.check()?;
        lap.started("scaffolding the source repository");
        run.starting(
            STEP_SCAFFOLD,
            json!({"folder": scaffold.folder, "digest": scaffold.digest}),
        )?;
        crate::fault::point(STEP_SCAFFOLD, "before");
        scaffold.write(&run.log.id, &platform.author)?;
        crate::fault::point(STEP_SCAFFOLD, "after");
        run.done(STEP_SCAFFOLD, Value::Null)?;
        lap.done(
            "scaffolded the source repository",
            format!("{}, {}", scaffold.language, plural(scaffold.files.len(), "file")),
            scaffold.folder.display().to_string(),
        );
    }

    patience.check()?;
    lap.started("committing");
    run.starting(STEP_COMMIT, json!({"path": plan.path.as_str()}))?;
    crate::fault::point(STEP_COMMIT, "before");
    let commit = match platform.repository.commit(&plan.change(platform, &run.log.id))? {
        GitOutcome::Committed { id, .. } => id,
        GitOutcome::NothingChanged { .. } => last_commit(platform, plan)?,
    };
    crate::fault::point(STEP_COMMIT, "after");
    run.done(STEP_COMMIT, json!({"commit": commit.as_str()}))?;
    let by = format!("{} by {}", commit.short(), platform.author.name());
    lap.done("committed to infrastructure", by, plan.path.to_string());

    platform.sync_soon().await?;
    crate::fault::point("ready", "before");
    unless_stuck(platform, ready::wait(platform, plan, &commit, patience, lap)).await?;
    crate::fault::point("ready", "after");
    tracing::debug!(service = request.name, "ready");
    Ok(())
}

fn last_commit(platform: &Platform, plan: &Plan) -> Result<delivery::CommitId, OperationError> {
    let head = platform.repository.head()?;
    let log = platform.repository.log(&head, Some(&plan.path), 1)?;
    Ok(log.into_iter().next().map_or(head, |entry| entry.id))
}

/// Measures and tells steps.
pub(crate) struct Lap<'a> {
    pub(crate) reporter: &'a dyn Reporter,
    since: Instant,
}

impl<'a> Lap<'a> {
    pub(crate) fn new(reporter: &'a dyn Reporter) -> Self {
        Self {
            reporter,
            since: Instant::now(),
        }
    }

    pub(crate) fn started(&self, what: &str) {
        self.reporter.started(what);
    }

    pub(crate) fn done(&mut self, what: &str, detail: String, place: String) {
        let took = self.since.elapsed();
        self.since = Instant::now();
        self.reporter.done(Progress {
            what: what.to_owned(),
            detail,
            took,
            place,
        });
    }
}

/// `1 object`, `17 objects`.
pub(crate) fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
