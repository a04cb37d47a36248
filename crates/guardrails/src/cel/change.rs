//! What policies in CEL do with an object beyond judging it: they change it, make others, or say that it may go.

use ::cel::budget::Budget;
use ::cel::{Failure, Scope, Value};
use schema::Schemas;
use serde_json::{Map, Value as Json};

use super::apply;
use super::body::{self, Condition};
use super::inputs::{Asked, Inputs, resource_of, subject_of};
use super::judge::{Allowed, CelPolicies, Judged, verdict};
use super::policy::{Binding, Family, Making, Policy, Variant};
use crate::cel::world::World;
use crate::engine::{Deletion, Generated, Generation};
use crate::facts::Facts;
use crate::generate::detach;
use crate::request::Request;
use crate::secrets;
use crate::verdict::{Outcome, Task, Verdict};

/// What a policy does to an object.
pub(super) struct Change<'a> {
    pub(super) policy: &'a Policy,
    pub(super) variant: &'a Variant,
    /// What must hold for it.
    pub(super) conditions: &'a [Condition],
    /// The object, where it is not the one that was asked about.
    pub(super) target: Option<&'a Json>,
    pub(super) params: Option<&'a Json>,
}

impl CelPolicies {
    /// Applies every policy that changes objects, each to what the one before made.
    pub(crate) fn mutate(&self, request: &Request<'_>, object: &mut Json, verdicts: &mut Vec<Verdict>) {
        for policy in self
            .about(&resource_of(request), Task::Mutate)
            .filter(|policy| !policy.existing)
        {
            if let Some(changed) = self.mutate_by(policy, request, object, verdicts) {
                *object = changed;
            }
        }
    }

    fn mutate_by(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        object: &Json,
        verdicts: &mut Vec<Verdict>,
    ) -> Option<Json> {
        let request = Request { object, ..*request };
        let (resource, subject) = (resource_of(&request), subject_of(&request));
        let asked = Asked {
            request: &request,
            subject: &subject,
            resource: &resource,
        };
        let variant = policy.variant(&request, &subject, &resource)?;
        let budget = Budget::default();
        let mut say = |judged: Judged| verdicts.push(verdict(policy, &subject, judged, policy.fail_closed));
        if policy.family == Family::Kyverno {
            let allowed = match self.excepted(policy, &request, &subject, &resource, &budget) {
                Ok(allowed) => allowed,
                Err(judged) => {
                    say(judged);
                    return None;
                }
            };
            return match Change::of(policy, variant, None).made_of(&asked, &allowed, &budget) {
                Ok(None) => {
                    say(Judged::new(Outcome::Skip, "", "skip"));
                    None
                }
                Ok(changed) => {
                    say(Judged::new(Outcome::Pass, "", "success"));
                    changed
                }
                Err(failure) => {
                    let message = format!("failed to evaluate policy: {failure}");
                    say(Judged::new(Outcome::Error, "evaluation", message));
                    None
                }
            };
        }
        let bindings: Vec<&Binding> = self.bindings_of(policy).collect();
        if bindings.is_empty() {
            // Nothing is bound yet: what it would make of the object.
            let (judged, changed) = by_kubernetes(policy, variant, &asked, None);
            say(judged);
            return changed;
        }
        let mut current: Option<Json> = None;
        for binding in bindings {
            let fits = |constraints: &super::constraints::Constraints| {
                constraints.matches(&request, &subject, &resource, true)
            };
            if binding.constraints.as_ref().is_none_or(fits) {
                let request = Request {
                    object: current.as_ref().unwrap_or(object),
                    ..request
                };
                let asked = Asked {
                    request: &request,
                    ..asked
                };
                let (judged, changed) = by_kubernetes(policy, variant, &asked, Some(binding));
                say(judged);
                current = changed.or(current);
            }
        }
        current
    }

    /// What is to be made because of an object, for each policy that is about it.
    pub(crate) fn generate(&self, request: &Request<'_>) -> Vec<Generation> {
        let (resource, subject) = (resource_of(request), subject_of(request));
        let mut made = Vec::new();
        for policy in self.about(&resource, Task::Generate) {
            let Some(variant) = policy.variant(request, &subject, &resource) else {
                continue;
            };
            let budget = Budget::default();
            let (judged, objects) = match self.excepted(policy, request, &subject, &resource, &budget) {
                Err(judged) => (judged, Vec::new()),
                Ok(allowed) => {
                    let asked = Asked {
                        request,
                        subject: &subject,
                        resource: &resource,
                    };
                    match generated(policy, variant, &asked, &allowed, &budget) {
                        Ok(None) => continue,
                        Ok(Some(objects)) => (
                            Judged::new(Outcome::Pass, &policy.name, "policy evaluated successfully"),
                            objects,
                        ),
                        Err(failure) => {
                            let message = format!("failed to evaluate policy: {failure}");
                            (Judged::new(Outcome::Error, &policy.name, message), Vec::new())
                        }
                    }
                }
            };
            let following = policy.generation;
            let mut said = [verdict(policy, &subject, judged, false)];
            secrets::hide(&mut said, [Some(request.object), request.old]);
            let [verdict] = said;
            made.push(Generation {
                verdict,
                objects,
                synchronize: following.synchronize,
                orphan: following.orphan,
                existing: following.existing,
            });
        }
        made
    }

    /// Which policies would delete the object when they are due: pass when it is to go, fail when it stays.
    pub(crate) fn delete(&self, request: &Request<'_>) -> Vec<Deletion> {
        let (resource, subject) = (resource_of(request), subject_of(request));
        let mut verdicts = Vec::new();
        for policy in self.about(&resource, Task::Delete) {
            let Some(variant) = policy.variant(request, &subject, &resource) else {
                continue;
            };
            let budget = Budget::default();
            let judged = match self.excepted(policy, request, &subject, &resource, &budget) {
                Err(judged) => judged,
                Ok(allowed) => {
                    let judge = || -> Result<bool, Failure> {
                        let mut inputs = Inputs::new(request, &subject, &resource);
                        inputs.exceptions = allowed.value()?;
                        let world = World::new(request.facts, &inputs).within(policy.namespace.as_deref());
                        let scope = Scope::new(&budget, &world).with_variables(&variant.variables.programs);
                        body::met(&variant.conditions, &scope)
                    };
                    match judge() {
                        Ok(true) => Judged::new(Outcome::Pass, &policy.name, "resource matched"),
                        Ok(false) => Judged::new(Outcome::Fail, &policy.name, "resource did not match"),
                        Err(failure) => Judged::new(Outcome::Error, &policy.name, failure.to_string()),
                    }
                }
            };
            let mut said = [verdict(policy, &subject, judged, false)];
            secrets::hide(&mut said, [Some(request.object), request.old]);
            let [verdict] = said;
            verdicts.push(Deletion {
                verdict,
                schedule: policy.schedule.clone(),
                propagation: policy.propagation.clone(),
            });
        }
        verdicts
    }
}

/// An object in the namespace that it is made for, if its kind lives in one; without what belongs to the object that
/// it may be a copy of.
fn placed(
    namespace: &str,
    mut object: Json,
    policy: &Policy,
    facts: &dyn Facts,
) -> Result<Generated, Failure> {
    let text = |name: &str| {
        object
            .get(name)
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (version, kind) = (text("apiVersion"), text("kind"));
    let (group, number) = version.split_once('/').unwrap_or(("", &version));
    let known = Schemas::builtin()
        .kind(group, number, &kind)
        .map(|known| known.namespaced);
    let asked = || {
        facts
            .resource(&version, &kind)
            .ok()
            .map(|(_, namespaced)| namespaced)
    };
    let clustered = known.or_else(asked).is_some_and(|namespaced| !namespaced);
    if clustered && let Some(own) = &policy.namespace {
        return Err(Failure::new(format!(
            "a policy of the namespace {own} makes no {kind} outside of it"
        )));
    }
    if let Some(fields) = object.as_object_mut()
        && let Json::Object(metadata) = fields
            .entry("metadata")
            .or_insert_with(|| Json::Object(Map::new()))
    {
        let from = metadata.get("namespace").and_then(Json::as_str);
        let moved = from.is_some_and(|from| from != namespace);
        detach(metadata, moved);
        if !clustered && !namespace.is_empty() {
            metadata.insert("namespace".to_owned(), Json::String(namespace.to_owned()));
        }
    }
    Ok(Generated { object, source: None })
}

impl<'a> Change<'a> {
    fn of(policy: &'a Policy, variant: &'a Variant, params: Option<&'a Json>) -> Change<'a> {
        Change {
            policy,
            variant,
            conditions: &variant.conditions,
            target: None,
            params,
        }
    }

    /// The object as the mutations want it, one after the other; `None` when the conditions are not met.
    pub(super) fn made_of(
        &self,
        asked: &Asked<'_>,
        allowed: &Allowed<'_>,
        budget: &Budget,
    ) -> Result<Option<Json>, Failure> {
        let mut current = budget.copy(self.target.unwrap_or(asked.request.object))?;
        for (index, mutation) in self.variant.mutations.iter().enumerate() {
            let changed = {
                let mut inputs = Inputs::new(asked.request, asked.subject, asked.resource);
                inputs.stands_at(&current, self.target.is_some());
                inputs.exceptions = allowed.value()?;
                inputs.params = self.params.map_or(Value::Null, Value::from);
                let world = World::new(asked.request.facts, &inputs).within(self.policy.namespace.as_deref());
                let scope = Scope::new(budget, &world).with_variables(&self.variant.variables.programs);
                if index == 0 && !body::met(self.conditions, &scope)? {
                    return Ok(None);
                }
                let value = scope.evaluate(&mutation.program)?;
                let (fits, wanted) = if mutation.operations {
                    (value.list_len().is_some(), "a list of JSONPatch")
                } else {
                    let object = value.map_len().is_some() && value.type_name().starts_with("Object");
                    (object, "an Object")
                };
                if !fits {
                    return Err(Failure::new(format!(
                        "the mutation is a {}, not {wanted}",
                        value.type_name()
                    )));
                }
                match value.to_json(budget)? {
                    Json::Array(operations) => apply::operations(&current, &operations, budget)?,
                    patch => apply::configuration(&current, patch, self.policy.atomic, budget)?,
                }
            };
            current = changed;
        }
        Ok(Some(current))
    }
}

fn by_kubernetes(
    policy: &Policy,
    variant: &Variant,
    asked: &Asked<'_>,
    binding: Option<&Binding>,
) -> (Judged, Option<Json>) {
    let say = |outcome, message: String| Judged::new(outcome, &policy.name, message);
    let params = match (
        &policy.params,
        binding.and_then(|binding| binding.params.as_ref()),
    ) {
        (Some(kind), Some(reference)) => match reference.find(kind, asked.request, asked.subject.namespace) {
            Ok(found) => found,
            Err(reason) => return (say(Outcome::Error, reason), None),
        },
        _ => vec![Json::Null],
    };
    let mut current: Option<Json> = None;
    for params in &params {
        let request = Request {
            object: current.as_ref().unwrap_or(asked.request.object),
            ..*asked.request
        };
        let asked = Asked {
            request: &request,
            ..*asked
        };
        let change = Change::of(policy, variant, Some(params));
        match change.made_of(&asked, &Allowed::default(), &Budget::default()) {
            Ok(None) => {
                return (
                    say(Outcome::Skip, "match conditions aren't met".to_owned()),
                    current,
                );
            }
            Ok(changed) => current = changed,
            Err(failure) => return (say(Outcome::Error, failure.to_string()), None),
        }
    }
    (
        say(Outcome::Pass, "mutation is successfully applied".to_owned()),
        current,
    )
}

/// What the policy makes; `None` when its conditions are not met.
fn generated(
    policy: &Policy,
    variant: &Variant,
    asked: &Asked<'_>,
    allowed: &Allowed<'_>,
    budget: &Budget,
) -> Result<Option<Vec<Generated>>, Failure> {
    let mut inputs = Inputs::new(asked.request, asked.subject, asked.resource);
    inputs.exceptions = allowed.value()?;
    let world = World::new(asked.request.facts, &inputs).within(policy.namespace.as_deref());
    let scope = Scope::new(budget, &world).with_variables(&variant.variables.programs);
    if !body::met(&variant.conditions, &scope)? {
        return Ok(None);
    }
    let mut made = Vec::new();
    for making in &variant.generations {
        match making {
            Making::Expression(program) => {
                scope.evaluate(program)?;
                made.extend(world.take_generated());
            }
            Making::Template(template) => {
                for object in template.fill(&scope)? {
                    let said = object["metadata"]["namespace"].as_str().unwrap_or_default();
                    let own = policy.namespace.as_deref();
                    let namespace = own.filter(|_| said.is_empty()).unwrap_or(said).to_owned();
                    if own.is_some_and(|own| own != namespace) {
                        let reason = format!("a policy of a namespace cannot generate into {namespace:?}");
                        return Err(Failure::new(reason));
                    }
                    made.push((namespace, object));
                }
            }
        }
    }
    made.into_iter()
        .map(|(namespace, object)| placed(&namespace, object, policy, asked.request.facts))
        .collect::<Result<_, _>>()
        .map(Some)
}
