//! When a policy is asked, and when what it says bites.

use guardrails::{Operation, Outcome, Policies, Request, Verdict};
use serde_json::{Value, json};

use super::{config, create, labels, load, merge, one, policies, policy};

#[test]
fn the_action_that_bites() {
    let check = |spec: Value, rule: Value, enforce: bool| {
        let policy = policy(spec.clone(), json!({"validate": rule.clone()}));
        let verdict = one(&policy, &config(json!({"a": "2"})));
        assert_eq!(
            (verdict.outcome, verdict.enforce),
            (Outcome::Fail, enforce),
            "{spec} {rule}"
        );
        assert_eq!(verdict.refuses(), enforce);
    };
    let none = json!({});
    check(none.clone(), none.clone(), false);
    check(json!({"validationFailureAction": "Enforce"}), none.clone(), true);
    check(json!({"validationFailureAction": "enforce"}), none.clone(), true);
    check(json!({"validationFailureAction": "audit"}), none.clone(), false);
    check(
        json!({"validationFailureAction": "Enforce"}),
        json!({"failureAction": "Audit"}),
        false,
    );
    check(none.clone(), json!({"failureAction": "Enforce"}), true);
    let overrides = |action: &str, value: Value| {
        let mut entry = json!({"action": action});
        merge(&mut entry, value);
        json!([entry])
    };
    for (value, hit) in [
        (json!({"namespaces": ["shop-*"]}), true),
        (json!({"namespaces": ["bank-*"]}), false),
        (
            json!({"namespaceSelector": {"matchLabels": {"environment": "dev"}}}),
            true,
        ),
        (
            json!({"namespaceSelector": {"matchLabels": {"environment": "production"}}}),
            false,
        ),
        (
            json!({"namespaces": ["shop-dev"], "namespaceSelector": {"matchLabels": {"environment": "production"}}}),
            false,
        ),
    ] {
        let spec = json!({"validationFailureActionOverrides": overrides("enforce", value.clone())});
        check(spec, none.clone(), hit);
        check(
            none.clone(),
            json!({"failureActionOverrides": overrides("Enforce", value)}),
            hit,
        );
    }
    let scope = |value: Value, expect: Option<&str>| {
        let policy = policy(
            json!({"validationFailureActionOverrides": overrides("Enforce", value)}),
            json!({}),
        );
        let verdict = one(&policy, &config(json!({"a": "2"})));
        assert_eq!(verdict.scope.as_deref(), expect);
    };
    scope(json!({}), None);
    scope(json!({"namespaces": ["bank-*"]}), None);
    scope(
        json!({"namespaces": ["shop-*", "bank-*"]}),
        Some("shop-*, bank-*"),
    );
    let labels = json!({"matchLabels": {"environment": "dev"}});
    scope(
        json!({"namespaceSelector": labels}),
        Some("namespaces with environment=dev"),
    );
    scope(
        json!({"namespaces": ["shop-*"], "namespaceSelector": labels}),
        Some("shop-* with environment=dev"),
    );
    let expressions = json!({"matchExpressions": [
        {"key": "environment", "operator": "In", "values": ["dev", "staging"]},
        {"key": "tier", "operator": "NotIn", "values": ["x"]},
        {"key": "environment", "operator": "Exists"},
        {"key": "legacy", "operator": "DoesNotExist"},
    ]});
    scope(
        json!({"namespaceSelector": expressions}),
        Some("namespaces with environment in (dev,staging),tier notin (x),environment,!legacy"),
    );
    // What the rule says of itself goes before what the policy says of namespaces.
    let spec =
        json!({"validationFailureActionOverrides": overrides("Enforce", json!({"namespaces": ["*"]}))});
    check(spec, json!({"failureAction": "Audit"}), false);
}

/// Kubernetes asks a webhook only about requests that meet its conditions; scans are not asked for by anybody.
#[test]
fn conditions_of_the_webhook_decide_what_a_policy_is_asked() {
    let check = |expression: &str, background: bool, expect: &[Outcome]| {
        let conditions = json!([{"name": "a", "expression": expression}]);
        let spec = json!({"validationFailureAction": "Enforce", "webhookConfiguration": {"matchConditions": conditions}});
        let object = config(json!({"a": "2"}));
        let verdicts = policies(&policy(spec, json!({}))).evaluate(&Request {
            background,
            ..Request::new(&object)
        });
        let seen: Vec<Outcome> = verdicts.iter().map(|verdict| verdict.outcome).collect();
        assert_eq!(seen, expect, "{expression}: {verdicts:#?}");
        assert!(verdicts.iter().all(Verdict::refuses), "{expression}");
    };
    check("object.metadata.name == 'c'", false, &[Outcome::Fail]);
    check("object.metadata.name == 'd'", false, &[]);
    check("object.metadata.name == 'd'", true, &[Outcome::Fail]);
    // What cannot be told is no reason not to ask.
    check("object.gone == 'd'", false, &[Outcome::Error]);
    check("request.userInfo.username == 'a'", false, &[Outcome::Error]);
    check(
        "authorizer.group('').resource('pods').check('create').allowed()",
        false,
        &[Outcome::Error],
    );
    let text = "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: p}, spec: {webhookConfiguration: {matchConditions: [{name: a, expression: 'object.('}]}, rules: [{name: r, match: {any: [{resources: {kinds: [Pod]}}]}, validate: {deny: {}}}]}}";
    assert!(load(text).is_err());
}

#[test]
fn deletions_and_updates() {
    let labels = labels();
    let (good, bad) = (config(json!({"a": "1"})), config(json!({"a": "2"})));
    let enforced = policies(&policy(
        json!({}),
        json!({"validate": {"failureAction": "Enforce"}}),
    ));
    let judge = |policies: &Policies, object: &Value, old: Option<&Value>, operation: Operation| {
        policies.evaluate(&Request {
            old,
            operation,
            namespace_labels: &labels,
            ..Request::new(object)
        })
    };
    // A pattern says nothing about a deletion; deny does, and sees the object as it was.
    assert_eq!(judge(&enforced, &bad, None, Operation::Delete), []);
    let deny = json!({"conditions": {"all": [{"key": "{{ request.object.data.a }}", "operator": "Equals", "value": "2"}]}});
    let denied = policies(&policy(
        json!({}),
        json!({"validate": {"pattern": null, "deny": deny}}),
    ));
    assert_eq!(
        judge(&denied, &bad, None, Operation::Delete)[0].outcome,
        Outcome::Fail
    );
    assert_eq!(
        judge(&denied, &good, None, Operation::Delete)[0].outcome,
        Outcome::Pass
    );
    // An update may leave an old violation as it is, unless the rule says otherwise.
    assert_eq!(
        judge(&enforced, &bad, Some(&good), Operation::Update)[0].outcome,
        Outcome::Fail
    );
    assert_eq!(
        judge(&enforced, &bad, Some(&bad), Operation::Update)[0].outcome,
        Outcome::Skip
    );
    let strict = json!({"validate": {"failureAction": "Enforce", "allowExistingViolations": false}});
    let strict = policies(&policy(json!({}), strict));
    assert_eq!(
        judge(&strict, &bad, Some(&bad), Operation::Update)[0].outcome,
        Outcome::Fail
    );
}

#[test]
fn scopes_of_policies() {
    let mut namespaced = policy(json!({}), json!({}));
    namespaced["kind"] = json!("Policy");
    namespaced["metadata"]["namespace"] = json!("shop-dev");
    assert_eq!(one(&namespaced, &config(json!({}))).about.policy, "shop-dev/p");
    namespaced["metadata"]["namespace"] = json!("bank-dev");
    assert_eq!(create(&policies(&namespaced), &config(json!({}))), []);

    let rules = json!([
        {"name": "a", "match": {"resources": {"kinds": ["ConfigMap"]}}, "validate": {"pattern": {"data": {"a": "1"}}}},
        {"name": "b", "match": {"resources": {"kinds": ["ConfigMap"]}}, "validate": {"pattern": {"data": {"a": "1"}}}},
    ]);
    assert_eq!(
        create(
            &policies(&policy(json!({"rules": rules, "applyRules": "One"}), json!({}))),
            &config(json!({}))
        )
        .len(),
        1
    );
    assert_eq!(
        create(
            &policies(&policy(json!({"rules": rules}), json!({}))),
            &config(json!({}))
        )
        .len(),
        2
    );

    let admission = policies(&policy(json!({"background": false}), json!({})));
    assert_eq!(
        (admission.for_admission().len(), admission.for_background().len()),
        (1, 0)
    );
    let background = policies(&policy(json!({"admission": false}), json!({})));
    assert_eq!(
        (
            background.for_admission().len(),
            background.for_background().len()
        ),
        (0, 1)
    );

    let mut unscored = policy(json!({}), json!({}));
    unscored["metadata"]["annotations"]["policies.kyverno.io/scored"] = json!("false");
    assert_eq!(one(&unscored, &config(json!({}))).outcome, Outcome::Warn);
}
