//! `delete_service`: out of Git first, then out of the cluster; data stays unless it is asked for by name.

use std::time::{Duration, Instant};

use api::{DeletionPolicy, Kind};
use delivery::{ChangeSet, Outcome as GitOutcome};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::create::{Lap, STEP_COMMIT};
use crate::error::OperationError;
use crate::journal::{Outcome, Subject};
use crate::operation::{leftovers, wait_gone};
use crate::platform::Platform;
use crate::progress::Reporter;
use crate::wait::Patience;

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
    let left = platform.journal.unfinished().into_iter().rfind(|run| {
        run.subject.command == COMMAND
            && run.subject.target == target
            && run
                .subject
                .service
                .rsplit_once('/')
                .is_some_and(|(_, name)| name == request.name)
    });
    let (place, path, keeps) = match (catalog.find(&request.name, team, environment), &left) {
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
            (
                expansion::Place::of(&text("team"), &text("environment")),
                None,
                keeps,
            )
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

    if let Some(path) = path {
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
        let outcome = match platform.repository.commit(&change) {
            Ok(outcome) => outcome,
            Err(error) => {
                run.finish(Outcome::Undone, jiff::Timestamp::now())?;
                return Err(error.into());
            }
        };
        run.done(STEP_COMMIT, json!({"commit": outcome.commit().as_str()}))?;
        if let GitOutcome::Committed { id, .. } = &outcome {
            lap.done(
                "committed to infrastructure",
                format!("{} by {}", id.short(), platform.author.name()),
                path.to_string(),
            );
        }
    }
    platform.sync_soon().await?;
    let patience = Patience::new(request.timeout, cancel.clone());
    lap.started("waiting for the cluster");
    wait_gone(platform, &place.namespace, &request.name, &patience).await?;
    lap.done("removed from the cluster", request.name.clone(), String::new());

    let (mut kept, mut deleted) = (Vec::new(), Vec::new());
    for leftover in leftovers(platform, &place.namespace, &request.name) {
        let Some(uid) = leftover.uid().await? else {
            continue;
        };
        let words = leftover.describe();
        let stays = leftover.claim == Kind::Database && keeps;
        if !stays {
            // Owned by the service: it goes with it.
            leftover.wait_gone(&uid, &patience).await?;
            deleted.push(words);
        } else if request.delete_data {
            leftover.delete(&uid, &patience).await?;
            lap.done("deleted", words.clone(), String::new());
            deleted.push(words);
        } else {
            kept.push(words);
        }
    }
    run.finish(Outcome::Done, jiff::Timestamp::now())?;
    Ok(Deleted {
        name: request.name.clone(),
        place: place.describe(),
        kept,
        deleted,
        took_ms: begun.elapsed().as_millis(),
    })
}

const COMMAND: &str = "service delete";
