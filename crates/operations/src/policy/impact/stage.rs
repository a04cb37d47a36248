//! A stage, said with Kyverno's own fields and nothing else. Knows nothing of services.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::OperationError;

/// How far a guardrail goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// It is not asked.
    Off,
    /// It reports.
    Audit,
    /// It reports, and whoever applies an object is warned.
    Warn,
    /// It refuses.
    Enforce,
}

/// A field of the policy's file, and what to set it to; null takes it out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldToSet {
    /// The field: `spec.rules[0].validate.failureAction`.
    pub field: String,
    /// Its value.
    pub value: Value,
}

impl Stage {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Off => "off",
            Stage::Audit => "audit",
            Stage::Warn => "warn",
            Stage::Enforce => "enforce",
        }
    }

    fn action(self) -> &'static str {
        if self == Stage::Enforce {
            "Enforce"
        } else {
            "Audit"
        }
    }

    /// Brings a policy to this stage, in the environment alone whose namespaces carry this label (key and value) if
    /// one is given: what was set.
    pub(super) fn set(
        self,
        policy: &mut Value,
        environment: Option<&(String, String)>,
    ) -> Result<Vec<FieldToSet>, OperationError> {
        let mut change = Change {
            set: Vec::new(),
            policy,
        };
        if self == Stage::Off && environment.is_none() {
            return Ok(Vec::new());
        }
        let kind = change.policy["kind"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "ClusterPolicy" | "Policy" => self.classic(&mut change, environment)?,
            "ValidatingPolicy" | "NamespacedValidatingPolicy" | "ValidatingAdmissionPolicyBinding" => {
                if environment.is_some() {
                    return Err(OperationError::invalid_hint(
                        format!("the actions of a {kind} are the same in every environment"),
                        "copy it under another name, with a namespaceSelector for the environment, and ask about the copy",
                    ));
                }
                let actions = match self {
                    Stage::Off | Stage::Audit => json!(["Audit"]),
                    Stage::Warn => json!(["Warn"]),
                    Stage::Enforce => json!(["Deny"]),
                };
                change.put("/spec", "validationActions", "spec.validationActions", actions);
            }
            // Its binding says what comes of it.
            "ValidatingAdmissionPolicy" => {}
            _ => {
                return Err(OperationError::invalid(format!(
                    "a {kind} refuses nothing, so it has no stage"
                )));
            }
        }
        Ok(change.set)
    }

    fn classic(
        self,
        change: &mut Change<'_>,
        environment: Option<&(String, String)>,
    ) -> Result<(), OperationError> {
        let rules = change.policy["spec"]["rules"].as_array().map_or(0, Vec::len);
        let mut judging = 0;
        for index in 0..rules {
            let at = format!("/spec/rules/{index}");
            let named = format!("spec.rules[{index}]");
            let rule = change.policy.pointer(&at).unwrap_or(&Value::Null);
            let validates = rule["validate"].is_object();
            let images = rule["verifyImages"].as_array().map_or(0, Vec::len);
            if !validates && images == 0 {
                continue;
            }
            judging += 1;
            let Some(label) = environment else {
                if validates {
                    let (at, named) = (format!("{at}/validate"), format!("{named}.validate"));
                    change.put(
                        &at,
                        "failureAction",
                        &format!("{named}.failureAction"),
                        json!(self.action()),
                    );
                    change.take(
                        &at,
                        "failureActionOverrides",
                        &format!("{named}.failureActionOverrides"),
                    );
                }
                for image in 0..images {
                    let field = format!("{named}.verifyImages[{image}].failureAction");
                    let at = format!("{at}/verifyImages/{image}");
                    change.put(&at, "failureAction", &field, json!(self.action()));
                }
                continue;
            };
            if self == Stage::Off {
                leave_out(change, (&at, &named), label)?;
            } else if images > 0 {
                return Err(OperationError::invalid_hint(
                    "a rule of verifyImages has the same action in every environment",
                    "copy the policy under another name, for namespaces of the environment, and ask about the copy",
                ));
            } else {
                override_in(
                    self,
                    change,
                    (&format!("{at}/validate"), &format!("{named}.validate")),
                    label,
                );
            }
        }
        if judging == 0 {
            return Err(OperationError::invalid(
                "the policy has no rule that judges objects, so it has no stage",
            ));
        }
        if self == Stage::Off {
            return Ok(());
        }
        if environment.is_none() {
            change.take(
                "/spec",
                "validationFailureActionOverrides",
                "spec.validationFailureActionOverrides",
            );
        }
        let spec = &change.policy["spec"];
        let (warns, asked) = (spec["emitWarning"] == true, spec["admission"] != false);
        if self == Stage::Warn && !warns {
            change.put("/spec", "emitWarning", "spec.emitWarning", json!(true));
        } else if self == Stage::Audit && warns && environment.is_none() {
            change.take("/spec", "emitWarning", "spec.emitWarning");
        }
        if matches!(self, Stage::Warn | Stage::Enforce) && !asked {
            change.take("/spec", "admission", "spec.admission");
        }
        Ok(())
    }
}

/// Says another action for the namespaces of an environment, before all that is said of namespaces already.
fn override_in(
    stage: Stage,
    change: &mut Change<'_>,
    (at, named): (&str, &str),
    (key, value): &(String, String),
) {
    let selector = json!({"matchLabels": {key: value}});
    let there = change.policy.pointer(&format!("{at}/failureActionOverrides"));
    let mut overrides = there.and_then(Value::as_array).cloned().unwrap_or_default();
    overrides.retain(|one| one["namespaceSelector"] != selector || one.get("namespaces").is_some());
    overrides.insert(
        0,
        json!({"action": stage.action(), "namespaceSelector": selector}),
    );
    let field = format!("{named}.failureActionOverrides");
    change.put(at, "failureActionOverrides", &field, Value::Array(overrides));
}

/// Leaves the namespaces of an environment out of a rule.
fn leave_out(
    change: &mut Change<'_>,
    (at, named): (&str, &str),
    (key, value): &(String, String),
) -> Result<(), OperationError> {
    let exclude = change.policy.pointer(&format!("{at}/exclude")).cloned();
    let mut any = match exclude {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(map)) if map.is_empty() => Vec::new(),
        Some(Value::Object(mut map)) if map.len() == 1 && map.contains_key("any") => {
            match map.remove("any") {
                Some(Value::Array(any)) => any,
                _ => Vec::new(),
            }
        }
        Some(Value::Object(map)) if !map.contains_key("all") && !map.contains_key("any") => {
            vec![Value::Object(map)]
        }
        Some(_) => {
            return Err(OperationError::invalid_hint(
                format!(
                    "{named}.exclude asks for all of several things, so an environment cannot be added to it"
                ),
                "say it with exclude.any",
            ));
        }
    };
    any.push(json!({"resources": {"namespaceSelector": {"matchLabels": {key: value}}}}));
    change.put(at, "exclude", &format!("{named}.exclude"), json!({"any": any}));
    Ok(())
}

/// A policy on its way to a stage.
struct Change<'a> {
    set: Vec<FieldToSet>,
    policy: &'a mut Value,
}

impl Change<'_> {
    /// Sets a field of what stands at a pointer, and takes it down unless it is so already.
    fn put(&mut self, at: &str, key: &str, field: &str, value: Value) {
        let Some(map) = self.policy.pointer_mut(at).and_then(Value::as_object_mut) else {
            return;
        };
        if map.get(key) != Some(&value) {
            map.insert(key.to_owned(), value.clone());
            self.set.push(FieldToSet {
                field: field.to_owned(),
                value,
            });
        }
    }

    fn take(&mut self, at: &str, key: &str, field: &str) {
        let map: Option<&mut Map<String, Value>> = self.policy.pointer_mut(at).and_then(Value::as_object_mut);
        if map.and_then(|map| map.remove(key)).is_some() {
            self.set.push(FieldToSet {
                field: field.to_owned(),
                value: Value::Null,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(spec: &str) -> Value {
        let text =
            format!("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: p}}\nspec: {spec}");
        yaml::parse(&text).unwrap().value
    }

    #[test]
    fn stages_are_kyvernos_own_fields() {
        let prod = ("platform.company.com/environment".to_owned(), "prod".to_owned());
        let check = |spec: &str, stage: Stage, environment: bool, expect: Value| {
            let mut one = policy(spec);
            let set = stage.set(&mut one, environment.then_some(&prod)).unwrap();
            let said: Map<String, Value> = set.into_iter().map(|set| (set.field, set.value)).collect();
            assert_eq!(Value::Object(said), expect, "{spec}");
            let again = stage.set(&mut one, environment.then_some(&prod)).unwrap();
            if !(stage == Stage::Off && environment) {
                assert!(again.is_empty(), "it is so already: {spec}");
            }
        };
        let rule = "{rules: [{name: a, validate: {pattern: {}}}, {name: b, mutate: {}}]}";
        let action = "spec.rules[0].validate.failureAction";
        let overrides = "spec.rules[0].validate.failureActionOverrides";
        check(rule, Stage::Enforce, false, json!({action: "Enforce"}));
        check(rule, Stage::Audit, false, json!({action: "Audit"}));
        check(
            rule,
            Stage::Warn,
            false,
            json!({action: "Audit", "spec.emitWarning": true}),
        );
        check(rule, Stage::Off, false, json!({}));
        let selector = json!({"matchLabels": {"platform.company.com/environment": "prod"}});
        check(
            rule,
            Stage::Enforce,
            true,
            json!({overrides: [{"action": "Enforce", "namespaceSelector": selector}]}),
        );
        check(
            rule,
            Stage::Off,
            true,
            json!({"spec.rules[0].exclude": {"any": [{"resources": {"namespaceSelector": selector}}]}}),
        );
        check(
            "{admission: false, emitWarning: true, validationFailureActionOverrides: [], rules: [{name: a, validate: {failureActionOverrides: [{action: Audit, namespaces: [x]}]}}]}",
            Stage::Enforce,
            false,
            json!({
                action: "Enforce", overrides: null, "spec.validationFailureActionOverrides": null,
                "spec.admission": null,
            }),
        );
        check(
            "{rules: [{name: a, verifyImages: [{}, {failureAction: Enforce}]}]}",
            Stage::Enforce,
            false,
            json!({"spec.rules[0].verifyImages[0].failureAction": "Enforce"}),
        );
    }

    #[test]
    fn what_has_no_stage() {
        let prod = ("environment".to_owned(), "prod".to_owned());
        let check = |mut policy: Value, stage: Stage, why: &str| {
            let said = stage.set(&mut policy, Some(&prod)).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        };
        check(
            policy("{rules: [{name: b, mutate: {}}]}"),
            Stage::Enforce,
            "no rule that judges",
        );
        check(
            policy("{rules: [{name: a, verifyImages: [{}]}]}"),
            Stage::Enforce,
            "same action in every environment",
        );
        check(
            policy("{rules: [{name: a, exclude: {all: []}, validate: {}}]}"),
            Stage::Off,
            "exclude",
        );
        check(
            json!({"kind": "ValidatingPolicy", "spec": {}}),
            Stage::Warn,
            "the same in every",
        );
        check(
            json!({"kind": "MutatingPolicy", "spec": {}}),
            Stage::Warn,
            "refuses nothing",
        );
    }
}
