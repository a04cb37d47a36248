//! The built-in resources.

use super::Resource;
use crate::store::Collection;

/// Group, version, kind, plural, short names, whether namespaced, has a status, has a generation.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    bool,
    bool,
    bool,
);

const ROWS: &[Row] = &[
    ("", "v1", "ConfigMap", "configmaps", &["cm"], true, false, false),
    ("", "v1", "Event", "events", &["ev"], true, false, false),
    ("", "v1", "Namespace", "namespaces", &["ns"], false, true, false),
    ("", "v1", "Node", "nodes", &["no"], false, true, false),
    (
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        &["pvc"],
        true,
        true,
        false,
    ),
    (
        "",
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        &["pv"],
        false,
        true,
        false,
    ),
    ("", "v1", "Pod", "pods", &["po"], true, true, true),
    ("", "v1", "Secret", "secrets", &[], true, false, false),
    (
        "",
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        &["sa"],
        true,
        false,
        false,
    ),
    ("", "v1", "Service", "services", &["svc"], true, true, false),
    (
        "apps",
        "v1",
        "Deployment",
        "deployments",
        &["deploy"],
        true,
        true,
        true,
    ),
    (
        "apps",
        "v1",
        "ReplicaSet",
        "replicasets",
        &["rs"],
        true,
        true,
        true,
    ),
    (
        "apps",
        "v1",
        "StatefulSet",
        "statefulsets",
        &["sts"],
        true,
        true,
        true,
    ),
];

pub(super) fn resources() -> impl Iterator<Item = Resource> {
    ROWS.iter().map(
        |&(group, version, kind, plural, short, namespaced, has_status, has_generation)| Resource {
            collection: Collection::new(group, plural),
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            short_names: short.iter().map(|&name| name.to_owned()).collect(),
            categories: Vec::new(),
            namespaced,
            has_status,
            has_generation,
            selectable: Vec::new(),
            custom: false,
        },
    )
}
