//! What a team cannot reach by what it writes: other namespaces, other kinds, what is the platform's.

use delivery::RepoPath;
use proptest::prelude::*;

use super::{check, objects, read, resource, team};

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
