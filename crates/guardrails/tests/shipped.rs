//! The shipped policies: what they hold for, and what their verdicts tell the one who is refused. Their own suites run
//! with `policy test`.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use guardrails::{Outcome, Policies, Request, Verdict};
use serde_json::{Value, json};

fn policies_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

fn documents(file: &Path) -> Vec<yaml::Document> {
    let text = std::fs::read_to_string(file).expect("readable");
    yaml::parse_all(&text).expect("YAML")
}

/// A rule's name as written, without what rules for controllers are prefixed with.
fn written(rule: &str) -> &str {
    rule.strip_prefix("autogen-cronjob-")
        .or(rule.strip_prefix("autogen-"))
        .unwrap_or(rule)
}

fn shipped() -> Policies {
    let mut policies = Policies::default();
    for file in yaml_files(&policies_folder()) {
        policies.merge(Policies::load(&file.display().to_string(), &documents(&file)).expect("in order"));
    }
    policies
}

fn evaluate(policies: &Policies, object: &Value) -> Vec<Verdict> {
    policies.evaluate(&Request::new(object))
}

/// A Deployment that keeps every shipped policy.
fn good_deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "api",
            "namespace": "demo-dev",
            "labels": {"app.kubernetes.io/name": "api", "platform.company.com/team": "demo"},
        },
        "spec": {
            "replicas": 3,
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/name": "api"}},
                "spec": {
                    "serviceAccountName": "api",
                    "automountServiceAccountToken": false,
                    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{
                        "name": "api",
                        "image": "registry.internal:5000/demo/api:v1.2.3",
                        "env": [{"name": "LOG_LEVEL", "value": "info"}],
                        "ports": [{"containerPort": 8080}],
                        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
                        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}},
                        "resources": {
                            "requests": {"cpu": "100m", "memory": "128Mi"},
                            "limits": {"cpu": "500m", "memory": "256Mi"},
                        },
                        "securityContext": {
                            "readOnlyRootFilesystem": true,
                            "allowPrivilegeEscalation": false,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }],
                },
            },
        },
    })
}

#[test]
fn every_policy_says_what_it_is_why_and_whether_it_bites() {
    let mut actions = BTreeMap::new();
    for file in yaml_files(&policies_folder()) {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let [document] = documents(&file).try_into().expect("one policy a file");
        let policy = document.value;
        assert_eq!(policy["metadata"]["name"], name.as_str());
        let annotations = policy["metadata"]["annotations"]
            .as_object()
            .expect("annotations");
        for key in [
            "policies.kyverno.io/title",
            "policies.kyverno.io/category",
            "policies.kyverno.io/severity",
            "policies.kyverno.io/subject",
            "policies.kyverno.io/description",
            "policies.towpath.dev/why",
            "policies.towpath.dev/hint",
            "policies.towpath.dev/controls",
        ] {
            let text = annotations.get(key).and_then(Value::as_str).unwrap_or_default();
            assert!(!text.is_empty(), "{name}: {key}");
        }
        let rules = policy["spec"]["rules"].as_array().expect("rules");
        for key in annotations.keys() {
            if let Some(rule) = key.strip_prefix("policies.towpath.dev/hint.") {
                assert!(rules.iter().any(|known| known["name"] == rule), "{name}: {key}");
            }
        }
        let controls = annotations["policies.towpath.dev/controls"]
            .as_str()
            .unwrap_or_default();
        for control in controls.split(',').map(str::trim) {
            assert!(is_control(control), "{name}: {control:?} is no control");
        }
        let mut said = Vec::new();
        for rule in rules {
            assert!(rule["validate"]["message"].is_string(), "{name}");
            let action = rule["validate"]["failureAction"].as_str().expect("an action");
            if !said.contains(&action.to_owned()) {
                said.push(action.to_owned());
            }
        }
        actions.insert(name, (said.join(" and "), controls.to_owned()));
    }
    assert!(actions.len() >= 18, "{actions:#?}");
    documented(&actions);
}

/// Whether a control is written as its framework writes it.
fn is_control(control: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match control.split_once(' ') {
        // The benchmark's chapter on policies.
        Some(("CIS", id)) => id.starts_with("5.") && id.split('.').count() == 3 && id.split('.').all(digits),
        Some(("NIST", id)) => id.split_once('-').is_some_and(|(family, number)| {
            let (number, enhancement) = number.split_once('(').unwrap_or((number, "1)"));
            family.len() == 2
                && family.bytes().all(|byte| byte.is_ascii_uppercase())
                && digits(number)
                && enhancement.strip_suffix(')').is_some_and(digits)
        }),
        // Sections, which have no numbers.
        Some(("NSA", section)) => section.starts_with(|letter: char| letter.is_ascii_uppercase()),
        Some(("SOC2", id)) => id.split_once('.').is_some_and(|(series, number)| {
            (series == "A1" || series.strip_prefix("CC").is_some_and(digits)) && digits(number)
        }),
        _ => false,
    }
}

/// The tables of the guide and of the folder name every policy, whether it bites and the controls it serves.
fn documented(actions: &BTreeMap<String, (String, String)>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let rows = |file: &str| -> Vec<String> {
        let text = std::fs::read_to_string(root.join(file)).expect("readable");
        let rows = text.lines().filter(|line| line.starts_with("| "));
        rows.map(str::to_owned).collect()
    };
    let guide = rows("docs/guardrails.md");
    let folder = rows("policies/README.md");
    for (name, (action, controls)) in actions {
        for (file, rows, first) in [
            ("docs/guardrails.md", &guide, format!("| `{name}` | {action} | ")),
            (
                "policies/README.md",
                &folder,
                format!("| [{name}]({name}.yaml) | {action} | "),
            ),
        ] {
            let last = format!(" | {controls} |");
            assert!(
                rows.iter()
                    .any(|row| row.starts_with(&first) && row.ends_with(&last)),
                "{file}: {name}, {action}, {controls}"
            );
        }
    }
}

#[test]
fn a_careful_deployment_breaks_nothing() {
    let verdicts = evaluate(&shipped(), &good_deployment());
    assert!(verdicts.len() > 20, "{}", verdicts.len());
    for verdict in verdicts {
        assert!(matches!(verdict.outcome, Outcome::Pass), "{verdict:?}");
        assert_eq!(verdict.object, "Deployment/api");
    }
}

/// Whatever a rule says of a pod it says of what makes such pods.
#[test]
fn rules_for_pods_hold_for_everything_that_makes_pods() {
    let mut compared = 0;
    for policy in yaml_files(&policies_folder()) {
        let name = policy.file_stem().expect("a name").to_string_lossy();
        let own = Policies::load(&name, &documents(&policy)).expect("in order");
        let tested = yaml_files(&policies_folder().join(format!("tests/{name}")));
        let objects = tested.iter().flat_map(|file| documents(file));
        let objects: Vec<Value> = objects.map(|document| document.value).collect();
        let said = |verdicts: Vec<Verdict>| -> BTreeMap<String, Outcome> {
            let rules = verdicts
                .into_iter()
                .map(|verdict| (written(&verdict.about.rule).to_owned(), verdict.outcome));
            rules.collect()
        };
        for pod in objects.iter().filter(|object| object["kind"] == "Pod") {
            let expected = said(evaluate(&own, pod));
            for (version, kind) in [
                ("apps/v1", "Deployment"),
                ("apps/v1", "StatefulSet"),
                ("apps/v1", "DaemonSet"),
                ("apps/v1", "ReplicaSet"),
                ("v1", "ReplicationController"),
                ("batch/v1", "Job"),
                ("batch/v1", "CronJob"),
            ] {
                let template = json!({"metadata": pod["metadata"], "spec": pod["spec"]});
                let spec = if kind == "CronJob" {
                    json!({"jobTemplate": {"spec": {"template": template}}})
                } else {
                    json!({"template": template})
                };
                let object =
                    json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec});
                let mut seen = said(evaluate(&own, &object));
                seen.retain(|rule, _| expected.contains_key(rule));
                assert_eq!(seen, expected, "{name}: {kind} of {}", pod["metadata"]["name"]);
                compared += expected.len();
            }
        }
    }
    assert!(compared > 500, "{compared}");
}

#[test]
fn a_refusal_names_the_field_and_the_value() {
    let check = |pointer: &str, value: Value, policy: &str, path: &str, seen: Option<Value>| {
        let mut object = good_deployment();
        let template = "/spec/template/spec";
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let parent = object
            .pointer_mut(&format!("{template}{parent}"))
            .expect("a parent")
            .as_object_mut()
            .expect("a map");
        if value.is_null() {
            parent.remove(key)
        } else {
            parent.insert(key.to_owned(), value)
        };
        let verdicts = evaluate(&shipped(), &object);
        let refused: Vec<&Verdict> = verdicts.iter().filter(|verdict| verdict.refuses()).collect();
        let [verdict] = refused.as_slice() else {
            panic!("{pointer}: {refused:#?}")
        };
        assert_eq!(
            (verdict.about.policy.as_str(), verdict.outcome),
            (policy, Outcome::Fail),
            "{pointer}"
        );
        assert_eq!(
            verdict.path.as_deref(),
            Some(format!("{template}{path}").as_str()),
            "{pointer}"
        );
        assert_eq!(verdict.value, seen, "{pointer}");
    };
    let latest = "disallow-latest-tag";
    let limits = "require-limits";
    let context = "restricted-security-context";
    let c = "/containers/0";
    check(
        &format!("{c}/image"),
        json!("api:latest"),
        latest,
        &format!("{c}/image"),
        Some(json!("api:latest")),
    );
    check(
        &format!("{c}/image"),
        json!("r:5000/api"),
        latest,
        &format!("{c}/image"),
        Some(json!("r:5000/api")),
    );
    let cpu = format!("{c}/resources/limits/cpu");
    check(&cpu, json!(null), limits, &cpu, None);
    check(&cpu, json!("0"), limits, &cpu, Some(json!("0")));
    check(
        &format!("{c}/resources"),
        json!(null),
        limits,
        &format!("{c}/resources"),
        None,
    );
    check(
        "/hostNetwork",
        json!(true),
        context,
        "/hostNetwork",
        Some(json!(true)),
    );
    let security = format!("{c}/securityContext");
    let escalation = format!("{security}/allowPrivilegeEscalation");
    check(&escalation, json!(true), context, &escalation, Some(json!(true)));
    check(&escalation, json!(null), context, &escalation, None);
    let privileged = format!("{security}/privileged");
    check(&privileged, json!(true), context, &privileged, Some(json!(true)));
    let drop = format!("{security}/capabilities/drop");
    check(
        &drop,
        json!(["NET_RAW"]),
        context,
        &drop,
        Some(json!(["NET_RAW"])),
    );
    check(
        &format!("{security}/capabilities"),
        json!(null),
        context,
        &drop,
        None,
    );
    let non_root = format!("{security}/runAsNonRoot");
    check(&non_root, json!(false), context, &non_root, Some(json!(false)));
    check(
        "/securityContext/runAsNonRoot",
        json!(null),
        context,
        &non_root,
        None,
    );
    let seccomp = format!("{security}/seccompProfile");
    check(
        "/securityContext/seccompProfile",
        json!(null),
        context,
        &seccomp,
        None,
    );
    check(
        "/securityContext/seccompProfile",
        json!({"type": "Unconfined"}),
        context,
        &seccomp,
        None,
    );
}

#[test]
fn hints_speak_of_the_rule_that_refused() {
    let mut object = good_deployment();
    object["spec"]["template"]["spec"]["hostPID"] = json!(true);
    let verdicts = evaluate(&shipped(), &object);
    let verdict = verdicts
        .iter()
        .find(|verdict| verdict.refuses())
        .expect("refused");
    assert_eq!(verdict.about.rule, "autogen-host-namespaces");
    assert_eq!(
        verdict.about.hint.as_deref(),
        Some("Remove hostNetwork, hostPID and hostIPC from the pod.")
    );
}

/// The first article's policy as it was printed: the old failure action, the bare `match.resources`.
#[test]
fn the_article_s_policy_refuses_a_pod_and_a_deployment_without_limits() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/article-require-limits.yaml");
    let policies = Policies::load("article.yaml", &documents(&file)).expect("in order");
    let pod = |container: Value| json!({"containers": [container]});
    let no_limits = json!({"name": "app", "image": "app:v1", "resources": {"limits": {"memory": "1Gi"}}});
    let limits =
        json!({"name": "app", "image": "app:v1", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}});
    let check = |object: Value, rule: &str, message: Option<&str>| {
        let verdicts = evaluate(&policies, &object);
        let [verdict] = verdicts.as_slice() else {
            panic!("one verdict for {object}: {verdicts:#?}")
        };
        assert_eq!(verdict.about.rule, rule);
        assert!(verdict.enforce);
        assert_eq!(verdict.refuses(), message.is_some(), "{verdict:?}");
        if let Some(message) = message {
            assert_eq!(verdict.message, message);
        }
    };
    let of = |kind: &str, version: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "app"}, "spec": spec});
    check(
        of("Pod", "v1", pod(no_limits.clone())),
        "require-limits",
        Some(
            "validation error: CPU and memory limits are required. rule require-limits failed at path /spec/containers/0/resources/limits/cpu/",
        ),
    );
    check(of("Pod", "v1", pod(limits.clone())), "require-limits", None);
    for (kind, version) in [
        ("Deployment", "apps/v1"),
        ("StatefulSet", "apps/v1"),
        ("DaemonSet", "apps/v1"),
        ("ReplicaSet", "apps/v1"),
        ("ReplicationController", "v1"),
        ("Job", "batch/v1"),
    ] {
        let spec = |container: &Value| json!({"template": {"spec": pod(container.clone())}});
        check(
            of(kind, version, spec(&no_limits)),
            "autogen-require-limits",
            Some(
                "validation error: CPU and memory limits are required. rule autogen-require-limits failed at path /spec/template/spec/containers/0/resources/limits/cpu/",
            ),
        );
        check(of(kind, version, spec(&limits)), "autogen-require-limits", None);
    }
    let spec =
        |container: &Value| json!({"jobTemplate": {"spec": {"template": {"spec": pod(container.clone())}}}});
    check(
        of("CronJob", "batch/v1", spec(&no_limits)),
        "autogen-cronjob-require-limits",
        Some(
            "validation error: CPU and memory limits are required. rule autogen-cronjob-require-limits failed at path /spec/jobTemplate/spec/template/spec/containers/0/resources/limits/cpu/",
        ),
    );
    check(
        of("CronJob", "batch/v1", spec(&limits)),
        "autogen-cronjob-require-limits",
        None,
    );
    assert_eq!(evaluate(&policies, &of("Service", "v1", json!({}))), []);
}
