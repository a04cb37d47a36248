//! Installing the platform on a cluster: definitions, rights, namespace, operator; again for an upgrade.
//!
//! ```text
//! what the cluster has -> which group, image, replicas -> render the platform's own chart
//!   -> may the definitions be replaced? may this account do it?        so far nothing is written
//!   -> namespace -> note what will be made -> apply in order -> prune what left the chart -> wait for the operator
//! ```
//!
//! Every step is what it was when it is done twice, so a run that was cut off is completed by the same command.

mod chart;
mod compatible;
mod found;
mod memory;
mod rights;
mod uninstall;

use std::time::Duration;

use ::chart::Capabilities;
use api::{Group, SYSTEM_NAMESPACE};
use apply::health::{Facts, first_cause};
use apply::{Applied, Applier, ApplySet, InventoryItem, ObjectId, Outcome, Prune, PrunedOutcome, Tracking};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::create::{Lap, plural};
use crate::error::OperationError;
use crate::progress::Reporter;
use crate::wait::Patience;
use chart::{Choices, GUARDRAILS, OPERATOR, VERSION, WEBHOOK, image_problem, manifests};
use found::Found;
use memory::Memory;

pub use found::{Installation, installation};
pub use uninstall::{UninstallRequest, Uninstalled, uninstall};

/// Who wrote a field, by server-side apply: an install.
pub const MANAGER_INSTALL: &str = "platform-install";

/// The id under which an install marks its objects.
const SET: &str = "platform-install";
/// How many operators run when nobody says.
const REPLICAS: u16 = 2;
/// How many webhooks run, as the chart has it.
const WEBHOOKS: u16 = 2;
/// What an install does to its objects.
const VERBS: [&str; 3] = ["get", "create", "patch"];
/// A kind that a golden path of monitoring uses and a cluster may lack.
const SERVICE_MONITOR: (&str, &str) = ("monitoring.coreos.com/v1", "ServiceMonitor");
/// How many events are read to find why the operator is not ready.
const EVENT_LIMIT: u32 = 500;

/// What is asked of an install. What is left open stays as it is, or takes its default.
#[derive(Clone, Debug)]
pub struct InstallRequest {
    /// The API group, for a first install.
    pub group: Option<Group>,
    /// The group that an infrastructure repository for this cluster has already.
    pub repository_group: Option<Group>,
    /// The operator's image.
    pub image: Option<String>,
    /// How many operators run.
    pub replicas: Option<u16>,
    /// Whether the guardrails stand at the cluster's door; they do when nobody ever said otherwise.
    pub webhook: Option<bool>,
    /// How long to wait until the operator is ready.
    pub timeout: Duration,
}

/// What an install came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Installed {
    /// The API group.
    pub group: String,
    /// The version of the platform.
    pub version: String,
    /// The version that was there before, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_version: Option<String>,
    /// The platform's own namespace.
    pub namespace: String,
    /// The operator's image.
    pub image: String,
    /// How many operators run.
    pub replicas: u16,
    /// Whether the guardrails stand at the cluster's door.
    pub webhook: bool,
    /// What was made or changed, and what was as wished already.
    pub objects: Vec<InstalledObject>,
}

/// One object of an install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstalledObject {
    /// Which.
    pub object: String,
    /// `created`, `changed`, `unchanged`, `skipped` or `removed`.
    pub outcome: &'static str,
}

/// Installs the platform, or brings it to this program's version.
///
/// # Errors
/// Nothing is written when the group, the image, the definitions that stand or the rights of the account are in the
/// way. A run that fails or is stopped later leaves what it made, and the same request goes on with it.
pub async fn install(
    client: &Client,
    request: &InstallRequest,
    reporter: &dyn Reporter,
    cancel: &CancellationToken,
) -> Result<Installed, OperationError> {
    let patience = Patience::new(request.timeout, cancel.clone());
    let mut lap = Lap::new(reporter);
    let applier = Applier::new(client.clone());
    lap.started("checking your rights");
    // Kinds and places are the same whatever is chosen.
    let rights = rights::require(client, applier.kinds(), "install", &any_manifests()?, &VERBS).await?;
    lap.done("checked your rights", plural(rights, "right"), String::new());
    lap.started("looking at the cluster");
    let found = Found::read(client).await?;
    let memory = match found.namespace {
        Some(_) => Memory::load(client).await?,
        None => Memory::default(),
    };
    let choices = choose(request, &found, &memory)?;
    let capabilities = capabilities(client, &applier).await?;
    let objects = manifests(&choices, &capabilities)?;
    let objects = found::without_others(client, &choices.group, objects).await?;
    let definitions = found::definitions(client, &choices.group).await?;
    for live in &definitions {
        let new = objects.iter().find(|o| {
            o["kind"] == "CustomResourceDefinition"
                && o["metadata"]["name"].as_str() == live.metadata.name.as_deref()
        });
        if let Some(why) = new.and_then(|new| compatible::obstacle(&choices.group, live, new)) {
            return Err(OperationError::Conflict {
                message: why,
                hint: Some("install a platform that is at least as new as the one that made it, or choose another --api-group where there is none yet".to_owned()),
            });
        }
    }
    rights::require_delegation(client, applier.kinds(), &objects, MANAGER_INSTALL).await?;
    lap.done(
        "looked at the cluster",
        words(&found),
        capabilities.kube_version.clone(),
    );
    patience.check()?;

    let adopted = found::adopt(client, &definitions).await?;
    if adopted > 0 {
        let what = plural(adopted, "definition");
        reporter.note(&format!(
            "{what} that an uninstalled Helm release left behind: taken over"
        ));
    }
    lap.started("applying");
    if !choices.webhook {
        open_door(client).await?;
    }
    let applied = put(client, &applier, &choices, objects, memory).await?;
    let objects = told(&applied);
    let changed = objects
        .iter()
        .filter(|o| o.outcome != "unchanged" && o.outcome != "skipped")
        .count();
    let detail = match changed {
        0 => "nothing to change".to_owned(),
        changed => format!("{changed} of {}", plural(objects.len(), "object")),
    };
    lap.done("applied", detail, String::new());
    lap.started("waiting for the operator");
    ready(client, OPERATOR, choices.replicas, &patience).await?;
    lap.done(
        "operator ready",
        plural(usize::from(choices.replicas), "replica"),
        choices.image.clone(),
    );
    if choices.webhook {
        lap.started("waiting for the webhook");
        ready(client, WEBHOOK, WEBHOOKS, &patience).await?;
        lap.done(
            "webhook ready",
            plural(usize::from(WEBHOOKS), "replica"),
            "enforced guardrails refuse what they forbid".to_owned(),
        );
    }
    Ok(Installed {
        group: choices.group.to_string(),
        version: VERSION.to_owned(),
        previous_version: found
            .installation
            .map(|i| i.version)
            .filter(|version| version != VERSION),
        namespace: SYSTEM_NAMESPACE.to_owned(),
        image: choices.image,
        replicas: choices.replicas,
        webhook: choices.webhook,
        objects,
    })
}

/// The objects of an install as YAML documents, for a repository from which something else applies them.
pub fn install_manifests(request: &InstallRequest) -> Result<String, OperationError> {
    let choices = choose(request, &Found::default(), &Memory::default())?;
    let objects = manifests(&choices, &Capabilities::default())?;
    Ok(objects.iter().fold(String::new(), |text, object| {
        format!("{text}---\n{}", yaml::emit(object))
    }))
}

/// What any install makes, for what does not depend on choices: kinds, names, places.
fn any_manifests() -> Result<Vec<Value>, OperationError> {
    let choices = Choices {
        group: Group::default(),
        image: "registry.invalid/platform:0".to_owned(),
        replicas: REPLICAS,
        webhook: true,
    };
    manifests(&choices, &Capabilities::default())
}

/// Settles what is installed, from what was asked for and what is there.
fn choose(request: &InstallRequest, found: &Found, memory: &Memory) -> Result<Choices, OperationError> {
    if let Some(release) = found.installation.as_ref().and_then(|i| i.helm_release.as_ref()) {
        return Err(OperationError::Conflict {
            message: format!(
                "this platform was installed by Helm, as release {release}: two of us would undo each other's work"
            ),
            hint: Some(format!(
                "upgrade it with: helm upgrade {release} charts/platform --namespace {SYSTEM_NAMESPACE}"
            )),
        });
    }
    if found.namespace == Some(true) {
        return Err(OperationError::Conflict {
            message: format!("the namespace {SYSTEM_NAMESPACE} is being deleted"),
            hint: Some(format!(
                "wait until it is gone (kubectl wait --for=delete namespace/{SYSTEM_NAMESPACE}), then run the same command again"
            )),
        });
    }
    let group = choose_group(request, found)?;
    let before = memory
        .image
        .clone()
        .or_else(|| found.installation.as_ref().map(|i| i.image.clone()));
    let older = found.installation.as_ref().is_some_and(|i| i.version != VERSION);
    let image = match (&request.image, before) {
        (Some(image), _) => image.clone(),
        (None, Some(image)) if !older => image,
        (None, _) => {
            return Err(OperationError::invalid_hint(
                format!("which image is the operator of version {VERSION} to run?"),
                "name it with --image REGISTRY/NAME:VERSION; cargo xtask image makes one to push there",
            ));
        }
    };
    if let Some(why) = image_problem(&image) {
        return Err(OperationError::invalid_hint(
            format!(
                "the operator cannot run the image \"{}\": {why}",
                image.escape_debug()
            ),
            "name one by version or digest, such as registry.example.com/platform:0.1.0",
        ));
    }
    Ok(Choices {
        group,
        image,
        replicas: request.replicas.or(memory.replicas).unwrap_or(REPLICAS),
        webhook: request.webhook.or(memory.webhook).unwrap_or(true),
    })
}

/// The API group: what was chosen once stays.
fn choose_group(request: &InstallRequest, found: &Found) -> Result<Group, OperationError> {
    let installed = found
        .installation
        .as_ref()
        .map(|i| (i.group.clone(), "the cluster has the platform installed under it"));
    let defined = || {
        // More than one: there is no telling which was meant.
        let [group] = found.groups.iter().collect::<Vec<_>>()[..] else {
            return None;
        };
        Some((Group::parse(group).ok()?, "the cluster has definitions under it"))
    };
    let repository = || {
        Some((
            request.repository_group.clone()?,
            "the infrastructure repository has it in platform/platform.yaml",
        ))
    };
    let chosen = installed.or_else(defined).or_else(repository);
    for (group, why) in chosen.iter().chain(repository().iter()) {
        let wanted = request
            .group
            .as_ref()
            .or_else(|| chosen.as_ref().map(|(group, _)| group));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != group) {
            return Err(OperationError::Conflict {
                message: format!("the API group of this platform is {group}, not {wanted}: {why}"),
                hint: Some("the group is chosen once, because every service is stored under it; leave --api-group out to keep it".to_owned()),
            });
        }
    }
    if request.group.is_none() && chosen.is_none() && found.groups.len() > 1 {
        return Err(OperationError::invalid_hint(
            format!(
                "the cluster has definitions under several groups: {}",
                found.groups.iter().cloned().collect::<Vec<_>>().join(", ")
            ),
            "say which one this platform has, with --api-group",
        ));
    }
    Ok(request
        .group
        .clone()
        .or(chosen.map(|(group, _)| group))
        .unwrap_or_default())
}

fn words(found: &Found) -> String {
    match &found.installation {
        None => "no platform yet".to_owned(),
        Some(installation) => format!("platform {}", installation.version),
    }
}

async fn capabilities(client: &Client, applier: &Applier) -> Result<Capabilities, OperationError> {
    let version = client
        .apiserver_version()
        .await
        .map_err(OperationError::cluster("ask the cluster for its version"))?;
    let mut capabilities = Capabilities {
        kube_version: version.git_version,
        ..Capabilities::default()
    };
    let (group, kind) = SERVICE_MONITOR;
    let monitor = applier.kinds().find(group, kind).await;
    if monitor
        .map_err(OperationError::cluster("ask the cluster for its kinds"))?
        .is_some()
    {
        capabilities.api_versions.push(format!("{group}/{kind}"));
    }
    Ok(capabilities)
}

/// Applies the objects. What is about to be made is written down first, so that a run that is cut off here leaves
/// nothing that nobody knows of.
async fn put(
    client: &Client,
    applier: &Applier,
    choices: &Choices,
    mut objects: Vec<Value>,
    mut memory: Memory,
) -> Result<Applied, OperationError> {
    let tracking = Tracking::new(choices.group.annotation_tracking(), SET);
    let rest = objects.split_off(1);
    let mut namespace = ApplySet::new(MANAGER_INSTALL, tracking.clone(), objects);
    namespace.force = true;
    let mut all = sound(applier.apply(&namespace).await)?;
    crate::fault::point("namespace", "after");

    memory.image = Some(choices.image.clone());
    memory.replicas = Some(choices.replicas);
    memory.webhook = Some(choices.webhook);
    let planned = rest.iter().map(|object| ObjectId::of(object).item(""));
    let known = std::mem::take(&mut memory.inventory);
    memory.inventory = known
        .iter()
        .cloned()
        .chain(planned.filter(|item| !holds(&known, item)))
        .collect();
    memory.store(client).await?;
    crate::fault::point("inventory", "after");

    // Definitions by themselves: they are never taken away, for with them would go all services.
    let (definitions, others): (Vec<Value>, Vec<Value>) = rest
        .into_iter()
        .partition(|o| o["kind"] == "CustomResourceDefinition");
    let mut set = ApplySet::new(MANAGER_INSTALL, tracking.clone(), definitions);
    set.force = true;
    let defined = sound(applier.apply(&set).await)?;
    crate::fault::point("definitions", "after");

    let mut set = ApplySet::new(MANAGER_INSTALL, tracking, others);
    set.force = true;
    set.prune = Prune::AfterSuccess;
    set.inventory = memory
        .inventory
        .iter()
        .filter(|item| item.kind != "CustomResourceDefinition")
        .cloned()
        .collect();
    let applied = applier.apply(&set).await;
    memory.inventory = applied
        .inventory
        .iter()
        .chain(&defined.inventory)
        .cloned()
        .collect();
    memory.store(client).await?;
    let applied = sound(applied)?;
    crate::fault::point("objects", "after");
    all.results.extend(defined.results);
    all.results.extend(applied.results);
    all.pruned.extend(applied.pruned);
    Ok(all)
}

fn holds(known: &[InventoryItem], item: &InventoryItem) -> bool {
    known.iter().any(|known| known.id().same_object(&item.id()))
}

/// The same, or why one of its objects could not be applied.
fn sound(mut applied: Applied) -> Result<Applied, OperationError> {
    let failed = applied
        .results
        .iter()
        .position(|result| matches!(result.outcome, Outcome::Failed(_)));
    let Some(result) = failed.map(|index| applied.results.swap_remove(index)) else {
        return Ok(applied);
    };
    match result.outcome {
        Outcome::Failed(problem) => Err(OperationError::Object {
            doing: "apply",
            object: result.object.to_string(),
            problem,
        }),
        _ => Ok(applied),
    }
}

fn told(applied: &Applied) -> Vec<InstalledObject> {
    let results = applied.results.iter().map(|result| InstalledObject {
        object: result.object.to_string(),
        outcome: match &result.outcome {
            Outcome::Created => "created",
            Outcome::Configured => "changed",
            Outcome::Unchanged => "unchanged",
            Outcome::Skipped { .. } | Outcome::Failed(_) => "skipped",
        },
    });
    let pruned = applied
        .pruned
        .iter()
        .filter(|pruned| matches!(pruned.outcome, PrunedOutcome::Removed));
    let pruned = pruned.map(|pruned| InstalledObject {
        object: pruned.object.to_string(),
        outcome: "removed",
    });
    results.chain(pruned).collect()
}

/// Takes away what tells the API server to ask the webhook. First of all: while it stands and nobody answers, what the
/// webhook would be asked about is refused.
async fn open_door(client: &Client) -> Result<(), OperationError> {
    let parameters = DeleteParams::default();
    let judging: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let changing: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let judging = judging.delete(GUARDRAILS, &parameters).await.map(drop);
    let changing = changing.delete(GUARDRAILS, &parameters).await.map(drop);
    for outcome in [judging, changing] {
        match outcome {
            Ok(()) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                return Err(OperationError::cluster(format!(
                    "take away the webhook configuration {GUARDRAILS}"
                ))(error));
            }
        }
    }
    Ok(())
}

/// Waits until as many as wanted of what a Deployment runs are ready, all of them of this version.
async fn ready(client: &Client, name: &str, wanted: u16, patience: &Patience) -> Result<(), OperationError> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let wanted = i32::from(wanted);
    let mut state = "its Deployment is being made".to_owned();
    let waited = patience
        .watch(deployments, name, |deployment| {
            let deployment = deployment?;
            let status = deployment.status.clone().unwrap_or_default();
            let available = status.available_replicas.unwrap_or_default();
            let fresh = status.updated_replicas.unwrap_or_default();
            let seen = status.observed_generation >= deployment.metadata.generation;
            state = format!("{} of {wanted} replicas ready", available.min(fresh));
            (seen && fresh >= wanted && available >= wanted && status.replicas.unwrap_or_default() == wanted)
                .then_some(())
        })
        .await;
    let Err(impatience) = waited else { return Ok(()) };
    if let Some(cause) = cause(client, name).await {
        state = format!("{state}; {cause}");
    }
    let hint = format!(
        "look at it with: kubectl --namespace {SYSTEM_NAMESPACE} describe deployment {name}; the same command goes on with it"
    );
    let what = if name == OPERATOR { "operator" } else { "webhook" };
    Err(impatience.explain(&format!("the start of the {what}"), state, hint))
}

/// Why the pods of a Deployment are not ready, as far as the cluster tells.
async fn cause(client: &Client, name: &str) -> Option<String> {
    let selector = format!("{}={name}", api::LABEL_NAME);
    let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let events: Api<Event> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let pods = pods.list(&ListParams::default().labels(&selector)).await.ok()?;
    let events = events
        .list(&ListParams::default().limit(EVENT_LIMIT))
        .await
        .ok()?;
    let values = |items: Vec<Value>, kind: &str| -> Vec<Value> {
        let named = items.into_iter().map(|mut item| {
            item["kind"] = json!(kind);
            item
        });
        named.collect()
    };
    let pods = values(pods.items.iter().map(|pod| json!(pod)).collect(), "Pod");
    let events = values(events.items.iter().map(|event| json!(event)).collect(), "Event");
    let facts = Facts {
        pods: &pods,
        events: &events,
        ..Facts::default()
    };
    first_cause(&facts).map(|cause| cause.message)
}

#[cfg(test)]
mod tests;
