//! Structs that Go embeds in others: their fields stand in the JSON of the outer one, but the decoder names the way
//! through them.

/// A struct with others in it: the names of these, and its own fields, or those that are not its own.
struct Embedding {
    outer: &'static str,
    inner: &'static [&'static str],
    fields: Fields,
}

enum Fields {
    /// These are embedded.
    Only(&'static [&'static str]),
    /// All but these are.
    AllBut(&'static [&'static str]),
}

/// What is said of a PersistentVolume besides where it is.
pub(crate) const BESIDE_SOURCE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

const EMBEDDINGS: [Embedding; 14] = [
    Embedding {
        outer: "admissionregistration.v1.NamedRuleWithOperations",
        inner: &["RuleWithOperations", "Rule"],
        fields: Fields::AllBut(&["operations", "resourceNames"]),
    },
    Embedding {
        outer: "admissionregistration.v1.NamedRuleWithOperations",
        inner: &["RuleWithOperations"],
        fields: Fields::Only(&["operations"]),
    },
    Embedding {
        outer: "admissionregistration.v1.RuleWithOperations",
        inner: &["Rule"],
        fields: Fields::AllBut(&["operations"]),
    },
    Embedding {
        outer: "core.v1.EphemeralContainer",
        inner: &["EphemeralContainerCommon"],
        fields: Fields::AllBut(&["targetContainerName"]),
    },
    Embedding {
        outer: "core.v1.PersistentVolumeSpec",
        inner: &["PersistentVolumeSource"],
        fields: Fields::AllBut(&BESIDE_SOURCE),
    },
    Embedding {
        outer: "core.v1.Probe",
        inner: &["ProbeHandler"],
        fields: Fields::Only(&["exec", "grpc", "httpGet", "tcpSocket"]),
    },
    Embedding {
        outer: "core.v1.Volume",
        inner: &["VolumeSource"],
        fields: Fields::AllBut(&["name"]),
    },
    named("core.v1.ConfigMapEnvSource"),
    named("core.v1.ConfigMapKeySelector"),
    named("core.v1.ConfigMapProjection"),
    named("core.v1.ConfigMapVolumeSource"),
    named("core.v1.SecretEnvSource"),
    named("core.v1.SecretKeySelector"),
    named("core.v1.SecretProjection"),
];

/// What says by its name what it refers to.
const fn named(outer: &'static str) -> Embedding {
    Embedding {
        outer,
        inner: &["LocalObjectReference"],
        fields: Fields::Only(&["name"]),
    }
}

/// The names of the embedded structs between a type and one of its fields.
pub(super) fn steps(type_name: &str, field: &str) -> &'static [&'static str] {
    let found = EMBEDDINGS.iter().find(|embedding| {
        embedding.outer == type_name
            && match embedding.fields {
                Fields::Only(fields) => fields.contains(&field),
                Fields::AllBut(fields) => !fields.contains(&field),
            }
    });
    found.map_or(&[], |embedding| embedding.inner)
}
