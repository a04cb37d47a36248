//! The objects that rules make and change: how they are marked, and writing them in the account's name.
//!
//! An object that the rule did not make is never overwritten, and nothing is taken away but what carries its marks.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use api::{Group, LABEL_MANAGED_BY};
use apply::Kinds;
use kube::api::{
    DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::{Api, Client};
use serde_json::{Map, Value, json};

use super::account::{ACCOUNT, explained};
use super::order::{LAST_APPLIED, Reference};

/// Kyverno's labels for who made an object, and because of what.
const PREFIX: &str = "generate.kyverno.io/";
/// A label's value is no longer.
const VALUE: usize = 63;

/// By which an object is known to be made by a rule, because of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    labels: BTreeMap<String, String>,
}

impl Marks {
    /// Of a rule of a policy (`name`, or `namespace/name`), because of `trigger`.
    pub(crate) fn new(policy: &str, rule: &str, trigger: &Reference) -> Self {
        let (namespace, name) = policy.split_once('/').unwrap_or(("", policy));
        let (group, version) = trigger
            .api_version
            .split_once('/')
            .unwrap_or(("", &trigger.api_version));
        let said = [
            ("policy-name", name),
            ("policy-namespace", namespace),
            ("rule-name", rule),
            ("trigger-group", group),
            ("trigger-version", version),
            ("trigger-kind", &trigger.kind),
            ("trigger-namespace", &trigger.namespace),
            ("trigger-name", &trigger.name),
            ("trigger-uid", &trigger.uid),
        ];
        let mut labels: BTreeMap<String, String> = said
            .into_iter()
            .map(|(key, value)| (format!("{PREFIX}{key}"), label_value(value)))
            .collect();
        labels.insert(LABEL_MANAGED_BY.to_owned(), ACCOUNT.to_owned());
        Self { labels }
    }

    /// Whether the rule made an object, because of whatever.
    pub(crate) fn are_on(&self, object: &Value) -> bool {
        let by = ["policy-name", "policy-namespace", "rule-name"].map(|key| format!("{PREFIX}{key}"));
        let mut keys = by.iter().map(String::as_str).chain([LABEL_MANAGED_BY]);
        keys.all(|key| object["metadata"]["labels"][key].as_str() == self.labels.get(key).map(String::as_str))
    }

    /// Whether an object carries them all: the rule made it because of this very trigger, or one of the same name.
    pub(crate) fn fit(&self, object: &Value) -> bool {
        let mut labels = self
            .labels
            .iter()
            .filter(|(key, _)| !key.ends_with("/trigger-uid"));
        labels.all(|(key, value)| object["metadata"]["labels"][key] == **value)
    }

    /// The object as it is written: with these marks, and without what belongs to what it may be a copy of.
    fn on(&self, group: &Group, mut object: Value) -> Value {
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        let metadata = &mut object["metadata"];
        if let Some(annotations) = metadata["annotations"].as_object_mut() {
            annotations.remove(LAST_APPLIED);
            annotations.remove(&group.annotation_tracking());
        }
        if let Some(fields) = metadata.as_object_mut() {
            let empty = |value: &Value| value.as_object().is_none_or(Map::is_empty);
            if fields.get("annotations").is_some_and(empty) {
                fields.remove("annotations");
            }
            for key in [
                "uid",
                "resourceVersion",
                "creationTimestamp",
                "managedFields",
                "generation",
                "selfLink",
            ] {
                fields.remove(key);
            }
            if !fields.get("labels").is_some_and(Value::is_object) {
                fields.insert("labels".to_owned(), json!({}));
            }
        }
        if let Some(labels) = metadata["labels"].as_object_mut() {
            labels.retain(|key, _| !key.starts_with(PREFIX) && *key != group.label_managed());
            labels.extend(self.labels.iter().map(|(key, value)| (key.clone(), json!(value))));
        }
        object
    }
}

/// A name as the value of a label: what a label cannot hold is replaced, and told apart by its hash.
fn label_value(text: &str) -> String {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let edge = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    let (first, last) = (text.bytes().next(), text.bytes().last());
    if text.len() <= VALUE && text.bytes().all(fits) && edge(first) && edge(last) {
        return text.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let plain: String = text
        .bytes()
        .map(|b| if fits(b) { char::from(b) } else { '-' })
        .take(VALUE - 17)
        .collect();
    format!(
        "x{}-{:016x}",
        plain.trim_matches(['-', '_', '.']),
        hasher.finish()
    )
    .chars()
    .take(VALUE)
    .collect()
}

/// What became of an object that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is there as wanted, and the rule's.
    Ours,
    /// Something of that name is there already, and stays as it is.
    Theirs,
}

/// Writes in the account's name.
#[derive(Clone)]
pub(crate) struct Hands {
    pub(crate) client: Client,
    pub(crate) kinds: Kinds,
    pub(crate) group: Group,
}

impl Hands {
    /// What is said of something that failed.
    fn failed(&self, doing: &str, error: &kube::Error) -> String {
        let why = match error {
            kube::Error::Api(status) => status.message.clone(),
            other => other.to_string(),
        };
        format!("cannot {doing}: {}", explained(&self.group, &why))
    }

    /// Where objects of a kind are.
    pub(crate) async fn api(&self, object: &Reference) -> Result<Api<DynamicObject>, String> {
        let Reference {
            api_version, kind, ..
        } = object;
        let found = self.kinds.find(api_version, kind).await;
        let found = found
            .map_err(|error| self.failed(&format!("ask for the kind {kind} of {api_version}"), &error))?;
        let found =
            found.ok_or_else(|| format!("the cluster does not know the kind {kind} of {api_version}"))?;
        if !found.namespaced {
            return Ok(Api::all_with(self.client.clone(), &found.resource));
        }
        if object.namespace.is_empty() {
            return Err(format!("{kind} {} has no namespace, and needs one", object.name));
        }
        Ok(Api::namespaced_with(
            self.client.clone(),
            &object.namespace,
            &found.resource,
        ))
    }

    /// An object, whole.
    pub(crate) async fn get(&self, object: &Reference) -> Result<Option<Value>, String> {
        let found = self.api(object).await?.get_opt(&object.name).await;
        let found = found.map_err(|error| self.failed(&format!("read {object}"), &error))?;
        Ok(found.map(|found| {
            let mut found = json!(found);
            found["apiVersion"] = json!(object.api_version);
            found["kind"] = json!(object.kind);
            found
        }))
    }

    /// Makes an object, or with `keep` makes it be as it is wanted.
    pub(crate) async fn put(&self, wanted: &Value, marks: &Marks, keep: bool) -> Result<Put, String> {
        let reference = Reference::to(wanted);
        let api = self.api(&reference).await?;
        let object = marks.on(&self.group, wanted.clone());
        if !keep {
            let object: DynamicObject = serde_json::from_value(object)
                .map_err(|error| format!("{reference} is no object: {error}"))?;
            let parameters = PostParams {
                field_manager: Some(ACCOUNT.to_owned()),
                ..PostParams::default()
            };
            return match api.create(&parameters, &object).await {
                Ok(_) => Ok(Put::Ours),
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(Put::Theirs),
                Err(error) => Err(self.failed(&format!("make {reference}"), &error)),
            };
        }
        let live = self.get(&reference).await?;
        if live.as_ref().is_some_and(|live| !marks.are_on(live)) {
            return Ok(Put::Theirs);
        }
        let mut parameters = PatchParams::apply(ACCOUNT);
        // Where nothing was a moment ago, what somebody has made meanwhile is theirs.
        parameters.force = live.is_some();
        match api
            .patch(&reference.name, &parameters, &Patch::Apply(object))
            .await
        {
            Ok(_) => Ok(Put::Ours),
            Err(error) => Err(self.failed(&format!("make {reference}"), &error)),
        }
    }

    /// Takes away an object that carries the marks. One that is not there, or somebody else's, is let be.
    pub(crate) async fn remove(&self, object: &Reference, marks: &Marks) -> Result<(), String> {
        let Some(live) = self.get(object).await? else {
            return Ok(());
        };
        if !marks.fit(&live) {
            return Ok(());
        }
        self.delete(&Reference::to(&live), None).await.map(drop)
    }

    /// Deletes this very object. Whether it was there.
    pub(crate) async fn delete(&self, object: &Reference, propagation: Option<&str>) -> Result<bool, String> {
        let parameters = DeleteParams {
            propagation_policy: match propagation {
                Some("Orphan") => Some(PropagationPolicy::Orphan),
                Some("Foreground") => Some(PropagationPolicy::Foreground),
                Some(_) => Some(PropagationPolicy::Background),
                None => None,
            },
            preconditions: Some(Preconditions {
                uid: Some(object.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self.api(object).await?.delete(&object.name, &parameters).await {
            Ok(_) => Ok(true),
            // It has gone, or another has its name.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            Err(error) => Err(self.failed(&format!("delete {object}"), &error)),
        }
    }

    /// Changes an object as it was seen, and no other version of it.
    pub(crate) async fn change(&self, before: &Value, after: &Value) -> Result<(), String> {
        let reference = Reference::to(before);
        if self.is_the_platforms(before) {
            return Err(format!("{reference} is the platform's own, and is left as it is"));
        }
        let patch = json_patch::diff(before, after);
        if patch.0.is_empty() {
            return Ok(());
        }
        let mut operations = vec![json!({
            "op": "test", "path": "/metadata/resourceVersion", "value": before["metadata"]["resourceVersion"],
        })];
        operations.extend(patch.0.iter().map(|operation| json!(operation)));
        let patch = serde_json::from_value(Value::Array(operations))
            .map_err(|error| format!("cannot change {reference}: {error}"))?;
        let patch: Patch<Value> = Patch::Json(patch);
        let parameters = PatchParams {
            field_manager: Some(ACCOUNT.to_owned()),
            ..PatchParams::default()
        };
        match self
            .api(&reference)
            .await?
            .patch(&reference.name, &parameters, &patch)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(&format!("change {reference}"), &error)),
        }
    }

    /// Whether an object is the platform's own, which policies that act leave alone: a team's boundary, for one.
    pub(crate) fn is_the_platforms(&self, object: &Value) -> bool {
        object["metadata"]["labels"][self.group.label_managed()] == "true"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_values_of_labels() {
        for plain in ["", "a", "add-network-policy", "v1.2_3"] {
            assert_eq!(label_value(plain), plain);
        }
        for odd in ["two words", "-a", "a/b", &"x".repeat(64)] {
            let value = label_value(odd);
            assert!(value.len() <= VALUE && value.starts_with('x'), "{value}");
            assert_eq!(label_value(&value), value, "it is one now");
        }
        assert_ne!(label_value("two words"), label_value("two-words!"));
    }

    #[test]
    fn a_copy_is_marked_and_carries_nothing_of_its_source() {
        let group = Group::default();
        let trigger = Reference {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            name: "shop".to_owned(),
            uid: "u".to_owned(),
            ..Reference::default()
        };
        let marks = Marks::new("shop/keep", "a rule", &trigger);
        let source = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "a", "uid": "1", "resourceVersion": "2",
                "labels": {"app": "a", "generate.kyverno.io/rule-name": "other", group.label_managed(): "true"},
                "annotations": {LAST_APPLIED: "{}"},
            },
            "status": {"a": "b"},
        });
        let made = marks.on(&group, source);
        assert!(marks.are_on(&made) && marks.fit(&made));
        assert_eq!(made["metadata"]["labels"]["app"], "a");
        assert_eq!(
            made["metadata"]["labels"]["generate.kyverno.io/policy-namespace"],
            "shop"
        );
        assert_eq!(made["metadata"]["labels"][LABEL_MANAGED_BY], ACCOUNT);
        assert!(made["metadata"]["labels"].get(group.label_managed()).is_none());
        for gone in [
            "/status",
            "/metadata/uid",
            "/metadata/resourceVersion",
            "/metadata/annotations",
        ] {
            assert_eq!(made.pointer(gone), None, "{gone}");
        }
        let again = Reference {
            uid: "v".to_owned(),
            ..trigger.clone()
        };
        assert!(
            Marks::new("shop/keep", "a rule", &again).fit(&made),
            "another of the same name"
        );
        assert!(!Marks::new("shop/keep", "other", &trigger).are_on(&made));
        assert!(!Marks::new("keep", "a rule", &trigger).are_on(&made));
    }
}
