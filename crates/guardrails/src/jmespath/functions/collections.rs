//! Functions over lists and objects.

use serde_json::{Map, Value};

use super::Arguments;
use crate::jmespath::evaluate::equal;
use crate::jmespath::{QueryError, as_text};

pub(super) fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let budget = args.world.budget;
    Ok(match args.name {
        "contains" => match (args.any(0), args.any(1)) {
            (Value::String(whole), Value::String(part)) => Value::Bool(whole.contains(part.as_str())),
            (Value::Array(items), wanted) => {
                let mut found = false;
                for item in items {
                    found |= equal(item, wanted, budget)?;
                }
                Value::Bool(found)
            }
            _ => Value::Bool(false),
        },
        "length" => match args.any(0) {
            Value::String(text) => Value::from(text.chars().count()),
            Value::Object(map) => Value::from(map.len()),
            _ => Value::from(args.list(0).len()),
        },
        "keys" => sorted(args.object(0))
            .map(|(key, _)| Value::from(key.as_str()))
            .collect(),
        "values" => sorted(args.object(0)).map(|(_, value)| value.clone()).collect(),
        "reverse" => match args.any(0) {
            Value::String(text) => Value::String(text.chars().rev().collect()),
            _ => args.list(0).iter().rev().cloned().collect(),
        },
        "join" => {
            let parts: Vec<&str> = args.list(1).iter().filter_map(Value::as_str).collect();
            args.built(parts.join(args.text(0)))?
        }
        "map" => {
            let items = args.list(1).iter().map(|item| args.each(item));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        "sort" | "max" | "min" => {
            let items = args
                .list(0)
                .iter()
                .map(|item| (item.clone(), item.clone()))
                .collect();
            by(args, items)?
        }
        "sort_by" | "max_by" | "min_by" => {
            let items = args
                .list(0)
                .iter()
                .map(|item| Ok((args.each(item)?, budget.copy(item)?)));
            by(args, items.collect::<Result<_, QueryError>>()?)?
        }
        "merge" => {
            let mut merged = Map::new();
            for object in args.values.iter().filter_map(|value| value.as_object()) {
                merged.extend(object.clone());
            }
            Value::Object(merged)
        }
        "not_null" => args
            .values
            .iter()
            .find(|value| !value.is_null())
            .map_or(Value::Null, |value| value.clone().into_owned()),
        "to_array" => match args.any(0) {
            list @ Value::Array(_) => list.clone(),
            other => Value::Array(vec![other.clone()]),
        },
        "type" => Value::from(match args.any(0) {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }),
        "label_match" => {
            let labels = args.object(1);
            let matches = |key: &String, value: &Value| {
                labels
                    .and_then(|labels| labels.get(key))
                    .map_or(Ok(false), |label| equal(label, value, budget))
            };
            let mut holds = true;
            for (key, value) in args.object(0).into_iter().flatten() {
                holds &= matches(key, value)?;
            }
            Value::Bool(holds)
        }
        "lookup" => lookup(args)?,
        "items" => items(args),
        _ => object_from_lists(args)?,
    })
}

/// The entries of an object by their keys.
fn sorted(map: Option<&Map<String, Value>>) -> impl Iterator<Item = (&String, &Value)> {
    let mut entries: Vec<_> = map.into_iter().flatten().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries.into_iter()
}

/// `sort_by`, `max_by`, `min_by` and their like: the keys must all be numbers or all be texts.
fn by(args: &Arguments<'_>, mut items: Vec<(Value, Value)>) -> Result<Value, QueryError> {
    let single = items.len() < 2;
    let numbers = items.iter().all(|(key, _)| key.is_number());
    if !single && !numbers && !items.iter().all(|(key, _)| key.is_string()) {
        return args.failed("needs keys that are all numbers or all strings");
    }
    args.world.budget.spend(items.len().saturating_mul(8))?;
    if args.name.starts_with("max") {
        // Of several that are greatest the first is meant.
        items.reverse();
    }
    items.sort_by(|(left, _), (right, _)| order(left, right));
    let mut items = items.into_iter().map(|(_, item)| item);
    Ok(match args.name {
        "sort" | "sort_by" => items.collect(),
        "min" | "min_by" => items.next().unwrap_or(Value::Null),
        _ => items.next_back().unwrap_or(Value::Null),
    })
}

fn order(left: &Value, right: &Value) -> std::cmp::Ordering {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        _ => left
            .as_f64()
            .unwrap_or(0.0)
            .total_cmp(&right.as_f64().unwrap_or(0.0)),
    }
}

fn lookup(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let found = match (args.any(0), args.any(1)) {
        (Value::Object(map), Value::String(key)) => map.get(key),
        (Value::Array(items), Value::Number(at)) => {
            let Some(at) = at.as_f64().filter(|at| at.fract() == 0.0) else {
                return args.failed("needs a whole number as argument 2");
            };
            if at < 0.0 { None } else { items.get(at as usize) }
        }
        (Value::Object(_), _) => return args.failed("needs a string as argument 2"),
        _ => return args.failed("needs a number as argument 2"),
    };
    Ok(found.cloned().unwrap_or(Value::Null))
}

/// The entries of an object, or the items of a list, as objects of two fields.
fn items(args: &Arguments<'_>) -> Value {
    let pair = |key: Value, value: &Value| {
        let mut pair = Map::new();
        pair.insert(args.text(1).to_owned(), key);
        pair.insert(args.text(2).to_owned(), value.clone());
        Value::Object(pair)
    };
    match args.any(0) {
        Value::Object(map) => sorted(Some(map))
            .map(|(key, value)| pair(Value::from(key.as_str()), value))
            .collect(),
        _ => args
            .list(0)
            .iter()
            .enumerate()
            .map(|(at, value)| pair(Value::from(at), value))
            .collect(),
    }
}

fn object_from_lists(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let mut object = Map::new();
    for (at, key) in args.list(0).iter().enumerate() {
        if key.is_null() || key.is_array() || key.is_object() {
            return args.failed("needs a list of strings");
        }
        let value = args.list(1).get(at).cloned().unwrap_or(Value::Null);
        object.insert(as_text(key), value);
    }
    Ok(Value::Object(object))
}
