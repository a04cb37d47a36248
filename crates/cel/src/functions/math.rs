//! Functions of numbers.

use std::cmp::Ordering;

use super::lists::extreme;
use super::{Args, Style, Table};
use crate::evaluate::Evaluated;
use crate::failure::Failure;
use crate::value::Value;

pub(super) const TABLE: Table = &[
    ("math.greatest", Style::Plain, greatest),
    ("math.least", Style::Plain, least),
    ("math.abs", Style::Plain, abs),
    ("math.sign", Style::Plain, sign),
    ("math.ceil", Style::Plain, ceil),
    ("math.floor", Style::Plain, floor),
    ("math.round", Style::Plain, round),
    ("math.trunc", Style::Plain, trunc),
    ("math.sqrt", Style::Plain, sqrt),
    ("math.isNaN", Style::Plain, is_nan),
    ("math.isInf", Style::Plain, is_inf),
    ("math.isFinite", Style::Plain, is_finite),
    ("math.bitAnd", Style::Plain, bit_and),
    ("math.bitOr", Style::Plain, bit_or),
    ("math.bitXor", Style::Plain, bit_xor),
    ("math.bitNot", Style::Plain, bit_not),
    ("math.bitShiftLeft", Style::Plain, shift_left),
    ("math.bitShiftRight", Style::Plain, shift_right),
];

fn extreme_number<'v>(args: &Args<'_, 'v>, wanted: Ordering) -> Evaluated<'v> {
    let items = match args.values.as_slice() {
        [list] if list.list_len().is_some() => args.items(0)?,
        values => values.to_vec(),
    };
    let number = |value: &Value<'v>| matches!(value, Value::Int(_) | Value::UInt(_) | Value::Double(_));
    if !items.iter().all(number) {
        return Err(args.refuse());
    }
    let order =
        |left: &Value<'v>, right: &Value<'v>| left.order(right).flatten().ok_or_else(super::not_ordered);
    extreme(items, wanted, order)?.ok_or_else(|| args.refuse())
}

fn greatest<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    extreme_number(args, Ordering::Greater)
}

fn least<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    extreme_number(args, Ordering::Less)
}

fn abs<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    Ok(match args.exactly()? {
        [Value::Int(value)] => Value::Int(
            value
                .checked_abs()
                .ok_or_else(|| Failure::new("integer overflow"))?,
        ),
        [Value::UInt(value)] => Value::UInt(*value),
        [Value::Double(value)] => Value::Double(value.abs()),
        _ => return Err(args.refuse()),
    })
}

fn sign<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    Ok(match args.exactly()? {
        [Value::Int(value)] => Value::Int(value.signum()),
        [Value::UInt(value)] => Value::UInt(u64::from(*value > 0)),
        [Value::Double(value)] if *value == 0.0 || value.is_nan() => Value::Double(*value),
        [Value::Double(value)] => Value::Double(value.signum()),
        _ => return Err(args.refuse()),
    })
}

fn double<'v>(args: &Args<'_, 'v>, change: impl Fn(f64) -> f64) -> Evaluated<'v> {
    match args.exactly()? {
        [Value::Double(value)] => Ok(Value::Double(change(*value))),
        _ => Err(args.refuse()),
    }
}

fn ceil<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    double(args, f64::ceil)
}

fn floor<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    double(args, f64::floor)
}

fn trunc<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    double(args, f64::trunc)
}

/// To a whole number, or with a second argument to so many places (Kyverno's).
fn round<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    if let [Value::Double(value), Value::Int(places)] = args.values.as_slice() {
        let shift = 10_f64.powi((*places).clamp(-400, 400) as i32);
        return Ok(Value::Double((value * shift).round() / shift));
    }
    double(args, f64::round)
}

fn sqrt<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    Ok(Value::Double(match args.exactly()? {
        [Value::Double(value)] => value.sqrt(),
        [Value::Int(value)] => (*value as f64).sqrt(),
        [Value::UInt(value)] => (*value as f64).sqrt(),
        _ => return Err(args.refuse()),
    }))
}

fn asks<'v>(args: &Args<'_, 'v>, question: impl Fn(f64) -> bool) -> Evaluated<'v> {
    match args.exactly()? {
        [Value::Double(value)] => Ok(Value::Bool(question(*value))),
        _ => Err(args.refuse()),
    }
}

fn is_nan<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    asks(args, f64::is_nan)
}

fn is_inf<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    asks(args, f64::is_infinite)
}

fn is_finite<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    asks(args, f64::is_finite)
}

fn bits<'v>(args: &Args<'_, 'v>, combine: impl Fn(u64, u64) -> u64) -> Evaluated<'v> {
    match args.exactly()? {
        [Value::Int(left), Value::Int(right)] => Ok(Value::Int(combine(*left as u64, *right as u64) as i64)),
        [Value::UInt(left), Value::UInt(right)] => Ok(Value::UInt(combine(*left, *right))),
        _ => Err(args.refuse()),
    }
}

fn bit_and<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    bits(args, |left, right| left & right)
}

fn bit_or<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    bits(args, |left, right| left | right)
}

fn bit_xor<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    bits(args, |left, right| left ^ right)
}

fn bit_not<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match args.exactly()? {
        [Value::Int(value)] => Ok(Value::Int(!value)),
        [Value::UInt(value)] => Ok(Value::UInt(!value)),
        _ => Err(args.refuse()),
    }
}

fn shift<'v>(args: &Args<'_, 'v>, move_by: impl Fn(u64, u32) -> u64) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let by = args.int(1)?;
    if by < 0 {
        return Err(Failure::new("math.bitShift() negative offset"));
    }
    let by = u32::try_from(by).unwrap_or(64).min(64);
    let moved = |value: u64| if by >= 64 { 0 } else { move_by(value, by) };
    match args.values.first() {
        Some(Value::Int(value)) => Ok(Value::Int(moved(*value as u64) as i64)),
        Some(Value::UInt(value)) => Ok(Value::UInt(moved(*value))),
        _ => Err(args.refuse()),
    }
}

fn shift_left<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    shift(args, |value, by| value << by)
}

fn shift_right<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    shift(args, |value, by| value >> by)
}
