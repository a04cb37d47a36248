//! What policies make of an object before it is judged.

use serde_json::Value;

use super::{Policies, asked, begin};
use crate::exception::Exception;
use crate::judge::{Found, Judge};
use crate::policy::{Policy, Rule, Work};
use crate::request::{Operation, Request};
use crate::verdict::{Outcome, Task, Verdict};

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
            .flat_map(|(policy, rule)| existing(policy, rule, request, &self.exceptions_for(policy, rule)))
            .chain(self.cel.mutate_existing(request))
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
        if let Some(mut verdicts) = super::too_deep(request, kind, rules.iter().map(|(_, p, r)| (*p, *r))) {
            self.cel.too_deep(kind, Task::Mutate, &mut verdicts);
            mutated.verdicts = verdicts;
            return mutated;
        }
        let mut done = None;
        for (at, policy, rule) in rules {
            if done == Some(at) {
                continue;
            }
            let Some((verdict, changed)) = mutate(
                policy,
                rule,
                request,
                &mutated.object,
                &self.exceptions_for(policy, rule),
            ) else {
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
        self.cel
            .mutate(request, &mut mutated.object, &mut mutated.verdicts);
        self.pin(request, &mut mutated.object);
        crate::secrets::hide(&mut mutated.verdicts, [Some(request.object), request.old]);
        mutated
    }

    /// Writes the digests that were verified into the images of an object (`mutateDigest`). What cannot be verified
    /// is left to the judgement of the object.
    fn pin(&self, request: &Request<'_>, object: &mut Value) {
        let (_, rules) = self.rules_for(request);
        let rules: Vec<_> = rules
            .filter_map(|(_, policy, rule)| match &rule.work {
                Work::VerifyImages(entries) if rule.unsupported.is_none() => Some((policy, rule, entries)),
                _ => None,
            })
            .collect();
        for (policy, rule, entries) in rules {
            let digests = {
                let request = Request { object, ..*request };
                let subject = asked(&request);
                if !matches!(begin(policy, rule, &request, &subject), Some((_, false))) {
                    continue;
                }
                let exceptions = self.exceptions_for(policy, rule);
                Judge::new(policy, rule, &request, &subject, &exceptions).digests(entries)
            };
            write(digests, object);
        }
        let digests = self.cel.digests(&Request { object, ..*request });
        write(digests, object);
    }
}

fn write(digests: Vec<(String, String)>, object: &mut Value) {
    for (pointer, image) in digests {
        if let Some(place) = object.pointer_mut(&pointer) {
            *place = Value::String(image);
        }
    }
}

fn alone(verdict: Verdict) -> Existing {
    Existing {
        verdict,
        before: None,
        object: None,
    }
}

fn existing(policy: &Policy, rule: &Rule, request: &Request<'_>, exceptions: &[&Exception]) -> Vec<Existing> {
    let Work::Mutate(work) = &rule.work else {
        return Vec::new();
    };
    let subject = asked(request);
    let Some((mut verdict, over)) = begin(policy, rule, request, &subject) else {
        return Vec::new();
    };
    // Nothing of this happens while the request waits.
    verdict.enforce = false;
    if over {
        return vec![alone(verdict)];
    }
    let judge = Judge::new(policy, rule, request, &subject, exceptions);
    let found = match judge.targets(work) {
        Ok(found) => found,
        Err(judged) => {
            verdict.say(judged);
            return vec![alone(verdict)];
        }
    };
    let change = |found: Found<'_>| {
        let (judged, object) =
            Judge::new(policy, rule, request, &subject, exceptions).mutate_target(work, &found);
        let mut said = [Verdict {
            outcome: judged.outcome,
            message: judged.message,
            exception: judged.exception,
            ..verdict.clone()
        }];
        crate::secrets::hide(&mut said, [Some(request.object), Some(&found.object)]);
        let [verdict] = said;
        Existing {
            verdict,
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
    exceptions: &[&Exception],
) -> Option<(Verdict, Option<Value>)> {
    let Work::Mutate(work) = &rule.work else {
        return None;
    };
    let request = Request { object, ..*request };
    let subject = asked(&request);
    let (mut verdict, over) = begin(policy, rule, &request, &subject)?;
    if over {
        return Some((verdict, None));
    }
    let (judged, changed) = Judge::new(policy, rule, &request, &subject, exceptions).mutate(work);
    verdict.say(judged);
    Some((verdict, changed))
}
