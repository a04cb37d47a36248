//! Emptying what ends: the contents of a namespace that is being deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};

use super::collect::{AT_ONCE, Collector, report, waits_for};
use crate::store::{Collection, Key, Object};
use crate::verbs::{CUSTOM_RESOURCES, Propagation, collection_of};

/// What the end of a namespace says of itself when nothing is in its way: condition, reason, message.
const WELL: [(&str, &str, &str); 5] = [
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
    (
        "NamespaceContentRemaining",
        "ContentRemoved",
        "All content successfully removed",
    ),
    (
        "NamespaceFinalizersRemaining",
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
    ),
];

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
        // Pods go first: they may need the rest to end well.
        let (pods, others): (Vec<_>, Vec<_>) = contents.into_iter().partition(|(key, _)| is_pod(key));
        self.remove_all(&pods).await;
        if self.contents(&key.name).iter().any(|(key, _)| is_pod(key)) {
            self.tell(key, &[]).await;
            return;
        }
        self.remove_all(&others).await;
        let left = self.contents(&key.name);
        if !left.is_empty() {
            self.tell(key, &left).await;
        }
    }

    /// Deletes what is not being deleted yet, some at a time.
    async fn remove_all(&self, objects: &[(Key, Arc<Object>)]) {
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
        self.remove_all(&objects).await;
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

    /// Says on the namespace how its end goes on, and what of it is left.
    async fn tell(&self, key: &Key, left: &[(Key, Arc<Object>)]) {
        let mut counts = BTreeMap::<String, usize>::new();
        let mut finalizers = BTreeMap::<String, usize>::new();
        for (key, object) in left {
            let resource = format!("{}.{}", key.collection.plural, key.collection.group);
            *counts.entry(resource).or_default() += 1;
            let held = object.metadata("finalizers").and_then(Value::as_array);
            for finalizer in held.into_iter().flatten().filter_map(Value::as_str) {
                *finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
        let content = listed("Some resources are remaining: ", &counts, "has");
        let waiting = listed(
            "Some content in the namespace has finalizers remaining: ",
            &finalizers,
            "in",
        );
        let now = self.engine.timestamp();
        let conditions: Vec<Value> = WELL
            .into_iter()
            .map(|(kind, reason, message)| {
                let remains = match kind {
                    "NamespaceContentRemaining" => content.as_deref().map(|left| ("SomeResourcesRemain", left)),
                    "NamespaceFinalizersRemaining" => {
                        waiting.as_deref().map(|left| ("SomeFinalizersRemain", left))
                    }
                    _ => None,
                };
                let (reason, message) = remains.unwrap_or((reason, message));
                let status = if remains.is_some() { "True" } else { "False" };
                json!({
                    "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now,
                })
            })
            .collect();
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

fn is_pod(key: &Key) -> bool {
    key.collection.is("", "pods")
}

/// How much there is of each, in one sentence; none of nothing.
fn listed(begin: &str, counts: &BTreeMap<String, usize>, noun: &str) -> Option<String> {
    let each: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{name} {noun} {count} resource instances"))
        .collect();
    (!each.is_empty()).then(|| format!("{begin}{}", each.join(", ")))
}
