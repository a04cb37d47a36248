//! The platform's own chart: what is installed, as a pure function of a few choices. No I/O.

use std::sync::OnceLock;

use api::{Group, SYSTEM_NAMESPACE};
use chart::{Capabilities, Chart, Release, render};
use rust_embed::RustEmbed;
use serde_json::{Value, json};

use crate::error::OperationError;

/// The name of the operator's Deployment and everything around it.
pub(super) const OPERATOR: &str = "platform-operator";
/// The name of the webhook's Deployment and everything around it.
pub(super) const WEBHOOK: &str = "platform-webhook";
/// The name of both configurations that tell the API server of the webhook.
pub(super) const GUARDRAILS: &str = "platform-guardrails";
/// The config map that says which platform is installed.
pub(super) const RECORD: &str = "platform";
/// The release under which the chart is rendered.
const RELEASE: &str = "platform";
/// This program's version, and the chart's.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(RustEmbed)]
#[folder = "../../charts/platform"]
#[exclude = "ci/*"]
struct ChartFiles;

/// What is chosen at an install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choices {
    pub(super) group: Group,
    pub(super) image: String,
    pub(super) replicas: u16,
    /// Whether the guardrails stand at the cluster's door.
    pub(super) webhook: bool,
}

/// All objects of an install, the namespace first.
pub(super) fn manifests(
    choices: &Choices,
    capabilities: &Capabilities,
) -> Result<Vec<Value>, OperationError> {
    let values = json!({
        "group": choices.group.as_str(),
        "image": choices.image,
        "replicas": choices.replicas,
        "webhook": {"enabled": choices.webhook},
    });
    let release = Release {
        name: RELEASE.to_owned(),
        namespace: SYSTEM_NAMESPACE.to_owned(),
        service: RELEASE.to_owned(),
        ..Release::default()
    };
    let rendered = render(chart()?, &values, &release, capabilities).map_err(broken)?;
    let mut objects = vec![namespace(&choices.group)];
    objects.extend(rendered.objects.into_iter().map(|object| object.value));
    Ok(objects)
}

/// The platform's own namespace, which Helm makes by itself.
fn namespace(group: &Group) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": SYSTEM_NAMESPACE,
            "labels": {
                group.label_managed(): "true",
                "pod-security.kubernetes.io/enforce": "restricted",
            },
        },
    })
}

fn chart() -> Result<&'static Chart, OperationError> {
    static CHART: OnceLock<Chart> = OnceLock::new();
    if let Some(chart) = CHART.get() {
        return Ok(chart);
    }
    let files = ChartFiles::iter().filter_map(|path| {
        let data = ChartFiles::get(&path)?.data.into_owned();
        Some((path.into_owned(), data))
    });
    let chart = Chart::from_files(files).map_err(broken)?;
    Ok(CHART.get_or_init(|| chart))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: chart::ChartError) -> OperationError {
    OperationError::invalid(format!("the platform's own chart: {error}"))
}

/// Why an image will not do, if so: what runs must be one version for ever.
pub(super) fn image_problem(image: &str) -> Option<&'static str> {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map(|(_, tag)| tag);
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-/:".contains(&b))
    };
    if !plain(name) || name.starts_with(['-', '/', ':']) || last.is_empty() || last.starts_with(':') {
        return Some("that is not the name of an image");
    }
    match (tag, digest) {
        (_, Some(digest)) => {
            let hex = digest.strip_prefix("sha256:").unwrap_or_default();
            let good = hex.len() == 64
                && hex
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            (!good).then_some("its digest is not sha256: and 64 digits")
        }
        (None, None) => Some("it has neither a version nor a digest"),
        (Some("latest"), None) => Some("latest is another image tomorrow"),
        (Some(tag), None) => {
            let good =
                !tag.is_empty() && tag.len() <= 128 && !tag.starts_with(['.', '-']) && !tag.contains(':');
            (!good).then_some("its version is not one")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn choices(group: &str, replicas: u16) -> Choices {
        Choices {
            group: Group::parse(group).unwrap(),
            image: "registry.example.com/platform:1.0.0".to_owned(),
            replicas,
            webhook: true,
        }
    }

    fn made(group: &str) -> Vec<Value> {
        manifests(&choices(group, 2), &Capabilities::default()).unwrap()
    }

    fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
        let found = objects
            .iter()
            .find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    #[test]
    fn definitions_are_those_of_the_types() {
        for group in ["platform.company.com", "idp.example.org"] {
            let objects = made(group);
            for mut expect in api::crds(&Group::parse(group).unwrap()) {
                let name = expect["metadata"]["name"].as_str().unwrap().to_owned();
                expect["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
                // As YAML has it: 50 and 50.0 are one number.
                let expect = yaml::parse(&yaml::emit(&expect)).unwrap().value;
                let fresh = find(&objects, "CustomResourceDefinition", &name) == &expect;
                assert!(fresh, "{name} is stale: run cargo xtask generate definitions");
            }
        }
    }

    #[test]
    fn the_chart_has_the_programs_version() {
        let chart = chart().unwrap();
        assert_eq!((chart.version(), chart.app_version()), (VERSION, Some(VERSION)));
    }

    #[test]
    fn everything_has_its_place_and_its_name_once() {
        let objects = made("platform.company.com");
        let mut seen = BTreeSet::new();
        for object in &objects {
            let id = apply::ObjectId::of(object);
            let cluster_wide = [
                "Namespace",
                "CustomResourceDefinition",
                "ClusterRole",
                "ClusterRoleBinding",
                "MutatingWebhookConfiguration",
                "ValidatingWebhookConfiguration",
            ]
            .contains(&id.kind.as_str());
            let place = (!cluster_wide).then(|| SYSTEM_NAMESPACE.to_owned());
            assert_eq!(id.namespace, place, "{id}");
            assert!(seen.insert(id.to_string()), "{id} twice");
        }
    }

    #[test]
    fn the_operator_keeps_the_platforms_own_guardrails() {
        let policies = expansion::builtin::guardrails().unwrap();
        for object in made("platform.company.com") {
            let refusals: Vec<_> = policies
                .evaluate(&guardrails::Request::new(&object))
                .into_iter()
                .filter(guardrails::Verdict::refuses)
                // An API server is no pod, and its address is known to nobody: whoever finds the webhook may ask it.
                .filter(|verdict| {
                    (verdict.about.rule.as_str(), verdict.object.as_str())
                        != ("open-ingress", "NetworkPolicy/platform-webhook")
                })
                .collect();
            assert!(refusals.is_empty(), "{refusals:?}");
        }
    }

    #[test]
    fn no_rule_of_the_operator_is_a_blank_cheque() {
        let objects = made("platform.company.com");
        for kind in ["ClusterRole", "Role"] {
            for role in objects.iter().filter(|o| o["kind"] == kind) {
                // One of them has the rights of others, which the cluster fills in.
                assert!(
                    role["rules"].is_array() || role["aggregationRule"].is_object(),
                    "{role}"
                );
                for rule in role["rules"].as_array().into_iter().flatten() {
                    let words = |key: &str| -> Vec<&str> {
                        rule[key]
                            .as_array()
                            .unwrap()
                            .iter()
                            .filter_map(Value::as_str)
                            .collect()
                    };
                    for key in ["apiGroups", "resources", "verbs"] {
                        assert!(!words(key).contains(&"*"), "{rule}");
                    }
                    // A Secret is made; but for the webhook's own certificate, none is read.
                    if words("resources").contains(&"secrets") && rule["resourceNames"] != json!([WEBHOOK]) {
                        assert_eq!(words("verbs"), ["create"], "{rule}");
                    }
                    let powers = ["bind", "escalate", "impersonate"];
                    if words("verbs").iter().any(|verb| powers.contains(verb)) {
                        assert!(rule["resourceNames"].is_array(), "{rule}");
                    }
                    assert!(
                        !words("resources").contains(&"customresourcedefinitions"),
                        "{rule}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_deployer_may_make_what_golden_paths_may_make() {
        for group in ["platform.company.com", "idp.example.org"] {
            let objects = made(group);
            let rules = &find(&objects, "ClusterRole", api::DEPLOYER)["rules"];
            let expect = &crate::bootstrap::deployer_role(&Group::parse(group).unwrap())["rules"];
            let sorted = |rules: &Value| -> BTreeSet<String> {
                rules.as_array().unwrap().iter().map(Value::to_string).collect()
            };
            assert_eq!(sorted(rules), sorted(expect));
        }
    }

    #[test]
    fn one_alone_needs_no_disruption_budget() {
        let kinds = |replicas| -> Vec<Value> {
            let objects = manifests(&choices("a.b", replicas), &Capabilities::default()).unwrap();
            objects.into_iter().map(|o| o["kind"].clone()).collect()
        };
        let budgets = |replicas| {
            kinds(replicas)
                .iter()
                .filter(|kind| *kind == "PodDisruptionBudget")
                .count()
        };
        assert_eq!((budgets(2), budgets(1)), (2, 1), "the webhook has its own");
        assert!(!kinds(2).contains(&json!("ServiceMonitor")));
    }

    #[test]
    fn whoever_wants_no_webhook_gets_nothing_of_it() {
        let without = Choices {
            webhook: false,
            ..choices("a.b", 2)
        };
        let made = manifests(&without, &Capabilities::default()).unwrap();
        assert!(made.iter().all(|object| {
            let name = object["metadata"]["name"].as_str().unwrap();
            let kind = object["kind"].as_str().unwrap();
            name != WEBHOOK && !(name == GUARDRAILS && kind.ends_with("WebhookConfiguration"))
        }));
        let objects = made_names();
        for name in [WEBHOOK, GUARDRAILS] {
            assert!(objects.iter().any(|object| object == name), "{name}");
        }
    }

    fn made_names() -> Vec<String> {
        let objects = made("a.b");
        let names = objects
            .iter()
            .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned());
        names.collect()
    }

    #[test]
    fn images_say_which_version() {
        for good in [
            "registry.example.com/platform:0.1.0",
            "registry.example.com:5000/a/b:v1",
            "platform:1",
            "r.io/p@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "r.io/p:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(image_problem(good), None, "{good}");
        }
        for bad in [
            "",
            "platform",
            "r.io:5000/platform",
            "r.io/p:latest",
            "r.io/p@sha256:12",
            "r.io/p:",
            "a b:1",
            "-a:1",
            "r.io/:1",
            "r.io/p:1\n",
            "{{ x }}:1",
            "r.io/p:a:b",
            "\"x\":1",
        ] {
            assert!(image_problem(bad).is_some(), "{bad}");
        }
    }
}
