//! Admission policies in CEL: carried out here, without asking anybody.
//!
//! `read` makes a policy into what can be evaluated, `params` finds what it is parametrized by, `judge` refuses by
//! ValidatingAdmissionPolicies, `mutate` changes by MutatingAdmissionPolicies. A policy without a binding does nothing.
//! `types` says before anything happens where the types of a policy do not fit what it is about.
//!
//! Reference: `k8s.io/apiserver/pkg/admission/plugin/policy`.

mod judge;
mod mutate;
mod params;
mod read;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

use cel::Budget;
use serde_json::{Value, json};

use super::Attributes;
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::{Collection, Key, Object};
use crate::verbs::text;

pub(crate) use types::type_checking;

/// Steps that all policies together may take on one write, whatever parameters they have; each evaluation has a bound of
/// its own besides.
const STEPS: u64 = 10_000_000;
/// What is said where nothing is left of them.
const SPENT: &str = "the evaluation was cut off: the policies cost too much on this object";

/// A policy, and its bindings.
type Bound = (Arc<Object>, Vec<Arc<Object>>);

/// What the policies may cost that change a write, or those that judge it.
pub(super) fn budget() -> Budget {
    Budget::of(STEPS)
}

impl Engine {
    /// The policies of a kind that are bound, in the order of their names.
    fn bound(&self, policies: &str, bindings: &str) -> Vec<Bound> {
        let memory = self.store.read();
        let all = |plural: &str| {
            let collection = Collection::new("admissionregistration.k8s.io", plural);
            memory
                .list(&collection, None, None)
                .map(|(_, object)| Arc::clone(object))
                .collect::<Vec<_>>()
        };
        let bindings = all(bindings);
        if bindings.is_empty() {
            return Vec::new();
        }
        let with_bindings = |policy: Arc<Object>| {
            let name = name(&policy);
            let binds = |binding: &&Arc<Object>| text(&binding.value, &["spec", "policyName"]) == name;
            let own: Vec<Arc<Object>> = bindings.iter().filter(binds).cloned().collect();
            (!own.is_empty()).then_some((policy, own))
        };
        all(policies).into_iter().filter_map(with_bindings).collect()
    }

    /// The namespace that an object is in; null for what is in none.
    fn namespace_of(&self, write: &Attributes<'_>) -> Value {
        let namespace = &write.target.namespace;
        if namespace.is_empty() || write.target.resource.is("", "namespaces") {
            return Value::Null;
        }
        let found = self.store.get(&Key::namespace(namespace));
        found.map_or(Value::Null, |found| (*found.value).clone())
    }
}

fn name(object: &Object) -> &str {
    text(&object.value, &["metadata", "name"])
}

/// Whether what goes wrong with a policy is passed over.
fn ignores_failures(spec: &Value) -> bool {
    spec["failurePolicy"] == "Ignore"
}

/// A refusal with what was found beside it.
fn caused(mut error: ApiError, messages: &[String]) -> ApiError {
    let causes: Vec<Value> = messages
        .iter()
        .map(|message| json!({ "message": message }))
        .collect();
    let details = error.details.get_or_insert_with(|| json!({}));
    details["causes"] = Value::Array(causes);
    error
}
