//! Which kinds a policy is about.

use guardrails::Served;
use serde_json::{Value, json};

use super::{config, create, policies, policy};

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
