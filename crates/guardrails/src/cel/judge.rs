//! All policies in CEL on one request.

use std::sync::Arc;

use std::collections::{BTreeMap, HashMap};

use ::cel::budget::{Budget, MAX_OBJECT_DEPTH};
use ::cel::{Failure, Key, Scope, Text, Value};

use super::body;
use super::check::judge_all;
use super::inputs::{Inputs, resource_of, subject_of};
use super::policy::{Binding, Document, Exception, Family, Policy, Variant};
use crate::cel::world::World;
use crate::cursor::{Origin, Refusal};
use crate::engine::Served;
use crate::matching::Subject;
use crate::request::Request;
use crate::verdict::{Outcome, Task, Verdict};

/// Policies in CEL, ready to judge objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct CelPolicies {
    pub(crate) policies: Vec<Policy>,
    bindings: Vec<Binding>,
    exceptions: Vec<Exception>,
    /// Plural names to policies, in the order of loading; those for any name are in every list.
    by_resource: HashMap<String, Vec<usize>>,
    any_resource: Vec<usize>,
}

/// A verdict in the making.
pub(super) struct Judged {
    outcome: Outcome,
    rule: String,
    message: String,
    exception: Option<String>,
}

impl Judged {
    pub(super) fn new(outcome: Outcome, rule: &str, message: impl Into<String>) -> Judged {
        Judged {
            outcome,
            rule: rule.to_owned(),
            message: message.into(),
            exception: None,
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl CelPolicies {
    /// Reads a document if it is of one of the kinds that are kept here.
    pub(crate) fn read(
        &mut self,
        origin: Origin<'_>,
        document: &serde_json::Value,
    ) -> Option<Result<(), Refusal>> {
        if !super::kinds::is_ours(document) {
            return None;
        }
        Some(
            super::kinds::read(origin, document).map(|document| match document {
                Document::Policy(policy) => self.policies.push(*policy),
                Document::Binding(binding) => self.bindings.push(*binding),
                Document::Exception(exception) => self.exceptions.push(*exception),
            }),
        )
    }

    /// Takes in the policies of another set.
    pub(crate) fn merge(&mut self, other: CelPolicies) {
        self.take(other);
        self.index();
    }

    /// As [`CelPolicies::merge`], for who finds out later what they are about.
    pub(crate) fn take(&mut self, other: CelPolicies) {
        self.policies.extend(other.policies);
        self.bindings.extend(other.bindings);
        self.exceptions.extend(other.exceptions);
    }

    /// Only the policies that are to be kept, with all bindings and exceptions.
    pub(crate) fn only(&self, keep: impl Fn(&Policy) -> bool) -> CelPolicies {
        let mut chosen = CelPolicies {
            policies: self
                .policies
                .iter()
                .filter(|policy| keep(policy))
                .cloned()
                .collect(),
            bindings: self.bindings.clone(),
            exceptions: self.exceptions.clone(),
            ..CelPolicies::default()
        };
        chosen.index();
        chosen
    }

    /// Finds out which policies are about which resources.
    pub(crate) fn index(&mut self) {
        let named: Vec<Option<Vec<String>>> = self
            .policies
            .iter()
            .map(|policy| {
                let mut all = Vec::new();
                for variant in &policy.variants {
                    all.extend(variant.constraints.resources()?.into_iter().map(str::to_owned));
                }
                (!policy.json).then_some(all)
            })
            .collect();
        let mut by_resource: HashMap<String, Vec<usize>> = HashMap::new();
        for name in named.iter().flatten().flatten() {
            by_resource.entry(name.clone()).or_default();
        }
        self.any_resource.clear();
        for (index, names) in named.iter().enumerate() {
            match names {
                None => {
                    self.any_resource.push(index);
                    for list in by_resource.values_mut() {
                        list.push(index);
                    }
                }
                Some(names) => {
                    for name in names {
                        if let Some(list) = by_resource.get_mut(name)
                            && list.last() != Some(&index)
                        {
                            list.push(index);
                        }
                    }
                }
            }
        }
        self.by_resource = by_resource;
    }

    /// Whether any policy may be about objects of a kind.
    pub(crate) fn concern(&self, served: &Served<'_>) -> bool {
        let policies = self.policies.iter().filter(|policy| !policy.json);
        let mut variants = policies.flat_map(|policy| &policy.variants);
        variants.any(|variant| variant.constraints.may_mean(served))
    }

    /// Judges an object by every policy, and tells which of them each verdict is from. Policies that are not about the
    /// object say nothing.
    pub(crate) fn evaluate(&self, request: &Request<'_>, verdicts: &mut Vec<Verdict>) -> Vec<usize> {
        let mut places = Vec::new();
        if self.policies.is_empty() {
            return places;
        }
        let before = verdicts.len();
        let resource = resource_of(request);
        let subject = subject_of(request);
        for (place, policy) in self.placed(&resource, Task::Validate) {
            if let Some(variant) = policy.variant(request, &subject, &resource) {
                self.judge(policy, variant, request, &subject, &resource, verdicts);
                places.resize(verdicts.len() - before, place);
            }
        }
        places.append(&mut self.verify_images(request, verdicts));
        places
    }

    /// The policies of a task that may be about a resource, by its plural name.
    pub(super) fn about(&self, resource: &str, task: Task) -> impl Iterator<Item = &Policy> {
        self.placed(resource, task).map(|(_, policy)| policy)
    }

    pub(super) fn placed(&self, resource: &str, task: Task) -> impl Iterator<Item = (usize, &Policy)> {
        let chosen = self.by_resource.get(resource).unwrap_or(&self.any_resource);
        chosen
            .iter()
            .filter_map(|&index| Some((index, self.policies.get(index)?)))
            .filter(move |(_, policy)| policy.task == task)
    }

    /// The bindings of a policy.
    pub(super) fn bindings_of(&self, policy: &Policy) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(|binding| binding.binds(policy))
    }

    /// An object that nests too deep is not looked at: every policy is an error. Tells which of them each verdict is from.
    pub(crate) fn too_deep(&self, kind: &str, task: Task, verdicts: &mut Vec<Verdict>) -> Vec<usize> {
        let mut places = Vec::new();
        let object = serde_json::json!({"kind": kind});
        let labels = BTreeMap::new();
        let request = Request::new(&object);
        let subject = Subject::of(&object, &labels, request.operation, "");
        for (place, policy) in self.policies.iter().enumerate() {
            if policy.task != task {
                continue;
            }
            let message = format!("the object nests deeper than {MAX_OBJECT_DEPTH} levels");
            let judged = Judged::new(Outcome::Error, "evaluation", message);
            let bound = |binding: &Binding| binding.enforce && binding.binds(policy);
            let bound = policy.fail_closed && self.bindings.iter().any(bound);
            verdicts.push(verdict(policy, &subject, judged, policy.enforce || bound));
            places.push(place);
        }
        places
    }

    fn judge(
        &self,
        policy: &Policy,
        variant: &Variant,
        request: &Request<'_>,
        subject: &Subject<'_>,
        resource: &str,
        verdicts: &mut Vec<Verdict>,
    ) {
        let mut say = |judged: Judged, enforce: bool| {
            // What cannot be judged refuses only if the policy says that it is to fail closed.
            let enforce = enforce && (policy.fail_closed || judged.outcome != Outcome::Error);
            verdicts.push(verdict(policy, subject, judged, enforce));
        };
        if policy.family == Family::Kyverno {
            say(
                self.kyverno(policy, variant, request, subject, resource),
                policy.enforce,
            );
            return;
        }
        let bindings: Vec<&Binding> = self.bindings_of(policy).collect();
        if bindings.is_empty() {
            // Nothing is bound yet: what it would say, and nothing comes of it.
            say(
                kubernetes(policy, variant, None, request, subject, resource),
                false,
            );
            return;
        }
        for binding in bindings {
            if binding
                .constraints
                .as_ref()
                .is_none_or(|constraints| constraints.matches(request, subject, resource, true))
            {
                say(
                    kubernetes(policy, variant, Some(binding), request, subject, resource),
                    binding.enforce,
                );
            }
        }
    }

    /// What exceptions allow in part; the verdict when one lets the object through, or cannot be judged.
    pub(super) fn excepted(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        subject: &Subject<'_>,
        resource: &str,
        budget: &Budget,
    ) -> Result<Allowed<'_>, Judged> {
        let mut allowed = Allowed::default();
        let mut exceptions = self
            .exceptions
            .iter()
            .filter(|exception| exception.is_for(policy))
            .peekable();
        if exceptions.peek().is_none() {
            return Ok(allowed);
        }
        let inputs = Inputs::new(request, subject, resource);
        let world = World::new(request.facts, &inputs);
        let scope = Scope::new(budget, &world);
        let (mut granted, mut whole) = (Vec::new(), false);
        for exception in exceptions {
            match body::met(&exception.conditions, &scope) {
                Ok(false) => {}
                Ok(true) => {
                    let expires = exception.expires.as_ref();
                    if let Some(why) = expires.and_then(|at| at.over(&exception.name, request.facts)) {
                        allowed.over = Some(why);
                        continue;
                    }
                    granted.push(exception);
                    whole |= exception.images.is_empty() && exception.values.is_empty();
                    allowed.images.extend(exception.images.iter().map(String::as_str));
                    allowed.values.extend(exception.values.iter().map(String::as_str));
                }
                // A broken exception takes nothing from one that holds.
                Err(_) if whole || !policy.fail_closed => {}
                Err(failure) => return Err(cannot_begin(&failure)),
            }
        }
        if whole {
            Err(excepted(&granted))
        } else {
            Ok(allowed)
        }
    }

    fn kyverno(
        &self,
        policy: &Policy,
        variant: &Variant,
        request: &Request<'_>,
        subject: &Subject<'_>,
        resource: &str,
    ) -> Judged {
        let mut over = None;
        let mut judged = self.excepting(policy, variant, request, subject, resource, &mut over);
        if let (Outcome::Fail | Outcome::Error, Some(over)) = (judged.outcome, over) {
            judged.message = format!("{} ({over})", judged.message);
        }
        judged
    }

    /// As [`CelPolicies::kyverno`]; `over` becomes why an exception does not hold any more.
    fn excepting(
        &self,
        policy: &Policy,
        variant: &Variant,
        request: &Request<'_>,
        subject: &Subject<'_>,
        resource: &str,
        over: &mut Option<String>,
    ) -> Judged {
        let budget = Budget::default();
        let allowed = match self.excepted(policy, request, subject, resource, &budget) {
            Ok(allowed) => allowed,
            Err(judged) => return judged,
        };
        over.clone_from(&allowed.over);
        let mut inputs = Inputs::new(request, subject, resource);
        match allowed.value() {
            Ok(exceptions) => inputs.exceptions = exceptions,
            Err(failure) => return cannot_begin(&failure),
        }
        let world = World::new(request.facts, &inputs).within(policy.namespace.as_deref());
        let scope = Scope::new(&budget, &world).with_variables(&variant.variables.programs);
        match body::met(&variant.conditions, &scope) {
            Ok(true) => {}
            Ok(false) => return Judged::new(Outcome::Skip, "", "skip"),
            Err(Failure::Failed(_)) if !policy.fail_closed => return Judged::new(Outcome::Skip, "", "skip"),
            Err(failure) => return cannot_begin(&failure),
        }
        for (index, validation) in variant.validations.iter().enumerate() {
            match scope.holds(&validation.program) {
                Ok(true) => {}
                Ok(false) => {
                    return Judged::new(Outcome::Fail, "", validation.refusal(index, &scope));
                }
                Err(failure) => return cannot_begin(&failure),
            }
        }
        match body::notes(&variant.annotations, &scope) {
            Ok(_) => Judged::new(Outcome::Pass, "", "success"),
            Err(failure) => cannot_begin(&failure),
        }
    }
}

fn cannot_begin(failure: &Failure) -> Judged {
    Judged::new(
        Outcome::Error,
        "evaluation",
        format!("failed to load context: {failure}"),
    )
}

fn excepted(granted: &[&Exception]) -> Judged {
    let names: Vec<&str> = granted.iter().map(|exception| exception.name.as_str()).collect();
    let names = names.join(", ");
    let passes = granted.first().is_some_and(|exception| exception.passes);
    let (outcome, word) = if passes {
        (Outcome::Pass, "passed")
    } else {
        (Outcome::Skip, "skipped")
    };
    let mut judged = Judged::new(
        outcome,
        "exception",
        format!("rule is {word} due to policy exception: {names}"),
    );
    judged.exception = Some(names);
    judged
}

/// What exceptions allow without letting all of an object through.
#[derive(Default)]
pub(super) struct Allowed<'a> {
    images: Vec<&'a str>,
    values: Vec<&'a str>,
    /// Why an exception does not hold any more.
    over: Option<String>,
}

impl Allowed<'_> {
    /// The variable `exceptions`.
    pub(super) fn value<'v>(&self) -> Result<Value<'v>, Failure> {
        let list = |texts: &[&str]| Value::list(texts.iter().map(|text| Value::text(*text)).collect());
        Value::message(
            Text::Borrowed("libs.Exception"),
            BTreeMap::from([
                (Key::text("allowedImages"), list(&self.images)?),
                (Key::text("allowedValues"), list(&self.values)?),
            ]),
        )
    }
}

fn kubernetes(
    policy: &Policy,
    variant: &Variant,
    binding: Option<&Binding>,
    request: &Request<'_>,
    subject: &Subject<'_>,
    resource: &str,
) -> Judged {
    let params = match (
        &policy.params,
        binding.and_then(|binding| binding.params.as_ref()),
    ) {
        (Some(kind), Some(reference)) => match reference.find(kind, request, subject.namespace) {
            Ok(found) if found.is_empty() => return Judged::new(Outcome::Pass, &policy.name, ""),
            Ok(found) => found.into_iter().map(Some).collect(),
            Err(reason) => return Judged::new(Outcome::Error, &policy.name, reason),
        },
        _ => vec![None],
    };
    let mut judged = Judged::new(Outcome::Pass, &policy.name, "");
    for params in &params {
        let budget = Budget::default();
        let mut inputs = Inputs::new(request, subject, resource);
        inputs.params = params.as_ref().map_or(Value::Null, Value::from);
        let world = World::new(request.facts, &inputs);
        let scope = Scope::new(&budget, &world).with_variables(&variant.variables.programs);
        (judged.outcome, judged.message) = match body::met(&variant.conditions, &scope) {
            Ok(true) => judge_all(&variant.validations, &scope, |_, message| {
                (Outcome::Error, message)
            })
            .unwrap_or_else(|| match body::notes(&variant.annotations, &scope) {
                Ok(_) => (Outcome::Pass, String::new()),
                Err(failure) => (Outcome::Error, failure.to_string()),
            }),
            Ok(false) => (Outcome::Skip, "match conditions aren't met".to_owned()),
            Err(failure) => (Outcome::Error, failure.to_string()),
        };
        if !matches!(judged.outcome, Outcome::Pass | Outcome::Skip) {
            break;
        }
    }
    judged
}

pub(super) fn verdict(policy: &Policy, subject: &Subject<'_>, judged: Judged, enforce: bool) -> Verdict {
    let unscored = judged.outcome == Outcome::Fail && !policy.annotations.scored && !enforce;
    let about = policy.annotations.about(&policy.name, &judged.rule, policy.task);
    Verdict {
        outcome: if unscored { Outcome::Warn } else { judged.outcome },
        enforce,
        message: judged.message,
        exception: judged.exception,
        ..Verdict::blank(Arc::new(about), format!("{}/{}", subject.kind, subject.name))
    }
}
