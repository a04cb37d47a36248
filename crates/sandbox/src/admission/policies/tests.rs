//! What policies may cost, however many objects they are evaluated with.

use cel::Budget;
use serde_json::{Value, json};

use super::super::Attributes;
use super::super::rounds::Rounds;
use super::budget;
use crate::Options;
use crate::engine::Engine;
use crate::status::ApiError;
use crate::verbs::{Target, WriteOptions};

const GROUP: &str = "admissionregistration.k8s.io";

/// What is written in these tests: a ConfigMap.
struct Door {
    engine: Engine,
    options: WriteOptions,
}

impl Door {
    fn target(&self, group: &str, plural: &str, name: &str) -> Target {
        let resource = self.engine.catalog().find(group, "v1", plural).unwrap();
        Target {
            namespace: if resource.namespaced { "default" } else { "" }.to_owned(),
            resource,
            name: name.to_owned(),
            subresource: String::new(),
        }
    }

    async fn make(&self, group: &str, plural: &str, mut object: Value) {
        let target = self.target(group, plural, "");
        object["apiVersion"] = json!(target.resource.api_version());
        object["kind"] = json!(target.resource.kind);
        self.engine.create(&target, object, &self.options).await.unwrap();
    }

    /// With fifty ConfigMaps, and policies that are evaluated with each of them.
    async fn with(kind: &str, policies: &[(&str, Value)]) -> Self {
        let door = Self {
            engine: Engine::open(Options::default()).unwrap(),
            options: WriteOptions::internal("tests"),
        };
        for number in 0..50 {
            let map = json!({ "metadata": { "name": format!("m{number}") }, "data": { "a": "b" } });
            door.make("", "configmaps", map).await;
        }
        for (name, spec) in policies {
            let mut policy = json!({ "metadata": { "name": name }, "spec": {
                "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
                "matchConstraints": { "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"],
                }] },
            } });
            for (field, value) in spec.as_object().unwrap() {
                policy["spec"][field] = value.clone();
            }
            door.make(GROUP, &format!("{kind}policies"), policy).await;
            let mut binding = json!({ "metadata": { "name": name }, "spec": {
                "policyName": name, "paramRef": { "selector": {}, "parameterNotFoundAction": "Deny" },
            } });
            if kind.starts_with("validating") {
                binding["spec"]["validationActions"] = json!(["Deny"]);
            }
            door.make(GROUP, &format!("{kind}policybindings"), binding).await;
        }
        door
    }

    fn judge(&self, budget: &Budget) -> Result<(), ApiError> {
        let target = self.target("", "configmaps", "new");
        let write = Attributes::creating(&target, &self.options);
        self.engine.judge_by_policies(&write, &new(), budget)
    }

    fn mutate(&self, budget: &Budget) -> Result<Value, ApiError> {
        let target = self.target("", "configmaps", "new");
        let write = Attributes::creating(&target, &self.options);
        let (mut object, mut rounds) = (new(), Rounds::default());
        self.engine
            .mutate_by_policies(&write, &mut object, &mut rounds, budget)?;
        Ok(object)
    }
}

fn new() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "new", "namespace": "default" },
        "data": { "a": "b", "count": "0" },
    })
}

const CUT: &str = "the evaluation was cut off";

/// Takes some five hundred steps, a little of what one evaluation may take.
fn validating(failures: &str) -> Value {
    let each = "lists.range(100).all(number, number < 100 && params.data.a == object.data.a)";
    json!({ "failurePolicy": failures, "validations": [{ "expression": each }] })
}

#[tokio::test]
async fn all_that_judges_a_write_has_one_budget() {
    let door = Door::with("validatingadmission", &[("a", validating("Fail"))]).await;
    let whole = budget();
    door.judge(&whole).unwrap();
    assert!(whole.left() < budget().left());
    let refused = door.judge(&Budget::of(10_000)).unwrap_err();
    assert_eq!(refused.reason, "Invalid");
    assert!(refused.message.contains(CUT), "{}", refused.message);
}

#[tokio::test]
async fn who_is_not_evaluated_any_more_fails_as_they_say() {
    let door = Door::with("validatingadmission", &[("a", validating("Ignore"))]).await;
    let little = Budget::of(10_000);
    door.judge(&little).unwrap();
    assert_eq!(little.left(), 0);
    // What one used up lets nobody past another.
    let later = json!({ "validations": [{ "expression": "true" }] });
    let both = [("a", validating("Ignore")), ("b", later)];
    let door = Door::with("validatingadmission", &both).await;
    let refused = door.judge(&Budget::of(10_000)).unwrap_err();
    let by = "ValidatingAdmissionPolicy 'b' with binding 'b' denied request: the evaluation was cut off";
    assert!(refused.message.contains(by), "{}", refused.message);
}

#[tokio::test]
async fn all_that_changes_a_write_has_one_budget() {
    let counts = "[JSONPatch{op: 'replace', path: '/data/count', value: string(int(object.data.count) + 1)}]";
    let policy = |failures: &str| {
        json!({
            "failurePolicy": failures, "reinvocationPolicy": "Never",
            "matchConditions": [{ "name": "same", "expression": "params.data.a == object.data.a" }],
            "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": counts } }],
        })
    };
    let door = Door::with("mutatingadmission", &[("a", policy("Fail"))]).await;
    assert_eq!(door.mutate(&budget()).unwrap()["data"]["count"], "50");
    let refused = door.mutate(&Budget::of(1000)).unwrap_err();
    assert!(refused.message.contains(CUT), "{}", refused.message);
    let door = Door::with("mutatingadmission", &[("a", policy("Ignore"))]).await;
    let counted = door.mutate(&Budget::of(1000)).unwrap();
    let counted: usize = counted["data"]["count"].as_str().unwrap().parse().unwrap();
    assert!((1..50).contains(&counted), "{counted}");
}
