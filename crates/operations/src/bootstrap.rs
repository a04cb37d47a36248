//! A cluster made ready for the platform: its kinds and its own namespace.

use api::{DEPLOYER, Group, Kind, MANAGER_OPERATOR, SYSTEM_NAMESPACE, crds};
use futures::future::try_join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::error::OperationError;
use crate::wait::Patience;

/// How long a cluster may take to accept a new kind.
const PATIENCE: Duration = Duration::from_secs(30);

/// Applies the platform's definitions, and `outside` ones that a sandbox needs, and waits until the cluster
/// serves them. Running it again changes nothing.
pub async fn prepare_cluster(
    client: &Client,
    group: &Group,
    outside: &[Value],
) -> Result<(), OperationError> {
    let definitions: Vec<Value> = crds(group).into_iter().chain(outside.iter().cloned()).collect();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    try_join_all(definitions.iter().map(|definition| establish(&api, definition))).await?;
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": SYSTEM_NAMESPACE, "labels": {group.label_managed(): "true"}},
    });
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace"));
    Api::<DynamicObject>::all_with(client.clone(), &resource)
        .patch(
            SYSTEM_NAMESPACE,
            &PatchParams::apply(MANAGER_OPERATOR).force(),
            &Patch::Apply(namespace),
        )
        .await
        .map_err(OperationError::cluster(format!(
            "make the namespace {SYSTEM_NAMESPACE}"
        )))?;
    // What the accounts that write services' objects may do; the operator binds it in each namespace.
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRole",
    ));
    Api::<DynamicObject>::all_with(client.clone(), &resource)
        .patch(
            DEPLOYER,
            &PatchParams::apply(MANAGER_OPERATOR).force(),
            &Patch::Apply(deployer_role(group)),
        )
        .await
        .map_err(OperationError::cluster(format!(
            "make the cluster role {DEPLOYER}"
        )))?;
    Ok(())
}

/// What the account of a namespace that writes its services' objects may do: exactly what a golden path may make.
pub(crate) fn deployer_role(group: &Group) -> Value {
    let mut resources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in expansion::MAKEABLE {
        resources.entry(kind.group).or_default().push(kind.plural);
    }
    resources.insert(
        group.as_str(),
        vec![Kind::Cache.plural(), Kind::Database.plural()],
    );
    let mut rules: Vec<Value> = resources
        .into_iter()
        .map(|(group, resources)| {
            json!({"apiGroups": [group], "resources": resources, "verbs": ["get", "create", "patch", "delete"]})
        })
        .collect();
    // An owner that waits for what it owns: some clusters ask for this right.
    rules.push(json!({
        "apiGroups": [group.as_str()],
        "resources": ["applications/finalizers"],
        "verbs": ["update"],
    }));
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": DEPLOYER, "labels": {group.label_managed(): "true"}},
        "rules": rules,
    })
}

async fn establish(api: &Api<CustomResourceDefinition>, definition: &Value) -> Result<(), OperationError> {
    let name = definition
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let applied = api
        .patch(
            name,
            &PatchParams::apply(MANAGER_OPERATOR).force(),
            &Patch::Apply(definition),
        )
        .await
        .map_err(OperationError::cluster(format!("define {name}")))?;
    if established(&applied) {
        return Ok(());
    }
    Patience::new(PATIENCE, CancellationToken::new())
        .watch(api.clone(), name, |found| {
            found.is_some_and(established).then_some(())
        })
        .await
        .map_err(|impatience| {
            let hint = format!("look at it with: kubectl get crd {name} -o yaml");
            impatience.explain(name, "the cluster does not serve it yet".to_owned(), hint)
        })
}

fn established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|c| c.type_ == "Established" && c.status == "True")
}

/// Definitions of kinds from outside that golden paths and guardrails use, as small as they can be: a sandbox
/// has no Prometheus operator, no Gateway and no Kyverno that would bring them.
pub fn outside_definitions() -> Vec<Value> {
    [
        (
            "monitoring.coreos.com",
            "v1",
            "ServiceMonitor",
            "servicemonitors",
            "Namespaced",
        ),
        (
            "monitoring.coreos.com",
            "v1",
            "PodMonitor",
            "podmonitors",
            "Namespaced",
        ),
        (
            "monitoring.coreos.com",
            "v1",
            "PrometheusRule",
            "prometheusrules",
            "Namespaced",
        ),
        (
            "gateway.networking.k8s.io",
            "v1",
            "HTTPRoute",
            "httproutes",
            "Namespaced",
        ),
        ("kyverno.io", "v1", "ClusterPolicy", "clusterpolicies", "Cluster"),
    ]
    .map(|(group, version, kind, plural, scope)| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{plural}.{group}"),
                // One of the groups is Kubernetes' own, and its definitions say who approved them.
                "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in where nothing else has defined it"},
            },
            "spec": {
                "group": group,
                "scope": scope,
                "names": {
                    "kind": kind,
                    "listKind": format!("{kind}List"),
                    "plural": plural,
                    "singular": kind.to_lowercase(),
                },
                "versions": [{
                    "name": version,
                    "served": true,
                    "storage": true,
                    "schema": {"openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        },
                    }},
                }],
            },
        })
    })
    .to_vec()
}
