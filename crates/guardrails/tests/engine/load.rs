//! What is refused when a policy is read.

use guardrails::{Error, Policies};
use serde_json::{Value, json};

use super::{load, policy};

#[test]
fn a_malformed_policy_is_refused_with_line_and_reason() {
    let head = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata:\n  name: limits\nspec:\n";
    let rule = "  rules:\n    - name: a\n      match: {any: [{resources: {kinds: [Pod]}}]}\n";
    let check = |text: &str, line: usize, reason: &str| {
        let Err(Error::Refused(refusals)) = load(text) else {
            panic!("refused: {text}")
        };
        let refusal = &refusals[0];
        assert_eq!(
            refusal.position.as_ref().map(|position| position.line),
            Some(line),
            "{refusal}\n{text}"
        );
        assert!(refusal.reason.contains(reason), "{refusal}");
        assert!(
            refusal.to_string().starts_with(&format!("p.yaml:{line}: ")),
            "{refusal}"
        );
    };
    check(
        &format!("{head}{rule}      validat: {{}}\n"),
        9,
        "the field validat is not known",
    );
    check(
        &format!("{head}{rule}"),
        7,
        "exactly one of validate, mutate, generate, verifyImages",
    );
    check(
        &format!("{head}{rule}      validate:\n        failureAction: Block\n        deny: {{}}\n"),
        10,
        "neither Audit nor Enforce",
    );
    check(
        &format!("{head}{rule}      validate:\n        message: x\n"),
        9,
        "exactly one of pattern",
    );
    check(
        &format!("{head}{rule}      validate:\n        pattern:\n          spec:\n            +(a): 1\n"),
        12,
        "belongs to mutate rules",
    );
    check(
        &format!("{head}{rule}      validate:\n        message: '{{{{ a[ }}}}'\n        deny: {{}}\n"),
        10,
        "cannot read the variable",
    );
    check(&format!("{head}  background: maybe\n{rule}"), 6, "true or false");
    check(&format!("{head}  rules: []\n"), 6, "between 1 and");
    check(
        "apiVersion: policies.kyverno.io/v1\nkind: ValidatingPolicy\nmetadata: {name: a}\n",
        1,
        "the field spec is missing",
    );
    check(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        2,
        "not a Kyverno policy",
    );
    check("- a\n", 1, "a map is expected");
}

#[test]
fn what_no_cluster_would_take() {
    let check = |change: &dyn Fn(&mut Value), reason: &str| {
        let mut policy = policy(json!({}), json!({}));
        change(&mut policy);
        let (_, refusals) = Policies::from_values("p", [&policy]);
        assert!(
            refusals
                .first()
                .is_some_and(|refusal| refusal.reason.contains(reason)),
            "{reason}: {refusals:?}"
        );
    };
    let set = |pointer: &'static str, value: Value| {
        move |policy: &mut Value| {
            let (map, key) = pointer.rsplit_once('/').expect("a key");
            policy.pointer_mut(map).expect("a map")[key] = value.clone();
        }
    };
    check(&set("/metadata/namespace", json!("shop")), "has no namespace");
    let neither = |policy: &mut Value| {
        policy["spec"]["admission"] = json!(false);
        policy["spec"]["background"] = json!(false);
    };
    check(&neither, "for admission or for background scans");
    let mutates = |policy: &mut Value| {
        policy["spec"]["admission"] = json!(false);
        policy["spec"]["rules"][0]["validate"] = Value::Null;
        policy["spec"]["rules"][0]["mutate"] = json!({"patchStrategicMerge": {"a": 1}});
    };
    check(&mutates, "needs admission");
    let variable = json!({"any": [{"resources": {"kinds": ["Pod"], "names": ["{{ request.name }}"]}}]});
    check(
        &set("/spec/rules/0/match", variable.clone()),
        "variables cannot be used here",
    );
    check(
        &set("/spec/rules/0/exclude", variable),
        "variables cannot be used here",
    );
    check(
        &set("/spec/failurePolicy", json!("Open")),
        "neither Fail nor Ignore",
    );
}

#[test]
fn the_rest_loads_only_if_asked_to() {
    let good = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: good}\nspec:\n  rules:\n    - name: a\n      match: {resources: {kinds: [Pod]}}\n      validate: {deny: {}}\n";
    let text = format!(
        "{good}---\napiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: bad}}\nspec: {{}}\n"
    );
    assert!(load(&text).is_err());
    let (policies, refusals) = Policies::load_partly("p.yaml", &yaml::parse_all(&text).expect("YAML"));
    assert_eq!(policies.names().collect::<Vec<_>>(), ["good"]);
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].policy.as_deref(), Some("bad"));
}
