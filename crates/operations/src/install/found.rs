//! What a cluster has of the platform already: which group was chosen, who installed it, what definitions stand.

use std::collections::BTreeSet;

use api::{GUARDRAIL_REQUESTS, Group, Kind, SYSTEM_NAMESPACE};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::chart::RECORD;
use crate::error::OperationError;

/// Helm's mark on what it installed.
const HELM_RELEASE: &str = "meta.helm.sh/release-name";
const HELM_NAMESPACE: &str = "meta.helm.sh/release-namespace";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// What the names of the definitions of policy reports end with.
const REPORTS: &str = ".wgpolicyk8s.io";
/// Definitions asked for at once.
const PAGE: u32 = 250;

/// The platform that a cluster says is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The API group, chosen once.
    pub group: Group,
    /// Which version of the platform installed it.
    pub version: String,
    /// The operator's image.
    pub image: String,
    /// The Helm release that keeps it, if one does.
    pub helm_release: Option<String>,
}

/// Reads which platform is installed; `None` where there is none, or where the account may not know.
pub async fn installation(client: &Client) -> Result<Option<Installation>, OperationError> {
    match record(client).await {
        Err(OperationError::Cluster { source, .. }) if matches!(source.as_ref(), kube::Error::Api(status) if status.code == 403) =>
        {
            tracing::debug!("not allowed to read which platform is installed");
            Ok(None)
        }
        other => other,
    }
}

async fn record(client: &Client) -> Result<Option<Installation>, OperationError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let found = api
        .get_opt(RECORD)
        .await
        .map_err(OperationError::cluster(format!(
            "read which platform is installed ({SYSTEM_NAMESPACE}/{RECORD})"
        )))?;
    let Some(map) = found else { return Ok(None) };
    let read = |key: &str| map.data.as_ref().and_then(|data| data.get(key)).cloned();
    let group = read("group").unwrap_or_default();
    let group = Group::parse(&group).map_err(|error| {
        OperationError::invalid_hint(
            format!(
                "the ConfigMap {SYSTEM_NAMESPACE}/{RECORD} does not say which group the platform has: {error}"
            ),
            "set its key group to the one in platform/platform.yaml",
        )
    })?;
    Ok(Some(Installation {
        group,
        version: read("version").unwrap_or_default(),
        image: read("image").unwrap_or_default(),
        helm_release: map.annotations().get(HELM_RELEASE).cloned(),
    }))
}

/// Everything an install wants to know before it writes.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) installation: Option<Installation>,
    /// Groups under which the cluster has a platform's definitions, installed or left over.
    pub(super) groups: BTreeSet<String>,
    /// The platform's own namespace: whether it is going away, if it is there.
    pub(super) namespace: Option<bool>,
}

impl Found {
    pub(super) async fn read(client: &Client) -> Result<Self, OperationError> {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace =
            namespaces
                .get_metadata_opt(SYSTEM_NAMESPACE)
                .await
                .map_err(OperationError::cluster(format!(
                    "look at the namespace {SYSTEM_NAMESPACE}"
                )))?;
        Ok(Self {
            installation: record(client).await?,
            groups: groups(client).await?,
            namespace: namespace.map(|n| n.metadata.deletion_timestamp.is_some()),
        })
    }
}

/// The groups whose `applications` are defined and carry a platform's mark.
async fn groups(client: &Client) -> Result<BTreeSet<String>, OperationError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut groups = BTreeSet::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api
            .list_metadata(&page)
            .await
            .map_err(OperationError::cluster("look at the cluster's definitions"))?;
        groups.extend(list.items.iter().filter_map(group_of));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
            None => return Ok(groups),
        }
    }
}

fn group_of(definition: &PartialObjectMeta<CustomResourceDefinition>) -> Option<String> {
    let name = definition.name_any();
    let group = Group::parse(name.strip_prefix(Kind::Application.plural())?.strip_prefix('.')?).ok()?;
    let marked = definition
        .labels()
        .get(&group.label_managed())
        .is_some_and(|v| v == "true");
    marked.then(|| group.to_string())
}

/// The definitions under a group as they stand, in the order of [`Kind::ALL`]; what the webhook hands over comes last.
pub(super) async fn definitions(
    client: &Client,
    group: &Group,
) -> Result<Vec<CustomResourceDefinition>, OperationError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut found = Vec::new();
    for plural in Kind::ALL
        .map(Kind::plural)
        .into_iter()
        .chain([GUARDRAIL_REQUESTS])
    {
        let name = format!("{plural}.{group}");
        let definition = api
            .get_opt(&name)
            .await
            .map_err(OperationError::cluster(format!("look at the definition {name}")))?;
        found.extend(definition);
    }
    Ok(found)
}

/// The objects but for definitions of policy reports that somebody else has brought.
pub(super) async fn without_others(
    client: &Client,
    group: &Group,
    objects: Vec<Value>,
) -> Result<Vec<Value>, OperationError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut kept = Vec::new();
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if object["kind"] == "CustomResourceDefinition" && name.ends_with(REPORTS) {
            let live = api
                .get_metadata_opt(name)
                .await
                .map_err(OperationError::cluster(format!("look at the definition {name}")))?;
            let ours = |live: &PartialObjectMeta<CustomResourceDefinition>| {
                live.annotations().contains_key(&group.annotation_tracking())
            };
            if live.is_some_and(|live| !ours(&live)) {
                continue;
            }
        }
        kept.push(object);
    }
    Ok(kept)
}

/// Takes Helm's marks off definitions that its release left behind when it was uninstalled.
pub(super) async fn adopt(
    client: &Client,
    definitions: &[CustomResourceDefinition],
) -> Result<usize, OperationError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let left: Vec<_> = definitions
        .iter()
        .filter(|d| d.annotations().contains_key(HELM_RELEASE))
        .collect();
    for definition in &left {
        let name = definition.name_any();
        let patch: Value = json!({"metadata": {
            "annotations": {HELM_RELEASE: null, HELM_NAMESPACE: null},
            "labels": {MANAGED_BY: null},
        }});
        let parameters = PatchParams {
            field_manager: Some(super::MANAGER_INSTALL.to_owned()),
            ..PatchParams::default()
        };
        api.patch_metadata(&name, &parameters, &Patch::Merge(patch))
            .await
            .map_err(OperationError::cluster(format!(
                "take over the definition {name} from Helm"
            )))?;
    }
    Ok(left.len())
}
