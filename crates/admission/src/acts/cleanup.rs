//! Policies that delete on a schedule, each when it is due.
//!
//! When a policy did so last stands in its `status.lastExecutionTime`, so that it is due once, whoever leads. A time that
//! was missed is made up for once.

use guardrails::{Outcome, Request};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use schedule::Schedule;
use serde_json::{Value, json};

use super::Actor;
use super::acting::Cleaning;
use super::existing::meant;
use super::order::Reference;
use crate::error::AdmissionError;
use crate::events::Topic;
use crate::served::discover;

/// What a look at the schedules came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cleaned {
    /// Policies that were due.
    pub(crate) due: usize,
    /// Objects that were deleted.
    pub(crate) deleted: usize,
    /// When the next policy is due.
    pub(crate) next: Option<Timestamp>,
}

impl Actor {
    /// Carries out every policy that is due now.
    pub(crate) async fn clean(&self) -> Result<Cleaned, AdmissionError> {
        let in_force = self.policies.in_force();
        let mut cleaned = Cleaned::default();
        for policy in &in_force.cleaning {
            let Ok(schedule) = Schedule::parse(&policy.schedule) else {
                continue;
            };
            let now = self.now();
            let Some(last) = self.last_cleaned(policy).await? else {
                continue;
            };
            let mut next = schedule.next(last, &TimeZone::UTC);
            if next.is_some_and(|due| due <= now) {
                cleaned.due += 1;
                cleaned.deleted += self.clean_by(policy).await?;
                self.note(policy, now).await?;
                next = schedule.next(now, &TimeZone::UTC);
            }
            cleaned.next = [cleaned.next, next].into_iter().flatten().min();
        }
        let mut known = self
            .cleaned
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        known.retain(|key, _| in_force.cleaning.iter().any(|policy| key_of(policy) == *key));
        Ok(cleaned)
    }

    /// When a policy was carried out last, or else made; `None` when it is gone.
    async fn last_cleaned(&self, policy: &Cleaning) -> Result<Option<Timestamp>, AdmissionError> {
        let known = |key: &str| {
            let cleaned = self
                .cleaned
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            cleaned.get(key).copied()
        };
        let key = key_of(policy);
        if let Some(last) = known(&key) {
            return Ok(Some(last));
        }
        let found = self.policy(policy).get_opt(&policy.reference.name).await;
        let found = found.map_err(AdmissionError::cluster(format!(
            "read the policy {}",
            policy.name
        )))?;
        let Some(found) = found else { return Ok(None) };
        let said = found.data["status"]["lastExecutionTime"].as_str();
        let last = said.unwrap_or(&policy.since).parse::<Timestamp>();
        let last = last.unwrap_or_else(|_| self.now());
        self.remember(key, last);
        Ok(Some(last))
    }

    fn remember(&self, key: String, last: Timestamp) {
        let mut cleaned = self
            .cleaned
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        cleaned.insert(key, last);
    }

    fn policy(&self, policy: &Cleaning) -> Api<DynamicObject> {
        let Reference {
            api_version,
            kind,
            namespace,
            ..
        } = &policy.reference;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        // All of these kinds are policies.
        let plural = format!("{}ies", kind.to_lowercase().trim_end_matches('y'));
        let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
        if namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        }
    }

    /// Writes down that a policy was carried out.
    async fn note(&self, policy: &Cleaning, now: Timestamp) -> Result<(), AdmissionError> {
        self.remember(key_of(policy), now);
        let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let patch = Patch::Merge(json!({"status": {"lastExecutionTime": whole.to_string()}}));
        let written = self
            .policy(policy)
            .patch_status(&policy.reference.name, &PatchParams::default(), &patch)
            .await;
        match written {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(AdmissionError::cluster(format!(
                "write the status of the policy {}",
                policy.name
            ))(error)),
        }
    }

    /// Deletes what a policy wants deleted; how much that was.
    pub(super) async fn clean_by(&self, policy: &Cleaning) -> Result<usize, AdmissionError> {
        let served = discover(&self.client).await?;
        let mut deleted = 0;
        let mut failures: Vec<String> = Vec::new();
        let mut fail = |why: String| {
            if failures.len() < 5 && !failures.contains(&why) {
                failures.push(why);
            }
        };
        for resource in meant(&served, &policy.scopes) {
            if !policy.namespace.is_empty() && !resource.namespaced {
                continue;
            }
            let mut place = None;
            loop {
                let page = match self.page(resource, &policy.namespace, place.take(), None).await {
                    Ok(page) => page,
                    Err(why) => {
                        fail(why);
                        break;
                    }
                };
                let (unwanted, wrong) = self.judge_page(policy, page.objects).await;
                wrong.into_iter().for_each(&mut fail);
                for object in unwanted {
                    match self.hands.delete(&object, policy.propagation.as_deref()).await {
                        Ok(gone) => deleted += usize::from(gone),
                        Err(why) => fail(why),
                    }
                }
                place = page.next;
                if place.is_none() {
                    break;
                }
            }
        }
        if deleted > 0 {
            let message = format!("{}: {deleted} deleted by schedule", policy.name);
            self.tell(Topic::Applied, &policy.reference, message).await;
        }
        if !failures.is_empty() {
            let message = format!(
                "{}: not everything could be deleted: {}",
                policy.name,
                failures.join("; ")
            );
            self.tell(Topic::Failed, &policy.reference, message).await;
        }
        Ok(deleted)
    }

    /// Which of some objects a policy wants deleted, and what could not be judged.
    async fn judge_page(&self, policy: &Cleaning, objects: Vec<Value>) -> (Vec<Reference>, Vec<String>) {
        let mut judged = Vec::new();
        for object in objects {
            if self.hands.is_the_platforms(&object) {
                continue;
            }
            let space = self.space(&object).await.unwrap_or_default();
            judged.push((object, space));
        }
        let in_force = self.policies.in_force();
        let (actor, key) = (self.clone(), key_of(policy));
        let runtime = tokio::runtime::Handle::current();
        let asked = tokio::task::spawn_blocking(move || {
            let (mut unwanted, mut wrong) = (Vec::new(), Vec::new());
            let Some(policy) = in_force.cleaning.iter().find(|policy| key_of(policy) == key) else {
                return (unwanted, wrong);
            };
            for (object, space) in &judged {
                let facts = actor.facts(runtime.clone(), &policy.namespace);
                let request = Request {
                    namespace_labels: &space.labels,
                    namespace: (!space.object.is_null()).then_some(&space.object),
                    background: true,
                    facts: &facts,
                    ..Request::new(object)
                };
                for deletion in policy.policies.to_delete(&request) {
                    match deletion.verdict.outcome {
                        Outcome::Pass => unwanted.push(Reference::to(object)),
                        Outcome::Error => {
                            wrong.push(format!("{}: {}", Reference::to(object), deletion.verdict.message));
                        }
                        _ => {}
                    }
                }
            }
            (unwanted, wrong)
        });
        asked.await.unwrap_or_else(|_| {
            let why = "the evaluation failed in the guardrails themselves".to_owned();
            (Vec::new(), vec![why])
        })
    }
}

/// A policy, and which one of that name.
fn key_of(policy: &Cleaning) -> String {
    format!(
        "{}/{}/{}",
        policy.reference.kind, policy.name, policy.reference.uid
    )
}
