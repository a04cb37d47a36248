//! `delete_service`: out of Git first, then out of the cluster; data stays unless it is asked for by name.

use std::time::{Duration, Instant};

use api::{DeletionPolicy, Kind};
use delivery::{ChangeSet, CommitId, Outcome as GitOutcome};
use expansion::Place;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::create::{Lap, STEP_COMMIT};
use crate::error::OperationError;
use crate::journal::{Outcome, Run, RunLog, Subject};
use crate::operation::{half_done, leftovers, wait_gone};
use crate::platform::Platform;
use crate::progress::Reporter;
use crate::synced::wait_synced;
use crate::wait::{Patience, unless_stuck};

/// What is to be deleted.
#[derive(Clone, Debug)]
pub struct DeleteRequest {
    /// The service.
    pub name: String,
    /// Its team, where the name alone is not enough.
    pub team: Option<String>,
    /// Its environment, where the name alone is not enough.
    pub environment: Option<String>,
    /// Delete its database and cache with everything in them.
    pub delete_data: bool,
    /// How long to wait for the cluster.
    pub timeout: Duration,
    /// The command as it was typed.
    pub typed: String,
}

/// What was deleted, and what stayed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// The service.
    pub name: String,
    /// `team/environment`.
    pub place: String,
    /// What holds data and stayed, such as `database api-gateway-db`.
    pub kept: Vec<String>,
    /// What held data and was deleted.
    pub deleted: Vec<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u128,
}

/// Where a service that is gone left its data, if it did.
async fn data_left(platform: &Platform, request: &DeleteRequest) -> Result<Option<Place>, OperationError> {
    let team = request.team.as_ref().or(platform.settings.team.as_ref());
    let environment = request
        .environment
        .as_ref()
        .or(platform.settings.environment.as_ref());
    let (Some(team), Some(environment)) = (team, environment) else {
        return Ok(None);
    };
    let place = Place::of(team, environment);
    for leftover in leftovers(platform, &place.namespace, &request.name) {
        if leftover.uid().await?.is_some() {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Deletes a service.
///
/// The commit is the point of no return: what comes after it is only waiting for the cluster to follow, and a
/// run that is cut off there is finished by the same command. Without `delete_data` the database and cache
/// claims stay, with their credentials and volumes, and a service of the same name finds them again.
pub async fn delete_service(
    platform: &Platform,
    request: &DeleteRequest,
    reporter: &dyn Reporter,
    cancel: &CancellationToken,
) -> Result<Deleted, OperationError> {
    let begun = Instant::now();
    let mut lap = Lap::new(reporter);
    let (catalog, head) = Catalog::read(&platform.repository, &platform.settings)?;
    let (team, environment) = (request.team.as_deref(), request.environment.as_deref());
    let target = platform.target.id();
    let mut unfinished = platform.journal.unfinished();
    unfinished.retain(|run| run.subject.target == target);
    let found = catalog.find(&request.name, team, environment);
    let left = match &found {
        Ok(service) => {
            let subject = format!("{}/{}", service.place.namespace, request.name);
            unfinished.into_iter().rfind(|run| run.subject.service == subject)
        }
        Err(_) => unfinished.into_iter().rfind(|run| is_of(run, request)),
    };
    if let Some(run) = left.as_ref().filter(|run| run.subject.command != COMMAND) {
        return Err(half_done(run));
    }
    let (place, path, keeps) = match (found, &left) {
        (Ok(service), _) => {
            let database = service.application.spec.database.as_ref();
            let policy = database.and_then(|d| d.deletion_policy).unwrap_or_default();
            (
                service.place,
                Some(service.path),
                policy == DeletionPolicy::Retain,
            )
        }
        // The file is gone already, by this very command: what is left is to wait for the cluster.
        (Err(OperationError::NotFound { .. }), Some(log)) => {
            let text = |key: &str| {
                log.facts
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let keeps = log.facts.get("keepsDatabase") != Some(&json!(false));
            (Place::of(&text("team"), &text("environment")), None, keeps)
        }
        // The service went earlier and left its data; now that is to go as well.
        (Err(error @ OperationError::NotFound { .. }), None) if request.delete_data => {
            match data_left(platform, request).await? {
                Some(place) => (place, None, true),
                None => return Err(error),
            }
        }
        (Err(error), _) => return Err(error),
    };
    let subject = Subject {
        command: COMMAND.to_owned(),
        target,
        service: format!("{}/{}", place.namespace, request.name),
        digest: request.delete_data.to_string(),
        typed: request.typed.clone(),
    };
    let mut run = if let Some(log) = left {
        platform.journal.reopen(log)?
    } else {
        let facts = json!({"team": place.team, "environment": place.environment, "keepsDatabase": keeps});
        platform.journal.begin(subject, facts, jiff::Timestamp::now())?
    };

    let commit = if let Some(path) = path {
        run.starting(STEP_COMMIT, json!({"path": path.as_str()}))?;
        let message = format!(
            "Delete {} from {}\n\nOperation: {}\n",
            request.name,
            place.describe(),
            run.log.id
        );
        let change = ChangeSet::new(message, platform.author.clone(), jiff::Timestamp::now())
            .delete(path.clone())
            .based_on(head);
        crate::fault::point(STEP_COMMIT, "before");
        let outcome = match platform.repository.commit(&change) {
            Ok(outcome) => outcome,
            Err(error) => {
                run.finish(Outcome::Undone, jiff::Timestamp::now())?;
                return Err(error.into());
            }
        };
        crate::fault::point(STEP_COMMIT, "after");
        run.done(STEP_COMMIT, json!({"commit": outcome.commit().as_str()}))?;
        if let GitOutcome::Committed { id, .. } = &outcome {
            lap.done(
                "committed to infrastructure",
                format!("{} by {}", id.short(), platform.author.name()),
                path.to_string(),
            );
        }
        outcome.commit().clone()
    } else {
        head
    };
    let leaving = Leaving { place, keeps, commit };
    let patience = Patience::new(request.timeout, cancel.clone());
    let following = follow(platform, request, &mut run, &leaving, &patience, &mut lap);
    let followed = unless_stuck(platform, following).await;
    let (kept, deleted) = followed.inspect_err(|_| {
        reporter.note(&format!(
            "{} is out of Git. The same command goes on from here; to take it back: platform operation undo {}",
            request.name, run.log.id
        ));
    })?;
    run.finish(Outcome::Done, jiff::Timestamp::now())?;
    Ok(Deleted {
        name: request.name.clone(),
        place: leaving.place.describe(),
        kept,
        deleted,
        took_ms: begun.elapsed().as_millis(),
    })
}

/// A service that is out of Git.
struct Leaving {
    place: Place,
    /// Whether its database is meant to outlive it.
    keeps: bool,
    /// The commit that took it out, or a later one.
    commit: CommitId,
}

/// Waits until the cluster has followed Git, and sees to the data: what was kept, and what was deleted.
async fn follow(
    platform: &Platform,
    request: &DeleteRequest,
    run: &mut Run,
    leaving: &Leaving,
    patience: &Patience,
    lap: &mut Lap<'_>,
) -> Result<(Vec<String>, Vec<String>), OperationError> {
    let namespace = &leaving.place.namespace;
    platform.sync_soon().await?;
    lap.started("waiting for the cluster");
    wait_synced(platform, &leaving.commit, patience).await?;
    wait_gone(platform, namespace, &request.name, patience).await?;
    lap.done("removed from the cluster", request.name.clone(), String::new());

    if request.delete_data {
        run.starting(STEP_DATA, Value::Null)?;
        crate::fault::point(STEP_DATA, "before");
    }
    let (mut kept, mut deleted) = (Vec::new(), Vec::new());
    for leftover in leftovers(platform, namespace, &request.name) {
        let Some(uid) = leftover.uid().await? else {
            continue;
        };
        let words = leftover.describe();
        let stays = leftover.claim == Kind::Database && leaving.keeps;
        if !stays {
            // Owned by the service: it goes with it.
            leftover.wait_gone(&uid, patience).await?;
            deleted.push(words);
        } else if request.delete_data {
            leftover.delete(&uid, patience).await?;
            lap.done("deleted", words.clone(), String::new());
            deleted.push(words);
        } else {
            kept.push(words);
        }
    }
    Ok((kept, deleted))
}

/// Whether a half-done run is a delete of the service that is asked for, as far as that is said.
fn is_of(run: &RunLog, request: &DeleteRequest) -> bool {
    let named = run
        .subject
        .service
        .rsplit_once('/')
        .is_some_and(|(_, name)| name == request.name);
    let agrees = |key: &str, asked: Option<&String>| {
        asked.is_none_or(|asked| run.facts.get(key).and_then(Value::as_str) == Some(asked.as_str()))
    };
    run.subject.command == COMMAND
        && named
        && agrees("team", request.team.as_ref())
        && agrees("environment", request.environment.as_ref())
}

/// The command, as journals write it.
const COMMAND: &str = "service delete";
/// The step that deletes data, by the name the journal knows it by.
pub(crate) const STEP_DATA: &str = "data";
