//! ClusterRoles that are put together of others hold what the others hold.

use std::sync::Arc;

use serde_json::Value;

use super::collect::Collector;
use crate::life::chooses;
use crate::security::rbac;
use crate::store::{Collection, Event};
use crate::verbs::{Target, WriteOptions, text};

impl Collector {
    /// Does what follows from a change of a ClusterRole.
    pub(super) async fn aggregate(&self, event: &Event) {
        if event.key.collection.is(rbac::GROUP, "clusterroles") {
            self.aggregate_all().await;
        }
    }

    /// Brings all of them up to date.
    pub(super) async fn aggregate_all(&self) {
        let collection = Collection::new(rbac::GROUP, "clusterroles");
        let Some(resource) = self.engine.catalog().of(&collection).cloned() else {
            return;
        };
        let roles = self.engine.store.all(&collection, None);
        let others = roles.iter().map(|role| &*role.value);
        let by_labels = |selector: &Value, labels: &Value| chooses(selector, labels.as_object());
        for role in &roles {
            let Some(rules) = rbac::aggregated(&role.value, &others, by_labels) else {
                continue;
            };
            let held = &role.value["rules"];
            if *held == rules || (held.is_null() && rules == Value::Array(Vec::new())) {
                continue;
            }
            let target = Target {
                resource: Arc::clone(&resource),
                namespace: String::new(),
                name: text(&role.value, &["metadata", "name"]).to_owned(),
                subresource: String::new(),
            };
            let mut body = role.value.clone();
            body["rules"] = rules;
            let options = WriteOptions::internal("clusterrole-aggregation-controller");
            // Whoever was quicker changed a role, and that change leads here again.
            if let Err(error) = self.engine.update(&target, body, &options).await {
                tracing::debug!(role = target.name, error = error.message, "not aggregated");
            }
        }
    }
}
