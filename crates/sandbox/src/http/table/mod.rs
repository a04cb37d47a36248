//! Objects as the rows of a table (`meta.k8s.io/v1 Table`), which is what kubectl prints.

use serde_json::{Value, json};

use super::respond::list_metadata;
use crate::catalog::Resource;
use crate::store::Object;
use crate::verbs::{Listed, text};

/// A page of objects.
pub(super) fn of_list(resource: &Resource, listed: &Listed) -> Value {
    let rows = listed
        .objects
        .iter()
        .map(|object| row(resource, object))
        .collect();
    table(resource, list_metadata(listed), rows, true)
}

/// One object; `headed` says whether the columns are described, which a watch does once.
pub(super) fn of_one(resource: &Resource, object: &Object, headed: bool) -> Value {
    let metadata = json!({ "resourceVersion": object.revision.to_string() });
    table(resource, metadata, vec![row(resource, object)], headed)
}

fn table(_resource: &Resource, metadata: Value, rows: Vec<Value>, headed: bool) -> Value {
    let columns = if headed {
        json!([
            { "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 },
            { "name": "Age", "type": "string", "format": "", "description": "", "priority": 0 },
        ])
    } else {
        json!([])
    };
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    })
}

fn row(_resource: &Resource, object: &Object) -> Value {
    json!({
        "cells": [text(&object.value, &["metadata", "name"]), text(&object.value, &["metadata", "creationTimestamp"])],
        "object": {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object.value.get("metadata"),
        },
    })
}
