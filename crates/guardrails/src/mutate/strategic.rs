//! Strategic merge, as Kyverno does it: with kustomize's rules rather than the API server's.
//!
//! Maps are merged, `null` takes a field away, lists of built-in kinds are merged by their keys and what is new
//! comes first; every other list is replaced. `$patch: delete`, `replace` and `merge` are followed in maps and as
//! the only field of a list's item. Knows nothing of anchors.

use ::cel::budget::{Budget, MAX_OBJECT_DEPTH};
use schema::{ListType, Schema, Schemas};
use serde_json::{Map, Value};

use super::Fault;

const DIRECTIVE: &str = "$patch";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Lays a patch over an object.
pub(crate) fn merge(object: &mut Value, patch: Value, budget: &Budget) -> Result<(), Fault> {
    let schema = schema_of(object).or_else(|| schema_of(&patch));
    let merged = Merge { budget }.walk(Some(object.take()), Some(patch), schema, 0)?;
    *object = merged.unwrap_or_else(|| Value::Object(Map::new()));
    Ok(())
}

/// The schema of a built-in kind; of an old version that of another version of the same kind.
pub(crate) fn schema_of(object: &Value) -> Option<&'static Schema> {
    let (version, kind) = (object.get("apiVersion")?.as_str()?, object.get("kind")?.as_str()?);
    let schemas = Schemas::builtin();
    schemas.schema(version, kind).or_else(|| {
        let (group, _) = version.split_once('/').unwrap_or(("", version));
        let known = schemas
            .kinds()
            .iter()
            .find(|known| known.group == group && known.kind == kind)?;
        Some(known.schema())
    })
}

struct Merge<'a> {
    budget: &'a Budget,
}

/// What matches the items of a list.
enum Keys {
    /// The list is replaced.
    None,
    /// The items are texts and numbers that match themselves.
    Items,
    /// These fields of the items.
    Fields(Vec<String>),
}

fn keys_of(schema: Option<&Schema>) -> Keys {
    let Some(schema) = schema.filter(|schema| schema.patch.merges()) else {
        return Keys::None;
    };
    match &schema.list {
        ListType::Map(keys) if !keys.is_empty() => Keys::Fields(keys.clone()),
        _ if schema.merge_key.is_empty() => Keys::Items,
        _ => Keys::Fields(vec![schema.merge_key.clone()]),
    }
}

impl Merge<'_> {
    /// What becomes of a place; `None` when nothing stands there any more.
    fn walk(
        &self,
        place: Option<Value>,
        patch: Option<Value>,
        schema: Option<&Schema>,
        depth: usize,
    ) -> Result<Option<Value>, Fault> {
        self.budget.spend(1)?;
        if depth > MAX_OBJECT_DEPTH {
            return Err(Fault::Failed("the patch nests too deep".to_owned()));
        }
        match (place, patch) {
            (place, None) => Ok(place),
            (_, Some(Value::Null)) => Ok(None),
            (None | Some(Value::Null), Some(patch)) => self.added(patch, schema, depth),
            (Some(Value::Object(map)), Some(Value::Object(patch))) => self.map(map, patch, schema, depth),
            (Some(Value::Array(items)), Some(Value::Array(patch))) => match keys_of(schema) {
                Keys::None => Ok(Some(Value::Array(patch))),
                keys => self.list(items, patch, &keys, schema, depth),
            },
            (Some(Value::Object(_)), Some(other)) => Err(other_kind("map", &other)),
            (Some(Value::Array(_)), Some(other)) => Err(other_kind("list", &other)),
            (Some(_), Some(other @ (Value::Object(_) | Value::Array(_)))) => {
                Err(other_kind("plain value", &other))
            }
            (Some(_), Some(patch)) => Ok(Some(patch)),
        }
    }

    /// Something new: without nulls and directives.
    fn added(&self, patch: Value, schema: Option<&Schema>, depth: usize) -> Result<Option<Value>, Fault> {
        match patch {
            Value::Object(mut patch) => {
                if directive(&mut patch)? == Directive::Delete {
                    return Ok(None);
                }
                self.map(Map::new(), patch, schema, depth)
            }
            Value::Array(patch) => match keys_of(schema) {
                Keys::None => Ok(Some(Value::Array(patch))),
                keys => self.list(Vec::new(), patch, &keys, schema, depth),
            },
            other => Ok(Some(other)),
        }
    }

    fn map(
        &self,
        mut map: Map<String, Value>,
        mut patch: Map<String, Value>,
        schema: Option<&Schema>,
        depth: usize,
    ) -> Result<Option<Value>, Fault> {
        match directive(&mut patch)? {
            Directive::Delete => return Ok(None),
            Directive::Replace => map = Map::new(),
            Directive::Merge => {}
        }
        for (key, patch) in patch {
            let field = schema.and_then(|schema| schema.child(&key));
            match self.walk(map.remove(&key), Some(patch), field, depth + 1)? {
                Some(value) => map.insert(key, value),
                None => None,
            };
        }
        Ok(Some(Value::Object(map)))
    }

    fn list(
        &self,
        mut items: Vec<Value>,
        mut patch: Vec<Value>,
        keys: &Keys,
        schema: Option<&Schema>,
        depth: usize,
    ) -> Result<Option<Value>, Fault> {
        match list_directive(&mut patch)? {
            Directive::Delete => return Ok(None),
            Directive::Replace => items.clear(),
            Directive::Merge => {}
        }
        let Keys::Fields(keys) = keys else {
            // Scalars: what is new comes first.
            let mut merged: Vec<Value> = Vec::with_capacity(items.len() + patch.len());
            for item in patch.into_iter().chain(items) {
                self.budget.spend(1 + merged.len())?;
                if !item.is_null() && !merged.contains(&item) {
                    merged.push(item);
                }
            }
            return Ok(Some(Value::Array(merged)));
        };
        // A key that no item has says nothing: ports without a protocol are told apart by their numbers.
        let used: Vec<&String> = keys
            .iter()
            .filter(|key| {
                items
                    .iter()
                    .chain(&patch)
                    .any(|item| text_of(item, key).is_some())
            })
            .collect();
        let item_schema = schema.map(Schema::item);
        let mut merged = Vec::with_capacity(items.len() + patch.len());
        for item in patch {
            self.budget.spend(1 + items.len() + merged.len())?;
            let found = items.iter().position(|other| same(other, &item, &used));
            let place = found.map(|at| items.remove(at));
            if place.is_none()
                && let Some(twin) = merged.iter_mut().find(|other| same(other, &item, &used))
            {
                let before: Value = std::mem::take(twin);
                *twin = self
                    .walk(Some(before), Some(item), item_schema, depth + 1)?
                    .unwrap_or(Value::Null);
                continue;
            }
            if let Some(item) = self.walk(place, Some(item), item_schema, depth + 1)? {
                merged.push(item);
            }
        }
        merged.append(&mut items);
        merged.retain(|item| !item.is_null() && item.as_object().is_none_or(|map| !map.is_empty()));
        Ok(Some(Value::Array(merged)))
    }
}

/// Whether two items have the same keys: one at least in common, none that contradict each other.
fn same(one: &Value, other: &Value, keys: &[&String]) -> bool {
    let mut common = false;
    for key in keys {
        match (text_of(one, key), text_of(other, key)) {
            (Some(one), Some(other)) if one == other => common = true,
            (Some(_), Some(_)) => return false,
            _ if keys.len() == 1 => return false,
            _ => {}
        }
    }
    common
}

fn text_of(item: &Value, key: &str) -> Option<String> {
    match item.get(key)? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Takes the directive out of a map.
fn directive(patch: &mut Map<String, Value>) -> Result<Directive, Fault> {
    let Some(word) = patch.remove(DIRECTIVE) else {
        return Ok(Directive::Merge);
    };
    read_directive(&word)
}

/// Takes an item out of a list that holds a directive and nothing else.
fn list_directive(patch: &mut Vec<Value>) -> Result<Directive, Fault> {
    let is_directive = |item: &Value| {
        item.as_object()
            .is_some_and(|map| map.len() == 1 && map.contains_key(DIRECTIVE))
    };
    let Some(at) = patch.iter().position(is_directive) else {
        return Ok(Directive::Merge);
    };
    read_directive(&patch.remove(at)[DIRECTIVE])
}

fn read_directive(word: &Value) -> Result<Directive, Fault> {
    match word.as_str() {
        Some("delete") => Ok(Directive::Delete),
        Some("replace") => Ok(Directive::Replace),
        Some("merge") => Ok(Directive::Merge),
        _ => Err(Fault::Failed(format!(
            "unknown patch strategy '{}'",
            word.as_str().unwrap_or_default()
        ))),
    }
}

fn other_kind(expect: &str, patch: &Value) -> Fault {
    let found = match patch {
        Value::Object(_) => "a map",
        Value::Array(_) => "a list",
        _ => "a plain value",
    };
    Fault::Failed(format!("the patch has {found} where the object has a {expect}"))
}
