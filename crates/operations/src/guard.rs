//! Guardrails as the use cases need them: loaded from Git, and refusals in words.

use api::Group;
use delivery::Snapshot;
use expansion::{Expansion, Finding, Judgement, Place};
use guardrails::{Clock, Facts, Policies, Request};
use serde::Serialize;
use serde_json::Value;

use crate::error::OperationError;

/// Where guardrails are in the infrastructure repository.
const POLICY_FOLDER: &str = "platform/policies/";

/// What one rule says against one object, in words for the person who wrote the intent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The policy.
    pub policy: String,
    /// The rule inside it.
    pub rule: String,
    /// The object that was judged: `Deployment billing`.
    pub object: String,
    /// Where in the object, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The value seen there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The field of the intent that decided it: `spec.image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The environment, where the rule is not enforced in every one; the namespaces, where environments are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforced_in: Option<String>,
    /// What the rule says.
    pub message: String,
    /// Why the rule exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&Finding> for Refusal {
    fn from(finding: &Finding) -> Self {
        let verdict = &finding.verdict;
        let origin = finding.origin.as_ref();
        Self {
            policy: verdict.about.policy.clone(),
            rule: verdict.about.rule.clone(),
            object: format!("{} {}", finding.kind, finding.name),
            path: verdict.path.clone(),
            value: origin.map(|o| o.value.clone()).or_else(|| verdict.value.clone()),
            field: origin.map(|o| o.field.clone()),
            enforced_in: verdict.scope.clone(),
            message: verdict.message.clone(),
            why: verdict.about.why.clone(),
            hint: verdict.about.hint.clone(),
        }
    }
}

/// The files of a repository's guardrails and of the exceptions from them, as (path, text).
pub(crate) fn policy_files(snapshot: &Snapshot) -> impl Iterator<Item = (String, String)> {
    let files = snapshot.files.iter();
    files
        .filter(|(path, _)| path.as_str().starts_with(POLICY_FOLDER))
        .map(|(path, file)| {
            let text = String::from_utf8_lossy(&file.contents).into_owned();
            (path.as_str().to_owned(), text)
        })
}

/// The guardrails of a repository and the exceptions from them; those that ship with the platform where it has no
/// guardrails of its own.
pub fn load_policies(snapshot: &Snapshot) -> Result<Policies, OperationError> {
    let texts: Vec<(String, String)> = policy_files(snapshot).collect();
    let mut policies =
        expansion::builtin::load(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))?;
    if policies.is_empty() {
        policies.merge(expansion::builtin::guardrails()?);
    }
    Ok(policies)
}

/// What time it is, for exceptions that end.
pub(crate) fn now() -> Clock {
    Clock((jiff::Timestamp::now().as_second(), 0))
}

/// The refusals among the findings, each with the environment where its rule bites, if it does not bite in all of
/// `environments`.
pub(crate) fn refusals(
    judgement: &Judgement,
    expansion: &Expansion,
    policies: &Policies,
    (group, place): (&Group, &Place),
    environments: &[String],
    facts: &dyn Facts,
) -> Vec<Refusal> {
    let (Some(team), Some(here)) = (&place.team, &place.environment) else {
        return judgement.refusals().map(Refusal::from).collect();
    };
    let elsewhere: Vec<Place> = environments
        .iter()
        .filter(|name| *name != here)
        .map(|name| Place::of(team, name))
        .collect();
    let said = judgement.refusals().map(|finding| {
        let everywhere = elsewhere
            .iter()
            .all(|place| bites(finding, expansion, policies, (group, place), facts));
        let mut said = Refusal::from(finding);
        if !everywhere {
            said.enforced_in = Some(here.clone());
        } else if !elsewhere.is_empty() {
            said.enforced_in = None;
        }
        said
    });
    said.collect()
}

/// Whether a finding's rule would refuse the same object in another place too.
fn bites(
    finding: &Finding,
    expansion: &Expansion,
    policies: &Policies,
    (group, place): (&Group, &Place),
    facts: &dyn Facts,
) -> bool {
    let is_it = |object: &&Value| {
        object.get("kind").and_then(Value::as_str) == Some(&finding.kind)
            && object.pointer("/metadata/name").and_then(Value::as_str) == Some(&finding.name)
    };
    let Some(object) = expansion.objects.iter().chain(&expansion.claims).find(is_it) else {
        return true;
    };
    let mut object = object.clone();
    object["metadata"]["namespace"] = Value::from(place.namespace.clone());
    let labels = place.labels(group);
    let request = Request {
        namespace_labels: &labels,
        facts,
        ..Request::new(&object)
    };
    let verdicts = policies.evaluate(&request);
    verdicts.iter().any(|verdict| {
        verdict.about.policy == finding.verdict.about.policy
            && verdict.about.rule == finding.verdict.about.rule
            && verdict.refuses()
    })
}

/// The refusals as an error, if there are any.
pub(crate) fn refuse(refusals: &[Refusal]) -> Result<(), OperationError> {
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(OperationError::Refused {
            refusals: refusals.to_vec(),
        })
    }
}
