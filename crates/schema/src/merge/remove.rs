//! An object without a set of fields, and the set of fields that an object has.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::typed::{Shape, Typed, item_element};
use crate::fields::{Element, FieldSet};

/// The value without the fields in the set; null where nothing is left.
pub(crate) fn remove(typed: Typed<'_>, value: &Value, fields: &FieldSet) -> Value {
    match typed.shape(Some(value)) {
        Shape::Scalar => value.clone(),
        Shape::List => {
            let Some(items) = value.as_array().filter(|_| !typed.is_atomic_list()) else {
                return Value::Null;
            };
            let mut kept = Vec::with_capacity(items.len());
            for item in items {
                let Ok(element) = item_element(typed.schema, item) else {
                    kept.push(item.clone());
                    continue;
                };
                if fields.has_element(&element) {
                    continue;
                }
                kept.push(match fields.below(&element) {
                    Some(below) => remove(typed.item(), item, below),
                    None => item.clone(),
                });
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Array(kept)
            }
        }
        Shape::Map => {
            let Some(entries) = value.as_object().filter(|_| !typed.is_atomic_map()) else {
                return Value::Null;
            };
            let mut kept = Map::new();
            for (name, value) in entries {
                let element = Element::field(name);
                if fields.has_element(&element) {
                    continue;
                }
                let value = match fields.below(&element) {
                    Some(below) => remove(typed.child(name), value, below),
                    None => value.clone(),
                };
                kept.insert(name.clone(), value);
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Object(kept)
            }
        }
    }
}

/// The fields that an object has, as a writer of the whole object would own them.
pub(crate) fn fields_of(typed: Typed<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::new();
    collect(typed, value, &mut Vec::new(), &mut set);
    set
}

fn collect(typed: Typed<'_>, value: &Value, path: &mut Vec<Element>, set: &mut FieldSet) {
    match typed.shape(Some(value)) {
        Shape::Scalar => set.insert(path),
        Shape::List => {
            if typed.is_atomic_list() {
                return set.insert(path);
            }
            let mut by_element: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
            for item in value.as_array().into_iter().flatten() {
                if let Ok(element) = item_element(typed.schema, item) {
                    by_element.entry(element).or_default().push(item);
                }
            }
            for (element, items) in by_element {
                path.push(element);
                if let [item] = items.as_slice() {
                    collect(typed.item(), item, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
        Shape::Map => {
            if typed.is_atomic_map() {
                return set.insert(path);
            }
            for (name, value) in value.as_object().into_iter().flatten() {
                path.push(Element::field(name));
                collect(typed.child(name), value, path, set);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                if empty || typed.schema.field(name).is_none() {
                    set.insert(path);
                }
                path.pop();
            }
        }
    }
}
