//! Sprig's arithmetic: whole numbers are 64 bits wide and wrap around, floats are worked out in decimals.

use super::Kind::{Any, Float, Int, Text};
use super::{Function, Outcome, fixed, int_of, string, strval, text_of, variadic};
use crate::functions::decimal::Decimal;
use crate::object::Object;
use crate::template::{Engine, Failure};
use crate::value::{Elements, List, Value};
use std::rc::Rc;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("int", &[Any], |_, args| Ok(Value::Int(to_int(&args[0])))),
    fixed("int64", &[Any], |_, args| Ok(Value::Int64(to_int(&args[0])))),
    fixed("float64", &[Any], |_, args| Ok(Value::Float(to_float(&args[0])))),
    fixed("atoi", &[Text], |_, args| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let parsed: Result<i64, _> = text_of(&args[0]).parse();
        Ok(Value::Int(parsed.unwrap_or_else(|error| match error.kind() {
            PosOverflow => i64::MAX,
            NegOverflow => i64::MIN,
            _ => 0,
        })))
    }),
    fixed("toDecimal", &[Any], |engine, args| {
        let text = strval(engine, &args[0])?;
        Ok(Value::Int64(i64::from_str_radix(&text, 8).unwrap_or(0)))
    }),
    fixed("add1", &[Any], |_, args| {
        Ok(Value::Int64(to_int(&args[0]).wrapping_add(1)))
    }),
    variadic("add", &[], Any, |_, args| {
        Ok(Value::Int64(args.iter().map(to_int).fold(0, i64::wrapping_add)))
    }),
    fixed("sub", &[Any, Any], |_, args| {
        Ok(Value::Int64(to_int(&args[0]).wrapping_sub(to_int(&args[1]))))
    }),
    fixed("div", &[Any, Any], |_, args| divided(args, i64::wrapping_div)),
    fixed("mod", &[Any, Any], |_, args| divided(args, i64::wrapping_rem)),
    variadic("mul", &[Any], Any, |_, args| {
        Ok(Value::Int64(args.iter().map(to_int).fold(1, i64::wrapping_mul)))
    }),
    variadic("max", &[Any], Any, largest),
    variadic("biggest", &[Any], Any, largest),
    variadic("min", &[Any], Any, |_, args| {
        Ok(Value::Int64(args.iter().map(to_int).min().unwrap_or(0)))
    }),
    variadic("maxf", &[Any], Any, |_, args| {
        Ok(Value::Float(
            args.iter().map(to_float).fold(f64::NEG_INFINITY, f64::max),
        ))
    }),
    variadic("minf", &[Any], Any, |_, args| {
        Ok(Value::Float(
            args.iter().map(to_float).fold(f64::INFINITY, f64::min),
        ))
    }),
    fixed("add1f", &[Any], |_, args| {
        decimals(&[args[0].clone(), Value::Int(1)], Decimal::add)
    }),
    variadic("addf", &[], Any, |_, args| {
        let mut all = vec![Value::Int(0)];
        all.extend_from_slice(args);
        decimals(&all, Decimal::add)
    }),
    variadic("subf", &[Any], Any, |_, args| decimals(args, Decimal::subtract)),
    variadic("mulf", &[Any], Any, |_, args| decimals(args, Decimal::multiply)),
    variadic("divf", &[Any], Any, |_, args| {
        if args[1..].iter().any(|value| to_float(value) == 0.0) {
            return Err("decimal division by 0".into());
        }
        decimals(args, Decimal::divide)
    }),
    fixed("floor", &[Any], |_, args| {
        Ok(Value::Float(to_float(&args[0]).floor()))
    }),
    fixed("ceil", &[Any], |_, args| {
        Ok(Value::Float(to_float(&args[0]).ceil()))
    }),
    variadic("round", &[Any, Int], Float, |_, args| {
        let threshold = match args.get(2) {
            Some(Value::Float(threshold)) => *threshold,
            _ => 0.5,
        };
        let scale = 10_f64.powi(int_of(&args[1]).clamp(-400, 400) as i32);
        let shifted = scale * to_float(&args[0]);
        let rounded = if shifted.fract() >= threshold {
            shifted.ceil()
        } else {
            shifted.floor()
        };
        Ok(Value::Float(rounded / scale))
    }),
    fixed("until", &[Int], |engine, args| {
        let count = int_of(&args[0]);
        Ok(ints(steps(engine, 0, count, if count < 0 { -1 } else { 1 })?))
    }),
    fixed("untilStep", &[Int, Int, Int], |engine, args| {
        Ok(ints(steps(
            engine,
            int_of(&args[0]),
            int_of(&args[1]),
            int_of(&args[2]),
        )?))
    }),
    variadic("seq", &[], Int, sequence),
];

/// What `cast.ToInt64` makes of a value: nothing is zero, floats are cut, text is read with its prefix.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Float(number) => cut(*number),
        Value::Bool(value) => i64::from(*value),
        Value::Str(text) => text_to_int(text),
        Value::Object(object) => match &**object {
            Object::Duration(nanoseconds) => *nanoseconds,
            Object::Month(number) | Object::Weekday(number) => *number as i64,
            _ => 0,
        },
        _ => 0,
    }
}

/// A float without its fraction; what no 64 bits hold is the least number, as on the machines Helm runs on.
fn cut(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

fn text_to_int(text: &str) -> i64 {
    // `5.0` and `5.` are whole numbers as well.
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    let (negative, digits) = match whole.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, whole.strip_prefix('+').unwrap_or(whole)),
    };
    let lower = digits.to_ascii_lowercase().replace('_', "");
    let (radix, body) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !body.starts_with(|c: char| c.is_digit(radix)) {
        return 0;
    }
    let magnitude = i64::from_str_radix(body, radix).unwrap_or(0);
    if negative { -magnitude } else { magnitude }
}

/// What `cast.ToFloat64` makes of a value.
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(number) | Value::Int64(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Bool(value) => f64::from(u8::from(*value)),
        // A line below a digit only groups what stands around it.
        Value::Str(text) => text.replace('_', "").parse().unwrap_or(0.0),
        _ => 0.0,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the type of a function's body")]
fn largest(_: &Engine<'_>, args: &[Value]) -> Outcome {
    Ok(Value::Int64(args.iter().map(to_int).max().unwrap_or(0)))
}

fn divided(args: &[Value], operation: fn(i64, i64) -> i64) -> Outcome {
    let divisor = to_int(&args[1]);
    if divisor == 0 {
        return Err("runtime error: integer divide by zero".into());
    }
    Ok(Value::Int64(operation(to_int(&args[0]), divisor)))
}

fn decimals(args: &[Value], operation: fn(Decimal, Decimal) -> Decimal) -> Outcome {
    if let Some(number) = args.iter().map(to_float).find(|number| !number.is_finite()) {
        return Err(format!("Cannot create a Decimal from {}", yaml::format_float(number)).into());
    }
    let mut numbers = args.iter().map(|value| Decimal::from_float(to_float(value)));
    let first = numbers.next().unwrap_or(Decimal::from_float(0.0));
    Ok(Value::Float(numbers.fold(first, operation).to_float()))
}

fn steps(engine: &Engine<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Failure> {
    let backwards = stop < start;
    if step == 0 || backwards != (step < 0) {
        return Ok(Vec::new());
    }
    let count = start.abs_diff(stop).div_ceil(step.unsigned_abs());
    engine.budget.spend(count)?;
    let mut numbers = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    let mut number = start;
    while if backwards { number > stop } else { number < stop } {
        numbers.push(number);
        let Some(next) = number.checked_add(step) else {
            break;
        };
        number = next;
    }
    Ok(numbers)
}

fn ints(numbers: Vec<i64>) -> Value {
    let items = numbers.into_iter().map(Value::Int).collect();
    Value::List(Rc::new(List {
        items,
        elements: Elements::Ints,
    }))
}

fn sequence(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let numbers: Vec<i64> = args.iter().map(int_of).collect();
    let toward = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, end, step) = match numbers.as_slice() {
        [end] => (1, *end, toward(1, *end)),
        [start, end] => (*start, *end, toward(*start, *end)),
        [start, step, end] => {
            if end < start && *step > 0 {
                return string("");
            }
            (*start, *end, *step)
        }
        _ => return string(""),
    };
    let stop = end.saturating_add(toward(start, end));
    let words: Vec<String> = steps(engine, start, stop, step)?
        .iter()
        .map(i64::to_string)
        .collect();
    string(words.join(" "))
}
