//! Whether what a decision was made about is still there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::{Api, Client};

/// Whether the cluster still has exactly this object of a namespace, and is to keep it.
///
/// Who works from a cache asks before making what nobody owns: no garbage collector would take it away again.
pub async fn stands(
    client: &Client,
    resource: &ApiResource,
    object: &ObjectMeta,
) -> Result<bool, kube::Error> {
    let namespace = object.namespace.as_deref().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
    let found = api
        .get_metadata_opt(object.name.as_deref().unwrap_or_default())
        .await?;
    Ok(found
        .is_some_and(|found| found.metadata.uid == object.uid && found.metadata.deletion_timestamp.is_none()))
}
