//! The kinds that the simulated control plane reads and writes, and where they live in the API.

use std::fmt;

/// One kind of object, with its place in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// `v1` Node
    Node,
    /// `storage.k8s.io/v1` StorageClass
    StorageClass,
    /// `v1` ServiceAccount
    ServiceAccount,
    /// `v1` Secret; only the names of its keys are held in memory
    Secret,
    /// `v1` ConfigMap; only the names of its keys are held in memory
    ConfigMap,
    /// `v1` PersistentVolume
    PersistentVolume,
    /// `v1` PersistentVolumeClaim
    PersistentVolumeClaim,
    /// `apps/v1` ControllerRevision
    ControllerRevision,
    /// `apps/v1` Deployment
    Deployment,
    /// `apps/v1` ReplicaSet
    ReplicaSet,
    /// `v1` ReplicationController
    ReplicationController,
    /// `apps/v1` StatefulSet
    StatefulSet,
    /// `apps/v1` DaemonSet
    DaemonSet,
    /// `batch/v1` CronJob
    CronJob,
    /// `batch/v1` Job
    Job,
    /// `v1` Pod
    Pod,
    /// `v1` Service
    Service,
    /// `v1` Endpoints
    Endpoints,
    /// `discovery.k8s.io/v1` EndpointSlice
    EndpointSlice,
    /// `autoscaling/v2` HorizontalPodAutoscaler
    HorizontalPodAutoscaler,
    /// `policy/v1` PodDisruptionBudget
    PodDisruptionBudget,
}

impl Kind {
    /// Every kind, those that others refer to first.
    pub(crate) const ALL: [Self; 21] = [
        Self::Node,
        Self::StorageClass,
        Self::ServiceAccount,
        Self::Secret,
        Self::ConfigMap,
        Self::PersistentVolume,
        Self::PersistentVolumeClaim,
        Self::ControllerRevision,
        Self::Deployment,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::CronJob,
        Self::Job,
        Self::Pod,
        Self::Service,
        Self::Endpoints,
        Self::EndpointSlice,
        Self::HorizontalPodAutoscaler,
        Self::PodDisruptionBudget,
    ];

    fn facts(self) -> (&'static str, &'static str, &'static str, bool) {
        match self {
            Self::Node => ("v1", "Node", "nodes", false),
            Self::StorageClass => ("storage.k8s.io/v1", "StorageClass", "storageclasses", false),
            Self::ServiceAccount => ("v1", "ServiceAccount", "serviceaccounts", true),
            Self::Secret => ("v1", "Secret", "secrets", true),
            Self::ConfigMap => ("v1", "ConfigMap", "configmaps", true),
            Self::PersistentVolume => ("v1", "PersistentVolume", "persistentvolumes", false),
            Self::PersistentVolumeClaim => ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true),
            Self::ControllerRevision => ("apps/v1", "ControllerRevision", "controllerrevisions", true),
            Self::Deployment => ("apps/v1", "Deployment", "deployments", true),
            Self::ReplicaSet => ("apps/v1", "ReplicaSet", "replicasets", true),
            Self::ReplicationController => ("v1", "ReplicationController", "replicationcontrollers", true),
            Self::StatefulSet => ("apps/v1", "StatefulSet", "statefulsets", true),
            Self::DaemonSet => ("apps/v1", "DaemonSet", "daemonsets", true),
            Self::CronJob => ("batch/v1", "CronJob", "cronjobs", true),
            Self::Job => ("batch/v1", "Job", "jobs", true),
            Self::Pod => ("v1", "Pod", "pods", true),
            Self::Service => ("v1", "Service", "services", true),
            Self::Endpoints => ("v1", "Endpoints", "endpoints", true),
            Self::EndpointSlice => ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", true),
            Self::HorizontalPodAutoscaler => (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
                true,
            ),
            Self::PodDisruptionBudget => ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
        }
    }

    /// The `apiVersion` of its objects.
    pub(crate) fn api_version(self) -> &'static str {
        self.facts().0
    }

    /// The `kind` of its objects.
    pub(crate) fn name(self) -> &'static str {
        self.facts().1
    }

    /// The kind with this name, if it is one of ours.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The path of the collection over all namespaces.
    pub(crate) fn path(self) -> String {
        let (api_version, _, plural, _) = self.facts();
        format!("{}/{plural}", root(api_version))
    }

    /// The path of the collection in one namespace; the namespace of cluster-wide kinds is ignored.
    pub(crate) fn path_in(self, namespace: &str) -> String {
        let (api_version, _, plural, namespaced) = self.facts();
        if namespaced {
            format!("{}/namespaces/{namespace}/{plural}", root(api_version))
        } else {
            self.path()
        }
    }

    /// The path of one object.
    pub(crate) fn path_of(self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.path_in(namespace))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

fn root(api_version: &str) -> String {
    let prefix = if api_version.contains('/') {
        "/apis/"
    } else {
        "/api/"
    };
    format!("{prefix}{api_version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let check = |path: String, expect: &str| assert_eq!(path, expect);
        check(Kind::Pod.path(), "/api/v1/pods");
        check(
            Kind::Pod.path_of("shop", "web-0"),
            "/api/v1/namespaces/shop/pods/web-0",
        );
        check(Kind::Node.path_of("", "sandbox-1"), "/api/v1/nodes/sandbox-1");
        check(
            Kind::Deployment.path_in("shop"),
            "/apis/apps/v1/namespaces/shop/deployments",
        );
    }

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
    }
}
