//! What of an object, and of the request it came with, matching looks at.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::request::{Operation, Request, User};

/// The facts about an object that matching looks at.
pub(crate) struct Subject<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) operation: Operation,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    pub(crate) annotations: BTreeMap<&'a str, &'a str>,
    pub(crate) namespace_labels: BTreeMap<&'a str, &'a str>,
    /// Whether the object itself is a Namespace.
    pub(super) is_namespace: bool,
    /// Who asks, where that is known.
    pub(super) user: Option<&'a User>,
}

impl<'a> Subject<'a> {
    /// Reads the facts from an object.
    pub(crate) fn of(
        object: &'a Value,
        namespace_labels: &'a BTreeMap<String, String>,
        operation: Operation,
        subresource: &'a str,
    ) -> Subject<'a> {
        let metadata = object.get("metadata");
        let text = |map: Option<&'a Value>, field: &str| {
            let value = map.and_then(|map| map.get(field));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        let map = |field: &str| -> BTreeMap<&'a str, &'a str> {
            let map = metadata.and_then(|metadata| metadata.get(field));
            map.and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
                .collect()
        };
        let api_version = text(Some(object), "apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = text(Some(object), "kind");
        let name = match text(metadata, "name") {
            "" => text(metadata, "generateName"),
            name => name,
        };
        Subject {
            group,
            version,
            kind,
            is_namespace: kind == "Namespace",
            user: None,
            name,
            namespace: text(metadata, "namespace"),
            subresource,
            operation,
            labels: map("labels"),
            annotations: map("annotations"),
            namespace_labels: namespace_labels
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
        }
    }

    /// As a request has it: who asks, and the kind that something beneath an object belongs to.
    pub(crate) fn asked_in(mut self, request: &Request<'a>) -> Subject<'a> {
        self.user = request.user;
        if let Some((api_version, kind)) = request.parent {
            (self.group, self.version) = api_version.split_once('/').unwrap_or(("", api_version));
            self.kind = kind;
        }
        self
    }
}
