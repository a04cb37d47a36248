//! Whether what a decision was made about is still there.

use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::{Api, Client};

/// Whether the cluster still has the object of this uid at this place, and is to keep it.
///
/// Who works from a cache asks before making what nobody owns: no garbage collector would take it away again.
pub async fn stands(
    client: &Client,
    resource: &ApiResource,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<bool, kube::Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
    let found = api.get_metadata_opt(name).await?.map(|found| found.metadata);
    Ok(found.is_some_and(|found| found.uid.as_deref() == Some(uid) && found.deletion_timestamp.is_none()))
}
