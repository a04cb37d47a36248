//! The built-in resources, as the schema facts describe them.

use schema::{Kind, Schemas};

use super::{Resource, Source, Subresource};
use crate::store::Collection;

/// Kinds that a server without nodes and components has nothing to say about.
const LEFT_OUT: [(&str, &str, &str); 2] = [("", "v1", "bindings"), ("", "v1", "componentstatuses")];

/// Subresources that need a node to talk to, or somebody who signs.
const WITHOUT_NODES: [&str; 7] = [
    "attach",
    "exec",
    "portforward",
    "proxy",
    "resize",
    "ephemeralcontainers",
    "approval",
];

pub(super) fn resources() -> impl Iterator<Item = Resource> {
    let kinds = Schemas::builtin().kinds().iter();
    kinds
        .filter(|kind| {
            !LEFT_OUT.contains(&(kind.group.as_str(), kind.version.as_str(), kind.plural.as_str()))
        })
        .map(resource)
}

fn resource(kind: &'static Kind) -> Resource {
    let subresources = kind
        .subresources
        .iter()
        .filter(|one| !WITHOUT_NODES.contains(&one.name.as_str()));
    // Events and autoscalers have two faces over one store.
    let is_event = kind.group == "events.k8s.io";
    let is_scaler = kind.group == "autoscaling" && kind.plural == "horizontalpodautoscalers";
    Resource {
        collection: Collection::new(if is_event { "" } else { &kind.group }, &kind.plural),
        group: kind.group.clone(),
        version: kind.version.clone(),
        kind: kind.kind.clone(),
        list_kind: format!("{}List", kind.kind),
        plural: kind.plural.clone(),
        singular: kind.singular.clone(),
        short_names: kind.short_names.clone(),
        categories: kind.categories.clone(),
        namespaced: kind.namespaced,
        verbs: kind.verbs.clone(),
        subresources: subresources
            .map(|one| Subresource {
                name: one.name.clone(),
                speaks: (one.group.clone(), one.version.clone(), one.kind.clone()),
                verbs: one.verbs.clone(),
            })
            .collect(),
        has_generation: counts_generations(&kind.group, &kind.plural),
        stored: if is_event {
            "v1".to_owned()
        } else if is_scaler {
            "autoscaling/v2".to_owned()
        } else {
            kind.api_version()
        },
        selectable: Vec::new(),
        source: Source::Builtin(kind),
    }
}

/// The kinds whose storage strategies count generations upstream.
fn counts_generations(group: &str, plural: &str) -> bool {
    match group {
        "" => matches!(plural, "pods" | "replicationcontrollers"),
        "apps" => plural != "controllerrevisions",
        "batch"
        | "admissionregistration.k8s.io"
        | "flowcontrol.apiserver.k8s.io"
        | "apiextensions.k8s.io" => true,
        "networking.k8s.io" => matches!(plural, "ingresses" | "ingressclasses" | "networkpolicies"),
        "policy" => plural == "poddisruptionbudgets",
        "scheduling.k8s.io" => plural == "priorityclasses",
        "resource.k8s.io" => plural == "resourceslices",
        _ => false,
    }
}
