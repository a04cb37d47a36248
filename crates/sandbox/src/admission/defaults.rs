//! Defaults that other objects say: the priority of pods and the storage class of claims.
//!
//! Reference: the plugins Priority and DefaultStorageClass of Kubernetes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Attributes, Operation};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::{Collection, Object};
use crate::verbs::text;

/// The classes every cluster has.
pub(crate) const SYSTEM: [(&str, i64); 2] = [
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
];
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

impl Engine {
    fn everywhere(&self, group: &str, plural: &str) -> Vec<Arc<Object>> {
        self.store.all(&Collection::new(group, plural), None)
    }

    fn default_priority_class(&self) -> Option<Arc<Object>> {
        let mut classes = self.everywhere("scheduling.k8s.io", "priorityclasses");
        classes.retain(|class| class.value["globalDefault"] == true);
        classes
            .into_iter()
            .min_by_key(|class| class.value["value"].as_i64())
    }

    /// Gives a pod the number that its class stands for.
    pub(super) fn resolve_priority(&self, write: &Attributes<'_>, pod: &mut Value) -> Result<(), ApiError> {
        let named = text(pod, &["spec", "priorityClassName"]).to_owned();
        let class = if named.is_empty() {
            self.default_priority_class()
        } else {
            let mut classes = self.everywhere("scheduling.k8s.io", "priorityclasses");
            classes.retain(|class| text(&class.value, &["metadata", "name"]) == named);
            classes.pop()
        };
        let (priority, preemption) = match &class {
            Some(class) => (
                class.value["value"].as_i64().unwrap_or(0),
                text(&class.value, &["preemptionPolicy"]),
            ),
            None if named.is_empty() => (0, ""),
            None => {
                return Err(write.forbidden(pod, &format!("no PriorityClass with name {named} was found")));
            }
        };
        let preemption = if preemption.is_empty() {
            "PreemptLowerPriority"
        } else {
            preemption
        };
        if let Some(given) = pod["spec"]["priority"]
            .as_i64()
            .filter(|given| *given != priority)
        {
            let why = format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission \
                 controller computed {priority} from the given PriorityClass name"
            );
            return Err(write.forbidden(pod, &why));
        }
        let given = text(pod, &["spec", "preemptionPolicy"]);
        if !given.is_empty() && given != preemption {
            let why = format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority \
                 admission controller computed {preemption} from the given PriorityClass name"
            );
            return Err(write.forbidden(pod, &why));
        }
        if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
            if let Some(class) = &class {
                let name = text(&class.value, &["metadata", "name"]);
                spec.insert("priorityClassName".to_owned(), json!(name));
            }
            spec.insert("priority".to_owned(), json!(priority));
            spec.insert("preemptionPolicy".to_owned(), json!(preemption));
        }
        Ok(())
    }

    /// Only one class may be the default.
    pub(super) fn check_priority_class(&self, write: &Attributes<'_>, class: &Value) -> Result<(), ApiError> {
        if !write.is("scheduling.k8s.io", "priorityclasses")
            || write.operation == Operation::Delete
            || class["globalDefault"] != true
        {
            return Ok(());
        }
        let Some(held) = self.default_priority_class() else {
            return Ok(());
        };
        let name = text(&held.value, &["metadata", "name"]);
        if write.operation == Operation::Update && name == write.target.name {
            return Ok(());
        }
        let why = format!("PriorityClass {name} is already marked as default. Only one default can exist");
        Err(write.forbidden(class, &why))
    }

    /// Gives a claim that names no class the newest of those marked as default.
    pub(super) fn default_storage_class(&self, claim: &mut Value) {
        let annotated = &claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
        if !annotated.is_null() || !claim["spec"]["storageClassName"].is_null() {
            return;
        }
        let mut classes = self.everywhere("storage.k8s.io", "storageclasses");
        classes.retain(|class| class.value["metadata"]["annotations"][DEFAULT_CLASS] == "true");
        let made = |class: &Arc<Object>| text(&class.value, &["metadata", "creationTimestamp"]).to_owned();
        // Of equals the first by name, which is the last that the maximum takes of a reversed list.
        if let Some(class) = classes.iter().rev().max_by_key(|class| made(class)) {
            claim["spec"]["storageClassName"] = class.value["metadata"]["name"].clone();
        }
    }
}
