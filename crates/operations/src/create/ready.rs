//! The wait for a healthy service, telling what becomes ready on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use api::{Application, Health, Kind, Sync};
use delivery::CommitId;
use kube::Api;

use super::plan::Plan;
use super::{Lap, plural};
use crate::error::OperationError;
use crate::platform::Platform;
use crate::synced::unless_refused;
use crate::wait::{Impatience, Patience};

/// How long a service of a real cluster may be Degraded before that counts.
const GRACE: Duration = Duration::from_secs(20);

/// What the Application's status comes to, from the point of view of a create.
enum Verdict {
    Ready,
    Broken { health: String, reason: String },
}

/// Waits until the service is Healthy and Synced at `commit`, or Suspended on purpose. Ends at once when the cluster
/// does not take the Application.
pub(super) async fn wait(
    platform: &Platform,
    plan: &Plan,
    commit: &CommitId,
    patience: &Patience,
    lap: &mut Lap<'_>,
) -> Result<(), OperationError> {
    let waiting = healthy(platform, plan, commit, patience, lap);
    unless_refused(platform, plan.path.as_str(), commit, patience, waiting).await
}

async fn healthy(
    platform: &Platform,
    plan: &Plan,
    commit: &CommitId,
    patience: &Patience,
    lap: &mut Lap<'_>,
) -> Result<(), OperationError> {
    let resource = platform.group().resource(Kind::Application);
    let api: Api<Application> =
        Api::namespaced_with(platform.client.clone(), &plan.place.namespace, &resource);
    let revision = platform.group().annotation_revision();
    let mut told = BTreeSet::new();
    let mut state = "waiting for the sync loop".to_owned();
    lap.started("syncing");
    let look = format!("look at it with: platform service get {}", plan.name());
    loop {
        let verdict = patience
            .watch(api.clone(), plan.name(), |application| {
                let application = application?;
                let at = application
                    .metadata
                    .annotations
                    .as_ref()
                    .and_then(|a| a.get(&revision));
                if at.map(String::as_str) != Some(commit.as_str()) {
                    return None;
                }
                if told.insert("synced") {
                    lap.done("synced", commit.short().to_owned(), String::new());
                    lap.started("waiting for the service");
                }
                judge(plan, application, &mut told, &mut state, lap)
            })
            .await;
        match verdict {
            Ok(Verdict::Ready) => return Ok(()),
            Ok(Verdict::Broken { health, reason }) => {
                if !platform.is_embedded() && recovers(api.clone(), plan, patience).await? {
                    continue;
                }
                return Err(OperationError::Unhealthy {
                    service: plan.name().to_owned(),
                    health,
                    reason,
                    hint: format!(
                        "{look}; it stays as asked until you change it in {} or delete it",
                        plan.path
                    ),
                });
            }
            Err(impatience) => return Err(impatience.explain(plan.name(), state, look)),
        }
    }
}

/// Whether a service stops being Degraded by itself: in a real cluster the first start may stumble over a
/// database that is not listening yet.
async fn recovers(api: Api<Application>, plan: &Plan, patience: &Patience) -> Result<bool, OperationError> {
    let recovered = |application: Option<&Application>| {
        let health = application?.status.as_ref()?.health?;
        (health != Health::Degraded).then_some(())
    };
    match patience.at_most(GRACE).watch(api, plan.name(), recovered).await {
        Ok(()) => Ok(true),
        Err(Impatience::TimeUp(_)) => Ok(false),
        Err(impatience) => Err(impatience.explain(plan.name(), String::new(), String::new())),
    }
}

fn judge(
    plan: &Plan,
    application: &Application,
    told: &mut BTreeSet<&'static str>,
    state: &mut String,
    lap: &mut Lap<'_>,
) -> Option<Verdict> {
    let status = application.status.as_ref()?;
    if status.observed_generation != application.metadata.generation {
        return None;
    }
    if let Some(reason) = &status.reason {
        state.clone_from(reason);
    }
    for (condition, what, name) in [
        ("DatabaseReady", "database", &plan.database),
        ("CacheReady", "cache", &plan.cache),
    ] {
        let ready = status
            .conditions
            .iter()
            .find(|c| c.kind == condition && c.status == "True");
        if let (Some(name), Some(ready)) = (name, ready)
            && told.insert(what)
        {
            lap.done(&format!("{what} {}", ready.message), name.clone(), String::new());
        }
    }
    let reason = || status.reason.clone().unwrap_or_default();
    match status.health? {
        Health::Healthy if status.sync == Some(Sync::Synced) => {
            let wanted = usize::try_from(status.replicas).unwrap_or_default();
            let detail = format!("{} of {} ready", status.ready_replicas, plural(wanted, "replica"));
            lap.done(&detail, String::new(), String::new());
            Some(Verdict::Ready)
        }
        Health::Suspended => {
            lap.done("suspended", reason(), String::new());
            Some(Verdict::Ready)
        }
        Health::Degraded => Some(Verdict::Broken {
            health: Health::Degraded.to_string(),
            reason: reason(),
        }),
        _ => None,
    }
}
