//! What is handed over at the door: one rule that has something to do because of one object, kept in the cluster until
//! it is done. No I/O.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use api::{GUARDRAIL_REQUESTS, Group, SYSTEM_NAMESPACE};
use guardrails::{Operation, Request, Task, User};
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind of the object that holds an order.
pub(crate) const KIND: &str = "GuardrailRequest";
/// No order is larger, in bytes of JSON.
const LIMIT: usize = 256 * 1024;

/// How orders are addressed.
pub(crate) fn resource(group: &Group) -> ApiResource {
    let kind = GroupVersionKind::gvk(group.as_str(), api::VERSION, KIND);
    ApiResource::from_gvk_with_plural(&kind, GUARDRAIL_REQUESTS)
}

/// What a rule is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Make objects.
    #[default]
    Generate,
    /// Change objects that are there already.
    Mutate,
}

impl Act {
    /// From what the engine calls it.
    pub(crate) fn of(task: Task) -> Option<Self> {
        match task {
            Task::Generate => Some(Self::Generate),
            Task::Mutate => Some(Self::Mutate),
            _ => None,
        }
    }
}

/// An object, by what it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Reference {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) namespace: String,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) uid: String,
}

impl Reference {
    /// What an object is called.
    pub(crate) fn to(object: &Value) -> Self {
        let text = |pointer: &str| {
            let found = object.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        Self {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
        }
    }

    /// The same name, whichever object has it.
    pub(crate) fn anybody(&self) -> Self {
        Self {
            uid: String::new(),
            ..self.clone()
        }
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slash = if self.namespace.is_empty() { "" } else { "/" };
        write!(formatter, "{} {}{slash}{}", self.kind, self.namespace, self.name)
    }
}

/// The request that triggered a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Admitted {
    pub(crate) operation: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) subresource: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) resource: String,
    /// For something beneath an object, the API version and kind of that object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<(String, String)>,
    pub(crate) user: Who,
    /// The object, where it cannot be looked up later: it is being deleted, or it lies beneath another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<Value>,
    /// The object as it was, where the policy asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) old_object: Option<Value>,
    /// The resource version of the object as it was: until there is another, the request is not through yet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) before: String,
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
    pub(crate) roles: Vec<String>,
    pub(crate) cluster_roles: Vec<String>,
}

impl From<&User> for Who {
    fn from(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            uid: user.uid.clone(),
            groups: user.groups.clone(),
            extra: user.extra.clone(),
            roles: user.roles.clone(),
            cluster_roles: user.cluster_roles.clone(),
        }
    }
}

impl From<&Who> for User {
    fn from(who: &Who) -> Self {
        Self {
            name: who.name.clone(),
            uid: who.uid.clone(),
            groups: who.groups.clone(),
            extra: who.extra.clone(),
            roles: who.roles.clone(),
            cluster_roles: who.cluster_roles.clone(),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    /// The policy; one of a namespace is `namespace/name`.
    pub(crate) policy: String,
    /// The rule; empty for a policy in CEL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) rule: String,
    pub(crate) act: Act,
    /// The object because of which.
    pub(crate) trigger: Reference,
    /// The request; none where the object was there before the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Admitted>,
}

impl Spec {
    /// What a request asks of a rule. `asks_old` says whether the policy looks at the object as it was.
    pub(crate) fn of(policy: &str, rule: &str, act: Act, request: &Request<'_>, asks_old: bool) -> Self {
        let passing = request.operation == Operation::Delete
            || request.operation == Operation::Connect
            || !request.subresource.is_empty();
        let version = |object: &Value| {
            object["metadata"]["resourceVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            policy: policy.to_owned(),
            rule: rule.to_owned(),
            act,
            trigger: Reference::to(request.object),
            request: Some(Admitted {
                operation: request.operation.word().to_owned(),
                subresource: request.subresource.to_owned(),
                resource: request.resource.unwrap_or_default().to_owned(),
                parent: request
                    .parent
                    .map(|(version, kind)| (version.to_owned(), kind.to_owned())),
                user: request.user.map(Who::from).unwrap_or_default(),
                object: passing.then(|| kept(request.object)),
                old_object: request.old.filter(|_| asks_old).map(kept),
                before: request.old.filter(|_| !passing).map(version).unwrap_or_default(),
            }),
        }
    }

    /// The name of the order. To make objects is one order for each object that triggers it, and the latest request
    /// counts; each request to change others counts for itself.
    pub(crate) fn name(&self, revision: &str) -> String {
        let mut hasher = DefaultHasher::new();
        let trigger = self.trigger.anybody();
        (&self.policy, &self.rule, self.act, &trigger).hash(&mut hasher);
        if self.act == Act::Mutate {
            (&self.trigger.uid, revision).hash(&mut hasher);
        }
        let policy = self.policy.rsplit('/').next().unwrap_or_default();
        let shown: String = policy.chars().take(60).collect();
        format!("{}-{:016x}", shown.trim_end_matches(['-', '.']), hasher.finish())
    }

    /// Why it is too large to be kept, if it is.
    pub(crate) fn too_large(&self) -> Option<String> {
        let size = json!(self).to_string().len();
        (size > LIMIT)
            .then(|| format!("the request is {size} bytes large, and no more than {LIMIT} are handed over"))
    }

    /// The object that holds the order.
    pub(crate) fn object(&self, group: &Group, revision: &str) -> DynamicObject {
        let mut object = DynamicObject::new(&self.name(revision), &resource(group)).within(SYSTEM_NAMESPACE);
        object
            .labels_mut()
            .insert("app.kubernetes.io/part-of".to_owned(), "platform".to_owned());
        object.data = json!({"spec": self});
        object
    }
}

/// An object as it is kept in an order: without what only an API server needs, and of a Secret nothing that is secret.
fn kept(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "Secret"
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("data");
        fields.remove("stringData");
        if let Some(annotations) = fields
            .get_mut("metadata")
            .and_then(|metadata| metadata.get_mut("annotations"))
            .and_then(Value::as_object_mut)
        {
            annotations.remove(LAST_APPLIED);
        }
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

/// Where kubectl keeps what was applied: a copy of the whole object.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How far an order is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// It is to be done, or to be tried again.
    #[default]
    Pending,
    /// It is done, and kept in step.
    Completed,
    /// It was tried some times in vain. It is tried again all the same, ever more seldom.
    Failed,
}

/// An object that was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Made {
    #[serde(flatten)]
    pub(crate) object: Reference,
    /// What it is a copy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Reference>,
}

/// What became of an order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    pub(crate) state: State,
    pub(crate) message: Option<String>,
    /// How often it was tried in vain.
    pub(crate) attempts: u32,
    /// When it is tried again, in seconds since 1970.
    pub(crate) next: Option<i64>,
    /// Which of its specs this is about.
    pub(crate) observed_generation: i64,
    /// What was made is kept in step.
    pub(crate) synchronize: bool,
    /// What was made stays when the rule goes.
    pub(crate) orphan: bool,
    pub(crate) made: Vec<Made>,
}

/// An order as the cluster has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) generation: i64,
    /// When it was handed over, in seconds since 1970.
    pub(crate) since: i64,
    pub(crate) spec: Spec,
    pub(crate) status: Status,
}

impl Order {
    /// Reads one. What cannot be read is no order.
    pub(crate) fn read(object: &DynamicObject) -> Option<Self> {
        let part = |key: &str| object.data.get(key).cloned();
        let spec: Spec = serde_json::from_value(part("spec")?).ok()?;
        let status: Status = part("status")
            .and_then(|status| serde_json::from_value(status).ok())
            .unwrap_or_default();
        let generation = object.metadata.generation.unwrap_or_default();
        let since = object.creation_timestamp().map_or(0, |time| time.0.as_second());
        // What was tried of another spec counts no more; what was made because of it is still there.
        let status = if status.observed_generation == generation {
            status
        } else {
            Status {
                observed_generation: generation,
                synchronize: status.synchronize,
                orphan: status.orphan,
                made: status.made,
                ..Status::default()
            }
        };
        Some(Self {
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            generation,
            since,
            spec,
            status,
        })
    }

    /// Whether it was carried out as it stands.
    pub(crate) fn is_done(&self) -> bool {
        self.status.state == State::Completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, uid: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": {
                "name": "a", "namespace": "shop", "uid": uid, "resourceVersion": "7", "managedFields": [{}],
                "annotations": {LAST_APPLIED: "hunter2", "b": "c"},
            },
            "data": {"password": "hunter2"},
        })
    }

    #[test]
    fn a_request_that_is_made_again_is_one_order() {
        let name = |act, uid: &str, revision: &str| {
            let spec = Spec {
                policy: "shop/keep".to_owned(),
                rule: "a".to_owned(),
                act,
                trigger: Reference::to(&object("ConfigMap", uid)),
                request: None,
            };
            spec.name(revision)
        };
        let first = name(Act::Mutate, "1", "r1");
        assert!(first.starts_with("keep-"), "{first}");
        assert_eq!(first, name(Act::Mutate, "1", "r1"));
        assert_ne!(
            first,
            name(Act::Mutate, "1", "r2"),
            "another change is another order"
        );
        assert_eq!(
            name(Act::Generate, "1", "r1"),
            name(Act::Generate, "2", "r2"),
            "what is made for a name is made for whoever has it"
        );
    }

    #[test]
    fn what_is_secret_is_not_handed_over() {
        for (kind, secret) in [("Secret", true), ("ConfigMap", false)] {
            let (new, old) = (object(kind, "1"), object(kind, "1"));
            for operation in [Operation::Update, Operation::Delete] {
                let request = Request {
                    operation,
                    old: Some(&old),
                    ..Request::new(&new)
                };
                let text = json!(Spec::of("keep", "a", Act::Mutate, &request, true)).to_string();
                assert_eq!(!text.contains("hunter2"), secret, "{text}");
                assert!(
                    text.contains("\"b\":\"c\"") && !text.contains("managedFields"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn what_is_too_large_is_not_handed_over() {
        let mut large = object("ConfigMap", "1");
        large["data"] = json!({"a": "x".repeat(LIMIT)});
        let request = Request {
            operation: Operation::Delete,
            ..Request::new(&large)
        };
        let spec = Spec::of("keep", "a", Act::Mutate, &request, false);
        assert!(spec.too_large().unwrap().contains("no more than 262144"));
        let request = Request {
            operation: Operation::Create,
            ..request
        };
        let spec = Spec::of("keep", "a", Act::Mutate, &request, false);
        assert_eq!(spec.too_large(), None, "what is there later is looked up");
    }

    #[test]
    fn another_request_begins_anew_and_forgets_nothing_that_was_made() {
        let mut object = DynamicObject::new("a", &resource(&Group::default()));
        object.metadata.generation = Some(2);
        object.data = json!({
            "spec": {"policy": "keep", "act": "Generate", "trigger": {"kind": "Namespace", "name": "shop"}},
            "status": {
                "state": "Completed", "attempts": 3, "observedGeneration": 1, "synchronize": true,
                "made": [{"apiVersion": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "a"}],
            },
        });
        let order = Order::read(&object).unwrap();
        assert!(!order.is_done());
        assert_eq!((order.status.attempts, order.status.made.len()), (0, 1));
        object.data["status"]["observedGeneration"] = json!(2);
        assert!(Order::read(&object).unwrap().is_done());
    }
}
