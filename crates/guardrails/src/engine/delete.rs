//! What policies would have deleted.

use super::{Policies, asked, begin};
use crate::judge::Judge;
use crate::policy::Work;
use crate::request::Request;
use crate::verdict::Verdict;

/// What a CleanupPolicy or DeletingPolicy says about an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Deletion {
    /// Pass when the object is to be deleted, skip (for a DeletingPolicy fail) when the conditions are not met, error when that cannot be said
    /// (then it stays).
    pub verdict: Verdict,
    /// When the policy is due, as a cron schedule.
    pub schedule: String,
    /// `Foreground`, `Background` or `Orphan`.
    pub propagation: Option<String>,
}

impl Policies {
    /// Says which CleanupPolicies would delete an object when they are due. Policies that are not about it say
    /// nothing.
    pub fn to_delete(&self, request: &Request<'_>) -> Vec<Deletion> {
        let (kind, rules) = self.rules_for(request);
        let rules: Vec<_> = rules
            .filter_map(|(_, policy, rule)| match &rule.work {
                Work::Delete(work) => Some((policy, rule, work)),
                _ => None,
            })
            .collect();
        let too_deep = super::too_deep(request, kind, rules.iter().map(|(p, r, _)| (*p, *r)));
        let too_deep = too_deep.unwrap_or_default();
        let subject = asked(request);
        let judged = rules.iter().enumerate().filter_map(|(at, (policy, rule, work))| {
            let verdict = if let Some(verdict) = too_deep.get(at) {
                verdict.clone()
            } else {
                let (mut verdict, over) = begin(policy, rule, request, &subject)?;
                if !over {
                    verdict.say(Judge::new(policy, rule, request, &subject, &[]).delete(work));
                }
                verdict.enforce = false;
                verdict
            };
            Some(Deletion {
                verdict,
                schedule: work.schedule.clone(),
                propagation: work.propagation.clone(),
            })
        });
        judged.chain(self.cel.delete(request)).collect()
    }
}
