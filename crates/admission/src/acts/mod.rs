//! Carrying out what policies decide beyond judging: objects that are made (`generate`), objects that are changed although
//! they are there already (`mutate` with `targets`), and objects that are deleted when their time has come.
//!
//! ```text
//! webhook  -> door        which rules a request triggers; an order in the cluster before the answer is given
//! leader   -> run         which order is due, what wakes it
//!              |- carry       one order: ask the rule again, make, change, take away, write down
//!              |- existing    orders for what was there before a rule
//!              |- cleanup     policies that delete on a schedule
//!              `- ttl         objects that say themselves when their time is over
//! all of it   order (what is kept), acting (which policies), downstream (marks, writing), account (in whose name)
//! ```
//!
//! Everything that is made, changed or deleted is so in the name of one account, whose rights an administrator gives. Knows
//! nothing of how rules are judged: that is the crate `guardrails`.

pub(crate) mod account;
pub(crate) mod acting;
mod carry;
mod cleanup;
pub(crate) mod door;
mod downstream;
mod existing;
pub(crate) mod order;
mod run;
#[cfg(test)]
mod tests;
mod ttl;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use api::{Group, SYSTEM_NAMESPACE};
use apply::{Kinds, acting_as};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::DynamicObject;
use kube::{Api, Client};
use serde_json::Value;

use crate::cluster::{Space, space};
use crate::error::AdmissionError;
use crate::events::{Told, Topic, publish};
use crate::facts::ClusterFacts;
use crate::policies::PolicyStore;
use account::{ACCOUNT, user};
use downstream::Hands;
use order::{Reference, resource};

/// How long one evaluation may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What time it is.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Carries out what policies decide, in the operator that leads.
#[derive(Clone)]
pub struct Actor {
    client: Client,
    group: Group,
    policies: PolicyStore,
    hands: Hands,
    clock: Clock,
    /// When policies that delete on a schedule did so last.
    cleaned: Arc<Mutex<BTreeMap<String, Timestamp>>>,
}

impl Actor {
    /// In the cluster behind `client`, by these policies.
    pub fn new(client: Client, group: Group, policies: PolicyStore) -> Result<Self, AdmissionError> {
        let own = acting_as(&client, &user(ACCOUNT)).map_err(AdmissionError::Policies)?;
        let hands = Hands {
            client: own,
            // Which kinds there are, everybody may know.
            kinds: Kinds::new(client.clone()),
            group: group.clone(),
        };
        Ok(Self {
            client,
            group,
            policies,
            hands,
            clock: Arc::new(Timestamp::now),
            cleaned: Arc::default(),
        })
    }

    /// By another clock; for tests.
    #[cfg(test)]
    fn by_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Where the orders are.
    fn orders(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), SYSTEM_NAMESPACE, &resource(&self.group))
    }

    /// What policies may ask while they are carried out; for one of a namespace, within it.
    fn facts<'a>(&'a self, runtime: tokio::runtime::Handle, namespace: &'a str) -> ClusterFacts<'a> {
        let facts = ClusterFacts::new(&self.hands.client, runtime, Instant::now() + PATIENCE, self.now());
        let facts = facts.carrying_out();
        if namespace.is_empty() {
            facts
        } else {
            facts.within(namespace)
        }
    }

    /// The namespace of an object; of a Namespace, none: it is judged by its own labels.
    async fn space(&self, object: &Value) -> Result<Space, String> {
        let own = |object: &Value| Space {
            labels: labels(object),
            object: Value::Null,
        };
        let Some(name) = object["metadata"]["namespace"]
            .as_str()
            .filter(|name| !name.is_empty())
        else {
            return Ok(own(object));
        };
        let api: Api<Namespace> = Api::all(self.client.clone());
        match api.get_opt(name).await {
            Ok(found) => Ok(found.as_ref().map(space).unwrap_or_default()),
            Err(error) => Err(format!("cannot read the namespace {name}: {error}")),
        }
    }

    /// Tells of a policy. What cannot be told is not worth failing for.
    async fn tell(&self, topic: Topic, policy: &Reference, message: String) {
        let told = Told {
            topic,
            namespace: policy.namespace.clone(),
            api_version: policy.api_version.clone(),
            kind: policy.kind.clone(),
            name: policy.name.clone(),
            message,
        };
        if let Err(error) = publish(&self.client, &self.group, &told).await {
            tracing::debug!(%error, "cannot record an event");
        }
    }
}

/// The labels of an object.
fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    labels
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
