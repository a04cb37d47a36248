//! What rules say of an object.

use guardrails::Outcome;
use serde_json::{Value, json};

use super::{config, create, one, policies, policy};

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
