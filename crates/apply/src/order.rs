//! In which order kinds are installed: Helm's install order, coarsened into classes within which objects do
//! not wait for each other. No I/O.

/// Classes of kinds, first to last; a kind in none of them comes at the very end.
const CLASSES: [&[&str]; 6] = [
    &["PriorityClass", "Namespace"],
    &["CustomResourceDefinition"],
    &[
        "NetworkPolicy",
        "ResourceQuota",
        "LimitRange",
        "PodSecurityPolicy",
        "PodDisruptionBudget",
        "ServiceAccount",
        "Secret",
        "ConfigMap",
        "StorageClass",
        "PersistentVolume",
        "ClusterRole",
        "Role",
    ],
    &[
        "PersistentVolumeClaim",
        "ClusterRoleBinding",
        "RoleBinding",
        "Service",
    ],
    &[
        "DaemonSet",
        "Pod",
        "ReplicationController",
        "ReplicaSet",
        "Deployment",
        "StatefulSet",
        "Job",
        "CronJob",
    ],
    &["HorizontalPodAutoscaler", "IngressClass", "Ingress", "APIService"],
];

/// The class of a kind: lower classes are installed first and removed last.
pub fn install_class(kind: &str) -> usize {
    match kind {
        // What judges or changes other objects comes after them.
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => CLASSES.len() + 1,
        _ => CLASSES
            .iter()
            .position(|kinds| kinds.contains(&kind))
            .unwrap_or(CLASSES.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let order = [
            "Namespace",
            "CustomResourceDefinition",
            "ServiceAccount",
            "Service",
            "Deployment",
            "Ingress",
            "ServiceMonitor",
            "ValidatingWebhookConfiguration",
        ];
        let classes: Vec<usize> = order.iter().map(|kind| install_class(kind)).collect();
        assert!(classes.is_sorted_by(|a, b| a < b), "{classes:?}");
        assert_eq!(install_class("Secret"), install_class("ConfigMap"));
    }
}
