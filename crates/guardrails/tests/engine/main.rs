//! Policies as a whole: what is refused at load, which action bites, what is never a pass.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]

mod kinds;
mod limits;
mod load;
mod rules;
mod when;

use std::collections::BTreeMap;

use guardrails::{Error, Policies, Request, Verdict};
use serde_json::{Value, json};

fn load(text: &str) -> Result<Policies, Error> {
    Policies::load("p.yaml", &yaml::parse_all(text).expect("YAML"))
}

/// A policy with one rule; `spec` and `rule` are merged into it.
fn policy(spec: Value, rule: Value) -> Value {
    let mut policy = json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "p", "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"}},
        "spec": {"rules": [{
            "name": "r",
            "match": {"any": [{"resources": {"kinds": ["ConfigMap"]}}]},
            "validate": {"message": "no", "pattern": {"data": {"a": "1"}}},
        }]},
    });
    merge(&mut policy["spec"]["rules"][0], rule);
    merge(&mut policy["spec"], spec);
    policy
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}

fn policies(policy: &Value) -> Policies {
    let (policies, refusals) = Policies::from_values("p", [policy]);
    assert!(refusals.is_empty(), "{}", refusals[0]);
    policies
}

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop-dev"}, "data": data})
}

fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("environment".to_owned(), "dev".to_owned())])
}

fn create(policies: &Policies, object: &Value) -> Vec<Verdict> {
    let labels = labels();
    policies.evaluate(&Request {
        namespace_labels: &labels,
        ..Request::new(object)
    })
}

fn one(policy: &Value, object: &Value) -> Verdict {
    let mut verdicts = create(&policies(policy), object);
    assert_eq!(verdicts.len(), 1, "{verdicts:#?}");
    verdicts.remove(0)
}
