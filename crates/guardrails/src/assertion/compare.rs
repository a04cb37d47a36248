//! Whether a value is the one that is wanted. Of a map only what is wanted counts; a list is compared item by item.

use ::cel::budget::Budget;
use serde_json::Value;

use crate::jmespath::{QueryError, equal};

/// Whether a value is as wanted. Kinds of values that cannot be compared are an error.
pub(super) fn matches(wanted: &Value, value: &Value, budget: &Budget) -> Result<bool, QueryError> {
    budget.spend(1)?;
    match (wanted, value) {
        (Value::Array(wanted), Value::Array(items)) => {
            if wanted.len() != items.len() {
                return Ok(false);
            }
            for (wanted, item) in wanted.iter().zip(items) {
                if !matches(wanted, item, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Array(_), other) => Err(failed(&format!(
            "invalid actual value, must be a slice, found {}",
            kind(other)
        ))),
        (Value::Object(wanted), Value::Object(map)) => {
            for (key, wanted) in wanted {
                match map.get(key) {
                    Some(value) if matches(wanted, value, budget)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Object(_), other) => Err(failed(&format!(
            "invalid actual value, must be a map, found {}",
            kind(other)
        ))),
        (Value::Null, value) => Ok(value.is_null()),
        (_, Value::Null) => Ok(false),
        (wanted, value) if kind(wanted) == kind(value) => Ok(equal(wanted, value, budget)?),
        (wanted, value) => {
            let (wanted, value) = (kind(wanted), kind(value));
            Err(failed(&format!("types are not comparable, {wanted} - {value}")))
        }
    }
}

fn failed(reason: &str) -> QueryError {
    QueryError::Failed(reason.to_owned())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}
