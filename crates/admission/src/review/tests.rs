//! What is asked as an API server asks it, and what is answered.

use super::*;
use guardrails::{Call, NoFacts, Unavailable};

pub(crate) fn pod(namespace: &str, limits: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"containers": [{"name": "web", "image": "registry.internal/web:v1", "resources": {"limits": limits}}]},
    })
}

pub(crate) fn review(namespace: &str, operation: &str, object: &Value, old: &Value) -> Value {
    json!({
        "apiVersion": VERSION, "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": object["kind"].as_str().or(old["kind"].as_str())},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "web", "namespace": namespace, "operation": operation,
            "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
            "object": object, "oldObject": old,
        },
    })
}

fn read(review: &Value) -> Result<Asked, Unreadable> {
    Review::read(review.to_string().as_bytes())
}

fn in_force(policies: &str) -> InForce {
    let values: Vec<Value> = yaml::parse_all(policies)
        .unwrap()
        .into_iter()
        .map(|document| document.value)
        .collect();
    InForce::of(&values).unwrap()
}

pub(crate) const LIMITS: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: require-limits, annotations: {policies.towpath.dev/hint: Choose a size.}}
spec:
  rules:
    - name: limits
      match: {any: [{resources: {kinds: [Pod]}}]}
      validate:
        failureAction: Enforce
        message: Limits are required
        pattern: {spec: {containers: [{resources: {limits: {memory: '?*'}}}]}}
";

fn answer(policies: &str, review: &Value, facts: &dyn Facts) -> Answer {
    asked_at(Side::Validating, policies, review, facts)
}

fn asked_at(side: Side, policies: &str, review: &Value, facts: &dyn Facts) -> Answer {
    let asked = read(review).unwrap();
    judge(
        side,
        &in_force(policies),
        &asked,
        &asked.user(),
        None,
        facts,
        facts,
    )
}

#[test]
fn what_is_beneath_an_object_is_judged_by_what_it_is_beneath() {
    let asked = |group: &str, resource: &str, sub: &str, object: &Value, policy: &str| {
        let mut review = review("shop", "CREATE", object, &Value::Null);
        let kind = object["apiVersion"].as_str().unwrap();
        let (of, version) = kind.split_once('/').unwrap_or(("", kind));
        review["request"]["kind"] = json!({"group": of, "version": version, "kind": object["kind"]});
        review["request"]["resource"] = json!({"group": group, "version": "v1", "resource": resource});
        review["request"]["subResource"] = json!(sub);
        let spaced = Space::default();
        let mut asked = read(&review).unwrap();
        if asked.unknown_parent() == Some(("towpath.dev/v1".to_owned(), "mice")) {
            asked.beneath("Mouse".to_owned());
        }
        let in_force = in_force(policy);
        let answer = judge(
            Side::Validating,
            &in_force,
            &asked,
            &asked.user(),
            Some(&spaced),
            &NoFacts,
            &NoFacts,
        );
        answer.refusal.is_some()
    };
    let classic = |kind: &str| {
        format!(
            "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: closed}}, spec: {{rules: [{{name: closed, match: {{any: [{{resources: {{kinds: ['{kind}'], namespaces: [shop], operations: [CREATE, CONNECT]}}}}]}}, validate: {{failureAction: Enforce, message: Not here, deny: {{}}}}}}]}}}}"
        )
    };
    let cel = |group: &str, resource: &str| {
        format!(
            "{{apiVersion: policies.kyverno.io/v1, kind: ValidatingPolicy, metadata: {{name: closed}}, spec: {{matchConstraints: {{resourceRules: [{{apiGroups: ['{group}'], apiVersions: [v1], operations: [CREATE], resources: ['{resource}'], scope: Namespaced}}]}}, validations: [{{expression: 'false'}}]}}}}"
        )
    };
    let exec = json!({"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"]});
    let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", "namespace": "shop"}});
    for (group, resource, sub, object, policy, refused) in [
        ("", "pods", "exec", &exec, classic("Pod/exec"), true),
        ("", "pods", "exec", &exec, classic("PodExecOptions"), false),
        ("", "pods", "exec", &exec, classic("Pod"), false),
        ("", "pods", "exec", &exec, cel("", "pods/exec"), true),
        ("", "pods", "attach", &exec, cel("", "pods/exec"), false),
        (
            "apps",
            "deployments",
            "scale",
            &scale,
            classic("Deployment/scale"),
            true,
        ),
        (
            "apps",
            "statefulsets",
            "scale",
            &scale,
            classic("Deployment/scale"),
            false,
        ),
        (
            "towpath.dev",
            "mice",
            "scale",
            &scale,
            classic("Mouse/scale"),
            true,
        ),
        (
            "towpath.dev",
            "mice",
            "scale",
            &scale,
            classic("towpath.dev/v1/Mouse/scale"),
            true,
        ),
        (
            "towpath.dev",
            "mice",
            "scale",
            &scale,
            classic("example.com/v1/Mouse/scale"),
            false,
        ),
        ("towpath.dev", "mice", "scale", &scale, classic("Mouse"), false),
        (
            "apps",
            "deployments",
            "scale",
            &scale,
            cel("apps", "deployments/scale"),
            true,
        ),
        (
            "apps",
            "deployments",
            "scale",
            &scale,
            cel("autoscaling", "deployments/scale"),
            false,
        ),
    ] {
        assert_eq!(
            asked(group, resource, sub, object, &policy),
            refused,
            "{resource}/{sub} {policy}"
        );
    }
}

#[test]
fn a_refusal_says_what_and_what_to_do() {
    let answer = answer(
        LIMITS,
        &review("shop", "CREATE", &pod("shop", &json!({})), &Value::Null),
        &NoFacts,
    );
    let told = told("u-1", &answer);
    assert_eq!(told["response"]["allowed"], false);
    assert_eq!(told["response"]["uid"], "u-1");
    assert_eq!(
        told["response"]["status"]["message"],
        "\n\nresource Pod/shop/web was blocked due to the following policies\n\nrequire-limits:\n  limits: 'validation error: Limits are required. rule limits failed at path /spec/containers/0/resources/limits/memory/'\n  hint: Choose a size.\n"
    );
}

#[test]
fn who_is_let_through() {
    let good = pod("shop", &json!({"memory": "1Gi"}));
    let bad = pod("shop", &json!({}));
    let check = |review: &Value, expect: bool| {
        let allowed = answer(LIMITS, review, &NoFacts).refusal.is_none();
        assert_eq!(allowed, expect, "{review}");
    };
    check(&review("shop", "CREATE", &good, &Value::Null), true);
    check(&review("shop", "UPDATE", &bad, &good), false);
    check(&review("shop", "DELETE", &Value::Null, &bad), true);
    for namespace in LEFT_OUT {
        check(
            &review(namespace, "CREATE", &pod(namespace, &json!({})), &Value::Null),
            true,
        );
    }
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let check = |body: &str, uid: Option<&str>, why: &str| {
        let unreadable = Review::read(body.as_bytes()).unwrap_err();
        assert_eq!((unreadable.code, unreadable.uid.as_deref()), (400, uid), "{body}");
        assert!(unreadable.why.contains(why), "{body}: {}", unreadable.why);
    };
    check("", None, "no AdmissionReview");
    check("[1, 2", None, "no AdmissionReview");
    check("{}", None, "only AdmissionReview of admission.k8s.io/v1");
    let whole = review("shop", "CREATE", &pod("shop", &json!({})), &Value::Null);
    let with = |pointer: &str, value: Value| {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        changed.to_string()
    };
    check(
        &with("/apiVersion", json!("admission.k8s.io/v1beta1")),
        Some("u-1"),
        "v1beta1",
    );
    check(&with("/request", Value::Null), None, "no request");
    check(&with("/request/uid", json!("")), None, "no uid");
    check(&with("/request/operation", json!("PATCH")), Some("u-1"), "PATCH");
    check(
        &with("/request/object", Value::Null),
        Some("u-1"),
        "without its object",
    );
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    check(&deep, None, "no AdmissionReview");
}

struct Panics;

impl Facts for Panics {
    fn call(&self, _: &Call) -> Result<Value, Unavailable> {
        panic!("a mistake in here")
    }
}

#[test]
fn a_panic_is_a_refusal() {
    let policy = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: regions}
spec:
  rules:
    - name: regions
      match: {any: [{resources: {kinds: [Pod]}}]}
      context: [{name: regions, configMap: {name: regions, namespace: shop}}]
      validate:
        failureAction: Enforce
        message: Not here
        deny: {conditions: {any: [{key: '{{ regions.data.a }}', operator: Equals, value: b}]}}
";
    let review = review("shop", "CREATE", &pod("shop", &json!({})), &Value::Null);
    let answer = answer(policy, &review, &Panics);
    assert_eq!(answer.verdicts.len(), 1);
    assert_eq!(answer.verdicts[0].outcome, Outcome::Error);
    assert!(answer.refusal.is_some());
}

#[test]
fn what_policies_change_is_a_patch() {
    let policy = |path: &str, failure: &str| {
        format!(
            "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: a}}, spec: {{failurePolicy: {failure}, rules: [{{name: a, match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, mutate: {{patchesJson6902: '- {{op: replace, path: {path}, value: b}}'}}}}]}}}}"
        )
    };
    let check = |path: &str, failure: &str, expect: Option<&str>, refused: bool| {
        let review = review("shop", "CREATE", &pod("shop", &json!({})), &Value::Null);
        let answer = asked_at(Side::Mutating, &policy(path, failure), &review, &NoFacts);
        let patch = answer.patch.as_ref().map(ToString::to_string);
        assert_eq!(
            (patch.as_deref(), answer.refusal.is_some()),
            (expect, refused),
            "{answer:?}"
        );
        if let Some(expect) = expect {
            let told = told("u-1", &answer);
            assert_eq!(told["response"]["patch"], json!(STANDARD.encode(expect)));
        }
    };
    let image = "/spec/containers/0/image";
    check(
        image,
        "Fail",
        Some(r#"[{"op":"replace","path":"/spec/containers/0/image","value":"b"}]"#),
        false,
    );
    check("/spec/none/there", "Fail", None, true);
    check("/spec/none/there", "Ignore", None, false);
}

#[test]
fn policies_of_a_namespace_judge_there_alone() {
    let policy = LIMITS.replace("ClusterPolicy", "Policy").replace(
        "{name: require-limits,",
        "{name: require-limits, namespace: shop,",
    );
    for (namespace, expect) in [("shop", false), ("bank", true)] {
        let review = review(namespace, "CREATE", &pod(namespace, &json!({})), &Value::Null);
        assert_eq!(
            answer(&policy, &review, &NoFacts).refusal.is_none(),
            expect,
            "{namespace}"
        );
    }
}
