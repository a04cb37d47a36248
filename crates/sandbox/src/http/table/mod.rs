//! Objects as the rows of a table (`meta.k8s.io/v1 Table`), which is what kubectl prints.
//!
//! The columns of built-in kinds follow `pkg/printers/internalversion` of Kubernetes, by subject in the files beside
//! this one; those of custom resources come from their CRD.

mod network;
mod others;
mod storage;
mod words;
mod workload;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::lists::list_metadata;
use super::negotiate::Meta;
use crate::catalog::{Column, Resource, Source};
use crate::store::Object;
use crate::verbs::{Listed, text};

/// What a row carries beside its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    None,
    Metadata,
    Object,
}

/// How tables are made for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) meta: Meta,
    pub(super) include: Include,
    /// The present moment, for ages.
    pub(super) now: Timestamp,
}

impl Style {
    pub(super) fn new(meta: Meta, now: Timestamp) -> Self {
        Self {
            meta,
            include: Include::Metadata,
            now,
        }
    }
}

/// A column: its name, its type, and whether it is shown only when asked for much (`-o wide`).
type Head = (&'static str, &'static str, i64);

/// How a built-in kind is shown. The name is always the first column.
struct Printer {
    heads: &'static [Head],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

fn printer(group: &str, plural: &str) -> Printer {
    workload::printer(group, plural)
        .or_else(|| network::printer(group, plural))
        .or_else(|| storage::printer(group, plural))
        .or_else(|| others::printer(group, plural))
        .unwrap_or(Printer {
            heads: &[("Age", "string", 0)],
            cells: |object, now| vec![words::age(object, now)],
        })
}

/// A Scale, which is read of objects of many kinds.
const SCALE: Printer = Printer {
    heads: &[
        ("Desired", "integer", 0),
        ("Available", "integer", 0),
        ("Age", "string", 0),
    ],
    cells: |object, now| {
        vec![
            json!(words::number(object, "/spec/replicas")),
            json!(words::number(object, "/status/replicas")),
            words::age(object, now),
        ]
    },
};

/// What a table shows of each object besides its name.
enum Columns<'a> {
    Known(Printer),
    Defined(&'a [Column]),
}

impl<'a> Columns<'a> {
    fn of(resource: &'a Resource) -> Self {
        match &resource.source {
            Source::Builtin(_) => Self::Known(printer(&resource.collection.group, &resource.plural)),
            Source::Custom(version) => Self::Defined(&version.columns),
        }
    }
}

/// A page of objects.
pub(super) fn of_list(resource: &Resource, listed: &Listed, style: Style) -> Value {
    let columns = Columns::of(resource);
    let rows: Vec<Value> = listed
        .objects
        .iter()
        .map(|object| row(resource, &columns, object, style))
        .collect();
    table(
        resource,
        &columns,
        &list_metadata(listed),
        &rows,
        true,
        style.meta,
    )
}

/// One object; `headed` says whether the columns are described, which a watch does once.
pub(super) fn of_one(resource: &Resource, object: &Object, headed: bool, style: Style) -> Value {
    let metadata = json!({ "resourceVersion": object.revision.to_string() });
    let is_scale = text(&object.value, &["kind"]) == "Scale"
        && text(&object.value, &["apiVersion"]).starts_with("autoscaling/");
    let columns = if is_scale {
        Columns::Known(SCALE)
    } else {
        Columns::of(resource)
    };
    let rows = [row(resource, &columns, object, style)];
    table(resource, &columns, &metadata, &rows, headed, style.meta)
}

fn table(
    resource: &Resource,
    columns: &Columns<'_>,
    metadata: &Value,
    rows: &[Value],
    headed: bool,
    meta: Meta,
) -> Value {
    let columns = if headed {
        described(resource, columns)
    } else {
        Value::Null
    };
    json!({
        "kind": "Table",
        "apiVersion": meta.api_version(),
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    })
}

fn described(resource: &Resource, of: &Columns<'_>) -> Value {
    let head = |name: &str, kind: &str, format: &str, description: &str, priority: i64| json!({ "name": name, "type": kind, "format": format, "description": description, "priority": priority });
    let name = head(
        "Name",
        "string",
        "name",
        "Name must be unique within a namespace.",
        0,
    );
    let mut columns = Vec::new();
    match of {
        Columns::Known(printer) => {
            columns.extend(
                printer
                    .heads
                    .iter()
                    .map(|(name, kind, priority)| head(name, kind, "", "", *priority)),
            );
            // Events name themselves last, and only to those who want to know.
            let at = if resource.plural == "events" {
                columns.len()
            } else {
                0
            };
            columns.insert(
                at,
                if at > 0 {
                    head("Name", "string", "name", "", 1)
                } else {
                    name
                },
            );
        }
        Columns::Defined(defined) => {
            columns.push(name);
            let described = defined.iter();
            columns.extend(
                described.map(|one| head(&one.name, &one.kind, &one.format, &one.description, one.priority)),
            );
        }
    }
    Value::Array(columns)
}

fn row(resource: &Resource, columns: &Columns<'_>, object: &Object, style: Style) -> Value {
    let renewed = crate::verbs::renewed(resource, object);
    let value = renewed.as_ref().unwrap_or(&object.value);
    let name = storage::class_name(value).unwrap_or_else(|| json!(text(value, &["metadata", "name"])));
    let mut cells = match columns {
        Columns::Known(printer) => (printer.cells)(value, style.now),
        Columns::Defined(defined) => defined
            .iter()
            .map(|column| custom_cell(column, value, style.now))
            .collect(),
    };
    let last = matches!(columns, Columns::Known(_)) && resource.plural == "events";
    cells.insert(if last { cells.len() } else { 0 }, name);
    let mut row = json!({ "cells": cells, "object": null });
    match style.include {
        Include::None => {}
        Include::Metadata => {
            row["object"] = json!({
                "kind": "PartialObjectMetadata",
                "apiVersion": style.meta.api_version(),
                "metadata": value.get("metadata"),
            });
            // Rows are made of a form that has this in a field.
            if resource.is("apps", "daemonsets")
                && let Some(metadata) = row["object"]["metadata"].as_object_mut()
                && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
            {
                annotations.remove("deprecated.daemonset.template.generation");
                if annotations.is_empty() {
                    metadata.remove("annotations");
                }
            }
        }
        Include::Object => row["object"] = crate::verbs::shown(resource, value),
    }
    row
}

fn custom_cell(column: &Column, object: &Value, now: Timestamp) -> Value {
    let found = column.path.find(object);
    let Some(first) = found.first().filter(|first| !first.is_null()) else {
        return Value::Null;
    };
    match (column.kind.as_str(), first) {
        ("date", Value::String(moment)) => json!(words::since(moment, now)),
        ("integer", Value::Number(number)) => number
            .as_i64()
            .map_or_else(|| json!(number), |whole| json!(whole)),
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => (*first).clone(),
        ("string", _) => {
            let plain = |value: &&Value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            json!(found.iter().map(plain).collect::<Vec<_>>().join(","))
        }
        _ => Value::Null,
    }
}
