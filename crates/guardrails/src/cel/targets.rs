//! The objects that a policy in CEL changes although they are there already (`evaluation.mutateExisting`): found
//! through the facts, by rules for resources or by an expression, then changed one by one.

use std::collections::{BTreeMap, BTreeSet};

use ::cel::budget::Budget;
use ::cel::{Failure, Program, Root, Scope};
use serde_json::{Value as Json, json};

use super::body::{self, Condition};
use super::change::Change;
use super::constraints::{Constraints, ResourceRule};
use super::inputs::{Asked, Inputs, resource_of, subject_of};
use super::judge::{CelPolicies, Judged, verdict};
use super::policy::{Policy, Variant};
use crate::cel::world::{self, World};
use crate::cursor::{Cursor, Refusal};
use crate::engine::{Existing, Trigger};
use crate::facts::{Call, Callee, Unavailable};
use crate::request::Request;
use crate::secrets;
use crate::verdict::{Outcome, Task};

/// How many objects one policy may change because of one.
const MAX_TARGETS: usize = 1_000;

/// Which objects a policy changes, where that is not what it is triggered by.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    constraints: Option<Constraints>,
    /// Gives the objects themselves: one, or a list.
    expression: Option<Program>,
    conditions: Vec<Condition>,
}

impl Targets {
    /// Reads `targetMatchConstraints` and `targetMatchConditions`.
    pub(super) fn read(spec: &Cursor<'_>, roots: &[Root], variables: &[String]) -> Result<Targets, Refusal> {
        let names = world::names(roots, variables);
        let field = spec.field("targetMatchConstraints");
        let expression = field.as_ref().and_then(|field| field.field("expression"));
        let constraints = match &field {
            Some(field) => {
                Some(Constraints::read_beside(field, &["expression"])?).filter(|it| !it.rules.is_empty())
            }
            None => None,
        };
        Ok(Targets {
            constraints,
            expression: expression.map(|it| body::read_program(&it, names)).transpose()?,
            conditions: body::read_conditions(spec.field("targetMatchConditions"), names)?,
        })
    }
}

impl CelPolicies {
    /// What becomes of objects that are there already because of this one.
    pub(crate) fn mutate_existing(&self, request: &Request<'_>) -> Vec<Existing> {
        let (resource, subject) = (resource_of(request), subject_of(request));
        let asked = Asked {
            request,
            subject: &subject,
            resource: &resource,
        };
        let mut all = Vec::new();
        for policy in self
            .about(&resource, Task::Mutate)
            .filter(|policy| policy.existing)
        {
            if let Some(variant) = policy.variant(request, &subject, &resource) {
                self.change_targets(policy, variant, &asked, &mut all);
            }
        }
        all
    }

    /// The policies that act on other objects because of this one.
    pub(crate) fn triggers(&self, request: &Request<'_>, generates: bool) -> Vec<Trigger> {
        let (resource, subject) = (resource_of(request), subject_of(request));
        let asked = Asked {
            request,
            subject: &subject,
            resource: &resource,
        };
        let makes = self
            .about(&resource, Task::Generate)
            .filter(|_| generates)
            .map(|policy| (policy, Task::Generate));
        let changes = self
            .about(&resource, Task::Mutate)
            .filter(|policy| policy.existing)
            .map(|policy| (policy, Task::Mutate));
        makes
            .chain(changes)
            .filter(|(policy, _)| {
                let variant = policy.variant(request, &subject, &resource);
                variant.is_some_and(|variant| triggered(policy, variant, &asked).unwrap_or(true))
            })
            .map(|(policy, task)| Trigger {
                policy: policy.name.clone(),
                rule: String::new(),
                task,
                skips_background: true,
            })
            .collect()
    }

    fn change_targets(&self, policy: &Policy, variant: &Variant, asked: &Asked<'_>, all: &mut Vec<Existing>) {
        let mut say = |judged: Judged, before: Option<Json>, object: Option<Json>| {
            // Nothing of this happens while the request waits.
            let mut said = [verdict(policy, asked.subject, judged, false)];
            secrets::hide(&mut said, [Some(asked.request.object), before.as_ref()]);
            let [verdict] = said;
            all.push(Existing {
                verdict,
                before,
                object,
            });
        };
        let failed = |failure: &Failure| {
            let message = format!("failed to evaluate policy: {failure}");
            Judged::new(Outcome::Error, "evaluation", message)
        };
        let found = match triggered(policy, variant, asked).and_then(|triggered| {
            let found = triggered.then(|| find(policy, variant, asked));
            found.transpose()
        }) {
            Ok(Some(found)) => found,
            Ok(None) => return say(Judged::new(Outcome::Skip, "", "skip"), None, None),
            Err(failure) => return say(failed(&failure), None, None),
        };
        for target in found {
            let budget = Budget::default();
            let request = Request {
                object: &target,
                old: None,
                ..*asked.request
            };
            let excepted = self.excepted(policy, &request, asked.subject, asked.resource, &budget);
            let (judged, object) = match excepted {
                Err(judged) => (judged, None),
                Ok(allowed) => {
                    let change = Change {
                        policy,
                        variant,
                        conditions: &policy.targets.conditions,
                        target: Some(&target),
                        params: None,
                    };
                    match change.made_of(asked, &allowed, &budget) {
                        Ok(None) => (Judged::new(Outcome::Skip, "", "skip"), None),
                        Ok(Some(object)) => (
                            Judged::new(Outcome::Pass, "", "success"),
                            Some(object).filter(|object| *object != target),
                        ),
                        Err(failure) => (failed(&failure), None),
                    }
                }
            };
            say(judged, Some(target), object);
        }
    }
}

/// Whether the conditions of the policy hold for the object in question.
fn triggered(policy: &Policy, variant: &Variant, asked: &Asked<'_>) -> Result<bool, Failure> {
    let budget = Budget::default();
    let inputs = Inputs::new(asked.request, asked.subject, asked.resource);
    let world = World::new(asked.request.facts, &inputs).within(policy.namespace.as_deref());
    let scope = Scope::new(&budget, &world).with_variables(&variant.variables.programs);
    body::met(&variant.conditions, &scope)
}

/// The objects that are to be changed.
fn find(policy: &Policy, variant: &Variant, asked: &Asked<'_>) -> Result<Vec<Json>, Failure> {
    let objects = if let Some(expression) = &policy.targets.expression {
        let budget = Budget::default();
        let inputs = Inputs::new(asked.request, asked.subject, asked.resource);
        let world = World::new(asked.request.facts, &inputs).within(policy.namespace.as_deref());
        let scope = Scope::new(&budget, &world).with_variables(&variant.variables.programs);
        match scope.evaluate(expression)?.to_json(&budget)? {
            Json::Null => Vec::new(),
            given => listed(&given).map_err(Failure::new)?,
        }
    } else {
        let constraints = policy.targets.constraints.as_ref();
        look_up(constraints.unwrap_or(&variant.constraints), policy, asked.request).map_err(Failure::new)?
    };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for object in objects {
        let text = |pointer: &str| object.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
        let namespace = text("/metadata/namespace");
        if policy.namespace.as_deref().is_some_and(|own| own != namespace) {
            let reason = format!("a policy of a namespace changes nothing outside of it: {namespace:?}");
            return Err(Failure::new(reason));
        }
        let key =
            ["/apiVersion", "/kind", "/metadata/namespace", "/metadata/name"].map(|at| text(at).to_owned());
        if seen.insert(key) {
            found.push(object);
        }
    }
    if found.len() > MAX_TARGETS {
        return Err(Failure::new(format!(
            "the targets are more than {MAX_TARGETS} objects"
        )));
    }
    Ok(found)
}

/// The objects that fit rules for resources, whatever operations these name.
fn look_up(constraints: &Constraints, policy: &Policy, request: &Request<'_>) -> Result<Vec<Json>, String> {
    if constraints.rules.is_empty() {
        return Err("the policy does not say which objects are its targets".to_owned());
    }
    let mut found = Vec::new();
    let mut labels = BTreeMap::new();
    for (group, version, resource) in constraints.rules.iter().flat_map(ResourceRule::kinds) {
        let plain = |text: &str| !text.contains(['*', '/', '?', '#', '%']);
        if !(plain(group) && plain(version) && plain(resource)) {
            return Err(format!(
                "targets cannot be looked for by {group}/{version}/{resource}: name one resource"
            ));
        }
        let mut path = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        if let Some(namespace) = &policy.namespace {
            path.extend(["/namespaces/", namespace]);
        }
        path.extend(["/", resource]);
        for object in call(request, path)?.map_or_else(|| Ok(Vec::new()), |found| listed(&found))? {
            let namespace = object["metadata"]["namespace"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            if constraints.namespaces.is_some() && !namespace.is_empty() && !labels.contains_key(&namespace) {
                labels.insert(namespace.clone(), labels_of(request, &namespace)?);
            }
            let none = BTreeMap::new();
            let about = Request {
                old: None,
                subresource: "",
                parent: None,
                namespace_labels: labels.get(&namespace).unwrap_or(&none),
                ..Request::new(&object)
            };
            if constraints.matches(&about, &subject_of(&about), resource, false) {
                found.push(object);
            }
        }
    }
    Ok(found)
}

fn labels_of(request: &Request<'_>, namespace: &str) -> Result<BTreeMap<String, String>, String> {
    let found = call(request, format!("/api/v1/namespaces/{namespace}"))?.unwrap_or_default();
    let labels = found["metadata"]["labels"].as_object().into_iter().flatten();
    Ok(labels
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect())
}

fn call(request: &Request<'_>, path: String) -> Result<Option<Json>, String> {
    let to = Callee::Cluster(path);
    match request.facts.object(&Call { to, data: None }) {
        Ok(found) => Ok(Some(found)),
        Err(Unavailable::Missing(_)) => Ok(None),
        Err(unavailable) => Err(unavailable.to_string()),
    }
}

/// The objects of a list as the API has it, or the object itself. What stands in a list need not say its kind.
pub(super) fn listed(object: &Json) -> Result<Vec<Json>, String> {
    let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let Some(Json::Array(items)) = object.get("items") else {
        return Ok(vec![object.clone()]);
    };
    let Some(of) = kind.strip_suffix("List") else {
        return Err(format!("the {kind} has items and is no list"));
    };
    let whole = |item: &Json| {
        let mut item = item.clone();
        if let Some(fields) = item.as_object_mut().filter(|_| !of.is_empty()) {
            fields.entry("apiVersion").or_insert_with(|| json!(version));
            fields.entry("kind").or_insert_with(|| json!(of));
        }
        if item["kind"].is_string() {
            Ok(item)
        } else {
            Err(format!("an item of the {kind} has no kind"))
        }
    };
    items.iter().map(whole).collect()
}
