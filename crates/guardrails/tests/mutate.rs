//! Rules that change objects: in order, with variables, for each element, and objects that are there already.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

use guardrails::{Call, Callee, Error, Facts, Outcome, Policies, Request, Task, Unavailable};
use serde_json::{Value, json};

fn load(rules: &str) -> Result<Policies, Error> {
    let head = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  rules:\n";
    Policies::load(
        "p.yaml",
        &yaml::parse_all(&format!("{head}{rules}")).expect("YAML"),
    )
}

fn rule(name: &str, mutate: &str) -> String {
    let indented: String = mutate
        .lines()
        .fold(String::new(), |text, line| format!("{text}        {line}\n"));
    format!(
        "    - name: {name}\n      match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}\n      mutate:\n{indented}"
    )
}

fn config(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}, "data": data})
}

#[track_caller]
fn check(rules: &str, before: &Value, after: &Value, outcomes: &[Outcome]) {
    let policies = load(rules).expect("in order");
    let object = config(before);
    let mutated = policies.mutate(&Request::new(&object));
    let seen: Vec<Outcome> = mutated.verdicts.iter().map(|verdict| verdict.outcome).collect();
    assert_eq!(
        (&mutated.object, seen.as_slice()),
        (&config(after), outcomes),
        "{:#?}",
        mutated.verdicts
    );
    assert!(
        mutated
            .verdicts
            .iter()
            .all(|verdict| verdict.about.task == Task::Mutate)
    );
    // A rule that changes objects is no judgement of them.
    assert_eq!(policies.evaluate(&Request::new(&object)), []);
}

#[test]
fn each_rule_sees_what_the_one_before_made() {
    use Outcome::{Error, Pass, Skip};
    let first = rule("a", "patchStrategicMerge:\n  data:\n    +(a): '1'\n");
    let second = rule(
        "b",
        "patchStrategicMerge:\n  data:\n    b: '{{ request.object.data.a }}2'\n",
    );
    check(
        &format!("{first}{second}"),
        &json!({}),
        &json!({"a": "1", "b": "12"}),
        &[Pass, Pass],
    );
    check(&first, &json!({"a": "x"}), &json!({"a": "x"}), &[Skip]);
    // What cannot be applied changes nothing.
    check(
        &format!("{second}{first}"),
        &json!({}),
        &json!({"a": "1"}),
        &[Error, Pass],
    );
    let json6902 = rule(
        "c",
        "patchesJson6902: |-\n  - op: add\n    path: /data/x\n    value: \"{{ request.object.metadata.name }}\"\n",
    );
    check(&json6902, &json!({}), &json!({"x": "c"}), &[Pass]);
    let replace = rule(
        "d",
        "patchesJson6902: '[{\"op\": \"replace\", \"path\": \"/data/x\", \"value\": \"1\"}]'\n",
    );
    check(&replace, &json!({}), &json!({}), &[Error]);
    check(&replace, &json!({"x": "0"}), &json!({"x": "1"}), &[Pass]);
}

#[test]
fn an_error_of_a_rule_keeps_the_object_out_unless_it_may_be_ignored() {
    let rules = rule(
        "a",
        "patchesJson6902: '[{\"op\": \"replace\", \"path\": \"/data/x\", \"value\": \"1\"}]'\n",
    );
    for (policy, refuses) in [
        ("", true),
        ("  failurePolicy: Fail\n", true),
        ("  failurePolicy: Ignore\n", false),
    ] {
        let text = format!(
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: p}}\nspec:\n{policy}  rules:\n{rules}"
        );
        let policies = Policies::load("p.yaml", &yaml::parse_all(&text).expect("YAML")).expect("in order");
        let object = config(&json!({}));
        let mutated = policies.mutate(&Request::new(&object));
        assert_eq!(mutated.verdicts[0].outcome, Outcome::Error);
        assert_eq!(mutated.verdicts[0].refuses(), refuses, "{policy}");
    }
}

#[test]
fn for_each_element() {
    use Outcome::{Error, Pass, Skip};
    let each = |body: &str| rule("a", &format!("foreach:\n  - list: \"{body}"));
    let add = "\n    patchesJson6902: |-\n      - op: add\n        path: /data/{{ element }}\n        value: \"{{ elementIndex }}\"\n";
    check(
        &each(&format!("['x', 'y']\"{add}")),
        &json!({}),
        &json!({"x": "0", "y": "1"}),
        &[Pass],
    );
    let last = "\n    patchStrategicMerge: {data: {last: '{{ element }}'}}\n";
    check(
        &each(&format!("['x', 'y']\"{last}")),
        &json!({}),
        &json!({"last": "x"}),
        &[Pass],
    );
    check(
        &each(&format!("['x', 'y']\"\n    order: Ascending{last}")),
        &json!({}),
        &json!({"last": "y"}),
        &[Pass],
    );
    let only = "\n    preconditions: {all: [{key: '{{ element }}', operator: Equals, value: 'y'}]}";
    check(
        &each(&format!("['x', 'y']\"{only}{last}")),
        &json!({}),
        &json!({"last": "y"}),
        &[Pass],
    );
    check(
        &each(&format!("['x']\"{only}{last}")),
        &json!({}),
        &json!({}),
        &[Skip],
    );
    check(
        &each(&format!("request.object.data.missing\"{last}")),
        &json!({}),
        &json!({}),
        &[Error],
    );
    // A second list sees what the first one made.
    let second = format!(
        "['x']\"{last}  - list: \"[request.object.data.last]\"\n    patchStrategicMerge: {{data: {{copy: '{{{{ element }}}}'}}}}\n"
    );
    check(
        &each(&second),
        &json!({}),
        &json!({"last": "x", "copy": "x"}),
        &[Pass],
    );
    let nested = "['x', 'y']\"\n    foreach:\n      - list: \"['1', '2']\"\n        patchesJson6902: |-\n          - op: add\n            path: /data/{{ element0 }}{{ element1 }}\n            value: z\n";
    check(
        &each(nested),
        &json!({}),
        &json!({"x1": "z", "x2": "z", "y1": "z", "y2": "z"}),
        &[Pass],
    );
}

#[test]
fn what_is_malformed_is_refused_with_its_line() {
    for (mutate, line, reason) in [
        (
            "patchStrategicMerge: {a: 1}\npatchesJson6902: '[]'\n",
            8,
            "exactly one of patchStrategicMerge",
        ),
        ("targets: []\npatchStrategicMerge: {a: 1}\n", 9, "between 1 and"),
        (
            "patchStrategicMerge:\n  data:\n    =(a): 1\n",
            11,
            "belongs to validate rules",
        ),
        (
            "patchesJson6902: |-\n  - op: add\n    path: data/x\n    value: 1\n",
            9,
            "begin with a slash",
        ),
        ("patchesJson6902: 'a: ['\n", 9, "cannot read the patch"),
        (
            "foreach:\n  - list: a\n    order: Up\n    patchStrategicMerge: {a: 1}\n",
            11,
            "neither Ascending",
        ),
    ] {
        let Err(Error::Refused(refusals)) = load(&rule("a", mutate)) else {
            panic!("refused: {mutate}")
        };
        let refusal = &refusals[0];
        assert!(refusal.reason.contains(reason), "{refusal}");
        assert_eq!(
            refusal.position.as_ref().map(|at| at.line),
            Some(line),
            "{refusal}"
        );
    }
}

/// A cluster with a few objects.
struct Cluster(Vec<Value>);

impl Facts for Cluster {
    fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        let Callee::Cluster(path) = &call.to else {
            return Err(Unavailable::Unknown(call.to_string()));
        };
        match path.as_str() {
            "/api/v1/secrets" | "/api/v1/namespaces/shop/secrets" => Ok(json!({"items": self.0})),
            "/api/v1/namespaces/shop/secrets/a" => Ok(self.0[0].clone()),
            _ => Err(Unavailable::Missing(path.clone())),
        }
    }
}

#[test]
fn objects_that_are_there_already() {
    let secret = |name: &str, namespace: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}}});
    let cluster = Cluster(vec![
        secret("a", "shop"),
        secret("b", "shop"),
        secret("c", "bank"),
    ]);
    let check = |target: &str, names: &[&str]| {
        let rules = rule(
            "a",
            &format!(
                "targets:\n  - {{apiVersion: v1, kind: Secret{target}}}\npatchStrategicMerge: {{metadata: {{labels: {{from: '{{{{ request.object.metadata.name }}}}-{{{{ target.metadata.name }}}}'}}}}}}\n"
            ),
        );
        let policies = load(&rules).expect("in order");
        let object = config(&json!({}));
        let request = Request {
            facts: &cluster,
            ..Request::new(&object)
        };
        assert_eq!(policies.mutate(&request).verdicts, [], "the object itself stays");
        let existing = policies.mutate_existing(&request);
        let labels: Vec<String> = existing
            .iter()
            .map(|existing| {
                assert_eq!(existing.verdict.outcome, Outcome::Pass, "{:?}", existing.verdict);
                let object = existing.object.as_ref().expect("changed");
                object["metadata"]["labels"]["from"]
                    .as_str()
                    .expect("a label")
                    .to_owned()
            })
            .collect();
        let expect: Vec<String> = names.iter().map(|name| format!("c-{name}")).collect();
        assert_eq!(labels, expect, "{target}");
    };
    check(", namespace: shop, name: a", &["a"]);
    check(", namespace: shop, name: z", &[]);
    check(", namespace: shop", &["a", "b"]);
    check(", name: '*'", &["a", "b", "c"]);
    check(", namespace: 'b*'", &["c"]);
    check(
        ", namespace: '{{ request.object.metadata.namespace }}', selector: {matchLabels: {app: b}}",
        &["b"],
    );
    // Where nobody knows the cluster it is an error, never silence.
    let rules = rule(
        "a",
        "targets: [{apiVersion: v1, kind: Secret}]\npatchStrategicMerge: {a: 1}\n",
    );
    let object = config(&json!({}));
    let existing = load(&rules)
        .expect("in order")
        .mutate_existing(&Request::new(&object));
    assert_eq!(existing.len(), 1);
    assert_eq!(existing[0].verdict.outcome, Outcome::Error);
}
