//! Rules that ask for other objects, that ask who signed images, and that delete.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]

use guardrails::{Call, Callee, Error, Facts, Outcome, Policies, Request, Task, Unavailable};
use serde_json::{Value, json};

fn load(policy: &Value) -> Result<Policies, String> {
    let (policies, refusals) = Policies::from_values("p", [policy]);
    match refusals.first() {
        None => Ok(policies),
        Some(refusal) => Err(refusal.to_string()),
    }
}

fn policy(kinds: &str, work: Value) -> Value {
    let mut rule = json!({"name": "r", "match": {"any": [{"resources": {"kinds": [kinds]}}]}});
    rule.as_object_mut()
        .expect("a map")
        .extend(work.as_object().expect("a map").clone());
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy",
        "metadata": {"name": "p", "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"}},
        "spec": {"rules": [rule]},
    })
}

fn secret(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "uid": "1", "resourceVersion": "7", "labels": {"copy": name}},
        "data": {"a": "YQ=="},
    })
}

/// A cluster with two secrets and a verifier that knows one image.
struct World;

impl Facts for World {
    fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        let Callee::Cluster(path) = &call.to else {
            return Err(Unavailable::Unknown(call.to_string()));
        };
        match path.as_str() {
            "/api/v1/namespaces/base/secrets" => {
                Ok(json!({"items": [secret("base", "a"), secret("base", "b")]}))
            }
            "/api/v1/namespaces/base/secrets/a" => Ok(secret("base", "a")),
            path => Err(Unavailable::Missing(path.to_owned())),
        }
    }

    fn verify(&self, image: &str, _: &Value) -> Result<Value, Unavailable> {
        if image.contains("signed") {
            Ok(json!("sha256:00"))
        } else {
            Err(Unavailable::Failed("no signature found".to_owned()))
        }
    }
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
}

#[test]
fn what_is_generated() {
    let check = |generate: Value, outcome: Outcome, names: &[&str]| {
        let policies = load(&policy("Namespace", json!({"generate": generate}))).expect("in order");
        let object = namespace();
        let request = Request {
            facts: &World,
            ..Request::new(&object)
        };
        assert_eq!(policies.evaluate(&request), []);
        let generation = policies.generate(&request).remove(0);
        assert_eq!(generation.verdict.outcome, outcome, "{:?}", generation.verdict);
        assert_eq!(generation.verdict.about.task, Task::Generate);
        let made: Vec<String> = generation
            .objects
            .iter()
            .map(|made| {
                let text = |pointer: &str| {
                    made.object
                        .pointer(pointer)
                        .and_then(Value::as_str)
                        .unwrap_or("-")
                };
                assert!(made.object.pointer("/metadata/uid").is_none());
                format!(
                    "{} {}/{}",
                    text("/kind"),
                    text("/metadata/namespace"),
                    text("/metadata/name")
                )
            })
            .collect();
        assert_eq!(made, names);
    };
    let target = |more: Value| {
        let mut target = json!({"apiVersion": "v1", "kind": "Secret", "name": "x", "namespace": "{{ request.object.metadata.name }}"});
        target
            .as_object_mut()
            .expect("a map")
            .extend(more.as_object().expect("a map").clone());
        target
    };
    check(
        target(json!({"data": {"stringData": {"a": "b"}}})),
        Outcome::Pass,
        &["Secret shop/x"],
    );
    check(
        target(json!({"clone": {"namespace": "base", "name": "a"}})),
        Outcome::Pass,
        &["Secret shop/x"],
    );
    check(
        target(json!({"clone": {"namespace": "base", "name": "z"}})),
        Outcome::Error,
        &[],
    );
    check(
        json!({"namespace": "shop", "cloneList": {"namespace": "base", "kinds": ["v1/Secret"]}}),
        Outcome::Pass,
        &["Secret shop/a", "Secret shop/b"],
    );
    check(
        json!({"namespace": "shop", "cloneList": {"namespace": "base", "kinds": ["v1/Secret"], "selector": {"matchLabels": {"copy": "b"}}}}),
        Outcome::Pass,
        &["Secret shop/b"],
    );
    // A copy of itself is none.
    check(
        json!({"namespace": "base", "cloneList": {"namespace": "base", "kinds": ["v1/Secret"]}}),
        Outcome::Pass,
        &[],
    );
    check(
        json!({"foreach": [{"list": "['a', 'b']", "apiVersion": "v1", "kind": "ConfigMap", "name": "{{ element }}-{{ elementIndex }}", "namespace": "shop", "data": {}}]}),
        Outcome::Pass,
        &["ConfigMap shop/a-0", "ConfigMap shop/b-1"],
    );
    check(
        target(json!({"data": {"a": "{{ request.object.missing }}"}})),
        Outcome::Error,
        &[],
    );
}

#[test]
fn a_generate_rule_that_says_too_much_or_too_little_is_refused() {
    let check = |generate: Value, reason: &str| {
        let refused = load(&policy("Namespace", json!({"generate": generate}))).expect_err("refused");
        assert!(refused.contains(reason), "{refused}");
    };
    check(
        json!({"kind": "ConfigMap", "data": {}}),
        "the field apiVersion is missing",
    );
    let whole =
        json!({"apiVersion": "v1", "kind": "Secret", "name": "x", "data": {}, "clone": {"name": "a"}});
    check(whole, "only one of data, clone, cloneList");
    check(json!({"cloneList": {"kinds": []}}), "kinds are needed");
    check(
        json!({"foreach": [], "data": {}}),
        "data cannot stand beside foreach",
    );
}

fn pod(image: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [{"name": "a", "image": image}]}})
}

fn keys() -> Value {
    json!([{"entries": [{"keys": {"publicKeys": "k"}}]}])
}

#[test]
fn images_are_verified_or_it_is_said_that_nobody_can() {
    let check = |image: &str, more: Value, world: bool, outcome: Outcome, after: &str| {
        let mut entry =
            json!({"imageReferences": ["ghcr.io/us/*"], "attestors": keys(), "failureAction": "Enforce"});
        entry
            .as_object_mut()
            .expect("a map")
            .extend(more.as_object().expect("a map").clone());
        let policies = load(&policy("Pod", json!({"verifyImages": [entry]}))).expect("in order");
        let object = pod(image);
        let mut request = Request::new(&object);
        if world {
            request.facts = &World;
        }
        let verdict = policies.evaluate(&request).remove(0);
        assert_eq!(verdict.outcome, outcome, "{image} {more} {verdict:?}");
        assert_eq!(
            verdict.refuses(),
            matches!(outcome, Outcome::Fail | Outcome::Error)
        );
        assert_eq!(policies.mutate(&request).object, pod(after), "{image} {more}");
    };
    let none = json!({});
    check(
        "ghcr.io/us/signed:1",
        none.clone(),
        true,
        Outcome::Pass,
        "ghcr.io/us/signed:1@sha256:00",
    );
    check(
        "ghcr.io/us/other:1",
        none.clone(),
        true,
        Outcome::Fail,
        "ghcr.io/us/other:1",
    );
    check(
        "ghcr.io/us/signed:1",
        none.clone(),
        false,
        Outcome::Error,
        "ghcr.io/us/signed:1",
    );
    let skipped = json!({"skipImageReferences": ["*/other:*"], "mutateDigest": false, "verifyDigest": false});
    check(
        "ghcr.io/us/other:1",
        skipped,
        true,
        Outcome::Skip,
        "ghcr.io/us/other:1",
    );
    let unpinned = json!({"mutateDigest": false});
    check(
        "ghcr.io/us/signed:1",
        unpinned,
        true,
        Outcome::Fail,
        "ghcr.io/us/signed:1",
    );
    let loose = json!({"mutateDigest": false, "verifyDigest": false});
    check(
        "ghcr.io/us/signed:1",
        loose,
        true,
        Outcome::Pass,
        "ghcr.io/us/signed:1",
    );
    // Nobody is asked for: then nothing is verified.
    let nobody = json!({"attestors": [], "mutateDigest": false, "verifyDigest": false});
    check(
        "ghcr.io/us/signed:1",
        nobody,
        true,
        Outcome::Fail,
        "ghcr.io/us/signed:1",
    );
    check("not an image", none, true, Outcome::Error, "not an image");
}

#[test]
fn a_rule_about_images_that_is_malformed_is_refused() {
    let check = |entry: Value, reason: &str| {
        let refused = load(&policy("Pod", json!({"verifyImages": [entry]}))).expect_err("refused");
        assert!(refused.contains(reason), "{refused}");
    };
    check(json!({"attestors": keys()}), "an image reference is required");
    let images = |attestors: Value| json!({"imageReferences": ["*"], "attestors": attestors});
    check(images(json!([{"entries": []}])), "an entry is required");
    check(images(json!([{"entries": [{}]}])), "exactly one of keys");
    check(
        images(json!([{"count": 2, "entries": [{"keys": {}}]}])),
        "between 1 and 1",
    );
    let mut notary = images(json!([{"entries": [{"keyless": {}}]}]));
    notary["type"] = json!("Notary");
    check(notary, "cannot be used with the type Notary");
}

fn cleanup(spec: Value) -> Value {
    let mut whole = json!({"schedule": "*/5 * * * *", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}});
    whole
        .as_object_mut()
        .expect("a map")
        .extend(spec.as_object().expect("a map").clone());
    json!({"apiVersion": "kyverno.io/v2", "kind": "ClusterCleanupPolicy", "metadata": {"name": "p"}, "spec": whole})
}

#[test]
fn what_is_to_be_deleted() {
    let check = |spec: Value, outcome: Option<Outcome>| {
        let policies = load(&cleanup(spec.clone())).expect("in order");
        let object = pod("nginx");
        let deletions = policies.to_delete(&Request::new(&object));
        assert_eq!(
            deletions.first().map(|deletion| deletion.verdict.outcome),
            outcome,
            "{spec}"
        );
        assert!(
            deletions
                .iter()
                .all(|deletion| deletion.schedule == "*/5 * * * *")
        );
        assert!(
            deletions
                .iter()
                .all(|deletion| deletion.verdict.about.task == Task::Delete)
        );
        assert_eq!(policies.evaluate(&Request::new(&object)), []);
    };
    let named = |name: &str| json!({"conditions": {"all": [{"key": "{{ target.metadata.name }}", "operator": "Equals", "value": name}]}});
    check(json!({}), Some(Outcome::Pass));
    check(named("x"), Some(Outcome::Pass));
    check(named("y"), Some(Outcome::Skip));
    check(
        json!({"conditions": {"all": [{"key": "{{ target.missing }}", "operator": "Equals", "value": "x"}]}}),
        Some(Outcome::Error),
    );
    check(
        json!({"exclude": {"any": [{"resources": {"names": ["x"]}}]}}),
        None,
    );
    check(
        json!({"match": {"any": [{"resources": {"kinds": ["Service"]}}]}}),
        None,
    );
    for (spec, reason) in [
        (json!({"schedule": "often"}), "this is no schedule"),
        (json!({"deletionPropagationPolicy": "All"}), "none of Foreground"),
        (json!({"match": {}}), "matches nothing"),
    ] {
        let refused = load(&cleanup(spec)).expect_err("refused");
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn a_line_is_named_for_what_is_refused() {
    let text = "apiVersion: kyverno.io/v2\nkind: CleanupPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n  schedule: often\n  match: {any: [{resources: {kinds: [Pod]}}]}\n";
    let Err(Error::Refused(refusals)) = Policies::load("p.yaml", &yaml::parse_all(text).expect("YAML"))
    else {
        panic!("refused")
    };
    assert_eq!(refusals[0].position.as_ref().map(|at| at.line), Some(5));
}

/// A policy of a namespace neither takes from outside of it nor reaches out of it.
#[test]
fn a_policy_of_a_namespace_stays_within_it() {
    let own = |work: Value| {
        let mut policy = policy("ConfigMap", work);
        policy["kind"] = json!("Policy");
        policy["metadata"]["namespace"] = json!("shop");
        load(&policy).expect("in order")
    };
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}});
    let request = Request {
        facts: &World,
        ..Request::new(&object)
    };
    let target = json!({"apiVersion": "v1", "kind": "Secret", "namespace": "shop", "name": "n"});
    let with = |extra: Value| {
        let mut generate = target.clone();
        generate
            .as_object_mut()
            .expect("a map")
            .extend(extra.as_object().expect("a map").clone());
        generate
    };
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"});
    for (generate, expect) in [
        (with(json!({"data": {}})), Outcome::Pass),
        (with(json!({"data": {}, "namespace": "base"})), Outcome::Error),
        (
            with(json!({"data": {}, "apiVersion": role["apiVersion"], "kind": "ClusterRole"})),
            Outcome::Error,
        ),
        (
            with(json!({"clone": {"namespace": "base", "name": "a"}})),
            Outcome::Error,
        ),
        (
            json!({"namespace": "shop", "cloneList": {"namespace": "base", "kinds": ["v1/Secret"]}}),
            Outcome::Error,
        ),
    ] {
        let said = format!("{generate}");
        let generation = own(json!({"generate": generate})).generate(&request).remove(0);
        assert_eq!(
            generation.verdict.outcome, expect,
            "{said}: {:?}",
            generation.verdict
        );
        assert_eq!(
            generation.objects.len(),
            usize::from(expect == Outcome::Pass),
            "{said}"
        );
    }
    let mutate = json!({
        "targets": [{"apiVersion": role["apiVersion"], "kind": "ClusterRole", "name": "admin"}],
        "patchStrategicMerge": {"metadata": {"labels": {"a": "b"}}},
    });
    let existing = own(json!({"mutate": mutate})).mutate_existing(&request).remove(0);
    assert_eq!(
        (existing.verdict.outcome, existing.object),
        (Outcome::Error, None)
    );
}
