//! Who writes a service's objects: an account of the service's own namespace, which can make workloads there and
//! nothing else, anywhere.
//!
//! Overrides let a team say almost anything of its objects. What the operator could do with them is more than the
//! team may; so it puts them into the cluster as [`api::DEPLOYER`] of their namespace, and whatever slips through
//! every check before is refused by the cluster itself.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use api::{DEPLOYER, MANAGER_OPERATOR};
use apply::{Applier, ApplySet, Bounds, Prune, Tracking, acting_as};
use serde_json::json;

use crate::context::Context;

/// The namespaces whose account is known to stand.
#[derive(Clone, Default)]
pub(crate) struct Deployers {
    known: Arc<Mutex<HashSet<String>>>,
}

impl Deployers {
    /// The way in for the services of a namespace. Makes their account when this process has not seen it yet.
    pub(crate) async fn applier(&self, context: &Context, namespace: &str) -> Result<Applier, String> {
        if !self.lock().contains(namespace) {
            make(context, namespace).await?;
            self.lock().insert(namespace.to_owned());
        }
        let user = format!("system:serviceaccount:{namespace}:{DEPLOYER}");
        let client = acting_as(&context.client, &user)?;
        Ok(context.applier.acting_as(client))
    }

    /// Looks at a namespace's account again next time: something went wrong there.
    pub(crate) fn forget(&self, namespace: &str) {
        self.lock().remove(namespace);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn make(context: &Context, namespace: &str) -> Result<(), String> {
    let labels = json!({ context.group.label_managed(): "true" });
    let metadata = json!({"name": DEPLOYER, "namespace": namespace, "labels": labels});
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
        "automountServiceAccountToken": false,
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": DEPLOYER},
        "subjects": [{"kind": "ServiceAccount", "name": DEPLOYER, "namespace": namespace}],
    });
    let tracking = Tracking::new(context.group.annotation_tracking(), DEPLOYER);
    let mut set = ApplySet::new(MANAGER_OPERATOR, tracking, vec![account, binding]);
    set.bounds = Bounds::Namespace(namespace.to_owned());
    set.prune = Prune::Never;
    set.force = true;
    let applied = context.applier.apply(&set).await;
    match applied.problems().next() {
        Some((object, problem)) => Err(format!("{object} cannot be applied: {problem}")),
        None => Ok(()),
    }
}
