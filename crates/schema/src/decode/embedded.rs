//! Structs that Go embeds in others: their fields stand in the JSON of the outer one, but the decoder names the way
//! through them.

/// The names of the embedded structs between a type and one of its fields.
pub(super) fn steps(type_name: &str, field: &str) -> &'static [&'static str] {
    match (type_name, field) {
        ("core.v1.Probe", "exec" | "grpc" | "httpGet" | "tcpSocket") => &["ProbeHandler"],
        ("core.v1.Volume", "name") | ("core.v1.EphemeralContainer", "targetContainerName") => &[],
        ("core.v1.Volume", _) => &["VolumeSource"],
        ("core.v1.EphemeralContainer", _) => &["EphemeralContainerCommon"],
        (
            "core.v1.PersistentVolumeSpec",
            "accessModes"
            | "capacity"
            | "claimRef"
            | "mountOptions"
            | "nodeAffinity"
            | "persistentVolumeReclaimPolicy"
            | "storageClassName"
            | "volumeAttributesClassName"
            | "volumeMode",
        ) => &[],
        ("core.v1.PersistentVolumeSpec", _) => &["PersistentVolumeSource"],
        (
            "core.v1.ConfigMapEnvSource"
            | "core.v1.ConfigMapKeySelector"
            | "core.v1.ConfigMapProjection"
            | "core.v1.ConfigMapVolumeSource"
            | "core.v1.SecretEnvSource"
            | "core.v1.SecretKeySelector"
            | "core.v1.SecretProjection",
            "name",
        ) => &["LocalObjectReference"],
        ("admissionregistration.v1.RuleWithOperations", "operations")
        | ("admissionregistration.v1.NamedRuleWithOperations", "resourceNames") => &[],
        ("admissionregistration.v1.RuleWithOperations", _) => &["Rule"],
        ("admissionregistration.v1.NamedRuleWithOperations", "operations") => &["RuleWithOperations"],
        ("admissionregistration.v1.NamedRuleWithOperations", _) => &["RuleWithOperations", "Rule"],
        _ => &[],
    }
}
