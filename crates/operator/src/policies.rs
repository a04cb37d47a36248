//! The guardrails in force: the cluster's ClusterPolicies where it has any, else those that ship.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures::TryStreamExt;
use guardrails::Policies;
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::OperatorError;

/// The guardrails in force, shared by everything that judges. Reading is cheap; a change replaces the whole.
#[derive(Clone)]
pub struct PolicyStore {
    current: Arc<RwLock<Arc<Policies>>>,
    changed: watch::Sender<u64>,
}

impl PolicyStore {
    /// Begins with the guardrails that ship with the platform.
    pub fn builtin() -> Result<Self, OperatorError> {
        let policies =
            expansion::builtin::guardrails().map_err(|error| OperatorError::Policies(error.to_string()))?;
        Ok(Self {
            current: Arc::new(RwLock::new(Arc::new(policies))),
            changed: watch::Sender::new(0),
        })
    }

    /// The guardrails in force now.
    pub fn current(&self) -> Arc<Policies> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes whenever the guardrails change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn replace(&self, policies: Policies) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
        self.changed.send_modify(|version| *version += 1);
    }

    /// Follows the cluster's ClusterPolicies until `stop`. A cluster that does not know the kind, or has none,
    /// keeps those that ship; a policy that cannot be read keeps the last good set and is logged.
    pub async fn follow(&self, client: Client, stop: CancellationToken) {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("kyverno.io", "v1", "ClusterPolicy"));
        let api: Api<DynamicObject> = Api::all_with(client, &resource);
        let mut events = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        let mut listing = false;
        loop {
            let event = tokio::select! {
                event = events.try_next() => event,
                () = stop.cancelled() => return,
            };
            match event {
                Ok(Some(watcher::Event::Init)) => {
                    known.clear();
                    listing = true;
                }
                Ok(Some(watcher::Event::InitApply(policy) | watcher::Event::Apply(policy))) => {
                    known.insert(
                        policy.name_any(),
                        serde_json::to_value(&policy).unwrap_or_default(),
                    );
                }
                Ok(Some(watcher::Event::InitDone)) => listing = false,
                Ok(Some(watcher::Event::Delete(policy))) => {
                    known.remove(&policy.name_any());
                }
                Ok(None) => return,
                Err(error) => tracing::debug!(%error, "cannot watch ClusterPolicies"),
            }
            if !listing && !known.is_empty() {
                self.load(&known);
            }
        }
    }

    fn load(&self, known: &BTreeMap<String, Value>) {
        let (policies, refused) = Policies::from_values("the cluster", known.values());
        // Half a set of guardrails would let through what the other half stops.
        if refused.is_empty() {
            self.replace(policies);
        }
        for refusal in refused {
            tracing::error!(%refusal, "the cluster's guardrails cannot be loaded; the last good ones stay");
        }
    }
}
