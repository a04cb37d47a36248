//! ResourceQuotas: nobody gets more than what the namespace may have.
//!
//! Reference: `k8s.io/apiserver/pkg/admission/plugin/resourcequota` and the quota controller of Kubernetes. What is
//! used is counted from the objects themselves, so it cannot drift; what writes on their way will use is held in a
//! [`Ledger`] meanwhile, so two at the same time never get what only one may have.

mod ledger;
mod measure;
mod scope;

use std::collections::BTreeSet;
use std::sync::Arc;

use schema::Quantity;
use serde_json::{Value, json};

use super::pods::{Amounts, add, amounts};
use super::{Attributes, Operation};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::{Collection, Key, Memory, Object};
use crate::verbs::{Target, text};

pub(crate) use ledger::{Charge, Ledger};

fn collection() -> Collection {
    Collection::new("", "resourcequotas")
}

fn hard(quota: &Value) -> Amounts {
    amounts(&quota["spec"]["hard"])
}

impl Engine {
    fn quotas(&self, namespace: &str) -> Vec<Arc<Object>> {
        if namespace.is_empty() {
            return Vec::new();
        }
        self.store.all(&collection(), Some(namespace))
    }

    /// Sets aside what a write will use, or refuses it.
    pub(super) fn charge(&self, write: &Attributes<'_>, object: &Value) -> Result<Option<Charge>, ApiError> {
        let quotas = self.quotas(&write.target.namespace);
        let what = write.target.resource.collection.clone();
        if quotas.is_empty() || !measure::is_charged(write, &what, object) {
            return Ok(None);
        }
        let now = self.now();
        let mut used = Vec::new();
        for held in &quotas {
            let quota = &held.value;
            let bounded = measure::tracked(&hard(quota), &what);
            if bounded.is_empty() || !scope::covers(quota, &what, object) {
                continue;
            }
            let name = text(quota, &["metadata", "name"]);
            if let Some(why) = measure::missing(&bounded, &what, object) {
                return Err(write.forbidden(object, &format!("failed quota: {name}: {why}")));
            }
            let mut usage = measure::usage(&what, object, now);
            let negative: Vec<&str> = usage
                .iter()
                .filter(|(_, amount)| amount.nano() < 0)
                .map(|(name, _)| name.as_str())
                .collect();
            if !negative.is_empty() {
                let why = format!("quota usage is negative for resource(s): {}", negative.join(","));
                return Err(write.forbidden(object, &why));
            }
            if let Some(old) = write.old.filter(|old| scope::covers(quota, &what, old)) {
                let before = measure::usage(&what, old, now);
                for (name, amount) in &mut usage {
                    if let Some(before) = before.get(name) {
                        *amount = amount.less(*before);
                    }
                }
            }
            usage.retain(|name, amount| amount.nano() != 0 && bounded.contains(name));
            if !usage.is_empty() {
                used.push((Arc::clone(held), usage));
            }
        }
        if used.is_empty() {
            return Ok(None);
        }
        let held = self.ledger.open();
        let memory = self.store.read();
        for (quota, more) in &used {
            let waiting = held.waiting(&memory, &write.target.namespace, quota.uid());
            let refusal = over(&memory, &quota.value, &what, more, &waiting, now);
            if let Some(why) = refusal {
                return Err(write.forbidden(object, &why));
            }
        }
        if write.options.dry_run {
            return Ok(None);
        }
        let base = (write.operation == Operation::Update)
            .then(|| memory.get(&write.target.key()).map(|object| object.revision))
            .flatten();
        drop(memory);
        let amounts = used
            .into_iter()
            .map(|(quota, more)| (quota.uid().to_owned(), more))
            .collect();
        Ok(Some(held.enter(write.target.key(), base, amounts)))
    }

    /// What was set aside is used now; and a quota that has changed is counted anew.
    pub(crate) async fn settle_charge(&self, target: &Target, charge: Option<Charge>) {
        let is_quota = target.resource.is("", "resourcequotas") && target.subresource.is_empty();
        if charge.is_some() || is_quota {
            drop(charge);
            self.recount(&target.namespace).await;
        }
    }

    /// Writes down in the quotas of a namespace what is used.
    pub(crate) async fn recount(&self, namespace: &str) {
        for quota in self.quotas(namespace) {
            let key = Key {
                collection: collection(),
                namespace: namespace.to_owned(),
                name: text(&quota.value, &["metadata", "name"]).to_owned(),
            };
            let result = self
                .edit(&key, |quota| {
                    let counted = self.counted(namespace, quota);
                    if quota["status"] != counted {
                        quota["status"] = counted;
                    }
                })
                .await;
            if let Err(error) = result
                && !matches!(error.reason.as_str(), "NotFound" | "ServiceUnavailable")
            {
                tracing::warn!(
                    namespace,
                    quota = key.name,
                    error = error.message,
                    "usage is not written down"
                );
            }
        }
    }

    /// The status of a quota as the objects of this moment make it.
    fn counted(&self, namespace: &str, quota: &Value) -> Value {
        let hard = hard(quota);
        let now = self.now();
        let memory = self.store.read();
        let collections: BTreeSet<Collection> = hard
            .keys()
            .filter_map(|name| measure::collection_of(name))
            .collect();
        let mut used = serde_json::Map::new();
        for what in collections {
            let sum = sum(&memory, namespace, quota, &what, now);
            for name in measure::tracked(&hard, &what) {
                let amount = sum.get(&name).copied().unwrap_or(Quantity::whole(0));
                used.insert(name, json!(amount.to_string()));
            }
        }
        let hard: serde_json::Map<String, Value> = hard
            .into_iter()
            .map(|(name, amount)| (name, json!(amount.to_string())))
            .collect();
        json!({ "hard": hard, "used": used })
    }
}

/// What the objects of a collection use of a quota.
fn sum(memory: &Memory, namespace: &str, quota: &Value, what: &Collection, now: jiff::Timestamp) -> Amounts {
    let objects = memory.list(what, Some(namespace), None);
    if measure::is_only_counted(what) {
        let count = i64::try_from(objects.count()).unwrap_or(i64::MAX);
        return measure::counts(what, count);
    }
    let mut sum = Amounts::new();
    for (_, object) in objects {
        let value = object.look();
        if scope::covers(quota, what, &value) {
            add(&mut sum, &measure::usage(what, &value, now));
        }
    }
    sum
}

/// Why there is no room for more; `waiting` is what others will use.
fn over(
    memory: &Memory,
    quota: &Value,
    what: &Collection,
    more: &Amounts,
    waiting: &Amounts,
    now: jiff::Timestamp,
) -> Option<String> {
    let namespace = text(quota, &["metadata", "namespace"]);
    let mut used = sum(memory, namespace, quota, what, now);
    add(&mut used, waiting);
    let hard = hard(quota);
    let of = |list: &Amounts, name: &str| list.get(name).copied().unwrap_or(Quantity::whole(0));
    let exceeded: Vec<&String> = more
        .iter()
        .filter(|(name, amount)| of(&used, name).plus(**amount) > of(&hard, name))
        .map(|(name, _)| name)
        .collect();
    if exceeded.is_empty() {
        return None;
    }
    let told = |list: &Amounts| {
        let each = exceeded.iter().map(|name| format!("{name}={}", of(list, name)));
        each.collect::<Vec<_>>().join(",")
    };
    Some(format!(
        "exceeded quota: {}, requested: {}, used: {}, limited: {}",
        text(quota, &["metadata", "name"]),
        told(more),
        told(&used),
        told(&hard)
    ))
}
