//! What a snapshot asks for, and what it may not ask for.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

use api::{Group, Kind};
use delivery::layout::{self, Desired, Place};
use delivery::{RepoPath, Snapshot};
use proptest::prelude::*;

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
fn teams_cannot_reach_beyond_their_namespace() {
    let app = "apiVersion: platform.company.com/v1\nkind: Application\nmetadata:\n  name: api\n  namespace: kube-system\n";
    let file = "teams/demo/dev/applications/api.yaml";
    check(
        &[(file, app)],
        &[],
        &["api.yaml:5: the namespace \"kube-system\" is not the one of this folder, demo-dev"],
    );
    check(
        &[(file, &app.replace("kube-system", "demo-dev"))],
        &["demo-dev/Application/api"],
        &[],
    );
    check(
        &[(file, &app.replace("kube-system", "[demo-dev]"))],
        &[],
        &["is not the one of this folder"],
    );
    for (path, why) in [
        (
            "teams/platform/system/applications/api.yaml",
            "platform-system is not for teams",
        ),
        (
            "teams/kube/system/applications/api.yaml",
            "kube-system is not for teams",
        ),
        ("teams/Demo/dev/applications/api.yaml", "cannot be a team name"),
        (
            "teams/demo/Dev/applications/api.yaml",
            "cannot be an environment name",
        ),
        ("teams/api.yaml", "belongs to no team"),
        ("teams/demo/api.yaml", "belongs to no environment"),
        ("teams/demo/applications/api.yaml", "nothing says which namespace"),
    ] {
        check(&[(path, &resource("Application", "api"))], &[], &[why]);
    }
}

#[test]
fn teams_can_only_ask_for_their_kinds() {
    let file = "teams/demo/dev/applications/x.yaml";
    let plain = |api_version: &str, kind: &str| {
        format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\n")
    };
    for (api_version, kind, hint) in [
        ("v1", "Secret", "never put secrets into Git"),
        ("v1", "Pod", "allowed here: Application"),
        (
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            "allowed here",
        ),
        ("platform.company.com/v1", "Team", "belongs to the platform team"),
        (
            "platform.company.com/v1",
            "Environment",
            "belongs to the platform team",
        ),
        ("kyverno.io/v2", "PolicyException", "under platform/policies/"),
        (
            "argoproj.io/v1alpha1",
            "Application",
            "its apiVersion must be platform.company.com/v1",
        ),
    ] {
        let desired = read(&[(file, &plain(api_version, kind))]);
        assert!(desired.objects.is_empty(), "{kind}");
        assert_eq!(desired.findings.len(), 1);
        assert!(
            desired.findings[0].hint.as_ref().unwrap().contains(hint),
            "{:?}",
            desired.findings
        );
    }
    check(
        &[("platform/teams/x.yaml", &plain("v1", "ConfigMap"))],
        &[],
        &["a ConfigMap of the core group cannot be here"],
    );
    check(
        &[(
            "platform/policies/x.yaml",
            &plain("platform.company.com/v1", "Team"),
        )],
        &[],
        &["a Team of"],
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
fn names_that_meet_do_not_open_anothers_namespace() {
    let (a, b) = (
        "teams/a/b-c/applications/x.yaml",
        "teams/a-b/c/applications/y.yaml",
    );
    let (x, y) = (resource("Application", "one"), resource("Application", "two"));
    check(
        &[(a, &x), (b, &y)],
        &[],
        &["is also that of team a", "is also that of team a-b"],
    );
    let rightful = team("a-b", &["c"]);
    check(
        &[("platform/teams/a-b.yaml", &rightful), (a, &x), (b, &y)],
        &["-/Team/a-b", "a-b-c/Application/two"],
        &["the namespace a-b-c is also that of team a-b"],
    );
    let both = team("a", &["dev"]);
    check(
        &[
            ("platform/teams/a.yaml", &both),
            ("platform/teams/a-b.yaml", &rightful),
            (a, &x),
            (b, &y),
        ],
        &["-/Team/a-b", "-/Team/a", "a-b-c/Application/two"],
        &["the team a does not use the environment b-c"],
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

proptest! {
    #[test]
    fn nothing_under_teams_leaves_its_namespace(
        team in "[a-z]{1,6}|kube|platform", environment in "[a-z]{1,6}|system|secrets",
        kind in prop::sample::select(vec!["Application", "Secret", "Namespace", "Team", "ExternalSecret"]),
        group in prop::sample::select(vec!["platform.company.com/v1", "v1", "external-secrets.io/v1", "x"]),
        namespace in "[a-z-]{0,12}|kube-system", text in "[a-z:{}\\[\\]&*\n -]{0,60}",
    ) {
        let object = format!("apiVersion: {group}\nkind: {kind}\nmetadata: {{name: x, namespace: \"{namespace}\"}}\n");
        let (one, two) = (format!("teams/{team}/{environment}/a/x.yaml"), format!("teams/{team}/{environment}/b.yaml"));
        let files = [(one.as_str(), object.as_str()), (two.as_str(), text.as_str())];
        let desired = read(&files);
        for object in &desired.objects {
            let expect = format!("{team}-{environment}");
            prop_assert_eq!(object.value["metadata"]["namespace"].as_str(), Some(expect.as_str()));
            prop_assert!(expect != "kube-system" && expect != "platform-system");
        }
        prop_assert!(RepoPath::new(one.as_str()).is_ok());
    }
}

#[test]
fn a_team_cannot_ask_for_what_is_the_platforms() {
    let folders = [
        "teams/demo/dev/applications/x.yaml",
        "teams/demo/dev/secrets/x.yaml",
        "teams/demo/dev/golden-paths/x.yaml",
        "teams/demo/dev/x.yaml",
        "teams/demo/dev/platform/policies/x.yaml",
    ];
    let own = "platform.company.com/v1";
    for (api_version, kind) in [
        (own, "GoldenPath"),
        (own, "Team"),
        (own, "Environment"),
        ("kyverno.io/v1", "ClusterPolicy"),
        ("kyverno.io/v1", "Policy"),
        ("kyverno.io/v2", "PolicyException"),
        ("policies.kyverno.io/v1", "ValidatingPolicy"),
        ("policies.kyverno.io/v1", "PolicyException"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("v1", "Namespace"),
        ("v1", "ServiceAccount"),
        ("v1", "PersistentVolume"),
        ("v1", "ResourceQuota"),
        ("v1", "List"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        (
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
        ),
        ("external-secrets.io/v1", "ClusterSecretStore"),
        ("external-secrets.io/v1", "ClusterExternalSecret"),
        // The right kind of another group, and kinds that differ by case alone.
        ("evil.company.com/v1", "Application"),
        ("platform.company.com.evil.com/v1", "Application"),
        (own, "application"),
        ("External-Secrets.io/v1", "ExternalSecret"),
    ] {
        let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: x\n");
        for folder in folders {
            let desired = read(&[(folder, &text)]);
            assert_eq!(objects(&desired), Vec::<String>::new(), "{kind} in {folder}");
            assert_eq!(
                desired.findings.len(),
                1,
                "{kind} in {folder}: {:?}",
                desired.findings
            );
            let finding = &desired.findings[0];
            assert_eq!(
                (finding.file.as_str(), finding.line),
                (folder, Some(1)),
                "{finding}"
            );
            assert!(
                finding
                    .message
                    .contains(&format!("a {kind} cannot be in a team's folder")),
                "{finding}"
            );
            assert!(finding.hint.is_some(), "{finding}");
        }
    }
}

/// A GoldenPath with one version in a folder.
fn golden_path(folder: &str) -> String {
    format!(
        "{}  versions:\n  - version: 1.0.0\n    chart:\n      directory: {folder}\n",
        resource("GoldenPath", "web").replace("spec: {}", "spec:")
    )
}

const RESOURCE: &str = "platform/golden-paths/web.yaml";
const WEB: &str = "platform/golden-paths/web";

#[test]
fn a_golden_paths_folder_comes_into_its_resource() {
    let text = golden_path(WEB);
    let desired = read(&[
        (RESOURCE, &text),
        (
            "platform/golden-paths/web/Chart.yaml",
            "name: web\ndependencies:\n- {name: lib, repository: 'file://../lib'}\n",
        ),
        (
            "platform/golden-paths/web/templates/a.yaml",
            "a: {{ .Values.a }}\n",
        ),
        ("platform/golden-paths/web/.helmignore", "ci/\n"),
        (
            "platform/golden-paths/web/charts/inner/Chart.yaml",
            "name: inner\n",
        ),
        ("platform/golden-paths/webber/Chart.yaml", "name: webber\n"),
        ("platform/golden-paths/lib/Chart.yaml", "name: lib\n"),
        (
            "platform/golden-paths/lib/templates/_a.tpl",
            "{{ define \"a\" }}{{ end }}",
        ),
    ]);
    assert!(desired.findings.is_empty(), "{:#?}", desired.findings);
    assert_eq!(objects(&desired), ["-/GoldenPath/web"]);
    let chart = &desired.objects[0].value["spec"]["versions"][0]["chart"];
    let names: Vec<&String> = chart["files"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            ".helmignore",
            "Chart.yaml",
            "charts/inner/Chart.yaml",
            "charts/lib/Chart.yaml",
            "charts/lib/templates/_a.tpl",
            "templates/a.yaml"
        ]
    );
    assert_eq!(chart["files"]["templates/a.yaml"], "a: {{ .Values.a }}\n");
    assert_eq!(chart["directory"], WEB);
}

#[test]
fn a_chart_that_cannot_come_along_is_said_where_it_is_named() {
    let chart = ("platform/golden-paths/web/Chart.yaml", "name: web\n");
    let refused = |folder: &str, others: &[(&str, &str)], said: &str| {
        let text = golden_path(folder);
        let files: Vec<(&str, &str)> = [(RESOURCE, text.as_str())]
            .iter()
            .chain(others)
            .copied()
            .collect();
        let desired = read(&files);
        assert_eq!(objects(&desired), Vec::<String>::new(), "{said}");
        let found = findings(&desired);
        assert_eq!(found.len(), 1, "{found:#?}");
        let expect = format!("{RESOURCE}:9: {said}");
        assert!(found[0].starts_with(&expect), "{}\nshould say {expect}", found[0]);
        assert!(desired.findings[0].hint.is_some());
    };
    refused(WEB, &[], "there is no folder platform/golden-paths/web");
    refused(
        "platform/golden-paths/web/templates",
        &[chart, ("platform/golden-paths/web/templates/a.yaml", "")],
        "the folder platform/golden-paths/web/templates is no chart",
    );
    for outside in [
        "teams/demo",
        "platform/policies",
        "platform/golden-paths/../policies",
        "platform/golden-paths/",
    ] {
        refused(outside, &[chart], "the folder ");
    }
    let half = "x".repeat(600_000);
    refused(
        WEB,
        &[
            chart,
            ("platform/golden-paths/web/a.txt", &half),
            ("platform/golden-paths/web/b.txt", &half),
        ],
        "the charts of this golden path have more than 1048576 bytes together",
    );
    let missing = "name: web\ndependencies: [{name: lib, repository: 'file://../lib'}]\n";
    refused(
        WEB,
        &[("platform/golden-paths/web/Chart.yaml", missing)],
        "there is no folder platform/golden-paths/lib",
    );
    let upwards = "name: web\ndependencies: [{name: p, repository: 'file://../../policies'}]\n";
    let text = golden_path(WEB);
    let desired = read(&[
        (RESOURCE, &text),
        ("platform/golden-paths/web/Chart.yaml", upwards),
    ]);
    let files = &desired.objects[0].value["spec"]["versions"][0]["chart"]["files"];
    assert_eq!(
        files.as_object().unwrap().len(),
        1,
        "nothing comes from outside of platform/golden-paths/"
    );
    let both = format!("{}      files: {{a: b}}\n", golden_path(WEB));
    check(
        &[(RESOURCE, &both), chart],
        &[],
        &["web.yaml:9: the chart's files are given beside its directory"],
    );
}

#[test]
fn what_the_snapshot_left_out_breaks_the_chart() {
    let text = golden_path(WEB);
    let mut snapshot = Snapshot::of_files([
        (RESOURCE, text.as_str()),
        ("platform/golden-paths/web/Chart.yaml", "name: web\n"),
    ])
    .unwrap();
    for left_out in [
        "platform/golden-paths/web/templates/link.yaml",
        "platform/golden-paths/web",
    ] {
        snapshot.findings = vec![delivery::Finding {
            file: left_out.to_owned(),
            line: None,
            message: "symbolic links are left out".to_owned(),
            hint: None,
        }];
        let desired = layout::read(&snapshot, &Group::default());
        assert_eq!(objects(&desired), Vec::<String>::new());
        let found = findings(&desired);
        let expect = format!("{RESOURCE}:9: the chart is not whole: {left_out}: symbolic links are left out");
        assert!(found.contains(&expect), "{found:#?}");
    }
}

#[test]
fn a_file_in_no_chart_is_said() {
    let chart = ("platform/golden-paths/web/Chart.yaml", "name: web\n");
    let resource = resource("GoldenPath", "lost");
    check(
        &[chart, ("platform/golden-paths/web/ci/values.yaml", "a: {{ b }}")],
        &[],
        &[],
    );
    check(
        &[chart, ("platform/golden-paths/lost/lost.yaml", &resource)],
        &[],
        &["platform/golden-paths/lost/lost.yaml: the file is neither a golden path nor a part of a chart"],
    );
    check(&[("platform/golden-paths/lost/README.md", "words")], &[], &[]);
}
