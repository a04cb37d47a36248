//! Emptying what ends: the contents of a namespace that is being deleted.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};

use super::collect::{AT_ONCE, Collector, report, waits_for};
use crate::store::{Collection, Key, Object};
use crate::verbs::{CUSTOM_RESOURCES, Propagation, collection_of};

impl Collector {
    /// After something went from a namespace that is being deleted, the namespace may be next.
    pub(super) async fn after_removal(&self, key: &Key) {
        let definition = Key::definition(&key.collection);
        if let Some(object) = self.engine.store.get(&definition) {
            self.empty_definition(&definition, &object).await;
        }
        if key.namespace.is_empty() {
            return;
        }
        let namespace = Key::namespace(&key.namespace);
        if let Some(object) = self
            .engine
            .store
            .get(&namespace)
            .filter(|object| object.is_terminating())
        {
            self.empty(&namespace, &object).await;
        }
    }

    /// Deletes what is in a terminating namespace; when nothing is left, lets the namespace go.
    pub(super) async fn empty(&self, key: &Key, object: &Object) {
        if key
            .collection
            .is("apiextensions.k8s.io", "customresourcedefinitions")
        {
            return self.empty_definition(key, object).await;
        }
        if !key.collection.is("", "namespaces") || !object.is_terminating() {
            return;
        }
        let contents = self.contents(&key.name);
        if contents.is_empty() {
            let edit = |object: &mut Value| {
                if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.remove("finalizers");
                }
            };
            report(key, self.engine.edit(key, edit).await);
            return;
        }
        let fresh: Vec<&(Key, Arc<Object>)> = contents
            .iter()
            .filter(|(_, object)| !object.is_terminating())
            .collect();
        for chunk in fresh.chunks(AT_ONCE) {
            join_all(
                chunk
                    .iter()
                    .map(|(key, object)| self.remove(key, object, Propagation::Background)),
            )
            .await;
        }
        let left = self.contents(&key.name);
        if !left.is_empty() {
            self.explain(key, &left).await;
        }
    }

    /// Deletes the objects of a terminating CRD; when none is left, lets the CRD go.
    async fn empty_definition(&self, key: &Key, object: &Object) {
        if !object.is_terminating() || !waits_for(object, CUSTOM_RESOURCES) {
            return;
        }
        let collection = collection_of(&object.value);
        let objects: Vec<(Key, Arc<Object>)> = {
            let memory = self.engine.store.read();
            let place = |(namespace, name): &(String, String)| Key {
                collection: collection.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
            };
            memory
                .list(&collection, None, None)
                .map(|(at, object)| (place(at), Arc::clone(object)))
                .collect()
        };
        if objects.is_empty() {
            return self.drop_finalizer(key, CUSTOM_RESOURCES).await;
        }
        let fresh: Vec<&(Key, Arc<Object>)> = objects
            .iter()
            .filter(|(_, object)| !object.is_terminating())
            .collect();
        for chunk in fresh.chunks(AT_ONCE) {
            join_all(
                chunk
                    .iter()
                    .map(|(key, object)| self.remove(key, object, Propagation::Background)),
            )
            .await;
        }
    }

    fn contents(&self, namespace: &str) -> Vec<(Key, Arc<Object>)> {
        let memory = self.engine.store.read();
        let place = |collection: &Collection, name: &str| Key {
            collection: collection.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        memory
            .collections()
            .flat_map(|collection| {
                memory
                    .list(collection, Some(namespace), None)
                    .filter(|((at, _), _)| !at.is_empty())
                    .map(|((_, name), object)| (place(collection, name), Arc::clone(object)))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Says on the namespace what it still waits for.
    async fn explain(&self, key: &Key, left: &[(Key, Arc<Object>)]) {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        let mut finalizers = std::collections::BTreeMap::<String, usize>::new();
        for (key, object) in left {
            let resource = format!("{}.{}", key.collection.plural, key.collection.group);
            *counts.entry(resource).or_default() += 1;
            let held = object.metadata("finalizers").and_then(Value::as_array);
            for finalizer in held.into_iter().flatten().filter_map(Value::as_str) {
                *finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
        let listed = |counts: &std::collections::BTreeMap<String, usize>, noun: &str| -> String {
            let each: Vec<String> = counts
                .iter()
                .map(|(name, count)| format!("{name} {noun} {count} resource instances"))
                .collect();
            each.join(", ")
        };
        let content = format!("Some resources are remaining: {}", listed(&counts, "has"));
        let waiting = format!(
            "Some content in the namespace has finalizers remaining: {}",
            listed(&finalizers, "in")
        );
        let now = self.engine.timestamp();
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now,
            })
        };
        let went_well = [
            (
                "NamespaceDeletionDiscoveryFailure",
                "ResourcesDiscovered",
                "All resources successfully discovered",
            ),
            (
                "NamespaceDeletionGroupVersionParsingFailure",
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed",
            ),
            (
                "NamespaceDeletionContentFailure",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
        ];
        let remain = [
            ("NamespaceContentRemaining", "SomeResourcesRemain", &content),
            ("NamespaceFinalizersRemaining", "SomeFinalizersRemain", &waiting),
        ];
        let mut conditions: Vec<Value> = Vec::new();
        conditions.extend(went_well.map(|(kind, reason, message)| condition(kind, "False", reason, message)));
        conditions.extend(remain.map(|(kind, reason, message)| condition(kind, "True", reason, message)));
        let edit = |object: &mut Value| {
            let told = object["status"]["conditions"].as_array();
            let said = |at: usize| told.and_then(|told| told.get(at)).map(|one| &one["message"]);
            if (0..conditions.len()).any(|at| said(at) != Some(&conditions[at]["message"])) {
                object["status"]["conditions"] = json!(conditions);
            }
        };
        report(key, self.engine.edit(key, edit).await);
    }
}
