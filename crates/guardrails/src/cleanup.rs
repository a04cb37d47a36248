//! `CleanupPolicy` and `ClusterCleanupPolicy`: objects that are deleted on a schedule. The label that says when an
//! object's own time is over (`cleanup.kyverno.io/ttl`) is not read here.
//!
//! A cleanup policy is kept like any other: one rule, whose work is to delete.

use serde_json::Value;

use crate::conditions::Conditions;
use crate::cursor::{Cursor, Refusal};
use crate::images::extract::Extractors;
use crate::matching::Matcher;
use crate::policy::{Reading, Rule, Work, learn, read_context};
use crate::variables::Expressions;

/// The work of a cleanup policy.
#[derive(Debug, Clone)]
pub(crate) struct Delete {
    pub(crate) schedule: String,
    pub(crate) propagation: Option<String>,
    pub(crate) conditions: Option<Conditions>,
}

/// Whether a document is a cleanup policy.
pub(crate) fn is_one(document: &Value) -> bool {
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default();
    text("apiVersion").starts_with("kyverno.io/")
        && matches!(text("kind"), "CleanupPolicy" | "ClusterCleanupPolicy")
}

/// Reads the spec of a cleanup policy as a rule.
pub(crate) fn read_rule(
    name: &str,
    spec: &Cursor<'_>,
    expressions: &mut Expressions,
) -> Result<Rule, Refusal> {
    spec.only(&[
        "schedule",
        "match",
        "exclude",
        "conditions",
        "context",
        "deletionPropagationPolicy",
    ])?;
    let schedule = spec.required("schedule")?;
    schedule::Schedule::parse(schedule.string()?)
        .map_err(|error| schedule.refuse(format!("this is no schedule: {error}")))?;
    let matcher = spec.required("match")?;
    matcher.only(&["any", "all"])?;
    let matches = Matcher::read(&matcher)?;
    if matches.is_empty() {
        return Err(matcher.refuse("the policy matches nothing"));
    }
    let exclude = spec
        .field("exclude")
        .map(|exclude| Matcher::read(&exclude))
        .transpose()?;
    let mut reading = Reading {
        expressions,
        unsupported: None,
    };
    let conditions = spec.field("conditions");
    if let Some(conditions) = &conditions {
        conditions.only(&["any", "all"])?;
        learn(conditions, &mut reading)?;
    }
    let propagation = spec.text("deletionPropagationPolicy")?;
    if let Some(other) = propagation.filter(|word| !matches!(*word, "Foreground" | "Background" | "Orphan")) {
        let reason = format!("{other:?} is none of Foreground, Background, Orphan");
        return Err(spec.refuse_below("/deletionPropagationPolicy", reason));
    }
    let work = Work::Delete(Delete {
        schedule: schedule.string()?.to_owned(),
        propagation: propagation.map(str::to_owned),
        conditions: conditions
            .map(|conditions| Conditions::read(&conditions))
            .transpose()?,
    });
    let context = read_context(spec.field("context"), &mut reading)?;
    Ok(Rule {
        skips_background: true,
        properties: Vec::new(),
        name: name.to_owned(),
        written: name.to_owned(),
        matches,
        exclude: exclude.unwrap_or_default(),
        generated: None,
        context,
        preconditions: None,
        extractors: Extractors::new(),
        work,
        unsupported: reading.unsupported,
        about: std::sync::Arc::default(),
    })
}
