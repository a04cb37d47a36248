//! `service diff`: what Git asks for and the cluster does not have, seen before it happens.
#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Machine, text};

const FILE: &str = "teams/demo/dev/applications/orders.yaml";
const CREATE: &str =
    "service create orders --image registry.internal/orders:v1 --replicas 2 --database postgres";

/// Changes a file of the infrastructure repository by a commit, as anybody with a clone would.
fn commit(machine: &Machine, path: &str, change: impl Fn(&str) -> String) {
    let clone = machine.path("clone");
    if !clone.exists() {
        let infrastructure = machine.infrastructure().display().to_string();
        machine.git(
            &machine.path("."),
            &["clone", "-q", &infrastructure, &clone.display().to_string()],
        );
    }
    machine.git(&clone, &["pull", "-q"]);
    let file = clone.join(path);
    let before = fs::read_to_string(&file).unwrap_or_default();
    let after = change(&before);
    assert_ne!(before, after, "nothing changes in {path}");
    fs::write(file, after).unwrap();
    machine.git(&clone, &["add", "."]);
    machine.git(&clone, &["commit", "-qm", "by hand"]);
    machine.git(&clone, &["push", "-q"]);
}

/// The change of one object in a diff, if it has one.
fn of<'a>(diff: &'a Value, kind: &str, name: &str) -> Option<&'a Value> {
    let changes = diff["changes"].as_array().unwrap();
    changes
        .iter()
        .find(|change| change["kind"] == kind && change["name"] == name)
}

#[test]
fn a_change_is_seen_before_it_happens() {
    let machine = Machine::new();
    machine.run(CREATE).exits(0);
    let same = machine.run("service diff orders").exits(0);
    assert_eq!(
        same.stdout,
        "orders in demo/dev: the cluster has what Git says.\n"
    );

    commit(&machine, FILE, |file| {
        file.replace("orders:v1", "orders:v2")
            .replace("replicas: 2", "replicas: 4")
    });
    let before = machine.written();
    let shown = machine.run("service diff orders").exits(1);
    for words in [
        "2 to change.\n",
        "--- Application orders (cluster)\n+++ Application orders (Git)\n",
        "-  replicas: 2\n+  replicas: 4\n",
        "--- Deployment orders (cluster)\n",
        "# spec.replicas decides /spec/replicas: 2 -> 4\n",
        "# spec.image decides /spec/template/spec/containers/0/image: \"registry.internal/orders:v1\" -> \"registry.internal/orders:v2\"\n",
    ] {
        assert!(shown.stdout.contains(words), "{words}\n{shown}");
    }
    let diff = machine.run("service diff orders -o json").exits(1).json();
    assert_eq!(diff["simulated"], true);
    let application = of(&diff, "Application", "orders").unwrap();
    assert_eq!(application["action"], "change");
    let fields: Vec<&str> = application["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| text(f, "/field"))
        .collect();
    assert_eq!(fields, ["spec.image", "spec.replicas"]);
    // To look is not to do.
    assert_eq!(machine.written(), before);
    machine.run("service diff orders").exits(1);

    // Then it happens.
    machine.run("team create shop -e dev").exits(0);
    let up = machine.up();
    up.until("Deployment", "demo-dev", "orders", |found| {
        found.is_some_and(|d| d["spec"]["replicas"] == 4)
    });
    machine.run("service diff orders").exits(0);
}

#[test]
fn new_objects_and_those_that_go_are_part_of_it() {
    let machine = Machine::new();
    machine.run(CREATE).exits(0);
    commit(&machine, FILE, |file| {
        file.replace(
            "  replicas: 2\n",
            "  autoscaling:\n    min: 2\n    max: 6\n  monitoring:\n    enabled: false\n",
        )
    });
    let diff = machine.run("service diff orders -o json").exits(1).json();
    let action = |kind: &str| of(&diff, kind, "orders").map(|change| text(change, "/action").to_owned());
    assert_eq!(
        action("HorizontalPodAutoscaler").as_deref(),
        Some("add"),
        "{diff:#}"
    );
    assert_eq!(action("ServiceMonitor").as_deref(), Some("remove"), "{diff:#}");
    assert_eq!(of(&diff, "Database", "orders-db"), None);
    let shown = machine.run("service diff orders").exits(1);
    assert!(
        shown.stdout.contains("+kind: HorizontalPodAutoscaler\n"),
        "{shown}"
    );
    assert!(shown.stdout.contains("-kind: ServiceMonitor\n"), "{shown}");
}

#[test]
fn a_service_that_is_not_there_yet_is_all_new() {
    let machine = Machine::new();
    machine.run("environment list").exits(0);
    let file = machine.path("clone").join("teams/demo/dev/applications");
    commit(&machine, "platform/environments/dev.yaml", |file| {
        format!("{file}  domain: dev.example.net\n")
    });
    fs::create_dir_all(file).unwrap();
    commit(&machine, FILE, |_| {
        yaml::emit(&json!({
            "apiVersion": "platform.company.com/v1", "kind": "Application",
            "metadata": {"name": "orders"},
            "spec": {"image": "registry.internal/orders:v1"},
        }))
    });
    let diff = machine.run("service diff orders -o json").exits(1).json();
    let changes = diff["changes"].as_array().unwrap();
    assert_eq!(
        changes.len(),
        usize::try_from(diff["objects"].as_u64().unwrap()).unwrap()
    );
    assert!(changes.iter().all(|change| change["action"] == "add"), "{diff:#}");
}

#[test]
fn what_the_cluster_would_not_take_is_an_error() {
    let machine = Machine::new();
    machine.run(CREATE).exits(0);
    commit(&machine, FILE, |file| file.replace("orders:v1", "orders:latest"));
    let shown = machine.run("service diff orders").exits(2);
    assert!(
        shown.stdout.contains("that the cluster would not take"),
        "{shown}"
    );
    assert!(shown.stdout.contains("Deployment orders: "), "{shown}");
    assert!(shown.stdout.contains("disallow-latest-tag"), "{shown}");
}

#[test]
fn what_cannot_be_compared_is_no_difference() {
    let machine = Machine::new();
    machine.run(CREATE).exits(0);
    for (line, code, words) in [
        ("service diff order", 4, "did you mean \"orders\""),
        ("service diff ../../etc/passwd", 4, "hint: "),
        ("service diff orders --team shop", 4, "hint: "),
        ("service diff", 2, "--help"),
        ("service dif orders", 2, "did you mean 'diff'?"),
        ("service diff orders --context near", 4, "get-contexts"),
    ] {
        machine.run(line).fails(code, &[words]);
    }
    let kubeconfig = machine.path("kubeconfig");
    // Nothing listens on port 1 of this machine.
    fs::write(
        &kubeconfig,
        "apiVersion: v1\nkind: Config\n\
         clusters: [{name: far, cluster: {server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true}}]\n\
         users: [{name: me, user: {token: secret-token}}]\n\
         contexts: [{name: far, context: {cluster: far, user: me}}]\n",
    )
    .unwrap();
    let mut command = machine.platform("service diff orders --context far");
    command.env("KUBECONFIG", &kubeconfig);
    machine.finish(command).fails(2, &["context far", "hint: "]);
    let file = machine.path("file");
    fs::write(&file, "mine").unwrap();
    let mut command = machine.platform("service diff orders");
    command.env("TOWPATH_HOME", &file);
    machine.finish(command).fails(2, &["file", "hint: "]);
    commit(&machine, FILE, |file| file.replace("spec:", "spec: ]"));
    machine.run("service diff orders").fails(2, &["orders.yaml"]);
}
