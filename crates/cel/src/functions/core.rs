//! What every CEL has: arithmetic, sizes, conversions, optional values.

use super::{Args, Style, Table, no_overload};
use crate::budget::Budget;
use crate::evaluate::Evaluated;
use crate::failure::Failure;
use crate::moment::{self, Timestamp};
use crate::opaque::Opaque;
use crate::parse::Operator;
use crate::value::{Key, Text, Value};

pub(super) const TABLE: Table = &[
    ("size", Style::Plain, size),
    ("size", Style::Method, size),
    ("int", Style::Plain, int),
    ("uint", Style::Plain, uint),
    ("double", Style::Plain, double),
    ("string", Style::Plain, string),
    ("bytes", Style::Plain, bytes),
    ("bool", Style::Plain, boolean),
    ("dyn", Style::Plain, dynamic),
    ("type", Style::Plain, type_of),
    ("timestamp", Style::Plain, timestamp),
    ("duration", Style::Plain, duration),
    ("optional.of", Style::Plain, optional_of),
    ("optional.ofNonZeroValue", Style::Plain, optional_of_non_zero),
    ("optional.none", Style::Plain, optional_none),
    ("optional.unwrap", Style::Plain, unwrap_optionals),
    ("unwrapOpt", Style::Method, unwrap_optionals),
    ("hasValue", Style::Method, has_value),
    ("value", Style::Method, value_of),
];

/// Sums, differences, products and so on.
pub(crate) fn arithmetic<'v>(
    operator: Operator,
    left: Value<'v>,
    right: Value<'v>,
    budget: &Budget,
) -> Evaluated<'v> {
    let overflow = || Failure::new("integer overflow");
    match (&left, &right) {
        (Value::Int(a), Value::Int(b)) => match operator {
            Operator::Add => a.checked_add(*b).ok_or_else(overflow),
            Operator::Subtract => a.checked_sub(*b).ok_or_else(overflow),
            Operator::Multiply => a.checked_mul(*b).ok_or_else(overflow),
            Operator::Divide if *b == 0 => Err(Failure::new("division by zero")),
            Operator::Divide => a.checked_div(*b).ok_or_else(overflow),
            _ if *b == 0 => Err(Failure::new("modulus by zero")),
            _ => a.checked_rem(*b).ok_or_else(overflow),
        }
        .map(Value::Int),
        (Value::UInt(a), Value::UInt(b)) => match operator {
            Operator::Add => a.checked_add(*b).ok_or_else(overflow),
            Operator::Subtract => a.checked_sub(*b).ok_or_else(overflow),
            Operator::Multiply => a.checked_mul(*b).ok_or_else(overflow),
            Operator::Divide => a.checked_div(*b).ok_or_else(|| Failure::new("division by zero")),
            _ => a.checked_rem(*b).ok_or_else(|| Failure::new("modulus by zero")),
        }
        .map(Value::UInt),
        (Value::Double(a), Value::Double(b)) => match operator {
            Operator::Add => Ok(Value::Double(a + b)),
            Operator::Subtract => Ok(Value::Double(a - b)),
            Operator::Multiply => Ok(Value::Double(a * b)),
            Operator::Divide => Ok(Value::Double(a / b)),
            _ => Err(no_overload("%", &[left, right])),
        },
        _ if operator == Operator::Add => add(left, right, budget),
        (Value::Timestamp(a), Value::Timestamp(b)) if operator == Operator::Subtract => {
            i64::try_from(a.total() - b.total())
                .map(Value::Duration)
                .map_err(|_| Failure::new("duration overflow"))
        }
        (Value::Timestamp(a), Value::Duration(b)) if operator == Operator::Subtract => {
            shift(*a, -i128::from(*b))
        }
        (Value::Duration(a), Value::Duration(b)) if operator == Operator::Subtract => {
            a.checked_sub(*b).map(Value::Duration).ok_or_else(overflow)
        }
        _ => Err(no_overload("arithmetic", &[left, right])),
    }
}

fn add<'v>(left: Value<'v>, right: Value<'v>, budget: &Budget) -> Evaluated<'v> {
    match (&left, &right) {
        (Value::Text(a), Value::Text(b)) => {
            budget.spend((a.len() + b.len()) / 64)?;
            Ok(Value::text(format!("{}{}", &**a, &**b)))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            budget.spend((a.len() + b.len()) / 64)?;
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        (Value::Timestamp(a), Value::Duration(b)) | (Value::Duration(b), Value::Timestamp(a)) => {
            shift(*a, i128::from(*b))
        }
        (Value::Duration(a), Value::Duration(b)) => a
            .checked_add(*b)
            .map(Value::Duration)
            .ok_or_else(|| Failure::new("integer overflow")),
        _ => match (left.list_len(), right.list_len()) {
            (Some(a), Some(b)) => {
                budget.spend(a + b)?;
                let mut items = left.elements().unwrap_or_default();
                items.extend(right.elements().unwrap_or_default());
                Value::list(items)
            }
            _ => Err(no_overload("+", &[left, right])),
        },
    }
}

fn shift<'v>(time: Timestamp, by: i128) -> Evaluated<'v> {
    Timestamp::from_total(time.total() + by)
        .map(Value::Timestamp)
        .ok_or_else(|| Failure::new("timestamp overflow"))
}

/// `in`: an item of a list, or a key of a map.
pub(crate) fn contains<'v>(
    container: &Value<'v>,
    wanted: &Value<'v>,
    budget: &Budget,
) -> Result<bool, Failure> {
    if let Some(length) = container.list_len() {
        for index in 0..length {
            if let Some(item) = container.item(index)
                && item.same(wanted, budget)?
            {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if container.map_len().is_some() {
        return Ok(container.get(wanted).is_some());
    }
    Err(no_overload("in", &[wanted.clone(), container.clone()]))
}

fn size<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value] = args.exactly()?;
    let size = match value {
        Value::Text(text) => {
            args.budget.spend(text.len() / 64)?;
            text.chars().count()
        }
        Value::Bytes(bytes) => bytes.len(),
        other => other
            .list_len()
            .or_else(|| other.map_len())
            .ok_or_else(|| args.refuse())?,
    };
    Ok(Value::Int(size as i64))
}

fn int<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value] = args.exactly()?;
    let range = || Failure::new("integer overflow");
    Ok(Value::Int(match value {
        Value::Int(value) => *value,
        Value::UInt(value) => i64::try_from(*value).map_err(|_| range())?,
        Value::Double(value) if value.abs() < 9_223_372_036_854_775_808.0 => value.trunc() as i64,
        Value::Double(_) => return Err(range()),
        Value::Text(text) => text
            .parse()
            .map_err(|_| Failure::new(format!("{:?} is no integer", &**text)))?,
        Value::Timestamp(time) => time.seconds,
        Value::Duration(nanos) => *nanos,
        _ => return Err(args.refuse()),
    }))
}

fn uint<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value] = args.exactly()?;
    let range = || Failure::new("unsigned integer overflow");
    Ok(Value::UInt(match value {
        Value::UInt(value) => *value,
        Value::Int(value) => u64::try_from(*value).map_err(|_| range())?,
        Value::Double(value) if *value >= 0.0 && *value < 18_446_744_073_709_551_616.0 => {
            value.trunc() as u64
        }
        Value::Double(_) => return Err(range()),
        Value::Text(text) => text
            .parse()
            .map_err(|_| Failure::new(format!("{:?} is no unsigned integer", &**text)))?,
        _ => return Err(args.refuse()),
    }))
}

fn double<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value] = args.exactly()?;
    Ok(Value::Double(match value {
        Value::Double(value) => *value,
        Value::Int(value) => *value as f64,
        Value::UInt(value) => *value as f64,
        Value::Text(text) => text
            .parse()
            .map_err(|_| Failure::new(format!("{:?} is no number", &**text)))?,
        _ => return Err(args.refuse()),
    }))
}

fn string<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value] = args.exactly()?;
    Ok(match value {
        Value::Text(_) => value.clone(),
        Value::Bool(value) => Value::text(value.to_string()),
        Value::Int(value) => Value::text(value.to_string()),
        Value::UInt(value) => Value::text(value.to_string()),
        Value::Double(value) => Value::text(double_text(*value)),
        Value::Bytes(bytes) => {
            args.budget.spend(bytes.len() / 64)?;
            let text = std::str::from_utf8(bytes).map_err(|_| Failure::new("the bytes are not UTF-8"))?;
            Value::text(text)
        }
        Value::Timestamp(time) => Value::text(time.to_string()),
        Value::Duration(nanos) => Value::text(moment::duration_text(*nanos)),
        Value::Opaque(opaque) => match &**opaque {
            Opaque::Ip(_) | Opaque::Cidr(..) => Value::text(opaque.to_string()),
            _ => return Err(args.refuse()),
        },
        _ => return Err(args.refuse()),
    })
}

/// A double as Go's shortest `%g` has it.
pub(crate) fn double_text(value: f64) -> String {
    if let Some(name) = not_finite(value) {
        return name.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn not_finite(value: f64) -> Option<&'static str> {
    match value {
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        value if value.is_nan() => Some("NaN"),
        _ => None,
    }
}

fn bytes<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match args.exactly()? {
        [value @ Value::Bytes(_)] => Ok(value.clone()),
        [Value::Text(text)] => {
            args.budget.spend(text.len() / 64)?;
            Ok(Value::Bytes(text.as_bytes().into()))
        }
        _ => Err(args.refuse()),
    }
}

fn boolean<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match args.exactly()? {
        [Value::Bool(value)] => Ok(Value::Bool(*value)),
        [Value::Text(text)] => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            other => Err(Failure::new(format!("{other:?} is neither true nor false"))),
        },
        _ => Err(args.refuse()),
    }
}

fn dynamic<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value] = args.exactly()?;
    Ok(value.clone())
}

fn type_of<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value] = args.exactly()?;
    Ok(Value::Type(Text::from(value.type_name().to_owned())))
}

fn timestamp<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match args.exactly()? {
        [value @ Value::Timestamp(_)] => Ok(value.clone()),
        [Value::Text(text)] => Timestamp::parse(text)
            .map(Value::Timestamp)
            .ok_or_else(|| Failure::new(format!("{:?} is no timestamp", &**text))),
        [Value::Int(seconds)] => Timestamp::new(*seconds, 0)
            .map(Value::Timestamp)
            .ok_or_else(|| Failure::new("timestamp overflow")),
        _ => Err(args.refuse()),
    }
}

fn duration<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match args.exactly()? {
        [value @ Value::Duration(_)] => Ok(value.clone()),
        [Value::Text(text)] => moment::duration(text)
            .map(Value::Duration)
            .ok_or_else(|| Failure::new(format!("{:?} is no duration", &**text))),
        [Value::Int(nanos)] => Ok(Value::Duration(*nanos)),
        _ => Err(args.refuse()),
    }
}

fn optional_of<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value] = args.exactly()?;
    Value::some(value.clone())
}

fn optional_of_non_zero<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value] = args.exactly()?;
    let zero = match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Int(value) | Value::Duration(value) => *value == 0,
        Value::UInt(value) => *value == 0,
        Value::Double(value) => *value == 0.0,
        Value::Text(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Optional(inner) => inner.is_none(),
        other => other.list_len().or_else(|| other.map_len()) == Some(0),
    };
    if zero {
        Ok(Value::Optional(None))
    } else {
        Value::some(value.clone())
    }
}

fn optional_none<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [] = args.exactly()?;
    Ok(Value::Optional(None))
}

fn unwrap_optionals<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let mut items = Vec::new();
    for item in args.items(0)? {
        match item {
            Value::Optional(inner) => items.extend(inner.map(|inner| (*inner).clone())),
            other => return Err(no_overload(args.name, &[other])),
        }
    }
    Value::list(items)
}

fn has_value<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match args.exactly()? {
        [Value::Optional(inner)] => Ok(Value::Bool(inner.is_some())),
        _ => Err(args.refuse()),
    }
}

fn value_of<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match args.exactly()? {
        [Value::Optional(Some(inner))] => Ok((**inner).clone()),
        [Value::Optional(None)] => Err(Failure::new("optional.none() dereference")),
        _ => Err(args.refuse()),
    }
}

/// Keys as texts; other keys are none that JSON has.
pub fn key_text(key: &Key<'_>) -> Option<String> {
    match key {
        Key::Text(text) => Some(text.to_string()),
        _ => None,
    }
}
