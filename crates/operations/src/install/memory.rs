//! What an install remembers in the cluster: what it made, and with which choices, so that the next one changes only
//! what it is told to and an uninstall takes away exactly this.

use api::SYSTEM_NAMESPACE;
use apply::InventoryItem;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::MANAGER_INSTALL;
use crate::error::OperationError;

const NAME: &str = "platform-install";

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Memory {
    pub(super) image: Option<String>,
    pub(super) replicas: Option<u16>,
    pub(super) webhook: Option<bool>,
    pub(super) inventory: Vec<InventoryItem>,
}

impl Memory {
    pub(super) async fn load(client: &Client) -> Result<Self, OperationError> {
        let found = api(client)
            .get_opt(NAME)
            .await
            .map_err(OperationError::cluster(format!("read {SYSTEM_NAMESPACE}/{NAME}")))?;
        let text = found
            .and_then(|map| map.data)
            .and_then(|mut data| data.remove("install"));
        // What cannot be read is as good as lost: the rendered objects and their marks still say what is ours.
        Ok(text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default())
    }

    pub(super) async fn store(&self, client: &Client) -> Result<(), OperationError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": SYSTEM_NAMESPACE},
            "data": {"install": text},
        });
        api(client)
            .patch(
                NAME,
                &PatchParams::apply(MANAGER_INSTALL).force(),
                &Patch::Apply(map),
            )
            .await
            .map(drop)
            .map_err(OperationError::cluster(format!(
                "write {SYSTEM_NAMESPACE}/{NAME}"
            )))
    }

    pub(super) async fn forget(client: &Client) -> Result<(), OperationError> {
        match api(client).delete(NAME, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(OperationError::cluster(format!(
                "remove {SYSTEM_NAMESPACE}/{NAME}"
            ))(error)),
        }
    }
}

fn api(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), SYSTEM_NAMESPACE)
}
