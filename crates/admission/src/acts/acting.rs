//! The policies that act on other objects, and those that delete on a schedule, as they are carried out. No I/O.

use std::hash::{DefaultHasher, Hash, Hasher};

use guardrails::Policies;
use serde_json::Value;

use super::order::{Act, Reference};
use crate::scope::{FailurePolicy, Scope, cleans, failure, scopes};

/// The kinds of policies that delete on a schedule. They say nothing about requests.
pub(crate) const CLEANING: [&str; 4] = [
    "CleanupPolicy",
    "ClusterCleanupPolicy",
    "DeletingPolicy",
    "NamespacedDeletingPolicy",
];

/// A policy that acts on other objects.
#[derive(Debug)]
pub(crate) struct Acting {
    /// Its name; one of a namespace is `namespace/name`.
    pub(crate) name: String,
    /// Its namespace; empty for one of the whole cluster.
    pub(crate) namespace: String,
    /// What it is called in the cluster.
    pub(crate) reference: Reference,
    /// The policy alone, with the exceptions to it.
    pub(crate) policies: Policies,
    /// What triggers it.
    pub(crate) scopes: Vec<Scope>,
    /// Its rules that act.
    pub(crate) rules: Vec<Rule>,
    /// What it says, in short.
    pub(crate) revision: u64,
    /// Whether it looks at objects as they were.
    pub(crate) asks_old: bool,
    /// What becomes of a request that cannot be handed over.
    pub(crate) failure: FailurePolicy,
}

/// A rule that acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Its name; empty for a policy in CEL.
    pub(crate) name: String,
    pub(crate) act: Act,
    /// Whether it is also for what was there before it.
    pub(crate) existing: bool,
}

/// A policy that deletes on a schedule.
#[derive(Debug)]
pub(crate) struct Cleaning {
    /// Its name; one of a namespace is `namespace/name`.
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) reference: Reference,
    pub(crate) policies: Policies,
    /// What it may delete.
    pub(crate) scopes: Vec<Scope>,
    pub(crate) schedule: String,
    pub(crate) propagation: Option<String>,
    /// When it was made, as it is written.
    pub(crate) since: String,
}

/// Whether a policy deletes on a schedule.
pub(crate) fn is_cleaning(policy: &Value) -> bool {
    policy["kind"]
        .as_str()
        .is_some_and(|kind| CLEANING.contains(&kind))
}

/// The policies that act, each with the exceptions among `values`.
pub(crate) fn acting(values: &[&Value]) -> Vec<Acting> {
    let mut all = Vec::new();
    for policy in values {
        let rules = rules(policy);
        if rules.is_empty() {
            continue;
        }
        let (policies, refusals) = Policies::from_values("the cluster", with_exceptions(policy, values));
        if !refusals.is_empty() {
            continue;
        }
        let (namespace, name) = named(policy);
        let mut hasher = DefaultHasher::new();
        policy["spec"].to_string().hash(&mut hasher);
        let text = policy["spec"].to_string();
        all.push(Acting {
            name,
            namespace,
            reference: Reference::to(policy),
            policies,
            scopes: scopes([*policy]).into_iter().filter(|scope| scope.acts).collect(),
            rules,
            revision: hasher.finish(),
            asks_old: text.contains("oldObject"),
            failure: failure(policy),
        });
    }
    all
}

/// The policies that delete, and what is wrong with those that cannot be read.
pub(crate) fn cleaning(values: &[&Value]) -> (Vec<Cleaning>, Vec<String>) {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for policy in values.iter().filter(|policy| is_cleaning(policy)) {
        let (policies, refusals) = Policies::from_values("the cluster", with_exceptions(policy, values));
        if !refusals.is_empty() {
            wrong.extend(refusals.iter().map(ToString::to_string));
            continue;
        }
        let (namespace, name) = named(policy);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        all.push(Cleaning {
            name,
            namespace,
            reference: Reference::to(policy),
            policies,
            scopes: cleans(policy),
            schedule: text(&policy["spec"]["schedule"]).unwrap_or_default(),
            propagation: text(&policy["spec"]["deletionPropagationPolicy"]),
            since: text(&policy["metadata"]["creationTimestamp"]).unwrap_or_default(),
        });
    }
    (all, wrong)
}

fn with_exceptions<'a>(policy: &'a Value, values: &[&'a Value]) -> Vec<&'a Value> {
    let exceptions = values.iter().filter(|value| value["kind"] == "PolicyException");
    [policy].into_iter().chain(exceptions.copied()).collect()
}

/// The namespace of a policy, and its name with the namespace before it.
fn named(policy: &Value) -> (String, String) {
    let text = |key: &str| policy["metadata"][key].as_str().unwrap_or_default();
    let (namespace, name) = (text("namespace"), text("name"));
    let slash = if namespace.is_empty() { "" } else { "/" };
    (namespace.to_owned(), format!("{namespace}{slash}{name}"))
}

/// The rules that act, as they are written.
fn rules(policy: &Value) -> Vec<Rule> {
    let spec = &policy["spec"];
    let kind = policy["kind"].as_str().unwrap_or_default();
    let enabled = |what: &str| spec["evaluation"][what]["enabled"] == true;
    let alone = |act, existing| {
        vec![Rule {
            name: String::new(),
            act,
            existing,
        }]
    };
    match kind.trim_start_matches("Namespaced") {
        "GeneratingPolicy" => return alone(Act::Generate, enabled("generateExisting")),
        "MutatingPolicy" if enabled("mutateExisting") => return alone(Act::Mutate, false),
        "ClusterPolicy" | "Policy" => {}
        _ => return Vec::new(),
    }
    let either = |first: &Value, then: &[&str]| {
        let then = then.iter().map(|key| &spec[*key]);
        [first].into_iter().chain(then).find_map(Value::as_bool) == Some(true)
    };
    let of_rule = |rule: &Value| {
        let (act, existing) = if rule.get("generate").is_some() {
            let said = ["generateExisting", "generateExistingOnPolicyUpdate"];
            (
                Act::Generate,
                either(&rule["generate"]["generateExisting"], &said),
            )
        } else if rule["mutate"].get("targets").is_some() {
            let said = &rule["mutate"]["mutateExistingOnPolicyUpdate"];
            (Act::Mutate, either(said, &["mutateExistingOnPolicyUpdate"]))
        } else {
            return None;
        };
        Some(Rule {
            name: rule["name"].as_str().unwrap_or_default().to_owned(),
            act,
            existing,
        })
    };
    let rules = spec["rules"].as_array().into_iter().flatten();
    rules.filter_map(of_rule).collect()
}

impl Acting {
    /// Its name with what it says, in short.
    pub(crate) fn says(&self) -> (String, u64) {
        (self.name.clone(), self.revision)
    }

    /// Its rule of this name.
    pub(crate) fn rule(&self, name: &str, act: Act) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| rule.name == name && rule.act == act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, spec: &str, expect: &[(&str, Act, bool)]) {
        let text = format!("{{kind: {kind}, metadata: {{name: a}}, spec: {spec}}}");
        let policy = yaml::parse(&text).unwrap().value;
        let got = rules(&policy);
        let got: Vec<_> = got
            .iter()
            .map(|rule| (rule.name.as_str(), rule.act, rule.existing))
            .collect();
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn rules_that_act() {
        let (generate, mutate) = (Act::Generate, Act::Mutate);
        check(
            "ClusterPolicy",
            "{rules: [{name: a, generate: {}}, {name: b, validate: {}}, {name: c, mutate: {targets: []}}, {name: d, mutate: {}}]}",
            &[("a", generate, false), ("c", mutate, false)],
        );
        check(
            "Policy",
            "{generateExisting: true, mutateExistingOnPolicyUpdate: true, rules: [{name: a, generate: {}}, {name: b, generate: {generateExisting: false}}, {name: c, mutate: {targets: []}}]}",
            &[("a", generate, true), ("b", generate, false), ("c", mutate, true)],
        );
        check(
            "ClusterPolicy",
            "{rules: [{name: a, generate: {generateExisting: true}}, {name: c, mutate: {targets: [], mutateExistingOnPolicyUpdate: true}}]}",
            &[("a", generate, true), ("c", mutate, true)],
        );
        check(
            "NamespacedGeneratingPolicy",
            "{evaluation: {generateExisting: {enabled: true}}}",
            &[("", generate, true)],
        );
        check(
            "MutatingPolicy",
            "{evaluation: {mutateExisting: {enabled: true}}}",
            &[("", mutate, false)],
        );
        check("MutatingPolicy", "{}", &[]);
        check("ValidatingPolicy", "{}", &[]);
    }
}
