//! `delete_team`: out of Git, once nothing of it holds services or data. Its namespaces stay unless they are empty and
//! asked for.

use std::time::{Duration, Instant};

use delivery::layout::platform_file;
use delivery::{ChangeSet, CommitId, Outcome as GitOutcome, RepoPath};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::holdings::{Holding, Look, TeamNamespace, holdings, namespaces};
use super::undo::wait_gone;
use super::{DELETE, listed, missing, subject};
use crate::catalog::Catalog;
use crate::create::{Lap, STEP_COMMIT, plural};
use crate::error::OperationError;
use crate::journal::{Outcome, Run, RunLog, Subject};
use crate::operation::{delete_exactly, half_done};
use crate::platform::Platform;
use crate::progress::Reporter;
use crate::synced::wait_synced;
use crate::wait::{Patience, unless_stuck};

/// The step that deletes namespaces, by the name the journal knows it by.
const STEP_NAMESPACES: &str = "namespaces";

/// What is to be deleted.
#[derive(Clone, Debug)]
pub struct DeleteTeamRequest {
    /// The team.
    pub name: String,
    /// Delete its namespaces too, which must be empty.
    pub delete_namespaces: bool,
    /// How long to wait for the cluster.
    pub timeout: Duration,
    /// The command as it was typed.
    pub typed: String,
}

/// What was deleted, and what stayed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedTeam {
    /// The team.
    pub name: String,
    /// The namespaces that stayed.
    pub kept: Vec<String>,
    /// The namespaces that were deleted.
    pub deleted: Vec<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u128,
}

/// Deletes a team, as long as neither Git nor its namespaces hold services or data of it.
///
/// The commit is the point of no return: what comes after it is only waiting for the cluster to follow, and a run
/// that is cut off there is finished by the same command.
pub async fn delete_team(
    platform: &Platform,
    request: &DeleteTeamRequest,
    reporter: &dyn Reporter,
    cancel: &CancellationToken,
) -> Result<DeletedTeam, OperationError> {
    let begun = Instant::now();
    let mut lap = Lap::new(reporter);
    let name = &request.name;
    let (catalog, head) = Catalog::read(&platform.repository, &platform.settings)?;
    // A name that no team can have is looked up nowhere.
    if api::Name::parse("team", name).is_err() {
        return Err(missing(&catalog, name));
    }
    let left = earlier_run(platform, name)?;
    let path = platform_file(api::Kind::Team, name)?;
    let in_git = catalog.text(&path).is_some();
    let there = namespaces(platform, name).await?;
    let kept_earlier = request.delete_namespaces && !there.is_empty();
    if !in_git && left.is_none() && !kept_earlier {
        return Err(missing(&catalog, name));
    }
    let files = files_of(&catalog, name);
    if !files.is_empty() {
        return Err(OperationError::Conflict {
            message: format!(
                "team {name} still has services or data in Git: {}",
                listed(&files)
            ),
            hint: Some(format!(
                "delete its services first: platform service list --team {name} shows them"
            )),
        });
    }
    nothing_is_held(platform, request, &there).await?;
    lap.done(
        "checked the team",
        format!("nothing is held in {}", plural(there.len(), "namespace")),
        String::new(),
    );
    let patience = Patience::new(request.timeout, cancel.clone());
    patience.check()?;
    let mut run = if let Some(log) = left {
        platform.journal.reopen(log)?
    } else {
        let subject = Subject {
            command: DELETE.to_owned(),
            target: platform.target.id(),
            service: subject(name),
            digest: request.delete_namespaces.to_string(),
            typed: request.typed.clone(),
        };
        platform
            .journal
            .begin(subject, json!({}), jiff::Timestamp::now())?
    };
    crate::fault::point("begin", "after");
    let commit = if in_git {
        commit(platform, &mut run, name, &path, head, &mut lap)?
    } else {
        head
    };
    let following = follow(platform, request, &mut run, &commit, &patience, &mut lap);
    let (kept, deleted) = unless_stuck(platform, following).await.inspect_err(|_| {
        reporter.note(&format!(
            "The team {name} is out of Git. The same command goes on from here; to take it back: platform operation undo {}",
            run.log.id
        ));
    })?;
    run.finish(Outcome::Done, jiff::Timestamp::now())?;
    Ok(DeletedTeam {
        name: name.clone(),
        kept,
        deleted,
        took_ms: begun.elapsed().as_millis(),
    })
}

fn earlier_run(platform: &Platform, name: &str) -> Result<Option<RunLog>, OperationError> {
    let (target, subject) = (platform.target.id(), subject(name));
    let mine = |run: &RunLog| run.subject.target == target && run.subject.service == subject;
    match platform.journal.unfinished().into_iter().rfind(mine) {
        Some(run) if run.subject.command != DELETE => Err(half_done(&run)),
        found => Ok(found),
    }
}

/// The team's own files in Git.
fn files_of(catalog: &Catalog, name: &str) -> Vec<String> {
    let folder = format!("teams/{name}/");
    let files = catalog.snapshot.files.keys();
    files
        .filter(|path| path.as_str().starts_with(&folder))
        .map(ToString::to_string)
        .collect()
}

async fn nothing_is_held(
    platform: &Platform,
    request: &DeleteTeamRequest,
    there: &[TeamNamespace],
) -> Result<(), OperationError> {
    let look = if request.delete_namespaces {
        Look::Everything
    } else {
        Look::ServicesAndData
    };
    let held = holdings(platform, &request.name, there, look).await?;
    if held.is_empty() {
        return Ok(());
    }
    Err(held_error(&request.name, &held))
}

fn held_error(team: &str, held: &[Holding]) -> OperationError {
    let words: Vec<String> = held.iter().map(ToString::to_string).collect();
    let first = held
        .iter()
        .find(|h| matches!(h.kind.as_str(), "Application" | "Database" | "Cache"));
    let hint = first.map_or_else(
        || "delete them first, if nobody needs them".to_owned(),
        |first| {
            let service = match first.kind.as_str() {
                "Database" => first.name.strip_suffix("-db").unwrap_or(&first.name),
                "Cache" => first.name.strip_suffix("-cache").unwrap_or(&first.name),
                _ => &first.name,
            };
            let environment = first
                .namespace
                .strip_prefix(&format!("{team}-"))
                .unwrap_or(&first.namespace);
            format!(
                "if nobody needs them: platform service delete {service} --team {team} --environment {environment} --delete-data"
            )
        },
    );
    OperationError::Conflict {
        message: format!("the namespaces of team {team} are not empty: {}", listed(&words)),
        hint: Some(hint),
    }
}

fn commit(
    platform: &Platform,
    run: &mut Run,
    name: &str,
    path: &RepoPath,
    head: CommitId,
    lap: &mut Lap<'_>,
) -> Result<CommitId, OperationError> {
    run.starting(STEP_COMMIT, json!({"path": path.as_str()}))?;
    let message = format!("Delete team {name}\n\nOperation: {}\n", run.log.id);
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
        let by = format!("{} by {}", id.short(), platform.author.name());
        lap.done("committed to infrastructure", by, path.to_string());
    }
    Ok(outcome.commit().clone())
}

/// Waits until the cluster has followed Git, and sees to the namespaces: what was kept, and what was deleted.
async fn follow(
    platform: &Platform,
    request: &DeleteTeamRequest,
    run: &mut Run,
    commit: &CommitId,
    patience: &Patience,
    lap: &mut Lap<'_>,
) -> Result<(Vec<String>, Vec<String>), OperationError> {
    let name = &request.name;
    platform.sync_soon().await?;
    lap.started("waiting for the cluster");
    wait_synced(platform, commit, patience).await?;
    wait_gone(platform, name, patience).await?;
    lap.done("removed from the cluster", subject(name), String::new());
    let there = namespaces(platform, name).await?;
    if !request.delete_namespaces {
        return Ok((there.into_iter().map(|n| n.name).collect(), Vec::new()));
    }
    // Somebody may have come to use one since it was looked at.
    nothing_is_held(platform, request, &there).await?;
    run.starting(STEP_NAMESPACES, json!(null))?;
    crate::fault::point(STEP_NAMESPACES, "before");
    let api: Api<Namespace> = Api::all(platform.client.clone());
    let mut deleted = Vec::new();
    for namespace in there {
        delete_exactly(&api, &namespace.name, &namespace.uid, patience).await?;
        lap.done("deleted", format!("namespace {}", namespace.name), String::new());
        deleted.push(namespace.name);
    }
    crate::fault::point(STEP_NAMESPACES, "after");
    run.done(STEP_NAMESPACES, json!(null))?;
    Ok((Vec::new(), deleted))
}
