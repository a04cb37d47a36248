//! Which fields of built-in types have rules that say themselves what is wrong with a word or with its absence, and
//! where the words that are allowed are told in an order of their own.

/// Who says that a field of a built-in type is missing or has a word that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// The schema, with the words in the order of the alphabet.
    Schema,
    /// The schema, with the words in this order.
    Listed(&'static [&'static str]),
    /// The rules of the kind, in their own order.
    Rules,
}

/// Who speaks of a field of a type.
pub(crate) fn words(kind: &str, field: &str) -> Words {
    match (kind, field) {
        ("networking.v1.NetworkPolicySpec", "policyTypes") => Words::Listed(&["Ingress", "Egress"]),
        ("scheduling.v1.PriorityClass", "preemptionPolicy") => {
            Words::Listed(&["PreemptLowerPriority", "Never"])
        }
        ("storage.v1.StorageClass", "reclaimPolicy") => Words::Listed(&["Delete", "Retain"]),
        ("batch.v1.JobSpec", "completionMode") => Words::Listed(&["NonIndexed", "Indexed"]),
        _ if is_told_by_rules(kind, field) => Words::Rules,
        _ => Words::Schema,
    }
}

fn is_told_by_rules(kind: &str, field: &str) -> bool {
    let fields: &[&str] = match kind {
        "core.v1.PodSpec" => &["containers", "dnsPolicy", "restartPolicy"],
        "core.v1.Container" | "core.v1.EphemeralContainer" => &["terminationMessagePolicy"],
        "core.v1.Toleration" => &["operator", "effect"],
        "core.v1.TopologySpreadConstraint" => &["topologyKey", "whenUnsatisfiable"],
        "core.v1.NodeSelector" => &["nodeSelectorTerms"],
        "core.v1.NodeSelectorRequirement" | "meta.v1.LabelSelectorRequirement" => &["operator", "key"],
        "core.v1.PodAffinityTerm" => &["topologyKey"],
        "core.v1.PersistentVolumeClaimSpec" | "core.v1.PersistentVolumeSpec" => &["accessModes"],
        "core.v1.ResourceQuotaSpec" => &["scopes"],
        "apps.v1.DeploymentStrategy"
        | "apps.v1.DaemonSetUpdateStrategy"
        | "apps.v1.StatefulSetUpdateStrategy"
        | "autoscaling.v2.MetricSpec"
        | "autoscaling.v2.MetricTarget"
        | "autoscaling.v2.HPAScalingPolicy" => &["type"],
        "batch.v1.PodFailurePolicyRule" => &["action"],
        "apps.v1.StatefulSetSpec" => &["podManagementPolicy"],
        "networking.v1.NetworkPolicyPort" => &["protocol"],
        "networking.v1.HTTPIngressRuleValue" => &["paths"],
        "networking.v1.HTTPIngressPath" => &["pathType"],
        "networking.v1.IngressServiceBackend"
        | "autoscaling.v2.MetricIdentifier"
        | "autoscaling.v2.ResourceMetricSource" => &["name"],
        "autoscaling.v2.CrossVersionObjectReference" => &["kind", "name"],
        "autoscaling.v2.ContainerResourceMetricSource" => &["name", "container"],
        "autoscaling.v2.HPAScalingRules" => &["selectPolicy"],
        _ => &[],
    };
    fields.contains(&field)
}
