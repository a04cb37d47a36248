//! What the sync loop remembers in the cluster: per section the objects it made and the files that asked for
//! them, and for everybody how the last round went. Kept in config maps in the platform's own namespace, one
//! per section, so that none grows with the number of services.

use std::collections::BTreeMap;

use api::{Group, MANAGER_SYNC, SYSTEM_NAMESPACE};
use apply::InventoryItem;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plan::SectionKey;
use super::status::SyncStatus;

/// The config map in the platform's own namespace that says how the last round went, and up to which commit.
pub const STATUS: &str = "platform-sync";
const INVENTORY: &str = "platform-sync-inventory";
/// The label of the inventory's config maps.
const LABEL: &str = "sync-inventory";
/// The annotation by which another process asks for a round.
const REQUEST: &str = "sync-requested-at";
/// As many findings as are told to others.
const FINDINGS_LIMIT: usize = 200;

/// An object that was made, and the file that asked for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Item {
    #[serde(flatten)]
    pub(super) item: InventoryItem,
    #[serde(default)]
    pub(super) path: String,
}

/// A section's objects, and the version of the config map they were read from.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Record {
    pub(super) items: Vec<Item>,
    version: Option<String>,
}

pub(super) struct Records {
    client: Client,
    group: Group,
}

impl Records {
    pub(super) fn new(client: Client, group: Group) -> Self {
        Self { client, group }
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE)
    }

    /// All sections' records.
    pub(super) async fn load(&self) -> Result<BTreeMap<SectionKey, Record>, kube::Error> {
        let selector = format!("{}={STATUS}", self.group.key(LABEL));
        let mut records = BTreeMap::new();
        for map in self.maps().list(&ListParams::default().labels(&selector)).await? {
            let name = map.name_any();
            let key = match name.strip_prefix(INVENTORY) {
                Some("") => SectionKey::Platform,
                Some(rest) => SectionKey::Namespace(rest.trim_start_matches('.').to_owned()),
                None => continue,
            };
            let text = map
                .data
                .as_ref()
                .and_then(|data| data.get("items"))
                .map_or("[]", String::as_str);
            let items = match serde_json::from_str(text) {
                Ok(items) => items,
                Err(error) => {
                    // Nothing can be pruned by it; what Git still asks for comes back by applying it.
                    tracing::warn!(config_map = name, %error, "the inventory cannot be read and starts anew");
                    Vec::new()
                }
            };
            records.insert(
                key,
                Record {
                    items,
                    version: map.resource_version(),
                },
            );
        }
        Ok(records)
    }

    /// Writes a section's record, unless somebody else did so meanwhile.
    pub(super) async fn save(
        &self,
        key: &SectionKey,
        record: &mut Record,
        items: Vec<Item>,
    ) -> Result<(), kube::Error> {
        if record.items == items {
            return Ok(());
        }
        let name = match key {
            SectionKey::Platform => INVENTORY.to_owned(),
            SectionKey::Namespace(namespace) => format!("{INVENTORY}.{namespace}"),
        };
        if items.is_empty() {
            match self.maps().delete(&name, &DeleteParams::default()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
            *record = Record::default();
            return Ok(());
        }
        let text = serde_json::to_string(&items).map_err(kube::Error::SerdeError)?;
        let labels = BTreeMap::from([(self.group.key(LABEL), STATUS)]);
        let mut map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE, "labels": labels},
            "data": {"items": text},
        });
        if let Some(version) = &record.version {
            map["metadata"]["resourceVersion"] = json!(version);
        }
        let written = self.write(&name, &map, MANAGER_SYNC).await?;
        *record = Record {
            items,
            version: written.resource_version(),
        };
        Ok(())
    }

    /// Tells everybody how the round went.
    pub(super) async fn publish(&self, status: &SyncStatus) -> Result<(), kube::Error> {
        let mut told = status.clone();
        told.findings.truncate(FINDINGS_LIMIT);
        told.errors.truncate(FINDINGS_LIMIT);
        told.applied.truncate(FINDINGS_LIMIT);
        told.pruned.truncate(FINDINGS_LIMIT);
        let text = serde_json::to_string(&told).map_err(kube::Error::SerdeError)?;
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": STATUS, "namespace": SYSTEM_NAMESPACE},
            "data": {
                "revision": status.revision.clone().unwrap_or_default(),
                "time": status.time.map(|time| time.to_string()).unwrap_or_default(),
                "status": text,
            },
        });
        self.write(STATUS, &map, MANAGER_SYNC).await.map(drop)
    }

    async fn write(
        &self,
        name: &str,
        map: &serde_json::Value,
        manager: &str,
    ) -> Result<ConfigMap, kube::Error> {
        let params = PatchParams::apply(manager).force();
        match self.maps().patch(name, &params, &Patch::Apply(map)).await {
            // The platform's own namespace is made on the way.
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let namespace =
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}});
                let namespaces: Api<Namespace> = Api::all(self.client.clone());
                namespaces
                    .patch(SYSTEM_NAMESPACE, &params, &Patch::Apply(&namespace))
                    .await?;
                self.maps().patch(name, &params, &Patch::Apply(map)).await
            }
            other => other,
        }
    }
}

/// Asks the sync loop, wherever it runs, to look at Git now.
pub async fn request_sync(client: &Client, group: &Group, now: jiff::Timestamp) -> Result<(), kube::Error> {
    let records = Records::new(client.clone(), group.clone());
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": STATUS, "namespace": SYSTEM_NAMESPACE,
            "annotations": {group.key(REQUEST): now.to_string()},
        },
    });
    records.write(STATUS, &map, "platform-request").await.map(drop)
}

/// What the sync loop, wherever it runs, said after its last round; `None` if it never ran.
pub async fn read_status(client: &Client) -> Result<Option<SyncStatus>, kube::Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    let map = maps.get_opt(STATUS).await?;
    let text = map
        .and_then(|map| map.data)
        .and_then(|mut data| data.remove("status"));
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// When a round was asked for, as the config map says it.
pub(super) fn requested(map: &ConfigMap, group: &Group) -> Option<String> {
    map.annotations().get(&group.key(REQUEST)).cloned()
}
