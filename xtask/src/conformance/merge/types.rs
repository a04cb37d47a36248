//! The schemas of structured-merge-diff, said in ours.
//!
//! Theirs name their types and may refer to themselves; ours are trees, so that they are built as deep as any recorded
//! value goes.

use crate::failure::{Result, fail};
use schema::{Field, ListType, MapType, Ref, Schema, Type};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// No recorded value is nested deeper.
const DEEPEST: usize = 16;

/// The schemas of a recording by their numbers.
#[derive(Debug, Default)]
pub(super) struct Types {
    schemas: HashMap<u64, Value>,
    /// What was built already, by schema, reference and depth left: deep schemas hold the same types over and over.
    built: RefCell<HashMap<(u64, String, usize), Ref>>,
}

impl Types {
    pub(super) fn add(&mut self, number: u64, types: &Value) {
        self.schemas.insert(number, types.clone());
    }

    /// The type that a line speaks of.
    pub(super) fn of(&self, line: &Value) -> Result<Schema> {
        let number = line["types"].as_u64().unwrap_or(u64::MAX);
        let Some(types) = self.schemas.get(&number) else {
            fail!("the recorded schema {number} is not there")
        };
        Ok(self.build(number, types, &line["type"], DEEPEST).get().clone())
    }

    fn build(&self, number: u64, types: &Value, reference: &Value, depth: usize) -> Ref {
        if depth == 0 {
            return Ref::own(Schema::any().clone());
        }
        let key = (number, reference.to_string(), depth);
        if let Some(built) = self.built.borrow().get(&key) {
            return built.clone();
        }
        let built = Ref::own(self.place(number, types, reference, depth));
        self.built.borrow_mut().insert(key, built.clone());
        built
    }

    fn place(&self, number: u64, types: &Value, reference: &Value, depth: usize) -> Schema {
        let atom = match reference["named"].as_str() {
            Some(name) => &types[name],
            None => &reference["inlined"],
        };
        let [scalar, list, map] = [&atom["scalar"], &atom["list"], &atom["map"]];
        let relationship = |container: &Value| match reference["relationship"].as_str() {
            Some(of_place) => of_place.to_owned(),
            None => container["relationship"].as_str().unwrap_or_default().to_owned(),
        };
        let child = |reference: &Value| self.build(number, types, reference, depth - 1);
        let mut schema = Schema {
            kind: match (scalar.as_str(), list.is_object(), map.is_object()) {
                (Some("string"), false, false) => Type::String,
                (Some("numeric"), false, false) => Type::Number,
                (Some("boolean"), false, false) => Type::Boolean,
                // Any scalar: the one type of ours that is as wide.
                (Some(_), false, false) => Type::Quantity,
                (None, true, false) => Type::Array,
                (None, false, true) => Type::Object,
                _ => Type::Any,
            },
            nullable: true,
            ..Schema::default()
        };
        if list.is_object() {
            schema.items = Some(child(&list["items"]));
            let keys: Vec<String> = list["keys"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|key| key.as_str().map(str::to_owned))
                .collect();
            schema.list = match relationship(list).as_str() {
                "associative" if keys.is_empty() => ListType::Set,
                "associative" => ListType::Map(keys),
                _ => ListType::Atomic,
            };
        }
        if map.is_object() {
            if relationship(map) == "atomic" {
                schema.map = MapType::Atomic;
            }
            schema.values = map.get("values").map(child);
            let entries = map["fields"].as_object().into_iter().flatten();
            schema.fields = entries
                .map(|(name, entry)| {
                    let field = child(&entry["type"]);
                    let field = match entry.get("default") {
                        None => field,
                        Some(default) => Ref::own(Schema {
                            default: Some(default.clone()),
                            ..field.get().clone()
                        }),
                    };
                    (name.clone(), Field::new(field))
                })
                .collect::<BTreeMap<_, _>>();
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_may_refer_to_themselves() {
        let mut types = Types::default();
        types.add(
            7,
            &json!({
                "tree": {"map": {"fields": {
                    "name": {"type": {"inlined": {"scalar": "string"}}, "default": "x"},
                    "below": {"type": {"named": "trees"}},
                    "whole": {"type": {"named": "tree", "relationship": "atomic"}},
                }}},
                "trees": {"list": {"items": {"named": "tree"}, "relationship": "associative", "keys": ["name"]}},
            }),
        );
        let tree = types.of(&json!({"types": 7, "type": {"named": "tree"}})).unwrap();
        let name = tree.child("name").unwrap();
        assert_eq!((name.kind, &name.default), (Type::String, &Some(json!("x"))));
        let below = tree.child("below").unwrap();
        assert_eq!(below.list, ListType::Map(vec!["name".to_owned()]));
        assert!(below.item().child("below").is_some());
        assert_eq!(tree.child("whole").unwrap().map, MapType::Atomic);
        assert!(types.of(&json!({"types": 8})).is_err());
    }
}
