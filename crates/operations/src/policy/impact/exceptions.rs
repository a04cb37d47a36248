//! The exceptions from a policy that is asked about: who answers for each, why it is there, until when, and what it lets
//! through.

use std::collections::BTreeSet;

use guardrails::Verdict;
use serde::Serialize;
use serde_json::Value;

/// An exception from the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImpactException {
    /// `namespace/name`.
    pub name: String,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Why it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// How many verdicts it turns round: rules on objects.
    pub lets_through: usize,
}

/// Those of all exceptions that are from the policies.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    known: Vec<ImpactException>,
}

impl Exceptions {
    /// Takes an exception in if it is from one of these policies.
    pub(super) fn add(&mut self, exception: &Value, policies: &[String]) {
        let spec = &exception["spec"];
        let named = |list: &str, field: &str| -> Vec<String> {
            let items = spec[list].as_array().into_iter().flatten();
            items
                .filter_map(|item| item[field].as_str().map(str::to_owned))
                .collect()
        };
        let mut from = named("exceptions", "policyName");
        from.extend(named("policyRefs", "name"));
        if !from.iter().any(|name| policies.contains(name)) {
            return;
        }
        let metadata = &exception["metadata"];
        let (namespace, name) = (metadata["namespace"].as_str(), metadata["name"].as_str());
        let name = match (namespace.unwrap_or_default(), name.unwrap_or_default()) {
            ("", name) => name.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        };
        let said = |key: &str| {
            let text = metadata["annotations"][format!("policies.towpath.dev/{key}")].as_str();
            text.map(str::trim)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        if !self.has(&name) {
            self.known.push(ImpactException {
                name,
                owner: said("owner"),
                reason: said("reason"),
                expires: said("expires"),
                lets_through: 0,
            });
        }
    }

    /// Whether an exception of this name is known.
    pub(super) fn has(&self, name: &str) -> bool {
        self.known.iter().any(|known| known.name == name)
    }

    /// Counts what a verdict owes to them.
    pub(super) fn count(&mut self, verdict: &Verdict) {
        let names = verdict.exception.iter().flat_map(|names| names.split(','));
        for name in names.map(str::trim).collect::<BTreeSet<_>>() {
            if let Some(known) = self.known.iter_mut().find(|known| known.name == name) {
                known.lets_through += 1;
            }
        }
    }

    /// All of them.
    pub(super) fn told(self) -> Vec<ImpactException> {
        self.known
    }
}
