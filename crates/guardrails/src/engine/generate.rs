//! What policies ask for beside an object.

use serde_json::Value;

use super::{Policies, asked, begin};
use crate::judge::Judge;
use crate::policy::Work;
use crate::request::{Operation, Request};
use crate::verdict::Verdict;

/// What one `generate` rule asks for because of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Pass when the rule could say what it asks for; an error when it could not, or not all of it.
    pub verdict: Verdict,
    /// The objects that are asked for. With an error: those it could be said for.
    pub objects: Vec<Generated>,
    /// The objects follow their source and the one they were made for; otherwise they are made once.
    pub synchronize: bool,
    /// The objects stay when the policy goes (`orphanDownstreamOnPolicyDelete`).
    pub orphan: bool,
    /// The rule is also for objects that are there when the policy comes (`generateExisting`).
    pub existing: bool,
}

/// An object that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// The object, whole, with its kind, namespace and name.
    pub object: Value,
    /// For a copy: the `apiVersion`, `kind`, `namespace` and `name` of what it is a copy of.
    pub source: Option<Value>,
}

impl Policies {
    /// Says which objects the `generate` rules ask for because of this one. Sources of copies are asked for through
    /// the facts of the request. Nothing is asked for because of a deletion.
    pub fn generate(&self, request: &Request<'_>) -> Vec<Generation> {
        if matches!(request.operation, Operation::Delete | Operation::Connect) {
            return Vec::new();
        }
        let (kind, rules) = self.rules_for(request);
        let rules: Vec<_> = rules
            .filter_map(|(at, policy, rule)| match &rule.work {
                Work::Generate(work) => Some((at, policy, rule, work)),
                _ => None,
            })
            .collect();
        let alone = |verdict: Verdict| Generation {
            verdict,
            objects: Vec::new(),
            synchronize: false,
            orphan: false,
            existing: false,
        };
        if let Some(verdicts) = super::too_deep(request, kind, rules.iter().map(|(_, p, r, _)| (*p, *r))) {
            return verdicts.into_iter().map(alone).collect();
        }
        let subject = asked(request);
        let mut generations = Vec::new();
        let mut done = None;
        for (at, policy, rule, work) in rules {
            if done == Some(at) {
                continue;
            }
            let Some((mut verdict, over)) = begin(policy, rule, request, &subject) else {
                continue;
            };
            // Nothing of this happens while the request waits.
            verdict.enforce = false;
            if over {
                generations.push(alone(verdict));
                continue;
            }
            let exceptions = self.exceptions_for(policy, rule);
            let judge = Judge::new(policy, rule, request, &subject, &exceptions);
            let (judged, made) = judge.generate(work);
            verdict.say(judged);
            for made in &made {
                crate::secrets::hide(
                    std::slice::from_mut(&mut verdict),
                    [Some(request.object), Some(&made.object)],
                );
            }
            if policy.apply_one && !made.is_empty() {
                done = Some(at);
            }
            let objects = made.into_iter().map(|made| Generated {
                object: made.object,
                source: made.source,
            });
            generations.push(Generation {
                verdict,
                objects: objects.collect(),
                synchronize: work.synchronize,
                orphan: work.orphan,
                existing: work.existing.unwrap_or(policy.generate_existing),
            });
        }
        generations.extend(self.cel.generate(request));
        generations
    }
}
