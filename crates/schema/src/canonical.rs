//! The form in which the API server holds built-in kinds: what a round trip through its Go types does
//! to a value.

use serde_json::Value;

use crate::defaults::zero_of;
use crate::model::{Schema, Type};
use crate::pointers;
use crate::quantity::Quantity;

/// Brings the parts of an object that have built-in types into canonical form: nulls and empty
/// optional lists and maps go, quantities are written the one way. Custom resources keep what they
/// hold, their `metadata` apart. Idempotent.
pub fn canonicalize(schema: &Schema, object: &mut Value) {
    match object {
        Value::Object(fields) => {
            if schema.typed && matches!(schema.kind, Type::Any | Type::Raw) {
                return;
            }
            if schema.typed {
                for (name, value) in fields.iter_mut().filter(|(_, value)| value.is_null()) {
                    zero_in_map(schema, name, value);
                }
                fields.retain(|name, value| !vanishes(schema, name, value));
            }
            for (name, value) in fields.iter_mut() {
                if let Some(child) = schema.child(name) {
                    canonicalize(child, value);
                }
            }
            if schema.typed {
                fields.retain(|name, value| !vanishes(schema, name, value));
            }
        }
        Value::Array(items) => {
            if let Some(item) = &schema.items {
                for value in items {
                    canonicalize(item, value);
                }
            }
        }
        _ if schema.typed && schema.kind == Type::Quantity => canonical_quantity(object),
        _ => {}
    }
}

/// Decoding a null into a map of plain values leaves the key with nothing, where a field would be left out.
fn zero_in_map(schema: &Schema, name: &str, value: &mut Value) {
    let plain = [Type::String, Type::Integer, Type::Boolean];
    if let (None, Some(child)) = (schema.field(name), schema.child(name))
        && plain.iter().any(|kind| is_plain(child, *kind))
    {
        *value = zero_of(child);
    }
}

fn canonical_quantity(value: &mut Value) {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    if let Ok(quantity) = text.parse::<Quantity>() {
        *value = Value::String(quantity.to_string());
    }
}

/// Whether Go would not write this field.
fn vanishes(schema: &Schema, name: &str, value: &Value) -> bool {
    let Some(child) = schema.child(name) else {
        return false;
    };
    if matches!(child.kind, Type::Any | Type::Raw) {
        return value.is_null();
    }
    if schema.field(name).is_none() {
        return value.is_null();
    }
    if schema.field(name).is_some_and(|field| field.always) {
        return value.is_null();
    }
    if schema.required.iter().any(|required| required == name) {
        return value.is_null() && !matches!(child.kind, Type::Array);
    }
    match value {
        Value::Null => true,
        Value::Bool(false) => is_plain(child, Type::Boolean) && !pointers::keeps_zero(&schema.name, name),
        Value::Number(number) if number.as_f64() == Some(0.0) => {
            is_plain(child, Type::Integer) && !pointers::keeps_zero(&schema.name, name)
        }
        Value::String(text) if text.is_empty() => {
            is_plain(child, Type::String) && !pointers::keeps_zero(&schema.name, name)
        }
        Value::Array(items) => items.is_empty() && child.kind == Type::Array,
        // A struct behind a pointer stays, however empty; a map goes.
        Value::Object(entries) => {
            entries.is_empty() && child.kind == Type::Object && child.is_open_map() && child.name.is_empty()
        }
        _ => false,
    }
}

/// Whether a field of a struct is a plain value of this type, with no type of its own around it.
fn is_plain(field: &Schema, kind: Type) -> bool {
    field.kind == kind && field.name.is_empty()
}
