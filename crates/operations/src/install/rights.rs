//! What the account in use lacks for an install, asked before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use apply::{Kinds, ObjectId};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::Value;

use crate::error::OperationError;

/// How many questions are asked at once.
const CONCURRENCY: usize = 8;

/// One question: resource, API group, namespace, verb.
type Right = (String, String, Option<String>, &'static str);

/// Fails with the whole list when the account may not do `verbs` to `objects`. A cluster that does not answer such
/// questions is taken at its word later.
pub(super) async fn require(
    client: &Client,
    kinds: &Kinds,
    doing: &str,
    objects: &[Value],
    verbs: &[&'static str],
) -> Result<usize, OperationError> {
    // What stands already is found among all definitions.
    let definitions = (
        "customresourcedefinitions".to_owned(),
        "apiextensions.k8s.io".to_owned(),
        None,
        "list",
    );
    let mut rights: BTreeSet<Right> = BTreeSet::from([definitions]);
    for object in objects {
        let id = ObjectId::of(object);
        let kind = kinds.find(&id.api_version(), &id.kind).await;
        let Some(kind) = kind.map_err(OperationError::cluster("ask the cluster for its kinds"))? else {
            continue;
        };
        for verb in verbs {
            rights.insert((
                kind.resource.plural.clone(),
                id.group.clone(),
                id.namespace.clone(),
                verb,
            ));
        }
    }
    let count = rights.len();
    let answers: Vec<(Right, bool)> = stream::iter(rights)
        .map(|right| ask(client, right))
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let missing: Vec<Right> = answers
        .into_iter()
        .filter(|(_, allowed)| !allowed)
        .map(|(right, _)| right)
        .collect();
    if missing.is_empty() {
        return Ok(count);
    }
    Err(OperationError::NotAllowed {
        message: format!(
            "your account may not {doing} the platform; it lacks\n{}",
            list(&missing)
        ),
        hint: "ask an administrator of the cluster for these rights, or to run the same command".to_owned(),
    })
}

async fn ask(client: &Client, right: Right) -> Result<(Right, bool), OperationError> {
    let (resource, group, namespace, verb) = &right;
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.clone()),
                resource: Some(resource.clone()),
                namespace: namespace.clone(),
                verb: Some((*verb).to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    match api.create(&PostParams::default(), &review).await {
        Ok(answer) => Ok((right, answer.status.is_some_and(|status| status.allowed))),
        Err(kube::Error::Api(status)) if matches!(status.code, 403..=405) => Ok((right, true)),
        Err(error) => Err(OperationError::cluster("ask the cluster for your rights")(error)),
    }
}

/// `create, patch on clusterroles.rbac.authorization.k8s.io`, one line a resource.
fn list(missing: &[Right]) -> String {
    let mut verbs: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (resource, group, namespace, verb) in missing {
        let dot = if group.is_empty() { "" } else { "." };
        let place = namespace.as_ref().map(|n| format!(" in {n}")).unwrap_or_default();
        verbs
            .entry(format!("{resource}{dot}{group}{place}"))
            .or_default()
            .push(verb);
    }
    let lines: Vec<String> = verbs
        .iter()
        .map(|(what, verbs)| format!("  {} on {what}", verbs.join(", ")))
        .collect();
    lines.join("\n")
}

/// Fails when the account may write roles, but not hand out the rights in these: nobody may give what they do not
/// have. The cluster judges a dry run.
pub(super) async fn require_delegation(
    client: &Client,
    kinds: &Kinds,
    objects: &[Value],
    manager: &str,
) -> Result<(), OperationError> {
    let roles = objects.iter().filter(|o| o["kind"] == "ClusterRole");
    for role in roles {
        let id = ObjectId::of(role);
        let kind = kinds.find(&id.api_version(), &id.kind).await;
        let Some(kind) = kind.map_err(OperationError::cluster("ask the cluster for its kinds"))? else {
            continue;
        };
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind.resource);
        let parameters = PatchParams {
            dry_run: true,
            ..PatchParams::apply(manager).force()
        };
        match api.patch(&id.name, &parameters, &Patch::Apply(role)).await {
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Err(OperationError::NotAllowed {
                    message: format!(
                        "your account may not give the operator its rights: {}",
                        status.message
                    ),
                    hint: "ask an administrator of the cluster (cluster-admin) to run the same command"
                        .to_owned(),
                });
            }
            Err(error) => return Err(OperationError::cluster(format!("try {id}"))(error)),
            Ok(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_by_resource() {
        let right = |resource: &str, group: &str, namespace: Option<&str>, verb| {
            (
                resource.to_owned(),
                group.to_owned(),
                namespace.map(str::to_owned),
                verb,
            )
        };
        let missing = [
            right("clusterroles", "rbac.authorization.k8s.io", None, "create"),
            right("clusterroles", "rbac.authorization.k8s.io", None, "patch"),
            right("services", "", Some("platform-system"), "create"),
        ];
        assert_eq!(
            list(&missing),
            "  create, patch on clusterroles.rbac.authorization.k8s.io\n  create on services in platform-system"
        );
    }
}
