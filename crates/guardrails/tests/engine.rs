//! Policies as a whole: what is refused at load, which action bites, what is never a pass.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]

use std::collections::BTreeMap;

use guardrails::{Error, Operation, Outcome, Policies, Request, Served, Verdict};
use proptest::prelude::*;
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

#[test]
fn what_is_not_supported_is_an_error_for_what_it_matches() {
    let check = |rule: Value, reason: &str| {
        let verdict = one(
            &policy(json!({"validationFailureAction": "Enforce"}), rule),
            &config(json!({"a": "1"})),
        );
        assert_eq!(verdict.outcome, Outcome::Error, "{verdict:?}");
        assert!(verdict.message.contains(reason), "{verdict:?}");
        assert!(verdict.refuses());
    };
    check(
        json!({"validate": {"pattern": {"data": {"a": "$(./b)"}}}}),
        "failed to resolve $(./b) at path /data/a: there is nothing",
    );
    let deny = |key: &str| json!({"validate": {"pattern": null, "deny": {"conditions": {"all": [{"key": key, "operator": "Equals", "value": "x"}]}}}});
    check(deny("{{ time_now() }}"), "what time it is is not known here");
    check(
        deny("{{ request.userInfo.username }}"),
        "who asks (request.userInfo) is not known here",
    );
    check(
        deny("{{ serviceAccountName }}"),
        "who asks (serviceAccountName) is not known here",
    );
    check(
        deny("{{ request.object.missing }}"),
        "Unknown key \"missing\" in path",
    );
    let mut from_config = deny("{{ settings.data.a }}");
    from_config["context"] = json!([{"name": "settings", "configMap": {"name": "s", "namespace": "n"}}]);
    check(
        from_config,
        "what the cluster has at /api/v1/namespaces/n/configmaps/s is not known here",
    );
    // It says nothing about what it does not match.
    let mutate = policy(
        json!({}),
        json!({"validate": null, "mutate": {"patchStrategicMerge": {}}}),
    );
    assert_eq!(
        create(
            &policies(&mutate),
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})
        ),
        []
    );
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
fn who_asks_is_unknown_not_a_pass() {
    let admin = json!({"exclude": {"any": [{"clusterRoles": ["cluster-admin"]}]}});
    let by_user = policy(json!({}), admin);
    let verdict = one(&by_user, &config(json!({"a": "2"})));
    assert_eq!(verdict.outcome, Outcome::Error);
    assert!(verdict.message.starts_with("unknown: "), "{verdict:?}");
    // An object that keeps the rule keeps it whoever asks.
    assert_eq!(one(&by_user, &config(json!({"a": "1"}))).outcome, Outcome::Pass);
}

#[test]
fn preconditions_context_and_messages() {
    let rule = json!({
        "context": [
            {"name": "limit", "variable": {"value": 3}},
            {"name": "size", "variable": {"jmesPath": "length(request.object.data)", "default": 0}},
            {"name": "kind", "variable": {"jmesPath": "request.object.data.kind", "default": "none"}},
        ],
        "preconditions": {"all": [{"key": "{{ request.object.data.check || 'no' }}", "operator": "Equals", "value": "yes"}]},
        "validate": {
            "message": "{{ size }} entries, at most {{ limit }}, kind {{ kind }}",
            "pattern": null,
            "deny": {"conditions": {"any": [{"key": "{{ size }}", "operator": "GreaterThan", "value": "{{ limit }}"}]}},
        },
    });
    let policy = policy(json!({}), rule);
    let verdict = one(
        &policy,
        &config(json!({"a": "1", "b": "2", "c": "3", "check": "yes"})),
    );
    assert_eq!(
        (verdict.outcome, verdict.message.as_str()),
        (Outcome::Fail, "4 entries, at most 3, kind none")
    );
    assert_eq!(
        one(&policy, &config(json!({"check": "yes"}))).outcome,
        Outcome::Pass
    );
    assert_eq!(one(&policy, &config(json!({"a": "1"}))).outcome, Outcome::Skip);
    assert_eq!(
        one(
            &policy,
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
        )
        .outcome,
        Outcome::Skip
    );
}

#[test]
fn variables_in_patterns() {
    let policy = policy(
        json!({}),
        json!({"validate": {"pattern": {"data": {"a": "{{ request.object.metadata.name }}-?*"}}}}),
    );
    assert_eq!(one(&policy, &config(json!({"a": "c-1"}))).outcome, Outcome::Pass);
    let verdict = one(&policy, &config(json!({"a": "d-1"})));
    assert_eq!(
        (verdict.outcome, verdict.path.as_deref()),
        (Outcome::Fail, Some("/data/a"))
    );
}

#[test]
fn any_pattern() {
    let policy = policy(
        json!({}),
        json!({"validate": {"pattern": null, "anyPattern": [{"data": {"a": "1"}}, {"data": {"(b)": "?*", "c": "1"}}]}}),
    );
    assert_eq!(one(&policy, &config(json!({"a": "1"}))).outcome, Outcome::Pass);
    assert_eq!(
        one(&policy, &config(json!({"a": "2", "b": "2", "c": "1"}))).outcome,
        Outcome::Pass
    );
    let verdict = one(&policy, &config(json!({"a": "2", "b": "2", "c": "2"})));
    assert_eq!(
        verdict.message,
        "validation error: no. rule r[0] failed at path /data/a/ rule r[1] failed at path /data/c/"
    );
    assert_eq!(verdict.path.as_deref(), Some("/data/a"));
}

#[test]
fn deny_says_where_it_looked() {
    let deny = json!({"conditions": {"any": [
        {"key": "{{ request.object.data.\"x.y\" || '' }}", "operator": "Equals", "value": "bad", "message": "x.y is bad"},
        {"key": "{{ request.object.data.b || '' }}", "operator": "Equals", "value": "bad"},
    ]}});
    let policy = policy(json!({}), json!({"validate": {"pattern": null, "deny": deny}}));
    let verdict = one(&policy, &config(json!({"x.y": "bad"})));
    assert_eq!(
        (verdict.message.as_str(), verdict.path.as_deref()),
        ("no; x.y is bad", Some("/data/x.y"))
    );
    assert_eq!(verdict.value, Some(json!("bad")));
    assert_eq!(
        one(&policy, &config(json!({"b": "bad"}))).path.as_deref(),
        Some("/data/b")
    );
    assert_eq!(one(&policy, &config(json!({"b": "good"}))).outcome, Outcome::Pass);
}

#[test]
fn foreach_names_the_element() {
    let each = json!([{
        "list": "request.object.data.list",
        "preconditions": {"all": [{"key": "{{ element.skip }}", "operator": "NotEquals", "value": true}]},
        "pattern": {"size": "<=3"},
    }]);
    let policy = policy(json!({}), json!({"validate": {"pattern": null, "foreach": each}}));
    let judge = |list: Value| create(&policies(&policy), &config(json!({"list": list})));
    let small = json!({"skip": false, "size": 1});
    let large = json!({"skip": false, "size": 5});
    assert_eq!(judge(json!([small, small]))[0].outcome, Outcome::Pass);
    let verdict = &judge(json!([small, large]))[0];
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert_eq!(
        verdict.message,
        "validation failure: validation error: no. rule r failed at path /size/"
    );
    assert_eq!(
        (verdict.path.as_deref(), verdict.value.clone()),
        (Some("/data/list/1/size"), Some(json!(5)))
    );
    // Elements that a precondition leaves out, or cannot be evaluated for, do not count.
    assert_eq!(judge(json!([{"skip": true, "size": 9}, {"size": 9}])), []);
    assert_eq!(judge(json!([])), []);
    assert_eq!(create(&policies(&policy), &config(json!({}))), []);
}

#[test]
fn nested_foreach_sees_both_elements() {
    let each = json!([{
        "list": "request.object.data.outer",
        "foreach": [{
            "list": "element.inner",
            "deny": {"conditions": {"all": [{"key": "{{ element1 }}", "operator": "GreaterThan", "value": "{{ element0.most }}"}]}},
        }],
    }]);
    let policy = policy(json!({}), json!({"validate": {"pattern": null, "foreach": each}}));
    let judge = |outer: Value| create(&policies(&policy), &config(json!({"outer": outer})));
    assert_eq!(
        judge(json!([{"most": 3, "inner": [1, 2]}]))[0].outcome,
        Outcome::Pass
    );
    assert_eq!(
        judge(json!([{"most": 3, "inner": [1]}, {"most": 1, "inner": [1, 2]}]))[0].outcome,
        Outcome::Fail
    );
}

#[test]
fn pod_security_names_the_field() {
    let policy = json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "psa"},
        "spec": {"rules": [{
            "name": "baseline",
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "validate": {"failureAction": "Enforce", "podSecurity": {"level": "baseline", "version": "latest"}},
        }]},
    });
    let deployment = |privileged: bool| {
        let container = json!({"name": "a", "image": "a:1", "securityContext": {"privileged": privileged}});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {"spec": {"containers": [container]}}}})
    };
    assert_eq!(one(&policy, &deployment(false)).outcome, Outcome::Pass);
    let verdict = one(&policy, &deployment(true));
    assert_eq!(
        verdict.path.as_deref(),
        Some("/spec/template/spec/containers/0/securityContext/privileged")
    );
    assert_eq!(
        verdict.message,
        "Validation rule 'autogen-baseline' failed. It violates PodSecurity \"baseline:latest\": (Forbidden reason: privileged, field error list: [spec.template.spec.containers[0].securityContext.privileged is forbidden, forbidden values found: true])"
    );
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
    assert_eq!(one(&namespaced, &config(json!({}))).policy, "shop-dev/p");
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

#[test]
fn rules_for_any_kind_and_for_one_kind_meet_in_order() {
    let mut all = policies(&policy(
        json!({}),
        json!({"match": {"any": [{"resources": {"kinds": ["*"]}}]}}),
    ));
    all.merge(policies(&policy(json!({}), json!({}))));
    all.merge(policies(&policy(
        json!({}),
        json!({"match": {"any": [{"resources": {"kinds": ["Secret"]}}]}}),
    )));
    assert_eq!(create(&all, &config(json!({}))).len(), 2);
    let other = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}});
    assert_eq!(create(&all, &other).len(), 1);
}

#[test]
fn hostile_policies_and_objects_end_in_an_error() {
    let check = |rule: Value, object: &Value| {
        let verdict = one(
            &policy(json!({"validationFailureAction": "Enforce"}), rule),
            object,
        );
        assert_eq!(verdict.outcome, Outcome::Error, "{verdict:?}");
        assert!(verdict.refuses());
    };
    let deny = |key: String| json!({"validate": {"pattern": null, "deny": {"conditions": {"all": [{"key": key, "operator": "Equals", "value": "x"}]}}}});
    check(
        deny(format!("{{{{ {} }}}}", vec!["{a: @, b: @}"; 30].join(" | "))),
        &config(json!({})),
    );
    check(
        deny("{{ request.object.data.again }} and on".to_owned()),
        &config(json!({"again": "{{ request.object.data.again }} and on"})),
    );
    check(
        deny("{{ regex_match('(((a{100}){100}){100})', 'a') }}".to_owned()),
        &config(json!({})),
    );
    let wide = config(json!({"list": vec![json!({"x": "y".repeat(500)}); 2000]}));
    let stars = "*a".repeat(500);
    check(
        json!({"validate": {"pattern": {"data": {"a": null, "list": [{"x": format!("!{stars}")}]}}}}),
        &wide,
    );
    let patterns = vec![json!({"x": 7}); 300];
    let mut items = vec![json!({"x": 0}); 3000];
    items.push(json!({"x": 7}));
    let many = json!({"validate": {"pattern": {"data": {"a": null, "^(list)": patterns}}}});
    check(many, &config(json!({"list": items})));
    let mut deep = json!(1);
    for _ in 0..1000 {
        deep = json!([deep]);
    }
    check(json!({}), &config(deep));
}

/// Rules that are sometimes in order and often not.
fn any_rule() -> impl Strategy<Value = Value> {
    let expression =
        "(\\{\\{ ?)?(request\\.object\\.data\\.a|element|length\\(@\\)|a\\[|[a-z.|@]{0,8})( ?\\}\\})?";
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-2i64..5).prop_map(Value::from),
        expression.prop_map(Value::from),
        "[>=<!]{0,2}[0-9]{0,2}(Mi|m|h)?".prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[=X^<]?\\(?(data|a|b|list)\\)?", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let kind = prop_oneof![Just("pattern"), Just("anyPattern"), Just("deny"), Just("foreach")];
    (kind, tree.clone(), tree.clone(), tree, "(Equals|AnyIn|LessThan|AllNotIn)").prop_map(|(kind, a, b, message, operator)| {
        let condition = json!([{"key": a, "operator": operator, "value": b}]);
        let check = match kind {
            "anyPattern" => json!([a, b]),
            "deny" => json!({"conditions": condition}),
            "foreach" => json!([{"list": a, "preconditions": condition, "pattern": b}]),
            _ => a,
        };
        json!({"preconditions": condition, "validate": {"pattern": null, kind: check, "message": message.to_string()}})
    })
}

proptest! {
    #[test]
    fn any_policy_on_any_object_ends(rule in any_rule(), data in any_rule()) {
        let value = policy(json!({"validationFailureAction": "Enforce"}), rule);
        let (policies, refusals) = Policies::from_values("p", [&value]);
        prop_assert_eq!(policies.len() + refusals.len(), 1);
        for verdict in create(&policies, &config(data)) {
            prop_assert!(verdict.outcome != Outcome::Error || verdict.refuses());
        }
    }

    #[test]
    fn any_document_is_loaded_or_refused(text in "\\PC{0,80}") {
        if let Ok(documents) = yaml::parse_all(&text) {
            let (policies, refusals) = Policies::load_partly("p.yaml", &documents);
            prop_assert_eq!(policies.len() + refusals.len(), documents.len());
        }
    }
}

/// What need not be looked at in a cluster: only what no rule can be about.
#[test]
fn policies_say_which_kinds_they_may_be_about() {
    let classic = |matches: Value| {
        json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
            "spec": {"rules": [{"name": "r", "match": matches, "validate": {"message": "no", "deny": {}}}]},
        })
    };
    let kinds = |kinds: &[&str]| classic(json!({"any": [{"resources": {"kinds": kinds}}]}));
    let cel = |versions: &[&str]| {
        json!({
            "apiVersion": "policies.kyverno.io/v1", "kind": "ValidatingPolicy", "metadata": {"name": "p"},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["autoscaling"], "apiVersions": versions,
                    "resources": ["horizontalpodautoscalers"], "operations": ["CREATE"],
                }]},
                "validations": [{"expression": "true"}],
            },
        })
    };
    let check = |policy: &Value, expect: [bool; 5]| {
        let policies = policies(policy);
        let served = [
            ("", "v1", "v1", "Pod", "pods"),
            ("apps", "v1", "v1", "Deployment", "deployments"),
            (
                "autoscaling",
                "v2",
                "v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
            ),
            (
                "autoscaling",
                "v1",
                "v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
            ),
            ("", "v1", "v1", "ConfigMap", "configmaps"),
        ];
        let said = served.map(|(group, version, preferred, kind, plural)| {
            policies.concern(&Served {
                group,
                version,
                preferred,
                kind,
                plural,
            })
        });
        assert_eq!(said, expect, "{policy:#}");
    };
    // Rules for pods are rules for what makes pods.
    check(&kinds(&["Pod"]), [true, true, false, false, false]);
    check(
        &kinds(&["apps/v1/Deployment", "v1/ConfigMap"]),
        [false, true, false, false, true],
    );
    check(&kinds(&["Pod/exec", "apps/v2/Deployment"]), [false; 5]);
    check(&kinds(&["*"]), [true, true, true, false, true]);
    check(&kinds(&["*Map"]), [false, false, false, false, true]);
    // The version that is named, else the preferred one.
    check(
        &kinds(&["HorizontalPodAutoscaler"]),
        [false, false, true, false, false],
    );
    check(
        &kinds(&["autoscaling/v1/HorizontalPodAutoscaler"]),
        [false, false, false, true, false],
    );
    check(&cel(&["v1"]), [false, false, false, true, false]);
    check(&cel(&["v1", "v2"]), [false, false, true, false, false]);
    check(&cel(&["*"]), [false, false, true, false, false]);
    // A block without kinds is about any, unless others of `all` say which.
    let namespace = json!({"resources": {"namespaces": ["shop"]}});
    check(
        &classic(json!({"any": [namespace]})),
        [true, true, true, false, true],
    );
    check(
        &classic(json!({"all": [namespace, {"resources": {"kinds": ["ConfigMap"]}}]})),
        [false, false, false, false, true],
    );
}
