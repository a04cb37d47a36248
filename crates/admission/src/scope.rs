//! Which requests policies want to see, read from the policies as they are written. No I/O.
//!
//! Nothing is judged here: a scope may be wider than what a policy matches in the end, never narrower.

use std::collections::BTreeSet;

use serde_json::Value;

/// What becomes of a request when the webhook does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FailurePolicy {
    /// It is let through.
    Ignore,
    /// It is refused.
    Fail,
}

impl FailurePolicy {
    /// The word of a webhook configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            FailurePolicy::Ignore => "Ignore",
            FailurePolicy::Fail => "Fail",
        }
    }
}

/// Seconds that a policy has when it does not say.
pub(crate) const DEFAULT_TIMEOUT: u8 = 10;
/// The most that an API server waits.
const LONGEST_TIMEOUT: u64 = 30;

/// Kinds of objects, by name or by resource; `*` stands for any, as within a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kinds {
    /// The API group; `*` for any.
    pub(crate) group: String,
    /// The version in which the policy reads objects; `*` for whichever the cluster prefers.
    pub(crate) version: String,
    /// The kind (`Pod`) or, of a policy in CEL, the resource (`pods`).
    pub(crate) name: String,
    /// What lies beneath it; empty for the object itself.
    pub(crate) subresource: String,
    /// Whether `name` is the plural name of a resource.
    pub(crate) by_resource: bool,
}

/// What some rule wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Of which kinds.
    pub(crate) kinds: Kinds,
    /// What is about to happen to them.
    pub(crate) operations: BTreeSet<String>,
    /// Whether the rule changes objects; else it judges them, or acts because of them.
    pub(crate) mutates: bool,
    /// Whether the rule acts on other objects because of these, once the request is let through.
    pub(crate) acts: bool,
    /// Whether it is asked when something is requested.
    pub(crate) admission: bool,
    /// Whether it is asked of what is there already.
    pub(crate) background: bool,
    /// What becomes of requests while nobody answers.
    pub(crate) failure: FailurePolicy,
    /// How long an answer may take, in seconds.
    pub(crate) timeout: u8,
}

/// Kinds that a rule for pods is made for too.
const CONTROLLERS: [(&str, &str, &str); 7] = [
    ("apps", "DaemonSet", "daemonsets"),
    ("apps", "Deployment", "deployments"),
    ("apps", "ReplicaSet", "replicasets"),
    ("apps", "StatefulSet", "statefulsets"),
    ("", "ReplicationController", "replicationcontrollers"),
    ("batch", "CronJob", "cronjobs"),
    ("batch", "Job", "jobs"),
];

/// All scopes of some policies.
pub(crate) fn scopes<'a>(policies: impl IntoIterator<Item = &'a Value>) -> Vec<Scope> {
    policies.into_iter().flat_map(of_policy).collect()
}

fn of_policy(policy: &Value) -> Vec<Scope> {
    let group = policy["apiVersion"].as_str().unwrap_or_default();
    if group.starts_with("policies.kyverno.io/") {
        in_cel(policy)
    } else {
        in_rules(policy)
    }
}

/// What becomes of a request when a policy cannot do its work.
pub(crate) fn failure(policy: &Value) -> FailurePolicy {
    let spec = &policy["spec"];
    let said = [
        &spec["webhookConfiguration"]["failurePolicy"],
        &spec["failurePolicy"],
    ];
    match said.into_iter().find_map(Value::as_str) {
        Some("Ignore") => FailurePolicy::Ignore,
        _ => FailurePolicy::Fail,
    }
}

fn base(policy: &Value, timeout: &Value) -> Scope {
    Scope {
        kinds: Kinds {
            group: "*".to_owned(),
            version: "*".to_owned(),
            name: "*".to_owned(),
            subresource: String::new(),
            by_resource: false,
        },
        operations: words(&["CREATE", "UPDATE"]),
        mutates: false,
        acts: false,
        admission: true,
        background: true,
        failure: failure(policy),
        timeout: timeout.as_u64().map_or(DEFAULT_TIMEOUT, |seconds| {
            u8::try_from(seconds.clamp(1, LONGEST_TIMEOUT)).unwrap_or(DEFAULT_TIMEOUT)
        }),
    }
}

fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The scopes of a ClusterPolicy or Policy.
fn in_rules(policy: &Value) -> Vec<Scope> {
    let spec = &policy["spec"];
    let configured = &spec["webhookConfiguration"];
    let timeout = match &configured["timeoutSeconds"] {
        Value::Null => &spec["webhookTimeoutSeconds"],
        given => given,
    };
    let mut policy_wide = base(policy, timeout);
    policy_wide.admission = spec["admission"] != false;
    policy_wide.background = spec["background"] != false;
    let controllers =
        policy["metadata"]["annotations"]["pod-policies.kyverno.io/autogen-controllers"].as_str();
    let mut scopes = Vec::new();
    for rule in spec["rules"].as_array().into_iter().flatten() {
        let mut of_rule = policy_wide.clone();
        // What other objects become is no answer to a request.
        of_rule.acts = rule.get("generate").is_some() || rule["mutate"].get("targets").is_some();
        of_rule.mutates = rule.get("mutate").is_some() && !of_rule.acts;
        of_rule.background &= !of_rule.mutates && !of_rule.acts;
        if decides_deletions(rule) {
            of_rule.operations.insert("DELETE".to_owned());
        }
        for resources in blocks(&rule["match"]) {
            let mut scope = of_rule.clone();
            let named: BTreeSet<String> = strings(&resources["operations"]).map(str::to_owned).collect();
            if !named.is_empty() {
                scope.operations = named;
            }
            let mut kinds: Vec<Kinds> = strings(&resources["kinds"]).map(kinds).collect();
            if kinds.is_empty() {
                kinds.push(policy_wide.kinds.clone());
            }
            let pods = kinds
                .iter()
                .any(|kinds| kinds.name == "Pod" && kinds.subresource.is_empty());
            if pods && controllers != Some("none") {
                kinds.extend(CONTROLLERS.iter().map(|(group, kind, _)| Kinds {
                    group: (*group).to_owned(),
                    version: "*".to_owned(),
                    name: (*kind).to_owned(),
                    subresource: String::new(),
                    by_resource: false,
                }));
            }
            scopes.extend(kinds.into_iter().map(|kinds| Scope {
                kinds,
                ..scope.clone()
            }));
        }
    }
    scopes
}

/// What a `match` says of resources, block by block.
fn blocks(matched: &Value) -> Vec<&Value> {
    let blocks: Vec<&Value> = ["any", "all"]
        .iter()
        .flat_map(|key| matched[*key].as_array().into_iter().flatten())
        .chain([matched])
        .map(|block| &block["resources"])
        .filter(|resources| resources.is_object())
        .collect();
    let silent = |resources: &&&Value| strings(&resources["kinds"]).next().is_none();
    // Blocks without kinds narrow others down (`all`) or are for every kind.
    if blocks.iter().any(|block| !silent(&block)) && matched.get("any").is_none() {
        blocks.iter().filter(|block| !silent(block)).copied().collect()
    } else {
        blocks
    }
}

/// What a policy that deletes on a schedule looks at.
pub(crate) fn cleans(policy: &Value) -> Vec<Scope> {
    let base = base(policy, &Value::Null);
    if policy["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("DeletingPolicy"))
    {
        return by_resources(policy, &base);
    }
    let kinds_of = |resources: &Value| strings(&resources["kinds"]).map(kinds).collect::<Vec<_>>();
    let found = blocks(&policy["spec"]["match"]).into_iter().flat_map(kinds_of);
    found
        .map(|kinds| Scope {
            kinds,
            ..base.clone()
        })
        .collect()
}

/// Whether a rule can refuse a deletion when it names no operations: patterns are not judged then.
fn decides_deletions(rule: &Value) -> bool {
    let validate = &rule["validate"];
    validate.get("deny").is_some()
        || validate.get("cel").is_some()
        || validate["foreach"]
            .as_array()
            .is_some_and(|each| each.iter().any(|one| one.get("deny").is_some()))
}

/// `Pod`, `apps/v1/Deployment`, `Pod/exec`, `Pod.exec`, `*/scale`. What cannot be read is any kind.
fn kinds(text: &str) -> Kinds {
    let mut parts: Vec<&str> = text.split('/').collect();
    let last = parts.pop().unwrap_or_default();
    parts.extend(last.split('.'));
    let is_version = |text: &str| {
        text == "*" || (text.starts_with('v') && text[1..].starts_with(|c: char| c.is_ascii_digit()))
    };
    let (group, version, name, subresource) = match parts.as_slice() {
        [kind] => ("*", "*", *kind, ""),
        ["*", "*"] => ("*", "*", "*", "*"),
        ["*", sub] if sub.to_lowercase() == *sub => ("*", "*", "*", *sub),
        [version, kind] if is_version(version) => ("*", *version, *kind, ""),
        [kind, sub] => ("*", "*", *kind, *sub),
        [version, kind, sub] if is_version(version) => ("*", *version, *kind, *sub),
        [group, version, kind] => (*group, *version, *kind, ""),
        [group, version, kind, sub] => (*group, *version, *kind, *sub),
        _ => ("*", "*", "*", "*"),
    };
    Kinds {
        group: group.to_owned(),
        version: version.to_owned(),
        name: name.to_owned(),
        subresource: subresource.to_owned(),
        by_resource: false,
    }
}

/// The scopes of a policy of `policies.kyverno.io`.
fn in_cel(policy: &Value) -> Vec<Scope> {
    let kind = policy["kind"]
        .as_str()
        .unwrap_or_default()
        .trim_start_matches("Namespaced");
    let spec = &policy["spec"];
    let existing = spec["evaluation"]["mutateExisting"]["enabled"] == true;
    let (mutates, acts) = match kind {
        "ValidatingPolicy" | "ImageValidatingPolicy" => (false, false),
        "MutatingPolicy" => (!existing, existing),
        "GeneratingPolicy" => (false, true),
        _ => return Vec::new(),
    };
    let mut scope = base(policy, &spec["webhookConfiguration"]["timeoutSeconds"]);
    (scope.mutates, scope.acts) = (mutates, acts);
    scope.admission = spec["evaluation"]["admission"]["enabled"] != false;
    scope.background = !mutates && !acts && spec["evaluation"]["background"]["enabled"] != false;
    by_resources(policy, &scope)
}

/// The scopes of a policy that names resources.
fn by_resources(policy: &Value, scope: &Scope) -> Vec<Scope> {
    let spec = &policy["spec"];
    let mut scopes = Vec::new();
    let rules = spec["matchConstraints"]["resourceRules"]
        .as_array()
        .into_iter()
        .flatten();
    for rule in rules {
        let mut scope = scope.clone();
        scope.operations = strings(&rule["operations"]).map(str::to_owned).collect();
        if scope.operations.contains("*") {
            scope.operations = words(&["CREATE", "UPDATE", "DELETE", "CONNECT"]);
        }
        let groups = strings(&rule["apiGroups"]);
        let mut versions: Vec<&str> = strings(&rule["apiVersions"]).collect();
        if versions.is_empty() {
            versions.push("*");
        }
        for (group, version) in groups.flat_map(|group| versions.iter().map(move |version| (group, *version)))
        {
            for resource in strings(&rule["resources"]) {
                let (name, subresource) = resource.split_once('/').unwrap_or((resource, ""));
                let by_resource = |group: &str, name: &str| Scope {
                    kinds: Kinds {
                        group: group.to_owned(),
                        version: version.to_owned(),
                        name: name.to_owned(),
                        subresource: subresource.to_owned(),
                        by_resource: true,
                    },
                    ..scope.clone()
                };
                scopes.push(by_resource(group, name));
                if (group, name, subresource) == ("", "pods", "") {
                    scopes.extend(
                        CONTROLLERS
                            .iter()
                            .map(|(group, _, plural)| by_resource(group, plural)),
                    );
                }
            }
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(policy: &str) -> Vec<String> {
        let policy = yaml::parse(policy).unwrap().value;
        let tell = |scope: Scope| {
            let Kinds {
                group,
                name,
                subresource,
                ..
            } = &scope.kinds;
            let slash = if subresource.is_empty() { "" } else { "/" };
            let operations: Vec<&str> = scope.operations.iter().map(String::as_str).collect();
            let mutates = match (scope.mutates, scope.acts) {
                (true, _) => " mutates",
                (_, true) => " acts",
                _ => "",
            };
            let (failure, timeout) = (scope.failure.word(), scope.timeout);
            format!(
                "{group}:{name}{slash}{subresource} {} {failure} {timeout}{mutates}",
                operations.join("+")
            )
        };
        scopes([&policy]).into_iter().map(tell).collect()
    }

    #[track_caller]
    fn check(spec: &str, expect: &[&str]) {
        let policy = format!(
            "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: a}}, spec: {spec}}}"
        );
        assert_eq!(told(&policy), expect, "{spec}");
    }

    #[test]
    fn rules_name_kinds_and_operations() {
        check(
            "{rules: [{name: a, match: {any: [{resources: {kinds: [ConfigMap, networking.k8s.io/v1/Ingress]}}]}, validate: {pattern: {}}}]}",
            &[
                "*:ConfigMap CREATE+UPDATE Fail 10",
                "networking.k8s.io:Ingress CREATE+UPDATE Fail 10",
            ],
        );
        check(
            "{failurePolicy: Ignore, webhookTimeoutSeconds: 3, rules: [{name: a, match: {resources: {kinds: [v1/Pod/exec, '*/scale']}}, validate: {deny: {}}}]}",
            &[
                "*:Pod/exec CREATE+DELETE+UPDATE Ignore 3",
                "*:*/scale CREATE+DELETE+UPDATE Ignore 3",
            ],
        );
        check(
            "{webhookConfiguration: {timeoutSeconds: 99, failurePolicy: Ignore}, rules: [{name: a, match: {any: [{resources: {kinds: [Secret], operations: [DELETE]}}]}, validate: {deny: {}}}]}",
            &["*:Secret DELETE Ignore 30"],
        );
        check(
            "{rules: [{name: a, match: {all: [{resources: {kinds: [Secret]}}, {resources: {namespaces: [a]}}]}, mutate: {patchStrategicMerge: {}}}]}",
            &["*:Secret CREATE+UPDATE Fail 10 mutates"],
        );
        check(
            "{rules: [{name: a, match: {any: [{resources: {namespaces: [a]}}]}, validate: {pattern: {}}}]}",
            &["*:* CREATE+UPDATE Fail 10"],
        );
        check(
            "{rules: [{name: a, match: {resources: {kinds: [Namespace]}}, generate: {kind: Secret}}]}",
            &["*:Namespace CREATE+UPDATE Fail 10 acts"],
        );
        check(
            "{failurePolicy: Ignore, rules: [{name: a, match: {any: [{resources: {kinds: [ConfigMap], operations: [DELETE]}}]}, mutate: {targets: [{}]}}]}",
            &["*:ConfigMap DELETE Ignore 10 acts"],
        );
    }

    #[test]
    fn rules_for_pods_are_for_their_controllers_too() {
        let pods = |annotation: &str| {
            let policy = format!(
                "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: a, annotations: {{{annotation}}}}}, spec: {{rules: [{{name: a, match: {{resources: {{kinds: [Pod]}}}}, validate: {{pattern: {{}}}}}}]}}}}"
            );
            told(&policy).len()
        };
        assert_eq!(pods(""), 8);
        assert_eq!(pods("pod-policies.kyverno.io/autogen-controllers: none"), 1);
    }

    #[test]
    fn what_policies_clean() {
        let check = |policy: &str, expect: &[&str]| {
            let policy = yaml::parse(policy).unwrap().value;
            let told: Vec<String> = cleans(&policy)
                .into_iter()
                .map(|scope| format!("{}:{}", scope.kinds.group, scope.kinds.name))
                .collect();
            assert_eq!(told, expect, "{policy}");
        };
        check(
            "{kind: CleanupPolicy, spec: {match: {any: [{resources: {kinds: [Pod, apps/v1/Deployment]}}]}}}",
            &["*:Pod", "apps:Deployment"],
        );
        check(
            "{kind: DeletingPolicy, spec: {matchConstraints: {resourceRules: [{apiGroups: [batch], resources: [jobs]}]}}}",
            &["batch:jobs"],
        );
    }

    #[test]
    fn policies_in_cel_name_resources() {
        let policy = json!({
            "apiVersion": "policies.kyverno.io/v1", "kind": "ValidatingPolicy", "metadata": {"name": "a"},
            "spec": {
                "failurePolicy": "Ignore",
                "webhookConfiguration": {"timeoutSeconds": 5},
                "matchConstraints": {"resourceRules": [
                    {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments", "deployments/scale"]},
                ]},
            },
        });
        assert_eq!(
            told(&policy.to_string()),
            [
                "apps:deployments CREATE Ignore 5",
                "apps:deployments/scale CREATE Ignore 5"
            ]
        );
    }
}
