//! `check`: a repository and a manifest where they stand, for people and for pipelines.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Checkout, Machine, deployment, line, pod};

/// A clone of the infrastructure repository with one service, and the path of its file.
fn clone(machine: &Machine) -> std::path::PathBuf {
    machine
        .run("service create orders --language go --no-scaffold --image registry.internal/orders:v1")
        .exits(0);
    let clone = Checkout::of(machine).folder;
    clone.join("teams/demo/dev/applications/orders.yaml")
}

#[test]
fn a_repository_is_checked_where_it_stands() {
    let machine = Machine::new();
    let file = clone(&machine);
    let folder = machine.path("clone").display().to_string();
    let good = fs::read_to_string(&file).unwrap();
    let well = machine.run(&format!("check {folder}")).exits(0);
    assert!(well.stdout.contains("1 service checked, all is well"), "{well}");

    let check = |content: &str, code: i32, at: &str, words: &[&str]| {
        fs::write(&file, content).unwrap();
        let found = machine.run(&format!("check {folder}")).exits(code);
        let place = format!("teams/demo/dev/applications/orders.yaml:{}: ", line(content, at));
        assert!(found.stdout.contains(&place), "{place}\n{found}");
        for word in words {
            assert!(found.stdout.contains(word), "{word}\n{found}");
        }
        let json = machine.run(&format!("check {folder} -o json")).exits(code).json();
        assert_eq!(json["findings"][0]["line"], line(content, at), "{json:#}");
    };
    check(
        &good.replace("orders:v1", "orders:latest"),
        3,
        "orders:latest",
        &[
            "disallow-latest-tag",
            "spec.image",
            "why ",
            "hint ",
            "1 problem found",
        ],
    );
    check(
        &format!("{good}  replicsa: 3\n"),
        1,
        "replicsa",
        &["unknown field", "spec.replicsa"],
    );
    check(
        &format!("{good}  replicas: many\n"),
        1,
        "many",
        &["spec.replicas"],
    );
    check(&format!("{good}  port: 80000\n"), 1, "80000", &["spec.port"]);
    fs::write(&file, "{ not: [yaml").unwrap();
    let found = machine.run(&format!("check {folder}")).exits(1);
    assert!(found.stdout.contains("applications/orders.yaml:1: "), "{found}");
    fs::write(&file, &good).unwrap();
    machine.run(&format!("check {folder}")).exits(0);
}

#[test]
fn pipelines_get_the_line_that_decided_it() {
    let machine = Machine::new();
    let file = clone(&machine);
    let good = fs::read_to_string(&file).unwrap();
    let bad = good.replace("orders:v1", "orders:latest");
    fs::write(&file, &bad).unwrap();
    let broken = file.with_file_name("broken.yaml");
    fs::write(
        &broken,
        bad.replace("name: orders", "name: broken") + "  port: 80000\n",
    )
    .unwrap();
    let folder = machine.path("clone").display().to_string();
    let there = |name: &str| format!("clone/teams/demo/dev/applications/{name}");
    let (at, port) = (
        line(&bad, "orders:latest"),
        line(&fs::read_to_string(&broken).unwrap(), "80000"),
    );
    let run = |words: &str| machine.run(&format!("check {folder} {words}")).exits(3);

    let log = run("--output sarif").json();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let places: Vec<(&Value, &Value, &Value)> = results
        .iter()
        .map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            (
                &result["ruleId"],
                &place["artifactLocation"]["uri"],
                &place["region"]["startLine"],
            )
        })
        .collect();
    let ends = |uri: &Value, name: &str| uri.as_str().unwrap().ends_with(&there(name));
    assert!(
        places.iter().any(
            |(rule, uri, line)| **rule == "disallow-latest-tag/autogen-disallow-latest"
                && ends(uri, "orders.yaml")
                && **line == at
        ),
        "{log:#}"
    );
    assert!(
        places
            .iter()
            .any(|(rule, uri, line)| **rule == "platform" && ends(uri, "broken.yaml") && **line == port),
        "{log:#}"
    );
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(
        rules.iter().any(|rule| rule["properties"]["tags"]
            .as_array()
            .is_some_and(|tags| tags.contains(&json!("NIST CM-2")))),
        "{log:#}"
    );

    let told = run("--output github").stdout;
    assert!(
        told.lines().any(|told| told.starts_with("::error file=")
            && told.contains(&format!("{},line={at},", there("orders.yaml")))),
        "{told}"
    );
    let told = run("--output gitlab").json();
    assert!(
        told.as_array()
            .unwrap()
            .iter()
            .any(|issue| issue["location"]["lines"]["begin"] == at
                && issue["severity"] == "critical"
                && ends(&issue["location"]["path"], "orders.yaml")),
        "{told:#}"
    );

    // Files beside the text, and what is right is told as well.
    let (sarif, junit) = (machine.path("x.sarif"), machine.path("x.xml"));
    let both = run(&format!(
        "--sarif {} --junit {}",
        sarif.display(),
        junit.display()
    ));
    assert!(both.stdout.contains("2 problems found"), "{both}");
    let saved: Value = serde_json::from_str(&fs::read_to_string(sarif).unwrap()).unwrap();
    assert_eq!(saved, log);
    let junit = fs::read_to_string(junit).unwrap();
    assert!(junit.contains("failures=\"1\" errors=\"1\""), "{junit}");
    assert!(
        junit.contains("classname=\"require-limits\"") && junit.contains(&format!("line=\"{at}\"")),
        "{junit}"
    );
    let report = run("--policy-report --output-format json").stdout;
    let report: Value = report
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|report| report["kind"] == "Report")
        .unwrap();
    assert_eq!(
        (&report["summary"]["fail"], &report["summary"]["error"]),
        (&json!(1), &json!(0))
    );
    assert!(report["summary"]["pass"].as_u64().unwrap() > 20, "{report:#}");
    let failed = report["results"].as_array().unwrap().iter();
    let failed: Vec<&Value> = failed.filter(|result| result["result"] == "fail").collect();
    assert_eq!(failed[0]["properties"]["line"], at.to_string(), "{failed:#?}");
    assert_eq!(failed[0]["properties"]["controls"], "NIST CM-2, SOC2 CC8.1");

    // One thing at a time on standard output, and only what there is.
    for words in ["-p --junit -", "-o json --sarif -", "-o xml"] {
        machine.run(&format!("check {folder} {words}")).exits(2);
    }
    fs::remove_file(&broken).unwrap();
    fs::write(&file, &good).unwrap();
    let well = machine.run(&format!("check {folder} -o sarif")).exits(0).json();
    assert_eq!(well["runs"][0]["results"], json!([]));
}

#[test]
fn a_manifest_is_checked_alone() {
    let machine = Machine::new();
    let file = machine.work().join("manifest.yaml");
    let check = |content: &Value, code: i32, words: &[&str]| {
        fs::write(&file, yaml::emit(content)).unwrap();
        let found = machine.run("check manifest.yaml").exits(code);
        for word in words {
            assert!(found.stdout.contains(word), "{word}\n{found}");
        }
        found
    };
    check(
        &pod("registry.internal/x:v1"),
        0,
        &[
            "1 object checked, all is well. 2 warnings that refuse nothing.",
            "warning: disallow-token-automount: ",
            "warning: disallow-default-service-account: ",
        ],
    );
    let found = machine.run("check manifest.yaml -o json").exits(0).json();
    assert_eq!(found["findings"], json!([]));
    assert_eq!(
        found["warnings"][0]["refusal"]["rule"], "service-account",
        "{found:#}"
    );
    let found = check(&pod("registry.internal/x:latest"), 3, &["disallow-latest-tag"]);
    let at = line(&fs::read_to_string(&file).unwrap(), "x:latest");
    assert!(found.stdout.contains(&format!("manifest.yaml:{at}: ")), "{found}");
    check(
        &deployment("registry.internal/x:latest"),
        3,
        &["disallow-latest-tag", "Deployment x"],
    );
    let application = |image: &str| {
        json!({
            "apiVersion": "platform.company.com/v1", "kind": "Application",
            "metadata": {"name": "x", "namespace": "shop"}, "spec": {"image": image},
        })
    };
    check(&application("x:v1"), 0, &["1 service checked"]);
    check(&application("x:latest"), 3, &["spec.image"]);
    let list = json!({
        "apiVersion": "v1", "kind": "List",
        "items": [pod("registry.internal/x:v1"), pod("registry.internal/y:latest"), application("x:v1")],
    });
    let found = check(
        &list,
        3,
        &["disallow-latest-tag", "this Application is in a List"],
    );
    let at = line(&fs::read_to_string(&file).unwrap(), "y:latest");
    assert!(found.stdout.contains(&format!("manifest.yaml:{at}: ")), "{found}");
    let team = |spec: Value| json!({"apiVersion": "platform.company.com/v1", "kind": "Team", "metadata": {"name": "x"}, "spec": spec});
    check(
        &team(json!({"environments": [{"name": "dev"}]})),
        0,
        &["1 object"],
    );
    check(
        &team(json!({"environments": [{"name": "dev"}], "hosts": ["a: b"]})),
        1,
        &["spec.hosts[0]", "is not a host name"],
    );
    check(&team(json!({"owners": 3})), 1, &["unknown field spec.owners"]);

    // What is no manifest is no pass.
    for (content, words) in [
        (json!("root:x:0:0:root"), "this is no manifest"),
        (json!(["a"]), "this is no manifest"),
        (json!({"kind": "Pod"}), "this is no manifest"),
    ] {
        check(&content, 1, &["manifest.yaml:1: ", words]);
    }
    for content in ["", "---\n---\n# nothing\n", "null\n"] {
        fs::write(&file, content).unwrap();
        machine
            .run("check manifest.yaml")
            .fails(2, &["no manifest is in manifest.yaml", "hint: "]);
    }
    fs::write(&file, "x".repeat(17 * 1024 * 1024)).unwrap();
    machine
        .run("check manifest.yaml")
        .fails(2, &["larger than", "hint: "]);
    machine
        .run("check nowhere.yaml")
        .fails(2, &["nothing called nowhere.yaml", "hint: "]);
    machine
        .run("check /dev/null")
        .fails(2, &["neither a folder nor a file: /dev/null", "hint: "]);
    fs::create_dir(machine.work().join("empty")).unwrap();
    machine
        .run("check empty")
        .fails(2, &["neither platform/ nor teams/", "hint: "]);
}
