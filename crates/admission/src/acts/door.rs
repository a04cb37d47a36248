//! At the door: which rules have something to do because of a request, and handing that over before it is answered.
//!
//! What cannot be handed over is not forgotten in silence: the request is refused, or let through with a warning, as the
//! policy's `failurePolicy` says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::{Group, SYSTEM_NAMESPACE};
use guardrails::{Facts, Request, Task, Trigger};
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::account::{ACCOUNT, user};
use super::acting::Acting;
use super::order::{Act, Spec, resource};
use crate::policies::InForce;
use crate::scope::FailurePolicy;
use crate::served::{Served, means};

/// How many orders a cluster keeps.
const LIMIT: usize = 10_000;
/// How long their number is believed.
const BELIEVED: Duration = Duration::from_secs(2);

/// What is to be handed over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) spec: Spec,
    /// Which of many changes of the object it is about.
    pub(crate) revision: String,
    pub(crate) failure: FailurePolicy,
}

/// What could not be handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unhanded {
    pub(crate) policy: String,
    pub(crate) rule: String,
    pub(crate) failure: FailurePolicy,
    pub(crate) why: String,
}

/// Which rules a request triggers. `own` answers the policies of the request's namespace.
pub(crate) fn wanted(
    in_force: &InForce,
    namespace: &str,
    request: &Request<'_>,
    own: &dyn Facts,
) -> Vec<Wanted> {
    let background = request.user.is_some_and(|asking| asking.name == user(ACCOUNT));
    let mut all = Vec::new();
    for acting in &in_force.acting {
        let elsewhere = !acting.namespace.is_empty() && acting.namespace != namespace;
        if elsewhere || !acting.asks_about(request) {
            continue;
        }
        let facts = if acting.namespace.is_empty() {
            request.facts
        } else {
            own
        };
        let request = Request { facts, ..*request };
        for trigger in acting.triggers(&request) {
            if background && trigger.skips_background {
                continue;
            }
            let Some(act) = Act::of(trigger.task) else {
                continue;
            };
            all.push(Wanted {
                spec: Spec::of(&acting.name, &trigger.rule, act, &request, acting.asks_old),
                revision: revision(&request),
                failure: acting.failure,
            });
        }
    }
    all
}

/// Tells one change of an object from another; a request that is made again is the same.
fn revision(request: &Request<'_>) -> String {
    let version = |object: &Value| object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    let before = request.old.and_then(version).unwrap_or_default();
    let mut object = request.object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in ["managedFields", "creationTimestamp", "generation"] {
            metadata.remove(key);
        }
    }
    format!(
        "{}/{}/{before}/{object}",
        request.operation.word(),
        request.subresource
    )
}

impl Acting {
    /// Whether it wants to see such requests at all: a kind and an operation that it names.
    fn asks_about(&self, request: &Request<'_>) -> bool {
        let text = |key: &str| request.object[key].as_str().unwrap_or_default();
        let (api_version, kind) = request
            .parent
            .unwrap_or_else(|| (text("apiVersion"), text("kind")));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let plural = request
            .resource
            .map_or_else(|| guardrails::guessed_plural(kind), str::to_owned);
        let served = Served {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural,
            subresource: request.subresource.to_owned(),
            namespaced: true,
            listable: true,
        };
        self.scopes
            .iter()
            .filter(|scope| scope.admission && scope.operations.contains(request.operation.word()))
            .any(|scope| means(&scope.kinds, &served))
    }

    /// Which of its rules a request triggers; after a panic all of them: whoever carries them out finds out more.
    pub(crate) fn triggers(&self, request: &Request<'_>) -> Vec<Trigger> {
        catch_unwind(AssertUnwindSafe(|| self.policies.triggers(request))).unwrap_or_else(|_| {
            let all = self.rules.iter().map(|rule| Trigger {
                policy: self.name.clone(),
                rule: rule.name.clone(),
                task: match rule.act {
                    Act::Generate => Task::Generate,
                    Act::Mutate => Task::Mutate,
                },
                skips_background: true,
            });
            all.collect()
        })
    }
}

/// Where orders are handed in.
pub(crate) struct Door {
    client: Client,
    group: Group,
    /// How many orders there were, and when that was asked.
    counted: Mutex<Option<(Instant, usize)>>,
}

impl Door {
    pub(crate) fn new(client: Client, group: Group) -> Self {
        Self {
            client,
            group,
            counted: Mutex::default(),
        }
    }

    /// Hands everything over; says what could not be, and why.
    pub(crate) async fn hand_over(&self, orders: Vec<Wanted>, deadline: Instant) -> Vec<Unhanded> {
        let mut unhanded = Vec::new();
        for wanted in orders {
            let handed = match wanted.spec.too_large() {
                Some(why) => Err(why),
                None => tokio::time::timeout_at(deadline.into(), self.write(&wanted))
                    .await
                    .unwrap_or_else(|_| Err("the cluster did not answer in time".to_owned())),
            };
            if let Err(why) = handed {
                let what = match wanted.spec.act {
                    Act::Generate => "what the rule makes",
                    Act::Mutate => "what the rule changes",
                };
                let why = format!("{what} because of this request cannot be handed over: {why}");
                tracing::warn!(policy = wanted.spec.policy, rule = wanted.spec.rule, %why, "not carried out");
                unhanded.push(Unhanded {
                    policy: wanted.spec.policy,
                    rule: wanted.spec.rule,
                    failure: wanted.failure,
                    why,
                });
            }
        }
        unhanded
    }

    fn api(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), SYSTEM_NAMESPACE, &resource(&self.group))
    }

    async fn write(&self, wanted: &Wanted) -> Result<(), String> {
        let said = |error: kube::Error| match error {
            kube::Error::Api(status) => status.message,
            other => other.to_string(),
        };
        let order = wanted.spec.object(&self.group, &wanted.revision);
        let api = self.api();
        if self.count(&api).await.map_err(said)? >= LIMIT {
            return Err(format!(
                "{LIMIT} requests wait to be carried out already; is the operator running?"
            ));
        }
        // It may be done, and gone, between the two.
        for _ in 0..3 {
            match api.create(&PostParams::default(), &order).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {}
                Err(error) => return Err(said(error)),
            }
            if wanted.spec.act == Act::Mutate {
                return Ok(());
            }
            let operations = json!([{"op": "replace", "path": "/spec", "value": wanted.spec}]);
            let patch = serde_json::from_value(operations).map_err(|error| error.to_string())?;
            let patch: Patch<Value> = Patch::Json(patch);
            match api
                .patch(&order.name_any(), &PatchParams::default(), &patch)
                .await
            {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(said(error)),
            }
        }
        Err("it comes and goes".to_owned())
    }

    /// How many orders there are, asked now and then.
    async fn count(&self, api: &Api<DynamicObject>) -> Result<usize, kube::Error> {
        let known = *self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = known.filter(|(asked, _)| asked.elapsed() < BELIEVED) {
            return Ok(count);
        }
        let list = api.list_metadata(&ListParams::default().limit(1)).await?;
        let rest = list.metadata.remaining_item_count.unwrap_or_default();
        let count = list.items.len() + usize::try_from(rest).unwrap_or_default();
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), count));
        Ok(count)
    }
}
