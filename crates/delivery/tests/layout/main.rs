//! What a snapshot asks for, and what it may not ask for.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

mod golden_paths;
mod reach;

use api::{Group, Kind};
use delivery::Snapshot;
use delivery::layout::{self, Desired, Place};

fn read(files: &[(&str, &str)]) -> Desired {
    layout::read(
        &Snapshot::of_files(files.iter().copied()).unwrap(),
        &Group::default(),
    )
}

/// Each object as `namespace/Kind/name`, in order.
fn objects(desired: &Desired) -> Vec<String> {
    desired
        .objects
        .iter()
        .map(|object| {
            let text = |pointer: &str| {
                object
                    .value
                    .pointer(pointer)
                    .and_then(|v| v.as_str())
                    .unwrap_or("-")
                    .to_owned()
            };
            format!(
                "{}/{}/{}",
                text("/metadata/namespace"),
                text("/kind"),
                text("/metadata/name")
            )
        })
        .collect()
}

fn findings(desired: &Desired) -> Vec<String> {
    desired.findings.iter().map(ToString::to_string).collect()
}

fn resource(kind: &str, name: &str) -> String {
    format!("apiVersion: platform.company.com/v1\nkind: {kind}\nmetadata:\n  name: {name}\nspec: {{}}\n")
}

fn team(name: &str, environments: &[&str]) -> String {
    let list = environments.join("}, {name: ");
    format!(
        "apiVersion: platform.company.com/v1\nkind: Team\nmetadata:\n  name: {name}\nspec:\n  environments: [{{name: {list}}}]\n"
    )
}

#[track_caller]
fn check(files: &[(&str, &str)], expect: &[&str], said: &[&str]) {
    let desired = read(files);
    assert_eq!(objects(&desired), expect, "{:#?}", desired.findings);
    let told = findings(&desired);
    assert_eq!(told.len(), said.len(), "{told:#?}");
    for (told, said) in told.iter().zip(said) {
        assert!(told.contains(said), "{told}\nshould say {said}");
    }
}

#[test]
fn paths_and_namespaces() {
    assert_eq!(
        layout::team_file("demo", "dev", Kind::Application, "api")
            .unwrap()
            .as_str(),
        "teams/demo/dev/applications/api.yaml"
    );
    assert_eq!(
        layout::platform_file(Kind::Team, "demo").unwrap().as_str(),
        "platform/teams/demo.yaml"
    );
    assert!(layout::team_file("../..", "dev", Kind::Application, "x").is_err());
    assert_eq!(layout::namespace("demo", "dev"), "demo-dev");
}

#[test]
fn a_whole_repository() {
    let policy =
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: require-limits}\nspec: {}\n";
    let secret =
        "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: stripe}\nspec: {}\n";
    let desired = read(&[
        ("platform/platform.yaml", "group: platform.company.com\n"),
        ("platform/teams/demo.yaml", &team("demo", &["dev", "production"])),
        ("platform/environments/dev.yaml", &resource("Environment", "dev")),
        (
            "platform/golden-paths/base-service.yaml",
            &resource("GoldenPath", "base-service"),
        ),
        ("platform/golden-paths/own/Chart.yaml", "name: own\n"),
        ("platform/policies/nested/require-limits.yaml", policy),
        ("platform/README.md", "# not ours: {{"),
        (
            "teams/demo/dev/applications/api.yaml",
            &resource("Application", "api"),
        ),
        (
            "teams/demo/dev/databases/api-db.yaml",
            &resource("Database", "api-db"),
        ),
        ("teams/demo/production/secrets/stripe.yaml", secret),
        ("teams/demo/production/notes.txt", "x: [\n"),
    ]);
    assert_eq!(
        objects(&desired),
        [
            "-/Environment/dev",
            "-/GoldenPath/base-service",
            "-/ClusterPolicy/require-limits",
            "-/Team/demo",
            "demo-dev/Application/api",
            "demo-dev/Database/api-db",
            "demo-production/ExternalSecret/stripe",
        ]
    );
    assert!(desired.findings.is_empty(), "{:#?}", desired.findings);
    assert_eq!(
        desired.objects[4].place,
        Place::Team {
            team: "demo".into(),
            environment: Some("dev".into()),
            namespace: "demo-dev".into()
        }
    );
}

#[test]
fn one_bad_file_stops_no_other() {
    let good = resource("Application", "good");
    let two = format!(
        "{}---\n# a comment\nkind: Application\n",
        resource("Application", "first")
    );
    let bomb: String = std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned())
        .chain((1..12).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "))))
        .collect();
    let deep = "[".repeat(100_000);
    check(
        &[
            ("teams/demo/dev/applications/a.yaml", "kind: [\n"),
            ("teams/demo/dev/applications/b.yaml", &two),
            ("teams/demo/dev/applications/bomb.yaml", &bomb),
            ("teams/demo/dev/applications/c.yaml", "- not\n- an object\n"),
            ("teams/demo/dev/applications/deep.yaml", &deep),
            ("teams/demo/dev/applications/good.yaml", &good),
        ],
        &["demo-dev/Application/first", "demo-dev/Application/good"],
        &[
            "a.yaml:",
            "b.yaml:8: the object has no apiVersion",
            "bomb.yaml",
            "c.yaml:1: the object has no apiVersion",
            "deep.yaml",
        ],
    );
}

#[test]
fn a_name_that_yaml_takes_for_something_else_is_said() {
    check(
        &[(
            "teams/demo/dev/applications/y.yaml",
            &resource("Application", "y"),
        )],
        &[],
        &["y.yaml:4: metadata.name is not text"],
    );
}

#[test]
fn the_first_of_two_wins() {
    let app = resource("Application", "api");
    check(
        &[
            ("teams/demo/dev/applications/api.yaml", &app),
            ("teams/demo/dev/applications/copy.yaml", &app),
        ],
        &["demo-dev/Application/api"],
        &["copy.yaml:1: the Application api is already asked for in teams/demo/dev/applications/api.yaml"],
    );
}

#[test]
fn an_environment_the_team_does_not_use_is_said() {
    check(
        &[
            ("platform/teams/demo.yaml", &team("demo", &["dev"])),
            (
                "teams/demo/staging/applications/api.yaml",
                &resource("Application", "api"),
            ),
        ],
        &["-/Team/demo"],
        &["the team demo does not use the environment staging"],
    );
}

#[test]
fn git_cannot_say_what_only_the_cluster_knows() {
    let app = "apiVersion: platform.company.com/v1\nkind: Application\nmetadata:\n  name: api\n  uid: x\n  finalizers: [a]\n  ownerReferences: []\n  labels: {keep: me}\n  annotations:\n    platform.company.com/tracking-id: forged\n    platform.company.com/revision: forged\n    note: keep\nspec: {replicas: 2}\nstatus: {health: Healthy}\n";
    let desired = read(&[("teams/demo/dev/applications/api.yaml", app)]);
    let expect = serde_json::json!({
        "apiVersion": "platform.company.com/v1", "kind": "Application",
        "metadata": {"name": "api", "namespace": "demo-dev", "labels": {"keep": "me"}, "annotations": {"note": "keep"}},
        "spec": {"replicas": 2},
    });
    assert_eq!(desired.objects[0].value, expect);
}

#[test]
fn the_first_articles_tree_is_a_team_with_one_environment() {
    let boundary = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team-payments\n  labels: {team: payments, environment: production}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: team-quota, namespace: team-payments}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: default-deny, namespace: team-payments}\n";
    let app = resource("Application", "api");
    check(
        &[
            ("teams/payments/applications/api.yaml", &app),
            ("teams/payments/namespace.yaml", boundary),
        ],
        &[
            "team-payments/Application/api",
            "-/Namespace/team-payments",
            "team-payments/ResourceQuota/team-quota",
            "team-payments/NetworkPolicy/default-deny",
        ],
        &[],
    );
    // A Team decides instead, once there is one.
    check(
        &[
            ("platform/teams/payments.yaml", &team("payments", &["production"])),
            ("teams/payments/applications/api.yaml", &app),
            ("teams/payments/namespace.yaml", boundary),
        ],
        &["-/Team/payments", "payments-production/Application/api"],
        &["namespace.yaml: the file is left out: the Team payments decides"],
    );
    // No team takes a namespace that is not its own.
    for stolen in [
        "kube-system",
        "orders-production",
        "team-orders",
        "pay",
        "platform-system",
        "",
    ] {
        let desired = read(&[
            ("platform/teams/orders.yaml", &team("orders", &["production"])),
            (
                "teams/payments/namespace.yaml",
                &boundary.replace("team-payments", stolen),
            ),
        ]);
        assert_eq!(objects(&desired), ["-/Team/orders"], "{stolen}");
        assert!(!desired.findings.is_empty(), "{stolen}");
    }
    check(
        &[
            ("platform/teams/pay-ments.yaml", &team("pay-ments", &["dev"])),
            (
                "teams/pay/namespace.yaml",
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: pay-ments-dev}\n",
            ),
        ],
        &["-/Team/pay-ments"],
        &["cannot be the namespace of team pay"],
    );
    let role = "apiVersion: v1\nkind: Namespace\nmetadata: {name: payments}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: x, namespace: payments}\n";
    check(
        &[("teams/payments/namespace.yaml", role)],
        &["-/Namespace/payments"],
        &["RoleBinding x cannot be in namespace.yaml"],
    );
}

#[test]
fn another_group_is_another_platform() {
    let files = [(
        "teams/demo/dev/applications/api.yaml",
        resource("Application", "api"),
    )];
    let snapshot = Snapshot::of_files(files.iter().map(|(path, text)| (*path, text.as_str()))).unwrap();
    let desired = layout::read(&snapshot, &Group::parse("idp.example.org").unwrap());
    assert!(desired.objects.is_empty());
    assert!(
        desired.findings[0]
            .hint
            .as_ref()
            .unwrap()
            .contains("idp.example.org/v1")
    );
}
