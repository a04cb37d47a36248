//! What must not go while it is in use: claims that pods use, and volumes that claims have.
//!
//! Reference: `pkg/controller/volume/pvcprotection` and `pvprotection` of Kubernetes.

use serde_json::Value;

use super::collect::{Collector, waits_for};
use crate::store::{Collection, Event, Key, Object};
use crate::verbs::{CLAIM_IN_USE, VOLUME_IN_USE, text};

impl Collector {
    /// Lets go of a terminating claim or volume that nobody uses.
    pub(super) async fn release_protected(&self, key: &Key, object: &Object) {
        if key.collection.is("", "persistentvolumeclaims") && waits_for(object, CLAIM_IN_USE) {
            let used = {
                let memory = self.engine.store.read();
                memory
                    .list(&Collection::new("", "pods"), Some(&key.namespace), None)
                    .any(|(_, pod)| uses(&pod.look(), &key.name))
            };
            if !used {
                self.drop_finalizer(key, CLAIM_IN_USE).await;
            }
        } else if key.collection.is("", "persistentvolumes") && waits_for(object, VOLUME_IN_USE) {
            let claim = text(&object.value, &["spec", "claimRef", "uid"]);
            let had = !claim.is_empty() && self.engine.store.read().by_uid(claim).is_some();
            if !had {
                self.drop_finalizer(key, VOLUME_IN_USE).await;
            }
        }
    }

    /// After a pod has ended, the claims it used may go; after a claim has gone, its volume may.
    pub(super) async fn unprotect(&self, event: &Event) {
        let (key, object) = (&event.key, &event.object);
        if key.collection.is("", "pods") && (event.removed || is_over(&object.look())) {
            let claims: Vec<String> = claims(&object.look()).map(str::to_owned).collect();
            for name in claims {
                let claim = Key {
                    collection: Collection::new("", "persistentvolumeclaims"),
                    namespace: key.namespace.clone(),
                    name,
                };
                self.finish(&claim).await;
            }
        } else if event.removed && key.collection.is("", "persistentvolumeclaims") {
            let volume = Key {
                collection: Collection::new("", "persistentvolumes"),
                namespace: String::new(),
                name: text(&object.value, &["spec", "volumeName"]).to_owned(),
            };
            self.finish(&volume).await;
        }
    }
}

fn claims(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes
        .map(|volume| text(volume, &["persistentVolumeClaim", "claimName"]))
        .filter(|claim| !claim.is_empty())
}

fn is_over(pod: &Value) -> bool {
    matches!(text(pod, &["status", "phase"]), "Succeeded" | "Failed")
}

/// Whether a pod that has a node and is not over uses a claim.
fn uses(pod: &Value, claim: &str) -> bool {
    !text(pod, &["spec", "nodeName"]).is_empty() && !is_over(pod) && claims(pod).any(|one| one == claim)
}
