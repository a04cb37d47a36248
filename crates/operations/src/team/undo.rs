//! Taking back what a run did to a team. Git comes first, so that nothing is made again while it is being removed.

use std::time::{Duration, Instant};

use api::Team;
use delivery::{ChangeSet, CommitId, Outcome as GitOutcome, RepoPath};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::holdings::{Look, holdings, namespaces};
use super::teams;
use crate::create::STEP_COMMIT;
use crate::error::OperationError;
use crate::journal::{Outcome, Run, RunLog};
use crate::operation::{commit_of, delete_exactly};
use crate::platform::Platform;
use crate::progress::{Progress, Reporter};
use crate::synced::wait_synced;
use crate::wait::{Patience, unless_stuck};

/// How long undo waits for the cluster to let go of something.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long undo lets the operator finish what it began.
const REST: Duration = Duration::from_secs(15);
/// How often undo looks again for what was made while it was removing.
const PASSES: usize = 5;

/// Takes back a create: the file, the Team, and the namespaces that the run made, as long as nobody has come to use
/// them. Safe to run again.
pub(crate) async fn undo_create(
    platform: &Platform,
    run: &mut Run,
    reporter: &dyn Reporter,
) -> Result<(), OperationError> {
    let log = run.log.clone();
    let name = name_of(&log);
    let mut stays = false;
    if let Some(commit) = commit_of(platform, &log)? {
        come_to_rest(platform, name).await?;
        let since = Instant::now();
        let path = path_of(&log)?;
        let head = platform.repository.head()?;
        stays = in_use(platform, &path, name, &commit, &head)?;
        if stays {
            reporter.note(&format!(
                "The team {name} has come to be used, or was changed since: it stays."
            ));
        } else {
            let message = format!("Undo: create team {name}\n\nOperation: {}\n", log.id);
            let change = ChangeSet::new(message, platform.author.clone(), jiff::Timestamp::now())
                .based_on(head)
                .delete(path);
            let reverted = platform.repository.commit(&change)?;
            if matches!(reverted, GitOutcome::Committed { .. }) {
                tell(reporter, "reverted commit", commit.short().to_owned(), since);
            }
            platform.sync_soon().await?;
            let since = Instant::now();
            let leaving = leave(platform, name, &log, reverted.commit());
            let removed = unless_stuck(platform, leaving).await?;
            if !removed.is_empty() {
                tell(reporter, "removed", removed.join(", "), since);
            }
        }
    }
    run.finish(Outcome::Undone, jiff::Timestamp::now())?;
    if !stays {
        reporter.note("Nothing else is left of this run.");
    }
    Ok(())
}

/// Takes back a delete: the file comes back, and with it the Team and its namespaces.
pub(crate) async fn undo_delete(
    platform: &Platform,
    run: &mut Run,
    reporter: &dyn Reporter,
) -> Result<(), OperationError> {
    let log = run.log.clone();
    let name = name_of(&log);
    if let Some(commit) = commit_of(platform, &log)? {
        let since = Instant::now();
        let message = format!("Undo: delete team {name}\n\nOperation: {}\n", log.id);
        let now = jiff::Timestamp::now();
        let reverted = platform
            .repository
            .revert(&commit, &message, &platform.author, now)?;
        if matches!(reverted, GitOutcome::Committed { .. }) {
            tell(reporter, "reverted commit", commit.short().to_owned(), since);
        }
        platform.sync_soon().await?;
        let patience = Patience::new(PATIENCE, CancellationToken::new());
        unless_stuck(platform, wait_synced(platform, reverted.commit(), &patience)).await?;
    }
    run.finish(Outcome::Undone, jiff::Timestamp::now())?;
    reporter.note("The team is in Git, and its namespaces come back if they were gone.");
    Ok(())
}

fn tell(reporter: &dyn Reporter, what: &str, detail: String, since: Instant) {
    reporter.done(Progress {
        what: what.to_owned(),
        detail,
        took: since.elapsed(),
        place: String::new(),
    });
}

fn name_of(log: &RunLog) -> &str {
    log.subject.service.split_once(' ').map_or("", |(_, name)| name)
}

fn path_of(log: &RunLog) -> Result<RepoPath, OperationError> {
    let path = log
        .started(STEP_COMMIT)
        .and_then(|facts| facts.get("path")?.as_str());
    Ok(RepoPath::new(path.unwrap_or_default())?)
}

/// Whether the team has files of its own, or its file was changed since.
fn in_use(
    platform: &Platform,
    path: &RepoPath,
    name: &str,
    commit: &CommitId,
    head: &CommitId,
) -> Result<bool, OperationError> {
    let folder = format!("teams/{name}/");
    let tree = platform.repository.tree(head, None)?;
    let used = tree.files.keys().any(|file| file.as_str().starts_with(&folder));
    let now = platform.repository.read(path, head)?;
    let changed = now.is_some() && now != platform.repository.read(path, commit)?;
    Ok(used || changed)
}

/// Gives the operator a moment to finish: what it makes while it is being removed nobody would remove.
async fn come_to_rest(platform: &Platform, name: &str) -> Result<(), OperationError> {
    let patience = Patience::new(REST, CancellationToken::new());
    let head = platform.repository.head()?;
    let rests = |team: &Team| {
        let status = team.status.as_ref();
        status.is_some_and(|status| status.observed_generation == team.metadata.generation)
    };
    let resting = async {
        // Neither has to come true: a moment is all that is given.
        drop(wait_synced(platform, &head, &patience).await);
        let seen = patience.watch(teams(platform), name, |team| team.is_none_or(rests).then_some(()));
        drop(seen.await);
        Ok(())
    };
    unless_stuck(platform, resting).await
}

/// Waits until the Team is out of the cluster, then removes the namespaces that the run made.
async fn leave(
    platform: &Platform,
    name: &str,
    log: &RunLog,
    reverted: &CommitId,
) -> Result<Vec<String>, OperationError> {
    let patience = Patience::new(PATIENCE, CancellationToken::new());
    wait_synced(platform, reverted, &patience).await?;
    wait_gone(platform, name, &patience).await?;
    let before: Vec<&str> = log
        .facts
        .get("there")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let api: Api<Namespace> = Api::all(platform.client.clone());
    let mut removed: Vec<String> = Vec::new();
    for _ in 0..PASSES {
        let mut more = false;
        for namespace in namespaces(platform, name).await? {
            let made = !before.contains(&namespace.uid.as_str());
            let one = std::slice::from_ref(&namespace);
            if made && holdings(platform, name, one, Look::Everything).await?.is_empty() {
                delete_exactly(&api, &namespace.name, &namespace.uid, &patience).await?;
                more = true;
                removed.push(format!("namespace {}", namespace.name));
            }
        }
        if !more {
            break;
        }
    }
    removed.sort();
    removed.dedup();
    Ok(removed)
}

/// Waits until the Team is out of the cluster.
pub(super) async fn wait_gone(
    platform: &Platform,
    name: &str,
    patience: &Patience,
) -> Result<(), OperationError> {
    let look = format!("look at it with: platform team get {name}");
    patience
        .watch(teams(platform), name, |found| found.is_none().then_some(()))
        .await
        .map_err(|i| {
            i.explain(
                &super::subject(name),
                "it is still in the cluster".to_owned(),
                look,
            )
        })
}
