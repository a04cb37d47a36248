//! The runtime class of a pod: it is there, and says what running pods costs beside them.
//!
//! Reference: the plugin RuntimeClass of Kubernetes.

use serde_json::Value;

use super::Attributes;
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::Key;
use crate::verbs::text;

impl Engine {
    /// Gives a pod the overhead of its runtime class.
    pub(super) fn resolve_runtime(&self, write: &Attributes<'_>, pod: &mut Value) -> Result<(), ApiError> {
        let name = text(pod, &["spec", "runtimeClassName"]).to_owned();
        let given = pod["spec"]["overhead"].clone();
        if name.is_empty() {
            if given.is_null() {
                return Ok(());
            }
            let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
            return Err(write.forbidden(pod, why));
        }
        let key = Key::new("node.k8s.io", "runtimeclasses", "", &name);
        let Some(class) = self.store.get(&key) else {
            let why = format!("pod rejected: RuntimeClass {name:?} not found");
            return Err(write.forbidden(pod, &why));
        };
        let overhead = &class.value["overhead"]["podFixed"];
        if !given.is_null() && given != *overhead {
            let why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
            return Err(write.forbidden(pod, why));
        }
        if !overhead.is_null() {
            pod["spec"]["overhead"] = overhead.clone();
        }
        Ok(())
    }
}
