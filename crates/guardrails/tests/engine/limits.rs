//! What cannot be judged is an error, never a pass.

use guardrails::{Outcome, Policies};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{config, create, one, policies, policy};

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
