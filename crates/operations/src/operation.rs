//! Going on with a run that was left half done, and undoing one.
//!
//! Undo starts with Git: the commit is reverted first, so that nothing is made again while it is being removed.
//! Then the service leaves the cluster; then the claims that this run made, which are empty; then local files.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use api::{Application, Health, Kind};
use delivery::{ChangeSet, CommitId, Outcome as GitOutcome, RepoPath};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::{DeleteParams, DynamicObject, ObjectMeta};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::create::{COMMAND, STEP_COMMIT, STEP_SCAFFOLD};
use crate::delete::STEP_DATA;
use crate::error::OperationError;
use crate::journal::{Journal, Outcome, Run, RunLog};
use crate::platform::Platform;
use crate::progress::{Progress, Reporter};
use crate::scaffold::{Removed, remove};
use crate::synced::wait_synced;
use crate::team;
use crate::wait::{Patience, unless_stuck};

/// How long undo waits for the cluster to let go of something.
const UNDO_PATIENCE: Duration = Duration::from_mins(2);
/// How long undo lets the cluster finish what it began.
const REST: Duration = Duration::from_secs(15);
/// How often undo looks again for what was made while it was removing.
const PASSES: usize = 5;

/// The command that goes on with a half-done run, as it was typed.
pub fn resume_command(journal: &Journal, id: &str) -> Result<String, OperationError> {
    let log = find(journal, id)?;
    match log.outcome {
        None => Ok(log.subject.typed),
        Some(_) => Err(OperationError::Conflict {
            message: format!(
                "the run {id} is {}: there is nothing to go on with",
                log.summary().state
            ),
            hint: None,
        }),
    }
}

/// Undoes a run that was left half done.
pub async fn undo_operation(
    platform: &Platform,
    id: &str,
    reporter: &dyn Reporter,
) -> Result<(), OperationError> {
    let log = find(&platform.journal, id)?;
    if log.outcome.is_some() {
        return Err(OperationError::Conflict {
            message: format!(
                "the run {id} is {}: only a half-done one can be undone",
                log.summary().state
            ),
            hint: Some("platform service delete and platform team delete remove what stands".to_owned()),
        });
    }
    if log.subject.target != platform.target.id() {
        return Err(OperationError::invalid_hint(
            format!("the run {id} was for {}", log.subject.target),
            "choose the same cluster with --context",
        ));
    }
    let mut run = platform.journal.reopen(log)?;
    undo(platform, &mut run, reporter).await
}

/// An earlier run is in the way.
pub(crate) fn half_done(run: &RunLog) -> OperationError {
    OperationError::Conflict {
        message: format!(
            "an earlier run for {} was left half done: {}",
            run.subject.service, run.subject.typed
        ),
        hint: Some(format!(
            "go on with that very command, or undo it: platform operation undo {}",
            run.id
        )),
    }
}

fn find(journal: &Journal, id: &str) -> Result<RunLog, OperationError> {
    journal
        .runs()
        .into_iter()
        .find(|run| run.id == id)
        .ok_or_else(|| OperationError::NotFound {
            what: "operation",
            name: id.to_owned(),
            place: None,
            hint: Some("platform operation list shows those there are".to_owned()),
        })
}

/// What undo must know of the time before a create: which claims, secrets and volumes of that name existed.
pub(crate) async fn facts_before(
    platform: &Platform,
    namespace: &str,
    service: &str,
) -> Result<Value, OperationError> {
    let mut there = Vec::new();
    for leftover in leftovers(platform, namespace, service) {
        if let Some(uid) = leftover.uid().await? {
            there.push(uid);
        }
    }
    Ok(json!({"there": there}))
}

/// Undoes everything a run did, and says so. Safe to run again.
pub(crate) async fn undo(
    platform: &Platform,
    run: &mut Run,
    reporter: &dyn Reporter,
) -> Result<(), OperationError> {
    match run.log.subject.command.as_str() {
        team::CREATE => return team::undo_create(platform, run, reporter).await,
        team::DELETE => return team::undo_delete(platform, run, reporter).await,
        _ => {}
    }
    let log = run.log.clone();
    let (namespace, service) = log.subject.service.split_once('/').unwrap_or_default();
    let tell = |what: &str, detail: String, since: Instant| {
        reporter.done(Progress {
            what: what.to_owned(),
            detail,
            took: since.elapsed(),
            place: String::new(),
        });
    };

    if log.started(STEP_COMMIT).is_some()
        && let Some(commit) = commit_of(platform, &log)?
    {
        if log.subject.command == COMMAND {
            come_to_rest(platform, namespace, service).await?;
        }
        let since = Instant::now();
        let verb = log.subject.command.trim_start_matches("service ");
        let message = format!("Undo: {verb} {service}\n\nOperation: {}\n", log.id);
        let now = jiff::Timestamp::now();
        let reverted = if log.subject.command == COMMAND {
            let change = ChangeSet::new(message, platform.author.clone(), now).based_on(commit.clone());
            platform.repository.commit(&without(&log, change)?)?
        } else {
            platform
                .repository
                .revert(&commit, &message, &platform.author, now)?
        };
        if matches!(reverted, GitOutcome::Committed { .. }) {
            tell("reverted commit", commit.short().to_owned(), since);
        }
        platform.sync_soon().await?;
        let since = Instant::now();
        let patience = Patience::new(UNDO_PATIENCE, CancellationToken::new());
        unless_stuck(platform, wait_synced(platform, reverted.commit(), &patience)).await?;
        if log.subject.command == COMMAND {
            let leaving = leave_cluster(platform, namespace, service, &log, &patience);
            let removed = unless_stuck(platform, leaving).await?;
            if !removed.is_empty() {
                tell("removed", removed.join(", "), since);
            }
        }
    }
    if log.started(STEP_DATA).is_some() {
        reporter.note("Data that was deleted does not come back.");
    }
    if let Some(facts) = log.started(STEP_SCAFFOLD) {
        let since = Instant::now();
        let text = |key: &str| facts.get(key).and_then(Value::as_str).unwrap_or_default();
        let folder = PathBuf::from(text("folder"));
        match remove(&folder, text("digest"), &log.id)? {
            Removed::Gone => tell("removed", folder.display().to_string(), since),
            Removed::Absent => {}
            Removed::Changed => {
                reporter.note(&format!(
                    "{} was changed since, or is not from this run: it stays.",
                    folder.display()
                ));
            }
        }
    }
    run.finish(Outcome::Undone, jiff::Timestamp::now())?;
    reporter.note(if log.subject.command == COMMAND {
        "Nothing else is left of this run."
    } else {
        "The service is in Git again, and comes back."
    });
    Ok(())
}

/// Takes out what the commit of a create brought in.
fn without(log: &RunLog, change: ChangeSet) -> Result<ChangeSet, OperationError> {
    let path = log
        .started(STEP_COMMIT)
        .and_then(|facts| facts.get("path")?.as_str());
    Ok(match path {
        Some(path) => change.delete(RepoPath::new(path)?),
        None => change,
    })
}

/// The commit a run made, if it made one: from the journal, or by the run's name in the commit's message.
pub(crate) fn commit_of(platform: &Platform, log: &RunLog) -> Result<Option<CommitId>, OperationError> {
    if let Some(id) = log
        .finished(STEP_COMMIT)
        .and_then(|f| f.get("commit"))
        .and_then(Value::as_str)
    {
        return Ok(Some(CommitId::new(id)?));
    }
    let path = log
        .started(STEP_COMMIT)
        .and_then(|f| f.get("path"))
        .and_then(Value::as_str);
    let Some(path) = path else {
        return Ok(None);
    };
    let head = platform.repository.head()?;
    let entries = platform.repository.log(&head, Some(&RepoPath::new(path)?), 50)?;
    let mark = format!("Operation: {}", log.id);
    Ok(entries
        .into_iter()
        .find(|entry| entry.body.contains(&mark))
        .map(|entry| entry.id))
}

/// Gives the cluster a moment to finish what it began: a controller that is at work makes things again while they
/// are being removed, and nobody would remove them then.
async fn come_to_rest(platform: &Platform, namespace: &str, service: &str) -> Result<(), OperationError> {
    let patience = Patience::new(REST, CancellationToken::new());
    let head = platform.repository.head()?;
    let resource = platform.group().resource(Kind::Application);
    let applications: Api<Application> = Api::namespaced_with(platform.client.clone(), namespace, &resource);
    let rests = |application: &Application| {
        let status = application.status.as_ref();
        status.is_some_and(|status| {
            status.observed_generation == application.metadata.generation
                && matches!(
                    status.health,
                    Some(Health::Healthy | Health::Degraded | Health::Suspended)
                )
        })
    };
    let resting = async {
        // Neither has to come true: a moment is all that is given.
        drop(wait_synced(platform, &head, &patience).await);
        let rest = patience.watch(applications, service, |found| {
            found.is_none_or(rests).then_some(())
        });
        drop(rest.await);
        Ok(())
    };
    unless_stuck(platform, resting).await
}

/// Waits until the service is out of the cluster, then removes what this run's claims left.
async fn leave_cluster(
    platform: &Platform,
    namespace: &str,
    service: &str,
    log: &RunLog,
    patience: &Patience,
) -> Result<Vec<String>, OperationError> {
    wait_gone(platform, namespace, service, patience).await?;
    let before: Vec<&str> = log
        .facts
        .get("there")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut removed = Vec::new();
    // A controller may just have been at work on what was removed, so one more look than there was to do.
    for _ in 0..PASSES {
        let done = removed.len();
        for leftover in leftovers(platform, namespace, service) {
            if let Some(uid) = leftover.uid().await?
                && !before.contains(&uid.as_str())
            {
                leftover.delete(&uid, patience).await?;
                removed.push(leftover.describe());
            }
        }
        if removed.len() == done {
            break;
        }
    }
    removed.dedup();
    Ok(removed)
}

/// Waits until a service is out of the cluster: neither the Application nor its Deployment is there.
pub(crate) async fn wait_gone(
    platform: &Platform,
    namespace: &str,
    service: &str,
    patience: &Patience,
) -> Result<(), OperationError> {
    let resource = platform.group().resource(Kind::Application);
    let applications: Api<Application> = Api::namespaced_with(platform.client.clone(), namespace, &resource);
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> =
        Api::namespaced(platform.client.clone(), namespace);
    let look = format!("look at it with: platform service get {service}");
    patience
        .watch(applications, service, |found| found.is_none().then_some(()))
        .await
        .map_err(|i| i.explain(service, "it is still in the cluster".to_owned(), look.clone()))?;
    patience
        .watch(deployments, service, |found| found.is_none().then_some(()))
        .await
        .map_err(|i| i.explain(service, "its Deployment is still there".to_owned(), look))
}

/// Something a service's claim may leave: the claim itself, its volume, its credentials.
pub(crate) struct Leftover {
    /// The kind of claim it belongs to.
    pub claim: Kind,
    name: String,
    thing: Thing,
}

enum Thing {
    Claim(Api<DynamicObject>),
    Volume(Api<PersistentVolumeClaim>),
    Secret(Api<Secret>),
}

/// Everything the claims of a service may leave, in the order in which it is to be removed.
pub(crate) fn leftovers(platform: &Platform, namespace: &str, service: &str) -> Vec<Leftover> {
    let client = &platform.client;
    let mut all = Vec::new();
    for (claim, suffix) in [(Kind::Database, "db"), (Kind::Cache, "cache")] {
        let name = format!("{service}-{suffix}");
        let resource = platform.group().resource(claim);
        let claims = Api::namespaced_with(client.clone(), namespace, &resource);
        let volume = format!("data-{name}-0");
        all.push(Leftover {
            claim,
            name: name.clone(),
            thing: Thing::Claim(claims),
        });
        all.push(Leftover {
            claim,
            name: volume,
            thing: Thing::Volume(Api::namespaced(client.clone(), namespace)),
        });
        all.push(Leftover {
            claim,
            name,
            thing: Thing::Secret(Api::namespaced(client.clone(), namespace)),
        });
    }
    all
}

impl Leftover {
    /// As a person says it: `database api-gateway-db`.
    pub(crate) fn describe(&self) -> String {
        let word = match (&self.thing, self.claim) {
            (Thing::Claim(_), Kind::Database) => "database",
            (Thing::Claim(_), _) => "cache",
            (Thing::Volume(_), _) => "volume",
            (Thing::Secret(_), _) => "secret",
        };
        format!("{word} {}", self.name)
    }

    /// Its uid, if it exists.
    pub(crate) async fn uid(&self) -> Result<Option<String>, OperationError> {
        match &self.thing {
            Thing::Claim(api) => uid(api, &self.name).await,
            Thing::Volume(api) => uid(api, &self.name).await,
            Thing::Secret(api) => uid(api, &self.name).await,
        }
    }

    /// Deletes exactly this object and waits until it is gone.
    pub(crate) async fn delete(&self, uid: &str, patience: &Patience) -> Result<(), OperationError> {
        match &self.thing {
            Thing::Claim(api) => delete_exactly(api, &self.name, uid, patience).await,
            Thing::Volume(api) => delete_exactly(api, &self.name, uid, patience).await,
            Thing::Secret(api) => delete_exactly(api, &self.name, uid, patience).await,
        }
    }

    /// Waits until the cluster has removed exactly this object by itself.
    pub(crate) async fn wait_gone(&self, uid: &str, patience: &Patience) -> Result<(), OperationError> {
        match &self.thing {
            Thing::Claim(api) => wait_without(api, &self.name, uid, patience).await,
            Thing::Volume(api) => wait_without(api, &self.name, uid, patience).await,
            Thing::Secret(api) => wait_without(api, &self.name, uid, patience).await,
        }
    }
}

async fn uid<K>(api: &Api<K>, name: &str) -> Result<Option<String>, OperationError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Resource,
{
    let found = api.get_metadata_opt(name).await;
    // A cluster that does not know the kind has no object of it.
    match found {
        Ok(found) => Ok(found.and_then(|object| object.uid())),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(OperationError::cluster(format!("look for {name}"))(error)),
    }
}

/// Deletes the object with exactly this uid, and waits until it is gone.
pub(crate) async fn delete_exactly<K>(
    api: &Api<K>,
    name: &str,
    uid: &str,
    patience: &Patience,
) -> Result<(), OperationError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Resource + Send + 'static,
{
    let exactly = kube::api::Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    };
    let parameters = DeleteParams {
        preconditions: Some(exactly),
        ..DeleteParams::foreground()
    };
    match api.delete(name, &parameters).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => return Ok(()),
        Err(error) => return Err(OperationError::cluster(format!("delete {name}"))(error)),
    }
    wait_without(api, name, uid, patience).await
}

async fn wait_without<K>(
    api: &Api<K>,
    name: &str,
    uid: &str,
    patience: &Patience,
) -> Result<(), OperationError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Resource + Send + 'static,
{
    let gone = |found: Option<&K>| {
        let same = found
            .map(Resource::meta)
            .is_some_and(|meta: &ObjectMeta| meta.uid.as_deref() == Some(uid));
        (!same).then_some(())
    };
    patience.watch(api.clone(), name, gone).await.map_err(|i| {
        i.explain(
            name,
            "it is still being removed".to_owned(),
            "run the same command again".to_owned(),
        )
    })
}
