//! What stands in a team's namespaces: services and data, which nothing takes away by the way.

use std::collections::BTreeMap;

use api::{Kind, SYSTEM_NAMESPACE};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, ResourceExt};

use crate::error::OperationError;
use crate::platform::Platform;

/// As many of a kind as are looked for in a namespace: enough to say that there are some.
const ENOUGH: u32 = 20;

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Services and data.
    ServicesAndData,
    /// Everything that would be lost with the namespace.
    Everything,
}

/// An object in a team's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: String,
}

impl std::fmt::Display for Holding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} in {}", self.kind, self.name, self.namespace)
    }
}

/// A namespace that carries the team's label, with its uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TeamNamespace {
    pub(super) name: String,
    pub(super) uid: String,
}

/// The namespaces of a team as the cluster has them, whether or not there is still a Team.
pub(super) async fn namespaces(
    platform: &Platform,
    team: &str,
) -> Result<Vec<TeamNamespace>, OperationError> {
    let group = platform.group();
    let selector = format!("{}={team},{}=true", group.label_team(), group.label_managed());
    let api: Api<Namespace> = Api::all(platform.client.clone());
    let found = api
        .list_metadata(&ListParams::default().labels(&selector))
        .await
        .map_err(OperationError::cluster(format!(
            "list the namespaces of team {team}"
        )))?;
    let ours = found
        .items
        .into_iter()
        .filter(|n| n.name_any() != SYSTEM_NAMESPACE);
    Ok(ours
        .map(|namespace| TeamNamespace {
            name: namespace.name_any(),
            uid: namespace.uid().unwrap_or_default(),
        })
        .collect())
}

/// Who a namespace of the cluster belongs to.
pub(super) enum Owner {
    /// There is no such namespace.
    Nobody,
    /// The team, from an earlier life.
    Team { uid: String },
    /// Somebody else.
    Other,
}

/// Whose namespace this is, from the point of view of a team.
pub(super) async fn owner(platform: &Platform, team: &str, namespace: &str) -> Result<Owner, OperationError> {
    let api: Api<Namespace> = Api::all(platform.client.clone());
    let found = api
        .get_metadata_opt(namespace)
        .await
        .map_err(OperationError::cluster(format!(
            "look at the namespace {namespace}"
        )))?;
    Ok(match found {
        None => Owner::Nobody,
        Some(found)
            if found
                .labels()
                .get(&platform.group().label_team())
                .is_some_and(|t| t == team) =>
        {
            Owner::Team {
                uid: found.uid().unwrap_or_default(),
            }
        }
        Some(_) => Owner::Other,
    })
}

/// What the namespaces hold besides their boundary.
pub(super) async fn holdings(
    platform: &Platform,
    team: &str,
    namespaces: &[TeamNamespace],
    look: Look,
) -> Result<Vec<Holding>, OperationError> {
    let mut found = Vec::new();
    for namespace in namespaces {
        for resource in kinds(platform, look) {
            let api: Api<DynamicObject> =
                Api::namespaced_with(platform.client.clone(), &namespace.name, &resource);
            let list = match api.list_metadata(&ListParams::default().limit(ENOUGH)).await {
                Ok(list) => list.items,
                // A cluster that does not know the kind has no object of it.
                Err(kube::Error::Api(status)) if status.code == 404 => continue,
                Err(error) => {
                    let doing = format!("look for {} in {}", resource.plural, namespace.name);
                    return Err(OperationError::cluster(doing)(error));
                }
            };
            let tracking = platform.group().annotation_tracking();
            for object in list {
                if boundary(
                    &tracking,
                    team,
                    &resource.kind,
                    &object.name_any(),
                    object.annotations(),
                ) || (look == Look::Everything && !object.owner_references().is_empty())
                {
                    continue;
                }
                found.push(Holding {
                    kind: resource.kind.clone(),
                    name: object.name_any(),
                    namespace: namespace.name.clone(),
                });
            }
        }
    }
    Ok(found)
}

/// Whether an object is part of every namespace, or of the team's boundary.
fn boundary(
    tracking: &str,
    team: &str,
    kind: &str,
    name: &str,
    annotations: &BTreeMap<String, String>,
) -> bool {
    let ours = annotations
        .get(tracking)
        .is_some_and(|id| id.starts_with(&format!("team-{team}:")));
    ours || (kind == "ConfigMap" && name == "kube-root-ca.crt")
        || (kind == "Secret" && annotations.contains_key("kubernetes.io/service-account.name"))
}

fn kinds(platform: &Platform, look: Look) -> Vec<ApiResource> {
    let known = |group: &str, kind: &str| ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    let mut kinds: Vec<ApiResource> = [Kind::Application, Kind::Database, Kind::Cache]
        .map(|kind| platform.group().resource(kind))
        .to_vec();
    kinds.push(known("", "PersistentVolumeClaim"));
    if look == Look::Everything {
        kinds.extend([
            known("apps", "Deployment"),
            known("apps", "StatefulSet"),
            known("apps", "DaemonSet"),
            known("batch", "Job"),
            known("batch", "CronJob"),
            known("", "Pod"),
            known("", "Secret"),
            known("", "ConfigMap"),
        ]);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_not_a_holding() {
        let check = |team: &str, kind: &str, name: &str, id: Option<&str>, expect: bool| {
            let annotations = id.map(|id| ("x/tracking-id".to_owned(), id.to_owned()));
            let annotations = annotations.into_iter().collect();
            assert_eq!(
                boundary("x/tracking-id", team, kind, name, &annotations),
                expect,
                "{kind} {name}"
            );
        };
        check("shop", "ConfigMap", "kube-root-ca.crt", None, true);
        check("shop", "ConfigMap", "mine", None, false);
        check(
            "shop",
            "ConfigMap",
            "b",
            Some("team-shop:/ConfigMap:shop-dev/b"),
            true,
        );
        check(
            "shop",
            "ConfigMap",
            "b",
            Some("team-shopping:/ConfigMap:shop-dev/b"),
            false,
        );
        check(
            "shop",
            "ConfigMap",
            "b",
            Some("orders:/ConfigMap:shop-dev/b"),
            false,
        );
    }
}
