//! Functions over numbers, quantities and durations.

use serde_json::Value;

use super::Arguments;
use crate::jmespath::QueryError;
use crate::jmespath::arithmetic::{self, Operation, compute};

pub(super) fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let result = match args.name {
        "abs" => args.number(0).abs(),
        "ceil" => args.number(0).ceil(),
        "floor" => args.number(0).floor(),
        "round" => {
            let places = args.number(1);
            if places.fract() != 0.0 || places < 0.0 {
                return args.failed("needs a whole number of places");
            }
            let shift = 10_f64.powf(places);
            (args.number(0) * shift).round() / shift
        }
        "avg" => {
            let list = args.list(0);
            if list.is_empty() {
                return Ok(Value::Null);
            }
            list.iter().filter_map(Value::as_f64).sum::<f64>() / list.len() as f64
        }
        "to_number" => match args.any(0) {
            number @ Value::Number(_) => return Ok(number.clone()),
            Value::String(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => number,
                _ => return Ok(Value::Null),
            },
            _ => return Ok(Value::Null),
        },
        "sum" => {
            let Some((first, rest)) = args.list(0).split_first() else {
                return args.failed("needs at least one item");
            };
            let sum = rest.iter().try_fold(first.clone(), |sum, item| {
                args.world.budget.spend(1)?;
                computed(args, Operation::Add, &sum, item)
            });
            return sum;
        }
        name => {
            let operation = match name {
                "add" => Operation::Add,
                "subtract" => Operation::Subtract,
                "multiply" => Operation::Multiply,
                "divide" => Operation::Divide,
                _ => Operation::Modulo,
            };
            return computed(args, operation, args.any(0), args.any(1));
        }
    };
    match arithmetic::number(result) {
        Some(value) => Ok(value),
        None => args.failed("gives a number that is out of range"),
    }
}

fn computed(
    args: &Arguments<'_>,
    operation: Operation,
    left: &Value,
    right: &Value,
) -> Result<Value, QueryError> {
    compute(operation, left, right).or_else(|reason| args.failed(&format!("failed: {reason}")))
}
