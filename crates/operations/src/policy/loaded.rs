//! Policies with what the engine does not tell of them: their kind, and what their rules do.

use api::SYSTEM_NAMESPACE;
use guardrails::{Policies, Refusal, Served, Task};
use serde_json::Value;

use super::cluster::{PolicyCluster, Selection};
use super::files::{File, items};
use crate::error::OperationError;

/// A policy of a file.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) value: Value,
    /// The policy alone.
    pub(crate) set: Policies,
}

/// The policies of files, and what was found beside them.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) policies: Vec<Loaded>,
    /// Exceptions that stand among the policies.
    pub(crate) exceptions: Policies,
    pub(crate) exception_count: usize,
    /// What binds policies to objects.
    pub(crate) bindings: Policies,
    /// Policies that cannot be used, by name, and why.
    pub(crate) refused: Vec<(String, Refusal)>,
    /// Documents that are no policies.
    pub(crate) others: Vec<String>,
}

impl Found {
    /// Reads the policies of files.
    pub(crate) fn read(files: &[File]) -> Found {
        let mut found = Found::default();
        for file in files {
            for document in &file.documents {
                if document.value["kind"] == "List" {
                    for item in items(document.value.clone()) {
                        found.take(&file.name, None, &item);
                    }
                } else {
                    found.take(&file.name, Some(document), &document.value);
                }
            }
        }
        found
    }

    /// The policies of a cluster and the exceptions from them.
    pub(crate) fn of_cluster(cluster: &PolicyCluster) -> Result<(Found, Vec<String>), OperationError> {
        let mut found = Found::default();
        let wanted = |served: &Served<'_>| {
            served.is_preferred()
                && ["kyverno.io", "policies.kyverno.io"].contains(&served.group)
                && (served.kind.ends_with("Policy") || served.kind == "PolicyException")
        };
        let unseen = cluster.objects(&Selection::default(), &wanted, &mut |object| {
            let elsewhere = object["metadata"]["namespace"] != SYSTEM_NAMESPACE;
            // A team's exceptions count at no door, for teams could let themselves through.
            if object["kind"] != "PolicyException" || !elsewhere {
                found.take("the cluster", None, &object);
            }
            Ok(())
        })?;
        Ok((found, unseen))
    }

    fn take(&mut self, file: &str, document: Option<&yaml::Document>, value: &Value) {
        let text = |pointer: &str| {
            let text = value.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let group = api_version.split('/').next().unwrap_or_default();
        let beside = ["PolicyException", "GlobalContextEntry"].contains(&kind.as_str());
        let policy = match group {
            "kyverno.io" | "policies.kyverno.io" => !beside,
            "admissionregistration.k8s.io" => kind.ends_with("AdmissionPolicy"),
            _ => false,
        };
        let binding = group == "admissionregistration.k8s.io" && kind.ends_with("PolicyBinding");
        let exception = group.ends_with("kyverno.io") && kind == "PolicyException";
        if !(policy || binding || exception) {
            self.others.push(format!("{file}: {kind} {name} is no policy"));
            return;
        }
        let (set, refused) = match document {
            Some(document) => Policies::load_partly(file, std::slice::from_ref(document)),
            None => Policies::from_values(file, [value]),
        };
        if exception {
            self.exception_count += usize::from(refused.is_empty());
            self.exceptions.merge(set);
        } else if binding {
            self.bindings.merge(set);
        } else if !set.is_empty() {
            self.policies.push(Loaded {
                api_version,
                kind,
                name: name.clone(),
                namespace: text("/metadata/namespace"),
                value: value.clone(),
                set,
            });
        }
        self.refused
            .extend(refused.into_iter().map(|refusal| (name.clone(), refusal)));
    }
}

impl Loaded {
    /// The name as verdicts have it: a policy of a namespace is `namespace/name`.
    pub(crate) fn key(&self) -> String {
        if self.namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }

    /// Whether its rules have no names of their own.
    pub(crate) fn has_no_rules(&self) -> bool {
        !(self.api_version.starts_with("kyverno.io/") && self.kind.ends_with("Policy"))
            || self.kind.ends_with("CleanupPolicy")
    }

    /// Whether an object that the policy says nothing about still counts as judged by it.
    pub(crate) fn answers_always(&self) -> bool {
        let spec = &self.value["spec"];
        match self.kind.as_str() {
            "ClusterPolicy" | "Policy" => {
                self.does(Task::Validate) || self.does(Task::Mutate) || self.does(Task::VerifyImages)
            }
            "ValidatingPolicy"
            | "NamespacedValidatingPolicy"
            | "MutatingPolicy"
            | "NamespacedMutatingPolicy" => {
                let chosen = |key: &str| {
                    let selector = spec["matchConstraints"][key].as_object();
                    selector.is_some_and(|selector| !selector.is_empty())
                };
                // What selectors leave out is excluded; what is of another kind is not spoken of.
                chosen("namespaceSelector") || chosen("objectSelector") || spec["matchConstraints"].is_null()
            }
            "ImageValidatingPolicy" | "NamespacedImageValidatingPolicy" | "ValidatingAdmissionPolicy" => true,
            _ => false,
        }
    }

    /// Whether it has a rule of this name, its own or one made for pod controllers.
    pub(crate) fn has_rule(&self, name: &str) -> bool {
        let rules = self.value["spec"]["rules"].as_array().into_iter().flatten();
        let mut names = rules.filter_map(|rule| rule["name"].as_str());
        self.has_no_rules() || names.any(|own| made_of(name, own) || made_of(own, name))
    }

    /// What it says something of that lies beneath objects and is in no list: `Pod/exec`.
    pub(crate) fn beneath(&self) -> Vec<String> {
        let spec = &self.value["spec"];
        let mut found = Vec::new();
        let mut open = vec![(spec, 0)];
        while let Some((value, depth)) = open.pop() {
            let below = match value {
                Value::Object(map) => map.iter().collect(),
                _ => Vec::new(),
            };
            for (key, value) in below {
                let listed = value.as_array().into_iter().flatten();
                let names = listed.clone().filter_map(Value::as_str);
                match key.as_str() {
                    "kinds" => found.extend(names.filter(|name| is_beneath(name)).map(str::to_owned)),
                    "resources" if value.is_array() => {
                        found.extend(names.filter(|name| name.contains('/')).map(str::to_owned));
                    }
                    "match" | "matchConstraints" | "resources" if depth < BLOCKS => {
                        open.push((value, depth + 1));
                    }
                    "rules" | "any" | "all" | "resourceRules" if depth < BLOCKS => {
                        open.extend(listed.map(|item| (item, depth + 1)));
                    }
                    _ => {}
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether it changes objects and says nothing else of them.
    pub(crate) fn only_mutates(&self) -> bool {
        let others = [Task::VerifyImages, Task::Validate, Task::Generate, Task::Delete];
        self.does(Task::Mutate) && !others.into_iter().any(|task| self.does(task))
    }

    /// Whether it changes objects that are there already, and these are of the kinds that it is about.
    pub(crate) fn changes_what_is_there(&self) -> bool {
        let spec = &self.value["spec"];
        self.kind.contains("Mutating") && spec["evaluation"]["mutateExisting"]["enabled"] == true
    }

    /// Whether it tells of each object whether it would be deleted: cleanup policies are not asked, as in Kyverno.
    pub(crate) fn says_what_goes(&self) -> bool {
        self.kind.contains("Deleting")
    }

    /// Whether it does such a thing.
    pub(crate) fn does(&self, what: Task) -> bool {
        let rules = || self.value["spec"]["rules"].as_array().into_iter().flatten();
        let any = |key: &str| rules().any(|rule| rule.get(key).is_some());
        match self.kind.as_str() {
            "ClusterPolicy" | "Policy" => match what {
                Task::Mutate => any("mutate"),
                Task::VerifyImages => any("verifyImages"),
                Task::Validate => any("validate"),
                Task::Generate => any("generate"),
                Task::Delete => false,
            },
            kind if kind.contains("Mutating") => what == Task::Mutate,
            kind if kind.contains("ImageValidating") => what == Task::VerifyImages,
            kind if kind.contains("Validating") => what == Task::Validate,
            kind if kind.contains("Generating") => what == Task::Generate,
            kind if kind.contains("Deleting") || kind.contains("Cleanup") => what == Task::Delete,
            _ => false,
        }
    }
}

/// How deep what a policy is about is said: `rules`, `match`, `any`, `resources`.
const BLOCKS: usize = 6;

/// Whether a kind, as `match` names it, lies beneath another: `Pod/exec`, `apps/v1/Deployment/scale`, `Pod.status`.
fn is_beneath(kind: &str) -> bool {
    let last = kind.rsplit(['/', '.']).next().unwrap_or_default();
    last.len() < kind.len() && last.starts_with(|letter: char| letter.is_ascii_lowercase())
}

/// Whether a rule is this one, or made of it for pod controllers.
pub(crate) fn made_of(name: &str, written: &str) -> bool {
    let of = |prefix: &str| {
        // Names are cut to 63 characters when the prefix makes them longer.
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest == written || (name.len() == 63 && written.starts_with(rest)))
    };
    name == written || of("autogen-cronjob-") || of("autogen-")
}
