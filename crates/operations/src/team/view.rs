//! Teams as people look at them: who answers, which namespaces stand, what is used of the quota, which services run.

use std::collections::{BTreeMap, BTreeSet};

use api::{Group, Kind, Name, Team, TeamSpec};
use delivery::layout::platform_file;
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::Serialize;

use super::{missing, teams};
use crate::catalog::Catalog;
use crate::error::OperationError;
use crate::platform::Platform;
use crate::view::{ServiceView, list_services};

/// A team in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamSummary {
    /// Its name.
    pub name: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The environments it uses.
    pub environments: Vec<String>,
    /// How many services it has.
    pub services: usize,
    /// How many of them are not well.
    pub unwell: usize,
    /// Whether its boundaries stand.
    pub ready: bool,
    /// How its boundaries are, in plain words.
    pub reason: String,
    /// Whether its pods are simulated.
    pub simulated: bool,
}

/// One team.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamView {
    /// Its name.
    pub name: String,
    /// Whether its boundaries stand.
    pub ready: bool,
    /// How its boundaries are, in plain words.
    pub reason: String,
    /// What it has, as Git says; as the cluster says where Git does not know it.
    pub spec: TeamSpec,
    /// Its file in the infrastructure repository, where Git knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its namespaces.
    pub namespaces: Vec<NamespaceView>,
    /// Whether its pods are simulated.
    pub simulated: bool,
}

/// A team's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceView {
    /// The environment.
    pub environment: String,
    /// Its name.
    pub name: String,
    /// Whether it stands in the cluster.
    pub exists: bool,
    /// What may be used there, and what is.
    pub quota: Vec<QuotaView>,
    /// What runs there.
    pub services: Vec<ServiceBrief>,
}

/// One line of a quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaView {
    /// What is counted: `requests.cpu`.
    pub resource: String,
    /// How much may be used.
    pub hard: String,
    /// How much is used; absent where nobody counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<String>,
}

/// A service of a team in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceBrief {
    /// Its name.
    pub name: String,
    /// How it is.
    pub health: String,
    /// The first cause, in plain words.
    pub reason: String,
}

/// All teams of Git and of the cluster, by name.
pub async fn list_teams(platform: &Platform) -> Result<Vec<TeamSummary>, OperationError> {
    let (catalog, _) = Catalog::read(&platform.repository, &platform.settings)?;
    let live = live(platform).await?;
    let services = list_services(platform, None, None).await?;
    let simulated = platform.simulated().await?;
    let names: BTreeSet<String> = catalog.teams().into_iter().chain(live.keys().cloned()).collect();
    let mut summaries = Vec::new();
    for name in names {
        // A file that cannot be read is the reason, not the end of the list.
        let (spec, broken) = match catalog.team(&name) {
            Ok(Some(team)) => (Some(team.spec), None),
            Ok(None) => (None, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let (ready, reason) = state(live.get(&name));
        let spec = spec
            .or_else(|| Some(live.get(&name)?.spec.clone()))
            .unwrap_or_default();
        let own: Vec<&ServiceView> = of_team(&services, &name).collect();
        summaries.push(TeamSummary {
            environments: spec.environments.into_iter().map(|e| e.name).collect(),
            display_name: spec.display_name,
            owner: spec.owner,
            services: own.len(),
            unwell: own.iter().filter(|service| !well(&service.health)).count(),
            ready: ready && broken.is_none(),
            reason: broken.unwrap_or(reason),
            simulated,
            name,
        });
    }
    Ok(summaries)
}

/// One team, closely.
pub async fn get_team(platform: &Platform, name: &str) -> Result<TeamView, OperationError> {
    let (catalog, _) = Catalog::read(&platform.repository, &platform.settings)?;
    // A name that no team can have is looked up nowhere.
    if Name::parse("team", name).is_err() {
        return Err(missing(&catalog, name));
    }
    let in_git = catalog.team(name)?;
    let found = teams(platform).get_opt(name).await;
    let live = known(found, &format!("look at team {name}"))?;
    let (ready, reason) = state(live.as_ref());
    let path = match &in_git {
        Some(_) => Some(platform_file(Kind::Team, name)?.to_string()),
        None => None,
    };
    let Some(team) = in_git.or(live) else {
        return Err(missing(&catalog, name));
    };
    let services = list_services(platform, Some(name), None).await?;
    let simulated = platform.simulated().await?;
    let mut namespaces = Vec::new();
    for environment in &team.spec.environments {
        let namespace = Group::namespace(name, &environment.name);
        let api: Api<Namespace> = Api::all(platform.client.clone());
        let exists = api
            .get_metadata_opt(&namespace)
            .await
            .map_err(OperationError::cluster(format!(
                "look at the namespace {namespace}"
            )))?
            .is_some();
        let quota = if exists {
            quota(platform, &namespace).await?
        } else {
            Vec::new()
        };
        let own = services.iter().filter(|service| service.namespace == namespace);
        namespaces.push(NamespaceView {
            environment: environment.name.clone(),
            exists,
            quota,
            services: own
                .map(|service| ServiceBrief {
                    name: service.name.clone(),
                    health: service.health.clone(),
                    reason: service.reason.clone(),
                })
                .collect(),
            name: namespace,
        });
    }
    Ok(TeamView {
        name: name.to_owned(),
        ready,
        reason,
        spec: team.spec,
        path,
        namespaces,
        simulated,
    })
}

fn of_team<'a>(services: &'a [ServiceView], name: &'a str) -> impl Iterator<Item = &'a ServiceView> {
    services
        .iter()
        .filter(move |service| service.team.as_deref() == Some(name))
}

/// Whether a service needs nobody.
fn well(health: &str) -> bool {
    matches!(health, "Healthy" | "Suspended")
}

async fn live(platform: &Platform) -> Result<BTreeMap<String, Team>, OperationError> {
    let found = teams(platform).list(&ListParams::default()).await;
    let list = known(found.map(|list| Some(list.items)), "list the teams")?;
    Ok(list
        .into_iter()
        .flatten()
        .map(|team| (team.name_any(), team))
        .collect())
}

/// A cluster that does not know the kind has no object of it.
fn known<T>(found: kube::Result<Option<T>>, doing: &str) -> Result<Option<T>, OperationError> {
    match found {
        Ok(found) => Ok(found),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(OperationError::cluster(doing)(error)),
    }
}

/// Whether the boundaries stand, and how they are.
fn state(team: Option<&Team>) -> (bool, String) {
    let Some(team) = team else {
        return (false, "it is not in the cluster yet".to_owned());
    };
    let status = team.status.as_ref();
    let seen = status.filter(|status| status.observed_generation == team.metadata.generation);
    let ready = seen.and_then(|status| status.conditions.iter().find(|c| c.kind == "Ready"));
    match ready {
        Some(ready) => (ready.status == "True", ready.message.clone()),
        None => (false, "the operator has not seen it yet".to_owned()),
    }
}

async fn quota(platform: &Platform, namespace: &str) -> Result<Vec<QuotaView>, OperationError> {
    let api: Api<ResourceQuota> = Api::namespaced(platform.client.clone(), namespace);
    let list = api
        .list(&ListParams::default())
        .await
        .map_err(OperationError::cluster(format!(
            "look at the quota of {namespace}"
        )))?;
    let mut lines = Vec::new();
    for quota in list {
        let hard = quota.spec.and_then(|spec| spec.hard).unwrap_or_default();
        let used = quota.status.and_then(|status| status.used).unwrap_or_default();
        lines.extend(hard.into_iter().map(|(resource, hard)| QuotaView {
            used: used.get(&resource).map(|used| used.0.clone()),
            hard: hard.0,
            resource,
        }));
    }
    Ok(lines)
}
