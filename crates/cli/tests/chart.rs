//! `platform chart`: any chart, rendered and looked into without Helm.
//!
//! `tests/charts/expected` is what Helm 4.3.1 printed for the commands in `tests/charts/commands.txt`, run in that
//! folder as `helm template …`.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

mod support;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use support::Machine;

/// The charts of these tests.
fn charts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/charts")
}

/// What a command printed in the folder of the charts: exit code, stdout, stderr.
fn platform(words: &[&str]) -> (i32, String, String) {
    let machine = Machine::new();
    let output = machine.words(words).current_dir(charts()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(!machine.home().exists(), "a chart needs no home");
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn charts_are_printed_as_helm_prints_them() {
    let commands = fs::read_to_string(charts().join("commands.txt")).unwrap();
    let mut compared = 0;
    for line in commands.lines() {
        let (name, words) = line.split_once(": ").unwrap();
        let mut command = vec!["chart", "template"];
        command.extend(words.split_whitespace());
        let (code, stdout, stderr) = platform(&command);
        assert_eq!((code, stderr.as_str()), (0, ""), "{line}");
        let expected = fs::read_to_string(charts().join(format!("expected/{name}.yaml"))).unwrap();
        assert_eq!(stdout, expected, "{line}");
        compared += 1;
    }
    assert_eq!(compared, fs::read_dir(charts().join("expected")).unwrap().count());
}

#[test]
fn what_cannot_be_is_told_with_a_hint() {
    let check = |line: &str, code: i32, message: &str, hint: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (found, stdout, stderr) = platform(&[&["chart"], words.as_slice()].concat());
        assert_eq!((found, stdout.as_str()), (code, ""), "{line}: {stderr}");
        assert!(
            stderr.starts_with(&format!("error: {message}")),
            "{line}: {stderr}"
        );
        assert!(stderr.contains(&format!("  hint: {hint}")), "{line}: {stderr}");
    };
    check(
        "template x nowhere",
        4,
        "there is no chart called \"nowhere\"",
        "name a folder",
    );
    check(
        "template x more.yaml",
        1,
        "cannot use the chart more.yaml: file 'more.yaml' seems to be a YAML file",
        "a chart is a folder or a .tgz",
    );
    check(
        "template x demo -s templates/no.yaml",
        4,
        "cannot use the chart demo: could not find template templates/no.yaml",
        "name it by its path",
    );
    check(
        "template x demo --set a",
        2,
        "failed parsing --set data \"a\": key \"a\" has no value",
        "--set takes",
    );
    check(
        "template x demo --set-json a={",
        2,
        "failed parsing --set-json data",
        "--set takes",
    );
    check(
        "template x demo --set-file a=none",
        2,
        "failed parsing --set-file data \"a=none\": cannot read none: it does not exist",
        "--set takes",
    );
    check(
        "template X_ demo",
        2,
        "\"X_\" cannot be the name of a release",
        "lowercase letters",
    );
    check(
        "template demo --name-template {{",
        2,
        "--name-template makes no name: parse error",
        "for instance",
    );
    check(
        "template x demo --name-template y",
        2,
        "the release has a name",
        "leave one of them out",
    );
    check(
        "template x demo --generate-name",
        2,
        "the release has a name and --generate-name",
        "leave one of them out",
    );
    check(
        "template x demo --kube-version one",
        2,
        "\"one\" is no version of Kubernetes",
        "write it as 1.34",
    );
    check(
        "template x demo --context somewhere",
        2,
        "no cluster is asked",
        "--context goes with --validate",
    );
}

#[test]
fn values_come_from_files_that_can_be_read() {
    let (code, _, stderr) = platform(&["chart", "template", "x", "demo", "-f", "note.txt"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("cannot read note.txt: line 1, column 1: values must be a mapping"),
        "{stderr}"
    );
    let (code, _, stderr) = platform(&["chart", "template", "x", "demo", "-f", "none.yaml"]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("cannot read none.yaml: it does not exist"),
        "{stderr}"
    );

    let machine = Machine::new();
    let words = [
        "chart",
        "template",
        "x",
        "demo",
        "-f",
        "-",
        "-s",
        "templates/deployment.yaml",
    ];
    let mut command = machine.words(&words);
    command
        .current_dir(charts())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"replicas: 9\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("replicas: 9\n")
    );
}

#[test]
fn objects_come_as_data() {
    let (_, stdout, _) = platform(&["chart", "template", "x", "demo", "-o", "json"]);
    let list: Value = serde_json::from_str(&stdout).unwrap();
    let kinds = |list: &Value| {
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["kind"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        kinds(&list),
        ["ConfigMap", "ConfigMap", "Service", "Deployment", "Pod", "Job"]
    );
    let (_, stdout, _) = platform(&[
        "chart",
        "template",
        "x",
        "demo",
        "-o",
        "json",
        "--include-crds",
        "--no-hooks",
    ]);
    let list: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        kinds(&list),
        [
            "CustomResourceDefinition",
            "ConfigMap",
            "ConfigMap",
            "Service",
            "Deployment"
        ]
    );
    let (_, stdout, _) = platform(&[
        "chart",
        "template",
        "x",
        "demo",
        "-o",
        "json",
        "-s",
        "templates/objects.yaml",
    ]);
    let list: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(kinds(&list), ["ConfigMap", "Service"]);
}

#[test]
fn templates_can_become_files() {
    let machine = Machine::new();
    let chart = charts().join("demo");
    let line = format!(
        "chart template x {} --output-dir out --include-crds",
        chart.display()
    );
    let output = machine.platform(&line).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), 6, "{stdout}");
    let objects = fs::read_to_string(machine.work().join("out/demo/templates/objects.yaml")).unwrap();
    assert_eq!(
        objects
            .matches("---\n# Source: demo/templates/objects.yaml\n")
            .count(),
        2
    );
    assert!(
        machine
            .work()
            .join("out/demo/charts/child/templates/map.yaml")
            .exists()
    );
    assert!(machine.work().join("out/demo/crds/thing.yaml").exists());
    for (name, release) in [("x", "x"), ("-g", "release-name")] {
        let line = format!(
            "chart template {name} {} --output-dir named --release-name",
            chart.display()
        );
        let output = machine.platform(&line).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let objects = machine
            .work()
            .join("named")
            .join(release)
            .join("demo/templates/objects.yaml");
        assert!(objects.exists(), "{}", objects.display());
    }
}

#[test]
fn packed_charts_are_charts() {
    let machine = Machine::new();
    let packed = machine.path("demo.tgz");
    let made = machine
        .program("tar")
        .current_dir(charts())
        .args(["czf", &packed.display().to_string(), "demo"])
        .status()
        .unwrap();
    assert!(made.success());
    let (code, stdout, stderr) = platform(&["chart", "template", "x", &packed.display().to_string()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let expected = fs::read_to_string(charts().join("expected/plain.yaml")).unwrap();
    assert_eq!(stdout, expected);
}

#[test]
fn dependencies_beside_a_chart_are_taken_when_asked_for() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden-paths/worker");
    let path = path.display().to_string();
    let (code, _, stderr) = platform(&["chart", "template", "x", &path]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("missing in charts/ directory: service-library"),
        "{stderr}"
    );
    let (code, stdout, stderr) = platform(&["chart", "template", "x", &path, "--dependency-update"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("# Source: worker/templates/"), "{stdout}");
    let (code, stdout, _) = platform(&["chart", "values", &path, "--dependency-update", "--computed"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("replicas: 2\n"), "{stdout}");
}

#[test]
fn what_cannot_be_fetched_is_told() {
    let check = |line: &str, code: i32, message: &str, hint: &str| {
        for command in ["template", "lint", "values", "schema"] {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (found, stdout, stderr) = platform(&[&["chart", command], words.as_slice()].concat());
            assert_eq!((found, stdout.as_str()), (code, ""), "{command} {line}: {stderr}");
            assert!(stderr.contains(message), "{command} {line}: {stderr}");
            assert!(stderr.contains(hint), "{command} {line}: {stderr}");
            assert!(!stderr.contains("secret"), "{command} {line}: {stderr}");
        }
    };
    check(
        "http://127.0.0.1:9/demo.tgz?key=secret",
        2,
        "cannot fetch http://127.0.0.1:9/demo.tgz: it is not encrypted",
        "hint: use https://, or --plain-http",
    );
    check(
        "oci://me:secret@registry.example.com/demo",
        2,
        "must not hold a name or a password",
        "hint: --username NAME --password-stdin",
    );
    check(
        "demo --version 1.0.0",
        2,
        "demo is not fetched from anywhere",
        "hint: --version, --plain-http",
    );
    check(
        "oci://registry.example.com/demo --username me",
        2,
        "--password-stdin",
        "",
    );
    check(
        "https://registry.example.com/demo.tgz --ca-file demo/values.yaml",
        2,
        "demo/values.yaml holds no certificates",
        "hint: --ca-file takes certificates in PEM",
    );
    check(
        "oci://registry.example.com/demo --username me --password-stdin",
        2,
        "standard input holds no password",
        "hint: pipe it in",
    );
    check(
        "ftp://registry.example.com/demo.tgz",
        2,
        "an address begins with https:// or http://",
        "hint: a chart in a registry begins with oci://, and one on this machine is named by its path alone",
    );
    check(
        "demo --repo oci://registry.example.com/charts",
        2,
        "an address begins with https:// or http://",
        "hint: a chart in a registry is named whole, without --repo",
    );
    check(
        "oci://registry.example.com/demo --insecure-skip-tls-verify",
        2,
        "unexpected option '--insecure-skip-tls-verify'",
        "hint: --ca-file FILE",
    );
    check(
        "oci://registry.example.com/demo --password x",
        2,
        "unexpected option '--password'",
        "hint: --password-stdin reads",
    );
}

#[test]
fn objects_are_validated() {
    let (code, _, stderr) = platform(&["chart", "template", "x", "demo", "--validate"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let (code, stdout, stderr) = platform(&[
        "chart",
        "template",
        "x",
        "demo",
        "--validate",
        "--set",
        "replicas=x",
    ]);
    assert_eq!(code, 1);
    assert!(stdout.contains("replicas: x"), "{stdout}");
    assert!(
        stderr.contains("error: Deployment x-demo: spec.replicas: Invalid value: \"string\""),
        "{stderr}"
    );
}

#[test]
fn charts_are_linted() {
    let (code, stdout, _) = platform(&["chart", "lint", "demo"]);
    assert_eq!(
        (code, stdout.as_str()),
        (
            0,
            "demo/Chart.yaml: info: icon is recommended\n  hint  the URL of an image, for those who choose from a catalog\n\
             demo: 1 info; all is well.\n"
        )
    );
    let (code, stdout, _) = platform(&["chart", "lint", "broken"]);
    assert_eq!(code, 1);
    let places: Vec<&str> = stdout
        .lines()
        .filter(|line| line.starts_with("broken/"))
        .collect();
    assert_eq!(
        places,
        [
            "broken/Chart.yaml:4:10: warning: unknown field \"flavour\"",
            "broken/Chart.yaml:3:10: error: version should be of type string but it's a number",
            "broken/Chart.yaml: info: icon is recommended",
            "broken/Chart.yaml:3:10: warning: version '1' is not a valid SemVerV2",
            "broken/values.yaml:2:11: error: /replicas: \"many\" is not of type \"integer\"",
        ]
    );
    let (code, stdout, _) = platform(&["chart", "lint", "broken", "--set", "replicas=1", "-o", "json"]);
    assert_eq!(code, 1);
    let found: Value = serde_json::from_str(&stdout).unwrap();
    let last = found["findings"].as_array().unwrap().last().unwrap();
    assert_eq!(last["file"], "templates/map.yaml");
    assert_eq!(
        (last["line"].as_u64(), last["column"].as_u64()),
        (Some(4), Some(19))
    );
    assert_eq!(last["severity"], "error");
    assert!(
        last["message"]
            .as_str()
            .unwrap()
            .contains("nil pointer evaluating"),
        "{last}"
    );
}

#[test]
fn warnings_fail_when_they_shall() {
    let words = ["chart", "lint", "old", "--kube-version", "1.30"];
    let (code, stdout, _) = platform(&words);
    assert_eq!(code, 0, "{stdout}");
    assert!(
        stdout.contains(
            "old/templates/ingress.yaml: warning: extensions/v1beta1 Ingress is unavailable in v1.22+"
        ),
        "{stdout}"
    );
    let (code, _, _) = platform(&[&words[..], &["--strict"]].concat());
    assert_eq!(code, 1);
    let (code, stdout, _) = platform(&["chart", "lint", "old", "--strict", "--kube-version", "1.18"]);
    assert_eq!(code, 0, "{stdout}");
}

#[test]
fn values_are_shown() {
    let (code, stdout, _) = platform(&["chart", "values", "demo"]);
    let expected = fs::read_to_string(charts().join("demo/values.yaml")).unwrap();
    assert_eq!((code, stdout), (0, expected));
    let (_, stdout, _) = platform(&["chart", "values", "demo", "--set", "replicas=3"]);
    assert_eq!(
        stdout,
        "child:\n  color: red\n  enabled: true\n  global:\n    region: eu\nglobal:\n  region: eu\nimage:\n  \
         repository: registry.example.com/demo\n  tag: \"\"\nlabels: {}\nreplicas: 3\n"
    );
    let (_, stdout, _) = platform(&["chart", "values", "demo", "--computed", "-o", "json"]);
    let values: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(values["child"]["color"], "red");
}

#[test]
fn a_schema_is_inferred_where_there_is_none() {
    let (code, stdout, stderr) = platform(&["chart", "schema", "demo"]);
    assert_eq!(code, 0);
    assert!(stderr.contains("inferred from its values.yaml"), "{stderr}");
    let schema: Value = serde_json::from_str(&stdout).unwrap();
    let replicas = &schema["properties"]["replicas"];
    assert_eq!(replicas["type"], "integer");
    assert_eq!(replicas["description"], "How many copies run.");
    let tag = &schema["properties"]["image"]["properties"]["tag"];
    assert_eq!(tag["description"], "Empty: the chart's appVersion.");
    assert_eq!(schema["properties"]["child"]["type"], "object");
    let (_, stdout, stderr) = platform(&["chart", "schema", "broken", "-o", "yaml"]);
    assert_eq!(
        (stdout.as_str(), stderr.as_str()),
        ("properties:\n  replicas:\n    type: integer\n", "")
    );
}
