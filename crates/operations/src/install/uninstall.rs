//! Taking the platform off a cluster, and leaving what people made with it: services, data, and by default the
//! definitions that hold them.

use api::{Kind, SYSTEM_NAMESPACE};
use apply::{Applier, ApplySet, InventoryItem, ObjectId, Prune, PrunedOutcome, Tracking};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::chart::{OPERATOR, WEBHOOK};
use super::found::Found;
use super::memory::Memory;
use super::{MANAGER_INSTALL, SET, any_manifests, found, holds, open_door, rights};
use crate::create::{Lap, plural};
use crate::error::OperationError;
use crate::progress::Reporter;
use crate::wait::Patience;

/// What is asked of an uninstall.
#[derive(Clone, Debug)]
pub struct UninstallRequest {
    /// Take the definitions and the platform's namespace away as well. Refused while anything would go with them.
    pub everything: bool,
    /// How long to wait until what is deleted is gone.
    pub timeout: std::time::Duration,
}

/// What an uninstall came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Uninstalled {
    /// The API group.
    pub group: String,
    /// What was taken away.
    pub removed: Vec<String>,
    /// What stays, in plain words.
    pub stays: Vec<String>,
}

/// The kinds that hold services and data.
const PRECIOUS: [Kind; 3] = [Kind::Application, Kind::Database, Kind::Cache];
/// How many objects are named when they are in the way.
const TOLD: usize = 3;

/// Takes the platform away.
///
/// # Errors
/// Nothing is removed when Helm keeps the platform, or when everything is to go while services or data are there.
pub async fn uninstall(
    client: &Client,
    request: &UninstallRequest,
    reporter: &dyn Reporter,
    cancel: &CancellationToken,
) -> Result<Uninstalled, OperationError> {
    let patience = Patience::new(request.timeout, cancel.clone());
    let mut lap = Lap::new(reporter);
    lap.started("looking at the cluster");
    let applier = Applier::new(client.clone());
    let objects = any_manifests()?;
    let going: Vec<Value> = objects
        .iter()
        .filter(|o| request.everything || !stays(o["kind"].as_str().unwrap_or_default()))
        .cloned()
        .collect();
    rights::require(client, applier.kinds(), "take away", &going, &["get", "delete"]).await?;
    let found = Found::read(client).await?;
    let group = group(&found)?;
    let definitions = found::definitions(client, &group).await?;
    if request.everything {
        refuse_precious(client, &group).await?;
    }
    lap.done(
        "looked at the cluster",
        plural(definitions.len(), "definition"),
        String::new(),
    );

    lap.started("removing");
    open_door(client).await?;
    let mut removed = take_away(client, &applier, &group, &objects, &found).await?;
    lap.done(
        "removed the operator and its rights",
        plural(removed.len(), "object"),
        String::new(),
    );
    let mut report = Uninstalled {
        group: group.to_string(),
        ..Uninstalled::default()
    };
    if request.everything {
        lap.started("removing the definitions");
        removed.extend(delete_everything(client, &definitions, &found, &patience).await?);
        lap.done(
            "removed the definitions",
            plural(definitions.len(), "definition"),
            String::new(),
        );
        report.stays = vec!["namespaces of teams, with what is in them".to_owned()];
    } else {
        report.stays = remaining(client, &group).await?;
    }
    report.removed = removed;
    Ok(report)
}

fn stays(kind: &str) -> bool {
    ["CustomResourceDefinition", "Namespace"].contains(&kind)
}

/// Which platform is to go.
fn group(found: &Found) -> Result<api::Group, OperationError> {
    if let Some(installation) = &found.installation {
        if let Some(release) = &installation.helm_release {
            return Err(OperationError::Conflict {
                message: format!("this platform was installed by Helm, as release {release}"),
                hint: Some(format!(
                    "take it away with: helm uninstall {release} --namespace {SYSTEM_NAMESPACE}; it leaves definitions, services and data"
                )),
            });
        }
        return Ok(installation.group.clone());
    }
    let [group] = found.groups.iter().collect::<Vec<_>>()[..] else {
        return Err(OperationError::NotFound {
            what: "platform",
            name: SYSTEM_NAMESPACE.to_owned(),
            place: Some("this cluster".to_owned()),
            hint: Some("kubectl get crds shows whether its definitions are there".to_owned()),
        });
    };
    api::Group::parse(group).map_err(|error| OperationError::invalid(error.to_string()))
}

/// Removes what an install made, the operator first. What is nobody's or somebody else's by now stays.
async fn take_away(
    client: &Client,
    applier: &Applier,
    group: &api::Group,
    objects: &[Value],
    found: &Found,
) -> Result<Vec<String>, OperationError> {
    if found.namespace.is_none() {
        return Ok(Vec::new());
    }
    let memory = Memory::load(client).await?;
    // What was rendered counts even where the memory of it is lost: each object's own mark says whose it is.
    let rendered: Vec<InventoryItem> = objects
        .iter()
        .map(|object| ObjectId::of(object).item(""))
        .collect();
    let rest = rendered
        .into_iter()
        .filter(|item| !holds(&memory.inventory, item))
        .collect::<Vec<_>>();
    let inventory = memory
        .inventory
        .into_iter()
        .chain(rest)
        .filter(|item| !stays(&item.kind));
    let tracking = Tracking::new(group.annotation_tracking(), SET);
    let mut set = ApplySet::new(MANAGER_INSTALL, tracking, Vec::new());
    set.inventory = inventory.collect();
    set.prune = Prune::Always;
    let applied = applier.apply(&set).await;
    let mut removed = Vec::new();
    for pruned in applied.pruned {
        match pruned.outcome {
            PrunedOutcome::Removed => removed.push(pruned.object.to_string()),
            PrunedOutcome::Failed(problem) => {
                return Err(OperationError::Object {
                    doing: "remove",
                    object: pruned.object.to_string(),
                    problem,
                });
            }
            PrunedOutcome::Gone | PrunedOutcome::Released { .. } => {}
        }
    }
    release(client).await?;
    Memory::forget(client).await?;
    Ok(removed)
}

/// Takes away what they made themselves: the leases for which they stood, the certificate of the webhook.
async fn release(client: &Client) -> Result<(), OperationError> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    delete(&leases, OPERATOR, "lease").await?;
    delete(&leases, WEBHOOK, "lease").await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    delete(&secrets, WEBHOOK, "secret").await
}

/// Fails while services or data would go with the definitions.
async fn refuse_precious(client: &Client, group: &api::Group) -> Result<(), OperationError> {
    let mut there = Vec::new();
    for kind in PRECIOUS {
        there.extend(list(client, group, kind).await?);
    }
    if there.is_empty() {
        return Ok(());
    }
    let rest = there.len().saturating_sub(TOLD);
    let more = if rest == 0 {
        String::new()
    } else {
        format!(" and {rest} more")
    };
    let names = there.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    Err(OperationError::Conflict {
        message: format!("services and data are still there: {names}{more}; with the definitions they would be deleted"),
        hint: Some("delete them first (platform service delete NAME --delete-data), or leave --delete-everything out: then they stay and keep running".to_owned()),
    })
}

async fn list(client: &Client, group: &api::Group, kind: Kind) -> Result<Vec<String>, OperationError> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &group.resource(kind));
    match api.list_metadata(&ListParams::default()).await {
        Ok(list) => Ok(list
            .items
            .iter()
            .map(|o| match o.namespace() {
                Some(namespace) => format!("{kind} {namespace}/{}", o.name_any()),
                None => format!("{kind} {}", o.name_any()),
            })
            .collect()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(OperationError::cluster(format!("list {}", kind.plural()))(error)),
    }
}

/// What is left when the operator is gone, in plain words.
async fn remaining(client: &Client, group: &api::Group) -> Result<Vec<String>, OperationError> {
    let mut stays = Vec::new();
    for (kind, what) in [
        (Kind::Application, "service"),
        (Kind::Database, "database"),
        (Kind::Cache, "cache"),
        (Kind::Team, "team"),
    ] {
        match list(client, group, kind).await?.len() {
            0 => {}
            1 => stays.push(format!("1 {what}")),
            count if what == "cache" => stays.push(format!("{count} caches")),
            count => stays.push(plural(count, what)),
        }
    }
    stays.push(format!("the definitions under {group}"));
    stays.push(format!("the namespace {SYSTEM_NAMESPACE}"));
    Ok(stays)
}

/// Deletes the definitions and the platform's own namespace, and waits until they are gone.
async fn delete_everything(
    client: &Client,
    definitions: &[CustomResourceDefinition],
    found: &Found,
    patience: &Patience,
) -> Result<Vec<String>, OperationError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut removed = Vec::new();
    for definition in definitions {
        let name = definition.name_any();
        delete(&api, &name, "definition").await?;
        removed.push(format!("CustomResourceDefinition {name}"));
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if found.namespace.is_some() {
        delete(&namespaces, SYSTEM_NAMESPACE, "namespace").await?;
        removed.push(format!("Namespace {SYSTEM_NAMESPACE}"));
    }
    for definition in definitions {
        gone(patience, api.clone(), &definition.name_any()).await?;
    }
    gone(patience, namespaces, SYSTEM_NAMESPACE).await?;
    Ok(removed)
}

async fn delete<K>(api: &Api<K>, name: &str, what: &str) -> Result<(), OperationError>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    match api.delete(name, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(OperationError::cluster(format!("delete the {what} {name}"))(
            error,
        )),
    }
}

async fn gone<K>(patience: &Patience, api: Api<K>, name: &str) -> Result<(), OperationError>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let waited = patience
        .watch(api, name, |found| found.is_none().then_some(()))
        .await;
    waited.map_err(|impatience| {
        let hint = format!("something holds it: kubectl get {name} -o yaml shows its finalizers");
        impatience.explain(
            &format!("the deletion of {name}"),
            "it is not gone yet".to_owned(),
            hint,
        )
    })
}
