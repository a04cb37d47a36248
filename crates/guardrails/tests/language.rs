//! Variables, references and contexts, asked through whole policies.

#![expect(clippy::expect_used, reason = "a helper that fails is a test that fails")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]

use std::collections::BTreeMap;

use guardrails::{Call, Callee, Facts, Operation, Outcome, Policies, Request, Unavailable, User, Verdict};
use serde_json::{Map, Value, json};

/// A cluster with one ConfigMap, one service, one global entry and one image.
#[derive(Default)]
struct World {
    given: Map<String, Value>,
}

impl Facts for World {
    fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        match &call.to {
            Callee::Cluster(path) if path == "/api/v1/namespaces/shop/configmaps/regions" => Ok(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "regions", "namespace": "shop"},
                "data": {"allowed": "[\"eu\", \"us\"]"},
            })),
            Callee::Cluster(path) if path == "/api/v1/namespaces" => {
                Ok(json!({"items": [{"metadata": {"name": "shop"}}, {"metadata": {"name": "bank"}}]}))
            }
            Callee::Service { url, headers, .. } if url == "https://regions.example/shop" => {
                Ok(json!({"sent": call.data, "headers": headers}))
            }
            _ => Err(Unavailable::Missing(call.to_string())),
        }
    }

    fn global(&self, entry: &str, projection: Option<&str>) -> Result<Value, Unavailable> {
        match (entry, projection) {
            ("regions", Some("names")) => Ok(json!(["eu"])),
            ("regions", None) => Ok(json!({"names": ["eu"]})),
            _ => Err(Unavailable::Missing(entry.to_owned())),
        }
    }

    fn image(&self, reference: &str) -> Result<Value, Unavailable> {
        Ok(json!({"image": reference, "configData": {"config": {"User": "1000"}}}))
    }

    fn given(&self, _policy: &str, _rule: &str) -> Option<&Map<String, Value>> {
        Some(&self.given)
    }

    fn now(&self) -> Option<(i64, u32)> {
        Some((1_700_000_000, 0))
    }
}

fn object() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "shop", "labels": {"team": "web"}},
        "data": {"region": "eu", "limit": "2Gi", "request": "1Gi", "list": "a"},
    })
}

fn policies(rule: Value) -> Policies {
    let mut whole = json!({"name": "r", "match": {"any": [{"resources": {"kinds": ["ConfigMap"]}}]}});
    for (key, value) in rule.as_object().expect("a rule") {
        whole[key] = value.clone();
    }
    let policy = json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
        "spec": {"background": false, "rules": [whole]},
    });
    let (policies, refusals) = Policies::from_values("test", [&policy]);
    assert_eq!(refusals, []);
    policies
}

fn verdicts(rule: Value, user: Option<&User>, change: impl FnOnce(&mut Request<'_>)) -> Vec<Verdict> {
    let (object, world) = (object(), World::default());
    let mut request = Request::new(&object);
    request.facts = &world;
    request.user = user;
    change(&mut request);
    policies(rule).evaluate(&request)
}

fn judged(rule: Value) -> Verdict {
    verdicts(rule, None, |_| {}).pop().expect("a verdict")
}

/// A rule that fails with a message: what the message says tells what its variables stand for.
fn saying(message: &str, context: Value) -> Value {
    let always = json!([{"key": 1, "operator": "Equals", "value": 1}]);
    json!({"context": context, "validate": {"message": message, "deny": {"conditions": {"all": always}}}})
}

#[track_caller]
fn check(message: &str, context: Value, expect: &str) {
    let verdict = judged(saying(message, context));
    assert_eq!(
        (verdict.outcome, verdict.message.as_str()),
        (Outcome::Fail, expect),
        "{message}"
    );
}

#[test]
fn contexts_from_everywhere() {
    let of = |source: Value| json!([{"name": "x", "apiCall": source}]);
    check(
        "{{ x.data.allowed }} in {{ x.metadata.namespace }}",
        json!([{"name": "x", "configMap": {"name": "regions", "namespace": "{{ request.namespace }}"}}]),
        "[\"eu\", \"us\"] in shop",
    );
    check(
        "{{ x }}",
        of(json!({"urlPath": "/api/v1/namespaces", "jmesPath": "items | length(@)"})),
        "2",
    );
    check(
        "{{ x }}",
        of(json!({"urlPath": "/nothing", "default": "none"})),
        "none",
    );
    check(
        "{{ x.sent.region }} {{ x.headers[0][1] }}",
        of(json!({
            "method": "POST",
            "data": [{"key": "region", "value": "{{ request.object.data.region }}"}],
            "service": {
                "url": "https://regions.example/{{ request.namespace }}",
                "headers": [{"key": "X-Team", "value": "{{ request.object.metadata.labels.team }}"}],
            },
        })),
        "eu web",
    );
    let global =
        |name: &str| json!([{"name": "x", "globalReference": {"name": name, "jmesPath": "[0] || names[0]"}}]);
    check("{{ x }}", global("regions.names"), "eu");
    check("{{ x }}", global("regions"), "eu");
    check(
        "{{ x }}",
        json!([{"name": "x", "imageRegistry": {"reference": "nginx", "jmesPath": "configData.config.User"}}]),
        "1000",
    );
    check("{{ time_now() }}", json!([]), "2023-11-14T22:13:20Z");
}

#[test]
fn names_get_their_values_when_they_are_read() {
    // What nobody reads may be missing.
    let unread =
        json!([{"name": "x", "apiCall": {"urlPath": "/nothing"}}, {"name": "y", "variable": {"value": 1}}]);
    check("{{ y }}", unread, "1");
    // An entry sees those before it, and a later one of the same name takes its place.
    let twice = json!([
        {"name": "x", "variable": {"value": "a"}},
        {"name": "x", "variable": {"value": "{{ x }}b"}},
        {"name": "y", "variable": {"jmesPath": "x"}},
    ]);
    check("{{ x }} {{ y }}", twice, "ab ab");
    let defaults = json!([
        {"name": "x", "variable": {"jmesPath": "request.object.data.missing", "default": "{{ request.name }}"}},
        {"name": "y", "variable": {"value": {"a": [1]}, "jmesPath": "a[0]"}},
    ]);
    check("{{ x }} {{ y }}", defaults, "settings 1");
    let fails = |context: Value, reason: &str| {
        let deny =
            json!({"conditions": {"all": [{"key": "{{ x || 'y' }}", "operator": "Equals", "value": 1}]}});
        let verdict = judged(json!({"context": context, "validate": {"deny": deny}}));
        assert_eq!(verdict.outcome, Outcome::Error, "{verdict:?}");
        assert!(verdict.message.contains(reason), "{verdict:?}");
    };
    fails(
        json!([{"name": "x", "apiCall": {"urlPath": "/nothing"}}]),
        "/nothing is not there",
    );
    fails(
        json!([{"name": "x", "variable": {"jmesPath": "request.object.data.missing"}}]),
        "Unknown key",
    );
    fails(
        json!([{"name": "x", "variable": {"value": {"a": null}, "jmesPath": "a"}}]),
        "evaluates to null",
    );
    // Entries that need themselves, or a later one, find nothing.
    fails(
        json!([{"name": "x", "variable": {"jmesPath": "x"}}]),
        "Unknown key",
    );
    let chain = (0..60).map(|at| {
        let before = format!("x{}", at - 1);
        let path = if at == 0 { "request.name" } else { before.as_str() };
        json!({"name": if at == 59 { "x".to_owned() } else { format!("x{at}") }, "variable": {"jmesPath": path}})
    });
    fails(chain.collect(), "need each other");
}

#[test]
fn what_is_given_wins() {
    let object = object();
    let world = World {
        given: json!({"x.data.allowed": "de", "request.object.data.region": "de"})
            .as_object()
            .cloned()
            .expect("a map"),
    };
    let mut request = Request::new(&object);
    request.facts = &world;
    let context = json!([{"name": "x", "configMap": {"name": "elsewhere", "namespace": "n"}}]);
    let message = "{{ x.data.allowed }} {{ request.object.data.region }} {{ request.object.data.limit }}";
    let verdicts = policies(saying(message, context)).evaluate(&request);
    assert_eq!(verdicts[0].message, "de de 2Gi");
}

#[test]
fn a_namespaced_policy_sees_its_namespace_only() {
    let check = |entry: Value, reason: &str| {
        let mut rule = saying("{{ x }}", json!([entry]));
        rule["name"] = json!("r");
        rule["match"] = json!({"any": [{"resources": {"kinds": ["ConfigMap"]}}]});
        rule["validate"]["deny"]["conditions"]["all"][0]["key"] = json!("{{ x }}");
        let policy = json!({
            "apiVersion": "kyverno.io/v1", "kind": "Policy", "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"rules": [rule]},
        });
        let (policies, _) = Policies::from_values("test", [&policy]);
        let (object, world) = (object(), World::default());
        let mut request = Request::new(&object);
        request.facts = &world;
        let verdicts = policies.evaluate(&request);
        assert_eq!(
            verdicts[0].outcome == Outcome::Error,
            !reason.is_empty(),
            "{:?}",
            verdicts[0]
        );
        assert!(verdicts[0].message.contains(reason), "{:?}", verdicts[0]);
    };
    check(json!({"name": "x", "configMap": {"name": "regions"}}), "");
    check(
        json!({"name": "x", "configMap": {"name": "regions", "namespace": "bank"}}),
        "in the namespace bank",
    );
    check(
        json!({"name": "x", "apiCall": {"urlPath": "/api/v1/namespaces"}}),
        "not within shop",
    );
    check(
        json!({"name": "x", "apiCall": {"urlPath": "/api/v1/namespaces/shop/../bank/pods"}}),
        "not within shop",
    );
    let service = json!({"url": "https://regions.example/shop"});
    check(
        json!({"name": "x", "apiCall": {"service": service}}),
        "calls only the API",
    );
}

#[test]
fn references_and_keys() {
    let pattern = |data: Value| judged(json!({"validate": {"pattern": {"data": data}}})).outcome;
    assert_eq!(
        pattern(json!({"limit": "2Gi", "request": "$(<=./../limit)"})),
        Outcome::Pass
    );
    assert_eq!(
        pattern(json!({"limit": "2Gi", "request": "$(./../limit)"})),
        Outcome::Fail
    );
    assert_eq!(
        pattern(json!({"limit": "2Gi", "request": "$(./../nothing)"})),
        Outcome::Error
    );
    assert_eq!(pattern(json!({"{{ 'region' }}": "eu"})), Outcome::Pass);
    assert_eq!(pattern(json!({"{{ `{}` }}": "eu"})), Outcome::Error);
}

#[test]
fn elements() {
    let each = |check: Value| {
        let mut each = json!({"list": "items(request.object.data, 'key', 'value')"});
        for (key, value) in check.as_object().expect("a check") {
            each[key] = value.clone();
        }
        judged(json!({
            "context": [{"name": "outer", "variable": {"jmesPath": "element.key", "default": "none"}}],
            "validate": {"message": "{{ element.key }} at {{ elementIndex }} {{ outer }}", "foreach": [each]},
        }))
    };
    let verdict = each(json!({"pattern": {"value": "!a"}}));
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert!(
        verdict
            .message
            .contains("validation error: list at 1 list. rule r"),
        "{verdict:?}"
    );
    let deny = |key: &str, value: &str| {
        each(json!({
            "context": [{"name": "own", "variable": {"value": "{{ element.key }}-{{ elementIndex0 }}"}}],
            "deny": {"conditions": {"all": [{"key": key, "operator": "Equals", "value": value}]}},
        }))
    };
    // Each element has its own values, also of names outside of it that look at the element.
    assert_eq!(deny("{{ own }}", "region-2").outcome, Outcome::Fail);
    assert_eq!(deny("{{ outer }}", "request").outcome, Outcome::Fail);
    assert_eq!(deny("{{ own }}", "region-1").outcome, Outcome::Pass);
}

#[test]
fn deletions_mean_the_object_as_it_was() {
    let deleted = |rule: Value| verdicts(rule, None, |request| request.operation = Operation::Delete);
    let verdict = deleted(saying(
        "{{ request.object.data.region }} {{ request.operation }}",
        json!([]),
    ));
    assert_eq!(verdict[0].message, "eu DELETE");
}

#[test]
fn who_asks() {
    let user = User {
        name: "system:serviceaccount:shop:deployer".to_owned(),
        groups: vec!["team-a".to_owned()],
        extra: BTreeMap::from([("scopes".to_owned(), vec!["x".to_owned()])]),
        roles: vec!["shop:edit".to_owned()],
        ..User::default()
    };
    let message = "{{ serviceAccountName }} {{ serviceAccountNamespace }} {{ request.userInfo.groups[0] }} \
                   {{ request.userInfo.extra.scopes }} {{ request.roles[0] }} {{ request.userInfo.username }}";
    let verdict = verdicts(saying(message, json!([])), Some(&user), |_| {});
    assert_eq!(
        verdict[0].message,
        "deployer shop team-a [\"x\"] shop:edit system:serviceaccount:shop:deployer"
    );
    // Nothing of it can be read around when it is not known.
    for around in [
        "{{ request }}",
        "{{ request.*.username }}",
        "{{ request | values(@) }}",
        "{{ values(request)[?length(@) > `90`] }}",
    ] {
        let deny = json!({"conditions": {"all": [{"key": around, "operator": "Equals", "value": 1}]}});
        let verdict = judged(json!({"validate": {"deny": deny}}));
        assert_eq!(verdict.outcome, Outcome::Error, "{around}");
    }
}

#[test]
fn scans_and_reports() {
    // A policy that is not for scans says nothing in one.
    assert_eq!(
        verdicts(saying("x", json!([])), None, |request| request.background = true),
        []
    );
    let mut rule = saying("x", json!([]));
    rule["reportProperties"] = json!({"region": "{{ request.object.data.region }}", "kind": "data"});
    let properties = judged(rule.clone()).properties;
    let seen: Vec<_> = properties
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(seen, [("kind", "data"), ("region", "eu")]);
    rule["reportProperties"] = json!({"region": "{{ request.object.data.missing }}"});
    assert_eq!(
        judged(rule).properties["region"],
        "{{ request.object.data.missing }}"
    );
}
