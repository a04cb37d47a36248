//! Strategic merge patch: a merge patch that knows from the schema which lists are merged by key, and
//! that takes directives (`$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`).
//!
//! As `k8s.io/apimachinery/pkg/util/strategicpatch` does it on the server; for built-in kinds only, as
//! upstream.

use serde_json::{Map, Value};

use crate::decode::go_map;
use crate::error::PatchError;
use crate::merge::same;
use crate::model::{Field, PatchStrategy, Schema};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_ITEMS: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// Lays a strategic merge patch over an object.
pub fn strategic_merge(schema: &Schema, original: &Value, patch: &Value) -> Result<Value, PatchError> {
    let (Value::Object(original), Value::Object(patch)) = (original, patch) else {
        return Err(PatchError::NotAnObject);
    };
    Ok(Value::Object(merge_object(schema, original.clone(), patch, "")?))
}

/// How a field is patched: the field's own word before that of its type.
fn strategy_of(field: Option<&Field>) -> PatchStrategy {
    field.map_or(PatchStrategy::Default, |field| {
        field.patch.unwrap_or(field.schema.patch)
    })
}

fn merge_object(
    schema: &Schema,
    mut original: Map<String, Value>,
    patch: &Map<String, Value>,
    place: &str,
) -> Result<Map<String, Value>, PatchError> {
    match patch
        .get(DIRECTIVE)
        .map(|directive| directive.as_str().unwrap_or_default())
    {
        None => {}
        Some("replace") => {
            let mut replacement = patch.clone();
            replacement.remove(DIRECTIVE);
            return Ok(replacement);
        }
        Some("delete") => return Ok(Map::new()),
        Some(other) => {
            return Err(unknown(other, patch));
        }
    }
    if let Some(kept) = patch.get(RETAIN_KEYS) {
        retain_keys(&mut original, patch, kept, place)?;
    }
    for (name, value) in patch {
        if name == RETAIN_KEYS {
            continue;
        }
        if let Some(list) = name.strip_prefix(DELETE_ITEMS) {
            delete_items(&mut original, list, value);
            continue;
        }
        if let Some(list) = name.strip_prefix(ORDER) {
            // With changes to the list itself, the order comes after them, below.
            if !patch.contains_key(list)
                && let Some(Value::Array(items)) = original.get_mut(list)
            {
                let server = items.clone();
                let key = merge_key(schema, list);
                *items = in_order(std::mem::take(items), elements(value), &server, &key);
            }
            continue;
        }
        if value.is_null() {
            original.remove(name);
            continue;
        }
        let place = if place.is_empty() {
            name.clone()
        } else {
            format!("{place}.{name}")
        };
        let before = original.remove(name);
        let server = before
            .as_ref()
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let Some(mut merged) = merge_field(schema, name, before, value, &place)? else {
            continue;
        };
        if let (Some(order), Value::Array(items)) = (patch.get(&format!("{ORDER}{name}")), &mut merged) {
            *items = in_order(
                std::mem::take(items),
                elements(order),
                &server,
                &merge_key(schema, name),
            );
        }
        original.insert(name.clone(), merged);
    }
    Ok(original)
}

fn merge_field(
    schema: &Schema,
    name: &str,
    before: Option<Value>,
    value: &Value,
    place: &str,
) -> Result<Option<Value>, PatchError> {
    let strategy = strategy_of(schema.field(name));
    let child = schema.child(name).unwrap_or(Schema::any());
    Ok(match (before, value) {
        (Some(Value::Object(_)), Value::Object(_)) if strategy == PatchStrategy::Replace => {
            Some(value.clone())
        }
        (Some(Value::Object(old)), Value::Object(new)) => {
            Some(Value::Object(merge_object(child, old, new, place)?))
        }
        (Some(Value::Array(old)), Value::Array(new)) if strategy.merges() => {
            Some(Value::Array(merge_list(child, old, new, place)?))
        }
        (Some(Value::Array(_)), Value::Array(_)) => Some(value.clone()),
        // What is new is taken as it stands, without nulls and directives.
        (_, new) => without_directives(new.clone()),
    })
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn merge_key(schema: &Schema, list: &str) -> String {
    schema
        .child(list)
        .map(|list| list.merge_key.clone())
        .unwrap_or_default()
}

fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    kept: &Value,
    place: &str,
) -> Result<(), PatchError> {
    let wrong = || PatchError::RetainKeys {
        place: place.to_owned(),
    };
    let kept: Vec<&str> = kept
        .as_array()
        .ok_or_else(wrong)?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let sets_another = patch
        .iter()
        .any(|(name, value)| !is_directive(name) && !value.is_null() && !kept.contains(&name.as_str()));
    if sets_another {
        return Err(wrong());
    }
    original.retain(|name, _| kept.contains(&name.as_str()));
    Ok(())
}

fn is_directive(name: &str) -> bool {
    name == DIRECTIVE || name == RETAIN_KEYS || name.starts_with(DELETE_ITEMS) || name.starts_with(ORDER)
}

/// A new value without nulls in its objects and without directives; nothing where it is itself one.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Array(items) => Some(Value::Array(
            items.into_iter().filter_map(without_directives).collect(),
        )),
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => {
            let kept = fields
                .into_iter()
                .filter(|(name, value)| !is_directive(name) && !value.is_null());
            Some(Value::Object(
                kept.filter_map(|(name, value)| Some((name, without_directives(value)?)))
                    .collect(),
            ))
        }
        other => Some(other),
    }
}

fn merge_list(
    list: &Schema,
    old: Vec<Value>,
    patch: &[Value],
    place: &str,
) -> Result<Vec<Value>, PatchError> {
    let key = list.merge_key.as_str();
    if key.is_empty() || old.iter().chain(patch).all(|item| !item.is_object()) {
        let mut merged: Vec<Value> = Vec::with_capacity(old.len() + patch.len());
        for item in old.iter().chain(patch) {
            if !merged.iter().any(|known| same(known, item)) {
                merged.push(item.clone());
            }
        }
        return Ok(in_order(merged, patch, &old, ""));
    }
    let (server, fresh) = special_items(old, patch, key)?;
    let mut merged = server.clone();
    for item in &fresh {
        let fields = item.as_object().ok_or(PatchError::NotAnObject)?;
        let value = key_of(fields, key)?;
        let known = merged
            .iter_mut()
            .find(|known| known.get(key).is_some_and(|known| same(known, value)));
        match known {
            Some(Value::Object(known)) => {
                *known = merge_object(list.item(), std::mem::take(known), fields, place)?;
            }
            _ => merged.extend(without_directives(item.clone())),
        }
    }
    Ok(in_order(merged, &fresh, &server, key))
}

fn key_of<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<&'a Value, PatchError> {
    fields.get(key).ok_or_else(|| PatchError::MergeKey {
        map: go_map(fields),
        key: key.to_owned(),
    })
}

fn unknown(directive: &str, map: &Map<String, Value>) -> PatchError {
    PatchError::Directive {
        directive: directive.to_owned(),
        map: go_map(map),
    }
}

/// Follows the items of a patch that are directives: gives the live items that remain, and the items
/// of the patch that are to be merged into them.
fn special_items(
    mut old: Vec<Value>,
    patch: &[Value],
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut fresh = Vec::new();
    let mut replace = false;
    for item in patch {
        let fields = item.as_object().ok_or(PatchError::NotAnObject)?;
        match fields
            .get(DIRECTIVE)
            .map(|directive| directive.as_str().unwrap_or_default())
        {
            None => fresh.push(item.clone()),
            Some("delete") => {
                let value = key_of(fields, key)?;
                old.retain(|known| !known.get(key).is_some_and(|known| same(known, value)));
            }
            Some("replace") => replace = true,
            Some(other) => {
                return Err(unknown(other, fields));
            }
        }
    }
    if replace {
        Ok((fresh, Vec::new()))
    } else {
        Ok((old, fresh))
    }
}

fn delete_items(original: &mut Map<String, Value>, list: &str, gone: &Value) {
    if let Some(Value::Array(items)) = original.get_mut(list) {
        items.retain(|item| !elements(gone).iter().any(|gone| same(gone, item)));
    }
}

/// Sorts merged items: those that the order names as it names them, the others among them where the
/// server's list had them, as far as that can be had.
fn in_order(merged: Vec<Value>, order: &[Value], server: &[Value], key: &str) -> Vec<Value> {
    let name_of = |item: &Value| {
        if item.is_object() {
            item.get(key).cloned()
        } else {
            Some(item.clone())
        }
    };
    let place_in = |list: &[Value], item: &Value| {
        let name = name_of(item)?;
        list.iter()
            .position(|other| name_of(other).is_some_and(|other| same(&other, &name)))
    };
    let mut named: Vec<(usize, Value)> = Vec::new();
    let mut others: Vec<Value> = Vec::new();
    for item in merged {
        match place_in(order, &item) {
            Some(place) => named.push((place, item)),
            None => others.push(item),
        }
    }
    named.sort_by_key(|(place, _)| *place);
    let mut sorted = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (_, item) in named {
        let place = place_in(server, &item);
        while let Some(other) = others.next_if(
            |other| matches!((place_in(server, other), place), (Some(other), Some(place)) if other < place),
        ) {
            sorted.push(other);
        }
        sorted.push(item);
    }
    sorted.extend(others);
    sorted
}
