//! `judge`: what the guardrails say of an expansion, in terms of the intent.

use guardrails::{Facts, Outcome, Policies, Request, Verdict};
use serde_json::Value;

use crate::expand::{Expansion, Intent};
use crate::provenance::{Origin, origin};

/// A verdict, and where in the intent it comes from when it is no pass.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The object that was judged: kind and name.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What was said of it.
    pub verdict: Verdict,
    /// The field of the intent that decided the value in question, if one did.
    pub origin: Option<Origin>,
}

impl Finding {
    /// Whether this finding alone refuses the service.
    pub fn refuses(&self) -> bool {
        self.verdict.refuses()
    }
}

/// How many rules were looked at, and what they said.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// How many rules spoke of at least one object.
    pub rules: usize,
    /// Everything that did not pass, the refusing ones first.
    pub findings: Vec<Finding>,
    /// Everything else: what passed and what was let through.
    pub kept: Vec<Finding>,
}

impl Judgement {
    /// The findings that refuse the service.
    pub fn refusals(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.refuses())
    }
}

/// Judges everything that `expansion` would put into the cluster, as if it were being created there now.
/// `facts` say what is known beyond the objects: what time it is, for exceptions that end.
pub fn judge(
    intent: &Intent<'_>,
    expansion: &Expansion,
    policies: &Policies,
    facts: &dyn Facts,
) -> Judgement {
    let labels = intent.place.labels(intent.group);
    let mut rules = std::collections::BTreeSet::new();
    let (mut findings, mut kept) = (Vec::new(), Vec::new());
    for object in expansion.objects.iter().chain(&expansion.claims) {
        let request = Request {
            namespace_labels: &labels,
            facts,
            ..Request::new(object)
        };
        for verdict in policies.evaluate(&request) {
            rules.insert((verdict.about.policy.clone(), verdict.about.rule.clone()));
            let text = |pointer: &str| {
                object
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let (kind, name) = (text("/kind"), text("/metadata/name"));
            if matches!(verdict.outcome, Outcome::Pass | Outcome::Skip) {
                kept.push(Finding {
                    kind,
                    name,
                    verdict,
                    origin: None,
                });
                continue;
            }
            let origin = verdict
                .path
                .as_deref()
                .and_then(|path| origin(intent, &kind, &name, path));
            findings.push(Finding {
                kind,
                name,
                verdict,
                origin,
            });
        }
    }
    findings.sort_by_key(|finding| !finding.refuses());
    Judgement {
        rules: rules.len(),
        findings,
        kept,
    }
}
