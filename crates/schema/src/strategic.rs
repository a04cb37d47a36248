//! Strategic merge patch: a merge patch that knows from the schema which lists are merged by key, and
//! that takes directives (`$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`).
//!
//! As `k8s.io/apimachinery/pkg/util/strategicpatch` does it; for built-in kinds only, as upstream.

use serde_json::{Map, Value};

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

/// How a field is patched: its strategy and merge key, the field's own words before the type's.
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
        None | Some("merge") => {}
        Some("replace") => {
            let mut replacement = patch.clone();
            replacement.remove(DIRECTIVE);
            return Ok(replacement);
        }
        Some("delete") => return Ok(Map::new()),
        Some(other) => {
            return Err(PatchError::Directive {
                place: place.to_owned(),
                directive: other.to_owned(),
            });
        }
    }
    if let Some(kept) = patch.get(RETAIN_KEYS) {
        let kept = kept
            .as_array()
            .ok_or_else(|| PatchError::RetainKeys {
                place: place.to_owned(),
            })?
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>();
        if patch
            .iter()
            .any(|(name, value)| !name.starts_with('$') && !value.is_null() && !kept.contains(&name.as_str()))
        {
            return Err(PatchError::RetainKeys {
                place: place.to_owned(),
            });
        }
        original.retain(|name, _| kept.contains(&name.as_str()));
    }
    for (name, value) in patch {
        if name == DIRECTIVE || name == RETAIN_KEYS {
            continue;
        }
        if let Some(list) = name.strip_prefix(DELETE_ITEMS) {
            delete_items(&mut original, list, value);
            continue;
        }
        if let Some(list) = name.strip_prefix(ORDER) {
            // An order for a list that the patch does not change otherwise.
            if !patch.contains_key(list) {
                reorder(schema, &mut original, list, value);
            }
            continue;
        }
        let place = if place.is_empty() {
            name.clone()
        } else {
            format!("{place}.{name}")
        };
        if value.is_null() {
            original.remove(name);
            continue;
        }
        let field = schema.field(name);
        let strategy = strategy_of(field);
        let child = schema.child(name).unwrap_or(Schema::any());
        let merged = match (original.remove(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) if strategy != PatchStrategy::Replace => {
                Value::Object(merge_object(child, old, new, &place)?)
            }
            (None | Some(Value::Null), Value::Object(new)) => {
                if new.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
                    continue;
                }
                Value::Object(merge_object(child, Map::new(), new, &place)?)
            }
            (old, Value::Array(new)) if strategy.merges() => {
                let old = match old {
                    Some(Value::Array(old)) => old,
                    _ => Vec::new(),
                };
                Value::Array(merge_list(child, old, new, &place)?)
            }
            (_, new) => without_directives(new.clone()),
        };
        original.insert(name.clone(), merged);
        if let Some(order) = patch.get(&format!("{ORDER}{name}")) {
            reorder(schema, &mut original, name, order);
        }
    }
    Ok(original)
}

/// A value that replaces another as it stands must not carry directives into the object.
fn without_directives(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .filter(|item| {
                    item.get(DIRECTIVE)
                        .is_none_or(|_| item.as_object().is_some_and(|i| i.len() > 1))
                })
                .map(without_directives)
                .collect(),
        ),
        Value::Object(mut fields) => {
            fields.retain(|name, _| !is_directive(name));
            Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, without_directives(value)))
                    .collect(),
            )
        }
        other => other,
    }
}

fn is_directive(name: &str) -> bool {
    name == DIRECTIVE || name == RETAIN_KEYS || name.starts_with(DELETE_ITEMS) || name.starts_with(ORDER)
}

fn merge_list(
    list: &Schema,
    mut old: Vec<Value>,
    patch: &[Value],
    place: &str,
) -> Result<Vec<Value>, PatchError> {
    let key = list.merge_key.as_str();
    if key.is_empty() || patch.iter().all(|item| !item.is_object()) && !patch.is_empty() {
        // Plain values: a set, new ones at the end.
        for item in patch {
            if !old.iter().any(|known| same(known, item)) {
                old.push(item.clone());
            }
        }
        return Ok(old);
    }
    let mut fresh = Vec::new();
    let mut replace = false;
    for item in patch {
        match item.get(DIRECTIVE).and_then(Value::as_str) {
            Some("delete") => {
                let value = item.get(key).ok_or_else(|| PatchError::MergeKey {
                    place: place.to_owned(),
                    key: key.to_owned(),
                })?;
                old.retain(|known| !known.get(key).is_some_and(|known| same(known, value)));
            }
            Some("replace") => replace = true,
            None | Some("merge") => fresh.push(item),
            Some(other) => {
                return Err(PatchError::Directive {
                    place: place.to_owned(),
                    directive: other.to_owned(),
                });
            }
        }
    }
    if replace {
        return Ok(fresh.into_iter().cloned().map(without_directives).collect());
    }
    for item in fresh {
        let Value::Object(fields) = item else {
            return Err(PatchError::NotAnObject);
        };
        let value = fields.get(key).ok_or_else(|| PatchError::MergeKey {
            place: place.to_owned(),
            key: key.to_owned(),
        })?;
        let known = old
            .iter_mut()
            .find(|known| known.get(key).is_some_and(|known| same(known, value)));
        if let Some(known) = known {
            if let Value::Object(before) = std::mem::take(known) {
                *known = Value::Object(merge_object(list.item(), before, fields, place)?);
            }
        } else {
            let added = merge_object(list.item(), Map::new(), fields, place)?;
            old.push(Value::Object(added));
        }
    }
    Ok(old)
}

fn delete_items(original: &mut Map<String, Value>, list: &str, gone: &Value) {
    let gone = gone.as_array().map_or(&[][..], Vec::as_slice);
    if let Some(Value::Array(items)) = original.get_mut(list) {
        items.retain(|item| !gone.iter().any(|gone| same(gone, item)));
    }
}

/// Sorts the items that the order names; the others keep their place behind the item before them.
fn reorder(schema: &Schema, original: &mut Map<String, Value>, list: &str, order: &Value) {
    let key = schema
        .child(list)
        .map(|list| list.merge_key.clone())
        .unwrap_or_default();
    let Some(Value::Array(items)) = original.get_mut(list) else {
        return;
    };
    let order = order.as_array().map_or(&[][..], Vec::as_slice);
    let name_of = |item: &Value| {
        if item.is_object() {
            item.get(&key).cloned()
        } else {
            Some(item.clone())
        }
    };
    let rank = |item: &Value| {
        let name = name_of(item)?;
        order
            .iter()
            .position(|wanted| name_of(wanted).is_some_and(|wanted| same(&wanted, &name)))
    };
    // Each item that is not named follows the named one it stood behind, or leads the list.
    let mut named: Vec<(usize, Vec<Value>)> = Vec::new();
    let mut leading = Vec::new();
    for item in std::mem::take(items) {
        match (rank(&item), named.last_mut()) {
            (Some(rank), _) => named.push((rank, vec![item])),
            (None, Some((_, followers))) => followers.push(item),
            (None, None) => leading.push(item),
        }
    }
    named.sort_by_key(|(rank, _)| *rank);
    items.extend(leading);
    items.extend(named.into_iter().flat_map(|(_, group)| group));
}
