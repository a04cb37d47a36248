//! One order: the rule is asked again with the request that was handed over, and what it says is brought about.
//!
//! The request may not be through yet, or may have been refused after the webhook let it pass: then there is nothing to act
//! on, it is looked for again some times and let go. What cannot be done is tried again, ever more seldom.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use guardrails::{Existing, Generation, Operation, Outcome, Request, User};

use super::Actor;
use super::account::explained;
use super::acting::Acting;
use super::downstream::{Marks, Put};
use super::order::{Act, Made, Order, Reference, State, Status};
use crate::error::AdmissionError;
use crate::events::Topic;
use crate::words::cut;

/// How often an object that is not there is looked for.
const LOOKS: u32 = 5;
/// After so many attempts it is said to have failed.
const ATTEMPTS: u32 = 5;
/// It is tried again no later than this, in seconds.
const LONGEST_PAUSE: i64 = 600;
/// What was handed over once and cannot be done is let go after this long, in seconds.
const GIVE_UP: i64 = 24 * 60 * 60;
/// What is kept in step is looked at this often, in seconds, even when nothing was heard.
const RESYNC: i64 = 300;
/// No message is longer.
const MESSAGE: usize = 1024;

/// What is next for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is done, and gone.
    Gone,
    /// It is looked at again then, in seconds since 1970, or when something happens to one of these.
    At(i64, Vec<Reference>),
}

/// The object because of which.
enum Found {
    There(Value),
    /// The request is not through yet.
    NotYet,
    Gone,
}

/// What a rule says.
enum Says {
    Generate(Option<Generation>),
    Mutate(Vec<Existing>),
}

/// What was done, and what could not be.
#[derive(Default)]
struct Outcomes {
    made: Vec<Made>,
    failures: Vec<String>,
    synchronize: bool,
    orphan: bool,
}

impl Actor {
    /// Does what can be done about an order now.
    pub(crate) async fn carry_out(&self, order: &Order) -> Result<Next, AdmissionError> {
        let in_force = self.policies.in_force();
        let spec = &order.spec;
        // Policies of two kinds may have one name.
        let asked =
            |acting: &&Acting| acting.name == spec.policy && acting.rule(&spec.rule, spec.act).is_some();
        let Some(acting) = in_force.acting.iter().find(asked) else {
            if self.policies.refused() > 0 {
                let message = "not all policies of the cluster can be read: what they made stays".to_owned();
                return self
                    .again(order, State::Pending, message, Outcomes::of(order))
                    .await;
            }
            let keep = order.status.orphan;
            return self.withdraw(order, keep, "its rule is no more").await;
        };
        let object = match self.find(order).await {
            Ok(Found::There(object)) => object,
            Ok(Found::NotYet) if order.status.attempts < LOOKS => {
                let message = format!("{} is not there yet", spec.trigger);
                return self
                    .again(order, State::Pending, message, Outcomes::of(order))
                    .await;
            }
            Ok(Found::NotYet) if !order.status.made.is_empty() => {
                // The request was refused after all: what was before still counts.
                return self.done(order, Outcomes::of(order)).await;
            }
            Ok(Found::NotYet | Found::Gone) => {
                return self.withdraw(order, false, "what triggered it is no more").await;
            }
            Err(why) => return self.failed(order, acting, vec![why], Outcomes::of(order)).await,
        };
        let outcomes = match self.ask(acting, order, object).await {
            Ok(Says::Generate(generation)) => self.make(order, generation).await,
            Ok(Says::Mutate(existing)) => self.change(order, existing).await,
            Err(why) => Outcomes {
                failures: vec![why],
                ..Outcomes::of(order)
            },
        };
        if outcomes.failures.is_empty() {
            return self.done(order, outcomes).await;
        }
        let failures = outcomes.failures.clone();
        self.failed(order, acting, failures, outcomes).await
    }

    /// The object because of which, as it is now.
    async fn find(&self, order: &Order) -> Result<Found, String> {
        let request = order.spec.request.as_ref();
        if let Some(object) = request.and_then(|request| request.object.clone()) {
            return Ok(Found::There(object));
        }
        let Some(object) = self.hands.get(&order.spec.trigger).await? else {
            // One that was acted on is gone; one that never was may be about to come.
            return Ok(if order.is_done() {
                Found::Gone
            } else {
                Found::NotYet
            });
        };
        if object["metadata"]["deletionTimestamp"].is_string() {
            return Ok(Found::Gone);
        }
        let before = request.map_or("", |request| request.before.as_str());
        let unchanged = !before.is_empty() && object["metadata"]["resourceVersion"] == before;
        if unchanged && !order.is_done() && order.status.attempts < LOOKS {
            return Ok(Found::NotYet);
        }
        Ok(Found::There(object))
    }

    /// Asks the rule.
    async fn ask(&self, acting: &Acting, order: &Order, object: Value) -> Result<Says, String> {
        let space = self.space(&object).await?;
        let in_force = self.policies.in_force();
        let (actor, order, name) = (self.clone(), order.clone(), acting.name.clone());
        let runtime = tokio::runtime::Handle::current();
        let asked = tokio::task::spawn_blocking(move || {
            let acting = in_force.acting.iter().find(|acting| acting.name == name)?;
            let facts = actor.facts(runtime, &acting.namespace);
            let spec = &order.spec;
            let asking: Option<User> = spec.request.as_ref().map(|request| User::from(&request.user));
            let request = Request {
                namespace_labels: &space.labels,
                namespace: (!space.object.is_null()).then_some(&space.object),
                background: spec.request.is_none(),
                facts: &facts,
                user: asking.as_ref(),
                ..Request::new(&object)
            };
            let request = match &spec.request {
                None => request,
                Some(admitted) => Request {
                    old: admitted.old_object.as_ref(),
                    operation: Operation::parse(&admitted.operation).unwrap_or_default(),
                    subresource: &admitted.subresource,
                    resource: Some(admitted.resource.as_str()).filter(|name| !name.is_empty()),
                    parent: admitted
                        .parent
                        .as_ref()
                        .map(|(version, kind)| (version.as_str(), kind.as_str())),
                    ..request
                },
            };
            let is_meant = |rule: &str| spec.rule.is_empty() || rule == spec.rule;
            Some(match spec.act {
                Act::Generate => {
                    let all = acting.policies.generate(&request);
                    Says::Generate(all.into_iter().find(|one| is_meant(&one.verdict.about.rule)))
                }
                Act::Mutate => {
                    let all = acting.policies.mutate_existing(&request);
                    Says::Mutate(
                        all.into_iter()
                            .filter(|one| is_meant(&one.verdict.about.rule))
                            .collect(),
                    )
                }
            })
        });
        match asked.await {
            Ok(Some(says)) => Ok(says),
            Ok(None) => Err("the policy is no more".to_owned()),
            Err(_) => Err("the evaluation failed in the guardrails themselves".to_owned()),
        }
    }

    /// Makes what the rule asks for, and takes away what it asks for no more.
    async fn make(&self, order: &Order, generation: Option<Generation>) -> Outcomes {
        let spec = &order.spec;
        let marks = Marks::new(&spec.policy, &spec.rule, &spec.trigger);
        let own = spec.policy.split_once('/').map(|(namespace, _)| namespace);
        let mut outcomes = Outcomes {
            made: Vec::new(),
            ..Outcomes::of(order)
        };
        let mut objects = Vec::new();
        let mut whole = true;
        if let Some(generation) = generation {
            (outcomes.synchronize, outcomes.orphan) = (generation.synchronize, generation.orphan);
            if generation.verdict.outcome == Outcome::Error {
                whole = false;
                outcomes.failures.push(generation.verdict.message);
            }
            objects = generation.objects;
        }
        for wanted in objects {
            let reference = Reference::to(&wanted.object);
            if own.is_some_and(|own| own != reference.namespace) {
                let why = format!("{reference} is not in the namespace of the policy");
                outcomes.failures.push(why);
                continue;
            }
            match self.hands.put(&wanted.object, &marks, outcomes.synchronize).await {
                Ok(Put::Ours) => outcomes.made.push(Made {
                    object: reference.anybody(),
                    source: wanted.source.as_ref().map(source),
                }),
                Ok(Put::Theirs) if outcomes.synchronize => outcomes.failures.push(format!(
                    "{reference} is there already, and was not made by this rule: it is left as it is"
                )),
                Ok(Put::Theirs) => {}
                Err(why) => {
                    outcomes.failures.push(why);
                    whole = false;
                }
            }
        }
        if outcomes.synchronize {
            self.prune(order, &marks, whole, &mut outcomes).await;
        }
        outcomes
    }

    /// Takes away what was made before and is wanted no more. When not everything that is wanted is known, only copies of
    /// what is gone.
    async fn prune(&self, order: &Order, marks: &Marks, whole: bool, outcomes: &mut Outcomes) {
        for before in &order.status.made {
            if outcomes.made.iter().any(|made| made.object == before.object) {
                continue;
            }
            let unwanted = whole
                || match &before.source {
                    Some(source) => matches!(self.hands.get(source).await, Ok(None)),
                    None => false,
                };
            let removed = if unwanted {
                self.hands.remove(&before.object, marks).await
            } else {
                Ok(())
            };
            if let Err(why) = &removed {
                outcomes.failures.push(why.clone());
            }
            if !unwanted || removed.is_err() {
                outcomes.made.push(before.clone());
            }
        }
    }

    /// Changes what the rule wants changed.
    async fn change(&self, order: &Order, existing: Vec<Existing>) -> Outcomes {
        let own = order.spec.policy.split_once('/').map(|(namespace, _)| namespace);
        let mut outcomes = Outcomes::default();
        for target in existing {
            if target.verdict.outcome == Outcome::Error {
                outcomes.failures.push(target.verdict.message);
            }
            let (Some(before), Some(after)) = (target.before, target.object) else {
                continue;
            };
            let reference = Reference::to(&before);
            if own.is_some_and(|own| own != reference.namespace) {
                let why = format!("{reference} is not in the namespace of the policy");
                outcomes.failures.push(why);
            } else if let Err(why) = self.hands.change(&before, &after).await {
                outcomes.failures.push(why);
            }
        }
        outcomes
    }

    /// It is done. What is to be kept in step stays, the rest is gone.
    async fn done(&self, order: &Order, outcomes: Outcomes) -> Result<Next, AdmissionError> {
        if !outcomes.synchronize || (outcomes.made.is_empty() && order.status.made.is_empty()) {
            self.drop_order(order).await?;
            return Ok(Next::Gone);
        }
        let next = self.now().as_second() + RESYNC;
        let status = Status {
            state: State::Completed,
            message: None,
            attempts: 0,
            next: None,
            observed_generation: order.generation,
            synchronize: true,
            orphan: outcomes.orphan,
            made: outcomes.made,
        };
        let concerns = concerns(order, &status);
        self.write(order, &status).await?;
        Ok(Next::At(next, concerns))
    }

    /// Something could not be done.
    async fn failed(
        &self,
        order: &Order,
        acting: &Acting,
        failures: Vec<String>,
        outcomes: Outcomes,
    ) -> Result<Next, AdmissionError> {
        let now = self.now().as_second();
        let message = self.words(&failures);
        if order.status.message.as_ref() != Some(&message) {
            let rule = &order.spec.rule;
            let slash = if rule.is_empty() { "" } else { "/" };
            let told = format!(
                "{}{slash}{rule} because of {}: {message}",
                order.spec.policy, order.spec.trigger
            );
            self.tell(Topic::Failed, &acting.reference, told).await;
        }
        if !outcomes.synchronize && now - order.since > GIVE_UP {
            return self.withdraw(order, true, "it could not be done").await;
        }
        let state = if order.status.attempts + 1 >= ATTEMPTS {
            State::Failed
        } else {
            State::Pending
        };
        self.again(order, state, message, outcomes).await
    }

    /// What is said of failures: each once, and missing rights with what to do about them.
    fn words(&self, failures: &[String]) -> String {
        let mut said: Vec<String> = Vec::new();
        for failure in failures {
            let failure = explained(&self.group, failure);
            if !said.contains(&failure) {
                said.push(failure);
            }
        }
        cut(&said.join("; "), MESSAGE)
    }

    /// It is tried again later.
    async fn again(
        &self,
        order: &Order,
        state: State,
        message: String,
        outcomes: Outcomes,
    ) -> Result<Next, AdmissionError> {
        let attempts = order.status.attempts.saturating_add(1);
        let pause = 1_i64
            .checked_shl(attempts)
            .unwrap_or(LONGEST_PAUSE)
            .clamp(1, LONGEST_PAUSE);
        let next = self.now().as_second() + pause;
        let status = Status {
            state,
            message: Some(message),
            attempts,
            next: Some(next),
            observed_generation: order.generation,
            synchronize: outcomes.synchronize,
            orphan: outcomes.orphan,
            made: outcomes.made,
        };
        let concerns = concerns(order, &status);
        self.write(order, &status).await?;
        Ok(Next::At(next, concerns))
    }

    /// There is nothing to act on, or nobody who wants it: what was made goes, but for what is to be left.
    async fn withdraw(&self, order: &Order, keep: bool, why: &str) -> Result<Next, AdmissionError> {
        tracing::debug!(order = order.name, why, "let go");
        if order.status.synchronize && !keep {
            let marks = Marks::new(&order.spec.policy, &order.spec.rule, &order.spec.trigger);
            let mut failures = Vec::new();
            let mut left = Vec::new();
            for made in &order.status.made {
                if let Err(failure) = self.hands.remove(&made.object, &marks).await {
                    failures.push(failure);
                    left.push(made.clone());
                }
            }
            if !failures.is_empty() {
                let outcomes = Outcomes {
                    made: left,
                    ..Outcomes::of(order)
                };
                let message = self.words(&failures);
                return self.again(order, State::Failed, message, outcomes).await;
            }
        }
        self.drop_order(order).await?;
        Ok(Next::Gone)
    }

    /// The order goes, unless it says something else by now.
    async fn drop_order(&self, order: &Order) -> Result<(), AdmissionError> {
        let api = self.orders();
        let doing = || AdmissionError::cluster(format!("remove the request {}", order.name));
        let Some(live) = api.get_metadata_opt(&order.name).await.map_err(doing())? else {
            return Ok(());
        };
        if live.metadata.generation.unwrap_or_default() != order.generation {
            return Ok(());
        }
        let parameters = DeleteParams {
            preconditions: Some(kube::api::Preconditions {
                uid: live.metadata.uid,
                resource_version: live.metadata.resource_version,
            }),
            ..DeleteParams::default()
        };
        match api.delete(&order.name, &parameters).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(doing()(error)),
        }
    }

    async fn write(&self, order: &Order, status: &Status) -> Result<(), AdmissionError> {
        if *status == order.status {
            return Ok(());
        }
        let patch = Patch::Merge(json!({"status": status}));
        let written = self
            .orders()
            .patch_status(&order.name, &PatchParams::default(), &patch)
            .await;
        match written {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(AdmissionError::cluster(format!(
                "write the status of {}",
                order.name
            ))(error)),
        }
    }
}

impl Outcomes {
    /// What was before.
    fn of(order: &Order) -> Self {
        Self {
            made: order.status.made.clone(),
            failures: Vec::new(),
            synchronize: order.status.synchronize,
            orphan: order.status.orphan,
        }
    }
}

/// What the engine says of the source of a copy.
fn source(source: &Value) -> Reference {
    let text = |key: &str| source[key].as_str().unwrap_or_default().to_owned();
    Reference {
        api_version: text("apiVersion"),
        kind: text("kind"),
        namespace: text("namespace"),
        name: text("name"),
        uid: String::new(),
    }
}

/// What an order is about: when something happens to one of these, it is looked at again.
fn concerns(order: &Order, status: &Status) -> Vec<Reference> {
    let made = status
        .made
        .iter()
        .flat_map(|made| [Some(made.object.clone()), made.source.clone()]);
    let all = made.flatten().chain([order.spec.trigger.anybody()]);
    all.collect()
}
