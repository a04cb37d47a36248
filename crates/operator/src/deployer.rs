//! Who writes a service's objects: an account of the service's own namespace, which can make workloads there and
//! nothing else, anywhere.
//!
//! Overrides let a team say almost anything of its objects. What the operator could do with them is more than the
//! team may; so it puts them into the cluster as [`api::DEPLOYER`] of their namespace, and whatever slips through
//! every check before is refused by the cluster itself.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use api::{DEPLOYER, MANAGER_OPERATOR};
use apply::{Applier, ApplySet, Bounds, Prune, Tracking};
use http::{HeaderValue, Request};
use kube::Client;
use kube::client::Body;
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

/// The same connection, in the name of somebody else (Kubernetes' user impersonation).
fn acting_as(client: &Client, user: &str) -> Result<Client, String> {
    let through = client.clone();
    let user =
        HeaderValue::from_str(user).map_err(|_| format!("\"{user}\" is not the name of an account"))?;
    let service = tower::service_fn(move |mut request: Request<Body>| {
        request.headers_mut().insert("impersonate-user", user.clone());
        let through = through.clone();
        async move { through.send(request).await }
    });
    Ok(Client::new(service, client.default_namespace()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;

    /// Answers with what the request says of its caller.
    fn echo() -> Client {
        let service = tower::service_fn(|request: Request<Body>| async move {
            let user = request.headers().get("impersonate-user");
            let user = user.and_then(|user| user.to_str().ok()).unwrap_or_default();
            let body = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "echo"}, "data": {"user": user},
            });
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(body.to_string().into_bytes())))
        });
        Client::new(service, "shop-dev")
    }

    #[tokio::test]
    async fn requests_go_out_in_the_accounts_name() {
        let user = |client: Client| async move {
            let api: Api<ConfigMap> = Api::default_namespaced(client);
            let echoed = api.get("echo").await.unwrap();
            echoed.data.unwrap_or_default()["user"].clone()
        };
        let account = "system:serviceaccount:shop-dev:platform-deployer";
        assert_eq!(user(echo()).await, "");
        assert_eq!(user(acting_as(&echo(), account).unwrap()).await, account);
        assert!(acting_as(&echo(), "a\nb").is_err());
    }
}
