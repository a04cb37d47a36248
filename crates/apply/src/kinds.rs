//! Which kinds a cluster knows: those of Kubernetes itself from a table, all others by asking the cluster once
//! per API version. Knows nothing about objects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::Client;
use kube::core::ApiResource;

/// The kinds of Kubernetes itself: API version, whether in a namespace, kinds with their plurals. These names
/// are part of the API's promise and cannot differ between clusters.
const BUILT_IN: [Table; 14] = [
    (
        "v1",
        false,
        &[
            ("Namespace", "namespaces"),
            ("Node", "nodes"),
            ("PersistentVolume", "persistentvolumes"),
        ],
    ),
    (
        "v1",
        true,
        &[
            ("ConfigMap", "configmaps"),
            ("Endpoints", "endpoints"),
            ("Event", "events"),
            ("LimitRange", "limitranges"),
            ("PersistentVolumeClaim", "persistentvolumeclaims"),
            ("Pod", "pods"),
            ("ResourceQuota", "resourcequotas"),
            ("Secret", "secrets"),
            ("Service", "services"),
            ("ServiceAccount", "serviceaccounts"),
        ],
    ),
    (
        "apps/v1",
        true,
        &[
            ("DaemonSet", "daemonsets"),
            ("Deployment", "deployments"),
            ("ReplicaSet", "replicasets"),
            ("StatefulSet", "statefulsets"),
        ],
    ),
    ("batch/v1", true, &[("CronJob", "cronjobs"), ("Job", "jobs")]),
    (
        "autoscaling/v2",
        true,
        &[("HorizontalPodAutoscaler", "horizontalpodautoscalers")],
    ),
    (
        "policy/v1",
        true,
        &[("PodDisruptionBudget", "poddisruptionbudgets")],
    ),
    (
        "networking.k8s.io/v1",
        true,
        &[("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies")],
    ),
    (
        "networking.k8s.io/v1",
        false,
        &[("IngressClass", "ingressclasses")],
    ),
    (
        "rbac.authorization.k8s.io/v1",
        true,
        &[("Role", "roles"), ("RoleBinding", "rolebindings")],
    ),
    (
        "rbac.authorization.k8s.io/v1",
        false,
        &[
            ("ClusterRole", "clusterroles"),
            ("ClusterRoleBinding", "clusterrolebindings"),
        ],
    ),
    ("storage.k8s.io/v1", false, &[("StorageClass", "storageclasses")]),
    (
        "scheduling.k8s.io/v1",
        false,
        &[("PriorityClass", "priorityclasses")],
    ),
    (
        "apiextensions.k8s.io/v1",
        false,
        &[("CustomResourceDefinition", "customresourcedefinitions")],
    ),
    ("coordination.k8s.io/v1", true, &[("Lease", "leases")]),
];

type Table = (&'static str, bool, &'static [(&'static str, &'static str)]);

/// A kind that the cluster knows.
#[derive(Debug, Clone)]
pub struct Kind {
    /// How it is addressed.
    pub resource: ApiResource,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
}

/// The kinds that a cluster knows, remembered. Cheap to clone; clones share what they learn.
#[derive(Clone)]
pub struct Kinds {
    client: Client,
    learned: Arc<Mutex<HashMap<String, Arc<Vec<Kind>>>>>,
}

impl Kinds {
    /// Knows the built-in kinds at once, and asks `client` for others.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            learned: Arc::default(),
        }
    }

    /// Looks a kind up; `None` if the cluster does not know it. What is not known is asked for anew each time:
    /// it may have been installed meanwhile.
    pub async fn find(&self, api_version: &str, kind: &str) -> Result<Option<Kind>, kube::Error> {
        if let Some(kind) = built_in(api_version, kind) {
            return Ok(Some(kind));
        }
        let learned = self.learned().get(api_version).cloned();
        if let Some(kind) = learned.as_deref().and_then(|kinds| pick(kinds, kind)) {
            return Ok(Some(kind));
        }
        let kinds = Arc::new(self.ask(api_version).await?);
        let found = pick(&kinds, kind);
        self.learned().insert(api_version.to_owned(), kinds);
        Ok(found)
    }

    /// Forgets what was learned of an API version, because the cluster turned out not to know it any more.
    pub fn forget(&self, api_version: &str) {
        self.learned().remove(api_version);
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Vec<Kind>>>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, api_version: &str) -> Result<Vec<Kind>, kube::Error> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let safe = |part: &str| {
            part.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        };
        if !safe(group) || !safe(version) || version.is_empty() {
            return Ok(Vec::new());
        }
        let answer = if group.is_empty() {
            self.client.list_core_api_resources(version).await
        } else {
            self.client.list_api_group_resources(api_version).await
        };
        let list = match answer {
            Ok(list) => list,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        Ok(list
            .resources
            .into_iter()
            .filter(|resource| !resource.name.contains('/'))
            .map(|resource| Kind {
                resource: address(group, version, &resource.kind, &resource.name),
                namespaced: resource.namespaced,
            })
            .collect())
    }
}

fn pick(kinds: &[Kind], kind: &str) -> Option<Kind> {
    kinds.iter().find(|known| known.resource.kind == kind).cloned()
}

fn built_in(api_version: &str, kind: &str) -> Option<Kind> {
    BUILT_IN
        .iter()
        .filter(|(version, ..)| *version == api_version)
        .find_map(|(_, namespaced, kinds)| {
            let (_, plural) = kinds.iter().find(|(name, _)| *name == kind)?;
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            Some(Kind {
                resource: address(group, version, kind, plural),
                namespaced: *namespaced,
            })
        })
}

fn address(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    let gvk = kube::core::GroupVersionKind::gvk(group, version, kind);
    ApiResource::from_gvk_with_plural(&gvk, plural)
}
