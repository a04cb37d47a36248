//! Anchors in a strategic merge patch: `(key)` and `<(key)` say where it holds, `+(key)` adds what is not there.
//!
//! [`resolve`] lays a patch beside an object and gives the patch without anchors that is to be merged, or nothing
//! when a condition does not hold. Items of a list that have conditions are applied to every item of the object's
//! list that meets them, by its `name`. Knows nothing of rules.

use std::collections::BTreeSet;

use ::cel::budget::Budget;
use serde_json::{Map, Value};

use super::Fault;
use crate::MAX_DEPTH;
use crate::pattern::{self, Mismatch, Node};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// `(key)`: holds for this map only where the value matches.
    Condition,
    /// `<(key)`: the whole patch holds only where the value matches.
    Global,
    /// `+(key)`: added where the key is not there.
    Add,
    /// `=(key)`, `X(key)`, `^(key)`, which have no meaning in a patch.
    Other,
}

/// The anchor of a key and the key without it.
pub(super) fn split(written: &str) -> Option<(Anchor, &str)> {
    let (sign, key) = written.trim().strip_suffix(')')?.split_once('(')?;
    let anchor = match sign {
        "" => Anchor::Condition,
        "<" => Anchor::Global,
        "+" => Anchor::Add,
        "=" | "X" | "^" => Anchor::Other,
        _ => return None,
    };
    (!key.is_empty()).then_some((anchor, key))
}

/// Why a patch does not hold.
enum Stop {
    /// A condition of the map, and the rest of the patch with it, does not hold.
    Condition,
    /// The condition of the whole patch does not hold.
    Global,
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for Stop {
    fn from(fault: F) -> Stop {
        Stop::Fault(fault.into())
    }
}

/// The patch for an object, its anchors resolved; `None` when a condition does not hold.
pub(super) fn resolve(mut patch: Value, object: &Value, budget: &Budget) -> Result<Option<Value>, Fault> {
    match (Resolve { budget }).walk(&mut patch, Some(object), 0) {
        Ok(()) => {}
        Err(Stop::Condition | Stop::Global) => return Ok(None),
        Err(Stop::Fault(fault)) => return Err(fault),
    }
    if clean(&mut patch, false) {
        patch = Value::Object(Map::new());
    }
    Ok(Some(patch))
}

struct Resolve<'a> {
    budget: &'a Budget,
}

impl Resolve<'_> {
    fn walk(&self, patch: &mut Value, object: Option<&Value>, depth: usize) -> Result<(), Stop> {
        self.budget.spend(1)?;
        if depth > MAX_DEPTH {
            return Err(Fault::Failed("the patch nests too deep".to_owned()).into());
        }
        match patch {
            Value::Object(fields) => {
                add_what_is_missing(fields, object);
                self.conditions(fields, object, Anchor::Global, depth)?;
                self.conditions(fields, object, Anchor::Condition, depth)?;
                for (written, value) in fields.iter_mut() {
                    if matches!(split(written), None | Some((Anchor::Other, _))) {
                        self.walk(value, object.and_then(|object| object.get(written)), depth + 1)?;
                    }
                }
                Ok(())
            }
            Value::Array(items) if items.first().is_some_and(Value::is_object) => {
                self.list(items, object, depth)
            }
            _ => Ok(()),
        }
    }

    fn conditions(
        &self,
        fields: &mut Map<String, Value>,
        object: Option<&Value>,
        kind: Anchor,
        depth: usize,
    ) -> Result<(), Stop> {
        let stop = || {
            if kind == Anchor::Global {
                Stop::Global
            } else {
                Stop::Condition
            }
        };
        for (written, pattern) in fields.iter_mut() {
            let Some((anchor, key)) = split(written).filter(|(anchor, _)| *anchor == kind) else {
                continue;
            };
            debug_assert_eq!(anchor, kind);
            let Some(seen) = object.and_then(|object| object.get(key)) else {
                return Err(stop());
            };
            if let Value::Object(inner) = pattern
                && add_what_is_missing(inner, Some(seen))
            {
                continue;
            }
            if !self.holds(pattern, seen, depth)? {
                return Err(stop());
            }
        }
        Ok(())
    }

    /// Whether a value matches the pattern of a condition. Plain values are compared as text.
    fn holds(&self, pattern: &Value, seen: &Value, depth: usize) -> Result<bool, Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::Failed("the patch nests too deep".to_owned()));
        }
        let text = |value: &Value| match value {
            Value::Bool(_) | Value::Number(_) | Value::Null => Some(Value::String(value.to_string())),
            _ => None,
        };
        self.budget.pay_for(pattern)?;
        let (pattern_text, seen_text) = (text(pattern), text(seen));
        let node = Node::compile(pattern_text.as_ref().unwrap_or(pattern))
            .map_err(|error| Fault::Failed(error.reason))?;
        match pattern::matches(&node, seen_text.as_ref().unwrap_or(seen), self.budget) {
            Ok(()) => Ok(true),
            Err(Mismatch::Exhausted(exhausted)) => Err(exhausted.into()),
            Err(_) => Ok(false),
        }
    }

    fn list(&self, items: &mut Vec<Value>, object: Option<&Value>, depth: usize) -> Result<(), Stop> {
        let mut resolved = Vec::new();
        let empty = Vec::new();
        let (present, seen) = match object {
            None => (false, &empty),
            Some(Value::Array(seen)) => (true, seen),
            Some(_) => {
                return Err(
                    Fault::Failed("the patch has a list where the object has none".to_owned()).into(),
                );
            }
        };
        for item in items.iter() {
            if !has_anchors(item, |_| true) {
                continue;
            }
            let global = has_anchors(item, |anchor| anchor == Anchor::Global);
            let (mut held, mut refused) = (false, false);
            let elements = seen.iter().map(Some).chain((!present).then_some(None));
            for element in elements {
                // A copy for each: what one element has already says nothing about the next.
                let mut copy = self.budget.copy(item)?;
                match (self.walk(&mut copy, element, depth + 1), element) {
                    (Ok(()), _) if global => held = true,
                    (Ok(()), Some(element)) => resolved.extend(self.named(&copy, element)?),
                    (Ok(()), None) | (Err(Stop::Condition), _) => {}
                    (Err(Stop::Global), _) => refused = true,
                    (Err(fault), _) => return Err(fault),
                }
            }
            if refused && !held {
                return Err(Stop::Global);
            }
        }
        items.append(&mut resolved);
        Ok(())
    }

    /// The patch of one item, for the object's item of the same name.
    fn named(&self, patch: &Value, element: &Value) -> Result<Option<Value>, Fault> {
        let Some(name) = element.get("name").filter(|name| !name.is_null() && *name != "") else {
            return Ok(None);
        };
        let mut patch = self.budget.copy(patch)?;
        if clean(&mut patch, true) {
            return Ok(None);
        }
        if let Value::Object(fields) = &mut patch {
            fields.insert("name".to_owned(), name.clone());
        }
        Ok(Some(patch))
    }
}

/// Turns `+(key)` into `key` where the object has no such key, and drops it where it has.
/// Answers whether there were any.
fn add_what_is_missing(fields: &mut Map<String, Value>, object: Option<&Value>) -> bool {
    let added: Vec<(String, String)> = fields
        .keys()
        .filter_map(|written| match split(written) {
            Some((Anchor::Add, key)) => Some((written.clone(), key.to_owned())),
            _ => None,
        })
        .collect();
    for (written, key) in &added {
        let value = fields.remove(written);
        let there = object.is_some_and(|object| object.get(key).is_some());
        if let (Some(value), false) = (value, there) {
            fields.entry(key.clone()).or_insert(value);
        }
    }
    !added.is_empty()
}

fn is_conditional(written: &str) -> bool {
    matches!(split(written), Some((Anchor::Condition | Anchor::Global, _)))
}

fn has_anchors(value: &Value, wanted: fn(Anchor) -> bool) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(written, value)| {
            split(written).is_some_and(|(anchor, _)| anchor != Anchor::Other && wanted(anchor))
                || has_anchors(value, wanted)
        }),
        Value::Array(items) => items.iter().any(|item| has_anchors(item, wanted)),
        _ => false,
    }
}

/// Takes conditions out of a patch; what they hold beyond conditions stays, under the plain key.
/// Answers whether nothing is left to patch. `conditional`: a plain value here is a condition itself.
fn clean(patch: &mut Value, conditional: bool) -> bool {
    match patch {
        Value::Object(fields) => {
            let written: BTreeSet<String> =
                fields.keys().filter(|key| is_conditional(key)).cloned().collect();
            for written in written {
                let Some(mut value) = fields.remove(&written) else {
                    continue;
                };
                if !clean(&mut value, true)
                    && let Some((_, key)) = split(&written)
                {
                    fields.entry(key.to_owned()).or_insert(value);
                }
            }
            fields.retain(|_, value| !clean(value, false));
            fields.is_empty()
        }
        Value::Array(items) => {
            let was_empty = items.is_empty();
            items.retain_mut(|item| !has_anchors(item, |_| true) && !clean(item, false));
            items.is_empty() && !was_empty
        }
        _ => conditional,
    }
}
