//! Fields that a schema does not name: found, or taken away.

use std::fmt::Write as _;

use serde_json::Value;

use crate::model::{Schema, Type};

/// A field that the schema does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// Where it stands, such as `spec.template.spec.containers[0].imagee`.
    pub field: String,
}

impl std::fmt::Display for UnknownField {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "unknown field {:?}", self.field)
    }
}

/// The fields of an object that the schema does not name, in order. The API server reports them as
/// warnings or, with `fieldValidation=Strict`, as `strict decoding error: ` followed by all of them
/// joined with commas.
pub fn unknown_fields(schema: &Schema, object: &Value) -> Vec<UnknownField> {
    let mut found = Vec::new();
    find(schema, object, &mut String::new(), &mut found);
    found
}

fn find(schema: &Schema, value: &Value, path: &mut String, found: &mut Vec<UnknownField>) {
    let length = path.len();
    match value {
        Value::Object(fields) if speaks_of_fields(schema) => {
            for (name, value) in fields {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                match schema.child(name) {
                    Some(child) => find(child, value, path, found),
                    None => found.push(UnknownField { field: path.clone() }),
                }
                path.truncate(length);
            }
        }
        Value::Array(items) if schema.items.is_some() => {
            for (place, item) in items.iter().enumerate() {
                let _ = write!(path, "[{place}]");
                find(schema.item(), item, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// Takes away the fields that the schema does not name.
pub fn prune(schema: &Schema, object: &mut Value) {
    match object {
        Value::Object(fields) if speaks_of_fields(schema) => {
            fields.retain(|name, _| schema.child(name).is_some());
            for (name, value) in fields {
                if let Some(child) = schema.child(name) {
                    prune(child, value);
                }
            }
        }
        Value::Array(items) if schema.items.is_some() => {
            for item in items {
                prune(schema.item(), item);
            }
        }
        _ => {}
    }
}

fn speaks_of_fields(schema: &Schema) -> bool {
    matches!(schema.kind, Type::Object | Type::Any)
}
