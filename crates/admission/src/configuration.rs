//! What an API server is told about the webhook: which requests it is to be asked about, where it is, whom to trust.
//! No I/O.
//!
//! A resource stands in one entry only, so that a request is judged once: refused while nobody answers when any of the
//! policies for it says so, and with the longest time that one of them asks for.
//!
//! It stands there in the versions in which policies read it: what is written in another one, the API server converts
//! (`matchPolicy: Equivalent`). Were every version named, it would convert nothing, and a policy about `v2` would not be
//! about what is written as `v1`.

use std::collections::{BTreeMap, BTreeSet};

use api::Group;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::scope::{FailurePolicy, Scope};
use crate::served::{Served, means};

/// The name of both configurations.
pub const CONFIGURATION: &str = "platform-guardrails";
/// Namespaces that the webhook is not asked about: where teams cannot write, and where it lives itself.
pub const LEFT_OUT: [&str; 2] = ["kube-system", api::SYSTEM_NAMESPACE];
/// The service in front of the webhook, in the platform's namespace.
pub const SERVICE: &str = "platform-webhook";

/// Where the API server finds the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind the installed Service.
    Service,
    /// At an address, such as `https://127.0.0.1:9443`; for development.
    Url(String),
}

/// Which of the two kinds of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Side {
    /// It judges.
    Validating,
    /// It changes.
    Mutating,
}

impl Side {
    /// Both, in the order in which an API server asks.
    pub(crate) const ALL: [Side; 2] = [Side::Mutating, Side::Validating];

    /// The kind of its configuration.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Side::Validating => "ValidatingWebhookConfiguration",
            Side::Mutating => "MutatingWebhookConfiguration",
        }
    }

    /// Where it is asked.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Side::Validating => "/validate",
            Side::Mutating => "/mutate",
        }
    }
}

/// The whole configuration of one side. `authorities` are the certificates to trust, in PEM.
pub(crate) fn configuration(
    side: Side,
    group: &Group,
    place: &Place,
    authorities: &str,
    scopes: &[Scope],
    served: &[Served],
) -> Value {
    let webhooks: Vec<Value> = entries(side, scopes, served)
        .into_iter()
        .map(|((failure, timeout), rules)| {
            let mut client = match place {
                Place::Service => json!({"service": {
                    "name": SERVICE, "namespace": api::SYSTEM_NAMESPACE, "path": side.path(), "port": 443,
                }}),
                Place::Url(url) => json!({"url": format!("{}{}", url.trim_end_matches('/'), side.path())}),
            };
            client["caBundle"] = json!(STANDARD.encode(authorities));
            let mut webhook = json!({
                "name": format!("{}-{timeout}s.guardrails.{group}", failure.word().to_lowercase()),
                "admissionReviewVersions": ["v1"],
                "clientConfig": client,
                "failurePolicy": failure.word(),
                "matchPolicy": "Equivalent",
                "namespaceSelector": {"matchExpressions": [
                    {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": LEFT_OUT},
                ]},
                "objectSelector": {},
                "rules": rules,
                "sideEffects": "NoneOnDryRun",
                "timeoutSeconds": timeout,
            });
            if side == Side::Mutating {
                webhook["reinvocationPolicy"] = json!("IfNeeded");
            }
            webhook
        })
        .collect();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": side.kind(),
        "metadata": {"name": CONFIGURATION},
        "webhooks": webhooks,
    })
}

/// Resources by group, versions and operations.
type Rules = BTreeMap<(String, BTreeSet<String>, BTreeSet<String>), BTreeSet<String>>;

fn entries(side: Side, scopes: &[Scope], served: &[Served]) -> BTreeMap<(FailurePolicy, u8), Vec<Value>> {
    let mut entries: BTreeMap<(FailurePolicy, u8), Rules> = BTreeMap::new();
    let relevant: Vec<&Scope> = scopes
        .iter()
        .filter(|scope| scope.admission && scope.mutates == (side == Side::Mutating))
        .collect();
    for resource in served {
        let mut all: Option<((FailurePolicy, u8), BTreeSet<String>)> = None;
        let mut versions = BTreeSet::new();
        for scope in relevant.iter().filter(|scope| means(&scope.kinds, resource)) {
            let ((failure, timeout), operations) =
                all.get_or_insert(((FailurePolicy::Ignore, 0), BTreeSet::new()));
            *failure = (*failure).max(scope.failure);
            *timeout = (*timeout).max(scope.timeout);
            operations.extend(scope.operations.iter().cloned());
            versions.insert(match scope.kinds.version.as_str() {
                "*" => resource.version.clone(),
                version if version.contains(['*', '?']) => "*".to_owned(),
                version => version.to_owned(),
            });
        }
        let Some((entry, operations)) = all else { continue };
        let slash = if resource.subresource.is_empty() { "" } else { "/" };
        let path = format!("{}{slash}{}", resource.plural, resource.subresource);
        let rules = entries.entry(entry).or_default();
        rules
            .entry((resource.group.clone(), versions, operations))
            .or_default()
            .insert(path);
    }
    let rule = |((group, versions, operations), resources)| {
        let versions: BTreeSet<String> = versions;
        // A star must stand alone.
        let every = versions.contains("*");
        json!({
            "apiGroups": [group],
            "apiVersions": if every { json!(["*"]) } else { json!(versions) },
            "operations": operations,
            "resources": resources,
            "scope": "*",
        })
    };
    let list = |rules: Rules| rules.into_iter().map(rule).collect();
    entries
        .into_iter()
        .map(|(entry, rules)| (entry, list(rules)))
        .collect()
}

/// What of a configuration the webhook itself decides; the rest an API server fills in.
pub(crate) fn same(live: &Value, wanted: &Value) -> bool {
    let told = |configuration: &Value| -> Vec<Value> {
        let webhooks = configuration["webhooks"].as_array().into_iter().flatten();
        let mut told: Vec<Value> = webhooks
            .map(|webhook| {
                let mut webhook = webhook.clone();
                if let Some(fields) = webhook.as_object_mut() {
                    fields.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
                }
                webhook
            })
            .collect();
        told.sort_by_key(|webhook| webhook["name"].to_string());
        told
    };
    told(live) == told(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::scopes;

    fn served() -> Vec<Served> {
        [
            ("", "Pod", "pods"),
            ("", "Pod", "pods/ephemeralcontainers"),
            ("", "Pod", "pods/exec"),
            ("", "ConfigMap", "configmaps"),
            ("apps", "Deployment", "deployments"),
            ("apps", "Deployment", "deployments/scale"),
            ("coordination.k8s.io", "Lease", "leases"),
        ]
        .map(|(group, kind, path)| {
            let (plural, subresource) = path.split_once('/').unwrap_or((path, ""));
            Served {
                group: group.to_owned(),
                version: "v1".to_owned(),
                kind: kind.to_owned(),
                plural: plural.to_owned(),
                subresource: subresource.to_owned(),
                namespaced: true,
                listable: true,
            }
        })
        .to_vec()
    }

    fn policy(spec: &str) -> Value {
        let text = format!(
            "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: a}}, spec: {spec}}}"
        );
        yaml::parse(&text).unwrap().value
    }

    #[track_caller]
    fn check(policies: &[&str], expect: &[(&str, u64, &[&str])]) {
        let policies: Vec<Value> = policies.iter().map(|spec| policy(spec)).collect();
        let group = Group::default();
        let made = configuration(
            Side::Validating,
            &group,
            &Place::Service,
            "PEM",
            &scopes(&policies),
            &served(),
        );
        let got: Vec<(String, u64, Vec<String>)> = made["webhooks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|webhook| {
                let rules = webhook["rules"].as_array().unwrap().iter().map(|rule| {
                    let words = |key: &str| {
                        let list = rule[key].as_array().unwrap().iter();
                        list.map(|word| word.as_str().unwrap())
                            .collect::<Vec<_>>()
                            .join(",")
                    };
                    format!(
                        "{}:{} {}",
                        words("apiGroups"),
                        words("resources"),
                        words("operations")
                    )
                });
                (
                    webhook["failurePolicy"].as_str().unwrap().to_owned(),
                    webhook["timeoutSeconds"].as_u64().unwrap(),
                    rules.collect(),
                )
            })
            .collect();
        let expect: Vec<(String, u64, Vec<String>)> = expect
            .iter()
            .map(|(failure, timeout, rules)| {
                (
                    (*failure).to_owned(),
                    *timeout,
                    rules.iter().map(|&rule| rule.to_owned()).collect(),
                )
            })
            .collect();
        assert_eq!(got, expect, "{policies:?}");
    }

    const PODS: &str =
        "{rules: [{name: a, match: {any: [{resources: {kinds: [Pod]}}]}, validate: {pattern: {}}}]}";
    const MAPS: &str = "{failurePolicy: Ignore, webhookTimeoutSeconds: 3, rules: [{name: a, match: {any: [{resources: {kinds: [ConfigMap]}}]}, validate: {pattern: {}}}]}";
    const SOFT_PODS: &str = "{failurePolicy: Ignore, webhookTimeoutSeconds: 20, rules: [{name: a, match: {any: [{resources: {kinds: [Pod], operations: [DELETE]}}]}, validate: {deny: {}}}]}";
    const ALL: &str =
        "{rules: [{name: a, match: {any: [{resources: {kinds: ['*']}}]}, validate: {pattern: {}}}]}";

    #[test]
    fn only_what_policies_match_is_asked_about() {
        check(&[], &[]);
        check(
            &[PODS],
            &[(
                "Fail",
                10,
                &[
                    ":pods,pods/ephemeralcontainers CREATE,UPDATE",
                    "apps:deployments CREATE,UPDATE",
                ],
            )],
        );
        check(
            &[PODS, MAPS],
            &[
                ("Ignore", 3, &[":configmaps CREATE,UPDATE"]),
                (
                    "Fail",
                    10,
                    &[
                        ":pods,pods/ephemeralcontainers CREATE,UPDATE",
                        "apps:deployments CREATE,UPDATE",
                    ],
                ),
            ],
        );
        check(
            &[ALL],
            &[(
                "Fail",
                10,
                &[
                    ":configmaps,pods,pods/ephemeralcontainers CREATE,UPDATE",
                    "apps:deployments CREATE,UPDATE",
                ],
            )],
        );
    }

    #[test]
    fn a_resource_is_asked_about_once() {
        let fails = [
            ":pods,pods/ephemeralcontainers CREATE,DELETE,UPDATE",
            "apps:deployments CREATE,DELETE,UPDATE",
        ];
        check(&[PODS, SOFT_PODS], &[("Fail", 20, &fails)]);
    }

    /// What is written in another version the API server converts to the one that is named.
    #[test]
    fn the_versions_are_those_in_which_policies_read() {
        let served = [Served {
            group: "autoscaling".to_owned(),
            version: "v2".to_owned(),
            kind: "HorizontalPodAutoscaler".to_owned(),
            plural: "horizontalpodautoscalers".to_owned(),
            subresource: String::new(),
            namespaced: true,
            listable: true,
        }];
        let check = |kinds: &[&str], expect: &[&str]| {
            let policies = kinds.iter().map(|kind| {
                policy(&format!(
                    "{{rules: [{{name: a, match: {{any: [{{resources: {{kinds: ['{kind}']}}}}]}}, validate: {{pattern: {{}}}}}}]}}"
                ))
            });
            let policies: Vec<Value> = policies.collect();
            let (group, scopes) = (Group::default(), scopes(&policies));
            let made = configuration(Side::Validating, &group, &Place::Service, "PEM", &scopes, &served);
            let rules = &made["webhooks"][0]["rules"];
            assert_eq!(rules[0]["apiVersions"], json!(expect), "{kinds:?}");
            assert_eq!(rules.as_array().map(Vec::len), Some(1), "{kinds:?}");
        };
        check(&["HorizontalPodAutoscaler"], &["v2"]);
        check(&["*"], &["v2"]);
        check(&["autoscaling/v1/HorizontalPodAutoscaler"], &["v1"]);
        check(
            &["v1/HorizontalPodAutoscaler", "HorizontalPodAutoscaler"],
            &["v1", "v2"],
        );
        check(
            &[
                "v1/HorizontalPodAutoscaler",
                "autoscaling/v*/HorizontalPodAutoscaler",
            ],
            &["*"],
        );
        let cel = json!({
            "apiVersion": "policies.kyverno.io/v1", "kind": "ValidatingPolicy", "metadata": {"name": "a"},
            "spec": {"matchConstraints": {"resourceRules": [{
                "apiGroups": ["autoscaling"], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["horizontalpodautoscalers"],
            }]}},
        });
        let (group, scopes) = (Group::default(), scopes([&cel]));
        let made = configuration(Side::Validating, &group, &Place::Service, "PEM", &scopes, &served);
        assert_eq!(made["webhooks"][0]["rules"][0]["apiVersions"], json!(["v1"]));
    }

    #[test]
    fn defaults_that_a_server_fills_in_change_nothing() {
        let group = Group::default();
        let scopes = scopes([&policy(PODS)]);
        let wanted = configuration(Side::Mutating, &group, &Place::Service, "PEM", &scopes, &served());
        assert_eq!(wanted["webhooks"], json!([]), "nothing mutates");
        let place = Place::Url("https://127.0.0.1:1/".to_owned());
        let wanted = configuration(Side::Validating, &group, &place, "PEM", &scopes, &served());
        assert_eq!(
            wanted["webhooks"][0]["clientConfig"]["url"],
            "https://127.0.0.1:1/validate"
        );
        let mut live = wanted.clone();
        live["metadata"]["generation"] = json!(3);
        live["webhooks"][0]["matchConditions"] = json!([]);
        assert!(same(&live, &wanted));
        live["webhooks"][0]["timeoutSeconds"] = json!(1);
        assert!(!same(&live, &wanted));
    }
}
