//! An applied configuration laid over a live object: the second wins field by field, keyed lists are
//! merged item by item in an order that follows the configuration.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::typed::{Shape, Typed, item_element};
use crate::fields::Element;

/// Merges `right` over `left`.
pub(crate) fn union(typed: Typed<'_>, left: &Value, right: &Value) -> Result<Value, String> {
    Ok(at(typed, Some(left), Some(right))?.unwrap_or(Value::Null))
}

fn at(typed: Typed<'_>, left: Option<&Value>, right: Option<&Value>) -> Result<Option<Value>, String> {
    let shape = typed.shape(right.or(left));
    let winner = || Ok(right.or(left).cloned());
    match shape {
        Shape::Scalar => winner(),
        Shape::List => {
            let (old, new) = (left.and_then(Value::as_array), right.and_then(Value::as_array));
            let empty = old.is_none_or(Vec::is_empty) && new.is_none_or(Vec::is_empty);
            if typed.is_atomic_list() || empty {
                return winner();
            }
            let none: &[Value] = &[];
            let items = items(
                typed,
                old.map_or(none, Vec::as_slice),
                new.map_or(none, Vec::as_slice),
            )?;
            Ok((!items.is_empty()).then_some(Value::Array(items)))
        }
        Shape::Map => {
            let (old, new) = (left.and_then(Value::as_object), right.and_then(Value::as_object));
            let empty = old.is_none_or(Map::is_empty) && new.is_none_or(Map::is_empty);
            if typed.is_atomic_map() || empty {
                return winner();
            }
            let mut merged = Map::new();
            for (name, value) in old.into_iter().flatten() {
                let other = new.and_then(|new| new.get(name));
                if let Some(value) = at(typed.child(name), Some(value), other)? {
                    merged.insert(name.clone(), value);
                }
            }
            for (name, value) in new.into_iter().flatten() {
                if !old.is_some_and(|old| old.contains_key(name))
                    && let Some(value) = at(typed.child(name), None, Some(value))?
                {
                    merged.insert(name.clone(), value);
                }
            }
            Ok((!merged.is_empty()).then_some(Value::Object(merged)))
        }
    }
}

/// Items of both lists, each once. Items that only the live list has keep their place behind the
/// live item before them; items of the configuration keep its order.
fn items(typed: Typed<'_>, old: &[Value], new: &[Value]) -> Result<Vec<Value>, String> {
    let mut live: BTreeMap<Element, Option<&Value>> = BTreeMap::new();
    let mut live_order = Vec::with_capacity(old.len());
    for item in old {
        let element = item_element(typed.schema, item)?;
        // An item that stands twice in the live list is not merged with, but replaced.
        live.entry(element.clone())
            .and_modify(|value| *value = None)
            .or_insert(Some(item));
        live_order.push(element);
    }
    let mut applied: BTreeMap<Element, &Value> = BTreeMap::new();
    let mut applied_order = Vec::with_capacity(new.len());
    for item in new {
        let element = item_element(typed.schema, item)?;
        if applied.insert(element.clone(), item).is_some() {
            return Err(format!("duplicate entries for key {element}"));
        }
        applied_order.push(element);
    }
    let mut shared: std::collections::VecDeque<&Element> = applied_order
        .iter()
        .filter(|element| live.contains_key(*element))
        .collect();
    let mut next_shared = shared.pop_front();
    let mut done: std::collections::BTreeSet<&Element> = std::collections::BTreeSet::new();
    let mut merged = Vec::with_capacity(old.len().max(new.len()));
    let (mut left, mut right) = (0, 0);
    while left < live_order.len() || right < applied_order.len() {
        if let (Some(on_left), Some(on_right)) = (live_order.get(left), applied_order.get(right)) {
            if on_left == on_right {
                done.insert(on_left);
                let old = live.get(on_left).copied().flatten();
                merged.extend(at(typed.item(), old, applied.get(on_left).copied())?);
                left += 1;
                right += 1;
                next_shared = shared.pop_front();
                continue;
            }
            if applied.contains_key(on_left) && next_shared.is_some_and(|next| next != on_left) {
                // Shared, but another one's turn: it comes when the configuration names it.
                left += 1;
                continue;
            }
        }
        if let Some(on_left) = live_order.get(left) {
            if !applied.contains_key(on_left) {
                merged.extend(at(typed.item(), old.get(left), None)?);
                left += 1;
                continue;
            }
            if done.contains(on_left) {
                left += 1;
            }
        }
        if let Some(on_right) = applied_order.get(right) {
            done.insert(on_right);
            let old = live.get(on_right).copied().flatten();
            merged.extend(at(typed.item(), old, applied.get(on_right).copied())?);
            right += 1;
            if next_shared == Some(on_right) {
                next_shared = shared.pop_front();
            }
        }
    }
    Ok(merged)
}
