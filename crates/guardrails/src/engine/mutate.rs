//! What policies make of an object before it is judged.

use serde_json::Value;

use super::{Policies, applies, blank};
use crate::judge::{Found, Judge};
use crate::matching::{Match, Subject};
use crate::policy::{Policy, Rule, Work};
use crate::request::{Operation, Request};
use crate::verdict::{Outcome, Verdict};

/// An object as the policies want it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutated {
    /// The object after every rule.
    pub object: Value,
    /// What every rule that is about the object did: pass when it changed something, skip when it had nothing to
    /// change, error when it could not be applied (the object is as it was before that rule).
    pub verdicts: Vec<Verdict>,
}

/// What becomes of an object that is there already.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing {
    /// What the rule did: pass when it changes the object, skip when it does not, error when it could not be
    /// applied or its targets could not be found.
    pub verdict: Verdict,
    /// The object as it is; `None` when the targets could not be found.
    pub before: Option<Value>,
    /// The object as the rule wants it, when that is another.
    pub object: Option<Value>,
}

impl Policies {
    /// Applies the `mutate` rules with `targets`: what they make of other objects because of this one. The targets
    /// are asked for through the facts of the request; the object itself stays as it is.
    pub fn mutate_existing(&self, request: &Request<'_>) -> Vec<Existing> {
        let (kind, rules) = self.rules_for(request);
        let rules: Vec<(&Policy, &Rule)> = rules
            .filter(|(_, _, rule)| matches!(&rule.work, Work::Mutate(mutate) if !mutate.targets.is_empty()))
            .map(|(_, policy, rule)| (policy, rule))
            .collect();
        if let Some(verdicts) = super::too_deep(request, kind, rules.iter().copied()) {
            return verdicts.into_iter().map(alone).collect();
        }
        rules
            .into_iter()
            .flat_map(|(policy, rule)| existing(policy, rule, request))
            .collect()
    }

    /// Applies every `mutate` rule to an object, in the order of loading; each sees what the one before made.
    /// Rules for objects that are there already (`targets`) say nothing here.
    ///
    /// Nothing is changed when the object is deleted or connected to.
    pub fn mutate(&self, request: &Request<'_>) -> Mutated {
        let mut mutated = Mutated {
            object: request.object.clone(),
            verdicts: Vec::new(),
        };
        if matches!(request.operation, Operation::Delete | Operation::Connect) {
            return mutated;
        }
        let (kind, rules) = self.rules_for(request);
        let rules: Vec<(usize, &Policy, &Rule)> = rules
            .filter(|(_, _, rule)| matches!(&rule.work, Work::Mutate(mutate) if mutate.targets.is_empty()))
            .collect();
        if let Some(verdicts) = super::too_deep(request, kind, rules.iter().map(|(_, p, r)| (*p, *r))) {
            mutated.verdicts = verdicts;
            return mutated;
        }
        let mut done = None;
        for (at, policy, rule) in rules {
            if done == Some(at) {
                continue;
            }
            let Some((verdict, changed)) = mutate(policy, rule, request, &mutated.object) else {
                continue;
            };
            if policy.apply_one && verdict.outcome == Outcome::Pass {
                done = Some(at);
            }
            mutated.verdicts.push(verdict);
            if let Some(changed) = changed {
                mutated.object = changed;
            }
        }
        mutated
    }
}

fn alone(verdict: Verdict) -> Existing {
    Existing {
        verdict,
        before: None,
        object: None,
    }
}

/// The verdict of a rule that is about an object, and whether that is all: the rule cannot be applied.
fn begin(policy: &Policy, rule: &Rule, subject: &Subject<'_>) -> Option<(Verdict, bool)> {
    let depends = match applies(policy, rule, subject) {
        Match::No => return None,
        Match::Yes => false,
        Match::DependsOnUser => true,
    };
    let mut verdict = blank(policy, rule, format!("{}/{}", subject.kind, subject.name));
    verdict.enforce = policy.fail_closed;
    if let Some(reason) = &rule.unsupported {
        verdict.message.clone_from(reason);
        return Some((verdict, true));
    }
    if depends {
        super::UNKNOWN_USER.clone_into(&mut verdict.message);
    }
    Some((verdict, depends))
}

fn existing(policy: &Policy, rule: &Rule, request: &Request<'_>) -> Vec<Existing> {
    let Work::Mutate(work) = &rule.work else {
        return Vec::new();
    };
    let subject = Subject::of(
        request.object,
        request.namespace_labels,
        request.operation,
        request.subresource,
    )
    .asked_in(request);
    let Some((mut verdict, over)) = begin(policy, rule, &subject) else {
        return Vec::new();
    };
    // Nothing of this happens while the request waits.
    verdict.enforce = false;
    if over {
        return vec![alone(verdict)];
    }
    let judge = Judge::new(policy, rule, request, &subject);
    let found = match judge.targets(work) {
        Ok(found) => found,
        Err(judged) => {
            (verdict.outcome, verdict.message) = (judged.outcome, judged.message);
            return vec![alone(verdict)];
        }
    };
    let change = |found: Found<'_>| {
        let (judged, object) = Judge::new(policy, rule, request, &subject).mutate_target(work, &found);
        Existing {
            verdict: Verdict {
                outcome: judged.outcome,
                message: judged.message,
                ..verdict.clone()
            },
            before: Some(found.object),
            object,
        }
    };
    found.into_iter().map(change).collect()
}

fn mutate(
    policy: &Policy,
    rule: &Rule,
    request: &Request<'_>,
    object: &Value,
) -> Option<(Verdict, Option<Value>)> {
    let Work::Mutate(work) = &rule.work else {
        return None;
    };
    let request = Request { object, ..*request };
    let subject = Subject::of(
        object,
        request.namespace_labels,
        request.operation,
        request.subresource,
    )
    .asked_in(&request);
    let (mut verdict, over) = begin(policy, rule, &subject)?;
    if over {
        return Some((verdict, None));
    }
    let (judged, changed) = Judge::new(policy, rule, &request, &subject).mutate(work);
    (verdict.outcome, verdict.message) = (judged.outcome, judged.message);
    Some((verdict, changed))
}
