//! Keeps the status of quotas true: what is used changes with every object that comes or goes.

use std::collections::BTreeSet;

use super::collect::Collector;
use crate::store::Collection;

impl Collector {
    /// Counts again in namespaces where something has changed.
    pub(super) async fn count(&self, namespaces: BTreeSet<&str>) {
        for namespace in namespaces {
            self.engine.recount(namespace).await;
        }
    }

    /// Counts again wherever there is a quota.
    pub(super) async fn count_all(&self) {
        let namespaces: BTreeSet<String> = {
            let memory = self.engine.store.read();
            let quotas = memory.list(&Collection::new("", "resourcequotas"), None, None);
            quotas.map(|((namespace, _), _)| namespace.clone()).collect()
        };
        self.count(namespaces.iter().map(String::as_str).collect()).await;
    }
}
