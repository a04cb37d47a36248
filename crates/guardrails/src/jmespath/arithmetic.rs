//! Kyverno's `add`, `subtract`, `multiply`, `divide`, `modulo` over numbers, quantities and durations.

use serde_json::{Number, Value};

use crate::quantity::{Quantity, parse_duration};

/// What can be computed with.
#[derive(Clone, Copy)]
enum Operand {
    Number(f64),
    /// In billionths.
    Quantity(i128),
    /// In nanoseconds.
    Duration(i64),
}

/// The operations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

const NANO: i128 = 1_000_000_000;

/// Computes; the error says why it cannot.
pub(super) fn compute(operation: Operation, left: &Value, right: &Value) -> Result<Value, String> {
    let mismatch = || "the operands of an arithmetic function do not go together".to_owned();
    let overflow = || "the result of an arithmetic function is out of range".to_owned();
    let (left, right) = (
        operand(left).ok_or_else(mismatch)?,
        operand(right).ok_or_else(mismatch)?,
    );
    if matches!(operation, Operation::Divide | Operation::Modulo) && right.is_zero() {
        return Err("division by zero".to_owned());
    }
    match (operation, left, right) {
        (_, Operand::Number(left), Operand::Number(right)) => {
            if operation == Operation::Modulo && (left.fract() != 0.0 || right.fract() != 0.0) {
                return Err("modulo needs whole numbers".to_owned());
            }
            number(match operation {
                Operation::Add => left + right,
                Operation::Subtract => left - right,
                Operation::Multiply => left * right,
                Operation::Divide => left / right,
                Operation::Modulo => left % right,
            })
            .ok_or_else(overflow)
        }
        (Operation::Add, Operand::Quantity(left), Operand::Quantity(right)) => {
            left.checked_add(right).map(quantity).ok_or_else(overflow)
        }
        (Operation::Subtract, Operand::Quantity(left), Operand::Quantity(right)) => {
            left.checked_sub(right).map(quantity).ok_or_else(overflow)
        }
        (Operation::Modulo, Operand::Quantity(left), Operand::Quantity(right)) => {
            left.checked_rem(right).map(quantity).ok_or_else(overflow)
        }
        (Operation::Divide, Operand::Quantity(left), Operand::Quantity(right)) => {
            number(left as f64 / right as f64).ok_or_else(overflow)
        }
        (Operation::Multiply, Operand::Quantity(value), Operand::Number(factor))
        | (Operation::Multiply, Operand::Number(factor), Operand::Quantity(value)) => {
            scaled(value as f64 * factor).map(quantity).ok_or_else(overflow)
        }
        (Operation::Divide, Operand::Quantity(value), Operand::Number(divisor)) => {
            scaled(value as f64 / divisor).map(quantity).ok_or_else(overflow)
        }
        (Operation::Add, Operand::Duration(left), Operand::Duration(right)) => {
            left.checked_add(right).map(duration).ok_or_else(overflow)
        }
        (Operation::Subtract, Operand::Duration(left), Operand::Duration(right)) => {
            left.checked_sub(right).map(duration).ok_or_else(overflow)
        }
        (Operation::Modulo, Operand::Duration(left), Operand::Duration(right)) => {
            left.checked_rem(right).map(duration).ok_or_else(overflow)
        }
        (Operation::Divide, Operand::Duration(left), Operand::Duration(right)) => {
            number(left as f64 / right as f64).ok_or_else(overflow)
        }
        (Operation::Multiply, Operand::Duration(value), Operand::Number(factor))
        | (Operation::Multiply, Operand::Number(factor), Operand::Duration(value)) => {
            scaled(value as f64 * factor)
                .and_then(|value| i64::try_from(value).ok())
                .map(duration)
                .ok_or_else(overflow)
        }
        (Operation::Divide, Operand::Duration(value), Operand::Number(divisor)) => {
            scaled(value as f64 / divisor)
                .and_then(|value| i64::try_from(value).ok())
                .map(duration)
                .ok_or_else(overflow)
        }
        _ => Err(mismatch()),
    }
}

impl Operand {
    fn is_zero(self) -> bool {
        match self {
            Operand::Number(value) => value == 0.0,
            Operand::Quantity(value) => value == 0,
            Operand::Duration(value) => value == 0,
        }
    }
}

fn operand(value: &Value) -> Option<Operand> {
    match value {
        Value::Number(value) => value.as_f64().map(Operand::Number),
        Value::String(text) => Quantity::parse(text)
            .map(|value| Operand::Quantity(value.0))
            .or_else(|| parse_duration(text).map(Operand::Duration)),
        _ => None,
    }
}

fn scaled(value: f64) -> Option<i128> {
    (value.is_finite() && value.abs() < 1e37).then(|| value.round() as i128)
}

/// A number as JSON holds it: whole numbers stay whole.
pub(super) fn number(value: f64) -> Option<Value> {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}

fn quantity(nanos: i128) -> Value {
    let (value, suffix) = if nanos % NANO == 0 {
        (nanos / NANO, "")
    } else if nanos % 1_000_000 == 0 {
        (nanos / 1_000_000, "m")
    } else if nanos % 1_000 == 0 {
        (nanos / 1_000, "u")
    } else {
        (nanos, "n")
    };
    Value::String(format!("{value}{suffix}"))
}

/// A duration as Go prints it: `1h30m0s`, `1.5s`, `100ms`.
pub(super) fn duration(nanos: i64) -> Value {
    let sign = if nanos < 0 { "-" } else { "" };
    let value = nanos.unsigned_abs();
    let text = if value == 0 {
        "0s".to_owned()
    } else if value < 1_000 {
        format!("{sign}{value}ns")
    } else if value < 1_000_000 {
        format!("{sign}{}µs", decimal(value, 1_000))
    } else if value < 1_000_000_000 {
        format!("{sign}{}ms", decimal(value, 1_000_000))
    } else {
        let seconds = decimal(value % 60_000_000_000, 1_000_000_000);
        let minutes = value / 60_000_000_000;
        match (minutes / 60, minutes % 60) {
            (0, 0) => format!("{sign}{seconds}s"),
            (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
            (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
        }
    };
    Value::String(text)
}

fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let places = unit.to_string().len() - 1;
    format!("{whole}.{rest:0places$}")
        .trim_end_matches('0')
        .to_owned()
}
