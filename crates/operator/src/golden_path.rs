//! The golden paths of a cluster: those that ship and its GoldenPath resources, shared by everything that expands; and
//! the reconcile that says of each resource whether it can be followed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::{
    Application, GoldenPath as Resource, GoldenPathSpec, GoldenPathStatus, Kind, MANAGER_OPERATOR, condition,
    set_condition,
};
use expansion::{GoldenPath, GoldenPaths};
use futures::TryStreamExt;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

use crate::context::Context;
use crate::error::OperatorError;

/// A golden path is looked at again this much later.
const RESYNC: Duration = Duration::from_mins(10);

/// The specs of the resources, by name.
type Specs = BTreeMap<String, Value>;

/// The golden paths that there are, shared by everything that expands.
#[derive(Clone)]
pub(crate) struct GoldenPathStore {
    known: Arc<Mutex<Option<Known>>>,
    changed: watch::Sender<u64>,
}

struct Known {
    specs: Specs,
    paths: Arc<GoldenPaths>,
}

impl Default for GoldenPathStore {
    fn default() -> Self {
        Self {
            known: Arc::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl GoldenPathStore {
    /// Wakes whenever the golden paths change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The golden path of an application, or why there is none.
    ///
    /// What seems not to be there may have come a moment ago: the cluster is asked before that is said.
    pub(crate) async fn resolve(
        &self,
        context: &Context,
        application: &Application,
    ) -> Result<Result<Arc<GoldenPath>, String>, OperatorError> {
        let reference = application.spec.golden_path.as_ref();
        let found = match self.current(context).await?.resolve(reference) {
            Ok(path) => return Ok(Ok(path)),
            Err(_) => self.fresh(context).await?.resolve(reference),
        };
        Ok(found.map_err(|error| match error.hint() {
            Some(hint) => format!("{} ({hint})", error.explained()),
            None => error.explained(),
        }))
    }

    /// The golden paths as they were last seen; asks the cluster the first time.
    async fn current(&self, context: &Context) -> Result<Arc<GoldenPaths>, OperatorError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref() {
            return Ok(Arc::clone(&known.paths));
        }
        let specs = list(context).await?;
        let paths = Arc::new(catalogue(&GoldenPaths::default(), &specs)?);
        *known = Some(Known {
            specs,
            paths: Arc::clone(&paths),
        });
        Ok(paths)
    }

    /// The golden paths as the cluster has them now.
    async fn fresh(&self, context: &Context) -> Result<Arc<GoldenPaths>, OperatorError> {
        let specs = list(context).await?;
        self.replace(specs).await
    }

    async fn replace(&self, specs: Specs) -> Result<Arc<GoldenPaths>, OperatorError> {
        let mut known = self.known.lock().await;
        let before = match known.as_ref() {
            Some(known) if known.specs == specs => return Ok(Arc::clone(&known.paths)),
            Some(known) => Arc::clone(&known.paths),
            None => Arc::default(),
        };
        let paths = Arc::new(catalogue(&before, &specs)?);
        let first = known.is_none();
        *known = Some(Known {
            specs,
            paths: Arc::clone(&paths),
        });
        if !first {
            self.changed.send_modify(|version| *version += 1);
        }
        Ok(paths)
    }

    /// Follows the cluster's GoldenPaths for as long as it is polled.
    pub(crate) async fn follow(&self, context: &Context) {
        let mut events = Box::pin(watcher(resources(context), watcher::Config::default()).default_backoff());
        let mut specs = Specs::new();
        let mut listing = false;
        loop {
            match events.try_next().await {
                Ok(Some(watcher::Event::Init)) => {
                    specs.clear();
                    listing = true;
                }
                Ok(Some(watcher::Event::InitApply(resource) | watcher::Event::Apply(resource))) => {
                    specs.insert(resource.name_any(), spec_of(resource));
                }
                Ok(Some(watcher::Event::InitDone)) => listing = false,
                Ok(Some(watcher::Event::Delete(resource))) => {
                    specs.remove(&resource.name_any());
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "cannot watch GoldenPaths");
                    continue;
                }
            }
            if !listing && let Err(error) = self.replace(specs.clone()).await {
                tracing::error!(%error, "the golden paths cannot be read; the last good ones stay");
            }
        }
    }
}

fn resources(context: &Context) -> Api<DynamicObject> {
    Api::all_with(context.client.clone(), &context.group.resource(Kind::GoldenPath))
}

async fn list(context: &Context) -> Result<Specs, OperatorError> {
    match resources(context).list(&ListParams::default()).await {
        Ok(found) => Ok(found
            .items
            .into_iter()
            .map(|resource| (resource.name_any(), spec_of(resource)))
            .collect()),
        // A cluster without the kind has no golden paths of its own.
        Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(Specs::new()),
        Err(error) => Err(OperatorError::cluster("list the golden paths")(error)),
    }
}

fn spec_of(mut resource: DynamicObject) -> Value {
    resource.data["spec"].take()
}

fn catalogue(before: &GoldenPaths, specs: &Specs) -> Result<GoldenPaths, OperatorError> {
    let mut resources = Vec::new();
    let mut unread = Vec::new();
    for (name, spec) in specs {
        match serde_json::from_value::<GoldenPathSpec>(spec.clone()) {
            Ok(spec) => resources.push((name.clone(), spec)),
            Err(error) => unread.push(format!("GoldenPath {name}: {error}")),
        }
    }
    before
        .replaced(resources, unread)
        .map_err(|error| OperatorError::GoldenPaths(error.explained()))
}

/// Says of a GoldenPath whether it can be followed.
pub(crate) async fn reconcile(context: &Context, resource: &Resource) -> Result<Action, OperatorError> {
    if resource.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let name = resource.name_any();
    let spec = json!(resource.spec);
    let store = &context.golden_paths;
    let known = store
        .known
        .lock()
        .await
        .as_ref()
        .map(|known| known.specs.get(&name) == Some(&spec));
    let paths = match known {
        Some(true) => store.current(context).await?,
        _ => store.fresh(context).await?,
    };
    let before = resource.status.clone().unwrap_or_default();
    let mut status = before.clone();
    status.newest = paths
        .get(&name)
        .and_then(|offer| offer.versions().next().map(str::to_owned));
    status.observed_generation = resource.metadata.generation;
    let flaws: Vec<String> = paths
        .flaws(&context.group, &name)
        .iter()
        .map(|(_, error)| error.explained())
        .collect();
    let entry = match (flaws.is_empty(), resource.spec.versions.len()) {
        (true, 1) => condition("Ready", "True", "CanBeFollowed", "1 version".to_owned()),
        (true, count) => condition("Ready", "True", "CanBeFollowed", format!("{count} versions")),
        (false, _) => condition("Ready", "False", "CannotBeFollowed", flaws.join("; ")),
    };
    let now = jiff::Timestamp::now().to_string();
    set_condition(&mut status.conditions, entry, resource.metadata.generation, &now);
    if status != before {
        write_status(context, &name, &status).await?;
    }
    Ok(Action::requeue(RESYNC))
}

async fn write_status(context: &Context, name: &str, status: &GoldenPathStatus) -> Result<(), OperatorError> {
    let patch = json!({
        "apiVersion": context.group.api_version(),
        "kind": Kind::GoldenPath.as_str(),
        "metadata": {"name": name},
        "status": status,
    });
    let parameters = PatchParams::apply(MANAGER_OPERATOR).force();
    match resources(context)
        .patch_status(name, &parameters, &Patch::Apply(patch))
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
        Err(error) => Err(OperatorError::cluster(format!(
            "write the status of golden path {name}"
        ))(error)),
    }
}
