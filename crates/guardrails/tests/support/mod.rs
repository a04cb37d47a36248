//! What tests of policies need whatever these are about.

use guardrails::{Policies, Refusal};
use serde_json::{Value, json};

fn read(text: &str) -> (Policies, Vec<Refusal>) {
    Policies::load_partly("p.yaml", &yaml::parse_all(text).expect("YAML"))
}

/// Policies that are in order.
pub(crate) fn load(text: &str) -> Policies {
    let (policies, refusals) = read(text);
    assert!(
        !policies.is_empty() && refusals.is_empty(),
        "{text}\n{refusals:?}"
    );
    policies
}

/// Why a policy is refused.
pub(crate) fn refused(text: &str) -> Refusal {
    let (policies, mut refusals) = read(text);
    assert_eq!((policies.len(), refusals.len()), (0, 1), "{text}\n{refusals:?}");
    refusals.remove(0)
}

pub(crate) fn pod(image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "web", "image": image}]},
    })
}
