//! What policies in CEL change, make and let go.

use std::collections::BTreeMap;

use guardrails::{Call, Callee, Facts, Outcome, Request, Unavailable};
use serde_json::{Value, json};

use super::cel_policy::cel_policy;
use super::support::{load, pod, refused};
use super::{of_template, said};

/// A cluster that answers by path.
struct Cluster(BTreeMap<&'static str, Value>);

impl Facts for Cluster {
    fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        match &call.to {
            Callee::Cluster(path) => {
                let found = self.0.get(path.as_str()).cloned();
                found.ok_or_else(|| Unavailable::Missing(path.clone()))
            }
            Callee::Service { url, .. } => Err(Unavailable::Unknown(url.clone())),
        }
    }
}

fn map(name: &str, namespace: &str, labels: &Value) -> Value {
    json!({"metadata": {"name": name, "namespace": namespace, "labels": labels, "uid": "7", "resourceVersion": "3",
        "ownerReferences": [{"kind": "Pod"}]}, "data": {"a": "b"}})
}

fn cluster() -> Cluster {
    let list = |items: Vec<Value>| json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": items});
    let space =
        |labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"labels": labels}});
    Cluster(BTreeMap::from([
        (
            "/api/v1/configmaps",
            list(vec![
                map("one", "shop", &json!({"tier": "web"})),
                map("two", "shop", &json!({})),
                map("three", "other", &json!({"tier": "web"})),
            ]),
        ),
        (
            "/api/v1/namespaces/shop/configmaps",
            list(vec![map("one", "shop", &json!({}))]),
        ),
        ("/api/v1/namespaces/shop", space(json!({"kind": "product"}))),
        ("/api/v1/namespaces/other", space(json!({}))),
    ]))
}

/// A policy that changes ConfigMaps because of Secrets.
fn changing(kind: &str, more: &str) -> String {
    let rule = "apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [secrets]";
    let rest = format!(
        "  evaluation: {{mutateExisting: {{enabled: true}}}}
{more}
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration:
        expression: 'Object{{metadata: Object.metadata{{annotations: {{\"by\": request.name, \"of\": object.metadata.name}}}}}}'
"
    );
    cel_policy(kind, "name: mark, namespace: shop", rule, &rest)
}

#[test]
fn objects_that_are_there_already_are_changed() {
    let check = |kind: &str, more: &str, expect: &[(Outcome, &str)]| {
        let policies = load(&changing(kind, more));
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}});
        let facts = cluster();
        let request = Request {
            facts: &facts,
            ..Request::new(&secret)
        };
        // The secret itself stays as it is.
        assert_eq!(policies.mutate(&request).object, secret);
        let found = policies.mutate_existing(&request);
        let seen: Vec<(Outcome, &str)> = found
            .iter()
            .map(|existing| {
                let name = existing
                    .before
                    .as_ref()
                    .and_then(|before| before["metadata"]["name"].as_str());
                (existing.verdict.outcome, name.unwrap_or_default())
            })
            .collect();
        assert_eq!(seen, expect, "{more}\n{found:#?}");
        for existing in found
            .iter()
            .filter(|existing| existing.verdict.outcome == Outcome::Pass)
        {
            let object = existing
                .object
                .as_ref()
                .map(|object| &object["metadata"]["annotations"]);
            let name = existing.before.as_ref().map(|before| &before["metadata"]["name"]);
            assert_eq!(object, Some(&json!({"by": "s", "of": name})), "{more}");
        }
    };
    let rules = "resourceRules: [{apiGroups: [''], apiVersions: [v1], resources: [configmaps]}]";
    let every = [
        (Outcome::Pass, "one"),
        (Outcome::Pass, "two"),
        (Outcome::Pass, "three"),
    ];
    check(
        "MutatingPolicy",
        &format!("  targetMatchConstraints: {{{rules}}}"),
        &every,
    );
    check(
        "MutatingPolicy",
        &format!("  targetMatchConstraints: {{{rules}, objectSelector: {{matchLabels: {{tier: web}}}}}}"),
        &[(Outcome::Pass, "one"), (Outcome::Pass, "three")],
    );
    check(
        "MutatingPolicy",
        &format!(
            "  targetMatchConstraints: {{{rules}, namespaceSelector: {{matchLabels: {{kind: product}}}}}}"
        ),
        &[(Outcome::Pass, "one"), (Outcome::Pass, "two")],
    );
    check(
        "MutatingPolicy",
        &format!(
            "  targetMatchConstraints: {{{rules}}}\n  targetMatchConditions: [{{name: a, expression: 'object.metadata.name != \"two\"'}}]"
        ),
        &[
            (Outcome::Pass, "one"),
            (Outcome::Skip, "two"),
            (Outcome::Pass, "three"),
        ],
    );
    check(
        "MutatingPolicy",
        "  targetMatchConstraints: {expression: 'resource.List(\"v1\", \"configmaps\", object.metadata.namespace)'}",
        &[(Outcome::Pass, "one")],
    );
    check(
        "MutatingPolicy",
        &format!(
            "  targetMatchConstraints: {{{rules}}}\n  matchConditions: [{{name: a, expression: 'object.metadata.name == \"t\"'}}]"
        ),
        &[(Outcome::Skip, "")],
    );
    // A policy of a namespace changes nothing outside of it.
    check(
        "NamespacedMutatingPolicy",
        &format!("  targetMatchConstraints: {{{rules}}}"),
        &[(Outcome::Pass, "one")],
    );
    check(
        "NamespacedMutatingPolicy",
        "  targetMatchConstraints: {expression: '{\"apiVersion\": dyn(\"v1\"), \"metadata\": dyn({\"namespace\": \"other\"})}'}",
        &[(Outcome::Error, "")],
    );
    // What cannot be looked for is no pass.
    check(
        "MutatingPolicy",
        "  targetMatchConstraints: {resourceRules: [{apiGroups: ['*'], apiVersions: [v1], resources: ['*']}]}",
        &[(Outcome::Error, "")],
    );
    check(
        "MutatingPolicy",
        "  targetMatchConstraints: {expression: 'http.Get(\"http://a\")'}",
        &[(Outcome::Error, "")],
    );
}

/// A policy that makes something for Namespaces.
fn making(kind: &str, generate: &str) -> String {
    let rule = "apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: ['*']";
    let rest = format!(
        "  variables: [{{name: labels, expression: '{{\"a\": \"b\"}}'}}]
  generate:
{generate}
"
    );
    cel_policy(kind, "name: make, namespace: shop", rule, &rest)
}

#[test]
fn lists_and_templates_are_made() {
    let made = |kind: &str, generate: &str| -> Result<Vec<Value>, String> {
        let policies = load(&making(kind, generate));
        let object =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "new", "namespace": "shop"}});
        let facts = cluster();
        let request = Request {
            facts: &facts,
            ..Request::new(&object)
        };
        let mut made = policies.generate(&request);
        assert_eq!(made.len(), 1, "{generate}");
        let made = made.remove(0);
        match made.verdict.outcome {
            Outcome::Pass => Ok(made.objects.into_iter().map(|made| made.object).collect()),
            _ => Err(made.verdict.message),
        }
    };
    let cluster_wide = |generate: &str| made("GeneratingPolicy", generate);
    // A list is all its items, without what belongs to their originals alone.
    let copies = cluster_wide(
        "  - {expression: 'generator.Apply(\"new\", [resource.List(\"v1\", \"configmaps\", \"shop\")])'}",
    );
    let copy = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
        "metadata": {"name": "one", "namespace": "new", "labels": {}}});
    assert_eq!(copies, Ok(vec![copy]));
    let template = |interpolate: &str, text: &str| {
        format!(
            "  - template:\n      interpolate: {interpolate}\n      value: |\n        {}",
            text.replace('\n', "\n        ")
        )
    };
    let text = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: ((object.metadata.name))-x, labels: (( variables.labels ))}\ndata: {text: 'a ((1 + (2))) \\((b))', l: ['(( \"))\" ))']}";
    let filled = json!({"kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"name": "new-x", "labels": {"a": "b"}}, "data": {"text": "a 3 ((b))", "l": ["))"]}});
    assert_eq!(cluster_wide(&template("cel", text)), Ok(vec![filled]));
    let plain = "kind: A\napiVersion: v1\nmetadata: {name: (( x ))}\n---\nkind: B\napiVersion: v1\nmetadata: {name: b}";
    let names = cluster_wide(&template("none", plain)).map(|objects| {
        objects
            .iter()
            .map(|object| object["metadata"]["name"].clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(names, Ok(vec![json!("(( x ))"), json!("b")]));
    // What has no value, or none that fits, makes nothing.
    for text in [
        "kind: A\nx: (( object.gone ))",
        "kind: A\nx: a (( variables.labels ))",
        "(( 1 ))",
    ] {
        assert!(cluster_wide(&template("cel", text)).is_err(), "{text}");
    }
    // A policy of a namespace stays within it.
    let own = |text: &str| made("NamespacedGeneratingPolicy", &template("cel", text));
    let namespaces = |objects: Vec<Value>| objects[0]["metadata"]["namespace"].clone();
    assert_eq!(
        own("kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}").map(namespaces),
        Ok(json!("shop"))
    );
    assert!(own("kind: ConfigMap\napiVersion: v1\nmetadata: {name: a, namespace: other}").is_err());
    assert!(own("kind: Namespace\napiVersion: v1\nmetadata: {name: a}").is_err());
}

#[test]
fn templates_that_cannot_be_filled_are_refused() {
    let check = |template: &str, expect: &str| {
        let reason = refused(&making("GeneratingPolicy", &format!("  - template: {template}"))).reason;
        assert!(reason.contains(expect), "{template}: {reason}");
    };
    check("{value: '[1]'}", "no object");
    check("{value: ''}", "no object");
    check("{value: 'a: [', interpolate: cel}", "no YAML");
    check("{value: 'a: b', interpolate: go}", "neither none nor cel");
    check("{value: 'a: (( 1 +', interpolate: cel}", "does not end");
    check(
        "{value: 'a: (( 1 + ))', interpolate: cel}",
        "cannot read the expression",
    );
    check("{value: '(( 1 )): a', interpolate: cel}", "");
}

#[test]
fn keys_become_steps_of_a_path() {
    let seen = guardrails::evaluate_cel("jsonpatch.escapeKey(object.key)", &json!({"key": "a/b~c"}));
    assert_eq!(seen, Ok(json!("a~1b~0c")));
}

#[test]
fn json_that_is_no_object_is_let_go_by_policies_without_kinds() {
    let policies = load(
        "
apiVersion: policies.kyverno.io/v1
kind: DeletingPolicy
metadata: {name: old}
spec:
  schedule: '* * * * *'
  conditions: [{name: a, expression: 'object.old'}]
",
    );
    let check = |object: Value, expect: &[Outcome]| {
        let deletions = policies.to_delete(&Request::new(&object));
        let seen: Vec<Outcome> = deletions
            .iter()
            .map(|deletion| deletion.verdict.outcome)
            .collect();
        assert_eq!(seen, expect, "{object}");
    };
    check(json!({"old": true}), &[Outcome::Pass]);
    check(json!({"old": false}), &[Outcome::Fail]);
    check(json!({}), &[Outcome::Error]);
    // No object of a cluster is ever meant by it.
    check(json!({"apiVersion": "v1", "kind": "Pod", "old": true}), &[]);
}

#[test]
fn policies_change_objects() {
    let rule = "apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]";
    let mutations = "
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration:
        expression: >-
          Object{spec: Object.spec{containers: object.spec.containers.map(c,
          Object.spec.containers{name: c.name, imagePullPolicy: 'Always'})}}
    - patchType: JSONPatch
      jsonPatch:
        expression: '[JSONPatch{op: \"add\", path: \"/metadata/labels\", value: {\"team\": \"a\"}}]'
";
    let policies = load(&cel_policy("MutatingPolicy", "name: label", rule, mutations));
    let object = pod("nginx");
    let mutated = policies.mutate(&Request::new(&object));
    assert_eq!(
        mutated.verdicts[0].outcome,
        Outcome::Pass,
        "{:?}",
        mutated.verdicts
    );
    assert_eq!(mutated.object["metadata"]["labels"], json!({"team": "a"}));
    let container = &mutated.object["spec"]["containers"][0];
    assert_eq!(
        (&container["image"], &container["imagePullPolicy"]),
        (&json!("nginx"), &json!("Always"))
    );
    let template = json!({"spec": pod("nginx")["spec"], "metadata": {}});
    let deployment = of_template("apps/v1", "Deployment", &template);
    let mutated = policies.mutate(&Request::new(&deployment));
    let container = &mutated.object["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["imagePullPolicy"],
        json!("Always"),
        "{:?}",
        mutated.verdicts
    );
    // Judging says nothing of it.
    assert_eq!(said(&policies, &Request::new(&object)), []);
}

#[test]
fn policies_make_and_delete_objects() {
    let generate = "
  generate:
    - expression: 'generator.Apply(object.metadata.name, [{\"apiVersion\": dyn(\"v1\"), \"kind\": dyn(\"ConfigMap\")}])'";
    let delete = "
  schedule: '* * * * *'
  conditions: [{name: a, expression: 'object.metadata.name.startsWith(\"old\")'}]";
    let rule = "apiGroups: [''], apiVersions: [v1], resources: [namespaces]";
    let created = format!("{rule}, operations: [CREATE]");
    let policies = load(&format!(
        "{}\n---{}",
        cel_policy("GeneratingPolicy", "name: quota", &created, generate),
        cel_policy("DeletingPolicy", "name: old", rule, delete)
    ));
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "old-shop"}});
    let made = policies.generate(&Request::new(&object));
    assert_eq!(made[0].verdict.outcome, Outcome::Pass, "{:?}", made[0].verdict);
    let expect = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "old-shop"}});
    assert_eq!(made[0].objects[0].object, expect);
    assert_eq!(
        policies.to_delete(&Request::new(&object))[0].verdict.outcome,
        Outcome::Pass
    );
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    assert_eq!(
        policies.to_delete(&Request::new(&object))[0].verdict.outcome,
        Outcome::Fail
    );
}
