//! `validate.assert`: trees of assertions, as Kyverno judges them. What is expected was told by Kyverno's command line.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

#[path = "../support/cluster_policy.rs"]
mod cluster_policy;
mod expressions;

use guardrails::{Operation, Outcome, Policies, Request, User};
use serde_json::{Value, json};

use cluster_policy::cluster_policy;
use expressions::EXPRESSIONS;

use Outcome::{Error, Fail, Pass};

fn load(tree: &str, more: &str) -> Result<Policies, guardrails::Error> {
    let rest = format!(
        "      {more}
      validate:
        message: never said
        assert:
          {tree}
"
    );
    let text = cluster_policy("ConfigMap, Pod, Deployment, CronJob", &rest);
    Policies::load("p.yaml", &yaml::parse_all(&text).expect("YAML"))
}

fn object() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": "shop", "labels": {"app": "web", "tier": "front"}},
        "spec": {
            "replicas": 3, "ratio": 1.5, "paused": false, "empty": {}, "none": null, "list": [1, 2, 3],
            "names": ["a", "b"], "map": {"one": 1, "two": 2}, "text": "hello world", "key.dot": "v", "(odd)": "p",
            "json": "{\"a\":1}",
            "containers": [
                {"name": "web", "image": "nginx:1", "ports": [{"port": 80}, {"port": 443}]},
                {"name": "side", "image": "redis:latest"},
            ],
        },
    })
}

fn judge(tree: &str, more: &str, request: &Request<'_>) -> (Outcome, String, Option<String>) {
    let policies = load(tree, more).expect("a policy");
    let mut verdicts = policies.evaluate(request);
    assert_eq!(verdicts.len(), 1, "{tree}: {verdicts:#?}");
    let verdict = verdicts.remove(0);
    (verdict.outcome, verdict.message, verdict.path)
}

fn check(tree: &str, more: &str, expect: Outcome, message: &str) {
    let object = object();
    let (outcome, said, _) = judge(tree, more, &Request::new(&object));
    let said = said.strip_prefix("failed to apply assertion: ").unwrap_or(&said);
    assert_eq!(outcome, expect, "{tree}: {said}");
    assert!(message.is_empty() || said == message, "{tree}: {said}");
}

#[test]
fn trees_are_held_against_objects() {
    let mut lines = include_str!("trees.txt").lines().peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let Some((word, tree)) = line.split_once(' ').filter(|(word, _)| *word != "#") else {
            continue;
        };
        let expect = match word {
            "pass" => Pass,
            "fail" => Fail,
            "error" => Error,
            _ => panic!("{line}"),
        };
        let message = lines.next_if(|line| line.starts_with("      "));
        check(tree.trim_start(), "", expect, message.map_or("", str::trim_start));
        count += 1;
    }
    assert_eq!(count, 79);
}

#[test]
fn expressions_have_the_values_of_the_communitys_jmespath() {
    for (expression, value) in EXPRESSIONS {
        let key = json!(format!("({expression})"));
        check(&format!("{key}: {value}"), "", Pass, "");
    }
}

#[test]
fn the_context_of_a_rule_is_variables() {
    let check = |entry: &str, tree: &str, expect: Outcome| {
        check(
            tree,
            &format!("context: [{{name: a, variable: {entry}}}]"),
            expect,
            "",
        );
    };
    check("{value: 3}", "'($a)': 3", Pass);
    check("{value: 3}", "'($a == `3`)': true", Pass);
    check("{value: {b: [1]}}", "'($a.b[0] == `1`)': true", Pass);
    check(
        "{jmesPath: request.object.spec.replicas}",
        "'($a == object.spec.replicas)': true",
        Pass,
    );
    check("{jmesPath: request.object.spec.missing}", "'($a)': null", Error);
    // What nobody asks for is not evaluated.
    check("{jmesPath: request.object.spec.missing}", "'(`1`)': 1", Pass);
    check("{value: 3}", "'($b)': 3", Error);
}

#[test]
fn preconditions_come_before_it() {
    let never = "preconditions: {all: [{key: a, operator: Equals, value: b}]}";
    check(
        "object: {spec: {replicas: 4}}",
        never,
        Outcome::Skip,
        "preconditions not met",
    );
}

/// In Kyverno the operation equals no text, and labels of namespaces are not there for expressions: to be judged by
/// what these seem to say would let through what Kyverno refuses.
#[test]
fn what_cannot_be_known_is_an_error() {
    for tree in [
        "operation: CREATE",
        "'(operation == ''CREATE'')': true",
        "'(operation != ''DELETE'')': true",
        "admissionInfo: {}",
        "'(admissionInfo.admissionUserInfo.username)': ''",
        "admissionOperation: true",
        "admissionOperation: false",
        "'(requestResource.resource)': ''",
        "'(namespaceLabels.env)': null",
        "namespaceLabels: {'(env)': prod}",
        "'~.(values(@))': {'(@ != ''x'')': true}",
    ] {
        check(tree, "", Error, "");
    }
}

#[test]
fn who_asks_and_where() {
    let object = object();
    let user = User {
        name: "ann".to_owned(),
        roles: vec!["dev".to_owned()],
        ..User::default()
    };
    let labels = std::collections::BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    let request = Request {
        user: Some(&user),
        namespace_labels: &labels,
        resource: Some("configmaps"),
        ..Request::new(&object)
    };
    for tree in [
        "'(admissionInfo.admissionUserInfo.username)': ann",
        "'(admissionInfo.roles)': [dev]",
        "admissionOperation: true",
        "'(requestResource.resource)': configmaps",
        "namespaceLabels: {env: prod}",
    ] {
        assert_eq!(judge(tree, "", &request).0, Pass, "{tree}");
    }
    assert_eq!(judge("namespaceLabels: {env: dev}", "", &request).0, Fail);
}

#[test]
fn deletions_are_about_the_object_that_was() {
    let object = object();
    let request = Request {
        operation: Operation::Delete,
        ..Request::new(&object)
    };
    assert_eq!(judge("oldObject: {spec: {replicas: 3}}", "", &request).0, Pass);
    assert_eq!(judge("object: {spec: {replicas: 3}}", "", &request).0, Fail);
}

#[test]
fn the_place_of_a_violation_is_said() {
    let object = object();
    let place = |tree: &str| judge(tree, "", &Request::new(&object)).2;
    let at = |path: &str| Some(path.to_owned());
    assert_eq!(place("object: {spec: {replicas: 4}}"), at("/spec/replicas"));
    assert_eq!(
        place("object: {spec: {'~.containers': {name: web}}}"),
        at("/spec/containers/1/name")
    );
    assert_eq!(place("'(object.spec.replicas)': 4"), None);
}

#[test]
fn rules_for_pods_are_moved_into_templates() {
    let rest = "      validate: {assert: {object: {spec: {'~.containers': {image: 'a:1'}}}}}";
    let text = cluster_policy("Pod", rest);
    let policies = Policies::load("p.yaml", &yaml::parse_all(&text).expect("YAML")).expect("a policy");
    let spec = |image: &str| json!({"containers": [{"name": "a", "image": image}]});
    for (image, expect) in [("a:1", Pass), ("a:2", Fail)] {
        for (kind, spec) in [
            ("Pod", spec(image)),
            ("Deployment", json!({"template": {"spec": spec(image)}})),
            (
                "CronJob",
                json!({"jobTemplate": {"spec": {"template": {"spec": spec(image)}}}}),
            ),
        ] {
            let version = match kind {
                "Pod" => "v1",
                "Deployment" => "apps/v1",
                _ => "batch/v1",
            };
            let object =
                json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec});
            let outcomes: Vec<Outcome> = policies
                .evaluate(&Request::new(&object))
                .iter()
                .map(|verdict| verdict.outcome)
                .collect();
            assert_eq!(outcomes, [expect], "{kind} {image}");
        }
    }
}

#[test]
fn what_is_no_tree_is_refused() {
    for tree in [
        "text",
        "[a]",
        "'(a +)': 1",
        "a: '(b[)'",
        "'(let $a in b)': 1",
        "'(object.$)': null",
    ] {
        assert!(load(tree, "").is_err(), "{tree}");
    }
}

#[test]
fn trees_that_cost_too_much_end_in_an_error() {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},
        "data": {"list": vec![json!({"a": "x".repeat(200)}); 2_000]},
    });
    let doubled = vec!["{a: @, b: @}"; 40].join(" | ");
    let lets = (1..30).map(|at| format!("let $v{at} = [$v{0}, $v{0}] in", at - 1));
    let lets = format!("let $v0 = object in {} $v29", lets.collect::<Vec<_>>().join(" "));
    for tree in [
        format!("'({doubled})': 1"),
        format!("'({lets})': 1"),
        "object: {data: {'~.list->l': {'~.(map(&[$l, $l], $l))': {}}}}".to_owned(),
    ] {
        assert_eq!(judge(&tree, "", &Request::new(&object)).0, Error, "{tree}");
    }
}
