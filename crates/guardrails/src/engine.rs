//! Policies by kind, and the judgement of an object by all of them.

use std::collections::HashMap;
use std::sync::Arc;

use ::cel::budget::{MAX_OBJECT_DEPTH, deeper_than};
use serde_json::Value;

use crate::cel::CelPolicies;
use crate::cursor::{Origin, Refusal};
use crate::exception::{self, Exception};
use crate::judge::Judge;
use crate::matching::{Match, Subject};
use crate::policy::{FailureAction, Override, Policy, Rule, Work};
use crate::request::{Operation, Request};
use crate::secrets;
use crate::verdict::{Outcome, Task, Verdict};
use crate::wildcard;

mod delete;
mod generate;
mod mutate;
mod trigger;

pub use delete::Deletion;
pub use generate::{Generated, Generation};
pub use mutate::{Existing, Mutated};
pub use trigger::Trigger;

/// What is said of a rule whose subjects, roles or cluster roles cannot be checked.
const UNKNOWN_USER: &str = "unknown: whether this rule applies depends on who asks, which is not known here";

/// Why policies were not loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Policies that are malformed or of a kind this engine does not have. Never empty.
    #[error("{}", join(.0))]
    Refused(Vec<Refusal>),
}

fn join(refusals: &[Refusal]) -> String {
    refusals
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A kind as a cluster serves it.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// The API group; empty for the core.
    pub group: &'a str,
    /// The version.
    pub version: &'a str,
    /// The version that the cluster prefers.
    pub preferred: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The plural name, which policies in CEL go by.
    pub plural: &'a str,
}

impl Served<'_> {
    /// Whether this is the version that the cluster prefers.
    pub fn is_preferred(&self) -> bool {
        self.version == self.preferred
    }
}

/// Policies, ready to judge objects.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    loaded: Vec<Policy>,
    /// Kind to rules (policy, rule), in the order of loading; rules for any kind are in every list.
    by_kind: HashMap<String, Vec<(usize, usize)>>,
    /// The rules for kinds that no policy names.
    any_kind: Vec<(usize, usize)>,
    /// Policies in CEL.
    cel: CelPolicies,
    /// What lets objects through.
    exceptions: Vec<Exception>,
}

impl Policies {
    /// Loads policies; all must be in order. `source` names where they are from in errors: a file, usually.
    pub fn load(source: &str, documents: &[yaml::Document]) -> Result<Policies, Error> {
        let (policies, refusals) = Policies::load_partly(source, documents);
        if refusals.is_empty() {
            Ok(policies)
        } else {
            Err(Error::Refused(refusals))
        }
    }

    /// Loads the policies that are in order, and tells which are not.
    pub fn load_partly(source: &str, documents: &[yaml::Document]) -> (Policies, Vec<Refusal>) {
        read_all(documents.iter().map(|document| {
            let origin = Origin {
                document: Some(document),
                ..Origin::named(source)
            };
            (origin, &document.value)
        }))
    }

    /// Loads policies that come from an API server rather than from a file.
    pub fn from_values<'a>(
        source: &str,
        values: impl IntoIterator<Item = &'a Value>,
    ) -> (Policies, Vec<Refusal>) {
        read_all(values.into_iter().map(|value| (Origin::named(source), value)))
    }

    /// The policies of many sets as one; and for each, in the order of [`Policies::names`], which set it is from.
    pub fn joined(sets: impl IntoIterator<Item = Policies>) -> (Policies, Vec<usize>) {
        let mut all = Policies::default();
        let (mut classic, mut in_cel) = (Vec::new(), Vec::new());
        for (at, set) in sets.into_iter().enumerate() {
            classic.extend(std::iter::repeat_n(at, set.loaded.len()));
            in_cel.extend(std::iter::repeat_n(at, set.cel.policies.len()));
            all.loaded.extend(set.loaded);
            all.cel.take(set.cel);
            all.exceptions.extend(set.exceptions);
        }
        all.index();
        all.cel.index();
        classic.append(&mut in_cel);
        (all, classic)
    }

    /// Takes in the policies of another set.
    pub fn merge(&mut self, other: Policies) {
        self.loaded.extend(other.loaded);
        self.cel.merge(other.cel);
        self.exceptions.extend(other.exceptions);
        self.index();
    }

    /// The names of the policies, in the order of loading; those in CEL come last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let classic = self.loaded.iter().map(|policy| policy.name.as_str());
        classic.chain(self.cel.policies.iter().map(|policy| policy.name.as_str()))
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.loaded.len() + self.cel.policies.len()
    }

    /// How many rules they have, those for pod controllers counted; a policy in CEL is one.
    pub fn rules(&self) -> usize {
        let classic: usize = self.loaded.iter().map(|policy| policy.rules.len()).sum();
        classic + self.cel.policies.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Only the policies meant for admission (`spec.admission`, true unless said otherwise).
    #[must_use]
    pub fn for_admission(&self) -> Policies {
        let mut chosen = self.only(|policy| policy.admission);
        chosen.cel = self.cel.only(|policy| policy.admission);
        chosen
    }

    /// Only the policies meant for background scans (`spec.background`, true unless said otherwise).
    #[must_use]
    pub fn for_background(&self) -> Policies {
        let mut chosen = self.only(|policy| policy.background);
        chosen.cel = self.cel.only(|policy| policy.background);
        chosen
    }

    fn only(&self, keep: impl Fn(&Policy) -> bool) -> Policies {
        let loaded = self
            .loaded
            .iter()
            .filter(|policy| keep(policy))
            .cloned()
            .collect();
        let mut chosen = Policies {
            loaded,
            exceptions: self.exceptions.clone(),
            ..Policies::default()
        };
        chosen.index();
        chosen
    }

    fn index(&mut self) {
        self.by_kind.clear();
        self.any_kind.clear();
        let rules = || {
            self.loaded.iter().enumerate().flat_map(|(p, policy)| {
                policy
                    .rules
                    .iter()
                    .enumerate()
                    .map(move |(r, rule)| ((p, r), rule))
            })
        };
        let kinds_of = |rule: &Rule| -> Option<Vec<String>> {
            match &rule.generated {
                Some((kinds, _)) => Some(kinds.iter().map(|kind| (*kind).to_owned()).collect()),
                None => rule
                    .matches
                    .plain_kinds()
                    .map(|kinds| kinds.into_iter().map(str::to_owned).collect()),
            }
        };
        let named: Vec<Option<Vec<String>>> = rules().map(|(_, rule)| kinds_of(rule)).collect();
        let mut by_kind: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for kind in named.iter().flatten().flatten() {
            by_kind.entry(kind.clone()).or_default();
        }
        let mut any_kind = Vec::new();
        for ((at, _), kinds) in rules().zip(&named) {
            match kinds {
                None => {
                    any_kind.push(at);
                    for list in by_kind.values_mut() {
                        list.push(at);
                    }
                }
                Some(kinds) => {
                    for kind in kinds {
                        if let Some(list) = by_kind.get_mut(kind)
                            && list.last() != Some(&at)
                        {
                            list.push(at);
                        }
                    }
                }
            }
        }
        self.by_kind = by_kind;
        self.any_kind = any_kind;
    }

    /// Whether any rule may be about objects of a kind. A rule may still look closer, so this says what need not be
    /// looked at. Rules that leave the version open are about the preferred one.
    pub fn concern(&self, served: &Served<'_>) -> bool {
        let mut rules = self.loaded.iter().flat_map(|policy| &policy.rules);
        let classic = rules.any(|rule| match &rule.generated {
            Some((kinds, _)) => served.is_preferred() && kinds.contains(&served.kind),
            None => rule.matches.may_mean(served),
        });
        classic || self.cel.concern(served)
    }

    /// Judges an object by every policy. Rules that are not about it say nothing.
    pub fn evaluate(&self, request: &Request<'_>) -> Vec<Verdict> {
        self.judged(request).0
    }

    /// As [`Policies::evaluate`], each verdict with the place of its policy in the order of [`Policies::names`].
    pub fn evaluate_each(&self, request: &Request<'_>) -> Vec<(usize, Verdict)> {
        let (verdicts, places) = self.judged(request);
        places.into_iter().zip(verdicts).collect()
    }

    /// Verdicts, and the places of their policies.
    fn judged(&self, request: &Request<'_>) -> (Vec<Verdict>, Vec<usize>) {
        let (kind, rules) = self.rules_for(request);
        let rules =
            rules.filter(|(_, _, rule)| matches!(rule.work, Work::Validate(_) | Work::VerifyImages(_)));
        let rules: Vec<(usize, &Policy, &Rule)> = rules.collect();
        let (mut verdicts, mut places) = (Vec::new(), Vec::new());
        if rules.is_empty() && self.cel.policies.is_empty() {
            return (verdicts, places);
        }
        let first_in_cel = self.loaded.len();
        if let Some(mut verdicts) = too_deep(request, kind, rules.iter().map(|(_, p, r)| (*p, *r))) {
            places.extend(rules.iter().map(|(p, _, _)| *p));
            for task in [Task::Validate, Task::VerifyImages] {
                let in_cel = self.cel.too_deep(kind, task, &mut verdicts);
                places.extend(in_cel.into_iter().map(|place| first_in_cel + place));
            }
            return (verdicts, places);
        }
        let subject = asked(request);
        let object = format!("{kind}/{}", subject.name);
        verdicts.reserve(rules.len());
        places.reserve(rules.len());
        // With `applyRules: One` a policy is done once a rule of it passed or failed.
        let mut done = None;
        for (p, policy, rule) in rules {
            if done == Some(p) {
                continue;
            }
            let exceptions = self.exceptions_for(policy, rule);
            let Some(verdict) = judge(policy, rule, request, &subject, &object, &exceptions) else {
                continue;
            };
            if policy.apply_one && matches!(verdict.outcome, Outcome::Pass | Outcome::Fail | Outcome::Warn) {
                done = Some(p);
            }
            verdicts.push(verdict);
            places.push(p);
        }
        let in_cel = self.cel.evaluate(request, &mut verdicts);
        places.extend(in_cel.into_iter().map(|place| first_in_cel + place));
        secrets::hide(&mut verdicts, [Some(request.object), request.old]);
        (verdicts, places)
    }

    /// The exceptions that name a rule.
    fn exceptions_for(&self, policy: &Policy, rule: &Rule) -> Vec<&Exception> {
        let named = |exception: &&Exception| exception.names(&policy.name, &rule.name);
        self.exceptions.iter().filter(named).collect()
    }

    /// The kind of the object, and the rules for it with the place of their policy, in the order of loading.
    fn rules_for<'r>(
        &self,
        request: &Request<'r>,
    ) -> (&'r str, impl Iterator<Item = (usize, &Policy, &Rule)>) {
        let kind = request
            .object
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        // Rules about something beneath an object name the object's kind.
        let matched = request.parent.map_or(kind, |(_, kind)| kind);
        let rules = self.by_kind.get(matched).unwrap_or(&self.any_kind);
        let background = request.background;
        let rules = rules.iter().filter_map(move |&(p, r)| {
            // A policy that is about who asks is not for scans.
            let policy = self
                .loaded
                .get(p)
                .filter(|policy| policy.background || !background)?;
            Some((p, policy, policy.rules.get(r)?))
        });
        (kind, rules)
    }
}

/// An object that nests too deep is not looked at: every rule for its kind is an error.
fn too_deep<'p>(
    request: &Request<'_>,
    kind: &str,
    rules: impl Iterator<Item = (&'p Policy, &'p Rule)>,
) -> Option<Vec<Verdict>> {
    if !deeper_than(request.object, MAX_OBJECT_DEPTH)
        && request.old.is_none_or(|old| !deeper_than(old, MAX_OBJECT_DEPTH))
    {
        return None;
    }
    let verdicts = rules.map(|(policy, rule)| {
        let mut verdict = Verdict::blank(Arc::clone(&rule.about), kind.to_owned());
        verdict.message = format!("the object nests deeper than {MAX_OBJECT_DEPTH} levels");
        verdict.enforce = match rule.work {
            Work::Validate(_) | Work::VerifyImages(_) => {
                rule.failure_action().unwrap_or(policy.failure_action) == FailureAction::Enforce
            }
            _ => policy.fail_closed,
        };
        verdict
    });
    Some(verdicts.collect())
}

fn read_all<'a>(documents: impl Iterator<Item = (Origin<'a>, &'a Value)>) -> (Policies, Vec<Refusal>) {
    let mut policies = Policies::default();
    let mut refusals = Vec::new();
    for (origin, document) in documents {
        let read = if exception::is_one(document) {
            Exception::read(origin, document).map(|exception| policies.exceptions.push(exception))
        } else {
            policies
                .cel
                .read(origin, document)
                .unwrap_or_else(|| Policy::read(origin, document).map(|policy| policies.loaded.push(policy)))
        };
        refusals.extend(read.err());
    }
    policies.cel.index();
    policies.index();
    (policies, refusals)
}

/// What matching looks at.
fn asked<'a>(request: &Request<'a>) -> Subject<'a> {
    Subject::of(
        request.object,
        request.namespace_labels,
        request.operation,
        request.subresource,
    )
    .asked_in(request)
}

/// The verdict of a rule that is about an object, and whether that is all: the rule cannot be applied.
fn begin(
    policy: &Policy,
    rule: &Rule,
    request: &Request<'_>,
    subject: &Subject<'_>,
) -> Option<(Verdict, bool)> {
    let depends = match applies(policy, rule, subject) {
        Match::No => return None,
        Match::Yes => false,
        Match::DependsOnUser => true,
    };
    let mut verdict = Verdict::blank(
        Arc::clone(&rule.about),
        format!("{}/{}", subject.kind, subject.name),
    );
    verdict.enforce = policy.fail_closed;
    match policy.conditions.hold(request, subject) {
        Ok(true) => {}
        Ok(false) => return None,
        Err(reason) => {
            verdict.message = reason;
            return Some((verdict, true));
        }
    }
    if let Some(reason) = &rule.unsupported {
        verdict.message.clone_from(reason);
        return Some((verdict, true));
    }
    if depends {
        UNKNOWN_USER.clone_into(&mut verdict.message);
    }
    Some((verdict, depends))
}

/// Whether a rule is about an object. `DependsOnUser` when only the one who asks decides.
fn applies(policy: &Policy, rule: &Rule, subject: &Subject<'_>) -> Match {
    if policy
        .namespace
        .as_ref()
        .is_some_and(|namespace| namespace != subject.namespace)
    {
        return Match::No;
    }
    match (rule.matches.matches(subject), rule.exclude.excludes(subject)) {
        (Match::No, _) | (_, Match::Yes) => Match::No,
        (Match::Yes, Match::No) => Match::Yes,
        _ => Match::DependsOnUser,
    }
}

fn judge(
    policy: &Policy,
    rule: &Rule,
    request: &Request<'_>,
    subject: &Subject<'_>,
    object: &str,
    exceptions: &[&Exception],
) -> Option<Verdict> {
    let depends = match applies(policy, rule, subject) {
        Match::No => return None,
        Match::Yes => false,
        Match::DependsOnUser => true,
    };
    let mut verdict = Verdict::blank(Arc::clone(&rule.about), object.to_owned());
    let (action, scope) = failure_action(policy, rule, subject);
    (verdict.enforce, verdict.scope) = (action == FailureAction::Enforce, scope);
    match policy.conditions.hold(request, subject) {
        Ok(true) => {}
        Ok(false) => return None,
        Err(reason) => {
            verdict.message = reason;
            return Some(verdict);
        }
    }
    if let Some(reason) = &rule.unsupported {
        verdict.message.clone_from(reason);
        return Some(verdict);
    }
    let judge = Judge::new(policy, rule, request, subject, exceptions);
    let allow_existing = match &rule.work {
        Work::Validate(validate) => {
            verdict.say(judge.judge()?);
            validate.allow_existing
        }
        Work::VerifyImages(entries) if request.operation != Operation::Delete => {
            verdict.say(judge.verify_images(entries)?);
            false
        }
        _ => return None,
    };
    verdict.properties = judge.properties();
    if verdict.outcome == Outcome::Fail {
        let enforced = rule.failure_action().unwrap_or(policy.failure_action) == FailureAction::Enforce;
        if enforced && allow_existing && violated_before(policy, rule, request, subject, exceptions) {
            verdict.outcome = Outcome::Skip;
            "skipping the rule evaluation as pre-existing violations are allowed"
                .clone_into(&mut verdict.message);
        } else if depends {
            verdict.outcome = Outcome::Error;
            verdict.message = format!("{UNKNOWN_USER}; it would fail: {}", verdict.message);
        } else if !policy.annotations.scored && !verdict.enforce {
            verdict.outcome = Outcome::Warn;
        }
    }
    Some(verdict)
}

/// Whether an update changes an object that broke the rule already.
fn violated_before(
    policy: &Policy,
    rule: &Rule,
    request: &Request<'_>,
    subject: &Subject<'_>,
    exceptions: &[&Exception],
) -> bool {
    let (Operation::Update, Some(old)) = (request.operation, request.old) else {
        return false;
    };
    let before = Request {
        object: old,
        old: None,
        operation: Operation::Create,
        ..*request
    };
    let then = Subject::of(
        old,
        request.namespace_labels,
        Operation::Create,
        subject.subresource,
    )
    .asked_in(request);
    applies(policy, rule, &then) == Match::Yes
        && Judge::new(policy, rule, &before, &then, exceptions)
            .judge()
            .is_some_and(|judged| judged.outcome == Outcome::Fail)
}

/// The rule's overrides, its own action, the policy's overrides, the policy's action: the first that speaks.
/// Also where that holds, when an override speaks.
fn failure_action(policy: &Policy, rule: &Rule, subject: &Subject<'_>) -> (FailureAction, Option<String>) {
    let overridden = |overrides: &[Override]| {
        let found = overrides.iter().find(|candidate| {
            (candidate.namespaces.is_empty()
                || candidate
                    .namespaces
                    .iter()
                    .any(|pattern| wildcard::matches(pattern, subject.namespace)))
                && candidate
                    .selector
                    .as_ref()
                    .is_none_or(|selector| selector.matches(&subject.namespace_labels))
        });
        found.map(|found| (found.action, found.scope()))
    };
    overridden(rule.overrides())
        .or(rule.failure_action().map(|action| (action, None)))
        .or_else(|| overridden(&policy.overrides))
        .unwrap_or((policy.failure_action, None))
}
