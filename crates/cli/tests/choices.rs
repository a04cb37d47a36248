//! What a service can be: its golden path, its copies, its way in; and what there is to choose from.
#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

mod support;

use std::fs;
use std::path::PathBuf;

use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use support::{Machine, NAMESPACE, text};

const IMAGE: &str = "registry.internal/x:v1";

/// Commits a file to the infrastructure repository, as anybody with a clone would.
fn push(machine: &Machine, path: &str, content: &str) {
    let clone: PathBuf = machine.path("clone");
    if !clone.exists() {
        let infrastructure = machine.infrastructure().display().to_string();
        machine.git(
            &machine.path("."),
            &["clone", "-q", &infrastructure, &clone.display().to_string()],
        );
    }
    machine.git(&clone, &["pull", "-q"]);
    let file = clone.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
    machine.git(&clone, &["add", "."]);
    machine.git(&clone, &["commit", "-qm", "by hand"]);
    machine.git(&clone, &["push", "-q"]);
}

/// The element of a list whose name it is.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array()
        .unwrap()
        .iter()
        .find(|item| item["name"] == name)
        .unwrap()
}

#[test]
fn environments_are_listed_in_order() {
    let machine = Machine::new();
    let list = machine.run("environment list -o json").exits(0).json();
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|e| text(e, "/name"))
        .collect();
    assert_eq!(names, ["dev", "staging", "production"]);
    assert_eq!(named(&list, "dev")["teams"], json!(["demo"]));
    machine.run(&format!("service create x --image {IMAGE}")).exits(0);
    let dev = machine.run("environment get dev -o yaml").exits(0);
    assert!(dev.stdout.contains("- demo/x"), "{dev}");
    let dev = machine.run("environment get dev").exits(0);
    assert!(
        dev.stdout
            .starts_with("dev is number 0 in the order of promotion\n"),
        "{dev}"
    );
    for (line, code, words) in [
        ("environment get prod", 4, "hint: there is dev"),
        ("environment get ../x", 4, "hint: there is dev"),
        ("environment get", 2, "--help"),
        ("environment lists", 2, "did you mean 'list'?"),
        ("environment list --context near", 4, "hint: "),
    ] {
        machine.run(line).fails(code, &[words]);
    }
}

#[test]
fn golden_paths_are_those_that_ship_and_those_of_git() {
    let machine = Machine::new();
    let list = machine.run("golden-path list -o json").exits(0).json();
    let base = named(&list, "base-service");
    assert_eq!(base["default"], true);
    assert!(text(base, "/versions/0/digest").starts_with("sha256:"));
    assert_eq!(text(named(&list, "cron-job"), "/kind"), "cron-job");
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|p| text(p, "/name"))
        .collect();
    assert!(
        !names.contains(&"postgres") && !names.contains(&"team"),
        "{names:?}"
    );

    machine
        .run(&format!(
            "service create poller --image {IMAGE} --golden-path worker"
        ))
        .exits(0);
    machine
        .run(&format!(
            "service create site --image {IMAGE} --golden-path static-site@1.0.0"
        ))
        .exits(0);
    let worker = machine.run("golden-path get worker -o json").exits(0).json();
    let version = text(&worker, "/versions/0/version");
    assert_eq!(
        worker["services"],
        json!([{"name": "poller", "place": "demo/dev", "version": version}])
    );
    let shown = machine.run("golden-path get worker").exits(0);
    assert!(
        shown.stdout.contains("poller") && shown.stdout.contains("demo/dev"),
        "{shown}"
    );

    push(
        &machine,
        "platform/golden-paths/worker.yaml",
        "apiVersion: platform.company.com/v1\nkind: GoldenPath\nmetadata:\n  name: worker\nspec:\n  \
         deprecated:\n    reason: nobody polls any more\n    successor: base-service\n  \
         versions:\n    - version: 1.0.0\n      chart:\n        embedded: worker\n",
    );
    let worker = machine.run("golden-path get worker -o json").exits(0).json();
    assert_eq!(
        text(&worker, "/deprecated"),
        "nobody polls any more; use base-service"
    );
    assert_eq!(text(&worker, "/path"), "platform/golden-paths/worker.yaml");
    assert_eq!(
        text(&worker, "/kind"),
        "worker",
        "what Git leaves out is as it ships"
    );
    push(&machine, "platform/golden-paths/bad.yaml", "{ not: [yaml");
    machine
        .run("golden-path list")
        .fails(2, &["platform/golden-paths/bad.yaml: line 1"]);

    for (line, code, words) in [
        ("golden-path get nothing", 4, "hint: "),
        ("golden-path get ../../x", 4, "hint: "),
        ("golden-path lists", 2, "did you mean 'list'?"),
    ] {
        Machine::new().run(line).fails(code, &[words]);
    }
}

#[test]
fn a_service_follows_what_is_asked_for() {
    let machine = Machine::new();
    machine
        .run("team create shop -e dev --host shop.example.com")
        .exits(0);
    machine
        .run(&format!(
            "service create web --image {IMAGE} --team shop --autoscale 2-5 --host shop.example.com"
        ))
        .exits(0);
    let up = machine.up();
    let spec = up.get("Application", "shop-dev", "web").unwrap()["spec"].clone();
    assert_eq!(spec["autoscaling"], json!({"min": 2, "max": 5}));
    assert_eq!(spec["route"], json!({"host": "shop.example.com"}));
    assert_eq!(spec.get("replicas"), None);
    drop(up);
    let dry = machine
        .finish(machine.words(&[
            "service",
            "create",
            "nightly",
            "--image",
            IMAGE,
            "--golden-path",
            "cron-job",
            "--schedule",
            "0 3 * * *",
            "--time-zone",
            "Europe/Berlin",
            "--dry-run",
        ]))
        .exits(0);
    for words in ["schedule: 0 3 * * *", "timeZone: Europe/Berlin", "name: cron-job"] {
        assert!(dry.stdout.contains(words), "{words}\n{dry}");
    }

    let before = machine.written();
    for (words, code, said) in [
        ("--golden-path base-servise", 4, "did you mean \"base-service\"?"),
        ("--golden-path postgres", 4, "there is base-service"),
        ("--golden-path worker@9.9.9", 4, "hint: there is "),
        ("--golden-path ../../x", 4, "there is base-service"),
        ("--golden-path worker@", 4, "hint: "),
        ("--host other.example.com", 2, "is not a host of team"),
        ("--host not_a_host", 2, "spec.route.host"),
        ("--route", 2, "the environment has no domain"),
        ("--autoscale 5-2", 2, "the fewest copies are more than the most"),
        ("--autoscale many", 2, "such as 2-10"),
        ("--autoscale 2-5 --replicas 3", 2, "--help"),
        ("--golden-path cron-job --schedule soon", 2, "is not a schedule"),
        ("--time-zone UTC", 2, "--help"),
        ("--team nobody", 4, "platform team create"),
        ("--environment nowhere", 4, "there is dev"),
    ] {
        machine
            .run(&format!("service create api --image {IMAGE} {words}"))
            .fails(code, &["hint: ", said]);
    }
    assert_eq!(machine.written(), before);
}

#[test]
fn a_route_without_a_host_is_below_the_domain() {
    let machine = Machine::new();
    machine.run("environment list").exits(0);
    let file = machine.in_git("platform/environments/dev.yaml").unwrap();
    push(
        &machine,
        "platform/environments/dev.yaml",
        &file.replace("spec:\n", "spec:\n  domain: dev.example.net\n"),
    );
    let dry = machine
        .run(&format!("service create web --image {IMAGE} --route --dry-run"))
        .exits(0);
    assert!(dry.stdout.contains("route: {}"), "{dry}");
    machine
        .run(&format!("service create web --image {IMAGE} --route"))
        .exits(0);
    let objects = machine.run("service render web").exits(0);
    assert!(
        objects.stdout.contains("host: web.demo.dev.example.net"),
        "{objects}"
    );
}

#[test]
fn a_refusal_says_where_its_rule_bites() {
    let machine = Machine::new();
    machine.run("environment list").exits(0);
    let path = "platform/policies/disallow-latest-tag.yaml";
    let policy = machine.in_git(path).unwrap();
    let line = "service create x --image registry.internal/x:latest --environment staging";
    machine
        .run(line)
        .exits(3)
        .says(&["disallow-latest-tag (enforced)\n"]);
    let bites = "failureAction: Audit\n        failureActionOverrides:\n          - action: Enforce\n            \
                 namespaceSelector:\n              matchLabels:\n                environment: staging\n";
    push(&machine, path, &policy.replace("failureAction: Enforce\n", bites));
    machine.run(line).exits(3).says(&[
        "disallow-latest-tag (enforced in staging)\n",
        "Nothing was created.",
    ]);
    machine
        .run("service create x --image registry.internal/x:latest --environment dev --dry-run")
        .exits(0);
}

#[test]
fn what_the_cluster_does_not_take_is_said_at_once_and_undone() {
    let machine = Machine::new();
    machine.run("environment list").exits(0);
    let up = machine.up();
    push(
        &machine,
        "platform/policies/no-forbidden.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata:\n  name: no-forbidden\nspec:\n  rules:\n    \
         - name: no-forbidden\n      match:\n        any:\n          - resources:\n              kinds: [Application, Team]\n              \
         names: [forbidden]\n      validate:\n        failureAction: Enforce\n        message: this name is taken\n        \
         deny: {}\n",
    );
    // Once the guardrail is in force.
    let probe: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "platform.company.com/v1", "kind": "Team",
        "metadata": {"name": "forbidden"}, "spec": {"environments": []},
    }))
    .unwrap();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let teams = up.api("Team", support::CLUSTER);
    up.wait(async { while teams.create(&dry, &probe).await.is_ok() {} });

    machine
        .run(&format!("service create forbidden --image {IMAGE}"))
        .fails(
            7,
            &[
                "the cluster does not take teams/demo/dev/applications/forbidden.yaml",
                "this name is taken",
                "Undoing what this run did",
            ],
        );
    assert_eq!(machine.in_git("teams/demo/dev/applications/forbidden.yaml"), None);
    assert!(up.get("Application", NAMESPACE, "forbidden").is_none());
    machine.run("team create forbidden").fails(
        7,
        &[
            "the cluster does not take platform/teams/forbidden.yaml",
            "this name is taken",
        ],
    );
    assert_eq!(machine.in_git("platform/teams/forbidden.yaml"), None);
    let runs = machine.run("operation list -o json").exits(0).json();
    assert!(
        runs.as_array()
            .unwrap()
            .iter()
            .all(|run| run["state"] == "undone"),
        "{runs:#}"
    );
}
