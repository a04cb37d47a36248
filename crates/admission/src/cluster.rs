//! What is known of the cluster beside the object under review: its namespaces, and which roles somebody has.
//!
//! Both are kept by watches, so that no request waits for a question about them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use futures::TryStreamExt;
use guardrails::User;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding, Subject};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Space {
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// All of it.
    pub(crate) object: Value,
}

/// Who has a role, and which.
#[derive(Clone, Debug)]
struct Binding {
    /// The namespace of a role; nothing for a cluster role.
    role: (Option<String>, String),
    subjects: Vec<Subject>,
    /// Where its accounts are, when they do not say.
    namespace: Option<String>,
}

/// What is known of a cluster. Cheap to clone; clones know the same.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    spaces: RwLock<HashMap<String, Arc<Space>>>,
    bindings: RwLock<HashMap<String, Binding>>,
    /// Which of the watches have brought their first list.
    listed: RwLock<[bool; 3]>,
}

impl Surroundings {
    /// Follows the cluster until `stop`.
    pub(crate) async fn follow(&self, client: &Client, stop: CancellationToken) {
        let inner = &self.inner;
        let spaces = keep(
            Api::<Namespace>::all(client.clone()),
            |name, namespace: Option<Namespace>| {
                let mut spaces = inner.spaces.write().unwrap_or_else(PoisonError::into_inner);
                match namespace {
                    Some(namespace) => spaces.insert(name, Arc::new(space(&namespace))),
                    None => spaces.remove(&name),
                };
            },
            || self.listed(0),
        );
        let bind = |name: String, binding: Option<Binding>| {
            let mut bindings = inner.bindings.write().unwrap_or_else(PoisonError::into_inner);
            match binding {
                Some(binding) => bindings.insert(name, binding),
                None => bindings.remove(&name),
            };
        };
        let in_namespaces = keep(
            Api::<RoleBinding>::all(client.clone()),
            |name, binding: Option<RoleBinding>| bind(name, binding.as_ref().map(of_role)),
            || self.listed(1),
        );
        let in_cluster = keep(
            Api::<ClusterRoleBinding>::all(client.clone()),
            |name, binding: Option<ClusterRoleBinding>| bind(name, binding.as_ref().map(of_cluster_role)),
            || self.listed(2),
        );
        tokio::select! {
            () = stop.cancelled() => {}
            _ = futures::future::join3(spaces, in_namespaces, in_cluster) => {}
        }
    }

    fn listed(&self, which: usize) {
        if let Some(listed) = self
            .inner
            .listed
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(which)
        {
            *listed = true;
        }
    }

    /// Whether everything was read once.
    pub(crate) fn is_read(&self) -> bool {
        self.inner
            .listed
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .all(|&listed| listed)
    }

    /// A namespace, where it is known.
    pub(crate) fn space(&self, name: &str) -> Option<Arc<Space>> {
        let spaces = self.inner.spaces.read().unwrap_or_else(PoisonError::into_inner);
        spaces.get(name).cloned()
    }

    /// Takes in a namespace that was asked for.
    pub(crate) fn learn(&self, namespace: &Namespace) -> Arc<Space> {
        let space = Arc::new(space(namespace));
        let mut spaces = self.inner.spaces.write().unwrap_or_else(PoisonError::into_inner);
        spaces.insert(namespace.name_any(), Arc::clone(&space));
        space
    }

    /// Adds the roles that are bound to somebody.
    pub(crate) fn roles(&self, user: &mut User) {
        let bindings = self.inner.bindings.read().unwrap_or_else(PoisonError::into_inner);
        for binding in bindings.values() {
            if !binding
                .subjects
                .iter()
                .any(|subject| is(user, subject, binding.namespace.as_deref()))
            {
                continue;
            }
            match &binding.role {
                (Some(namespace), role) => user.roles.push(format!("{namespace}:{role}")),
                (None, role) => user.cluster_roles.push(role.clone()),
            }
        }
        for roles in [&mut user.roles, &mut user.cluster_roles] {
            roles.sort();
            roles.dedup();
        }
    }
}

pub(crate) fn space(namespace: &Namespace) -> Space {
    Space {
        labels: namespace.labels().clone(),
        object: serde_json::to_value(namespace)
            .map(|mut object| {
                object["apiVersion"] = "v1".into();
                object["kind"] = "Namespace".into();
                object
            })
            .unwrap_or_default(),
    }
}

fn of_role(binding: &RoleBinding) -> Binding {
    let namespace = binding.namespace();
    Binding {
        role: (
            (binding.role_ref.kind == "Role").then(|| namespace.clone().unwrap_or_default()),
            binding.role_ref.name.clone(),
        ),
        subjects: binding.subjects.clone().unwrap_or_default(),
        namespace,
    }
}

fn of_cluster_role(binding: &ClusterRoleBinding) -> Binding {
    Binding {
        role: (None, binding.role_ref.name.clone()),
        subjects: binding.subjects.clone().unwrap_or_default(),
        namespace: None,
    }
}

fn is(user: &User, subject: &Subject, namespace: Option<&str>) -> bool {
    match subject.kind.as_str() {
        "User" => subject.name == user.name,
        "Group" => user.groups.contains(&subject.name),
        "ServiceAccount" => {
            let namespace = subject.namespace.as_deref().or(namespace).unwrap_or_default();
            let account = user
                .name
                .strip_prefix("system:serviceaccount:")
                .and_then(|rest| rest.split_once(':'));
            account == Some((namespace, subject.name.as_str()))
        }
        _ => false,
    }
}

/// Tells of each object by its namespace and name, for ever. `done` is called when a list is complete.
async fn keep<K>(api: Api<K>, mut tell: impl FnMut(String, Option<K>), done: impl Fn())
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let key = |object: &K| match object.namespace() {
        Some(namespace) => format!("{namespace}/{}", object.name_any()),
        None => object.name_any(),
    };
    let mut known = std::collections::HashSet::new();
    let mut before = std::collections::HashSet::new();
    let mut events = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
    loop {
        match events.try_next().await {
            Ok(Some(watcher::Event::Init)) => before = std::mem::take(&mut known),
            Ok(Some(watcher::Event::InitApply(object) | watcher::Event::Apply(object))) => {
                let key = key(&object);
                before.remove(&key);
                known.insert(key.clone());
                tell(key, Some(object));
            }
            Ok(Some(watcher::Event::InitDone)) => {
                for gone in before.drain() {
                    tell(gone, None);
                }
                done();
            }
            Ok(Some(watcher::Event::Delete(object))) => {
                let key = key(&object);
                known.remove(&key);
                tell(key, None);
            }
            Ok(None) => return,
            Err(error) => tracing::debug!(%error, "a watch of the cluster"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roles_are_those_that_are_bound() {
        let surroundings = Surroundings::default();
        let role: RoleBinding = serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "shop"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deploy"},
            "subjects": [{"kind": "ServiceAccount", "name": "ci"}, {"kind": "Group", "name": "people"}],
        }))
        .unwrap();
        let mut cluster_role = role.clone();
        cluster_role.role_ref.kind = "ClusterRole".to_owned();
        cluster_role.role_ref.name = "edit".to_owned();
        for (name, binding) in [("a", &role), ("b", &cluster_role)] {
            let mut bindings = surroundings.inner.bindings.write().unwrap();
            bindings.insert(name.to_owned(), of_role(binding));
        }
        let check = |name: &str, groups: &[&str], expect: bool| {
            let mut user = User {
                name: name.to_owned(),
                groups: groups.iter().map(|&group| group.to_owned()).collect(),
                ..User::default()
            };
            surroundings.roles(&mut user);
            let (roles, cluster_roles) = if expect {
                (vec!["shop:deploy"], vec!["edit"])
            } else {
                (vec![], vec![])
            };
            assert_eq!(
                (user.roles, user.cluster_roles),
                (
                    roles.into_iter().map(str::to_owned).collect(),
                    cluster_roles.into_iter().map(str::to_owned).collect(),
                ),
                "{name}"
            );
        };
        check("system:serviceaccount:shop:ci", &[], true);
        check("system:serviceaccount:other:ci", &[], false);
        check("jane", &["people"], true);
        check("ci", &[], false);
    }
}
