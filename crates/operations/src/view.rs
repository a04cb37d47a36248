//! A service as people look at it: how it is, why, and the chain from the commit to the pods.

use api::{Application, ClaimStatus, Kind};
use apply::health::{Facts, HealthStatus, assess, first_cause};
use delivery::{CommitId, RepoPath};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::ListParams;
use kube::core::Object;
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::OperationError;
use crate::platform::Platform;

/// One link of the chain from intent to pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainLink {
    /// What it is: `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How it is, in Argo CD's words.
    pub health: String,
    /// Why, where that needs saying.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What follows from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<ChainLink>,
}

/// One object of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// The commit a service stands at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitView {
    /// Its id.
    pub id: String,
    /// Its first line.
    pub subject: String,
    /// Who made it.
    pub author: String,
    /// When.
    pub time: String,
}

/// A service as people look at it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Its environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How it is.
    pub health: String,
    /// Whether the cluster holds what Git says.
    pub sync: String,
    /// The first cause, in plain words.
    pub reason: String,
    /// The commit it stands at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitView>,
    /// The golden path, `name@version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub golden_path: Option<String>,
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How many copies are wanted.
    pub replicas: i32,
    /// How many are ready.
    pub ready_replicas: i32,
    /// Whether its pods are simulated.
    pub simulated: bool,
    /// The chain from the commit to the pods; empty in a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<ChainLink>,
    /// The objects the operator made; empty in a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectView>,
}

/// All services of the cluster, sorted by place and name; those of one team or environment where it is given.
pub async fn list_services(
    platform: &Platform,
    team: Option<&str>,
    environment: Option<&str>,
) -> Result<Vec<ServiceView>, OperationError> {
    let applications = applications(platform).await?;
    let simulated = platform.simulated().await?;
    let mut views: Vec<_> = applications
        .iter()
        .map(|application| summary(platform, application, simulated))
        .collect();
    views.retain(|view| {
        team.is_none_or(|t| view.team.as_deref() == Some(t))
            && environment.is_none_or(|e| view.environment.as_deref() == Some(e))
    });
    views.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(views)
}

/// One service, with its chain.
pub async fn get_service(
    platform: &Platform,
    name: &str,
    team: Option<&str>,
    environment: Option<&str>,
) -> Result<ServiceView, OperationError> {
    let all = applications(platform).await?;
    let simulated = platform.simulated().await?;
    let matches: Vec<_> = all
        .iter()
        .map(|application| (application, summary(platform, application, simulated)))
        .filter(|(_, view)| {
            view.name == name
                && team.is_none_or(|t| view.team.as_deref() == Some(t))
                && environment.is_none_or(|e| view.environment.as_deref() == Some(e))
        })
        .collect();
    let (application, view) = match &matches[..] {
        [one] => one.clone(),
        [] => return Err(missing(platform, name, &all)),
        several => {
            let places: Vec<_> = several.iter().map(|(_, v)| v.namespace.as_str()).collect();
            return Err(OperationError::invalid_hint(
                format!(
                    "there are {} services called \"{name}\": in {}",
                    several.len(),
                    places.join(", ")
                ),
                "say which with --team and --environment",
            ));
        }
    };
    complete(platform, application, view).await
}

async fn applications(platform: &Platform) -> Result<Vec<Application>, OperationError> {
    let resource = platform.group().resource(Kind::Application);
    let api: Api<Application> = Api::all_with(platform.client.clone(), &resource);
    let list = api
        .list(&ListParams::default())
        .await
        .map_err(OperationError::cluster("list the services"))?;
    Ok(list.items)
}

fn missing(platform: &Platform, name: &str, all: &[Application]) -> OperationError {
    let near = all
        .iter()
        .map(ResourceExt::name_any)
        .find(|n| strsim::levenshtein(n, name) <= 2);
    let list = if platform.is_embedded() {
        "platform service list"
    } else {
        "platform service list --context NAME"
    };
    OperationError::NotFound {
        what: "service",
        name: name.to_owned(),
        place: None,
        hint: Some(near.map_or_else(
            || format!("{list} shows those there are"),
            |n| format!("did you mean \"{n}\"?"),
        )),
    }
}

/// The part of a service's view that its own object tells.
fn summary(platform: &Platform, application: &Application, simulated: bool) -> ServiceView {
    let group = platform.group();
    let status = application.status.clone().unwrap_or_default();
    let labels = application.labels();
    ServiceView {
        name: application.name_any(),
        namespace: application.namespace().unwrap_or_default(),
        team: labels.get(&group.label_team()).cloned(),
        environment: labels.get(&group.label_environment()).cloned(),
        health: status
            .health
            .map_or_else(|| "Unknown".to_owned(), |h| h.to_string()),
        sync: status
            .sync
            .map_or_else(|| "Unknown".to_owned(), |s| s.to_string()),
        reason: status
            .reason
            .unwrap_or_else(|| "the operator has not seen it yet".to_owned()),
        commit: status.revision.map(|id| CommitView {
            id,
            subject: String::new(),
            author: String::new(),
            time: String::new(),
        }),
        golden_path: status.golden_path,
        image: status.image,
        replicas: status.replicas,
        ready_replicas: status.ready_replicas,
        simulated,
        chain: Vec::new(),
        objects: Vec::new(),
    }
}

/// Adds what only a closer look tells: the commit's words, the chain, the objects.
async fn complete(
    platform: &Platform,
    application: &Application,
    mut view: ServiceView,
) -> Result<ServiceView, OperationError> {
    if let Some(commit) = &mut view.commit {
        describe_commit(platform, application, commit);
    }
    let inventory = application
        .status
        .as_ref()
        .map(|s| s.inventory.clone())
        .unwrap_or_default();
    view.objects = inventory
        .into_iter()
        .map(|i| ObjectView {
            kind: i.kind,
            name: i.name,
        })
        .collect();
    view.chain = chain(platform, application, &view).await?;
    Ok(view)
}

/// The commit as Git tells it; a commit that this repository does not have keeps its id alone.
fn describe_commit(platform: &Platform, application: &Application, commit: &mut CommitView) {
    let source = application
        .annotations()
        .get(&platform.group().annotation_source());
    let path = source.and_then(|path| RepoPath::new(path.clone()).ok());
    let entry = CommitId::new(commit.id.clone())
        .ok()
        .and_then(|id| platform.repository.log(&id, path.as_ref(), 1).ok())
        .and_then(|entries| entries.into_iter().next());
    if let Some(entry) = entry {
        commit.subject = entry.subject;
        entry.author.name().clone_into(&mut commit.author);
        commit.time = entry.time.to_string();
    }
}

async fn chain(
    platform: &Platform,
    application: &Application,
    view: &ServiceView,
) -> Result<Vec<ChainLink>, OperationError> {
    let namespace = &view.namespace;
    let client = &platform.client;
    let group = platform.group();
    let selector = ListParams::default().labels(&format!("{}={}", group.label_service(), view.name));
    let mut links = Vec::new();

    for (kind, suffix, wanted) in [
        (Kind::Database, "db", application.spec.database.is_some()),
        (Kind::Cache, "cache", application.spec.cache.is_some()),
    ] {
        if !wanted {
            continue;
        }
        let name = format!("{}-{suffix}", view.name);
        links.push(claim_link(platform, namespace, kind, &name).await?);
    }
    let deployments = list::<Deployment>(Api::namespaced(client.clone(), namespace), &selector).await?;
    let replica_sets = list::<ReplicaSet>(Api::namespaced(client.clone(), namespace), &selector).await?;
    let pods = list::<Pod>(Api::namespaced(client.clone(), namespace), &selector).await?;
    for deployment in &deployments {
        let mut link = assessed("Deployment", deployment);
        for set in replica_sets
            .iter()
            .filter(|s| owned_by(*s, deployment) && wants_pods(s))
        {
            let mut inner = assessed("ReplicaSet", set);
            inner.then = pods
                .iter()
                .filter(|p| owned_by(*p, set))
                .map(|p| assessed("Pod", p))
                .collect();
            link.then.push(inner);
        }
        links.push(link);
    }
    let root = ChainLink {
        kind: "Application".to_owned(),
        name: view.name.clone(),
        health: view.health.clone(),
        reason: view.reason.clone(),
        then: links,
    };
    Ok(vec![root])
}

async fn claim_link(
    platform: &Platform,
    namespace: &str,
    kind: Kind,
    name: &str,
) -> Result<ChainLink, OperationError> {
    let client = &platform.client;
    let resource = platform.group().resource(kind);
    let api: Api<Object<Value, ClaimStatus>> = Api::namespaced_with(client.clone(), namespace, &resource);
    let found = api
        .get_opt(name)
        .await
        .map_err(OperationError::cluster(format!("look at {kind} {name}")))?;
    let Some(claim) = found else {
        return Ok(ChainLink {
            kind: kind.to_string(),
            name: name.to_owned(),
            health: "Missing".to_owned(),
            reason: String::new(),
            then: Vec::new(),
        });
    };
    let status = claim.status.unwrap_or_default();
    let health = match status.phase {
        api::Phase::Ready => "Healthy",
        api::Phase::Pending => "Progressing",
        api::Phase::Failed => "Degraded",
    };
    let mut then = Vec::new();
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    if let Some(set) = sets
        .get_opt(name)
        .await
        .map_err(OperationError::cluster(format!("look at StatefulSet {name}")))?
    {
        let mut link = assessed("StatefulSet", &set);
        let volumes: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
        let volume = volumes
            .get_opt(&format!("data-{name}-0"))
            .await
            .map_err(OperationError::cluster(format!("look at the volume of {name}")))?;
        link.then
            .extend(volume.iter().map(|v| assessed("PersistentVolumeClaim", v)));
        then.push(link);
    }
    Ok(ChainLink {
        kind: kind.to_string(),
        name: name.to_owned(),
        health: health.to_owned(),
        reason: status.reason.unwrap_or_default(),
        then,
    })
}

async fn list<K>(api: Api<K>, selector: &ListParams) -> Result<Vec<K>, OperationError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let list = api
        .list(selector)
        .await
        .map_err(OperationError::cluster("look at the service's objects"))?;
    Ok(list.items)
}

fn assessed<K: Serialize + ResourceExt>(kind: &str, object: &K) -> ChainLink {
    let mut value = json!(object);
    value["kind"] = json!(kind);
    let health = assess(&value);
    let facts = Facts {
        pods: std::slice::from_ref(&value),
        ..Facts::default()
    };
    // A pod tells of back-offs; what went wrong before is what somebody wants to know.
    let cause = (kind == "Pod" && health.status != HealthStatus::Healthy).then(|| first_cause(&facts));
    ChainLink {
        kind: kind.to_owned(),
        name: object.name_any(),
        health: health.status.to_string(),
        reason: cause.flatten().map_or(health.reason, |cause| cause.message),
        then: Vec::new(),
    }
}

fn owned_by(child: &impl ResourceExt, parent: &impl ResourceExt) -> bool {
    let uid = parent.uid();
    uid.is_some()
        && child
            .owner_references()
            .iter()
            .any(|owner| Some(&owner.uid) == uid.as_ref())
}

fn wants_pods(set: &ReplicaSet) -> bool {
    set.spec.replicas.unwrap_or_default() > 0
}
