//! What a mutation in CEL makes of an object: an apply configuration laid over it by the rules of server-side apply,
//! or the operations of a JSON Patch.

use ::cel::Failure;
use ::cel::budget::{Budget, MAX_OBJECT_DEPTH};
use schema::{ListType, MapType, Schema};
use serde_json::{Map, Value as Json};

use crate::mutate::{Fault, json_patch, strategic};

/// Whether lists and maps that are one value may be replaced, or are better left alone: who writes `Object{…}` may not
/// know that all of it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Atomic {
    Replaced,
    Refused,
}

/// Lays an apply configuration over an object.
pub(super) fn configuration(
    object: &Json,
    patch: Json,
    atomic: Atomic,
    budget: &Budget,
) -> Result<Json, Failure> {
    let mut patched = budget.copy(object)?;
    let walk = Walk { atomic, budget };
    walk.merge(&mut patched, patch, strategic::schema_of(object), "", 0)?;
    Ok(patched)
}

/// Applies the operations of a patch; a test that fails leaves the object as it is.
pub(super) fn operations(object: &Json, operations: &[Json], budget: &Budget) -> Result<Json, Failure> {
    let mut patched = budget.copy(object)?;
    for operation in operations {
        let text = |name: &str| operation.get(name).and_then(Json::as_str).unwrap_or_default();
        let (name, path) = (text("op"), text("path"));
        if name == "test" {
            budget.spend(1)?;
            if patched.pointer(path) != Some(operation.get("value").unwrap_or(&Json::Null)) {
                return Ok(budget.copy(object)?);
            }
            continue;
        }
        if !strictly(&patched, name, path) {
            return Err(Failure::new(format!(
                "JSON Patch: {name} of {path}: the place is not there"
            )));
        }
        let mut operation = operation.clone();
        if let (true, Some(fields)) = (matches!(name, "add" | "replace"), operation.as_object_mut()) {
            fields.entry("value").or_insert(Json::Null);
        }
        json_patch::apply(&mut patched, std::slice::from_ref(&operation), budget).map_err(fault)?;
    }
    Ok(patched)
}

/// Whether RFC 6902 lets an operation happen there: nothing is made on the way.
fn strictly(object: &Json, name: &str, path: &str) -> bool {
    match name {
        "remove" | "replace" => object.pointer(path).is_some(),
        "add" => path
            .rsplit_once('/')
            .is_none_or(|(parent, last)| match object.pointer(parent) {
                Some(Json::Object(_)) => true,
                Some(Json::Array(items)) => {
                    last == "-" || last.parse::<usize>().is_ok_and(|index| index <= items.len())
                }
                _ => false,
            }),
        _ => true,
    }
}

fn fault(fault: Fault) -> Failure {
    match fault {
        Fault::Exhausted(exhausted) => exhausted.into(),
        Fault::Failed(reason) => Failure::new(format!("JSON Patch: {reason}")),
    }
}

struct Walk<'a> {
    atomic: Atomic,
    budget: &'a Budget,
}

impl Walk<'_> {
    fn merge(
        &self,
        place: &mut Json,
        patch: Json,
        schema: Option<&Schema>,
        path: &str,
        depth: usize,
    ) -> Result<(), Failure> {
        self.budget.spend(1)?;
        if depth > MAX_OBJECT_DEPTH {
            return Err(Failure::cut("the configuration nests too deep"));
        }
        match patch {
            Json::Object(patch) => self.merge_map(place, patch, schema, path, depth),
            Json::Array(patch) => self.merge_list(place, patch, schema, path, depth),
            patch => {
                *place = patch;
                Ok(())
            }
        }
    }

    fn one_value(&self, path: &str) -> Result<(), Failure> {
        match self.atomic {
            Atomic::Replaced => Ok(()),
            Atomic::Refused => Err(Failure::new(format!(
                "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {path}"
            ))),
        }
    }

    fn merge_map(
        &self,
        place: &mut Json,
        patch: Map<String, Json>,
        schema: Option<&Schema>,
        path: &str,
        depth: usize,
    ) -> Result<(), Failure> {
        if schema.is_some_and(|schema| schema.map == MapType::Atomic) {
            self.one_value(path)?;
            *place = Json::Object(patch);
            return Ok(());
        }
        if !place.is_object() {
            *place = Json::Object(Map::new());
        }
        let Json::Object(fields) = place else {
            return Ok(());
        };
        for (key, patch) in patch {
            let below = format!("{path}.{key}");
            let field = schema.and_then(|schema| schema.child(&key));
            self.merge(
                fields.entry(key).or_insert(Json::Null),
                patch,
                field,
                &below,
                depth + 1,
            )?;
        }
        Ok(())
    }

    fn merge_list(
        &self,
        place: &mut Json,
        patch: Vec<Json>,
        schema: Option<&Schema>,
        path: &str,
        depth: usize,
    ) -> Result<(), Failure> {
        let list = schema.map_or(&ListType::Atomic, |schema| &schema.list);
        if *list == ListType::Atomic {
            self.one_value(path)?;
            *place = Json::Array(patch);
            return Ok(());
        }
        if !place.is_array() {
            *place = Json::Array(Vec::new());
        }
        let Json::Array(items) = place else { return Ok(()) };
        let item_schema = schema.map(Schema::item);
        for item in patch {
            self.budget.spend(1 + items.len())?;
            let found = match list {
                ListType::Map(keys) => {
                    let named = keys_of(&item, keys, item_schema);
                    items
                        .iter_mut()
                        .find(|other| keys_of(other, keys, item_schema) == named)
                }
                _ => items.iter_mut().find(|other| **other == item),
            };
            if let Some(found) = found {
                self.merge(found, item, item_schema, path, depth + 1)?;
            } else {
                let mut made = Json::Null;
                self.merge(&mut made, item, item_schema, path, depth + 1)?;
                items.push(made);
            }
        }
        Ok(())
    }
}

/// The values of an item's keys; one that is not there has its default.
fn keys_of(item: &Json, keys: &[String], schema: Option<&Schema>) -> Vec<Json> {
    let value = |key: &String| {
        let default = || {
            schema
                .and_then(|schema| schema.child(key))
                .and_then(|child| child.default.clone())
        };
        item.get(key).cloned().or_else(default).unwrap_or(Json::Null)
    };
    keys.iter().map(value).collect()
}
