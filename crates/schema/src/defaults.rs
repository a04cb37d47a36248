//! Defaults: those of the schema, and for built-in kinds those that the API server keeps in Go.

use serde_json::{Map, Value};

use crate::go_defaults;
use crate::model::Schema;

/// Fills in what is absent. Parents before children, so that a default object gets its own defaults.
/// Idempotent.
pub fn default(schema: &Schema, object: &mut Value) {
    match object {
        Value::Object(fields) => {
            for (name, field) in &schema.fields {
                let target = field.schema.get();
                if field.always && fields.get(name).is_none_or(Value::is_null) {
                    fields.insert(name.clone(), Value::Object(Map::new()));
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
