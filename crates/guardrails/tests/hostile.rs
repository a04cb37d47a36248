//! Policies and objects written to do harm: every one ends in a verdict, an error or a refusal to load.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

use std::path::Path;

use guardrails::{Outcome, Policies, Request, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

fn shipped() -> Policies {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut policies = Policies::default();
    for entry in std::fs::read_dir(folder).expect("the folder of the policies") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).expect("readable");
            let documents = yaml::parse_all(&text).expect("YAML");
            policies.merge(Policies::load(&path.display().to_string(), &documents).expect("in order"));
        }
    }
    policies
}

fn evaluate(policies: &Policies, object: &Value) -> Vec<Verdict> {
    policies.evaluate(&Request::new(object))
}

fn pod(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
}

#[track_caller]
fn outcome(verdicts: &[Verdict], policy: &str, rule: &str) -> Outcome {
    let found: Vec<&Verdict> = verdicts
        .iter()
        .filter(|verdict| verdict.about.policy == policy && verdict.about.rule == rule)
        .collect();
    assert_eq!(found.len(), 1, "{policy}/{rule}: {found:?}");
    found[0].outcome
}

fn rule(check: &Value) -> Value {
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "p"},
        "spec": {"rules": [{
            "name": "r",
            "match": {"any": [{"resources": {"kinds": ["ConfigMap"]}}]},
            "validate": {"failureAction": "Enforce", "message": "no", check["kind"].as_str().expect("a kind"): check["of"]},
        }]},
    })
}

fn condition(key: &str) -> Value {
    json!({"kind": "deny", "of": {"conditions": {"all": [{"key": key, "operator": "Equals", "value": "x"}]}}})
}

fn config(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
}

#[test]
fn what_stands_in_an_object_decides_nothing_about_the_rules() {
    let policies = shipped();
    for text in [
        "{{ request.object }}",
        "{{ `true` }}",
        "\\{{ x }}",
        "{{ x",
        "$(request)",
        "x\n  privileged: false",
        "' || `true` || '",
        "*",
        "?*",
        "!*",
        "null",
        "\u{1b}[31mred\u{0}",
        "=(x)",
        "../../x",
        "ALL",
    ] {
        let container = json!({
            "name": text,
            "image": text,
            "env": [{"name": format!("{text}_PASSWORD"), "value": format!("a{text}")}, {"name": "B", "value": format!("x://a:b@{text}")}],
            "securityContext": {"privileged": text, "capabilities": {"add": [text], "drop": [text, "NOT-ALL"]}},
            "ports": [{"name": text, "hostPort": 80}],
        });
        let mut object = pod(&json!({
            "hostNetwork": text,
            "priorityClassName": format!("system-{text}"),
            "volumes": [{"name": text, "hostPath": {"path": text}}],
            "containers": [container],
        }));
        object["metadata"] =
            json!({"name": text, "namespace": text, "labels": {text: text}, "annotations": {text: text}});
        let verdicts = evaluate(&policies, &object);
        let check = |policy: &str, rule: &str| {
            assert_eq!(
                outcome(&verdicts, policy, rule),
                Outcome::Fail,
                "{text:?}: {policy}/{rule}"
            );
        };
        check("disallow-literal-secrets", "named-secrets");
        check("disallow-literal-secrets", "addresses");
        check("restricted-security-context", "host-namespaces");
        check("restricted-security-context", "privileged");
        check("restricted-security-context", "seccomp");
        check("restrict-capabilities", "added-capabilities");
        check("restrict-priority-classes", "priority-class");
        check("restrict-volume-types", "host-path");
        check("disallow-host-ports", "host-ports");
        check("require-limits", "require-limits");
        if text != "ALL" {
            check("restricted-security-context", "drop-all-capabilities");
        }
    }
}

#[test]
fn a_refusal_shows_no_secret() {
    let policies = shipped();
    let spec = json!({"containers": [
        {"name": "a", "image": "r/a:v1", "env": [{"name": "LOG", "value": "info"}]},
        {"name": "b", "image": "r/b:v1", "env": [
            {"name": "LOG", "value": "info"},
            {"name": "DB_PASSWORD", "value": "hunter2"},
            {"name": "DB_URL", "value": "postgres://me:hunter2@db"},
        ]},
    ]});
    let template = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {"spec": spec}}});
    for (object, base) in [(pod(&spec), "/spec"), (template, "/spec/template/spec")] {
        let verdicts = evaluate(&policies, &object);
        assert!(!format!("{verdicts:?}").contains("hunter2"), "{verdicts:#?}");
        let found: Vec<_> = verdicts
            .iter()
            .filter(|verdict| verdict.about.policy == "disallow-literal-secrets")
            .map(|verdict| (verdict.path.clone().expect("a path"), verdict.value.clone()))
            .collect();
        let at =
            |index: usize, name: &str| (format!("{base}/containers/1/env/{index}/name"), Some(json!(name)));
        assert_eq!(found, [at(1, "DB_PASSWORD"), at(2, "DB_URL")]);
    }
    let key = "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n";
    let verdicts = evaluate(&policies, &config(&json!({"greeting": "hello", "tls/key": key})));
    assert!(!format!("{verdicts:?}").contains("hunter2"), "{verdicts:#?}");
    let verdict = verdicts
        .iter()
        .find(|verdict| verdict.refuses())
        .expect("refused");
    assert_eq!(
        (verdict.path.as_deref(), &verdict.value),
        (Some("/data/tls~1key"), &None)
    );
}

#[test]
fn lists_without_end_never_pass() {
    let policies = shipped();
    let env: Vec<Value> = (0..200_000)
        .map(|n| json!({"name": format!("V{n}"), "value": "v"}))
        .collect();
    let mut spec = json!({"containers": [{"name": "a", "image": "r.io/a:v1", "env": env}]});
    let last = spec["containers"][0]["env"].as_array_mut().expect("a list");
    last.push(json!({"name": "TOKEN", "value": "v"}));
    let verdicts = evaluate(&policies, &pod(&spec));
    let secrets = outcome(&verdicts, "disallow-literal-secrets", "named-secrets");
    assert!(matches!(secrets, Outcome::Fail | Outcome::Error), "{secrets:?}");

    let mut containers = vec![json!({"name": "a", "securityContext": {"privileged": false}}); 200_000];
    containers.push(json!({"name": "b", "securityContext": {"privileged": true}}));
    let verdicts = evaluate(&policies, &pod(&json!({"containers": containers})));
    assert!(verdicts.len() > 20);
    for rule in ["privileged", "drop-all-capabilities"] {
        let outcome = outcome(&verdicts, "restricted-security-context", rule);
        assert!(
            matches!(outcome, Outcome::Fail | Outcome::Error),
            "{rule}: {outcome:?}"
        );
    }

    let mut rules = vec![json!({"from": [{"podSelector": {}}]}); 100_000];
    rules.push(json!({}));
    let open = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n"}, "spec": {"ingress": rules}});
    let verdicts = evaluate(&policies, &open);
    let open = outcome(&verdicts, "restrict-network-policies", "open-ingress");
    assert!(matches!(open, Outcome::Fail | Outcome::Error), "{open:?}");
}

/// What the API server takes for an empty rule, whichever way it is written, lets everybody in.
#[test]
fn a_network_rule_for_everybody_is_found_in_every_spelling() {
    let policies = shipped();
    for rule in [
        json!({}),
        json!(null),
        json!({"from": null}),
        json!({"from": []}),
        json!({"from": [], "ports": [{"port": 80}]}),
    ] {
        for rules in [json!([rule]), json!([{"from": [{"podSelector": {}}]}, rule])] {
            let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n"}, "spec": {"podSelector": {}, "ingress": rules}});
            let verdicts = evaluate(&policies, &policy);
            assert_eq!(
                outcome(&verdicts, "restrict-network-policies", "open-ingress"),
                Outcome::Fail,
                "{policy}"
            );
        }
    }
}

#[test]
fn expressions_written_to_cost_are_refused_or_end_in_an_error() {
    let deep = |open: &str, close: &str, times: usize| {
        format!("{{{{ {}a{} }}}}", open.repeat(times), close.repeat(times))
    };
    for key in [
        deep("(", ")", 10_000),
        deep("[", "]", 10_000),
        deep("!", "", 10_000),
        deep("a.", "", 10_000),
        deep("a|", "", 10_000),
        deep("length(", ")", 10_000),
        deep("[?", "]", 10_000),
        deep("{a: ", "}", 300),
        "{{".repeat(50_000),
        "{{ a".repeat(20_000),
        format!("{{{{ '{}' }}}}", "x".repeat(200_000)),
        "{{ regex_match('a{1000}{1000}{1000}', 'a') }}".to_owned(),
        format!("{{{{ regex_match('{}', 'a') }}}}", "(a|".repeat(3000)),
        format!("{{{{ regex_match('{}', 'a') }}}}", "(".repeat(5000)),
        "{{ join('', map(&to_string(@), [request.object, request.object, request.object])) | [@, @, @, @] | [@, @, @, @] | [@, @, @, @] | [@, @, @, @] | [@, @, @, @] | [@, @, @, @] | [@, @, @, @] }}".to_owned(),
    ] {
        let policy = rule(&condition(&key));
        let (policies, refusals) = Policies::from_values("p", [&policy]);
        let head: String = key.chars().take(60).collect();
        if refusals.is_empty() {
            let verdicts = evaluate(&policies, &config(&json!({"a": "x".repeat(100_000)})));
            assert_eq!(verdicts.len(), 1, "{head}");
            let verdict = &verdicts[0];
            // What is not a variable at all is text, and unlike the value.
            assert!(verdict.outcome == Outcome::Error || !key.contains("}}"), "{head}: {verdict:?}");
        } else {
            let reason = refusals[0].to_string();
            assert!(reason.len() < 1000 || !reason.contains(&key), "{head}: the whole of it is told again");
        }
    }
}

#[test]
fn regular_expressions_take_time_in_proportion_to_the_text() {
    let policy = rule(&condition(
        "{{ regex_match('^(([a-z])+.)+[A-Z]([a-z])+$', request.object.data.a) }}",
    ));
    let (policies, refusals) = Policies::from_values("p", [&policy]);
    assert!(refusals.is_empty(), "{refusals:?}");
    let verdicts = evaluate(&policies, &config(&json!({"a": "a".repeat(1_000_000)})));
    assert!(
        verdicts.len() == 1 && verdicts[0].outcome != Outcome::Fail,
        "{verdicts:?}"
    );
}

#[test]
fn wildcards_written_to_cost_end() {
    let stars = "*a".repeat(2000);
    for pattern in [
        json!(format!("{stars}b")),
        json!(format!("!{stars}b")),
        json!(vec!["a*"; 10_000].join(" | ")),
        json!(vec![">1"; 10_000].join(" & ")),
    ] {
        let policy = rule(&json!({"kind": "pattern", "of": {"data": {"a": pattern}}}));
        let (policies, refusals) = Policies::from_values("p", [&policy]);
        for verdict in evaluate(&policies, &config(&json!({"a": "a".repeat(50_000)}))) {
            assert_ne!(verdict.outcome, Outcome::Skip, "{verdict:?}");
        }
        assert_eq!(policies.len() + refusals.len(), 1);
    }
}

#[test]
fn a_name_that_no_cluster_takes_is_refused() {
    for name in [
        "",
        "x\n- y",
        "\u{1b}[31m",
        "X",
        "a b",
        "-a",
        "a/b",
        "{{ x }}",
        &"a".repeat(254),
    ] {
        let mut policy = rule(&condition("{{ `1` }}"));
        policy["metadata"]["name"] = json!(name);
        let (policies, refusals) = Policies::from_values("p", [&policy]);
        assert!(policies.is_empty() && refusals.len() == 1, "{name:?}");
        let mut policy = rule(&condition("{{ `1` }}"));
        policy["spec"]["rules"][0]["name"] = json!(format!("r\u{1b}{name}\n"));
        let (policies, refusals) = Policies::from_values("p", [&policy]);
        assert!(policies.is_empty() && refusals.len() == 1, "{name:?}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "(\\*|ALL|NodePort|\\{\\{ ?[a-z]{0,3} ?\\}\\}|\\PC{0,6})".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 5, |inner| {
        let keys = "(spec|template|containers|env|name|value|securityContext|capabilities|add|drop|ports|hostPort|rules|verbs|host|tls|hosts|ingress|from|volumes|jobTemplate|metadata|labels|data|items|[a-z]{1,4})";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_object_of_any_kind_is_judged(
        kind in prop::sample::select(vec![
            "Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Service", "Ingress", "HTTPRoute", "NetworkPolicy",
            "ConfigMap", "Secret", "Role", "ClusterRole", "RoleBinding", "Namespace", "PodDisruptionBudget", "HorizontalPodAutoscaler",
        ]),
        spec in any_json(),
        metadata in any_json(),
        rest in any_json(),
    ) {
        static POLICIES: std::sync::OnceLock<Policies> = std::sync::OnceLock::new();
        let policies = POLICIES.get_or_init(shipped);
        let version = if matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet") { "apps/v1" } else { "batch/v1" };
        let object = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec, "data": rest, "rules": rest, "roleRef": rest, "subjects": rest});
        for verdict in evaluate(policies, &object) {
            prop_assert_eq!(verdict.refuses(), verdict.enforce && matches!(verdict.outcome, Outcome::Fail | Outcome::Error));
            if let Some(path) = &verdict.path {
                prop_assert!(path.is_empty() || path.starts_with('/'), "{}", path);
            }
        }
    }
}

/// Kubernetes' own policies say in their bindings that they enforce.
#[test]
fn an_object_too_deep_is_refused_by_bound_policies_too() {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"},
        "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]},
            "validations": [{"expression": "true"}],
        },
    });
    let binding = |actions: &Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b"},
            "spec": {"policyName": "p", "validationActions": actions},
        })
    };
    let mut deep = json!(1);
    for _ in 0..300 {
        deep = json!([deep]);
    }
    for (actions, refuses) in [(json!(["Deny"]), true), (json!(["Audit"]), false)] {
        let (policies, refusals) = Policies::from_values("p", [&policy, &binding(&actions)]);
        assert!(refusals.is_empty(), "{refusals:?}");
        let verdicts = evaluate(&policies, &config(&deep));
        assert_eq!(verdicts.len(), 1);
        assert_eq!(
            (verdicts[0].outcome, verdicts[0].refuses()),
            (Outcome::Error, refuses)
        );
    }
}

fn mutating(work: &Value) -> Value {
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
        "spec": {"rules": [{"name": "r", "match": {"any": [{"resources": {"kinds": ["ConfigMap"]}}]}, "mutate": work}]},
    })
}

#[track_caller]
fn mutate_ends(work: &Value, object: &Value) -> Option<Outcome> {
    let policy = mutating(work);
    let (policies, _) = Policies::from_values("p", [&policy]);
    let begun = std::time::Instant::now();
    let mutated = policies.mutate(&Request::new(object));
    let size = mutated.object.to_string().len();
    assert!(size < 200_000_000, "{size} bytes");
    let took = begun.elapsed();
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");
    mutated.verdicts.first().map(|verdict| verdict.outcome)
}

#[test]
fn patches_written_to_cost_end() {
    let object = config(&json!({"a": "x".repeat(100_000)}));
    let path = |times: usize| "/a".repeat(times);
    for (operations, expect) in [
        (json!([{"op": "add", "path": path(100_000), "value": 1}]), Outcome::Error),
        (json!([{"op": "add", "path": path(200), "value": 1}]), Outcome::Pass),
        (json!([{"op": "remove", "path": path(100_000)}]), Outcome::Error),
        (json!(vec![json!({"op": "copy", "from": "/data", "path": "/data/b"}); 100]), Outcome::Error),
        (json!((0..10_000).map(|n| json!({"op": "copy", "from": "/data/a", "path": format!("/data/{n}")})).collect::<Vec<_>>()), Outcome::Error),
        (json!((0..300).map(|n| json!({"op": "add", "path": format!("/metadata{}", format!("/l{n}").repeat(250)), "value": {}})).collect::<Vec<_>>()), Outcome::Pass),
        (json!((1..200).map(|n| json!({"op": "move", "from": "/data", "path": format!("/x{n}/data")})).collect::<Vec<_>>()), Outcome::Error),
        (json!((0..100).map(|_| json!({"op": "copy", "from": "", "path": "/deep"})).collect::<Vec<_>>()), Outcome::Error),
    ] {
        let head: String = operations.to_string().chars().take(80).collect();
        let work = json!({"patchesJson6902": operations.to_string()});
        assert_eq!(mutate_ends(&work, &object), Some(expect), "{head}");
    }
    let each = |change: Value| {
        let mut each = json!({"list": "request.object.data.l"});
        each.as_object_mut()
            .expect("a map")
            .extend(change.as_object().expect("a map").clone());
        json!({"foreach": [each]})
    };
    let many = config(&json!({"l": vec!["x"; 5000], "t": "y".repeat(5000)}));
    for change in [
        json!({"patchStrategicMerge": {"data": {"{{ element }}{{ elementIndex }}": "{{ request.object.data.t }}"}}}),
        json!({"patchesJson6902": "- {op: add, path: /data/l/-, value: '{{ request.object.data }}'}"}),
        each(
            json!({"patchesJson6902": "- {op: add, path: '/data/n{{ elementIndex }}', value: '{{ request.object.data.t }}'}"}),
        ),
        json!({"patchesJson6902": format!("- {{op: add, path: '/data{}', value: 1}}", "/{{ element }}".repeat(1000))}),
    ] {
        mutate_ends(&each(change), &many);
    }
}

/// Patterns, conditions, exceptions and messages of policies that look into Secrets.
#[test]
fn what_a_secret_holds_is_in_no_verdict() {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": {"a": "b"}},
        "data": {"password": "aHVudGVyMg==", "short": "eA=="}, "stringData": {"plain": "correct horse"},
    });
    let checks = [
        json!({"message": "{{ request.object.data.password }} {{ request.object.stringData }}", "pattern": {"data": {"password": "x"}}}),
        json!({"message": "{{ base64_decode(request.object.data.password) }}", "pattern": {"data": {"none": "x"}}}),
        json!({"pattern": {"data": {"(password)": "x"}}}),
        json!({"pattern": {"data": "x"}}),
        json!({"anyPattern": [{"stringData": {"(plain)": "x"}}, {"data": {"<(password)": "x"}}]}),
        json!({"deny": {"conditions": {"all": [{"key": "{{ request.object.stringData.plain }}", "operator": "AnyIn", "value": ["x", "correct*"]}]}}}),
        json!({"deny": {"conditions": {"all": [{"key": "{{ to_number(request.object.stringData.plain) }}", "operator": "In", "value": 1}]}}}),
        json!({"foreach": [{"list": "values(request.object.stringData)", "deny": {"conditions": {"all": [{"key": "{{ element }}", "operator": "NotEquals", "value": "x"}]}}}]}),
        json!({"cel": {"expressions": [{"expression": "object.data[object.stringData.plain] == ''"}]}}),
        json!({"cel": {"expressions": [{"expression": "false", "messageExpression": "string(base64.decode(object.data.password))"}]}}),
    ];
    for check in checks {
        let mut policy = mutating(&json!({}));
        let rule = &mut policy["spec"]["rules"][0];
        rule["match"]["any"][0]["resources"]["kinds"] = json!(["Secret"]);
        rule["validate"] = check.clone();
        rule.as_object_mut().expect("a rule").remove("mutate");
        let (policies, refusals) = Policies::from_values("p", [&policy]);
        assert!(refusals.is_empty(), "{refusals:?}");
        for old in [None, Some(&secret)] {
            let request = Request {
                old,
                ..Request::new(&secret)
            };
            let verdicts = policies.evaluate(&request);
            assert_eq!(verdicts.len(), 1, "{check}");
            let said = format!("{verdicts:?}");
            for word in ["hunter2", "aHVudGVyMg", "correct horse"] {
                assert!(!said.contains(word), "{check}: {said}");
            }
        }
    }
}

struct Parameters;

impl guardrails::Facts for Parameters {
    fn call(&self, _: &guardrails::Call) -> Result<Value, guardrails::Unavailable> {
        let parameter = |on: &str| json!({"metadata": {"name": on}, "data": {"on": on}});
        Ok(json!({"items": [parameter("no"), parameter("yes"), parameter("no")]}))
    }
}

/// What one parameter has no say in, another may forbid.
#[test]
fn preconditions_that_look_at_parameters_skip_those_alone() {
    let check = |on: &str, expect: Outcome| {
        let mut policy = rule(&json!({"kind": "cel", "of": {
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "paramRef": {"selector": {"matchLabels": {"a": "b"}}, "parameterNotFoundAction": "Allow"},
            "expressions": [{"expression": "false"}],
        }}));
        policy["spec"]["rules"][0]["celPreconditions"] =
            json!([{"name": "on", "expression": format!("params.data.on == '{on}'")}]);
        let (policies, refusals) = Policies::from_values("p", [&policy]);
        assert!(refusals.is_empty(), "{refusals:?}");
        let object = config(&json!({}));
        let request = Request {
            facts: &Parameters,
            ..Request::new(&object)
        };
        assert_eq!(policies.evaluate(&request)[0].outcome, expect, "{on}");
    };
    check("yes", Outcome::Fail);
    check("other", Outcome::Skip);
}
