//! `policy apply`: policies on their own, on files and on the objects of a cluster.
#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Machine, line, text};

/// A ConfigMap policy, one that asks the cluster, and one about what is in no list.
fn team_policies(machine: &Machine) -> std::path::PathBuf {
    let policy = |name: &str, kind: &str, rule: Value| {
        let mut whole = json!({
            "name": name,
            "match": {"any": [{"resources": {"kinds": [kind], "names": ["shop*", "settings", "other"]}}]},
        });
        for (key, value) in rule.as_object().unwrap() {
            whole[key] = value.clone();
        }
        yaml::emit(&json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name},
            "spec": {"rules": [whole]},
        }))
    };
    let folder = machine.path("policies");
    fs::create_dir(&folder).unwrap();
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    let team = json!({"validate": {
        "failureAction": "Audit", "message": "A team label is required",
        "pattern": {"metadata": {"labels": {"team": "?*"}}},
    }});
    write("team.yaml", policy("map-team", "ConfigMap", team));
    let ask = |path: &str| {
        json!({
            "context": [{"name": "found", "apiCall": {"urlPath": path, "jmesPath": "length(items)"}}],
            "validate": {
                "failureAction": "Audit", "message": "There are {{ found }}",
                "deny": {"conditions": {"any": [{"key": "{{ found }}", "operator": "GreaterThan", "value": 1}]}},
            },
        })
    };
    let maps = "/api/v1/namespaces/{{ request.object.metadata.name }}/configmaps?labelSelector=of%3Dtest";
    write("count.yaml", policy("count", "Namespace", ask(maps)));
    let secrets = "/api/v1/namespaces/{{ request.object.metadata.name }}/secrets";
    write("secrets.yaml", policy("secrets", "Namespace", ask(secrets)));
    let exec = json!({"validate": {"failureAction": "Audit", "message": "no", "deny": {}}});
    write("exec.yaml", policy("exec", "Pod/exec", exec));
    folder
}

#[test]
fn policies_are_applied_to_a_cluster_and_ask_it() {
    let machine = Machine::new();
    let folder = team_policies(&machine);
    machine.run("team create shop --environment dev").exits(0);
    let up = machine.up();
    let kubeconfig = machine.home().join("kubeconfig");
    let map = |name: &str, labels: Value| {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "shop-dev", "labels": labels},
        });
        up.create("shop-dev", &map).unwrap();
    };
    map("settings", json!({"of": "test", "team": "shop"}));
    map("other", json!({"of": "test"}));
    let run = |policies: &str, words: &str, code: i32| {
        let policies: Vec<String> = policies
            .split_whitespace()
            .map(|name| folder.join(name).display().to_string())
            .collect();
        let line = format!(
            "policy apply {} --cluster --kubeconfig {} {words}",
            policies.join(" "),
            kubeconfig.display()
        );
        machine.run(&line).exits(code)
    };
    let rows = |policies: &str, words: &str, code: i32| -> Vec<String> {
        let said = run(policies, &format!("{words} -o json"), code).json();
        let row = |result: &Value| {
            format!(
                "{} {} {}",
                text(result, "/policy"),
                text(result, "/resource/metadata/name"),
                text(result, "/result")
            )
        };
        let mut rows: Vec<String> = said["results"].as_array().unwrap().iter().map(row).collect();
        rows.sort();
        rows
    };
    assert_eq!(
        rows("team.yaml count.yaml", "", 1),
        [
            "count shop-dev fail",
            "map-team other fail",
            "map-team settings pass"
        ]
    );
    assert_eq!(
        rows("team.yaml count.yaml", "--namespace shop-dev --batch-size 1", 1),
        ["map-team other fail", "map-team settings pass"]
    );
    assert_eq!(
        rows("team.yaml count.yaml", "--cluster-wide-resources", 1),
        ["count shop-dev fail"]
    );
    assert_eq!(
        rows("team.yaml", "--resource settings", 0),
        ["map-team settings pass"]
    );
    assert_eq!(
        rows(
            "team.yaml",
            "--resource ConfigMap/other --audit-warn --warn-exit-code 9",
            9
        ),
        ["map-team other warn"]
    );
    // A file is judged as it stands, and the cluster answers what is asked about it.
    let file = machine.path("shop.yaml");
    fs::write(
        &file,
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop-dev}\n",
    )
    .unwrap();
    assert_eq!(
        rows("count.yaml", &format!("--resource {}", file.display()), 1),
        ["count shop-dev fail"]
    );
    // No policy reads Secrets, and what is in no list is said.
    assert_eq!(rows("secrets.yaml", "", 1), ["secrets shop-dev error"]);
    let said = run("exec.yaml", "", 0);
    assert!(
        said.stderr
            .contains("exec: what it says of Pod/exec is not looked at"),
        "{said}"
    );
    let report = run("team.yaml", "--policy-report", 1);
    assert!(
        report.stdout.contains("uid: ") && report.stdout.contains("kind: Report"),
        "{report}"
    );

    // Without policies, those of the cluster; wrong words, clear answers.
    run("", "--namespace shop-dev", 0);
    run("team.yaml", "--resource nothing", 4);
    run("team.yaml", "--namespace moon", 4);
    run("team.yaml", "--crd-paths x", 2);
    run("team.yaml", "--generate-exceptions", 2);
    let team = folder.join("team.yaml").display().to_string();
    machine
        .run(&format!(
            "policy apply {team} --cluster --kubeconfig {}",
            machine.path("none").display()
        ))
        .fails(2, &["which cluster?"]);
    machine
        .run(&format!("policy apply {team} --cluster --context moon"))
        .fails(4, &["moon"]);
}

#[test]
fn policies_applied_to_files_point_at_the_value() {
    let machine = Machine::new();
    let team = team_policies(&machine).join("team.yaml");
    let file = machine.work().join("maps.yaml");
    let maps = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: other\n  labels:\n    team: \"\"\n";
    fs::write(&file, maps).unwrap();
    let log = machine
        .run(&format!("policy apply {} -r maps.yaml --sarif -", team.display()))
        .exits(1)
        .json();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let lines: Vec<&Value> = results
        .iter()
        .map(|result| &result["locations"][0]["physicalLocation"]["region"]["startLine"])
        .collect();
    // The first has no labels, so they are missing from its metadata.
    assert_eq!(lines, [line(maps, "metadata:"), line(maps, "team:")], "{log:#}");
    // Where nothing is judged, that is said.
    let empty = machine.work().join("empty");
    fs::create_dir(&empty).unwrap();
    for words in [
        format!("{} -r empty", team.display()),
        "empty -r maps.yaml".to_owned(),
    ] {
        let said = machine.run(&format!("policy apply {words}")).exits(0);
        assert!(said.stderr.contains("so nothing is judged"), "{said}");
    }
}
