//! What `policy test` says of suites: of those of the shipped policies, and of small ones for each thing that
//! Kyverno's command line does its own way.

use std::path::Path;

use super::{PolicyTestRequest, TestRow, test_policies};

fn run(folder: &Path) -> Vec<TestRow> {
    let request = PolicyTestRequest {
        folders: vec![folder.display().to_string()],
        file_name: "kyverno-test.yaml".to_owned(),
        selector: String::new(),
        require_tests: true,
        now: None,
    };
    let tested = test_policies(&request).unwrap();
    tested.suites.into_iter().flat_map(|suite| suite.rows).collect()
}

/// The rows of a suite in a folder with these files, each as `resource: got`, those that are not met with a `!`.
fn check(files: &[(&str, &str)], suite: &str, expect: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let head =
        "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\npolicies: [policy.yaml]\n";
    std::fs::write(folder.path().join("kyverno-test.yaml"), format!("{head}{suite}")).unwrap();
    let rows = run(folder.path());
    let seen: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {}{}", row.resource, row.got, if row.ok { "" } else { " !" }))
        .collect();
    assert_eq!(seen, expect, "{suite}\n{rows:#?}");
}

#[test]
fn shipped_policies_meet_their_own_suites() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut policies = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        policies += 1;
        let rows = run(&folder.join("tests").join(path.file_stem().unwrap()));
        for wanted in ["pass", "fail"] {
            assert!(
                rows.iter().any(|row| row.want == wanted),
                "{} tests both ways",
                path.display()
            );
        }
        let of = |row: &TestRow| {
            let name = row.resource.rsplit('/').next().unwrap().to_owned();
            (row.policy.clone(), row.rule.clone(), name)
        };
        for row in &rows {
            // A rule that says nothing of an object has skipped it, or another object of that name is meant.
            let meant = || {
                rows.iter()
                    .any(|other| of(other) == of(row) && other.got == other.want)
            };
            let silent = row.got == "excluded" && (row.want == "skip" || meant());
            assert!(row.ok && (row.got == row.want || silent), "{row:?}");
        }
    }
    assert!(policies >= 18, "{policies}");
}

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: old, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: new, namespace: shop}
";

#[test]
fn policies_that_delete_say_what_goes() {
    let policy = |more: &str| {
        format!(
            "apiVersion: policies.kyverno.io/v1\nkind: DeletingPolicy\nmetadata: {{name: old}}\nspec:\n  schedule: '* * * * *'\n{more}  conditions: [{{name: a, expression: 'object.metadata.name == \"old\"'}}]\n"
        )
    };
    let pods = policy(
        "  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], resources: [pods]}]}\n",
    );
    let files = [("policy.yaml", pods.as_str()), ("pods.yaml", PODS)];
    check(
        &files,
        "resources: [pods.yaml]\nresults:\n- {policy: old, isDeletingPolicy: true, kind: Pod, resources: [old], result: pass}\n- {policy: old, isDeletingPolicy: true, kind: Pod, resources: [new], result: fail}\n- {policy: old, isDeletingPolicy: true, kind: Pod, resources: [new], result: pass}\n",
        &[
            "v1/Pod/shop/old pass",
            "v1/Pod/shop/new fail",
            "v1/Pod/shop/new fail !",
        ],
    );
    let json = policy("");
    let files = [
        ("policy.yaml", json.as_str()),
        ("payload.json", "{\"metadata\": {\"name\": \"old\"}}"),
    ];
    check(
        &files,
        "jsonPayloads: [payload.json]\nresults:\n- {policy: old, isDeletingPolicy: true, result: pass}\n",
        &["payload.json pass"],
    );
}

const CHANGE: &str = "
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: {\"a\": \"b\"}}}'}
";

#[test]
fn policies_change_what_is_there_already() {
    let policy = |targets: &str| {
        format!(
            "apiVersion: policies.kyverno.io/v1\nkind: MutatingPolicy\nmetadata: {{name: mark}}\nspec:\n  evaluation: {{mutateExisting: {{enabled: true}}}}\n  matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]}}\n{targets}{CHANGE}"
        )
    };
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}}";
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m, namespace: shop}}";
    let changed = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop, labels: {a: b}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: shop, labels: {a: b}}\n";
    let targets = policy(
        "  targetMatchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], resources: [configmaps]}]}",
    );
    let files = [
        ("policy.yaml", targets.as_str()),
        ("pod.yaml", pod),
        ("map.yaml", map),
        ("patched.yaml", changed),
    ];
    check(
        &files,
        "resources: [pod.yaml]\ntargetResources: [map.yaml]\nresults:\n- {policy: mark, isMutatingPolicy: true, kind: ConfigMap, resources: [m], patchedResources: patched.yaml, result: pass}\n",
        &["v1/ConfigMap/shop/m pass"],
    );
    // Without targets of its own it changes what it is about.
    let itself = policy("");
    let files = [
        ("policy.yaml", itself.as_str()),
        ("pod.yaml", pod),
        ("patched.yaml", changed),
    ];
    check(
        &files,
        "resources: [pod.yaml]\nresults:\n- {policy: mark, isMutatingPolicy: true, kind: Pod, resources: [p], patchedResources: patched.yaml, result: pass}\n",
        &["v1/Pod/shop/p pass"],
    );
}

#[test]
fn something_beneath_an_object_is_found_by_the_values() {
    let policy = format!(
        "apiVersion: policies.kyverno.io/v1\nkind: MutatingPolicy\nmetadata: {{name: mark}}\nspec:\n  matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods/binding]}}]}}\n{CHANGE}"
    );
    let values = "subresources:\n- parentResource: {kind: Pod, name: pods, version: v1}\n  subresource: {kind: Binding, name: pods/binding, version: v1}\n";
    let files = [
        ("policy.yaml", policy.as_str()),
        ("values.yaml", values),
        (
            "object.yaml",
            "{apiVersion: v1, kind: Binding, metadata: {name: a, namespace: shop}}",
        ),
        (
            "patched.yaml",
            "{apiVersion: v1, kind: Binding, metadata: {name: a, namespace: shop, labels: {a: b}}}",
        ),
    ];
    let result = "results:\n- {policy: mark, isMutatingPolicy: true, kind: Binding, resources: [a], patchedResources: patched.yaml, result: pass}\n";
    check(
        &files,
        &format!("resources: [object.yaml]\nvariables: values.yaml\n{result}"),
        &["v1/Binding/shop/a pass"],
    );
    check(
        &files,
        &format!("resources: [object.yaml]\n{result}"),
        &["v1/Binding/shop/a none !"],
    );
}

const TEAM: &str = "
spec:
  rules:
  - name: team
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate: {message: it needs a team, pattern: {metadata: {labels: {team: '?*'}}}}
";

#[test]
fn what_is_not_scored_warns() {
    let policy = |scored: &str| {
        format!(
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: team, annotations: {{policies.kyverno.io/scored: '{scored}'}}}}{TEAM}"
        )
    };
    for (scored, got) in [
        ("false", "v1/Pod/shop/old warn"),
        ("true", "v1/Pod/shop/old fail !"),
    ] {
        let policy = policy(scored);
        check(
            &[("policy.yaml", policy.as_str()), ("pods.yaml", PODS)],
            "resources: [pods.yaml]\nresults:\n- {policy: team, rule: team, kind: Pod, resources: [old], result: warn}\n",
            &[got],
        );
    }
}

/// A suite that names what does not exist tests nothing, which is no success.
#[test]
fn what_does_not_exist_is_not_met() {
    let policy = format!("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: team}}{TEAM}");
    let files = [("policy.yaml", policy.as_str()), ("pods.yaml", PODS)];
    let result =
        |text: &str| format!("resources: [pods.yaml]\nresults:\n- {{{text}, kind: Pod, result: fail}}\n");
    check(
        &files,
        &result("policy: team, rule: team, resources: [old, gone]"),
        &["gone none !", "v1/Pod/shop/old fail"],
    );
    check(
        &files,
        &result("policy: gone, rule: team, resources: [old]"),
        &["v1/Pod/shop/old none !"],
    );
    // As in Kyverno, a rule that the policy does not have excludes everything.
    check(
        &files,
        &result("policy: team, rule: gone, resources: [old]"),
        &["v1/Pod/shop/old excluded"],
    );
}

/// Who asks is nobody unless a file says so: what is empty in a request is not there.
#[test]
fn nobody_has_no_groups() {
    let policy = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: prefix}
spec:
  rules:
  - name: prefix
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate:
      message: another prefix
      deny: {conditions: {any: [{key: '{{ request.object.metadata.name }}', operator: AnyNotIn, value: \"{{ request.userInfo.groups[?@ != 'x'] }}\"}]}}
";
    let files = [
        ("policy.yaml", policy),
        ("pods.yaml", PODS),
        ("user.yaml", "userInfo: {groups: [team]}\n"),
    ];
    let result = "results:\n- {policy: prefix, rule: prefix, kind: Pod, resources: [old], result: pass}\n";
    check(
        &files,
        &format!("resources: [pods.yaml]\n{result}"),
        &["v1/Pod/shop/old pass"],
    );
    check(
        &files,
        &format!("resources: [pods.yaml]\nuserinfo: user.yaml\n{result}"),
        &["v1/Pod/shop/old fail !"],
    );
}
