//! Policies in CEL, from their YAML to verdicts.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

#[path = "../support/cel_policy.rs"]
mod cel_policy;
#[path = "../support/cluster_policy.rs"]
mod cluster_policy;
#[path = "../support/mod.rs"]
mod support;

mod change;
mod judge;

use guardrails::{Outcome, Policies, Request, Verdict};
use serde_json::{Value, json};

fn of_template(version: &str, kind: &str, template: &Value) -> Value {
    json!({
        "apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 2, "template": template},
    })
}

fn said(policies: &Policies, request: &Request<'_>) -> Vec<(Outcome, String)> {
    let verdicts = policies.evaluate(request);
    verdicts
        .into_iter()
        .map(|verdict| (verdict.outcome, verdict.message))
        .collect()
}

fn one(policies: &Policies, request: &Request<'_>) -> Verdict {
    let mut verdicts = policies.evaluate(request);
    assert_eq!(verdicts.len(), 1, "{verdicts:#?}");
    verdicts.remove(0)
}
