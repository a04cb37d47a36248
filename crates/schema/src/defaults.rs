//! Defaults: those of the schema, and for built-in kinds those that the API server keeps in Go.

use serde_json::{Map, Value};

use crate::go_defaults;
use crate::model::{Schema, Type};

/// Fills in what is absent. Parents before children, so that a default object gets its own defaults.
/// Idempotent.
pub fn default(schema: &Schema, object: &mut Value) {
    match object {
        Value::Object(fields) => {
            for (name, field) in &schema.fields {
                let target = field.schema.get();
                if field.always && fields.get(name).is_none_or(Value::is_null) {
                    fields.insert(name.clone(), zero_of(target));
                } else if let Some(default) = &target.default {
                    let missing = match fields.get(name) {
                        None => true,
                        Some(Value::Null) => !target.nullable,
                        Some(_) => false,
                    };
                    if missing {
                        fields.insert(name.clone(), default.clone());
                    }
                }
            }
            if schema.typed && !schema.name.is_empty() {
                go_defaults::fill(&schema.name, fields);
            }
            for (name, value) in fields.iter_mut() {
                if let Some(child) = schema.child(name) {
                    default(child, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = &schema.items {
                for value in items {
                    default(item, value);
                }
            }
        }
        _ => {}
    }
}

/// What Go writes of a field of this type that nobody set.
pub(crate) fn zero_of(schema: &Schema) -> Value {
    match schema.kind {
        Type::String => Value::from(""),
        Type::Integer | Type::Number => Value::from(0),
        Type::Boolean => Value::from(false),
        _ => Value::Object(Map::new()),
    }
}

/// Takes away the nulls of custom resources in fields that may not be null and have no default, as
/// decoding a body does. (The outcome of an apply is not decoded, and keeps them.)
pub(crate) fn drop_nulls(schema: &Schema, object: &mut Value) {
    match object {
        Value::Object(fields) => {
            if !schema.typed {
                fields.retain(|name, value| match schema.field(name) {
                    Some(field) if value.is_null() => field.schema.nullable || field.schema.default.is_some(),
                    _ => true,
                });
            }
            for (name, value) in fields.iter_mut() {
                if let Some(child) = schema.child(name) {
                    drop_nulls(child, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = &schema.items {
                for value in items {
                    drop_nulls(item, value);
                }
            }
        }
        _ => {}
    }
}
